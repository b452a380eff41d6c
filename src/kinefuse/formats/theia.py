"""Theia3D's C3D export: the pose of each segment as a 4x4 matrix; read as a motion, to compare with.

The matrices stand in a data section of their own, which HAS-Motion documents ("ROTATION data type", for Visual3D):
``ROTATION:DATA_START`` names its block, and each frame holds for each of ``ROTATION:LABELS`` sixteen reals, the matrix
column by column, and one that tells how reliable it is, negative where the segment was not found. A matrix turns and
shifts the segment's coordinates into the laboratory's; lengths are in ``POINT:UNITS``.

Segments are named by Theia3D's own labels (``pelvis_4X4``, ``l_uarm_4X4``). Their axes, by Visual3D's habit and as
published converters to OpenSim take them: Z from the distal to the proximal end, Y forward, X to the person's right. So
all agree in somebody who stands upright with hanging arms, which is our anatomical position. **Not tested on a file of
the tool, for none was at hand**: above all that the palms face forward there, and so ``pro_sup`` and ``arm_rot``.
Origins are the proximal joints, save for the pelvis (its own middle; the root here lies between the hips) and the head
(between the ears or at C1, by version; left out).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from kinefuse.body.angles import ANATOMICAL_OFFSETS
from kinefuse.conventions import SEGMENT_INDEX
from kinefuse.errors import FormatError
from kinefuse.formats.c3d import CYCLES, number, point_rate, start_time, texts, vertical_axis
from kinefuse.formats.c3d_parameters import BLOCK, Header, Numbers, broken, read_structure
from kinefuse.formats.segments import motion_of_segments, true_rotations
from kinefuse.formats.table_text import located, read_bytes
from kinefuse.formats.trc import METRES_PER_UNIT, check_unit
from kinefuse.motion import Motion

_LIMBS: Final = {
    "thigh": ("thigh", "hip"),
    "shank": ("shank", "knee"),
    "foot": ("foot", "ankle"),
    "toes": ("toes", "mtp"),
    "upper_arm": ("uarm", "shoulder"),
    "forearm": ("larm", "elbow"),
    "hand": ("hand", "wrist"),
}
THEIA_SEGMENTS: Final = {
    "pelvis": ("pelvis", ""),
    "thorax": ("torso", "neck_base"),
    "head": ("head", ""),
    **{f"{ours}_{s}": (f"{s}_{theirs}", f"{j}_{s}") for s in "lr" for ours, (theirs, j) in _LIMBS.items()},
}
"""Our segment to Theia3D's label, without ``_4X4``, and our joint at its origin, if it is one."""

_BODY: Final = np.eye(3)[[1, 2, 0]]
"""From X right, Y forward, Z up to X forward, Y up, Z right."""

_REALS: Final = 17
_NOT_ORTHONORMAL: Final = 0.05
"""Greatest deviation of a matrix from a rotation that rounding and smoothing may leave."""


def read_theia(path: Path) -> Motion:
    """Return the motion that the rotations of a C3D file tell.

    Returns
    -------
    Motion
        World Y up, by the rule of `formats.c3d`; NaN where a segment was not found. Time is 0 at frame 1 of the
        capture, of which the file may hold a later part.

    Raises
    ------
    FormatError
        If it is no C3D file, is damaged or cut, holds no rotations, no pelvis among them, or matrices that turn
        nothing, or its unit is unknown.
    KinefuseError
        If the file cannot be opened.
    """
    path = Path(path)
    content = read_bytes(path)
    header, parameters, numbers = read_structure(content, path)
    labels = _labels(parameters, path)
    poses = _read_poses(content, header, parameters, numbers, len(texts(parameters, "ROTATION:LABELS")), path)
    cycle = np.eye(3)[list(CYCLES[vertical_axis(parameters, path)])]
    chosen = {ours: labels[theirs] for ours, (theirs, _) in THEIA_SEGMENTS.items() if theirs in labels}
    rate = point_rate(header, parameters, path)
    places = {ours: poses[:, i, :3, 3] * _unit(parameters, path) @ cycle.T for ours, i in chosen.items()}
    check_unit(np.stack(list(places.values()), axis=1), (texts(parameters, "POINT:UNITS") or [""])[0], path)
    with located(path):
        return motion_of_segments(
            start_time(header, parameters, rate) + np.arange(len(poses)) / (rate * _ratio(parameters, rate, path)),
            {ours: cycle @ poses[:, i, :3, :3] @ _BODY.T @ _to_t_pose(ours) for ours, i in chosen.items()},
            _joints(places),
            "Theia3D",
        )


def has_rotations(path: Path) -> bool:
    """Return whether a C3D file holds rotations of segments; False too if it cannot be read."""
    try:
        parameters = read_structure(read_bytes(Path(path)), Path(path))[1]
    except FormatError:
        return False
    return bool(number(parameters, "ROTATION:USED"))


def _labels(parameters: Mapping[str, Any], path: Path) -> dict[str, int]:
    """Return the number of each segment by its label in small letters, without ``_4X4``."""
    found = texts(parameters, "ROTATION:LABELS")
    if not found:
        raise FormatError(f"{path}: the C3D file holds no rotations; export the skeleton's poses from Theia3D.")
    labels = {label.lower().removesuffix("_4x4"): index for index, label in enumerate(found)}
    if "pelvis" not in labels:
        raise FormatError(
            f"{path}: expected a rotation called 'pelvis_4X4', got {', '.join(found[:5])}; export it again."
        )
    return labels


def _ratio(parameters: Mapping[str, Any], rate_hz: float, path: Path) -> float:
    """Return how many rotations there are to a frame of points."""
    own = number(parameters, "ROTATION:RATE")
    ratio = own / rate_hz if own else number(parameters, "ROTATION:RATIO") or 1.0
    if not 1e-3 < ratio < 1e3:
        raise broken(path, f"its rotations come at {ratio:g} times the rate of its points")
    return ratio


def _read_poses(
    content: bytes, header: Header, parameters: Mapping[str, Any], numbers: Numbers, count: int, path: Path
) -> np.ndarray:
    """Return the matrices, (T, count, 4, 4), NaN where a segment was not found."""
    ratio = _ratio(parameters, point_rate(header, parameters, path), path)
    stated = number(parameters, "ROTATION:FRAMES") or (header.last_frame - header.first_frame + 1) * ratio
    frames, block = int(stated) % 65536, int(number(parameters, "ROTATION:DATA_START") or 0) % 65536
    used = number(parameters, "ROTATION:USED")
    if used is not None and int(used) != count:
        raise broken(path, f"it states {used:g} rotations, but names {count}")
    start, size = (block - 1) * BLOCK, frames * count * _REALS * 4
    if start < BLOCK or frames < 1 or start + size > len(content):
        raise broken(path, f"its {frames} frames of {count} rotations would lie outside of it")
    cells = numbers.reals(content[start : start + size]).reshape(frames, count, _REALS)
    poses = np.swapaxes(cells[..., :16].reshape(frames, count, 4, 4), -1, -2)
    missing = ~(np.abs(cells) < 1e9).all(axis=-1) | (cells[..., 16] < 0) | ~poses[..., :3, :3].any(axis=(-1, -2))
    poses = np.where(missing[..., None, None], np.nan, poses)
    return _with_rotations(poses, path)


def _with_rotations(poses: np.ndarray, path: Path) -> np.ndarray:
    """Return the poses with exact rotations in them."""
    turns = poses[..., :3, :3]
    error = np.abs(np.swapaxes(turns, -1, -2) @ turns - np.eye(3)).max(axis=(-1, -2))
    with np.errstate(invalid="ignore"):
        wrong = (error > _NOT_ORTHONORMAL) | (np.linalg.det(turns) < 0)
    if wrong.any():
        frame, segment = np.argwhere(wrong)[0]
        raise broken(path, f"rotation {segment + 1} of frame {frame + 1} is no rotation")
    poses = poses.copy()
    poses[..., :3, :3] = true_rotations(turns)
    return poses


def _unit(parameters: Mapping[str, Any], path: Path) -> float:
    unit = (texts(parameters, "POINT:UNITS") or [""])[0]
    if unit.lower() not in METRES_PER_UNIT:
        raise FormatError(f"{path}: POINT:UNITS must be mm, cm, m or in, got {unit!r}; correct it when exporting.")
    return METRES_PER_UNIT[unit.lower()]


def _to_t_pose(segment: str) -> np.ndarray:
    """From the anatomical position's axes of a segment to those of the T-pose, (3, 3)."""
    return ANATOMICAL_OFFSETS[SEGMENT_INDEX[segment]].T


def _joints(places: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return our joints, (T, 3) metres each, from where the segments begin."""
    joints = {THEIA_SEGMENTS[ours][1]: place for ours, place in places.items() if THEIA_SEGMENTS[ours][1]}
    if {"hip_l", "hip_r"} <= set(joints):
        joints["root"] = (joints["hip_l"] + joints["hip_r"]) / 2
    return joints
