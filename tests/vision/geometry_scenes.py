"""Cameras and points with known answers for the tests of camera geometry."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from kinefuse.recordings import Camera
from kinefuse.vision.cameras import project

BENT = np.array([-0.2, 0.06, 0.001, -0.0005, 0.002])


def look_at(name: str, centre: np.ndarray, target: np.ndarray, distortions: np.ndarray | None = None) -> Camera:
    """Return an upright camera at `centre` that looks at `target`, both (3,) metres."""
    forward = (target - centre) / np.linalg.norm(target - centre)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    return Camera(
        name=name,
        size=(1920, 1080),
        matrix=np.array([[1200.0, 0.0, 960.0], [0.0, 1210.0, 540.0], [0.0, 0.0, 1.0]]),
        distortions=np.zeros(5) if distortions is None else distortions,
        R_camera_world=rotation,
        translation=-rotation @ centre,
    )


def camera_ring(count: int = 4, distortions: np.ndarray | None = None, radius: float = 4.0) -> list[Camera]:
    """Return cameras on a circle about (0, 1, 0), at different heights, turned to its middle."""
    angles = 2.0 * np.pi * np.arange(count) / count + 0.3
    heights = 1.2 + 0.9 * np.modf(0.618 * np.arange(count))[0]
    centres = np.stack([radius * np.cos(angles), heights, radius * np.sin(angles)], axis=1)
    target = np.array([0.0, 1.0, 0.0])
    return [look_at(f"cam_{i}", centre, target, distortions) for i, centre in enumerate(centres)]


def person_points(rng: np.random.Generator, frames: int, points: int = 26) -> np.ndarray:
    """Return random points (T, K, 3) metres in the space that a person takes up."""
    return rng.uniform([-0.6, 0.0, -0.6], [0.6, 1.8, 0.6], (frames, points, 3))


def observe(cameras: list[Camera], points: np.ndarray) -> np.ndarray:
    """Return the pixels (T, V, K, 2) of points (T, K, 3)."""
    return np.stack([project(camera, points) for camera in cameras], axis=1)


def moved_camera(camera: Camera, rotation: np.ndarray, shift: np.ndarray) -> Camera:
    """Return the camera after the world was moved: X' = rotation X + shift."""
    turned = camera.R_camera_world @ rotation.T
    return replace(camera, R_camera_world=turned, translation=camera.translation - turned @ shift)


def read_trc(path: Path) -> tuple[list[str], np.ndarray]:
    """Return marker names and positions (T, K, 3) of a TRC file."""
    lines = path.read_text().splitlines()
    names = [name for name in lines[3].split("\t")[2:] if name.strip()]
    rows = [
        [float(cell) if cell.strip() else np.nan for cell in line.split("\t")] for line in lines[5:] if line.strip()
    ]
    return names, np.array([row[2 : 2 + 3 * len(names)] for row in rows]).reshape(len(rows), -1, 3)
