"""What DeepFuse learns from: batches of volumes and orientations with the truth.

Each time a frame is used, it is turned by quarters about the vertical, maybe mirrored, its orientations get new errors,
and one camera may be shut (Huang et al., *DeepFuse*, section 3.1.2).
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Final

import numpy as np
import torch

from kinefuse.conventions import IMU_SITES, JOINTS, mirror_permutation
from kinefuse.rotations import matrix_from_rotvec
from kinefuse.training.volume_store import VolumeStore, unpack_channels
from kinefuse.vision.volumes import CHANNELS

N_SITES: Final = len(IMU_SITES)


@dataclass(frozen=True, kw_only=True)
class OrientationFaults:
    """How wrong bone orientations are that come from sensors whose mounting a held pose has told.

    Attributes
    ----------
    mounting_sd_rad : of each component of a sensor's constant turn on its bone: nobody holds the pose exactly
    heading_sd_rad : of a sensor's constant turn about the vertical
    noise_sd_rad : of each component of what changes from frame to frame: the filter, and soft tissue
    least, most : a frame's errors are this many times as large, all alike
    some_missing : share of frames in which sensors are missing, any number of them
    """

    mounting_sd_rad: float = float(np.deg2rad(3.5))
    heading_sd_rad: float = float(np.deg2rad(3.0))
    noise_sd_rad: float = float(np.deg2rad(1.5))
    least: float = 0.4
    most: float = 1.6
    some_missing: float = 0.15


@dataclass(frozen=True, kw_only=True)
class VolumeConfig:
    """How examples vary.

    Attributes
    ----------
    shuffle : frames come in another order every time round
    turn : frames are turned by quarters about the vertical, and half of them are mirrored
    random_shut : share of frames in which one random camera is shut
    orientations : their faults
    """

    shuffle: bool = True
    turn: bool = True
    random_shut: float = 0.2
    orientations: OrientationFaults = field(default_factory=OrientationFaults)


VALIDATION: Final = VolumeConfig(
    shuffle=False,
    turn=False,
    random_shut=0.0,
    orientations=OrientationFaults(least=1.0, most=1.0, some_missing=0.0),
)
"""What validation is judged by: every frame once, in the store's order, with faults that are the same every time."""


@dataclass(frozen=True)
class VolumeExample:
    """B frames; axes are parallel to a world that is turned about the vertical.

    Attributes
    ----------
    packed : (B, 64, 64, 64) uint8, axes x, y, z; bit k is channel k
    orientations : (B, 13, 3, 3) from segment to world, with their errors
    worn : (B, 13) bool, false where a sensor is missing
    joints : (B, 22, 3) metres from the volume's centre, the truth
    partial : (B,) bool, whether a camera does not see the whole person
    """

    packed: torch.Tensor
    orientations: torch.Tensor
    worn: torch.Tensor
    joints: torch.Tensor
    partial: torch.Tensor

    def to(self, device: torch.device) -> "VolumeExample":
        """Return the same on another device."""
        return VolumeExample(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    def volumes(self, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
        """Return the volumes (B, 8, 64, 64, 64), channels last in memory."""
        return unpack_channels(self.packed, dtype)


class VolumeExamples:
    """Makes batch after batch; a batch depends on the seed and its number only.

    Parameters
    ----------
    store : of volumes
    config : how examples vary
    seed : of everything that is drawn
    """

    def __init__(self, store: VolumeStore, config: VolumeConfig, seed: int) -> None:
        self.store, self.config, self.seed = store, config, seed

    def batch(self, number: int, count: int) -> VolumeExample:
        """Return the `number`-th batch, of `count` frames."""
        frames = self.frames(number, count)
        rng = np.random.default_rng([self.seed, number, 1])
        quarters = rng.integers(4, size=count) * self.config.turn
        mirrored = (rng.random(count) < 0.5) & self.config.turn
        parts = [
            self._frame(int(frame), int(quarter), bool(mirror), rng)
            for frame, quarter, mirror in zip(frames, quarters, mirrored, strict=True)
        ]
        packed, joints, R = (torch.stack(part) for part in zip(*parts, strict=True))
        orientations, worn = worn_orientations(R.numpy(), self.config.orientations, rng)
        return VolumeExample(
            packed=packed,
            orientations=torch.from_numpy(orientations.astype(np.float32)),
            worn=torch.from_numpy(worn),
            joints=joints,
            partial=torch.from_numpy(self.store.partial[frames]),
        )

    def _frame(
        self, frame: int, quarters: int, mirror: bool, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Packed volumes, joints and orientations of one frame."""
        packed = torch.from_numpy(np.array(self.store.volumes[frame]))
        if rng.random() < self.config.random_shut:
            packed = _shut_one(packed, rng)
        joints, R = (torch.from_numpy(array[frame]) for array in (self.store.joints, self.store.R_world_site))
        return turn(packed, joints, R, quarters, mirror)

    def frames(self, number: int, count: int) -> np.ndarray:
        """Return which frames (count,) the `number`-th batch holds: all once, then all again."""
        places = np.arange(number * count, (number + 1) * count)
        rounds, within = np.divmod(places, len(self.store))
        if not self.config.shuffle:
            return within
        orders = {int(k): np.random.default_rng([self.seed, k, 0]).permutation(len(self.store)) for k in set(rounds)}
        return np.array([orders[int(k)][i] for k, i in zip(rounds, within, strict=True)])


def turn(
    packed: torch.Tensor, joints: torch.Tensor, R_world_site: torch.Tensor, quarters: int, mirror: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return one frame as if room, cameras and person were mirrored in the plane Z = 0, then turned about Y.

    Parameters
    ----------
    packed : (64, 64, 64) uint8, bit k is channel k
    joints : (22, 3) metres from the volume's centre
    R_world_site : (13, 3, 3)
    quarters : turns of 90 degrees from +Z towards +X, in which a camera moves on by two of eight channels
    mirror : whether left becomes right; the camera of channel k, at 45 k degrees, goes to channel 4 - k
    """
    if mirror:
        flip = torch.tensor([1.0, 1.0, -1.0])
        packed, joints = packed.flip(2), joints[_swapped(JOINTS)] * flip
        R_world_site = flip[:, None] * R_world_site[_swapped(IMU_SITES)] * flip
    channels = [((4 - k if mirror else k) + 2 * quarters) % CHANNELS for k in range(CHANNELS)]
    about = torch.from_numpy(matrix_from_rotvec(np.array([0.0, quarters * np.pi / 2, 0.0])).astype(np.float32))
    packed = torch.rot90(packed, quarters, dims=(2, 0))
    return _moved_bits(tuple(channels))[packed.int()], joints @ about.T, about @ R_world_site


@cache
def _swapped(names: tuple[str, ...]) -> torch.Tensor:
    return torch.from_numpy(mirror_permutation(names))


@cache
def _moved_bits(channels: tuple[int, ...]) -> torch.Tensor:
    """What becomes of each byte (256,) when bit k moves to `channels[k]`."""
    values = torch.arange(256)
    moved = [((values >> k) & 1) << to for k, to in enumerate(channels)]
    return torch.stack(moved).sum(0).to(torch.uint8)


def _shut_one(packed: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Empty one of the channels in which there is anything."""
    any_voxel = int(np.bitwise_or.reduce(packed.numpy(), axis=None))
    shown = [k for k in range(CHANNELS) if any_voxel >> k & 1]
    return packed & (255 - (1 << int(rng.choice(shown)))) if shown else packed


def worn_orientations(
    truth: np.ndarray, faults: OrientationFaults, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return orientations (B, 13, 3, 3) with errors, and whether a sensor is there (B, 13), of the truth's."""
    count = len(truth)
    size = rng.uniform(faults.least, faults.most, (count, 1, 1))
    on_bone = faults.mounting_sd_rad * rng.standard_normal((count, N_SITES, 3))
    on_bone += faults.noise_sd_rad * rng.standard_normal((count, N_SITES, 3))
    heading = faults.heading_sd_rad * rng.standard_normal((count, N_SITES, 1)) * np.array([0.0, 1.0, 0.0])
    some = rng.random((count, 1)) < faults.some_missing
    gone = some & (rng.random((count, N_SITES)) < rng.random((count, 1)))
    return matrix_from_rotvec(size * heading) @ truth.astype(float) @ matrix_from_rotvec(size * on_bone), ~gone
