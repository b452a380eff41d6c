"""Finding how sensors are mounted and where their headings point, together with the body and its poses.

Points say roughly how a segment is turned, sensors exactly how it turns: over many frames two constants follow for
each sensor, its mounting and its heading, which may drift. They are solved for at once with the body and the poses of
frames spread over the trial, since a mounting that is slightly wrong holds all poses where they are.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from kinefuse.body import point_terms as terms
from kinefuse.body.banded import Normal, damped
from kinefuse.body.fit_shape import BodyPrior, Shared, eliminate, moved_body, shared_equations, shared_prior
from kinefuse.body.fitting import Body, FitConfig, PosePrior, data_cost, frame_equations
from kinefuse.body.kinematics import world_from_local
from kinefuse.body.point_terms import N_POSE, Pose, Targets
from kinefuse.body.priors import exp_rotation, rotvec_with_jacobian
from kinefuse.body.sensor_terms import WornSensors, constants_jacobian, orientation_jacobian, orientation_residual

YAWS, REFINEMENTS = 25, 4
"""Headings that are tried, first 15° apart, then ever closer; for each the best mounting is known in closed form."""
LEAST_INFORMATION = 1e-3
"""1/rad², or as much of the body's unknowns, of everything at least, so that nothing is entirely unknown."""


@dataclass(frozen=True)
class SensorPrior:
    """What is known of sensors before any movement.

    Attributes
    ----------
    R_segment_sensor : (N, 3, 3) the mounting that is expected
    mounting_sd : radians that it may be off, about each axis; infinite if nothing is expected
    drift_sd : (K - 1,) radians that a heading may drift from one knot to the next
    robust_sd : standard deviations at which an expected mounting has lost three quarters of its weight
    weight : how many frames count as one independent look, as in `BodyPrior`
    """

    R_segment_sensor: torch.Tensor
    mounting_sd: float
    drift_sd: torch.Tensor
    robust_sd: float
    weight: float


def first_guess(
    worn: WornSensors,
    R_world_segment: torch.Tensor,
    weight: torch.Tensor,
    prior: float,
    loose: torch.Tensor | None = None,
) -> WornSensors:
    """Return sensors with the constant mounting and heading that agree best with rotations of their segments.

    Parameters
    ----------
    worn : its mounting is the one that is expected
    R_world_segment : (T, N, 3, 3) of the segments that carry them, as points tell
    weight : (T, N) of each frame
    prior : how many times all frames together the expected mounting counts
    loose : (N,) false where the heading is known to be 0; all are unknown if None
    """
    level = worn.R_level_sensor.transpose(-1, -2) * weight[..., None, None]
    # With the yaw ψ the sum of R_sensor_level R_level_world R_world_segment is cos ψ A + sin ψ B + C; the mounting is
    # the rotation nearest to it (Procrustes), and the better the yaw, the larger their product.
    quarter = yaw_parts()
    A, B, C = ((level @ part @ R_world_segment).sum(0) for part in quarter)
    C = C + prior * weight.sum(0)[:, None, None] * worn.R_segment_sensor.transpose(-1, -2)
    yaw = torch.zeros(len(worn.segment), dtype=torch.float64)
    spread = torch.pi * (torch.ones_like(yaw) if loose is None else loose.double())
    for _ in range(REFINEMENTS):
        tried = yaw + spread * torch.linspace(-1, 1, YAWS).double()[:, None]
        sums = tried.cos()[..., None, None] * A + tried.sin()[..., None, None] * B + C
        rotations = nearest_rotation(sums)
        best = (rotations * sums).sum((-1, -2)).argmax(0)
        sensor = torch.arange(len(best))
        yaw, mounting, spread = tried[best, sensor], rotations[best, sensor], spread * 3 / YAWS
    return replace(
        worn, R_segment_sensor=mounting.transpose(-1, -2), heading=yaw[:, None].expand_as(worn.heading).clone()
    )


def align_headings(worn: WornSensors, R_world_segment: torch.Tensor, weight: torch.Tensor) -> WornSensors:
    """Return sensors of a known mounting with the one heading that agrees best with rotations of their segments.

    Parameters
    ----------
    R_world_segment, weight : as in `first_guess`
    """
    told = worn.R_level_sensor @ worn.R_segment_sensor.transpose(-1, -2)
    product = (weight[..., None, None] * R_world_segment @ told.transpose(-1, -2)).sum(0)
    yaw = torch.atan2(product[:, 0, 2] - product[:, 2, 0], product[:, 0, 0] + product[:, 2, 2])
    return replace(worn, heading=yaw[:, None].expand_as(worn.heading).clone())


def yaw_parts() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what a yaw's inverse is made of: its cosine times the first, its sine times the second, and the third."""
    rows = ([[1, 0, 0], [0, 0, 0], [0, 0, 1]], [[0, 0, -1], [0, 0, 0], [1, 0, 0]], [[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    first, second, third = (torch.tensor(part, dtype=torch.float64) for part in rows)
    return first, second, third


def nearest_rotation(matrix: torch.Tensor) -> torch.Tensor:
    """Return the rotations (..., 3, 3) nearest to matrices (..., 3, 3)."""
    u, _, vt = torch.linalg.svd(matrix)
    sign = torch.linalg.det(u @ vt)
    return torch.cat([u[..., :2], u[..., 2:] * sign[..., None, None]], dim=-1) @ vt


def fit_sensors(
    body: Body,
    pose: Pose,
    targets: Targets,
    worn: WornSensors,
    body_prior: BodyPrior,
    prior: SensorPrior,
    config: FitConfig,
    extra: PosePrior | None = None,
) -> tuple[Body, Pose, WornSensors]:
    """Find the body, the poses of some frames, and each sensor's mounting and heading.

    Parameters
    ----------
    body, pose, worn : where to start; `pose`, `targets` and `worn` cover the chosen frames only

    Returns
    -------
    The body, the poses of those frames, and the sensors with the covariance of what was found about them.
    """
    damping = 1e-3
    for _ in range(config.iterations):
        normal, shared = _equations(body, pose, targets, worn, body_prior, prior, config, extra)
        cost = normal.cost + shared.cost
        for _attempt in range(8):
            change, together = eliminate(normal, shared, damping)
            n_body = len(together) - _n_constants(worn)
            trial = (moved_body(body, together[:n_body]), pose.moved(change), moved_sensors(worn, together[n_body:]))
            new_cost = _cost(*trial, targets, body_prior, prior, config, extra)
            if new_cost < cost:
                break
            damping *= 5
        else:
            break
        (body, pose, worn), damping = trial, max(damping / 4, 1e-8)
        if cost - new_cost < config.tolerance * cost:
            break
    covariance = _covariance(*_equations(body, pose, targets, worn, body_prior, prior, config, extra))
    # Priors were multiplied by how many frames are one look, and so the equations hold that many times too much.
    own = prior.weight * covariance[-_n_constants(worn) :, -_n_constants(worn) :]
    return body, pose, replace(worn, covariance=own)


def _equations(
    body: Body,
    pose: Pose,
    targets: Targets,
    worn: WornSensors,
    body_prior: BodyPrior,
    prior: SensorPrior,
    config: FitConfig,
    extra: PosePrior | None,
) -> tuple[Normal, Shared]:
    """Return the equations of each frame's pose, and of the body, mountings and headings that all frames share."""
    normal = frame_equations(body, pose, replace(targets, orientations=worn.orientations()), config, extra)
    shared = shared_equations(body, pose, targets, body_prior, config)
    return normal, _joined(shared, _by_sensors(pose, worn, prior, config))


def _covariance(normal: Normal, shared: Shared) -> torch.Tensor:
    """Return the covariance (G, G) of what all frames share, each frame's own unknowns taken out.

    What no frame tells, as how heading and mounting of a sensor that never moved divide its turn, is left with a large
    variance that no orientation feels.
    """
    factor = torch.linalg.cholesky(damped(normal.H, 1e-9))
    half = torch.linalg.solve_triangular(factor, shared.B, upper=False).flatten(0, 1)
    reduced = shared.C - half.T @ half
    reduced.diagonal().add_(LEAST_INFORMATION)
    inverse = torch.linalg.inv(reduced)
    return 0.5 * (inverse + inverse.T)


def _cost(
    body: Body,
    pose: Pose,
    worn: WornSensors,
    targets: Targets,
    body_prior: BodyPrior,
    prior: SensorPrior,
    config: FitConfig,
    extra: PosePrior | None,
) -> float:
    told = replace(targets, orientations=worn.orientations())
    constants = float((shared_prior(body, body_prior)[0] ** 2).sum()) + sensor_prior(worn, prior)[2]
    return data_cost(body, pose, told, config, extra) + constants


def moved_sensors(worn: WornSensors, change: torch.Tensor) -> WornSensors:
    """Return sensors after a change of 3 N turns of their mountings, then N K headings."""
    count = len(worn.segment)
    turn = exp_rotation(change[: 3 * count].reshape(count, 3))
    heading = worn.heading + change[3 * count :].reshape(worn.heading.shape)
    return replace(worn, R_segment_sensor=worn.R_segment_sensor @ turn, heading=heading)


def sensor_prior(worn: WornSensors, prior: SensorPrior) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Return the gradient (G,), the Gauss-Newton matrix (G, G) and the cost of `prior` by `moved_sensors`' change."""
    count, knots = worn.heading.shape
    vector, rates = rotvec_with_jacobian(prior.R_segment_sensor.transpose(-1, -2) @ worn.R_segment_sensor)
    vector, rates = vector / prior.mounting_sd, rates / prior.mounting_sd
    cost, keep = terms.geman_mcclure(vector, prior.robust_sd)
    vector, rates = vector * keep[:, None], rates * keep[:, None, None]
    step = torch.diff(torch.eye(knots, dtype=torch.float64), dim=0) / prior.drift_sd[:, None]
    drift = worn.heading @ step.T
    matrix = torch.block_diag(*(rates.transpose(-1, -2) @ rates), *[step.T @ step] * count)
    gradient = torch.cat([(rates.transpose(-1, -2) @ vector[..., None]).flatten(), (drift @ step).flatten()])
    total = float(cost.sum() + (drift**2).sum())
    return prior.weight * gradient, prior.weight * matrix, prior.weight * total


def _by_sensors(pose: Pose, worn: WornSensors, prior: SensorPrior, config: FitConfig) -> Shared:
    """Equations of the mountings and headings, which all frames share."""
    R = world_from_local(pose.R_parent_segment)
    residual, by_pose, by_constants = _derivatives(R, worn, config)
    pulled = (by_constants.transpose(-1, -2) @ residual[..., None])[..., 0]
    own = by_constants.transpose(-1, -2) @ by_constants
    gradient, matrix, cost = sensor_prior(worn, prior)
    count, knots = worn.heading.shape
    n_turns = 3 * count
    matrix[:n_turns, :n_turns] += torch.block_diag(*own[..., :3, :3].sum(0))
    across = torch.einsum("tni,tk->nik", own[..., :3, 3], worn.blend)
    matrix[:n_turns, n_turns:] += torch.block_diag(*across)
    matrix[n_turns:, :n_turns] += torch.block_diag(*across).T
    matrix[n_turns:, n_turns:] += torch.block_diag(
        *torch.einsum("tn,tk,tl->nkl", own[..., 3, 3], worn.blend, worn.blend)
    )
    gradient[:n_turns] += pulled[..., :3].sum(0).flatten()
    gradient[n_turns:] += (pulled[..., 3].T @ worn.blend).reshape(count * knots)
    return Shared(B=_crossed(worn, by_pose, by_constants), C=matrix, h=gradient, cost=cost)


def _derivatives(
    R_world_segment: torch.Tensor, worn: WornSensors, config: FitConfig
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return weighted residuals (T, N, 3), their derivatives by turns (T, N, 3, 66) and by constants (T, N, 3, 4)."""
    residual, rates = orientation_residual(R_world_segment, worn.orientations())
    keep = terms.geman_mcclure(residual, config.robust_sd)[1][..., None]
    by_pose = orientation_jacobian(R_world_segment, rates, worn.segment) * keep[..., None]
    return residual * keep, by_pose, constants_jacobian(worn, rates) * keep[..., None]


def _crossed(worn: WornSensors, by_pose: torch.Tensor, by_constants: torch.Tensor) -> torch.Tensor:
    """Return the second derivatives (T, 69, G) by poses and by `moved_sensors`' change."""
    crossed = by_pose.transpose(-1, -2) @ by_constants
    mounting = crossed[..., :3].transpose(1, 2).flatten(2)
    heading = (crossed[..., 3].transpose(1, 2)[..., None] * worn.blend[:, None, None]).flatten(2)
    root = torch.zeros(len(crossed), N_POSE - crossed.shape[2], _n_constants(worn), dtype=torch.float64)
    return torch.cat([root, torch.cat([mounting, heading], dim=-1)], dim=1)


def felt_by_poses(R_world_segment: torch.Tensor, worn: WornSensors, config: FitConfig) -> torch.Tensor | None:
    """Return a root (T, 69, G) of what gradients vary by, since mountings and headings are not quite known.

    None if they are taken as known.

    Parameters
    ----------
    R_world_segment : (T, 22, 3, 3)
    """
    if worn.covariance is None:
        return None
    near, covariance = _of_knots_near(worn, worn.covariance)
    crossed = _crossed(near, *_derivatives(R_world_segment, near, config)[1:])
    strength, direction = torch.linalg.eigh(covariance)
    return crossed @ (direction * strength.clamp(min=0).sqrt())


def _of_knots_near(worn: WornSensors, covariance: torch.Tensor) -> tuple[WornSensors, torch.Tensor]:
    """Return sensors with only those knots that some frame has a share of, and the covariance without the others."""
    count, knots = worn.heading.shape
    near = (worn.blend != 0).any(dim=0)
    of_headings = 3 * count + torch.arange(count * knots).reshape(count, knots)[:, near].flatten()
    index = torch.cat([torch.arange(3 * count), of_headings])
    return replace(worn, heading=worn.heading[:, near], blend=worn.blend[:, near]), covariance[index][:, index]


def _n_constants(worn: WornSensors) -> int:
    """Three turns of each mounting, and a heading for each knot."""
    return 3 * len(worn.segment) + worn.heading.numel()


def _joined(first: Shared, second: Shared) -> Shared:
    return Shared(
        B=torch.cat([first.B, second.B], dim=-1),
        C=torch.block_diag(first.C, second.C),
        h=torch.cat([first.h, second.h]),
        cost=first.cost + second.cost,
    )


def heading_knots(time: np.ndarray, spacing_s: float) -> tuple[np.ndarray, torch.Tensor]:
    """Return times of knots (K,) that cover `time` (T,), and each time's linear shares of them (T, K).

    In less than half of `spacing_s` there is one knot, a constant.
    """
    count = 1 + round(float(time[-1] - time[0]) / spacing_s)
    if count == 1:
        return time[:1], torch.ones(len(time), 1, dtype=torch.float64)
    knots = np.linspace(time[0], time[-1], count)
    return knots, torch.as_tensor(np.stack([np.interp(time, knots, row) for row in np.eye(count)], axis=1))
