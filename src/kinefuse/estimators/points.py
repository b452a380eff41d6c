"""The points of a recording, as an estimator takes them and as a network sees them."""

from dataclasses import replace
from typing import Final

import numpy as np
import torch

from kinefuse.body.certainty import provenance
from kinefuse.body.fitting import Body
from kinefuse.body.markers import recognise_markers
from kinefuse.body.models import BodyModel
from kinefuse.body.point_terms import Targets
from kinefuse.conventions import KEYPOINTS
from kinefuse.errors import KinefuseError
from kinefuse.inertial.resampling import resample
from kinefuse.recordings import JointCenters, Recording

FEWEST_POINTS: Final = 6

MIDPOINTS: Final = {"neck": ("shoulder_l", "shoulder_r"), "mid_hip": ("hip_l", "hip_r")}
"""Keypoints that are the middle of two others by definition."""


def joint_centers_of(recording: Recording, estimator: str) -> JointCenters:
    """Return the joint centres of a recording, triangulated from its views where it has none yet.

    Parameters
    ----------
    recording
    estimator : name of who asks, for the sentence

    Raises
    ------
    KinefuseError
        If there are neither joint centres nor keypoints, or they cannot be triangulated.
    """
    if recording.joint_centers is not None:
        return recording.joint_centers
    if not any(view.keypoints is not None for view in recording.views):
        raise KinefuseError(
            f"{estimator} needs 3-D joint centres, or keypoints from at least two calibrated cameras; "
            "this recording has neither."
        )
    from kinefuse.vision.preparation import measure_joint_centers

    centers = measure_joint_centers(recording).recording.joint_centers
    assert centers is not None
    return centers


def keypoints_of(centers: JointCenters, estimator: str) -> JointCenters:
    """Return those points that are keypoints and were ever seen, in the order of `conventions.KEYPOINTS`.

    The middle of the shoulders and that of the hips are computed where the source does not have them.

    Raises
    ------
    KinefuseError
        If the points are optical markers, or fewer than six keypoints were ever seen.
    """
    if recognise_markers(centers.names) is not None:
        raise KinefuseError(
            f"{estimator} takes points for joint centres, and these are optical markers, whose places on the body must "
            "be fitted too; use smplify3d."
        )
    centers = _with_midpoints(centers)
    ever = dict(zip(centers.names, np.isfinite(centers.positions).all(-1).any(0), strict=True))
    names = tuple(name for name in KEYPOINTS if ever.get(name, False))
    if len(names) < FEWEST_POINTS:
        raise KinefuseError(
            f"{estimator} needs at least {FEWEST_POINTS} joint centres or keypoints that were seen, and got "
            f"{len(names)} ({', '.join(names) or 'none'}) of {len(centers.names)} points; rename them to the names in "
            "docs/trial-format.md, or use smplify3d."
        )
    return centers.select(names)


def _with_midpoints(centers: JointCenters) -> JointCenters:
    for name, pair in MIDPOINTS.items():
        if name not in centers.names and set(pair) <= set(centers.names):
            two = centers.select(pair)
            filled = None if two.interpolated is None else two.interpolated.any(1, keepdims=True)
            centers = replace(
                centers,
                names=(*centers.names, name),
                positions=np.concatenate([centers.positions, two.positions.mean(1, keepdims=True)], axis=1),
                covariance=_with_last(centers.covariance, two.covariance),
                interpolated=None if filled is None else np.concatenate([centers.interpolated, filled], axis=1),
            )
    return centers


def _with_last(covariance: np.ndarray | None, of_two: np.ndarray | None) -> np.ndarray | None:
    """Return covariances (T, K + 1, 3, 3) with that of the middle of two points (T, 2, 3, 3) that err independently."""
    if covariance is None or of_two is None:
        return None
    return np.concatenate([covariance, of_two.sum(1, keepdims=True) / 4], axis=1)


def points_on_grid(centers: JointCenters, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return keypoints (N, 26, 3) metres and their confidence (N, 26) at times (N,): zero where missing.

    Elsewhere it is what training takes it to be: `camera_noise.confidence_of` the covariance, or one without any.
    """
    sampled = resample(centers.time, centers.positions, grid)
    points, confidence = np.zeros((len(grid), len(KEYPOINTS), 3)), np.zeros((len(grid), len(KEYPOINTS)))
    index = [KEYPOINTS.index(name) for name in centers.names]
    points[:, index], confidence[:, index] = np.nan_to_num(sampled.values), sampled.known * _certainty(centers, grid)
    return points, confidence


def _certainty(centers: JointCenters, grid: np.ndarray) -> np.ndarray:
    """Confidence (N, K) of the nearest frame that has one."""
    if centers.covariance is None:
        return np.ones((len(grid), len(centers.names)))
    from kinefuse.synthesis.camera_noise import confidence_of

    told = confidence_of(torch.as_tensor(centers.covariance)).numpy()
    out = np.ones((len(grid), len(centers.names)))
    for k in range(len(centers.names)):
        known = np.flatnonzero(told[:, k] > 0)
        if len(known):
            time = centers.time[known]
            out[:, k] = told[known[nearest_index(time, grid)], k]
    return out


def nearest_index(time: np.ndarray, new_time: np.ndarray) -> np.ndarray:
    """Return the index (N,) of the nearest of increasing times (T,) for times (N,)."""
    after = np.clip(np.searchsorted(time, new_time), 0, len(time) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(new_time - time[before] < time[after] - new_time, before, after)


def provenance_by_points(centers: JointCenters, body: BodyModel, shape: np.ndarray) -> np.ndarray:
    """Return (T, 22) of `conventions.PROVENANCE`: which segments the points determine, for a body of a shape (10,)."""
    segment = torch.as_tensor(body.point_segment[body.point_index(centers.names)])
    seen = np.isfinite(centers.positions).all(-1)[..., None, None]
    whole = Body(body, centers.names, torch.as_tensor(shape), torch.zeros(len(centers.names), 3).double())
    targets = Targets(
        points=torch.as_tensor(centers.positions), whitening=torch.as_tensor(seen * np.eye(3)), segment=segment
    )
    return provenance(centers, targets, whole)
