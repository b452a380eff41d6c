"""The embedded demonstration: a complete trial with known truth, made from scratch in a few seconds."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.recordings import HeldPose, Recording, Subject
from kinefuse.synthesis.cameras import camera_ring, film
from kinefuse.synthesis.gait import Walk, walk
from kinefuse.synthesis.imus import virtual_imus
from kinefuse.synthesis.person import STATURE_M, demo_person
from kinefuse.vision.mattes import Mattes

CAMERAS = 4
CAMERA_RATE_HZ = 60.0
LATE_START_S = 0.1
TRUTH_STEP = 2
"""The truth keeps every second sample of the walk: 120 Hz."""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """What was recorded, and what really happened."""

    recording: Recording
    truth: Motion


def demo_recording(seed: int = 0) -> Demo:
    """Return the demo trial in memory.

    Four cameras at 60 Hz, the last of which starts 0.1 s late, and 13 IMUs at 100 Hz watch a person stand in the
    N-pose for a second and walk 5 m along a curve.

    Parameters
    ----------
    seed : of the cameras' places and of all errors; the walk is always the same
    """
    if seed < 0:
        raise KinefuseError(f"A seed is a whole number from 0 up, got {seed}.")
    rng = np.random.default_rng(seed)
    person, how = demo_person(), Walk()
    motion = walk(person, how)
    cameras = camera_ring(CAMERAS, seed=seed)
    starts = [0.0] * (CAMERAS - 1) + [LATE_START_S]
    recording = Recording(
        subject=Subject(id="demo", height_m=STATURE_M),
        cameras=cameras,
        views=film(motion, person, np.zeros(person.n_shape), cameras, rng, CAMERA_RATE_HZ, starts),
        imus=virtual_imus(motion, rng),
        poses=(HeldPose(kind="n", start_s=0.1, end_s=how.standing_s),),
    )
    return Demo(recording=recording, truth=motion.frames(slice(None, None, TRUTH_STEP)))


def demo_mattes(demo: Demo, seed: int = 0) -> tuple[Mattes, ...]:
    """Return what a segmentation makes of the demo's person in clothes, one of each camera and a frame of it a matte.

    Parameters
    ----------
    demo : cut in time or whole; its cameras start on frames of the first one
    seed : of clothes and faults
    """
    import torch

    from kinefuse.synthesis.dressed import faces
    from kinefuse.synthesis.outlines import matte_camera, render_mattes
    from kinefuse.synthesis.silhouettes import dressed_surfaces, spoiled

    motion = demo.truth.frames(slice(None, None, round(demo.truth.rate_hz / CAMERA_RATE_HZ)))
    rig = [matte_camera(camera) for camera in demo.recording.cameras]
    surfaces = dressed_surfaces(motion, torch.Generator().manual_seed(seed))
    mattes = spoiled(rig, render_mattes(rig, surfaces, faces().numpy()), motion, np.random.default_rng(seed))
    starts = [round(((view.start_s or 0.0) - motion.time[0]) * CAMERA_RATE_HZ) for view in demo.recording.views]
    return tuple(replace(seen, packed=seen.packed[start:]) for seen, start in zip(mattes, starts, strict=True))


def with_silhouettes(demo: Demo, folder: Path, seed: int = 0) -> Recording:
    """Return the demo's recording with silhouettes too, written as images of a quarter of the cameras' size.

    Parameters
    ----------
    demo
    folder : for the images, a new folder a camera
    seed : of clothes and faults

    Raises
    ------
    MissingDependencyError
        If OpenCV is not installed.
    """
    from kinefuse.synthesis.silhouettes import write_images

    views = demo.recording.views
    for view, mattes in zip(views, demo_mattes(demo, seed), strict=True):
        write_images(folder / view.camera, mattes)
    return replace(demo.recording, views=tuple(replace(view, silhouettes=folder / view.camera) for view in views))


def make_demo(folder: Path | str, seed: int = 0, overwrite: bool = False, silhouettes: bool = False) -> Path:
    """Write the demo trial, with its truth in ``reference/motion.nc``.

    Parameters
    ----------
    folder : made if it does not exist
    seed : of all errors; the same seed writes the same trial
    overwrite : replace the trial that lies there
    silhouettes : write the person's silhouettes too; all else is the same without them

    Returns
    -------
    The trial's folder.

    Raises
    ------
    KinefuseError
        If the folder holds anything and `overwrite` is false, or the files cannot be written; if silhouettes
        are asked for and OpenCV is not installed.
    """
    from kinefuse.formats.netcdf import write_motion
    from kinefuse.formats.trial import write_trial

    folder = Path(folder)
    demo = demo_recording(seed)
    with TemporaryDirectory(prefix="kinefuse-mattes-") as images:
        recording = with_silhouettes(demo, Path(images), seed) if silhouettes else demo.recording
        write_trial(folder, recording, overwrite)
    reference = folder / "reference"
    reference.mkdir(exist_ok=True)
    write_motion(reference / "motion.nc", demo.truth)
    return folder
