"""From cells to numbers: repetitions are averaged first, then the windows of a person, then people.

Thirty repetitions are not thirty samples, and ten windows of one person are not ten people. Numbers are in degrees,
millimetres and m/s² from here on, since all that follows is tables and figures.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from kinefuse.conventions import COORDINATES
from kinefuse.metrics.angles import mean_of_valid
from kinefuse.metrics.compare import MOVING
from kinefuse.metrics.groups import COORDINATE_GROUPS, JOINT_GROUPS, SEGMENT_GROUPS, group_of, joint_of
from kinefuse.study.cells import Cell
from kinefuse.study.plan import Setting, alike


@dataclass(frozen=True)
class Movement:
    """One degree of freedom of one joint, both sides together.

    Attributes
    ----------
    name : of the coordinate without its side, such as ``"hip_flexion"``
    joint : such as ``"hip"``
    group : ``"lower"`` or ``"upper"``
    columns : indices of `conventions.COORDINATES`, one a side
    """

    name: str
    joint: str
    group: str
    columns: tuple[int, ...]


def without_side(name: str) -> str:
    """Return ``"hip_flexion"`` for ``"hip_flexion_r"``."""
    return name[:-2] if name.endswith(("_l", "_r")) else name


def _movements() -> tuple[Movement, ...]:
    by_name: dict[str, list[int]] = {}
    for column in COORDINATE_GROUPS["all"]:
        by_name.setdefault(without_side(COORDINATES[column]), []).append(int(column))
    return tuple(
        Movement(name, without_side(joint_of(COORDINATES[c[0]])), group_of(COORDINATES[c[0]]), tuple(c))
        for name, c in by_name.items()
    )


MOVEMENTS: Final = _movements()
"""Joint × degree of freedom, as the paper pairs them: three each of hip, knee, ankle, shoulder, elbow and neck."""


class Results:
    """Cells by setting and estimator, those that failed apart.

    Parameters
    ----------
    cells : of any settings and estimators, in any order
    """

    def __init__(self, cells: Iterable[Cell]) -> None:
        self._done: dict[tuple[str, str], dict[str, Cell]] = {}
        failures = []
        for cell in cells:
            windows = self._done.setdefault((cell.setting, cell.estimator), {})
            if cell.failure or not cell.repetitions:
                failures.append(cell)
            else:
                windows[cell.window] = cell
        self.failures: Final = tuple(failures)

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

    def cells(self, setting: str, estimator: str, windows: Sequence[str] | None = None) -> list[Cell]:
        """Return an estimator's cells under a setting, on the given windows or all, in the order of their names."""
        found = self._done.get((setting, estimator), {})
        return [found[name] for name in (sorted(found) if windows is None else windows)]


def completed(cells: Sequence[Cell], settings: Sequence[Setting]) -> list[Cell]:
    """Return the cells, and a cell for each setting that is one and the same for an estimator as one that was computed.

    VideoNet sees no sensors, so its cells under one mounting error are its cells under any.
    """
    there = {(cell.setting, cell.estimator, cell.window) for cell in cells}
    by_method: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        by_method.setdefault((cell.setting, cell.estimator), []).append(cell)
    added = {}
    for estimator in dict.fromkeys(cell.estimator for cell in cells):
        for group in alike(settings, estimator):
            own = [cell for setting in group for cell in by_method.get((setting.name, estimator), ())]
            for setting, cell in itertools.product(group, own):
                where = (setting.name, estimator, cell.window)
                if where not in there:
                    added.setdefault(where, replace(cell, setting=setting.name))
    return [*cells, *added.values()]


def repeated_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over repetitions, (...), of values (R, ...); NaN is left out."""
    return mean_of_valid(values, 0)


def people_of(cells: Sequence[Cell]) -> tuple[str, ...]:
    """Return the people, sorted."""
    return tuple(sorted({cell.subject for cell in cells}))


def person_values(cells: Sequence[Cell], value: Callable[[Cell], np.ndarray]) -> np.ndarray:
    """Return each person's mean over windows, (P, ...), in the order of `people_of`; NaN where nothing is known.

    Parameters
    ----------
    cells : at least one
    value : of one cell, always of the same shape
    """
    people = people_of(cells)
    return np.stack([mean_of_valid(np.stack([value(c) for c in cells if c.subject == person]), 0) for person in people])


def movement_errors(cell: Cell) -> np.ndarray:
    """Return the error of each of `MOVEMENTS`, (M,) degrees: the mean of both sides and of the repetitions."""
    each = np.rad2deg(repeated_mean(cell.coordinate_rmse))
    return np.array([float(mean_of_valid(each[list(movement.columns)])) for movement in MOVEMENTS])


def movements_of(group: str) -> np.ndarray:
    """Return (M,) true for the movements of ``"lower"``, ``"upper"`` or ``"all"``."""
    return np.array([group in ("all", movement.group) for movement in MOVEMENTS])


def mean_movement_errors(cells: Sequence[Cell]) -> np.ndarray:
    """Return the error of each of `MOVEMENTS` over all people, (M,) degrees; NaN without cells."""
    if not cells:
        return np.full(len(MOVEMENTS), np.nan)
    return mean_of_valid(person_values(cells, movement_errors), 0)


def mean_and_sd(values: np.ndarray) -> tuple[float, float]:
    """Return mean and sample standard deviation of the values that are known; NaN for none, and for the spread of one.

    Parameters
    ----------
    values : (N,)
    """
    known = values[np.isfinite(values)]
    mean = float(known.mean()) if known.size else float("nan")
    return mean, float(known.std(ddof=1)) if known.size > 1 else float("nan")


def _angles(values: np.ndarray, columns: np.ndarray) -> float:
    return float(np.rad2deg(mean_of_valid(mean_of_valid(values[:, columns], 1))))


def _moving(cell: Cell, group: str) -> np.ndarray:
    columns = COORDINATE_GROUPS[group]
    return columns[cell.coordinate_range[columns] > MOVING]


def _r2(cell: Cell, group: str) -> np.ndarray:
    known = repeated_mean(cell.coordinate_r2)[_moving(cell, group)]
    return known[np.isfinite(known)]


def _r2_median(cell: Cell, group: str) -> float:
    """One angle that hardly moves can lie below minus ten, and drowns all others in a mean."""
    known = _r2(cell, group)
    return float(np.median(known)) if known.size else float("nan")


def _of_joints(values: np.ndarray, columns: np.ndarray, scale: float) -> float:
    return scale * float(mean_of_valid(mean_of_valid(values[:, columns], 1)))


def _relative(group: str) -> np.ndarray:
    """The group's joints without the root, whose acceleration is not relative to itself."""
    joints = JOINT_GROUPS[group]
    return joints[joints > 0]


GROUP_METRICS: Final[Mapping[str, Callable[[Cell, str], float]]] = {
    "angle_rmse_deg": lambda cell, group: _angles(cell.coordinate_rmse, COORDINATE_GROUPS[group]),
    "angle_rmse_moving_deg": lambda cell, group: _angles(cell.coordinate_rmse, _moving(cell, group)),
    "geodesic_deg": lambda cell, group: _angles(cell.geodesic, SEGMENT_GROUPS[group]),
    "mpjpe_mm": lambda cell, group: _of_joints(cell.joint_error, JOINT_GROUPS[group], 1e3),
    "mpjpe_pa_mm": lambda cell, group: _of_joints(cell.joint_error_procrustes, JOINT_GROUPS[group], 1e3),
    "root_mm": lambda cell, group: 1e3 * float(mean_of_valid(cell.root_error)),
    "acceleration_error_mps2": lambda cell, group: _of_joints(cell.acceleration_error, _relative(group), 1.0),
    "r2": lambda cell, group: float(mean_of_valid(_r2(cell, group))),
    "r2_median": _r2_median,
    "rom_error_deg": lambda cell, group: _angles(np.abs(cell.coordinate_rom_error), COORDINATE_GROUPS[group]),
}
"""The numbers of one cell and one of `metrics.groups.GROUPS`, as `metrics.compare.Comparison` defines them; beside the
mean R² of moving angles stands their median."""


def group_value(cells: Sequence[Cell], metric: str, group: str) -> tuple[float, float]:
    """Return mean and standard deviation over people of one of `GROUP_METRICS`; NaN without cells."""
    if not cells:
        return float("nan"), float("nan")
    measure = GROUP_METRICS[metric]
    return mean_and_sd(person_values(cells, lambda cell: np.array(measure(cell, group))))
