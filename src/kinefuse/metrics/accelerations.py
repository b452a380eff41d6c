"""How jittery a motion is: the accelerations of its joints against the truth's.

A smooth estimate that is a little off has a small error, a trembling one that is right on average a large error, which
neither angles nor distances tell apart (Kanazawa et al. 2019, "Learning 3D Human Dynamics from Video").
"""

from typing import Final

import numpy as np

from kinefuse.metrics.angles import LONGEST_STEP

STEP_S: Final = 0.04
"""Seconds between the samples of a second difference, whatever the rates: 25 a second, as in most papers. At the 60 to
120 frames a second of motion capture its own noise of half a millimetre would be larger than what methods differ by."""


def acceleration_errors(
    time: np.ndarray, positions: np.ndarray, truth_time: np.ndarray, truth_positions: np.ndarray
) -> np.ndarray:
    """Return how far the joints' accelerations are off at every time of the estimate, (T, J) m/s².

    The root's is taken in the world, those of all others relative to the root, so that a method which knows no place
    is judged by the same number as one that does.

    Parameters
    ----------
    time : (T,) seconds, the estimate's
    positions : (T, J, 3) metres, joint 0 the root
    truth_time : (N,) seconds
    truth_positions : (N, J, 3)

    Returns
    -------
    (T, J), NaN within `STEP_S` of either's ends and gaps, and where a position is missing
    """
    difference = accelerations(time, positions, time) - accelerations(truth_time, truth_positions, time)
    difference[:, 1:] -= difference[:, :1]
    return np.asarray(np.linalg.norm(difference, axis=-1))


def accelerations(time: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return ``(x(t + h) - 2 x(t) + x(t - h)) / h²``, h being `STEP_S`, of values over time.

    Between samples, values follow a cubic: straight lines have no acceleration, and corners between.

    Parameters
    ----------
    time : (T,) increasing, seconds
    values : (T, ...)
    at : (N,) seconds

    Returns
    -------
    (N, ...) of their unit per square second; NaN as in `interpolate_cubic`
    """
    before, here, after = (interpolate_cubic(time, values, at + shift) for shift in (-STEP_S, 0.0, STEP_S))
    return (after - 2.0 * here + before) / STEP_S**2


def interpolate_cubic(time: np.ndarray, values: np.ndarray, new_time: np.ndarray) -> np.ndarray:
    """Interpolate values by the cubic through the four nearest samples (Lagrange's form).

    Parameters
    ----------
    time : (T,) increasing, seconds
    values : (T, ...)
    new_time : (N,) seconds

    Returns
    -------
    (N, ...), exact at the samples; NaN outside of `time`, where one of the four samples is missing, and next to gaps
    of `time`
    """
    out = np.full((len(new_time), *values.shape[1:]), np.nan)
    if len(time) < 4 or not len(new_time):
        return out
    first = np.clip(np.searchsorted(time, new_time, side="right") - 2, 0, len(time) - 4)
    nodes = first[:, None] + np.arange(4)
    weights = _lagrange_weights(time[nodes], new_time)
    outside = (new_time < time[0]) | (new_time > time[-1])
    gap = np.diff(time[nodes], axis=1).max(1) > LONGEST_STEP * np.median(np.diff(time))
    between = (time[nodes] != new_time[:, None]).all(1)
    weights[outside | (gap & between)] = np.nan
    terms = weights.reshape(*weights.shape, *(1,) * (values.ndim - 1)) * values[nodes]
    unused = (weights == 0.0).reshape(terms.shape[:2] + (1,) * (values.ndim - 1))
    return np.asarray(np.where(unused, 0.0, terms).sum(1))


def _lagrange_weights(nodes: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Weights (N, 4) of the values at nodes (N, 4) in the cubic's value at (N,)."""
    weights = np.ones_like(nodes)
    for i in range(4):
        for j in range(4):
            if i != j:
                weights[:, i] *= (at - nodes[:, j]) / (nodes[:, i] - nodes[:, j])
    return weights
