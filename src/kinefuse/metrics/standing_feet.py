"""Where a person goes who was measured without a place: a standing foot stays where it is, and the body moves over it.

What inertial sensors tell alone has its root at the origin. Of the feet's points near the ground that one stands that
goes backwards fastest against the pelvis: while somebody walks forward, a swinging foot goes forward, and the points of
a standing foot go backwards alike, or slower where they are rolling off. On motion capture whose place was taken away,
strides are 3 cm (2 %) too short, and touchdowns and foot offs some milliseconds off.

Somebody who marches on the spot lifts feet backwards, too; but then the lower foot is at rest.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from kinefuse.conventions import JOINT_INDEX, SEGMENT_INDEX
from kinefuse.metrics.gait_cycles import SIDES, Cycle, forward_of, heels_of, stretch
from kinefuse.motion import Motion

NEAR_GROUND_M: Final = 0.08
"""A point that is higher than this above the lowest one does not stand, whichever way it goes."""

TOE_TIP_M: Final = (0.06, 0.0, 0.0)
"""In the frame of the toes, from the ball of the foot."""

SMOOTHED_S: Final = 0.04
"""Standard deviation of the Gaussian window over the velocity, against steps from one point to another."""


LEAST_SHARE: Final = 0.5
"""Of the body's speed over a stride, that its lowest foot goes backwards with, and that a treadmill makes up for."""


def place_is_known(motion: Motion) -> bool:
    """Return whether the root moves at all; of methods that know no place it stays where it is."""
    known = motion.positions[:, 0][np.isfinite(motion.positions[:, 0]).all(axis=1)]
    return bool(len(known) and np.ptp(known[:, [0, 2]], axis=0).max() > 0.0)


def carried_by_feet(motion: Motion) -> Motion:
    """Return a motion whose body moves over the standing feet, from where it is in the first frame.

    Heights, and everything but ``positions``, stay as they are, and so do frames that are empty.
    """
    relative = motion.positions - motion.positions[:, :1]
    points = _foot_points(relative, motion.R_world_segment)
    known = np.flatnonzero(np.isfinite(points).all(axis=(1, 2)))
    if len(known) < 3:
        return motion
    time, points = motion.time[known], points[known]
    forward = forward_of(motion.R_world_segment[known, SEGMENT_INDEX["pelvis"]])
    way = _integrated(time, -_standing_velocity(time, points, np.nan_to_num(forward)))
    level = motion.positions[known, :1] * np.array([1.0, 0.0, 1.0])
    positions = motion.positions.copy()
    positions[known] += level[0] - level + way[:, None]
    return replace(motion, positions=positions)


def stays(motion: Motion, cycle: Cycle) -> bool:
    """Return whether the root is displaced by less than half of what a cycle of `carried_by_feet` advances."""
    root = motion.positions[stretch(motion.time, cycle.start, cycle.end), 0]
    return bool(np.linalg.norm((root[-1] - root[0])[[0, 2]]) < LEAST_SHARE * cycle.advance)


def walks_on_lowest_foot(motion: Motion, cycle: Cycle) -> bool:
    """Return whether the lowest point of the feet mostly goes backwards as fast as the body advances, or half as fast.

    In walks of motion capture it is 0.9 to 1.1 times as fast, in marching on the spot it stands.
    """
    around = stretch(motion.time, cycle.start, cycle.end)
    time, R = motion.time[around], motion.R_world_segment[around]
    points = _foot_points(motion.positions[around] - motion.positions[around, :1], R)
    forward = forward_of(R[:, SEGMENT_INDEX["pelvis"]])
    backwards = -np.einsum("tni,ti->tn", np.gradient(points, time, axis=0), forward)
    lowest = backwards[np.arange(len(time)), points[..., 1].argmin(axis=1)]
    return bool(np.median(lowest) >= LEAST_SHARE * cycle.advance / (cycle.end - cycle.start))


def _foot_points(relative: np.ndarray, R_world_segment: np.ndarray) -> np.ndarray:
    """Return heels, balls and tips of both feet (T, 6, 3) by joints relative to the root (T, 22, 3), metres."""
    ankles, balls = (relative[:, [JOINT_INDEX[f"{name}_{side}"] for side in SIDES]] for name in ("ankle", "mtp"))
    tips = balls + R_world_segment[:, [SEGMENT_INDEX[f"toes_{side}"] for side in SIDES]] @ np.array(TOE_TIP_M)
    return np.concatenate([heels_of(ankles, R_world_segment), balls, tips], axis=1)


def _standing_velocity(time: np.ndarray, points: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Return the level velocity (T, 3) of what stands, against the root, of points (T, N, 3); m/s."""
    velocity = np.gradient(points, time, axis=0)
    height = points[..., 1]
    backwards = -np.einsum("tni,ti->tn", velocity, forward)
    near = height <= height.min(axis=1, keepdims=True) + NEAR_GROUND_M
    standing = np.where(near, backwards, -np.inf).argmax(axis=1)
    chosen = velocity[np.arange(len(time)), standing] * np.array([1.0, 0.0, 1.0])
    return _smoothed(time, chosen)


def _smoothed(time: np.ndarray, values: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(values, SMOOTHED_S / float(np.median(np.diff(time))), axis=0))


def _integrated(time: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Return the way (T, 3) from the first frame."""
    steps = 0.5 * (velocity[1:] + velocity[:-1]) * np.diff(time)[:, None]
    return np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
