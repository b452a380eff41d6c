"""Tidy tables of the study: one line a thing, as CSV, for any statistics program.

A mean is of all windows of which the method has a result; the column ``windows`` counts them, ``windows_setting`` those
of which any method has one. Means of different windows do not compare: the table ``pairs`` and the relations set two
methods beside each other on the windows that both have.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.conventions import COORDINATES, IS_LENGTH
from kinefuse.errors import KinefuseError
from kinefuse.formats.table_text import write_text
from kinefuse.metrics.angles import mean_of_valid
from kinefuse.metrics.compare import Row
from kinefuse.metrics.groups import GROUPS, PAIRED_COORDINATES, group_of, joint_of
from kinefuse.study.archive import Result
from kinefuse.study.levels import level_mm, sigma_deg
from kinefuse.study.means import Results, group_value, mean_and_sd, mean_movement_errors, people_of, person_values
from kinefuse.study.naming import ordered
from kinefuse.study.pairs import pair_of
from kinefuse.study.plan import Setting
from kinefuse.study.ranking import all_windows
from kinefuse.study.relation import relation_rows
from kinefuse.study.relations import relations
from kinefuse.study.scored import GROUP_METRICS, MOVEMENTS, Scored, movements_of

FUSED: Final = "fusionnet"
SINGLE: Final = ("videonet", "imunet")
"""Each network of one modality."""


def write_tables(cells: Sequence[Result], settings: Sequence[Setting], folder: Path) -> None:
    """Write all tables of the study into a folder, which is made if there is none.

    Raises
    ------
    KinefuseError
        If a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KinefuseError(f"{folder}: cannot be made ({error.strerror}); name another folder.") from error
    results = Results(cells, settings)
    for name, rows in all_tables(results, settings).items():
        write_text(folder / f"{name}.csv", csv_text(rows))


def all_tables(results: Results, settings: Sequence[Setting]) -> dict[str, list[Row]]:
    """Return the rows of every table by its name."""
    return {
        "groups": group_rows(results, settings),
        "coordinates": coordinate_rows(results, settings),
        "joints": joint_rows(results, settings),
        "activities": activity_rows(results, settings),
        "subjects": subject_rows(results, settings),
        "pairs": pair_rows(results, settings),
        "gain": gain_rows(results, settings),
        "relations": relation_rows(relations(results, settings)),
        "failures": failure_rows(results),
    }


def csv_text(rows: Sequence[Row]) -> str:
    """Return rows as CSV with a header; columns in order of appearance, what is unknown is empty."""
    head = list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_shown(row.get(key)) for key in head] for row in rows)
    return out.getvalue()


def _shown(value: str | float | int | None) -> str:
    if isinstance(value, float):
        return f"{value:.6g}" if np.isfinite(value) else ""
    return "" if value is None else str(value)


def _methods(results: Results, settings: Sequence[Setting]) -> Iterator[tuple[Row, list[Scored]]]:
    """Yield of each setting and estimator what stands in front of its rows, and its cells."""
    for setting in settings:
        everything = all_windows(results, setting.name)
        for estimator in results.estimators(setting.name):
            used = results.cells(setting.name, estimator)
            front: Row = {
                "setting": setting.name,
                "family": setting.family,
                "mounting_sd_deg": sigma_deg(setting),
                "points_mm": level_mm(setting),
                "fault": setting.fault,
                "amount": setting.amount,
                "estimator": estimator,
                "people": len(people_of(used)),
                "windows": len(used),
                "windows_setting": len(everything),
            }
            yield front, used


def group_rows(results: Results, settings: Sequence[Setting]) -> list[Row]:
    """Return a row for each setting, estimator and group: mean ± sd over people, and over joint × degree of freedom."""
    rows = []
    for front, cells in _methods(results, settings):
        movements = mean_movement_errors(cells)
        seconds = float(np.mean([cell.seconds for cell in cells])) if cells else None
        for group in GROUPS:
            over = mean_and_sd(movements[movements_of(group)])
            row = front | {"group": group} | _metrics(cells, group)
            row |= {"movements_rmse_deg": over[0], "movements_rmse_deg_sd": over[1]}
            rows.append(row | {"repetitions": _repetitions(cells), "seconds": seconds})
    return rows


def _metrics(cells: Sequence[Scored], group: str) -> Row:
    row: Row = {}
    for metric in GROUP_METRICS:
        row[metric], row[f"{metric}_sd"] = group_value(cells, metric, group)
    return row


def _repetitions(cells: Sequence[Scored]) -> float:
    """Return how often a window was recorded, on average: of a study that grew, some may be behind."""
    return round(float(np.mean([cell.repetitions for cell in cells])), 1) if cells else 0


def coordinate_rows(results: Results, settings: Sequence[Setting]) -> list[Row]:
    """Return a row for each setting, estimator and coordinate; angles in degrees, translations in millimetres."""
    return [
        front | _coordinate(column, values)
        for front, cells in _methods(results, settings)
        if cells
        for values in [_coordinate_values(cells)]
        for column in range(len(COORDINATES))
    ]


def _coordinate_values(cells: Sequence[Scored]) -> dict[str, np.ndarray]:
    """Return (P, C) of each person, SI units."""
    return {
        name: person_values(cells, lambda cell, name=name: cell.coordinates[name])  # type: ignore[misc]
        for name in ("rmse", "rom_error", "range", "r2")
    }


def _coordinate(column: int, values: dict[str, np.ndarray]) -> Row:
    name = COORDINATES[column]
    scale = 1e3 if IS_LENGTH[column] else float(np.rad2deg(1.0))
    row: Row = {"coordinate": name, "joint": joint_of(name), "group": group_of(name)}
    row["unit"] = "mm" if IS_LENGTH[column] else "deg"
    for what, table in values.items():
        factor = 1.0 if what == "r2" else scale
        row[what], row[f"{what}_sd"] = mean_and_sd(factor * table[:, column])
    return row


def joint_rows(results: Results, settings: Sequence[Setting]) -> list[Row]:
    """Return a row for each setting, estimator and joint, both sides and all its angles together."""
    rows = []
    for front, cells in _methods(results, settings):
        for joint, columns in PAIRED_COORDINATES.items() if cells else ():
            angle = person_values(cells, lambda cell, c=columns: mean_of_valid(cell.coordinates["rmse"][c]))  # type: ignore[misc]
            mean, sd = mean_and_sd(np.rad2deg(angle))
            row: Row = {"joint": joint, "group": group_of(COORDINATES[columns[0]])}
            rows.append(front | row | {"angle_rmse_deg": mean, "angle_rmse_deg_sd": sd})
    return rows


def activity_rows(results: Results, settings: Sequence[Setting]) -> list[Row]:
    """Return the errors of each activity, over people and over joint × degree of freedom."""
    return _rows_by(results, settings, "activity")


def subject_rows(results: Results, settings: Sequence[Setting]) -> list[Row]:
    """Return the errors of each person."""
    return _rows_by(results, settings, "subject")


def _rows_by(results: Results, settings: Sequence[Setting], label: str) -> list[Row]:
    rows = []
    for front, cells in _methods(results, settings):
        for value in sorted({str(getattr(cell, label)) for cell in cells}):
            own = [cell for cell in cells if getattr(cell, label) == value]
            counts: Row = {label: value, "people": len(people_of(own)), "windows": len(own)}
            rows += [front | counts | _errors(own, group) for group in GROUPS]
    return rows


def _errors(cells: Sequence[Scored], group: str) -> Row:
    row: Row = {"group": group}
    for metric in ("angle_rmse_deg", "angle_rmse_moving_deg", "geodesic_deg", "mpjpe_pa_mm", "r2"):
        row[metric], row[f"{metric}_sd"] = group_value(cells, metric, group)
    over = mean_and_sd(mean_movement_errors(cells)[movements_of(group)])
    return row | {"movements_rmse_deg": over[0], "movements_rmse_deg_sd": over[1]}


def pair_rows(results: Results, settings: Sequence[Setting]) -> list[Row]:
    """Return the mean errors of any two methods of a setting on the windows that both have, and their ratio."""
    rows: list[Row] = []
    for setting in settings:
        for first, second in combinations(ordered(results.estimators(setting.name)), 2):
            pair = pair_of(results, setting.name, first, second)
            if pair is not None:
                row: Row = {"setting": setting.name, "first": first, "second": second}
                row |= {"people": len(pair.people), "windows": pair.windows}
                rows.append(row | {"first_deg": pair.means[0], "second_deg": pair.means[1], "ratio": pair.ratio})
    return rows


def gain_of_fusion(results: Results, setting: str) -> dict[str, np.ndarray] | None:
    """Return the errors of fusion and of each modality alone per movement, on common windows.

    Returns
    -------
    By estimator, and ``"better"``, the less of the two modalities: (M,) degrees in the order of `means.MOVEMENTS`;
    None where one of the three has no window in common with the others.
    """
    windows = results.windows(setting, FUSED, *SINGLE)
    if not windows:
        return None
    errors = {name: mean_movement_errors(results.cells(setting, name, windows)) for name in (FUSED, *SINGLE)}
    return errors | {"better": np.fmin(errors[SINGLE[0]], errors[SINGLE[1]])}


def gain_rows(results: Results, settings: Sequence[Setting]) -> list[Row]:
    """Return what fusion gains for each movement, degrees (positive where fusion is better) and per cent."""
    rows: list[Row] = []
    for setting in settings:
        errors = gain_of_fusion(results, setting.name)
        if errors is not None:
            rows += [_gain(setting.name, errors, i) for i in range(len(MOVEMENTS))]
    return rows


def _gain(setting: str, errors: dict[str, np.ndarray], index: int) -> Row:
    movement, fused = MOVEMENTS[index], float(errors[FUSED][index])
    row: Row = {"setting": setting, "movement": movement.name, "joint": movement.joint, "group": movement.group}
    row[f"{FUSED}_deg"] = fused
    for name in (*SINGLE, "better"):
        alone = float(errors[name][index])
        row |= {f"{name}_deg": alone, f"gain_over_{name}_deg": alone - fused}
        row[f"gain_over_{name}_percent"] = 100 * (alone - fused) / alone if alone > 0 else None
    return row


def failure_rows(results: Results) -> list[Row]:
    """Return what could not be estimated, and why."""
    names = ("setting", "estimator", "window", "subject", "activity", "failure")
    return [{name: getattr(cell, name) for name in names} for cell in results.failures]
