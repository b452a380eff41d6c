"""Virtual IMUs against motions whose readings are known by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.conventions import COORDINATES, GRAVITY, IMU_SITES, JOINTS, SEGMENT_INDEX, SEGMENTS
from kinefuse.errors import KinefuseError
from kinefuse.formats.bvh import read_bvh
from kinefuse.motion import Motion
from kinefuse.rotations import geodesic_angle, matrix_from_rotvec, rotvec_from_matrix
from kinefuse.synthesis.gait import walk
from kinefuse.synthesis.imus import (
    ImuFaults,
    ideal_imu,
    on_tissue,
    packets_that_arrive,
    smoothed,
    smoothed_rotations,
    valid_runs,
    virtual_imus,
    with_faults,
)
from kinefuse.synthesis.person import demo_person
from kinefuse.synthesis.sites import surface_offsets

NO_OFFSET, ALIGNED = np.zeros(3), np.eye(3)
PERFECT = ImuFaults(
    mounting_sd_rad=0.0,
    place_sd_m=0.0,
    tissue=0.0,
    gyro_noise=0.0,
    gyro_bias_sd=0.0,
    acc_noise=0.0,
    acc_bias_sd=0.0,
    clock_sd_ppm=0.0,
    lost_share=0.0,
    tilt_sd_rad=0.0,
    heading_drift_sd=0.0,
)


def rigid(time: np.ndarray, rotation: np.ndarray, place: np.ndarray) -> Motion:
    """A motion in which all segments move alike: rotations (T, 3, 3), places (T, 3)."""
    return Motion(
        time=time,
        R_world_segment=np.repeat(rotation[:, None], len(SEGMENTS), axis=1),
        positions=np.repeat(place[:, None], len(JOINTS), axis=1),
        angles=np.full((len(time), len(COORDINATES)), np.nan),
        provenance=np.zeros((len(time), len(SEGMENTS)), dtype=int),
        shape=np.zeros(0),
        rest_positions=demo_person().rest_positions(np.zeros(0)),
    )


TIME = np.arange(241) / 120
INSIDE = np.arange(20, 180) / 100 + 0.0031


def about(axis: list[float], angle: np.ndarray) -> np.ndarray:
    return matrix_from_rotvec(np.asarray(angle)[:, None] * np.array(axis))


def test_a_resting_sensor_reads_gravity_upwards() -> None:
    motion = rigid(TIME, np.tile(np.eye(3), (241, 1, 1)), np.tile([0.1, 0.2, 0.3], (241, 1)))
    imu = ideal_imu(motion, "pelvis", NO_OFFSET, ALIGNED, INSIDE)
    assert np.allclose(imu.specific_force, [0.0, GRAVITY, 0.0], atol=1e-6)
    assert np.allclose(imu.angular_rate, 0.0, atol=1e-9)
    assert imu.R_ref_sensor is not None
    assert np.allclose(imu.R_ref_sensor @ np.array([0.0, 1.0, 0.0]), [0.0, 0.0, 1.0])  # the device's Z is up


def test_a_falling_sensor_reads_nothing() -> None:
    place = np.stack([0 * TIME, -0.5 * GRAVITY * TIME**2, 0 * TIME], axis=-1)
    imu = ideal_imu(rigid(TIME, np.tile(np.eye(3), (241, 1, 1)), place), "head", NO_OFFSET, ALIGNED, INSIDE)
    assert np.abs(imu.specific_force).max() < 1e-6


def test_a_constant_spin_reads_its_rate_and_centripetal_force() -> None:
    rate, radius = 4.0, 0.3
    motion = rigid(TIME, about([0, 1, 0], rate * TIME), np.zeros((241, 3)))
    imu = ideal_imu(motion, "pelvis", np.array([radius, 0, 0]), ALIGNED, INSIDE)
    assert np.allclose(imu.angular_rate, [0, rate, 0], atol=1e-4)
    assert np.allclose(imu.specific_force, [-rate * rate * radius, GRAVITY, 0], atol=1e-3)


def test_a_pendulum_reads_its_own_equations() -> None:
    """A rod of length L swings about Z by θ(t): the tip feels L θ'' across and L θ'² + g cos θ along the rod."""
    length, swing, frequency = 0.4, 0.7, 2 * np.pi * 1.1

    def angle(t: np.ndarray) -> np.ndarray:
        return swing * np.sin(frequency * t)

    imu = ideal_imu(
        rigid(TIME, about([0, 0, 1], angle(TIME)), np.zeros((241, 3))),
        "thigh_r",
        np.array([0.0, -length, 0.0]),
        ALIGNED,
        INSIDE,
    )
    theta = angle(INSIDE)
    rate = swing * frequency * np.cos(frequency * INSIDE)
    acceleration = -(frequency**2) * theta
    assert np.allclose(imu.angular_rate[:, 2], rate, atol=2e-3)
    across = length * acceleration + GRAVITY * np.sin(theta)
    along = length * rate**2 + GRAVITY * np.cos(theta)
    assert np.allclose(imu.specific_force[:, 0], across, atol=0.02)
    assert np.allclose(imu.specific_force[:, 1], along, atol=0.02)


def test_rates_are_in_the_bodys_axes_not_the_worlds() -> None:
    """Spin about the body's X after the body was turned to point its X upwards."""
    tipped = matrix_from_rotvec(np.array([0, 0, np.pi / 2]))
    motion = rigid(TIME, tipped @ about([1, 0, 0], 2.0 * TIME), np.zeros((241, 3)))
    imu = ideal_imu(motion, "pelvis", NO_OFFSET, ALIGNED, INSIDE)
    assert np.allclose(imu.angular_rate, [2.0, 0, 0], atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.floats(-2, 2)] * 3))
def test_mounting_turns_readings_and_nothing_else(rotvec: tuple[float, float, float]) -> None:
    mounting = matrix_from_rotvec(np.array(rotvec))
    motion = rigid(TIME, about([0.6, 0.8, 0], 3.0 * TIME), np.stack([TIME**3, TIME**2, 0 * TIME], -1))
    plain = ideal_imu(motion, "foot_l", NO_OFFSET, ALIGNED, INSIDE)
    turned = ideal_imu(motion, "foot_l", NO_OFFSET, mounting, INSIDE)
    assert np.allclose(turned.specific_force @ mounting.T, plain.specific_force)
    assert np.allclose(turned.angular_rate @ mounting.T, plain.angular_rate)


def test_integrating_the_gyroscope_gives_the_orientation_back() -> None:
    motion = walk(demo_person())
    times = np.arange(0.0, 5.99, 0.005)
    imu = ideal_imu(motion, "shank_r", NO_OFFSET, ALIGNED, times)
    assert imu.R_ref_sensor is not None
    rotation = imu.R_ref_sensor[0]
    middle = 0.5 * (imu.angular_rate[1:] + imu.angular_rate[:-1])
    for step in matrix_from_rotvec(middle * 0.005):
        rotation = rotation @ step
    assert np.rad2deg(geodesic_angle(rotation, imu.R_ref_sensor[-1])) < 0.1


def test_gaps_of_the_motion_stay_gaps() -> None:
    motion = rigid(TIME, about([0, 1, 0], TIME), np.zeros((241, 3)))
    motion.positions[100:120] = np.nan
    imu = ideal_imu(motion, "pelvis", NO_OFFSET, ALIGNED, np.arange(0, 3, 0.01))
    known = np.isfinite(imu.specific_force).all(1)
    assert not known[(imu.time > TIME[99]) & (imu.time < TIME[120])].any()
    assert not known[imu.time > TIME[-1]].any()
    assert known[imu.time < TIME[99]].all()


def test_a_segment_that_is_never_known_is_refused() -> None:
    motion = rigid(TIME, np.full((241, 3, 3), np.nan), np.zeros((241, 3)))
    with pytest.raises(KinefuseError, match="neighbouring frames"):
        ideal_imu(motion, "pelvis", NO_OFFSET, ALIGNED, INSIDE)


def test_an_unknown_site_is_refused() -> None:
    with pytest.raises(KinefuseError, match="tail"):
        virtual_imus(walk(demo_person()), np.random.default_rng(0), ("tail",))


def test_valid_runs() -> None:
    mask = np.array([0, 1, 1, 0, 1], dtype=bool)
    assert valid_runs(mask) == [slice(1, 3), slice(4, 5)]
    assert valid_runs(np.zeros(3, dtype=bool)) == []


def test_without_faults_the_readings_are_perfect_but_heading_is_the_devices_own() -> None:
    motion = walk(demo_person())
    perfect = ideal_imu(motion, "head", NO_OFFSET, ALIGNED, INSIDE)
    worn = with_faults(perfect, np.random.default_rng(3), PERFECT)
    assert np.allclose(worn.specific_force, perfect.specific_force)
    assert worn.R_ref_sensor is not None
    assert perfect.R_ref_sensor is not None
    turn = worn.R_ref_sensor @ np.swapaxes(perfect.R_ref_sensor, 1, 2)
    assert np.allclose(turn[:, 2], [0, 0, 1])  # about vertical
    assert np.allclose(turn, turn[0])
    assert abs(turn[0, 0, 1]) > 0.05


def test_a_mounting_turns_about_the_bone_whatever_way_the_sensor_faces() -> None:
    """A thigh's sensor with its own Z along the bone: the large turn is about its Z."""
    facing = matrix_from_rotvec(np.array([np.pi / 2, 0, 0]))
    still = rigid(TIME, np.tile(np.eye(3), (241, 1, 1)), np.zeros((241, 3)))
    faults = replace(PERFECT, mounting="authors")
    turns = []
    for seed in range(60):
        imu = virtual_imus(still, np.random.default_rng(seed), ("thigh_r",), 20.0, faults, {"thigh_r": facing})[0]
        assert imu.R_ref_sensor is not None
        own = virtual_imus(still, np.random.default_rng(seed), ("thigh_r",), 20.0, PERFECT, {"thigh_r": facing})[0]
        assert own.R_ref_sensor is not None
        turns.append(rotvec_from_matrix(own.R_ref_sensor[0].T @ imu.R_ref_sensor[0]))
    spread = np.std(turns, axis=0)
    assert spread[2] > 2 * spread[0]
    assert spread[2] > 2 * spread[1]


def test_on_the_embedded_body_sensors_sit_on_its_skin() -> None:
    """A stout one's thigh is wide, and a sensor on it feels more of a spin about the vertical."""
    spin = rigid(TIME, about([0, 1, 0], 4.0 * TIME), np.zeros((241, 3)))
    forces = []
    for shape in (np.zeros(10), np.full(10, 1.5)):
        imu = virtual_imus(replace(spin, shape=shape), np.random.default_rng(0), ("thigh_r",), faults=PERFECT)[0]
        radius = np.hypot(*surface_offsets(shape)["thigh_r"][[0, 2]])
        forces.append(np.linalg.norm(np.median(imu.specific_force, axis=0)[[0, 2]]))
        assert forces[-1] == pytest.approx(16.0 * radius, rel=1e-2)
    assert forces[0] != pytest.approx(forces[1], rel=0.02)


def test_a_clock_runs_at_its_own_rate() -> None:
    still = rigid(TIME, np.tile(np.eye(3), (241, 1, 1)), np.zeros((241, 3)))
    faults = replace(PERFECT, clock_sd_ppm=500.0)
    steps = [
        np.median(np.diff(imu.time))
        for seed in range(10)
        for imu in virtual_imus(still, np.random.default_rng(seed), faults=faults)
    ]
    assert np.std(steps) / 0.01 == pytest.approx(500e-6, rel=0.2)
    assert np.mean(steps) == pytest.approx(0.01, rel=2e-4)


def test_a_resting_sensor_does_not_wobble() -> None:
    still = rigid(TIME, np.tile(np.eye(3), (241, 1, 1)), np.zeros((241, 3)))
    imu = virtual_imus(still, np.random.default_rng(1), ("thigh_l",), faults=replace(PERFECT, tissue=1.0))[0]
    assert np.allclose(imu.specific_force, [0, GRAVITY, 0], atol=1e-6)
    assert np.allclose(imu.angular_rate, 0.0, atol=1e-6)


def test_on_tissue_a_shake_along_the_thigh_tilts_its_sensor() -> None:
    """Shaken at the tissue's own 9 Hz: the force grows threefold, the sensor turns about the axis across the thigh."""
    time = np.arange(721) / 240
    place = 0.002 * np.sin(2 * np.pi * 9.0 * time)[:, None] * np.array([0, 1.0, 0])
    bone = ideal_imu(rigid(time, np.tile(np.eye(3), (721, 1, 1)), place), "thigh_r", NO_OFFSET, ALIGNED, time[::2])
    mounting = matrix_from_rotvec(np.array([0.3, 0.2, -0.4]))
    askew = ideal_imu(rigid(time, np.tile(np.eye(3), (721, 1, 1)), place), "thigh_r", NO_OFFSET, mounting, time[::2])
    soft = on_tissue(bone, ALIGNED, 9.0)
    late = time[::2] > 2.0
    assert np.std(soft.specific_force[late, 1]) / np.std(bone.specific_force[late, 1]) == pytest.approx(3.45, rel=0.06)
    turning = np.std(soft.angular_rate[late], axis=0)
    assert turning[0] > 5 * max(turning[1], turning[2])  # outward is Z, along is Y
    assert np.allclose(on_tissue(askew, mounting, 9.0).angular_rate @ mounting.T, soft.angular_rate, atol=1e-9)
    assert np.allclose(on_tissue(bone, ALIGNED, 9.0, share=0.0).specific_force, bone.specific_force)


def test_on_tissue_gyroscope_and_orientation_still_agree() -> None:
    motion = walk(demo_person())
    imu = on_tissue(ideal_imu(motion, "thigh_r", NO_OFFSET, ALIGNED, np.arange(0.0, 5.99, 0.0025)), ALIGNED, 9.8)
    assert imu.R_ref_sensor is not None
    rotation = imu.R_ref_sensor[0]
    for step in matrix_from_rotvec(0.5 * (imu.angular_rate[1:] + imu.angular_rate[:-1]) * 0.0025):
        rotation = rotation @ step
    assert np.rad2deg(geodesic_angle(rotation, imu.R_ref_sensor[-1])) < 1.0


def test_on_tissue_gaps_stay_gaps() -> None:
    motion = rigid(TIME, about([0, 1, 0], TIME), np.zeros((241, 3)))
    motion.positions[100:120] = np.nan
    bone = ideal_imu(motion, "pelvis", NO_OFFSET, ALIGNED, np.arange(0, 3, 0.01))
    soft = on_tissue(bone, ALIGNED, 15.0)
    assert np.array_equal(np.isnan(soft.specific_force), np.isnan(bone.specific_force))
    assert np.allclose(soft.specific_force, bone.specific_force, atol=0.3, equal_nan=True)


def test_faults_are_as_large_as_stated() -> None:
    still = rigid(TIME, np.tile(np.eye(3), (241, 1, 1)), np.zeros((241, 3)))
    faults = ImuFaults(lost_share=0.0)
    sensors = [imu for seed in range(12) for imu in virtual_imus(still, np.random.default_rng(seed), faults=faults)]
    noise = np.std([imu.angular_rate - imu.angular_rate.mean(0) for imu in sensors])
    assert noise == pytest.approx(faults.gyro_noise, rel=0.1)
    tilt = [np.arccos(imu.specific_force.mean(0)[1] / np.linalg.norm(imu.specific_force.mean(0))) for imu in sensors]
    # The part of a rotation vector that tilts has two components.
    assert np.sqrt(np.mean(np.square(tilt)) / 2) == pytest.approx(faults.mounting_sd_rad, rel=0.2)


def test_sensors_have_their_own_clocks_and_lose_packets() -> None:
    sensors = virtual_imus(walk(demo_person()), np.random.default_rng(0))
    assert [imu.name for imu in sensors] == list(IMU_SITES)
    starts = {round(float(imu.time[0]), 6) for imu in sensors}
    assert len(starts) == len(sensors)
    assert all(0 <= start < 0.01 for start in starts)
    steps = np.concatenate([np.diff(imu.time) for imu in sensors])
    assert np.median(steps) == pytest.approx(0.01, rel=1e-4)
    assert 0.005 < steps.max() - 0.01 < 0.12  # gaps, but short ones
    assert np.abs(sensors[4].angular_rate).max() > 4  # a swinging shank
    assert sensors[4].segment == "shank_r"
    assert SEGMENT_INDEX["shank_r"] == 5


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3000), st.floats(0, 0.1), st.integers(0, 100))
def test_lost_packets(frames: int, share: float, seed: int) -> None:
    kept = packets_that_arrive(np.random.default_rng(seed), frames, share)
    assert kept[0]
    assert len(kept) == frames
    if share == 0:
        assert kept.all()


def test_smoothing_keeps_slow_movement_and_removes_jitter() -> None:
    slow = np.sin(2 * np.pi * 1.0 * TIME)[:, None]
    jitter = np.random.default_rng(0).normal(size=(241, 1))
    assert np.abs(smoothed(slow, 120.0, 8.0) - slow)[20:-20].max() < 0.01
    assert smoothed(jitter, 120.0, 8.0).std() < 0.5
    with pytest.raises(KinefuseError, match="60 Hz"):
        smoothed(slow, 120.0, 70.0)


def test_smoothed_rotations_are_rotations() -> None:
    turns = about([0, 0.6, 0.8], 2 * np.sin(6 * TIME))
    out = smoothed_rotations(turns, 120.0, 8.0)
    assert np.allclose(out @ np.swapaxes(out, 1, 2), np.eye(3))
    assert np.allclose(np.linalg.det(out), 1.0)
    assert np.rad2deg(geodesic_angle(out, turns)[20:-20]).max() < 2.5


def test_motion_capture_of_a_walk_reads_like_a_walk(data: Path) -> None:
    """The mean force over a walk is gravity, the foot swings with some 8 rad/s, and smoothing takes out the jitter."""
    clip = read_bvh(data / "mocap" / "cmu_007.zip", 2.54 / 45, "07_01.bvh")
    positions, rotations = clip.forward_kinematics()
    joint = clip.names.index("RightFoot")
    motion = rigid(clip.time, rotations[:, joint], positions[:, joint])
    times = np.arange(0.2, clip.time[-1] - 0.2, 0.01)
    raw = ideal_imu(motion, "foot_r", NO_OFFSET, ALIGNED, times)
    smooth = ideal_imu(motion, "foot_r", NO_OFFSET, ALIGNED, times, smooth_hz=8.0)
    assert smooth.R_ref_sensor is not None
    world = np.einsum("tij,tj->ti", smooth.R_ref_sensor, smooth.specific_force).mean(0)
    assert np.allclose(world[2], GRAVITY, atol=0.5)
    assert np.abs(world[:2]).max() < 0.8
    assert 6 < np.linalg.norm(smooth.angular_rate, axis=1).max() < 10
    largest = [np.linalg.norm(imu.specific_force, axis=1).max() for imu in (smooth, raw)]
    assert largest[0] < 45 < 60 < largest[1]
