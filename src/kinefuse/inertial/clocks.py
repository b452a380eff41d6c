"""On which clock sensors run: points show how fast limbs turn, gyroscopes measure it, and both must fit in time.

The likelihood of `inertial.speeds` is computed for every lag, and those of all sensors add up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.signal import fftconvolve

from kinefuse.inertial.speeds import (
    CLEAR,
    SHORTEST_S,
    STEP_S,
    felt_speeds,
    grid_between,
    is_comparable,
    log_likelihood,
    shown_speeds,
)
from kinefuse.recordings import Finding, Imu, JointCenters, Recording

APART_S: Final = 0.2
"""A lag this far from the best one is another answer."""

SEARCH_S: Final = 1.0
"""How far off a start that somebody wrote down is looked for."""

TOLERATED_S: Final = 0.04
"""By how much a start that somebody wrote down may be off before it is worth a word: a frame of a usual camera."""

LONGEST_S: Final = 4 * 3600.0
"""Sensors whose times lie further apart do not share one clock."""


@dataclass(frozen=True)
class ClockEstimate:
    """Where sensors of one clock lie on that of the points.

    Attributes
    ----------
    shift_s : to be added to the times of the sensors, seconds; zero if it was not found
    error_s : its standard error; infinite if it was not found
    found : false if another shift explains the movement nearly as well, or nothing moves
    """

    shift_s: float
    error_s: float
    found: bool


NOT_FOUND: Final = ClockEstimate(0.0, np.inf, found=False)


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


def estimate_clock(imus: Sequence[Imu], centers: JointCenters, most_s: float = np.inf) -> ClockEstimate:
    """Return by how much sensors that share a clock have to be shifted to fit points.

    Parameters
    ----------
    imus : one or more of which each `is_comparable`
    centers : keypoints or joint centres, which may be noisy
    most_s : the largest shift that is looked at, seconds
    """
    shown_at = grid_between(centers.time[0], centers.time[-1])
    start, stop = min(imu.time[0] for imu in imus), max(imu.time[-1] for imu in imus)
    felt_at = grid_between(
        max(start, centers.time[0] - most_s - SHORTEST_S),
        min(stop, centers.time[-1] + most_s + SHORTEST_S, start + LONGEST_S),
    )
    if stop - start > LONGEST_S or not len(felt_at):
        return NOT_FOUND
    shown = shown_speeds([imu.segment for imu in imus], centers, shown_at)
    felt = np.concatenate([felt_speeds(imu, felt_at, [imu.segment]) for imu in imus], axis=1)
    shift = shown_at[0] - felt_at[0] + STEP_S * np.arange(1 - len(felt), len(shown))
    near = np.abs(shift) <= most_s
    return _best(shift[near], lag_likelihood(shown, felt)[near])


def lag_likelihood(shown: np.ndarray, felt: np.ndarray) -> np.ndarray:
    """Return the log-likelihood (N + M - 1,) of every lag, from 1 - M to N - 1 steps that `felt` starts after `shown`.

    Parameters
    ----------
    shown, felt : (N, S) and (M, S) speeds of the same S sensors in steps of `STEP_S`, NaN where unknown
    """
    in_shown, in_felt = np.isfinite(shown), np.isfinite(felt)
    a, b = (np.where(known, x - _mean(x[known]), 0.0) for x, known in ((shown, in_shown), (felt, in_felt)))
    count = np.maximum(_correlated(in_shown, in_felt).round(), 1.0)
    mean_a, mean_b = _correlated(a, in_felt) / count, _correlated(in_shown, b) / count
    var_a, var_b = _correlated(a**2, in_felt) / count - mean_a**2, _correlated(in_shown, b**2) / count - mean_b**2
    covariance = _correlated(a, b) / count - mean_a * mean_b
    return log_likelihood(count, covariance, var_a, var_b).sum(1)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0


def _correlated(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Σ a[i + lag] b[i] of each column for lags from 1 - M to N - 1: (N + M - 1, S)."""
    return fftconvolve(a.astype(float), b[::-1].astype(float), axes=0)


def _best(shift: np.ndarray, likely: np.ndarray) -> ClockEstimate:
    """Return the most likely shift, between steps by a parabola, and whether no other comes near."""
    if len(shift) < 3:
        return NOT_FOUND
    top = int(np.clip(likely.argmax(), 1, len(shift) - 2))
    before, at, after = likely[top - 1 : top + 2]
    bend = 2 * at - before - after
    others = likely[np.abs(shift - shift[top]) > APART_S]
    if not (bend > 0 and at - others.max(initial=0.0) >= CLEAR):
        return NOT_FOUND
    between = 0.5 * (after - before) / bend
    return ClockEstimate(float(shift[top] + STEP_S * between), float(STEP_S / np.sqrt(bend)), found=True)
