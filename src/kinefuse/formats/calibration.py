"""``calibration.toml``: the cameras of a trial, in the TOML family of aniposelib, FreeMoCap, Pose2Sim and Caliscope.

One table per camera: ``name``, ``size`` [width, height], ``matrix`` (3×3), ``distortions`` (k1, k2, p1, p2[, k3]),
``rotation`` (Rodrigues vector or 3×3, world to camera) and ``translation`` (world to camera). ``[metadata]`` may state
``up`` ("y" or "z") and ``unit`` ("m" or "mm").
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.table_text import located
from kinefuse.formats.text_files import numbers, read_toml
from kinefuse.recordings import Camera
from kinefuse.rotations import matrix_from_rotvec, rotvec_from_matrix

DEFAULT_UP: Final = "z"
"""World of a file that does not state it: the tools that write such files (Pose2Sim, Qualisys) keep Z up."""

R_YUP_ZUP: Final = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""Turns Z-up into Y-up world vectors: (x, y, z) becomes (y, z, x)."""

_UNITS: Final = {"m": 1.0, "mm": 0.001}
_FAR_M = 100.0


def read_calibration(path: Path | str) -> tuple[Camera, ...]:
    """Read the cameras of a calibration file; the world is turned to Y up and metres.

    Parameters
    ----------
    path
        A ``.toml`` file. Caliscope's form is read too: tables ``[cameras.0]`` are named ``cam_0``, and a camera with
        ``ignore = true`` is left out. Without ``up`` in ``[metadata]`` the world is taken as Z up, without ``unit`` as
        metres.

    Returns
    -------
    Cameras in the order of the file.

    Raises
    ------
    FormatError
        If it is not TOML, holds no camera, or a camera is incomplete, a fisheye, or not a rotation.
    """
    path = Path(path)
    content = read_toml(path)
    up, unit = _world(path, content.get("metadata", {}))
    tables = _camera_tables(path, content)
    cameras = tuple(_camera(path, name, table, up, _UNITS[unit or "m"]) for name, table in tables)
    if not cameras:
        raise FormatError(f"{path}: holds no camera; expected one table per camera with size, matrix and rotation.")
    _check_names(path, cameras)
    if unit is None:
        _check_distances(path, cameras)
    return cameras


def to_y_up(R_camera_world: np.ndarray, up: str) -> np.ndarray:
    """Return world-to-camera rotations (..., 3, 3) for the Y-up world, from those for a world with `up` up."""
    return R_camera_world @ R_YUP_ZUP.T if up == "z" else R_camera_world


def _world(path: Path, metadata: object) -> tuple[str, str | None]:
    if not isinstance(metadata, dict):
        raise FormatError(f"{path}: metadata must be a table [metadata].")
    up, unit = metadata.get("up", DEFAULT_UP), metadata.get("unit")
    if up not in ("y", "z"):
        raise FormatError(f'{path}: [metadata] up must be "y" or "z", got {up!r}.')
    if unit is not None and (not isinstance(unit, str) or unit not in _UNITS):
        raise FormatError(f'{path}: [metadata] unit must be "m" or "mm", got {unit!r}.')
    return up, unit


def _camera_tables(path: Path, content: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return (name, table) of every camera, in either form of the file."""
    nested = content.get("cameras")
    if isinstance(nested, dict):
        named = [(f"cam_{key}" if key.isdecimal() else key, table) for key, table in nested.items()]
    else:
        named = list(content.items())
    result = []
    for key, table in named:
        if not isinstance(table, dict) or not {"matrix", "rotation"} & set(table) or table.get("ignore") is True:
            continue
        name = table.get("name", key)
        if not isinstance(name, str) or not name:
            raise FormatError(f"{path}: the name of a camera must be text, got {name!r}.")
        result.append((name, table))
    return result


def _camera(path: Path, name: str, table: dict[str, Any], up: str, metres: float) -> Camera:
    """Return one camera of the file, in the Y-up world and metres."""
    what = f"{path}: camera {name}"
    if table.get("fisheye"):
        raise FormatError(f"{what}: fisheye lenses are not supported; calibrate it with OpenCV's pinhole model.")
    size = _field(what, table, "size", (2,))
    if (size < 1).any() or (size > 1e6).any() or (size != np.round(size)).any():
        raise FormatError(f"{what}: size must be [width, height] in whole pixels, got {table['size']}.")
    distortions = _field(what, table, "distortions", None)
    if distortions.shape not in {(4,), (5,)}:
        raise FormatError(f"{what}: distortions must be k1, k2, p1, p2[, k3], got {distortions.size} values.")
    matrix = _field(what, table, "matrix", (3, 3))
    _check_matrix(what, matrix)
    with located(path):
        return Camera(
            name=name,
            size=(int(size[0]), int(size[1])),
            matrix=matrix,
            distortions=distortions,
            R_camera_world=to_y_up(_rotation(what, table), up),
            translation=_field(what, table, "translation", (3,)) * metres,
        )


def _field(what: str, table: dict[str, Any], key: str, shape: tuple[int, ...] | None) -> np.ndarray:
    if key not in table:
        raise FormatError(f"{what}: has no {key}; calibrate the camera, or remove its table.")
    array = numbers(table[key], shape)
    if array is None:
        wanted = "" if shape is None else f" of shape {'×'.join(map(str, shape))}"
        raise FormatError(f"{what}: {key} must be a list of finite numbers{wanted}.")
    return array


def _rotation(what: str, table: dict[str, Any]) -> np.ndarray:
    """Return the rotation (3, 3), world to camera, from a Rodrigues vector or a matrix."""
    rotation = _field(what, table, "rotation", None)
    if rotation.shape == (3, 3):
        return rotation
    if rotation.shape == (3,) and np.abs(rotation).max() < 1e3:
        return matrix_from_rotvec(rotation)
    raise FormatError(f"{what}: rotation must be a Rodrigues vector (3 numbers, radians) or a 3×3 matrix.")


def _check_matrix(what: str, matrix: np.ndarray) -> None:
    lower = np.array([matrix[1, 0], matrix[2, 0], matrix[2, 1], matrix[2, 2] - 1.0])
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or np.abs(lower).max() > 1e-9:
        raise FormatError(
            f"{what}: matrix must be [[fx, skew, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0, in pixels."
        )


def _check_names(path: Path, cameras: Sequence[Camera]) -> None:
    names = [camera.name for camera in cameras]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FormatError(f"{path}: the name {twice[0]!r} belongs to several cameras; names must differ.")


def _check_distances(path: Path, cameras: Sequence[Camera]) -> None:
    """Refuse a file in millimetres that does not say so."""
    far = max(cameras, key=lambda camera: float(np.linalg.norm(camera.translation)))
    distance = float(np.linalg.norm(far.translation))
    if distance > _FAR_M:
        raise FormatError(
            f"{path}: camera {far.name} would be {distance:.0f} m from the origin; if the translations are "
            f'millimetres, add unit = "mm" under [metadata] (unit = "m" if the distance is true).'
        )


def write_calibration(path: Path | str, cameras: Sequence[Camera], up: str = "y", unit: str = "m") -> None:
    """Write cameras to a ``.toml`` file that Pose2Sim, aniposelib and FreeMoCap read too.

    Parameters
    ----------
    path
        Written anew if it exists.
    cameras
    up
        ``"y"`` (this library's world) or ``"z"`` (Pose2Sim's: (x, y, z) of ours becomes (z, x, y)).
    unit
        ``"m"`` or ``"mm"``, of the translations.

    Raises
    ------
    KinefuseError
        For another `up` or `unit`.
    """
    if up not in ("y", "z") or unit not in _UNITS:
        raise KinefuseError(f'write_calibration: up must be "y" or "z" and unit "m" or "mm", got {up!r}, {unit!r}.')
    tables = [_camera_text(index, camera, up, unit) for index, camera in enumerate(cameras)]
    metadata = f'[metadata]\nadjusted = false\nerror = 0.0\nup = "{up}"\nunit = "{unit}"\n'
    Path(path).write_text("\n".join([*tables, metadata]), encoding="utf-8")


def _camera_text(index: int, camera: Camera, up: str, unit: str) -> str:
    rotation = camera.R_camera_world @ R_YUP_ZUP if up == "z" else camera.R_camera_world
    fields = {
        "name": toml_text(camera.name),
        "size": toml_list(np.array(camera.size, dtype=float)),
        "matrix": toml_list(camera.matrix),
        "distortions": toml_list(camera.distortions),
        "rotation": toml_list(rotvec_from_matrix(rotation)),
        "translation": toml_list(camera.translation / _UNITS[unit]),
        "fisheye": "false",
    }
    return f"[cam_{index}]\n" + "".join(f"{key} = {value}\n" for key, value in fields.items())


def toml_list(array: np.ndarray) -> str:
    """Return an array as a TOML list of floats, with all their digits."""
    return str(np.asarray(array, dtype=float).tolist())


def toml_text(text: str) -> str:
    """Return `text` as a quoted TOML string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
