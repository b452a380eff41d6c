"""Joint angles that OpenSim, OpenCap or Pose2Sim wrote as MOT or STO, as a motion, to compare with.

Columns count if they are called as one of `conventions.COORDINATES`, by their plain names or by OpenSim's paths
(``/jointset/knee_r/knee_angle_r/value``). Such a file does not tell which way its model counts: in gait2392 the knee
bends to the negative, in Pose2Sim's models the neck to the back is positive. Whoever reads it must say so; only a knee
that bends to the wrong side by more than any knee can is noticed.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.conventions import COORDINATES, TRANSLATIONS
from kinefuse.errors import FormatError, KinefuseError, hint
from kinefuse.formats.segments import motion_of_angles
from kinefuse.formats.storage import Table, read_mot
from kinefuse.motion import Motion

WRONG_WAY: Final = np.deg2rad(-40.0)
"""No knee overextends so far."""


def read_angles(path: Path, flipped: Collection[str] = ()) -> Motion:
    """Return the joint angles of a MOT or STO file as a motion without orientations and places.

    Parameters
    ----------
    path
    flipped : coordinates that the file counts the other way round, of `coordinates_called`

    Returns
    -------
    Motion
        Its notes name the columns that are no coordinate of ours.

    Raises
    ------
    FormatError
        If the file cannot be read, does not say whether it is in degrees, or holds no coordinate or one twice.
    KinefuseError
        If it has no column for one of `flipped`, or a knee bends the wrong way.
    """
    path = Path(path)
    table = read_mot(path)
    columns = _columns(table, path)
    missing = [name for name in flipped if name not in columns]
    if missing:
        raise KinefuseError(f"{path}: has no {missing[0]}, whose sign was to be changed; it has {', '.join(columns)}.")
    columns |= {name: -columns[name] for name in flipped}
    for name in ("knee_angle_r", "knee_angle_l"):
        _check_knee(name, columns, path)
    others = [name for name in table.names if _plain(name) not in columns]
    motion = motion_of_angles(table.time, columns, path.stem)
    return motion.with_notes(f"Columns that are no coordinate here: {', '.join(others)}.") if others else motion


def coordinates_called(name: str) -> tuple[str, ...]:
    """Return the coordinate of that name, or those of both sides where the side is left out.

    Raises
    ------
    KinefuseError
        If there is none; the sentence names the nearest.
    """
    found = tuple(c for c in (name, f"{name}_r", f"{name}_l") if c in COORDINATES and c not in TRANSLATIONS)
    if not found:
        raise KinefuseError(f"No joint angle is called {name!r}{hint(name, COORDINATES)}.")
    return found


def _plain(column: str) -> str:
    """Return the name of a column without OpenSim's path; speeds keep theirs."""
    return column.removesuffix("/value").rsplit("/", 1)[-1] if column.endswith("/value") else column


def _columns(table: Table, path: Path) -> dict[str, np.ndarray]:
    names = [_plain(name) for name in table.names]
    columns = {name: table.values[:, index] for index, name in enumerate(names) if name in COORDINATES}
    if not columns:
        raise FormatError(
            f"{path}: holds none of the joint angles known here, such as hip_flexion_r or knee_angle_r; expected the "
            f"result of inverse kinematics, got {', '.join(table.names[:4])}."
        )
    twice = next((name for name in columns if names.count(name) > 1), None)
    if twice is not None:
        raise FormatError(f"{path}: holds {twice} twice; remove one of the columns.")
    if table.in_degrees is None:
        raise FormatError(f"{path}: does not say its unit; write a line inDegrees=yes or inDegrees=no into its header.")
    return columns


def _check_knee(name: str, columns: Mapping[str, np.ndarray], path: Path) -> None:
    angle = columns.get(name, np.zeros(1))
    angle = angle[np.isfinite(angle)]
    if angle.size and angle.min() < WRONG_WAY and np.median(angle) < 0:
        raise KinefuseError(
            f"{path}: {name} bends to {np.rad2deg(angle.min()):.0f}°, but flexion is positive here; if the file counts "
            "it the other way, as OpenSim's gait2392 does, add --flip knee_angle."
        )
