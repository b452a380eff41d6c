"""Kinematics as suits of inertial sensors do it: orientations, a held pose, one heading, and a chain of bones.

Every segment turns as the sensor on it does. How the sensor sits on the segment is given, or follows from a held pose
and from knees and elbows that were bent on purpose; the headings of the sensors, of which a gyroscope and an
accelerometer know nothing, from the same pose, set right by knees and elbows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from kinefuse.body.angles import joint_angles
from kinefuse.body.kinematics import joint_positions
from kinefuse.body.models import load_anny
from kinefuse.conventions import INFERRED, SEGMENT_INDEX, SEGMENTS
from kinefuse.estimators.network_answers import told_shape
from kinefuse.estimators.networks import NO_PLACE
from kinefuse.estimators.sensor_turns import SensorTurns, turns_of
from kinefuse.estimators.sensors import common_clock, common_times, lost_time, usable_sensors
from kinefuse.estimators.whole_body import whole_body
from kinefuse.inertial.functional import (
    MovementMounting,
    flexion_axis,
    heading_by_hinge,
    mount_by_movements,
    segments_beside,
)
from kinefuse.inertial.heading import common_heading, heading_in_pose, headings_over_time
from kinefuse.inertial.hinges import HINGES, hinge_headings, mean_rotation, refined_since_pose
from kinefuse.motion import Motion
from kinefuse.recordings import HeldPose, HingeMovement, Recording
from kinefuse.rotations import yaw_matrix


@dataclass(frozen=True, kw_only=True)
class ImuKinematics:
    """Each segment turns as the sensor on it does, from the device's orientation or else from VQF.

    Attributes
    ----------
    name
    """

    name: str = "imu-kinematics"

    def estimate(self, recording: Recording) -> Motion:
        """Return the motion of a recording that has inertial sensors, at their own rate up to 100 Hz.

        Raises
        ------
        KinefuseError
            If it has none that can be used, or they have no time or clock in common.
        """
        worn = usable_sensors(recording.imus, self.name, recording.poses)
        given = {imu.name for imu in recording.imus if imu.R_segment_sensor is not None}
        first = min(recording.poses, key=lambda held: held.kind, default=None)
        bent = mount_by_movements(worn.sensors, first, recording.movements, given)
        clock = common_clock(bent.imus, self.name)
        time = common_times(bent.imus, self.name)
        turns = turns_of(bent.imus, time, self.name)
        pose, held = turns_in_pose(turns, recording.poses, self.name)
        headings, told = find_headings(turns, pose, held)
        trusted = pose is not None and not _in_the_world(turns)
        shown = [movement for movement in recording.movements if trusted and movement.joint in bent.joints]
        headings = with_hinge_headings(headings, turns, shown)
        R = yaw_matrix(np.array([headings[name] for name in turns.segments])) @ turns.R_own_segment
        if trusted:
            turned = {name: yaw_matrix(headings[name]) @ own for name, own in held.items()}
            R = with_true_hinges(R, turns, turned, given)
        motion = chain_of_bones(R, turns, recording.subject.height_m, self.name)
        notes = (*worn.notes, told, *_by_movement(bent), *_lost(turns))
        return motion.with_notes(NO_PLACE, *clock, *lost_time(bent.imus), *notes)


def turns_in_pose(
    turns: SensorTurns, poses: Sequence[HeldPose], estimator: str
) -> tuple[HeldPose | None, dict[str, np.ndarray]]:
    """Return the held pose that most sensors saw, hanging arms before arms held out, and what they saw of it.

    Returns
    -------
    The pose, None if none was seen, and by segment the orientations (H, 3, 3) of `SensorTurns.R_own_segment` at H times
    of the grid, which need not be times at which all others recorded too.
    """
    found: tuple[HeldPose | None, dict[str, np.ndarray]] = (None, {})
    for pose in sorted(poses, key=lambda held: held.kind):
        seen = _seen_of(turns, pose, estimator)
        if len(seen) > len(found[1]):
            found = pose, seen
    return found


def _seen_of(turns: SensorTurns, pose: HeldPose, estimator: str) -> dict[str, np.ndarray]:
    step = turns.time[1] - turns.time[0] if len(turns.time) > 1 else 1.0
    start = max(pose.start_s, min(imu.time[0] for imu in turns.sensors))
    stop = min(pose.end_s, max(imu.time[-1] for imu in turns.sensors))
    first, last = (np.array([start, stop]) - turns.time[0]) / step
    time = turns.time[0] + step * np.arange(np.ceil(first - 1e-6), np.floor(last + 1e-6) + 1)
    seen: dict[str, np.ndarray] = {}
    for imu in turns.sensors:
        inside = time[(time >= imu.time[0] - 1e-9) & (time <= imu.time[-1] + 1e-9)]
        if len(inside):
            own = turns_of([imu], inside, estimator)
            R = own.R_own_segment[own.provenance[:, 0] != INFERRED, 0]
            seen |= {imu.segment: R} if len(R) else {}
    return seen


def find_headings(
    turns: SensorTurns, pose: HeldPose | None, held: Mapping[str, np.ndarray]
) -> tuple[dict[str, float], str]:
    """Return the turn about the vertical from each sensor's own world to the common one, by segment, and its source.

    The common world is the real one if all devices know theirs; else the person faces X in the held pose, or on
    average.

    Parameters
    ----------
    held : of `turns_in_pose`
    """
    own = dict(zip(turns.segments, np.moveaxis(turns.R_own_segment, 1, 0), strict=True))
    if _in_the_world(turns):
        return dict.fromkeys(
            own, 0.0
        ), "The devices' frames are known in the world (q_world_ref), and so is the heading."
    if pose is not None:
        known = {name: heading_in_pose(R.sum(0), name, pose.kind) for name, R in held.items()}
        told = "The headings of the sensors are those in the held pose, set right by knees and elbows."
        late = [imu.name for imu in turns.sensors if imu.segment not in known]
        if late:
            told += (
                f" Nothing of the pose was read by {', '.join(late)}, taken to face, on average, as the neighbours do."
            )
        return headings_over_time(own, known), told
    headings = headings_over_time(own)
    # Headings that VQF began with follow the sensors' axes, and say nothing though they agree.
    by_devices = all(imu.R_ref_sensor is not None for imu in turns.sensors)
    shared = common_heading(headings) if by_devices else None
    if shared is None:
        return headings, "No pose was held: segments are taken to face, on average, where their neighbours face."
    return dict.fromkeys(own, shared), "The devices share a heading; nearly all segments face one way by it on average."


def _in_the_world(turns: SensorTurns) -> bool:
    return all(imu.R_world_ref is not None for imu in turns.sensors)


def with_hinge_headings(
    headings: dict[str, float], turns: SensorTurns, movements: Sequence[HingeMovement]
) -> dict[str, float]:
    """Return headings by segment, those of shanks and forearms as movements show them beside those of thigh and arm.

    Parameters
    ----------
    headings : by the held pose, whose axes of hinges agree with the movements
    turns : the sensors
    movements : those in which the axis was found
    """
    own, out = dict(zip(turns.segments, np.moveaxis(turns.R_own_segment, 1, 0), strict=True)), dict(headings)
    for movement in movements:
        inner, outer = segments_beside(movement.joint)
        inside = (turns.time >= movement.start_s) & (turns.time <= movement.end_s)
        turn = heading_by_hinge(own[inner][inside], own[outer][inside], flexion_axis(movement.joint))
        out[outer] = headings[outer] if turn is None else headings[inner] + turn
    return out


def _by_movement(found: MovementMounting) -> tuple[str, ...]:
    """Say what movements told, and which told nothing."""
    if not found.joints:
        return found.notes
    if not found.corrected:
        return f"The movement of {', '.join(found.joints)} changes no mounting, since those are given.", *found.notes
    return (
        f"How {', '.join(found.corrected)} are turned about the long axes of their segments follows from the movement "
        f"of {', '.join(found.joints)}.",
        *found.notes,
    )


def with_true_hinges(R: np.ndarray, turns: SensorTurns, held: Mapping[str, np.ndarray], given: set[str]) -> np.ndarray:
    """Return orientations (T, N, 3, 3) of the segments, with those headings at knees and elbows that suit a hinge.

    Parameters
    ----------
    R : by the headings that a pose told
    turns : the sensors, N of them
    held : of the segments whose sensors saw the pose, orientations (H, 3, 3) in it, by the same headings
    given : names of the sensors whose mounting is known, so that the pose told their heading for certain
    """
    out, column = R.copy(), {name: i for i, name in enumerate(turns.segments)}
    for pair in HINGES:
        if not set(pair) <= set(held):
            continue
        both = [column[name] for name in pair]
        free = np.array([turns.sensors[i].name not in given for i in both])
        means = [mean_rotation(held[name]) for name in pair]
        angles = hinge_headings(R[:, both[0]], R[:, both[1]], (means[0], means[1]), pair, free)
        for i, mean, angle in zip(both, means, angles, strict=True):
            out[:, i] = refined_since_pose(R[:, i], mean, angle)
    return out


def chain_of_bones(R_sensed: np.ndarray, turns: SensorTurns, height_m: float | None, estimator: str) -> Motion:
    """Return the motion of the embedded body, of average build and the given height, its root at the origin.

    Frames in which no sensor has read anything for longer than half a second are NaN.

    Parameters
    ----------
    R_sensed : (T, N, 3, 3) orientations of the segments that carry a sensor
    """
    columns = [SEGMENT_INDEX[name] for name in turns.segments]
    R = np.full((len(turns.time), len(SEGMENTS), 3, 3), np.nan)
    R[:, columns] = R_sensed
    R = whole_body(R)
    R[(turns.provenance == INFERRED).all(1)] = np.nan
    provenance = np.full(R.shape[:2], INFERRED, np.uint8)
    provenance[:, columns] = turns.provenance
    shape, root = told_shape(np.zeros(load_anny().n_shape), height_m), np.zeros((len(R), 3))
    rest = load_anny().rest_positions(shape)
    return Motion(
        time=turns.time,
        R_world_segment=R,
        positions=joint_positions(torch.as_tensor(R), torch.as_tensor(root), torch.as_tensor(rest)).numpy(),
        angles=joint_angles(R, root),
        provenance=provenance,
        shape=shape,
        rest_positions=rest,
        estimator=estimator,
    )


def _lost(turns: SensorTurns) -> list[str]:
    """Say which sensors read nothing for longer than half a second."""
    share = (turns.provenance == INFERRED).mean(0)
    names = [f"{imu.name} ({100 * part:.0f} %)" for imu, part in zip(turns.sensors, share, strict=True) if part > 0]
    if not names:
        return []
    return [
        f"For longer than 0.5 s nothing was read by {', '.join(names)}; there the segment is drawn along the shortest "
        "turn, and its heading may be off from then on."
    ]
