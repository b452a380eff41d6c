from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trial_samples import damaged, imu, read_or_refuse

from kinefuse.errors import FormatError
from kinefuse.formats.imu_csv import read_imu_csv, write_imu_csv
from kinefuse.inertial.checks import check_orientation

HEADER = "time_s,acc_x,acc_y,acc_z,gyr_x,gyr_y,gyr_z"
VALID = f"{HEADER}\n5.00,0,9.81,0,0.1,0.2,0.3\n5.01,0,9.81,,0.1,,0.3\n5.04,1,2,3,4,5,6\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "thigh_r.csv"
    path.write_text(text)
    return path


def test_values_gaps_and_empty_cells(tmp_path: Path) -> None:
    sensor = read_imu_csv(write(tmp_path, VALID), "thigh_r")
    assert (sensor.name, sensor.segment, sensor.start_is_known) == ("thigh_r", "thigh_r", False)
    np.testing.assert_array_equal(sensor.time, [5.0, 5.01, 5.04])
    np.testing.assert_array_equal(sensor.specific_force, [[0.0, 9.81, 0.0], [0.0, 9.81, np.nan], [1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(sensor.angular_rate[1], [0.1, np.nan, 0.3])
    assert sensor.magnetic_field is None
    assert sensor.R_ref_sensor is None


def test_a_known_start_shifts_the_first_row_there(tmp_path: Path) -> None:
    sensor = read_imu_csv(write(tmp_path, VALID), "thigh_r", name="left one", start_s=0.5)
    assert sensor.start_is_known
    assert sensor.name == "left one"
    np.testing.assert_allclose(sensor.time, [0.5, 0.51, 0.54], atol=1e-12)


def test_quaternions_are_scalar_first_sensor_to_reference(tmp_path: Path) -> None:
    half = np.sqrt(0.5)
    text = f"{HEADER},q_w,q_x,q_y,q_z\n0,0,0,0,0,0,0,{half},0,0,{half}\n1,0,0,0,0,0,0,,0,0,1\n2,0,0,0,0,0,0,0,0,0,0\n"
    sensor = read_imu_csv(write(tmp_path, text), "thigh_r")
    assert sensor.R_ref_sensor is not None
    np.testing.assert_allclose(sensor.R_ref_sensor[0] @ [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], atol=1e-12)
    assert np.isnan(sensor.R_ref_sensor[1:]).all()  # an empty cell, and a quaternion of length zero


def with_quaternions(lengths: list[float]) -> str:
    """A sensor turned by 90° about Z, with quaternions of these lengths, one a row."""
    rows = [f"{0.01 * i:g},0,0,9.81,0,0,0,{np.sqrt(0.5) * q},0,0,{np.sqrt(0.5) * q}" for i, q in enumerate(lengths)]
    return "\n".join([f"{HEADER},q_w,q_x,q_y,q_z", *rows]) + "\n"


def test_a_quaternion_that_is_not_of_length_one_is_a_gap(tmp_path: Path) -> None:
    sensor = read_imu_csv(write(tmp_path, with_quaternions([1.0, 1.04, 0.316, 0.96, 40.0, 0.94, 1.0])), "thigh_r")
    assert sensor.R_ref_sensor is not None
    assert np.isfinite(sensor.R_ref_sensor).all((1, 2)).tolist() == [True, True, False, True, False, False, True]
    np.testing.assert_allclose(sensor.R_ref_sensor[1] @ [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], atol=1e-12)
    told = [finding.text for finding in check_orientation(sensor)]
    assert told[0] == "Its orientation is missing, or no unit quaternion, in 42.9 % of the samples."


def test_quaternions_most_of_which_are_not_of_length_one_are_refused(tmp_path: Path) -> None:
    words = (
        r"thigh_r\.csv: row 3: the quaternion has the length 40, and most others are not of length one either; write"
    )
    with pytest.raises(FormatError, match=words):
        read_imu_csv(write(tmp_path, with_quaternions([1.0, 40.0, 40.0])), "thigh_r")


@pytest.mark.parametrize(
    "text, words",
    [
        (HEADER + "\n", "holds no sample"),
        (HEADER + ",q_w\n0,0,0,0,0,0,0,1\n", "has q_w but lacks q_x, q_y, q_z"),
        (HEADER + "\n0,0,0,9.8,0,0,0\n10,0,0,9.8,0,0,0\n", "if its unit is milliseconds, divide it by 1000[.]"),
        (HEADER + "\n0,0,0,9.8,0,0,0\n16667,0,0,9.8,0,0,0\n", "if its unit is microseconds, divide it by 1000000[.]"),
        (HEADER + "\n0,0,0,0,0,0,0\n0,0,0,0,0,0,0\n", "row 3: time_s goes from 0 to 0; times must increase"),
        (HEADER + "\n,0,0,0,0,0,0\n", "row 2, time_s"),
        (HEADER + "\n0,0,0,0,0,0,inf\n", "row 2, gyr_z: 'inf' is no finite number"),
        (HEADER.replace("gyr_z", "gyro_z") + "\n", "lacks gyr_z"),
        (HEADER + ",mag\n", "unknown column 'mag'"),
        (HEADER.replace(",", ";") + "\n", "its cells end in semicolons"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        read_imu_csv(write(tmp_path, text), "thigh_r")


def test_an_unknown_segment_is_refused_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"thigh_r\.csv: IMU thigh_r: unknown segment 'leg'"):
        read_imu_csv(write(tmp_path, VALID), "leg")


@settings(max_examples=20, deadline=None)
@given(frames=st.integers(8, 30), seed=st.integers(0, 1000))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, frames: int, seed: int) -> None:
    path = tmp_path_factory.mktemp("imu") / "thigh_r.csv"
    sensor = imu(frames=frames, seed=seed, start_s=None)
    write_imu_csv(path, sensor)
    read = read_imu_csv(path, sensor.segment)
    np.testing.assert_array_equal(read.time, sensor.time)
    np.testing.assert_array_equal(read.specific_force, sensor.specific_force)
    np.testing.assert_array_equal(read.angular_rate, sensor.angular_rate)
    assert read.magnetic_field is not None
    assert sensor.magnetic_field is not None
    np.testing.assert_array_equal(read.magnetic_field, sensor.magnetic_field)
    assert read.R_ref_sensor is not None
    assert sensor.R_ref_sensor is not None
    np.testing.assert_allclose(read.R_ref_sensor, sensor.R_ref_sensor, atol=1e-12)


@settings(max_examples=150, deadline=None)
@given(content=damaged(VALID.encode()))
def test_damaged_files_are_refused_or_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged_imu.csv"
    imu = read_or_refuse(lambda path: read_imu_csv(path, "thigh_r", start_s=1.0), path, content)
    assert imu is None or (np.isfinite(imu.time).all() and (np.diff(imu.time) > 0).all())
    assert imu is None or imu.specific_force.shape == imu.angular_rate.shape == (len(imu.time), 3)
