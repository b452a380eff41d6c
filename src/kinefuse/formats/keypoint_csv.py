"""``keypoints/<camera>.csv``: one row a point, ``frame,keypoint,x_px,y_px,confidence`` and optionally ``person``.

Frames count from 0. A point that was not seen has no row. Pixels are of the original, distorted image, with the origin
at the centre of its top left pixel.
"""

import csv
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.conventions import KEYPOINT_INDEX, KEYPOINTS
from kinefuse.errors import FormatError, hint
from kinefuse.formats.openpose import MAX_FRAMES, check_size, keypoints_from_triples
from kinefuse.formats.text_files import float_column, read_columns
from kinefuse.recordings import Keypoints

COLUMNS: Final = ("frame", "keypoint", "x_px", "y_px", "confidence")
MAX_PEOPLE: Final = 1000


def read_keypoints_csv(path: Path | str) -> Keypoints:
    """Read the keypoints of one camera.

    Parameters
    ----------
    path
        Columns ``frame,keypoint,x_px,y_px,confidence`` and optionally ``person`` (0, 1, …), in any order.

    Returns
    -------
    All of `conventions.KEYPOINTS`, pixels (T, P, 26, 2) as they stand in the file, T up to the last frame that has
    a row; what has no row, or confidence 0, is NaN.

    Raises
    ------
    FormatError
        If a column, a name or a number is wrong, or a point appears twice in a frame.
    """
    path = Path(path)
    columns = read_columns(path, COLUMNS, ("person",))
    frame = _counting_column(path, "frame", columns["frame"], MAX_FRAMES)
    person = _counting_column(path, "person", columns["person"], MAX_PEOPLE) if "person" in columns else 0 * frame
    point = _point_column(path, columns["keypoint"])
    values = [float_column(path, name, columns[name]) for name in COLUMNS[2:]]
    _check_confidence(path, values[2])
    _check_unique(path, np.stack([frame, person, point], axis=1))
    frames, people = _count(frame, 0), _count(person, 1)
    check_size(path, frames, people)
    triples = np.full((frames, people, len(KEYPOINTS), 3), np.nan)
    triples[frame, person, point] = np.stack(values, axis=-1)
    return keypoints_from_triples(triples)


def _count(index: np.ndarray, least: int) -> int:
    return max(least, int(index.max()) + 1) if len(index) else least


def _counting_column(path: Path, name: str, cells: list[str], limit: int) -> np.ndarray:
    values = float_column(path, name, cells)
    bad = (values < 0) | (values >= limit) | (values != np.round(values))
    if bad.any():
        row = int(np.argmax(bad))
        raise FormatError(
            f"{path}: row {row + 2}, {name}: expected a whole number from 0 to {limit}, got {cells[row]!r}."
        )
    return values.astype(int)


def _point_column(path: Path, cells: list[str]) -> np.ndarray:
    try:
        return np.array([KEYPOINT_INDEX[cell] for cell in cells], dtype=int)
    except KeyError as error:
        row, name = cells.index(error.args[0]), error.args[0]
        raise FormatError(f"{path}: row {row + 2}: unknown keypoint {name!r}{hint(name, KEYPOINTS)}") from error


def _check_confidence(path: Path, confidence: np.ndarray) -> None:
    bad = (confidence < 0) | (confidence > 1)
    if bad.any():
        row = int(np.argmax(bad))
        raise FormatError(f"{path}: row {row + 2}: confidence must lie in 0 to 1, got {confidence[row]:g}.")


def _check_unique(path: Path, keys: np.ndarray) -> None:
    if len(np.unique(keys, axis=0)) != len(keys):
        raise FormatError(f"{path}: a keypoint has two rows in one frame; several people need a column 'person'.")


def write_keypoints_csv(path: Path | str, keypoints: Keypoints) -> None:
    """Write the keypoints of one camera; pixels and confidence keep four decimals.

    Parameters
    ----------
    path
        Written anew if it exists.
    keypoints
        Pixels are written as they are: bring them to the pixels of the file that they belong to before.
        The column ``person`` is written only if there are several people.
    """
    several = keypoints.pixels.shape[1] > 1
    seen = np.isfinite(keypoints.pixels).all(-1) & (keypoints.confidence > 0)
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, "person"] if several else COLUMNS)
        for t, p, k in np.argwhere(seen):
            x, y = keypoints.pixels[t, p, k]
            # a confidence below the last decimal would read as "not seen"
            row = [t, keypoints.names[k], f"{x:.4f}", f"{y:.4f}", f"{max(keypoints.confidence[t, p, k], 1e-4):.4f}"]
            writer.writerow([*row, p] if several else row)
