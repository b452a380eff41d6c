import numpy as np
import pytest
from imu_examples import swinging_imu

from kinefuse.conventions import GRAVITY
from kinefuse.inertial.rest import find_rest


def test_pauses_are_found_and_read_gravity() -> None:
    imu = swinging_imu()
    rest = find_rest(imu.time, imu.specific_force, imu.angular_rate)
    assert rest.is_rest
    assert rest.specific_force == pytest.approx(GRAVITY, abs=0.02)
    assert rest.angular_rate < 0.02


def test_a_shaken_sensor_never_rests() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(500) / 100.0
    rest = find_rest(time, rng.normal((0.0, 0.0, GRAVITY), 5.0, (500, 3)), rng.normal(size=(500, 3)))
    assert not rest.is_rest


def test_unreadable_samples_are_left_out() -> None:
    imu = swinging_imu()
    force = imu.specific_force.copy()
    force[::3] = np.nan
    rest = find_rest(imu.time, force, np.full_like(force, np.nan))
    assert rest.specific_force == pytest.approx(GRAVITY, abs=0.02)
    assert np.isnan(rest.angular_rate)


def test_too_few_samples_tell_nothing() -> None:
    rest = find_rest(np.arange(5.0), np.ones((5, 3)), np.ones((5, 3)))
    assert np.isnan(rest.specific_force)
    assert not rest.is_rest
