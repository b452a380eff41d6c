"""Perfect signals computed once are those of virtual sensors; the laboratory's pose; what real sensors make of it."""

from dataclasses import replace

import numpy as np
import pytest
from evaluation_examples import swinging

from kinefuse.conventions import GRAVITY, IMU_SITES, SEGMENT_INDEX
from kinefuse.inertial.mounting import mount_by_pose, segment_in_pose
from kinefuse.motion import Motion
from kinefuse.rotations import geodesic_angle, matrix_from_rotvec, yaw_matrix
from kinefuse.study.joining import heading_of
from kinefuse.study.laboratory import BEGIN_S, LEAD_S, held_pose, pose_errors, standing, with_lead
from kinefuse.study.signals import (
    FIELD_UT,
    Ideal,
    during,
    ideal_signals,
    standing_otherwise,
    turned,
    with_device_orientation,
    worn_sensors,
)
from kinefuse.synthesis.imus import REF_FROM_WORLD, ImuFaults, ideal_imu

PERFECT = ImuFaults(
    place_sd_m=0.0, tissue=0.0, gyro_noise=0.0, gyro_bias_sd=0.0, acc_noise=0.0, acc_bias_sd=0.0, clock_sd_ppm=0.0
)


@pytest.fixture(scope="module")
def window() -> Motion:
    return swinging(150, seed=3)


@pytest.fixture(scope="module")
def ideal(window: Motion) -> Ideal:
    return ideal_signals(with_lead(window, np.random.default_rng(0)))


def test_the_window_stays_as_it_is(window: Motion) -> None:
    whole = with_lead(window, np.random.default_rng(0))
    np.testing.assert_array_equal(whole.R_world_segment[-150:], window.R_world_segment)
    np.testing.assert_allclose(whole.time[-150:], window.time, atol=1e-9)
    assert whole.time[0] == pytest.approx(-LEAD_S, abs=0.05)


def test_the_person_stands_with_hanging_arms(window: Motion) -> None:
    pose = standing(window, np.random.default_rng(0))
    facing = yaw_matrix(heading_of(window.R_world_segment[0, 0]))
    for segment in ("pelvis", "shank_l", "forearm_r"):
        off = geodesic_angle(pose.R_world_segment[:, SEGMENT_INDEX[segment]], facing @ segment_in_pose(segment, "n"))
        assert 0 < off.max() < np.deg2rad(1.5)
    hand, shoulder = (pose.positions[:, SEGMENT_INDEX[name]] for name in ("hand_r", "upper_arm_r"))
    assert (hand[:, 1] < shoulder[:, 1] - 0.4).all()


def test_signals_are_those_of_virtual_sensors(window: Motion, ideal: Ideal) -> None:
    sensors = worn_sensors(ideal, np.random.default_rng(0), PERFECT)
    for site in ("pelvis", "shank_r", "forearm_l"):
        index = IMU_SITES.index(site)
        mine = during(sensors[index], 0.0, np.inf)
        same = ideal_imu(window, site, ideal.offsets[index], np.eye(3), mine.time, smooth_hz=10.0)
        inner = slice(40, -40)  # the low-pass sees what lies before the window
        np.testing.assert_allclose(mine.specific_force[inner], same.specific_force[inner], atol=1e-4)
        np.testing.assert_allclose(mine.angular_rate[inner], same.angular_rate[inner], atol=1e-5)


def test_nothing_jumps_between_pose_and_window(ideal: Ideal) -> None:
    worn = worn_sensors(
        standing_otherwise(ideal, pose_errors(np.random.default_rng(0))), np.random.default_rng(1), PERFECT
    )
    for imu in worn:
        bend = np.linalg.norm(np.diff(imu.specific_force, 2, axis=0), axis=1)
        near = np.abs(imu.time[1:-1]) < 0.03
        moving = (imu.time[1:-1] > -BEGIN_S) & ~near
        assert bend[near].max() < max(2.0 * bend[moving].max(), 0.1)


def test_an_imperfect_pose_fades_until_the_window_begins(ideal: Ideal) -> None:
    errors = pose_errors(np.random.default_rng(0))
    other = standing_otherwise(ideal, errors)
    held, inside = ideal.time < -BEGIN_S, ideal.time >= 0
    for index, site in enumerate(IMU_SITES):
        off = geodesic_angle(ideal.R[index], other.R[index])
        np.testing.assert_allclose(off[held], np.linalg.norm(errors[SEGMENT_INDEX[site]]), atol=1e-6)
        np.testing.assert_array_equal(ideal.R[index][inside], other.R[index][inside])
        np.testing.assert_array_equal(ideal.joint[index][inside], other.joint[index][inside])
    assert np.rad2deg(np.std(pose_errors(np.random.default_rng(1)))) == pytest.approx(4.0, rel=0.25)


def test_without_an_error_the_pose_is_the_ideal_one(ideal: Ideal) -> None:
    same = standing_otherwise(ideal, np.zeros((22, 3)))
    slow = ideal.time < -BEGIN_S - 0.2
    np.testing.assert_allclose(same.rate[:, slow], ideal.rate[:, slow], atol=1e-3)
    np.testing.assert_allclose(same.joint[:, slow], ideal.joint[:, slow], atol=0.02)


def test_resting_sensors_read_gravity_and_the_earths_field(ideal: Ideal) -> None:
    for imu in worn_sensors(ideal, np.random.default_rng(0), PERFECT):
        held = during(imu, held_pose().start_s, held_pose().end_s)
        np.testing.assert_allclose(np.linalg.norm(held.specific_force, axis=1), GRAVITY, atol=0.2)
        assert held.magnetic_field is not None
        np.testing.assert_allclose(np.linalg.norm(held.magnetic_field, axis=1), FIELD_UT, atol=4.0)
        cosine = (held.specific_force * held.magnetic_field).sum(1) / GRAVITY / FIELD_UT
        np.testing.assert_allclose(cosine.mean(), -np.sin(np.deg2rad(65.0)), atol=0.02)


def test_the_devices_filter_tells_the_orientation_up_to_the_fields_heading(ideal: Ideal) -> None:
    imu = with_device_orientation(worn_sensors(ideal, np.random.default_rng(0), PERFECT)[0])
    assert imu.R_ref_sensor is not None
    off = np.swapaxes(REF_FROM_WORLD @ ideal.R[0], -1, -2) @ imu.R_ref_sensor
    constant = imu.R_ref_sensor[500] @ np.swapaxes(REF_FROM_WORLD @ ideal.R[0, 500], -1, -2)
    assert np.rad2deg(geodesic_angle(imu.R_ref_sensor, constant @ REF_FROM_WORLD @ ideal.R[0])).max() < 3.0
    assert np.isfinite(off).all()


def test_the_pose_tells_how_perfect_sensors_are_mounted(ideal: Ideal) -> None:
    sensors = worn_sensors(standing_otherwise(ideal, np.zeros((22, 3))), np.random.default_rng(0), PERFECT)
    askew = matrix_from_rotvec(np.random.default_rng(5).normal(0, 0.15, (13, 3)) * np.array([1.0, 0.0, 1.0]))
    mounted = tuple(turned(imu, R, -np.inf) for imu, R in zip(sensors, askew, strict=True))
    found = mount_by_pose(mounted, held_pose())
    assert len(found.mounted) == 13
    for imu, R in zip(found.imus, askew, strict=True):
        assert imu.R_segment_sensor is not None
        up = np.array([0.0, 1.0, 0.0]) if "arm" not in imu.segment else segment_in_pose(imu.segment, "n").T[:, 1]
        assert np.rad2deg(np.arccos(np.clip((R.T @ up) @ (imu.R_segment_sensor.T @ up), -1, 1))) < 1.0


def test_turned_turns_readings_and_orientation_from_a_moment_on(ideal: Ideal) -> None:
    imu = with_device_orientation(worn_sensors(ideal, np.random.default_rng(0), ImuFaults())[3])
    R = matrix_from_rotvec(np.array([0.3, -0.2, 0.5]))
    askew = turned(imu, R, -BEGIN_S)
    before, after = imu.time < -BEGIN_S, imu.time >= -BEGIN_S
    np.testing.assert_array_equal(askew.specific_force[before], imu.specific_force[before])
    np.testing.assert_allclose(askew.specific_force[after] @ R.T, imu.specific_force[after])
    assert imu.R_ref_sensor is not None
    assert askew.R_ref_sensor is not None
    np.testing.assert_allclose(askew.R_ref_sensor[after], imu.R_ref_sensor[after] @ R)
    world = np.einsum("tij,tj->ti", askew.R_ref_sensor, askew.specific_force)
    np.testing.assert_allclose(world, np.einsum("tij,tj->ti", imu.R_ref_sensor, imu.specific_force), atol=1e-9)


def test_noise_is_that_of_the_faults(ideal: Ideal) -> None:
    loud = replace(PERFECT, acc_noise=0.5)
    quiet_, noisy = (worn_sensors(ideal, np.random.default_rng(0), faults) for faults in (PERFECT, loud))
    off = np.stack([b.specific_force - a.specific_force for a, b in zip(quiet_, noisy, strict=True)])
    assert off.std() == pytest.approx(0.5, rel=0.02)
