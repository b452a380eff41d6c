"""The inertial sensors of a recording as an estimator sees them: one a site, on one grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.body.certainty import bridged
from kinefuse.conventions import IMU_SITES, INFERRED, INTERPOLATED, MEASURED, SEGMENT_INDEX, SEGMENTS
from kinefuse.errors import KinefuseError
from kinefuse.inertial.checks import little_together
from kinefuse.inertial.mounting import PoseMounting, mount_by_pose
from kinefuse.inertial.rates import angular_rate_of, has_rate
from kinefuse.inertial.resampling import grid_within, resample
from kinefuse.inertial.sampling import single_step
from kinefuse.recordings import HeldPose, Imu

FASTEST_OUTPUT_HZ: Final = 100.0

NO_FORCE: Final = 1.0
"""m/s² that an accelerometer which works exceeds at some time, falling people included."""

TURNING: Final = 2.0
"""rad/s at which gravity must change in the axes of a sensor."""


@dataclass(frozen=True)
class Worn:
    """Sensors that an estimator can use, and what has to be said of the others.

    Attributes
    ----------
    sensors : at most one a site, in the order of `conventions.IMU_SITES`
    notes
    """

    sensors: tuple[Imu, ...]
    notes: tuple[str, ...]


def usable_sensors(
    imus: Sequence[Imu], estimator: str, poses: Sequence[HeldPose] = (), orientation_is_enough: bool = False
) -> Worn:
    """Choose one sensor for each of the 13 sites, and find how it is mounted if a pose was held.

    Parameters
    ----------
    imus
    estimator : name of who asks, for the sentence
    poses
    orientation_is_enough : whether a sensor may do without specific force if its device tells its orientation

    Raises
    ------
    KinefuseError
        If none can be used.
    """
    by_site = {site: [imu for imu in imus if imu.segment == site] for site in IMU_SITES}
    mute = [i for there in by_site.values() for i in there if not _is_able(i, orientation_is_enough)]
    able = {site: [i for i in there if _is_able(i, orientation_is_enough)] for site, there in by_site.items()}
    chosen = tuple(there[0] for there in able.values() if there)
    if not chosen:
        raise KinefuseError(
            f"{estimator} needs inertial sensors with {_signals(orientation_is_enough)}, on at least one of "
            f"{', '.join(IMU_SITES)}; this recording has {'none' if not imus else f'{len(imus)} others'}."
        )
    notes = [
        _left_out([i for i in imus if i.segment not in IMU_SITES], "their segments are none of the 13 sites"),
        _left_out(mute, "their signals are missing or stuck"),
        _left_out([i for there in able.values() for i in there[1:]], "another one is on the same segment"),
        _derived([i for i in chosen if not has_rate(i) and not orientation_is_enough]),
        _not_worn(chosen),
    ]
    mounted, told = _mounted(chosen, poses)
    return Worn(mounted, tuple(note for note in (*notes, *told) if note))


def has_signals(imu: Imu) -> bool:
    """Return true if a sensor has specific force, and angular rate or at least its orientation.

    Without an orientation of the device, an accelerometer that reads nothing, or the same while the sensor turns, tells
    no vertical.
    """
    force = np.isfinite(imu.specific_force).all(-1).sum() > 1
    return bool(force and (has_orientation(imu) or (has_rate(imu) and not _is_dead(imu))))


def _is_dead(imu: Imu) -> bool:
    force = imu.specific_force[np.isfinite(imu.specific_force).all(-1)]
    turning = float(np.nan_to_num(np.linalg.norm(imu.angular_rate, axis=-1)).max(initial=0.0))
    stuck = bool((np.ptp(force, axis=0) == 0.0).all()) and turning > TURNING
    return stuck or float(np.linalg.norm(force, axis=-1).max(initial=0.0)) < NO_FORCE


def has_orientation(imu: Imu) -> bool:
    """Return true if a sensor's device tells its orientation, at two times at least."""
    return imu.R_ref_sensor is not None and bool(np.isfinite(imu.R_ref_sensor).all((1, 2)).sum() > 1)


def _is_able(imu: Imu, orientation_is_enough: bool) -> bool:
    return has_signals(imu) or (orientation_is_enough and has_orientation(imu))


def _signals(orientation_is_enough: bool) -> str:
    if orientation_is_enough:
        return "orientation, or specific force and angular rate"
    return "specific force, and angular rate or orientation"


def _left_out(imus: Sequence[Imu], why: str) -> str:
    return f"Sensors {', '.join(imu.name for imu in imus)} are not used: {why}." if imus else ""


def _derived(imus: Sequence[Imu]) -> str:
    names = ", ".join(imu.name for imu in imus)
    return f"The angular rate of {names} is derived from its orientation; it was not measured." if imus else ""


def _not_worn(sensors: Sequence[Imu]) -> str:
    bare = [site for site in IMU_SITES if site not in {imu.segment for imu in sensors}]
    return f"No sensor on {', '.join(bare)}: how they move is guessed from the others." if bare else ""


def _mounted(chosen: Sequence[Imu], poses: Sequence[HeldPose]) -> tuple[tuple[Imu, ...], list[str]]:
    """Return sensors with the mounting that the first held pose tells, hanging arms before arms held out, and notes."""
    notes = []
    if poses and any(imu.R_segment_sensor is None for imu in chosen):
        pose = min(poses, key=lambda held: held.kind)
        found = mount_by_pose(chosen, pose)
        chosen, notes = found.imus, [_by_pose(found, pose)]
    return tuple(chosen), [*notes, _mounted_somehow([i for i in chosen if i.R_segment_sensor is None])]


def _by_pose(found: PoseMounting, pose: HeldPose) -> str:
    held = f"the pose held from {pose.start_s:g} to {pose.end_s:g} s"
    if not found.mounted:
        return f"No sensor was still during {held}, so it tells no mounting; check its times."
    forward = "its lid, which is taken to face away from the skin" if found.lid else "its axes, nearly the segment's"
    shared = ", and one heading from all devices together" if found.one_heading else ""
    return (
        f"How {len(found.mounted)} of the sensors are mounted follows from {held}: up from gravity, forward from "
        f"{forward}{shared}. Give q_segment_sensor where that is wrong."
    )


def _mounted_somehow(imus: Sequence[Imu]) -> str:
    if not imus:
        return ""
    return (
        f"How {len(imus)} of the sensors are mounted is not given: each one's axes are taken to be those of "
        "its segment (X forward, Y up, Z right in the T-pose) within some 30°."
    )


def require_trial_clock(sensors: Sequence[Imu], estimator: str) -> None:
    """Raise a `KinefuseError` unless all sensors are on the trial's clock."""
    unknown = [imu.name for imu in sensors if not imu.start_is_known]
    if unknown:
        raise KinefuseError(
            f"{estimator} needs sensors on the clock of the cameras, and the start of {', '.join(unknown)} is unknown; "
            "give start_s in trial.toml, or use videonet or imunet, which need one of the two only."
        )


def common_clock(sensors: Sequence[Imu], estimator: str) -> tuple[str, ...]:
    """Return what has to be said if the start of every sensor is unknown.

    Raises
    ------
    KinefuseError
        If some of them are on the trial's clock and others are not.
    """
    unknown = [imu.name for imu in sensors if not imu.start_is_known]
    if unknown and len(unknown) < len(sensors):
        raise KinefuseError(
            f"{estimator} needs its sensors on one clock, and the start of {', '.join(unknown)} is unknown; give "
            "start_s for all sensors in trial.toml, or for none if their files share a clock."
        )
    return ("The sensors' files are taken to share one clock, since start_s is not given.",) if unknown else ()


def common_times(sensors: Sequence[Imu], estimator: str) -> np.ndarray:
    """Return the times (M,) that all sensors have in common, at the first one's rate or 100 Hz, seconds.

    Raises
    ------
    KinefuseError
        If there are none.
    """
    start, stop = max(imu.time[0] for imu in sensors), min(imu.time[-1] for imu in sensors)
    if stop <= start:
        last, first = max(sensors, key=lambda i: i.time[0]), min(sensors, key=lambda i: i.time[-1])
        raise KinefuseError(
            f"{estimator} needs a time that all sensors recorded; {first.name} ends at {stop:.2f} s before {last.name} "
            f"starts at {start:.2f} s; check start_s of both or remove one."
        )
    rate = min(FASTEST_OUTPUT_HZ, 1.0 / single_step(np.diff(sensors[0].time)))
    return grid_within(start, stop, rate)


def lost_time(sensors: Sequence[Imu]) -> tuple[str, ...]:
    """Return what has to be said if the sensors recorded much longer than they did together."""
    text = little_together(sensors)
    return (text,) if text else ()


@dataclass(frozen=True)
class SensorGrid:
    """Sensors on a grid of N times.

    Attributes
    ----------
    angular_rate, specific_force : (N, 13, 3) rad/s and m/s² in the order of `conventions.IMU_SITES`, zero where missing
    worn : (N, 13) one where there is a reading, else zero
    bridged : (N, 13) true where a reading was filled over a short gap
    """

    angular_rate: np.ndarray
    specific_force: np.ndarray
    worn: np.ndarray
    bridged: np.ndarray


def sensors_on_grid(sensors: Sequence[Imu], grid: np.ndarray) -> SensorGrid:
    """Low-pass sensors and read them at times (N,).

    Where the mounting is known, the readings are turned into the axes of the segment, in which a network expects a
    sensor's axes to lie nearly.
    """
    shape = (len(grid), len(IMU_SITES))
    rate, force = np.zeros((*shape, 3)), np.zeros((*shape, 3))
    worn, filled = np.zeros(shape), np.zeros(shape, dtype=bool)
    for imu in sensors:
        site = IMU_SITES.index(imu.segment)
        values, bridged = _readings(imu, grid)
        known = np.isfinite(values).all((1, 2))
        mounting = np.eye(3) if imu.R_segment_sensor is None else imu.R_segment_sensor
        rate[known, site], force[known, site] = values[known, 0] @ mounting.T, values[known, 1] @ mounting.T
        worn[:, site], filled[:, site] = known, bridged & known
    return SensorGrid(rate, force, worn, filled)


def _readings(imu: Imu, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return angular rate and specific force (N, 2, 3), sensor axes, and (N,) where one was filled over a gap.

    What has the same time stamps shares one filter.
    """
    time, rate = angular_rate_of(imu)
    if time is imu.time:
        both = resample(time, np.stack([rate[:, 0], imu.specific_force], axis=1), grid)
        return both.values, both.bridged.any(1)
    turning, pushing = resample(time, rate, grid), resample(imu.time, imu.specific_force[:, None], grid)
    return np.concatenate([turning.values, pushing.values], axis=1), (turning.bridged | pushing.bridged)[:, 0]


def provenance_by_sensors(sampled: SensorGrid, grid: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return (M, 22) of `conventions.PROVENANCE` at times (M,): a segment is as well known as the sensor on it."""
    nearest = np.clip(np.rint((time - grid[0]) / (grid[1] - grid[0])).astype(int), 0, len(grid) - 1)
    out = np.full((len(time), len(SEGMENTS)), INFERRED, np.uint8)
    for site, name in enumerate(IMU_SITES):
        seen = sampled.worn[:, site] > 0
        column = out[:, SEGMENT_INDEX[name]]
        column[bridged(seen, grid)[nearest]] = INTERPOLATED
        column[(seen & ~sampled.bridged[:, site])[nearest]] = MEASURED
    return out
