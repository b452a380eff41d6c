"""`kinefuse.vision.triangulation` for thousands of windows, each with its own cameras, in PyTorch.

The same steps: a linear solution weighted by confidence, Gauss-Newton steps on the reprojection error, and views that
disagree left out. Three things are simpler. Image points are ideal normalised coordinates of cameras of one focal
length, so there is no lens. Views are left out one at a time, each time the one without which the rest agrees best,
where the other tries all sets of views; with one bad view both find the same. And all cameras share one noise level.

W windows, V views, N points of a window.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from kinefuse.vision.triangulation import REJECT_AT

NEAREST_DEPTH_M: Final = 0.01
SMALLEST_RELATIVE_DETERMINANT: Final = 1e-6
"""Below it, 32-bit floats say nothing of where rays meet: those of two cameras less than 0.1° apart."""

STEPS: Final = 2
"""Gauss-Newton steps after a linear solution."""

Six = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
"""The different elements of symmetric 3x3 matrices."""


@dataclass(frozen=True)
class Cameras:
    """The cameras of W windows, and what turns features of an observation into normal equations.

    Attributes
    ----------
    centre : (W, 3) metres, world; the middle of the cameras, from where points are counted inside this module, since
        small numbers suit 32-bit floats
    rotation, translation : (W, V, 3, 3) and (W, V, 3) metres, from there to camera
    linear : (W, V, 4, 9) weight times 1, x, y, x² + y² to the linear problem's six elements and right-hand side
    curvature : (W, V, 4, 6) the same features to the six elements of JᵀJ at depth 1
    """

    centre: Tensor
    rotation: Tensor
    translation: Tensor
    linear: Tensor
    curvature: Tensor

    def at(self, index: Tensor) -> "Cameras":
        """Return the cameras of some windows."""
        parts = (self.centre, self.rotation, self.translation, self.linear, self.curvature)
        return Cameras(*(part[index] for part in parts))


def prepare_cameras(rotation: Tensor, translation: Tensor) -> Cameras:
    """Return cameras from rotations (W, V, 3, 3) and translations (W, V, 3) metres, world to camera.

    The linear problem is to minimise weight ((r0 - x r2) p + t0 - x t2)² + the same of y; r0, r1, r2 are a rotation's
    rows, t0, t1, t2 the translation.
    """
    centre = -(rotation.transpose(-1, -2) @ translation[..., None])[..., 0].mean(1)
    translation = translation + (rotation @ centre[:, None, :, None])[..., 0]
    rows = torch.cat([rotation, translation[..., None]], dim=-1)
    outer = rows[:, :, :, None, :, None] * rows[:, :, None, :, None, :]  # (W, V, 3, 3, 4, 4): of two rows
    both = outer + outer.transpose(-1, -2)
    terms = [outer[:, :, 0, 0] + outer[:, :, 1, 1], -both[:, :, 0, 2], -both[:, :, 1, 2], outer[:, :, 2, 2]]
    flat = torch.stack(terms, dim=2).flatten(-2)
    curvature = flat[..., [0, 1, 2, 5, 6, 10]]
    return Cameras(centre, rotation, translation, torch.cat([curvature, -flat[..., [3, 7, 11]]], dim=-1), curvature)


@dataclass(frozen=True)
class Rays:
    """What V cameras saw of N points: `x`, `y` and `weight`, (W, V, N).

    x and y are ideal normalised image coordinates, any number where not seen; the weight is the confidence, 0 there.
    """

    x: Tensor
    y: Tensor
    weight: Tensor

    def at(self, window: Tensor, point: Tensor) -> "Rays":
        """Return M points of any windows as M windows of one point."""
        return Rays(*(values[window, :, point][:, :, None] for values in (self.x, self.y, self.weight)))


def triangulate(
    rotation: Tensor, translation: Tensor, rays: Rays, limits: tuple[float, float]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return where the rays meet.

    Parameters
    ----------
    rotation, translation : (W, V, 3, 3) and (W, V, 3) metres, world to camera, as calibrated
    rays
    limits : least and greatest reprojection error above which a view may be left out, normalised image units; between
        them it is `REJECT_AT` times the median error of the window

    Returns
    -------
    points : (W, N, 3) metres, world; NaN where fewer than two views agree
    covariance : (W, N, 3, 3) m²; NaN where the point is
    used : (W, V, N) true for the observations that a point rests on
    """
    cameras = prepare_cameras(rotation, translation)
    points = solve(cameras, rays)
    errors = reprojection_error(cameras, rays, points)
    used = rays.weight > 0
    typical = torch.where(used & errors.isfinite(), errors, torch.nan).flatten(1).nanmedian(dim=1).values
    limit = (REJECT_AT * typical).nan_to_num(0.0).clamp(*limits)
    agrees = (~used | (errors <= limit[:, None, None])).all(1)
    used &= ((used.sum(1) >= 2) & (agrees | (used.sum(1) > 2)))[:, None]
    window, point = (~agrees & used.any(1)).nonzero(as_tuple=True)
    if len(window):
        found, kept = _leave_out(cameras.at(window), rays.at(window, point), limit[window])
        points[window, :, point], used[window, :, point] = found, kept
    points = torch.where(used.any(1)[:, None], points, torch.nan)
    covariance = _covariance(cameras, rays, points, used)
    return (points + cameras.centre[:, :, None]).transpose(1, 2), covariance, used


def _leave_out(cameras: Cameras, rays: Rays, limit: Tensor) -> tuple[Tensor, Tensor]:
    """Return points (M, 3) and the views that are kept (M, V) for M windows of one point; none where no two agree."""
    members = rays.weight[..., 0] > 0
    points, kept = rays.x.new_full((len(members), 3), torch.nan), torch.zeros_like(members)
    todo = torch.arange(len(members), device=members.device)
    while len(todo):
        some = Rays(rays.x[todo], rays.y[todo], rays.weight[todo])
        found, members, worst = _without_one(cameras.at(todo), some, members)
        good = worst <= limit[todo]
        points[todo[good]], kept[todo[good]] = found[good], members[good]
        again = ~good & (members.sum(1) > 2)
        todo, members = todo[again], members[again]
    return points, kept


def _without_one(cameras: Cameras, rays: Rays, members: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Leave out the view without which the others agree best.

    Returns
    -------
    points : (M, 3) metres
    members : (M, V) the other views
    worst : (M,) their largest error
    """
    views = members.shape[1]
    others = members[:, :, None] & ~torch.eye(views, dtype=torch.bool, device=members.device)  # (M, V, candidates)
    trial = Rays(rays.x.expand(-1, -1, views), rays.y.expand(-1, -1, views), rays.weight * others)
    rough = _worst_error(cameras, trial, solve(cameras, trial, steps=0), others)  # near enough to tell which is best
    best = torch.where(members, rough, torch.inf).argmin(1)  # leaving out what is not there is no candidate
    kept = others[torch.arange(len(best), device=best.device), :, best]
    chosen = Rays(rays.x, rays.y, rays.weight * kept[:, :, None])
    points = solve(cameras, chosen)
    return points[..., 0], kept, _worst_error(cameras, chosen, points, kept[:, :, None])[:, 0]


def _worst_error(cameras: Cameras, rays: Rays, points: Tensor, members: Tensor) -> Tensor:
    """Return the largest error (W, N) among the member views (W, V, N); infinite where there is no point."""
    errors = reprojection_error(cameras, rays, points).nan_to_num(torch.inf)
    return torch.where(members, errors, 0.0).amax(1)


def solve(cameras: Cameras, rays: Rays, steps: int = STEPS) -> Tensor:
    """Return the points (W, 3, N) of least weighted reprojection error; NaN where fewer than two rays differ."""
    scaled_x, scaled_y = rays.weight * rays.x, rays.weight * rays.y
    features = [rays.weight, scaled_x, scaled_y, scaled_x * rays.x + scaled_y * rays.y]
    a, b, c, d, e, f, x, y, z = _contract(cameras.linear, torch.stack(features, dim=2)).unbind(1)
    points = _multiply(_inverse((a, b, c, d, e, f)), (x, y, z))
    for _ in range(steps):
        points += _gauss_newton_step(cameras, rays, points)
    return points


def _contract(terms: Tensor, features: Tensor) -> Tensor:
    """Sum terms (W, V, F, E) times features (W, V, F, N) over views and features: (W, E, N)."""
    return terms.flatten(1, 2).transpose(1, 2) @ features.flatten(1, 2)


def _gauss_newton_step(cameras: Cameras, rays: Rays, points: Tensor) -> Tensor:
    x, y, inverse_depth = project(cameras.rotation, cameras.translation, points)
    once = rays.weight * inverse_depth
    off_x, off_y = once * (rays.x - x), once * (rays.y - y)
    pull = torch.stack([off_x, off_y, -(off_x * x + off_y * y)], dim=2)
    right_x, right_y, right_z = _contract(cameras.rotation, pull).unbind(1)
    return _multiply(_inverse(_curvature(cameras, x, y, once * inverse_depth)), (right_x, right_y, right_z))


def _curvature(cameras: Cameras, x: Tensor, y: Tensor, scale: Tensor) -> Six:
    """Return the six different elements of Σ JᵀJ, (W, N) each; `scale` is weight / depth², x and y are projected."""
    scaled_x, scaled_y = scale * x, scale * y
    features = torch.stack([scale, scaled_x, scaled_y, scaled_x * x + scaled_y * y], dim=2)
    a, b, c, d, e, f = _contract(cameras.curvature, features).unbind(1)
    return a, b, c, d, e, f


def project(rotation: Tensor, translation: Tensor, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return image x and y and inverse depth (W, V, N) of points (W, 3, N); inverse depth is 0 behind a camera."""
    windows, views = rotation.shape[:2]
    turned = (rotation.reshape(windows, 3 * views, 3) @ points).unflatten(1, (views, 3))
    right, down, depth = (turned + translation[..., None]).unbind(2)
    inverse = torch.where(depth > NEAREST_DEPTH_M, depth.clamp(min=NEAREST_DEPTH_M).reciprocal(), 0.0)
    return right * inverse, down * inverse, inverse


def reprojection_error(cameras: Cameras, rays: Rays, points: Tensor) -> Tensor:
    """Return the distance (W, V, N) of observations from the images of points (W, 3, N); infinite behind a camera."""
    x, y, inverse_depth = project(cameras.rotation, cameras.translation, points)
    errors = torch.sqrt((x - rays.x) ** 2 + (y - rays.y) ** 2)
    return torch.where((inverse_depth == 0) & errors.isfinite(), torch.inf, errors)


def _multiply(matrix: Six, vector: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Return the products (W, 3, N) of symmetric matrices with vectors."""
    (a, b, c, d, e, f), (x, y, z) = matrix, vector
    return torch.stack([a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z], dim=1)


def _inverse(matrix: Six) -> Six:
    """Return the inverses of symmetric matrices, by cofactors; NaN where singular."""
    a, b, c, d, e, f = matrix
    aa, bb, cc = d * f - e * e, c * e - b * f, b * e - c * d
    determinant = a * aa + b * bb + c * cc
    size = (a + d + f) / 3.0
    good = determinant > SMALLEST_RELATIVE_DETERMINANT * size**3
    scale = torch.where(good, determinant.reciprocal(), torch.nan)
    return aa * scale, bb * scale, cc * scale, (a * f - c * c) * scale, (b * c - a * e) * scale, (a * d - b * b) * scale


def _covariance(cameras: Cameras, rays: Rays, points: Tensor, used: Tensor) -> Tensor:
    """Return (W, N, 3, 3): inverse information times the noise of a window, from residuals per degree of freedom."""
    x, y, inverse_depth = project(cameras.rotation, cameras.translation, points)
    weight = torch.where(used, rays.weight, 0.0)
    squares = torch.where(used, weight * ((x - rays.x) ** 2 + (y - rays.y) ** 2), 0.0).sum((1, 2))
    freedom = 2.0 * used.sum((1, 2)) - 3.0 * used.any(1).sum(1)
    variance = squares / freedom.clamp(min=1.0)
    a, b, c, d, e, f = _inverse(_curvature(cameras, x, y, weight * inverse_depth**2))
    full = torch.stack([a, b, c, b, d, e, c, e, f], dim=-1).unflatten(-1, (3, 3))
    return variance[:, None, None, None] * full
