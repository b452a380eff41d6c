"""From measured points to a `Motion`: the whole fit, with what it knows about its own certainty."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from kinefuse.body.angles import joint_angles
from kinefuse.body.certainty import ANY_ROTATION_SD, LONGEST_BRIDGE_S, angle_sd, bridged, is_seen, provenance
from kinefuse.body.fit_sensors import felt_by_poses
from kinefuse.body.fit_shape import BodyPrior, fit_body
from kinefuse.body.fitting import Body, FitConfig, PosePrior, fit_poses, orientation_covariance
from kinefuse.body.initial_pose import fill_in_time, initial_pose, tells_trunk
from kinefuse.body.kinematics import local_from_world
from kinefuse.body.models import BodyModel
from kinefuse.body.point_terms import Pose, Targets
from kinefuse.body.priors import log_rotation
from kinefuse.body.sensor_terms import Accelerations, Orientations, WornSensors
from kinefuse.conventions import (
    SEGMENT_PARENTS,
    SEGMENTS,
)
from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.recordings import JointCenters

WINDOW_FRAMES, MARGIN_FRAMES = 2000, 250
"""A long trial is fitted in windows, for its memory; frames so far apart have no influence on each other."""

ANY_NOISE_SD = 0.01
"""Metres; where nothing is weighed, any will do."""

COARSE_HZ, COARSE_TOLERANCE = 15.0, 1e-2
"""Rate and relative decrease of the cost of the fit that gives a start to another one."""


@dataclass(frozen=True)
class PointSet:
    """What is known of the measured points, in the order of `names`.

    Attributes
    ----------
    names : K names of points of the body model
    offset_sd : (K,) metres, how far a point may lie from where the model has it, constantly over the trial
    noise_sd : (K,) metres, from frame to frame, where the measurement itself does not tell
    correlation_s : seconds over which a point's error stays much the same
    """

    names: tuple[str, ...]
    offset_sd: np.ndarray
    noise_sd: np.ndarray
    correlation_s: float = 0.5


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep PyTorch and BLAS to one thread inside the block.

    The matrices of a fit are small. Threads gain nothing on them, and where the machine has other work they wait for
    each other: on two busy cores the same fit took thirty times as long with two threads as with one.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


def whitening(centers: JointCenters, noise_sd: np.ndarray, floor_sd: float) -> torch.Tensor:
    """Return (T, K, 3, 3) with W^T W the inverse covariance of each point, zero where it is missing.

    Parameters
    ----------
    noise_sd : (K,) metres, used where `centers` has no covariance
    floor_sd : metres, added to every covariance for what the model itself cannot follow
    """
    identity = np.eye(3)
    if centers.covariance is None:
        covariance = np.broadcast_to((noise_sd**2)[None, :, None, None] * identity, (*centers.positions.shape, 3))
    else:
        covariance = centers.covariance
    seen = np.isfinite(centers.positions).all(-1) & np.isfinite(covariance).all((-1, -2))
    safe = np.where(seen[..., None, None], covariance, identity) + floor_sd**2 * identity
    values, vectors = np.linalg.eigh(safe)
    root = vectors / np.sqrt(np.maximum(values, 1e-8))[..., None, :] @ np.swapaxes(vectors, -1, -2)
    return torch.as_tensor(np.where(seen[..., None, None], root, 0.0))


def fit_points(
    centers: JointCenters,
    model: BodyModel,
    points: PointSet,
    config: FitConfig,
    *,
    floor_sd: float = 0.01,
    stature_m: float | None = None,
    estimator: str = "",
    extra: PosePrior | None = None,
) -> Motion:
    """Fit shape, point offsets and poses to measured points.

    Parameters
    ----------
    centers : the points, those of `points.names` in that order
    floor_sd : metres that the model cannot be expected to follow
    stature_m : the subject's height where it is known
    estimator : name for the result
    extra : a further prior of the pose

    Returns
    -------
    Motion, with standard deviations from the curvature of each frame's own cost

    Raises
    ------
    KinefuseError
        If no point of the trunk, the hips or the shoulders was ever seen: the pelvis could be turned any way.
    """
    require_trunk(centers, model)
    body = fit_body_to_points(centers, model, points, config, floor_sd=floor_sd, stature_m=stature_m, extra=extra)
    return fit_poses_to_points(centers, body, points, config, floor_sd=floor_sd, estimator=estimator, extra=extra)


def require_trunk(centers: JointCenters, model: BodyModel) -> None:
    """Raise a `KinefuseError` if no point of the trunk, the hips or the shoulders was ever seen.

    Parameters
    ----------
    centers : points that the model has
    """
    index = model.point_index(centers.names)
    segment, rest = (torch.as_tensor(a[index]) for a in (model.point_segment, model.points_mean))
    telling = tells_trunk(segment, rest, torch.as_tensor(model.joints_mean)).numpy()
    if not np.isfinite(centers.positions[:, telling]).all(-1).any():
        raise KinefuseError(
            "Expected points on the trunk, the hips or the shoulders, without which nothing tells where a body is and "
            f"which way it faces; got only {', '.join(centers.names[:12])}: add hip or shoulder points."
        )


def fit_body_to_points(
    centers: JointCenters,
    model: BodyModel,
    points: PointSet,
    config: FitConfig,
    *,
    floor_sd: float = 0.01,
    stature_m: float | None = None,
    extra: PosePrior | None = None,
    start: Body | None = None,
) -> Body:
    """Fit shape and point offsets only, to frames spread over those given (see `fit_points`).

    `start` is a first guess of the body; None scales the average one.
    """
    index = model.point_index(points.names)
    targets = make_targets(centers, torch.as_tensor(model.point_segment[index]), points, floor_sd)
    frames = body_frames(targets, config.body_frames)
    looks = max(1.0, float(np.ptp(centers.time)) / points.correlation_s)
    prior = BodyPrior(
        offset_sd=torch.as_tensor(points.offset_sd), stature_m=stature_m, weight=max(1.0, len(frames) / looks)
    )
    sample = targets.frames(frames)
    with one_thread():
        body = start or scaled_start(_average(model, points.names), sample)
        return fit_body(body, starting_pose(body, sample), sample, prior, config, extra)[0]


def fit_poses_to_points(
    centers: JointCenters,
    body: Body,
    points: PointSet,
    config: FitConfig,
    *,
    floor_sd: float = 0.01,
    estimator: str = "",
    extra: PosePrior | None = None,
    orientations: Orientations | None = None,
    worn: WornSensors | None = None,
    pushed: Accelerations | None = None,
) -> Motion:
    """Fit poses with a body that is already known, from this or other trials of the subject (see `fit_points`).

    Parameters
    ----------
    orientations, pushed : what sensors tell at the times of the points; between points they bridge gaps of any length
    worn : the sensors that `orientations` are from, so that standard deviations know how well their mountings are known
    """
    segment = torch.as_tensor(body.model.point_segment[body.model.point_index(points.names)])
    targets = replace(make_targets(centers, segment, points, floor_sd), orientations=orientations)
    known = _known(targets, centers.time)
    with one_thread():
        parts = [
            _fit_window(body, targets, centers.time, window, config, extra, worn, pushed)
            for window in windows(np.flatnonzero(known), WINDOW_FRAMES, MARGIN_FRAMES)
        ]
    return _to_motion(centers, body, parts, known, targets, estimator)


def _average(model: BodyModel, names: tuple[str, ...]) -> Body:
    return Body(model, names, torch.zeros(model.n_shape).double(), torch.zeros(len(names), 3).double())


def make_targets(centers: JointCenters, segment: torch.Tensor, points: PointSet, floor_sd: float) -> Targets:
    return Targets(
        points=torch.as_tensor(centers.positions),
        whitening=whitening(centers, points.noise_sd, floor_sd),
        segment=segment,
    )


def _known(targets: Targets, time: np.ndarray) -> np.ndarray:
    """Return (T,) true for frames of which points tell, or sensors between the first and the last points."""
    seen = is_seen(targets).any(1).numpy()
    known = bridged(seen, time)
    if targets.orientations is None or not seen.any():
        return known
    first, last = np.flatnonzero(seen)[[0, -1]]
    inside = np.arange(len(seen))
    told = bridged((targets.orientations.weight > 0).any(1).numpy(), time)
    return known | (told & (inside >= first) & (inside <= last))


@dataclass(frozen=True)
class Window:
    """Frames that are fitted together, (N,), and which of them are kept; the others are its neighbours' too."""

    frames: np.ndarray
    keep: slice


def windows(frames: np.ndarray, length: int, margin: int) -> list[Window]:
    """Cut frames (N,) into windows of about equal length, at most `length` and `margin` more at either end."""
    bounds = np.linspace(0, len(frames), -(-len(frames) // length) + 1).astype(int)
    cut = []
    for start, stop in pairwise(bounds):
        first = max(0, start - margin)
        cut.append(Window(frames[first : stop + margin], slice(start - first, stop - first)))
    return cut


def body_frames(targets: Targets, wanted: int) -> torch.Tensor:
    """Frames spread evenly over those in which at least half of the usual points were seen."""
    count = is_seen(targets).sum(-1)
    good = (count * 2 >= count.max()).nonzero()[:, 0]
    pick = torch.linspace(0, len(good) - 1, min(wanted, len(good))).round().long()
    return good[pick]


def scaled_start(body: Body, targets: Targets) -> Body:
    """Give the body the size that the distances between measured points have, along its first shape component."""
    filled, ever = fill_in_time(targets.points)
    pairs = [(i, j) for i in range(len(ever)) for j in range(i) if ever[i] and ever[j]]
    pairs = [(i, j) for i, j in pairs if SEGMENT_PARENTS[int(targets.segment[i])] == int(targets.segment[j])]
    if not pairs:
        return body
    i, j = torch.tensor(pairs).T
    measured = torch.linalg.norm(filled[:, i] - filled[:, j], dim=-1).median(0).values.sum()
    modelled = torch.linalg.norm(body.rest_points[i] - body.rest_points[j], dim=-1).sum()
    component = torch.zeros_like(body.shape)
    component[0] = 1.0
    grown = Body(body.model, body.names, component, body.offsets)
    growth = torch.linalg.norm(grown.rest_points[i] - grown.rest_points[j], dim=-1).sum() - modelled
    amount = ((measured - modelled) / growth).clamp(-4, 4) if abs(float(growth)) > 1e-6 else 0.0
    return Body(body.model, body.names, component * amount, body.offsets)


def stature_of_points(centers: JointCenters, model: BodyModel) -> float:
    """Return about how tall somebody is with such distances between measured points, metres.

    On people kept for tests within 5 %, with points 50 mm off too; 100 mm make bones, and people, 10 % longer.

    Parameters
    ----------
    centers : points that the model has
    """
    segment = torch.as_tensor(model.point_segment[model.point_index(centers.names)])
    none = np.zeros(len(centers.names))
    targets = make_targets(centers, segment, PointSet(centers.names, none, none + ANY_NOISE_SD), 0.0)
    return model.stature(scaled_start(_average(model, centers.names), targets).shape.numpy())


def starting_pose(body: Body, targets: Targets) -> Pose:
    """Return the pose of each frame by itself: aligned to its points, and turned as `targets.orientations` tell."""
    points = torch.where(is_seen(targets)[..., None], targets.points, torch.nan)
    world, root = initial_pose(points, targets.segment, body.rest_points, body.joints)
    told = targets.orientations
    if told is not None:
        known = (told.weight > 0)[..., None, None]
        world[:, told.segment] = torch.where(known, told.R_world_segment, world[:, told.segment])
    return Pose(local_from_world(world), root)


def coarse_start(
    body: Body, targets: Targets, time: np.ndarray, config: FitConfig, extra: PosePrior | None = None
) -> Pose:
    """Return a start near the end: fitted to some frames, `COARSE_HZ`, and interpolated between them.

    The shaky poses of frames that know nothing of each other accelerate so much that a robust loss takes all measured
    accelerations for outliers at first; from poses as smooth as these it is a few steps to the end.
    """
    stride = round(1.0 / (COARSE_HZ * float(np.median(np.diff(time))))) if len(time) > 1 else 1
    if stride < 2:
        return starting_pose(body, targets)
    index = np.append(np.arange(0, len(time) - 1, stride), len(time) - 1)
    some, rough = targets.frames(torch.as_tensor(index)), replace(config, tolerance=COARSE_TOLERANCE)
    return _between(fit_poses(body, starting_pose(body, some), some, rough, time[index], extra)[0], time[index], time)


def _between(pose: Pose, known: np.ndarray, time: np.ndarray) -> Pose:
    """Return poses at times (T,), along the shortest arcs between those at known times (N,)."""
    before = np.clip(np.searchsorted(known, time, side="right") - 1, 0, len(known) - 2)
    share = torch.as_tensor((time - known[before]) / (known[before + 1] - known[before]))
    first, second = pose.frames(torch.as_tensor(before)), pose.frames(torch.as_tensor(before + 1))
    turn = log_rotation(first.R_parent_segment.transpose(-1, -2) @ second.R_parent_segment)
    move = second.root_position - first.root_position
    return first.moved(share[:, None] * torch.cat([move, turn.flatten(1)], dim=-1))


def _fit_window(
    body: Body,
    targets: Targets,
    time: np.ndarray,
    window: Window,
    config: FitConfig,
    extra: PosePrior | None,
    worn: WornSensors | None,
    pushed: Accelerations | None,
) -> tuple[np.ndarray, ...]:
    """Return, for the frames kept, R_world_segment, positions, orientation_sd and angle_sd as in `Motion`."""
    index = torch.as_tensor(window.frames)
    some, pushed = targets.frames(index), None if pushed is None else pushed.frames(index)
    at = time[window.frames]
    start = starting_pose(body, some) if pushed is None else coarse_start(body, some, at, config, extra)
    pose, information = fit_poses(body, start, some, config, at, extra, pushed)
    placed = body.place(pose.frames(window.keep), some.segment)
    felt = None if worn is None else felt_by_poses(placed.R_world_segment, worn.frames(index[window.keep]), config)
    covariance = orientation_covariance(information[window.keep], placed.R_world_segment, felt)
    variance = covariance.diagonal(dim1=-2, dim2=-1).reshape(len(covariance), len(SEGMENTS), 3)
    orientation_sd = variance.sum(-1).sqrt().clamp(max=ANY_ROTATION_SD).numpy()
    return (
        placed.R_world_segment.numpy(), placed.positions.numpy(),
        orientation_sd, angle_sd(placed.R_world_segment, covariance),
    )  # fmt: skip


def _to_motion(
    centers: JointCenters,
    body: Body,
    parts: list[tuple[np.ndarray, ...]],
    known: np.ndarray,
    targets: Targets,
    estimator: str,
) -> Motion:
    R, positions, orientation_sd, sd_of_angles = (_in_frames(list(part), known) for part in zip(*parts, strict=True))
    motion = Motion(
        time=centers.time,
        R_world_segment=R,
        positions=positions,
        angles=joint_angles(R, positions[:, 0]),
        provenance=provenance(centers, targets, body),
        shape=body.shape.numpy(),
        rest_positions=body.joints.numpy(),
        orientation_sd=orientation_sd,
        angle_sd=sd_of_angles,
        body_name=body.model.name,
        estimator=estimator,
    )
    if known.all():
        return motion
    return motion.with_notes(
        f"Nobody was seen for longer than {LONGEST_BRIDGE_S:g} s, or at the start or end, in {int((~known).sum())} of "
        f"{len(known)} frames; they are empty."
    )


def _in_frames(parts: list[np.ndarray], known: np.ndarray) -> np.ndarray:
    """Put the values of the known frames, in parts, where they belong in time (T, ...); NaN elsewhere."""
    values = np.concatenate(parts)
    out = np.full((len(known), *values.shape[1:]), np.nan)
    out[known] = values
    return out
