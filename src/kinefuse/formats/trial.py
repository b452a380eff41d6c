"""A trial on disk: one folder with ``trial.toml`` and the files of cameras, sensors and measured joint centres.

The folder's form is described for users in ``docs/trial-format.md``. ``reference/`` is truth and never read here.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.errors import KinefuseError
from kinefuse.formats.calibration import read_calibration, write_calibration
from kinefuse.formats.imu_csv import read_imu_csv, write_imu_csv
from kinefuse.formats.keypoint_csv import read_keypoints_csv, write_keypoints_csv
from kinefuse.formats.openpose import read_openpose_folder, smallest_number
from kinefuse.formats.registry import POINT_READERS, read_points
from kinefuse.formats.staging import become, exchange, staged
from kinefuse.formats.text_files import read_toml, told_as
from kinefuse.formats.trc import write_trc
from kinefuse.formats.trial_files import (
    VIDEO_SUFFIXES,
    CameraFiles,
    camera_entries,
    camera_files,
    file_inside,
    imu_entries,
    joint_centers_file,
    png_files,
)
from kinefuse.formats.trial_toml import ImuEntry, is_file_name, parse_trial_toml, raise_problems, trial_toml_text
from kinefuse.recordings import Imu, Keypoints, Recording, View
from kinefuse.rotations import matrix_from_quaternion

PARTS: Final = (
    "trial.toml",
    "calibration.toml",
    "videos",
    "keypoints",
    "silhouettes",
    "imu",
    *(f"joint_centers{suffix}" for suffix in POINT_READERS),
)
"""What `write_trial` writes, and replaces when asked to overwrite."""


def read_trial(folder: Path | str) -> Recording:
    """Read everything that was measured in one trial.

    Parameters
    ----------
    folder
        A folder with ``trial.toml``. Without ``[[camera]]`` tables the calibrated cameras that have files are used;
        without ``[[imu]]`` tables the files in ``imu/`` whose names are segments.

    Returns
    -------
    The recording, with `Recording.folder` set. Keypoints are in pixels of the calibrated image. A camera's
    `View.rate_hz` is None if only its video tells the rate.

    Raises
    ------
    KinefuseError
        If there is no trial, it is empty, or a file cannot be read; all mistakes in ``trial.toml`` in one message.
    """
    folder = Path(folder)
    require_trial(folder)
    with told_as(folder, "read"):
        recording = _read(folder)
    if recording.is_empty:
        raise KinefuseError(
            f"{folder}: nothing was recorded; expected videos, keypoints or silhouettes of calibrated cameras, "
            "joint_centers.trc, or IMU files."
        )
    return recording


def require_trial(folder: Path) -> None:
    """Raise a `KinefuseError` if `folder` is no trial's folder."""
    if not (folder / "trial.toml").is_file():
        raise KinefuseError(
            f"No trial.toml in {folder}: expected a trial's folder; write one (an empty trial.toml will do if all "
            "files have their usual places) or use kinefuse import."
        )


def _read(folder: Path) -> Recording:
    path = folder / "trial.toml"
    settings, problems = parse_trial_toml(read_toml(path))
    cameras = read_calibration(folder / "calibration.toml") if (folder / "calibration.toml").exists() else ()
    sources = [camera_files(folder, entry, problems) for entry in camera_entries(folder, settings, cameras, problems)]
    sensors = imu_entries(folder, settings, problems)
    imu_files = [file_inside(folder, entry.file, problems) for entry in sensors]
    points_file = joint_centers_file(folder, settings, problems)
    raise_problems(path, problems)
    return Recording(
        subject=settings.subject,
        cameras=cameras,
        views=_views(sources),
        joint_centers=None if points_file is None else read_points(points_file),
        imus=tuple(_imu(entry, file) for entry, file in zip(sensors, imu_files, strict=True) if file),
        poses=settings.poses,
        movements=settings.movements,
        folder=folder,
    )


# ---- reading the parts


def _views(sources: list[CameraFiles]) -> tuple[View, ...]:
    folders = [source.keypoints for source in sources if source.keypoints is not None and source.keypoints.is_dir()]
    first = min((smallest_number(folder) for folder in folders), default=0)
    return tuple(_view(source, first) for source in sources)


def _view(source: CameraFiles, first_number: int) -> View:
    entry = source.entry
    x, y = entry.image_offset_px or (0.0, 0.0)
    view = View(
        camera=entry.name,
        rate_hz=entry.rate_hz,
        start_s=entry.start_s,
        video=source.video,
        silhouettes=source.silhouettes,
        image_scale=entry.image_scale,
        image_offset_px=None if entry.image_offset_px is None else (float(x), float(y)),
    )
    if source.keypoints is None:
        return view
    if source.keypoints.is_dir():
        keypoints = read_openpose_folder(source.keypoints, entry.keypoint_layout, first_number)
    else:
        keypoints = read_keypoints_csv(source.keypoints)
    return replace(view, keypoints=calibrated_from_file(keypoints, view))


def calibrated_from_file(keypoints: Keypoints, view: View) -> Keypoints:
    """Return keypoints in pixels of the calibrated image, from pixels of the camera's files.

    The inverse of `file_from_calibrated`.
    """
    scale, offset = _image_map(view)
    return replace(keypoints, pixels=(keypoints.pixels - offset) / scale)


def file_from_calibrated(keypoints: Keypoints, view: View) -> Keypoints:
    """Return keypoints in pixels of the camera's files: image_scale * calibrated pixel + image_offset_px.

    An unknown scale counts as 1, an unknown offset as 0.
    """
    scale, offset = _image_map(view)
    return replace(keypoints, pixels=scale * keypoints.pixels + offset)


def _image_map(view: View) -> tuple[float, np.ndarray]:
    scale = 1.0 if view.image_scale is None else view.image_scale
    return scale, np.array(view.image_offset_px or (0.0, 0.0), dtype=float)


def _imu(entry: ImuEntry, file: Path) -> Imu:
    rotations = [
        None if q is None else matrix_from_quaternion(np.array(q, dtype=float))
        for q in (entry.q_segment_sensor, entry.q_world_ref)
    ]
    return read_imu_csv(file, entry.segment, entry.name, entry.start_s, *rotations)


# ---- writing


def write_trial(folder: Path | str, recording: Recording, overwrite: bool = False) -> None:
    """Write a recording as a trial's folder that `read_trial` reads.

    Videos and mattes are hard-linked where that is possible, else copied. Keypoints are written in the pixels of the
    camera's files, with four decimals; frames after the last one in which anything was seen are not kept. Joint
    centres go to ``joint_centers.trc``, without their covariance.

    Parameters
    ----------
    folder
        Made if it does not exist.
    recording
    overwrite
        Replace the trial that lies in `folder`, save its ``reference/`` and files that are no part of a trial. The new
        files are complete before an old one is removed.

    Raises
    ------
    KinefuseError
        If the folder holds anything and `overwrite` is false, or holds something that is not a trial; if the
        recording is empty; if a name cannot name a file; if a file cannot be written. Nothing is changed then.
    """
    folder = Path(folder)
    check_target(folder, overwrite)
    if recording.is_empty:
        raise KinefuseError(f"{folder}: nothing to write; expected a recording with views, joint centres or IMUs.")
    for name in [*(view.camera for view in recording.views), *(imu.name for imu in recording.imus)]:
        if not is_file_name(name):
            raise KinefuseError(f"{folder}: {name!r} cannot name a file; rename that camera or sensor.")
    with told_as(folder, "written"), staged(folder) as stage:
        _write_parts(stage, recording)
        exchange(stage, folder, PARTS) if folder.exists() else become(stage, folder)


def check_target(folder: Path, overwrite: bool) -> None:
    """Raise a `KinefuseError` if a trial may not be written to `folder`."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise KinefuseError(f"{folder}: is a file; expected a new or empty folder for the trial.")
    held = any(folder.iterdir())
    if held and not overwrite:
        raise KinefuseError(f"{folder}: already holds files; choose a new folder, or overwrite the trial in it.")
    if held and not (folder / "trial.toml").is_file():
        raise KinefuseError(
            f"{folder}: holds files but no trial.toml, so it is not a trial to overwrite; choose another."
        )


def _write_parts(folder: Path, recording: Recording) -> None:
    if recording.cameras:
        write_calibration(folder / "calibration.toml", recording.cameras)
    videos = {view.camera: _write_view(folder, view) for view in recording.views}
    for imu in recording.imus:
        _write_into(folder / "imu" / f"{imu.name}.csv", partial(write_imu_csv, imu=imu))
    points = None
    if recording.joint_centers is not None:
        points = "joint_centers.trc"
        write_trc(folder / points, recording.joint_centers)
    text = trial_toml_text(recording, {name: video for name, video in videos.items() if video}, points)
    (folder / "trial.toml").write_text(text, encoding="utf-8")


def _write_view(folder: Path, view: View) -> str | None:
    """Write the files of one camera; return its video's path if it must be named in ``trial.toml``."""
    if view.keypoints is not None:
        keypoints = file_from_calibrated(view.keypoints, view)
        _write_into(folder / "keypoints" / f"{view.camera}.csv", partial(write_keypoints_csv, keypoints=keypoints))
    if view.silhouettes is not None and view.silhouettes.is_dir():
        for png in png_files(view.silhouettes):
            link_or_copy(png, folder / "silhouettes" / view.camera / png.name)
    elif view.silhouettes is not None:
        link_or_copy(view.silhouettes, folder / "silhouettes" / f"{view.camera}{view.silhouettes.suffix.lower()}")
    if view.video is None:
        return None
    name = f"videos/{view.camera}{view.video.suffix.lower()}"
    link_or_copy(view.video, folder / name)
    return None if view.video.suffix.lower() in VIDEO_SUFFIXES else name


def _write_into(path: Path, write: Callable[[Path], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path)


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link a file, or copy it where links are not possible; the folders above `target` are made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
