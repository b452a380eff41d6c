"""The floor that every estimator must beat: one and the same mean pose in every frame.

The pose is the mean over the training subjects, ``mean_pose.csv``, which ``tools/make_mean_pose.py`` makes. Joint
angles need nothing else; the pelvis follows the measured points in its place and heading only.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
import torch

from kinefuse.body.angles import joint_angles
from kinefuse.body.kinematics import joint_positions, world_from_local
from kinefuse.body.models import load_anny
from kinefuse.conventions import INFERRED, SEGMENTS
from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.recordings import JointCenters, Recording
from kinefuse.rotations import matrix_from_rotvec, yaw_matrix
from kinefuse.synthesis.prepared import PreparedClip

MEAN_POSE: Final = "mean-pose"


@dataclass(frozen=True)
class MeanPose:
    """Answers every recording with the mean pose, turned to the line of hips and shoulders of each frame."""

    name: str = MEAN_POSE

    def estimate(self, recording: Recording) -> Motion:
        """Return the mean pose at the recording's time stamps; without joint centres at the origin, facing X.

        Raises
        ------
        KinefuseError
            If nothing was recorded that has time stamps.
        """
        points = recording.joint_centers
        time = _time_of(recording)
        facing = np.zeros(len(time)) if points is None else heading(points)
        root = np.zeros((len(time), 3)) if points is None else _place(points)
        local = np.repeat(mean_pose()[None], len(time), axis=0)
        local[:, 0] = yaw_matrix(facing) @ local[:, 0]
        rest = load_anny().joints_mean
        R = world_from_local(torch.tensor(local))
        return Motion(
            time=time,
            R_world_segment=R.numpy(),
            positions=joint_positions(R, torch.tensor(root), torch.tensor(rest)).numpy(),
            angles=joint_angles(R.numpy(), root),
            provenance=np.full((len(time), len(SEGMENTS)), INFERRED),
            shape=np.zeros(load_anny().n_shape),
            rest_positions=rest,
            estimator=self.name,
        )


def _time_of(recording: Recording) -> np.ndarray:
    if recording.joint_centers is not None:
        return recording.joint_centers.time
    if not recording.imus:
        raise KinefuseError("The mean pose needs joint centres or IMUs, if only for their time stamps.")
    return recording.imus[0].time


@cache
def mean_pose() -> np.ndarray:
    """Return the shipped mean pose, (22, 3, 3): each segment in its parent, the pelvis in the world with heading 0."""
    text = (files("kinefuse.evaluation") / "mean_pose.csv").read_text(encoding="utf-8")
    rows = {row["segment"]: [float(row[axis]) for axis in ("x_deg", "y_deg", "z_deg")] for row in _table(text)}
    return matrix_from_rotvec(np.deg2rad([rows[segment] for segment in SEGMENTS]))


def _table(text: str) -> csv.DictReader:
    return csv.DictReader(text.splitlines())


def mean_pose_of(clips: Iterable[PreparedClip]) -> np.ndarray:
    """Return the mean pose of clips, (22, 3, 3) as in `mean_pose`; every person counts equally.

    The mean of rotations is the rotation nearest to the mean of the matrices; each frame's pelvis is first turned to
    heading 0.
    """
    total: dict[str, np.ndarray] = {}
    frames: dict[str, int] = {}
    for clip in clips:
        local = clip.local_matrices()
        pelvis = local[:, 0]
        local[:, 0] = yaw_matrix(-np.arctan2(pelvis[:, 0, 2], pelvis[:, 2, 2])) @ pelvis
        total[clip.subject] = total.get(clip.subject, 0.0) + local.sum(0)
        frames[clip.subject] = frames.get(clip.subject, 0) + len(local)
    if not total:
        raise KinefuseError("A mean pose is made from at least one clip; there is none.")
    u, _, vt = np.linalg.svd(np.mean([total[subject] / frames[subject] for subject in total], axis=0))
    u[..., -1] *= np.linalg.det(u @ vt)[..., None]
    return u @ vt


def heading(points: JointCenters) -> np.ndarray:
    """Return the heading of each frame, (T,) radians: of the line from left to right through hips and shoulders.

    A frame without them takes the heading between its neighbours'; all are 0 where they were never seen.
    """
    sides = [_point(points, f"{name}_r") - _point(points, f"{name}_l") for name in ("hip", "shoulder")]
    known = [np.where(np.isfinite(side), side, 0.0) for side in sides]
    across = known[0] + known[1]
    seen = (across[:, 0] != 0) | (across[:, 2] != 0)
    angle = np.arctan2(across[:, 0], across[:, 2])
    return _bridged(points.time, np.unwrap(angle[seen]), seen)


def _place(points: JointCenters) -> np.ndarray:
    """Return the middle of the hips, (T, 3) metres, with gaps bridged by straight lines."""
    middle = (_point(points, "hip_l") + _point(points, "hip_r")) / 2
    seen = np.isfinite(middle).all(-1)
    return np.stack([_bridged(points.time, middle[seen, axis], seen) for axis in range(3)], axis=-1)


def _point(points: JointCenters, name: str) -> np.ndarray:
    """Return one point over time, (T, 3) metres; NaN if it is not among them."""
    if name not in points.names:
        return np.full((len(points.time), 3), np.nan)
    return points.positions[:, points.names.index(name)]


def _bridged(time: np.ndarray, values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    return np.interp(time, time[seen], values) if seen.any() else np.zeros(len(time))
