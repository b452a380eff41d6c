"""Silhouettes of a true motion: a dressed body before cameras all around, as DeepFuse's training has them.

The body wears what chance gives it and its mattes get the faults of `synthesis.matte_noise`; rig, clothes and faults
depend on the seed and the clip's name alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch

from kinefuse.conventions import KEYPOINTS
from kinefuse.evaluation.material import Clip, middle, stable_rng
from kinefuse.inertial.resampling import grid_within
from kinefuse.metrics.compare import motion_at
from kinefuse.motion import Motion
from kinefuse.recordings import Camera, View
from kinefuse.synthesis.dressed import faces
from kinefuse.synthesis.outlines import render_mattes
from kinefuse.synthesis.rigs import random_place, random_rig
from kinefuse.synthesis.silhouettes import dressed_surfaces, spoiled, write_images
from kinefuse.vision.cache import DetectionCache, VideoDetections
from kinefuse.vision.cameras import project
from kinefuse.vision.mattes import Mattes

MATTES_HZ: Final = 25.0
LONGEST_S: Final = 4.0
"""How much of a clip is filmed, its middle: eight cameras and a network on one frame take a tenth of a second."""

CAMERAS: Final = 8
WHOLE: Final = 0.98
"""Share of the body's surface that a camera sees of a whole person, as in training."""


@dataclass(frozen=True)
class FilmedMattes:
    """Mattes of V cameras at T times.

    Attributes
    ----------
    cameras : their pixels are the mattes' cells
    mattes : of each
    time : (T,) seconds
    partial : (T,) true where some camera does not see the whole person
    """

    cameras: tuple[Camera, ...]
    mattes: tuple[Mattes, ...]
    time: np.ndarray
    partial: np.ndarray

    def stored(self, folder: Path) -> tuple[View, ...]:
        """Write the mattes to files in a folder, as the detector keeps its own, and return the views of them."""
        cache, frames = DetectionCache(folder), len(self.time)
        views = []
        for camera, mattes in zip(self.cameras, self.mattes, strict=True):
            kept = VideoDetections(
                size=camera.size,
                rate_hz=MATTES_HZ,
                pixels=np.full((frames, 1, len(KEYPOINTS), 2), np.nan),
                confidence=np.zeros((frames, 1, len(KEYPOINTS))),
                mattes=mattes.packed,
            )
            views.append(
                View(
                    camera=camera.name,
                    rate_hz=MATTES_HZ,
                    start_s=float(self.time[0]),
                    silhouettes=cache.store(camera.name, "filmed", kept),
                    image_scale=1.0,
                    image_offset_px=(0.0, 0.0),
                )
            )
        return tuple(views)

    def as_images(self, folder: Path) -> tuple[View, ...]:
        """Write the mattes as PNG images, a folder a camera, as a trial keeps them, and return the views of them."""
        for camera, mattes in zip(self.cameras, self.mattes, strict=True):
            write_images(folder / camera.name, mattes)
        start = float(self.time[0])
        return tuple(
            View(camera=camera.name, rate_hz=MATTES_HZ, start_s=start, silhouettes=folder / camera.name)
            for camera in self.cameras
        )


def filmed_mattes(clip: Clip, seed: int, cameras: int | None = CAMERAS, longest_s: float = LONGEST_S) -> FilmedMattes:
    """Return what cameras around a person see of the middle of a clip.

    Parameters
    ----------
    clip : without a recording of its own
    seed : of rig, clothes and faults
    cameras : how many; None draws 4 to 8
    longest_s : how much is filmed
    """
    rng = stable_rng(seed, "mattes", clip.subject, clip.name)
    truth = middle(clip, longest_s).truth
    motion = motion_at(truth, grid_within(truth.time[0], truth.time[-1], MATTES_HZ))
    rig = _around(random_rig(rng, cameras), motion, rng)
    vertices = dressed_surfaces(motion, torch.Generator().manual_seed(int(rng.integers(2**62))))
    partial = np.stack([_seen_share(camera, vertices) < WHOLE for camera in rig]).any(axis=0)
    clean = render_mattes(rig, vertices, faces().numpy())
    return FilmedMattes(rig, spoiled(rig, clean, motion, rng), motion.time, partial)


def _around(rig: Sequence[Camera], motion: Motion, rng: np.random.Generator) -> tuple[Camera, ...]:
    """Return the rig moved so that the middle of the way is anywhere on its floor."""
    root = motion.positions[:, 0]
    shift = (root.min(0) + root.max(0)) / 2 * (1.0, 0.0, 1.0) - random_place(rig, rng)
    return tuple(replace(c, translation=c.translation - c.R_camera_world @ shift) for c in rig)


def _seen_share(camera: Camera, vertices: np.ndarray) -> np.ndarray:
    """Return which share (T,) of the surface's corners (T, V, 3) lies within the image."""
    cells = project(camera, vertices)
    return np.asarray(((cells > -0.5) & (cells < np.array(camera.size) - 0.5)).all(-1).mean(-1))
