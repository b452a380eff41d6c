"""MOT and STO: known tables by hand, what counts as an angle, real files, and nonsense."""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motion_examples import make_motion

from kinefuse.conventions import COORDINATES
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.storage import (
    is_angle,
    read_mot,
    read_orientations,
    segment_orientations,
    write_mot,
    write_orientations,
)
from kinefuse.rotations import matrix_from_rotvec

GOOD = (
    "Coordinates\nversion=1\nnRows=2\nnColumns=4\ninDegrees=yes\n\nUnits are S.I. units\n\nendheader\n"
    "time\tknee_angle_r\tpelvis_tx\tground_force_vx\n0\t90\t1.5\t700\n0.01\t\t1.6\tnan\n"
)
QUATERNIONS = (
    "DataRate=100.000000\nDataType=Quaternion\nversion=3\nOpenSimVersion=4.6\nendheader\n"
    "time\tpelvis_imu\ttorso_imu\n0\t1,0,0,0\t0.5,0.5,0.5,0.5\n0.01\t0.7071067811865476,0.7071067811865476,0,0\t\n"
)


def table(folder: Path, text: str | bytes) -> Path:
    path = folder / "a.mot"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_known_values(tmp_path: Path) -> None:
    result = read_mot(table(tmp_path, GOOD))
    assert result.names == ("knee_angle_r", "pelvis_tx", "ground_force_vx")
    assert result.in_degrees is True
    np.testing.assert_array_equal(result.time, [0.0, 0.01])
    np.testing.assert_allclose(result.values, [[np.pi / 2, 1.5, 700.0], [np.nan, 1.6, np.nan]])
    np.testing.assert_allclose(result.column("pelvis_tx"), [1.5, 1.6])


def test_radians_stay(tmp_path: Path) -> None:
    result = read_mot(table(tmp_path, GOOD.replace("=yes", "=no")))
    assert result.in_degrees is False
    assert result.column("knee_angle_r")[0] == 90.0


def test_nothing_is_converted_when_the_header_is_silent(tmp_path: Path) -> None:
    result = read_mot(table(tmp_path, GOOD.replace("inDegrees=yes\n", "")))
    assert result.in_degrees is None
    assert result.column("knee_angle_r")[0] == 90.0


def test_older_form_with_blanks(tmp_path: Path) -> None:
    text = "name x\ndatacolumns 2\ndatarows 2\nendheader\ntime a\n 0.0  1.0\n 0.1  2.0\n"
    np.testing.assert_array_equal(read_mot(table(tmp_path, text)).values, [[1.0], [2.0]])


@pytest.mark.parametrize(
    ("column", "angle"),
    [
        ("hip_flexion_r", True),
        ("pelvis_tilt", True),
        ("pelvis_ty", False),
        ("/jointset/ground_pelvis/pelvis_tx/value", False),
        ("/jointset/hip_r/hip_flexion_r/value", True),
        ("ground_force_vx", False),
        ("ground_torque_z", False),
    ],
)
def test_which_columns_are_angles(column: str, angle: bool) -> None:
    assert is_angle(column) is angle


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("nRows=2", "nRows=3"), "nRows = 3, the data hold 2"),
        (GOOD.replace("nColumns=4", "nColumns=9"), "nColumns = 9"),
        (GOOD.replace("\n0.01", "\n\n0.01"), "line 12.*blank"),
        (GOOD.replace("\t1.5\t700", "\t1.5"), "line 11.*4 cells.*got 3"),
        (GOOD.replace("90", "9o"), "'9o'"),
        (GOOD.replace("yes", "maybe"), "maybe"),
        (GOOD.replace("endheader", ""), "endheader"),
        (GOOD.replace("pelvis_tx", "knee_angle_r"), "twice"),
        (GOOD.replace("0.01", "0"), "increase"),
        (GOOD.split("0\t90")[0], "rows of data"),
        (QUATERNIONS, "orientations"),
        (GOOD.replace("\ntime", "\n\ntime"), "column names"),
        ("", "endheader"),
        (b"\x00", "binary"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        read_mot(table(tmp_path, text))


def test_unknown_column_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(KinefuseError, match="hip"):
        read_mot(table(tmp_path, GOOD)).column("hip")


def test_written_motion_comes_back(tmp_path: Path) -> None:
    motion = make_motion(frames=7)
    angles = motion.angles.copy()
    angles[2, 5] = np.nan
    write_mot(tmp_path / "a.mot", replace(motion, angles=angles))
    again = read_mot(tmp_path / "a.mot")
    assert again.names == COORDINATES
    np.testing.assert_array_equal(again.time, motion.time)
    np.testing.assert_allclose(again.values, angles, atol=1e-8)
    text = (tmp_path / "a.mot").read_text()
    assert "nRows=7\nnColumns=55\ninDegrees=yes\n" in text


def test_a_coordinate_that_is_never_known_has_no_column(tmp_path: Path) -> None:
    motion = make_motion(frames=3)
    angles = motion.angles.copy()
    angles[:, COORDINATES.index("pelvis_tx")] = np.nan
    angles[0, COORDINATES.index("pelvis_ty")] = np.nan
    write_mot(tmp_path / "a.mot", replace(motion, angles=angles))
    again = read_mot(tmp_path / "a.mot")
    assert again.names == tuple(name for name in COORDINATES if name != "pelvis_tx")
    assert np.isnan(again.column("pelvis_ty")[0])


def test_known_orientations(tmp_path: Path) -> None:
    result = read_orientations(table(tmp_path, QUATERNIONS))
    assert result.names == ("pelvis_imu", "torso_imu")
    np.testing.assert_allclose(result.matrices[0, 0], np.eye(3))
    np.testing.assert_allclose(result.matrices[0, 1], [[0, 0, 1], [1, 0, 0], [0, 1, 0]], atol=1e-12)
    np.testing.assert_allclose(result.matrices[1, 0], matrix_from_rotvec(np.array([np.pi / 2, 0, 0])), atol=1e-12)
    assert np.isnan(result.matrices[1, 1]).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (QUATERNIONS.replace("1,0,0,0", "1,0,0"), "quaternion"),
        (QUATERNIONS.replace("1,0,0,0", "0,0,0,0"), "quaternion"),
        (QUATERNIONS.replace("1,0,0,0", "1.1,0,0,0"), "expected a unit quaternion"),
        (QUATERNIONS.replace("1,0,0,0", "1,x,0,0"), "number"),
        (QUATERNIONS.replace("Quaternion", "Vec3"), "Quaternion"),
        (GOOD, "Quaternion"),
    ],
)
def test_mistakes_in_orientations_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        read_orientations(table(tmp_path, text))


def test_written_orientations_come_back(tmp_path: Path) -> None:
    motion = make_motion(frames=5)
    missing = motion.R_world_segment.copy()
    missing[3, 0] = np.nan
    written = segment_orientations(replace(motion, R_world_segment=missing))
    write_orientations(tmp_path / "a.sto", written)
    again = read_orientations(tmp_path / "a.sto")
    assert again.names == written.names
    assert {"pelvis_imu", "femur_r_imu", "tibia_l_imu", "calcn_r_imu", "torso_imu"} < set(again.names)
    np.testing.assert_allclose(again.matrices, written.matrices, atol=1e-9)
    assert np.isnan(again.matrices[3, 0]).all()


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_nonsense_is_a_result_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from([GOOD, QUATERNIONS])).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=4))
    path = tmp_path_factory.getbasetemp() / "fuzz.mot"
    path.write_bytes(bytes(content))
    with contextlib.suppress(KinefuseError):
        result = read_mot(path)
        assert result.values.shape == (len(result.time), len(result.names))
    with contextlib.suppress(KinefuseError):
        orientations = read_orientations(path)
        assert orientations.matrices.shape == (len(orientations.time), len(orientations.names), 3, 3)


def test_files_of_opensim_and_addbiomechanics_agree(data: Path) -> None:
    folder = data / "real" / "opencap_markers_walk2_dj1" / "reference"
    degrees = read_mot(folder / "walking2_ik_opensim46.mot")
    radians = read_mot(folder / "walking2_ik_addbiomechanics.mot")
    assert (degrees.in_degrees, radians.in_degrees) == (True, False)
    for name in ("hip_flexion_r", "hip_flexion_l", "knee_angle_l"):
        difference = np.rad2deg(degrees.column(name) - radians.column(name))
        assert np.sqrt(np.mean(difference**2)) < 3.0
    assert np.abs(degrees.column("pelvis_ty") - radians.column("pelvis_ty")).max() < 0.03


def test_pose2sim_ik(balancing: Path) -> None:
    result = read_mot(balancing / "reference" / "opensim_ik_LSTM.mot")
    assert result.values.shape == (100, 68)
    knee = np.rad2deg(result.column("knee_angle_r"))
    assert 1.0 < knee.min() < 3.0
    assert 65.0 < knee.max() < 67.0


def test_opensense_orientations(data: Path) -> None:
    folder = data / "real" / "opensense_walking" / "reference"
    result = read_orientations(folder / "MT_012005D6_009-001_orientations.sto")
    assert result.matrices.shape == (2432, 8, 3, 3)
    assert result.names[:2] == ("torso_imu", "pelvis_imu")
    np.testing.assert_allclose(np.linalg.det(result.matrices), 1.0, atol=1e-9)
