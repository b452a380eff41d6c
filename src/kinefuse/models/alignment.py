"""Joining what cameras see of a segment with how its sensor turned: smooth, and right on average.

A segment's orientation is ``yaw · level · R_middle_now · R_sensor_segment``: how the sensor turned is known from its
gyroscope, which way was up from its accelerometer, and two constants remain for the window, a heading and the mounting.
Both are the least squares solution for the rotations that cameras tell, however noisy from frame to frame.
"""

from typing import Final

import roma
import torch

from kinefuse.models.signals import yaw_rotation

ROUNDS: Final = 20
"""Alternations between heading and mounting: a quarter of a degree from the solution, with mountings of 25°."""

_YAW_PARTS: Final = (
    torch.diag(torch.tensor([1.0, 0.0, 1.0])),
    torch.tensor([[0.0, 0.0, -1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]),
    torch.diag(torch.tensor([0.0, 1.0, 0.0])),
)
"""What a yaw's inverse is made of: its cosine times the first, its sine times the second, and the third."""


def joined_rotations(
    R_world_segment: torch.Tensor, level_turn: torch.Tensor, weight: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rotations that move as sensors say and agree with the cameras on average.

    Parameters
    ----------
    R_world_segment : (B, T, S, 3, 3) from cameras, segments that carry sensors
    level_turn : (B, T, S, 3, 3) sensor to a frame that is level and does not turn, but has a heading of its own
    weight : (B, T, S) of each frame in the fit of the constants; zero where there is no reading

    Returns
    -------
    joined : (B, T, S, 3, 3)
    mounting : (B, S, 3, 3) segment to sensor
    """
    share = (weight + 1e-6)[..., None, None]
    turn_back = (share * level_turn).transpose(-1, -2)
    # With the yaw ψ, the sum of R_sensor_level R_level_world R_world_segment is cos ψ A + sin ψ B + C.
    A, B, C = ((turn_back @ part.to(R_world_segment) @ R_world_segment).sum(1) for part in _YAW_PARTS)
    mounting = torch.eye(3, device=A.device, dtype=A.dtype).expand_as(A)
    for _ in range(ROUNDS):
        yaw = torch.atan2((mounting * B).sum((-1, -2)), (mounting * A).sum((-1, -2)))
        cosine, sine = yaw.cos()[..., None, None], yaw.sin()[..., None, None]
        mounting = roma.special_procrustes(cosine * A + sine * B + C)
    return yaw_rotation(yaw)[:, None] @ level_turn @ mounting[:, None], mounting
