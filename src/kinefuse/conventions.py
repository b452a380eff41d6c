"""Names, units and frames that every other module imports.

Inside the library everything is SI: metres, seconds, radians, m/s², rad/s, hertz. Degrees and millimetres
exist only in files, reports and figures.

Frames
------
World
    Right-handed, Y up; X and Z horizontal (OpenSim, ISB).
Body and segment frames
    In the rest pose (T-pose, palms down) body axes are X anterior, Y superior, Z to the subject's right, and
    every segment frame equals the body frame. ``R_world_segment`` maps segment-frame vectors to the world.
"""

from typing import Final

import numpy as np

GRAVITY: Final = 9.81
"""Magnitude of gravity in m/s². A resting accelerometer reads +GRAVITY along world up."""

UP: Final = (0.0, 1.0, 0.0)
"""World up."""

SEGMENTS: Final = (
    "pelvis",
    "thigh_l",
    "thigh_r",
    "lumbar",
    "shank_l",
    "shank_r",
    "abdomen",
    "foot_l",
    "foot_r",
    "thorax",
    "toes_l",
    "toes_r",
    "neck",
    "clavicle_l",
    "clavicle_r",
    "head",
    "upper_arm_l",
    "upper_arm_r",
    "forearm_l",
    "forearm_r",
    "hand_l",
    "hand_r",
)
"""The 22 segments, in the order of SMPL's first 22 joints."""

SEGMENT_PARENTS: Final = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
"""Index of each segment's parent; parents always come before their children."""

JOINTS: Final = (
    "root",
    "hip_l",
    "hip_r",
    "lumbar",
    "knee_l",
    "knee_r",
    "spine",
    "ankle_l",
    "ankle_r",
    "chest",
    "mtp_l",
    "mtp_r",
    "neck_base",
    "sternoclavicular_l",
    "sternoclavicular_r",
    "head",
    "shoulder_l",
    "shoulder_r",
    "elbow_l",
    "elbow_r",
    "wrist_l",
    "wrist_r",
)
"""The joint at each segment's proximal end, in the order of `SEGMENTS`.

A name that is also a keypoint's (``hip_l``) is the same point; hence ``neck_base``, since the keypoint ``neck`` lies
between the shoulders.
"""

IMU_SITES: Final = (
    "pelvis",
    "thigh_l",
    "thigh_r",
    "shank_l",
    "shank_r",
    "foot_l",
    "foot_r",
    "thorax",
    "head",
    "upper_arm_l",
    "upper_arm_r",
    "forearm_l",
    "forearm_r",
)
"""Segments that carry one of the 13 standard IMUs (the thorax carries its one on the sternum)."""

KEYPOINTS: Final = (
    "nose",
    "eye_l",
    "eye_r",
    "ear_l",
    "ear_r",
    "shoulder_l",
    "shoulder_r",
    "elbow_l",
    "elbow_r",
    "wrist_l",
    "wrist_r",
    "hip_l",
    "hip_r",
    "knee_l",
    "knee_r",
    "ankle_l",
    "ankle_r",
    "head_top",
    "neck",
    "mid_hip",
    "big_toe_l",
    "big_toe_r",
    "small_toe_l",
    "small_toe_r",
    "heel_l",
    "heel_r",
)
"""HALPE-26 in its own order, in this library's spelling. ``neck`` is the point between the shoulders."""


def _both_sides(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}_{side}" for side in "rl" for name in names)


COORDINATES: Final = (
    "pelvis_tilt",
    "pelvis_list",
    "pelvis_rotation",
    "pelvis_tx",
    "pelvis_ty",
    "pelvis_tz",
    *_both_sides(
        "hip_flexion",
        "hip_adduction",
        "hip_rotation",
        "knee_angle",
        "knee_adduction",
        "knee_rotation",
        "ankle_angle",
        "subtalar_angle",
        "ankle_rotation",
        "mtp_angle",
        "mtp_adduction",
        "mtp_rotation",
    ),
    "lumbar_extension",
    "lumbar_bending",
    "lumbar_rotation",
    "neck_flexion",
    "neck_bending",
    "neck_rotation",
    *_both_sides(
        "arm_flex",
        "arm_add",
        "arm_rot",
        "elbow_flex",
        "elbow_adduction",
        "pro_sup",
        "wrist_flex",
        "wrist_dev",
        "wrist_rotation",
    ),
)
"""Generalised coordinates in file order. Angles are radians in memory; ``pelvis_t*`` are metres."""

TRANSLATIONS: Final = ("pelvis_tx", "pelvis_ty", "pelvis_tz")
"""The coordinates that are lengths."""

IS_LENGTH: Final = np.isin(COORDINATES, TRANSLATIONS)
"""(C,) true for the coordinates that are lengths."""

MEASURED: Final = 0
INTERPOLATED: Final = 1
INFERRED: Final = 2
PROVENANCE: Final = {MEASURED: "measured", INTERPOLATED: "interpolated", INFERRED: "inferred"}
"""Meaning of `Motion.provenance`: seen by the instruments; filled over a short gap; set by prior knowledge."""


def mirrored_name(name: str) -> str:
    """Return the name of the same thing on the other side of the body (``hip_l`` for ``hip_r``)."""
    if name.endswith("_l"):
        return name[:-2] + "_r"
    if name.endswith("_r"):
        return name[:-2] + "_l"
    return name


def mirror_permutation(names: tuple[str, ...]) -> np.ndarray:
    """Return the index, for each name, of its partner on the other side, shape (N,).

    Raises
    ------
    ValueError
        If a name's partner is missing from `names`.
    """
    return np.array([names.index(mirrored_name(name)) for name in names])


SEGMENT_INDEX: Final = {name: i for i, name in enumerate(SEGMENTS)}
JOINT_INDEX: Final = {name: i for i, name in enumerate(JOINTS)}
KEYPOINT_INDEX: Final = {name: i for i, name in enumerate(KEYPOINTS)}
COORDINATE_INDEX: Final = {name: i for i, name in enumerate(COORDINATES)}
SITE_SEGMENT: Final = tuple(SEGMENT_INDEX[name] for name in IMU_SITES)
"""Index of the segment that each of `IMU_SITES` is on."""
