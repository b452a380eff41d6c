"""Bone lengths from points, for motions whose orientations are known."""

import numpy as np
import pytest
import torch
from examples import swinging_motion

from kinefuse.body.kinematics import joint_positions, points_on_segments
from kinefuse.body.models import load_anny
from kinefuse.conventions import KEYPOINTS
from kinefuse.estimators.network_proportions import fitted_proportions

FRAMES = 120


def points_of(R: np.ndarray, root: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """The 26 keypoints (N, 26, 3) of a body."""
    body = load_anny()
    rest = torch.as_tensor(body.rest_positions(shape))
    joints = joint_positions(torch.as_tensor(R), torch.as_tensor(root), rest)
    segment = torch.as_tensor(body.point_segment[: len(KEYPOINTS)])
    places = torch.as_tensor(body.rest_points(KEYPOINTS, shape))
    return points_on_segments(torch.as_tensor(R), joints, rest, places, segment).numpy()


def limbs(shape: np.ndarray) -> np.ndarray:
    """Bone lengths (22,) from joint to parent, metres."""
    from kinefuse.conventions import SEGMENT_PARENTS

    rest = load_anny().rest_positions(shape)
    return np.linalg.norm(rest - rest[[max(p, 0) for p in SEGMENT_PARENTS]], axis=1)


@pytest.mark.parametrize("noise_m", [0.0, 0.03])
def test_bones_come_nearer_to_the_truth(noise_m: float) -> None:
    motion, rng = swinging_motion(FRAMES), np.random.default_rng(0)
    true = rng.normal(0.0, 1.0, 10)
    points = points_of(motion.R_world_segment, motion.positions[:, 0], true)
    points += rng.normal(0.0, noise_m, points.shape)
    start = true + rng.normal(0.0, 0.6, 10)
    shift = motion.R_world_segment[:, 0] @ np.array([0.02, -0.01, 0.01])
    shape, root = fitted_proportions(
        motion.R_world_segment, motion.positions[:, 0] + shift, start, points, np.ones(points.shape[:2])
    )
    before, after = (np.abs(limbs(s) - limbs(true)).max() for s in (start, shape))
    assert after < 0.4 * before
    assert np.linalg.norm(root - motion.positions[:, 0], axis=1).max() < 0.5 * np.linalg.norm(shift, axis=1).max()


def test_outliers_and_missing_points_change_little() -> None:
    motion, rng = swinging_motion(FRAMES), np.random.default_rng(1)
    true = rng.normal(0.0, 1.0, 10)
    points = points_of(motion.R_world_segment, motion.positions[:, 0], true)
    confidence = np.ones(points.shape[:2])
    points[::10, KEYPOINTS.index("wrist_l")] += 1.0
    points[:, KEYPOINTS.index("ankle_r")] = np.nan
    confidence[:, KEYPOINTS.index("ankle_r")] = 0.0
    given = motion.R_world_segment, motion.positions[:, 0], true, points, confidence
    shape, root = fitted_proportions(*given)
    assert np.abs(limbs(shape) - limbs(true)).max() < 0.01
    assert np.abs(root - motion.positions[:, 0]).max() < 0.01


def test_nothing_known_changes_nothing() -> None:
    R, root = np.full((4, 22, 3, 3), np.nan), np.full((4, 3), np.nan)
    shape, moved = fitted_proportions(R, root, np.zeros(10), np.zeros((4, 26, 3)), np.ones((4, 26)))
    assert np.array_equal(shape, np.zeros(10))
    assert np.isnan(moved).all()
