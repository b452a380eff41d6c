"""Joining what cameras see of a segment with how its sensor turned: smooth, and right on average.

A segment's orientation is ``yaw · level · R_middle_now · R_sensor_segment``: how the sensor turned is known from its
gyroscope, which way was up from its accelerometer, and two constants remain for the window, a heading and the mounting.
Both are the least squares solution for the rotations that cameras tell, however noisy from frame to frame.
"""

from typing import Final

import roma
import torch

from kinefuse.models.signals import yaw_between, yaw_rotation

ROUNDS: Final = 3


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
    batch, frames, sites = R_world_segment.shape[:3]
    seen = R_world_segment.transpose(1, 2).reshape(batch * sites, frames, 3, 3)
    turn = level_turn.transpose(1, 2).reshape(batch * sites, frames, 3, 3)
    share = weight.transpose(1, 2).reshape(batch * sites, frames, 1, 1) + 1e-6
    mounting = torch.eye(3, device=seen.device, dtype=seen.dtype).expand(batch * sites, 3, 3)
    for _ in range(ROUNDS):
        # Sums of rotations stay rotations' multiples nearly; weights go on one side only.
        yaw = yaw_rotation(yaw_between(turn @ mounting[:, None], share * seen))
        told = (share * (turn.transpose(-1, -2) @ yaw[:, None].transpose(-1, -2) @ seen)).sum(1)
        mounting = roma.special_procrustes(told)
    joined = yaw[:, None] @ turn @ mounting[:, None]
    return joined.view(batch, sites, frames, 3, 3).transpose(1, 2), mounting.view(batch, sites, 3, 3)
