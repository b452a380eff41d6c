"""Fitting poses to what was measured: batched Levenberg-Marquardt over all frames of a trial.

Two stages. First the body itself, its shape and the offsets of the points that are not quite where the model thinks,
from frames spread over the trial (`fit_shape.fit_body`). Then, with the body fixed, the poses of all frames at once
(`fit_poses`), where smoothness ties neighbours together: the normal equations are banded (`banded`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from kinefuse.body import point_terms as terms
from kinefuse.body.banded import Normal, solve
from kinefuse.body.composite import coupling, frames_of
from kinefuse.body.kinematics import IS_ANCESTOR, N_SEGMENTS
from kinefuse.body.models import BodyModel
from kinefuse.body.neighbours import Ties, without_holes
from kinefuse.body.point_terms import N_POSE, Placed, Pose, Targets
from kinefuse.body.sensor_terms import Accelerations, orientation_residual

CHUNK = 256
PosePrior = Callable[[Pose], tuple[torch.Tensor, torch.Tensor]]
"""A prior's residuals (T, N) and their derivative (T, N, 69)."""


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Parameters of the fit.

    Attributes
    ----------
    robust_sd : standard deviations at which a point has lost three quarters of its weight (Geman-McClure)
    prior_spread : multiplies the standard deviations of the joint prior
    limit_sd : radians beyond a joint's limit that count as one standard deviation
    angular_acceleration_sd : rad/s² of a joint in ordinary movement; infinite turns smoothing off
    acceleration_sd : m/s² of the root
    body_frames : how many frames, spread over the trial, determine shape and offsets
    iterations : at most, for each stage
    tolerance : relative decrease of the cost at which a stage ends
    """

    robust_sd: float = 4.0
    prior_spread: float = 1.0
    limit_sd: float = float(np.deg2rad(3.0))
    angular_acceleration_sd: float = 80.0
    acceleration_sd: float = 10.0
    body_frames: int = 120
    iterations: int = 25
    tolerance: float = 1e-4


@dataclass(frozen=True)
class Body:
    """A body model with its shape (S,) and the offsets (K, 3) of the measured points, metres in their segments."""

    model: BodyModel
    names: tuple[str, ...]
    shape: torch.Tensor
    offsets: torch.Tensor

    @property
    def joints(self) -> torch.Tensor:
        """Joints in the rest pose, (22, 3)."""
        basis = torch.as_tensor(self.model.joints_basis)
        return torch.as_tensor(self.model.joints_mean) + torch.tensordot(self.shape, basis, dims=1)

    @property
    def rest_points(self) -> torch.Tensor:
        """The measured points in the rest pose, (K, 3)."""
        index = self.model.point_index(self.names)
        basis = torch.as_tensor(self.model.points_basis[:, index])
        return (
            torch.as_tensor(self.model.points_mean[index]) + torch.tensordot(self.shape, basis, dims=1) + self.offsets
        )

    def place(self, pose: Pose, segment: torch.Tensor) -> terms.Placed:
        """Run the kinematics."""
        return terms.place(pose, self.joints, self.rest_points, segment)


def _joint_prior_normal(pose: Pose, config: FitConfig, normal: Normal, rows: slice) -> None:
    """Add the joint prior, which couples only the three turns of one joint."""
    residual, derivative = terms.prior_terms(pose, config.prior_spread, config.limit_sd)
    transposed = derivative.transpose(-1, -2)
    # Blocks on the diagonal, seen as one more axis; strides make a view of what indices would copy.
    frames, at = normal.H[rows], 6 * N_POSE + 6
    step, row, column = frames.stride()
    blocks = frames.as_strided(
        (len(frames), N_SEGMENTS - 1, 3, 3), (step, 3 * (row + column), row, column), frames.storage_offset() + at
    )
    blocks += transposed @ derivative
    normal.g[rows, 6:] += (transposed @ residual[..., None])[..., 0].flatten(1)
    normal.cost += float((residual**2).sum())


def prior_cost(pose: Pose, config: FitConfig) -> float:
    """Return the cost of the joint prior over all frames."""
    return float((terms.prior_terms(pose, config.prior_spread, config.limit_sd)[0] ** 2).sum())


def frame_equations(body: Body, pose: Pose, targets: Targets, config: FitConfig, extra: PosePrior | None) -> Normal:
    """Data and prior terms of every frame, in chunks so that what a long trial needs beside them is small."""
    normal = Normal(len(targets.points))
    for start in range(0, len(targets.points), CHUNK):
        rows = slice(start, start + CHUNK)
        part, goal = pose.frames(rows), targets.frames(rows)
        placed = body.place(part, targets.segment)
        _add_data(placed, goal, config, normal, rows)
        if extra is not None:
            more, derivative = extra(part)
            normal.H[rows] += derivative.transpose(-1, -2) @ derivative
            normal.g[rows] += (derivative.transpose(-1, -2) @ more[..., None])[..., 0]
            normal.cost += float((more**2).sum())
        _joint_prior_normal(part, config, normal, rows)
    return normal


def _add_data(placed: Placed, goal: Targets, config: FitConfig, normal: Normal, rows: slice) -> None:
    """Add points and orientations, summed over subtrees (`composite`) instead of by their Jacobians."""
    residual = terms.whitened_residual(placed, goal)
    cost, keep = terms.geman_mcclure(residual, config.robust_sd)
    normal.cost += float(cost.sum())
    about = frames_of(placed.R_world_segment, placed.positions)
    by_motion = (goal.whitening * keep[..., None, None]) @ about.of_points(placed.points)
    weighted, segment = residual * keep[..., None], goal.segment
    if goal.orientations is not None:
        turned, rates = orientation_residual(placed.R_world_segment, goal.orientations)
        cost, keep = terms.geman_mcclure(turned, config.robust_sd)
        normal.cost += float(cost.sum())
        to_world = placed.R_world_segment[:, goal.orientations.segment].transpose(-1, -2)
        by_turn = (rates * keep[..., None, None]) @ to_world
        by_motion = torch.cat([by_motion, torch.cat([torch.zeros_like(by_turn), by_turn], dim=-1)], dim=1)
        weighted = torch.cat([weighted, turned * keep[..., None]], dim=1)
        segment = torch.cat([segment, goal.orientations.segment])
    by_force = by_motion.transpose(-1, -2)
    normal.H[rows] = coupling(about.motions, about.motions, by_force @ by_motion, segment)
    normal.g[rows] = about.slope((by_force @ weighted[..., None])[..., 0], segment)


def data_cost(body: Body, pose: Pose, targets: Targets, config: FitConfig, extra: PosePrior | None) -> float:
    """Return the cost of poses but for their accelerations: robust losses of points and orientations, and priors."""
    placed = body.place(pose, targets.segment)
    residual = terms.whitened_residual(placed, targets)
    cost = float(terms.geman_mcclure(residual, config.robust_sd)[0].sum()) + prior_cost(pose, config)
    if targets.orientations is not None:
        turned = orientation_residual(placed.R_world_segment, targets.orientations)[0]
        cost += float(terms.geman_mcclure(turned, config.robust_sd)[0].sum())
    return cost + (float((extra(pose)[0] ** 2).sum()) if extra is not None else 0.0)


def _smoothness_weights(config: FitConfig) -> torch.Tensor:
    """Inverse standard deviations (69,) of accelerations; zero turns smoothing off."""
    linear, angular = 1.0 / config.acceleration_sd, 1.0 / config.angular_acceleration_sd
    return torch.tensor([linear] * 3 + [angular] * (N_POSE - 3), dtype=torch.float64)


def regular_steps(time: np.ndarray) -> torch.Tensor:
    """Return the steps (T - 1,) between time stamps (T,), seconds, as whole multiples of the usual step.

    Files round time stamps, often to a tenth of a step or worse, and what that does to an acceleration is larger than
    any movement's; a lost frame or a hole is at least one whole step.
    """
    steps = np.diff(time)
    usual = np.median(steps) if len(steps) else 1.0
    return torch.as_tensor(usual * np.maximum(1.0, np.round(steps / usual)))


def fit_poses(
    body: Body,
    pose: Pose,
    targets: Targets,
    config: FitConfig,
    time: np.ndarray,
    extra: PosePrior | None = None,
    pushed: Accelerations | None = None,
) -> tuple[Pose, torch.Tensor]:
    """Find the poses of all frames for a known body.

    Parameters
    ----------
    pose : where to start, (T, ...)
    time : (T,) seconds
    pushed : accelerations of sensors, which tie neighbouring frames together

    Returns
    -------
    The poses, and each frame's own information matrix (T, 69, 69), from its points and the joint prior without
    its neighbours.
    """
    steps = regular_steps(time)
    if pushed is not None and len(steps) > 1:
        pushed = without_holes(pushed, steps)
    ties = Ties(body.joints, steps, _smoothness_weights(config), pushed)
    damping = 1e-3
    normal = frame_equations(body, pose, targets, config, extra)
    for _ in range(config.iterations):
        cost = normal.cost + ties.cost(pose)
        for _attempt in range(8):
            # Solving works in the place of the ties' equations.
            trial = pose.moved(solve(normal, ties.equations(pose), damping))
            new_cost = data_cost(body, trial, targets, config, extra) + ties.cost(trial)
            if new_cost < cost:
                break
            damping *= 5
        else:
            return pose, normal.H
        pose, damping = trial, max(damping / 4, 1e-8)
        normal = frame_equations(body, pose, targets, config, extra)
        if cost - new_cost < config.tolerance * cost:
            break
    return pose, normal.H


def orientation_covariance(
    information: torch.Tensor, R_world_segment: torch.Tensor, felt: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the covariance of the small turns of all segments in the world, (T, 66, 66) rad².

    Parameters
    ----------
    information : (T, 69, 69) from `fit_poses`
    R_world_segment : (T, 22, 3, 3)
    felt : (T, 69, G) what poses feel of constants that are not quite known (`fit_sensors.felt_by_poses`)
    """
    frames = len(information)
    # A segment's turn in the world is the sum of the turns of its ancestors, each rotated into the world.
    to_world = torch.einsum("sa,taij->tsiaj", IS_ANCESTOR.double(), R_world_segment).reshape(frames, 66, 66)
    factor = torch.linalg.cholesky(information + 1e-9 * torch.eye(N_POSE, dtype=torch.float64))
    padded = torch.cat([torch.zeros(frames, 66, 3, dtype=torch.float64), to_world], dim=-1).transpose(-1, -2)
    half = torch.linalg.solve_triangular(factor, padded, upper=False)
    if felt is None:
        return half.transpose(-1, -2) @ half
    moved = torch.linalg.solve_triangular(factor, felt, upper=False).transpose(-1, -2) @ half
    return half.transpose(-1, -2) @ half + moved.transpose(-1, -2) @ moved
