"""Cameras' rotations joined with sensors' turns: exact without noise, and better than the cameras with it."""

import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.inertial.strapdown import level_rotation, turns_to_middle, up_in_middle
from kinefuse.models.alignment import ROUNDS, joined_rotations
from kinefuse.models.signals import yaw_rotation

FRAMES, SITES = 60, 4
seeds = st.integers(0, 2**31)


def mean_angle_deg(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.rad2deg(roma.rotmat_geodesic_distance(a, b)).mean())


def some_motion(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """True segment rotations, level turns of sensors with headings of their own, and mountings of some 15°."""
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=rng, dtype=torch.float64)

    time = torch.arange(FRAMES).double()[None, :, None, None] / 25
    phase, size = normal(2, 1, SITES, 3), 0.6 * normal(2, 1, SITES, 3)
    start = roma.rotvec_to_rotmat(normal(2, 1, SITES, 3))
    R_world_segment = roma.rotvec_to_rotmat(size * torch.sin(4.0 * time + phase)) @ start
    mounting = roma.rotvec_to_rotmat(0.25 * normal(2, SITES, 3))
    yaw = yaw_rotation(2.0 * normal(2, 1, SITES))
    return R_world_segment, yaw.transpose(-1, -2) @ R_world_segment @ mounting[:, None].transpose(-1, -2), mounting


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_without_noise_and_mounting_it_is_exact(seed: int) -> None:
    truth, _, _ = some_motion(seed)
    yaw = yaw_rotation(torch.linspace(-3, 3, 2 * SITES, dtype=torch.float64).view(2, 1, SITES))
    joined, found = joined_rotations(truth, yaw @ truth, torch.ones(2, FRAMES, SITES, dtype=torch.float64))
    assert mean_angle_deg(joined, truth) < 1e-3
    assert mean_angle_deg(found, torch.eye(3, dtype=truth.dtype).expand_as(found)) < 1e-3


def test_without_noise_rounds_lead_to_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heading and mounting are solved for in turns, which is slow where they are nearly the same: for sensors askew by
    25° on segments that turn every way, the rounds that are made come within 1°, and more of them ever nearer."""
    truth, turn, mounting = some_motion(0)
    weight = torch.ones(2, FRAMES, SITES, dtype=torch.float64)
    apart = []
    for rounds in (3, ROUNDS, 200):
        monkeypatch.setattr("kinefuse.models.alignment.ROUNDS", rounds)
        joined, found = joined_rotations(truth, turn, weight)
        apart.append((mean_angle_deg(joined, truth), mean_angle_deg(found, mounting)))
    assert apart[0][0] < 4.0
    assert apart[1][0] < 1.0
    assert apart[2][0] < 0.1
    assert apart[2][1] < 1.0 < apart[1][1] < apart[0][1]


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_it_is_much_nearer_to_the_truth_than_noisy_cameras(seed: int) -> None:
    truth, turn, _ = some_motion(seed)
    rng = torch.Generator().manual_seed(seed)
    noise = 0.2 * torch.randn(truth.shape[:-1], generator=rng, dtype=torch.float64)
    seen = truth @ roma.rotvec_to_rotmat(noise)
    joined, _ = joined_rotations(seen, turn, torch.ones(2, FRAMES, SITES, dtype=torch.float64))
    assert mean_angle_deg(seen, truth) > 15
    assert mean_angle_deg(joined, truth) < 0.35 * mean_angle_deg(seen, truth)


def test_frames_without_weight_have_no_say() -> None:
    truth, turn, _ = some_motion(3)
    weight = torch.ones(2, FRAMES, SITES, dtype=torch.float64)
    weight[:, 40:] = 0.0
    spoilt = truth.clone()
    spoilt[:, 40:] = torch.eye(3, dtype=truth.dtype)
    here, there = (joined_rotations(seen, turn, weight)[0] for seen in (truth, spoilt))
    assert mean_angle_deg(here, there) < 0.01


def test_with_gyroscope_and_accelerometer() -> None:
    """The whole way from signals: a segment that swings, a sensor askew on it, cameras that are off by 10°."""
    time = torch.arange(101).double() / 25
    truth = roma.rotvec_to_rotmat(torch.stack([0.5 * torch.sin(3 * time), 0.3 * time, 0.4 * torch.cos(2 * time)], -1))
    mounting = roma.rotvec_to_rotmat(torch.tensor([0.2, -0.1, 0.3]).double())
    R_world_sensor = truth @ mounting
    turn = roma.rotmat_to_rotvec(R_world_sensor[:-1].transpose(-1, -2) @ R_world_sensor[1:]) * 25
    rate = 0.5 * (turn[1:] + turn[:-1])[None, :, None]
    force = 9.81 * R_world_sensor[1:-1, 1, :][None, :, None]
    worn = torch.ones(force.shape[:3], dtype=torch.float64)
    turns = turns_to_middle(rate, 25.0)
    level = level_rotation(up_in_middle(turns, force, worn))[:, None]
    noise = torch.randn(99, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    seen = (truth[1:-1] @ roma.rotvec_to_rotmat(0.11 * noise))[None, :, None]
    joined, found = joined_rotations(seen, level @ turns, worn)
    assert mean_angle_deg(seen[0, :, 0], truth[1:-1]) > 8
    assert mean_angle_deg(joined[0, :, 0], truth[1:-1]) < 3
    assert mean_angle_deg(found[0, 0], mounting.T) < 5
