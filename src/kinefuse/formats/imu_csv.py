"""``imu/<sensor>.csv``: one inertial sensor, one row a sample, SI units, in the sensor's own axes.

Header ``time_s,acc_x,acc_y,acc_z,gyr_x,gyr_y,gyr_z`` and optionally ``mag_x,mag_y,mag_z`` and ``q_w,q_x,q_y,q_z``:
specific force in m/s² (gravity included), angular rate in rad/s, magnetic field in µT; the quaternion turns
sensor-frame vectors into the sensor's global frame (Z up). A lost packet is a missing row, an unreadable value an empty
cell.
"""

import csv
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.errors import FormatError
from kinefuse.formats.table_text import located
from kinefuse.formats.text_files import float_column, read_columns
from kinefuse.recordings import Imu
from kinefuse.rotations import is_unit_quaternion, matrix_from_quaternion, quaternion_from_matrix

ACCELEROMETER: Final = ("acc_x", "acc_y", "acc_z")
GYROSCOPE: Final = ("gyr_x", "gyr_y", "gyr_z")
MAGNETOMETER: Final = ("mag_x", "mag_y", "mag_z")
QUATERNION: Final = ("q_w", "q_x", "q_y", "q_z")
SLOWEST_STEP_S: Final = 1.0
FASTEST_STEP_S: Final = 1e-3
UNITS: Final = {"nanoseconds": 1e9, "microseconds": 1e6, "milliseconds": 1e3}
"""Units of time in which a sensor's usual step is this much larger than in seconds."""

REQUIRED: Final = ("time_s", *ACCELEROMETER, *GYROSCOPE)


def read_imu_csv(
    path: Path | str,
    segment: str,
    name: str | None = None,
    start_s: float | None = None,
    R_segment_sensor: np.ndarray | None = None,
    R_world_ref: np.ndarray | None = None,
) -> Imu:
    """Read one sensor.

    Parameters
    ----------
    path
    segment
        Name in `conventions.SEGMENTS` of the segment that the sensor is said to be worn on.
    name
        Name of the sensor; None takes the file's.
    start_s
        Time of the first row on the trial's clock, seconds: the times are shifted by what the first row lacks of it.
        None is unknown: the times stay as they are and `Imu.start_is_known` is false.
    R_segment_sensor, R_world_ref
        (3, 3) mounting and global frame, only when known.

    Returns
    -------
    The sensor with one sample a row; an empty cell is NaN. An orientation with an empty cell, or of a length other than
    one by more than `UNIT_TOLERANCE`, is NaN altogether.

    Raises
    ------
    FormatError
        If a column is missing or unknown, a cell is no number, there is no row, times do not increase, or most
        orientations are no unit quaternions.
    """
    path = Path(path)
    columns = read_columns(path, REQUIRED, (*MAGNETOMETER, *QUATERNION))
    values = {key: float_column(path, key, cells, key != "time_s") for key, cells in columns.items()}
    time = values["time_s"]
    _check_time(path, time)
    quaternions = _group(path, values, QUATERNION)
    with located(path):
        return Imu(
            name=path.stem if name is None else name,
            segment=segment,
            time=time if start_s is None else time + (start_s - time[0]),
            specific_force=np.stack([values[key] for key in ACCELEROMETER], axis=-1),
            angular_rate=np.stack([values[key] for key in GYROSCOPE], axis=-1),
            magnetic_field=_group(path, values, MAGNETOMETER),
            R_ref_sensor=None if quaternions is None else _orientations(path, quaternions),
            R_segment_sensor=R_segment_sensor,
            R_world_ref=R_world_ref,
            start_is_known=start_s is not None,
        )


def _check_time(path: Path, time: np.ndarray) -> None:
    if not len(time):
        raise FormatError(f"{path}: holds no sample; expected one row a sample below the header.")
    back = np.diff(time) <= 0
    if back.any():
        row = int(np.argmax(back)) + 1
        raise FormatError(
            f"{path}: row {row + 2}: time_s goes from {time[row - 1]:g} to {time[row]:g}; times must increase, "
            "so sort the rows and drop repeated ones."
        )
    step = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
    if step > SLOWEST_STEP_S:
        unit = next((name for name, size in UNITS.items() if step >= FASTEST_STEP_S * size), "milliseconds")
        raise FormatError(
            f"{path}: time_s goes up by {step:g} from row to row, which is no rate of an inertial sensor; if its unit "
            f"is {unit}, divide it by {UNITS[unit]:.0f}."
        )


def _group(path: Path, values: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray | None:
    """Return columns that belong together, (T, len(names)), or None if there is none of them."""
    present = [name for name in names if name in values]
    if not present:
        return None
    if len(present) < len(names):
        missing = ", ".join(name for name in names if name not in values)
        raise FormatError(f"{path}: has {present[0]} but lacks {missing}; give all of {', '.join(names)} or none.")
    return np.stack([values[name] for name in names], axis=-1)


def _orientations(path: Path, quaternions: np.ndarray) -> np.ndarray:
    """Return rotations (T, 3, 3) of quaternions (T, 4); NaN where they are not whole, or not of length one.

    Raises
    ------
    FormatError
        If most of those that are whole are not of length one.
    """
    lengths = np.linalg.norm(quaternions, axis=-1)
    off = np.isfinite(lengths) & ~is_unit_quaternion(quaternions)
    if 2 * off.sum() > np.isfinite(lengths).sum():
        row = int(np.argmax(off))
        raise FormatError(
            f"{path}: row {row + 2}: the quaternion has the length {lengths[row]:.3g}, and most others are not of "
            "length one either; write unit quaternions, or leave q_w, q_x, q_y, q_z out to have it estimated."
        )
    return matrix_from_quaternion(np.where(off[:, None], np.nan, quaternions))


def write_imu_csv(path: Path | str, imu: Imu) -> None:
    """Write one sensor, with all digits; NaN becomes an empty cell.

    Parameters
    ----------
    path
        Written anew if it exists.
    imu
        Its mounting, segment and start belong in ``trial.toml`` and are not part of this file.
    """
    header, blocks = list(REQUIRED), [imu.time[:, None], imu.specific_force, imu.angular_rate]
    if imu.magnetic_field is not None:
        header, blocks = [*header, *MAGNETOMETER], [*blocks, imu.magnetic_field]
    if imu.R_ref_sensor is not None:
        header, blocks = [*header, *QUATERNION], [*blocks, quaternion_from_matrix(imu.R_ref_sensor)]
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in np.concatenate(blocks, axis=1):
            writer.writerow(["" if np.isnan(value) else repr(float(value)) for value in row])
