"""One pass of a detector over one video."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from kinefuse.conventions import KEYPOINTS
from kinefuse.formats.videos import import_cv2, iterate_frames, probe_video
from kinefuse.vision.cache import VideoDetections
from kinefuse.vision.detectors import DETECTORS, Detector, ImageDetection
from kinefuse.vision.mattes import matte_size, pack_mattes, shrink_matte

DETECTION_SIDE_PX = 960
"""Frames are shrunk to this longer side before detection. On full-HD video the points move by less than their own noise
(median distance to another detector 16.2 px at full size and 16.2 px at 960), and mattes come twice as fast."""

Progress = Callable[[str, int, int], None]
"""Called as ``progress(camera, frames_done, frames_in_all)``, from several threads."""


def detect_video(
    video: Path,
    detector: str,
    mattes: bool = False,
    regions: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> VideoDetections:
    """Look for people in every frame of a video.

    Parameters
    ----------
    video
    detector : a name in `detectors.DETECTORS`
    mattes : whether to make person mattes too
    regions : (T, 4) left, top, right, bottom in pixels of the file: all else is painted over before the detector looks;
        a row of NaN leaves its frame whole
    progress : called as ``progress(frames_done, frames_in_all)``

    Raises
    ------
    FormatError
        If the video cannot be read.
    MissingDependencyError
        If the detector is not installed.
    """
    info = probe_video(video, count=False)
    eye = DETECTORS[detector](mattes=mattes)
    seen: list[ImageDetection] = []
    kept: list[np.ndarray] = []
    try:
        for number, frame in enumerate(iterate_frames(video, "bgr")):
            region = None if regions is None or number >= len(regions) else regions[number]
            found = detect_frame(eye, frame, region)
            if mattes:
                kept.append(_stored_matte(found.matte, info.size))
            seen.append(ImageDetection(found.pixels, found.confidence))
            if progress is not None:
                progress(number + 1, max(info.frames, number + 1))
    finally:
        eye.close()
    pixels, confidence = stack_people(seen)
    packed = pack_mattes(kept, matte_size(info.size)) if mattes else None
    return VideoDetections(size=info.size, rate_hz=info.rate_hz, pixels=pixels, confidence=confidence, mattes=packed)


def detect_frame(eye: Detector, frame: np.ndarray, region: np.ndarray | None = None) -> ImageDetection:
    """Let a detector look at one frame (H, W, 3), uint8 BGR; the result is in the frame's own pixels.

    Parameters
    ----------
    eye
    frame
    region : (4,) left, top, right, bottom of what it may see; None or NaN is all
    """
    cv2 = import_cv2()
    height, width = frame.shape[:2]
    factor = min(1.0, DETECTION_SIDE_PX / max(height, width))
    small = (max(1, round(width * factor)), max(1, round(height * factor)))
    image = frame if factor == 1.0 else cv2.resize(frame, small, interpolation=cv2.INTER_AREA)
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    stretch = np.array([width / small[0], height / small[1]])
    if region is not None and np.isfinite(region).all():
        image = keep_region(image, region / np.tile(stretch, 2))
    found = eye.detect(image)
    return ImageDetection((found.pixels + 0.5) * stretch - 0.5, found.confidence, found.matte)


def keep_region(image: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Return the image (H, W, 3) with everything outside of left, top, right, bottom painted mid-grey."""
    height, width = image.shape[:2]
    left, right = np.clip(np.rint(region[[0, 2]]), 0, width).astype(int)
    top, bottom = np.clip(np.rint(region[[1, 3]]), 0, height).astype(int)
    painted = np.full_like(image, 127)
    painted[top:bottom, left:right] = image[top:bottom, left:right]
    return painted


def stack_people(seen: list[ImageDetection]) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (T, P, 26, 2) and confidence (T, P, 26) of frames with different numbers of people.

    They are rounded to what a file of the cache keeps, so that a second run equals the first.
    """
    people = max((len(found.pixels) for found in seen), default=1)
    pixels = np.full((len(seen), people, len(KEYPOINTS), 2), np.nan, dtype=np.float32)
    confidence = np.zeros((len(seen), people, len(KEYPOINTS)), dtype=np.float32)
    for frame, found in enumerate(seen):
        pixels[frame, : len(found.pixels)] = found.pixels
        confidence[frame, : len(found.pixels)] = found.confidence
    return pixels.astype(float), confidence.astype(float)


def _stored_matte(matte: np.ndarray | None, file_size: tuple[int, int]) -> np.ndarray:
    size = matte_size(file_size)
    if matte is None:
        return np.zeros((size[1], size[0]), dtype=bool)
    return shrink_matte(matte, size)
