"""Two methods beside each other: errors per movement and per person on the windows that both could use."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinefuse.metrics.angles import mean_of_valid
from kinefuse.study.means import Results, mean_movement_errors, movements_by_person, people_of
from kinefuse.study.scored import movements_of


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Errors of two methods, degrees.

    Attributes
    ----------
    movements : (M, 2) of each of `scored.MOVEMENTS`, mean over people
    people : (P, 2) of each person, mean over movements
    windows : that both could use
    """

    movements: np.ndarray
    people: np.ndarray
    windows: int

    @property
    def ratio(self) -> float:
        """Mean error of the first over that of the second, over the movements that both know; NaN if none."""
        first, second = self.means
        return first / second if second > 0 else float("nan")

    @property
    def means(self) -> tuple[float, float]:
        """Mean errors over the movements that both know."""
        known = self.movements[np.isfinite(self.movements).all(axis=1)]
        if not len(known):
            return float("nan"), float("nan")
        return float(known[:, 0].mean()), float(known[:, 1].mean())

    @property
    def spreads(self) -> tuple[float, float]:
        """Standard deviations over the movements that both know; NaN for fewer than two."""
        known = self.movements[np.isfinite(self.movements).all(axis=1)]
        if len(known) < 2:
            return float("nan"), float("nan")
        return float(known[:, 0].std(ddof=1)), float(known[:, 1].std(ddof=1))


def pair_of(results: Results, setting: str, first: str, second: str) -> Pair | None:
    """Return two methods under one setting; None where they share no window."""
    windows = results.windows(setting, first, second)
    if not windows:
        return None
    cells = [results.cells(setting, name, windows) for name in (first, second)]
    return Pair(
        movements=np.stack([mean_movement_errors(own) for own in cells], axis=1),
        people=np.stack([mean_of_valid(movements_by_person(own), 1) for own in cells], axis=1),
        windows=len(windows),
    )


def methods_by_levels(
    results: Results, settings: Sequence[str], estimators: Sequence[str]
) -> tuple[np.ndarray, int] | None:
    """Return errors (M, methods, levels) in degrees and the number of windows, on windows common to all of them.

    None where there is no such window. Movements are those of `scored.MOVEMENTS`.
    """
    common = set.intersection(*(set(results.windows(setting, *estimators)) for setting in settings))
    if not common:
        return None
    windows = sorted(common)
    table = [[mean_movement_errors(results.cells(s, e, windows)) for s in settings] for e in estimators]
    return np.moveaxis(np.array(table), 2, 0), len(windows)


def by_activity(results: Results, setting: str, estimator: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the activities and the errors of a method in each, (M, activities) degrees."""
    cells = results.cells(setting, estimator)
    names = tuple(sorted({cell.activity for cell in cells}))
    columns = [mean_movement_errors([cell for cell in cells if cell.activity == name]) for name in names]
    return names, np.stack(columns, axis=1) if columns else np.zeros((0, 0))


def lower_and_upper(results: Results, setting: str, estimator: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors of the movements of the lower and of the upper body, (N,) degrees each."""
    errors = mean_movement_errors(results.cells(setting, estimator))
    return errors[movements_of("lower")], errors[movements_of("upper")]


def n_people(results: Results, setting: str, estimator: str) -> int:
    """Return how many people a method was judged on under a setting."""
    return len(people_of(results.cells(setting, estimator)))
