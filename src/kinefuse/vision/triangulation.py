"""3-D points from the pixels of several cameras: all frames, points and cameras at once.

Each point is the linear solution of its rays (direct linear transform, weighted by confidence), improved by
Gauss-Newton steps on the reprojection error. Points with a view that disagrees are solved again from smaller and
smaller sets of their views, and the largest set that agrees is kept. The covariance follows from the reprojection
Jacobian (Hartley and Zisserman, "Multiple View Geometry", chapter 5) with a noise level per camera that is estimated
from the residuals (MINQUE: C. R. Rao, 1971).

Inside this module N points are the last axis of every array, views the first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from kinefuse.errors import KinefuseError
from kinefuse.recordings import Camera
from kinefuse.vision import intersection
from kinefuse.vision.cameras import CameraStack
from kinefuse.vision.intersection import CHUNK_POINTS, Geometry, Rays, chunks

MOST_VIEWS_FOR_SUBSETS = 8
"""With more views, sets are made smaller one view at a time instead of trying all."""

NOISE_SAMPLE = 20_000

REJECT_AT = 3.2
"""Multiple of the median error above which a view is left out: 3.8 standard deviations of Gaussian noise in an image.

Of 2, 2.5, 3.2, 4 and 5, this gave the smallest mean error of the demo's points against their truth (two seeds).
"""


@dataclass(frozen=True, kw_only=True)
class Triangulation:
    """Points, and how well the cameras agree on them.

    Attributes
    ----------
    positions : (T, K, 3) metres, world; NaN where fewer than two views agree
    covariance : (T, K, 3, 3) m²; NaN where the position is
    used : (T, V, K) true for the observations that the positions rest on
    reprojection_px : (T, V, K) distance between an observation and the projected point in calibrated-image pixels,
        also of observations that were not used; where no views agree, the distance from the point that they give
        together, though its position is NaN; NaN without an observation or such a point, infinite behind a camera
    noise_px : (V,) standard deviation per axis of an observation of confidence 1; NaN where nothing tells it
    limit_px : the reprojection error above which an observation was not used
    """

    positions: np.ndarray
    covariance: np.ndarray
    used: np.ndarray
    reprojection_px: np.ndarray
    noise_px: np.ndarray
    limit_px: float


def triangulate(
    cameras: Sequence[Camera],
    pixels: np.ndarray,
    confidence: np.ndarray,
    *,
    min_confidence: float = 0.0,
    max_error_px: float | None = None,
    min_views: int = 2,
    steps: int = 2,
) -> Triangulation:
    """Triangulate every point of every frame.

    Parameters
    ----------
    cameras : V calibrated cameras
    pixels : (T, V, K, 2) pixels of the calibrated, distorted images; NaN where not seen
    confidence : (T, V, K) 0 where not seen; an observation's variance is taken as inversely proportional to it
    min_confidence : observations with less are left out
    max_error_px : reprojection error above which a view is not used; None sets `REJECT_AT` times the median of all
        first errors, within 0.25 % and 2 % of the image diagonal
    min_views : views that must agree, at least 2
    steps : Gauss-Newton steps after the linear solution

    Returns
    -------
    Triangulation

    Raises
    ------
    KinefuseError
        If the shapes disagree or fewer than two cameras are given.
    """
    _check(cameras, pixels, confidence, min_views)
    geometry = Geometry(cameras)
    with np.errstate(all="ignore"):
        rays = intersection.observe(geometry.stack, pixels, confidence, min_confidence)
        points, errors = _first_solution(geometry, rays, steps)
        limit = max_error_px if max_error_px is not None else _default_limit(errors, geometry.stack)
        weight = _agreeing_views(geometry, rays, points, errors, limit, steps, min_views)
        noise = _noise_levels(geometry, points, errors, weight, rays.confidence)
        covariance = _covariance(geometry, points, weight, noise)
    frames, _, names = confidence.shape
    return Triangulation(
        positions=(points.T + geometry.origin).reshape(frames, names, 3),
        covariance=covariance.reshape(frames, names, 3, 3),
        used=_by_frame(weight > 0, confidence.shape),
        reprojection_px=_by_frame(errors, confidence.shape),
        noise_px=noise,
        limit_px=float(limit),
    )


def triangulate_plain(cameras: Sequence[Camera], pixels: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Return the linear solution alone: no lens distortion, no rejection, no covariance; the fastest path.

    Parameters
    ----------
    cameras : V cameras, taken as free of lens distortion
    pixels : (T, V, K, 2) undistorted pixels, NaN where not seen
    confidence : (T, V, K) weights of the observations, 0 where not seen

    Returns
    -------
    (T, K, 3) metres; NaN where fewer than two views see a point.

    Raises
    ------
    KinefuseError
        If the shapes disagree or fewer than two cameras are given.
    """
    _check(cameras, pixels, confidence, 2)
    geometry = Geometry(cameras)
    frames, _, names = confidence.shape
    positions = np.empty((frames, names, 3))
    step = max(1, CHUNK_POINTS // max(names, 1))
    with np.errstate(all="ignore"):
        for start in range(0, frames, step):
            part = slice(start, start + step)
            rays = intersection.observe_plain(geometry.stack, pixels[part], confidence[part])
            points = intersection.solve_linear(geometry, rays.x, rays.y, rays.weight)
            points[:, np.count_nonzero(rays.weight, axis=0) < 2] = np.nan
            positions[part] = (points.T + geometry.origin).reshape(-1, names, 3)
    return positions


def _check(cameras: Sequence[Camera], pixels: np.ndarray, confidence: np.ndarray, min_views: int) -> None:
    if len(cameras) < 2:
        raise KinefuseError(f"Triangulation needs at least two calibrated cameras, got {len(cameras)}.")
    if pixels.ndim != 4 or pixels.shape[1] != len(cameras) or pixels.shape[3] != 2:
        raise KinefuseError(
            f"Expected pixels of shape (frames, {len(cameras)} cameras, points, 2), got {pixels.shape}."
        )
    if confidence.shape != pixels.shape[:3]:
        raise KinefuseError(
            f"Expected a confidence of shape {pixels.shape[:3]}, as the pixels, got {confidence.shape}."
        )
    if min_views < 2:
        raise KinefuseError(f"min_views must be at least 2, as one ray has no depth; got {min_views}.")


def _by_frame(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(V, T * K) to `shape`, (T, V, K)."""
    frames, views, names = shape
    return np.ascontiguousarray(values.reshape(views, frames, names).swapaxes(0, 1))


def _solve(geometry: Geometry, rays: Rays, weight: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points (3, N), NaN where fewer than two views have weight, and their errors in all views (V, N)."""
    points = intersection.solve(geometry, rays, weight, steps)
    points[:, np.count_nonzero(weight, axis=0) < 2] = np.nan
    world = points + geometry.origin[:, None]
    return points, intersection.reprojection_error(geometry.stack, world, rays.pixels)


def _first_solution(geometry: Geometry, rays: Rays, steps: int) -> tuple[np.ndarray, np.ndarray]:
    count = rays.x.shape[1]
    points, errors = np.empty((3, count)), np.empty(rays.x.shape)
    for part in chunks(count):
        some = rays.at(part)
        points[:, part], errors[:, part] = _solve(geometry, some, some.weight, steps)
    return points, errors


def _default_limit(errors: np.ndarray, stack: CameraStack) -> float:
    diagonal = float(np.median(stack.diagonal_px))
    known = errors[np.isfinite(errors)]
    typical = float(np.median(known)) if known.size else np.inf
    return float(np.clip(REJECT_AT * typical, 0.0025 * diagonal, 0.02 * diagonal))


def _agreeing_views(
    geometry: Geometry,
    rays: Rays,
    points: np.ndarray,
    errors: np.ndarray,
    limit: float,
    steps: int,
    min_views: int,
) -> np.ndarray:
    """Solve again where views disagree, in place of `points` and `errors`; return the weights (V, N) that were used.

    Where none agree, the errors of the first solution stay: how far they disagree is what users must hear of.
    """
    seen = rays.weight > 0
    agrees = np.where(seen, errors <= limit, True).all(axis=0)
    enough = seen.sum(axis=0) >= min_views
    kept = seen & agrees & enough
    failing = np.flatnonzero(~agrees & (seen.sum(axis=0) > min_views) & enough)
    lost = ~(agrees & enough)
    lost[failing] = False
    points[:, lost] = np.nan
    for part in chunks(len(failing)):
        index = failing[part]
        some = rays.at(index)
        points[:, index], error, kept[:, index] = _best_subset(geometry, some, limit, steps, min_views)
        errors[:, index] = np.where(kept[:, index].any(axis=0), error, errors[:, index])
    return np.where(kept, rays.weight, 0.0)


def _best_subset(
    geometry: Geometry, rays: Rays, limit: float, steps: int, min_views: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points (3, N), errors (V, N) and views used (V, N) from the largest set of views that agrees."""
    seen = rays.weight > 0
    views, count = seen.shape
    points, errors = np.full((3, count), np.nan), np.full((views, count), np.nan)
    kept = np.zeros((views, count), dtype=bool)
    greedy = seen.copy()
    for size in range(int(seen.sum(axis=0).max(initial=0)) - 1, min_views - 1, -1):
        todo = np.flatnonzero(~kept.any(axis=0) & (seen.sum(axis=0) > size))
        if views > MOST_VIEWS_FOR_SUBSETS:
            todo = todo[greedy[:, todo].sum(axis=0) == size + 1]
        trial = _try_sets(geometry, rays.at(todo), _candidate_sets(greedy[:, todo], size), limit, steps)
        good = trial.agrees
        points[:, todo[good]], errors[:, todo[good]] = trial.points[:, good], trial.errors[:, good]
        kept[:, todo[good]] = trial.views[:, good]
        if views > MOST_VIEWS_FOR_SUBSETS:
            greedy[:, todo] = trial.views
    return points, errors, kept


@dataclass(frozen=True)
class _Trial:
    """The best of several sets of views per point: points (3, N), errors and views (V, N), and whether they agree."""

    points: np.ndarray
    errors: np.ndarray
    views: np.ndarray
    agrees: np.ndarray


def _candidate_sets(available: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield masks (V, N) of views, each of `size` views out of those available where that is possible, else empty."""
    views = len(available)
    if views > MOST_VIEWS_FOR_SUBSETS:
        for view in range(views):
            mask = available.copy()
            mask[view] = False
            yield mask & available[view]
        return
    for members in combinations(range(views), size):
        chosen = list(members)
        mask = np.zeros(available.shape, dtype=bool)
        mask[chosen] = available[chosen].all(axis=0)
        yield mask


def _try_sets(geometry: Geometry, rays: Rays, sets: Iterator[np.ndarray], limit: float, steps: int) -> _Trial:
    views, count = rays.x.shape
    points, errors = np.full((3, count), np.nan), np.full((views, count), np.nan)
    best, chosen = np.full(count, np.inf), np.zeros((views, count), dtype=bool)
    for mask in sets:
        some = np.flatnonzero(mask.any(axis=0))
        if not some.size:
            continue
        members = mask[:, some]
        tried, error = _solve(geometry, rays.at(some), np.where(members, rays.weight[:, some], 0.0), steps)
        worst = np.where(members, error, 0.0).max(axis=0)
        better = worst < best[some]  # NaN is never better
        index = some[better]
        best[index], chosen[:, index] = worst[better], members[:, better]
        points[:, index], errors[:, index] = tried[:, better], error[:, better]
    return _Trial(points, errors, chosen, best <= limit)


def _noise_levels(
    geometry: Geometry, points: np.ndarray, errors: np.ndarray, weight: np.ndarray, confidence: np.ndarray
) -> np.ndarray:
    """Return each camera's noise per axis (V,) in pixels, from used observations (see the module's notes).

    The expected weighted squared residual of view v is Σ_u A[v, u] σ_u², summed over points, where A follows from the
    views' shares in each point. With two views nothing tells them apart, and they get one common level.
    """
    some = np.flatnonzero(np.isfinite(points[0]))
    some = some[:: max(1, len(some) // NOISE_SAMPLE)]
    used, views = weight[:, some] > 0, len(weight)
    if not some.size:
        return np.full(views, np.nan)
    information = intersection.view_curvature(geometry, points[:, some], weight[:, some])
    inverse = intersection.full_symmetric(intersection.invert_symmetric(information.sum(axis=0)))
    share = intersection.full_symmetric(np.swapaxes(information, 0, 1)) @ inverse  # (V, N, 3, 3)
    cross = np.einsum("vnij,unji->vu", share, share, optimize=True)
    counts = 2.0 * used.sum(axis=1)
    expected = cross + np.diag(counts - 2.0 * np.einsum("vnii->v", share))
    squares = np.where(used, confidence[:, some] * errors[:, some] ** 2, 0.0).sum(axis=1)
    common = squares.sum() / max(expected.sum(), 1e-12)
    own = common * np.ones(views) if views == 2 else _levels(expected, squares, common)
    return np.where(counts > 0, np.sqrt(np.maximum(own, 0.0)), np.nan)


def _levels(expected: np.ndarray, squares: np.ndarray, common: float) -> np.ndarray:
    """Solve for σ², held within a factor four of the common σ² and drawn to it a little, as few data cannot tell."""
    prior = 20.0 * np.eye(len(squares))
    return np.clip(np.linalg.solve(expected + prior, squares + 20.0 * common), common / 16.0, common * 16.0)


def _covariance(geometry: Geometry, points: np.ndarray, weight: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the covariance (N, 3, 3) of weighted least squares whose weights know nothing of the cameras' noise."""
    variance = np.nan_to_num(noise)[:, None, None] ** 2
    covariance = np.empty((points.shape[1], 3, 3))
    for part in chunks(points.shape[1]):
        information = intersection.view_curvature(geometry, points[:, part], weight[:, part])
        inverse = intersection.full_symmetric(intersection.invert_symmetric(information.sum(axis=0)))
        middle = intersection.full_symmetric((variance * information).sum(axis=0))
        covariance[part] = inverse @ middle @ inverse
    return covariance
