"""Pure functions on angles over time: wrapping, errors, offsets, extents. NaN is missing, never zero."""

from typing import Final

import numpy as np

from kinefuse.body.angles import wrap
from kinefuse.errors import KinefuseError

LONGEST_STEP: Final = 4.0
"""Nothing is interpolated across a step of time this many times as long as the median step."""


def rmse(error: np.ndarray, axis: int = 0) -> np.ndarray:
    """Return the root mean square of errors along an axis, in their unit; NaN values are left out.

    NaN where no value is left.
    """
    error = np.asarray(error, dtype=float)
    return np.sqrt(mean_of_valid(error * error, axis))


def mean_of_valid(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Return the mean of the values that are not NaN along an axis; NaN where there is none."""
    values = np.asarray(values, dtype=float)
    valid = np.isfinite(values)
    count = valid.sum(axis)
    total = np.where(valid, values, 0.0).sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def median_offset(difference: np.ndarray) -> np.ndarray:
    """Return the constant offset of each column of differences of angles, (C,) radians in [-π, π).

    The median of the differences about their circular mean, so that an offset near ±180° is found as well.

    Parameters
    ----------
    difference : (T, C) radians; NaN is left out
    """
    difference = np.asarray(difference, dtype=float)
    centre = np.arctan2(mean_of_valid(np.sin(difference)), mean_of_valid(np.cos(difference)))
    return wrap(centre + median_of_valid(wrap(difference - centre)))


def median_of_valid(values: np.ndarray) -> np.ndarray:
    """Return the median over time of each column, (C,), of values (T, C); NaN where a column has none."""
    out = np.full(values.shape[1], np.nan)
    seen = np.isfinite(values).any(axis=0)
    if seen.any():
        out[seen] = np.nanmedian(values[:, seen], axis=0)
    return out


def interpolate_angles(time: np.ndarray, angles: np.ndarray, new_time: np.ndarray) -> np.ndarray:
    """Interpolate angles linearly the short way round.

    Parameters
    ----------
    time : (T,) increasing, seconds
    angles : (T, C) radians
    new_time : (N,) seconds

    Returns
    -------
    (N, C) radians, not wrapped; NaN outside of `time` and where a neighbour is NaN.
    """
    left, right, weight = neighbours(time, new_time)
    out = angles[left] + np.where(weight[:, None] > 0, weight[:, None] * wrap(angles[right] - angles[left]), 0.0)
    out[np.isnan(weight)] = np.nan
    return out


def interpolate_values(time: np.ndarray, values: np.ndarray, new_time: np.ndarray) -> np.ndarray:
    """Interpolate values (T, ...) linearly to (N, ...); NaN outside of `time` and where a neighbour is NaN."""
    left, right, weight = neighbours(time, new_time)
    share = weight.reshape(-1, *(1,) * (values.ndim - 1))
    out = values[left] + np.where(share > 0, share * (values[right] - values[left]), 0.0)
    out[np.isnan(weight)] = np.nan
    return out


def neighbours(time: np.ndarray, new_time: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the indices of the samples before and after each new time, and the weight of the later one.

    All are (N,); the weight is NaN outside of `time` and within a gap of it (`longer_than_usual`).
    """
    last = len(time) - 1
    left = np.clip(np.searchsorted(time, new_time, side="right") - 1, 0, last)
    right = np.minimum(left + 1, last)
    span = np.where(right > left, time[right] - time[left], 1.0)
    weight = (new_time - time[left]) / span
    outside = (new_time < time[0]) | (new_time > time[-1])
    return left, right, np.where(outside | longer_than_usual(time, new_time), np.nan, weight)


def longer_than_usual(time: np.ndarray, new_time: np.ndarray) -> np.ndarray:
    """Return (N,) true where a new time lies strictly within a step of `time` (T,) of over four median steps."""
    if len(time) < 3:
        return np.zeros(len(new_time), dtype=bool)
    steps = np.diff(time)
    left = np.clip(np.searchsorted(time, new_time, side="right") - 1, 0, len(steps) - 1)
    within = (new_time > time[left]) & (new_time < time[left + 1])
    return within & (steps[left] > LONGEST_STEP * np.median(steps))


def overlap(time: np.ndarray, truth_time: np.ndarray) -> np.ndarray:
    """Return (T,) true for the times that lie within `truth_time`, seconds.

    Raises
    ------
    KinefuseError
        If there is none.
    """
    inside = (time >= truth_time[0]) & (time <= truth_time[-1]) if len(time) and len(truth_time) else np.array([False])
    if not inside.any():
        spans = [f"{t[0]:.2f} to {t[-1]:.2f} s" if len(t) else "no frame at all" for t in (time, truth_time)]
        raise KinefuseError(
            f"The two motions do not overlap in time: {spans[0]} and {spans[1]}; bring them to one clock."
        )
    return inside


def extent(values: np.ndarray, is_length: bool = False) -> float:
    """Return how far values (T,) reach from the least to the greatest, angles unwrapped; NaN without a value."""
    values = values[np.isfinite(values)]
    if not values.size:
        return float("nan")
    return float(np.ptp(values if is_length else np.unwrap(values)))
