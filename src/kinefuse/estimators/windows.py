"""A network over a recording of any length: overlapping windows, answered in batches, blended without seams.

A network sees windows of a fixed number of frames. Neighbouring windows overlap by about half, and every frame's
rotation is the mean of its windows' answers, weighted by a raised cosine: a window fades in and out, so that its edges
show neither in a rotation nor in its derivative.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
import torch

from kinefuse.inertial.resampling import cubic_weights
from kinefuse.models.signals import N_SHAPE, Prediction, Signals, yaw_between, yaw_rotation

MOST_WINDOWS: Final = 64
"""Windows that a network answers at once, which bounds its memory."""

NO_WEIGHT: Final = 1e-9

POLAR_STEPS: Final = 4
ORTHONORMAL: Final = 1e-9


@dataclass(frozen=True)
class Blended:
    """What a network says of N frames.

    Attributes
    ----------
    R_world_segment : (N, 22, 3, 3), NaN where no window saw anything
    root : (N, 3) metres, NaN there too
    shape : (10,) of the embedded body
    """

    R_world_segment: np.ndarray
    root: np.ndarray
    shape: np.ndarray


def answer_in_windows(
    network: Callable[[Signals], Prediction], window: int, signals: Signals, *, free_heading: bool = False
) -> Blended:
    """Let a network answer a whole recording.

    Parameters
    ----------
    network
    window : frames that it sees at once
    signals : one recording, (1, N, ...) with N of at least `window`
    free_heading : each window has a heading of its own; it is turned to go on where the windows before it end

    Returns
    -------
    `Blended`. The shape is the windows' mean, weighted by how much each of them saw.
    """
    seen = _seen(signals)
    starts = window_starts(len(seen), window)
    frames = starts[:, None] + np.arange(window)
    batches = [frames[i : i + MOST_WINDOWS] for i in range(0, len(frames), MOST_WINDOWS)]
    parts = [_answer(network, _cut(signals, torch.as_tensor(batch))) for batch in batches]
    rotations, root, shape = (torch.cat(part) for part in zip(*parts, strict=True))
    share = seen[frames].mean(1) * torch.isfinite(shape).all(1).numpy()
    sound = torch.isfinite(rotations).flatten(2).all(2) & torch.isfinite(root).all(2)
    weight = torch.as_tensor(raised_cosine(window) * (share > 0)[:, None]) * sound
    rotations, root = rotations.nan_to_num(), root.nan_to_num()
    if free_heading:
        rotations = with_one_heading(rotations, frames, weight)
    counts = share > 0
    mean_shape = np.average(shape.numpy()[counts], axis=0, weights=share[counts]) if counts.any() else np.zeros(N_SHAPE)
    return Blended(*_blended(rotations, root, frames, weight), mean_shape)


def _blended(
    rotations: torch.Tensor, root: torch.Tensor, frames: np.ndarray, weight: torch.Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted means over the windows, rotations (N, 22, 3, 3) and root (N, 3); NaN where none counts."""
    total = _added_up(weight, frames)
    share = weight / total.clamp_min(NO_WEIGHT)[frames]
    turn = nearest_rotations(_added_up(share[..., None, None, None] * rotations, frames))
    place = _added_up(share[..., None] * root, frames)
    turn[total < NO_WEIGHT], place[total < NO_WEIGHT] = torch.nan, torch.nan
    return turn.numpy(), place.numpy()


def window_starts(frames: int, window: int) -> np.ndarray:
    """Return the first frames of windows spread evenly over `frames`, each half a window after the last or less."""
    count = 1 + int(np.ceil((frames - window) / max(window // 2, 1)))
    return np.round(np.linspace(0, frames - window, count)).astype(int)


def raised_cosine(window: int) -> np.ndarray:
    """Return the weights (window,) of a window's frames: they rise from nearly zero to one and fall again."""
    return np.sin(np.pi * (np.arange(window) + 0.5) / window) ** 2


def with_one_heading(rotations: torch.Tensor, frames: np.ndarray, weight: torch.Tensor) -> torch.Tensor:
    """Turn each window about the vertical to the mean of those before it, where they overlap.

    Parameters
    ----------
    rotations : (B, W, 22, 3, 3), windows in order of time
    frames : (B, W) which frame each row is
    weight : (B, W)
    """
    total = torch.zeros(int(frames.max()) + 1, *rotations.shape[2:], dtype=rotations.dtype)
    turned = []
    for part, rows, share in zip(rotations, torch.as_tensor(frames), weight, strict=True):
        yaw = yaw_between(share[None, :, None, None, None] * part[None], total[rows][None])
        part = yaw_rotation(yaw)[0] @ part
        total[rows] += share[:, None, None, None] * part
        turned.append(part)
    return torch.stack(turned)


def nearest_rotations(matrices: torch.Tensor) -> torch.Tensor:
    """Return the rotations (..., 3, 3) that lie nearest to matrices (..., 3, 3), least squares.

    Means of rotations that differ little are rotations nearly; a few steps of Newton and Schulz's iteration for the
    polar factor find them ten times faster than a singular value decomposition, which solves the rest.
    """
    shape, count = matrices.shape, matrices.shape[:-2].numel()
    # The nine numbers first: products of thousands of small matrices are then a few products of long rows.
    given = matrices.reshape(count, 3, 3).permute(1, 2, 0).contiguous()
    near = given
    for _ in range(POLAR_STEPS):
        near = 1.5 * near - 0.5 * _product(near, _product(near.transpose(0, 1), near))
    off = (_product(near.transpose(0, 1), near) - torch.eye(3, dtype=near.dtype)[..., None]).abs().amax((0, 1))
    determinant = (torch.linalg.cross(given[0], given[1], dim=0) * given[2]).sum(0)
    rest = ~(off < ORTHONORMAL) | (determinant <= 0)
    out = near.permute(2, 0, 1).contiguous()
    out[rest] = _nearest_by_decomposition(matrices.reshape(count, 3, 3)[rest])
    return out.reshape(shape)


def _product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the products (3, 3, n) of matrices (3, 3, n)."""
    return (a[:, :, None] * b[None]).sum(1)


def _nearest_by_decomposition(matrices: torch.Tensor) -> torch.Tensor:
    u, _, vt = torch.linalg.svd(matrices)
    sign = torch.linalg.det(u @ vt)
    scale = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], -1)
    return (u * scale[..., None, :]) @ vt


def interpolated(time: np.ndarray, answer: Blended, new_time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rotations (M, 22, 3, 3) and roots (M, 3) at times between the network's frames.

    Four frames with cubic weights, then the nearest rotation. An arc between two frames would cut the turning points
    of a movement by (2πf)² a / 5000 at 25 Hz: half a degree at 1.5 Hz and an amplitude of 30°.

    Parameters
    ----------
    time : (N,) seconds, of `answer`'s frames, N of at least 4
    new_time : (M,) seconds, within `time`
    """
    index, weight = cubic_weights(time, new_time)
    mixed = np.einsum("mk,mksij->msij", weight, answer.R_world_segment[index])
    known = np.isfinite(mixed).all((1, 2, 3))
    mixed[known] = nearest_rotations(torch.as_tensor(mixed[known])).numpy()
    return mixed, np.einsum("mk,mki->mi", weight, answer.root[index])


def _seen(signals: Signals) -> np.ndarray:
    """Return (N,) true where a recording (1, N, ...) has any point or sensor."""
    parts = [part[0] > 0 for part in (signals.confidence, signals.worn) if part is not None]
    return torch.cat(parts, dim=-1).any(-1).numpy()


def _cut(signals: Signals, frames: torch.Tensor) -> Signals:
    """Return the windows (B, W, ...) of a recording (1, N, ...), frames (B, W)."""
    parts = {f.name: getattr(signals, f.name) for f in fields(signals) if f.name != "stature"}
    windows = {name: None if part is None else part[0, frames] for name, part in parts.items()}
    stature = None if signals.stature is None else signals.stature.expand(len(frames))
    return replace(signals, **windows, stature=stature)


@torch.inference_mode()
def _answer(
    network: Callable[[Signals], Prediction], signals: Signals
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return rotations, root and shape of some windows, in double precision: what follows adds many of them up."""
    said = network(signals)
    return said.R_world_segment.double(), said.root.double(), said.shape.double()


def _added_up(values: torch.Tensor, frames: np.ndarray) -> torch.Tensor:
    """Return the sums (N, ...) over all windows (B, W, ...) of what they say of each frame."""
    total = torch.zeros(int(frames.max()) + 1, *values.shape[2:], dtype=values.dtype)
    return total.index_add(0, torch.as_tensor(frames).flatten(), values.flatten(0, 1))
