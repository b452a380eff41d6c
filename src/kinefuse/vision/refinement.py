"""Better camera poses from the movement itself: bundle adjustment of the extrinsic parameters.

Positions and directions of all cameras but one are fitted, together with the points that they see, to the least robust
reprojection error. In each step the points are eliminated (Schur complement; Triggs et al., "Bundle adjustment: a
modern synthesis", 2000), which leaves six unknowns a camera. Intrinsic parameters are taken as right.

What the images cannot tell is held: the world stays where the camera that agrees best with the others is, and it keeps
the geometric mean of the distances between cameras. (One distance alone is a poor yardstick: on a real calibration with
errors of centimetres, holding the distance of the two cameras that agreed best scaled the room by 3 %.) Part of the
frames takes no part in the fit and judges it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from threadpoolctl import threadpool_limits

from kinefuse.errors import KinefuseError
from kinefuse.recordings import Camera
from kinefuse.rotations import matrix_from_rotvec
from kinefuse.vision import intersection
from kinefuse.vision.cameras import stack_cameras
from kinefuse.vision.intersection import Geometry, Rays
from kinefuse.vision.triangulation import triangulate

ROUNDS = 3
MOST_STEPS = 40
MOST_POINTS = 5_000
"""More than these, from frames evenly over the trial, would tell no more about the cameras."""

FEWEST_OBSERVATIONS = 30
TOTAL = "all"


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """Refined cameras, and how well they agree on frames that took no part in the fit.

    Attributes
    ----------
    cameras : in the order given, with new extrinsic parameters
    before_px, after_px : median reprojection error per camera name, and over all under ``"all"``, in calibrated-image
        pixels, of the same observations of the held-out frames; observations that were rejected count too
    fixed_camera : the camera that did not move
    held_out : (T,) true for frames that were not used in the fit
    """

    cameras: tuple[Camera, ...]
    before_px: dict[str, float]
    after_px: dict[str, float]
    fixed_camera: str
    held_out: np.ndarray

    @property
    def improves(self) -> bool:
        """True if the cameras agree better than before on the held-out frames."""
        return self.after_px[TOTAL] < self.before_px[TOTAL]


def refine_extrinsics(
    cameras: Sequence[Camera],
    pixels: np.ndarray,
    confidence: np.ndarray,
    frames: np.ndarray | str = "even",
    min_confidence: float = 0.0,
) -> Refinement:
    """Fit the poses of the cameras to the points that they see.

    Parameters
    ----------
    cameras : V calibrated cameras, at least two
    pixels : (T, V, K, 2) pixels of the calibrated, distorted images; NaN where not seen
    confidence : (T, V, K) weight of the observations, 0 where not seen
    frames : which frames are fitted: ``"even"`` (odd frames are held out), ``"early"`` (the last third is held out: it
        judges other places and postures), or a mask (T,)
    min_confidence : observations with less are left out

    Returns
    -------
    Refinement

    Raises
    ------
    KinefuseError
        If too little is seen by two cameras at once.
    """
    fitted = _fitted_frames(frames, len(pixels))
    trusted = np.where(confidence >= min_confidence, confidence, 0.0)
    pixels_fitted, trust_fitted = _thinned(pixels[fitted], trusted[fitted])
    fixed = _best_camera(pair_agreement(cameras, pixels_fitted, trust_fitted))
    refined = tuple(cameras)
    # Small matrices: BLAS threads gain nothing here, and on a busy machine they wait for each other.
    with threadpool_limits(limits=1, user_api="blas"):
        for _ in range(ROUNDS):
            refined = _adjust(refined, pixels_fitted, trust_fitted, fixed)
    refined = _with_scale_of(cameras, refined, fixed)
    before, after = _held_out_errors(cameras, refined, *_thinned(pixels[~fitted], trusted[~fitted]))
    return Refinement(
        cameras=refined,
        before_px=before,
        after_px=after,
        fixed_camera=cameras[fixed].name,
        held_out=~fitted,
    )


def _fitted_frames(frames: np.ndarray | str, count: int) -> np.ndarray:
    index = np.arange(count)
    if isinstance(frames, str):
        masks = {"even": index % 2 == 0, "early": index < 2 * count // 3}
        if frames not in masks:
            raise KinefuseError(f"frames must be 'even', 'early' or a mask of {count} frames, got {frames!r}.")
        fitted = masks[frames]
    else:
        fitted = np.asarray(frames, dtype=bool)
    if fitted.shape != (count,) or fitted.all() or not fitted.any():
        raise KinefuseError(f"Refining cameras needs frames to fit and frames to judge by; got {count} frames in all.")
    return fitted


def _thinned(pixels: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    step = max(1, confidence.shape[0] * confidence.shape[2] // MOST_POINTS)
    return pixels[::step], confidence[::step]


def pair_agreement(cameras: Sequence[Camera], pixels: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Return, for each two cameras, the median reprojection error of what both see, (V, V) pixels.

    Infinite where they share fewer than 30 points; the diagonal is NaN.
    """
    agreement = np.full((len(cameras), len(cameras)), np.nan)
    for i, j in combinations(range(len(cameras)), 2):
        pair = triangulate([cameras[i], cameras[j]], pixels[:, [i, j]], confidence[:, [i, j]], max_error_px=np.inf)
        errors = pair.reprojection_px[pair.used]
        agreement[i, j] = agreement[j, i] = np.median(errors) if len(errors) >= 2 * FEWEST_OBSERVATIONS else np.inf
    return agreement


def _best_camera(agreement: np.ndarray) -> int:
    """Return the camera that agrees best with the others."""
    if not np.isfinite(agreement).any():
        raise KinefuseError(
            f"Refining cameras needs at least {FEWEST_OBSERVATIONS} points that two cameras see at the same time; "
            "no two cameras share that many, so leave the refinement out."
        )
    return int(np.argmin(np.nanmedian(np.where(np.isinf(agreement), 1e9, agreement), axis=1)))


def _adjust(cameras: tuple[Camera, ...], pixels: np.ndarray, confidence: np.ndarray, fixed: int) -> tuple[Camera, ...]:
    """Return the cameras after one bundle adjustment of the observations that agree so far."""
    start = triangulate(cameras, pixels, confidence)
    rays = intersection.observe(stack_cameras(cameras), pixels, np.where(start.used, confidence, 0.0))
    points = start.positions.reshape(-1, 3).T
    seen = rays.weight > 0
    per_camera = seen.sum(axis=1)
    if per_camera.min() < FEWEST_OBSERVATIONS:
        name = cameras[int(np.argmin(per_camera))].name
        raise KinefuseError(
            f"Camera {name} shares only {per_camera.min()} points with the others; refining needs at least "
            f"{FEWEST_OBSERVATIONS}, so leave that camera or the refinement out."
        )
    kept = np.isfinite(points[0])
    problem = _Bundle(cameras, rays.at(kept), fixed)
    return problem.minimise(points[:, kept])


def _with_scale_of(original: Sequence[Camera], refined: Sequence[Camera], fixed: int) -> tuple[Camera, ...]:
    """Scale the world about the fixed camera until the distances between cameras are, on average, as before."""
    scale = np.exp(np.mean(_log_distances(original)) - np.mean(_log_distances(refined)))
    pivot = refined[fixed].centre
    moved = [pivot + scale * (camera.centre - pivot) for camera in refined]
    return tuple(
        replace(camera, translation=-camera.R_camera_world @ centre)
        for camera, centre in zip(refined, moved, strict=True)
    )


def _log_distances(cameras: Sequence[Camera]) -> list[float]:
    return [float(np.log(np.linalg.norm(a.centre - b.centre))) for a, b in combinations(cameras, 2)]


def _held_out_errors(
    before: Sequence[Camera], after: Sequence[Camera], pixels: np.ndarray, confidence: np.ndarray
) -> tuple[dict[str, float], dict[str, float]]:
    errors = [triangulate(cameras, pixels, confidence).reprojection_px for cameras in (before, after)]
    known = np.isfinite(errors[0]) & np.isfinite(errors[1])
    if not known.any():
        raise KinefuseError(
            "No point of the held-out frames is seen by two cameras, so nothing can judge the refinement."
        )
    names = [camera.name for camera in before]
    return _medians(errors[0], known, names), _medians(errors[1], known, names)


def _medians(errors: np.ndarray, known: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    medians = {}
    for v, name in enumerate(names):
        own = errors[:, v][known[:, v]]
        medians[name] = float(np.median(own)) if own.size else float("nan")
    return {**medians, TOTAL: float(np.median(errors[known]))}


class _Bundle:
    """One robust least-squares problem: the poses of V cameras and N points (3, N), by Levenberg-Marquardt."""

    def __init__(self, cameras: tuple[Camera, ...], rays: Rays, fixed: int) -> None:
        self.cameras, self.rays = cameras, rays
        focal = np.stack([np.diag(camera.matrix)[:2] for camera in cameras])
        self.focal = focal[:, :, None]  # (V, 2, 1)
        self.free = np.flatnonzero(np.repeat(np.arange(len(cameras)) != fixed, 6))
        self.rotation = Geometry(cameras).rotation
        self.translation = stack_cameras(cameras).translation
        self.scale_px = 1.0

    def minimise(self, points: np.ndarray) -> tuple[Camera, ...]:
        """Return the cameras at the minimum that is reached from `points` (3, N)."""
        residual, _ = self._residuals(self.rotation, self.translation, points)
        norms = np.linalg.norm(residual, axis=1)[self.rays.weight > 0]
        self.scale_px = max(2.0 * float(np.median(norms)), 0.1)
        damping, cost = 1e-3, self._cost(self.rotation, self.translation, points)
        for _ in range(MOST_STEPS):
            rotation, translation, trial = self._step(points, damping)
            trial_cost = self._cost(rotation, translation, trial)
            if not trial_cost < cost:
                damping *= 8.0
                if damping > 1e8:
                    break
                continue
            gain = (cost - trial_cost) / cost
            self.rotation, self.translation, points, cost = rotation, translation, trial, trial_cost
            damping = max(damping / 5.0, 1e-9)
            if gain < 1e-6:
                break
        return tuple(
            replace(camera, R_camera_world=r, translation=t)
            for camera, r, t in zip(self.cameras, self.rotation, self.translation, strict=True)
        )

    def _residuals(
        self, rotation: np.ndarray, translation: np.ndarray, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return residuals (V, 2, N) in pixels and camera coordinates (V, 3, N)."""
        inside = rotation @ points + translation[:, :, None]
        ideal = inside[:, :2] / np.maximum(inside[:, 2:], 1e-3)
        return self.focal * (np.stack([self.rays.x, self.rays.y], axis=1) - ideal), inside

    def _cost(self, rotation: np.ndarray, translation: np.ndarray, points: np.ndarray) -> float:
        """Cauchy's robust cost."""
        residual, _ = self._residuals(rotation, translation, points)
        squares = (residual**2).sum(axis=1) / self.scale_px**2
        return float((self.rays.weight * np.log1p(squares)).sum())

    def _step(self, points: np.ndarray, damping: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rotation, translation and points after one damped Gauss-Newton step."""
        residual, inside = self._residuals(self.rotation, self.translation, points)
        weight = self.rays.weight / (1.0 + (residual**2).sum(axis=1) / self.scale_px**2)
        along = self._camera_axes_jacobian(inside)  # (V, 2, 3, N)
        by_point = np.einsum("vran,vab->vrbn", along, self.rotation)
        turn = np.cross(inside[:, None], along, axis=2)
        by_camera = np.concatenate([turn, along], axis=2)  # (V, 2, 6, N)
        pose, shift = _solve_schur(by_camera, by_point, residual, weight, self.free, damping)
        spin = matrix_from_rotvec(pose[:, :3])
        translation = np.einsum("vij,vj->vi", spin, self.translation) + pose[:, 3:]
        return spin @ self.rotation, translation, points + shift

    def _camera_axes_jacobian(self, inside: np.ndarray) -> np.ndarray:
        """Return the derivative (V, 2, 3, N) of a point's image, pixels, along the camera's axes, metres."""
        depth = np.maximum(inside[:, 2], 1e-3)
        zero = np.zeros_like(depth)
        one = np.ones_like(depth)
        u = np.stack([one, zero, -inside[:, 0] / depth], axis=1)
        v = np.stack([zero, one, -inside[:, 1] / depth], axis=1)
        return np.stack([u, v], axis=1) * (self.focal / depth[:, None])[:, :, None]


def _solve_schur(
    by_camera: np.ndarray,
    by_point: np.ndarray,
    residual: np.ndarray,
    weight: np.ndarray,
    free: np.ndarray,
    damping: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Solve the normal equations of cameras and points, the points eliminated.

    Parameters
    ----------
    by_camera, by_point : (V, 2, 6, N) and (V, 2, 3, N) derivatives of the projections
    residual : (V, 2, N)
    weight : (V, N)
    free : indices, of the 6 V camera unknowns, that may change
    damping : added to the diagonals, relative to them

    Returns
    -------
    Steps of the cameras (V, 6) and of the points (3, N).
    """
    views, _, _, count = by_camera.shape
    weighted = weight[:, None, None] * by_camera
    cameras = np.einsum("vrin,vrjn->vij", weighted, by_camera, optimize=True)
    mixed = np.einsum("vrin,vrjn->vijn", weighted, by_point, optimize=True)  # (V, 6, 3, N)
    points = np.einsum("vrin,vrjn->ijn", weight[:, None, None] * by_point, by_point, optimize=True)
    pull_cameras = np.einsum("vrin,vrn->vi", weighted, residual, optimize=True).reshape(-1)
    pull_points = np.einsum("vrin,vrn->in", weight[:, None, None] * by_point, residual, optimize=True)
    points[np.arange(3), np.arange(3)] *= 1.0 + damping
    elements = np.stack([points[i, j] for i, j in intersection.SYMMETRIC])
    inverse = np.nan_to_num(intersection.full_symmetric(intersection.invert_symmetric(elements))).transpose(1, 2, 0)
    reduced = np.einsum("vijn,jkn->vikn", mixed, inverse, optimize=True).reshape(6 * views, 3 * count)
    flat = mixed.reshape(6 * views, 3 * count)
    schur = -reduced @ flat.T
    for v in range(views):
        block = slice(6 * v, 6 * v + 6)
        schur[block, block] += cameras[v] + damping * np.diag(np.diag(cameras[v]))
    right = pull_cameras - reduced @ pull_points.reshape(-1)
    pose = np.zeros(6 * views)
    pose[free] = np.linalg.lstsq(schur[np.ix_(free, free)], right[free], rcond=1e-14)[0]
    left = pull_points - (flat.T @ pose).reshape(3, count)
    return pose.reshape(views, 6), np.einsum("ijn,jn->in", inverse, left)
