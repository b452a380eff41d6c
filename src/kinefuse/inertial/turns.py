"""Whether a gyroscope explains how gravity turns in the sensor frame.

Between two still moments the accelerometer sees gravity turn by what the gyroscope integrates to, whatever happens
between them. A wrong unit or sign of the gyroscope predicts another direction, so the two can be told apart without any
reference. The accelerometer's own unit and sign do not matter.
"""

from typing import Final

import numpy as np

from kinefuse.inertial.sampling import single_step
from kinefuse.rotations import matrix_from_rotvec, rotvec_from_matrix

SCALES: Final = (1.0, -1.0, np.pi / 180.0, -np.pi / 180.0)
"""What the gyroscope's values may have to be multiplied by to be rad/s in the accelerometer's axes."""

LAG_S: Final = 1.0
"""Time between the two moments: long enough to turn, too short for a bias to matter."""

STILL_S: Final = 0.1
STILL_SHARE: Final = 0.05
"""A moment is still if the specific force differs by no more than this share of its usual size."""

APART: Final = np.deg2rad(20.0)
"""Two scales can be told apart where their predictions differ by more than this."""

FASTEST_SLOW: Final = 30.0
"""Values that never exceed this are taken to be rad/s: no movement worth recording is slower than 30 deg/s."""

AGREES: Final = np.deg2rad(12.0)
STANDSTILL: Final = 1e-6
"""Below this much turning in all there is nothing to compare."""

SURE: Final = 0.7
"""Correlation between gyroscope and orientation from which on their sizes are compared."""

FEWEST_MOMENTS: Final = 10
MOST_MOMENTS: Final = 400


def better_scale(time: np.ndarray, specific_force: np.ndarray, angular_rate: np.ndarray) -> float:
    """Return the one of `SCALES` by which the gyroscope explains gravity clearly better than as it is; else 1.

    Parameters
    ----------
    time : (T,) seconds
    specific_force : (T, 3), any unit
    angular_rate : (T, 3), rad/s if its unit is right
    """
    gravity, predicted = _predictions(time, specific_force, angular_rate)
    fastest = float(np.nan_to_num(np.linalg.norm(angular_rate, axis=1)).max(initial=0.0))
    as_it_is = predicted[:, 0]
    best, least = 1.0, np.inf
    for scale, other in zip(SCALES[1:], np.moveaxis(predicted, 1, 0)[1:], strict=True):
        telling = _angle(as_it_is, other) > APART
        too_slow = abs(scale) < 1.0 and not fastest > FASTEST_SLOW
        if too_slow or telling.sum() < FEWEST_MOMENTS:
            continue
        own = float(np.median(_angle(as_it_is[telling], gravity[telling])))
        its = float(np.median(_angle(other[telling], gravity[telling])))
        if its < min(AGREES, 0.4 * own, least):
            best, least = scale, its
    return best


def scale_by_orientation(time: np.ndarray, R_ref_sensor: np.ndarray, angular_rate: np.ndarray) -> float:
    """Return the one of `SCALES` by which the gyroscope explains the device's own orientation; NaN if none does.

    Parameters
    ----------
    time : (T,) seconds
    R_ref_sensor : (T, 3, 3) sensor to a fixed frame
    angular_rate : (T, 3), rad/s in the sensor's axes if its unit is right
    """
    step = np.diff(time)
    turned = rotvec_from_matrix(np.swapaxes(R_ref_sensor[:-1], 1, 2) @ R_ref_sensor[1:]) / step[:, None]
    rate = 0.5 * (angular_rate[1:] + angular_rate[:-1])
    good = np.isfinite(turned).all(axis=1) & np.isfinite(rate).all(axis=1)
    good &= step < 1.5 * np.median(step) if len(step) else good
    x, y = rate[good].ravel(), turned[good].ravel()
    length_x, length_y = float(np.linalg.norm(x)), float(np.linalg.norm(y))
    if good.sum() < FEWEST_MOMENTS or min(length_x, length_y) < STANDSTILL:
        return float("nan")
    correlation = float(x @ y) / (length_x * length_y)
    size = float(np.copysign(length_y / length_x, correlation))
    near = [scale for scale in SCALES if 0.5 < size / scale < 2.0]
    return near[0] if near and abs(correlation) > SURE else float("nan")


def _predictions(time: np.ndarray, force: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the measured direction of gravity (N, 3) at N still moments, and those predicted from `LAG_S` before.

    Predictions are (N, scale, 3), by integrating the angular rate times each of `SCALES`.
    """
    nothing = np.empty((0, 3)), np.empty((0, len(SCALES), 3))
    if len(time) < 2:
        return nothing
    step = single_step(np.diff(time))
    lag, half = max(1, round(LAG_S / step)), max(1, round(0.5 * STILL_S / step))
    moments = _still_pairs(time, force, rate, lag, half, step)
    if len(moments) == 0:
        return nothing
    direction = _unit(force)
    vectors = np.repeat(direction[moments][:, None], len(SCALES), axis=1)
    scales = np.array(SCALES)[None, :, None]
    for ahead in range(lag):
        row = moments + ahead
        turn = 0.5 * (rate[row] + rate[row + 1]) * (time[row + 1] - time[row])[:, None]
        back = matrix_from_rotvec(-scales * turn[:, None])
        vectors = np.einsum("nsij,nsj->nsi", back, vectors)
    return direction[moments + lag], vectors


def _still_pairs(time: np.ndarray, force: np.ndarray, rate: np.ndarray, lag: int, half: int, step: float) -> np.ndarray:
    """Return rows (N,) at which the sensor is still, and still again `lag` rows later, with nothing lost between.

    Those between which the sensor turns most, at most `MOST_MOMENTS` of them.
    """
    size = np.linalg.norm(force, axis=1)
    good = np.isfinite(size) & np.isfinite(rate).all(axis=1)
    if good.sum() < 2 * half + 1 + lag:
        return np.empty(0, dtype=int)
    usual = float(np.median(size[good]))
    ragged = np.flatnonzero(~(good & (np.abs(size - usual) < STILL_SHARE * usual)))
    still = np.ones(len(time), dtype=bool)
    still[:half] = still[len(time) - half :] = False
    for shift in range(-half, half + 1):
        rows = ragged + shift
        still[rows[(rows >= 0) & (rows < len(time))]] = False
    lost = np.concatenate([[0], np.cumsum((np.diff(time) > 1.5 * step) | ~good[1:])])
    first = np.arange(len(time) - lag)
    pairs = first[still[first] & still[first + lag] & (lost[first] == lost[first + lag])]
    swept = np.concatenate([np.zeros((1, 3)), np.cumsum(np.nan_to_num(rate[1:]) * np.diff(time)[:, None], axis=0)])
    turned = np.linalg.norm(swept[pairs + lag] - swept[pairs], axis=1)
    return pairs[np.argsort(-turned, kind="stable")[:MOST_MOMENTS]]


def _unit(vectors: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the angle between unit vectors (..., 3), radians."""
    return 2.0 * np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1))
