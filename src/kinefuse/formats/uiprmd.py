"""UI-PRMD (Vakanski et al. 2018): marker trajectories of rehabilitation exercises, one array for each repetition.

An archive holds ``marker_names`` and arrays ``mMM_eEE`` (correct) or ``mMM_iEE`` (deliberately incorrect) of 16-bit
integers: (frames, markers, 3) tenths of a millimetre at 100 Hz, Z up, -32768 where a marker is missing.
"""

import re
import zipfile
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.recordings import JointCenters

RATE_HZ: Final = 100.0
UNIT_M: Final = 1e-4
MISSING: Final = -32768
_NAME: Final = re.compile(r"m(\d\d)_([ei])(\d\d)")


def list_uiprmd(path: Path) -> list[str]:
    """Return the names of the repetitions in an archive, in its order.

    Raises
    ------
    KinefuseError
        If the file cannot be opened.
    FormatError
        If it is no archive of UI-PRMD markers.
    """
    with _opened(Path(path)) as archive:
        return [name for name in archive.files if _NAME.fullmatch(name)]


def read_uiprmd(path: Path, name: str) -> JointCenters:
    """Read the markers of one repetition, in metres, Y up, NaN where missing.

    Parameters
    ----------
    path : the ``.npz`` archive of one person
    name : a repetition (`list_uiprmd`)

    Raises
    ------
    KinefuseError
        If the file cannot be opened, or has no such repetition.
    FormatError
        If an array is not what the format says.
    """
    path = Path(path)
    with _opened(path) as archive:
        if name not in archive.files:
            raise KinefuseError(f"{path}: it has no repetition {name!r}; list_uiprmd tells the names.")
        labels, raw = _array(archive, "marker_names", path), _array(archive, name, path)
    if raw.ndim != 3 or raw.shape[1:] != (len(labels), 3) or not len(raw) or raw.dtype != np.int16:
        raise FormatError(
            f"{path}: expected {name} to be 16-bit integers of shape (frames, {len(labels)}, 3), got {raw.dtype} of "
            f"shape {raw.shape}; get the file again."
        )
    positions = np.where((raw == MISSING).any(-1, keepdims=True), np.nan, raw * UNIT_M)
    return JointCenters(
        names=tuple(map(str, labels)),
        time=np.arange(len(raw)) / RATE_HZ,
        positions=positions[..., [1, 2, 0]],  # Z up to Y up: (x, y, z) becomes (y, z, x)
    )


def _opened(path: Path) -> np.lib.npyio.NpzFile:
    try:
        archive = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise KinefuseError(f"{path}: there is no such file; check the name.") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(f"{path}: expected an .npz archive of UI-PRMD markers ({error}); get it again.") from error
    if not isinstance(archive, np.lib.npyio.NpzFile) or "marker_names" not in archive.files:
        raise FormatError(f"{path}: expected an .npz archive with 'marker_names' and arrays like 'm01_e01'.")
    return archive


def _array(archive: np.lib.npyio.NpzFile, name: str, path: Path) -> np.ndarray:
    try:
        values = np.asarray(archive[name])
    except Exception as error:  # whatever a damaged member makes NumPy, zipfile or zlib raise
        raise FormatError(f"{path}: its array {name!r} cannot be read ({error}); get the file again.") from error
    if name == "marker_names" and (
        values.ndim != 1 or values.dtype.kind not in "US" or len(set(values)) != len(values)
    ):
        raise FormatError(f"{path}: expected 'marker_names' to be a list of different names; get the file again.")
    return values
