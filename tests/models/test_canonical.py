"""Points about the body's middle and heading, told by the points themselves."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_samples import moved, random_signals

from kinefuse.conventions import KEYPOINT_INDEX, KEYPOINTS
from kinefuse.models.canonical import canonical, centre_of, heading_of
from kinefuse.models.signals import yaw_rotation


def t_pose(frames: int = 20) -> torch.Tensor:
    """A body that faces X, its right side to Z, 1 m above the floor; (1, T, 26, 3)."""
    points = torch.zeros(1, frames, len(KEYPOINTS), 3)
    points[..., 1] = 1.0
    for name, index in KEYPOINT_INDEX.items():
        points[..., index, 2] = {"l": -0.2, "r": 0.2}.get(name[-1] if name[-2:] in {"_l", "_r"} else "", 0.0)
    return points


def test_a_body_that_faces_x_has_heading_zero() -> None:
    points = t_pose()
    confidence = torch.ones(points.shape[:3])
    assert float(heading_of(points, confidence)) == pytest.approx(0.0, abs=1e-6)
    assert centre_of(points, confidence)[0, 7] == pytest.approx(torch.tensor([0.0, 1.0, 0.0]), abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.floats(-3.1, 3.1))
def test_heading_is_the_yaw_by_which_the_body_is_turned(yaw: float) -> None:
    points = t_pose() @ yaw_rotation(torch.tensor(yaw)).T
    assert float(heading_of(points, torch.ones(points.shape[:3]))) == pytest.approx(yaw, abs=1e-5)


def test_the_centre_moves_smoothly_with_the_body() -> None:
    walked = torch.zeros(1, 60, 1, 3)
    walked[..., 0] = 1.2 * torch.arange(60)[:, None] / 25
    points = t_pose(60) + walked
    centre = centre_of(points, torch.ones(points.shape[:3]))
    assert centre[0, 15:45, 0] == pytest.approx(walked[0, 15:45, 0, 0], abs=0.01)


def test_a_gap_is_bridged() -> None:
    points, confidence = t_pose(60), torch.ones(1, 60, len(KEYPOINTS))
    confidence[:, 20:45] = 0.0
    points[:, 20:45] = torch.nan
    points, centre, _ = canonical(points, confidence)
    assert centre[0] == pytest.approx(torch.tensor([0.0, 1.0, 0.0]).expand(60, 3), abs=1e-4)
    assert bool((points[:, 20:45] == 0).all())


def test_without_the_trunk_all_points_tell_the_centre() -> None:
    points, confidence = t_pose(), torch.ones(1, 20, len(KEYPOINTS))
    for name in ("hip_l", "hip_r", "shoulder_l", "shoulder_r"):
        confidence[..., KEYPOINT_INDEX[name]] = 0.0
    assert centre_of(points, confidence)[0, 5] == pytest.approx(torch.tensor([0.0, 1.0, 0.0]), abs=1e-4)


def test_nothing_at_all_is_finite() -> None:
    points, centre, R = canonical(torch.full((2, 9, 26, 3), torch.nan), torch.zeros(2, 9, 26))
    for part in (points, centre, R):
        assert bool(part.isfinite().all())
    assert bool((points == 0).all())


@settings(max_examples=10, deadline=None)
@given(st.floats(-3.1, 3.1), st.integers(0, 1000))
def test_yaw_and_shift_of_the_world_leave_canonical_points_as_they_are(yaw: float, seed: int) -> None:
    signals, shift = random_signals(24, seed=seed), torch.tensor([3.0, -0.4, 1.5])
    other = moved(signals, yaw, shift)
    assert signals.points is not None
    assert signals.confidence is not None
    assert other.points is not None
    turn = yaw_rotation(torch.tensor(yaw))
    here, there = canonical(signals.points, signals.confidence), canonical(other.points, signals.confidence)
    assert torch.allclose(here[0], there[0], atol=2e-4)
    assert torch.allclose(here[1] @ turn.T + shift, there[1], atol=2e-4)
    assert torch.allclose(turn @ here[2], there[2], atol=2e-4)


def test_values_of_missing_points_do_not_matter() -> None:
    signals = random_signals(24)
    assert signals.points is not None
    assert signals.confidence is not None
    missing = (signals.confidence == 0)[..., None]
    other = replace(signals, points=torch.where(missing, 1e3, signals.points))
    assert other.points is not None
    for a, b in zip(
        canonical(signals.points, signals.confidence), canonical(other.points, signals.confidence), strict=True
    ):
        assert torch.equal(a, b)


def test_the_heading_may_stay() -> None:
    points = t_pose() @ yaw_rotation(torch.tensor(1.0)).T
    moved_points, centre, R = canonical(points, torch.ones(points.shape[:3]), turn=False)
    assert torch.equal(R[0], torch.eye(3))
    assert torch.allclose(moved_points, points - centre[:, :, None])
