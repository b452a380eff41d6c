"""The equations of fitting: residuals of one pose per frame, and their derivatives, for all frames at once.

A pose is the root's position and 22 rotations. A small change of it is ``(dt, w_0 ... w_21)``: the root moves by
``dt``, and every rotation is followed by a turn ``w_s`` in its segment's own axes. A point x that hangs, somewhere down
the chain, on segment a then moves by ``(R_a w_a) × (x - p_a)``; no automatic differentiation is needed.
"""

from dataclasses import dataclass

import torch

from kinefuse.body.kinematics import IS_ANCESTOR, N_SEGMENTS, joint_positions, points_on_segments, world_from_local
from kinefuse.body.priors import JointPrior, exp_rotation, joint_coordinates, joint_prior, log_rotation
from kinefuse.body.sensor_terms import Orientations

N_POSE = 3 + 3 * N_SEGMENTS


@dataclass(frozen=True)
class Pose:
    """One pose per frame: R_parent_segment (T, 22, 3, 3) and root_position (T, 3)."""

    R_parent_segment: torch.Tensor
    root_position: torch.Tensor

    def moved(self, change: torch.Tensor) -> "Pose":
        """Return the pose after a change (T, 69)."""
        turns = change[:, 3:].reshape(-1, N_SEGMENTS, 3)
        return Pose(self.R_parent_segment @ exp_rotation(turns), self.root_position + change[:, :3])

    def frames(self, index: torch.Tensor | slice) -> "Pose":
        """Return some of the frames."""
        return Pose(self.R_parent_segment[index], self.root_position[index])


@dataclass(frozen=True)
class Targets:
    """Measured points and the places of the same points on the body, and what sensors tell beside them.

    Attributes
    ----------
    points : (T, K, 3) metres, NaN where missing
    whitening : (T, K, 3, 3): W with W^T W the inverse covariance of a point; zero where missing
    segment : (K,)
    orientations : of segments, or None
    """

    points: torch.Tensor
    whitening: torch.Tensor
    segment: torch.Tensor
    orientations: Orientations | None = None

    def frames(self, index: torch.Tensor | slice) -> "Targets":
        """Return some of the frames."""
        some = None if self.orientations is None else self.orientations.frames(index)
        return Targets(self.points[index], self.whitening[index], self.segment, some)


@dataclass(frozen=True)
class Placed:
    """Where a pose puts everything, in the world: rotations (T, 22, 3, 3), joints (T, 22, 3) and points (T, K, 3)."""

    R_world_segment: torch.Tensor
    positions: torch.Tensor
    points: torch.Tensor


def place(pose: Pose, joints: torch.Tensor, rest_points: torch.Tensor, segment: torch.Tensor) -> Placed:
    """Run the kinematics for joints (22, 3) and points (K, 3) in the rest pose, metres."""
    world = world_from_local(pose.R_parent_segment)
    positions = joint_positions(world, pose.root_position, joints)
    return Placed(world, positions, points_on_segments(world, positions, joints, rest_points, segment))


def whitened_residual(placed: Placed, targets: Targets) -> torch.Tensor:
    """Return (T, K, 3): the body's points minus the measured ones, in standard deviations; 0 where missing."""
    difference = torch.nan_to_num(placed.points - targets.points)
    return torch.einsum("tkij,tkj->tki", targets.whitening, difference)


def geman_mcclure(residual: torch.Tensor, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Robust cost (T, K) of residuals (T, K, 3), and the square root of the weight that a point keeps."""
    squared = (residual**2).sum(-1)
    keep = scale**2 / (scale**2 + squared)
    return squared * keep, keep


def point_jacobian(placed: Placed, targets: Targets) -> torch.Tensor:
    """Return the whitened derivative of the points by the pose, (T, K, 3, 69)."""
    frames, count = targets.points.shape[:2]
    arms = placed.points[:, :, None] - placed.positions[:, None]
    x, y, z = (arms * IS_ANCESTOR[targets.segment][None, :, :, None])[..., None].unbind(-2)
    # A turn about an axis of a segment, a column of R, moves the point by the column times the arm to the joint.
    # Written out, since so many products of 3 x 3 matrices take several times as long.
    a, b, c = placed.R_world_segment[:, None].unbind(-2)
    moved = torch.empty(frames, count, 3, N_POSE, dtype=placed.points.dtype)
    moved[..., :3] = torch.eye(3, dtype=moved.dtype)
    turned = moved[..., 3:].unflatten(-1, (N_SEGMENTS, 3))
    turned[:, :, 0] = b * z - c * y
    turned[:, :, 1] = c * x - a * z
    turned[:, :, 2] = a * y - b * x
    return targets.whitening @ moved


def shape_jacobian(
    placed: Placed, targets: Targets, joints_basis: torch.Tensor, points_basis: torch.Tensor
) -> torch.Tensor:
    """Return the whitened derivative of the points by the shape, (T, K, 3, S).

    Parameters
    ----------
    joints_basis, points_basis : (S, 22, 3) and (S, K, 3) metres per unit of shape
    """
    columns = []
    for joints, points in zip(joints_basis, points_basis, strict=True):
        moved_joints = joint_positions(placed.R_world_segment, torch.zeros_like(placed.positions[:, 0]), joints)
        moved = points_on_segments(placed.R_world_segment, moved_joints, joints, points, targets.segment)
        columns.append(torch.einsum("tkij,tkj->tki", targets.whitening, moved))
    return torch.stack(columns, dim=-1)


def offset_jacobian(placed: Placed, targets: Targets) -> torch.Tensor:
    """Return the whitened derivative of each point by its own offset in its segment, (T, K, 3, 3)."""
    return targets.whitening @ placed.R_world_segment[:, targets.segment]


def prior_terms(
    pose: Pose, spread: float, limit_sd: float, prior: JointPrior | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return residuals (T, 21, 6) of the joint prior and of its limits, and their derivative (T, 21, 6, 3).

    Parameters
    ----------
    spread : multiplies the prior's standard deviations
    limit_sd : radians beyond a limit that count as one standard deviation
    """
    prior = prior or joint_prior()
    coordinates, rates = joint_coordinates(pose.R_parent_segment)
    coordinates, rates = coordinates[:, 1:], rates[:, 1:]
    # An angle has no end at 180°: what is a little more than that of pronation is not half a turn of supination.
    whole_turns = torch.round((coordinates - prior.centre[1:]) / (2 * torch.pi))
    coordinates = coordinates - 2 * torch.pi * torch.where(prior.is_ball[1:, None], 0.0, whole_turns)
    sd = prior.sd[1:] * spread
    centred = (coordinates - prior.centre[1:]) / sd
    beyond = (coordinates - prior.upper[1:]).clamp(min=0) + (coordinates - prior.lower[1:]).clamp(max=0)
    outside = (beyond != 0).to(coordinates.dtype)
    residual = torch.cat([centred, beyond / limit_sd], dim=-1)
    derivative = torch.cat([rates / sd[..., None], rates * (outside / limit_sd)[..., None]], dim=-2)
    return residual, derivative


def accelerations(pose: Pose, steps: torch.Tensor) -> torch.Tensor:
    """Return second differences of the pose by time, (T - 2, 69): m/s² of the root and rad/s² of the joints.

    Parameters
    ----------
    steps : (T - 1,) seconds between frames; across a long one hardly anything is asked of a movement
    """
    move = pose.root_position[1:] - pose.root_position[:-1]
    turn = log_rotation(pose.R_parent_segment[:-1].transpose(-1, -2) @ pose.R_parent_segment[1:])
    rate = torch.cat([move, turn.reshape(len(move), -1)], dim=-1) / steps[:, None]
    return 2 * (rate[1:] - rate[:-1]) / (steps[1:] + steps[:-1])[:, None]
