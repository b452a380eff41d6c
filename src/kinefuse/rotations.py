"""Rotations on NumPy arrays of any leading shape; matrices inside, quaternions only at files.

Thin, NaN-keeping wrappers around `scipy.spatial.transform.Rotation`, which itself refuses NaN. The PyTorch side
uses `roma`.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from scipy.spatial.transform import Rotation

UNIT_TOLERANCE: Final = 0.05
"""By how much the length of a quaternion in a file may differ from one: rounding stays far below, scaling above."""


def is_unit_quaternion(quaternion_wxyz: np.ndarray) -> np.ndarray:
    """Return whether quaternions (..., 4) have a length of one within `UNIT_TOLERANCE`, (...) bool; NaN has not."""
    return np.asarray(np.abs(np.linalg.norm(quaternion_wxyz, axis=-1) - 1.0) < UNIT_TOLERANCE)


def _map_valid(
    function: Callable[[np.ndarray], np.ndarray], values: np.ndarray, core: int, shape_out: tuple[int, ...]
) -> np.ndarray:
    """Apply `function` to the items that are finite and leave NaN elsewhere."""
    values = np.asarray(values, dtype=float)
    lead = values.shape[: values.ndim - core]
    flat = values.reshape((-1, *values.shape[values.ndim - core :]))
    valid = np.isfinite(flat).all(axis=tuple(range(1, core + 1)))
    out = np.full((len(flat), *shape_out), np.nan)
    if valid.any():
        out[valid] = function(flat[valid])
    return out.reshape(lead + shape_out)


def matrix_from_quaternion(quaternion_wxyz: np.ndarray) -> np.ndarray:
    """Return rotation matrices (..., 3, 3) for scalar-first quaternions (..., 4); they need not be unit.

    A zero or non-finite quaternion gives NaN.
    """
    quaternion_wxyz = np.array(quaternion_wxyz, dtype=float)
    norm = np.linalg.norm(quaternion_wxyz, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = np.where(norm > 1e-9, quaternion_wxyz / norm, np.nan)
    return _map_valid(lambda q: Rotation.from_quat(q, scalar_first=True).as_matrix(), unit, 1, (3, 3))


def quaternion_from_matrix(matrix: np.ndarray) -> np.ndarray:
    """Return scalar-first unit quaternions (..., 4), w >= 0, for rotation matrices (..., 3, 3)."""
    return _map_valid(lambda m: Rotation.from_matrix(m).as_quat(canonical=True, scalar_first=True), matrix, 2, (4,))


def matrix_from_rotvec(rotvec: np.ndarray) -> np.ndarray:
    """Return rotation matrices (..., 3, 3) for rotation vectors (..., 3) in radians."""
    return _map_valid(lambda r: Rotation.from_rotvec(r).as_matrix(), rotvec, 1, (3, 3))


def rotvec_from_matrix(matrix: np.ndarray) -> np.ndarray:
    """Return rotation vectors (..., 3) in radians, at most π long, for rotation matrices (..., 3, 3)."""
    return _map_valid(lambda m: Rotation.from_matrix(m).as_rotvec(), matrix, 2, (3,))


def matrix_from_euler(sequence: str, angles: np.ndarray) -> np.ndarray:
    """Return rotation matrices (..., 3, 3) from three body-fixed angles (..., 3) in radians.

    Parameters
    ----------
    sequence
        Axes in the order applied, body-fixed, as capital letters: ``"ZXY"`` means Rz Rx Ry.
    angles
        In the order of `sequence`.
    """
    return _map_valid(lambda a: Rotation.from_euler(sequence, a).as_matrix(), angles, 1, (3, 3))


def geodesic_angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the angle of the rotation that leads from `a` to `b`, shape (...), radians in [0, π].

    `a` and `b` are rotation matrices (..., 3, 3). Accurate near 0 and π, where the trace formula alone is not.
    """
    relative = np.swapaxes(a, -1, -2) @ b
    axial = np.stack(
        [
            relative[..., 2, 1] - relative[..., 1, 2],
            relative[..., 0, 2] - relative[..., 2, 0],
            relative[..., 1, 0] - relative[..., 0, 1],
        ],
        axis=-1,
    )
    sine = 0.5 * np.linalg.norm(axial, axis=-1)
    cosine = 0.5 * (np.trace(relative, axis1=-2, axis2=-1) - 1.0)
    return np.arctan2(sine, cosine)


def yaw_matrix(angle: np.ndarray | float) -> np.ndarray:
    """Return the rotation (..., 3, 3) by `angle` radians about world up (Y)."""
    angle = np.asarray(angle, dtype=float)
    return matrix_from_rotvec(angle[..., None] * np.array([0.0, 1.0, 0.0]))


def nearest_yaw(matrix: np.ndarray) -> float:
    """Return the angle, radians, about world up (Y) of the turn that is nearest to a matrix (3, 3).

    Of a sum of rotations it is the one angle that is, in the least-squares sense, nearest to all of them.
    """
    return float(np.arctan2(matrix[0, 2] - matrix[2, 0], matrix[0, 0] + matrix[2, 2]))


def slerp_matrices(time: np.ndarray, matrices: np.ndarray, new_time: np.ndarray) -> np.ndarray:
    """Interpolate rotations along the shortest arc between neighbouring samples.

    Parameters
    ----------
    time : (T,) increasing, seconds
    matrices : (T, ..., 3, 3); samples that are NaN make their surroundings NaN
    new_time : (N,) seconds; outside of `time` the result is NaN

    Returns
    -------
    (N, ..., 3, 3)
    """
    time, new_time = np.asarray(time, float), np.asarray(new_time, float)
    right = np.clip(np.searchsorted(time, new_time, side="right"), 1, len(time) - 1)
    left = right - 1
    weight = (new_time - time[left]) / (time[right] - time[left])
    start, end = matrices[left], matrices[right]
    step = rotvec_from_matrix(np.swapaxes(start, -1, -2) @ end)
    weight_b = weight.reshape((-1,) + (1,) * (step.ndim - 1))
    out = start @ matrix_from_rotvec(step * weight_b)
    out[(new_time < time[0]) | (new_time > time[-1])] = np.nan
    return out
