"""Points seen from where the body is and where it faces, told by the points themselves.

A network that sees every window in the same place and heading need not learn that rotations about the vertical change
nothing. Centre and heading come from noisy points, never from the truth; what they are off by is part of the input.
"""

from typing import Final

import torch
from torch.nn import functional

from kinefuse.conventions import KEYPOINT_INDEX
from kinefuse.models.signals import yaw_rotation

TRUNK: Final = tuple(KEYPOINT_INDEX[n] for n in ("hip_l", "hip_r", "shoulder_l", "shoulder_r"))
ACROSS: Final = tuple(
    (KEYPOINT_INDEX[f"{n}_l"], KEYPOINT_INDEX[f"{n}_r"]) for n in ("hip", "shoulder", "knee", "ankle", "ear")
)
ACROSS_WEIGHT: Final = (1.0, 1.0, 0.25, 0.1, 0.5)
SMOOTHING_FRAMES: Final = 3.0


def centre_of(points: torch.Tensor, confidence: torch.Tensor) -> torch.Tensor:
    """Return a smooth middle (B, T, 3) of hips and shoulders, of all points where those are missing.

    Parameters
    ----------
    points : (B, T, K, 3) metres
    confidence : (B, T, K), zero where missing
    """
    chosen = torch.full_like(confidence, 1e-4)
    chosen[..., list(TRUNK)] = 1.0
    weight = (chosen * confidence)[..., None]
    total = _over_time((weight * points).sum(2))
    return total / _over_time(weight.sum(2)).clamp_min(1e-12)


def _over_time(values: torch.Tensor) -> torch.Tensor:
    """Smooth (B, T, C) by a Gaussian, with a wide tail of little weight that bridges gaps."""
    frames = values.shape[1]
    lag = torch.arange(-frames + 1, frames, device=values.device, dtype=values.dtype)
    kernel = (-0.5 * (lag / SMOOTHING_FRAMES) ** 2).exp() + 1e-4 * (-lag.abs() / SMOOTHING_FRAMES).exp() + 1e-9
    flat = values.transpose(1, 2).reshape(-1, 1, frames)
    out = functional.conv1d(flat, kernel[None, None], padding=frames - 1)
    return out.view(values.shape[0], values.shape[2], frames).transpose(1, 2)


def heading_of(points: torch.Tensor, confidence: torch.Tensor) -> torch.Tensor:
    """Return each window's heading (B,), radians: the yaw that turns body axes as the body faces, on average."""
    across = torch.zeros(points.shape[0], 3, device=points.device, dtype=points.dtype)
    for (left, right), weight in zip(ACROSS, ACROSS_WEIGHT, strict=True):
        both = (confidence[..., left] * confidence[..., right])[..., None]
        across = across + weight * (both * (points[..., right, :] - points[..., left, :])).sum(1)
    # The body's right is Z: a yaw of ψ turns it to (sin ψ, 0, cos ψ).
    return torch.atan2(across[:, 0], across[:, 2])


def canonical(
    points: torch.Tensor, confidence: torch.Tensor, turn: bool = True
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return points (B, T, K, 3) about their centre and facing X, zero where missing; centre; R_world_canonical.

    Parameters
    ----------
    points : (B, T, K, 3) metres, world
    confidence : (B, T, K), zero where missing
    turn : whether to take the heading away

    Returns
    -------
    points : (B, T, K, 3) metres
    centre : (B, T, 3) metres, world
    R_world_canonical : (B, 3, 3)
    """
    seen = (confidence > 0)[..., None]
    points = torch.where(seen, points, 0.0)
    centre = centre_of(points, confidence)
    heading = heading_of(points, confidence)
    R = yaw_rotation(heading if turn else torch.zeros_like(heading))
    moved = torch.where(seen, points - centre[:, :, None], 0.0)
    return torch.einsum("bji,btkj->btki", R, moved), centre, R
