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


@dataclass(frozen=True, kw_only=True)
class Crossed:
    """Errors of several methods at several levels of noise, degrees.

    Attributes
    ----------
    movements : (M, methods, levels) of each of `scored.MOVEMENTS`, mean over people
    people : (P, methods, levels) of each person, mean over movements
    windows : common to all of them
    """

    movements: np.ndarray
    people: np.ndarray
    windows: int


def methods_by_levels(results: Results, settings: Sequence[str], estimators: Sequence[str]) -> Crossed | None:
    """Return the errors of methods under settings; None where there is no window common to all of them."""
    common = set.intersection(*(set(results.windows(setting, *estimators)) for setting in settings))
    if not common:
        return None
    windows = sorted(common)
    cells = [[results.cells(setting, name, windows) for setting in settings] for name in estimators]
    movements = np.array([[mean_movement_errors(own) for own in row] for row in cells])
    people = np.array([[mean_of_valid(movements_by_person(own), 1) for own in row] for row in cells])
    return Crossed(movements=np.moveaxis(movements, 2, 0), people=np.moveaxis(people, 2, 0), windows=len(windows))


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


def lower_and_upper_of_people(results: Results, setting: str, estimator: str) -> np.ndarray:
    """Return each person's mean errors of lower and upper body, (P, 2) degrees."""
    errors = movements_by_person(results.cells(setting, estimator))
    return np.stack([mean_of_valid(errors[:, movements_of(group)], 1) for group in ("lower", "upper")], axis=1)


def n_people(results: Results, setting: str, estimator: str) -> int:
    """Return how many people a method was judged on under a setting."""
    return len(people_of(results.cells(setting, estimator)))
