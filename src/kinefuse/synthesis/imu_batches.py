"""Virtual inertial sensors on whole batches of windows, for training (PyTorch).

The same physics as `kinefuse.synthesis.imus`, which makes recordings; here on one time grid, with derivatives by finite
differences and a Gaussian low-pass of the motion instead of splines, since half a million windows are wanted. The
readings go through the filter of `kinefuse.inertial.resampling`, as those of real devices do.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Final

import numpy as np
import roma
import torch
from torch.nn import functional

from kinefuse.conventions import GRAVITY, IMU_SITES, SITE_SEGMENT
from kinefuse.inertial.resampling import low_pass_weights
from kinefuse.synthesis.imus import ImuFaults
from kinefuse.synthesis.sites import outward, surface_sites
from kinefuse.synthesis.variety import MotionWindows
from kinefuse.synthesis.wobble import NATURAL_HZ, PIVOT_M, SPREAD

STEP: Final = 2
"""Motion is posed at this many times the networks' frame rate, so that derivatives do not alias."""

MARGIN: Final = 16
"""Frames beyond a window on either side that the filters and derivatives need."""


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
    R_segment = motion.R_world_segment[:, :, list(SITE_SEGMENT)]
    places, per_shape = _places()
    offsets = places + torch.einsum("bs,spi->bpi", motion.shape, per_shape)
    offsets = offsets + faults.place_sd_m * torch.randn(count, len(SITE_SEGMENT), 3, generator=rng)
    place = motion.positions[:, :, list(SITE_SEGMENT)] + torch.einsum("btsij,bsj->btsi", R_segment, offsets)
    place = _smooth(place, _between(0.4, 0.8, rng))
    force = functional.pad((place[:, 2:] - 2 * place[:, 1:-1] + place[:, :-2]) * rate_hz**2, (0, 0, 0, 0, 1, 1))
    force[..., 1] += GRAVITY
    R = R_segment @ _tilt(R_segment, force, faults, rng) @ _mountings(count, wear, rng)[:, None]
    force = torch.einsum("btsji,btsj->btsi", R, force)
    turn = roma.rotmat_to_rotvec(R[:, :-1].transpose(-1, -2) @ R[:, 1:]) * rate_hz
    rate = functional.pad(0.5 * (turn[:, 1:] + turn[:, :-1]), (0, 0, 0, 0, 1, 1))
    signals = _resampled(torch.cat([rate, force], dim=-1), rate_hz)
    signals = signals + _device_errors(signals.shape, faults, rng)
    return signals[..., :3], signals[..., 3:], _worn(motion.inside[:, MARGIN:-MARGIN:STEP], wear, rng)


def _mountings(count: int, wear: WearConfig, rng: torch.Generator) -> torch.Tensor:
    """Rotations (B, 13, 3, 3), sensor to segment."""
    other = torch.rand(count, generator=rng) < wear.any_mounting
    size = torch.where(other, 1.5 * torch.rand(count, generator=rng), 1.0) * wear.mounting_sd_rad
    return roma.rotvec_to_rotmat(size[:, None, None] * torch.randn(count, len(SITE_SEGMENT), 3, generator=rng))


@cache
def _places() -> tuple[torch.Tensor, torch.Tensor]:
    """Sensors on the skin from their segment's joint: mean (13, 3), and per unit of shape (10, 13, 3), metres."""
    mean, per_shape = surface_sites()
    return torch.as_tensor(mean, dtype=torch.float32), torch.as_tensor(per_shape, dtype=torch.float32)


def _tilt(R_segment: torch.Tensor, force: torch.Tensor, faults: ImuFaults, rng: torch.Generator) -> torch.Tensor:
    """Rotations (B, n, 13, 3, 3) of sensors on soft tissue that gives way to a force (B, n, 13, 3), world, m/s².

    That of `kinefuse.synthesis.wobble` well below its resonance, where the displacement is in step with the force.
    """
    natural = 2 * np.pi * torch.tensor([NATURAL_HZ[name] for name in IMU_SITES], dtype=torch.float32)
    share = faults.tissue * torch.rand(len(force), len(SITE_SEGMENT), generator=rng)
    share = share * torch.exp(-2 * SPREAD * torch.randn(len(force), len(SITE_SEGMENT), generator=rng))
    felt = torch.einsum("btsji,btsj->btsi", R_segment, force)
    moved = -(share / natural**2)[:, None, :, None] * (felt - felt[:, 1:2])
    normal = torch.as_tensor(np.stack([outward(name) for name in IMU_SITES]), dtype=torch.float32)
    return roma.rotvec_to_rotmat(torch.linalg.cross(normal.expand_as(moved), moved) / PIVOT_M)


def _between(low: float, high: float, rng: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand(1, generator=rng))


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


def _resampled(values: torch.Tensor, rate_hz: float) -> torch.Tensor:
    """Low-pass (B, n, S, c) and take every `STEP`-th frame, as every recording is before a network sees it."""
    frames = values.shape[1] - 2 * MARGIN
    taps = enumerate(_taps(rate_hz))
    return torch.stack([weight * values[:, k : k + frames : STEP] for k, weight in taps if weight]).sum(0)


@cache
def _taps(rate_hz: float) -> tuple[float, ...]:
    """Weights of the 2 `MARGIN` + 1 frames around a time, most of the outer ones zero."""
    time = np.arange(-MARGIN, MARGIN + 1) / rate_hz
    index, weight = low_pass_weights(time, np.zeros(1))
    taps = np.zeros(len(time))
    taps[index[0]] = weight[0]
    return tuple(taps.tolist())


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
    gone = some & (torch.rand(count, len(SITE_SEGMENT), generator=rng) < share)
    burst = torch.rand(count, len(SITE_SEGMENT), generator=rng) < 0.05
    begin = (frames * torch.rand(count, 1, len(SITE_SEGMENT), generator=rng)).long()
    time = torch.arange(frames)[None, :, None]
    lost = burst[:, None] & (time >= begin) & (time < begin + 5)
    return (inside[..., None] & ~gone[:, None] & ~lost).float()
