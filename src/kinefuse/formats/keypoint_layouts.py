"""The order in which other tools' detectors list their keypoints, and how each order maps to `conventions.KEYPOINTS`.

A layout is a tuple of this library's names, one for each point that the detector gives; None marks a point that has
no partner and is dropped. Points that a layout lacks stay missing: they are not made up from their neighbours.
"""

from typing import Final

import numpy as np

from kinefuse.conventions import KEYPOINTS
from kinefuse.errors import check_known

Layout = tuple[str | None, ...]

_LIMBS_BODY25: Final = (
    "shoulder_r",
    "elbow_r",
    "wrist_r",
    "shoulder_l",
    "elbow_l",
    "wrist_l",
)
_FACE_BODY25: Final = ("eye_r", "eye_l", "ear_r", "ear_l")
_LEGS_COCO18: Final = ("hip_r", "knee_r", "ankle_r", "hip_l", "knee_l", "ankle_l")

COCO_17: Final[Layout] = KEYPOINTS[:17]
"""COCO's 17 points: the first 17 of HALPE-26."""

COCO_18: Final[Layout] = ("nose", "neck", *_LIMBS_BODY25, *_LEGS_COCO18, *_FACE_BODY25)
"""OpenPose's COCO model: COCO's points in another order, and the neck."""

BODY_25: Final[Layout] = (
    "nose",
    "neck",
    *_LIMBS_BODY25,
    "mid_hip",
    *_LEGS_COCO18,
    *_FACE_BODY25,
    "big_toe_l",
    "small_toe_l",
    "heel_l",
    "big_toe_r",
    "small_toe_r",
    "heel_r",
)
"""OpenPose's default model."""

BODY_25B: Final[Layout] = (
    *KEYPOINTS[:17],
    "neck",
    "head_top",
    "big_toe_l",
    "small_toe_l",
    "heel_l",
    "big_toe_r",
    "small_toe_r",
    "heel_r",
)
"""OpenPose's experimental model: COCO's order, upper neck, top of the head, feet. It has no mid-hip. Its neck lies
above the line between the shoulders, nearer to the skull than HALPE-26's."""

HALPE_26: Final[Layout] = KEYPOINTS
"""AlphaPose's and RTMPose's body-with-feet points: this library's own."""

MEDIAPIPE_33: Final[Layout] = (
    "nose",
    None,
    "eye_l",
    None,
    None,
    "eye_r",
    None,
    "ear_l",
    "ear_r",
    None,
    None,
    "shoulder_l",
    "shoulder_r",
    "elbow_l",
    "elbow_r",
    "wrist_l",
    "wrist_r",
    *(None,) * 6,
    "hip_l",
    "hip_r",
    "knee_l",
    "knee_r",
    "ankle_l",
    "ankle_r",
    "heel_l",
    "heel_r",
    "big_toe_l",
    "big_toe_r",
)
"""MediaPipe's pose landmarks; its foot index is taken as the big toe."""

LAYOUTS: Final[dict[str, Layout]] = {
    "halpe26": HALPE_26,
    "coco17": COCO_17,
    "coco18": COCO_18,
    "body25": BODY_25,
    "body25b": BODY_25B,
    "mediapipe33": MEDIAPIPE_33,
}
"""Name, as in ``keypoint_layout`` of ``trial.toml``, to layout."""


def layout_named(name: str) -> Layout:
    """Return the layout called `name`.

    Raises
    ------
    KinefuseError
        If there is none.
    """
    check_known("keypoint layout", name, LAYOUTS)
    return LAYOUTS[name]


def layouts_with(points: int) -> tuple[str, ...]:
    """Return the names of the layouts that have this number of points."""
    return tuple(name for name, layout in LAYOUTS.items() if len(layout) == points)


def to_keypoints(values: np.ndarray, layout: Layout, missing: float = np.nan) -> np.ndarray:
    """Bring values in a detector's order into that of `conventions.KEYPOINTS`.

    Parameters
    ----------
    values : (..., N, C), N the number of points in `layout`
    layout
    missing
        What stands where `layout` has no such point.

    Returns
    -------
    (..., 26, C)
    """
    out = np.full((*values.shape[:-2], len(KEYPOINTS), values.shape[-1]), missing)
    kept = [i for i, name in enumerate(layout) if name is not None]
    out[..., [KEYPOINTS.index(layout[i] or "") for i in kept], :] = values[..., kept, :]
    return out


def from_keypoints(values: np.ndarray, names: tuple[str, ...], layout: Layout, missing: float) -> np.ndarray:
    """Bring values (..., K, C) of the points called `names` into a detector's order, (..., N, C)."""
    out = np.full((*values.shape[:-2], len(layout), values.shape[-1]), missing)
    kept = [i for i, name in enumerate(layout) if name in names]
    out[..., kept, :] = values[..., [names.index(layout[i] or "") for i in kept], :]
    return out
