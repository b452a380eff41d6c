"""One spelling for the points of other tools: OpenPose, Pose2Sim, COCO, MediaPipe names to `conventions.KEYPOINTS`."""

import re
from collections.abc import Sequence
from typing import Final

from kinefuse.conventions import JOINTS, KEYPOINTS

_PAIRED: Final = {
    "eye": "eye",
    "ear": "ear",
    "shoulder": "shoulder",
    "elbow": "elbow",
    "wrist": "wrist",
    "hip": "hip",
    "knee": "knee",
    "ankle": "ankle",
    "bigtoe": "big_toe",
    "footindex": "big_toe",
    "smalltoe": "small_toe",
    "heel": "heel",
}
_SINGLE: Final = {
    "Nose": "nose",
    "NOSE": "nose",
    "Neck": "neck",
    "Head": "head_top",
    "HeadTop": "head_top",
    "top_head": "head_top",
    "MidHip": "mid_hip",
    "midHip": "mid_hip",
    "CHip": "mid_hip",
    "Hip": "mid_hip",
    "pelvis_center": "mid_hip",
}
"""Case matters: ``Head`` is the top of the head (HALPE, BODY_25B), ``head`` the joint at its base."""

_WORDS: Final = re.compile(r"(?i:(left|right)[ _.-]?)([A-Za-z _.-]+)")
_WORDS_BEHIND: Final = re.compile(r"([A-Za-z _.-]+?)(?i:[ _.-](left|right))")
_LETTER: Final = re.compile(r"([LR])([A-Z][A-Za-z]+)")


def canonical_point_name(name: str) -> str:
    """Return the name in `conventions.KEYPOINTS` that `name` stands for, or `name` itself.

    Recognised are names with the side as a word (``left_hip``, ``Right Knee``, ``LEFT_FOOT_INDEX``,
    ``ankle-right``) or as one capital letter joined to the part (``RHip``, ``LBigToe``). ``R_knee``, ``r.knee`` and
    the like stay as they are: they are skin markers in common marker sets, no joint centres.

    >>> canonical_point_name("RHip"), canonical_point_name("Head"), canonical_point_name("R_knee")
    ('hip_r', 'head_top', 'R_knee')
    """
    if name in KEYPOINTS or name in JOINTS:
        return name
    if name in _SINGLE:
        return _SINGLE[name]
    side, part = _side_and_part(name.strip())
    if part not in _PAIRED:
        return name
    return f"{_PAIRED[part]}_{side}"


def _side_and_part(name: str) -> tuple[str, str]:
    if match := _WORDS.fullmatch(name):
        side, part = match.groups()
    elif match := _WORDS_BEHIND.fullmatch(name):
        part, side = match.groups()
    elif match := _LETTER.fullmatch(name):
        side, part = match.groups()
    else:
        return "", ""
    return side[0].lower(), re.sub(r"[ _.-]", "", part).lower()


def canonical_point_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return `canonical_point_name` of each; a name that another point already bears keeps its own spelling."""
    taken = {name for name in names if canonical_point_name(name) == name}
    chosen: dict[str, str] = {}
    for name in names:
        if name not in chosen:
            new = canonical_point_name(name)
            chosen[name] = name if new != name and new in taken else new
            taken.add(chosen[name])
    return tuple(chosen[name] for name in names)
