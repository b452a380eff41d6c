"""How sensors are mounted about the long axis of a limb, from a knee or an elbow that was bent again and again.

A held pose shows which way was up on a sensor, and leaves the turn about that to habit (`mounting`). Bending a hinge
shows its axis: both gyroscopes see the same part of their angular rates across it (Seel, Schauer and Raisch 2012). The
mounting is turned about what was upright in the pose until that axis is the joint's flexion axis. The same axis, seen
by both sensors, tells the heading of one from that of the other.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.optimize import least_squares

from kinefuse.body.angles import ANATOMICAL_OFFSETS
from kinefuse.conventions import SEGMENT_INDEX, UP
from kinefuse.inertial.mounting import segment_in_pose
from kinefuse.inertial.rates import angular_rate_of
from kinefuse.inertial.resampling import grid_within, resample
from kinefuse.recordings import HeldPose, HingeMovement, Imu
from kinefuse.rotations import matrix_from_rotvec, nearest_yaw

RATE_HZ: Final = 50.0

LEAST_RATE: Final = 0.5
"""RMS in rad/s by which a joint must bend, and a segment must turn, to show the axis."""

FEWEST_SAMPLES: Final = 50
"""A second of both gyroscopes."""

FARTHEST: Final = np.deg2rad(45.0)
"""An axis further from the flexion axis than this, by the mounting of the pose, is taken for another one."""

LEAST_LEVEL: Final = 0.5
"""Share of an axis that must lie level, squared and on average, to tell a heading."""

NOISE_RATE: Final = 0.2
"""Rates across an axis in rad/s below which their sizes are not compared: they are noise, or skin that wobbles."""

PLANE_WEIGHT: Final = 0.1
"""How much an axis is drawn to that about which its own segment turns most. A movement in one plane needs it: if thigh
and shank turn in a fixed ratio, as in squats, the hinge's equation alone leaves the axes open."""


@dataclass(frozen=True)
class MovementMounting:
    """What movements of hinges tell.

    Attributes
    ----------
    imus : all that were given, in their order
    corrected : names of the sensors whose mounting the movements changed
    joints : those whose axis was found
    notes : why a movement tells nothing
    """

    imus: tuple[Imu, ...]
    corrected: tuple[str, ...] = ()
    joints: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SeenHinge:
    """What one movement tells.

    Attributes
    ----------
    mountings : (3, 3) by name, of the sensors beside the joint that turned enough
    why : what keeps the movement from telling anything; empty if nothing does
    """

    mountings: Mapping[str, np.ndarray]
    why: str = ""


def mount_by_movements(
    imus: Sequence[Imu], pose: HeldPose | None, movements: Sequence[HingeMovement], given: Set[str]
) -> MovementMounting:
    """Turn the mountings that a held pose told until knees and elbows bend about their flexion axes.

    Parameters
    ----------
    imus : with the mounting that the pose told, at most one a segment
    pose : which told it
    movements : their times are those of the sensors' stamps
    given : names of the sensors whose mounting was known; they stay as they are
    """
    found = MovementMounting(tuple(imus))
    for movement in movements:
        seen = see_hinge(imus, pose, movement)
        found = _with_hinge(found, movement, seen, given) if not seen.why else _without(found, movement, seen.why)
    return found


def _with_hinge(found: MovementMounting, movement: HingeMovement, seen: SeenHinge, given: Set[str]) -> MovementMounting:
    new = {name: R for name, R in seen.mountings.items() if name not in given}
    imus = tuple(replace(i, R_segment_sensor=new[i.name]) if i.name in new else i for i in found.imus)
    return replace(found, imus=imus, corrected=(*found.corrected, *new), joints=(*found.joints, movement.joint))


def _without(found: MovementMounting, movement: HingeMovement, why: str) -> MovementMounting:
    span = f"from {movement.start_s:g} to {movement.end_s:g} s"
    return replace(found, notes=(*found.notes, f"The movement of {movement.joint} {span} is not used: {why}."))


def see_hinge(imus: Sequence[Imu], pose: HeldPose | None, movement: HingeMovement) -> SeenHinge:
    """Return what a movement tells of the sensors on either side of its joint."""
    pair, flexion = segments_beside(movement.joint), flexion_axis(movement.joint)
    there = {imu.segment: imu for imu in imus if imu.R_segment_sensor is not None}
    sides = [there[segment] for segment in pair if segment in there]
    if pose is None or len(sides) < len(pair):
        return SeenHinge({}, f"it needs sensors on {' and '.join(pair)} that a held pose calibrates")
    up = segment_in_pose(pair[0], pose.kind).T @ np.array(UP)
    if abs(up @ flexion) > LEAST_LEVEL:
        return SeenHinge({}, "the joint's axis was upright in the held pose, and the turn about that is what is sought")
    rates = rates_during(sides, movement)
    if len(rates) < FEWEST_SAMPLES:
        return SeenHinge({}, f"its two sensors did not record {FEWEST_SAMPLES / RATE_HZ:g} s of it")
    axes = hinge_axes(rates[:, 0], rates[:, 1])
    axes *= np.copysign(1.0, axes @ flexion)[:, None]
    clear = np.sqrt((rates**2).sum(-1).mean(0)) >= LEAST_RATE
    if np.std(rates[:, 1] @ axes[1] - rates[:, 0] @ axes[0]) < LEAST_RATE:
        return SeenHinge({}, f"the joint bent by less than {LEAST_RATE:g} rad/s (RMS)")
    if (clear & (axes @ flexion < np.cos(FARTHEST))).any():
        return SeenHinge({}, "by the held pose, the joint turned about another axis than that of bending")
    turned = [turned_to_axis(_known(i), axis, flexion, up) for i, axis in zip(sides, axes, strict=True)]
    return SeenHinge({imu.name: R for imu, R, told in zip(sides, turned, clear, strict=True) if told})


def _known(imu: Imu) -> np.ndarray:
    return np.eye(3) if imu.R_segment_sensor is None else imu.R_segment_sensor


def segments_beside(joint: str) -> tuple[str, str]:
    """Return the segments on either side of one of `recordings.HINGE_JOINTS`, the inner one first."""
    part, side = joint.split("_")
    inner, outer = {"knee": ("thigh", "shank"), "elbow": ("upper_arm", "forearm")}[part]
    return f"{inner}_{side}", f"{outer}_{side}"


def flexion_axis(joint: str) -> np.ndarray:
    """Return the flexion axis (3,) of a knee or an elbow, in the axes of either segment.

    The forearm's is that while the palm is turned as in a held pose, where its axes are those of the upper arm.
    """
    return np.asarray(ANATOMICAL_OFFSETS[SEGMENT_INDEX[segments_beside(joint)[0]]][:, 2])


def rates_during(sides: Sequence[Imu], movement: HingeMovement) -> np.ndarray:
    """Return the angular rates (N, S, 3), rad/s, segment axes, of S sensors while all of them recorded a movement."""
    start = max(movement.start_s, *(imu.time[0] for imu in sides))
    grid = grid_within(start, min(movement.end_s, *(imu.time[-1] for imu in sides)), RATE_HZ)
    rates = [resample(*angular_rate_of(imu), grid).values[:, 0] @ _known(imu).T for imu in sides]
    both = np.stack(rates, axis=1)
    return np.asarray(both[np.isfinite(both).all((1, 2))])


def hinge_axes(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the axis of a hinge (2, 3) as both sides see it, unit vectors of unknown sign.

    Least squares of the equation of Seel, Schauer and Raisch (2012), from the main axis of each rate.

    Parameters
    ----------
    first, second : (N, 3) angular rates, rad/s, of the two sides, each in axes of its own
    """
    start = np.concatenate([np.linalg.svd(rate, full_matrices=False)[2][0] for rate in (first, second)])
    return _unit(least_squares(_off_hinge, start, args=(first, second), method="lm").x.reshape(2, 3))


def _off_hinge(axes: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return residuals (7 N,) of two axes (6,): how much the rates across them differ in size, and those rates."""
    one, other = _unit(axes.reshape(2, 3))
    across = np.stack([np.cross(first, one), np.cross(second, other)])
    size = np.sqrt((across**2).sum(-1) + NOISE_RATE**2)
    return np.concatenate([size[0] - size[1], PLANE_WEIGHT * across.ravel()])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def turned_to_axis(R_segment_sensor: np.ndarray, found: np.ndarray, flexion: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Return a mounting (3, 3), turned about `up` until a hinge's axis is as near to the flexion axis as it can be.

    Parameters
    ----------
    R_segment_sensor : (3, 3) by the held pose
    found : (3,) the hinge's axis by that mounting, segment axes
    flexion : (3,) where that axis is, segment axes
    up : (3,) unit vector that pointed up in the pose, segment axes; it stays where the pose saw it
    """
    angle = np.arctan2(up @ np.cross(found, flexion), np.cross(up, found) @ np.cross(up, flexion))
    return np.asarray(matrix_from_rotvec(angle * up) @ R_segment_sensor)


def heading_by_hinge(inner: np.ndarray, outer: np.ndarray, flexion: np.ndarray) -> float | None:
    """Return the angle about the vertical that turns the outer segment's hinge axis to the inner one's.

    Parameters
    ----------
    inner, outer : (T, 3, 3) orientations while the hinge moves, each in the level world of its own sensor
    flexion : (3,) the axis, segment axes

    Returns
    -------
    Radians; None where the axis was too upright to tell it.
    """
    axes = inner @ flexion, outer @ flexion
    level = min((np.mean(axis[:, 0] ** 2 + axis[:, 2] ** 2) for axis in axes), default=0.0) if len(inner) else 0.0
    return nearest_yaw(axes[0].T @ axes[1]) if level >= LEAST_LEVEL else None
