"""Kinematics from inertial sensors: what a held pose, a mounting and a heading are worth."""

from dataclasses import replace

import numpy as np
import pytest
from examples import motion_from_angles, sensor_recording, swinging_motion

from kinefuse.conventions import (
    COORDINATE_INDEX,
    COORDINATES,
    IMU_SITES,
    INFERRED,
    INTERPOLATED,
    MEASURED,
    SEGMENT_INDEX,
    SITE_SEGMENT,
)
from kinefuse.errors import KinefuseError
from kinefuse.estimators.imu_kinematics import ImuKinematics
from kinefuse.metrics.compare import compare_motions
from kinefuse.motion import Motion
from kinefuse.recordings import HeldPose, HingeMovement, Imu, Recording
from kinefuse.rotations import matrix_from_rotvec, yaw_matrix
from kinefuse.synthesis.imus import REF_FROM_WORLD, ImuFaults, ideal_imu, virtual_imus
from kinefuse.synthesis.sites import site_offsets

POSE = HeldPose(kind="n", start_s=0.2, end_s=2.5)


def pose_then_walk() -> Motion:
    """Three seconds of N-pose, palms to the thighs, and then legs and arms that swing."""
    time = np.arange(350) / 50.0
    angles = np.zeros((len(time), len(COORDINATES)))
    ramp = np.clip((time - 3.0) / 1.5, 0.0, 1.0)
    ramp = ramp**3 * (10 - 15 * ramp + 6 * ramp**2)
    for side, phase in (("r", 0.0), ("l", np.pi)):
        for name, size, away in (("hip_flexion", 25, 0.0), ("knee_angle", 25, 25.0), ("elbow_flex", 20, 25.0)):
            wave = size * np.sin(2 * np.pi * time + phase) + away
            angles[:, COORDINATE_INDEX[f"{name}_{side}"]] = np.deg2rad(ramp * wave)
        angles[:, COORDINATE_INDEX[f"arm_flex_{side}"]] = np.deg2rad(ramp * 25 * np.sin(2 * np.pi * time - phase))
        angles[:, COORDINATE_INDEX[f"pro_sup_{side}"]] = np.deg2rad(90.0)
    return motion_from_angles(time, angles, np.zeros(10))


def worn_askew(truth: Motion, sd_deg: float, seed: int = 0, device: bool = True) -> Recording:
    """Perfect sensors put on askew, every device with a heading of its own."""
    rng = np.random.default_rng(seed)
    offsets, times = site_offsets(truth.rest_positions), np.arange(truth.time[0], truth.time[-1], 0.01)
    imus = []
    for site in IMU_SITES:
        mounting = matrix_from_rotvec(np.deg2rad(rng.normal(0, sd_deg, 3)))
        imu = ideal_imu(truth, site, offsets[site], mounting, times)
        turn = REF_FROM_WORLD @ yaw_matrix(rng.uniform(-np.pi, np.pi)) @ REF_FROM_WORLD.T
        assert imu.R_ref_sensor is not None
        imus.append(replace(imu, R_ref_sensor=turn @ imu.R_ref_sensor if device else None))
    return Recording(imus=tuple(imus))


def error_deg(recording: Recording, truth: Motion) -> float:
    found = compare_motions(ImuKinematics().estimate(recording), truth, align_heading=True)
    return float(np.degrees(found.geodesic[list(SITE_SEGMENT)].mean()))


def test_known_mounting_and_pose_leave_nothing_to_guess() -> None:
    truth = pose_then_walk()
    recording = worn_askew(truth, 0.0)
    known = tuple(replace(imu, R_segment_sensor=np.eye(3)) for imu in recording.imus)
    assert error_deg(replace(recording, imus=known, poses=(POSE,)), truth) < 0.1


def test_a_pose_finds_the_mounting_but_for_the_heading() -> None:
    """A sensor 10 degrees askew about every axis is 17 degrees off without a pose, with it what lies level remains."""
    truth = pose_then_walk()
    recording = worn_askew(truth, 10.0)
    posed, bare = (error_deg(replace(recording, poses=poses), truth) for poses in ((POSE,), ()))
    assert posed < 5.0 < 9.0 < bare


def test_devices_of_one_world_need_no_pose() -> None:
    truth = swinging_motion(200)
    recording = worn_askew(truth, 0.0)
    offsets = site_offsets(truth.rest_positions)
    imus = [ideal_imu(truth, i.segment, offsets[i.segment], np.eye(3), i.time) for i in recording.imus]
    known = tuple(replace(i, R_segment_sensor=np.eye(3), R_world_ref=REF_FROM_WORLD.T) for i in imus)
    motion = ImuKinematics().estimate(Recording(imus=known))
    found = compare_motions(motion, truth)
    assert np.degrees(found.geodesic[list(SITE_SEGMENT)].max()) < 0.1
    assert any("q_world_ref" in note for note in motion.notes)


def test_headings_of_the_filter_are_not_taken_for_a_common_one() -> None:
    """Sensors that are put on alike begin alike; bent elbows make left and right begin otherwise."""
    walk = pose_then_walk()
    angles = walk.angles.copy()
    for side in "lr":
        angles[:, COORDINATE_INDEX[f"elbow_flex_{side}"]] = np.deg2rad(90.0)
    truth = motion_from_angles(walk.time, angles, np.zeros(10))
    imus = tuple(replace(imu, R_ref_sensor=None) for imu in sensor_recording(truth).imus)
    motion = ImuKinematics().estimate(Recording(imus=imus))
    off = np.degrees(compare_motions(motion, truth, align_heading=True).geodesic)
    assert max(off[SEGMENT_INDEX[f"upper_arm_{side}"]] for side in "lr") < 10
    assert not any("devices share a heading" in note for note in motion.notes)


def test_a_sensor_that_comes_late_costs_the_others_nothing() -> None:
    truth = pose_then_walk()
    whole = replace(worn_askew(truth, 5.0), poses=(POSE,))
    late = replace(whole, imus=tuple(lose(i, 0.0, 2.7) if i.segment == "forearm_l" else i for i in whole.imus))
    motion = ImuKinematics().estimate(late)
    off = np.degrees(compare_motions(motion, truth, align_heading=True).geodesic)
    others = [SEGMENT_INDEX[site] for site in IMU_SITES if site != "forearm_l"]
    assert off[others].mean() < error_deg(whole, truth) + 1.0
    told = [note for note in motion.notes if "held pose" in note or "No pose" in note]
    assert any("Nothing of the pose was read by forearm_l" in note for note in told)
    assert not any("No pose was held" in note for note in told)


def test_without_orientation_the_filter_gives_it() -> None:
    truth = pose_then_walk()
    recording = replace(worn_askew(truth, 0.0, device=False), poses=(POSE,))
    assert error_deg(recording, truth) < 2.0


BENDING = HingeMovement(joint="knee_r", start_s=3.5, end_s=7.5)


def pose_then_bent_knee(rotated_deg: float, coupled_deg: tuple[float, float] = (0.0, 0.0)) -> Motion:
    """Three seconds of N-pose with the right shank turned inwards, which it is not later; then a knee that is bent.

    While it bends by 65 degrees it adducts and turns about its long axis by `coupled_deg`.
    """
    time = np.arange(400) / 50.0
    angles = np.zeros((len(time), len(COORDINATES)))
    ramp = np.clip(time - 2.6, 0.0, 0.5) / 0.5
    waves = {"hip_flexion_r": 20 - 20 * np.cos(5 * time), "knee_angle_r": 35 - 30 * np.cos(5 * time + 0.5)}
    waves |= {"hip_adduction_r": 4 * np.sin(3 * time), "hip_rotation_r": 4 * np.sin(2 * time)}
    for name, wave in waves.items():
        angles[:, COORDINATE_INDEX[name]] = np.deg2rad(ramp * wave)
    bent = ramp * waves["knee_angle_r"] / 65.0
    angles[:, COORDINATE_INDEX["knee_adduction_r"]] = np.deg2rad(coupled_deg[0] * bent)
    angles[:, COORDINATE_INDEX["knee_rotation_r"]] = np.deg2rad(
        rotated_deg * (1 - ramp) + coupled_deg[1] * (bent - 0.5)
    )
    for side in "lr":
        angles[:, COORDINATE_INDEX[f"pro_sup_{side}"]] = np.deg2rad(90.0)
    return motion_from_angles(time, angles, np.zeros(10))


def knee_errors_deg(motion: Motion, truth: Motion) -> tuple[float, float]:
    """RMS errors of adduction and rotation of the right knee while it bends."""
    bent = motion.time > BENDING.start_s
    found = {name: motion.angle(f"knee_{name}_r")[bent] for name in ("adduction", "rotation")}
    right = {name: np.interp(motion.time[bent], truth.time, truth.angle(f"knee_{name}_r")) for name in found}
    adduction, rotation = (float(np.degrees(np.sqrt(np.mean((found[n] - right[n]) ** 2)))) for n in found)
    return adduction, rotation


@pytest.mark.parametrize("askew_deg", [0.0, 8.0])
def test_a_bent_knee_corrects_what_the_pose_did_not_show(askew_deg: float) -> None:
    """A shank that was turned inwards by 8 degrees in the pose, and sensors askew about the long axes."""
    truth = pose_then_bent_knee(8.0)
    recording = replace(worn_askew(truth, askew_deg), poses=(POSE,))
    posed = ImuKinematics().estimate(recording)
    moved = ImuKinematics().estimate(replace(recording, movements=(BENDING,)))
    before, after = knee_errors_deg(posed, truth), knee_errors_deg(moved, truth)
    assert before[1] > 7.0
    assert max(after) < 0.5
    assert any("thigh_r, shank_r" in note and "knee_r" in note for note in moved.notes)


@pytest.mark.parametrize("seed", range(3))
def test_noisy_sensors_and_a_knee_that_is_no_pure_hinge(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = pose_then_bent_knee(8.0, coupled_deg=(3.0, 6.0))
    imus = virtual_imus(truth, rng, faults=ImuFaults(mounting_sd_rad=np.deg2rad(9.4)))
    recording = Recording(imus=imus, poses=(POSE,))
    before = knee_errors_deg(ImuKinematics().estimate(recording), truth)
    after = knee_errors_deg(ImuKinematics().estimate(replace(recording, movements=(BENDING,))), truth)
    assert after[0] < 3.0
    assert after[1] < 0.4 * before[1]


def test_a_movement_that_tells_nothing_changes_nothing() -> None:
    recording = replace(worn_askew(pose_then_walk(), 5.0), poses=(POSE,))
    posed = ImuKinematics().estimate(recording)
    for movement, why in (
        (HingeMovement(joint="knee_r", start_s=0.2, end_s=2.5), "bent by less than 0.5 rad/s"),
        (HingeMovement(joint="knee_r", start_s=90.0, end_s=95.0), "did not record"),
    ):
        motion = ImuKinematics().estimate(replace(recording, movements=(movement,)))
        assert np.array_equal(motion.R_world_segment, posed.R_world_segment)
        assert any(why in note for note in motion.notes)


def lose(imu: Imu, start: float, stop: float) -> Imu:
    kept = (imu.time < start) | (imu.time >= stop)
    assert imu.R_ref_sensor is not None
    return replace(
        imu,
        time=imu.time[kept],
        specific_force=imu.specific_force[kept],
        angular_rate=imu.angular_rate[kept],
        R_ref_sensor=imu.R_ref_sensor[kept],
    )


def test_lost_packets_are_told() -> None:
    recording = sensor_recording(swinging_motion(200))
    imus = tuple(lose(i, 1.0, 1.2) if i.segment == "shank_l" else i for i in recording.imus)
    imus = tuple(lose(i, 1.0, 2.0) if i.segment == "foot_r" else i for i in imus)
    motion = ImuKinematics().estimate(replace(recording, imus=imus))
    inside = (motion.time > 1.05) & (motion.time < 1.15)
    levels = {name: motion.provenance[inside, SEGMENT_INDEX[name]] for name in ("shank_l", "foot_r", "thigh_l")}
    assert (levels["shank_l"] == INTERPOLATED).all()
    assert (levels["foot_r"] == INFERRED).all()
    assert (levels["thigh_l"] == MEASURED).all()
    assert np.isfinite(motion.angles).all()
    assert any("foot_r" in note and "0.5 s" in note for note in motion.notes)


def test_frames_without_any_reading_are_empty() -> None:
    recording = sensor_recording(swinging_motion(200))
    motion = ImuKinematics().estimate(replace(recording, imus=tuple(lose(i, 1.0, 2.0) for i in recording.imus)))
    inside = (motion.time > 1.05) & (motion.time < 1.95)
    assert np.isnan(motion.R_world_segment[inside]).all()
    assert np.isfinite(motion.R_world_segment[~inside][:50]).all()


def test_height_sets_the_bones() -> None:
    recording = sensor_recording(swinging_motion(60))
    small, tall = (
        ImuKinematics().estimate(replace(recording, subject=replace(recording.subject, height_m=height)))
        for height in (1.5, 1.9)
    )
    lengths = [np.linalg.norm(m.rest_positions[4] - m.rest_positions[1]) for m in (small, tall)]
    assert lengths[0] < 0.9 * lengths[1]
    assert np.allclose(small.positions[:, 0], 0.0)


def test_sensors_on_two_clocks_are_refused() -> None:
    recording = sensor_recording(swinging_motion(60))
    imus = (replace(recording.imus[0], start_is_known=False), *recording.imus[1:])
    with pytest.raises(KinefuseError, match="one clock"):
        ImuKinematics().estimate(replace(recording, imus=imus))
