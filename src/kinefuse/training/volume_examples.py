"""What DeepFuse learns from: batches of volumes and orientations with the truth, from the cache of rendered mattes.

Each time a frame is used, it is turned about the vertical (the rig and the person alike, by any angle), its mattes get
new faults, the volume's centre misses the person's middle as `kinefuse.vision.performer` does, and one camera may be
shut (Huang et al., *DeepFuse*, section 3.1.2).
"""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import torch

from kinefuse.errors import KinefuseError
from kinefuse.rotations import matrix_from_rotvec
from kinefuse.synthesis.matte_noise import MatteFaults, spoil
from kinefuse.training.matte_cache import MatteCache
from kinefuse.training.volume_making import Shots, project_mattes
from kinefuse.vision.cameras import project
from kinefuse.vision.volumes import CHANNELS, SIDE, camera_slots

N_SITES: Final = 13


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
    yaw : frames are turned about the vertical, by any angle
    random_shut : share of frames in which one random camera is shut
    shift_sd_m : of each component of the centre's error, metres
    mattes, orientations : their faults
    """

    shuffle: bool = True
    yaw: bool = True
    random_shut: float = 0.2
    shift_sd_m: float = 0.05
    mattes: MatteFaults = field(default_factory=MatteFaults)
    orientations: OrientationFaults = field(default_factory=OrientationFaults)


VALIDATION: Final = VolumeConfig(
    shuffle=False,
    yaw=False,
    random_shut=0.0,
    orientations=OrientationFaults(least=1.0, most=1.0, some_missing=0.0),
)
"""What validation is judged by: every frame once, in the cache's order, with faults that are the same every time."""


@dataclass(frozen=True)
class VolumeExample:
    """B frames; axes are parallel to a world that is turned about the vertical.

    Attributes
    ----------
    volumes : (B, 8, 64, 64, 64) uint8
    orientations : (B, 13, 3, 3) from segment to world, with their errors
    worn : (B, 13) bool, false where a sensor is missing
    joints : (B, 22, 3) metres from the volume's centre, the truth
    partial : (B,) bool, whether a camera does not see the whole person
    frames : (B,) int, which frames of the cache these are
    """

    volumes: torch.Tensor
    orientations: torch.Tensor
    worn: torch.Tensor
    joints: torch.Tensor
    partial: torch.Tensor
    frames: torch.Tensor

    def to(self, device: torch.device) -> "VolumeExample":
        """Return the same on another device."""
        return VolumeExample(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class FlatExample:
    """A batch before its volumes are built: 15 times smaller, to be sent to a GPU.

    Attributes
    ----------
    shots : N mattes that show somebody
    owner, slot : (N,) the frame and the channel of each
    example : the rest, with no voxel along its volumes' edges
    """

    shots: Shots
    owner: torch.Tensor
    slot: torch.Tensor
    example: VolumeExample

    def to(self, device: torch.device) -> "FlatExample":
        """Return the same on another device."""
        return FlatExample(self.shots.to(device), self.owner.to(device), self.slot.to(device), self.example.to(device))

    def build(self) -> VolumeExample:
        """Return the batch with its volumes, built where it lies."""
        count, device = len(self.example.joints), self.owner.device
        volumes = torch.zeros((count, CHANNELS, SIDE, SIDE, SIDE), dtype=torch.uint8, device=device)
        volumes[self.owner, self.slot] = project_mattes(self.shots)
        return replace(self.example, volumes=volumes)


class VolumeMaker:
    """Makes batch after batch; a batch depends on the seed and its number only.

    Parameters
    ----------
    cache : of rendered mattes
    config : how examples vary
    seed : of everything that is drawn
    """

    def __init__(self, cache: MatteCache, config: VolumeConfig, seed: int) -> None:
        self.cache, self.config, self.seed = cache, config, seed
        self.whole = ~cache.partial()

    def batch(self, number: int, count: int) -> VolumeExample:
        """Return the `number`-th batch, of `count` frames."""
        return self.flat_batch(number, count).build()

    def flat_batch(self, number: int, count: int) -> FlatExample:
        """Return the `number`-th batch with its mattes, from which `FlatExample.build` makes the volumes."""
        frames = self._frames(number, count)
        rng = np.random.default_rng([self.seed, number, 1])
        yaw = rng.uniform(-np.pi, np.pi, count) * self.config.yaw
        turns = matrix_from_rotvec(yaw[:, None] * np.array([0.0, 1.0, 0.0]))
        centres = self.cache.middle[frames] + self.config.shift_sd_m * rng.standard_normal((count, 3))
        joints = np.einsum("bij,bkj->bki", turns, self.cache.joints[frames] - centres[:, None])
        orientations, worn = self._orientations(frames, turns, rng)
        shots, owner, slot = self._shots(frames, turns, centres, rng)
        example = VolumeExample(
            volumes=torch.zeros((count, CHANNELS, 0, 0, 0), dtype=torch.uint8),
            orientations=torch.from_numpy(orientations.astype(np.float32)),
            worn=torch.from_numpy(worn),
            joints=torch.from_numpy(joints.astype(np.float32)),
            partial=torch.from_numpy(~self.whole[frames]),
            frames=torch.from_numpy(frames),
        )
        return FlatExample(shots, torch.from_numpy(owner), torch.from_numpy(slot), example)

    def _frames(self, number: int, count: int) -> np.ndarray:
        """Which frames (B,) are used: all once, then all again."""
        places = np.arange(number * count, (number + 1) * count)
        rounds, within = np.divmod(places, len(self.cache))
        if not self.config.shuffle:
            return within
        orders = {int(k): np.random.default_rng([self.seed, k, 0]).permutation(len(self.cache)) for k in set(rounds)}
        return np.array([orders[int(k)][i] for k, i in zip(rounds, within, strict=True)])

    def _orientations(
        self, frames: np.ndarray, turns: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Orientations (B, 13, 3, 3) with errors, and whether a sensor is there (B, 13)."""
        faults, count = self.config.orientations, len(frames)
        size = rng.uniform(faults.least, faults.most, (count, 1, 1))
        on_bone = faults.mounting_sd_rad * rng.standard_normal((count, N_SITES, 3))
        on_bone += faults.noise_sd_rad * rng.standard_normal((count, N_SITES, 3))
        heading = faults.heading_sd_rad * rng.standard_normal((count, N_SITES, 1)) * np.array([0.0, 1.0, 0.0])
        truth = turns[:, None] @ self.cache.R_world_site[frames].astype(float)
        some = rng.random((count, 1)) < faults.some_missing
        gone = some & (rng.random((count, N_SITES)) < rng.random((count, 1)))
        return matrix_from_rotvec(size * heading) @ truth @ matrix_from_rotvec(size * on_bone), ~gone

    def _shots(
        self, frames: np.ndarray, turns: np.ndarray, centres: np.ndarray, rng: np.random.Generator
    ) -> tuple[Shots, np.ndarray, np.ndarray]:
        """Shots, and the frame and channel of each (N,)."""
        cache, owner, slot, view_of, pictures = self.cache, [], [], [], []
        for number, frame in enumerate(frames):
            channels = self._slots(int(cache.rig[frame]), turns[number], centres[number])
            images = self._mattes(int(frame), rng)
            shut = rng.integers(len(images)) if rng.random() < self.config.random_shut else -1
            for view, image in enumerate(images):
                if view != shut and image.any():
                    owner.append(number)
                    slot.append(channels[view])
                    view_of.append(view)
                    pictures.append(image)
        at = np.array(owner, dtype=int)
        rig, views = cache.rig[frames[at]], np.array(view_of, dtype=int)
        ends = np.cumsum([0, *((p.shape[0] + 2) * (p.shape[1] + 2) for p in pictures)])
        moved = cache.translation[rig, views] + np.einsum("nij,nj->ni", cache.rotation[rig, views], centres[at])
        arrays = (
            cache.matrix[rig, views],
            cache.distortions[rig, views],
            cache.rotation[rig, views] @ np.swapaxes(turns[at], 1, 2),
            moved,
            cache.fields[rig, views],
        )
        shots = Shots(
            _row(pictures),
            torch.from_numpy(ends[:-1].astype(np.int32)),
            torch.from_numpy(cache.sizes[rig, views].astype(np.int32)),
            *(torch.from_numpy(a.astype(np.float32)) for a in arrays),
        )
        return shots, at, np.array(slot, dtype=int)

    def _slots(self, rig: int, turn: np.ndarray, centre: np.ndarray) -> np.ndarray:
        """Channel (V,) of each camera of a turned rig."""
        cameras = [
            replace(camera, R_camera_world=R, translation=camera.translation + camera.R_camera_world @ centre)
            for camera in self.cache.cameras(rig)
            for R in [camera.R_camera_world @ turn.T]
        ]
        return camera_slots(cameras, np.zeros((1, 3)))[0]

    def _mattes(self, frame: int, rng: np.random.Generator) -> list[np.ndarray]:
        """Mattes, each (H, W) bool, of a frame, with faults."""
        cache, rig = self.cache, int(self.cache.rig[frame])
        cameras = cache.cameras(rig)
        images = []
        for view, camera in enumerate(cameras):
            image = np.zeros(camera.size[::-1], dtype=bool)
            crop = cache.crop(frame, view)
            part = image[crop.row : crop.row + crop.cells.shape[0], crop.column : crop.column + crop.cells.shape[1]]
            part[:] = crop.cells[:, : part.shape[1]]
            images.append(image)
        joints = [project(camera, cache.joints[frame]) for camera in cameras]
        away = [float(np.linalg.norm(camera.centre - cache.middle[frame])) for camera in cameras]
        scales = [camera.matrix[0, 0] / distance for camera, distance in zip(cameras, away, strict=True)]
        spoil(images, joints, scales, rng, self.config.mattes)
        return images


def _row(pictures: list[np.ndarray]) -> torch.Tensor:
    """All pictures' cells, each with a border, (C,) uint8."""
    if not pictures:
        return torch.zeros(1, dtype=torch.uint8)
    return torch.from_numpy(np.concatenate([np.pad(p, 1).ravel() for p in pictures]).view(np.uint8))


def check_split(cache: MatteCache, split: str) -> None:
    """Refuse a cache of other people than those of `split`.

    Raises
    ------
    KinefuseError
        If they are.
    """
    if cache.split != split:
        raise KinefuseError(f"Expected a cache of mattes of the people for {split}, got one for {cache.split}.")
