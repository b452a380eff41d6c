"""A motion against another tool's table of coordinates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kinefuse.body.angles import wrap
from kinefuse.conventions import COORDINATE_INDEX, COORDINATES, IS_LENGTH
from kinefuse.errors import KinefuseError
from kinefuse.formats.storage import Table
from kinefuse.metrics.angles import (
    interpolate_angles,
    interpolate_values,
    median_of_valid,
    median_offset,
    overlap,
    rmse,
)
from kinefuse.motion import Motion


@dataclass(frozen=True, kw_only=True)
class TableDifference:
    """One coordinate of a motion against a column of another tool's table; radians, ``pelvis_t*`` metres.

    Attributes
    ----------
    coordinate
    frames : that were compared
    rmse, median_offset, rmse_no_offset : of motion minus table
    correlation : Pearson's, of angles unwrapped; NaN for fewer than three frames or a constant
    """

    coordinate: str
    frames: int
    rmse: float
    median_offset: float
    rmse_no_offset: float
    correlation: float


def compare_to_mot(
    motion: Motion,
    table: Table,
    coordinates: Sequence[str] | None = None,
    signs: Mapping[str, int] | None = None,
    shift_s: float = 0.0,
) -> list[TableDifference]:
    """Compare joint angles with a table that another tool wrote, such as OpenSim's inverse kinematics.

    Parameters
    ----------
    motion
    table : of `formats.storage.read_mot`; interpolated to the motion's time stamps over the overlap
    coordinates : names to compare; None takes those that both have
    signs : -1 for columns with the opposite sign, such as ``{"knee_angle_r": -1}`` for gait2392
    shift_s : added to the table's times

    Raises
    ------
    KinefuseError
        If a coordinate is unknown to either, they share none, or they do not overlap in time.
    """
    chosen = [name for name in COORDINATES if name in table.names] if coordinates is None else list(coordinates)
    if not chosen:
        raise KinefuseError("The table holds none of this library's coordinates; name its columns as OpenSim does.")
    time = table.time + shift_s
    inside = overlap(motion.time, time)
    return [
        _table_difference(
            name,
            motion.angle(name)[inside],
            (signs or {}).get(name, 1) * table.column(name),
            time,
            motion.time[inside],
        )
        for name in chosen
    ]


def _table_difference(
    name: str, ours: np.ndarray, theirs: np.ndarray, their_time: np.ndarray, time: np.ndarray
) -> TableDifference:
    length = bool(IS_LENGTH[COORDINATE_INDEX[name]])
    interpolate = interpolate_values if length else interpolate_angles
    column = interpolate(their_time, theirs[:, None], time)
    raw = ours[:, None] - column
    difference = raw if length else wrap(raw)
    offset = median_of_valid(difference) if length else median_offset(difference)
    centred = difference - offset if length else wrap(difference - offset)
    whole = ours if length else _unwrapped(ours)  # a column that passes ±180° would seem to jump
    return TableDifference(
        coordinate=name,
        frames=int(np.isfinite(difference).sum()),
        rmse=float(rmse(difference)[0]),
        median_offset=float(offset[0]),
        rmse_no_offset=float(rmse(centred)[0]),
        correlation=_correlation(whole, whole - centred[:, 0]),
    )


def _unwrapped(angles: np.ndarray) -> np.ndarray:
    """Return angles (T,) radians without jumps of whole turns between those that are not NaN."""
    known = np.isfinite(angles)
    out = angles.astype(float)
    out[known] = np.unwrap(angles[known])
    return out


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3 or np.std(a[both]) < 1e-12 or np.std(b[both]) < 1e-12:
        return float("nan")
    return float(np.corrcoef(a[both], b[both])[0, 1])
