"""One resampler for everything that a network sees: uneven time stamps and gaps to an even grid, without aliasing.

A measured stream has its own time stamps, loses packets and is NaN where nothing was seen; a network wants a low, even
rate. The filter is a windowed sinc that is evaluated at the real time stamps, symmetric and so without delay: -6 dB at
10 Hz, flat within 2 % up to 7 Hz, below 1 % from 13 Hz. It makes no difference whether a stream came from a device or
from a simulation; synthesis, training and inference all come through here. Sensors are filtered in their own axes.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

import numpy as np

from kinefuse.inertial.sampling import single_step

CUTOFF_HZ: Final = 10.0
HALF_WIDTH_S: Final = 0.2
KAISER_BETA: Final = 3.4
"""Suppresses what lies beyond the transition by 40 dB (Kaiser 1974)."""

INTERPOLATED_BELOW_HZ: Final = 27.5
"""A source as slow as the grid has nothing to alias; it is interpolated by cubics instead."""

LONGEST_GAP_S: Final = 0.1
"""Neighbouring samples this far apart are bridged by a straight line; across more, nothing is known."""

NEAR_S: Final = 0.02
"""Half a step of a grid of 25 Hz: a stream's first and last samples tell of grid times this far beyond them."""

ROUNDING_S: Final = 1e-6


@dataclass(frozen=True)
class Resampled:
    """Streams on a grid of N times.

    Attributes
    ----------
    values : (N, K, D), NaN where nothing is known
    bridged : (N, K) true where a value was filled over a short gap
    """

    values: np.ndarray
    bridged: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """(N, K) true where there is a value."""
        return np.isfinite(self.values).all(-1)


def even_grid(start: float, stop: float, rate_hz: float) -> np.ndarray:
    """Return times (N,) with steps of 1 / `rate_hz` that cover `start` to `stop`, seconds.

    What the last step has too much lies half before the start and half after the end, less than half a step each.
    """
    steps = int(np.ceil((stop - start) * rate_hz - 1e-3))
    overhang = steps / rate_hz - (stop - start)
    return start - overhang / 2 + np.arange(steps + 1) / rate_hz


def grid_within(start: float, stop: float, rate_hz: float) -> np.ndarray:
    """Return times (N,) with steps of 1 / `rate_hz` from `start` to `stop` at most, seconds; none if it is earlier."""
    return start + np.arange(int((stop - start) * rate_hz + 1e-6) + 1 if stop >= start else 0) / rate_hz


def resample(time: np.ndarray, values: np.ndarray, new_time: np.ndarray, cutoff_hz: float = CUTOFF_HZ) -> Resampled:
    """Low-pass streams and read them at other times.

    Parameters
    ----------
    time : (T,) increasing, seconds; lost packets may be rows of NaN or missing rows
    values : (T, K, D) K streams of D numbers each; a row with a NaN counts as missing in that stream
    new_time : (N,) increasing, seconds
    cutoff_hz : -6 dB point; the transition is 3 Hz wide on either side of it

    Returns
    -------
    `Resampled`: NaN across gaps of more than 0.1 s and beyond the ends.
    """
    out = np.full((len(new_time), *values.shape[1:]), np.nan)
    bridged = np.zeros(out.shape[:2], dtype=bool)
    seen = np.isfinite(values).all(-1)
    step = single_step(np.diff(time)) if len(time) > 1 else 2 * NEAR_S
    for streams in _alike(seen):
        pattern = seen[:, streams[0]]
        flat = values[np.ix_(pattern, streams)].reshape(int(pattern.sum()), len(streams) * values.shape[2])
        for stretch in _stretches(time[pattern], step):
            inside = _covered(time[pattern][stretch], new_time, step)
            read = _read(time[pattern][stretch], flat[stretch], new_time[inside], step, cutoff_hz)
            out[np.ix_(inside, streams)] = read.reshape(-1, len(streams), values.shape[2])
        bridged[:, streams] = _far_from(time[pattern], new_time, 0.5 * step + ROUNDING_S)[:, None]
    return Resampled(out, bridged & np.isfinite(out).all(-1))


def _alike(seen: np.ndarray) -> list[np.ndarray]:
    """Return the streams of (T, K) in groups that are seen at the same times, and so share a filter."""
    groups: dict[bytes, list[int]] = {}
    for stream, column in enumerate(np.packbits(seen, axis=0).T):
        groups.setdefault(column.tobytes(), []).append(stream)
    return [np.array(streams) for streams in groups.values()]


def low_pass_weights(
    time: np.ndarray, new_time: np.ndarray, cutoff_hz: float = CUTOFF_HZ
) -> tuple[np.ndarray, np.ndarray]:
    """Return the filter as rows of `time` (N, K) and their weights (N, K), which add up to one.

    Parameters
    ----------
    time : (T,) seconds, nearly even, without gaps
    new_time : (N,) seconds; within 0.2 s of an end the filter is one-sided
    """
    first = np.searchsorted(time, new_time - HALF_WIDTH_S)
    count = np.searchsorted(time, new_time + HALF_WIDTH_S, side="right") - first
    tap = np.arange(count.max(initial=1))
    index = np.minimum(first[:, None] + tap, len(time) - 1)
    lag = new_time[:, None] - time[index]
    weight = np.interp(np.abs(lag), *_kernel(cutoff_hz)) * np.gradient(time)[index]
    weight[tap >= count[:, None]] = 0.0
    return index, weight / weight.sum(1, keepdims=True)


@cache
def _kernel(cutoff_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Return one half of the windowed sinc as a table: lags (2000,) seconds and heights (2000,)."""
    share = np.linspace(0.0, 1.0, 2000)
    taper = np.i0(KAISER_BETA * np.sqrt(1.0 - share**2))
    return share * HALF_WIDTH_S, np.sinc(2 * cutoff_hz * HALF_WIDTH_S * share) * taper


def cubic_weights(time: np.ndarray, new_time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of `time` (N, 4) and their weights (N, 4) in the cubic through the four nearest (Lagrange).

    Parameters
    ----------
    time : (T,) seconds, T of at least 4
    new_time : (N,) seconds
    """
    first = np.clip(np.searchsorted(time, new_time, side="right") - 2, 0, len(time) - 4)
    index = first[:, None] + np.arange(4)
    weight = np.ones(index.shape)
    for i in range(4):
        for j in range(4):
            if i != j:
                weight[:, i] *= (new_time - time[index[:, j]]) / (time[index[:, i]] - time[index[:, j]])
    return index, weight


def _stretches(time: np.ndarray, step: float) -> list[slice]:
    """Return the slices of (T,) between gaps that are too long to bridge."""
    longest = max(LONGEST_GAP_S, 1.5 * step) + ROUNDING_S
    if not len(time):
        return []
    bounds = [0, *(np.flatnonzero(np.diff(time) > longest) + 1), len(time)]
    return [slice(int(a), int(b)) for a, b in pairwise(bounds)]


def _covered(time: np.ndarray, new_time: np.ndarray, step: float) -> np.ndarray:
    """Return the rows of `new_time` of which a stretch tells."""
    beyond = max(NEAR_S, 0.5 * step) + ROUNDING_S
    return np.flatnonzero((new_time >= time[0] - beyond) & (new_time <= time[-1] + beyond))


def _far_from(time: np.ndarray, new_time: np.ndarray, distance: float) -> np.ndarray:
    """Return (N,) true where no sample lies within `distance`."""
    if not len(time):
        return np.ones(len(new_time), dtype=bool)
    after = np.clip(np.searchsorted(time, new_time), 0, len(time) - 1)
    before = np.maximum(after - 1, 0)
    return np.minimum(np.abs(time[after] - new_time), np.abs(time[before] - new_time)) > distance


def _read(time: np.ndarray, values: np.ndarray, new_time: np.ndarray, step: float, cutoff_hz: float) -> np.ndarray:
    """Return one stretch (T, D) at new times, (N, D)."""
    if len(time) == 1:
        return np.repeat(values, len(new_time), axis=0)
    time, values = _extended(*_without_gaps(time, values, step), step)
    slow = 1.0 / step < INTERPOLATED_BELOW_HZ
    index, weight = cubic_weights(time, new_time) if slow else low_pass_weights(time, new_time, cutoff_hz)
    return np.einsum("nk,nkd->nd", weight, values[index])


def _without_gaps(time: np.ndarray, values: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Put rows on a straight line where packets are missing, so that the filter's taps lie evenly."""
    counts = np.maximum(np.rint(np.diff(time) / step), 1).astype(int)
    if (counts == 1).all():
        return time, values
    row = np.concatenate([[0], np.cumsum(counts)])
    whole = np.interp(np.arange(row[-1] + 1), row, time)
    return whole, np.stack([np.interp(whole, time, column) for column in values.T], axis=1)


def _extended(time: np.ndarray, values: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Turn a stretch about both of its end points, so that the filter keeps the slope there."""
    more = int(np.ceil((HALF_WIDTH_S + NEAR_S) / step)) + 2
    return (
        np.pad(time, more, mode="reflect", reflect_type="odd"),
        np.pad(values, ((more, more), (0, 0)), mode="reflect", reflect_type="odd"),
    )
