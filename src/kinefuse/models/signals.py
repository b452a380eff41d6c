"""What every network sees and answers: windows of signals on one time grid."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Final

import roma
import torch

from kinefuse.conventions import IMU_SITES, KEYPOINTS, SEGMENTS

RATE_HZ: Final = 25.0
"""Frames a second of every network's input and output."""

N_POINTS, N_SITES, N_SEGMENTS, N_SHAPE = len(KEYPOINTS), len(IMU_SITES), len(SEGMENTS), 10

COCO: Final = tuple(range(17))
"""The keypoints of COCO-17, which are the first of HALPE-26."""

REST_6D: Final = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""The rest pose as `rotations_from_6d` takes it; networks answer the difference to it."""


@dataclass(frozen=True)
class Signals:
    """B windows of T frames at `RATE_HZ`. A modality that is not there is None.

    Attributes
    ----------
    points : (B, T, 26, 3) metres, world (Y up), in the order of `conventions.KEYPOINTS`; any number where missing
    confidence : (B, T, 26) from 0 (missing) to 1
    angular_rate : (B, T, 13, 3) rad/s, sensor axes, in the order of `conventions.IMU_SITES`
    specific_force : (B, T, 13, 3) m/s², sensor axes, gravity included
    worn : (B, T, 13) one where a sensor has a reading, else zero
    stature : (B,) metres, NaN where unknown
    """

    points: torch.Tensor | None = None
    confidence: torch.Tensor | None = None
    angular_rate: torch.Tensor | None = None
    specific_force: torch.Tensor | None = None
    worn: torch.Tensor | None = None
    stature: torch.Tensor | None = None

    def __getitem__(self, index: slice) -> "Signals":
        """Return some of the windows."""
        return self._each(lambda part: part[index])

    def to(self, device: torch.device) -> "Signals":
        """Return the same on another device."""
        return self._each(lambda part: part.to(device))

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Signals":
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: None if part is None else change(part) for name, part in parts.items()})


@dataclass(frozen=True)
class Prediction:
    """What a network answers for `Signals`.

    Attributes
    ----------
    R_world_segment : (B, T, 22, 3, 3); from inertial sensors alone, up to one rotation about the vertical a window
    shape : (B, 10) of the embedded body, in standard deviations
    root : (B, T, 3) metres, world; zeros from inertial sensors alone
    features : (B, T, F) what a network that is built upon this one reads
    """

    R_world_segment: torch.Tensor
    shape: torch.Tensor
    root: torch.Tensor
    features: torch.Tensor


def rotations_from_6d(six: torch.Tensor) -> torch.Tensor:
    """Return rotations (..., 3, 3) from their first two columns (..., 6), Zhou et al. 2019."""
    return roma.special_gramschmidt(six.unflatten(-1, (2, 3)).transpose(-1, -2))


def six_from_rotations(rotations: torch.Tensor) -> torch.Tensor:
    """Return the first two columns (..., 6) of rotations (..., 3, 3)."""
    return rotations[..., :2].transpose(-1, -2).flatten(-2)


def yaw_rotation(yaw: torch.Tensor) -> torch.Tensor:
    """Return rotations (..., 3, 3) by `yaw` (...) radians about the vertical."""
    c, s, zero, one = yaw.cos(), yaw.sin(), torch.zeros_like(yaw), torch.ones_like(yaw)
    return torch.stack([c, zero, s, zero, one, zero, -s, zero, c], -1).unflatten(-1, (3, 3))


def yaw_between(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the yaw (B,) whose rotation brings rotations (B, ..., 3, 3) nearest to others, least squares."""
    product = (target @ source.transpose(-1, -2)).flatten(1, -3).sum(1)
    return torch.atan2(product[:, 0, 2] - product[:, 2, 0], product[:, 0, 0] + product[:, 2, 2])
