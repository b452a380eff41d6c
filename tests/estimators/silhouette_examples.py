"""Recordings of silhouettes, and a network that knows what is asked of it, for the tests of DeepFuse's estimators."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from kinefuse.estimators.volume_answers import Performer
from kinefuse.evaluation.filmed_mattes import filmed_mattes
from kinefuse.evaluation.material import Clip
from kinefuse.models.deepfuse import DEEPFUSE_PRESETS, DeepFuseConfig, VolumeAnswer
from kinefuse.motion import Motion
from kinefuse.recordings import Recording
from kinefuse.vision.mattes import Mattes


def silhouette_recording(motion: Motion, folder: Path, cameras: int = 4) -> Recording:
    """A recording of the mattes of a dressed person, 25 frames a second, in files under `folder`."""
    seen = filmed_mattes(Clip(subject="anna", name="swing", activity="", truth=motion), 0, cameras)
    return Recording(cameras=seen.cameras, views=seen.stored(folder))


class KnowingNetwork:
    """Answers true joints, frame after frame, again and again; keeps what it was told of orientations.

    Parameters
    ----------
    joints : (T, 22, 3) metres, world, of all frames in which the performer is found
    centres : (T, 3) of the volumes
    """

    def __init__(self, joints: np.ndarray, centres: np.ndarray, config: DeepFuseConfig | None = None) -> None:
        self.config = config or DEEPFUSE_PRESETS["tiny"]
        self.joints, self.next = joints - centres[:, None], 0
        self.told: list[tuple[torch.Tensor, torch.Tensor]] = []

    def __call__(
        self, volumes: torch.Tensor, orientations: torch.Tensor | None = None, worn: torch.Tensor | None = None
    ) -> VolumeAnswer:
        frames = (self.next + np.arange(len(volumes))) % len(self.joints)
        self.next += len(volumes)
        if orientations is not None and worn is not None:
            self.told.append((orientations, worn))
        joints = torch.as_tensor(self.joints[frames])
        return VolumeAnswer(joints, joints, ())


def knowing(truth: Motion, performer: Performer) -> KnowingNetwork:
    """A network that knows the joints of a motion whose frames are the performer's."""
    from kinefuse.vision.volumes import snap

    known = performer.known
    return KnowingNetwork(truth.positions[known], snap(performer.centres[known])[1])


def emptied(mattes: Mattes, frames: slice) -> Mattes:
    """The same mattes without anybody in some frames."""
    packed = mattes.packed.copy()
    packed[frames] = 0
    return replace(mattes, packed=packed)
