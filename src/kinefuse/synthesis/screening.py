"""Clips that are left out: jumps, flips, frozen limbs, and motions that our body could not follow.

A reason is a sentence with the number that decided. Limits are far above what people do: a hand in a throw reaches
20 m/s and 1000 m/s², a joint in a fast kick turns by 25° in a sixtieth of a second.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.conventions import JOINTS, SEGMENT_INDEX, SEGMENT_PARENTS, SEGMENTS
from kinefuse.motion import Motion
from kinefuse.rotations import geodesic_angle

FAST_M_S: Final = 25.0
JERKY_M_S2: Final = 1500.0
FLIP_RAD_S: Final = float(np.deg2rad(2500.0))
FROZEN_S: Final = 0.75
FROZEN_STEP: Final = float(np.deg2rad(0.01))
MOVING_M_S: Final = 0.3
RESIDUAL_M: Final = {"skeleton": (0.012, 0.04), "markers": (0.02, 0.06)}
"""Median over the clip of a frame's mean distance of points, and what 98 % of frames must stay below."""

LIMB_SEGMENTS: Final = tuple(
    SEGMENT_INDEX[f"{name}_{side}"] for side in "lr" for name in ("thigh", "shank", "upper_arm", "forearm")
)


CUT_S: Final = 0.1
SHORTEST_S: Final = 1.0
"""A jump or flip is cut out with this much around it; what is left must last so long to be kept."""


@dataclass(frozen=True)
class Verdict:
    """What of a clip can be used.

    Attributes
    ----------
    clip
    parts : frames that can be used
    reasons : why the rest, or all of it, cannot
    """

    clip: str
    parts: tuple[slice, ...]
    reasons: tuple[str, ...]


def screen(clip: str, motion: Motion, residual: np.ndarray, *, source: str = "skeleton") -> Verdict:
    """Return the verdict on one clip: jumps and flips are cut out, a limb that freezes or a bad fit spoils all of it.

    Parameters
    ----------
    residual : (T, K) metres, distance of each point from the body (`capture.residuals`)
    source : ``"skeleton"`` or ``"markers"``, which lie on skin and follow the bones less closely
    """
    if len(motion.time) < 3:
        return Verdict(clip, (), (f"it has {len(motion.time)} frames only",))
    if not np.isfinite(motion.R_world_segment).all():
        return Verdict(clip, (), ("parts of it have no points",))
    spoiled = [*_frozen(motion), *_misfits(residual, *RESIDUAL_M[source])]
    if spoiled:
        return Verdict(clip, (), tuple(spoiled))
    bad = np.zeros(len(motion.time), bool)
    reasons = [*_jumps(motion, bad), *_flips(motion, bad)]
    return Verdict(clip, _good_parts(bad, motion.rate_hz), tuple(reasons))


def _good_parts(bad: np.ndarray, rate_hz: float) -> tuple[slice, ...]:
    if not bad.any():
        return (slice(0, len(bad)),)
    margin = max(1, round(CUT_S * rate_hz))
    widened = np.convolve(bad, np.ones(2 * margin + 1), mode="same") > 0
    return tuple(run for run in runs(~widened) if run.stop - run.start >= SHORTEST_S * rate_hz)


def _jumps(motion: Motion, bad: np.ndarray) -> list[str]:
    """Mark the frames (T,) and name the worst."""
    step = np.diff(motion.time)[:, None]
    velocity = np.diff(motion.positions, axis=0) / step[..., None]
    speed = np.linalg.norm(velocity, axis=-1)
    acceleration = np.linalg.norm(np.diff(velocity, axis=0), axis=-1) / step[1:]
    reasons = []
    for what, values, limit, unit in (
        ("moves at", speed, FAST_M_S, "m/s"),
        ("accelerates by", acceleration, JERKY_M_S2, "m/s²"),
    ):
        over = (values > limit).any(axis=1)
        for shift in range(len(bad) - len(over) + 1):
            bad[shift : shift + len(over)] |= over
        frame, joint = np.unravel_index(int(values.argmax()), values.shape)
        if over.any():
            reasons.append(f"jump: {JOINTS[joint]} {what} {values[frame, joint]:.0f} {unit} in frame {frame}")
    return reasons


def _flips(motion: Motion, bad: np.ndarray) -> list[str]:
    """Mark the frames (T,) and name the worst."""
    parents = [max(parent, 0) for parent in SEGMENT_PARENTS]
    local = np.swapaxes(motion.R_world_segment[:, parents], -1, -2) @ motion.R_world_segment
    local[:, 0] = motion.R_world_segment[:, 0]
    rate = geodesic_angle(local[:-1], local[1:]) / np.diff(motion.time)[:, None]
    over = (rate > FLIP_RAD_S).any(axis=1)
    bad[:-1] |= over
    bad[1:] |= over
    frame, segment = np.unravel_index(int(rate.argmax()), rate.shape)
    if not over.any():
        return []
    return [f"flip: {SEGMENTS[segment]} turns at {np.rad2deg(rate[frame, segment]):.0f} °/s in frame {frame}"]


def _frozen(motion: Motion) -> list[str]:
    """A limb whose joint does not move at all while the person does has lost its markers."""
    parents = [SEGMENT_PARENTS[s] for s in LIMB_SEGMENTS]
    local = np.swapaxes(motion.R_world_segment[:, parents], -1, -2) @ motion.R_world_segment[:, LIMB_SEGMENTS]
    still = geodesic_angle(local[:-1], local[1:]) < FROZEN_STEP
    speed = np.linalg.norm(np.diff(motion.positions, axis=0), axis=-1).max(1) / np.diff(motion.time)
    reasons = []
    for i, segment in enumerate(LIMB_SEGMENTS):
        longest = _longest_run(still[:, i] & (speed > MOVING_M_S)) / motion.rate_hz
        if longest > FROZEN_S:
            reasons.append(f"frozen: the joint of {SEGMENTS[segment]} stands still for {longest:.1f} s of movement")
    return reasons


def _longest_run(flags: np.ndarray) -> int:
    return max((run.stop - run.start for run in runs(flags)), default=0)


def runs(flags: np.ndarray) -> list[slice]:
    """Return each run of true flags (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _misfits(residual: np.ndarray, typical: float, worst: float) -> list[str]:
    seen = residual[np.isfinite(residual).any(axis=1)]  # short gaps are bridged, and nothing was measured in them
    if not len(seen):
        return ["misfit: no point was measured"]
    mean = np.nanmean(seen, axis=1)
    middle, high = float(np.median(mean)), float(np.percentile(mean, 98))
    if middle > typical:
        return [f"misfit: the points lie {middle * 1e3:.0f} mm from our body in the median frame"]
    if high > worst:
        return [f"misfit: the points lie more than {high * 1e3:.0f} mm from our body in the worst 2 % of frames"]
    return []
