"""Motions one after the other, with a smooth way between them: position, velocity and acceleration are continuous.

Each segment leaves its last pose as it was moving, slower and slower, and comes to its next pose as it will move; a
weight whose first and second derivatives vanish at its ends leads from one to the other. The root takes the polynomial
of fifth degree between both states.
"""

from dataclasses import replace
from typing import Final

import numpy as np
import torch

from kinefuse.body.angles import joint_angles
from kinefuse.body.kinematics import joint_positions, local_from_world, world_from_local
from kinefuse.conventions import INFERRED, SEGMENTS
from kinefuse.motion import Motion
from kinefuse.rotations import matrix_from_rotvec, rotvec_from_matrix, yaw_matrix

COASTING_S: Final = 0.08
"""Time constant with which a motion comes to rest on the way."""

EDGE_FRAMES: Final = 6
"""Frames from which velocity and acceleration at an edge are told."""


def joined(first: Motion, second: Motion, seconds: float) -> Motion:
    """Return both motions with a way of `seconds` between them; the time stamps go on from the first's.

    Parameters
    ----------
    first, second : of one person, at one rate, without gaps; where they are is not changed
    seconds : rounded to whole frames
    """
    step = 1.0 / first.rate_hz
    frames = max(1, round(seconds / step))
    between = _way(first, second, step * np.arange(1, frames), step * frames)
    parts = (first, between, second)
    time = first.time[0] + step * np.arange(sum(len(part.time) for part in parts))
    stacked = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("R_world_segment", "positions", "provenance")
    }
    angles = joint_angles(stacked["R_world_segment"], stacked["positions"][:, 0])
    return replace(first, time=time, angles=angles, orientation_sd=None, angle_sd=None, **stacked)


def led_on(first: Motion, second: Motion, seconds: float) -> Motion:
    """Return `second` turned about the vertical and shifted, so that it goes on where `first` ends.

    Its heading is that of the first's last frame. Over the way of `seconds` the root goes on horizontally at the mean
    of both speeds; heights stay as they are.
    """
    facing = heading_of(first.R_world_segment[-1, 0]) - heading_of(second.R_world_segment[0, 0])
    turned = moved(second, facing, np.zeros(3))
    speed = (_edge(first.positions[:, 0], 1.0 / first.rate_hz, last=True)[0]) / 2
    speed = speed + _edge(turned.positions[:, 0], 1.0 / second.rate_hz, last=False)[0] / 2
    shift = first.positions[-1, 0] + speed * seconds - turned.positions[0, 0]
    return moved(turned, 0.0, shift * np.array([1.0, 0.0, 1.0]))


def moved(motion: Motion, yaw: float, shift: np.ndarray) -> Motion:
    """Return a motion turned about the vertical through the origin by `yaw`, radians, then shifted by (3,) metres."""
    turn = yaw_matrix(yaw)
    orientations = turn @ motion.R_world_segment
    positions = motion.positions @ turn.T + shift
    return replace(
        motion,
        R_world_segment=orientations,
        positions=positions,
        angles=joint_angles(orientations, positions[:, 0]),
    )


def heading_of(R_world_segment: np.ndarray) -> float:
    """Return the angle about the vertical, of where a segment (3, 3) faces: its X axis, or Z if X points up."""
    ahead = R_world_segment[:, 0]
    if np.hypot(ahead[0], ahead[2]) > 0.3:
        return float(np.arctan2(-ahead[2], ahead[0]))
    return float(np.arctan2(R_world_segment[0, 2], R_world_segment[2, 2]))


def _way(first: Motion, second: Motion, since: np.ndarray, whole: float) -> Motion:
    """The frames between two motions, at times (T,) since the first's end of the `whole` way, seconds."""
    before, after = _local(first.R_world_segment[-EDGE_FRAMES:]), _local(second.R_world_segment[:EDGE_FRAMES])
    step = 1.0 / first.rate_hz
    share = smooth_step(since / whole)[:, None, None]
    going = _coasting(_turns(before, before[-1]), step, since, last=True)
    coming = _coasting(_turns(after, after[0]), step, since - whole, last=False)
    turn = rotvec_from_matrix(np.swapaxes(before[-1], -1, -2) @ after[0])
    parts = ((1 - share) * going, share * turn, share * coming)
    local = before[-1] @ matrix_from_rotvec(parts[0]) @ matrix_from_rotvec(parts[1]) @ matrix_from_rotvec(parts[2])
    R = world_from_local(torch.as_tensor(local))
    root = _root_way(first, second, since / whole, whole)
    positions = joint_positions(R, torch.as_tensor(root), torch.as_tensor(first.rest_positions)).numpy()
    return replace(
        first,
        time=since,
        R_world_segment=R.numpy(),
        positions=positions,
        angles=np.zeros((len(since), first.angles.shape[1])),
        provenance=np.full((len(since), len(SEGMENTS)), INFERRED),
        orientation_sd=None,
        angle_sd=None,
    )


def _local(R_world_segment: np.ndarray) -> np.ndarray:
    return local_from_world(torch.as_tensor(R_world_segment)).numpy()


def _turns(local: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """Rotation vectors (n, 22, 3) from the frame at an edge (22, 3, 3)."""
    return rotvec_from_matrix(np.swapaxes(edge, -1, -2) @ local)


def _edge(values: np.ndarray, step: float, last: bool) -> tuple[np.ndarray, np.ndarray]:
    """Velocity and acceleration of values (T, ...) at their last or first frame, by a parabola through it."""
    near = values[-EDGE_FRAMES:] if last else values[:EDGE_FRAMES]
    edge = near[-1] if last else near[0]
    time = step * (np.arange(len(near)) - (len(near) - 1 if last else 0))
    parabola = np.stack([time, 0.5 * time**2], axis=1)
    found = np.linalg.lstsq(parabola, (near - edge).reshape(len(near), -1), rcond=None)[0]
    return found[0].reshape(edge.shape), found[1].reshape(edge.shape)


def _coasting(values: np.ndarray, step: float, time: np.ndarray, last: bool) -> np.ndarray:
    """Return how values (n, ...) go on from their edge at times (T,) from it, coming to rest, (T, ...).

    The velocity is ``(v + (a + v / c) t) exp(-t / c)``, which begins with velocity v and acceleration a.
    """
    speed, rise = _edge(values, step, last)
    sign, away = (1.0, time) if last else (-1.0, -time)
    speed = sign * speed
    bend = rise + speed / COASTING_S
    fade = np.exp(-away / COASTING_S).reshape(-1, *(1,) * speed.ndim)
    ago = away.reshape(fade.shape)
    return speed * COASTING_S * (1 - fade) + bend * COASTING_S * (COASTING_S - (ago + COASTING_S) * fade)


def smooth_step(share: np.ndarray) -> np.ndarray:
    """Return a weight from 0 to 1 for a share of the way, whose first two derivatives vanish at both ends."""
    x = np.clip(share, 0.0, 1.0)
    return x**3 * (10.0 - 15.0 * x + 6.0 * x**2)


def _root_way(first: Motion, second: Motion, share: np.ndarray, whole: float) -> np.ndarray:
    """Root positions (T, 3): the polynomial between place, velocity and acceleration at both ends."""
    p0, p1 = first.positions[-1, 0], second.positions[0, 0]
    v0, a0 = _edge(first.positions[:, 0], 1.0 / first.rate_hz, last=True)
    v1, a1 = _edge(second.positions[:, 0], 1.0 / second.rate_hz, last=False)
    known = np.stack([p0, v0 * whole, a0 * whole**2 / 2, p1, v1 * whole, a1 * whole**2 / 2])
    k = np.arange(6)
    start = np.eye(6)[:3]
    end = np.stack([np.ones(6), k, k * (k - 1) / 2])
    factors = np.linalg.solve(np.concatenate([start, end]), known)
    return np.asarray(share[:, None] ** k @ factors)
