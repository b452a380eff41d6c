"""A motion as a tree of bones, for formats that keep rotations only: local rotations and the tips of the last bones."""

from typing import Final

import numpy as np

from kinefuse.conventions import JOINTS, SEGMENT_PARENTS, SEGMENTS
from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.recordings import Finding

EVEN: Final = 0.02
"""Part of the time between frames by which single ones may differ and still count as evenly spaced."""


def local_rotations(motion: Motion, missing: str = "error") -> tuple[np.ndarray, np.ndarray]:
    """Return each segment's rotation in its parent, and where the root is.

    Parameters
    ----------
    motion
    missing
        ``"error"`` refuses missing values. ``"hold"`` keeps the last known orientation and root position (the first
        known, before that); a segment that is never known keeps its rest pose in its parent; `gaps` tells which.

    Returns
    -------
    rotations : (T, 22, 3, 3) segment to parent, for the pelvis to the world
    root : (T, 3) metres, world

    Raises
    ------
    KinefuseError
        If there is no frame, the rest pose is incomplete, or something is missing and may not be.
    """
    if missing not in {"error", "hold"}:
        raise KinefuseError(f"missing must be 'error' or 'hold', got {missing!r}.")
    if not len(motion.time) or not np.isfinite(motion.rest_positions).all():
        raise KinefuseError("This format needs at least one frame and a complete rest pose; this motion lacks them.")
    found = gaps(motion)
    if missing == "error" and found:
        raise KinefuseError(
            f"This format cannot mark missing values, but {found[0].text} Choose 'hold', or a part without gaps."
        )
    world = _held_orientations(motion.R_world_segment)
    parents = [max(parent, 0) for parent in SEGMENT_PARENTS]
    local = np.swapaxes(world[:, parents], -1, -2) @ world
    local[:, 0] = world[:, 0]
    return local, _hold(motion.positions[:, 0])


def _held_orientations(world: np.ndarray) -> np.ndarray:
    held = world.copy()
    for segment, parent in enumerate(SEGMENT_PARENTS):
        if not np.isfinite(world[:, segment]).all(axis=(-1, -2)).any():
            held[:, segment] = held[:, parent] if parent >= 0 else np.eye(3)
        else:
            held[:, segment] = _hold(world[:, segment])
    return held


def _hold(values: np.ndarray) -> np.ndarray:
    """Return `values` (T, ...) with each incomplete row replaced by the last complete (or first) one; zeros if none."""
    known = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    if not known.any():
        return np.zeros_like(values)
    last = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    return values[np.where(last < 0, int(np.argmax(known)), last)]


def is_even(time: np.ndarray) -> bool:
    """Return whether time stamps (T,) lie so evenly that one rate tells them: each step within 2 % of the median."""
    steps = np.diff(time)
    middle = float(np.median(steps)) if len(steps) else 0.0
    return bool((np.abs(steps - middle) <= EVEN * middle).all())


def gaps(motion: Motion) -> list[Finding]:
    """Return a finding for the root's position and for each segment's orientation that has missing frames."""
    frames = len(motion.time)
    missing = {"position of the root": int((~np.isfinite(motion.positions[:, 0]).all(axis=-1)).sum())}
    unknown = (~np.isfinite(motion.R_world_segment).all(axis=(-1, -2))).sum(axis=0)
    missing |= {f"orientation of {name}": int(n) for name, n in zip(SEGMENTS, unknown, strict=True)}
    return [
        Finding(level="warning", about=what, text=f"the {what} is missing in {n} of {frames} frames.")
        for what, n in missing.items()
        if n
    ]


def tip_offsets(rest: np.ndarray) -> dict[int, np.ndarray]:
    """Return where the bones without a child end, for drawing: segment index to (3,) in the segment's frame.

    Toes reach forward by 0.4, the head up by 1.0, the hands onward by 0.7 of their parent segment's length.

    Parameters
    ----------
    rest : (22, 3) joints at rest, any unit of length, which the offsets share
    """
    leaves = [segment for segment in range(len(SEGMENTS)) if segment not in SEGMENT_PARENTS]
    return {segment: _tip(segment, rest) for segment in leaves}


def _tip(segment: int, rest: np.ndarray) -> np.ndarray:
    bone = rest[segment] - rest[SEGMENT_PARENTS[segment]]
    length = float(np.linalg.norm(bone))
    if JOINTS[segment].startswith("mtp"):
        return np.array([0.4 * length, 0.0, 0.0])
    if JOINTS[segment] == "head":
        return np.array([0.0, 1.0 * length, 0.0])
    return 0.7 * bone
