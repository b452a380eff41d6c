"""What validation is judged by, with known answers."""

import numpy as np
import pytest
import torch
from evaluation_examples import swinging

from kinefuse.body.angles import orientations_from_angles
from kinefuse.conventions import COORDINATE_INDEX, SEGMENT_INDEX
from kinefuse.models.signals import yaw_rotation
from kinefuse.training.scores import scores


@pytest.fixture(scope="module")
def truth() -> torch.Tensor:
    return torch.as_tensor(swinging(40).R_world_segment, dtype=torch.float32)[None].repeat(2, 1, 1, 1, 1)


def bent_knee(frames: np.ndarray) -> torch.Tensor:
    """The same motions with the right knee off by 11°, in some frames."""
    angles = swinging(40).angles.copy()
    angles[frames, COORDINATE_INDEX["knee_angle_r"]] += np.deg2rad(11.0)
    return torch.as_tensor(orientations_from_angles(angles), dtype=torch.float32)[None].repeat(2, 1, 1, 1, 1)


def test_the_truth_has_no_error(truth: torch.Tensor) -> None:
    found = scores(truth, truth, torch.ones(2, 40))
    assert found.keys() == {"lower", "upper", "all", "geodesic"}
    assert max(found.values()) < 0.01


def test_one_joint_off_by_a_known_angle(truth: torch.Tensor) -> None:
    """11° in one of 18 coordinates of the lower body; shank, foot and toes are turned."""
    found = scores(bent_knee(np.arange(40)), truth, torch.ones(2, 40))
    assert found["lower"] == pytest.approx(11 / 18, abs=0.01)
    assert found["upper"] == pytest.approx(0.0, abs=0.01)
    assert found["geodesic"] == pytest.approx(3 * 11 / 22, abs=0.01)


def test_angles_are_root_mean_squares_over_time(truth: torch.Tensor) -> None:
    found = scores(bent_knee(np.arange(10)), truth, torch.ones(2, 40))
    assert found["lower"] == pytest.approx(11 / 2 / 18, abs=0.01)


def test_heading_is_no_joint_angle(truth: torch.Tensor) -> None:
    turned = yaw_rotation(torch.tensor(0.5)) @ truth
    found = scores(turned, truth, torch.ones(2, 40))
    assert found["all"] < 0.01
    assert found["geodesic"] == pytest.approx(np.rad2deg(0.5), abs=0.01)


def test_frames_outside_do_not_count(truth: torch.Tensor) -> None:
    inside = torch.ones(2, 40)
    inside[:, 30:] = 0
    found = scores(bent_knee(np.arange(30, 40)), truth, inside)
    assert max(found.values()) < 0.01


def test_frames_near_a_singularity_are_left_out(truth: torch.Tensor) -> None:
    """An arm that points sideways has no flexion; where that is so in some frames the others tell."""
    wrong = truth.clone()
    arm = SEGMENT_INDEX["upper_arm_r"]
    wrong[:, :5, arm] = wrong[:, :5, SEGMENT_INDEX["thorax"]]
    found = scores(wrong, truth, torch.ones(2, 40))
    assert np.isfinite(list(found.values())).all()
