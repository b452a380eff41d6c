"""glTF-binary (``.glb``): the skeleton as animated bones, for viewers, game engines and web pages.

One node a segment, an octahedron a bone; the animation turns the nodes and moves the root. glTF is Y-up and in metres,
as our world, so nothing is converted. Written after the glTF 2.0 specification of the Khronos Group.
"""

import json
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np

from kinefuse.conventions import SEGMENT_PARENTS, SEGMENTS
from kinefuse.formats.skeleton import local_rotations, tip_offsets
from kinefuse.formats.table_text import write_atomically
from kinefuse.motion import Motion
from kinefuse.rotations import quaternion_from_matrix

_FLOAT: Final = 5126
_USHORT: Final = 5123
_FACES: Final = np.array(
    [[0, 2, 1], [0, 3, 2], [0, 4, 3], [0, 1, 4], [5, 1, 2], [5, 2, 3], [5, 3, 4], [5, 4, 1]], dtype=np.uint16
)
"""Corners of an octahedron's faces, counter-clockwise from outside: 0 its base, 1 to 4 its waist, 5 its tip."""


class _Buffer:
    """Collects arrays and the accessors that describe them."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, array: np.ndarray, kind: str) -> int:
        """Append `array` (N, ...) and return the index of its accessor."""
        raw = array.tobytes()
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(raw)})
        self.data += raw + b"\0" * (-len(raw) % 4)
        component = _USHORT if array.dtype == np.uint16 else _FLOAT
        flat = array.reshape(len(array), -1)
        self.accessors.append(
            {
                "bufferView": len(self.views) - 1,
                "componentType": component,
                "count": len(array),
                "type": kind,
                "min": flat.min(axis=0).tolist(),
                "max": flat.max(axis=0).tolist(),
            }
        )
        return len(self.accessors) - 1


def octahedron(tip: np.ndarray, thickness: float = 0.12) -> np.ndarray:
    """Return the corners (6, 3) of a bone from the origin to `tip`, widest at a fifth of its length.

    Parameters
    ----------
    tip : (3,) metres
    thickness : half width over length
    """
    length = float(np.linalg.norm(tip))
    along = tip / length
    helper = np.eye(3)[int(np.argmin(np.abs(along)))]
    side = np.cross(along, helper) / np.linalg.norm(np.cross(along, helper))
    other = np.cross(along, side)
    waist = 0.2 * tip + thickness * length * np.array([side, other, -side, -other])
    return np.vstack([np.zeros(3), waist, tip])


def write_glb(path: Path, motion: Motion, missing: str = "error") -> None:
    """Write a motion as an animated glTF-binary skeleton.

    Parameters
    ----------
    path
    motion
    missing
        As in `bvh.write_bvh`: ``"error"``, or ``"hold"`` to keep the last known values.

    Raises
    ------
    KinefuseError
        If there is no frame, the rest pose is incomplete, something is missing and may not be, or the file cannot be
        written.
    """
    document, data = glb_content(motion, missing)
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode("utf-8")
    text += b" " * (-len(text) % 4)
    size = 12 + 8 + len(text) + 8 + len(data)
    head = struct.pack("<4sII", b"glTF", 2, size) + struct.pack("<I4s", len(text), b"JSON")
    content = head + text + struct.pack("<I4s", len(data), b"BIN\0") + data
    write_atomically(Path(path), lambda partial: _write_bytes(partial, content))


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def glb_content(motion: Motion, missing: str) -> tuple[dict[str, Any], bytes]:
    """Return the glTF document and its binary buffer."""
    rotations, root = local_rotations(motion, missing)
    buffer = _Buffer()
    nodes, meshes = _nodes_and_meshes(motion.rest_positions, buffer)
    animation = _animation(motion.time, rotations, root, buffer)
    document = {
        "asset": {"version": "2.0", "generator": "kinefuse"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": nodes,
        "meshes": meshes,
        "materials": [{"pbrMetallicRoughness": {"baseColorFactor": [0.75, 0.72, 0.65, 1.0], "metallicFactor": 0.0}}],
        "animations": [animation],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    return document, bytes(buffer.data)


def _bone_tips(segment: int, rest: np.ndarray) -> list[np.ndarray]:
    """Return where bones of one segment end: at each child joint, or at its own tip."""
    children = [child for child, parent in enumerate(SEGMENT_PARENTS) if parent == segment]
    tips = [rest[child] - rest[segment] for child in children] or [tip_offsets(rest)[segment]]
    return [tip for tip in tips if np.linalg.norm(tip) > 1e-6]


def _nodes_and_meshes(rest: np.ndarray, buffer: _Buffer) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    nodes: list[dict[str, Any]] = []
    meshes: list[dict[str, Any]] = []
    for segment, parent in enumerate(SEGMENT_PARENTS):
        offset = rest[segment] - rest[parent] if parent >= 0 else rest[segment]
        node: dict[str, Any] = {"name": SEGMENTS[segment], "translation": offset.tolist()}
        children = [child for child, other in enumerate(SEGMENT_PARENTS) if other == segment]
        if children:
            node["children"] = children
        tips = _bone_tips(segment, rest)
        if tips:
            node["mesh"] = len(meshes)
            meshes.append({"name": SEGMENTS[segment], "primitives": [_bone(tip, buffer) for tip in tips]})
        nodes.append(node)
    return nodes, meshes


def _bone(tip: np.ndarray, buffer: _Buffer) -> dict[str, Any]:
    """Return one bone; each face has corners of its own, so that viewers shade it flat."""
    corners = octahedron(tip)[_FACES].reshape(-1, 3).astype(np.float32)
    edges = corners.reshape(-1, 3, 3)
    normals = np.cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0])
    normals = np.repeat(normals / np.linalg.norm(normals, axis=1, keepdims=True), 3, axis=0).astype(np.float32)
    attributes = {"POSITION": buffer.add(corners, "VEC3"), "NORMAL": buffer.add(normals, "VEC3")}
    return {"attributes": attributes, "material": 0}


def _animation(time: np.ndarray, rotations: np.ndarray, root: np.ndarray, buffer: _Buffer) -> dict[str, Any]:
    """Return the animation from times (T,), which glTF wants to start at 0 or later, rotations and root positions."""
    times = buffer.add((time - time[0]).astype(np.float32), "SCALAR")
    outputs = [(0, "translation", buffer.add(root.astype(np.float32), "VEC3"))]
    for segment in range(len(SEGMENTS)):
        quaternions = np.roll(continuous(quaternion_from_matrix(rotations[:, segment])), -1, axis=-1)  # to x, y, z, w
        outputs.append((segment, "rotation", buffer.add(quaternions.astype(np.float32), "VEC4")))
    samplers = [{"input": times, "output": output, "interpolation": "LINEAR"} for _, _, output in outputs]
    channels = [{"sampler": i, "target": {"node": node, "path": what}} for i, (node, what, _) in enumerate(outputs)]
    return {"name": "motion", "samplers": samplers, "channels": channels}


def continuous(quaternions: np.ndarray) -> np.ndarray:
    """Return quaternions (T, 4) with signs such that neighbours lie on the same side."""
    flips = np.sum(quaternions[1:] * quaternions[:-1], axis=-1) < 0
    signs = np.concatenate([[1.0], np.cumprod(np.where(flips, -1.0, 1.0))])
    return quaternions * signs[:, None]
