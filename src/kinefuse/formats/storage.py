"""OpenSim's MOT and STO tables: coordinates over time, and OpenSense's orientations of sensors."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.conventions import COORDINATES, IS_LENGTH, SEGMENTS
from kinefuse.errors import FormatError, KinefuseError, check_known
from kinefuse.formats.table_text import (
    check_count,
    check_increasing,
    check_names,
    data_rows,
    number_rows,
    parse_row,
    read_lines,
    write_text,
)
from kinefuse.motion import Motion
from kinefuse.rotations import is_unit_quaternion, matrix_from_quaternion, quaternion_from_matrix

OPENSIM_BODIES: Final = {
    "pelvis": "pelvis",
    **{f"thigh_{side}": f"femur_{side}" for side in "lr"},
    **{f"shank_{side}": f"tibia_{side}" for side in "lr"},
    **{f"foot_{side}": f"calcn_{side}" for side in "lr"},
    **{f"toes_{side}": f"toes_{side}" for side in "lr"},
    "thorax": "torso",
    "head": "head",
    **{f"upper_arm_{side}": f"humerus_{side}" for side in "lr"},
    **{f"forearm_{side}": f"radius_{side}" for side in "lr"},
    **{f"hand_{side}": f"hand_{side}" for side in "lr"},
}
"""Our segments as bodies of OpenSim's Rajagopal2016; the other segments have no body there."""

_LENGTH: Final = re.compile(r".*_t[xyz]")
_NO_ANGLE: Final = re.compile(r"force|torque|moment|activation|length", re.IGNORECASE)
_COUNTS: Final = {"nrows": "nRows", "datarows": "datarows", "ncolumns": "nColumns", "datacolumns": "datacolumns"}


@dataclass(frozen=True, kw_only=True)
class Table:
    """A MOT or STO table of numbers.

    Attributes
    ----------
    names : C columns, without ``time``
    time : (T,) seconds
    values : (T, C) angles in radians, ``*_tx/_ty/_tz`` in metres, anything else as in the file; NaN where missing
    in_degrees : what the file's header said; None if it said nothing, and then nothing was converted
    """

    names: tuple[str, ...]
    time: np.ndarray
    values: np.ndarray
    in_degrees: bool | None = None

    def column(self, name: str) -> np.ndarray:
        """Return one column, (T,).

        Raises
        ------
        KinefuseError
            If there is none of that name.
        """
        check_known("column", name, self.names)
        return self.values[:, self.names.index(name)]


@dataclass(frozen=True, kw_only=True)
class Orientations:
    """Orientations of sensors or bodies over time, in the file's own world.

    Attributes
    ----------
    names : N columns, such as ``pelvis_imu``
    time : (T,) seconds
    matrices : (T, N, 3, 3) sensor to the file's world, which for OpenSense is the sensors' (Z up); NaN where missing
    """

    names: tuple[str, ...]
    time: np.ndarray
    matrices: np.ndarray


def is_angle(column: str) -> bool:
    """Return whether OpenSim counts a column of a coordinate file as a rotation.

    ``*_tx``, ``*_ty``, ``*_tz`` (also as ``…_tx/value``) are lengths; forces, torques and the like are neither.
    """
    base = column.removesuffix("/value").removesuffix("/speed").rsplit("/", 1)[-1]
    return not _LENGTH.fullmatch(base) and not _NO_ANGLE.search(base)


def read_mot(path: Path) -> Table:
    """Read a MOT or STO table of numbers; degrees become radians where the header says ``inDegrees=yes``.

    Raises
    ------
    FormatError
        If the header does not end, rows or columns are not as many as it promises, a cell is no number, a blank line
        lies within the data, time does not increase, or the table holds quaternions (`read_orientations`).
    KinefuseError
        If the file cannot be opened.
    """
    path = Path(path)
    header, labels, rows = _read_table(path)
    if header.get("datatype", "double").lower() not in {"double", "float"}:
        kind = header["datatype"]
        raise FormatError(f"{path}: expected a table of numbers, got DataType={kind}; read it as orientations.")
    table = np.array([parse_row(cells, path, line) for line, cells in rows])
    check_increasing(path, table[:, 0])
    values, in_degrees = table[:, 1:], _in_degrees(header, path)
    if in_degrees:
        angles = np.array([is_angle(name) for name in labels[1:]], dtype=bool)
        values = np.where(angles, np.deg2rad(values), values)
    return Table(names=tuple(labels[1:]), time=table[:, 0], values=values, in_degrees=in_degrees)


def _in_degrees(header: dict[str, str], path: Path) -> bool | None:
    said = header.get("indegrees")
    if said is None:
        return None
    if said.lower() not in {"yes", "no"}:
        raise FormatError(f"{path}: inDegrees must be yes or no, got {said!r}; correct the header.")
    return said.lower() == "yes"


def _read_table(path: Path) -> tuple[dict[str, str], list[str], list[tuple[int, list[str]]]]:
    lines = read_lines(path)
    ends = next((i for i, line in enumerate(lines) if line.strip().lower() == "endheader"), None)
    if ends is None or len(lines) < ends + 2:
        raise FormatError(f"{path}: expected a MOT or STO file, with a line 'endheader' before the column names.")
    header = _read_header(lines[:ends])
    labels = _split(lines[ends + 1])
    if len(labels) < 2 or labels[0].lower() != "time" or not all(labels):
        raise FormatError(f"{path}, line {ends + 2}: expected the column names, 'time' first and none empty.")
    if len(set(labels)) != len(labels):
        raise FormatError(f"{path}, line {ends + 2}: a column name appears twice; rename or remove one.")
    rows = [(line, _row_cells(text, labels, path, line)) for line, text in data_rows(lines, ends + 2, path)]
    if not rows:
        raise FormatError(f"{path}: expected rows of data after the column names, got none; export it again.")
    _check_counts(header, len(rows), len(labels), path)
    return header, labels, rows


def _read_header(lines: Sequence[str]) -> dict[str, str]:
    header = {}
    for line in lines:
        key, equals, value = line.partition("=")
        parts = line.split()
        if equals:
            header[key.strip().lower()] = value.strip()
        elif len(parts) == 2 and parts[0].lower() in {"datarows", "datacolumns"}:  # the older SIMM form
            header[parts[0].lower()] = parts[1]
    return header


def _check_counts(header: dict[str, str], rows: int, columns: int, path: Path) -> None:
    for key, name in _COUNTS.items():
        if key in header:
            declared = parse_row([header[key]], path, 1)[0]
            check_count(path, name, declared, rows if "rows" in key else columns)


def _split(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("\t")] if "\t" in line.strip() else line.split()


def _row_cells(line: str, labels: Sequence[str], path: Path, number: int) -> list[str]:
    cells = _split(line)
    if len(cells) == len(labels) + 1 and not cells[-1]:
        cells.pop()
    if len(cells) != len(labels):
        raise FormatError(
            f"{path}, line {number}: expected {len(labels)} cells, one for each column name, got {len(cells)}; the "
            "file is cut or a cell is missing."
        )
    return cells


def read_orientations(path: Path) -> Orientations:
    """Read an STO file with ``DataType=Quaternion``, as OpenSense writes: w, x, y, z within each cell.

    An empty cell is NaN. The world stays the file's; OpenSense's is turned into ours by −90° about X.

    Raises
    ------
    FormatError
        If it is another kind of table, or breaks a rule of `read_mot`.
    KinefuseError
        If the file cannot be opened.
    """
    path = Path(path)
    header, labels, rows = _read_table(path)
    if header.get("datatype", "").lower() != "quaternion":
        raise FormatError(f"{path}: expected DataType=Quaternion in the header, got {header.get('datatype', 'none')}.")
    time = np.array([parse_row(cells[:1], path, line)[0] for line, cells in rows])
    check_increasing(path, time)
    quaternions = np.array([[_parse_quaternion(c, path, line) for c in cells[1:]] for line, cells in rows])
    return Orientations(names=tuple(labels[1:]), time=time, matrices=matrix_from_quaternion(quaternions))


def _parse_quaternion(cell: str, path: Path, line: int) -> list[float]:
    if not cell:
        return [np.nan] * 4
    numbers = parse_row(cell.strip("()~[] ").split(","), path, line)
    if len(numbers) != 4 or (np.isfinite(numbers).all() and not is_unit_quaternion(np.array(numbers))):
        raise FormatError(
            f"{path}, line {line}: expected a unit quaternion as four numbers w,x,y,z, got {cell[:60]!r}; export again."
        )
    return numbers


def write_mot(path: Path, motion: Motion) -> None:
    """Write the joint angles for OpenSim in the order of `conventions.COORDINATES`: degrees, translations in metres.

    A coordinate that is missing in every frame has no column, so that OpenSim takes its default. A single missing
    value is ``nan``: OpenSim's tables read it, but its older ``Storage`` class (Analyze, the GUI) reads no row from
    there on; an empty cell would shift its columns.

    Raises
    ------
    KinefuseError
        If there is no frame, or the file cannot be written.
    """
    values = angles_in_degrees(motion)
    known = np.isfinite(values).any(axis=0)
    columns = np.flatnonzero(known) if known.any() else np.arange(len(COORDINATES))
    names = [COORDINATES[column] for column in columns]
    write_table(path, Path(path).stem, names, motion.time, values[:, columns], in_degrees=True)


def angles_in_degrees(motion: Motion) -> np.ndarray:
    """Return `Motion.angles` (T, C) in degrees, with the translations in metres as they are."""
    return np.where(IS_LENGTH, motion.angles, np.rad2deg(motion.angles))


def write_table(
    path: Path, title: str, names: Sequence[str], time: np.ndarray, values: np.ndarray, in_degrees: bool
) -> None:
    """Write columns (T, C) as they are in OpenSim's table format; `in_degrees` is only told in the header.

    Raises
    ------
    KinefuseError
        If there is no frame, a name cannot be written, or the file cannot.
    """
    path = Path(path)
    _check_writable(path, names, time)
    yes = "yes" if in_degrees else "no"
    head = f"{title}\nversion=1\nnRows={len(time)}\nnColumns={len(names) + 1}\ninDegrees={yes}\n\n"
    units = "Units are S.I. units (second, meters, Newtons, ...); angles are in degrees if inDegrees is yes.\n"
    numbers = number_rows(values, decimals=8, separator="\t", missing="nan")
    rows = "".join(f"{t!r}\t{row}\n" for t, row in zip(time.tolist(), numbers, strict=True))
    write_text(path, head + units + "\nendheader\n" + "\t".join(("time", *names)) + "\n" + rows)


def _check_writable(path: Path, names: Sequence[str], time: np.ndarray) -> None:
    check_names("MOT or STO file", names)
    if not len(time) or not names:
        raise KinefuseError(f"{path}: a MOT or STO file needs at least one frame and one column.")


def write_orientations(path: Path, orientations: Orientations) -> None:
    """Write orientations as OpenSense reads them: STO, ``DataType=Quaternion``, w, x, y, z; missing is ``nan``.

    Raises
    ------
    KinefuseError
        If there is no frame, a name cannot be written, or the file cannot.
    """
    path = Path(path)
    _check_writable(path, orientations.names, orientations.time)
    time = orientations.time
    rate = 1.0 / float(np.median(np.diff(time))) if len(time) > 1 else 1.0
    head = f"DataRate={rate:.6f}\nDataType=Quaternion\nversion=3\nendheader\n"
    labels = "\t".join(("time", *orientations.names)) + "\n"
    quaternions = quaternion_from_matrix(orientations.matrices).tolist()
    rows = "".join(
        f"{t!r}\t" + "\t".join(",".join(f"{number:.10f}" for number in cell) for cell in row) + "\n"
        for t, row in zip(time.tolist(), quaternions, strict=True)
    )
    write_text(path, head + labels + rows)


def segment_orientations(motion: Motion) -> Orientations:
    """Return the segments that OpenSim's model has as bodies, named ``<body>_imu``, in our world (Y up).

    Segment frames equal OpenSim's body frames in the T-pose (X anterior, Y up, Z right). For OpenSense the
    ``sensor_to_opensim_rotations`` of such a file are zero.
    """
    indices = [SEGMENTS.index(segment) for segment in OPENSIM_BODIES]
    names = tuple(f"{body}_imu" for body in OPENSIM_BODIES.values())
    return Orientations(names=names, time=motion.time, matrices=motion.R_world_segment[:, indices])
