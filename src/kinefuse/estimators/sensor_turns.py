"""How the sensors of a recording turned, on one grid: from the devices, or from their readings by VQF, or from both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from kinefuse.body.certainty import LONGEST_BRIDGE_S
from kinefuse.conventions import INFERRED, INTERPOLATED, MEASURED
from kinefuse.errors import KinefuseError
from kinefuse.inertial.orientation import FEWEST_SAMPLES, estimate_orientation
from kinefuse.inertial.resampling import LONGEST_GAP_S
from kinefuse.inertial.sampling import single_step
from kinefuse.recordings import Imu
from kinefuse.rotations import matrix_from_rotvec, slerp_matrices

WORLD_FROM_REF: Final = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""A device's global frame (Z up) in a world of its own heading (Y up)."""


@dataclass(frozen=True)
class SensorTurns:
    """Orientations of N sensors at T times.

    Attributes
    ----------
    sensors : in the order of `conventions.IMU_SITES`
    time : (T,) seconds
    R_own_sensor : (T, N, 3, 3) sensor to a world with Y up, whose heading is the sensor's own
    provenance : (T, N) of `conventions.PROVENANCE`; where it is inferred, nothing was read for longer than 0.5 s, and
        the orientation is drawn along the shortest arc
    """

    sensors: tuple[Imu, ...]
    time: np.ndarray
    R_own_sensor: np.ndarray
    provenance: np.ndarray

    @property
    def segments(self) -> tuple[str, ...]:
        """Names of the segments that the sensors are on, (N,)."""
        return tuple(imu.segment for imu in self.sensors)

    @property
    def R_own_segment(self) -> np.ndarray:
        """Orientations (T, N, 3, 3) of the segments under the sensors; an unknown mounting is along the segment."""
        mountings = [np.eye(3) if imu.R_segment_sensor is None else imu.R_segment_sensor for imu in self.sensors]
        return self.R_own_sensor @ np.swapaxes(mountings, -1, -2)


def turns_of(sensors: Sequence[Imu], time: np.ndarray, estimator: str) -> SensorTurns:
    """Return how sensors turned at times (T,).

    Raises
    ------
    KinefuseError
        If one of them has neither two orientations, nor two samples of specific force and angular rate.
    """
    used = [imu if _tells_orientation(imu) else replace(imu, R_ref_sensor=None, R_world_ref=None) for imu in sensors]
    R, provenance = zip(*(_on_grid(imu, time, estimator) for imu in used), strict=True)
    return SensorTurns(tuple(used), time, np.stack(R, axis=1), np.stack(provenance, axis=1))


def by_stretches(sensors: Sequence[Imu]) -> tuple[Imu, ...]:
    """Return sensors whose heading nobody tells cut where they read nothing for longer than 0.5 s.

    How a gyroscope turned meanwhile is unknown, so that after it the heading of its orientation is another one. A
    stretch of less than 0.5 s is left out, unless there is no other.
    """
    return tuple(part for imu in sensors for part in ([imu] if _tells_orientation(imu) else _stretches(imu)))


def _stretches(imu: Imu) -> list[Imu]:
    read = np.flatnonzero(np.isfinite(imu.specific_force).all(1) & np.isfinite(imu.angular_rate).all(1))
    breaks = np.flatnonzero(np.diff(imu.time[read]) > LONGEST_BRIDGE_S) + 1
    parts = [rows for rows in np.split(read, breaks) if len(rows) and np.ptp(imu.time[rows]) >= LONGEST_BRIDGE_S]
    if not len(breaks) or not parts:
        return [imu]
    return [imu.rows(slice(rows[0], rows[-1] + 1)) for rows in parts]


def _tells_orientation(imu: Imu) -> bool:
    """Return whether a device told its orientation; else it has no global frame whose heading could be known."""
    return imu.R_ref_sensor is not None and np.isfinite(imu.R_ref_sensor).all((1, 2)).sum() >= FEWEST_SAMPLES


def _on_grid(imu: Imu, time: np.ndarray, estimator: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the orientations (T, 3, 3) of a sensor in a world with Y up, and their provenance (T,)."""
    R = estimate_orientation(imu) if imu.R_ref_sensor is None else _without_gaps(imu, imu.R_ref_sensor)
    known = np.isfinite(R).all((1, 2))
    if known.sum() < FEWEST_SAMPLES:
        raise KinefuseError(
            f"{estimator} needs two orientations of sensor {imu.name} without half a second between them; there are "
            "none; leave the sensor out."
        )
    read, world = imu.time[known], WORLD_FROM_REF if imu.R_world_ref is None else imu.R_world_ref
    turned = world @ slerp_matrices(read, R[known], np.clip(time, read[0], read[-1]))
    return turned, _provenance(read, time)


def _without_gaps(imu: Imu, told: np.ndarray) -> np.ndarray:
    """Return a device's orientations (T, 3, 3), between those that it told by what its gyroscope read meanwhile.

    Some devices store an orientation now and then, or stop doing so. In gaps of more than 0.1 s with readings, VQF
    tells the orientation, turned about the vertical so that it agrees with the device before and after.
    """
    known = np.isfinite(told).all((1, 2))
    read = np.isfinite(imu.specific_force).all(1) & np.isfinite(imu.angular_rate).all(1)
    before = np.concatenate([[-np.inf], imu.time[known]])[np.cumsum(known)]
    after = np.concatenate([imu.time[known], [np.inf]])[np.cumsum(known) - known]
    lacking = read & ~known & (after - before > LONGEST_GAP_S)
    if not lacking.any() or not (read & known).any():
        return told
    own = estimate_orientation(imu)
    both = known & np.isfinite(own).all((1, 2))
    lacking &= np.isfinite(own).all((1, 2))
    if not both.any() or not lacking.any():
        return told
    turn = told[both] @ np.swapaxes(own[both], 1, 2)
    heading = np.unwrap(np.arctan2(turn[:, 1, 0] - turn[:, 0, 1], turn[:, 0, 0] + turn[:, 1, 1]))
    about_up = np.interp(imu.time[lacking], imu.time[both], heading)[:, None] * np.array([0.0, 0.0, 1.0])
    filled = told.copy()
    filled[lacking] = matrix_from_rotvec(about_up) @ own[lacking]
    return filled


def _provenance(read: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return how well times (T,) are known that lie between those of a sensor's samples (M,)."""
    # A device that tells its orientation once a second has measured nothing in between.
    step = min(single_step(np.diff(read)), LONGEST_GAP_S)
    after = np.searchsorted(read, time)
    since = time - np.concatenate([[-np.inf], read])[after]
    until = np.concatenate([read, [np.inf]])[after] - time
    lost = np.where(np.minimum(since, until) < 0.5 * step, 0.0, since + until)
    levels = np.where(lost <= LONGEST_BRIDGE_S, INTERPOLATED, INFERRED)
    return np.where(lost < 1.5 * step, MEASURED, levels).astype(np.uint8)
