"""Turns and verticals from a sensor's own signals, against motions known by hand."""

import numpy as np
import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.conventions import GRAVITY
from kinefuse.inertial.strapdown import level_rotation, running_product, turns_to_middle, up_in_middle

RATE_HZ = 25.0
WORN = torch.ones(1, 50, 1)


def test_a_constant_spin_turns_by_its_rate() -> None:
    rate = torch.tensor([0.3, -1.1, 0.7])
    turn = turns_to_middle(rate.expand(1, 50, 1, 3), RATE_HZ)[0, :, 0]
    time = (torch.arange(50) - 25) / RATE_HZ
    expected = roma.rotvec_to_rotmat(time[:, None] * rate)
    assert float((turn - expected).abs().max()) < 1e-5


def test_the_middle_frame_is_the_reference() -> None:
    rate = torch.randn(2, 31, 3, 3, generator=torch.Generator().manual_seed(0))
    middle = turns_to_middle(rate, RATE_HZ)[:, 15]
    assert float((middle - torch.eye(3)).abs().max()) < 1e-5


def test_a_swing_about_changing_axes_is_integrated() -> None:
    """Against small steps of the same rate: at 25 Hz the trapezoid is off by less than 1° after a second."""

    def rate(time: torch.Tensor) -> torch.Tensor:
        return torch.stack([2.0 * torch.cos(5.0 * time), torch.sin(3.0 * time), 0.5 + 0.0 * time], -1)

    fine = 40
    steps = roma.rotvec_to_rotmat(rate((torch.arange(50 * fine).double() + 0.5) / (RATE_HZ * fine)) / (RATE_HZ * fine))
    whole = [torch.eye(3).double()]
    for step in steps:
        whole.append(whole[-1] @ step)
    truth = torch.stack(whole)[::fine][:50]
    turn = turns_to_middle(rate(torch.arange(50).double() / RATE_HZ)[None, :, None], RATE_HZ)[0, :, 0]
    apart = roma.rotmat_geodesic_distance(turn, truth[25].T @ truth)
    assert float(torch.rad2deg(apart).max()) < 1.0


def test_a_resting_sensor_knows_up() -> None:
    up = torch.tensor([0.6, 0.0, -0.8])
    rest = torch.zeros(1, 50, 1, 3)
    found = up_in_middle(turns_to_middle(rest, RATE_HZ), (GRAVITY * up).expand(1, 50, 1, 3), WORN)
    assert found[0, 0] == pytest.approx(up, abs=1e-6)


def test_a_turning_sensor_knows_up_in_its_middle() -> None:
    rate = torch.tensor([1.0, 0.4, -0.3]).expand(1, 50, 1, 3)
    turn = turns_to_middle(rate, RATE_HZ)
    up = torch.tensor([0.0, 0.28, 0.96])
    felt = GRAVITY * (turn.transpose(-1, -2) @ up[:, None])[..., 0]
    assert up_in_middle(turn, felt, WORN)[0, 0] == pytest.approx(up, abs=1e-4)


def test_what_is_not_worn_has_no_say() -> None:
    turn = turns_to_middle(torch.zeros(1, 50, 2, 3), RATE_HZ)
    force = torch.tensor([0.0, GRAVITY, 0.0]).repeat(1, 50, 2, 1)
    worn = torch.ones(1, 50, 2)
    worn[:, 30:, 0] = 0.0
    worn[:, :, 1] = 0.0
    force[:, 30:, 0] = 1e6
    up = up_in_middle(turn, force, worn)[0]
    assert up[0] == pytest.approx(torch.tensor([0.0, 1.0, 0.0]), abs=1e-6)
    assert up[1] == pytest.approx(torch.zeros(3))


@pytest.mark.parametrize("frames", [1, 2, 3, 7, 50, 96])
def test_running_product_is_the_loop(frames: int) -> None:
    rng = torch.Generator().manual_seed(frames)
    turns = roma.rotvec_to_rotmat(torch.randn(2, frames, 3, 3, generator=rng, dtype=torch.float64))
    expected = [turns[:, 0]]
    for t in range(1, frames):
        expected.append(expected[-1] @ turns[:, t])
    assert torch.allclose(running_product(turns), torch.stack(expected, 1), atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31))
def test_level_rotations_are_the_smallest_that_level(seed: int) -> None:
    up = torch.as_tensor(np.random.default_rng(seed).normal(size=3))
    up = up / up.norm()
    R = level_rotation(up)
    assert torch.allclose(R @ up, torch.tensor([0.0, 1.0, 0.0], dtype=R.dtype), atol=1e-9)
    assert torch.allclose(R @ R.T, torch.eye(3, dtype=R.dtype), atol=1e-12)
    angle = float(torch.arccos(((R.trace() - 1) / 2).clamp(-1, 1)))
    assert angle == pytest.approx(float(torch.arccos(up[1].clamp(-1, 1))), abs=1e-6)


@pytest.mark.parametrize("up", [(0.0, 1.0, 0.0), (0.0, -1.0, 0.0), (1e-9, -1.0, 0.0), (0.0, 0.0, 1.0)])
def test_level_rotations_at_the_poles(up: tuple[float, float, float]) -> None:
    R = level_rotation(torch.tensor([up]))[0]
    assert torch.allclose(R @ torch.tensor(up), torch.tensor([0.0, 1.0, 0.0]), atol=1e-6)
    assert float(R.det()) == pytest.approx(1.0, abs=1e-6)


def test_a_sensor_without_a_vertical_stays_as_it_is() -> None:
    assert torch.equal(level_rotation(torch.zeros(1, 3))[0], torch.eye(3))
