"""Wrist markers that bear each other's names.

A wrist carries two markers, A on the thumb's side and B on the little finger's. Where a laboratory confused them, the
forearm comes out turned by half a turn about itself, and drags the hinge of the elbow along.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from kinefuse.recordings import JointCenters

SIDES: Final = "LR"
SURELY: Final = 0.3
"""Mean cosine beyond which the names are told. In UI-PRMD nearly all right names have 0.5 to 1, exchanged ones -0.9 to
-1."""

LEAST_BEND: Final = 0.5
"""Sine of an elbow's bend from which it tells: 30°. Straighter, the turn of the whole arm about itself is unknown."""


def with_wrists_named(
    clips: Sequence[JointCenters], sessions: Sequence[str]
) -> tuple[list[JointCenters], list[tuple[str, ...]]]:
    """Give wrist markers their own names again.

    Parameters
    ----------
    clips : of one person, all with the same points
    sessions : of each clip; within one the names are right or wrong throughout

    Returns
    -------
    The clips, and for each the sides, ``"L"`` and ``"R"``, whose markers were exchanged. Without the markers of
    Plug-in Gait, or a bent elbow, nothing is changed.
    """
    wrong = {
        session: tuple(side for side in SIDES if _thumb_side(_of(clips, sessions, session), side) < -SURELY)
        for session in dict.fromkeys(sessions)
    }
    sides = [wrong[session] for session in sessions]
    return [_exchanged(clip, which) for clip, which in zip(clips, sides, strict=True)], sides


def _of(clips: Sequence[JointCenters], sessions: Sequence[str], session: str) -> list[JointCenters]:
    return [clip for clip, its in zip(clips, sessions, strict=True) if its == session]


def _thumb_side(clips: Sequence[JointCenters], side: str) -> float:
    """Return how far A lies on the shoulder's side of a bent elbow's forearm, -1 to 1; 0 where nothing tells.

    With the elbow bent, the thumb is nearer to the shoulder than the little finger, unless the palm faces fully up or
    down; frames with an elbow bent enough count by the sine of the bend.
    """
    total = weight = 0.0
    for clip in clips:
        names = [f"{side}{marker}" for marker in ("SHO", "ELB", "WRA", "WRB")]
        if not set(names) <= set(clip.names):
            return 0.0
        shoulder, elbow, a, b = np.swapaxes(clip.select(tuple(names)).positions, 0, 1)
        forearm = 0.5 * (a + b) - elbow
        up, across = _square_to(shoulder - elbow, forearm), _square_to(a - b, forearm)
        bent = np.linalg.norm(up, axis=-1) > LEAST_BEND * np.linalg.norm(shoulder - elbow, axis=-1)
        total += float(np.nansum((up * across).sum(-1)[bent]))
        weight += float(np.nansum((np.linalg.norm(up, axis=-1) * np.linalg.norm(across, axis=-1))[bent]))
    return total / weight if weight > 0 else 0.0


def _square_to(vectors: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Return the part of vectors (T, 3) that is at right angles to an axis (T, 3)."""
    along = (vectors * axis).sum(-1, keepdims=True) / np.maximum((axis**2).sum(-1, keepdims=True), 1e-12)
    return vectors - along * axis


def _exchanged(clip: JointCenters, sides: Sequence[str]) -> JointCenters:
    order = list(range(len(clip.names)))
    for side in sides:
        a, b = clip.names.index(f"{side}WRA"), clip.names.index(f"{side}WRB")
        order[a], order[b] = b, a
    return replace(clip, positions=clip.positions[:, order]) if sides else clip
