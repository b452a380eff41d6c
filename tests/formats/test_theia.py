"""Rotations in C3D as Theia3D exports them: known motions, ezc3d as a second reader, and nonsense."""

import contextlib
from dataclasses import replace
from pathlib import Path

import ezc3d
import numpy as np
import pytest
from evaluation_examples import swinging
from hypothesis import given, settings
from hypothesis import strategies as st
from other_tools import theia_bytes, write_theia

from kinefuse.conventions import IS_LENGTH, JOINT_INDEX, SEGMENT_INDEX
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.theia import THEIA_SEGMENTS, has_rotations, read_theia
from kinefuse.motion import Motion
from kinefuse.rotations import geodesic_angle

START = 5 * 512
"""Where the rotations begin in the files that are made here."""


@pytest.fixture(scope="module")
def motion() -> Motion:
    return swinging(12)


def read_bytes(folder: Path, content: bytes) -> Motion:
    file = folder / "take.c3d"
    file.write_bytes(content)
    return read_theia(file)


def test_a_known_motion(motion: Motion, tmp_path: Path) -> None:
    read = read_theia(write_theia(tmp_path / "take.c3d", motion))
    ours = [SEGMENT_INDEX[segment] for segment in THEIA_SEGMENTS]
    assert geodesic_angle(read.R_world_segment, motion.R_world_segment)[:, ours].max() < 1e-6
    np.testing.assert_allclose(read.time, motion.time, atol=1e-12)
    np.testing.assert_allclose(read.angles[:, ~IS_LENGTH], motion.angles[:, ~IS_LENGTH], atol=1e-5)
    for joint in ("hip_r", "ankle_l", "mtp_r", "shoulder_l", "wrist_r", "neck_base"):
        np.testing.assert_allclose(
            read.positions[:, JOINT_INDEX[joint]], motion.positions[:, JOINT_INDEX[joint]], atol=1e-6
        )
    assert np.isnan(read.positions[:, JOINT_INDEX["head"]]).all()
    hips = motion.positions[:, [JOINT_INDEX["hip_l"], JOINT_INDEX["hip_r"]]].mean(1)
    np.testing.assert_allclose(read.positions[:, 0], hips, atol=1e-6)


def test_hanging_arms_are_all_zero(motion: Motion, tmp_path: Path) -> None:
    """Every matrix the unit one: somebody stands upright, faces Y of the laboratory, and every angle is zero."""
    content = theia_bytes(motion)
    unit = np.zeros(17, "<f4")
    unit[[0, 5, 10, 15]] = 1.0
    cells = np.tile(unit, (len(content) - START) // unit.nbytes)
    read = read_bytes(tmp_path, content[:START] + cells.tobytes())
    np.testing.assert_allclose(read.R_world_segment[0, 0] @ [1, 0, 0], [1, 0, 0], atol=1e-6)
    assert np.isfinite(read.angles).all()
    assert np.abs(read.angles).max() < 1e-5


def test_another_reader_sees_the_same(motion: Motion, tmp_path: Path) -> None:
    file = write_theia(tmp_path / "take.c3d", motion)
    theirs = ezc3d.c3d(str(file))
    labels = theirs["parameters"]["ROTATION"]["LABELS"]["value"]
    shank = theirs["data"]["rotations"][:, :, labels.index("r_shank_4X4")]
    assert shank.shape == (4, 4, 12)
    knee = motion.positions[:, JOINT_INDEX["knee_r"]]
    np.testing.assert_allclose(shank[:3, 3].T, 1000 * knee[:, [2, 0, 1]], atol=1e-3)


def test_what_was_not_found_is_nan(motion: Motion, tmp_path: Path) -> None:
    R = motion.R_world_segment.copy()
    R[3, SEGMENT_INDEX["shank_r"]] = np.nan
    content = theia_bytes(replace(motion, R_world_segment=R))
    read = read_bytes(tmp_path, content)
    assert np.isnan(read.angle("knee_angle_r")).tolist() == [t == 3 for t in range(12)]
    cells = np.frombuffer(content[START:], "<f4").reshape(12, 1 + len(THEIA_SEGMENTS), 17).copy()
    cells[6, 1, 16] = -1.0
    read = read_bytes(tmp_path, content[:START] + cells.tobytes())
    assert np.isnan(read.R_world_segment[:, 0, 0, 0]).tolist() == [t == 6 for t in range(12)]


def test_legs_only(motion: Motion, tmp_path: Path) -> None:
    read = read_bytes(tmp_path, theia_bytes(motion, segments=["pelvis", "thigh_r", "shank_r"]))
    np.testing.assert_allclose(read.angle("knee_angle_r"), motion.angle("knee_angle_r"), atol=1e-5)
    assert np.isnan(read.angle("knee_angle_l")).all()
    with pytest.raises(FormatError, match="pelvis_4X4"):
        read_bytes(tmp_path, theia_bytes(motion, segments=["thigh_r", "shank_r"]))


def test_mistakes(motion: Motion, tmp_path: Path) -> None:
    content = theia_bytes(motion)
    for damaged, said in (
        (content[:-8], "outside of it"),
        (content[:4000], "outside of it"),
        (b"not C3D", "expected a C3D file"),
        (content.replace(b"mm", b"ft"), "POINT:UNITS must be"),
        (content.replace(b"LABELS", b"XABELS"), "holds no rotations"),
        (theia_bytes(motion, unit="m"), "its unit says"),
    ):
        with pytest.raises(FormatError, match=said):
            read_bytes(tmp_path, damaged)
    doubled = np.frombuffer(content[START:], "<f4") * 2
    with pytest.raises(FormatError, match="no rotation"):
        read_bytes(tmp_path, content[:START] + doubled.astype("<f4").tobytes())


def test_a_file_with_markers_has_none(data: Path, motion: Motion, tmp_path: Path) -> None:
    assert not has_rotations(data / "real" / "opensim_reader_samples" / "walking2.c3d")
    assert has_rotations(write_theia(tmp_path / "take.c3d", motion))
    with pytest.raises(FormatError, match="no rotations"):
        read_theia(data / "real" / "opensim_reader_samples" / "walking2.c3d")


CONTENT = theia_bytes(swinging(3))


@settings(max_examples=200, deadline=2000)
@given(st.lists(st.tuples(st.integers(0, len(CONTENT) - 1), st.integers(0, 255)), max_size=6), st.integers(2000, 9000))
def test_damage_ends_in_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], cut: int
) -> None:
    content = bytearray(CONTENT)
    for place, value in changes:
        content[place] = value
    file = tmp_path_factory.mktemp("damaged") / "take.c3d"
    file.write_bytes(bytes(content[:cut]))
    with contextlib.suppress(KinefuseError):
        assert read_theia(file).angles.shape[0] > 0
