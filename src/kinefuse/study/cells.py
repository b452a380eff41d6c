"""A cell of the study: one estimator on one window of one person under one setting, all repetitions.

Cells are files, so that a study that was interrupted goes on where it stopped, and tables are made of files alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from kinefuse.conventions import COORDINATES, SEGMENTS
from kinefuse.errors import KinefuseError
from kinefuse.formats.table_text import write_atomically

CURVES_HZ: Final = 25.0
"""Rate at which the first repetition's angles are kept."""

_TEXTS: Final = ("setting", "estimator", "window", "subject", "activity", "failure", "key")

COMPARED: Final = (
    "coordinate_rmse",
    "coordinate_r2",
    "coordinate_rom_error",
    "geodesic",
    "joint_error",
    "joint_error_procrustes",
    "acceleration_error",
    "root_error",
)
"""Fields of a cell that a comparison of motions gives, one for each repetition."""

REPEATED: Final = (*COMPARED, "seconds")
"""Fields of a cell whose first axis is repetitions."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Errors of R repetitions, SI units, and the angles of the first one.

    Attributes
    ----------
    setting, estimator, window : together they are unique
    subject, activity : of the window
    coordinate_rmse : (R, C) root mean square over time, radians, ``pelvis_t*`` metres; C coordinates as in
        `conventions.COORDINATES`; NaN where nothing could be compared
    coordinate_r2 : (R, C) coefficient of determination over time
    coordinate_rom_error : (R, C) range of motion, estimate minus truth
    coordinate_range : (C,) range of motion of the truth
    geodesic : (R, 22) mean angle between orientations of a segment, radians
    joint_error, joint_error_procrustes : (R, 22) metres
    acceleration_error : (R, 22) of joint centres, m/s²
    root_error : (R,) metres
    seconds : (R,) that the estimator took
    time : (T,) seconds
    estimate, truth : (T, C) coordinates of repetition 0, radians and metres, on the branch nearer to the truth
    failure : why there is no result, else empty; then R and T are 0
    key : digest of everything that it depends on, see `run.key_of`; empty if it is to be computed again
    """

    setting: str
    estimator: str
    window: str
    subject: str
    activity: str
    coordinate_rmse: np.ndarray
    coordinate_r2: np.ndarray
    coordinate_rom_error: np.ndarray
    coordinate_range: np.ndarray
    geodesic: np.ndarray
    joint_error: np.ndarray
    joint_error_procrustes: np.ndarray
    acceleration_error: np.ndarray
    root_error: np.ndarray
    seconds: np.ndarray
    time: np.ndarray
    estimate: np.ndarray
    truth: np.ndarray
    failure: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        many, frames, angles, segments = len(self.seconds), len(self.time), len(COORDINATES), len(SEGMENTS)
        expected = {
            **dict.fromkeys(("coordinate_rmse", "coordinate_r2", "coordinate_rom_error"), (many, angles)),
            "coordinate_range": (angles,),
            **dict.fromkeys(
                ("geodesic", "joint_error", "joint_error_procrustes", "acceleration_error"), (many, segments)
            ),
            "root_error": (many,),
            **dict.fromkeys(("estimate", "truth"), (frames, angles)),
        }
        for name, shape in expected.items():
            got = getattr(self, name).shape
            if got != shape:
                raise KinefuseError(f"Cell.{name}: expected an array of shape {shape}, got {got}.")

    @property
    def repetitions(self) -> int:
        """How often the recording was made anew."""
        return len(self.seconds)


def failed_cell(setting: str, estimator: str, window: str, subject: str, activity: str, failure: str) -> Cell:
    """Return the cell of an estimator that could not use a recording; the sentence says why."""
    none, angles, segments = np.zeros(0), np.zeros((0, len(COORDINATES))), np.zeros((0, len(SEGMENTS)))
    return Cell(
        setting=setting,
        estimator=estimator,
        window=window,
        subject=subject,
        activity=activity,
        coordinate_rmse=angles,
        coordinate_r2=angles,
        coordinate_rom_error=angles,
        coordinate_range=np.full(len(COORDINATES), np.nan),
        geodesic=segments,
        joint_error=segments,
        joint_error_procrustes=segments,
        acceleration_error=segments,
        root_error=none,
        seconds=none,
        time=none,
        estimate=angles,
        truth=angles,
        failure=failure,
    )


def write_cell(path: Path, cell: Cell) -> None:
    """Write a cell as ``.npz`` in single precision; see `write_arrays`.

    Raises
    ------
    KinefuseError
        If it cannot be written.
    """
    arrays = {field.name: np.asarray(getattr(cell, field.name)) for field in fields(cell)}
    single = {name: array.astype(np.float32) for name, array in arrays.items() if array.dtype == np.float64}
    write_arrays(path, arrays | single | {"time": arrays["time"]})


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as ``.npz``, never half a file, in a folder that is made if there is none.

    Raises
    ------
    KinefuseError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KinefuseError(f"{path}: cannot be written ({error.strerror}); name another place.") from error
    write_atomically(path, lambda partial: np.savez_compressed(partial, **arrays), ".npz")  # type: ignore[arg-type]


def repetitions_in(path: Path, key: str) -> float:
    """Return how many repetitions a file holds under this key; infinity for a failure, which more would not mend.

    It is 0 where there is no file, it cannot be opened, or its key is another.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["key"]) != key:
                return 0
            return float("inf") if str(stored["failure"]) else len(stored["seconds"])
    except Exception:  # a half-written or foreign file, whatever is wrong with it
        return 0


def continued(cell: Cell, more: Cell) -> Cell:
    """Return a cell with the repetitions of another behind its own; what the first one's curves and range are stays."""
    joined = {name: np.concatenate([getattr(cell, name), getattr(more, name)]) for name in REPEATED}
    return replace(cell, **joined)


def read_cell(path: Path, key: str | None = None) -> Cell | None:
    """Return the cell of a file; None if there is none, it is damaged, or `key` is given and not its own.

    A cell that cannot be used is computed again, so none of these is an error.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            if key is not None and str(stored["key"]) != key:
                return None
            values: dict[str, Any] = {
                f.name: str(stored[f.name]) if f.name in _TEXTS else stored[f.name] for f in fields(Cell)
            }
        return Cell(**values)
    except Exception:  # a half-written or foreign file, whatever is wrong with it
        return None
