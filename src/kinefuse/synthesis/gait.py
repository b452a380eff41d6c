"""A person who stands, starts to walk and walks along a curve, posed by published normative joint angles.

Nothing of a fitter's body or prior is in it. The way through the room follows from the feet: the points of the soles
that touch the floor stand still on it, and the pelvis moves as the legs then make it move.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from kinefuse.body.angles import joint_angles, orientations_from_angles
from kinefuse.body.kinematics import joint_positions, points_on_segments
from kinefuse.body.models import BodyModel
from kinefuse.conventions import COORDINATE_INDEX, COORDINATES, SEGMENTS
from kinefuse.motion import Motion
from kinefuse.rotations import matrix_from_euler, yaw_matrix
from kinefuse.synthesis.gait_curves import MIDDLE_CURVES, RIGHT_CURVES, THORAX, curve
from kinefuse.synthesis.person import sole_points

STANDING: Final = {
    "hip_flexion": 2.5,
    "hip_rotation": -4.0,
    "knee_angle": 4.0,
    "ankle_angle": 1.5,
    "subtalar_angle": 0.0,
    "arm_flex": 3.0,
    "arm_add": -6.0,
    "arm_rot": 4.0,
    "elbow_flex": 8.0,
    "pro_sup": 82.0,
    "wrist_flex": 5.0,
}
"""Degrees of the relaxed N-pose; what is not named is zero."""

NOD_DEG: Final = 1.5
"""The head nods twice a stride and so keeps looking ahead while it rises and falls."""

BEARING: Final = ((-0.02, 0.36), (0.09, 0.52), (0.13, 0.61))
"""Parts of a leg's cycle in which heel, ball and toe of its foot may carry weight (Perry and Burnfield 2010)."""
BEARING_RAMP: Final = 0.14
AMPLITUDE_OF_STEPS: Final = 0.1
"""From this share of the full amplitude on, weight passes from foot to foot."""
CONTACT_HEIGHT_M: Final = 0.015
"""Points of the sole this much above the lowest one carry 1/e of its weight."""


@dataclass(frozen=True, kw_only=True)
class Walk:
    """How the person walks.

    Attributes
    ----------
    standing_s : time in the N-pose before the first movement, seconds
    starting_s : time over which the amplitude grows from nothing to all of it, seconds
    duration_s : length of the whole motion, seconds
    stride_s : duration of one stride, seconds
    turn_rad : how far the path turns to the left while walking, radians
    heading_rad : direction at first; 0 walks along +X, positive turns to the left (towards -Z), radians
    start : (x, z) of the pelvis at first, metres
    start_phase : phase of the right leg's cycle at which walking starts; 0.8 steps off with the right foot
    left_share : angles of the left hip, knee and ankle as a share of the right ones
    rate_hz : samples a second
    """

    standing_s: float = 1.2
    starting_s: float = 0.9
    duration_s: float = 6.0
    stride_s: float = 1.15
    turn_rad: float = np.deg2rad(15.0)
    heading_rad: float = 0.0
    start: tuple[float, float] = (-2.65, 0.3)
    start_phase: float = 0.8
    left_share: float = 0.98
    rate_hz: float = 240.0


def smooth_step(x: np.ndarray) -> np.ndarray:
    """Return 0 before 0, 1 after 1, and between a polynomial whose first three derivatives vanish at the ends."""
    x = np.clip(x, 0.0, 1.0)
    return x**4 * (35.0 - 84.0 * x + 70.0 * x**2 - 20.0 * x**3)


def walk(person: BodyModel, how: Walk | None = None) -> Motion:
    """Return a motion: standing in the N-pose, then walking.

    Parameters
    ----------
    person : its skeleton, in its mean shape
    how : None takes `Walk`'s defaults

    Returns
    -------
    Motion in the world (Y up, floor at Y = 0), with the first frame at time 0.
    """
    how = how or Walk()
    time = np.arange(round(how.duration_s * how.rate_hz) + 1) / how.rate_hz
    amplitude = smooth_step((time - how.standing_s) / how.starting_s)
    phase = how.start_phase + _integral(amplitude, time) / how.stride_s
    heading = how.heading_rad + how.turn_rad * _share_walked(amplitude, time)
    orientations = _orientations(phase, amplitude, heading, how.left_share)
    rest = person.rest_positions(np.zeros(person.n_shape))
    root = root_from_feet(orientations, rest, time, bearing(phase, amplitude))
    root[:, [0, 2]] += np.array(how.start) - root[0, [0, 2]]
    return Motion(
        time=time,
        R_world_segment=orientations,
        positions=joint_positions(*map(torch.as_tensor, (orientations, root, rest))).numpy(),
        angles=joint_angles(orientations, root),
        provenance=np.zeros((len(time), len(SEGMENTS)), dtype=int),
        shape=np.zeros(person.n_shape),
        rest_positions=rest,
        body_name=person.name,
        estimator="synthetic walk",
    )


def walking_angles(phase: np.ndarray, amplitude: np.ndarray, left_share: float = 1.0) -> np.ndarray:
    """Return the coordinates of walking, (T, C) radians, for a pelvis that heads along +X at the origin.

    Parameters
    ----------
    phase : (T,) of the right leg's cycle, in cycles
    amplitude : (T,) 0 stands in the N-pose, 1 walks
    left_share : angles of the left hip, knee and ankle as a share of the right ones
    """
    angles = np.zeros((len(phase), len(COORDINATES)))
    for side, delay, share in (("r", 0.0, 1.0), ("l", 0.5, left_share)):
        for name in (*RIGHT_CURVES, *STANDING):
            standing = np.deg2rad(STANDING.get(name, 0.0))
            walking = share_of(name, share) * curve(name, phase - delay) if name in RIGHT_CURVES else standing
            angles[:, COORDINATE_INDEX[f"{name}_{side}"]] = standing + amplitude * (walking - standing)
    for name in MIDDLE_CURVES:
        angles[:, COORDINATE_INDEX[name]] = amplitude * curve(name, phase)
    return _with_trunk(angles, phase, amplitude)


def share_of(name: str, share: float) -> float:
    """Return `share` for the angles that move a leg forwards, and 1 for all others."""
    return share if name in {"hip_flexion", "knee_angle", "ankle_angle"} else 1.0


def _with_trunk(angles: np.ndarray, phase: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
    """Add the joints between pelvis, thorax and head: the thorax turns against the pelvis, the head looks ahead."""
    pelvis = {name: angles[:, COORDINATE_INDEX[name]] for name in MIDDLE_CURVES}
    thorax = {
        "rotation": THORAX["thorax_rotation"] * pelvis["pelvis_rotation"],
        "bending": THORAX["thorax_bending"] * pelvis["pelvis_list"],
        "lean": amplitude * np.deg2rad(THORAX["thorax_lean"]),
    }
    angles[:, COORDINATE_INDEX["lumbar_rotation"]] = thorax["rotation"] - pelvis["pelvis_rotation"]
    angles[:, COORDINATE_INDEX["lumbar_bending"]] = thorax["bending"] - pelvis["pelvis_list"]
    angles[:, COORDINATE_INDEX["lumbar_extension"]] = thorax["lean"] - pelvis["pelvis_tilt"]
    angles[:, COORDINATE_INDEX["neck_rotation"]] = -0.9 * thorax["rotation"]
    angles[:, COORDINATE_INDEX["neck_bending"]] = -0.8 * thorax["bending"]
    nod = amplitude * np.deg2rad(NOD_DEG) * np.cos(4 * np.pi * phase)
    angles[:, COORDINATE_INDEX["neck_flexion"]] = 0.8 * thorax["lean"] + nod
    return angles


def _orientations(phase: np.ndarray, amplitude: np.ndarray, heading: np.ndarray, left_share: float) -> np.ndarray:
    """Segment orientations (T, 22, 3, 3); the pelvis turns heading first, so that tilt and list keep their meaning."""
    angles = walking_angles(phase, amplitude, left_share)
    tilt, side_list, rotation = (COORDINATE_INDEX[f"pelvis_{name}"] for name in ("tilt", "list", "rotation"))
    pelvis = matrix_from_euler("YXZ", angles[:, [rotation, side_list, tilt]])
    angles[:, [tilt, side_list, rotation]] = 0.0
    return (yaw_matrix(heading) @ pelvis)[:, None] @ orientations_from_angles(angles)


def bearing(phase: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
    """Return how much each point of `person.sole_points` may carry, (T, 6) in 0..1; all of them while standing.

    Parameters
    ----------
    phase : (T,) of the right leg's cycle, in cycles
    amplitude : (T,) 0 stands, 1 walks
    """
    walking = smooth_step(amplitude / AMPLITUDE_OF_STEPS)
    columns = []
    for delay in (0.5, 0.0):  # left, right
        for start, end in BEARING:
            since_start = (phase - delay - start + BEARING_RAMP) % 1.0 - BEARING_RAMP
            rise = smooth_step(since_start / BEARING_RAMP)
            fall = smooth_step((end - start - since_start) / BEARING_RAMP)
            columns.append(1.0 - walking * (1.0 - rise * fall))
    return np.stack(columns, axis=-1)


def root_from_feet(
    R_world_segment: np.ndarray, rest_positions: np.ndarray, time: np.ndarray, may_bear: np.ndarray
) -> np.ndarray:
    """Return the way of the root, (T, 3) metres, that keeps the soles on the floor without sliding.

    With the root held at the origin, every point of the soles moves; the negative of the weighted mean velocity of
    those on the floor is the velocity of the root, and the negative of their weighted mean height is its height.

    Parameters
    ----------
    R_world_segment : (T, 22, 3, 3)
    rest_positions : (22, 3) metres, rest pose
    time : (T,) seconds
    may_bear : (T, 6) of `bearing`
    """
    R, rest = torch.as_tensor(R_world_segment), torch.as_tensor(rest_positions)
    held = joint_positions(R, torch.zeros(len(time), 3, dtype=R.dtype), rest)
    soles = points_on_segments(R, held, rest, *map(torch.as_tensor, sole_points(rest_positions))).numpy()
    height = soles[..., 1]
    weight = may_bear * np.exp((height.min(axis=1, keepdims=True) - height) / CONTACT_HEIGHT_M)
    weight /= weight.sum(axis=1, keepdims=True)
    velocity = np.gradient(soles, time, axis=0)
    root = -np.stack([_integral((weight * velocity[..., axis]).sum(1), time) for axis in range(3)], axis=-1)
    root[:, 1] = -(weight * height).sum(axis=1)
    return root


def _integral(rate: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Integrate (T,) over time by the trapezoidal rule, from zero."""
    steps = 0.5 * (rate[1:] + rate[:-1]) * np.diff(time)
    return np.concatenate([[0.0], np.cumsum(steps)])


def _share_walked(amplitude: np.ndarray, time: np.ndarray) -> np.ndarray:
    total = _integral(amplitude, time)
    return total / max(float(total[-1]), 1e-9)
