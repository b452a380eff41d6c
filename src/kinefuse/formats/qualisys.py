"""Qualisys Track Manager's camera calibration (``.qca.txt``, XML).

Pixels are counted in 1/64, lengths in millimetres, the world is Z up. The camera frame has X right, Y up and Z
backwards, so that turning by π about X leads to OpenCV's; ``transform`` holds the rotation from world to that frame by
rows (r11 r12 r13 is the first row) and the position of the camera in the world.

The distortion coefficients are divided by 64 like the pixels, as Pose2Sim does; checked against its own conversion of
the same file, with which the cameras agree to rounding.
"""

from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import numpy as np

from kinefuse.errors import FormatError
from kinefuse.formats.calibration import to_y_up
from kinefuse.formats.table_text import located
from kinefuse.formats.text_files import LARGEST, read_text
from kinefuse.recordings import Camera

SUBPIXELS: Final = 64.0
"""Qualisys counts 64 units to the pixel."""

_OPENCV_FROM_QUALISYS: Final = np.diag([1.0, -1.0, -1.0])


def read_qualisys(path: Path | str) -> tuple[Camera, ...]:
    """Read the cameras of a ``.qca.txt`` file; the world is turned to Y up and metres.

    Parameters
    ----------
    path
        Cameras with ``active="0"`` are left out. If any camera is a video camera (its model says "video" or "none"),
        the others, which see markers only, are left out too. Cameras are named by their serial.

    Returns
    -------
    Cameras in the order of the file.

    Raises
    ------
    FormatError
        If it is not such a file, or a value is missing or unreadable.
    """
    path = Path(path)
    active = [c for c in _root(path).findall("cameras/camera") if c.get("active", "1") != "0"]
    video = [c for c in active if any(word in c.get("model", "").lower() for word in ("video", "none"))]
    cameras = tuple(_camera(path, element) for element in video or active)
    if not cameras:
        raise FormatError(f"{path}: holds no active camera; expected the XML file that Qualisys writes on calibration.")
    names = [camera.name for camera in cameras]
    if len(set(names)) != len(names):
        raise FormatError(f"{path}: two cameras have the same serial; serials must differ.")
    return cameras


def _root(path: Path) -> ElementTree.Element:
    text = read_text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise FormatError(f"{path}: document type declarations are not part of a Qualisys calibration; remove them.")
    try:
        return ElementTree.fromstring(text.encode("utf-8"))
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise FormatError(f"{path}: is not the XML of a Qualisys calibration: {error}.") from error


def _camera(path: Path, element: ElementTree.Element) -> Camera:
    """Return one camera of the file, in the Y-up world and metres."""
    name = element.get("serial", "")
    what = f"{path}: camera {name}"
    if not name:
        raise FormatError(f'{path}: a camera has no serial; expected serial="…" on every camera.')
    if element.get("viewrotation", "0") != "0":
        raise FormatError(f"{what}: a rotated view ({element.get('viewrotation')}°) is not supported; set it to 0.")
    left, top, right, bottom = (_number(what, element, "fov_video", key) for key in ("left", "top", "right", "bottom"))
    size = (round(right - left + 1), round(bottom - top + 1))
    if min(size) < 1 or max(size) > 1e6:
        raise FormatError(f"{what}: its field of view is {size[0]}×{size[1]} pixels; expected a real image size.")
    rows = [[_number(what, element, "transform", f"r{i}{j}") for j in (1, 2, 3)] for i in (1, 2, 3)]
    position = np.array([_number(what, element, "transform", key) for key in "xyz"]) / 1000.0
    rotation = _OPENCV_FROM_QUALISYS @ np.array(rows)
    with located(path):
        return Camera(
            name=name,
            size=size,
            matrix=_matrix(what, element, left, top),
            distortions=_distortions(what, element),
            R_camera_world=to_y_up(rotation, "z"),
            translation=-rotation @ position,
        )


def _matrix(what: str, element: ElementTree.Element, left: float, top: float) -> np.ndarray:
    """Return the intrinsic matrix in pixels of the image whose top left corner is (left, top) on the sensor."""
    names = ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV")
    fu, fv, cu, cv = (_number(what, element, "intrinsic", key) / SUBPIXELS for key in names)
    if fu <= 0 or fv <= 0:
        raise FormatError(f"{what}: focal lengths must be positive.")
    return np.array([[fu, 0.0, cu - left], [0.0, fv, cv - top], [0.0, 0.0, 1.0]])


def _distortions(what: str, element: ElementTree.Element) -> np.ndarray:
    """Return k1, k2, p1, p2."""
    names = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2")
    return np.array([_number(what, element, "intrinsic", key) for key in names]) / SUBPIXELS


def _number(what: str, element: ElementTree.Element, tag: str, key: str) -> float:
    part = element.find(tag)
    text = part.get(key) if part is not None else None
    try:
        value = float(text) if text is not None else float("nan")
    except ValueError:
        value = float("nan")
    if not abs(value) < LARGEST:
        raise FormatError(f"{what}: <{tag}> needs a finite number {key}, got {text!r}.")
    return value
