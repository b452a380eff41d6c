"""People of ellipsoids and their exact mattes, for the tests and the benchmark of volumes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kinefuse.formats.image_mapping import ImageMapping
from kinefuse.recordings import Camera
from kinefuse.vision.cameras import undistort_pixels
from kinefuse.vision.mattes import Mattes, matte_size, pack_mattes

PERSON = (  # middle and half axes of each ellipsoid, metres; the person faces +X and stands on y = 0
    ((0.0, 1.20, 0.0), (0.13, 0.36, 0.19)),
    ((0.02, 1.68, 0.0), (0.10, 0.13, 0.09)),
    ((0.0, 0.68, 0.11), (0.09, 0.28, 0.09)),
    ((0.0, 0.68, -0.11), (0.09, 0.28, 0.09)),
    ((0.0, 0.26, 0.12), (0.06, 0.26, 0.06)),
    ((0.0, 0.26, -0.12), (0.06, 0.26, 0.06)),
    ((0.0, 1.42, 0.42), (0.05, 0.05, 0.32)),
    ((0.25, 1.30, -0.25), (0.28, 0.05, 0.06)),
)


def turned(angle: float) -> np.ndarray:
    """Return the rotation (3, 3) by an angle in radians about the vertical, +Z towards +X."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def person_middle() -> np.ndarray:
    """Return the centroid (3,) metres of the person, each point counted once, to a millimetre."""
    spans = [np.arange(-0.72, 0.72, 0.02), np.arange(0.0, 1.9, 0.02), np.arange(-0.76, 0.76, 0.02)]
    points = np.stack(np.meshgrid(*spans, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = [(((points - middle) / np.array(axes)) ** 2).sum(axis=1) <= 1.0 for middle, axes in PERSON]
    return np.asarray(points[np.any(inside, axis=0)].mean(axis=0))


def cell_rays(camera: Camera, grid: Mattes) -> tuple[np.ndarray, np.ndarray]:
    """Return the camera's place (3,) and the directions (H, W, 3) of its matte's cells, world."""
    width, height = grid.size
    cells = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    ideal = undistort_pixels(camera, grid.mapping.to_calibrated(grid.to_file(cells)))
    return camera.centre, np.concatenate([ideal, np.ones_like(ideal[..., :1])], axis=-1) @ camera.R_camera_world


def shadow(place: np.ndarray, rays: np.ndarray, at: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Return which rays (..., 3) from `place` meet the person, turned and put at `at` (3,) metres."""
    hit = np.zeros(rays.shape[:-1], dtype=bool)
    for middle, axes in PERSON:
        start = (place - at) @ rotation - np.array(middle)
        a, b = start / np.array(axes), (rays @ rotation) / np.array(axes)
        square, mixed = (b * b).sum(axis=-1), b @ a
        hit |= (mixed < 0) & (mixed * mixed >= square * (a @ a - 1.0))
    return hit


def empty_grid(camera: Camera, side_px: int = 480) -> Mattes:
    """Return no mattes of the size that kinefuse keeps for this camera."""
    size = matte_size(camera.size, side_px)
    return Mattes(packed=pack_mattes([], size), size=size, file_size=camera.size, mapping=ImageMapping())


def person_mattes(
    cameras: Sequence[Camera], places: np.ndarray, angles: np.ndarray | None = None, side_px: int = 240
) -> list[Mattes]:
    """Return the exact mattes of a person at `places` (T, 3) metres, turned by `angles` (T,) radians."""
    angles = np.zeros(len(places)) if angles is None else angles
    out = []
    for camera in cameras:
        grid = empty_grid(camera, side_px)
        place, rays = cell_rays(camera, grid)
        images = [shadow(place, rays, at, turned(angle)) for at, angle in zip(places, angles, strict=True)]
        out.append(replace(grid, packed=pack_mattes(images, grid.size)))
    return out
