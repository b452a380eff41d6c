"""Fitting the body itself: what all frames of a trial share, together with the poses of some of them.

Every frame's own unknowns are eliminated (Schur complement), so that a hundred poses cost little.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from kinefuse.body import point_terms as terms
from kinefuse.body.banded import Normal, damped
from kinefuse.body.fitting import Body, FitConfig, PosePrior, data_cost, frame_equations
from kinefuse.body.point_terms import Pose, Targets


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
        normal = frame_equations(body, pose, targets, config, extra)
        shared = shared_equations(body, pose, targets, prior, config)
        cost = normal.cost + shared.cost
        for _attempt in range(8):
            change, shared_change = eliminate(normal, shared, damping)
            trial_pose = pose.moved(change)
            trial_body = moved_body(body, shared_change)
            new_cost = data_cost(trial_body, trial_pose, targets, config, extra)
            new_cost += float((shared_prior(trial_body, prior)[0] ** 2).sum())
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
class Shared:
    """Equations of what all frames share: B (T, 69, G), C (G, G), h (G,) and the cost of its prior."""

    B: torch.Tensor
    C: torch.Tensor
    h: torch.Tensor
    cost: float


def shared_prior(body: Body, prior: BodyPrior) -> tuple[torch.Tensor, torch.Tensor]:
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


def shared_equations(body: Body, pose: Pose, targets: Targets, prior: BodyPrior, config: FitConfig) -> Shared:
    """Return the Gauss-Newton equations of what all frames share, shape and offsets, and its coupling to each pose."""
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
    prior_residual, prior_derivative = shared_prior(body, prior)
    return Shared(
        B=by_pose.transpose(-1, -2) @ by_shared,
        C=(by_shared.transpose(-1, -2) @ by_shared).sum(0) + prior_derivative.T @ prior_derivative,
        h=torch.einsum("tng,tn->g", by_shared, weighted) + prior_derivative.T @ prior_residual,
        cost=float((prior_residual**2).sum()),
    )


def eliminate(normal: Normal, shared: Shared, damping: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Solve for what is shared after eliminating every frame's own unknowns (Schur complement), then for those."""
    factor = torch.linalg.cholesky(damped(normal.H, damping))
    right = torch.cat([normal.g[..., None], shared.B], dim=-1)
    # With this many right-hand sides the inverse and one product are several times faster than batched substitution.
    solved = torch.cholesky_inverse(factor) @ right
    # One product over all frames' unknowns, instead of one a frame and their sum.
    reached = shared.B.flatten(0, 1).T @ solved.flatten(0, 1)
    reduced, gradient = shared.C - reached[:, 1:], shared.h - reached[:, 0]
    reduced = reduced + torch.diag(damping * (reduced.diagonal() + 1.0))
    shared_change = -torch.linalg.solve(reduced, gradient)
    change = -solved[..., 0] - solved[..., 1:] @ shared_change
    return change, shared_change


def moved_body(body: Body, change: torch.Tensor) -> Body:
    n_shape = len(body.shape)
    return replace(body, shape=body.shape + change[:n_shape], offsets=body.offsets + change[n_shape:].reshape(-1, 3))
