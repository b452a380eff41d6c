"""The equations of inertial sensors on a body: residuals of orientations and accelerations, and their derivatives.

A segment's small turn in the world is the sum of the turns of its ancestors, each rotated into the world, so that an
orientation tells of the whole chain from the pelvis. An acceleration is the second difference of a sensor's place over
three frames (von Marcard et al. 2017, Sparse Inertial Poser), and ties those together.
"""

from dataclasses import dataclass, replace

import torch

from kinefuse.body.kinematics import IS_ANCESTOR, N_SEGMENTS
from kinefuse.body.priors import rotvec_with_jacobian

UP = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)


@dataclass(frozen=True)
class Orientations:
    """Orientations of segments, as sensors tell them.

    Attributes
    ----------
    R_world_segment : (T, N, 3, 3); any rotation where the weight is zero
    weight : (T, N) inverse standard deviations, 1/rad; zero where nothing is known
    segment : (N,)
    """

    R_world_segment: torch.Tensor
    weight: torch.Tensor
    segment: torch.Tensor

    def frames(self, index: torch.Tensor | slice) -> "Orientations":
        """Return some of the frames."""
        return Orientations(self.R_world_segment[index], self.weight[index], self.segment)


def orientation_residual(R_world_segment: torch.Tensor, told: Orientations) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the turns (T, N, 3) from the told to the modelled orientations, in standard deviations.

    The second value, (T, N, 3, 3), is their derivative by a turn of the segment in its own axes.
    """
    between = told.R_world_segment.transpose(-1, -2) @ R_world_segment[:, told.segment]
    vector, rates = rotvec_with_jacobian(between)
    return vector * told.weight[..., None], rates * told.weight[..., None, None]


def orientation_jacobian(R_world_segment: torch.Tensor, rates: torch.Tensor, segment: torch.Tensor) -> torch.Tensor:
    """Return the derivative (T, N, 3, 66) of `orientation_residual` by the turns of all segments.

    Parameters
    ----------
    R_world_segment : (T, 22, 3, 3)
    rates : (T, N, 3, 3), the second value of `orientation_residual`
    segment : (N,)
    """
    frames, count = rates.shape[:2]
    to_own = rates @ R_world_segment[:, segment].transpose(-1, -2)
    columns = R_world_segment.transpose(1, 2).reshape(frames, 3, 3 * N_SEGMENTS)
    whole = (to_own.reshape(frames, 3 * count, 3) @ columns).reshape(frames, count, 3, N_SEGMENTS, 3)
    return (whole * IS_ANCESTOR[segment][:, None, :, None]).flatten(-2)


@dataclass(frozen=True)
class WornSensors:
    """Sensors on segments, each with two unknowns: how it is mounted, and a heading that may drift.

    Attributes
    ----------
    R_level_sensor : (T, N, 3, 3) sensor to a frame with Y up that has a heading of its own; any where unknown
    weight : (T, N) as in `Orientations`
    segment : (N,)
    R_segment_sensor : (N, 3, 3)
    heading : (N, K) radians, of the level frame in the world, at knots in time
    blend : (T, K) each frame's share of the knots, adding up to one
    covariance : (3 N + N K, 3 N + N K) rad² of turns of the mountings and of the headings, or None if they are known
    """

    R_level_sensor: torch.Tensor
    weight: torch.Tensor
    segment: torch.Tensor
    R_segment_sensor: torch.Tensor
    heading: torch.Tensor
    blend: torch.Tensor
    covariance: torch.Tensor | None = None

    @property
    def R_world_level(self) -> torch.Tensor:
        """(T, N, 3, 3)."""
        return yaw_rotation(self.blend @ self.heading.T)

    def orientations(self) -> Orientations:
        """Return what they tell of their segments."""
        R = self.R_world_level @ self.R_level_sensor @ self.R_segment_sensor.transpose(-1, -2)
        return Orientations(R, self.weight, self.segment)

    def frames(self, index: torch.Tensor | slice) -> "WornSensors":
        """Return some of the frames."""
        return replace(
            self, R_level_sensor=self.R_level_sensor[index], weight=self.weight[index], blend=self.blend[index]
        )


def yaw_rotation(angle: torch.Tensor) -> torch.Tensor:
    """Return rotations (..., 3, 3) by angles (...) about world up, radians."""
    c, s, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([c, zero, s, zero, one, zero, -s, zero, c], dim=-1).unflatten(-1, (3, 3))


def constants_jacobian(worn: WornSensors, rates: torch.Tensor) -> torch.Tensor:
    """Return the derivative (T, N, 3, 4) of `orientation_residual` by what is constant about each sensor.

    The first three columns are a turn that follows the mounting, in the sensor's axes; the last is the heading at that
    frame.

    Parameters
    ----------
    rates : (T, N, 3, 3), the second value of `orientation_residual`
    """
    # Turns that precede a rotation act by the inverse left Jacobian, which is the transpose of the right one.
    left = rates.transpose(-1, -2)
    up = worn.orientations().R_world_segment.transpose(-1, -2) @ UP
    return torch.cat([left @ worn.R_segment_sensor, -(left @ up[..., None])], dim=-1)


@dataclass(frozen=True)
class Accelerations:
    """Accelerations of places on the body.

    Attributes
    ----------
    value : (T, N, 3) m/s², world, without gravity; anything where the weight is zero
    weight : (T, N) inverse standard deviations; zero where nothing is known
    segment : (N,)
    offset : (N, 3) metres from the segment's joint, in segment axes
    robust_sd : standard deviations at which one has lost three quarters of its weight
    """

    value: torch.Tensor
    weight: torch.Tensor
    segment: torch.Tensor
    offset: torch.Tensor
    robust_sd: float

    def frames(self, index: torch.Tensor | slice) -> "Accelerations":
        """Return some of the frames."""
        return replace(self, value=self.value[index], weight=self.weight[index])


def sensor_places(R_world_segment: torch.Tensor, positions: torch.Tensor, told: Accelerations) -> torch.Tensor:
    """Return where the sensors are, (T, N, 3) metres, for rotations (T, 22, 3, 3) and joints (T, 22, 3)."""
    arms = (R_world_segment[:, told.segment] @ told.offset[..., None])[..., 0]
    return positions[:, told.segment] + arms


def acceleration_residual(places: torch.Tensor, told: Accelerations, factors: torch.Tensor) -> torch.Tensor:
    """Return modelled minus told accelerations (T - 2, N, 3) of places (T, N, 3), in standard deviations.

    Those told in the first and the last frame are not used.

    Parameters
    ----------
    factors : (T - 2, 3) of three neighbouring frames in an acceleration, 1/s²
    """
    a, b, c = factors.T[:, :, None, None]
    modelled = a * places[:-2] + b * places[1:-1] + c * places[2:]
    return (modelled - told.value[1:-1]) * told.weight[1:-1, :, None]
