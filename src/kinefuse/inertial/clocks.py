"""On which clock sensors run: points show how fast limbs turn, gyroscopes measure it, and both must fit in time.

The likelihood of `inertial.speeds` is computed for every shift, and those of all sensors add up. One that clearly fits
elsewhere has another clock, or was exchanged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.signal import fftconvolve

from kinefuse.inertial.resampling import grid_within
from kinefuse.inertial.speeds import (
    CLEAR,
    CLEARLY,
    STEP_S,
    Moments,
    felt_speeds,
    is_comparable,
    shown_speeds,
)
from kinefuse.inertial.wearing import exchanged, told_exchanged
from kinefuse.recordings import Finding, Imu, JointCenters, Recording

APART_S: Final = 0.2
"""A shift this far from the best one is another answer."""

SAME_S: Final = 0.06
"""Sensors of one clock fit best within this of each other."""

SHARED: Final = 0.5
"""Share of the shorter one that points and a sensor must have in common; with less, chance finds something."""

ALIKE: Final = 0.5
"""Correlation of speeds, over all sensors that move, below which sensors and points are not of one movement."""

SEARCH_S: Final = 30.0
"""How far off a start that somebody wrote down is looked for."""

TOLERATED_S: Final = 0.04
"""By how much a start that somebody wrote down may be off before it is worth a word: a frame of a usual camera."""

LONGEST_S: Final = 3600.0
"""More than this is not searched for an unknown start."""


@dataclass(frozen=True)
class ClockEstimate:
    """Where sensors of one clock lie on that of the points.

    Attributes
    ----------
    shift_s : to be added to the times of the sensors, seconds; zero if it was not found
    error_s : its standard error, if the sensors belong to the points; infinite if it was not found
    found : false if another shift explains the movement nearly as well, none does, or nothing moves
    apart : indices of sensors that clearly fit another shift
    """

    shift_s: float
    error_s: float
    found: bool
    apart: tuple[int, ...] = ()


NOT_FOUND: Final = ClockEstimate(0.0, np.inf, found=False)


def put_on_clock(recording: Recording) -> tuple[Recording, list[Finding]]:
    """Put sensors whose start nobody wrote down on the clock of the points, and say what does not fit the movement.

    Sensors of unknown start are taken to share one clock; one that clearly has another is left out. A start that was
    given is never changed, nor is the segment of a sensor that seems to have been exchanged.

    Returns
    -------
    The recording, and what was found.
    """
    centers = recording.joint_centers
    if centers is None:
        return recording, []
    given = [imu for imu in recording.imus if imu.start_is_known and is_comparable(imu, centers)]
    loose = [imu for imu in recording.imus if not imu.start_is_known]
    checked = estimate_clock(given, centers, SEARCH_S) if given else NOT_FOUND
    if checked.found and abs(checked.shift_s) > TOLERATED_S + 3 * checked.error_s:
        return recording, [_off(checked.shift_s)]
    placed, findings, apart = _placed(loose, centers) if loose else ([], [], set())
    comparable = [*given, *(imu for imu in placed if imu.start_is_known and is_comparable(imu, centers))]
    groups = exchanged(comparable, centers)
    swapped = {comparable[i].name for group in groups for i, _ in group}
    others = sorted(apart - swapped)
    findings += [*_left_out(others), *(told_exchanged(comparable, group) for group in groups)]
    findings += _elsewhere([given[i] for i in checked.apart if given[i].name not in swapped])
    kept = [imu for imu in recording.imus if imu.start_is_known]
    kept += [imu for imu in placed if imu.name not in others]
    return replace(recording, imus=tuple(kept) if loose else recording.imus), findings


def _placed(loose: Sequence[Imu], centers: JointCenters) -> tuple[list[Imu], list[Finding], set[str]]:
    """Return sensors of unknown start on the clock of the points, as they were if it is not found.

    Beside them what is said, and the names of those that clearly fit another shift.
    """
    shown = [imu for imu in loose if is_comparable(imu, centers)]
    if not shown:
        return list(loose), [_unknown("only joint centres or keypoints of their segments tell it; give start_s")], set()
    if max(imu.time[-1] for imu in shown) - min(imu.time[0] for imu in shown) > LONGEST_S:
        apart = f"their times lie more than {LONGEST_S / 60:.0f} min apart; give start_s, or cut the files"
        return list(loose), [_unknown(apart)], set()
    estimate = estimate_clock(shown, centers)
    if not estimate.found:
        why = "no one shift of them all clearly fits the movement; give start_s, or record a quick movement"
        return list(loose), [_unknown(why)], set()
    placed = [_shifted(imu, estimate.shift_s) for imu in loose]
    there = [imu for imu in placed if is_comparable(imu, centers)]
    return placed, [_told(estimate, there)], {there[i].name for i in estimate.apart}


def _shifted(imu: Imu, shift_s: float) -> Imu:
    return replace(imu, time=imu.time + shift_s, start_is_known=True)


def _unknown(why: str) -> Finding:
    return Finding("warning", "sensors", f"When the sensors started is unknown: {why}.")


def _told(estimate: ClockEstimate, there: Sequence[Imu]) -> Finding:
    starts = sorted(imu.time[0] for imu in there)
    when = f"{starts[0]:.3f}" + (f" to {starts[-1]:.3f}" if starts[-1] - starts[0] > TOLERATED_S else "")
    text = (
        f"When the sensors started is estimated from how fast limbs turn: at {when} s on the trial's clock (standard "
        f"error {1000 * estimate.error_s:.0f} ms), taking those of unknown start to share one clock."
    )
    return Finding("info", "sensors", text)


def _left_out(others: Sequence[str]) -> list[Finding]:
    if not others:
        return []
    text = (
        f"Left out, since by their movement they do not share the clock of the rest: {', '.join(others)}; give start_s."
    )
    return [Finding("warning", "sensors", text)]


def _elsewhere(imus: Sequence[Imu]) -> list[Finding]:
    if not imus:
        return []
    names = ", ".join(imu.name for imu in imus)
    text = f"These sensors fit the movement at another time than start_s says, unlike the rest: {names}; check it."
    return [Finding("warning", "sensors", text)]


def _off(shift_s: float) -> Finding:
    late = "late" if shift_s < 0 else "early"
    text = (
        f"The sensors are {abs(shift_s):.2f} s too {late} for the movement that the points show; correct start_s, or "
        "leave it out to have it estimated."
    )
    return Finding("warning", "sensors", text)


def estimate_clock(imus: Sequence[Imu], centers: JointCenters, most_s: float = np.inf) -> ClockEstimate:
    """Return by how much sensors that share a clock have to be shifted to fit points.

    Parameters
    ----------
    imus : one or more, of which each `is_comparable`
    centers : keypoints or joint centres, which may be noisy
    most_s : the largest shift that is looked at, seconds
    """
    shown_at = grid_within(centers.time[0], centers.time[-1], 1 / STEP_S)
    start, stop = min(imu.time[0] for imu in imus), max(imu.time[-1] for imu in imus)
    felt_at = grid_within(max(start, centers.time[0] - most_s), min(stop, centers.time[-1] + most_s), 1 / STEP_S)
    if not len(felt_at):
        return NOT_FOUND
    shown = shown_speeds([imu.segment for imu in imus], centers, shown_at)
    felt = np.concatenate([felt_speeds(imu, felt_at, [imu.segment]) for imu in imus], axis=1)
    shift = shown_at[0] - felt_at[0] + STEP_S * np.arange(1 - len(felt), len(shown))
    near = np.abs(shift) <= most_s
    return _best(shift[near], lag_moments(shown, felt).at(near))


def lag_moments(shown: np.ndarray, felt: np.ndarray) -> Moments:
    """Return the moments of speeds for every lag, from 1 - M to N - 1 steps that `felt` starts after `shown`.

    Lags with less than `SHARED` of what they could have in common count as having nothing.

    Parameters
    ----------
    shown, felt : (N, S) and (M, S) speeds of the same S sensors in steps of `STEP_S`, NaN where unknown
    """
    in_shown, in_felt = np.isfinite(shown), np.isfinite(felt)
    a, b = (np.where(known, x - _mean(x[known]), 0.0) for x, known in ((shown, in_shown), (felt, in_felt)))
    count = _correlated(in_shown, in_felt).round()
    n = np.maximum(count, 1.0)
    mean_a, mean_b = _correlated(a, in_felt) / n, _correlated(in_shown, b) / n
    return Moments(
        count=np.where(count >= SHARED * count.max(0), count, 0.0),
        covariance=_correlated(a, b) / n - mean_a * mean_b,
        var_shown=_correlated(a**2, in_felt) / n - mean_a**2,
        var_felt=_correlated(in_shown, b**2) / n - mean_b**2,
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0


def _correlated(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Σ a[i + lag] b[i] of each column for lags from 1 - M to N - 1: (N + M - 1, S)."""
    return fftconvolve(a.astype(float), b[::-1].astype(float), axes=0)


def _best(shift: np.ndarray, moments: Moments) -> ClockEstimate:
    """Return the most likely of shifts (L,), between steps by a parabola, if it is clear, likely, and most agree."""
    each = moments.log_likelihood()
    likely = each.sum(1)
    if len(shift) < 3:
        return NOT_FOUND
    top = int(np.clip(likely.argmax(), 1, len(shift) - 2))
    before, at, after = likely[top - 1 : top + 2]
    bend, near = 2 * at - before - after, np.abs(shift - shift[top]) <= APART_S
    others = likely[~near].max(initial=0.0)
    if not (bend > 0 and at - others >= CLEAR and moments.correlation(top) >= ALIKE):
        return NOT_FOUND
    its_own = each[np.abs(shift - shift[top]) <= SAME_S].max(0)
    lost = each.max(0) - its_own
    apart, agree = np.flatnonzero(lost >= CLEARLY), (its_own >= CLEAR) & (lost < 1.0)
    if len(apart) > agree.sum():
        return NOT_FOUND
    between = 0.5 * (after - before) / bend
    return ClockEstimate(
        float(shift[top] + STEP_S * between), float(STEP_S / np.sqrt(bend)), True, tuple(apart.tolist())
    )
