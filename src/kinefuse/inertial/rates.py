"""The angular rate of a sensor: what its gyroscope measured, or what follows from its orientation."""

import numpy as np

from kinefuse.inertial.resampling import LONGEST_GAP_S
from kinefuse.recordings import Imu
from kinefuse.rotations import rotvec_from_matrix


def has_rate(imu: Imu) -> bool:
    """Return whether a gyroscope measured anything."""
    return bool(np.isfinite(imu.angular_rate).all(-1).any())


def angular_rate_of(imu: Imu) -> tuple[np.ndarray, np.ndarray]:
    """Return times (T,) and angular rate (T, 1, 3) rad/s, sensor axes: the measured one, or that between orientations.

    All is NaN where the sensor has neither.
    """
    if has_rate(imu) or imu.R_ref_sensor is None:
        return imu.time, imu.angular_rate[:, None]
    return rate_from_orientation(imu.time, imu.R_ref_sensor)


def rate_from_orientation(time: np.ndarray, R_ref_sensor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean angular rates (K - 1, 1, 3) rad/s, sensor axes, between orientations, and their times (K - 1,).

    A constant turn has the same axis in the frames before and after it, so nothing is approximated but its constancy.
    Across gaps of more than 0.1 s the rate is NaN.

    Parameters
    ----------
    time : (T,) seconds
    R_ref_sensor : (T, 3, 3); K of them are known, the others NaN. With less than two the rate is NaN at all T times
    """
    known = np.isfinite(R_ref_sensor).all((1, 2))
    if known.sum() < 2:
        return time, np.full((len(time), 1, 3), np.nan)
    time, R_ref_sensor = time[known], R_ref_sensor[known]
    step = np.diff(time)
    turn = rotvec_from_matrix(np.swapaxes(R_ref_sensor[:-1], 1, 2) @ R_ref_sensor[1:])
    turn[step > LONGEST_GAP_S] = np.nan
    return 0.5 * (time[1:] + time[:-1]), (turn / step[:, None])[:, None]
