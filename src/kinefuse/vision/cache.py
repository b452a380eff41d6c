"""Detections on disk, so that a second run need not look at the videos again.

A file ``.kinefuse-cache/<camera>-<key>.npz`` beside the trial holds one pass of a detector over one video, in pixels of
that video. The key covers whatever would change the result: the video's name, size and date, the detector, its
version and its options. Plain arrays, no pickle.
"""

import hashlib
import json
import os
import re
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinefuse.conventions import KEYPOINTS

FOLDER = ".kinefuse-cache"
CACHE_VERSION = 1
"""Raised whenever detections of the same video would come out differently."""


@dataclass(frozen=True, kw_only=True)
class VideoDetections:
    """What a detector saw in one video, in the pixels of its file.

    Attributes
    ----------
    size : (width, height) of the frames
    rate_hz : of the container, or None
    pixels : (T, P, 26, 2), NaN where not seen
    confidence : (T, P, 26), 0 where not seen
    mattes : (T, H, ceil(W / 8)) uint8, packed at `mattes.matte_size`, or None
    gaps : (T,) true where a matte was left out because it is somebody else's; None for nowhere
    """

    size: tuple[int, int]
    rate_hz: float | None
    pixels: np.ndarray
    confidence: np.ndarray
    mattes: np.ndarray | None = None
    gaps: np.ndarray | None = None


def detection_key(
    video: Path, detector: str, version: str, mattes: bool, regions: np.ndarray | None, options: str = ""
) -> str:
    """Return a short name for one pass of a detector over a video; equal only if the result would be.

    Parameters
    ----------
    video : an existing file
    detector, version : name and version of the detector
    mattes : whether mattes are made
    regions : (T, 4) the part of each frame that is looked at, pixels, or None
    options : whatever else changes the result
    """
    state = video.stat()
    told = [CACHE_VERSION, video.name, state.st_size, state.st_mtime_ns, detector, version, mattes, options]
    digest = hashlib.sha256(json.dumps(told).encode())
    if regions is not None:
        digest.update(np.round(np.nan_to_num(regions, nan=-1.0)).astype(np.int64).tobytes())
    return digest.hexdigest()[:16]


class DetectionCache:
    """Detections in one folder.

    Parameters
    ----------
    folder : where the files lie; it exists and can be written to
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, camera: str, key: str) -> Path:
        """Return the file of one pass; the camera's name is reduced to what every file system takes."""
        return self.folder / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', camera)}-{key}.npz"

    def load(self, camera: str, key: str) -> VideoDetections | None:
        """Return what was stored under this key, None if nothing readable was."""
        return read_detections(self.path(camera, key))

    def store(self, camera: str, key: str, detections: VideoDetections) -> Path:
        """Write detections and return the file; a reader never meets half a file."""
        path = self.path(camera, key)
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as stream:
                np.savez_compressed(stream, **_to_arrays(detections))
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return path


def open_cache(trial: Path | None) -> DetectionCache | None:
    """Return the cache beside a trial, None if there is no folder or it cannot be written to."""
    if trial is None:
        return None
    folder = trial / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return DetectionCache(folder)
    except OSError:
        return None


def read_detections(path: Path) -> VideoDetections | None:
    """Read a file of the cache; None if it is missing, torn or of another version."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return _from_arrays({name: file[name] for name in file.files})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _to_arrays(detections: VideoDetections) -> dict[str, np.ndarray]:
    arrays = {
        "size": np.array(detections.size, dtype=np.int64),
        "rate_hz": np.array(np.nan if detections.rate_hz is None else detections.rate_hz),
        "pixels": detections.pixels.astype(np.float32),
        "confidence": detections.confidence.astype(np.float32),
    }
    optional = {"mattes": detections.mattes, "gaps": detections.gaps}
    return arrays | {name: values for name, values in optional.items() if values is not None}


def _from_arrays(arrays: dict[str, np.ndarray]) -> VideoDetections:
    pixels, confidence = arrays["pixels"].astype(float), arrays["confidence"].astype(float)
    if pixels.ndim != 4 or pixels.shape[2:] != (len(KEYPOINTS), 2) or confidence.shape != pixels.shape[:3]:
        raise ValueError("not the arrays of a detection")
    rate = float(arrays["rate_hz"])
    width, height = (int(n) for n in arrays["size"])
    return VideoDetections(
        size=(width, height),
        rate_hz=None if np.isnan(rate) else rate,
        pixels=pixels,
        confidence=confidence,
        mattes=arrays.get("mattes"),
        gaps=arrays.get("gaps"),
    )
