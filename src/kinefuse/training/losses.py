"""What training makes small: errors of orientation, of joint centres and of shape (Shin et al., equations 2 to 4)."""

from dataclasses import dataclass

import torch

from kinefuse.body.kinematics import joint_positions, local_from_world
from kinefuse.body.models import load_anny
from kinefuse.conventions import SITE_SEGMENT
from kinefuse.models.signals import Prediction, yaw_between, yaw_rotation
from kinefuse.training.examples import Example


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights and form of the loss.

    Attributes
    ----------
    world, local : of the angle, radians, between segments in the world and between neighbours
    joints : of the distance of joint centres from the root's, metres
    root : of the root's distance, metres
    shape : of the distance of shapes
    rate : of the change of the orientation error from frame to frame, radians
    squared : whether angles, distances and shapes are squared
    sites_only : whether only segments that carry sensors count
    """

    world: float = 1.0
    local: float = 1.0
    joints: float = 2.0
    root: float = 1.0
    shape: float = 0.01
    rate: float = 1.0
    squared: bool = False
    sites_only: bool = False


LOSS_PRESETS: dict[str, LossConfig] = {
    "paper": LossConfig(world=0.0, local=1.0, joints=1.0, root=0.0, shape=1.0, rate=0.0, sites_only=True),
    "authors": LossConfig(world=0.0, local=50.0, joints=1000.0, root=0.0, shape=0.05, rate=0.0, squared=True),
}
"""The forms of the loss that are not the default's."""


def angle_between(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the angle (...) between rotations (..., 3, 3), radians; its gradient is finite everywhere."""
    half_sine = ((a - b).pow(2).sum((-1, -2)) / 8 + 1e-10).sqrt()
    return 2 * torch.asin(half_sine.clamp(max=0.9999))


class Loss:
    """The loss of a network's answer.

    Parameters
    ----------
    config : its weights
    has_place : whether the network knows heading and place; else both are taken from the truth before comparing
    """

    def __init__(self, config: LossConfig, *, has_place: bool) -> None:
        self.config, self.has_place = config, has_place
        body = load_anny()
        self.joints_mean = torch.as_tensor(body.joints_mean, dtype=torch.float32)
        self.joints_basis = torch.as_tensor(body.joints_basis, dtype=torch.float32)

    def __call__(self, answer: Prediction, example: Example) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the loss and its unweighted parts."""
        rotations = answer.R_world_segment if self.has_place else turned_to(answer, example)
        parts = self._pose(rotations, example) | self._places(rotations, answer, example)
        parts["shape"] = self._size((answer.shape - example.shape).pow(2).sum(-1)).mean()
        weights = {name: getattr(self.config, name) for name in parts}
        return torch.stack([weights[name] * part for name, part in parts.items() if weights[name]]).sum(), parts

    def _size(self, square: torch.Tensor) -> torch.Tensor:
        return square if self.config.squared else (square + 1e-10).sqrt()

    def _pose(self, rotations: torch.Tensor, example: Example) -> dict[str, torch.Tensor]:
        truth, inside = example.R_world_segment, example.inside
        world = angle_between(rotations, truth)
        local = angle_between(local_from_world(rotations), local_from_world(truth))
        if self.config.squared:
            world, local = world.square(), local.square()
        if self.config.sites_only:
            world, local = world[..., list(SITE_SEGMENT)], local[..., list(SITE_SEGMENT)]
        parts = {"world": _mean(world, inside), "local": _mean(local, inside)}
        if self.config.rate:
            error = rotations.transpose(-1, -2) @ truth
            parts["rate"] = _mean(angle_between(error[:, 1:], error[:, :-1]), inside[:, 1:] * inside[:, :-1])
        return parts

    def _places(self, rotations: torch.Tensor, answer: Prediction, example: Example) -> dict[str, torch.Tensor]:
        mean, basis = self.joints_mean.to(answer.shape.device), self.joints_basis.to(answer.shape.device)
        rest = mean + torch.einsum("bs,sji->bji", answer.shape, basis)
        posed = joint_positions(rotations, torch.zeros_like(answer.root), rest[:, None])
        truth = example.positions - example.positions[:, :, :1]
        parts = {"joints": _mean(self._size((posed - truth).pow(2).sum(-1)), example.inside)}
        if self.has_place and self.config.root:
            apart = (answer.root - example.positions[:, :, 0]).pow(2).sum(-1, keepdim=True)
            parts["root"] = _mean(self._size(apart), example.inside)
        return parts


def turned_to(answer: Prediction, example: Example) -> torch.Tensor:
    """Return an answer's rotations after the one yaw per window that brings them nearest to the truth."""
    inside = example.inside[..., None, None, None]
    yaw = yaw_between(answer.R_world_segment.detach(), inside * example.R_world_segment)
    return yaw_rotation(yaw)[:, None, None] @ answer.R_world_segment


def _mean(values: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Mean of (B, T, N) over frames (B, T) that are inside."""
    return (values * inside[..., None]).sum() / (inside.sum() * values.shape[-1]).clamp_min(1.0)
