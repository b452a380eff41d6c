"""BVH files: a skeleton as a tree of joints, and its rotations over time.

Numbers in BVH have no declared unit: the caller says how many metres one is. Y is up, as in our world; nothing is
turned. `write_bvh` writes centimetres.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.conventions import SEGMENT_PARENTS, SEGMENTS
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.archives import list_members, read_member
from kinefuse.formats.bvh_hierarchy import (
    POSITION_CHANNELS,
    ROTATION_CHANNELS,
    Hierarchy,
    parse_hierarchy,
    unexpected,
)
from kinefuse.formats.skeleton import is_even, local_rotations, tip_offsets
from kinefuse.formats.table_text import decode_lines, number_rows, read_bytes, write_text
from kinefuse.motion import Motion
from kinefuse.recordings import Finding

CENTIMETRE: Final = 0.01
CMU_UNIT: Final = 0.0254 / 0.45
"""Metres per unit in the BVH files made from the CMU database."""


@dataclass(frozen=True, kw_only=True)
class Bvh:
    """The content of a BVH file.

    Attributes
    ----------
    names : J joints, parents before children
    parents : J indices, -1 for the root
    offsets : (J, 3) metres, from the parent, in the parent's frame
    channels : per joint, its channels as the file names them, in the file's order
    end_sites : joint index to (3,) metres, the tip of a joint that has no child
    frame_time : seconds
    rotations : (T, J, 3, 3) joint frame to the parent's frame (for the root: to the world)
    translations : (T, J, 3) metres, from the parent: the offset, or the position channels where a joint has them
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    channels: tuple[tuple[str, ...], ...]
    end_sites: dict[int, np.ndarray] = field(default_factory=dict)
    frame_time: float
    rotations: np.ndarray
    translations: np.ndarray

    @property
    def time(self) -> np.ndarray:
        """Time stamps, (T,) seconds, from 0."""
        return np.arange(len(self.rotations)) * self.frame_time

    def forward_kinematics(self) -> tuple[np.ndarray, np.ndarray]:
        """Return positions (T, J, 3) in metres and rotations joint to world (T, J, 3, 3)."""
        positions, rotations = self.translations.copy(), self.rotations.copy()
        for joint, parent in enumerate(self.parents):
            if parent >= 0:
                rotations[:, joint] = rotations[:, parent] @ self.rotations[:, joint]
                turned = np.einsum("tij,tj->ti", rotations[:, parent], self.translations[:, joint])
                positions[:, joint] = positions[:, parent] + turned
        return positions, rotations

    def joint_positions(self) -> np.ndarray:
        """Return the joints in the world, (T, J, 3) metres."""
        return self.forward_kinematics()[0]


def list_bvh(archive: Path) -> list[str]:
    """Return the BVH members of a zip archive, in its order.

    Raises
    ------
    KinefuseError
        If it is no readable zip archive, or a member's name leads out of it.
    """
    return list_members(Path(archive), (".bvh",))


def read_bvh(path: Path, unit_m: float = CENTIMETRE, member: str | None = None) -> Bvh:
    """Read a BVH file, or a BVH member of a zip archive.

    Parameters
    ----------
    path
        The BVH file, or the archive if `member` is given.
    unit_m
        Metres per unit of length in the file: 0.01 for centimetres, `CMU_UNIT` for the CMU database.
    member
        Name within the archive (`list_bvh`).

    Raises
    ------
    FormatError
        If the hierarchy is broken, the frame time is not positive, or the numbers are not exactly as many as frames
        times channels.
    KinefuseError
        If the file or member cannot be opened, or `unit_m` is not positive.
    """
    path = Path(path)
    if not (np.isfinite(unit_m) and unit_m > 0):
        raise KinefuseError(f"{path}: unit_m must be a positive number of metres, got {unit_m}.")
    content = read_bytes(path) if member is None else read_member(path, member)
    return parse_bvh(content, unit_m, path if member is None else f"{path}/{member}")


def parse_bvh(content: bytes, unit_m: float, path: Path | str) -> Bvh:
    """Parse the bytes of a BVH file (see `read_bvh`); `path` is for messages only."""
    lines = decode_lines(content, path)
    start = next((i for i, line in enumerate(lines) if line.strip().upper() == "MOTION"), None)
    if start is None or not lines[0].strip().upper().startswith("HIERARCHY"):
        raise FormatError(f"{path}: expected a BVH file, with a line 'HIERARCHY' at its top and a line 'MOTION'.")
    tree = parse_hierarchy(lines[:start], path)
    frames, frame_time, first = _parse_motion_head(lines, start, path)
    values = _parse_values(lines[first:], frames, sum(map(len, tree.channels)), path)
    offsets = np.array(tree.offsets) * unit_m
    rotations, translations = _apply_channels(values, tree, offsets, unit_m)
    return Bvh(
        names=tuple(tree.names),
        parents=tuple(tree.parents),
        offsets=offsets,
        channels=tuple(tree.channels),
        end_sites={joint: offset * unit_m for joint, offset in tree.end_sites.items()},
        frame_time=frame_time,
        rotations=rotations,
        translations=translations,
    )


def _parse_motion_head(lines: Sequence[str], start: int, path: Path | str) -> tuple[int, float, int]:
    """Return the number of frames, the frame time in seconds and the index of the first line of values."""
    filled = [i for i in range(start + 1, min(start + 20, len(lines))) if lines[i].strip()][:2]
    texts = [lines[i].split(":", 1) for i in filled]
    keys = ["".join(text[0].split()).lower() for text in texts]
    if keys != ["frames", "frametime"] or any(len(text) != 2 for text in texts):
        raise FormatError(f"{path}: expected 'Frames:' and 'Frame Time:' after line {start + 1}; the file is cut.")
    try:
        frames, frame_time = int(texts[0][1]), float(texts[1][1])
    except ValueError:
        raise unexpected(path, filled[0] + 1, "a number of frames and a frame time", lines[filled[0]]) from None
    if frames < 1 or not np.isfinite(frame_time) or frame_time <= 0:
        raise FormatError(
            f"{path}: expected at least one frame and a positive frame time, got {frames} frames of {frame_time:g} s; "
            "correct 'Frames:' and 'Frame Time:'."
        )
    return frames, frame_time, filled[1] + 1


def _parse_values(lines: Sequence[str], frames: int, channels: int, path: Path | str) -> np.ndarray:
    text = " ".join(lines)
    words = text.split()
    if len(words) != frames * channels:
        raise FormatError(
            f"{path}: its header promises {frames} frames of {channels} channels, {frames * channels} numbers, but "
            f"{len(words)} follow; the file is cut or was edited, so export it again."
        )
    try:
        values = np.array(words if "_" not in text else ["_"], dtype=np.float64)  # Python would take 1_0 for 10
    except ValueError as error:
        raise FormatError(f"{path}: its motion holds something that is no number ({error}).") from None
    if not (np.abs(values) < 1e12).all():
        raise FormatError(f"{path}: its motion holds NaN, infinite or absurd values; export it again.")
    return values.reshape(frames, channels)


def _apply_channels(
    values: np.ndarray, tree: Hierarchy, offsets: np.ndarray, unit_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return local rotations (T, J, 3, 3) and translations (T, J, 3) in metres from the channel values (T, C)."""
    frames, joints = len(values), len(offsets)
    rotations = np.broadcast_to(np.eye(3), (frames, joints, 3, 3)).copy()
    translations = np.broadcast_to(offsets, (frames, joints, 3)).copy()
    column = 0
    for joint, names in enumerate(tree.channels):
        for name in map(str.lower, names):
            if name in POSITION_CHANNELS:
                translations[:, joint, POSITION_CHANNELS[name]] = values[:, column] * unit_m
            else:
                turn = axis_rotation(ROTATION_CHANNELS[name], np.deg2rad(values[:, column]))
                rotations[:, joint] = rotations[:, joint] @ turn
            column += 1
    return rotations, translations


def axis_rotation(axis: int, angle: np.ndarray) -> np.ndarray:
    """Return the right-handed rotations (T, 3, 3) about axis 0, 1 or 2 by `angle` (T,) radians."""
    j, k = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((len(angle), 3, 3))
    matrix[:, axis, axis] = 1.0
    matrix[:, j, j] = matrix[:, k, k] = np.cos(angle)
    matrix[:, k, j] = np.sin(angle)
    matrix[:, j, k] = -np.sin(angle)
    return matrix


def write_bvh(path: Path, motion: Motion, missing: str = "error") -> None:
    """Write a motion as BVH: 22 segments as joints, in centimetres, Y up; opens in Blender and MotionBuilder.

    Offsets are those of `Motion.rest_positions`, so joints that an estimator placed elsewhere than its skeleton
    allows move onto it. The root has six channels, every other joint ``Zrotation Xrotation Yrotation``
    (R = Rz Rx Ry). End sites (`skeleton.tip_offsets`) are there to be drawn and measure nothing.

    Parameters
    ----------
    path
    motion
    missing
        BVH cannot mark a missing value: ``"error"`` refuses a motion with gaps, ``"hold"`` keeps the last known
        orientation (`skeleton.local_rotations`).

    Raises
    ------
    KinefuseError
        If there is no frame, the rest pose is incomplete, something is missing and may not be, or the file cannot be
        written.
    """
    rotations, root = local_rotations(motion, missing)
    angles = np.rad2deg(euler_zxy(rotations[:, _depth_first(0)]))  # in the order in which the tree is written
    channels = np.concatenate([root[:, None] / CENTIMETRE, angles], axis=1)
    frame_time = float(np.median(np.diff(motion.time))) if len(motion.time) > 1 else 1.0
    head = "HIERARCHY\n" + _hierarchy_text(motion.rest_positions / CENTIMETRE)
    head += f"MOTION\nFrames: {len(motion.time)}\nFrame Time: {frame_time:.9f}\n"
    rows = number_rows(channels.reshape(len(root), -1), decimals=6, separator=" ", missing="nan")
    write_text(Path(path), head + "\n".join(rows) + "\n")


def uneven_frames(motion: Motion) -> list[Finding]:
    """Return a finding if the frames of a motion are not evenly spaced, which BVH cannot say."""
    if is_even(motion.time):
        return []
    steps = np.diff(motion.time)
    text = (
        f"BVH has one time between frames, but these lie {steps.min():.3g} to {steps.max():.3g} s apart: the file "
        f"lasts {np.median(steps) * len(steps):.2f} instead of {steps.sum():.2f} s. Resample, or take another format."
    )
    return [Finding(level="warning", about="BVH", text=text)]


def euler_zxy(matrices: np.ndarray) -> np.ndarray:
    """Return angles (T, J, 3) in radians, continuous in time, with R = Rz(a) Rx(b) Ry(c), for R (T, J, 3, 3).

    Where b is ±90° only a ± c is determined; c is then 0.
    """
    r = matrices
    b = np.arctan2(r[..., 2, 1], np.hypot(r[..., 2, 0], r[..., 2, 2]))
    singular = np.abs(r[..., 2, 1]) > 1.0 - 1e-12
    a = np.where(singular, np.arctan2(r[..., 1, 0], r[..., 0, 0]), np.arctan2(-r[..., 0, 1], r[..., 1, 1]))
    c = np.where(singular, 0.0, np.arctan2(-r[..., 2, 0], r[..., 2, 2]))
    return np.unwrap(np.stack([a, b, c], axis=-1), axis=0)


def _hierarchy_text(rest: np.ndarray) -> str:
    """Return the tree for joints (22, 3) at rest, in the file's unit."""
    tips = tip_offsets(rest)
    return _joint_text(0, rest, tips, "")


def _children(segment: int) -> list[int]:
    return [child for child, parent in enumerate(SEGMENT_PARENTS) if parent == segment]


def _depth_first(segment: int) -> list[int]:
    return [segment, *(index for child in _children(segment) for index in _depth_first(child))]


def _joint_text(segment: int, rest: np.ndarray, tips: dict[int, np.ndarray], indent: str) -> str:
    """Return the text of one joint and, within it, of its children (the tree is ten levels deep)."""
    parent = SEGMENT_PARENTS[segment]
    keyword, order = ("JOINT", "3") if parent >= 0 else ("ROOT", "6 Xposition Yposition Zposition")
    offset = rest[segment] - rest[parent] if parent >= 0 else np.zeros(3)
    inner = indent + "  "
    text = f"{indent}{keyword} {SEGMENTS[segment]}\n{indent}{{\n{inner}OFFSET {_triple(offset)}\n"
    text += f"{inner}CHANNELS {order} Zrotation Xrotation Yrotation\n"
    for child in _children(segment):
        text += _joint_text(child, rest, tips, inner)
    if segment in tips:
        text += f"{inner}End Site\n{inner}{{\n{inner}  OFFSET {_triple(tips[segment])}\n{inner}}}\n"
    return text + f"{indent}}}\n"


def _triple(vector: np.ndarray) -> str:
    return " ".join(f"{x:.6f}" for x in vector)
