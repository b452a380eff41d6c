"""Strides of a walking person, from motion alone, and angles over the cycle.

A foot touches down soon after it was farthest in front of the pelvis (Zeni, Richards and Higginson 2008, "Two simple
methods for determining gait events during treadmill and overground walking using kinematic data"); there it still goes
as fast as the pelvis, some 50 ms before it stands. So the touchdown is where, after that, it has lost three quarters
of the pelvis's speed: within 20 ms of the touchdowns of the synthetic walk.

A stride is what lies between two touchdowns of one foot; it counts as walking if it lasts as long as strides do, if
the body advances the way the pelvis faces, and if the other foot touches down about half-way. Where nobody walks,
nothing is found.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.body.angles import orientations_from_angles
from kinefuse.conventions import COORDINATE_INDEX, IS_LENGTH, JOINT_INDEX, SEGMENT_INDEX, TRANSLATIONS
from kinefuse.metrics.angles import interpolate_angles, interpolate_values
from kinefuse.motion import Motion

POINTS: Final = 101
"""Samples of a curve over the cycle, 0 to 100 %."""

SHORTEST_S: Final = 0.7
LONGEST_S: Final = 3.0
"""Seconds that a stride of walking takes; after a stroke two and more."""

LEAST_ADVANCE_M: Final = 0.3
"""The body moves forward by at least this in a stride."""

FASTEST_MPS: Final = 2.3
"""Faster people run (the transition is near 2 m/s)."""

STRAIGHT: Final = 0.85
"""Least share of the way of the body that leads where the pelvis faces: the cosine of some 30°."""

HALF_WAY: Final = (0.3, 0.7)
"""Parts of the stride between which the other foot touches down."""

LEAST_SWING_M: Final = 0.15
"""A foot that swings by less than this before or after is shuffling or standing; so are trembling estimates."""

STANDS: Final = 0.25
"""A foot stands when its forward speed is below this share of the pelvis's."""

LANDING_S: Final = 0.25
"""It does so within this time after it was farthest in front, or it does not walk."""

HEEL_M: Final = (-0.05, -0.07, 0.0)
"""Of an adult, in the foot's frame from the ankle. The heel stands from the touchdown on, while the ankle still rolls
over it."""

LEG_M: Final = (0.43, 0.43)
"""Thigh and shank of an adult, where only angles are known; touchdowns hardly depend on them."""

SIDES: Final = ("l", "r")


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """One stride.

    Attributes
    ----------
    side : ``"l"`` or ``"r"``, of the foot whose touchdown begins and ends it
    start, end : seconds
    opposite : seconds, of the other foot's touchdown in between
    advance : how far the body moved forward, metres
    """

    side: str
    start: float
    end: float
    opposite: float
    advance: float


@dataclass(frozen=True, kw_only=True)
class CycleCurve:
    """A coordinate over the gait cycle.

    Attributes
    ----------
    mean, sd : (101,) radians, ``pelvis_t*`` metres; at every per cent of the cycle; NaN without cycles, the standard
        deviation also for one
    cycles : how many it is made of
    """

    mean: np.ndarray
    sd: np.ndarray
    cycles: int


def walking_cycles(motion: Motion) -> list[Cycle]:
    """Return the strides of both feet in order of time; none where the person does not walk."""
    ankles = [motion.positions[:, JOINT_INDEX[f"ankle_{side}"]] for side in SIDES]
    return _cycles(motion.time, motion.positions[:, 0], np.stack(ankles, axis=1), motion.R_world_segment)


def walking_cycles_of_angles(time: np.ndarray, angles: np.ndarray) -> list[Cycle]:
    """Return the strides of a motion of which only the coordinates were kept.

    Parameters
    ----------
    time : (T,) seconds
    angles : (T, C) radians and metres, in the order of `conventions.COORDINATES`
    """
    R = orientations_from_angles(angles)
    root = angles[:, [COORDINATE_INDEX[name] for name in TRANSLATIONS]]
    bones = [[R[:, SEGMENT_INDEX[f"{bone}_{side}"], :, 1] for bone in ("thigh", "shank")] for side in SIDES]
    ankles = [root - LEG_M[0] * thigh - LEG_M[1] * shank for thigh, shank in bones]
    return _cycles(time, root, np.stack(ankles, axis=1), R)


def forward_of(R_world_pelvis: np.ndarray) -> np.ndarray:
    """Return the horizontal unit vectors (T, 3) where the pelvis (T, 3, 3) faces; NaN where it faces up or down."""
    level = R_world_pelvis[:, :, 0] * np.array([1.0, 0.0, 1.0])
    length = np.linalg.norm(level, axis=-1, keepdims=True)
    return np.where(length > 0.1, level, np.nan) / np.maximum(length, 0.1)


def _cycles(time: np.ndarray, root: np.ndarray, ankles: np.ndarray, R_world_segment: np.ndarray) -> list[Cycle]:
    """Strides from the root (T, 3), the ankles (T, 2, 3), left and right, and all orientations (T, 22, 3, 3)."""
    if len(time) < 3:
        return []
    forward = forward_of(R_world_segment[:, SEGMENT_INDEX["pelvis"]])
    heels = heels_of(ankles, R_world_segment)
    reach = np.einsum("tsi,ti->ts", heels - root[:, None], forward)
    speed = np.einsum("ti,ti->t", np.gradient(root, time, axis=0), forward)
    contacts = [touchdowns(time, reach[:, side], speed) for side in range(len(SIDES))]
    found = []
    for index, side in enumerate(SIDES):
        for start, end in zip(contacts[index][:-1], contacts[index][1:], strict=True):
            opposite = _half_way(start, end, contacts[1 - index])
            advance = _advance(time, root, forward, float(start), float(end))
            if opposite is not None and LEAST_ADVANCE_M <= advance <= FASTEST_MPS * (end - start):
                found.append(Cycle(side=side, start=float(start), end=float(end), opposite=opposite, advance=advance))
    return sorted(found, key=lambda cycle: cycle.start)


def heels_of(ankles: np.ndarray, R_world_segment: np.ndarray) -> np.ndarray:
    """Return the heels (T, 2, 3) by ankles (T, 2, 3), left and right, and orientations (T, 22, 3, 3); metres, world."""
    return ankles + R_world_segment[:, [SEGMENT_INDEX[f"foot_{side}"] for side in SIDES]] @ np.array(HEEL_M)


def touchdowns(time: np.ndarray, reach: np.ndarray, speed: np.ndarray) -> np.ndarray:
    """Return when a foot touches down in front, (K,) seconds.

    Parameters
    ----------
    time : (T,) seconds
    reach : (T,) metres, of the heel in front of the pelvis; NaN where unknown
    speed : (T,) m/s, of the pelvis, forward
    """
    from scipy.signal import find_peaks

    peaks, _ = find_peaks(reach, prominence=LEAST_SWING_M)
    too_fast = speed + np.gradient(reach, time) - STANDS * speed  # positive while the foot swings
    landings = (_landing(time, too_fast, int(peak)) for peak in peaks)
    return np.array([landing for landing in landings if landing is not None])


def _landing(time: np.ndarray, too_fast: np.ndarray, peak: int) -> float | None:
    """When (T,) `too_fast` first falls through zero after a frame, seconds; None if it does not do so soon."""
    last = int(np.searchsorted(time, time[peak] + LANDING_S, side="right"))
    stands = np.flatnonzero(too_fast[peak + 1 : last] <= 0.0)
    if not len(stands) or not too_fast[peak + stands[0]] > 0.0:
        return None
    before = peak + int(stands[0])
    fall = too_fast[before] - too_fast[before + 1]
    return float(time[before] + too_fast[before] / fall * (time[before + 1] - time[before]))


def _half_way(start: float, end: float, others: np.ndarray) -> float | None:
    """When the other foot touches down, about half-way of what lasts as long as a stride; None if it is no stride."""
    duration = end - start
    between = others[(others > start) & (others < end)]
    if len(between) != 1 or not SHORTEST_S <= duration <= LONGEST_S:
        return None
    alternates = HALF_WAY[0] <= (between[0] - start) / duration <= HALF_WAY[1]
    return float(between[0]) if alternates else None


def _advance(time: np.ndarray, root: np.ndarray, forward: np.ndarray, start: float, end: float) -> float:
    """How far the root moves the way the pelvis faces on average, metres; NaN if it is unknown or moves elsewhere."""
    inside, around = stretch(time, start, end), stretch(time, start, end, beyond=3)
    if not np.isfinite(root[inside]).all() or not np.isfinite(forward[inside]).all():
        return float("nan")
    ends = interpolate_values(time[around], root[around], np.array([start, end]))
    way = (ends[1] - ends[0]) * np.array([1.0, 0.0, 1.0])
    mean = forward[inside].mean(axis=0)
    advance = float(way @ mean / np.linalg.norm(mean))
    return advance if advance >= STRAIGHT * np.linalg.norm(way) else float("nan")


def stretch(time: np.ndarray, start: float, end: float, beyond: int = 0) -> slice:
    """Return where times (T,) lie from start to end, and so many samples more on either side."""
    first, last = np.searchsorted(time, start), np.searchsorted(time, end, side="right")
    return slice(max(int(first) - beyond, 0), min(int(last) + beyond, len(time)))


def over_cycles(time: np.ndarray, angles: np.ndarray, cycles: Sequence[Cycle], name: str) -> np.ndarray:
    """Return a coordinate over each of the cycles of its own side.

    Parameters
    ----------
    time : (T,) seconds
    angles : (T, C) radians and metres: of the motion that the cycles were found in, or of another on the same clock
    cycles : of both sides
    name : of a coordinate; without its side, such as ``"knee_angle"``, both sides' cycles are taken, each with its own
        leg or arm; what people have once is taken over the right foot's cycles

    Returns
    -------
    (N, 101) radians, unwrapped, or metres; NaN where the angles are unknown
    """
    columns = _columns(name)
    rows = []
    for cycle in (cycle for cycle in cycles if cycle.side in columns):
        column, at = columns[cycle.side], np.linspace(cycle.start, cycle.end, POINTS)
        if IS_LENGTH[column]:
            rows.append(interpolate_values(time, angles[:, column : column + 1], at)[:, 0])
        else:
            rows.append(_unwrapped(interpolate_angles(time, angles[:, column : column + 1], at)[:, 0]))
    return np.array(rows).reshape(-1, POINTS)


def _unwrapped(angles: np.ndarray) -> np.ndarray:
    known = np.isfinite(angles)
    out = angles.copy()
    out[known] = np.unwrap(angles[known])
    return out


def _columns(name: str) -> dict[str, int]:
    """Which coordinate belongs to the cycles of which side."""
    if name in COORDINATE_INDEX:
        side = name[-1] if name.endswith(("_l", "_r")) else "r"
        return {side: COORDINATE_INDEX[name]}
    return {side: COORDINATE_INDEX[f"{name}_{side}"] for side in SIDES}


def cycle_curve(time: np.ndarray, angles: np.ndarray, cycles: Sequence[Cycle], name: str) -> CycleCurve:
    """Return mean and standard deviation of `over_cycles`, leaving out cycles in which the angle has gaps."""
    rows = over_cycles(time, angles, cycles, name)
    rows = rows[np.isfinite(rows).all(axis=1)]
    unknown = np.full(POINTS, np.nan)
    return CycleCurve(
        mean=rows.mean(axis=0) if len(rows) else unknown,
        sd=rows.std(axis=0, ddof=1) if len(rows) > 1 else unknown,
        cycles=len(rows),
    )
