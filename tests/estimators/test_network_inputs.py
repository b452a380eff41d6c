"""What a network gets to see: which points and sensors, where on the grid, and what is said of the rest."""

from dataclasses import replace

import numpy as np
import pytest
from examples import joint_center_recording, swinging_motion

from kinefuse.body.models import load_anny
from kinefuse.conventions import GRAVITY, IMU_SITES, INFERRED, INTERPOLATED, KEYPOINTS, MEASURED, SEGMENT_INDEX
from kinefuse.errors import KinefuseError
from kinefuse.estimators.points import keypoints_of, points_on_grid, provenance_by_points
from kinefuse.estimators.sensors import (
    common_clock,
    common_times,
    lost_time,
    provenance_by_sensors,
    require_trial_clock,
    sensors_on_grid,
    usable_sensors,
)
from kinefuse.inertial.resampling import even_grid
from kinefuse.recordings import HeldPose, Imu, JointCenters
from kinefuse.rotations import matrix_from_rotvec

RATE = np.array([0.3, -0.2, 0.5])
FORCE = np.array([1.0, GRAVITY, -2.0])


def sensor(segment: str = "pelvis", start: float = 0.0, seconds: float = 4.0, rate_hz: float = 100.0, **more) -> Imu:  # type: ignore[no-untyped-def]
    """A sensor that turns steadily and feels a constant force."""
    time = start + np.arange(int(seconds * rate_hz)) / rate_hz
    given = {"angular_rate": np.tile(RATE, (len(time), 1)), "specific_force": np.tile(FORCE, (len(time), 1))}
    return Imu(name=more.pop("name", segment), segment=segment, time=time, **(given | more))


def without_gyroscope(segment: str) -> Imu:
    one = sensor(segment)
    R = matrix_from_rotvec(np.array([0.2, 0.1, 1.0])) @ matrix_from_rotvec(one.time[:, None] * RATE)
    return replace(one, angular_rate=np.full((len(one.time), 3), np.nan), R_ref_sensor=R)


def centers_of(names: tuple[str, ...] = KEYPOINTS) -> JointCenters:
    centers = joint_center_recording(swinging_motion(), noise_m=0.0).joint_centers
    assert centers is not None
    return centers.select(names)


# ---- points


def test_points_come_in_their_order_whatever_they_came_in() -> None:
    centers = centers_of()
    shuffled = centers.select(tuple(np.random.default_rng(0).permutation(KEYPOINTS)))
    assert keypoints_of(shuffled, "x").names == KEYPOINTS
    grid = even_grid(centers.time[0], centers.time[-1], 25.0)
    a, b = points_on_grid(centers, grid), points_on_grid(keypoints_of(shuffled, "x"), grid)
    assert np.array_equal(a[0], b[0])
    assert np.array_equal(a[1], b[1])


def test_missing_points_have_no_confidence_and_no_nan() -> None:
    centers = centers_of(KEYPOINTS[:17])
    positions = centers.positions.copy()
    positions[:20, 4] = np.nan
    points, confidence = points_on_grid(replace(centers, positions=positions), centers.time)
    assert np.isfinite(points).all()
    assert (confidence[:, 17:] == 0).all()
    assert (confidence[:18, 4] == 0).all()
    assert (confidence[20:, 4] == 1).all()


def test_middles_are_computed_where_the_source_has_none() -> None:
    found = keypoints_of(centers_of(KEYPOINTS[:17]), "x")
    assert set(found.names) - set(KEYPOINTS[:17]) == {"neck", "mid_hip"}
    mid = found.positions[:, found.names.index("mid_hip")]
    hips = [found.names.index("hip_l"), found.names.index("hip_r")]
    assert np.allclose(mid, found.positions[:, hips].mean(1))


def test_joints_of_the_body_that_are_keypoints_count() -> None:
    """A tool that knows joints only: those that are keypoints are used, ``spine`` and ``chest`` are not."""
    names = ("hip_l", "hip_r", "knee_l", "knee_r", "ankle_l", "ankle_r")
    centers = centers_of(names)
    more = replace(
        centers, names=(*names, "spine"), positions=np.concatenate([centers.positions, centers.positions[:, :1]], 1)
    )
    assert set(keypoints_of(more, "x").names) == {*names, "mid_hip"}


@pytest.mark.parametrize("positions", [np.nan, 0.0])
def test_too_few_points_are_one_sentence(positions: float) -> None:
    names = KEYPOINTS if np.isnan(positions) else ("nose", "a", "b", "c", "d", "e", "f")
    centers = JointCenters(names=names, time=np.arange(3) / 30, positions=np.full((3, len(names), 3), positions))
    with pytest.raises(KinefuseError, match="at least 6"):
        keypoints_of(centers, "videonet")


def test_markers_are_refused() -> None:
    names = ("C7", "L.ASIS", "r.ASIS", "L_knee", "r_knee")
    markers = JointCenters(names=names, time=np.arange(2) / 100.0, positions=np.zeros((2, 5, 3)))
    with pytest.raises(KinefuseError, match="optical markers"):
        keypoints_of(markers, "videonet")


def test_provenance_follows_the_points() -> None:
    centers = centers_of()
    positions = centers.positions.copy()
    positions[:, [KEYPOINTS.index(n) for n in ("elbow_r", "wrist_r")]] = np.nan
    told = provenance_by_points(keypoints_of(replace(centers, positions=positions), "x"), load_anny(), np.zeros(10))
    assert (told[:, SEGMENT_INDEX["upper_arm_r"]] == INFERRED).all()
    assert (told[:, SEGMENT_INDEX["upper_arm_l"]] == MEASURED).all()


# ---- sensors


def test_sensors_lie_at_their_site() -> None:
    grid = even_grid(0.0, 3.99, 25.0)
    sampled = sensors_on_grid([sensor("foot_r"), sensor("head")], grid)
    sites = [IMU_SITES.index("foot_r"), IMU_SITES.index("head")]
    assert np.array_equal(sampled.worn.any(0), [i in sites for i in range(13)])
    assert np.allclose(sampled.angular_rate[:, sites], RATE)
    assert np.allclose(sampled.specific_force[:, sites], FORCE)


def test_a_known_mounting_is_undone() -> None:
    R = matrix_from_rotvec(np.array([0.0, 1.2, 0.3]))
    sampled = sensors_on_grid([sensor("head", R_segment_sensor=R)], np.array([1.0, 2.0]))
    assert np.allclose(sampled.angular_rate[:, IMU_SITES.index("head")], R @ RATE)
    assert np.allclose(sampled.specific_force[:, IMU_SITES.index("head")], R @ FORCE)


def test_a_rate_that_is_not_measured_is_derived() -> None:
    one = without_gyroscope("head")
    worn = usable_sensors([one], "imunet")
    assert any("derived" in note for note in worn.notes)
    grid = even_grid(0.0, 3.99, 25.0)
    sampled = sensors_on_grid(worn.sensors, grid)
    assert np.allclose(sampled.angular_rate[:, IMU_SITES.index("head")], RATE)
    assert sampled.worn[:, IMU_SITES.index("head")].all()


def test_one_sensor_a_site_and_the_others_are_named() -> None:
    nothing = np.full((400, 3), np.nan)
    imus = [
        sensor("thigh_l", name="first"),
        sensor("thigh_l", name="second"),
        sensor("hand_r", name="on the hand"),
        sensor("head", name="broken", specific_force=nothing),
        sensor("head", name="no rate", angular_rate=nothing),
    ]
    worn = usable_sensors(imus, "imunet")
    assert [imu.name for imu in worn.sensors] == ["first"]
    text = " ".join(worn.notes)
    for name in ("second", "on the hand", "broken", "no rate"):
        assert name in text
    assert "No sensor on pelvis" in text


def test_a_stuck_or_dead_accelerometer_is_left_out() -> None:
    stuck, dead = (
        sensor("head", angular_rate=np.tile([0.0, 3.0, 0.0], (400, 1))),
        sensor("thorax", specific_force=np.zeros((400, 3))),
    )
    worn = usable_sensors([sensor("pelvis"), stuck, dead], "x")
    assert [imu.segment for imu in worn.sensors] == ["pelvis"]
    assert any("thorax, head" in note or "head, thorax" in note for note in worn.notes if "missing or stuck" in note)
    told = np.tile(np.eye(3), (400, 1, 1))
    assert len(usable_sensors([replace(stuck, R_ref_sensor=told)], "x").sensors) == 1


def test_a_whole_calibrated_set_needs_no_words() -> None:
    calibrated = [sensor(site, R_segment_sensor=np.eye(3)) for site in IMU_SITES]
    assert usable_sensors(calibrated, "imunet").notes == ()
    unknown = usable_sensors([*calibrated[1:], sensor("pelvis")], "imunet").notes
    assert "How 1 of the sensors" in unknown[0]


def test_a_held_pose_tells_the_mounting() -> None:
    imus = [sensor(site, specific_force=np.tile([GRAVITY, 0.0, 0.0], (400, 1))) for site in ("pelvis", "thigh_l")]
    poses = (HeldPose(kind="t", start_s=2.0, end_s=3.0), HeldPose(kind="n", start_s=0.0, end_s=1.0))
    worn = usable_sensors(imus, "imunet", poses)
    assert all(imu.R_segment_sensor is not None for imu in worn.sensors)
    assert any("pose held from 0 to 1 s" in note for note in worn.notes)
    assert not any("not given" in note for note in worn.notes)
    known = [replace(imu, R_segment_sensor=np.eye(3)) for imu in imus]
    assert usable_sensors(known, "imunet", poses).sensors == tuple(known)


def test_a_pose_at_another_time_tells_nothing() -> None:
    worn = usable_sensors([sensor("pelvis")], "imunet", [HeldPose(kind="n", start_s=70.0, end_s=71.0)])
    assert worn.sensors[0].R_segment_sensor is None
    assert any("check its times" in note for note in worn.notes)
    assert any("not given" in note for note in worn.notes)


def test_no_sensor_is_one_sentence() -> None:
    with pytest.raises(KinefuseError, match=r"imunet needs inertial sensors .*none"):
        usable_sensors([], "imunet")
    with pytest.raises(KinefuseError, match="1 others"):
        usable_sensors([sensor("hand_l")], "imunet")


def test_an_orientation_alone_is_enough_for_some() -> None:
    nothing, turns = np.full((400, 3), np.nan), np.tile(np.eye(3), (400, 1, 1))
    blind = sensor("head", specific_force=nothing, angular_rate=nothing, R_ref_sensor=turns)
    mute = sensor("pelvis", specific_force=nothing, angular_rate=nothing)
    worn = usable_sensors([blind, mute], "deepfuse", orientation_is_enough=True)
    assert [imu.name for imu in worn.sensors] == ["head"]
    assert any("pelvis are not used" in note for note in worn.notes)
    assert not any("derived" in note for note in worn.notes)
    with pytest.raises(KinefuseError, match="with specific force, and angular rate or orientation, on"):
        usable_sensors([blind], "imunet")
    with pytest.raises(KinefuseError, match="with orientation, or specific force and angular rate, on"):
        usable_sensors([mute], "deepfuse", orientation_is_enough=True)


def test_times_that_all_sensors_have() -> None:
    time = common_times([sensor(), sensor("head", start=0.5, rate_hz=60.0)], "imunet")
    assert time[0] == 0.5
    assert 3.98 < time[-1] < 3.9901
    assert np.allclose(np.diff(time), 0.01)
    fast = common_times([sensor(rate_hz=400.0)], "imunet")
    assert np.allclose(np.diff(fast), 0.01)
    with pytest.raises(KinefuseError, match="late starts"):
        common_times([sensor(name="early"), sensor("head", start=9.0, name="late")], "imunet")


def test_a_sensor_that_stops_early_is_named() -> None:
    short, long = sensor(name="short", seconds=1.0), sensor("head")
    assert "short" in lost_time([short, long])[0]
    assert lost_time([long]) == ()


def test_clocks() -> None:
    known, unknown = sensor(), sensor("head", start_is_known=False)
    assert common_clock([known], "imunet") == ()
    assert "share one clock" in common_clock([unknown], "imunet")[0]
    with pytest.raises(KinefuseError, match="start of head is unknown"):
        common_clock([known, unknown], "imunet")
    require_trial_clock([known], "fusionnet")
    with pytest.raises(KinefuseError, match="start of head is unknown"):
        require_trial_clock([known, unknown], "fusionnet")


def test_lost_packets_are_told() -> None:
    """70 ms are bridged, a second is not; beyond half a second nobody knows."""
    one = sensor("head")
    lost = (one.time > 0.5) & (one.time < 0.56) | (one.time > 1.0) & (one.time < 2.0)
    kept = replace(
        one,
        time=one.time[~lost],
        angular_rate=one.angular_rate[~lost],
        specific_force=FORCE[None] + 0 * one.specific_force[~lost],
    )
    grid = np.arange(100) / 25.0
    sampled = sensors_on_grid([kept], grid)
    told = provenance_by_sensors(sampled, grid, grid)[:, SEGMENT_INDEX["head"]]
    assert told[13] == INTERPOLATED
    assert (told[26:50] == INFERRED).all()
    assert (np.delete(told, [*range(12, 15), *range(25, 51)]) == MEASURED).all()
    assert (provenance_by_sensors(sampled, grid, grid)[:, SEGMENT_INDEX["lumbar"]] == INFERRED).all()
