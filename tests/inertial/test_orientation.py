"""The orientation filter against motions whose orientation is known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imu_examples import swinging_imu

from kinefuse.conventions import GRAVITY
from kinefuse.errors import KinefuseError
from kinefuse.inertial.orientation import estimate_orientation, least_turn_about_up, orientation_change
from kinefuse.recordings import Imu
from kinefuse.rotations import geodesic_angle, matrix_from_rotvec

UP = np.array([0.0, 0.0, 1.0])
NORTH = np.array([0.0, 20.0, -43.0])


def imu_that_turns(R_ref_sensor: np.ndarray, rate: np.ndarray, rate_hz: float = 100.0) -> Imu:
    """A sensor on the spot in an east-north-up frame, with a magnetometer."""
    return Imu(
        name="one",
        segment="pelvis",
        time=np.arange(len(R_ref_sensor)) / rate_hz,
        specific_force=np.einsum("tji,j->ti", R_ref_sensor, GRAVITY * UP),
        angular_rate=np.broadcast_to(rate, (len(R_ref_sensor), 3)).copy(),
        magnetic_field=np.einsum("tji,j->ti", R_ref_sensor, NORTH),
    )


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3))
def test_resting_sensor_knows_where_up_is(rotvec: list[float]) -> None:
    R = matrix_from_rotvec(np.array(rotvec))
    found = estimate_orientation(imu_that_turns(np.tile(R, (300, 1, 1)), np.zeros(3)))
    assert np.allclose(found[-1].T @ UP, R.T @ UP, atol=1e-3)
    assert geodesic_angle(found[0], found[-1]) < 1e-3


def test_magnetometer_tells_the_heading() -> None:
    R = matrix_from_rotvec(np.array([0.3, -0.2, 2.0]))
    found = estimate_orientation(imu_that_turns(np.tile(R, (1000, 1, 1)), np.zeros(3)), magnetometer=True)
    assert np.degrees(geodesic_angle(found, R)).max() < 1.0


def test_constant_spin_about_the_vertical() -> None:
    """Two turns in ten seconds: the heading is the gyroscope's integral, wherever it began."""
    speed = 2 * np.pi / 5
    time = np.arange(1000) / 100.0
    R = matrix_from_rotvec(speed * time[:, None] * UP)
    found = estimate_orientation(imu_that_turns(R, speed * UP))
    assert np.degrees(orientation_change(R, found)).max() < 0.5


def test_pendulum_is_followed_through_noise() -> None:
    imu = swinging_imu(seconds=30.0)
    assert imu.R_ref_sensor is not None
    assert np.degrees(orientation_change(imu.R_ref_sensor, estimate_orientation(imu))).max() < 1.0


def test_rest_tells_the_bias_and_stops_the_drift() -> None:
    """Four seconds of rest, a minute of turning: a bias of 0.5 deg/s would turn the bare integral by 30 degrees."""
    time = np.arange(6400) / 100.0
    speed = np.where(time < 4.0, 0.0, 0.5)
    rate = speed[:, None] * UP
    R = matrix_from_rotvec(np.cumsum(rate / 100.0, axis=0))
    biased = replace(imu_that_turns(R, rate), angular_rate=rate + np.deg2rad([0.0, 0.0, 0.5]))
    assert np.degrees(orientation_change(R, estimate_orientation(biased))).max() < 3.0


def test_lost_packets_are_bridged() -> None:
    imu = swinging_imu(seconds=20.0)
    kept = np.random.default_rng(0).random(len(imu.time)) > 0.3
    lossy = replace(
        imu,
        time=imu.time[kept],
        specific_force=imu.specific_force[kept],
        angular_rate=imu.angular_rate[kept],
        R_ref_sensor=None,
    )
    assert imu.R_ref_sensor is not None
    assert np.degrees(orientation_change(imu.R_ref_sensor[kept], estimate_orientation(lossy))).max() < 1.5


def test_rows_of_nan_are_lost_packets_and_stay_nan() -> None:
    imu = swinging_imu(seconds=20.0)
    rate = imu.angular_rate.copy()
    rate[500:520] = np.nan
    found = estimate_orientation(replace(imu, angular_rate=rate))
    assert np.isnan(found[500:520]).all()
    assert np.isfinite(np.delete(found, np.arange(500, 520), axis=0)).all()


def test_after_a_long_gap_the_heading_goes_on() -> None:
    """While it rests upright, eight seconds are lost: nothing turned, so the heading must not either."""
    R = np.tile(matrix_from_rotvec(np.array([0.4, 0.2, 1.3])), (2000, 1, 1))
    imu = imu_that_turns(R, np.zeros(3))
    force = imu.specific_force.copy()
    force[600:1400] = np.nan
    found = estimate_orientation(replace(imu, specific_force=force))
    assert np.isnan(found[600:1400]).all()
    assert geodesic_angle(found[0], found[-1]) < 1e-2


def test_least_turn_brings_two_orientations_together() -> None:
    R, turn = matrix_from_rotvec(np.array([0.5, -0.3, 0.8])), matrix_from_rotvec(np.array([0.0, 0.0, 1.1]))
    assert np.allclose(least_turn_about_up(turn @ R, R), turn)


def test_a_sensor_without_gyroscope_is_refused() -> None:
    imu = swinging_imu(seconds=2.0)
    with pytest.raises(KinefuseError, match="one needs two samples"):
        estimate_orientation(replace(imu, angular_rate=np.full_like(imu.angular_rate, np.nan)))
