"""Whether sensors are worn where they are said to be: each must turn as fast as its own segment does by the points."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from kinefuse.inertial.resampling import grid_within
from kinefuse.inertial.speeds import CLEARLY, STEP_S, Moments, felt_speeds, shown_speeds
from kinefuse.recordings import Finding, Imu, JointCenters


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
    grid = grid_within(start, min(centers.time[-1], max(imu.time[-1] for imu in imus)), 1 / STEP_S)
    segments = [imu.segment for imu in imus]
    shown = shown_speeds(segments, centers, grid)
    return np.stack([_fit(shown, felt_speeds(imu, grid, segments)) for imu in imus])


def _fit(shown: np.ndarray, felt: np.ndarray) -> np.ndarray:
    """Return the log-likelihoods (S,) of speeds (N, S) as they lie, NaN where unknown."""
    known = np.isfinite(shown) & np.isfinite(felt)
    count = np.maximum(known.sum(0), 1)
    a, b = (np.where(known, x - np.sum(x, 0, where=known) / count, 0.0) for x in (shown, felt))
    return Moments(count, (a * b).sum(0) / count, (a**2).sum(0) / count, (b**2).sum(0) / count).log_likelihood()


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


def told_exchanged(imus: Sequence[Imu], group: Sequence[tuple[int, int]]) -> Finding:
    """Return what is said of a group that `exchanged` found among sensors."""
    moves = "; ".join(f"{imus[i].name}, said to be on {imus[i].segment}, moves as {imus[j].segment}" for i, j in group)
    text = f"Sensors seem to have been exchanged: {moves}. If so, set their segments in trial.toml accordingly."
    return Finding("warning", "sensors", text)
