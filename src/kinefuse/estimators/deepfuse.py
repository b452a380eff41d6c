"""DeepFuse as an estimator: silhouettes of several cameras, and sensors where there are any, to joints (Huang et al.).

The network tells joints of each frame by itself, without a skeleton. They are reported as they are; the body is fitted
to them for what they do not tell, how segments are turned.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch

from kinefuse.body.angles import joint_angles
from kinefuse.body.fit_points import PointSet, fit_body_to_points, fit_poses_to_points
from kinefuse.body.models import load_anny
from kinefuse.body.sensor_terms import Orientations
from kinefuse.conventions import INFERRED, INTERPOLATED, JOINTS, SITE_SEGMENT, UP
from kinefuse.errors import KinefuseError
from kinefuse.estimators.bones import Bones, bones_in_world, needs_cameras
from kinefuse.estimators.sensor_turns import SensorTurns, turns_of
from kinefuse.estimators.sensors import require_trial_clock, usable_sensors
from kinefuse.estimators.silhouettes import silhouettes_of
from kinefuse.estimators.smplify3d import SmplifyThreeD
from kinefuse.estimators.volume_answers import (
    Performer,
    VolumeNetwork,
    found_performer,
    joints_of,
    ready,
    shipped_deepfuse,
)
from kinefuse.inertial.mounting import segment_in_pose
from kinefuse.metrics.compare import motion_at
from kinefuse.models.weights import FUSED, VISION
from kinefuse.motion import Motion
from kinefuse.recordings import JointCenters, Recording, Subject

LOOKS: Final = 240
"""Frames, spread over the trial, by which the cameras alone tell headings and mountings of the sensors."""

JOINT_FLOOR_SD: Final = 0.02
"""What of the network's joints the body is not expected to follow, metres: its errors shift with the posture."""

ALIGNED_BY_POINTS: Final = (
    "How sensors are mounted and which way they head was found with the joint centres of the recording."
)

BONE_SD: Final = float(np.deg2rad(5.0))
"""Of a bone's orientation from its sensor: soft tissue, and mounting and heading found by the cameras."""


@dataclass(frozen=True, kw_only=True)
class DeepFuseEstimator:
    """Joints from silhouettes and, where there are any, orientations of bones.

    Attributes
    ----------
    name
    network : None is the shipped one
    uses_sensors : false for cameras alone
    """

    name: str = FUSED
    network: VolumeNetwork | None = None
    uses_sensors: bool = True

    def estimate(self, recording: Recording) -> Motion:
        """Return the motion of a recording with silhouettes or videos of two calibrated cameras or more.

        Raises
        ------
        KinefuseError
            If it has none, they show nobody, their clocks are not known, sensors are there that cannot be used, or the
            network's weights are missing.
        """
        fused = self.uses_sensors and bool(recording.imus)
        seen_by = self._network(fused)
        performer = found_performer(silhouettes_of(recording, self.name), self.name)
        bones, notes = self._bones(recording, performer, seen_by) if fused else (None, self._without(recording))
        joints = _all_joints(seen_by, performer, bones)
        motion = with_segments(joints, performer.seen.time, bones, recording.subject, self.name)
        return motion.with_notes(*performer.seen.notes, *notes, *_not_found(performer))

    def _network(self, fused: bool) -> VolumeNetwork:
        """Return the network: without sensors the one that learned to do without."""
        network = self.network or shipped_deepfuse(FUSED if fused else VISION)
        if fused and network.config.refinement not in ("cylinders", "late"):
            raise KinefuseError(
                f"{self.name} got the weights of a network that takes no orientations (refinement "
                f"{network.config.refinement!r}); name others, or use {VISION}."
            )
        return ready(network)

    def _bones(
        self, recording: Recording, performer: Performer, network: VolumeNetwork
    ) -> tuple[Bones, tuple[str, ...]]:
        """Return the orientations of bones, and what has to be said of the sensors."""
        worn = usable_sensors(recording.imus, self.name, recording.poses, orientation_is_enough=True)
        require_trial_clock(worn.sensors, self.name)
        turns = turns_of(worn.sensors, performer.seen.time, self.name)
        if (turns.provenance == INFERRED).all():
            raise KinefuseError(
                f"{self.name} needs sensors that recorded at the time of the silhouettes, and these did not; check "
                f"start_s of the sensors, or use {VISION}."
            )
        shown, frames, notes = None, np.arange(0), worn.notes
        if needs_cameras(turns):
            shown, frames = _shown_by_points(recording, turns.time)
            notes = (*notes, ALIGNED_BY_POINTS) if shown else notes
        if needs_cameras(turns) and shown is None:
            frames = _spread(np.flatnonzero(performer.known))
            joints = joints_of(network, performer, frames)
            shown = with_segments(joints, turns.time[frames], None, recording.subject, self.name)
        return bones_in_world(turns, shown, frames, _upright(recording, turns)), notes

    def _without(self, recording: Recording) -> tuple[str, ...]:
        if not self.uses_sensors:
            return (f"{len(recording.imus)} inertial sensors are not used.",) if recording.imus else ()
        return ("There are no inertial sensors, so silhouettes alone tell the joints.",)


def vision_only() -> DeepFuseEstimator:
    """Return the estimator that looks at silhouettes alone."""
    return DeepFuseEstimator(name=VISION, uses_sensors=False)


def _spread(frames: np.ndarray) -> np.ndarray:
    """Return at most `LOOKS` of some frames, evenly spread."""
    return np.asarray(frames[np.unique(np.linspace(0, len(frames) - 1, LOOKS).round().astype(int))])


def _shown_by_points(recording: Recording, time: np.ndarray) -> tuple[Motion | None, np.ndarray]:
    """Return the body that is fitted to joint centres, and at which of the times (T,); None without joint centres.

    Joint centres say which way a person faces; silhouettes hardly do.
    """
    centers = recording.joint_centers
    inside = np.arange(0)
    if centers is not None:
        inside = np.flatnonzero((time >= centers.time[0]) & (time <= centers.time[-1]))
    if not inside.size:
        return None, inside
    fitted, frames = SmplifyThreeD().estimate(replace(recording, imus=(), views=())), _spread(inside)
    return motion_at(fitted, time[frames]), frames


def _all_joints(network: VolumeNetwork, performer: Performer, bones: Bones | None) -> np.ndarray:
    """Return joints (T, 22, 3) of all frames."""
    frames = np.arange(len(performer.seen.time))
    if bones is None:
        return joints_of(network, performer, frames)
    return joints_of(network, performer, frames, bones.R_world_segment, bones.worn)


def with_segments(
    joints: np.ndarray, time: np.ndarray, bones: Bones | None, subject: Subject, estimator: str
) -> Motion:
    """Return the motion that has these joints, and the segments of the body that is fitted to them.

    Parameters
    ----------
    joints : (T, 22, 3) metres, world; NaN in frames without any, where joints are the fitted body's or missing
    time : (T,) seconds
    bones : orientations that the body follows as well; None for none
    subject
    estimator : name for the result
    """
    centers, model = JointCenters(names=JOINTS, time=time, positions=joints), load_anny()
    how = SmplifyThreeD(floor_sd=JOINT_FLOOR_SD)
    points = PointSet(JOINTS, how.offset_sd_of(JOINTS), how.noise_sd_of(centers))
    body = fit_body_to_points(centers, model, points, how.fit, floor_sd=JOINT_FLOOR_SD, stature_m=subject.height_m)
    orientations = None if bones is None else _told(bones)
    fitted = fit_poses_to_points(
        centers, body, points, how.fit, floor_sd=JOINT_FLOOR_SD, estimator=estimator, orientations=orientations
    )
    positions = np.where(np.isfinite(joints), joints, fitted.positions)
    apart = 1000.0 * float(np.nanmean(np.linalg.norm(joints - fitted.positions, axis=-1)))
    return replace(
        fitted,
        positions=positions,
        angles=joint_angles(fitted.R_world_segment, positions[:, 0]),
        provenance=_provenance(fitted.provenance, bones, np.isfinite(joints).all((1, 2))),
    ).with_notes(
        "Joint centres are the network's, each frame by itself; orientations and angles are those of the body fitted "
        f"to them, whose own joints lie {apart:.0f} mm from them on average."
    )


def _upright(recording: Recording, turns: SensorTurns) -> dict[str, np.ndarray]:
    """Return which direction (3,) of its segment was up in the held pose, for sensors whose mounting it told."""
    if not recording.poses:
        return {}
    kind = min(pose.kind for pose in recording.poses)
    given = {imu.name for imu in recording.imus if imu.R_segment_sensor is not None}
    posed = [imu for imu in turns.sensors if imu.R_segment_sensor is not None and imu.name not in given]
    return {imu.name: segment_in_pose(imu.segment, kind).T @ np.array(UP) for imu in posed}


def _told(bones: Bones) -> Orientations:
    return Orientations(
        R_world_segment=torch.as_tensor(bones.R_world_segment),
        weight=torch.as_tensor(bones.worn / BONE_SD),
        segment=torch.tensor(SITE_SEGMENT),
    )


def _provenance(by_joints: np.ndarray, bones: Bones | None, seen: np.ndarray) -> np.ndarray:
    """Return (T, 22): a segment is as well known as joints or its sensor tell; unseen frames are never measured."""
    out = by_joints.copy()
    if bones is not None:
        out[:, SITE_SEGMENT] = np.minimum(out[:, SITE_SEGMENT], bones.provenance)
    out[~seen] = np.maximum(out[~seen], INTERPOLATED)
    return out


def _not_found(performer: Performer) -> list[str]:
    """Say in how many frames the performer was not found."""
    lost = int((~performer.known).sum())
    if not lost:
        return []
    return [
        f"In {lost} of {len(performer.known)} frames fewer than two cameras showed the person at one place; the "
        "network says nothing of them, and they do not count as measured."
    ]
