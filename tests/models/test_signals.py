"""What networks see and answer: windows, six numbers for a rotation, yaws."""

import numpy as np
import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_samples import angle_deg, random_signals

from kinefuse.conventions import IMU_SITES, SEGMENTS, SITE_SEGMENT
from kinefuse.models.signals import (
    Signals,
    rotations_from_6d,
    six_from_rotations,
    yaw_between,
    yaw_rotation,
)
from kinefuse.rotations import yaw_matrix

seeds = st.integers(0, 2**31)


def random_rotations(seed: int, *shape: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return roma.rotvec_to_rotmat(2.0 * torch.randn((*shape, 3), generator=rng, dtype=torch.float64))


def test_six_numbers_are_the_first_two_columns() -> None:
    R = torch.arange(9.0).reshape(3, 3)
    assert six_from_rotations(R).tolist() == [0.0, 3.0, 6.0, 1.0, 4.0, 7.0]
    assert torch.equal(rotations_from_6d(torch.tensor([1.0, 0, 0, 0, 1, 0])), torch.eye(3))


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_six_numbers_round_trip(seed: int) -> None:
    R = random_rotations(seed, 2, 5)
    assert torch.allclose(rotations_from_6d(six_from_rotations(R)), R, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_any_six_numbers_are_a_rotation(seed: int) -> None:
    six = torch.randn(4, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    R = rotations_from_6d(six)
    assert torch.allclose(R @ R.transpose(-1, -2), torch.eye(3, dtype=R.dtype).expand_as(R), atol=1e-9)
    assert torch.allclose(R.det(), torch.ones(4, dtype=R.dtype))


def test_yaw_is_that_of_the_rest_of_the_library() -> None:
    for yaw in (-2.0, 0.3, 3.1):
        np.testing.assert_allclose(yaw_rotation(torch.tensor(yaw)).numpy(), yaw_matrix(yaw), atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(-3.1, 3.1))
def test_yaw_between_finds_the_yaw(seed: int, yaw: float) -> None:
    R = random_rotations(seed, 2, 7, 4)
    turn = yaw_rotation(torch.tensor(yaw, dtype=torch.float64))
    assert torch.allclose(yaw_between(R, turn @ R), torch.full((2,), yaw, dtype=torch.float64), atol=1e-6)


def test_yaw_between_is_the_nearest() -> None:
    """No other yaw of a fine grid brings noisy rotations nearer."""
    source = random_rotations(0, 1, 20)
    target = random_rotations(1, 1, 20) * 0.2 + yaw_rotation(torch.tensor(0.8).double()) @ source
    grid = torch.linspace(-torch.pi, torch.pi, 721, dtype=torch.float64)
    apart = ((yaw_rotation(grid)[:, None] @ source - target) ** 2).sum((1, 2, 3))
    assert float(yaw_between(source, target)) == pytest.approx(float(grid[apart.argmin()]), abs=0.005)


def test_some_windows_of_signals() -> None:
    signals = random_signals(10)
    part = signals[1:]
    assert part.points is not None
    assert signals.points is not None
    assert torch.equal(part.points, signals.points[1:])
    assert part.stature is not None
    assert len(part.stature) == 2
    assert Signals(points=signals.points)[:1].angular_rate is None
    assert Signals(points=signals.points).to(torch.device("cpu")).worn is None


def test_sites_are_on_the_segments_that_they_name() -> None:
    assert tuple(SEGMENTS[i] for i in SITE_SEGMENT) == IMU_SITES


def test_largest_angle() -> None:
    turn = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.5, 0.0]))
    assert angle_deg(torch.eye(3), turn) == pytest.approx(np.rad2deg(0.5), abs=1e-3)
