"""TRC files: named 3-D points over time, the marker format of OpenSim and Pose2Sim.

The world of a TRC file is Y-up, as ours, so only the unit is converted.
"""

from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.point_names import canonical_point_names
from kinefuse.formats.table_text import (
    check_count,
    check_increasing,
    check_names,
    data_rows,
    located,
    number_rows,
    parse_row,
    read_lines,
    write_text,
)
from kinefuse.recordings import JointCenters

METRES_PER_UNIT: Final = {
    "m": 1.0,
    "meters": 1.0,
    "cm": 0.01,
    "centimeters": 0.01,
    "mm": 0.001,
    "millimeters": 0.001,
    "in": 0.0254,
    "inches": 0.0254,
}
HEADER_KEYS: Final = (
    "DataRate",
    "CameraRate",
    "NumFrames",
    "NumMarkers",
    "Units",
    "OrigDataRate",
    "OrigDataStartFrame",
    "OrigNumFrames",
)
_HEADER_LINES: Final = 5


def read_trc(path: Path, canonical: bool = True) -> JointCenters:
    """Read a TRC file.

    Parameters
    ----------
    path
    canonical
        Replace known spellings (``RHip``) by those of `conventions.KEYPOINTS`
        (`point_names.canonical_point_name`); other names stay.

    Returns
    -------
    JointCenters
        positions (T, K, 3) in metres, world (Y up); an empty cell or a ``nan`` is NaN.

    Raises
    ------
    FormatError
        If the header is incomplete, a row has the wrong number of cells or no number in one, a blank line lies within
        the data, the frames or names are not as many as the header promises, or the unit contradicts the values.
    KinefuseError
        If the file cannot be opened.
    """
    path = Path(path)
    lines = read_lines(path)
    header = _read_header(lines, path)
    names = _read_names(lines[3], header, path)
    table = _read_data(lines, len(names), path)
    check_count(path, "NumFrames", _header_number(header, "NumFrames", path), len(table))
    check_increasing(path, table[:, 1])
    scale = _metres_per_unit(header["Units"], path)
    positions = table[:, 2:].reshape(len(table), len(names), 3) * scale
    check_unit(positions, header["Units"], path)
    with located(path):
        points = canonical_point_names(names) if canonical else names
        return JointCenters(names=points, time=table[:, 1], positions=positions)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in (line.split("\t") if "\t" in line else line.split())]


def _read_header(lines: list[str], path: Path) -> dict[str, str]:
    if len(lines) <= _HEADER_LINES or not lines[0].lstrip().startswith("PathFileType"):
        raise FormatError(
            f"{path}: expected a TRC file, whose first line starts with 'PathFileType' and whose data follow five "
            "header lines; check the suffix and the export."
        )
    header = dict(zip(_cells(lines[1]), _cells(lines[2]), strict=False))
    missing = [key for key in ("NumFrames", "NumMarkers", "Units") if not header.get(key)]
    if missing:
        raise FormatError(f"{path}: lines 2 and 3 must give {', '.join(missing)}; complete them or export again.")
    return header


def _header_number(header: dict[str, str], key: str, path: Path) -> float:
    return parse_row([header[key]], path, 3)[0]


def _read_names(line: str, header: dict[str, str], path: Path) -> tuple[str, ...]:
    cells = _cells(line)
    if [cell.lower() for cell in cells[:2]] != ["frame#", "time"]:
        raise FormatError(f"{path}, line 4: expected 'Frame#', 'Time' and the names, separated by tabs.")
    names = tuple(cell for cell in cells[2:] if cell)
    check_count(path, "NumMarkers", _header_number(header, "NumMarkers", path), len(names))
    return names


def _read_data(lines: list[str], points: int, path: Path) -> np.ndarray:
    if "X1" not in _cells(lines[4]):
        raise FormatError(f"{path}, line 5: expected the axes 'X1', 'Y1', 'Z1' and so on; a header line is missing.")
    first = _HEADER_LINES if lines[_HEADER_LINES].strip() else _HEADER_LINES + 1
    rows = [_read_row(line, points, path, number) for number, line in data_rows(lines, first, path)]
    if not rows:
        raise FormatError(f"{path}: expected rows of data after the header, got none; export it again.")
    return np.array(rows)


def _read_row(line: str, points: int, path: Path, number: int) -> list[float]:
    cells = line.split("\t")
    expected = 2 + 3 * points
    if len(cells) == expected + 1 and not cells[-1].strip():
        cells.pop()  # many tools end every row with a tab
    if len(cells) != expected:
        raise FormatError(
            f"{path}, line {number}: expected {expected} cells (frame, time and 3 for each of {points} points), got "
            f"{len(cells)}; a missing point needs three empty cells."
        )
    return parse_row(cells, path, number)


def _metres_per_unit(unit: str, path: Path) -> float:
    if unit.lower() not in METRES_PER_UNIT:
        raise FormatError(f"{path}: unknown unit {unit!r}; Units must be one of m, cm, mm, in.")
    return METRES_PER_UNIT[unit.lower()]


def check_unit(positions: np.ndarray, unit: str, path: Path | str) -> None:
    """Refuse positions that no human movement can have had, which tells of a wrong unit in a header.

    Too large: spread over more than 20 m within a frame; or half of the points more than 100 m from the origin, and
    either spread over more than 4 m or only one in a frame. Too small, where the unit is smaller than a metre: four or
    more points within less than 2 cm.

    Parameters
    ----------
    positions : (T, K, 3) metres, after conversion from `unit`

    Raises
    ------
    FormatError
    """
    known = positions[np.isfinite(positions).all(axis=(-1))]
    if not len(known):
        return
    distance = float(np.median(np.abs(known).max(axis=-1)))
    spread = median_spread(positions)
    if spread > 20.0 or (distance > 100.0 and not spread <= 4.0):
        size = max(distance, spread)
        raise FormatError(
            f"{path}: its unit says {unit!r}, but then the points would be {size:.0f} m apart or away; the values "
            "look like a smaller unit, so correct the unit in the header (mm?)."
        )
    if positions.shape[1] >= 4 and 0.0 < spread < 0.02 and unit.lower() not in {"m", "meters"}:
        raise FormatError(
            f"{path}: its unit says {unit!r}, but then all points would lie within {spread * 1000:.1f} mm; the values "
            "look like a larger unit, so correct the unit in the header (m?)."
        )


def median_spread(positions: np.ndarray) -> float:
    """Return the median over frames of the longest side of the box around the points, metres; NaN if unknown."""
    known = np.isfinite(positions).all(axis=-1)
    frames = known.sum(axis=1) >= 2
    if not frames.any():
        return float("nan")
    low = np.where(known[..., None], positions, np.inf)[frames].min(axis=1)
    high = np.where(known[..., None], positions, -np.inf)[frames].max(axis=1)
    with np.errstate(over="ignore"):
        return float(np.median((high - low).max(axis=-1)))


def write_trc(path: Path, centers: JointCenters) -> None:
    """Write points as TRC in metres, Y up; a missing coordinate is an empty cell.

    An empty cell at a row's very end holds a blank: OpenSim would not count it otherwise, and refuse the file.
    ``DataRate`` is the median rate of the time stamps (1 for a single frame). Coordinates are written to 0.1 µm,
    time stamps exactly.

    Raises
    ------
    KinefuseError
        If there is no frame or no point, a name cannot be written, or the file cannot.
    """
    path = Path(path)
    check_names("TRC file", centers.names)
    if not len(centers.time) or not centers.names:
        raise KinefuseError(f"{path}: a TRC file needs at least one frame and one point.")
    head = _header_text(path.name, centers)
    rows = number_rows(centers.positions.reshape(len(centers.time), -1), decimals=7, separator="\t", missing="")
    times = centers.time.tolist()
    rows = [row + " " if row.endswith("\t") else row for row in rows]
    body = [f"{i}\t{time!r}\t{row}\n" for i, (time, row) in enumerate(zip(times, rows, strict=True), start=1)]
    write_text(path, head + "".join(body))


def _header_text(file_name: str, centers: JointCenters) -> str:
    frames, points = len(centers.time), len(centers.names)
    rate = 1.0 / float(np.median(np.diff(centers.time))) if frames > 1 else 1.0
    values = (f"{rate:.6g}", f"{rate:.6g}", str(frames), str(points), "m", f"{rate:.6g}", "1", str(frames))
    axes = "".join(f"\tX{i}\tY{i}\tZ{i}" for i in range(1, points + 1))
    return (
        f"PathFileType\t4\t(X/Y/Z)\t{file_name}\n"
        + "\t".join(HEADER_KEYS)
        + "\n"
        + "\t".join(values)
        + "\nFrame#\tTime\t"
        + "\t\t\t".join(centers.names)
        + "\t\t\n\t"
        + axes
        + "\n"
    )
