"""What the readers of a trial's text files share: opening, TOML, numbers, and columns of comma-separated values."""

import csv
import io
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from kinefuse.errors import FormatError, KinefuseError, hint
from kinefuse.formats.table_text import read_bytes

LARGEST: Final = 1e100
"""Greater numbers are mistakes in a file; their products would overflow."""


def read_text(path: Path) -> str:
    """Return the content of a UTF-8 text file; a byte order mark at its start is dropped.

    Raises
    ------
    KinefuseError
        If there is no such file, it may not be read, or it is larger than any recording.
    FormatError
        If it is not UTF-8 text.
    """
    try:
        return read_bytes(Path(path)).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: expected UTF-8 text, but byte {error.start} is not; save it as UTF-8.") from error


@contextmanager
def told_as(folder: Path, what: str) -> Iterator[None]:
    """Turn a refusal of the file system within the block into a `KinefuseError`.

    Parameters
    ----------
    folder
    what
        What could not be done to it: ``"read"`` or ``"written"``.
    """
    try:
        yield
    except OSError as error:
        raise KinefuseError(f"{folder}: cannot be {what}: {error.strerror or error} ({error.filename}).") from error


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises
    ------
    FormatError
        If the text is not TOML; the message holds the line.
    """
    try:
        return tomllib.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: is not valid TOML: {error or 'nested too deeply'}; mend that line.") from error


def numbers(value: object, shape: tuple[int, ...] | None = None) -> np.ndarray | None:
    """Return `value` (nested lists of numbers from a file) as a float array, or None if it is anything else.

    Parameters
    ----------
    value
        What a TOML or JSON reader gave. Truth values, text, NaN and infinite numbers are not accepted.
    shape
        Shape that the array must have; None accepts any.
    """
    if not _only_numbers(value):
        return None
    try:
        array = np.array(value, dtype=float)
    except (ValueError, TypeError, OverflowError):
        return None
    fits = shape is None or array.shape == shape
    return array if fits and bool((np.abs(array) < LARGEST).all()) else None


def _only_numbers(value: object, depth: int = 4) -> bool:
    if isinstance(value, list):
        return depth > 0 and all(_only_numbers(item, depth - 1) for item in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_columns(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return the columns of a comma-separated file as text, by the names in its header line.

    Parameters
    ----------
    path
    required, optional
        Names of columns; each of `optional` may be absent, and other columns are refused.

    Returns
    -------
    Column name to the cells of all rows, stripped of blanks; empty lines are skipped.

    Raises
    ------
    FormatError
        If the header lacks a required column or holds an unknown one, or a row has another number of cells.
    """
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(read_text(path), newline="")) if row]
    except csv.Error as error:
        raise FormatError(f"{path}: is not comma-separated text: {error}.") from error
    if not rows:
        raise FormatError(f"{path}: is empty; expected the header line {','.join(required)}.")
    header = rows[0]
    _check_header(path, header, required, optional)
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise FormatError(f"{path}: row {number} has {len(row)} cells, expected {len(header)}; mend that row.")
    return {name: [row[i] for row in rows[1:]] for i, name in enumerate(header)}


def _check_header(path: Path, header: list[str], required: Sequence[str], optional: Sequence[str]) -> None:
    wanted = ",".join(required) + (f" and optionally {','.join(optional)}" if optional else "")
    missing = [name for name in required if name not in header]
    if missing and any(";" in name for name in header):
        raise FormatError(f"{path}: its cells end in semicolons; save it with commas, and with points in numbers.")
    if missing:
        raise FormatError(f"{path}: the header lacks {', '.join(missing)}; expected {wanted}.")
    unknown = [name for name in header if name not in {*required, *optional}]
    if unknown:
        raise FormatError(f"{path}: unknown column {unknown[0]!r}{hint(unknown[0], [*required, *optional])}")
    if len(set(header)) != len(header):
        raise FormatError(f"{path}: a column name appears twice in its header; expected {wanted}.")


def float_column(path: Path, name: str, cells: list[str], empty_is_nan: bool = False) -> np.ndarray:
    """Return text cells as numbers, shape (rows,).

    Raises
    ------
    FormatError
        If a cell is not a finite number; an empty cell is NaN if `empty_is_nan`, else an error too.
    """
    try:
        values = np.array([cell or "nan" for cell in cells], dtype=float)
    except ValueError as error:
        row = next(i for i, cell in enumerate(cells) if cell and not _is_number(cell))
        raise FormatError(f"{path}: row {row + 2}, {name}: expected a number, got {cells[row]!r}.") from error
    given = np.array([bool(cell) for cell in cells], dtype=bool)
    bad = ~(np.abs(values) < LARGEST) & (given | (not empty_is_nan))
    if bad.any():
        row = int(np.argmax(bad))
        hint = "leave the cell empty" if empty_is_nan else "leave the row out"
        raise FormatError(
            f"{path}: row {row + 2}, {name}: {cells[row]!r} is no finite number; {hint} if it is missing."
        )
    return values


def _is_number(cell: str) -> bool:
    try:
        np.array([cell], dtype=float)
    except ValueError:
        return False
    return True
