"""How sensors are mounted, from a held pose: up from gravity, forward from where on the body they usually sit.

In a held pose the vertical of every segment is known, and a resting accelerometer shows it: that much is measured. What
gravity cannot tell, the turn about the vertical, comes from one of two habits, whichever the vertical fits: axes along
those of the segment, or a case that lies flat on the skin, its lid (the sensor's Z axis) away from it, on that side of
the segment on which such sensors are worn. Sensors whose orientations share a heading then vote on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from kinefuse.conventions import GRAVITY, IMU_SITES, UP
from kinefuse.recordings import HeldPose, Imu
from kinefuse.rotations import matrix_from_rotvec, nearest_yaw, yaw_matrix

SWAY: Final = 0.5
"""A sensor is still enough while its specific force scatters by no more than this, m/s² in each axis."""

FEWEST_SAMPLES: Final = 10
ALONG_SEGMENT: Final = np.deg2rad(45.0)
"""Sensors are taken to lie along their segments if the vertical is no further off than this, on the median."""

LEAST_LEAN: Final = 0.15
"""Sine of the angle between lid and vertical below which the lid tells no heading."""

SAME_HEADING: Final = np.deg2rad(30.0)
FEWEST_VOTES: Final = 4
AGREEING_SHARE: Final = 0.6
"""Low enough for legs with shins worn outside and a trunk worn behind. If headings were random, so many would agree
within `SAME_HEADING` in 5 of 100 trials with eight sensors, 9 with six, 0.4 with four or thirteen (simulated)."""

ALL: Final = 1.0
"""The share where sensors lie along their segments: then none can be far off. Without a magnetometer an orientation
filter begins with the heading of the sensor's own axes, which agree on trunk and legs and not on hanging arms."""

_SIDES: Final = {
    "pelvis": (-1.0, 0.0, 0.0),
    "thorax": (1.0, 0.0, 0.0),
    "head": (-1.0, 0.0, 0.0),
    "thigh": (0.0, 0.0, 1.0),
    "shank": (0.87, 0.0, -0.5),
    "foot": (1.0, 0.0, 0.0),
    "upper_arm": (0.0, 0.0, 1.0),
    "forearm": (0.0, 0.0, 1.0),
}
"""Where the outer face of a right side's sensor looks while arms hang, in body axes: sacrum, sternum, back of the head,
outside of thigh and arm, flat of the shin, and the instep, which leans forward."""

_Z_UP: Final = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""A device's global frame (Z up) in a world of its own heading (Y up)."""


@dataclass(frozen=True)
class PoseMounting:
    """What a held pose tells.

    Attributes
    ----------
    imus : all that were given, in their order; those of `mounted` with `R_segment_sensor`
    mounted : names of the sensors whose mounting follows from the pose
    lid : whether they lie flat on the skin (else along their segments)
    one_heading : whether the devices' orientations share a heading, so that the sensors voted on it
    """

    imus: tuple[Imu, ...]
    mounted: tuple[str, ...]
    lid: bool
    one_heading: bool


def mount_by_pose(imus: Sequence[Imu], pose: HeldPose) -> PoseMounting:
    """Give sensors of unknown mounting the one that a held pose tells.

    Parameters
    ----------
    imus : those with a known mounting, on segments that are no site of `conventions.IMU_SITES`, or not still during the
        pose stay as they are
    pose : its times are those of the sensors' stamps

    Returns
    -------
    Sensors, and how the turn about the vertical was found.
    """
    verticals = {imu.name: up for imu in imus if _is_open(imu) and (up := vertical(imu, pose)) is not None}
    candidates = [imu for imu in imus if imu.name in verticals]
    off = [_tilt(segment_in_pose(i.segment, pose.kind) @ verticals[i.name]) for i in candidates]
    lid = bool(off) and bool(np.median(off) > ALONG_SEGMENT)
    level = _by_lid(candidates, verticals, pose.kind) if lid else _along_segment(candidates, verticals, pose.kind)
    share = AGREEING_SHARE if lid else ALL
    level, agreed = _with_one_heading([imu for imu in imus if imu.name in level], pose, level, share)
    new = tuple(
        replace(i, R_segment_sensor=segment_in_pose(i.segment, pose.kind).T @ level[i.name]) if i.name in level else i
        for i in imus
    )
    return PoseMounting(new, tuple(level), lid, agreed)


def _is_open(imu: Imu) -> bool:
    return imu.R_segment_sensor is None and imu.segment in IMU_SITES


def _tilt(vector: np.ndarray) -> float:
    """Return the angle of a vector (3,) to the vertical."""
    return float(np.arctan2(np.hypot(vector[0], vector[2]), vector[1]))


def vertical(imu: Imu, pose: HeldPose) -> np.ndarray | None:
    """Return the unit vector (3,) that points up during a pose, sensor axes; None if the sensor was not still then."""
    force = _during(imu, pose, imu.specific_force)
    if len(force) < FEWEST_SAMPLES or (force.std(axis=0) > SWAY).any():
        return None
    mean = force.mean(axis=0)
    size = float(np.linalg.norm(mean))
    return mean / size if abs(size - GRAVITY) < 2 * SWAY else None


def _during(imu: Imu, pose: HeldPose, values: np.ndarray) -> np.ndarray:
    """Return the rows of values (T, ...) within a pose that are complete."""
    inside = (imu.time >= pose.start_s) & (imu.time <= pose.end_s)
    return values[inside & np.isfinite(values).reshape(len(values), -1).all(1)]


def segment_in_pose(segment: str, kind: str) -> np.ndarray:
    """Return the rotation (3, 3) from a segment's axes to the body's in a held pose of that kind."""
    if kind == "t" or not segment.startswith(("upper_arm", "forearm", "hand")):
        return np.eye(3)
    return matrix_from_rotvec(np.array([0.5 * np.pi if segment.endswith("_r") else -0.5 * np.pi, 0.0, 0.0]))


def side_of(segment: str) -> np.ndarray:
    """Return the horizontal direction (3,) to which a sensor's lid looks while arms hang, body axes."""
    part, _, side = segment.rpartition("_")
    towards = np.array(_SIDES[part if side in {"l", "r"} else segment])
    return towards * np.array([1.0, 1.0, -1.0 if side == "l" else 1.0])


def mounting_by_face(up: np.ndarray, facing: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) from a sensor's axes to the body's.

    Parameters
    ----------
    up : (3,) unit vector, sensor axes
    facing : (3,) sensor axis whose horizontal part looks `towards`; not along `up`
    towards : (3,) horizontal, body axes
    """
    return _frame(np.array(UP), towards) @ _frame(up, facing).T


def _frame(up: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """Return axes as columns (3, 3): what lies level in the direction `ahead`, up, and the third."""
    level = ahead - (ahead @ up) * up
    level = level / np.linalg.norm(level)
    return np.stack([level, up, np.cross(level, up)], axis=1)


def _by_lid(imus: Sequence[Imu], verticals: Mapping[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    """Return rotations (3, 3) from sensor to body axes for those that lie flat on the skin.

    A lid that looks up tells no heading: so it is on arms that are held out, which are left out here.
    """
    facing = lid_axis(imus, verticals)
    told = [i for i in imus if kind == "n" or "arm" not in i.segment]
    told = [i for i in told if np.linalg.norm(np.cross(facing, verticals[i.name])) > LEAST_LEAN]
    return {i.name: mounting_by_face(verticals[i.name], facing, side_of(i.segment)) for i in told}


def lid_axis(imus: Sequence[Imu], verticals: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the axis (3,) that leaves the skin: Z, or -Z if the feet, on top of which sensors sit, say so."""
    feet = [verticals[imu.name][2] for imu in imus if imu.segment.startswith("foot")]
    return np.array([0.0, 0.0, -1.0 if feet and np.mean(feet) < 0 else 1.0])


def _along_segment(imus: Sequence[Imu], verticals: Mapping[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    """Return rotations (3, 3) from sensor to body axes for those whose axes are nearly their segment's."""
    return {imu.name: _levelled(segment_in_pose(imu.segment, kind), verticals[imu.name]) for imu in imus}


def _levelled(R_body_segment: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) from sensor to body axes that turns `up` up and is nearest to `R_body_segment`."""
    now = R_body_segment @ up
    axis = np.cross(now, np.array(UP))
    return matrix_from_rotvec(axis * (_tilt(now) / max(float(np.linalg.norm(axis)), 1e-12))) @ R_body_segment


def _with_one_heading(
    imus: Sequence[Imu], pose: HeldPose, level: dict[str, np.ndarray], share: float
) -> tuple[dict[str, np.ndarray], bool]:
    """Turn mountings (sensor to body axes) so that all see the body face one way, if such a share does anyway."""
    means = [_mean_orientation(imu, pose) for imu in imus]
    if any(R is None for R in means):
        return level, False
    headings = np.array(
        [nearest_yaw(R @ level[imu.name].T) for imu, R in zip(imus, means, strict=True) if R is not None]
    )
    apart = np.abs(_wrapped(np.subtract.outer(headings, headings)))
    near = apart[np.median(apart, axis=1).argmin()] < SAME_HEADING if len(imus) else np.zeros(0)
    if near.sum() < max(FEWEST_VOTES, share * len(imus)):
        return level, False
    common = np.angle(np.exp(1j * headings[near]).mean())
    return {i.name: yaw_matrix(h - common) @ level[i.name] for i, h in zip(imus, headings, strict=True)}, True


def _mean_orientation(imu: Imu, pose: HeldPose) -> np.ndarray | None:
    """Return the sum of a device's orientations during a pose (3, 3), in a world with Y up; None if there are none."""
    if imu.R_ref_sensor is None:
        return None
    turned = _during(imu, pose, imu.R_ref_sensor)
    R_world_ref = _Z_UP if imu.R_world_ref is None else imu.R_world_ref
    return R_world_ref @ turned.sum(0) if len(turned) else None


def _wrapped(angle: np.ndarray) -> np.ndarray:
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi)
