"""What every estimator owes its users, whatever it is inside."""

import copy
from dataclasses import fields, replace

import numpy as np
import pytest
from examples import joint_center_recording, swinging_motion, video_recording, with_points

from kinefuse.conventions import (
    COORDINATE_INDEX,
    COORDINATES,
    INFERRED,
    KEYPOINTS,
    MEASURED,
    SEGMENT_INDEX,
    SEGMENTS,
    mirror_permutation,
)
from kinefuse.errors import KinefuseError
from kinefuse.estimators.base import Estimator
from kinefuse.estimators.registry import ESTIMATORS, choose_estimator, make_estimator
from kinefuse.motion import Motion
from kinefuse.recordings import JointCenters, Recording
from kinefuse.rotations import geodesic_angle, yaw_matrix

TRUTH = swinging_motion()
EXACT = 1e-4
"""Radians and metres within which an optimiser keeps a symmetry; learned estimators will state their own."""


@pytest.fixture(scope="module", params=sorted(ESTIMATORS))
def estimator(request: pytest.FixtureRequest) -> Estimator:
    return make_estimator(request.param)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return joint_center_recording(TRUTH)


@pytest.fixture(scope="module")
def motion(estimator: Estimator, recording: Recording) -> Motion:
    return estimator.estimate(recording)


def assert_same(a: Motion, b: Motion, tolerance: float = EXACT) -> None:
    assert geodesic_angle(a.R_world_segment, b.R_world_segment).max() < tolerance
    assert np.abs(a.positions - b.positions).max() < tolerance


def test_result_is_whole(motion: Motion, recording: Recording, estimator: Estimator) -> None:
    assert motion.estimator == estimator.name
    assert np.array_equal(motion.time, recording.joint_centers.time)  # type: ignore[union-attr]
    identity = motion.R_world_segment @ np.swapaxes(motion.R_world_segment, -1, -2)
    assert np.allclose(identity, np.eye(3), atol=1e-6)
    assert (np.linalg.det(motion.R_world_segment) > 0).all()
    for name in ("positions", "angles", "shape", "rest_positions"):
        assert np.isfinite(getattr(motion, name)).all(), name
    for sd in (motion.orientation_sd, motion.angle_sd):
        assert sd is None or (sd[np.isfinite(sd)] >= 0).all()


def test_angles_are_radians_of_a_human(motion: Motion) -> None:
    degrees = np.degrees(motion.angles[:, COORDINATE_INDEX["knee_angle_r"]])
    assert 5 < degrees.min() < degrees.max() < 90


def test_close_to_truth(motion: Motion) -> None:
    """Low noise, the estimator's own body: whatever the method, it must come near."""
    assert np.degrees(geodesic_angle(motion.R_world_segment, TRUTH.R_world_segment)).mean() < 8
    assert np.linalg.norm(motion.positions - TRUTH.positions, axis=-1).mean() < 0.03


def test_input_is_left_alone(estimator: Estimator) -> None:
    recording = joint_center_recording(TRUTH)
    before = copy.deepcopy(recording)
    estimator.estimate(recording)
    for field in fields(before.joint_centers):  # type: ignore[arg-type]
        old, new = getattr(before.joint_centers, field.name), getattr(recording.joint_centers, field.name)
        assert np.array_equal(old, new, equal_nan=True) if isinstance(old, np.ndarray) else old == new


def test_deterministic(estimator: Estimator, recording: Recording, motion: Motion) -> None:
    again = make_estimator(estimator.name).estimate(recording)
    assert np.array_equal(again.R_world_segment, motion.R_world_segment)
    assert np.array_equal(again.positions, motion.positions)


def test_world_may_be_turned_and_moved(estimator: Estimator, recording: Recording, motion: Motion) -> None:
    turn, shift = yaw_matrix(1.1), np.array([3.0, 0.2, -5.0])
    centers = recording.joint_centers
    assert centers is not None
    moved = estimator.estimate(with_points(recording, centers.positions @ turn.T + shift))
    assert geodesic_angle(moved.R_world_segment, turn @ motion.R_world_segment).max() < EXACT
    assert np.abs(moved.positions - (motion.positions @ turn.T + shift)).max() < EXACT


def test_left_and_right_are_alike(estimator: Estimator, recording: Recording, motion: Motion) -> None:
    centers = recording.joint_centers
    assert centers is not None
    flip = np.diag([1.0, 1.0, -1.0])
    mirrored = estimator.estimate(with_points(recording, centers.positions[:, mirror_permutation(KEYPOINTS)] @ flip))
    expected = flip @ motion.R_world_segment[:, mirror_permutation(SEGMENTS)] @ flip
    assert geodesic_angle(mirrored.R_world_segment, expected).max() < EXACT
    limbs = [i for i, name in enumerate(COORDINATES) if name[-2:] in {"_l", "_r"}]
    swapped = motion.angles[:, mirror_permutation(COORDINATES)]
    assert np.abs(mirrored.angles - swapped)[:, limbs].max() < 10 * EXACT


def test_time_may_be_shifted(estimator: Estimator, recording: Recording, motion: Motion) -> None:
    centers = recording.joint_centers
    assert centers is not None
    later = estimator.estimate(replace(recording, joint_centers=replace(centers, time=centers.time + 1000.0)))
    assert np.allclose(later.time, motion.time + 1000.0)
    assert_same(later, motion)


def test_order_of_points_does_not_matter(estimator: Estimator, recording: Recording, motion: Motion) -> None:
    centers = recording.joint_centers
    assert centers is not None
    order = np.random.default_rng(3).permutation(len(KEYPOINTS))
    names = tuple(KEYPOINTS[i] for i in order)
    assert_same(estimator.estimate(with_points(recording, centers.positions[:, order], names)), motion)


def test_order_of_cameras_does_not_matter(estimator: Estimator) -> None:
    recording = video_recording(swinging_motion(frames=15))
    turned = replace(recording, cameras=recording.cameras[::-1], views=recording.views[::-1])
    assert_same(estimator.estimate(turned), estimator.estimate(recording))


def test_missing_points_are_told(estimator: Estimator, recording: Recording) -> None:
    """An arm that is never seen is inferred, the rest measured, and nothing becomes NaN or zero."""
    centers = recording.joint_centers
    assert centers is not None
    points = centers.positions.copy()
    for name in ("elbow_r", "wrist_r"):
        points[:, KEYPOINTS.index(name)] = np.nan
    motion = estimator.estimate(with_points(recording, points))
    assert (motion.provenance[:, SEGMENT_INDEX["upper_arm_r"]] == INFERRED).all()
    assert (motion.provenance[:, SEGMENT_INDEX["upper_arm_l"]] == MEASURED).all()
    assert np.isfinite(motion.R_world_segment).all()


def test_frames_without_any_point_are_not_measured(estimator: Estimator, recording: Recording) -> None:
    centers = recording.joint_centers
    assert centers is not None
    points = centers.positions.copy()
    points[20:24] = np.nan
    motion = estimator.estimate(with_points(recording, points))
    assert (motion.provenance[20:24] != MEASURED).all()
    assert np.isfinite(motion.R_world_segment).all()


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_very_short_trials(estimator: Estimator, recording: Recording, frames: int) -> None:
    centers = recording.joint_centers
    assert centers is not None
    short = replace(centers, time=centers.time[:frames], positions=centers.positions[:frames])
    motion = estimator.estimate(replace(recording, joint_centers=short))
    assert len(motion.time) == frames
    assert np.isfinite(motion.angles).all()


def test_nothing_to_work_with_is_one_sentence(estimator: Estimator) -> None:
    with pytest.raises(KinefuseError, match=r"needs .*; this recording has neither"):
        estimator.estimate(Recording())


def test_choice_is_explained(recording: Recording) -> None:
    name, reason = choose_estimator(recording)
    assert name in ESTIMATORS
    assert "joint centres" in reason
    with pytest.raises(KinefuseError, match="neither"):
        choose_estimator(Recording())


def test_markers_are_not_called_joint_centres() -> None:
    names = ("C7", "L.ASIS", "r.ASIS", "L_knee", "r_knee")
    markers = JointCenters(names=names, time=np.arange(2) / 100.0, positions=np.zeros((2, 5, 3)))
    assert "optical markers" in choose_estimator(Recording(joint_centers=markers))[1]


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(KinefuseError, match="did you mean 'smplify3d'"):
        make_estimator("smplify")
