"""Losses with known answers."""

from dataclasses import replace

import numpy as np
import pytest
import roma
import torch

from kinefuse.body.kinematics import joint_positions
from kinefuse.body.models import load_anny
from kinefuse.conventions import IMU_SITES, SEGMENT_INDEX
from kinefuse.models.signals import Prediction, Signals, yaw_rotation
from kinefuse.training.examples import Example
from kinefuse.training.losses import LOSS_PRESETS, Loss, LossConfig, angle_between, turned_to

NOTHING = LossConfig(world=0.0, local=0.0, joints=0.0, root=0.0, shape=0.0, rate=0.0)


def an_example(batch: int = 2, frames: int = 6) -> Example:
    rng = torch.Generator().manual_seed(0)
    R = roma.rotvec_to_rotmat(0.6 * torch.randn(batch, frames, 22, 3, generator=rng))
    shape = torch.randn(batch, 10, generator=rng)
    body = load_anny()
    rest = torch.as_tensor(np.stack([body.rest_positions(s) for s in shape.double().numpy()]), dtype=torch.float32)
    root = torch.randn(batch, frames, 3, generator=rng)
    positions = joint_positions(R, root, rest[:, None])
    return Example(Signals(), R, positions, shape, torch.ones(batch, frames))


def truth_of(example: Example) -> Prediction:
    return Prediction(example.R_world_segment, example.shape, example.positions[:, :, 0], torch.zeros(1))


def bent(answer: Prediction, segment: str, radians: float) -> Prediction:
    """One segment, without others on it, turned about its own X."""
    R = answer.R_world_segment.clone()
    turn = roma.rotvec_to_rotmat(torch.tensor([radians, 0.0, 0.0]))
    R[:, :, SEGMENT_INDEX[segment]] = R[:, :, SEGMENT_INDEX[segment]] @ turn
    return replace(answer, R_world_segment=R)


def value(config: LossConfig, answer: Prediction, example: Example, has_place: bool = True) -> float:
    return float(Loss(config, has_place=has_place)(answer, example)[0])


@pytest.mark.parametrize("angle", [0.0, 1e-3, 0.5, 2.0, 3.0])
def test_angle_between(angle: float) -> None:
    turn = roma.rotvec_to_rotmat(angle * torch.tensor([0.6, 0.0, 0.8]))
    start = roma.rotvec_to_rotmat(torch.tensor([1.0, 2.0, -0.5]))
    assert float(angle_between(start, start @ turn)) == pytest.approx(angle, abs=3e-5)


def test_opposite_rotations_are_half_a_turn_apart_within_two_degrees() -> None:
    turn = roma.rotvec_to_rotmat(torch.tensor([torch.pi, 0.0, 0.0]))
    assert np.rad2deg(float(angle_between(torch.eye(3), turn))) == pytest.approx(180, abs=2)


@pytest.mark.parametrize("angle", [0.0, 1.0, float(torch.pi)])
def test_its_gradient_is_finite_everywhere(angle: float) -> None:
    R = roma.rotvec_to_rotmat(torch.tensor([angle, 0.0, 0.0])).requires_grad_()
    angle_between(R, torch.eye(3)).backward()
    assert R.grad is not None
    assert bool(R.grad.isfinite().all())


@pytest.mark.parametrize("preset", [LossConfig(), *LOSS_PRESETS.values()], ids=["default", *LOSS_PRESETS])
@pytest.mark.parametrize("has_place", [True, False])
def test_the_truth_costs_nothing(preset: LossConfig, has_place: bool) -> None:
    example = an_example()
    assert value(preset, truth_of(example), example, has_place) < 2e-3


@pytest.mark.parametrize("part", ["world", "local", "joints", "root", "shape", "rate"])
def test_every_part_notices_its_error(part: str) -> None:
    example = an_example()
    truth = truth_of(example)
    wobbling = truth.R_world_segment.clone()
    wobbling[:, ::2] = wobbling[:, ::2] @ roma.rotvec_to_rotmat(torch.tensor([0.0, 0.4, 0.0]))
    wrong = Prediction(wobbling, truth.shape + 0.3, truth.root + 0.1, truth.features)
    assert value(replace(NOTHING, **{part: 1.0}), wrong, example) > 0.01  # type: ignore[arg-type]


def test_one_hand_turned_by_a_known_angle() -> None:
    example = an_example()
    answer = bent(truth_of(example), "hand_r", 0.3)
    for part in ("world", "local"):
        assert value(replace(NOTHING, **{part: 1.0}), answer, example) == pytest.approx(0.3 / 22, abs=1e-4)  # type: ignore[arg-type]
        squared = replace(NOTHING, squared=True, **{part: 50.0})  # type: ignore[arg-type]
        assert value(squared, answer, example) == pytest.approx(50 * 0.09 / 22, rel=1e-3)
    assert value(replace(NOTHING, rate=1.0), answer, example) < 1e-4
    assert value(replace(NOTHING, joints=1.0), answer, example) < 1e-4


def test_the_papers_counts_segments_with_sensors() -> None:
    example = an_example()
    paper = LOSS_PRESETS["paper"]
    assert "hand_r" not in IMU_SITES
    assert value(paper, bent(truth_of(example), "hand_r", 0.3), example) < 1e-4
    head = value(replace(NOTHING, local=1.0, sites_only=True), bent(truth_of(example), "head", 0.3), example)
    assert head == pytest.approx(0.3 / 13, abs=1e-4)


def test_the_authors_squares_with_their_weights() -> None:
    example = an_example()
    truth = truth_of(example)
    authors = LOSS_PRESETS["authors"]
    assert value(authors, bent(truth, "hand_r", 0.3), example) == pytest.approx(50 * 0.09 / 22, rel=1e-3)
    larger = replace(truth, shape=truth.shape + torch.tensor([2.0, *[0.0] * 9]))
    parts = Loss(authors, has_place=True)(larger, example)[1]
    assert float(parts["shape"]) == pytest.approx(4.0, rel=1e-4)
    total = value(authors, larger, example)
    assert total == pytest.approx(1000 * float(parts["joints"]) + 0.05 * 4.0, rel=1e-3)


def test_place_and_joints_are_in_metres() -> None:
    example = an_example()
    truth = truth_of(example)
    moved = replace(truth, root=truth.root + torch.tensor([0.03, 0.0, 0.04]))
    assert value(replace(NOTHING, root=1.0), moved, example) == pytest.approx(0.05, abs=1e-5)
    assert value(replace(NOTHING, joints=1.0), moved, example) < 1e-4


def test_without_place_heading_does_not_count() -> None:
    example = an_example()
    truth = truth_of(example)
    yaw = yaw_rotation(torch.tensor([0.7, -2.0]))[:, None, None]
    turned = replace(truth, R_world_segment=yaw @ truth.R_world_segment, root=torch.zeros_like(truth.root))
    assert torch.allclose(turned_to(turned, example), truth.R_world_segment, atol=1e-5)
    assert value(LossConfig(), turned, example, has_place=False) < 2e-3
    assert value(LossConfig(), turned, example, has_place=True) > 1


def test_frames_outside_do_not_count() -> None:
    example = an_example()
    inside = torch.ones(2, 6)
    inside[:, 4:] = 0.0
    truth = truth_of(example)
    wrong = truth.R_world_segment.clone()
    wrong[:, 4:] = torch.eye(3)
    root = truth.root.clone()
    root[:, 4:] = 9.0
    answer = replace(truth, R_world_segment=wrong, root=root)
    for has_place in (True, False):
        assert value(LossConfig(), answer, replace(example, inside=inside), has_place) < 2e-3


def test_nothing_inside_is_no_division_by_zero() -> None:
    example = replace(an_example(), inside=torch.zeros(2, 6))
    assert np.isfinite(value(LossConfig(), truth_of(example), example))
