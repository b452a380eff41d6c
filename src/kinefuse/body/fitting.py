"""Fitting the body to measured points: batched Levenberg-Marquardt over all frames of a trial.

Two stages. First the body itself, its shape and the offsets of the points that are not quite where the model thinks,
from frames spread over the trial (`fit_body`). Then, with the body fixed, the poses of all frames at once
(`fit_poses`), where smoothness ties neighbours together: the normal equations are banded, and LAPACK solves them in
one go.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.linalg import LinAlgError, cho_solve_banded, cholesky_banded

from kinefuse.body import point_terms as terms
from kinefuse.body.kinematics import IS_ANCESTOR, N_SEGMENTS
from kinefuse.body.models import BodyModel
from kinefuse.body.point_terms import N_POSE, Pose, Targets

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


class _Normal:
    """Gauss-Newton equations of single frames: H (T, 69, 69), gradient (T, 69) and the cost."""

    def __init__(self, frames: int) -> None:
        self.H = torch.zeros(frames, N_POSE, N_POSE, dtype=torch.float64)
        self.g = torch.zeros(frames, N_POSE, dtype=torch.float64)
        self.cost = 0.0


def _joint_prior_normal(pose: Pose, config: FitConfig, normal: _Normal, rows: slice) -> None:
    """Add the joint prior, which couples only the three turns of one joint."""
    residual, derivative = terms.prior_terms(pose, config.prior_spread, config.limit_sd)
    blocks = derivative.transpose(-1, -2) @ derivative
    gradient = (derivative.transpose(-1, -2) @ residual[..., None])[..., 0]
    view = normal.H[rows, 6:, 6:].reshape(len(blocks), N_SEGMENTS - 1, 3, N_SEGMENTS - 1, 3)
    joint = torch.arange(N_SEGMENTS - 1)
    view[:, joint, :, joint] += blocks.transpose(0, 1)
    normal.H[rows, 6:, 6:] = view.reshape(len(blocks), N_POSE - 6, N_POSE - 6)
    normal.g[rows, 6:] += gradient.reshape(len(blocks), -1)


def prior_cost(pose: Pose, config: FitConfig) -> float:
    """Return the cost of the joint prior over all frames."""
    return float((terms.prior_terms(pose, config.prior_spread, config.limit_sd)[0] ** 2).sum())


def _frame_equations(body: Body, pose: Pose, targets: Targets, config: FitConfig, extra: PosePrior | None) -> _Normal:
    """Data and prior terms of every frame, in chunks so that the Jacobian of a long trial need not fit in memory."""
    normal = _Normal(len(targets.points))
    for start in range(0, len(targets.points), CHUNK):
        rows = slice(start, start + CHUNK)
        part, goal = pose.frames(rows), targets.frames(rows)
        placed = body.place(part, targets.segment)
        residual = terms.whitened_residual(placed, goal)
        cost, keep = terms.geman_mcclure(residual, config.robust_sd)
        jacobian = (terms.point_jacobian(placed, goal) * keep[..., None, None]).flatten(1, 2)
        weighted = (residual * keep[..., None]).flatten(1, 2)
        normal.H[rows] = jacobian.transpose(-1, -2) @ jacobian
        normal.g[rows] = (jacobian.transpose(-1, -2) @ weighted[..., None])[..., 0]
        normal.cost += float(cost.sum())
        if extra is not None:
            more, derivative = extra(part)
            normal.H[rows] += derivative.transpose(-1, -2) @ derivative
            normal.g[rows] += (derivative.transpose(-1, -2) @ more[..., None])[..., 0]
            normal.cost += float((more**2).sum())
        _joint_prior_normal(part, config, normal, rows)
    normal.cost += prior_cost(pose, config)
    return normal


def _data_cost(body: Body, pose: Pose, targets: Targets, config: FitConfig, extra: PosePrior | None) -> float:
    residual = terms.whitened_residual(body.place(pose, targets.segment), targets)
    cost = float(terms.geman_mcclure(residual, config.robust_sd)[0].sum()) + prior_cost(pose, config)
    return cost + (float((extra(pose)[0] ** 2).sum()) if extra is not None else 0.0)


def _damped(H: torch.Tensor, damping: float) -> torch.Tensor:
    """Marquardt's scaled damping; of one size for the root's three directions, so that no heading is special."""
    scale = H.diagonal(dim1=-2, dim2=-1) + 1.0
    root = scale[..., :3].mean(-1, keepdim=True).expand(*scale.shape[:-1], 3)
    return H + torch.diag_embed(damping * torch.cat([root, scale[..., 3:]], dim=-1))


@dataclass(frozen=True)
class BodyPrior:
    """How far a body may be from the average one.

    Attributes
    ----------
    offset_sd : (K,) metres, how far a point may lie from where the model has it; 0 holds it there
    stature_m : the subject's height, or None
    stature_sd : metres
    shape_sd : standard deviations of the shape parameters; 1 is the population
    weight : how many frames count as one independent look at the body. The errors of a detector stay alike from frame
        to frame; taken as independent, a hundred frames would outvote all that is known about bodies.
    """

    offset_sd: torch.Tensor
    stature_m: float | None = None
    stature_sd: float = 0.015
    shape_sd: float = 1.0
    weight: float = 1.0


def fit_body(
    body: Body, pose: Pose, targets: Targets, prior: BodyPrior, config: FitConfig, extra: PosePrior | None = None
) -> tuple[Body, Pose]:
    """Find shape and offsets, and the poses of the frames that show them.

    Parameters
    ----------
    body, pose : where to start; `pose` and `targets` cover the chosen frames only

    Returns
    -------
    The body, and the poses that go with it.
    """
    damping, cost = 1e-2, np.inf
    for _ in range(config.iterations):
        normal = _frame_equations(body, pose, targets, config, extra)
        shared = _shared_equations(body, pose, targets, prior, config)
        cost = normal.cost + shared.cost
        for _attempt in range(8):
            change, shared_change = _eliminate(normal, shared, damping)
            trial_pose = pose.moved(change)
            trial_body = _moved_body(body, shared_change)
            new_cost = _data_cost(trial_body, trial_pose, targets, config, extra)
            new_cost += float((_shared_prior(trial_body, prior)[0] ** 2).sum())
            if new_cost < cost:
                break
            damping *= 5
        else:
            return body, pose
        body, pose, damping = trial_body, trial_pose, max(damping / 4, 1e-7)
        if cost - new_cost < config.tolerance * cost:
            break
    return body, pose


@dataclass
class _Shared:
    """Equations of what all frames share: B (T, 69, G), C (G, G), h (G,) and the cost of its prior."""

    B: torch.Tensor
    C: torch.Tensor
    h: torch.Tensor
    cost: float


def _shared_prior(body: Body, prior: BodyPrior) -> tuple[torch.Tensor, torch.Tensor]:
    """Residuals of the body's prior, and their (constant) derivative by (shape, offsets)."""
    n_shape, n_offset = len(body.shape), body.offsets.numel()
    sd = prior.offset_sd.clamp(min=1e-5).repeat_interleave(3)
    residual = torch.cat([body.shape / prior.shape_sd, body.offsets.reshape(-1) / sd])
    derivative = torch.diag(torch.cat([torch.full((n_shape,), 1 / prior.shape_sd, dtype=torch.float64), 1 / sd]))
    if prior.stature_m is not None:
        basis = torch.as_tensor(body.model.stature_basis)
        missing = (body.model.stature_mean + body.shape @ basis - prior.stature_m) / prior.stature_sd
        row = torch.cat([basis / prior.stature_sd, torch.zeros(n_offset, dtype=torch.float64)])
        residual, derivative = torch.cat([residual, missing[None]]), torch.cat([derivative, row[None]])
    scale = prior.weight**0.5
    return scale * residual, scale * derivative


def _shared_equations(body: Body, pose: Pose, targets: Targets, prior: BodyPrior, config: FitConfig) -> _Shared:
    index = body.model.point_index(body.names)
    placed = body.place(pose, targets.segment)
    residual = terms.whitened_residual(placed, targets)
    keep = terms.geman_mcclure(residual, config.robust_sd)[1]
    by_pose = (terms.point_jacobian(placed, targets) * keep[..., None, None]).flatten(1, 2)
    joints_basis = torch.as_tensor(body.model.joints_basis)
    points_basis = torch.as_tensor(body.model.points_basis[:, index])
    by_shape = terms.shape_jacobian(placed, targets, joints_basis, points_basis) * keep[..., None, None]
    by_offset = terms.offset_jacobian(placed, targets) * keep[..., None, None]
    frames, count = residual.shape[:2]
    spread = torch.zeros(frames, count, 3, count, 3, dtype=torch.float64)
    diagonal = torch.arange(count)
    spread[:, diagonal, :, diagonal] = by_offset.transpose(0, 1)
    by_shared = torch.cat([by_shape.flatten(1, 2), spread.flatten(1, 2).flatten(2)], dim=-1)
    weighted = (residual * keep[..., None]).flatten(1, 2)
    prior_residual, prior_derivative = _shared_prior(body, prior)
    return _Shared(
        B=by_pose.transpose(-1, -2) @ by_shared,
        C=(by_shared.transpose(-1, -2) @ by_shared).sum(0) + prior_derivative.T @ prior_derivative,
        h=torch.einsum("tng,tn->g", by_shared, weighted) + prior_derivative.T @ prior_residual,
        cost=float((prior_residual**2).sum()),
    )


def _eliminate(normal: _Normal, shared: _Shared, damping: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Solve for what is shared after eliminating every frame's own unknowns (Schur complement), then for those."""
    factor = torch.linalg.cholesky(_damped(normal.H, damping))
    right = torch.cat([normal.g[..., None], shared.B], dim=-1)
    # With this many right-hand sides the inverse and one product are several times faster than batched substitution.
    solved = torch.cholesky_inverse(factor) @ right
    reduced = shared.C - (shared.B.transpose(-1, -2) @ solved[..., 1:]).sum(0)
    gradient = shared.h - torch.einsum("tpg,tp->g", shared.B, solved[..., 0])
    reduced = reduced + torch.diag(damping * (reduced.diagonal() + 1.0))
    shared_change = -torch.linalg.solve(reduced, gradient)
    change = -solved[..., 0] - solved[..., 1:] @ shared_change
    return change, shared_change


def _moved_body(body: Body, change: torch.Tensor) -> Body:
    n_shape = len(body.shape)
    return replace(body, shape=body.shape + change[:n_shape], offsets=body.offsets + change[n_shape:].reshape(-1, 3))


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
    body: Body, pose: Pose, targets: Targets, config: FitConfig, time: np.ndarray, extra: PosePrior | None = None
) -> tuple[Pose, torch.Tensor]:
    """Find the poses of all frames for a known body.

    Parameters
    ----------
    pose : where to start, (T, ...)
    time : (T,) seconds

    Returns
    -------
    The poses, and each frame's own information matrix (T, 69, 69), from its points and the joint prior without
    its neighbours.
    """
    weights, steps = _smoothness_weights(config), regular_steps(time)
    smooth = bool((weights > 0).any()) and len(targets.points) > 2
    damping = 1e-3
    normal = _frame_equations(body, pose, targets, config, extra)
    for _ in range(config.iterations):
        rough = terms.accelerations(pose, steps) * weights if smooth else torch.zeros(0, N_POSE)
        cost = normal.cost + float((rough**2).sum())
        for _attempt in range(8):
            change = _solve_banded(normal, rough, weights, steps, damping) if smooth else _solve_frames(normal, damping)
            trial = pose.moved(change)
            new_rough = terms.accelerations(trial, steps) * weights if smooth else rough
            new_cost = _data_cost(body, trial, targets, config, extra) + float((new_rough**2).sum())
            if new_cost < cost:
                break
            damping *= 5
        else:
            return pose, normal.H
        pose, damping = trial, max(damping / 4, 1e-8)
        normal = _frame_equations(body, pose, targets, config, extra)
        if cost - new_cost < config.tolerance * cost:
            break
    return pose, normal.H


def _solve_frames(normal: _Normal, damping: float) -> torch.Tensor:
    factor = torch.linalg.cholesky(_damped(normal.H, damping))
    return -torch.cholesky_solve(normal.g[..., None], factor)[..., 0]


def _solve_banded(
    normal: _Normal, rough: torch.Tensor, weights: torch.Tensor, steps: torch.Tensor, damping: float
) -> torch.Tensor:
    """Solve the coupled equations of all frames; unknowns are ordered frame by frame.

    Second differences couple a frame to the next two, degree of freedom by degree of freedom: two extra diagonals far
    from the main one, and everything between them is zero.
    """
    frames = len(normal.g)
    square = (weights**2).numpy()
    factors = _difference_factors(steps)
    count = torch.zeros(frames, dtype=torch.float64)
    gradient = normal.g.clone()
    for shift in range(3):
        rows = slice(shift, frames - 2 + shift)
        count[rows] += factors[:, shift] ** 2
        gradient[rows] += factors[:, shift, None] * rough * weights
    diagonal = count.numpy()[:, None] * square
    blocks = _damped(normal.H, damping).numpy() + np.eye(N_POSE) * diagonal[:, :, None]
    band = np.zeros((2 * N_POSE + 1, frames * N_POSE))  # lower form: band[i - j, j] = A[i, j]
    columns = band.reshape(2 * N_POSE + 1, frames, N_POSE)
    for k in range(N_POSE):
        columns[: N_POSE - k, :, k] = blocks[:, k:, k].T
    first, middle, last = factors.numpy().T
    columns[N_POSE, : frames - 2] += (first * middle)[:, None] * square
    columns[N_POSE, 1 : frames - 1] += (middle * last)[:, None] * square
    columns[2 * N_POSE, : frames - 2] += (first * last)[:, None] * square
    try:
        factor_banded = cholesky_banded(band, overwrite_ab=True, lower=True, check_finite=False)
    except LinAlgError:  # not positive definite: the caller damps more
        return torch.full((frames, N_POSE), 0.0, dtype=torch.float64)
    solution = cho_solve_banded((factor_banded, True), gradient.numpy().reshape(-1), check_finite=False)
    return -torch.as_tensor(solution.reshape(frames, N_POSE))


def _difference_factors(steps: torch.Tensor) -> torch.Tensor:
    """Factors (T - 2, 3) of three neighbouring frames in their acceleration, 1/s², for steps (T - 1,) in seconds."""
    before, after = steps[:-1], steps[1:]
    mean = 0.5 * (before + after)
    return torch.stack([1 / before, -1 / before - 1 / after, 1 / after], dim=-1) / mean[:, None]


def orientation_covariance(information: torch.Tensor, R_world_segment: torch.Tensor) -> torch.Tensor:
    """Return the covariance of the small turns of all segments in the world, (T, 66, 66) rad².

    Parameters
    ----------
    information : (T, 69, 69) from `fit_poses`
    R_world_segment : (T, 22, 3, 3)
    """
    frames = len(information)
    # A segment's turn in the world is the sum of the turns of its ancestors, each rotated into the world.
    to_world = torch.einsum("sa,taij->tsiaj", IS_ANCESTOR.double(), R_world_segment).reshape(frames, 66, 66)
    factor = torch.linalg.cholesky(information + 1e-9 * torch.eye(N_POSE, dtype=torch.float64))
    padded = torch.cat([torch.zeros(frames, 66, 3, dtype=torch.float64), to_world], dim=-1).transpose(-1, -2)
    half = torch.linalg.solve_triangular(factor, padded, upper=False)
    return half.transpose(-1, -2) @ half
