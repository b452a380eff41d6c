"""Which reader belongs to which file name."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from kinefuse.errors import KinefuseError
from kinefuse.formats.calibration import read_calibration
from kinefuse.formats.qualisys import read_qualisys
from kinefuse.recordings import Camera

CAMERA_READERS: Final[dict[str, Callable[[Path], tuple[Camera, ...]]]] = {
    ".toml": read_calibration,
    ".qca.txt": read_qualisys,
}
"""End of the file name to the reader of camera calibrations."""


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
