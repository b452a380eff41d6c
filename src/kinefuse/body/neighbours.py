"""What ties a frame to its neighbours: smooth movement, and the accelerations of sensors.

Both are second differences over three frames. Smoothness couples each degree of freedom to itself alone, the
acceleration of a place on the body all of them.
"""

from dataclasses import dataclass, replace

import torch

from kinefuse.body import point_terms as terms
from kinefuse.body.banded import Tied
from kinefuse.body.composite import CHUNK, coupling, frames_of
from kinefuse.body.point_terms import N_POSE, Pose
from kinefuse.body.sensor_terms import Accelerations, acceleration_residual, sensor_places


def difference_factors(steps: torch.Tensor) -> torch.Tensor:
    """Factors (T - 2, 3) of three neighbouring frames in their acceleration, 1/s², for steps (T - 1,) in seconds."""
    before, after = steps[:-1], steps[1:]
    mean = 0.5 * (before + after)
    return torch.stack([1 / before, -1 / before - 1 / after, 1 / after], dim=-1) / mean[:, None]


def without_holes(pushed: Accelerations, steps: torch.Tensor) -> Accelerations:
    """Return accelerations of which those next to a long step, steps (T - 1,) in seconds, have no weight."""
    even = steps < 1.5 * steps.median()
    beside = torch.cat([even[:1], even[:-1] & even[1:], even[-1:]])
    return replace(pushed, weight=pushed.weight * beside[:, None])


@dataclass(frozen=True)
class Ties:
    """What is asked of neighbouring frames.

    Attributes
    ----------
    joints : (22, 3) of the body in its rest pose, metres
    steps : (T - 1,) seconds between frames
    smoothness : (69,) inverse standard deviations of the accelerations of the pose; zero asks for nothing
    pushed : accelerations that sensors told, or None
    """

    joints: torch.Tensor
    steps: torch.Tensor
    smoothness: torch.Tensor
    pushed: Accelerations | None

    @property
    def any(self) -> bool:
        """Whether frames are tied at all."""
        return len(self.steps) > 1 and (self.pushed is not None or bool((self.smoothness > 0).any()))

    def cost(self, pose: Pose) -> float:
        """Return the cost over all frames."""
        if not self.any:
            return 0.0
        cost = float((self._rough(pose) ** 2).sum())
        if self.pushed is not None:
            places = self._places(pose, self.pushed)[2]
            residual = acceleration_residual(places, self.pushed, difference_factors(self.steps))
            cost += float(terms.geman_mcclure(residual, self.pushed.robust_sd)[0].sum())
        return cost

    def equations(self, pose: Pose) -> Tied | None:
        """Return the equations, None if frames are not tied."""
        if not self.any:
            return None
        factors = difference_factors(self.steps)
        tied = _smooth_equations(self._rough(pose), self.smoothness, factors)
        if self.pushed is None:
            return tied
        return _with_accelerations(tied, *self._places(pose, self.pushed), self.pushed, factors)

    def _rough(self, pose: Pose) -> torch.Tensor:
        return terms.accelerations(pose, self.steps) * self.smoothness

    def _places(self, pose: Pose, pushed: Accelerations) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        placed = terms.place(pose, self.joints, self.joints[:0], torch.zeros(0, dtype=torch.long))
        return (
            placed.R_world_segment,
            placed.positions,
            sensor_places(placed.R_world_segment, placed.positions, pushed),
        )


def _smooth_equations(rough: torch.Tensor, weights: torch.Tensor, factors: torch.Tensor) -> Tied:
    """Equations of weighted accelerations `rough` (T - 2, 69), degree of freedom by degree of freedom."""
    frames, square = len(rough) + 2, weights**2
    count, gradient = torch.zeros(frames).double(), torch.zeros(frames, N_POSE).double()
    for shift in range(3):
        rows = slice(shift, frames - 2 + shift)
        count[rows] += factors[:, shift] ** 2
        gradient[rows] += factors[:, shift, None] * rough * weights
    next_one = torch.zeros(frames - 1).double()
    next_one[:-1] += factors[:, 0] * factors[:, 1]
    next_one[1:] += factors[:, 1] * factors[:, 2]
    return Tied(
        gradient=gradient,
        own=count[:, None] * square,
        next_one=next_one[:, None] * square,
        next_but_one=(factors[:, 0] * factors[:, 2])[:, None] * square,
    )


def _with_accelerations(
    tied: Tied,
    R: torch.Tensor,
    positions: torch.Tensor,
    places: torch.Tensor,
    pushed: Accelerations,
    factors: torch.Tensor,
) -> Tied:
    """Add the accelerations of places (T, N, 3), whose derivatives by three frames' poses go into dense blocks."""
    residual = acceleration_residual(places, pushed, factors)
    keep = terms.geman_mcclure(residual, pushed.robust_sd)[1]
    weight, pull = pushed.weight[1:-1] * keep, residual * keep[..., None]
    frames, square, f = len(places), weight**2, factors[..., None]
    own, force = torch.zeros_like(places[..., 0]), torch.zeros_like(places)
    one = torch.zeros_like(own[1:])
    for shift in range(3):
        rows = slice(shift, frames - 2 + shift)
        own[rows] += f[:, shift] ** 2 * square
        force[rows] += (f[:, shift] * weight)[..., None] * pull
    one[:-1] += f[:, 0] * f[:, 1] * square
    one[1:] += f[:, 1] * f[:, 2] * square
    gradient, blocks = _by_poses(R, positions, places, pushed.segment, force, (own, one, f[:, 0] * f[:, 2] * square))
    return replace(
        tied,
        gradient=tied.gradient + gradient,
        own_block=blocks[0],
        next_one_block=blocks[1],
        next_but_one_block=blocks[2],
    )


def _by_poses(
    R: torch.Tensor,
    positions: torch.Tensor,
    places: torch.Tensor,
    segment: torch.Tensor,
    force: torch.Tensor,
    weights: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return the gradient (T, 69) of forces (T, N, 3) on places, and blocks of weights (T - d, N) d frames apart."""
    about = frames_of(R, positions)
    moved = about.of_points(places)
    gradient = about.slope((moved.transpose(-1, -2) @ force[..., None])[..., 0], segment)
    blocks = []
    for apart, weight in enumerate(weights):
        block = torch.empty(len(weight), N_POSE, N_POSE, dtype=R.dtype)
        for start in range(0, len(weight), CHUNK):  # what is in the processor's cache
            some = slice(start, min(start + CHUNK, len(weight)))
            later = slice(some.start + apart, some.stop + apart)
            information = moved[later].transpose(-1, -2) @ (weight[some, :, None, None] * moved[some])
            columns = about.motions[some]
            rows = about.motions[later] if apart else columns
            block[some] = coupling(rows, columns, information, segment)
        blocks.append(block)
    return gradient, blocks
