"""Small trials for the command line, and a check of what every mistake must look like."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kinefuse.cli import main
from kinefuse.formats.trial import write_trial
from kinefuse.recordings import Keypoints, Recording, View
from kinefuse.synthesis.demo import Demo, demo_recording

FRAMES = 12
opencv: Any = cv2
"""OpenCV's own type stubs lack `VideoWriter_fourcc`."""


@cache
def walk() -> Demo:
    """The demo's recording, made once a process."""
    return demo_recording()


def cut(view: View, first: int = 120, frames: int = FRAMES) -> View:
    """Return a few frames of a view, starting at 0 s."""
    points = view.keypoints
    if points is None:
        raise ValueError("the demo's views have keypoints")
    rows = slice(first, first + frames)
    keypoints = Keypoints(names=points.names, pixels=points.pixels[rows], confidence=points.confidence[rows])
    return replace(view, keypoints=keypoints, start_s=0.0)


def short_recording(cameras: int = 4) -> Recording:
    """Twelve frames of a walking person, seen by the first three cameras of the demo, without IMUs."""
    recording = walk().recording
    return replace(
        recording,
        cameras=recording.cameras[:cameras],
        views=tuple(cut(view) for view in recording.views[:cameras]),
        imus=(),
        poses=(),
    )


def write_short_trial(folder: Path, cameras: int = 3) -> Path:
    """Write `short_recording` as a trial."""
    write_trial(folder, short_recording(cameras))
    return folder


def draw_video(path: Path, size: tuple[int, int], frames: int = FRAMES, rate_hz: float = 60.0) -> Path:
    """Write a video (width, height) of flat grey frames, in which nobody is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = opencv.VideoWriter(str(path), opencv.VideoWriter_fourcc(*"mp4v"), rate_hz, size)
    for number in range(frames):
        writer.write(np.full((size[1], size[0], 3), 90 + number, dtype=np.uint8))
    writer.release()
    return path


def write_video_trial(folder: Path, sizes: list[tuple[int, int]]) -> Path:
    """Write a trial whose cameras, calibrated at 640×360, have videos of flat grey frames."""
    recording = short_recording(len(sizes))
    small = tuple(
        replace(camera, size=(640, 360), matrix=np.diag([1 / 3, 1 / 3, 1.0]) @ camera.matrix)
        for camera in recording.cameras
    )
    source = folder.parent / f"{folder.name}_videos"
    views = tuple(
        View(camera=camera.name, start_s=0.0, video=draw_video(source / f"{camera.name}.mp4", size))
        for camera, size in zip(small, sizes, strict=True)
    )
    write_trial(folder, replace(recording, cameras=small, views=views))
    return folder


def write_silhouette_trial(folder: Path, size: tuple[int, int] = (640, 360), cameras: int = 3, frames: int = 3) -> Path:
    """Write a trial whose cameras, calibrated at 640×360, have PNG silhouettes (width, height) of a box."""
    recording = short_recording(cameras)
    small = tuple(
        replace(camera, size=(640, 360), matrix=np.diag([1 / 3, 1 / 3, 1.0]) @ camera.matrix)
        for camera in recording.cameras
    )
    image = np.zeros((size[1], size[0]), dtype=np.uint8)
    image[size[1] // 4 : -size[1] // 4, size[0] // 2 - 20 : size[0] // 2 + 20] = 255
    source = folder.parent / f"{folder.name}_silhouettes"
    for camera in small:
        (source / camera.name).mkdir(parents=True)
        for number in range(frames):
            cv2.imwrite(str(source / camera.name / f"{number:06d}.png"), image)
    views = tuple(
        View(camera=camera.name, rate_hz=60.0, start_s=0.0, silhouettes=source / camera.name) for camera in small
    )
    write_trial(folder, replace(recording, cameras=small, views=views))
    return folder


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return the content of all files in a folder, but caches."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".kinefuse-cache" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Run a command that must fail by the user's mistake; return its one sentence."""
    capsys.readouterr()
    status = main([str(argument) for argument in arguments])
    err = capsys.readouterr().err.strip()
    assert status == 2, err
    assert err.startswith("kinefuse: ")
    assert "Traceback" not in err
    assert "fault of kinefuse" not in err
    assert len(err.splitlines()) == 1, err
    assert err.endswith(".")
    return err.removeprefix("kinefuse: ")


def refused_run(capsys: pytest.CaptureFixture[str], trial: Path, *options: str | Path) -> str:
    """As `refused`, for ``kinefuse run``; the trial must be as it was, without a result."""
    before = snapshot(trial) if trial.is_dir() else {}
    message = refused(capsys, "run", trial, *options)
    assert (snapshot(trial) if trial.is_dir() else {}) == before
    return message
