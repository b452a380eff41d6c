"""How the image of a video lies in the calibrated image, when their sizes differ; and what a video's header tells.

Players and converters shrink an image until it fits the wanted frame, keep its shape, and fill the rest with black
bars on both sides (letter-boxing). Pixels are counted from the centre of the top left one, so that an edge lies at
-0.5; the map is ``video pixel = scale * calibrated pixel + offset``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from kinefuse.errors import FormatError, MissingDependencyError

MAX_BAR_SHARE: Final = 0.1
"""Bars that would fill more than this share of the video are no letter-box, but a turned or cropped image."""

_BLACK: Final = 32.0


@dataclass(frozen=True, kw_only=True)
class VideoProperties:
    """What a video's header tells: (width, height) in pixels, rate in hertz (None if absent), number of frames."""

    size: tuple[int, int]
    rate_hz: float | None
    frames: int


@dataclass(frozen=True, kw_only=True)
class ImageFit:
    """A map from calibrated to video pixels; `bars_px` is the width of each of the two bars, 0 without bars."""

    scale: float
    offset_px: tuple[float, float]
    bars_px: float
    bars_at_sides: bool


def fit_letterbox(video_size: tuple[int, int], calibrated_size: tuple[int, int]) -> ImageFit | None:
    """Return how an image of the calibrated size fits a video frame if it was scaled and centred, or None.

    Parameters
    ----------
    video_size, calibrated_size : (width, height), pixels

    Returns
    -------
    None if the bars would fill more than `MAX_BAR_SHARE` of the frame: then something else was done to the image.
    """
    video, calibrated = np.array(video_size, dtype=float), np.array(calibrated_size, dtype=float)
    scale = float((video / calibrated).min())
    rest = video - scale * calibrated
    if (rest > MAX_BAR_SHARE * video).any():
        return None
    offset = (rest + scale - 1.0) / 2.0
    return ImageFit(
        scale=scale,
        offset_px=(float(offset[0]), float(offset[1])),
        bars_px=float(rest.max() / 2.0),
        bars_at_sides=bool(rest[0] > rest[1]),
    )


def video_properties(path: Path) -> VideoProperties:
    """Return what a video's header tells.

    Raises
    ------
    MissingDependencyError
        If OpenCV is not installed.
    FormatError
        If OpenCV cannot open the file.
    """
    capture = _capture(path)
    try:
        width, height, rate, frames = (float(capture.get(code)) for code in (3, 4, 5, 7))
    finally:
        capture.release()
    if not (width >= 1 and height >= 1):
        raise FormatError(f"{path}: tells no image size; convert it, for example to .mp4 with ffmpeg.")
    good_rate = rate if np.isfinite(rate) and 0.1 < rate < 10_000 else None
    good_frames = int(frames) if np.isfinite(frames) and frames > 0 else 0
    return VideoProperties(size=(int(width), int(height)), rate_hz=good_rate, frames=good_frames)


def has_black_bars(path: Path, fit: ImageFit) -> bool | None:
    """Return whether the first frame of a video is black where `fit` expects bars, and nowhere near as black beside.

    Returns
    -------
    None if the bars are thinner than two pixels or the image beside them is as dark, so that it cannot be told.
    """
    width = int(fit.bars_px)
    capture = _capture(path)
    try:
        read, image = capture.read()
    finally:
        capture.release()
    if width < 2 or not read or min(image.shape[:2]) < 8 * width:
        return None
    rows = image.mean(axis=(0, 2)) if fit.bars_at_sides else image.mean(axis=(1, 2))
    bars = np.concatenate([rows[: width - 1], rows[1 - width :]])
    beside = np.concatenate([rows[width + 2 : 3 * width + 2], rows[-3 * width - 2 : -width - 2]])
    if beside.mean() < _BLACK:
        return None
    return bool(bars.max() < _BLACK)


def _capture(path: Path) -> Any:
    try:
        import cv2
    except ImportError as error:
        raise MissingDependencyError(
            "Reading videos needs OpenCV, which is not installed; install it with pip install 'kinefuse[video]'."
        ) from error
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise FormatError(f"{path}: is not a video that OpenCV can open; convert it, for example with ffmpeg.")
    return capture
