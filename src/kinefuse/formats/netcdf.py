"""``motion.nc``: a motion as labelled arrays with units, in NetCDF-4, which MATLAB, R, Python and Julia open.

A line with a checksum follows the NetCDF content. Every HDF5 library ignores it, and drops it when it changes the
file; `read_motion` refuses a file whose content no longer agrees with it.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import kinefuse
from kinefuse.conventions import COORDINATES, IS_LENGTH, JOINTS, PROVENANCE, SEGMENTS
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.table_text import located, read_bytes, write_atomically
from kinefuse.motion import Motion
from kinefuse.rotations import matrix_from_quaternion, quaternion_from_matrix

if TYPE_CHECKING:
    import xarray

FORMAT: Final = 1
CONVENTIONS: Final = (
    "SI units but for angles in degrees. World: right-handed, Y up. Rest pose: T-pose, palms down; body and segment "
    "axes X anterior, Y superior, Z to the subject's right. Quaternions w, x, y, z turn segment-frame vectors into "
    "the world. Joint angles are named and signed as in OpenSim's Rajagopal2016. Missing is NaN."
)
_MARK: Final = b"\nkinefuse content sha256 "
_TRAILER_BYTES: Final = len(_MARK) + 64 + 1


def write_motion(path: Path, motion: Motion) -> None:
    """Write a motion as ``motion.nc``; nothing is lost but digits beyond double precision.

    Raises
    ------
    KinefuseError
        If the file cannot be written.
    """
    dataset = motion_to_dataset(motion)
    write_atomically(Path(path), lambda partial: _write_dataset(partial, dataset))


def _write_dataset(path: Path, dataset: "xarray.Dataset") -> None:
    large = [name for name, variable in dataset.data_vars.items() if variable.ndim >= 2]
    encoding: dict[Any, dict[str, Any]] = {name: {"zlib": True, "complevel": 4, "shuffle": True} for name in large}
    encoding |= {name: {"_FillValue": None} | encoding.get(name, {}) for name in dataset.variables}
    content = bytes(dataset.to_netcdf(engine="h5netcdf", encoding=encoding))  # on a full disk, HDF5 itself crashes
    digest = hashlib.sha256(content).hexdigest()
    path.write_bytes(content + _MARK + digest.encode("ascii") + b"\n")


def motion_to_dataset(motion: Motion) -> "xarray.Dataset":
    """Return a motion as a labelled dataset with units, as the file holds it (angles in degrees)."""
    import xarray

    numbers = {
        "orientation": (("time", "segment", "quaternion"), quaternion_from_matrix(motion.R_world_segment)),
        "position": (("time", "joint", "axis"), motion.positions),
        "angle": (("time", "coordinate"), _to_degrees(motion.angles)),
        "provenance": (("time", "segment"), motion.provenance.astype(np.int8)),
        "shape": (("component",), motion.shape),
        "rest_position": (("joint", "axis"), motion.rest_positions),
    }
    if motion.orientation_sd is not None:
        numbers["orientation_sd"] = (("time", "segment"), np.rad2deg(motion.orientation_sd))
    if motion.angle_sd is not None:
        numbers["angle_sd"] = (("time", "coordinate"), _to_degrees(motion.angle_sd))
    attributes = _variable_attributes()
    variables = {name: (dims, values, attributes[name]) for name, (dims, values) in numbers.items()}
    units = ["m" if length else "degree" for length in IS_LENGTH]
    coordinates = {
        "time": ("time", motion.time, {"units": "s", "long_name": "time on the trial's clock"}),
        "segment": ("segment", list(SEGMENTS)),
        "joint": ("joint", list(JOINTS)),
        "coordinate": ("coordinate", list(COORDINATES)),
        "coordinate_unit": ("coordinate", units),
        "quaternion": ("quaternion", list("wxyz")),
        "axis": ("axis", list("xyz")),
    }
    return xarray.Dataset(variables, coords=coordinates, attrs=_global_attributes(motion))


def _global_attributes(motion: Motion) -> dict[str, Any]:
    return {
        "title": "Human movement estimated by kinefuse",
        "format": FORMAT,
        "kinefuse_version": kinefuse.__version__,
        "estimator": motion.estimator,
        "body_name": motion.body_name,
        "notes": json.dumps(motion.notes),
        "conventions": CONVENTIONS,
    }


def _variable_attributes() -> dict[str, dict[str, Any]]:
    mixed = "see coordinate_unit: degree, or m for pelvis_tx, pelvis_ty, pelvis_tz"
    return {
        "orientation": {"units": "1", "long_name": "orientation of the segment in the world, quaternion w, x, y, z"},
        "position": {"units": "m", "long_name": "joint centre in the world"},
        "angle": {"units": "degree", "comment": mixed, "long_name": "joint angle"},
        "provenance": {
            "long_name": "where the value comes from",
            "flag_values": np.array(list(PROVENANCE), dtype=np.int8),
            "flag_meanings": " ".join(PROVENANCE.values()),
        },
        "shape": {"units": "1", "long_name": "body shape, in standard deviations of the body model's components"},
        "rest_position": {"units": "m", "long_name": "joint centre in the rest pose"},
        "orientation_sd": {"units": "degree", "long_name": "standard deviation of the orientation"},
        "angle_sd": {"units": "degree", "comment": mixed, "long_name": "standard deviation of the joint angle"},
    }


def _to_degrees(angles: np.ndarray) -> np.ndarray:
    return np.where(IS_LENGTH, angles, np.rad2deg(angles))


def _to_radians(angles: np.ndarray) -> np.ndarray:
    return np.where(IS_LENGTH, angles, np.deg2rad(angles))


def read_motion(path: Path) -> Motion:
    """Read ``motion.nc``.

    Raises
    ------
    FormatError
        If it is no NetCDF-4 file of this kind, was damaged since it was written, has a newer format number, or lacks
        a variable or label.
    KinefuseError
        If the file cannot be opened.
    """
    path = Path(path)
    _check_content(path)
    import xarray

    try:
        dataset = xarray.load_dataset(path, engine="h5netcdf", decode_times=False, mask_and_scale=False)
    except Exception as error:  # h5py and xarray raise many kinds for a damaged file
        raise FormatError(f"{path}: expected a NetCDF-4 file as kinefuse writes it ({error}).") from error
    with located(path):
        return dataset_to_motion(dataset)


def _check_content(path: Path) -> None:
    """Refuse what is no HDF5 file, and one whose checksum disagrees: the HDF5 library may hang on damaged ones."""
    content = read_bytes(path)
    if not content.startswith(b"\x89HDF\r\n\x1a\n"):
        raise FormatError(f"{path}: expected a NetCDF-4 file such as motion.nc; check the suffix and the file.")
    trailer = content[-_TRAILER_BYTES:]
    if trailer.startswith(_MARK):
        digest = hashlib.sha256(memoryview(content)[:-_TRAILER_BYTES]).hexdigest()
        if trailer[len(_MARK) : -1] != digest.encode("ascii"):
            raise FormatError(f"{path}: the file was damaged since it was written; copy or compute it again.")


def dataset_to_motion(dataset: "xarray.Dataset") -> Motion:
    """Return the motion in a dataset made by `motion_to_dataset`.

    Raises
    ------
    KinefuseError
        If a variable, label or attribute is missing or of the wrong kind.
    """
    _check_format(dataset)
    quaternions = _values(dataset, "orientation", ("time", "segment", "quaternion"))
    return Motion(
        time=_values(dataset, "time", ("time",)),
        R_world_segment=matrix_from_quaternion(quaternions),
        positions=_values(dataset, "position", ("time", "joint", "axis")),
        angles=_to_radians(_values(dataset, "angle", ("time", "coordinate"))),
        provenance=_provenance(dataset),
        shape=_values(dataset, "shape", ("component",)),
        rest_positions=_values(dataset, "rest_position", ("joint", "axis")),
        orientation_sd=_optional(dataset, "orientation_sd", ("time", "segment"), np.deg2rad),
        angle_sd=_optional(dataset, "angle_sd", ("time", "coordinate"), _to_radians),
        body_name=str(dataset.attrs.get("body_name", "")),
        estimator=str(dataset.attrs.get("estimator", "")),
        notes=_notes(dataset.attrs.get("notes", "[]")),
    )


def _check_format(dataset: "xarray.Dataset") -> None:
    number = dataset.attrs.get("format")
    if not isinstance(number, int | np.integer):
        raise KinefuseError("expected the attribute 'format', so this is no motion that kinefuse wrote.")
    if number != FORMAT:
        raise KinefuseError(f"its format is {number}, but this version reads format {FORMAT}; update kinefuse.")


def _labels(dimension: str) -> Sequence[str] | None:
    known = {"segment": SEGMENTS, "joint": JOINTS, "coordinate": COORDINATES, "quaternion": "wxyz", "axis": "xyz"}
    return known.get(dimension)


def _values(dataset: "xarray.Dataset", name: str, dims: tuple[str, ...]) -> np.ndarray:
    """Return a variable as floats with its dimensions and labels in our order."""
    if name not in dataset.variables or set(dataset[name].dims) != set(dims):
        raise KinefuseError(f"expected the variable '{name}' with dimensions {', '.join(dims)}; compute it again.")
    variable = dataset[name].transpose(*dims)
    if variable.dtype.kind not in "fiu":
        raise KinefuseError(f"the variable '{name}' holds no numbers; compute it again.")
    values = np.asarray(variable.values, dtype=float)
    for axis, dimension in enumerate(dims):
        wanted = _labels(dimension)
        if wanted is not None:
            values = np.take(values, _order(dataset, dimension, wanted), axis=axis)
    return values


def _order(dataset: "xarray.Dataset", dimension: str, wanted: Sequence[str]) -> list[int]:
    found = [str(label) for label in dataset[dimension].values.tolist()] if dimension in dataset.variables else []
    missing = [label for label in wanted if label not in found]
    if missing:
        raise KinefuseError(f"the dimension '{dimension}' lacks the label {', '.join(missing)}; compute it again.")
    return [found.index(label) for label in wanted]


def _optional(dataset: "xarray.Dataset", name: str, dims: tuple[str, ...], convert: Any) -> np.ndarray | None:
    return convert(_values(dataset, name, dims)) if name in dataset.variables else None


def _provenance(dataset: "xarray.Dataset") -> np.ndarray:
    values = _values(dataset, "provenance", ("time", "segment"))
    if not np.isin(values, list(PROVENANCE)).all():
        raise KinefuseError(f"provenance must be one of {list(PROVENANCE)}; compute it again.")
    return values.astype(np.int64)


def _notes(text: Any) -> tuple[str, ...]:
    try:
        notes = json.loads(text)
    except (TypeError, ValueError):
        raise KinefuseError("the attribute 'notes' must be a JSON list of sentences.") from None
    if not isinstance(notes, list):
        raise KinefuseError("the attribute 'notes' must be a JSON list of sentences.")
    return tuple(str(note) for note in notes)
