"""From cells to means: repetitions are averaged first, then the windows of a person, then people.

Thirty repetitions are not thirty samples, and ten windows of one person are not ten people.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from kinefuse.metrics.angles import mean_of_valid
from kinefuse.study.archive import Result
from kinefuse.study.cells import Cell
from kinefuse.study.plan import Setting, alike
from kinefuse.study.scored import MOVEMENTS, Scored, scored


class Results:
    """Cells in numbers by setting and estimator, and those that failed apart.

    A setting that is one and the same for an estimator as one that was computed has its results: VideoNet sees no
    sensors, so its cells under one mounting error are its cells under any.

    Parameters
    ----------
    cells : or results in numbers, of any settings and estimators, in any order; of two of the same setting, estimator
        and window that of more repetitions counts, with the curves that either has
    settings : among which alike ones are looked for; none if empty
    """

    def __init__(self, cells: Iterable[Result], settings: Sequence[Setting] = ()) -> None:
        self._done: dict[tuple[str, str], dict[str, Scored]] = {}
        self._failed: dict[tuple[str, str], dict[str, Cell]] = {}
        for cell in cells:
            windows = self._done.setdefault((cell.setting, cell.estimator), {})
            if isinstance(cell, Cell) and not cell.repetitions:
                self._failed.setdefault((cell.setting, cell.estimator), {})[cell.window] = cell
            else:
                _add(windows, scored(cell) if isinstance(cell, Cell) else cell)
        for estimator in dict.fromkeys(name for _, name in self._done):
            for group in alike(settings, estimator):
                self._share(estimator, [setting.name for setting in group])
        self.failures: Final = tuple(
            cell for where, own in self._failed.items() for cell in own.values() if cell.window not in self._done[where]
        )

    def _share(self, estimator: str, settings: Sequence[str]) -> None:
        """Give every one of some settings what any of them has."""
        own = [result for s in settings for result in self._done.get((s, estimator), {}).values()]
        failed = [cell for s in settings for cell in self._failed.get((s, estimator), {}).values()]
        for setting, result in itertools.product(settings, own):
            _add(self._done.setdefault((setting, estimator), {}), replace(result, setting=setting))
        for setting, cell in itertools.product(settings if failed else (), failed):
            self._done.setdefault((setting, estimator), {})
            self._failed.setdefault((setting, estimator), {})[cell.window] = replace(cell, setting=setting)

    def estimators(self, setting: str) -> tuple[str, ...]:
        """Return those of which this setting has a result, in order of appearance."""
        return tuple(name for (where, name), windows in self._done.items() if where == setting and windows)

    def all_estimators(self) -> tuple[str, ...]:
        """Return those that have a result anywhere."""
        return tuple(dict.fromkeys(name for (_, name), windows in self._done.items() if windows))

    def windows(self, setting: str, *estimators: str) -> tuple[str, ...]:
        """Return the windows of which all of these estimators have a result: comparisons are made on these alone."""
        sets = [set(self._done.get((setting, name), {})) for name in estimators]
        return tuple(sorted(set.intersection(*sets))) if sets else ()

    def cells(self, setting: str, estimator: str, windows: Sequence[str] | None = None) -> list[Scored]:
        """Return an estimator's cells under a setting, on the given windows or all, in the order of their names."""
        found = self._done.get((setting, estimator), {})
        return [found[name] for name in (sorted(found) if windows is None else windows)]


def _add(windows: dict[str, Scored], result: Scored) -> None:
    """Put a result in its place, or what it has more than the one that is there."""
    other = windows.get(result.window, result)
    best, rest = (result, other) if result.repetitions >= other.repetitions else (other, result)
    if not len(best.time):
        best = replace(best, time=rest.time, estimate=rest.estimate, truth=rest.truth)
    windows[result.window] = best


def people_of(results: Sequence[Scored]) -> tuple[str, ...]:
    """Return the people, sorted."""
    return tuple(sorted({result.subject for result in results}))


def person_values(results: Sequence[Scored], value: Callable[[Scored], np.ndarray]) -> np.ndarray:
    """Return each person's mean over windows, (P, ...), in the order of `people_of`; NaN where nothing is known.

    Parameters
    ----------
    results : at least one
    value : of one of them, always of the same shape
    """
    values = np.stack([value(result) for result in results])
    subjects = np.array([result.subject for result in results])
    return np.stack([mean_of_valid(values[subjects == person], 0) for person in people_of(results)])


def movements_by_person(results: Sequence[Scored]) -> np.ndarray:
    """Return the errors of `scored.MOVEMENTS` of each person, (P, M) degrees."""
    return person_values(results, lambda result: result.movements)


def mean_movement_errors(results: Sequence[Scored]) -> np.ndarray:
    """Return the error of each of `scored.MOVEMENTS` over all people, (M,) degrees; NaN without results."""
    return mean_of_valid(movements_by_person(results), 0) if results else np.full(len(MOVEMENTS), np.nan)


def mean_and_sd(values: np.ndarray) -> tuple[float, float]:
    """Return mean and sample standard deviation of the values that are known; NaN for none, and for the spread of one.

    Parameters
    ----------
    values : (N,)
    """
    known = values[np.isfinite(values)]
    mean = float(known.mean()) if known.size else float("nan")
    return mean, float(known.std(ddof=1)) if known.size > 1 else float("nan")


def group_value(results: Sequence[Scored], metric: str, group: str) -> tuple[float, float]:
    """Return mean and standard deviation over people of one of `scored.GROUP_METRICS`; NaN without results."""
    if not results:
        return float("nan"), float("nan")
    return mean_and_sd(person_values(results, lambda result: np.array(result.groups[metric, group])))


def standard_errors(results: Sequence[Scored]) -> tuple[float, float]:
    """Return the standard errors of the mean error of all angles, degrees: of drawing the noise anew, of other people.

    Either is that of the mean over people, each of their windows, each of its repetitions; the second holds the first.
    A window that was not repeated counts as the mean one of those that were; NaN if none was.

    Parameters
    ----------
    results : of one estimator under one setting, at least one
    """
    variances = np.array([result.error_variance for result in results])
    variances = np.where(np.isfinite(variances), variances, mean_of_valid(variances, 0))
    drawn = variances / np.array([result.repetitions for result in results])
    people = person_values(results, lambda result: np.array(result.groups["angle_rmse_deg", "all"]))
    windows = Counter(result.subject for result in results)
    share = np.array([1.0 / (len(windows) * windows[result.subject]) for result in results])
    return float(np.sqrt((share**2 * drawn).sum())), mean_and_sd(people)[1] / float(np.sqrt(len(people)))
