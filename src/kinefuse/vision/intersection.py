"""Where the rays of several cameras meet: the batched solver behind `kinefuse.vision.triangulation`.

The 3x3 normal equations of the linear problem and of a Gauss-Newton step are both linear in a few features of an
observation (1, x, y, x², y²), so one matrix product forms them for thousands of points; they are solved by cofactors.
See Hartley and Zisserman, "Multiple View Geometry", chapter 12.

N points are the last axis of every array here, V views the first. Points are relative to `Geometry.origin`, the
centroid of the cameras.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kinefuse.recordings import Camera
from kinefuse.vision import cameras as lens
from kinefuse.vision.cameras import CameraStack

SYMMETRIC = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
"""Order in which the six different elements of a symmetric 3x3 matrix are kept."""

CHUNK_POINTS = 4096
"""Points that are worked on together."""

SMALLEST_RELATIVE_DETERMINANT = 1e-12


@dataclass(frozen=True)
class Rays:
    """Observations of N points.

    Attributes
    ----------
    pixels : (2, V, N) pixels of the real image, NaN where not seen
    x, y : (V, N) ideal normalised coordinates
    confidence : (V, N) 0 where not seen
    weight : (V, N) confidence, times the area by which the lens enlarges the image there, so that distances in the
        undistorted image count as they would in the real one
    """

    pixels: np.ndarray
    x: np.ndarray
    y: np.ndarray
    confidence: np.ndarray
    weight: np.ndarray

    def at(self, points: np.ndarray | slice) -> "Rays":
        """Return the observations of some of the points."""
        rows = (self.x, self.y, self.confidence, self.weight)
        return Rays(self.pixels[:, :, points], *(row[:, points] for row in rows))


class Geometry:
    """The constants of V cameras that turn features of observations into normal equations.

    Attributes
    ----------
    stack : the cameras
    origin : (3,) metres, where the solver's coordinates have their origin
    rotation, translation : (V, 3, 3) and (V, 3), solver coordinates to camera
    """

    def __init__(self, cameras: Sequence[Camera]) -> None:
        self.stack = lens.stack_cameras(cameras)
        self.origin = self.stack.centres.mean(axis=0)
        self.rotation = self.stack.rotation
        self.translation = self.stack.translation + self.rotation @ self.origin
        focal2 = np.stack([self.stack.matrix[:, 0, 0], self.stack.matrix[:, 1, 1]], axis=1) ** 2
        self.fx2, self.fy2 = focal2.T[:, :, None]  # (V, 1) each
        self._linear = _linear_terms(self.rotation, self.translation, np.sqrt(focal2.prod(axis=1)))
        self._curvature = _curvature_terms(self.rotation, focal2)
        gradient = self.rotation * np.concatenate([focal2, -np.ones((len(focal2), 1))], axis=1)[:, :, None]
        self._gradient = gradient.reshape(-1, 3).T

    def linear_equations(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Return the six elements of the normal matrix and the right-hand side, (9, N)."""
        features = np.stack([weight, weight * x, weight * y, weight * (x * x + y * y)], axis=1)
        return self._linear.reshape(-1, 9).T @ features.reshape(-1, features.shape[-1])

    def curvature(self, x: np.ndarray, y: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Return each view's JᵀJ, (V, 6, N), pixels² per metre²; `scale` is weight / depth², x and y projected."""
        scaled_x, scaled_y = scale * x, scale * y
        features = np.stack([scale, scaled_x, scaled_y, scaled_x * x, scaled_y * y], axis=1)
        return np.swapaxes(self._curvature, 1, 2) @ features

    def gradient(self, off_x: np.ndarray, off_y: np.ndarray, pull: np.ndarray) -> np.ndarray:
        """Return Jᵀ times the residual, (3, N), from its parts along the camera axes."""
        features = np.stack([off_x, off_y, pull], axis=1)
        return self._gradient @ features.reshape(-1, features.shape[-1])

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return ideal x and y and inverse depth (V, N) of points (3, N); inverse depth is 0 behind a camera."""
        in_camera = self.rotation.reshape(-1, 3) @ points
        right, down, depth = np.moveaxis(in_camera.reshape(len(self.rotation), 3, -1), 1, 0)
        depth = depth + self.translation[:, 2:]
        inverse = np.where(depth > lens.NEAREST_DEPTH_M, 1.0, 0.0) / np.where(depth == 0.0, 1.0, depth)
        return (right + self.translation[:, :1]) * inverse, (down + self.translation[:, 1:2]) * inverse, inverse


def _linear_terms(rotation: np.ndarray, translation: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(V, 4, 9): features 1, x, y, x² + y² to the elements of the normal matrix and the right-hand side."""
    rows = np.concatenate([rotation, translation[:, :, None]], axis=2)  # (V, 3, 4)
    outer = np.einsum("vai,vbj->vabij", rows, rows)
    both = outer + np.swapaxes(outer, -1, -2)
    terms = np.stack([outer[:, 0, 0] + outer[:, 1, 1], -both[:, 0, 2], -both[:, 1, 2], outer[:, 2, 2]], axis=1)
    elements = [terms[:, :, i, j] for i, j in SYMMETRIC] + [-terms[:, :, i, 3] for i in range(3)]
    return np.stack(elements, axis=2) * scale[:, None, None]


def _curvature_terms(rotation: np.ndarray, focal2: np.ndarray) -> np.ndarray:
    """(V, 5, 6): features 1, x, y, x², y² to the elements of JᵀJ at depth 1."""
    outer = np.einsum("vai,vbj->vabij", rotation, rotation)
    both = outer + np.swapaxes(outer, -1, -2)
    fx2, fy2 = focal2.T[:, :, None, None]
    along_x = [fx2 * outer[:, 0, 0], -fx2 * both[:, 0, 2], fx2 * outer[:, 2, 2]]
    along_y = [fy2 * outer[:, 1, 1], -fy2 * both[:, 1, 2], fy2 * outer[:, 2, 2]]
    terms = [along_x[0] + along_y[0], along_x[1], along_y[1], along_x[2], along_y[2]]
    return np.stack([np.stack([term[:, i, j] for i, j in SYMMETRIC], axis=1) for term in terms], axis=1)


def chunks(count: int) -> Iterator[slice]:
    """Yield slices that cut `count` points into parts whose arrays stay in a core's cache."""
    return (slice(start, min(start + CHUNK_POINTS, count)) for start in range(0, count, CHUNK_POINTS))


def observe(stack: CameraStack, pixels: np.ndarray, confidence: np.ndarray, min_confidence: float = 0.0) -> Rays:
    """Return the rays of pixels (T, V, K, 2) of confidence (T, V, K), N = T * K points."""
    frames, views, names = confidence.shape
    flat = np.ascontiguousarray(pixels.transpose(3, 1, 0, 2)).reshape(2, views, frames * names).astype(float)
    trust = confidence.transpose(1, 0, 2).reshape(views, frames * names)
    x, y, area = np.empty(trust.shape), np.empty(trust.shape), np.empty(trust.shape)
    for v, matrix in enumerate(stack.matrix):
        for part in chunks(trust.shape[1]):
            bent = lens.normalise(np.moveaxis(flat[:, v, part], 0, -1), matrix)
            x[v, part], y[v, part], area[v, part] = lens.undistort(*bent, stack.distortions[v])
    seen = np.isfinite(x) & np.isfinite(y) & (trust > 0) & (trust >= min_confidence)
    flat[:, ~seen] = np.nan
    trust = np.where(seen, trust, 0.0)
    return Rays(flat, np.where(seen, x, 0.0), np.where(seen, y, 0.0), trust, np.where(seen, trust * area, 0.0))


def observe_plain(stack: CameraStack, pixels: np.ndarray, confidence: np.ndarray) -> Rays:
    """Return the rays of undistorted pixels (T, V, K, 2): `observe` without a lens model."""
    frames, views, names = confidence.shape
    flat = np.ascontiguousarray(pixels.transpose(3, 1, 0, 2)).reshape(2, views, frames * names)
    trust = confidence.transpose(1, 0, 2).reshape(views, frames * names)
    matrix = stack.matrix
    y = (flat[1] - matrix[:, 1, 2, None]) / matrix[:, 1, 1, None]
    x = (flat[0] - matrix[:, 0, 2, None] - matrix[:, 0, 1, None] * y) / matrix[:, 0, 0, None]
    seen = np.isfinite(x + y) & (trust > 0)
    if not seen.all():
        x, y, trust = (np.where(seen, values, 0.0) for values in (x, y, trust))
    return Rays(flat, x, y, trust, trust)


def solve_linear(geometry: Geometry, x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the points (3, N) that solve the rays' linear equations, each ray weighted by `weight` (V, N).

    NaN where the rays are parallel or fewer than two.
    """
    equations = geometry.linear_equations(x, y, weight)
    inverse = invert_symmetric(equations[:6])
    return multiply_symmetric(inverse, equations[6:])


def solve(geometry: Geometry, rays: Rays, weight: np.ndarray, steps: int) -> np.ndarray:
    """Return the points (3, N) of least reprojection error: linear solution, then Gauss-Newton steps.

    `weight` (V, N) is inverse variance in pixels⁻², 0 for a view that does not count.
    """
    points = solve_linear(geometry, rays.x, rays.y, weight)
    for _ in range(steps):
        points = points + _gauss_newton_step(geometry, rays, weight, points)
    return points


def _gauss_newton_step(geometry: Geometry, rays: Rays, weight: np.ndarray, points: np.ndarray) -> np.ndarray:
    x, y, inverse_depth = geometry.project(points)
    once = weight * inverse_depth
    off_x, off_y = once * (rays.x - x), once * (rays.y - y)
    pull = geometry.fx2 * off_x * x + geometry.fy2 * off_y * y
    normal = geometry.curvature(x, y, once * inverse_depth).sum(axis=0)
    return multiply_symmetric(invert_symmetric(normal), geometry.gradient(off_x, off_y, pull))


def view_curvature(geometry: Geometry, points: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return each view's information on each point, weight JᵀJ, (V, 6, N)."""
    x, y, inverse_depth = geometry.project(points)
    return geometry.curvature(x, y, weight * inverse_depth**2)


def reprojection_error(stack: CameraStack, points_world: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return the distance (V, N) between pixels (2, V, N) and the images of points (3, N), lens included.

    NaN where there is no pixel or no point; infinite where a point is not in front of the camera.
    """
    columns = stack.translation[:, :, None]
    right, down, depth = np.moveaxis(stack.rotation @ points_world + columns, 1, 0)
    behind = depth <= lens.NEAREST_DEPTH_M
    depth = np.where(behind, 1.0, depth)
    x, y = lens.distort(right / depth, down / depth, stack.distortions.T[:, :, None])
    matrix = stack.matrix[:, :, :, None]
    off_u = matrix[:, 0, 0] * x + matrix[:, 0, 1] * y + matrix[:, 0, 2] - pixels[0]
    off_v = matrix[:, 1, 1] * y + matrix[:, 1, 2] - pixels[1]
    errors = np.sqrt(off_u * off_u + off_v * off_v)
    return np.where(behind & np.isfinite(errors), np.inf, errors)


def invert_symmetric(matrix: np.ndarray) -> np.ndarray:
    """Return the inverses of symmetric 3x3 matrices, both as six elements (6, ...); NaN where one is singular."""
    a, b, c, d, e, f = matrix
    cofactors = np.stack([d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b])
    determinant = a * cofactors[0] + b * cofactors[1] + c * cofactors[2]
    size = (a + d + f) / 3.0
    good = determinant > SMALLEST_RELATIVE_DETERMINANT * size**3
    return cofactors / np.where(good, determinant, np.nan)


def multiply_symmetric(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Return the products of symmetric matrices (6, ...) with vectors (3, ...)."""
    a, b, c, d, e, f = matrix
    x, y, z = vector
    return np.stack([a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z])


def full_symmetric(matrix: np.ndarray) -> np.ndarray:
    """Return (..., 3, 3) for six elements (6, ...)."""
    a, b, c, d, e, f = matrix
    return np.stack([a, b, c, b, d, e, c, e, f], axis=-1).reshape(*a.shape, 3, 3)
