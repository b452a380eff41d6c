"""What a segmentation makes of a moving person in cameras' images: a dressed surface, mattes with faults, files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from kinefuse.formats.videos import import_cv2
from kinefuse.motion import Motion
from kinefuse.recordings import Camera
from kinefuse.synthesis.dressed import draw_garments, dress, pose_vertices, rest_vertices
from kinefuse.synthesis.matte_noise import MatteFaults, spoil
from kinefuse.vision.cameras import project
from kinefuse.vision.mattes import Mattes, pack_mattes


def dressed_surfaces(motion: Motion, draw: torch.Generator) -> np.ndarray:
    """Return the surfaces (T, V, 3) of the moving person in clothes that `draw` chooses, metres, world."""
    shape = torch.zeros(1, 10)
    if motion.body_name == "anny":
        shape[0, : len(motion.shape[:10])] = torch.as_tensor(motion.shape[:10])
    rest = torch.as_tensor(motion.rest_positions, dtype=torch.float32)[None]
    clothed = dress(rest_vertices(shape, rest), draw_garments(1, draw), draw)
    frames = len(motion.time)
    # About the root, so that single precision is enough anywhere in the world.
    root = motion.positions[:, :1]
    R, places = (torch.as_tensor(a, dtype=torch.float32) for a in (motion.R_world_segment, motion.positions - root))
    posed = pose_vertices(clothed.expand(frames, -1, -1), rest.expand(frames, -1, -1), R, places)
    return posed.numpy() + root


def spoiled(
    rig: Sequence[Camera], clean: Sequence[Mattes], motion: Motion, rng: np.random.Generator
) -> tuple[Mattes, ...]:
    """Return mattes with the faults of segmentation, drawn anew in every frame.

    Parameters
    ----------
    rig : cameras whose pixels are the mattes' cells
    clean : mattes of each, with a frame at each time of `motion`
    motion : of the person they show
    rng : of the faults
    """
    joints = [project(camera, motion.positions) for camera in rig]
    away = [np.linalg.norm(camera.centre - motion.positions[:, 0], axis=-1) for camera in rig]
    images: list[list[np.ndarray]] = [[] for _ in rig]
    for frame in range(len(motion.time)):
        now = [mattes.frames(frame, frame + 1)[0] for mattes in clean]
        scales = [float(camera.matrix[0, 0] / far[frame]) for camera, far in zip(rig, away, strict=True)]
        spoil(now, [points[frame] for points in joints], scales, rng, MatteFaults())
        for kept, image in zip(images, now, strict=True):
            kept.append(image)
    packed = [pack_mattes(kept, mattes.size) for kept, mattes in zip(images, clean, strict=True)]
    return tuple(replace(mattes, packed=bits) for mattes, bits in zip(clean, packed, strict=True))


def write_images(folder: Path, mattes: Mattes) -> None:
    """Write mattes as PNG images to a new folder, as a trial keeps them: one a frame, the person white.

    Raises
    ------
    MissingDependencyError
        If OpenCV is not installed.
    """
    cv2 = import_cv2()
    folder.mkdir(parents=True)
    for frame, matte in enumerate(mattes):
        encoded = cv2.imencode(".png", np.where(matte, 255, 0).astype(np.uint8))[1]
        (folder / f"{frame:06d}.png").write_bytes(encoded.tobytes())
