"""BVH: a two-joint arm whose positions are known, round trips, real clips, and nonsense."""

import contextlib
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motion_examples import make_motion

from kinefuse.conventions import SEGMENT_PARENTS, SEGMENTS
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.bvh import CMU_UNIT, Bvh, euler_zxy, list_bvh, parse_bvh, read_bvh, write_bvh
from kinefuse.rotations import matrix_from_euler

ARM = """HIERARCHY
ROOT shoulder
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Yrotation Xrotation Zrotation
  JOINT elbow joint
  {
    OFFSET 10 0 0
    CHANNELS 1 Zrotation
    End Site
    {
      OFFSET 5 0 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.02
1 2 3 0 0 0 0
1 2 3 90 0 90 -90
"""


def arm(folder: Path, text: str = ARM) -> Path:
    path = folder / "arm.bvh"
    path.write_text(text)
    return path


def test_known_positions(tmp_path: Path) -> None:
    bvh = read_bvh(arm(tmp_path), unit_m=0.1)
    assert bvh.names == ("shoulder", "elbow joint")
    assert bvh.parents == (-1, 0)
    np.testing.assert_allclose(bvh.time, [0.0, 0.02])
    np.testing.assert_allclose(bvh.translations[:, 0], [[0.1, 0.2, 0.3]] * 2)
    np.testing.assert_allclose(bvh.end_sites[1], [0.5, 0.0, 0.0])
    positions, rotations = bvh.forward_kinematics()
    np.testing.assert_allclose(positions[0, 1], [1.1, 0.2, 0.3])
    # Ry(90°) Rz(90°): the arm's X first turns up about Z; turning about Y then leaves it up.
    np.testing.assert_allclose(positions[1, 1], [0.1, 1.2, 0.3], atol=1e-12)
    # Rz(90°) Rz(−90°) cancel, so the forearm is turned by 90° about Y only.
    np.testing.assert_allclose(rotations[1, 1], matrix_from_euler("Y", np.array([[np.pi / 2]]))[0], atol=1e-12)


@pytest.mark.parametrize("order", ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"])
def test_any_channel_order(tmp_path: Path, order: str) -> None:
    channels = " ".join(f"{axis}rotation" for axis in order)
    text = ARM.replace("Yrotation Xrotation Zrotation", channels).replace("3 90 0 90", "3 10 20 30")
    bvh = read_bvh(arm(tmp_path, text))
    expected = matrix_from_euler(order, np.deg2rad([10.0, 20.0, 30.0]))
    np.testing.assert_allclose(bvh.rotations[1, 0], expected, atol=1e-12)


def test_position_channels_replace_the_offset(tmp_path: Path) -> None:
    text = ARM.replace("1 Zrotation", "2 Zrotation Yposition").replace("0 0 0 0\n", "0 0 0 0 7\n")
    bvh = read_bvh(arm(tmp_path, text.replace("-90\n", "-90 8\n")), unit_m=1.0)
    np.testing.assert_allclose(bvh.translations[:, 1], [[10, 7, 0], [10, 8, 0]])


def test_braces_may_share_a_line(tmp_path: Path) -> None:
    text = ARM.replace("shoulder\n{", "shoulder {").replace("\n", "\r\n")
    np.testing.assert_array_equal(read_bvh(arm(tmp_path, text)).offsets, read_bvh(arm(tmp_path, ARM)).offsets)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ARM.replace("0.02", "0"), "positive frame time"),
        (ARM.replace("0.02", "nan"), "positive frame time"),
        (ARM.replace("Frames: 2", "Frames: 3"), "3 frames of 7 channels, 21 numbers, but 14"),
        (ARM.replace("Frames: 2", "Frames: 1"), "14 follow"),
        (ARM[: ARM.index("1 2 3 90") + 8], "cut"),
        (ARM[: ARM.index("Frame Time")], "Frame Time"),
        (ARM[: ARM.index("MOTION")], "MOTION"),
        (ARM.replace("-90", "x"), "no number"),
        (ARM.replace("-90", "1_0"), "no number"),
        (ARM.replace("-90", "inf"), "infinite"),
        (ARM.replace("OFFSET 10 0 0", "OFFSET 10 0"), "line 8"),
        (ARM.replace("    OFFSET 10 0 0\n", ""), "no OFFSET"),
        (ARM.replace("CHANNELS 1", "CHANNELS 2"), "line 9"),
        (ARM.replace("1 Zrotation", "1 Wrotation"), "Wrotation"),
        (ARM.replace("elbow joint", "shoulder"), "twice"),
        (ARM.replace("}\nMOTION", "MOTION"), "brace"),
        (ARM.replace("  JOINT", "ROOT"), "one ROOT"),
        ("", "HIERARCHY"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        read_bvh(arm(tmp_path, text))


def test_zip_members(tmp_path: Path) -> None:
    archive = tmp_path / "clips.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("a/arm.bvh", ARM)
        opened.writestr("readme.txt", "hello")
    assert list_bvh(archive) == ["a/arm.bvh"]
    assert read_bvh(archive, member="a/arm.bvh").names == ("shoulder", "elbow joint")
    with pytest.raises(KinefuseError, match="no member"):
        read_bvh(archive, member="b.bvh")
    with pytest.raises(FormatError, match="zip archive"):
        read_bvh(arm(tmp_path), member="arm.bvh")


@pytest.mark.parametrize("name", ["../arm.bvh", "/arm.bvh", "a/../../arm.bvh", "..\\arm.bvh", "C:\\arm.bvh"])
def test_members_that_lead_out_of_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "clips.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(name, ARM)
    for attempt in (lambda: list_bvh(archive), lambda: read_bvh(archive, member=name)):
        with pytest.raises(FormatError, match="leads out"):
            attempt()


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    archive = tmp_path / "clips.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("arm.bvh", ARM)
    content = bytearray(archive.read_bytes())
    content[60:70] = b"\xff" * 10
    archive.write_bytes(content)
    with pytest.raises(FormatError, match=r"damaged|unpacked"):
        read_bvh(archive, member="arm.bvh")


def segment_order(bvh: Bvh) -> list[int]:
    return [SEGMENTS.index(name) for name in bvh.names]


@given(st.integers(0, 10_000), st.floats(0.1, 2.0))
@settings(max_examples=10, deadline=None)
def test_written_motion_comes_back(tmp_path_factory: pytest.TempPathFactory, seed: int, size: float) -> None:
    motion = make_motion(frames=20, seed=seed, size=size)
    path = tmp_path_factory.getbasetemp() / "motion.bvh"
    write_bvh(path, motion)
    bvh = read_bvh(path)
    order = segment_order(bvh)
    positions, rotations = bvh.forward_kinematics()
    np.testing.assert_allclose(positions, motion.positions[:, order], atol=1e-6)
    np.testing.assert_allclose(rotations, motion.R_world_segment[:, order], atol=1e-7)
    assert bvh.frame_time == pytest.approx(1 / 60, abs=1e-9)
    assert sorted(order) == list(range(22))
    parents = [order[p] if p >= 0 else -1 for p in bvh.parents]
    assert parents == [SEGMENT_PARENTS[segment] for segment in order]


def test_gaps_are_refused_or_held(tmp_path: Path) -> None:
    motion = make_motion(frames=6)
    rotations = motion.R_world_segment.copy()
    rotations[2:4, 4] = np.nan
    motion = replace(motion, R_world_segment=rotations)
    with pytest.raises(KinefuseError, match="shank_l is missing in 2 of 6 frames"):
        write_bvh(tmp_path / "a.bvh", motion)
    assert not (tmp_path / "a.bvh").exists()
    write_bvh(tmp_path / "a.bvh", motion, missing="hold")
    bvh = read_bvh(tmp_path / "a.bvh")
    shank = bvh.forward_kinematics()[1][:, bvh.names.index("shank_l")]
    np.testing.assert_allclose(shank[2:4], [rotations[1, 4]] * 2, atol=1e-7)


@pytest.mark.parametrize("middle", [np.pi / 2, -np.pi / 2, 0.3])
def test_euler_angles_at_and_off_the_singularity(middle: float) -> None:
    matrix = matrix_from_euler("ZXY", np.array([0.4, middle, -0.7]))
    angles = euler_zxy(matrix[None, None])[0, 0]
    np.testing.assert_allclose(matrix_from_euler("ZXY", angles), matrix, atol=1e-9)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_nonsense_is_a_result_or_a_clear_error(data: st.DataObject) -> None:
    content = bytearray(ARM.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 12))] = data.draw(st.binary(max_size=4))
    with contextlib.suppress(KinefuseError):
        bvh = parse_bvh(bytes(content), 0.01, "fuzz.bvh")
        assert bvh.joint_positions().shape == (len(bvh.rotations), len(bvh.names), 3)


def test_cmu_clip(data: Path) -> None:
    archive = data / "mocap" / "cmu_007.zip"
    members = list_bvh(archive)
    assert len(members) == 12
    bvh = read_bvh(archive, CMU_UNIT, members[0])
    assert len(bvh.names) == 31
    assert len(bvh.rotations) == 158
    positions = bvh.joint_positions()
    knee, ankle = bvh.names.index("LeftLeg"), bvh.names.index("LeftFoot")
    shin = np.linalg.norm(positions[:, ankle] - positions[:, knee], axis=-1)
    assert shin.min() == pytest.approx(0.4179, abs=0.001)
    assert np.ptp(shin) < 1e-9
    height = positions[:, bvh.names.index("Head"), 1]
    assert 1.3 < height.min() < height.max() < 1.8
    speed = np.linalg.norm(np.diff(bvh.translations[:, 0, [0, 2]], axis=0), axis=-1).mean() / bvh.frame_time
    assert 0.5 < speed < 2.0


def test_daz_clip(data: Path) -> None:
    archive = data / "mocap" / "cmu_094_daz.zip"
    bvh = read_bvh(archive, 0.01, list_bvh(archive)[0])
    assert len(bvh.names) == 43
    assert np.isfinite(bvh.joint_positions()).all()
