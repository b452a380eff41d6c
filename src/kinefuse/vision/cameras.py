"""Pinhole cameras with OpenCV's lens model: world points to pixels, pixels back to rays, and whether two rays meet.

The lens model is Brown's, with the coefficients in OpenCV's order (k1, k2, p1, p2, k3). A world point X has camera
coordinates ``R X + t``; dividing by depth gives ideal normalised coordinates (x, y), which the lens bends and the
intrinsic matrix turns into pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinefuse.recordings import Camera

NEAREST_DEPTH_M = 1e-6
NEWTON_STEPS = 30
NEWTON_TOLERANCE = 1e-13


@dataclass(frozen=True, kw_only=True)
class CameraStack:
    """The calibrations of V cameras as arrays, in one order.

    Attributes
    ----------
    names : V camera names
    matrix : (V, 3, 3) intrinsic matrices, pixels
    distortions : (V, 5) k1, k2, p1, p2, k3
    rotation : (V, 3, 3) world to camera
    translation : (V, 3) metres
    diagonal_px : (V,) image diagonals, pixels
    """

    names: tuple[str, ...]
    matrix: np.ndarray
    distortions: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    diagonal_px: np.ndarray

    @property
    def centres(self) -> np.ndarray:
        """Camera positions in the world, (V, 3) metres."""
        return -np.einsum("vji,vj->vi", self.rotation, self.translation)


def stack_cameras(cameras: Sequence[Camera]) -> CameraStack:
    """Gather the calibrations of V cameras into arrays; a missing k3 is 0, as OpenCV takes it."""
    return CameraStack(
        names=tuple(camera.name for camera in cameras),
        matrix=np.array([camera.matrix for camera in cameras], dtype=float).reshape(-1, 3, 3),
        distortions=np.array([_five(camera.distortions) for camera in cameras]).reshape(-1, 5),
        rotation=np.array([camera.R_camera_world for camera in cameras], dtype=float).reshape(-1, 3, 3),
        translation=np.array([camera.translation for camera in cameras], dtype=float).reshape(-1, 3),
        diagonal_px=np.array([np.hypot(*camera.size) for camera in cameras], dtype=float),
    )


def _five(distortions: np.ndarray) -> np.ndarray:
    return np.concatenate([distortions, np.zeros(5 - len(distortions))])


def distort(x: np.ndarray, y: np.ndarray, distortions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bend ideal normalised coordinates as the lens does.

    Parameters
    ----------
    x, y : any shape, ideal normalised coordinates
    distortions : (5, ...) k1, k2, p1, p2, k3, each broadcastable to `x`

    Returns
    -------
    Distorted normalised x and y.
    """
    k1, k2, p1, p2, k3 = distortions
    r2 = x * x + y * y
    radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))
    bent_x = x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x)
    bent_y = y * radial + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y
    return bent_x, bent_y


def distortion_jacobian(
    x: np.ndarray, y: np.ndarray, distortions: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return d(bent x)/dx, d(bent x)/dy (equal to d(bent y)/dx) and d(bent y)/dy of `distort`."""
    k1, k2, p1, p2, k3 = distortions
    r2 = x * x + y * y
    radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))
    slope = 2.0 * (k1 + r2 * (2.0 * k2 + 3.0 * r2 * k3))  # d(radial)/d(r2), doubled
    xx = radial + slope * x * x + 2.0 * p1 * y + 6.0 * p2 * x
    xy = slope * x * y + 2.0 * p1 * x + 2.0 * p2 * y
    yy = radial + slope * y * y + 6.0 * p1 * y + 2.0 * p2 * x
    return xx, xy, yy


def undistort(
    bent_x: np.ndarray, bent_y: np.ndarray, distortions: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Invert `distort` by Newton's method.

    Parameters
    ----------
    bent_x, bent_y : any shape, distorted normalised coordinates; NaN stays NaN
    distortions : (5, ...) each broadcastable to `bent_x`

    Returns
    -------
    x, y
        Ideal normalised coordinates. NaN where no point in front of the lens, on the near side of the model's
        fold, is imaged there.
    area_scale
        Determinant of the lens Jacobian: by how much the lens enlarges a small area.
    """
    shape = np.broadcast_shapes(bent_x.shape, np.shape(distortions)[1:])
    if not np.any(distortions):
        return bent_x.copy(), bent_y.copy(), np.ones(shape)
    x, y = np.broadcast_to(bent_x, shape).copy(), np.broadcast_to(bent_y, shape).copy()
    with np.errstate(all="ignore"):
        for _ in range(NEWTON_STEPS):
            moved = _newton_step(x, y, bent_x, bent_y, distortions)
            if not moved > NEWTON_TOLERANCE:
                break
        xx, xy, yy = distortion_jacobian(x, y, distortions)
        area_scale = xx * yy - xy * xy
        again_x, again_y = distort(x, y, distortions)
        converged = np.abs(again_x - bent_x) + np.abs(again_y - bent_y) < 1e-9
        good = converged & (area_scale > 0) & (xx + yy > 0)
    return np.where(good, x, np.nan), np.where(good, y, np.nan), np.where(good, area_scale, np.nan)


def _newton_step(
    x: np.ndarray, y: np.ndarray, bent_x: np.ndarray, bent_y: np.ndarray, distortions: np.ndarray
) -> float:
    """Improve `x` and `y` in place; return the largest step |dx| + |dy| among those that are still bounded."""
    now_x, now_y = distort(x, y, distortions)
    xx, xy, yy = distortion_jacobian(x, y, distortions)
    inverse = 1.0 / (xx * yy - xy * xy)
    off_x, off_y = bent_x - now_x, bent_y - now_y
    step_x = (yy * off_x - xy * off_y) * inverse
    step_y = (xx * off_y - xy * off_x) * inverse
    x += step_x
    y += step_y
    size = np.abs(step_x) + np.abs(step_y)
    return float(np.max(size, initial=0.0, where=np.isfinite(size)))


def normalise(pixels: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (..., 2) as x and y (...) in units of focal length, still bent by the lens.

    `matrix` is one intrinsic matrix (3, 3), upper triangular.
    """
    y = (pixels[..., 1] - matrix[1, 2]) / matrix[1, 1]
    x = (pixels[..., 0] - matrix[0, 2] - matrix[0, 1] * y) / matrix[0, 0]
    return x, y


def undistort_pixels(camera: Camera, pixels: np.ndarray) -> np.ndarray:
    """Return the ideal normalised coordinates of pixels: the inverse of `project`, up to depth.

    Parameters
    ----------
    camera : its calibration
    pixels : (..., 2) pixels of the calibrated, distorted image; NaN is kept

    Returns
    -------
    (..., 2) coordinates x/z, y/z in the camera frame; NaN where the lens model has no inverse.
    """
    x, y = normalise(np.asarray(pixels, dtype=float), camera.matrix)
    ideal_x, ideal_y, _ = undistort(x, y, _five(camera.distortions).reshape(5, *(1,) * x.ndim))
    return np.stack([ideal_x, ideal_y], axis=-1)


def project(camera: Camera, points_world: np.ndarray) -> np.ndarray:
    """Return where a camera sees world points.

    Parameters
    ----------
    camera : its calibration
    points_world : (..., 3) metres

    Returns
    -------
    (..., 2) pixels of the calibrated, distorted image, not cut off at its border; NaN for a point that is missing or
    not in front of the camera.
    """
    in_camera = np.asarray(points_world, dtype=float) @ camera.R_camera_world.T + camera.translation
    depth = np.where(in_camera[..., 2] > NEAREST_DEPTH_M, in_camera[..., 2], np.nan)
    x, y = in_camera[..., 0] / depth, in_camera[..., 1] / depth
    return to_pixels(*distort(x, y, _five(camera.distortions)), camera.matrix)


def project_within_lens(camera: Camera, points_world: np.ndarray) -> np.ndarray:
    """Return where a camera sees world points, as `project` does, but NaN beyond the first fold of its lens model.

    Brown's polynomial turns back beyond some angle: a point far to the side would seem to be in the image.
    """
    in_camera = np.asarray(points_world, dtype=float) @ camera.R_camera_world.T + camera.translation
    with np.errstate(invalid="ignore"):
        beyond = np.hypot(in_camera[..., 0], in_camera[..., 1]) > fold_radius(camera) * in_camera[..., 2]
    return np.where(beyond[..., None], np.nan, project(camera, points_world))


def fold_radius(camera: Camera) -> float:
    """Return the ideal radius, distance over depth, at which the radial part of the lens turns back; infinite if never.

    Radii up to 10, 84° off the axis, are looked at.
    """
    radii = np.linspace(0.0, 10.0, 2001)
    slope, *_ = distortion_jacobian(radii, np.zeros_like(radii), _five(camera.distortions)[:, None])
    return float(radii[np.argmax(slope <= 0) - 1]) if (slope <= 0).any() else float("inf")


def to_pixels(x: np.ndarray, y: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return pixels (..., 2) of distorted normalised coordinates, the inverse of `normalise`."""
    u = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
    return np.stack([u, matrix[1, 1] * y + matrix[1, 2]], axis=-1)


def essential_matrix(first: Camera, second: Camera) -> np.ndarray:
    """Return E (3, 3) with ``x2ᵀ E x1 = 0`` for normalised image points of the same world point."""
    rotation = second.R_camera_world @ first.R_camera_world.T
    x, y, z = second.translation - rotation @ first.translation
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return cross @ rotation


def epipolar_distance(essential: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Sampson's distance (...) of point pairs (..., 2) from the epipolar constraint, normalised units.

    Sampson (1982); Hartley and Zisserman, Multiple View Geometry, 11.4.3.
    """
    one, two = (np.concatenate([p, np.ones((*p.shape[:-1], 1))], axis=-1) for p in (first, second))
    line_two, line_one = one @ essential.T, two @ essential
    error = np.abs((two * line_two).sum(axis=-1))
    slope = np.sqrt((line_two[..., :2] ** 2).sum(axis=-1) + (line_one[..., :2] ** 2).sum(axis=-1))
    return error / np.maximum(slope, 1e-12)
