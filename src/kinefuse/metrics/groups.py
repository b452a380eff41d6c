"""Which angles, segments and joints count as lower body, upper body, and all."""

from typing import Final

import numpy as np

from kinefuse.body.angles import JOINT_ANGLES, PELVIS, JointAngles
from kinefuse.conventions import COORDINATE_INDEX, JOINT_INDEX, SEGMENT_INDEX

GROUPS: Final = ("lower", "upper", "all")


def _sides(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}_{side}" for name in names for side in "lr")


PELVIS_ANGLES: Final = JointAngles("world", "pelvis", PELVIS, (1, 1, 1))
"""The pelvis in the world, as if the world were its parent."""

ANGLE_TRIPLES: Final = (PELVIS_ANGLES, *JOINT_ANGLES)
"""All coordinates that are angles, three by three."""

CHILDREN: Final = {
    "lower": _sides("thigh", "shank", "foot"),
    "upper": (*_sides("upper_arm", "forearm"), "head"),
}
"""Joints, by the segment that they move, whose three angles make up a group: hips, knees and ankles; shoulders, elbows
and neck."""

_SEGMENTS: Final = {
    "lower": _sides("thigh", "shank", "foot"),
    "upper": (*_sides("upper_arm", "forearm"), "head"),
    "all": tuple(SEGMENT_INDEX),
}
_JOINTS: Final = {
    "lower": _sides("hip", "knee", "ankle"),
    "upper": (*_sides("shoulder", "elbow", "wrist"), "head"),
    "all": tuple(JOINT_INDEX),
}

PAIRED_JOINTS: Final = {
    "hip": "thigh",
    "knee": "shank",
    "ankle": "foot",
    "shoulder": "upper_arm",
    "elbow": "forearm",
    "wrist": "hand",
    "mtp": "toes",
}
"""Joints that people have twice, and the segment that each moves."""


def _coordinates_moving(children: tuple[str, ...]) -> np.ndarray:
    names = [name for joint in JOINT_ANGLES if joint.child in children for name in joint.coordinates]
    return np.array([COORDINATE_INDEX[name] for name in names], dtype=int)


def _all_groups(parts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return parts | {"all": np.concatenate([parts["lower"], parts["upper"]])}


COORDINATE_GROUPS: Final = _all_groups({group: _coordinates_moving(CHILDREN[group]) for group in ("lower", "upper")})
"""Indices of `conventions.COORDINATES`; "all" is lower and upper together."""

SEGMENT_GROUPS: Final = {group: np.array([SEGMENT_INDEX[n] for n in names]) for group, names in _SEGMENTS.items()}
"""Indices of `conventions.SEGMENTS`; "all" is all 22."""

JOINT_GROUPS: Final = {group: np.array([JOINT_INDEX[n] for n in names]) for group, names in _JOINTS.items()}
"""Indices of `conventions.JOINTS`; "all" is all 22."""

PAIRED_COORDINATES: Final = {
    joint: _coordinates_moving(_sides(segment)) for joint, segment in PAIRED_JOINTS.items()
} | {"neck": _coordinates_moving(("head",)), "lumbar": _coordinates_moving(("thorax",))}
"""Indices of the angles of both sides' joints, by the joint's plain name; and of the joints in the middle."""


def joint_of(coordinate: str) -> str:
    """Return the name of the joint that a coordinate belongs to, such as ``hip_r`` for ``hip_flexion_r``.

    The pelvis's coordinates belong to ``root``.
    """
    names = {segment: joint for joint, segment in PAIRED_JOINTS.items()} | {"thorax": "lumbar", "head": "neck"}
    for joint in JOINT_ANGLES:
        if coordinate in joint.coordinates:
            side = joint.child[-2:] if joint.child[-2:] in {"_l", "_r"} else ""
            return names[joint.child.removesuffix(side)] + side
    return "root"


def group_of(coordinate: str) -> str:
    """Return ``"lower"`` or ``"upper"`` for a coordinate of these groups, ``"other"`` for the rest."""
    index = COORDINATE_INDEX[coordinate]
    return next((group for group in ("lower", "upper") if index in COORDINATE_GROUPS[group]), "other")
