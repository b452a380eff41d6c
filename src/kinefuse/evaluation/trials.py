"""Trials on disk, made from true motions, with the truth beside them."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory

from kinefuse.errors import KinefuseError
from kinefuse.evaluation.filmed_mattes import filmed_mattes
from kinefuse.evaluation.filming import filmed
from kinefuse.evaluation.material import LONGEST_S, TRUTH, Clip, require_whole
from kinefuse.evaluation.recordings import Conditions, make_recording
from kinefuse.formats.netcdf import write_motion
from kinefuse.formats.trial import write_trial
from kinefuse.recordings import Recording


def check_folder(out: Path, overwrite: bool) -> None:
    """Refuse a folder that trials must not be written to.

    Raises
    ------
    KinefuseError
        If it is a file or itself a trial, or holds anything and `overwrite` is false.
    """
    if out.exists() and not out.is_dir():
        raise KinefuseError(f"{out}: is a file; name a folder with --out.")
    if (out / "trial.toml").exists():
        raise KinefuseError(f"{out}: is a trial itself; name a folder above it, or a new one, with --out.")
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise KinefuseError(f"{out}: holds files already; name another folder with --out, or ask for --overwrite.")


def folders_of(out: Path, clips: Sequence[Clip]) -> list[Path]:
    """Return the folder of each clip's trial, ``OUT/SUBJECT/CLIP``, in letters that every system allows.

    A number is added where two clips would share one.
    """
    folders: list[Path] = []
    for clip in clips:
        stem = re.sub(r"\.(bvh|amc|c3d|trc|npz|nc)\b", "", clip.name, flags=re.IGNORECASE)
        folder = out / _plain(clip.subject) / _plain(stem)
        numbered = (folder.with_name(f"{folder.name}_{number}") for number in count(2))
        folders.append(next(free for free in chain([folder], numbered) if free not in folders))
    return folders


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "clip"


def write_made_trial(
    folder: Path, clip: Clip, conditions: Conditions, cameras: int, overwrite: bool, silhouettes: int = 0
) -> None:
    """Write a trial of a clip: virtual IMUs with noisy joint centres or, of `cameras` virtual cameras, 2-D keypoints.

    With `silhouettes` cameras, instead of these, the person's mattes in their images.

    Raises
    ------
    KinefuseError
        If the clip has gaps, the folder holds anything and `overwrite` is false, or it cannot be written.
    """
    require_whole(clip)
    with TemporaryDirectory(prefix="kinefuse-mattes-") as images:
        made = _made(clip, conditions, cameras)
        made = _with_silhouettes(made, clip, conditions.seed, silhouettes, Path(images)) if silhouettes else made
        write_trial(folder, made, overwrite)
    (folder / TRUTH).parent.mkdir(exist_ok=True)
    write_motion(folder / TRUTH, clip.truth)


def _made(clip: Clip, conditions: Conditions, cameras: int) -> Recording:
    recording = make_recording(clip, conditions)
    if not cameras:
        return recording
    rig, views = filmed(clip, cameras, conditions.seed)
    return replace(recording, joint_centers=None, cameras=rig, views=views)


def _with_silhouettes(recording: Recording, clip: Clip, seed: int, count: int, folder: Path) -> Recording:
    """Return a recording with mattes of the whole clip, of `count` cameras, as images in `folder`."""
    seen = filmed_mattes(clip, seed, count, LONGEST_S)
    return replace(recording, joint_centers=None, cameras=seen.cameras, views=seen.as_images(folder))
