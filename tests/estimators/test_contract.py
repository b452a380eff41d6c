"""What every estimator owes its users, whatever it is inside."""

import atexit
import copy
import shutil
import tempfile
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from examples import (
    joint_center_recording,
    motion_from_angles,
    sensor_recording,
    swinging_motion,
    video_recording,
    with_points,
)
from silhouette_examples import silhouette_recording

from kinefuse.conventions import (
    COORDINATE_INDEX,
    COORDINATES,
    IMU_SITES,
    INFERRED,
    KEYPOINTS,
    MEASURED,
    SEGMENT_INDEX,
    SEGMENTS,
    mirror_permutation,
    mirrored_name,
)
from kinefuse.errors import KinefuseError
from kinefuse.estimators.base import Estimator
from kinefuse.estimators.network_answers import is_shipped
from kinefuse.estimators.registry import ESTIMATORS, FOR_BOTH, FOR_POINTS, choose_estimator, make_estimator
from kinefuse.metrics.compare import motion_at
from kinefuse.motion import Motion
from kinefuse.recordings import HeldPose, Imu, JointCenters, Recording
from kinefuse.report.agreement import nearest_frames
from kinefuse.rotations import geodesic_angle, yaw_matrix

TRUTH = swinging_motion()

INERTIAL = {"imunet", "imu-kinematics"}
"""Estimators that see no points: what the world's axes are is not for them to know."""

SILHOUETTES = {"deepfuse", "deepfuse-vision"}
"""Estimators that look at mattes; those of a few frames, as volumes take long."""

OPTIMISERS = {f"fusion-optimisation{preset}" for preset in ("", ":paper", ":calibrated", ":frames")}
WITH_SENSORS = {"deepfuse", "imunet", "imu-kinematics", "fusionnet"} | OPTIMISERS
LEARNED = {"videonet", "imunet", "fusionnet", "deepfuse", "deepfuse-vision"}


@dataclass(frozen=True)
class Promise:
    """How exactly an estimator keeps what it must.

    Attributes
    ----------
    exact : radians and metres, when the world or the clock is another one
    mirrored : radians, the mean difference of a mirrored recording's motion; None is `exact`, at its worst
    knee_slack_deg : by which a knee may look overstretched, or more bent than it is
    close_deg, close_m : mean errors on a recording with little noise
    """

    exact: float = 1e-4
    mirrored: float | None = None
    knee_slack_deg: float = 0.0
    close_deg: float = 8.0
    close_m: float = 0.03


PROMISES = {
    # Windows are answered in single precision; nothing makes the networks symmetric but what they learned.
    "videonet": Promise(exact=1e-3, mirrored=np.deg2rad(6.0), close_deg=12.0, close_m=0.06),
    "fusionnet": Promise(exact=1e-3, mirrored=np.deg2rad(6.0), close_deg=12.0, close_m=0.06),
    # Where sensors sit on the skin is not quite the same on both sides of the embedded body.
    **dict.fromkeys(OPTIMISERS, Promise(exact=1e-3)),
    # Volumes are coarse, and bfloat16 rounds.
    # Trained little: see its model card.
    "deepfuse": Promise(exact=1e-3, knee_slack_deg=10.0, close_deg=20.0, close_m=0.08),
    "deepfuse-vision": Promise(exact=1e-3, knee_slack_deg=20.0, close_deg=30.0, close_m=0.12),
    # No place, no heading, and the population's bone lengths.
    "imunet": Promise(exact=1e-3, close_deg=25.0, close_m=0.25),
}


@cache
def kept_mattes() -> Path:
    """A folder for mattes, which is removed at the end."""
    folder = tempfile.mkdtemp(prefix="kinefuse-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def example(name: str, truth: Motion) -> Recording:
    """A recording of what an estimator needs."""
    sensors = sensor_recording(truth)
    if name in SILHOUETTES:
        seen = silhouette_recording(truth, kept_mattes(), cameras=8)
        return replace(seen, imus=sensors.imus) if name in WITH_SENSORS else seen
    if name in INERTIAL:
        return sensors
    points = joint_center_recording(truth)
    return replace(points, imus=sensors.imus) if name in WITH_SENSORS else points


def centers_of(recording: Recording) -> JointCenters:
    """The points of a recording; a test of points is not for estimators that see none."""
    if recording.joint_centers is None:
        pytest.skip("this estimator sees no points")
    return recording.joint_centers


@pytest.fixture(scope="module", params=sorted(ESTIMATORS))
def estimator(request: pytest.FixtureRequest) -> Estimator:
    if request.param in LEARNED and not is_shipped(request.param):
        pytest.skip(f"the weights of {request.param} are not in this checkout")
    return make_estimator(request.param)


@pytest.fixture(scope="module")
def promise(estimator: Estimator) -> Promise:
    return PROMISES.get(estimator.name, Promise())


@pytest.fixture(scope="module")
def truth(estimator: Estimator) -> Motion:
    """Networks see windows of some seconds, so they get some."""
    if estimator.name in SILHOUETTES:
        return swinging_motion(30)
    return swinging_motion(200) if estimator.name in LEARNED else TRUTH


@pytest.fixture(scope="module")
def recording(estimator: Estimator, truth: Motion) -> Recording:
    return example(estimator.name, truth)


@pytest.fixture(scope="module")
def motion(estimator: Estimator, recording: Recording) -> Motion:
    return estimator.estimate(recording)


def assert_same(a: Motion, b: Motion, tolerance: float) -> None:
    assert geodesic_angle(a.R_world_segment, b.R_world_segment).max() < tolerance
    assert np.abs(a.positions - b.positions).max() < tolerance


def test_result_is_whole(motion: Motion, recording: Recording, estimator: Estimator) -> None:
    assert motion.estimator == estimator.name
    assert np.allclose(motion.time, expected_times(estimator, recording), atol=1e-9)
    identity = motion.R_world_segment @ np.swapaxes(motion.R_world_segment, -1, -2)
    assert np.allclose(identity, np.eye(3), atol=1e-6)
    assert (np.linalg.det(motion.R_world_segment) > 0).all()
    for name in ("positions", "angles", "shape", "rest_positions"):
        assert np.isfinite(getattr(motion, name)).all(), name
    for sd in (motion.orientation_sd, motion.angle_sd):
        assert sd is None or (sd[np.isfinite(sd)] >= 0).all()


def expected_times(estimator: Estimator, recording: Recording) -> np.ndarray:
    if estimator.name in SILHOUETTES:
        return np.arange(15) / 25.0
    return recording.imus[0].time if recording.joint_centers is None else recording.joint_centers.time


def test_angles_are_radians_of_a_human(motion: Motion, promise: Promise) -> None:
    degrees = np.degrees(motion.angles[:, COORDINATE_INDEX["knee_angle_r"]])
    assert 5 - promise.knee_slack_deg < degrees.min() < degrees.max() < 90 + promise.knee_slack_deg


def test_close_to_truth(estimator: Estimator, motion: Motion, truth: Motion, promise: Promise) -> None:
    """Low noise, the estimator's own body: whatever the method, it must come near."""
    if estimator.name in SILHOUETTES:
        truth = motion_at(truth, motion.time)
    near = nearest_frames(motion.time, truth.time)
    got = motion.frames(near[near >= 0])
    R, positions = got.R_world_segment, got.positions
    expected = truth.frames(near >= 0)
    if estimator.name in INERTIAL:
        R, positions = as_the_truth_stands(got, expected)
    assert np.degrees(geodesic_angle(R, expected.R_world_segment)).mean() < promise.close_deg
    assert np.linalg.norm(positions - expected.positions, axis=-1).mean() < promise.close_m


def as_the_truth_stands(motion: Motion, truth: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Rotations and positions after one turn about the vertical, and with the truth's root."""
    product = np.einsum("tsij,tskj->ik", truth.R_world_segment, motion.R_world_segment)
    turn = yaw_matrix(np.arctan2(product[0, 2] - product[2, 0], product[0, 0] + product[2, 2]))
    arms = (motion.positions - motion.positions[:, :1]) @ turn.T
    return turn @ motion.R_world_segment, arms + truth.positions[:, :1]


def test_input_is_left_alone(estimator: Estimator, truth: Motion) -> None:
    recording = example(estimator.name, truth)
    before = copy.deepcopy(recording)
    estimator.estimate(recording)
    parts = zip([before.joint_centers, *before.imus], [recording.joint_centers, *recording.imus], strict=True)
    for old_part, new_part in parts:
        for field in fields(old_part) if old_part is not None else ():
            old, new = getattr(old_part, field.name), getattr(new_part, field.name)
            assert np.array_equal(old, new, equal_nan=True) if isinstance(old, np.ndarray) else old == new


def test_deterministic(estimator: Estimator, recording: Recording, motion: Motion) -> None:
    again = make_estimator(estimator.name).estimate(recording)
    assert np.array_equal(again.R_world_segment, motion.R_world_segment)
    assert np.array_equal(again.positions, motion.positions)


def test_world_may_be_turned_and_moved(
    estimator: Estimator, recording: Recording, motion: Motion, promise: Promise
) -> None:
    turn, shift = yaw_matrix(1.1), np.array([3.0, 0.2, -5.0])
    moved = estimator.estimate(with_points(recording, centers_of(recording).positions @ turn.T + shift))
    assert geodesic_angle(moved.R_world_segment, turn @ motion.R_world_segment).max() < promise.exact
    assert np.abs(moved.positions - (motion.positions @ turn.T + shift)).max() < promise.exact


def test_left_and_right_are_alike(estimator: Estimator, recording: Recording, motion: Motion, promise: Promise) -> None:
    flip = np.diag([1.0, 1.0, -1.0])
    swapped_points = centers_of(recording).positions[:, mirror_permutation(KEYPOINTS)]
    mirrored = estimator.estimate(
        replace(with_points(recording, swapped_points @ flip), imus=tuple(map(mirrored_imu, recording.imus)))
    )
    expected = flip @ motion.R_world_segment[:, mirror_permutation(SEGMENTS)] @ flip
    apart = geodesic_angle(mirrored.R_world_segment, expected)
    if promise.mirrored is not None:
        assert apart.mean() < promise.mirrored
        return
    assert apart.max() < promise.exact
    limbs = [i for i, name in enumerate(COORDINATES) if name[-2:] in {"_l", "_r"}]
    swapped = motion.angles[:, mirror_permutation(COORDINATES)]
    assert np.abs(mirrored.angles - swapped)[:, limbs].max() < 10 * promise.exact


def mirrored_imu(imu: Imu) -> Imu:
    """The sensor at the same place on the other side, its axes mirrored too: turns change sign the other way.

    A device's global frame has Z up; any vertical plane may be its mirror.
    """
    force, rate = imu.specific_force * [1, 1, -1], imu.angular_rate * [-1, -1, 1]
    segment = mirrored_name(imu.segment)
    turned = None if imu.R_ref_sensor is None else np.diag([-1.0, 1, 1]) @ imu.R_ref_sensor @ np.diag([1.0, 1, -1])
    return replace(imu, name=segment, segment=segment, specific_force=force, angular_rate=rate, R_ref_sensor=turned)


def test_time_may_be_shifted(estimator: Estimator, recording: Recording, motion: Motion, promise: Promise) -> None:
    centers = recording.joint_centers
    shifted = None if centers is None else replace(centers, time=centers.time + 1000.0)
    imus = tuple(replace(imu, time=imu.time + 1000.0) for imu in recording.imus)
    views = tuple(replace(view, start_s=(view.start_s or 0.0) + 1000.0) for view in recording.views)
    later = estimator.estimate(replace(recording, joint_centers=shifted, imus=imus, views=views))
    assert np.allclose(later.time, motion.time + 1000.0)
    assert_same(later, motion, promise.exact)


def test_order_of_points_does_not_matter(
    estimator: Estimator, recording: Recording, motion: Motion, promise: Promise
) -> None:
    order = np.random.default_rng(3).permutation(len(KEYPOINTS))
    names = tuple(KEYPOINTS[i] for i in order)
    shuffled = with_points(recording, centers_of(recording).positions[:, order], names)
    assert_same(estimator.estimate(shuffled), motion, promise.exact)


def test_order_of_sensors_does_not_matter(
    estimator: Estimator, recording: Recording, motion: Motion, promise: Promise
) -> None:
    if not recording.imus:
        pytest.skip("this estimator uses no sensors")
    backwards = estimator.estimate(replace(recording, imus=recording.imus[::-1]))
    assert_same(backwards, motion, promise.exact)


def test_order_of_cameras_does_not_matter(estimator: Estimator, recording: Recording, promise: Promise) -> None:
    centers_of(recording)
    seen = replace(video_recording(swinging_motion(frames=15)), imus=recording.imus)
    turned = replace(seen, cameras=seen.cameras[::-1], views=seen.views[::-1])
    assert_same(estimator.estimate(turned), estimator.estimate(seen), promise.exact)


def test_missing_points_are_told(estimator: Estimator, recording: Recording) -> None:
    """An arm that is never seen is inferred, the rest is not, and nothing becomes NaN or zero."""
    points = centers_of(recording).positions.copy()
    for name in ("elbow_r", "wrist_r"):
        points[:, KEYPOINTS.index(name)] = np.nan
    motion = estimator.estimate(replace(with_points(recording, points), imus=without_right_arm(recording.imus)))
    assert (motion.provenance[:, SEGMENT_INDEX["upper_arm_r"]] == INFERRED).all()
    other = motion.provenance[:, SEGMENT_INDEX["upper_arm_l"]]
    assert (other != INFERRED).all() if estimator.name in LEARNED else (other == MEASURED).all()
    assert np.isfinite(motion.R_world_segment).all()


def without_right_arm(imus: tuple[Imu, ...]) -> tuple[Imu, ...]:
    return tuple(imu for imu in imus if imu.segment not in {"upper_arm_r", "forearm_r"})


def test_missing_sensors_are_told(estimator: Estimator, recording: Recording) -> None:
    """The same arm without sensors, where sensors are all there is."""
    if estimator.name not in INERTIAL:
        pytest.skip("points tell, too")
    motion = estimator.estimate(replace(recording, imus=without_right_arm(recording.imus)))
    assert (motion.provenance[:, SEGMENT_INDEX["upper_arm_r"]] == INFERRED).all()
    assert (motion.provenance[:, SEGMENT_INDEX["upper_arm_l"]] != INFERRED).all()
    assert np.isfinite(motion.R_world_segment).all()
    assert any("upper_arm_r" in note for note in motion.notes)


def test_frames_without_anything_are_not_measured(estimator: Estimator, recording: Recording) -> None:
    points = centers_of(recording).positions.copy()
    points[20:24] = np.nan
    start, stop = centers_of(recording).time[[20, 24]]
    imus = tuple(without_readings(imu, start, stop) for imu in recording.imus)
    motion = estimator.estimate(replace(with_points(recording, points), imus=imus))
    assert (motion.provenance[21:23] != MEASURED).all()
    assert np.isfinite(motion.R_world_segment).all()


def without_readings(imu: Imu, start: float, stop: float) -> Imu:
    lost = (imu.time >= start) & (imu.time < stop)
    R = imu.R_ref_sensor
    return replace(
        imu,
        specific_force=np.where(lost[:, None], np.nan, imu.specific_force),
        R_ref_sensor=None if R is None else np.where(lost[:, None, None], np.nan, R),
    )


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_very_short_trials(estimator: Estimator, recording: Recording, frames: int) -> None:
    centers = recording.joint_centers
    if estimator.name in SILHOUETTES:
        pytest.skip("how many frames there are is up to the cameras' files")
    if centers is None and frames == 1:
        pytest.skip("a single reading of a sensor is no time that could be common")
    imus = tuple(
        replace(
            imu,
            time=imu.time[:frames],
            specific_force=imu.specific_force[:frames],
            angular_rate=imu.angular_rate[:frames],
            R_ref_sensor=None,
        )
        for imu in recording.imus
    )
    if centers is not None:
        centers = replace(centers, time=centers.time[:frames], positions=centers.positions[:frames])
        imus = recording.imus
    motion = estimator.estimate(replace(recording, joint_centers=centers, imus=imus))
    assert len(motion.time) == frames
    assert np.isfinite(motion.angles).all()


def test_nothing_to_work_with_is_one_sentence(estimator: Estimator) -> None:
    with pytest.raises(KinefuseError, match=r"needs .*; this recording has (neither|none)"):
        estimator.estimate(Recording())


def test_choice_is_explained() -> None:
    name, reason = choose_estimator(joint_center_recording(TRUTH))
    assert name in ESTIMATORS
    assert "joint centres" in reason
    with pytest.raises(KinefuseError, match="none of them"):
        choose_estimator(Recording())


def test_choice_by_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinefuse.estimators.registry.is_shipped", lambda name: True)
    points, sensors = joint_center_recording(TRUTH), sensor_recording(TRUTH)
    both = replace(points, imus=sensors.imus)
    assert choose_estimator(points)[0] == FOR_POINTS
    name, reason = choose_estimator(sensors)
    assert name == "imunet"
    assert "13 inertial sensors" in reason
    name, reason = choose_estimator(both)
    assert name == FOR_BOTH
    assert "joint centres and 13 inertial sensors" in reason
    another_clock = [replace(imu, start_is_known=False) for imu in sensors.imus]
    another_time = [replace(imu, time=imu.time + 99) for imu in sensors.imus]
    on_hands = [replace(imu, segment="hand_l") for imu in sensors.imus]
    for imus, why in ((another_clock, "start_s"), (another_time, "another time"), (on_hands, "pelvis")):
        name, reason = choose_estimator(replace(both, imus=tuple(imus)))
        assert name == FOR_POINTS
        assert why in reason


def test_sensors_that_a_pose_calibrates_are_chained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinefuse.estimators.registry.is_shipped", lambda name: True)
    still = standing_sensors()
    name, reason = choose_estimator(still)
    assert name == "imu-kinematics"
    assert "13 inertial sensors that a held pose calibrates" in reason
    assert "if straps slipped after the pose, imunet is better" in reason
    arms = {"upper_arm_l", "upper_arm_r", "forearm_l", "forearm_r", "head"}
    assert choose_estimator(worn_on(still, set(IMU_SITES) - arms))[0] == "imu-kinematics"
    sparse = worn_on(still, {"pelvis", "head", "forearm_l", "forearm_r", "shank_l", "shank_r"})
    gap = worn_on(still, set(IMU_SITES) - {"upper_arm_r"})
    unseen = replace(still, poses=(HeldPose(kind="n", start_s=50.0, end_s=51.0),))
    wobbly = replace(still, imus=(*still.imus[:-1], shaken(still.imus[-1])))
    for other, why in (
        (replace(still, poses=()), "needs a held pose"),
        (sparse, "lacks sensors on thigh_l, thigh_r, thorax, upper_arm_l, upper_arm_r"),
        (gap, "lacks sensors on upper_arm_r"),
        (unseen, "learns nothing from the held pose about pelvis, "),
        (wobbly, f"learns nothing from the held pose about {still.imus[-1].name}."),
    ):
        name, reason = choose_estimator(other)
        assert name == "imunet"
        assert why in reason


def test_a_held_pose_needs_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinefuse.estimators.registry.is_shipped", lambda name: False)
    assert choose_estimator(standing_sensors())[0] == "imu-kinematics"


def standing_sensors() -> Recording:
    """Sensors along the segments of somebody who stands for two seconds, and the pose that is."""
    angles = np.zeros((100, len(COORDINATES)))
    truth = motion_from_angles(np.arange(100) / 50.0, angles, np.zeros(10))
    return replace(sensor_recording(truth), poses=(HeldPose(kind="n", start_s=0.2, end_s=1.8),))


def worn_on(recording: Recording, segments: set[str]) -> Recording:
    return replace(recording, imus=tuple(imu for imu in recording.imus if imu.segment in segments))


def shaken(imu: Imu) -> Imu:
    wave = 3.0 * np.sin(20.0 * imu.time)
    return replace(imu, specific_force=imu.specific_force + wave[:, None])


def test_silhouettes_alone_have_an_estimator_to_ask_for() -> None:
    views = tuple(replace(view, keypoints=None, silhouettes=Path("m.mp4")) for view in video_recording(TRUTH).views)
    seen = replace(video_recording(TRUTH), views=views)
    with pytest.raises(KinefuseError, match=r"silhouettes only, .* --estimator deepfuse"):
        choose_estimator(seen)
    with pytest.raises(KinefuseError, match="none of them"):
        choose_estimator(replace(seen, views=views[:1]))


def test_choice_for_cameras_with_sensors() -> None:
    cameras, sensors = video_recording(TRUTH), sensor_recording(TRUTH).imus
    assert choose_estimator(cameras)[0] == FOR_POINTS
    name, reason = choose_estimator(replace(cameras, imus=sensors))
    assert name == FOR_BOTH
    assert "4 calibrated camera views and 13 inertial sensors" in reason
    later = tuple(replace(imu, time=imu.time + 99) for imu in sensors)
    name, reason = choose_estimator(replace(cameras, imus=later))
    assert name == FOR_POINTS
    assert "another time" in reason
    video = tuple(replace(view, keypoints=None, video=Path("long.mp4")) for view in cameras.views)
    assert choose_estimator(replace(cameras, views=video, imus=later))[0] == FOR_BOTH  # it may be long


def test_without_weights_what_works_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinefuse.estimators.registry.is_shipped", lambda name: False)
    points, sensors = joint_center_recording(TRUTH), sensor_recording(TRUTH)
    assert choose_estimator(replace(points, imus=sensors.imus))[0] == FOR_BOTH
    with pytest.raises(KinefuseError, match="inertial sensors only"):
        choose_estimator(sensors)


def test_markers_are_not_called_joint_centres() -> None:
    names = ("C7", "L.ASIS", "r.ASIS", "L_knee", "r_knee")
    markers = JointCenters(names=names, time=np.arange(2) / 100.0, positions=np.zeros((2, 5, 3)))
    assert "optical markers" in choose_estimator(Recording(joint_centers=markers))[1]


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(KinefuseError, match="did you mean 'smplify3d'"):
        make_estimator("smplify")
    with pytest.raises(KinefuseError, match=r"videonet= names no file"):
        make_estimator("videonet=")
