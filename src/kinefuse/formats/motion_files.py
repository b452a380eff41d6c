"""Which function reads a file of points, joint angles or a whole motion, by its suffix."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from kinefuse.errors import KinefuseError
from kinefuse.formats.c3d import read_c3d_points
from kinefuse.formats.netcdf import read_motion
from kinefuse.formats.storage import Table, read_mot
from kinefuse.formats.tables import read_points_csv
from kinefuse.formats.trc import read_trc
from kinefuse.motion import Motion
from kinefuse.recordings import JointCenters

T = TypeVar("T")

POINT_READERS: Final[Mapping[str, Callable[[Path], JointCenters]]] = {
    ".trc": read_trc,
    ".c3d": read_c3d_points,
    ".csv": read_points_csv,
}
"""Suffix to the reader of named 3-D points."""

ANGLE_READERS: Final[Mapping[str, Callable[[Path], Table]]] = {".mot": read_mot, ".sto": read_mot}
"""Suffix to the reader of a table of joint angles."""

MOTION_READERS: Final[Mapping[str, Callable[[Path], Motion]]] = {".nc": read_motion}
"""Suffix to the reader of a complete motion; motion capture skeletons (`bvh.read_bvh`) need a body model first."""


def read_points(path: Path) -> JointCenters:
    """Read named 3-D points from a file of any kind in `POINT_READERS`.

    Raises
    ------
    KinefuseError
        If the suffix is unknown, or as the reader says.
    """
    return _by_suffix(POINT_READERS, Path(path))(Path(path))


def read_angles(path: Path) -> Table:
    """Read joint angles from a file of any kind in `ANGLE_READERS`.

    Raises
    ------
    KinefuseError
        If the suffix is unknown, or as the reader says.
    """
    return _by_suffix(ANGLE_READERS, Path(path))(Path(path))


def _by_suffix(readers: Mapping[str, Callable[[Path], T]], path: Path) -> Callable[[Path], T]:
    if path.suffix.lower() not in readers:
        raise KinefuseError(f"{path}: expected a file that ends in {', '.join(readers)}; convert or rename it.")
    return readers[path.suffix.lower()]
