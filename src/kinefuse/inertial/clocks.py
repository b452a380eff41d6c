"""On which clock sensors run: points show how fast limbs turn, gyroscopes measure it, and both must fit in time.

For every lag the speeds that points show are regressed on those that a sensor measures. Under Gaussian errors of
unknown size the log-likelihood of a lag is -n/2 log(1 - r²), and those of all sensors add up. Only speeds are compared,
so that neither heading nor mounting has to be known well.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import fftconvolve

from kinefuse.inertial.rates import angular_rate_of
from kinefuse.inertial.resampling import resample
from kinefuse.recordings import Finding, Imu, JointCenters, Recording

STEP_S: Final = 0.02

SMOOTHING_S: Final = 0.06
"""Standard deviation of the Gaussian through which both speeds go: points of a video jitter from frame to frame."""

USUAL_SPEED: Final = 1.0
"""Rad/s, of which the logarithm is taken: a point that jumps is much faster than any limb, and must not decide."""

STILL_VARIANCE: Final = 1e-4
"""Of `log_speed`, below which a segment is at rest and tells nothing."""

CORRELATED_S: Final = 0.5
"""Errors of speeds stay alike for about so long, and together count once."""

SHORTEST_S: Final = 3.0
"""A lag at which points and sensor have less time in common is not looked at."""

APART_S: Final = 0.2
"""A lag this far from the best one is another answer."""

CLEAR: Final = 6.0
"""By how much the log-likelihood of the best lag must exceed that of any other answer."""

SEARCH_S: Final = 1.0
"""How far off a start that somebody wrote down is looked for."""

TOLERATED_S: Final = 0.04
"""By how much a start that somebody wrote down may be off before it is worth a word: a frame of a usual camera."""

_ACROSS, _ALONG, _FORWARD = (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)

BONES: Final[dict[str, tuple[tuple[str, ...], tuple[float, float, float]]]] = {
    "pelvis": (("hip_l", "hip_r"), _ACROSS),
    "thorax": (("shoulder_l", "shoulder_r"), _ACROSS),
    "head": (("ear_l", "ear_r"), _ACROSS),
    **{f"thigh_{side}": ((f"hip_{side}", f"knee_{side}"), _ALONG) for side in "lr"},
    **{f"shank_{side}": ((f"knee_{side}", f"ankle_{side}"), _ALONG) for side in "lr"},
    **{f"foot_{side}": ((f"ankle_{side}", f"big_toe_{side}", f"mtp_{side}"), _FORWARD) for side in "lr"},
    **{f"upper_arm_{side}": ((f"shoulder_{side}", f"elbow_{side}"), _ACROSS) for side in "lr"},
    **{f"forearm_{side}": ((f"elbow_{side}", f"wrist_{side}"), _ACROSS) for side in "lr"},
}
"""The two points that show how a sensor's segment turns, the second by either name, and the way between them in the
segment's axes: turns about that way the points do not show."""


@dataclass(frozen=True)
class ClockEstimate:
    """Where sensors of one clock lie on that of the points.

    Attributes
    ----------
    shift_s : to be added to the times of the sensors, seconds
    error_s : its standard error
    found : false if another shift explains the movement nearly as well, or nothing moves
    """

    shift_s: float
    error_s: float
    found: bool


def put_on_clock(recording: Recording) -> tuple[Recording, list[Finding]]:
    """Put sensors whose start nobody wrote down on the clock of the points, and check the start of the others.

    Sensors of unknown start are taken to share one clock. A start that was given is never changed.

    Returns
    -------
    The recording, and what was found; both as they were if it lacks points or sensors that can be compared.
    """
    centers = recording.joint_centers
    if centers is None:
        return recording, []
    loose = [imu for imu in recording.imus if not imu.start_is_known and is_comparable(imu, centers)]
    given = [imu for imu in recording.imus if imu.start_is_known and is_comparable(imu, centers)]
    findings = _checked(estimate_clock(given, centers, SEARCH_S)) if given else []
    if not loose:
        return recording, findings
    estimate = estimate_clock(loose, centers)
    findings.append(_told(estimate, loose))
    if not estimate.found:
        return recording, findings
    imus = tuple(imu if imu.start_is_known else _shifted(imu, estimate.shift_s) for imu in recording.imus)
    return replace(recording, imus=imus), findings


def _shifted(imu: Imu, shift_s: float) -> Imu:
    return replace(imu, time=imu.time + shift_s, start_is_known=True)


def _told(estimate: ClockEstimate, loose: Sequence[Imu]) -> Finding:
    if not estimate.found:
        text = (
            "When the sensors started is unknown, and does not follow from the movement: no one shift fits it clearly "
            "better than others; give start_s, or record a quick movement of several limbs."
        )
        return Finding("warning", "sensors", text)
    starts = sorted(imu.time[0] + estimate.shift_s for imu in loose)
    when = f"{starts[0]:.3f}" + (f" to {starts[-1]:.3f}" if starts[-1] - starts[0] > TOLERATED_S else "")
    text = (
        f"When the sensors started is estimated from how fast limbs turn: at {when} s on the trial's clock (standard "
        f"error {1000 * estimate.error_s:.0f} ms), taking those of unknown start to share one clock."
    )
    return Finding("info", "sensors", text)


def _checked(estimate: ClockEstimate) -> list[Finding]:
    if not estimate.found or abs(estimate.shift_s) < TOLERATED_S + 3 * estimate.error_s:
        return []
    late = "late" if estimate.shift_s < 0 else "early"
    text = (
        f"The sensors are {abs(estimate.shift_s):.2f} s too {late} for the movement that the points show; correct "
        "start_s, or leave it out to have it estimated."
    )
    return [Finding("warning", "sensors", text)]


def is_comparable(imu: Imu, centers: JointCenters) -> bool:
    """Return whether a sensor's turning can be compared with points: two of them show how its segment turns."""
    return imu.segment in BONES and len(imu.time) > 1 and len(centers.time) > 1 and bool(_ends(imu.segment, centers))


def estimate_clock(imus: Sequence[Imu], centers: JointCenters, most_s: float = np.inf) -> ClockEstimate:
    """Return by how much sensors that share a clock have to be shifted to fit points.

    Parameters
    ----------
    imus : one or more of which each `is_comparable`
    centers : keypoints or joint centres, which may be noisy
    most_s : the largest shift that is looked at, seconds
    """
    shown_at = _grid(centers.time[0], centers.time[-1])
    felt_at = _grid(min(imu.time[0] for imu in imus), max(imu.time[-1] for imu in imus))
    shown = np.stack([shown_speed(imu.segment, centers, shown_at) for imu in imus], axis=1)
    felt = np.stack([felt_speed(imu, felt_at) for imu in imus], axis=1)
    shift = shown_at[0] - felt_at[0] + STEP_S * np.arange(1 - len(felt), len(shown))
    likely = lag_likelihood(shown, felt)
    return _best(shift[np.abs(shift) <= most_s], likely[np.abs(shift) <= most_s])


def _grid(start: float, stop: float) -> np.ndarray:
    return start + STEP_S * np.arange(int((stop - start) / STEP_S + 1e-6) + 1)


def _ends(segment: str, centers: JointCenters) -> tuple[str, str] | None:
    """Return the names of the two points that show how a segment turns, None if one is missing."""
    first, *second = BONES[segment][0]
    there = [name for name in second if name in centers.names]
    return (first, there[0]) if first in centers.names and there else None


def shown_speed(segment: str, centers: JointCenters, time: np.ndarray) -> np.ndarray:
    """Return how fast the way between a segment's two points turns, as `log_speed`, (N,); NaN where one is unseen.

    Parameters
    ----------
    segment : key of `BONES`
    centers : must have both points
    time : (N,) seconds, in steps of `STEP_S`
    """
    pair = [centers.names.index(name) for name in _ends(segment, centers) or ()]
    ends = resample(centers.time, centers.positions[:, pair], time).values
    way = ends[:, 1] - ends[:, 0]
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    return log_speed(_smoothed(way, order=1) / STEP_S)


def felt_speed(imu: Imu, time: np.ndarray) -> np.ndarray:
    """Return how fast a sensor turns about all but its segment's bone, as `log_speed`, (N,); NaN where packets lack.

    Parameters
    ----------
    imu : on a segment of `BONES`; if its mounting is unknown, its axes are taken for those of the segment
    time : (N,) seconds, in steps of `STEP_S`
    """
    mounting = np.eye(3) if imu.R_segment_sensor is None else imu.R_segment_sensor
    way = mounting.T @ np.array(BONES[imu.segment][1])
    rate = _smoothed(resample(*angular_rate_of(imu), time).values[:, 0], order=0)
    return log_speed(rate - (rate @ way)[:, None] * way)


def _smoothed(values: np.ndarray, order: int) -> np.ndarray:
    """Return values (N, 3) through a Gaussian, or their change a step; NaN where its window reaches beyond them."""
    return gaussian_filter1d(
        values, SMOOTHING_S / STEP_S, axis=0, order=order, mode="constant", cval=np.nan, truncate=3
    )


def log_speed(velocity: np.ndarray) -> np.ndarray:
    """Return log(1 + speed / `USUAL_SPEED`) of velocities (N, 3), rad/s."""
    return np.log1p(np.linalg.norm(velocity, axis=-1) / USUAL_SPEED)


def lag_likelihood(shown: np.ndarray, felt: np.ndarray) -> np.ndarray:
    """Return the log-likelihood (N + M - 1,) of every lag, from 1 - M to N - 1 steps that `felt` starts after `shown`.

    Parameters
    ----------
    shown, felt : (N, S) and (M, S) speeds of the same S sensors in steps of `STEP_S`, NaN where unknown
    """
    in_shown, in_felt = np.isfinite(shown).astype(float), np.isfinite(felt).astype(float)
    a, b = (np.nan_to_num(x - np.nanmean(x)) for x in (shown, felt))
    count = np.maximum(_correlated(in_shown, in_felt).round(), 1.0)
    mean_a, mean_b = _correlated(a, in_felt) / count, _correlated(in_shown, b) / count
    var_a, var_b = _correlated(a**2, in_felt) / count - mean_a**2, _correlated(in_shown, b**2) / count - mean_b**2
    covariance = _correlated(a, b) / count - mean_a * mean_b
    moves = np.minimum(var_a, var_b) > STILL_VARIANCE
    r = np.where(moves, covariance / np.sqrt(np.where(moves, var_a * var_b, 1.0)), 0.0).clip(0.0, 0.999)
    seconds = np.where(count * STEP_S >= SHORTEST_S, count * STEP_S, 0.0)
    return (-0.5 * seconds / CORRELATED_S * np.log1p(-(r**2))).sum(1)


def _correlated(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Σ a[i + lag] b[i] of each column for lags from 1 - M to N - 1: (N + M - 1, S)."""
    return fftconvolve(a, b[::-1], axes=0)


def _best(shift: np.ndarray, likely: np.ndarray) -> ClockEstimate:
    """Return the most likely shift, between steps by a parabola, and whether no other comes near."""
    if len(shift) < 3:
        return ClockEstimate(0.0, np.inf, found=False)
    top = int(np.clip(likely.argmax(), 1, len(shift) - 2))
    before, at, after = likely[top - 1 : top + 2]
    bend = 2 * at - before - after
    others = likely[np.abs(shift - shift[top]) > APART_S]
    found = bool(bend > 0 and at - others.max(initial=0.0) >= CLEAR)
    if not found:
        return ClockEstimate(float(shift[top]), np.inf, found=False)
    return ClockEstimate(
        float(shift[top] + STEP_S * 0.5 * (after - before) / bend), float(STEP_S / np.sqrt(bend)), True
    )
