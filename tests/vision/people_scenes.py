"""Small videos and walking bodies with known answers, for the tests of people in video."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from geometry_scenes import BENT, camera_ring

from kinefuse.conventions import KEYPOINTS
from kinefuse.recordings import Keypoints, Recording, View
from kinefuse.vision.cameras import project
from kinefuse.vision.detectors import ImageDetection, nobody

_HEIGHTS = {
    "nose": 1.62,
    "eye": 1.65,
    "ear": 1.63,
    "head_top": 1.78,
    "neck": 1.47,
    "mid_hip": 0.95,
    "shoulder": 1.45,
    "elbow": 1.15,
    "wrist": 0.9,
    "hip": 0.95,
    "knee": 0.5,
    "ankle": 0.1,
    "heel": 0.04,
    "big_toe": 0.03,
    "small_toe": 0.03,
}
_WIDTHS = {"eye": 0.03, "ear": 0.07, "shoulder": 0.19, "elbow": 0.27, "wrist": 0.3, "small_toe": 0.15}
_FORWARD = {"nose": 0.1, "eye": 0.09, "big_toe": 0.17, "small_toe": 0.14, "heel": -0.06}


def write_video(path: Path, frames: Sequence[np.ndarray], rate_hz: float = 30.0) -> Path:
    """Write frames (H, W, 3) uint8 BGR to a video."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate_hz, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def blank_frames(count: int, size: tuple[int, int], level: int = 90) -> list[np.ndarray]:
    """Return grey frames of a (width, height)."""
    return [np.full((size[1], size[0], 3), level, dtype=np.uint8) for _ in range(count)]


def walker(frames: int, rate_hz: float = 30.0) -> np.ndarray:
    """Return the 26 points of somebody who walks on a circle, (T, 26, 3) metres, arms and legs swinging."""
    time = np.arange(frames) / rate_hz
    swing = 0.35 * np.sin(2 * np.pi * 0.9 * time)
    heading = 0.8 * time
    local = np.zeros((frames, len(KEYPOINTS), 3))
    for k, name in enumerate(KEYPOINTS):
        part, side = (name[:-2], name[-1]) if name[-2:] in {"_l", "_r"} else (name, "")
        sign = {"r": 1.0, "l": -1.0, "": 0.0}[side]
        local[:, k, 1] = _HEIGHTS[part]
        local[:, k, 2] = sign * _WIDTHS.get(part, 0.1)
        local[:, k, 0] = _FORWARD.get(part, 0.0)
        reach = {"wrist": -0.8, "elbow": -0.4, "knee": 0.4, "ankle": 0.9, "heel": 0.9, "big_toe": 0.9, "small_toe": 0.9}
        local[:, k, 0] += sign * reach.get(part, 0.0) * swing
    cosine, sine = np.cos(heading), np.sin(heading)
    x = cosine[:, None] * local[..., 0] + sine[:, None] * local[..., 2]
    z = -sine[:, None] * local[..., 0] + cosine[:, None] * local[..., 2]
    centre = 0.8 * np.stack([sine, cosine], axis=1)
    return np.stack([x + centre[:, None, 0], local[..., 1], z + centre[:, None, 1]], axis=-1)


def crowd(
    starts: Sequence[float], given: Sequence[float | None], frames: int = 120, rate_hz: float = 60.0
) -> Recording:
    """Return three views of somebody who walks by at 1.5 m/s; in every seventh frame a bystander is seen too."""
    cameras = camera_ring(3, BENT, radius=7.0)
    time = np.arange(200) / rate_hz
    path = walker(200, rate_hz) + 1.5 * (time[:, None, None] - 1.5) * np.array([1.0, 0.0, 0.0])
    views = []
    for v, camera in enumerate(cameras):
        own = path[round(rate_hz * (starts[v] - min(starts))) :][:frames]
        people = np.stack([np.full_like(own, np.nan), own], axis=1)
        people[::7, 0] = path[0] + np.array([1.0, 0.0, 1.5 + 0.3 * v])
        pixels = project(camera, people) + np.random.default_rng(v).normal(0.0, 1.0, (*people.shape[:3], 2))
        points = Keypoints(names=KEYPOINTS, pixels=pixels, confidence=np.where(np.isnan(pixels[..., 0]), 0.0, 0.9))
        views.append(View(camera=camera.name, rate_hz=rate_hz, start_s=given[v], keypoints=points))
    return Recording(cameras=tuple(cameras), views=tuple(views))


class BrightestDetector:
    """A stand-in for a detector: the largest white area is a person, its points lie down the middle of it."""

    package: ClassVar[str] = "numpy"
    gives_mattes: ClassVar[bool] = True
    images: ClassVar[int] = 0

    def __init__(self, mattes: bool = False) -> None:
        self.mattes = mattes

    def detect(self, image: np.ndarray) -> ImageDetection:
        type(self).images += 1
        count, labels, stats, _ = cv2.connectedComponentsWithStats((image[..., 1] > 200).astype(np.uint8))
        if count < 2:
            return nobody()
        largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
        matte = labels == largest if self.mattes else None
        return ImageDetection(self.points(stats[largest])[None], np.full((1, len(KEYPOINTS)), 0.9), matte)

    @staticmethod
    def points(box: np.ndarray) -> np.ndarray:
        x, y, width, height = (float(n) for n in box[:4])
        heights = np.array([_HEIGHTS[n[:-2] if n[-2:] in {"_l", "_r"} else n] for n in KEYPOINTS]) / 1.8
        return np.stack([np.full(len(KEYPOINTS), x + (width - 1) / 2), y + (height - 1) * (1 - heights)], axis=1)

    def close(self) -> None:
        """Nothing to free."""


class EverybodyDetector(BrightestDetector):
    """Every white area is a person."""

    def detect(self, image: np.ndarray) -> ImageDetection:
        count, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 1] > 200).astype(np.uint8))
        boxes = [stats[i] for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] > 100]
        if not boxes:
            return nobody()
        return ImageDetection(np.stack([self.points(b) for b in boxes]), np.full((len(boxes), len(KEYPOINTS)), 0.9))
