"""Errors against a reference motion, in the words and rows that the report shows."""

from typing import Any, Final

import numpy as np

from kinefuse.conventions import COORDINATES
from kinefuse.metrics.compare import Comparison, compare_motions
from kinefuse.motion import Motion
from kinefuse.report.markup import UNKNOWN, number
from kinefuse.report.wording import GROUPS, Movement

COLUMNS: Final = {"l": "left", "r": "right", "c": "middle"}


def comparison_of(motion: Motion, truth: Motion, align_heading: bool = False) -> dict[str, Any]:
    """Return the errors of `motion` against `truth` as `tables.comparison_section` shows them.

    The pelvis has the coordinates of files here (Z-X-Y), which are what is compared everywhere.

    Parameters
    ----------
    motion, truth
    align_heading : as in `compare_motions`, for a motion of unknown heading and place

    Raises
    ------
    KinefuseError
        If the two do not overlap in time.
    """
    comparison = compare_motions(motion, truth, align_heading)
    rows = [row for _, movements in GROUPS for m in movements if (row := _row(m, comparison)) is not None]
    return {"rows": rows, "summary": _summary(comparison), "notes": _notes(comparison, len(motion.time), align_heading)}


def _row(movement: Movement, comparison: Comparison) -> dict[str, Any] | None:
    """Return the errors of one movement in degrees; None if it was not compared."""
    renamed = {"pelvis_heading": "pelvis_rotation"}
    row: dict[str, Any] = {"title": movement.title, "minor": movement.minor}
    for side, name in movement.names():
        coordinate = renamed.get(name, name)
        if coordinate in COORDINATES:
            error = float(np.rad2deg(comparison.angle_rmse(coordinate)))
            row[COLUMNS[side]] = error if np.isfinite(error) else None
    return row if any(isinstance(row.get(column), float) for column in COLUMNS.values()) else None


def _summary(comparison: Comparison) -> list[tuple[str, str]]:
    everything = comparison.summary("all")
    return [
        ("joint angles, root mean square", _shown(everything["angle_rmse_deg"], 1, "°")),
        ("legs only", _shown(comparison.summary("lower")["angle_rmse_deg"], 1, "°")),
        ("arms and neck only", _shown(comparison.summary("upper")["angle_rmse_deg"], 1, "°")),
        ("segment orientation", _shown(everything["geodesic_deg"], 1, "°")),
        ("joint centres, roots together", _shown(everything["mpjpe_root_mm"], 0, " mm")),
    ]


def _shown(value: object, digits: int, unit: str) -> str:
    return number(value, digits, unit) if value is not None else UNKNOWN


def _notes(comparison: Comparison, frames: int, aligned: bool) -> list[str]:
    notes = []
    if aligned:
        notes.append("Sensors alone tell neither heading nor place, so one of each was taken from the reference.")
    if comparison.frames < frames:
        notes.append(f"The reference covers {comparison.frames} of {frames} frames; only these are compared.")
    singular = int(comparison.coordinate_singular.sum())
    if singular:
        total = singular + int(comparison.coordinate_frames.sum())
        notes.append(
            f"{100 * singular / total:.0f} % of the angle values lie near a position in which the three angles of a "
            "joint cannot be told apart; they are left out."
        )
    return notes
