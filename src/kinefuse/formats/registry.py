"""Which reader belongs to which file name."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from kinefuse.errors import KinefuseError
from kinefuse.formats.c3d import read_c3d_points
from kinefuse.formats.calibration import read_calibration
from kinefuse.formats.qualisys import read_qualisys
from kinefuse.formats.tables import read_points_csv
from kinefuse.formats.trc import read_trc
from kinefuse.recordings import Camera, JointCenters

CAMERA_READERS: Final[dict[str, Callable[[Path], tuple[Camera, ...]]]] = {
    ".toml": read_calibration,
    ".qca.txt": read_qualisys,
}
"""End of the file name to the reader of camera calibrations."""

POINT_READERS: Final[dict[str, Callable[[Path], JointCenters]]] = {
    ".trc": read_trc,
    ".csv": read_points_csv,
    ".c3d": read_c3d_points,
}
"""Suffix to the reader of named 3-D points."""


def read_cameras(path: Path | str) -> tuple[Camera, ...]:
    """Read a camera calibration in any supported format, told apart by the end of its name.

    Parameters
    ----------
    path
        ``.toml`` (aniposelib, FreeMoCap, Pose2Sim, Caliscope) or ``.qca.txt`` (Qualisys).

    Returns
    -------
    Cameras in the order of the file, in a Y-up world and metres.

    Raises
    ------
    KinefuseError
        If the ending is unknown, or the file cannot be read.
    """
    path = Path(path)
    for suffix, reader in CAMERA_READERS.items():
        if path.name.lower().endswith(suffix):
            return reader(path)
    raise KinefuseError(f"{path}: cannot tell what calibration this is; expected {' or '.join(CAMERA_READERS)}.")


def read_points(path: Path | str) -> JointCenters:
    """Read named 3-D points from a file of any kind in `POINT_READERS`.

    Raises
    ------
    KinefuseError
        If the suffix is unknown, or as the reader says.
    """
    path = Path(path)
    if path.suffix.lower() not in POINT_READERS:
        raise KinefuseError(f"{path}: expected a file that ends in {', '.join(POINT_READERS)}; convert or rename it.")
    return POINT_READERS[path.suffix.lower()](path)
