from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imu_examples import swinging_imu

from kinefuse.inertial.turns import SCALES, better_scale, scale_by_orientation
from kinefuse.rotations import matrix_from_rotvec


@pytest.mark.parametrize("scale", SCALES)
def test_wrong_units_and_signs_are_named(scale: float) -> None:
    imu = swinging_imu()
    assert better_scale(imu.time, imu.specific_force, imu.angular_rate / scale) == pytest.approx(scale)


@pytest.mark.parametrize("scale", SCALES)
def test_orientation_tells_units_and_signs_too(scale: float) -> None:
    imu = swinging_imu(noise=0.2)
    assert imu.R_ref_sensor is not None
    kept = np.r_[:300, 350 : len(imu.time)]
    found = scale_by_orientation(imu.time[kept], imu.R_ref_sensor[kept], imu.angular_rate[kept] / scale)
    assert found == pytest.approx(scale)


def test_unrelated_orientation_tells_nothing() -> None:
    imu = swinging_imu()
    turned = matrix_from_rotvec(np.random.default_rng(0).normal(size=(len(imu.time), 3)))
    assert np.isnan(scale_by_orientation(imu.time, turned, imu.angular_rate))
    assert np.isnan(scale_by_orientation(imu.time[:5], turned[:5], imu.angular_rate[:5]))


def test_too_little_data_is_left_alone() -> None:
    imu = swinging_imu(seconds=0.2)
    assert better_scale(imu.time, imu.specific_force, -imu.angular_rate) == 1.0
    assert better_scale(imu.time[:1], imu.specific_force[:1], imu.angular_rate[:1]) == 1.0


def test_a_still_sensor_tells_nothing() -> None:
    imu = swinging_imu()
    still = np.tile(imu.specific_force[:1], (len(imu.time), 1))
    assert better_scale(imu.time, still, np.zeros_like(still)) == 1.0


@given(seed=st.integers(0, 1000), start=st.floats(0.0, 0.6))
@settings(max_examples=15, deadline=None)
def test_any_mounting_gaps_and_force_unit_change_nothing(seed: int, start: float) -> None:
    imu = swinging_imu(seed=seed)
    rng = np.random.default_rng(seed)
    mounting = matrix_from_rotvec(rng.normal(size=3))
    force, rate = imu.specific_force @ mounting / 9.81, imu.angular_rate @ mounting
    rate[rng.random(len(rate)) < 0.002] = np.nan
    kept = np.r_[: int(400 + 100 * start), 550 : len(imu.time)]
    assert better_scale(imu.time[kept], force[kept], rate[kept]) == 1.0
    assert better_scale(imu.time[kept], force[kept], -rate[kept]) == -1.0


def test_real_sensors_are_not_accused(data: Path) -> None:
    from scipy.io import loadmat

    path = data / "real" / "qmt_fullbody_imu" / "full_body_example_data.mat"
    content = loadmat(path, squeeze_me=True, struct_as_record=False)
    sensors = {name: value for name, value in content.items() if hasattr(value, "gyr")}
    assert len(sensors) == 16
    time = content["t"]
    for name, sensor in sensors.items():
        assert better_scale(time, sensor.acc, sensor.gyr) == 1.0, name
        assert abs(better_scale(time, sensor.acc, np.degrees(sensor.gyr))) == pytest.approx(np.pi / 180), name
    reversed_seen = sum(better_scale(time, sensor.acc, -sensor.gyr) == -1.0 for sensor in sensors.values())
    assert reversed_seen >= 8
