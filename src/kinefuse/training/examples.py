"""What networks learn from: batches of noisy signals with the truth, made as they are needed."""

from dataclasses import dataclass, field, replace
from typing import Final

import torch

from kinefuse.models.signals import COCO, N_POINTS, RATE_HZ, Signals
from kinefuse.synthesis.imu_batches import MARGIN, STEP, WearConfig, readings
from kinefuse.synthesis.joint_noise import NOISE_PROFILES, JointNoise, add_noise
from kinefuse.synthesis.variety import MotionStore, MotionWindows, segment_of_points

STATURE_SD_M: Final = 0.01
"""How well people know how tall they are."""


@dataclass(frozen=True, kw_only=True)
class Difficulty:
    """How noisy examples are.

    Attributes
    ----------
    profiles : joint-centre noise profiles and how often each is used
    least, most : a window's noise level, in units of its profile's own
    coco_only : share of windows without the keypoints of feet, neck and head that COCO-17 lacks
    some_missing : share of windows in which points are missing
    wear : of sensors
    """

    profiles: dict[str, float] = field(
        default_factory=lambda: {"authors": 0.5, "paper": 0.2, "camera": 0.18, "clean": 0.12}
    )
    least: float = 0.3
    most: float = 2.4
    coco_only: float = 0.3
    some_missing: float = 0.15
    wear: WearConfig = field(default_factory=WearConfig)


EVALUATION: Final = Difficulty(
    profiles={"authors": 1.0},
    least=1.0,
    most=1.0,
    coco_only=0.0,
    some_missing=0.0,
    wear=WearConfig(any_mounting=0.0, some_missing=0.0),
)
"""What validation is judged by."""


@dataclass(frozen=True)
class Example:
    """B windows of T frames.

    Attributes
    ----------
    signals : what a network sees
    R_world_segment : (B, T, 22, 3, 3), the truth
    positions : (B, T, 22, 3) joints, metres, world
    shape : (B, 10)
    inside : (B, T) one where there is a truth
    """

    signals: Signals
    R_world_segment: torch.Tensor
    positions: torch.Tensor
    shape: torch.Tensor
    inside: torch.Tensor

    def to(self, device: torch.device) -> "Example":
        """Return the same on another device."""
        truth = (self.R_world_segment, self.positions, self.shape, self.inside)
        return Example(self.signals.to(device), *(part.to(device) for part in truth))


class ExampleMaker:
    """Makes batch after batch; a batch depends on the seed and its number only.

    Parameters
    ----------
    store : of motion
    window : frames at the networks' rate
    video, imu : which modalities are wanted
    difficulty : how noisy
    seed : of everything that is drawn
    """

    def __init__(
        self, store: MotionStore, window: int, *, video: bool, imu: bool, difficulty: Difficulty, seed: int
    ) -> None:
        self.store, self.window, self.video, self.imu = store, window, video, imu
        self.difficulty, self.seed = difficulty, seed
        self.stature_mean, self.stature_basis = store.stature()

    def batch(self, number: int, count: int) -> Example:
        """Return the `number`-th batch, of `count` windows."""
        rng = torch.Generator().manual_seed((self.seed * 1_000_003 + number) % 2**62)
        signals = Signals()
        if self.imu:
            dense = self.store.draw(count, STEP * self.window + 2 * MARGIN, STEP * RATE_HZ, rng)
            rate, force, worn = readings(dense, STEP * RATE_HZ, self.difficulty.wear, rng)
            motion = dense.every(STEP, MARGIN, self.window)
            signals = replace(signals, angular_rate=rate, specific_force=force, worn=worn)
        else:
            motion = self.store.draw(count, self.window, RATE_HZ, rng)
        signals = replace(signals, stature=self._stature(motion, rng))
        if self.video:
            points, confidence = self._points(motion, rng)
            signals = replace(signals, points=points, confidence=confidence)
        return Example(signals, motion.R_world_segment, motion.positions, motion.shape, motion.inside.float())

    def _stature(self, motion: MotionWindows, rng: torch.Generator) -> torch.Tensor:
        known = torch.rand(len(motion.shape), generator=rng) < 0.5
        error = STATURE_SD_M * torch.randn(len(motion.shape), generator=rng)
        return torch.where(known, self.stature_mean + motion.shape @ self.stature_basis + error, torch.nan)

    def _points(self, motion: MotionWindows, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = self.difficulty.profiles
        weights = torch.tensor(list(chosen.values()))
        profile = list(chosen)[int(torch.multinomial(weights, 1, generator=rng))]
        count = len(motion.shape)
        size = self.difficulty.least + (self.difficulty.most - self.difficulty.least) * torch.rand(count, generator=rng)
        settings = NOISE_PROFILES[profile]
        level = size * settings.level_m if isinstance(settings, JointNoise) else None
        points, confidence = add_noise(
            profile,
            motion.keypoints(),
            rng,
            level_m=level,
            R_world_segment=motion.R_world_segment[:, :, segment_of_points()],
        )
        return points, confidence * self._seen(motion.inside, rng)

    def _seen(self, inside: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """(B, T, 26) zero beyond the clip, and for points that are missing."""
        count = len(inside)
        seen = torch.ones(count, N_POINTS)
        coco = torch.rand(count, generator=rng) < self.difficulty.coco_only
        seen[coco, len(COCO) :] = 0.0
        some = torch.rand(count, 1, generator=rng) < self.difficulty.some_missing
        share = 0.4 * torch.rand(count, 1, generator=rng)
        seen[some & (torch.rand(count, N_POINTS, generator=rng) < share)] = 0.0
        return seen[:, None] * inside[..., None]
