"""A motion from what another tool found: orientations of some segments, and places of some joints."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from kinefuse.body.angles import joint_angles
from kinefuse.conventions import (
    COORDINATES,
    INFERRED,
    JOINT_INDEX,
    JOINTS,
    MEASURED,
    SEGMENT_INDEX,
    SEGMENT_PARENTS,
    SEGMENTS,
)
from kinefuse.motion import Motion
from kinefuse.rotations import matrix_from_quaternion, quaternion_from_matrix


def motion_of_segments(
    time: np.ndarray,
    orientations: Mapping[str, np.ndarray],
    joints: Mapping[str, np.ndarray],
    estimator: str,
    inferred: Collection[str] = (),
) -> Motion:
    """Return a motion; segments and joints that are not given are NaN.

    Parameters
    ----------
    time : (T,) seconds, increasing
    orientations : by name of `conventions.SEGMENTS`, (T, 3, 3) segment to world (Y up), NaN where unknown
    joints : by name of `conventions.JOINTS`, (T, 3) metres, world
    estimator : name of the tool
    inferred : segments that the tool did not measure but set by its model

    Returns
    -------
    Motion
        Its joint angles follow from the orientations. `rest_positions` are the offsets between joints that the motion
        shows on median, NaN where one is unknown; the body's shape is unknown, so (0,).
    """
    frames = len(time)
    R = np.full((frames, len(SEGMENTS), 3, 3), np.nan)
    positions = np.full((frames, len(JOINTS), 3), np.nan)
    for name, matrices in orientations.items():
        R[:, SEGMENT_INDEX[name]] = matrices
    for name, places in joints.items():
        positions[:, JOINT_INDEX[name]] = places
    known = [name for name in orientations if name not in inferred]
    provenance = np.full((frames, len(SEGMENTS)), INFERRED)
    provenance[:, [SEGMENT_INDEX[name] for name in known]] = MEASURED
    return Motion(
        time=time,
        R_world_segment=R,
        positions=positions,
        angles=joint_angles(R, positions[:, 0]),
        provenance=provenance,
        shape=np.zeros(0),
        rest_positions=_rest_positions(R, positions),
        body_name="",
        estimator=estimator,
    )


def motion_of_angles(time: np.ndarray, columns: Mapping[str, np.ndarray], estimator: str) -> Motion:
    """Return a motion of which only joint angles are known; orientations and places are NaN.

    Parameters
    ----------
    time : (T,) seconds, increasing
    columns : by name of `conventions.COORDINATES`, (T,) radians, ``pelvis_t*`` metres
    estimator : name of the tool
    """
    angles = np.full((len(time), len(COORDINATES)), np.nan)
    for name, values in columns.items():
        angles[:, COORDINATES.index(name)] = values
    return replace(motion_of_segments(time, {}, {}, estimator), angles=angles)


def _rest_positions(R: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """In the rest pose all segments have the body's axes, so a joint lies where its parent's frame sees it."""
    rest = np.full((len(JOINTS), 3), np.nan)
    rest[0] = 0.0
    for joint, parent in enumerate(SEGMENT_PARENTS):
        if parent >= 0:
            bone = np.einsum("tji,tj->ti", R[:, parent], positions[:, joint] - positions[:, parent])
            seen = np.isfinite(bone).all(axis=-1)
            rest[joint] = rest[parent] + (np.median(bone[seen], axis=0) if seen.any() else np.nan)
    return rest


def true_rotations(matrices: np.ndarray) -> np.ndarray:
    """Return the rotations (..., 3, 3) that nearly orthonormal matrices, rounded in a file, stand for; NaN stays."""
    return matrix_from_quaternion(quaternion_from_matrix(matrices))
