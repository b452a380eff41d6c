"""Read videos: what is in a file, and its frames one after the other.

OpenCV decodes and is imported only when a video is opened. What a container's header says about its length is not
trusted: frames are counted by decoding them.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from kinefuse.errors import FormatError, KinefuseError, MissingDependencyError
from kinefuse.recordings import Finding

RATES_HZ = (1.0, 2000.0)
"""Frame rates outside of this range are taken as a broken header."""


@dataclass(frozen=True, kw_only=True)
class VideoFile:
    """What a video file holds.

    Attributes
    ----------
    path
    size : (width, height) of its decoded frames, pixels
    rate_hz : frame rate of the container, None where that says nothing sensible
    frames : number of frames; counted by decoding if `frames_are_counted`, else what the header claims (0 if nothing)
    frames_are_counted
    marked_deg : angle by which a player turns the picture; the frames that are read here are not turned
    uneven_s : how far its frames lie from those of a constant rate, at most, seconds; 0 unless frames were counted
    """

    path: Path
    size: tuple[int, int]
    rate_hz: float | None
    frames: int
    frames_are_counted: bool
    marked_deg: float = 0.0
    uneven_s: float = 0.0

    def findings(self, camera: str) -> list[Finding]:
        """Return what a user must know about the file of a camera."""
        about, found = f"camera {camera}", []
        if self.rate_hz is not None and self.uneven_s * self.rate_hz > 1.0:
            text = (
                f"Its frames are unevenly spaced (up to {self.uneven_s:.2f} s off a constant rate), but are taken as "
                f"even; store it at the camera's rate: ffmpeg -i {self.path.name} -r RATE even.mp4."
            )
            found.append(Finding("warning", about, text))
        if self.marked_deg % 360.0 == 0.0:
            return found
        text = (
            f"Players turn its video by {self.marked_deg:.0f}°, as the file asks, but here it is read unturned; if its "
            "calibration is of turned pictures, or people do not stand upright in it, store it turned: ffmpeg -i "
            f"{self.path.name} turned.mp4."
        )
        return [*found, Finding("warning", about, text)]


def import_cv2() -> ModuleType:
    """Return OpenCV.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # their own words about broken files; ours follow
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    try:
        import cv2
    except ImportError as error:
        raise MissingDependencyError('Reading videos needs OpenCV: pip install "kinefuse[video]".') from error
    return cv2


def probe_video(path: Path | str, count: bool = True) -> VideoFile:
    """Return what a video file holds.

    Parameters
    ----------
    path
    count
        Decode the whole file to count its frames. Without it only the first frame is read.

    Raises
    ------
    FormatError
        If it cannot be read as a video, or holds no frame.
    KinefuseError
        If there is no such file.
    """
    path = Path(path)
    cv2 = import_cv2()
    with _opened(path) as capture:
        width, height = _first_size(capture, path)
        uneven = 0.0
        frames = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        if count:
            stamps = [float(capture.get(cv2.CAP_PROP_POS_MSEC))]
            while capture.grab():
                stamps.append(float(capture.get(cv2.CAP_PROP_POS_MSEC)))
            frames, uneven = len(stamps), _unevenness_s(np.array(stamps) / 1e3)
        rate = float(capture.get(cv2.CAP_PROP_FPS))
        marked = float(capture.get(cv2.CAP_PROP_ORIENTATION_META))
    return VideoFile(
        path=path,
        size=(width, height),
        rate_hz=rate if RATES_HZ[0] <= rate <= RATES_HZ[1] else None,
        frames=frames,
        frames_are_counted=count,
        marked_deg=marked,
        uneven_s=uneven,
    )


def _unevenness_s(time: np.ndarray) -> float:
    """Return how far, at most, frames at `time` (N,) seconds lie from frames of a constant rate over the same span."""
    return float(np.abs(time - np.linspace(time[0], time[-1], len(time))).max())


def iterate_frames(path: Path | str, colour: str = "rgb") -> Iterator[np.ndarray]:
    """Yield the frames of a video, (H, W, 3) uint8, one after the other.

    Parameters
    ----------
    path
    colour
        Order of the channels: ``"rgb"`` or ``"bgr"``.

    Raises
    ------
    FormatError, KinefuseError
        As `probe_video`.
    """
    if colour not in {"rgb", "bgr"}:
        raise KinefuseError(f"The colour order of frames is 'rgb' or 'bgr', got {colour!r}.")
    path = Path(path)
    cv2 = import_cv2()
    with _opened(path) as capture:
        frames = 0
        while True:
            good, frame = capture.read()
            if not good:
                break
            frames += 1
            yield frame if colour == "bgr" else cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        if frames == 0:
            raise _no_frames(path)


def read_first_frame(path: Path | str) -> np.ndarray:
    """Return the first frame of a video, (H, W, 3) uint8 RGB.

    Raises
    ------
    FormatError, KinefuseError
        As `probe_video`.
    """
    return next(iterate_frames(path))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a video and close it again."""
    cv2 = import_cv2()
    if not path.is_file():
        raise KinefuseError(f"{path}: there is no such video; name the right file in trial.toml, or remove the camera.")
    if path.stat().st_size == 0:
        raise FormatError(f"{path}: the video is empty (0 bytes); copy it again from the camera.")
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise FormatError(
                f"{path}: cannot be read as a video; play it to see if it is whole, or convert it to MP4 (H.264)."
            )
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)  # versions of OpenCV differ in what they do by themselves
        yield capture
    finally:
        capture.release()


def _first_size(capture: Any, path: Path) -> tuple[int, int]:
    """Decode the first frame of an open capture and return its (width, height)."""
    good, frame = capture.read()
    if not good:
        raise _no_frames(path)
    return int(frame.shape[1]), int(frame.shape[0])


def _no_frames(path: Path) -> FormatError:
    return FormatError(f"{path}: the video holds no frame that can be decoded; copy it again, or convert it to MP4.")
