"""Virtual inertial sensors on whole batches of windows, for training (PyTorch).

The same physics as `kinefuse.synthesis.imus`, which makes recordings; here on one time grid, with derivatives by finite
differences at `RATE_HZ` and a Gaussian low-pass instead of splines, since half a million windows are wanted.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Final

import numpy as np
import roma
import torch
from torch.nn import functional

from kinefuse.conventions import GRAVITY, IMU_SITES, SEGMENT_INDEX, SEGMENTS
from kinefuse.synthesis.imus import ImuFaults
from kinefuse.synthesis.sites import site_offsets
from kinefuse.synthesis.variety import MotionWindows

STEP: Final = 2
"""Motion is posed at this many times the networks' frame rate, so that derivatives do not alias."""

MARGIN: Final = 8
"""Frames beyond a window on either side that the filters need."""

SITES: Final = tuple(SEGMENT_INDEX[name] for name in IMU_SITES)


@dataclass(frozen=True, kw_only=True)
class WearConfig:
    """How sensors are worn and what gets lost, in training.

    Attributes
    ----------
    mounting_sd_rad : of each component of the mounting's rotation vector
    any_mounting : share of windows whose mountings have another size, from 0 to 1.5 times that
    some_missing : share of windows in which sensors are missing
    faults : of the devices
    """

    mounting_sd_rad: float = float(np.deg2rad(13.5))
    any_mounting: float = 0.4
    some_missing: float = 0.15
    faults: ImuFaults = field(default_factory=ImuFaults)


def readings(
    motion: MotionWindows, rate_hz: float, wear: WearConfig, rng: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what 13 sensors read.

    Parameters
    ----------
    motion : n = `STEP` T + 2 `MARGIN` frames at `rate_hz`; output frame t is motion frame `MARGIN` + `STEP` t
    rate_hz : of the motion
    wear : how they are worn
    rng : every number drawn comes from here

    Returns
    -------
    angular_rate : (B, T, 13, 3) rad/s, sensor axes
    specific_force : (B, T, 13, 3) m/s², sensor axes
    worn : (B, T, 13)
    """
    count, faults = len(motion.shape), wear.faults
    R = motion.R_world_segment[:, :, list(SITES)] @ _mountings(count, wear, rng)[:, None]
    offsets = _offsets(motion.rest_positions) + faults.place_sd_m * torch.randn(count, len(SITES), 3, generator=rng)
    place = motion.positions[:, :, list(SITES)] + torch.einsum(
        "btsij,bsj->btsi", motion.R_world_segment[:, :, list(SITES)], offsets
    )
    width = float(0.7 + 0.6 * torch.rand(1, generator=rng))
    place = _smooth(place, width)
    force = functional.pad((place[:, 2:] - 2 * place[:, 1:-1] + place[:, :-2]) * rate_hz**2, (0, 0, 0, 0, 1, 1))
    force[..., 1] += GRAVITY
    force = torch.einsum("btsji,btsj->btsi", R, force)
    turn = roma.rotmat_to_rotvec(R[:, :-1].transpose(-1, -2) @ R[:, 1:]) * rate_hz
    rate = functional.pad(0.5 * (turn[:, 1:] + turn[:, :-1]), (0, 0, 0, 0, 1, 1))
    signals = _smooth(torch.cat([rate, force], dim=-1), width)[:, MARGIN:-MARGIN:STEP]
    signals = signals + _device_errors(signals.shape, faults, rng)
    return signals[..., :3], signals[..., 3:], _worn(motion.inside[:, MARGIN:-MARGIN:STEP], wear, rng)


def _mountings(count: int, wear: WearConfig, rng: torch.Generator) -> torch.Tensor:
    """Rotations (B, 13, 3, 3), sensor to segment."""
    other = torch.rand(count, generator=rng) < wear.any_mounting
    size = torch.where(other, 1.5 * torch.rand(count, generator=rng), 1.0) * wear.mounting_sd_rad
    return roma.rotvec_to_rotmat(size[:, None, None] * torch.randn(count, len(SITES), 3, generator=rng))


@cache
def _site_map() -> tuple[torch.Tensor, torch.Tensor]:
    """Sensor places as a linear function of rest joints: constant (39,) and matrix (39, 66)."""
    flat = len(SEGMENTS) * 3

    def places(rest: np.ndarray) -> np.ndarray:
        found = site_offsets(rest.reshape(-1, 3))
        return np.concatenate([found[name] for name in IMU_SITES])

    constant = places(np.zeros(flat))
    matrix = np.stack([places(row) - constant for row in np.eye(flat)], axis=1)
    return torch.as_tensor(constant, dtype=torch.float32), torch.as_tensor(matrix, dtype=torch.float32)


def _offsets(rest_positions: torch.Tensor) -> torch.Tensor:
    constant, matrix = _site_map()
    return (constant + rest_positions.flatten(1) @ matrix.T).unflatten(1, (len(SITES), 3))


def _smooth(values: torch.Tensor, width: float) -> torch.Tensor:
    """Low-pass (B, n, S, c) by a Gaussian of `width` frames: -3 dB at 0.1325 / width of the frame rate."""
    reach = 4
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / width) ** 2)
    kernel = kernel / kernel.sum()
    padded = torch.cat([values[:, :1].expand(-1, reach, -1, -1), values, values[:, -1:].expand(-1, reach, -1, -1)], 1)
    frames = values.shape[1]
    out = kernel[reach] * values
    for lag in range(1, reach + 1):
        both = padded[:, reach - lag : reach - lag + frames] + padded[:, reach + lag : reach + lag + frames]
        out = out + kernel[reach + lag] * both
    return out


def _device_errors(shape: torch.Size, faults: ImuFaults, rng: torch.Generator) -> torch.Tensor:
    """Bias and noise (B, T, 13, 6); averaging four samples of 100 Hz into one halves the noise."""
    bias = torch.tensor([faults.gyro_bias_sd] * 3 + [faults.acc_bias_sd] * 3)
    noise = torch.tensor([faults.gyro_noise] * 3 + [faults.acc_noise] * 3) / 2
    constant = torch.randn(shape[0], 1, *shape[2:], generator=rng)
    return bias * constant + noise * torch.randn(shape, generator=rng)


def _worn(inside: torch.Tensor, wear: WearConfig, rng: torch.Generator) -> torch.Tensor:
    """(B, T, 13) zero beyond the clip, for sensors that are not there, and during a lost burst."""
    count, frames = inside.shape
    some = torch.rand(count, 1, generator=rng) < wear.some_missing
    share = torch.rand(count, 1, generator=rng)
    gone = some & (torch.rand(count, len(SITES), generator=rng) < share)
    burst = torch.rand(count, len(SITES), generator=rng) < 0.05
    begin = (frames * torch.rand(count, 1, len(SITES), generator=rng)).long()
    time = torch.arange(frames)[None, :, None]
    lost = burst[:, None] & (time >= begin) & (time < begin + 5)
    return (inside[..., None] & ~gone[:, None] & ~lost).float()
