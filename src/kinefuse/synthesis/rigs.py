"""Rigs of cameras around a floor, of every kind that laboratories have; their pixels are the cells of mattes."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from kinefuse.recordings import Camera
from kinefuse.synthesis.cameras import look_at

FLOOR: Final = (6.0, 4.0)
"""Of where people move, along X and Z, metres; TotalCapture's has this size."""

SIZES: Final = ((480, 270), (480, 360), (479, 480))
"""Of mattes: those of 16:9, 4:3 and Human3.6M's nearly square images."""

NEAREST_M: Final = 1.5
"""Nobody comes nearer to a camera."""

COUNTS: Final = (4, 5, 6, 7, 8)
COUNT_SHARES: Final = (0.2, 0.1, 0.1, 0.1, 0.5)


def random_rig(rng: np.random.Generator, count: int | None = None) -> tuple[Camera, ...]:
    """Return cameras on an ellipse outside of the floor, all with one kind of image and lens.

    They stand 0.8 to 3 m high at nearly equal angles, 1 to 3 m beyond the floor's border, see 65 to 95 degrees
    across, and look at the floor's middle, more or less; so people near the border are partly outside of some images.

    Parameters
    ----------
    rng : every number drawn comes from here
    count : how many; None draws 4 to 8
    """
    count = int(rng.choice(COUNTS, p=COUNT_SHARES)) if count is None else count
    size = SIZES[rng.integers(len(SIZES))]
    beyond, height, field = rng.uniform(1.3, 2.7), rng.uniform(1.0, 2.8), np.deg2rad(rng.uniform(65.0, 95.0))
    lens = rng.normal(0.0, 1.0, 4) * (0.05, 0.01, 3e-4, 3e-4)
    begin = rng.uniform(0.0, 2.0 * np.pi)
    cameras = []
    for index in range(count):
        angle = begin + 2.0 * np.pi * (index + rng.uniform(-0.2, 0.2)) / count
        radii = np.array(FLOOR) / 2 + beyond + rng.uniform(-0.3, 0.3)
        place = np.array([radii[0] * np.cos(angle), 0.0, radii[1] * np.sin(angle)])
        place[1] = np.clip(height + rng.normal(0.0, 0.3), 0.8, 3.0)
        aim = np.array([0.0, 0.9, 0.0]) + rng.normal(0.0, 1.0, 3) * (0.3, 0.1, 0.3)
        rotation = look_at(place, aim)
        cameras.append(
            Camera(
                name=f"cam_{index + 1}",
                size=size,
                matrix=_matrix(size, field * rng.uniform(0.98, 1.02), rng),
                distortions=lens * rng.uniform(0.9, 1.1),
                R_camera_world=rotation,
                translation=-rotation @ place,
            )
        )
    return tuple(cameras)


def _matrix(size: tuple[int, int], field: float, rng: np.random.Generator) -> np.ndarray:
    """Intrinsic matrix (3, 3) of an image that shows an angle `field` across."""
    focal = 0.5 * size[0] / np.tan(0.5 * field)
    middle = np.array(size) / 2 - 0.5 + rng.normal(0.0, 0.01, 2) * size[0]
    return np.array([[focal, 0.0, middle[0]], [0.0, focal, middle[1]], [0.0, 0.0, 1.0]])


def random_place(rig: Sequence[Camera], rng: np.random.Generator) -> np.ndarray:
    """Return a place on the floor, (3,) metres with a height of zero, `NEAREST_M` or more from every camera."""
    cameras = np.array([camera.centre for camera in rig]) * (1.0, 0.0, 1.0)
    while True:
        place = rng.uniform(-0.5, 0.5, 3) * (FLOOR[0], 0.0, FLOOR[1])
        if (np.linalg.norm(cameras - place, axis=1) >= NEAREST_M).all():
            return place
