"""Known defects of the public BVH conversions of the CMU database (cgspeed), found and repaired.

Children of a branching joint have a zero offset, so that the thorax and the wrists are lost and trunk and forearms are
too short; the first frame is an artificial T-pose; and subjects 60 and 61, recorded at 60 Hz, are said to be 120 Hz.
Rotations are right. The lost bones follow from their neighbours: in every original skeleton (ASF) seen, the wrist is
half as long as the radius; the thorax is as long as the bone below it to within a centimetre.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from kinefuse.formats.bvh import Bvh
from kinefuse.recordings import Finding

THORAX_CHILDREN: Final = ("Neck", "LeftShoulder", "RightShoulder")
WRIST_CHILDREN: Final = (("LeftHand", "LeftFingerBase", "LThumb"), ("RightHand", "RightFingerBase", "RThumb"))
THORAX_SHARE, THORAX_LEAN, WRIST_SHARE = 1.008, 0.03, 0.5
SLOW_SUBJECTS: Final = ("60", "61")
_NO_LENGTH: Final = 1e-6
_T_POSE: Final = float(np.deg2rad(1e-3))


def repair_cmu(clip: Bvh, name: str = "") -> tuple[Bvh, tuple[Finding, ...]]:
    """Return the clip without the known defects, and a finding for each that was repaired.

    A clip of another skeleton, or without defects, comes back as it is.

    Parameters
    ----------
    clip
    name : the file's name, such as ``60_01.bvh``, which tells the subject
    """
    findings: list[Finding] = []
    about = name or "CMU motion"
    for repair in (_with_offsets, _without_t_pose):
        clip, text = repair(clip)
        if text:
            findings.append(Finding("warning", about, text))
    clip, text = _with_true_rate(clip, name)
    if text:
        findings.append(Finding("warning", about, text))
    return clip, tuple(findings)


def _with_offsets(clip: Bvh) -> tuple[Bvh, str]:
    lost = [n for n in _branches(clip) if np.linalg.norm(clip.offsets[clip.names.index(n)]) < _NO_LENGTH]
    if not lost:
        return clip, ""
    offsets, translations = clip.offsets.copy(), clip.translations.copy()
    for name in lost:
        joint = clip.names.index(name)
        offsets[joint] = _neighbour_bone(clip, name)
        translations[:, joint] = translations[:, joint] + offsets[joint]
    text = f"The offsets of {', '.join(lost)} are zero, a known defect; they were restored from neighbouring bones."
    return replace(clip, offsets=offsets, translations=translations), text


def _branches(clip: Bvh) -> list[str]:
    """Joints of this skeleton that the defect hits; none where its other joints are not there."""
    if not {"Spine1", "LeftForeArm", "LeftHand", "RightHand"} <= set(clip.names):
        return []
    names = [*THORAX_CHILDREN, *(child for _, *children in WRIST_CHILDREN for child in children)]
    return [name for name in names if name in clip.names]


def _neighbour_bone(clip: Bvh, name: str) -> np.ndarray:
    if name in THORAX_CHILDREN:
        below = clip.offsets[clip.names.index("Spine1")]
        length = float(np.linalg.norm(below))
        lean = below / max(length, _NO_LENGTH) + np.array([0.0, 0.0, THORAX_LEAN])
        return np.asarray(THORAX_SHARE * length * lean / np.linalg.norm(lean))
    hand = next(hand for hand, *children in WRIST_CHILDREN if name in children)
    return np.asarray(WRIST_SHARE * clip.offsets[clip.names.index(hand)])


def _without_t_pose(clip: Bvh) -> tuple[Bvh, str]:
    """Drop a first frame in which no joint but the root is turned, while later ones are."""
    if len(clip.rotations) < 2 or len(clip.names) < 20:
        return clip, ""
    turned = np.abs(clip.rotations[:2, 1:] - np.eye(3)).max(axis=(1, 2, 3))
    if turned[0] > _T_POSE or turned[1] <= _T_POSE:
        return clip, ""
    text = "The first frame is an artificial T-pose, a known defect; it was left out."
    return replace(clip, rotations=clip.rotations[1:], translations=clip.translations[1:]), text


def _with_true_rate(clip: Bvh, name: str) -> tuple[Bvh, str]:
    subject = name.replace("\\", "/").rsplit("/", 1)[-1].split("_", 1)[0].lstrip("0")
    if subject not in SLOW_SUBJECTS or abs(clip.frame_time * 120 - 1) > 0.02:
        return clip, ""
    text = "The file says 120 frames a second, but subjects 60 and 61 were recorded at 60; the time was corrected."
    return replace(clip, frame_time=2 * clip.frame_time), text
