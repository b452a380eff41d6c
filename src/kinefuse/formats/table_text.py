"""What the readers and writers of text tables share: decoding, numbers, and putting a file in place."""

import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kinefuse.errors import FormatError, KinefuseError

MAX_BYTES = 2_000_000_000
"""Larger files are refused: no recording of one trial comes near, and reading them would exhaust the memory."""


def read_bytes(path: Path) -> bytes:
    """Return the content of the file at `path`.

    Raises
    ------
    KinefuseError
        If there is no such file, it cannot be opened, or it is larger than `MAX_BYTES`.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FormatError(f"{path}: expected a file of less than {MAX_BYTES // 10**9} GB; cut it into trials.")
        return path.read_bytes()
    except FileNotFoundError:
        raise KinefuseError(f"{path}: there is no such file; check the name.") from None
    except (OSError, ValueError) as error:
        raise KinefuseError(f"{path}: the file cannot be read ({error}); check its permissions.") from error


def decode_lines(content: bytes, path: Path | str) -> list[str]:
    """Return the lines of a text file: UTF-8 with or without BOM, else Latin-1; any of the three line ends.

    Raises
    ------
    FormatError
        If `content` holds zero bytes, so is no text.
    """
    if b"\0" in content:
        raise FormatError(f"{path}: expected a text file, got a binary one; check the suffix and the export.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def read_lines(path: Path) -> list[str]:
    """Return the lines of the text file at `path` (see `read_bytes` and `decode_lines`)."""
    return decode_lines(read_bytes(path), path)


def to_number(cell: str) -> float:
    """Return the number in `cell`, NaN for an empty cell.

    Raises
    ------
    ValueError
        If the cell is no finite number and not ``nan``.
    """
    cell = cell.strip()
    if not cell:
        return math.nan
    if "_" in cell:
        raise ValueError(cell)
    value = float(cell)
    if math.isinf(value):
        raise ValueError(cell)
    return value


def parse_row(cells: Sequence[str], path: Path | str, line: int) -> list[float]:
    """Return the numbers of one row; `line` is its number in the file, from 1.

    Raises
    ------
    FormatError
        If a cell is no number; the message names the line and the cell.
    """
    try:
        return [to_number(cell) for cell in cells]
    except ValueError:
        return [_number_or_error(cell, path, line, column) for column, cell in enumerate(cells, start=1)]


def _number_or_error(cell: str, path: Path | str, line: int, column: int) -> float:
    try:
        return to_number(cell)
    except ValueError:
        raise FormatError(
            f"{path}, line {line}, column {column}: expected a number with a decimal point, or an empty cell where "
            f"it is missing, got {cell.strip()[:40]!r}."
        ) from None


def data_rows(lines: Sequence[str], first: int, path: Path | str) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line) from index `first` on; blank lines are allowed at the very end only.

    Raises
    ------
    FormatError
        If a blank line lies between rows of data.
    """
    end = len(lines)
    while end > first and not lines[end - 1].strip():
        end -= 1
    for index in range(first, end):
        if not lines[index].strip():
            raise FormatError(
                f"{path}, line {index + 1}: expected data, got a blank line, at which other tools stop reading; "
                "remove the line or write the file again."
            )
        yield index + 1, lines[index]


def check_count(path: Path | str, what: str, declared: float, found: int) -> None:
    """Raise `FormatError` unless the number that a header declares is the number found."""
    if declared != found:
        raise FormatError(
            f"{path}: its header promises {what} = {declared:g}, the data hold {found}; the file is cut or was "
            "edited, so export it again or correct the header."
        )


def check_increasing(path: Path | str, time: np.ndarray) -> None:
    """Raise `FormatError` unless the time stamps (T,) are finite and increase."""
    bad = np.flatnonzero(~np.isfinite(time))
    if len(bad):
        raise FormatError(f"{path}: row {bad[0] + 1} of the data has no time; every row needs one.")
    bad = np.flatnonzero(np.diff(time) <= 0)
    if len(bad):
        raise FormatError(
            f"{path}: time must increase, but row {bad[0] + 2} of the data ({time[bad[0] + 1]:g} s) follows "
            f"{time[bad[0]]:g} s; remove repeated rows."
        )


@contextmanager
def located(path: Path | str) -> Iterator[None]:
    """Put the file's name before the message of a `KinefuseError` that its content causes.

    A `FormatError` names its file already.
    """
    try:
        yield
    except FormatError:
        raise
    except KinefuseError as error:
        raise FormatError(f"{path}: {error}") from error


def write_atomically(path: Path, write: Callable[[Path], None], suffix: str = "") -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place: never half a file under that name.

    `suffix` is that of the temporary file, for libraries that insist on one.

    Raises
    ------
    KinefuseError
        If the folder does not exist or cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=".partial-", suffix=suffix, dir=path.parent)
        os.close(handle)
        partial = Path(name)
        try:
            write(partial)
            partial.chmod(0o666 & ~current_umask())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise KinefuseError(
            f"{path}: cannot be written ({error.strerror or error}); choose a folder that exists and may be written."
        ) from error


def current_umask() -> int:
    """Return the process's file mode mask."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8 with plain line feeds, atomically (see `write_atomically`)."""
    write_atomically(path, lambda partial: _write_utf8(partial, text))


def _write_utf8(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))


def number_rows(values: np.ndarray, decimals: int, separator: str, missing: str) -> list[str]:
    """Return each row of `values` (T, C) as text with fixed decimals; NaN becomes `missing`."""
    form = separator.join([f"%.{decimals}f"] * values.shape[1])
    texts = [form % tuple(row) for row in values.tolist()]
    for row in np.flatnonzero(np.isnan(values).any(axis=1)).tolist():
        texts[row] = separator.join(missing if cell == "nan" else cell for cell in texts[row].split(separator))
    return texts


def check_names(what: str, names: Sequence[str]) -> None:
    """Raise `KinefuseError` if a name is empty or holds a tab or line end, which no text table can keep."""
    for name in names:
        if not name.strip() or name != name.strip() or any(c in name for c in "\t\n\r\0"):
            raise KinefuseError(f"{what}: the name {name!r} cannot be written; rename it without tabs or outer blanks.")
