"""Orientation of a sensor from its own readings, by the filter VQF (Laidig and Seel 2023, `vqf` library).

The offline form looks at the whole recording, forwards and backwards: a gyroscope's integral, tilted to where gravity
is on average, with the gyroscope's bias estimated on the way. Without a magnetometer the heading begins anywhere and
drifts by what is left of the bias.
"""

from typing import Final

import numpy as np

from kinefuse.errors import KinefuseError
from kinefuse.inertial.sampling import single_step
from kinefuse.recordings import Imu
from kinefuse.rotations import geodesic_angle, matrix_from_quaternion, slerp_matrices

LONGEST_GAP_S: Final = 0.5
"""Readings are drawn straight across shorter gaps; after a longer one the filter begins anew."""

FEWEST_SAMPLES: Final = 2
EVEN_SHARE: Final = 0.01
"""Time stamps that deviate from whole steps by less than this share of a step are taken as they are."""


def estimate_orientation(imu: Imu, magnetometer: bool = False) -> np.ndarray:
    """Return how a sensor turned, R_ref_sensor (T, 3, 3), at its own time stamps.

    Parameters
    ----------
    imu : with specific force and angular rate; readings of NaN count as lost packets
    magnetometer : use it for the heading, which is then that from magnetic north

    Returns
    -------
    From the sensor's axes to a frame with Z up (with a magnetometer, X east and Y north). NaN where the sensor read
    nothing. After a gap of more than `LONGEST_GAP_S` the heading without a magnetometer is the one that makes the
    least turn of it.

    Raises
    ------
    KinefuseError
        If less than two samples are complete.
    """
    seen = _complete(imu, magnetometer)
    if seen.sum() < FEWEST_SAMPLES:
        wanted = (
            "specific force, angular rate and magnetic field" if magnetometer else "specific force and angular rate"
        )
        raise KinefuseError(f"The orientation of sensor {imu.name} needs two samples of {wanted}; there are none.")
    rows = np.flatnonzero(seen)
    breaks = np.flatnonzero(np.diff(imu.time[rows]) > LONGEST_GAP_S) + 1
    out = np.full((len(imu.time), 3, 3), np.nan)
    last: np.ndarray | None = None
    for stretch in np.split(rows, breaks):
        if len(stretch) < FEWEST_SAMPLES:
            continue
        R = _filtered(imu, stretch, magnetometer)
        if last is not None and not magnetometer:
            R = least_turn_about_up(last, R[0]) @ R
        out[stretch], last = R, R[-1]
    return out


def has_magnetometer(imu: Imu) -> bool:
    """Return true if a sensor has a magnetic field in at least half of its samples."""
    return imu.magnetic_field is not None and bool(np.isfinite(imu.magnetic_field).all(-1).mean() >= 0.5)


def least_turn_about_up(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) about Z that brings the orientation `after` closest to `before`, (3, 3) both."""
    product = before @ after.T
    angle = np.arctan2(product[1, 0] - product[0, 1], product[0, 0] + product[1, 1])
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def _complete(imu: Imu, magnetometer: bool) -> np.ndarray:
    """Return (T,) true where force and rate were read. A magnetic field may come at a lower rate, but must exist."""
    seen = np.isfinite(imu.specific_force).all(-1) & np.isfinite(imu.angular_rate).all(-1)
    return seen if not magnetometer or has_magnetometer(imu) else np.zeros_like(seen)


def _filtered(imu: Imu, rows: np.ndarray, magnetometer: bool) -> np.ndarray:
    """Return R_ref_sensor (n, 3, 3) at some rows (n,) without a long gap between them."""
    from vqf import offlineVQF

    time = imu.time[rows]
    step = single_step(np.diff(time))
    grid = _grid(time, step)
    rate, force = _read(time, imu.angular_rate[rows], grid), _read(time, imu.specific_force[rows], grid)
    field = None
    if magnetometer and imu.magnetic_field is not None:
        told = np.isfinite(imu.magnetic_field).all(-1)
        field = _read(imu.time[told], imu.magnetic_field[told], grid)
    result = offlineVQF(rate, force, field, step)
    R = matrix_from_quaternion(result["quat6D" if field is None else "quat9D"])
    return R if grid is time else slerp_matrices(grid, R, np.minimum(time, grid[-1]))


def _grid(time: np.ndarray, step: float) -> np.ndarray:
    """Return times of whole steps that cover `time`; itself if it is nearly that."""
    even = time[0] + step * np.arange(len(time))
    if np.abs(even - time).max() < EVEN_SHARE * step * np.sqrt(len(time)):
        return time
    return np.asarray(time[0] + step * np.arange(int(np.ceil((time[-1] - time[0]) / step - 1e-6)) + 1))


def _read(time: np.ndarray, values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return values (T, 3) at other times (N, 3), drawn straight between neighbours; contiguous, as VQF wants it."""
    if grid is time:
        return np.ascontiguousarray(values, dtype=float)
    return np.stack([np.interp(grid, time, column) for column in values.T], axis=1)


def orientation_change(R_ref_sensor: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the angle (T,) between two orientations (T, 3, 3) after the one turn about Z that suits them best."""
    product = np.nansum(R_ref_sensor @ np.swapaxes(other, -1, -2), axis=0)
    turn = least_turn_about_up(product, np.eye(3))
    return geodesic_angle(R_ref_sensor, turn @ other)
