"""glTF: the file's structure, and the joints that its nodes and animation lead to."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from motion_examples import make_motion

from kinefuse.conventions import SEGMENT_PARENTS, SEGMENTS
from kinefuse.errors import KinefuseError
from kinefuse.formats.glb import continuous, octahedron, write_glb
from kinefuse.rotations import matrix_from_quaternion

TYPES = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}


class Glb:
    """Just enough of a reader, after the specification."""

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        magic, version, size = struct.unpack_from("<4sII", content)
        assert (magic, version, size) == (b"glTF", 2, len(content))
        length, kind = struct.unpack_from("<I4s", content, 12)
        assert kind == b"JSON"
        assert length % 4 == 0
        self.document = json.loads(content[20 : 20 + length])
        data_length, kind = struct.unpack_from("<I4s", content, 20 + length)
        assert kind == b"BIN\0"
        self.data = content[28 + length :]
        assert len(self.data) == data_length == self.document["buffers"][0]["byteLength"]

    def array(self, index: int) -> np.ndarray:
        accessor = self.document["accessors"][index]
        view = self.document["bufferViews"][accessor["bufferView"]]
        raw = self.data[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        return np.frombuffer(raw, "<f4").reshape(accessor["count"], TYPES[accessor["type"]])

    def joint_positions(self) -> np.ndarray:
        """Follow nodes and animation to the world, (T, 22, 3)."""
        animation, nodes = self.document["animations"][0], self.document["nodes"]
        tracks = {
            (channel["target"]["node"], channel["target"]["path"]): self.array(
                animation["samplers"][channel["sampler"]]["output"]
            )
            for channel in animation["channels"]
        }
        parents = {child: i for i, node in enumerate(nodes) for child in node.get("children", [])}
        assert [parents.get(i, -1) for i in range(22)] == list(SEGMENT_PARENTS)
        frames = len(tracks[0, "translation"])
        positions, world = np.zeros((frames, 22, 3)), np.zeros((frames, 22, 3, 3))
        for i, node in enumerate(nodes):
            local = matrix_from_quaternion(np.roll(tracks[i, "rotation"], 1, axis=-1))
            if i == 0:
                positions[:, i], world[:, i] = tracks[0, "translation"], local
            else:
                positions[:, i] = positions[:, parents[i]] + world[:, parents[i]] @ np.array(node["translation"])
                world[:, i] = world[:, parents[i]] @ local
        return positions


def test_animation_leads_to_the_joints(tmp_path: Path) -> None:
    motion = make_motion(frames=20, size=1.2)
    write_glb(tmp_path / "a.glb", motion)
    glb = Glb(tmp_path / "a.glb")
    assert [node["name"] for node in glb.document["nodes"]] == list(SEGMENTS)
    np.testing.assert_allclose(glb.joint_positions(), motion.positions, atol=1e-5)
    times = glb.array(glb.document["animations"][0]["samplers"][0]["input"])[:, 0]
    np.testing.assert_allclose(times, motion.time, atol=1e-6)


def test_accessors_state_their_bounds(tmp_path: Path) -> None:
    write_glb(tmp_path / "a.glb", make_motion(frames=5))
    glb = Glb(tmp_path / "a.glb")
    assert len(glb.document["accessors"]) > 40
    for index, accessor in enumerate(glb.document["accessors"]):
        array = glb.array(index)
        np.testing.assert_array_equal(array.min(axis=0), np.float32(accessor["min"]))
        np.testing.assert_array_equal(array.max(axis=0), np.float32(accessor["max"]))


def test_faces_look_outward(tmp_path: Path) -> None:
    write_glb(tmp_path / "a.glb", make_motion(frames=2))
    glb = Glb(tmp_path / "a.glb")
    for mesh in glb.document["meshes"]:
        for primitive in mesh["primitives"]:
            corners = glb.array(primitive["attributes"]["POSITION"])
            normals = glb.array(primitive["attributes"]["NORMAL"])
            assert (np.einsum("ni,ni->n", corners - corners.mean(axis=0), normals) > 0).all()


def test_octahedron_reaches_from_base_to_tip() -> None:
    tip = np.array([0.0, -0.4, 0.0])
    corners = octahedron(tip, thickness=0.1)
    np.testing.assert_allclose(corners[[0, 5]], [np.zeros(3), tip])
    np.testing.assert_allclose(corners[1:5] @ [0, 1, 0], -0.08)
    np.testing.assert_allclose(np.linalg.norm(corners[1:5] - 0.2 * tip, axis=1), 0.04)


def test_quaternions_do_not_jump() -> None:
    quaternions = np.array([[1.0, 0, 0, 0], [-1, 0, 0, 0], [-1, 0, 0, 0], [1, 0, 0, 0]])
    np.testing.assert_array_equal(continuous(quaternions), [[1, 0, 0, 0]] * 4)


def test_gaps_are_refused_or_held(tmp_path: Path) -> None:
    motion = make_motion(frames=4)
    positions = motion.positions.copy()
    positions[0, 0] = np.nan
    motion = replace(motion, positions=positions)
    with pytest.raises(KinefuseError, match="position of the root is missing in 1 of 4"):
        write_glb(tmp_path / "a.glb", motion)
    write_glb(tmp_path / "a.glb", motion, missing="hold")
    np.testing.assert_allclose(Glb(tmp_path / "a.glb").joint_positions()[0, 0], positions[1, 0], atol=1e-6)


def test_another_library_opens_it(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    motion = make_motion(frames=3)
    write_glb(tmp_path / "a.glb", motion)
    scene = trimesh.load(tmp_path / "a.glb")
    assert len(scene.geometry) >= 22
    assert np.ptp(scene.bounds[:, 1]) > 1.2
