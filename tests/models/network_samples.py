"""Signals that networks see, random but of a plausible size, and the motions that networks are tested with."""

from dataclasses import replace

import roma
import torch
from torch import nn

from kinefuse.body.models import load_anny
from kinefuse.conventions import GRAVITY
from kinefuse.models.signals import N_POINTS, N_SITES, Signals, yaw_rotation

N_BATCH = 3


def random_signals(frames: int, batch: int = N_BATCH, seed: int = 0) -> Signals:
    """A body in the T-pose that drifts and shakes, and sensors that turn this way and that; most are there."""
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=rng)

    rest = torch.as_tensor(load_anny().points_mean[:N_POINTS], dtype=torch.float32)
    drift = 0.02 * torch.arange(frames)[:, None, None] * normal(batch, 1, 1, 3)
    points = yaw_rotation(normal(batch))[:, None, None] @ rest[..., None]
    return Signals(
        points=points[..., 0] + drift + normal(batch, 1, 1, 3) + 0.04 * normal(batch, frames, N_POINTS, 3),
        confidence=(torch.rand(batch, frames, N_POINTS, generator=rng) > 0.1).float(),
        angular_rate=1.5 * normal(batch, frames, N_SITES, 3),
        specific_force=GRAVITY * nn.functional.normalize(normal(batch, 1, N_SITES, 3), dim=-1)
        + normal(batch, frames, N_SITES, 3),
        worn=(torch.rand(batch, frames, N_SITES, generator=rng) > 0.1).float(),
        stature=torch.tensor([1.62, torch.nan, 1.81])[:batch],
    )


def moved(signals: Signals, yaw: float, shift: torch.Tensor) -> Signals:
    """The same windows in a world that is turned by `yaw` radians and shifted by (3,) metres."""
    assert signals.points is not None
    return replace(signals, points=signals.points @ yaw_rotation(torch.tensor(yaw)).T + shift)


def angle_deg(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest angle between rotations (..., 3, 3), degrees."""
    return float(torch.rad2deg(roma.rotmat_geodesic_distance(a.double(), b.double())).max())


def shaken(network: nn.Module, seed: int = 1, size: float = 0.05) -> nn.Module:
    """The network with all weights changed a little, so that heads that begin at zero answer something."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(size * torch.randn(parameter.shape, generator=rng))
    return network.eval()
