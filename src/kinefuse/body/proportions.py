"""Bone lengths beyond a body model's shape: skeletons of motion capture have their own."""

from dataclasses import replace

import numpy as np

from kinefuse.body.models import BodyModel
from kinefuse.conventions import JOINT_INDEX, SEGMENT_PARENTS

BONES = {
    "thigh": ("knee",),
    "shank": ("ankle",),
    "foot": ("mtp",),
    "pelvis width": ("hip",),
    "trunk": ("lumbar", "spine", "chest"),
    "neck": ("neck_base", "head"),
    "shoulder width": ("sternoclavicular", "shoulder"),
    "upper arm": ("elbow",),
    "forearm": ("wrist",),
}
"""Bones that lengthen together, by the joints at their far ends; left and right alike."""

LENGTH_SD = 0.08
"""Standard deviation of a bone's length beside the shape's, as a share of it."""


def with_bone_lengths(model: BodyModel) -> BodyModel:
    """Return the body model with one more shape component for each of `BONES`: its length, `LENGTH_SD` a unit.

    A bone grows along itself, and everything beyond it moves on without changing; the surface does not follow.
    """
    growth = np.stack([_growth(model.joints_mean, joints) for joints in BONES.values()])
    return replace(
        model,
        joints_basis=np.concatenate([model.joints_basis, growth]),
        points_basis=np.concatenate([model.points_basis, growth[:, model.point_segment]]),
        stature_basis=np.concatenate([model.stature_basis, np.zeros(len(growth))]),
        surface=None,
    )


def _growth(rest: np.ndarray, kinds: tuple[str, ...]) -> np.ndarray:
    """Movement (22, 3) of the joints when the bones that end at joints of these kinds grow by one unit."""
    moved = np.zeros_like(rest)
    ends = {JOINT_INDEX[name] for kind in kinds for name in (kind, f"{kind}_l", f"{kind}_r") if name in JOINT_INDEX}
    for joint, parent in enumerate(SEGMENT_PARENTS):
        if parent >= 0:
            moved[joint] = moved[parent] + (LENGTH_SD * (rest[joint] - rest[parent]) if joint in ends else 0.0)
    return moved
