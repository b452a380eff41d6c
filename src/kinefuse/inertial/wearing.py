"""Whether sensors are worn where they are said to be: each must turn as fast as its own segment does by the points."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.optimize import linear_sum_assignment

from kinefuse.inertial.speeds import CLEAR, felt_speeds, grid_between, is_comparable, log_likelihood, shown_speeds
from kinefuse.recordings import Finding, Imu, JointCenters, Recording

CLEARLY: Final = 2 * CLEAR
"""By how much the log-likelihood of other places must exceed that of those which were said. On people kept for
validation nothing was said wrongly, and three in four exchanges of left and right were found; half of it found five in
six, but took one shank for a foot."""


def check_wearing(recording: Recording) -> list[Finding]:
    """Say which sensors move as if they had been exchanged; nothing is changed.

    Parameters
    ----------
    recording : with joint centres, and sensors on their clock; what cannot be compared is passed over
    """
    centers = recording.joint_centers
    if centers is None:
        return []
    imus = [imu for imu in recording.imus if imu.start_is_known and is_comparable(imu, centers)]
    return [_told([(imus[i], imus[j]) for i, j in cycle]) for cycle in exchanged(imus, centers)]


def exchanged(imus: Sequence[Imu], centers: JointCenters) -> list[list[tuple[int, int]]]:
    """Return groups of sensors that have clearly changed places: pairs (i, j), sensor i moves as segment of sensor j.

    Parameters
    ----------
    imus : each `is_comparable`, on the clock of the points
    centers : keypoints or joint centres
    """
    if len({imu.segment for imu in imus}) < 2:
        return []
    likely = likelihoods(imus, centers)
    _, place = linear_sum_assignment(likely, maximize=True)
    gain = likely[np.arange(len(imus)), place] - likely.diagonal()
    groups = [[(i, int(place[i])) for i in cycle] for cycle in _cycles(place)]
    return [group for group in groups if sum(gain[i] for i, _ in group) >= CLEARLY]


def likelihoods(imus: Sequence[Imu], centers: JointCenters) -> np.ndarray:
    """Return the log-likelihoods (S, S) that sensor i, the row, moves as the segment of sensor j does."""
    start = max(centers.time[0], min(imu.time[0] for imu in imus))
    grid = grid_between(start, min(centers.time[-1], max(imu.time[-1] for imu in imus)))
    segments = [imu.segment for imu in imus]
    shown = shown_speeds(segments, centers, grid)
    return np.stack([_fit(shown, felt_speeds(imu, grid, segments)) for imu in imus])


def _fit(shown: np.ndarray, felt: np.ndarray) -> np.ndarray:
    """Return the log-likelihoods (S,) of speeds (N, S) as they lie, NaN where unknown."""
    known = np.isfinite(shown) & np.isfinite(felt)
    count = np.maximum(known.sum(0), 1)
    a, b = (np.where(known, x - np.sum(x, 0, where=known) / count, 0.0) for x in (shown, felt))
    return log_likelihood(count, (a * b).sum(0) / count, (a**2).sum(0) / count, (b**2).sum(0) / count)


def _cycles(place: np.ndarray) -> list[list[int]]:
    """Return the cycles of a permutation (S,) that are longer than one."""
    left, cycles = set(range(len(place))), []
    while left:
        cycle = [min(left)]
        while place[cycle[-1]] != cycle[0]:
            cycle.append(int(place[cycle[-1]]))
        left -= set(cycle)
        cycles.append(cycle)
    return [cycle for cycle in cycles if len(cycle) > 1]


def _told(pairs: list[tuple[Imu, Imu]]) -> Finding:
    moves = "; ".join(f"{imu.name} moves as {other.segment}" for imu, other in pairs)
    text = f"Sensors seem to have been exchanged: {moves}. If so, set their segments in trial.toml accordingly."
    return Finding("warning", "sensors", text)
