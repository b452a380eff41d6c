"""Comma-separated tables: joint angles for spreadsheets, and named 3-D points.

Points are written in the long form, one row a frame and point: ``time_s,point,x_m,y_m,z_m``, empty cells where a point
is missing. Read are that form and the wide one, a row a frame: ``time_s,<point>_x_m,<point>_y_m,<point>_z_m,…``.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.conventions import COORDINATES, JOINTS, TRANSLATIONS
from kinefuse.errors import FormatError
from kinefuse.formats.point_names import canonical_point_names
from kinefuse.formats.storage import angles_in_degrees
from kinefuse.formats.table_text import (
    check_increasing,
    check_names,
    data_rows,
    located,
    number_rows,
    parse_row,
    read_lines,
    write_text,
)
from kinefuse.motion import Motion
from kinefuse.recordings import JointCenters

LONG_HEADER: Final = ("time_s", "point", "x_m", "y_m", "z_m")
_AXES: Final = ("_x_m", "_y_m", "_z_m")


def write_angles_csv(path: Path, motion: Motion) -> None:
    """Write the joint angles: ``time_s``, then a column a coordinate, ``<coordinate>_deg`` or ``pelvis_t*_m``.

    A missing value is an empty cell.

    Raises
    ------
    KinefuseError
        If the file cannot be written.
    """
    names = [f"{name}_m" if name in TRANSLATIONS else f"{name}_deg" for name in COORDINATES]
    rows = number_rows(angles_in_degrees(motion), decimals=7, separator=",", missing="")
    lines = [f"{time!r},{row}" for time, row in zip(motion.time.tolist(), rows, strict=True)]
    write_text(Path(path), "\n".join([",".join(("time_s", *names)), *lines]) + "\n")


def _cell(value: float) -> str:
    return "" if value != value else f"{value:.7f}"


def write_points_csv(path: Path, centers: JointCenters) -> None:
    """Write points in the long form, metres, world (Y up); a missing coordinate is an empty cell.

    Raises
    ------
    KinefuseError
        If a name cannot be written, or the file cannot.
    """
    check_names("points table", centers.names)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(LONG_HEADER)
    for time, points in zip(centers.time.tolist(), centers.positions.tolist(), strict=True):
        for name, point in zip(centers.names, points, strict=True):
            writer.writerow([repr(time), name, *map(_cell, point)])
    write_text(Path(path), buffer.getvalue())


def read_points_csv(path: Path, canonical: bool = True) -> JointCenters:
    """Read points from a long or wide table (see the module), told apart by the header.

    In the long form rows may come in any order; a point without a row, or with empty cells, is NaN.

    Parameters
    ----------
    path
    canonical
        Replace known spellings by those of `conventions.KEYPOINTS`.

    Raises
    ------
    FormatError
        If the header is neither form, a row has the wrong number of cells or no number in one, or a point appears
        twice at one time.
    KinefuseError
        If the file cannot be opened.
    """
    path = Path(path)
    lines = read_lines(path)
    header = [cell.strip() for cell in _csv_row(lines[0], path, 1)]
    rows = [(number, _csv_row(line, path, number)) for number, line in data_rows(lines, 1, path)]
    if not rows:
        raise FormatError(f"{path}: expected rows of points below the header, got none; export it again.")
    for number, cells in rows:
        if len(cells) != len(header):
            raise FormatError(
                f"{path}, line {number}: expected {len(header)} cells as in the header, got {len(cells)}; a missing "
                "value needs an empty cell."
            )
    names, time, positions = _from_long(rows, path) if tuple(header) == LONG_HEADER else _from_wide(header, rows, path)
    check_increasing(path, time)
    with located(path):
        return JointCenters(
            names=canonical_point_names(names) if canonical else tuple(names), time=time, positions=positions
        )


def _csv_row(line: str, path: Path, number: int) -> list[str]:
    try:
        rows = list(csv.reader([line], strict=True))
    except csv.Error as error:
        raise FormatError(f"{path}, line {number}: expected comma-separated cells ({error}).") from None
    return rows[0] if rows else []


_Points = tuple[list[str], np.ndarray, np.ndarray]


def _from_long(rows: Sequence[tuple[int, list[str]]], path: Path) -> _Points:
    numbers = np.array([parse_row([cells[0], *cells[2:]], path, line) for line, cells in rows])
    labels = [cells[1].strip() for _, cells in rows]
    if not all(labels) or np.isnan(numbers[:, 0]).any():
        raise FormatError(f"{path}: every row needs a time and the name of a point; complete them.")
    names = list(dict.fromkeys(labels))
    index = {name: i for i, name in enumerate(names)}
    time, frame = np.unique(numbers[:, 0], return_inverse=True)
    point = np.array([index[label] for label in labels])
    if len(np.unique(frame * len(names) + point)) != len(rows):
        raise FormatError(f"{path}: a point appears twice at one time; remove one of the rows.")
    positions = np.full((len(time), len(names), 3), np.nan)
    positions[frame, point] = numbers[:, 1:]
    return names, time, positions


def _from_wide(header: Sequence[str], rows: Sequence[tuple[int, list[str]]], path: Path) -> _Points:
    names = [cell.removesuffix(_AXES[0]) for cell in header[1::3]]
    expected = ["time_s", *(name + axis for name in names for axis in _AXES)]
    if list(header) != expected or not names or not all(names):
        raise FormatError(
            f"{path}, line 1: expected the columns {','.join(LONG_HEADER)}, or time_s and <point>_x_m, <point>_y_m, "
            f"<point>_z_m for each point, got {','.join(header)[:80]!r}."
        )
    table = np.array([parse_row(cells, path, line) for line, cells in rows])
    return names, table[:, 0], table[:, 1:].reshape(len(table), len(names), 3)


def motion_centers(motion: Motion) -> JointCenters:
    """Return the 22 joints of a motion as points under their names in `conventions.JOINTS`.

    Raises
    ------
    KinefuseError
        If the motion holds infinite positions.
    """
    return JointCenters(names=JOINTS, time=motion.time, positions=motion.positions)
