"""What DeepFuse says of silhouettes: volumes are built and answered part by part, for trials of any length."""

from dataclasses import dataclass
from typing import Final, Protocol, cast

import numpy as np
import torch

from kinefuse.conventions import IMU_SITES, JOINTS, mirror_permutation
from kinefuse.errors import KinefuseError
from kinefuse.estimators.network_answers import is_shipped, shipped
from kinefuse.estimators.silhouettes import Silhouettes
from kinefuse.models.deepfuse import DeepFuse, DeepFuseConfig, VolumeAnswer, for_inference
from kinefuse.vision.performer import find_performer
from kinefuse.vision.volumes import VoxelTable, build_volumes, probabilistic_hull

PART: Final = 32
"""Frames whose volumes are in memory at once: 67 MB for eight cameras."""

BATCH: Final = 8

MIRRORED_CHANNELS: Final = [(4 - k) % 8 for k in range(8)]
"""Where in the mirror the camera of each channel is; channel k is at 45 k degrees (`vision.volumes`)."""


class VolumeNetwork(Protocol):
    """A trained network: volumes in, and orientations of bones where there are any; joints out."""

    config: DeepFuseConfig

    def __call__(
        self, volumes: torch.Tensor, orientations: torch.Tensor | None = None, worn: torch.Tensor | None = None
    ) -> VolumeAnswer:
        """Return what it says of B volumes, see `models.deepfuse.DeepFuse.forward`."""
        ...


def shipped_deepfuse(name: str) -> VolumeNetwork:
    """Return the network of an estimator that comes with the package.

    Raises
    ------
    KinefuseError
        If its weights are missing.
    """
    if not is_shipped(name):
        raise KinefuseError(
            f"{name} needs trained weights, and this installation has none; train them with `kinefuse train {name}` "
            f"and name the file: --estimator {name}=FILE."
        )
    return cast(VolumeNetwork, shipped(name))


@dataclass(frozen=True)
class Performer:
    """Silhouettes with the place of the person whom they show.

    Attributes
    ----------
    seen
    table : of the rig's voxels
    centres : (T, 3) metres, world; NaN where fewer than two cameras show a person, or they do not agree on a place
    """

    seen: Silhouettes
    table: VoxelTable
    centres: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """(T,) true where the performer is found."""
        return np.asarray(np.isfinite(self.centres).all(axis=1))


def found_performer(seen: Silhouettes, estimator: str) -> Performer:
    """Return where the performer is.

    Raises
    ------
    KinefuseError
        If nobody is found in any frame.
    """
    table = VoxelTable(seen.cameras, seen.mattes)
    performer = Performer(seen, table, find_performer(table, seen.mattes, seen.rows))
    if not performer.known.any():
        raise KinefuseError(
            f"{estimator} found nobody: in no frame do two cameras' silhouettes show a person at one place; check that "
            "calibration.toml belongs to them, that camera names are not exchanged, and start_s of each camera."
        )
    return performer


class BothWays:
    """A network that looks at every scene and at its mirror image, and says the mean.

    As Newell et al. 2016 do with images: on people kept for validation it takes 7 % off the error, for twice the time.
    """

    def __init__(self, network: VolumeNetwork) -> None:
        self.network, self.config, self.device = network, network.config, device_of(network)
        self.sites, self.joints = (torch.from_numpy(mirror_permutation(names)) for names in (IMU_SITES, JOINTS))

    def __call__(
        self, volumes: torch.Tensor, orientations: torch.Tensor | None = None, worn: torch.Tensor | None = None
    ) -> VolumeAnswer:
        """Return the mean of both answers, and the heatmaps of the scene as it is, on the network's own device."""
        flip, channels = torch.tensor([1.0, 1.0, -1.0]), MIRRORED_CHANNELS if volumes.shape[1] > 1 else [0]
        volumes, flip = volumes.to(self.device), flip.to(self.device)
        if orientations is not None:
            orientations = orientations.to(self.device)
            orientations = torch.cat([orientations, flip[:, None] * orientations[:, self.sites] * flip])
        if worn is not None:
            worn = worn.to(self.device)
            worn = torch.cat([worn, worn[:, self.sites]])
        answer = self.network(torch.cat([volumes, volumes.flip(4)[:, channels]]), orientations, worn)
        first, joints = (self._mean(found, flip) for found in (answer.first, answer.joints))
        return VolumeAnswer(first, joints, tuple(heatmap[: len(volumes)] for heatmap in answer.heatmaps))

    def _mean(self, found: torch.Tensor, flip: torch.Tensor) -> torch.Tensor:
        """Return the mean (B, 22, 3) of what was found in B scenes and in their mirror images, (2 B, 22, 3)."""
        scene, mirror = found.chunk(2)
        return 0.5 * (scene + mirror[:, self.joints] * flip)


def device_of(network: VolumeNetwork) -> torch.device:
    """Return where a network computes: where its weights are; the CPU for what has none."""
    return next(network.parameters()).device if isinstance(network, torch.nn.Module) else torch.device("cpu")


def ready(network: VolumeNetwork) -> VolumeNetwork:
    """Return a network that answers as fast as it can, on a GPU of CUDA where there is one, and looks both ways."""
    if not isinstance(network, DeepFuse):
        return network
    device = torch.device("cuda") if torch.cuda.is_available() else device_of(network)
    return BothWays(for_inference(network).to(device))


@torch.inference_mode()
def joints_of(
    network: VolumeNetwork,
    performer: Performer,
    frames: np.ndarray,
    orientations: np.ndarray | None = None,
    worn: np.ndarray | None = None,
) -> np.ndarray:
    """Return joints (N, 22, 3) metres, world, of some frames (N,); NaN where the performer is not found.

    Parameters
    ----------
    network : which `ready` made
    performer
    frames : their numbers
    orientations, worn : (N, 13, 3, 3) and (N, 13) of these frames, as the network takes them; None for none
    """
    out = np.full((len(frames), len(JOINTS), 3), np.nan)
    places = np.flatnonzero(performer.known[frames])
    for start in range(0, len(places), PART):
        part = places[start : start + PART]
        at = frames[part]
        built = build_volumes(performer.table, performer.seen.mattes, performer.centres[at], performer.seen.rows[at])
        for first in range(0, len(part), BATCH):
            rows = slice(first, first + BATCH)
            told = [None if a is None else torch.as_tensor(a[part[rows]]).float() for a in (orientations, worn)]
            answer = network(_input(built.channels[rows], network.config.channels), *told)
            out[part[rows]] = answer.joints.cpu().double().numpy() + built.centres[rows, None]
    return out


def _input(channels: np.ndarray, wanted: int) -> torch.Tensor:
    """Return volumes as the network takes them: a channel a camera, or one probabilistic hull."""
    if wanted == 1:
        return torch.from_numpy(probabilistic_hull(channels)[:, None])
    return torch.from_numpy(channels.view(np.uint8))
