"""Sanity checks of inertial sensors: units, signs, lost packets, saturation, stuck axes, orientation.

Each check is a function of one sensor that returns findings; `check_imus` runs all of them. Nothing is repaired.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from kinefuse.conventions import GRAVITY
from kinefuse.inertial.rest import find_rest
from kinefuse.inertial.sampling import measure_sampling
from kinefuse.inertial.turns import better_scale, scale_by_orientation
from kinefuse.recordings import Finding, HeldPose, Imu

REST_TOLERANCE: Final = 0.6
"""m/s² by which a resting sensor may miss gravity (worn sensors: bias of up to 0.05 g)."""

FORCE_UNITS: Final = {
    "g": 1.0 / GRAVITY,
    "milli-g": 1000.0 / GRAVITY,
    "cm/s²": 100.0,
}
"""Unit to what a value in m/s² must be multiplied by to be in it."""

UNIT_TOLERANCE: Final = 0.12
REMOVED_BELOW: Final = 3.0
"""m/s² at the stillest moments below which gravity was removed, if no unit explains the value."""

WRONG_SCALE: Final = 0.25
"""Relative error of gravity up to which a scale or bias explains it; beyond it is the unit."""

MOST_LOST: Final = 0.01
LARGEST_RATE: Final = 70.0
"""rad/s; 4000 deg/s, the widest range that body-worn gyroscopes have."""

RESTING_RATE: Final = 0.1
"""rad/s (6 deg/s) that a gyroscope may read at rest."""

DEAD_STILL: Final = 0.01
"""Scatter of the specific force, as a share of its size, below which a sensor does not turn slowly either."""

CLIPPED_RUN: Final = 3
"""Samples in a row at a channel's extreme, from which on they are clipped rather than a peak."""

UPRIGHT: Final = 0.9
"""Cosine of the largest angle between the mean specific force and the vertical of the device's frame."""

FEWEST_ORIENTED: Final = 20

MOSTLY_TOGETHER: Final = 0.9
"""Share of the longest recording that all sensors should have in common."""

SHORTEST_POSE_S: Final = 0.3


@dataclass(frozen=True)
class _Channel:
    name: str
    values: np.ndarray


def check_imus(imus: Sequence[Imu]) -> list[Finding]:
    """Return all findings on the sensors of one recording, sensor by sensor, then those on all of them."""
    findings = [finding for imu in imus for finding in check_imu(imu)]
    return [*findings, *check_set(imus), *check_starts(imus)]


def check_imu(imu: Imu) -> list[Finding]:
    """Return all findings on one sensor."""
    checks = (check_sampling, check_missing, check_specific_force, check_angular_rate, check_saturation)
    return [finding for check in (*checks, check_orientation) for finding in check(imu)]


def check_sampling(imu: Imu) -> list[Finding]:
    """Say how many packets were lost, and whether the time stamps are even."""
    sampling = measure_sampling(imu.time)
    if sampling.samples < 2:
        return [_say(imu, "error", "Holds a single sample; nothing can be estimated from it.")]
    findings = []
    if sampling.lost:
        level = "warning" if sampling.lost_fraction > MOST_LOST else "info"
        text = (
            f"Lost {sampling.lost} of {sampling.samples + sampling.lost} packets "
            f"({100 * sampling.lost_fraction:.1f} %) in {_counted(sampling.gaps, 'gap')}, "
            f"the longest {sampling.longest_gap_s:.3f} s."
        )
        findings.append(_say(imu, level, text))
    if not sampling.is_even:
        text = (
            f"Time stamps are uneven: they scatter by {1e3 * sampling.jitter_s:.1f} ms around steps of "
            f"{1e3 / sampling.rate_hz:.1f} ms, so lost packets cannot be told for certain; "
            "export the device's own clock."
        )
        findings.append(_say(imu, "warning", text))
    return findings


def check_missing(imu: Imu) -> list[Finding]:
    """Say which channels are missing, in part or altogether."""
    findings = []
    for channel in (_Channel("accelerometer", imu.specific_force), _Channel("gyroscope", imu.angular_rate)):
        missing = float(np.isnan(channel.values).any(axis=1).mean())
        if missing == 1.0:
            level = "error" if channel.name == "accelerometer" else "warning"
            findings.append(_say(imu, level, f"Its {channel.name} has no values at all."))
        elif missing > 0:
            level = "warning" if missing > MOST_LOST else "info"
            findings.append(
                _say(imu, level, f"Its {channel.name} lacks values in {100 * missing:.1f} % of the samples.")
            )
        findings += _stuck_axes(imu, channel)
    return findings


def _stuck_axes(imu: Imu, channel: _Channel) -> list[Finding]:
    if len(channel.values) < 10:
        return []
    spread = [
        np.ptp(column[np.isfinite(column)]) if np.isfinite(column).any() else np.nan for column in channel.values.T
    ]
    stuck = [axis for axis, width in zip("xyz", spread, strict=True) if width == 0.0]
    if not stuck:
        return []
    return [
        _say(imu, "error", f"Its {channel.name} never changes on {', '.join(stuck)}: that axis is stuck or missing.")
    ]


def check_specific_force(imu: Imu) -> list[Finding]:
    """Say whether the sensor reads gravity at rest: its unit, and whether gravity was removed."""
    rest = find_rest(imu.time, imu.specific_force, imu.angular_rate)
    level = rest.specific_force
    if not np.isfinite(level) or abs(level - GRAVITY) < REST_TOLERANCE:
        return []
    told = f"Reads {level:.3g} at its stillest where {GRAVITY} m/s² is expected"
    unit = min(FORCE_UNITS, key=lambda name: abs(level / (GRAVITY * FORCE_UNITS[name]) - 1.0))
    if abs(level / (GRAVITY * FORCE_UNITS[unit]) - 1.0) < UNIT_TOLERANCE:
        text = f"{told}: its unit looks like {unit}; multiply acc_x, acc_y, acc_z by {1.0 / FORCE_UNITS[unit]:.5g}."
        return [_say(imu, "error", text)]
    if level < REMOVED_BELOW:
        text = f"{told}: gravity seems to have been removed (free acceleration); export the raw specific force instead."
        return [_say(imu, "error", text)]
    if not rest.is_rest:
        return [_say(imu, "info", f"{told}, but it is never at rest, so its unit and scale could not be checked.")]
    if abs(level / GRAVITY - 1.0) < WRONG_SCALE:
        return [_say(imu, "warning", f"{told}: its scale or bias is off; calibrate the accelerometer.")]
    return [_say(imu, "error", f"{told}: its unit is unknown; convert acc_x, acc_y, acc_z to m/s².")]


def check_angular_rate(imu: Imu) -> list[Finding]:
    """Say whether the gyroscope agrees with how gravity turns: its unit, sign and bias."""
    if np.isnan(imu.angular_rate).all():
        return []
    scale = _gyroscope_scale(imu)
    fastest = float(np.nan_to_num(np.linalg.norm(imu.angular_rate, axis=1)).max(initial=0.0))
    if abs(scale) < 1.0 or fastest > LARGEST_RATE:
        text = (
            f"Turns at up to {fastest:.3g} rad/s: its unit looks like deg/s; multiply gyr_x, gyr_y, gyr_z by 0.0174533."
        )
        return [_say(imu, "error", text)]
    if scale < 0.0:
        text = (
            "The gyroscope turns against gravity or the orientation: a sign or an axis is exchanged; bring all into "
            "the same right-handed axes, with specific force (at rest the upward axis reads +9.81)."
        )
        return [_say(imu, "error", text)]
    rest = find_rest(imu.time, imu.specific_force, imu.angular_rate)
    if rest.spread < DEAD_STILL and rest.angular_rate > RESTING_RATE:
        return [_say(imu, "warning", f"Reads {rest.angular_rate:.2f} rad/s at rest: remove the gyroscope's bias.")]
    return []


def _gyroscope_scale(imu: Imu) -> float:
    """Return what the gyroscope must be multiplied by, as gravity tells, or else the device's own orientation."""
    scale = better_scale(imu.time, imu.specific_force, imu.angular_rate)
    if scale != 1.0 or imu.R_ref_sensor is None:
        return scale
    told = scale_by_orientation(imu.time, imu.R_ref_sensor, imu.angular_rate)
    return told if np.isfinite(told) else 1.0


def check_saturation(imu: Imu) -> list[Finding]:
    """Say whether a channel stays at its largest value, as it does beyond the device's range."""
    findings = []
    for channel in (_Channel("accelerometer", imu.specific_force), _Channel("gyroscope", imu.angular_rate)):
        clipped = clipped_samples(channel.values)
        if clipped >= CLIPPED_RUN:
            text = f"Its {channel.name} is clipped in {clipped} samples; choose a wider range on the device."
            findings.append(_say(imu, "warning", text))
    return findings


def clipped_samples(values: np.ndarray) -> int:
    """Return how many samples lie in runs of at least three equal values at a channel's extreme.

    Parameters
    ----------
    values : (T, 3)
    """
    total = 0
    for column in values.T:
        good = column[np.isfinite(column)]
        if good.size < 10 or np.ptp(good) == 0:
            continue
        at_edge = (column == good.max()) | (column == good.min())
        total += sum(length for length in _run_lengths(at_edge) if length >= CLIPPED_RUN)
    return total


def _run_lengths(flags: np.ndarray) -> list[int]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [int(length) for length in edges[1::2] - edges[::2]]


def check_orientation(imu: Imu) -> list[Finding]:
    """Say how often its own orientation is missing, and whether it brings gravity upright, as with Z up it must."""
    if imu.R_ref_sensor is None:
        return []
    missing = float(np.isnan(imu.R_ref_sensor).any(axis=(1, 2)).mean())
    return [*_orientation_gaps(imu, missing), *_uprightness(imu, imu.R_ref_sensor)]


def _orientation_gaps(imu: Imu, missing: float) -> list[Finding]:
    """Say in which share of the samples the orientation is missing."""
    if missing == 0.0:
        return []
    text = f"Its orientation is missing, or no unit quaternion, in {100 * missing:.1f} % of the samples."
    return [_say(imu, "warning" if missing > MOST_LOST else "info", text)]


def _uprightness(imu: Imu, R_ref_sensor: np.ndarray) -> list[Finding]:
    """Say whether gravity comes out upright, where orientation and specific force are both there to tell."""
    turned = np.einsum("tij,tj->ti", R_ref_sensor, imu.specific_force)
    turned = turned[np.isfinite(turned).all(axis=1)]
    if len(turned) < FEWEST_ORIENTED:
        return []
    mean = turned.mean(axis=0)
    length = float(np.linalg.norm(mean))
    size = float(np.median(np.linalg.norm(turned, axis=1)))
    # In fast movement the usual size exceeds gravity, which is all that remains in the mean.
    whole = length > 0.8 * min(size, GRAVITY)
    if size < 0.3 * GRAVITY or (length > 0 and mean[2] / length > UPRIGHT and whole):
        return []
    if length > 0 and mean[2] / length < -UPRIGHT:
        text = (
            "Its orientation turns gravity upside down: the accelerometer's sign is exchanged, or its frame has Z down."
        )
        return [_say(imu, "error", text)]
    text = (
        "Its orientation does not turn the measured gravity upright: the quaternion is not sensor-to-world with Z up, "
        "not scalar first, or of other axes; leave q_w, q_x, q_y, q_z out to have it estimated."
    )
    return [_say(imu, "error", text)]


def check_starts(imus: Sequence[Imu]) -> list[Finding]:
    """Say whose start on the trial's clock is unknown."""
    unknown = [imu.name for imu in imus if not imu.start_is_known]
    if not unknown:
        return []
    whose = "all sensors" if len(unknown) == len(imus) else ", ".join(unknown)
    text = (
        f"The start of {whose} on the trial's clock is unknown (start_s is left out): only moving points can tell it."
    )
    return [Finding("info", "sensors", text)]


def check_set(imus: Sequence[Imu]) -> list[Finding]:
    """Say what is wrong among sensors: two on one segment, no common time."""
    findings = []
    segments = [imu.segment for imu in imus]
    for segment in sorted({s for s in segments if segments.count(s) > 1}):
        names = ", ".join(imu.name for imu in imus if imu.segment == segment)
        findings.append(
            Finding("warning", f"segment {segment}", f"Several sensors are said to be worn on it: {names}.")
        )
    timed = [imu for imu in imus if imu.start_is_known and len(imu.time)] or [imu for imu in imus if len(imu.time)]
    return findings + (_check_spans(timed) if len(timed) > 1 else [])


def _check_spans(imus: Sequence[Imu]) -> list[Finding]:
    """Say if sensors of one clock recorded at different times, or much longer than they did together."""
    last = max(imus, key=lambda imu: imu.time[0])
    first = min(imus, key=lambda imu: imu.time[-1])
    if last.time[0] >= first.time[-1]:
        text = f"Sensor {first.name} ends before sensor {last.name} starts; check start_s of both."
        return [Finding("error", "sensors", text)]
    text = little_together(imus)
    return [Finding("warning", "sensors", text)] if text else []


def little_together(imus: Sequence[Imu]) -> str:
    """Return a sentence if sensors recorded much longer than they did together, else nothing.

    Parameters
    ----------
    imus : at least one, of one clock, that have some time in common
    """
    start, stop = min(imu.time[0] for imu in imus), max(imu.time[-1] for imu in imus)
    together = min(imu.time[-1] for imu in imus) - max(imu.time[0] for imu in imus)
    longest = max(float(imu.time[-1] - imu.time[0]) for imu in imus)
    if together > MOSTLY_TOGETHER * longest:
        return ""
    slack = (1.0 - MOSTLY_TOGETHER) / 2 * longest
    late = [imu.name for imu in imus if imu.time[0] >= start + slack]
    early = [imu.name for imu in imus if imu.time[-1] <= stop - slack]
    why = [f"{', '.join(names)} {does}" for names, does in ((late, "starting late"), (early, "ending early")) if names]
    return (
        f"All sensors recorded together for {together:.1f} of {longest:.1f} s only ({'; '.join(why)}); estimators that "
        "use sensors alone leave the rest out."
    )


def check_poses(poses: Sequence[HeldPose], imus: Sequence[Imu]) -> list[Finding]:
    """Say which held poses no sensor recorded, or which are too short to tell anything.

    Parameters
    ----------
    poses
    imus : on the clock of the poses
    """
    if not imus:
        return []
    start, stop = min(imu.time[0] for imu in imus), max(imu.time[-1] for imu in imus)
    findings = []
    for pose in poses:
        about = f"The pose {pose.kind} from {pose.start_s:g} to {pose.end_s:g} s"
        if pose.start_s > stop or pose.end_s < start:
            text = f"{about} lies outside of what the sensors recorded, {start:.2f} to {stop:.2f} s; it tells nothing."
            findings.append(Finding("warning", "sensors", text))
        elif pose.end_s - pose.start_s < SHORTEST_POSE_S:
            findings.append(Finding("warning", "sensors", f"{about} is too short; hold one for a second or more."))
    return findings


def summarize_imu(imu: Imu) -> dict[str, Any]:
    """Return what ``quality.json`` and ``kinefuse check`` tell of a sensor: its sampling and its stillest moments."""
    rest = find_rest(imu.time, imu.specific_force, imu.angular_rate)
    sampling = measure_sampling(imu.time)
    numbers = asdict(sampling) | {
        "lost_fraction": sampling.lost_fraction,
        "start_s": float(imu.time[0]) if imu.start_is_known else None,
        "resting_specific_force": rest.specific_force,
        "is_ever_at_rest": bool(rest.is_rest),
    }
    return {"segment": imu.segment} | {
        key: None if isinstance(value, float) and not np.isfinite(value) else value for key, value in numbers.items()
    }


def _say(imu: Imu, level: str, text: str) -> Finding:
    return Finding(level, f"sensor {imu.name}", text)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
