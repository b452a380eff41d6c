"""Differences of joint angles by one rule for every method: wrapped, on the nearer branch, away from singularities.

Of the two ways to write one rotation as three angles, the one nearer to the truth is taken, frame by frame; frames in
which the estimate or the truth is within 15° of a joint's singularity are left out of that joint's three angles.
"""

from typing import Final

import numpy as np

from kinefuse.body.angles import is_near_singular, wrap
from kinefuse.conventions import COORDINATE_INDEX, IS_LENGTH
from kinefuse.metrics.angles import extent
from kinefuse.metrics.groups import ANGLE_TRIPLES

AT_REST: Final = 1e-6
"""A truth that moves by no more than this, radians or metres, has no variance to be explained."""


def angle_differences(estimate: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return estimate minus truth of every coordinate, and where a joint is near its singularity.

    The angles ``(a, b, c)`` and ``(a + π, π - b, c + π)`` (body-fixed, before signs) are the same rotation; of the two
    ways to write the estimate the one nearer to the truth is taken, in every frame.

    Parameters
    ----------
    estimate, truth : (T, C) in the order of `conventions.COORDINATES`

    Returns
    -------
    difference : (T, C) radians, wrapped to [-π, π), and metres; NaN where either is missing or near singular
    singular : (T, C) true where both are known, and either is near singular
    """
    difference = np.where(IS_LENGTH, estimate - truth, wrap(estimate - truth))
    singular = np.zeros(difference.shape, dtype=bool)
    for joint in ANGLE_TRIPLES:
        columns = [COORDINATE_INDEX[name] for name in joint.coordinates]
        difference[:, columns] = _nearer_branch(estimate[:, columns], truth[:, columns], joint.signs)
        near = is_near_singular(estimate, joint) | is_near_singular(truth, joint)
        singular[:, columns] = near[:, None] & np.isfinite(difference[:, columns])
    return np.where(singular, np.nan, difference), singular


def _nearer_branch(estimate: np.ndarray, truth: np.ndarray, signs: tuple[int, int, int]) -> np.ndarray:
    """Wrapped differences (T, 3) of the estimate's equivalent angles that are nearer to the truth."""
    turns = estimate * np.array(signs)
    other = np.stack([turns[:, 0] + np.pi, np.pi - turns[:, 1], turns[:, 2] + np.pi], axis=-1) * np.array(signs)
    here, there = wrap(estimate - truth), wrap(other - truth)
    nearer = np.abs(there).sum(1) < np.abs(here).sum(1)
    return np.where(nearer[:, None], there, here)


def range_away_from_singularity(angles: np.ndarray) -> np.ndarray:
    """Return how far each coordinate (T, C) moves, (C,), without frames near its singularity; NaN if unknown."""
    angles = angles.copy()
    for joint in ANGLE_TRIPLES:
        near = is_near_singular(angles, joint)
        for name in joint.coordinates:
            angles[near, COORDINATE_INDEX[name]] = np.nan
    return ranges(angles)


def ranges(coordinates: np.ndarray) -> np.ndarray:
    """Return how far each of the coordinates (T, C) moves, (C,), angles unwrapped; NaN without a value."""
    return np.array([extent(column, bool(length)) for column, length in zip(coordinates.T, IS_LENGTH, strict=True)])


def explained_share(difference: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the coefficient of determination of each coordinate over time, (C,): 1 is perfect, 0 is a constant guess.

    ``R² = 1 - Σ difference² / Σ (truth - its mean)²`` over the frames that were compared; negative where the truth's
    own mean would have been the better estimate, so it is no squared correlation.

    Parameters
    ----------
    difference : (T, C) of `angle_differences`
    truth : (T, C) radians and metres, unwrapped here

    Returns
    -------
    (C,) NaN where nothing was compared, or the truth rests
    """
    out = np.full(truth.shape[1], np.nan)
    for column in range(truth.shape[1]):
        known = np.isfinite(difference[:, column])
        values = truth[known, column] if IS_LENGTH[column] else np.unwrap(truth[known, column])
        if known.any() and np.ptp(values) > AT_REST:
            residual = np.sum(difference[known, column] ** 2)
            out[column] = 1.0 - residual / np.sum((values - values.mean()) ** 2)
    return out


def range_errors(difference: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the estimate's range of motion minus the truth's, (C,) radians and metres, over the compared frames.

    In every frame the estimate is on the branch nearer to the truth: jumps of one that is far off would otherwise
    add up to whole turns.

    Parameters
    ----------
    difference : (T, C) of `angle_differences`
    truth : (T, C)
    """
    compared = np.where(np.isnan(difference), np.nan, truth)
    return np.array([_range_error(*columns) for columns in zip(difference.T, compared.T, IS_LENGTH, strict=True)])


def _range_error(difference: np.ndarray, truth: np.ndarray, is_length: bool) -> float:
    known = np.isfinite(difference)
    if not known.any():
        return float("nan")
    reference = truth[known] if is_length else np.unwrap(truth[known])
    return float(np.ptp(reference + difference[known]) - np.ptp(reference))
