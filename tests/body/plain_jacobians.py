"""Derivatives written out in full, slow and plain: what `kinefuse.body.composite` is checked against."""

import torch

from kinefuse.body.kinematics import IS_ANCESTOR, N_SEGMENTS


def place_jacobian(
    R_world_segment: torch.Tensor, positions: torch.Tensor, places: torch.Tensor, segment: torch.Tensor
) -> torch.Tensor:
    """Return the derivative (T, N, 3, 69) of places (T, N, 3) on segments (N,) by the pose."""
    arms = (places[:, :, None] - positions[:, None]) * IS_ANCESTOR[segment][None, :, :, None]
    moved = torch.zeros(*places.shape, 3 + 3 * N_SEGMENTS, dtype=places.dtype)
    moved[..., :3] = torch.eye(3, dtype=places.dtype)
    turned = moved[..., 3:].unflatten(-1, (N_SEGMENTS, 3))
    axes = R_world_segment[:, None].unbind(-2)
    x, y, z = arms[..., None].unbind(-2)
    turned[:, :, 0] = axes[1] * z - axes[2] * y
    turned[:, :, 1] = axes[2] * x - axes[0] * z
    turned[:, :, 2] = axes[0] * y - axes[1] * x
    return moved
