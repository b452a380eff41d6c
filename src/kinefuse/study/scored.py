"""One cell in numbers: repetitions averaged, in degrees, millimetres and m/s² from here on, for tables and figures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.conventions import COORDINATES
from kinefuse.metrics.angles import mean_of_valid
from kinefuse.metrics.compare import MOVING
from kinefuse.metrics.groups import COORDINATE_GROUPS, GROUPS, JOINT_GROUPS, SEGMENT_GROUPS, group_of, joint_of
from kinefuse.study.cells import Cell


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

_SIDES: Final = np.array([(m.columns[0], m.columns[-1]) for m in MOVEMENTS])
"""(M, 2) coordinates of both sides; what people have once stands twice."""


def movements_of(group: str) -> np.ndarray:
    """Return (M,) true for the movements of ``"lower"``, ``"upper"`` or ``"all"``."""
    return np.array([group in ("all", movement.group) for movement in MOVEMENTS])


def repeated_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over repetitions, (...), of values (R, ...); NaN is left out."""
    return mean_of_valid(values, 0)


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


def _error_variance(cell: Cell) -> float:
    errors = np.rad2deg(mean_of_valid(cell.coordinate_rmse[:, COORDINATE_GROUPS["all"]], 1))
    return float(errors.var(ddof=1)) if cell.repetitions > 1 else float("nan")


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What tables and figures need of a cell.

    Attributes
    ----------
    setting, estimator, window, subject, activity, repetitions, key : as in `cells.Cell`
    movements : (M,) errors of `MOVEMENTS`, degrees, mean of both sides
    groups : of each metric of `GROUP_METRICS` and group of `metrics.groups.GROUPS`
    error_variance : of the mean error of all angles over repetitions, squared degrees; NaN for one repetition
    coordinates : (C,) by name ``rmse``, ``rom_error``, ``range``, ``r2``; radians and metres
    seconds : mean time that the estimator took
    time, estimate, truth : of the cell; of no frames where they were not kept
    """

    setting: str
    estimator: str
    window: str
    subject: str
    activity: str
    repetitions: int
    movements: np.ndarray
    groups: Mapping[tuple[str, str], float]
    error_variance: float
    coordinates: Mapping[str, np.ndarray]
    seconds: float
    time: np.ndarray
    estimate: np.ndarray
    truth: np.ndarray
    key: str = ""


def scored(cell: Cell) -> Scored:
    """Return a cell with a result in numbers."""
    rmse = repeated_mean(cell.coordinate_rmse)
    return Scored(
        setting=cell.setting,
        estimator=cell.estimator,
        window=cell.window,
        subject=cell.subject,
        activity=cell.activity,
        repetitions=cell.repetitions,
        movements=mean_of_valid(np.rad2deg(rmse)[_SIDES], 1),
        groups={(name, group): measure(cell, group) for name, measure in GROUP_METRICS.items() for group in GROUPS},
        error_variance=_error_variance(cell),
        coordinates={
            "rmse": rmse,
            "rom_error": repeated_mean(cell.coordinate_rom_error),
            "range": cell.coordinate_range,
            "r2": repeated_mean(cell.coordinate_r2),
        },
        seconds=float(mean_of_valid(cell.seconds)),
        time=cell.time,
        estimate=cell.estimate,
        truth=cell.truth,
        key=cell.key,
    )
