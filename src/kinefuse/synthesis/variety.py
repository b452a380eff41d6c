"""Windows of motion with variety: drawn from the prepared file, varied, posed on random bodies; batched in PyTorch.

An hour and a half of motion stands for all that people do, so every window is another one: another body, mirrored,
faster or slower, larger or smaller movements, the legs of one clip under the arms of another, and every joint turned
by a smooth random rotation. How joint centres follow from orientations is geometry, and holds for all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Final

import numpy as np
import roma
import torch

from kinefuse.body.kinematics import joint_positions, world_from_local
from kinefuse.body.models import load_anny
from kinefuse.body.proportions import with_bone_lengths
from kinefuse.conventions import KEYPOINTS, SEGMENTS, mirror_permutation
from kinefuse.errors import KinefuseError
from kinefuse.synthesis.prepared import ROTATION_UNIT, PreparedClip

N_POINTS: Final = len(KEYPOINTS)
UPPER: Final = tuple(
    i for i, name in enumerate(SEGMENTS) if not name.startswith(("pelvis", "thigh", "shank", "foot", "toes"))
)
"""Segments that another clip may lend."""

TURN_SD_DEG: Final = {
    "pelvis": (5, 3, 8), "thigh": (5, 6, 9), "shank": (2, 3, 8), "foot": (4, 5, 7), "toes": (1, 1, 5),
    "lumbar": (3, 3, 4), "abdomen": (3, 3, 4), "thorax": (3, 3, 4), "neck": (4, 5, 5), "head": (4, 5, 5),
    "clavicle": (4, 4, 3), "upper_arm": (12, 12, 12), "forearm": (10, 8, 3), "hand": (5, 4, 8),
}  # fmt: skip
"""Standard deviation of a segment's random turn about X, Y, Z of its parent in the rest pose, degrees."""

ACTIVITY_POWER: Final = 0.5
"""Clips are drawn by their length, activities by this power of theirs: 1 would leave them as they are, 0 alike."""


@dataclass(frozen=True, kw_only=True)
class VarietyConfig:
    """Which variations are made; each is a switch.

    Attributes
    ----------
    shape : random bodies and bone lengths instead of the clip's own
    mirror : half of the windows left-right mirrored
    time_warp : share by which a window may be faster or slower
    compose : share of windows whose upper body is another clip's
    amplitude : share by which movements about the window's mean pose may be larger or smaller
    turns : size of the smooth random rotations of every joint, in units of `TURN_SD_DEG`
    yaw : every window heads anywhere; what a network learns that does not see windows facing one way
    """

    shape: bool = True
    mirror: bool = True
    time_warp: float = 0.25
    compose: float = 0.25
    amplitude: float = 0.25
    turns: float = 1.0
    yaw: bool = True


AS_RECORDED: Final = VarietyConfig(
    shape=False, mirror=False, time_warp=0.0, compose=0.0, amplitude=0.0, turns=0.0, yaw=False
)
"""No variation at all."""


def without(names: Sequence[str]) -> VarietyConfig:
    """Return all variations but those named.

    Raises
    ------
    KinefuseError
        If there is none of that name.
    """
    known = [f.name for f in fields(VarietyConfig)]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise KinefuseError(f"No variation is called {', '.join(map(repr, unknown))}; there are: {', '.join(known)}.")
    return replace(VarietyConfig(), **{name: getattr(AS_RECORDED, name) for name in names})


@dataclass(frozen=True)
class MotionWindows:
    """B windows of n frames.

    Attributes
    ----------
    R_world_segment : (B, n, 22, 3, 3)
    positions : (B, n, 22, 3) joints, metres, world
    inside : (B, n) false where the window reaches beyond its clip, whose last frame is held there
    rest_positions : (B, 22, 3) metres
    rest_points : (B, 26, 3) keypoints in the rest pose, metres
    shape : (B, 10)
    """

    R_world_segment: torch.Tensor
    positions: torch.Tensor
    inside: torch.Tensor
    rest_positions: torch.Tensor
    rest_points: torch.Tensor
    shape: torch.Tensor

    def every(self, step: int, start: int, count: int) -> "MotionWindows":
        """Return `count` frames from `start` on, `step` apart."""
        pick = slice(start, start + step * count, step)
        return replace(
            self,
            R_world_segment=self.R_world_segment[:, pick],
            positions=self.positions[:, pick],
            inside=self.inside[:, pick],
        )

    def keypoints(self) -> torch.Tensor:
        """Return keypoints (B, n, 26, 3), metres, world."""
        segment = segment_of_points()
        arms = self.rest_points - self.rest_positions[:, segment]
        turned = torch.einsum("btkij,bkj->btki", self.R_world_segment[:, :, segment], arms)
        return self.positions[:, :, segment] + turned


@cache
def segment_of_points() -> np.ndarray:
    """Return the index of the segment (26,) that each keypoint moves with on the embedded body."""
    return load_anny().point_segment[:N_POINTS]


_MIRROR: Final = mirror_permutation(SEGMENTS)


class MotionStore:
    """All clips as tensors, from which windows are drawn.

    Parameters
    ----------
    clips : of the prepared file
    variety : the variations that `draw` makes

    Raises
    ------
    KinefuseError
        If there is no clip.
    """

    def __init__(self, clips: list[PreparedClip], variety: VarietyConfig) -> None:
        if not clips:
            raise KinefuseError("There is no motion to draw windows from; the prepared file has no clip of this set.")
        self.variety = variety
        rotations = np.concatenate([clip.rotations for clip in clips])
        self.quaternions = roma.rotvec_to_unitquat(torch.from_numpy(rotations.astype(np.float32) * ROTATION_UNIT))
        self.root = torch.from_numpy(np.concatenate([clip.root for clip in clips]))
        self.lengths = torch.tensor([len(clip.root) for clip in clips])
        self.starts = self.lengths.cumsum(0) - self.lengths
        self.rates = torch.tensor([clip.rate_hz for clip in clips], dtype=torch.float32)
        self.rest = torch.from_numpy(np.stack([clip.rest_positions for clip in clips]))
        self.shapes = torch.from_numpy(np.stack([clip.shape for clip in clips]))
        self.weights = _weights(clips)
        body, longer = load_anny(), with_bone_lengths(load_anny())
        self.n_shape = body.n_shape
        self.stature_mean, self.stature_basis = body.stature_mean, body.stature_basis
        joints = (longer.joints_mean, longer.joints_basis, longer.points_mean, longer.points_basis)
        mean, basis, points, points_basis = (torch.as_tensor(a, dtype=torch.float32) for a in joints)
        self.mean = torch.cat([mean, points[:N_POINTS]])
        self.basis = torch.cat([basis, points_basis[:, :N_POINTS]], dim=1)

    def stature(self) -> tuple[float, torch.Tensor]:
        """Return the body's mean stature and how it grows with its shape (10,), metres."""
        return self.stature_mean, torch.as_tensor(self.stature_basis, dtype=torch.float32)

    def draw(self, count: int, frames: int, rate_hz: float, rng: torch.Generator) -> MotionWindows:
        """Return random windows.

        Parameters
        ----------
        count : B
        frames : n, at `rate_hz`
        rng : every number drawn comes from here
        """
        chosen = torch.multinomial(self.weights, count, replacement=True, generator=rng)
        local, root, inside = self._cut(chosen, frames, rate_hz, rng)
        local = self._vary(local, rng)
        if self.variety.mirror:
            flip = torch.rand(count, generator=rng) < 0.5
            local = torch.where(flip[:, None, None, None], _mirrored(local), local)
            root = torch.where(flip[:, None, None], root * torch.tensor([1.0, 1.0, -1.0]), root)
        matrices = roma.unitquat_to_rotmat(local)
        if self.variety.turns:
            matrices = matrices @ _random_turns(count, frames, rate_hz, self.variety.turns, rng)
        shape, rest, points = self._bodies(chosen, rng)
        if self.variety.yaw:
            matrices, root = _turned(matrices, root, rng)
        world = world_from_local(matrices)
        return MotionWindows(world, joint_positions(world, root, rest[:, None]), inside, rest, points, shape)

    def _cut(
        self, chosen: torch.Tensor, frames: int, rate_hz: float, rng: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Quaternions (B, n, 22, 4), root (B, n, 3), inside (B, n) of random, possibly warped, parts of clips."""
        warp = 1.0 + self.variety.time_warp * (2.0 * torch.rand(len(chosen), generator=rng) - 1.0)
        step = self.rates[chosen] / rate_hz * warp
        last = (self.lengths[chosen] - 1).float()
        spare = last - step * (frames - 1)
        begin = torch.rand(len(chosen), generator=rng) * spare
        at = begin[:, None] + step[:, None] * torch.arange(frames)
        # Rounding must not put the ends of a clip outside of it.
        inside = (at > -1e-3) & (at < last[:, None] + 1e-3)
        at = at.clamp_min(0).minimum(last[:, None])
        low = at.floor().long().minimum(self.lengths[chosen, None] - 2).clamp_min(0)
        share = (at - low)[..., None]
        low = low + self.starts[chosen, None]
        high = torch.minimum(low + 1, (self.starts + self.lengths - 1)[chosen, None])
        root = torch.lerp(self.root[low], self.root[high], share)
        a, b = self.quaternions[low], self.quaternions[high]
        b = torch.where((a * b).sum(-1, keepdim=True) < 0, -b, b)
        return _unit(torch.lerp(a, b, share[..., None])), root, inside

    def _vary(self, local: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        count = len(local)
        if self.variety.compose and count > 1:
            lent = torch.rand(count, generator=rng) < self.variety.compose
            other = torch.roll(local, 1, dims=0)[:, :, list(UPPER)]
            local[:, :, list(UPPER)] = torch.where(lent[:, None, None, None], other, local[:, :, list(UPPER)])
        if self.variety.amplitude:
            size = 1.0 + self.variety.amplitude * (2.0 * torch.rand(count, generator=rng) - 1.0)
            near = torch.where((local * local[:, :1]).sum(-1, keepdim=True) < 0, -local, local)
            mean = _unit(near.mean(1, keepdim=True))
            scaled = _unit(mean + size[:, None, None, None] * (near - mean))
            local = torch.cat([local[:, :, :1], scaled[:, :, 1:]], dim=2)
        return local

    def _bodies(self, chosen: torch.Tensor, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Shape (B, 10), rest joints (B, 22, 3) and rest keypoints (B, 26, 3)."""
        count, n_joints = len(chosen), len(SEGMENTS)
        if self.variety.shape:
            whole = torch.randn(count, len(self.basis), generator=rng)
            whole[:, self.n_shape :] *= 0.5
            places = self.mean + torch.einsum("bs,sji->bji", whole, self.basis)
            return whole[:, : self.n_shape], places[:, :n_joints], places[:, n_joints:]
        shape, rest = self.shapes[chosen], self.rest[chosen]
        places = self.mean + torch.einsum("bs,sji->bji", shape, self.basis[: self.n_shape])
        segment = segment_of_points()
        points = places[:, n_joints:] - places[:, segment] + rest[:, segment]
        return shape, rest, points


def _weights(clips: list[PreparedClip]) -> torch.Tensor:
    """How often each clip is drawn."""
    seconds = np.array([len(clip.root) / clip.rate_hz for clip in clips])
    activities = np.array([clip.activity for clip in clips])
    total = np.array([seconds[activities == activity].sum() for activity in activities])
    return torch.from_numpy(seconds * total ** (ACTIVITY_POWER - 1.0))


def _unit(quaternions: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(quaternions, dim=-1)


def _mirrored(local: torch.Tensor) -> torch.Tensor:
    """Quaternions (..., 22, 4), scalar last, of the motion's mirror image in the plane Z = 0."""
    return local[..., _MIRROR, :] * torch.tensor([-1.0, -1.0, 1.0, 1.0])


def _turned(local: torch.Tensor, root: torch.Tensor, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Local rotations (B, n, 22, 3, 3) and roots (B, n, 3), each window turned about the vertical by any angle."""
    yaw = 2 * np.pi * torch.rand(len(local), 1, generator=rng)
    turn = roma.rotvec_to_rotmat(yaw * torch.tensor([0.0, 1.0, 0.0]))[:, None]
    pelvis = turn[:, :, None] @ local[:, :, :1]
    return torch.cat([pelvis, local[:, :, 1:]], dim=2), (turn @ root[..., None])[..., 0]


def _random_turns(count: int, frames: int, rate_hz: float, size: float, rng: torch.Generator) -> torch.Tensor:
    """Rotations (B, n, 22, 3, 3), constant plus slowly varying, whose components have `TURN_SD_DEG`."""
    kinds = [name.removesuffix("_l").removesuffix("_r") for name in SEGMENTS]
    sd = size * torch.deg2rad(torch.tensor([TURN_SD_DEG[kind] for kind in kinds], dtype=torch.float32))
    # Most windows are turned a little, some a lot.
    each = 0.3 + 1.1 * torch.rand(count, 1, 1, 1, generator=rng)
    constant = torch.randn(count, 1, *sd.shape, generator=rng)
    hz = 0.1 + 0.6 * torch.rand(count, 1, *sd.shape, generator=rng)
    phase = 2 * np.pi * torch.rand(count, 1, *sd.shape, generator=rng)
    time = torch.arange(frames)[None, :, None, None] / rate_hz
    slow = torch.sin(2 * np.pi * hz * time + phase) * torch.randn(count, 1, *sd.shape, generator=rng)
    return roma.rotvec_to_rotmat(each * sd * (0.85 * constant + 0.7 * slow))
