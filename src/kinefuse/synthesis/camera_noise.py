"""The noise that a real user has: random cameras, a detector's faults in each, our own triangulation of what it found.

Each window has its own rig of two to eight cameras, its own detector quality and its own error of calibration. The
detector is that of `kinefuse.synthesis.cameras` (bias on the body, jitter that partly lasts, capsules of the body that
hide points), with left and right mistaken for each other and a camera that loses the person for a while besides.

Image points are ideal normalised coordinates (focal length 1) of one lens for all cameras. W windows, V views, T
frames, K = 26 keypoints.
"""

from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from kinefuse.conventions import KEYPOINT_INDEX, KEYPOINTS, mirror_permutation
from kinefuse.synthesis.batch_triangulation import Rays, project, triangulate
from kinefuse.synthesis.cameras import _CAPSULES, BIASED_JOINTS, DetectorFaults

MEAN_LENGTH: Final = 1.596
"""Mean length of a normal vector in space of unit variance per axis."""

HALF_WIDTH: Final = 1.0 / 1.2
HALF_HEIGHT: Final = HALF_WIDTH * 9 / 16
"""Image borders of the lens of `camera_ring`: a horizontal field of view of 80°, 16:9."""

LIMITS: Final = tuple(share * 2 * (HALF_WIDTH**2 + HALF_HEIGHT**2) ** 0.5 for share in (0.0025, 0.02))
"""Bounds of the error above which a view is left out: shares of the image diagonal, as in `vision.triangulation`."""

TRUSTED_SD_M: Final = 0.02
"""Standard deviation of a point, per axis, at which its confidence is one half."""

_MIRRORED: Final = torch.as_tensor(mirror_permutation(KEYPOINTS))
_LEGS: Final = ("hip", "knee", "ankle", "big_toe", "small_toe", "heel")
_IS_LEG: Final = torch.tensor([name.startswith(_LEGS) for name in KEYPOINTS])

# Capsules end in joints; where a joint is no keypoint, the mean of these is where it lies, within 3 cm. The neck's base
# is two fifths of the way from between the shoulders to between the ears.
_STAND_IN: Final = {
    "root": ("mid_hip",),
    "head": ("ear_l", "ear_r"),
    "neck_base": ("neck", "neck", "neck", "ear_l", "ear_r"),
}


@dataclass(frozen=True, kw_only=True)
class CameraNoise:
    """What varies from window to window, and the faults that `DetectorFaults` does not know.

    Attributes
    ----------
    faults : of a detector of quality 1
    quality : a window's jitter and bias are those of `faults`, times a number from this range, evenly in its logarithm
    views : least and greatest number of cameras
    distance_m : of the cameras from the middle of the window's motion; more where the person moves about
    height_m : of the cameras above the lowest point
    spacing_deg : angle from one camera to the next seen from above; at most the whole circle is shared
    swapped, swap_s : share of frames in which left and right of a camera's legs are swapped (the same again for the
        rest of the body), and for how long
    lost, lost_s : share of frames in which a camera finds no person, and for how long
    min_confidence : detections with less are left out, as `vision.preparation` does
    turned_sd_rad, shifted_sd_m : error of a camera's calibration per axis, times a number from 0 to 2 for each window
    """

    faults: DetectorFaults = field(default_factory=DetectorFaults)
    quality: tuple[float, float] = (0.7, 2.0)
    views: tuple[int, int] = (2, 8)
    distance_m: tuple[float, float] = (2.5, 6.5)
    height_m: tuple[float, float] = (0.8, 2.6)
    spacing_deg: tuple[float, float] = (35.0, 100.0)
    swapped: float = 0.008
    swap_s: float = 0.25
    lost: float = 0.03
    lost_s: float = 0.6
    min_confidence: float = 0.3
    turned_sd_rad: float = 0.0008
    shifted_sd_m: float = 0.003


@dataclass(frozen=True)
class Detections:
    """What the cameras found: `x`, `y` and `confidence` (W, V, T, 26), confidence 0 where nothing was found."""

    x: Tensor
    y: Tensor
    confidence: Tensor


def confidence_of(covariance: Tensor) -> Tensor:
    """Return the confidence (...) of points from their covariance (..., 3, 3) in m²; 0 where that is NaN.

    ``1 / (1 + (sd / 20 mm)²)``, sd² being the mean variance of an axis: above 0.9 where four good cameras agree, about
    0.6 with two. Few views, a bad angle between them and views that hardly agree all show in the covariance.
    """
    variance = covariance.diagonal(dim1=-2, dim2=-1).mean(-1)
    return (1.0 / (1.0 + variance / TRUSTED_SD_M**2)).nan_to_num(0.0)


def film(
    settings: CameraNoise,
    points: Tensor,
    rng: torch.Generator,
    *,
    R_world_segment: Tensor | None = None,
    rate_hz: float = 25.0,
) -> tuple[Tensor, Tensor]:
    """Return keypoints as random cameras measure them.

    Parameters
    ----------
    settings
    points : (B, T, 26, 3) metres, world, in the order of `conventions.KEYPOINTS`; NaN where missing
    rng : every number drawn comes from here; on the device of `points`
    R_world_segment : (B, T, 26, 3, 3) rotation of each keypoint's segment, in whose axes a bias is constant; None
        takes the world's
    rate_hz : frame rate

    Returns
    -------
    points : (B, T, 26, 3) metres, world; NaN where fewer than two views agree
    covariance : (B, T, 26, 3, 3) m²
    """
    least, most = settings.views
    count = torch.randint(least, most + 1, (len(points),), generator=rng, device=points.device)
    measured = torch.full_like(points, torch.nan)
    covariance = points.new_full((*points.shape, 3), torch.nan)
    for views in range(least, most + 1):
        rows = (count == views).nonzero()[:, 0]
        if len(rows):
            turns = None if R_world_segment is None else R_world_segment[rows]
            measured[rows], covariance[rows] = _film_with(settings, views, points[rows], turns, rate_hz, rng)
    return measured, covariance


def _film_with(
    settings: CameraNoise, views: int, points: Tensor, turns: Tensor | None, rate_hz: float, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Film windows that all have the same number of cameras."""
    low, high = torch.tensor(settings.quality).log().tolist()
    quality = (low + (high - low) * torch.rand(len(points), generator=rng, device=points.device)).exp()
    rotation, translation = rig(settings, views, points, rng)
    biased = points + _bias(settings.faults, points, turns, quality, rng)
    found = detect(settings, rotation, translation, biased, quality, rate_hz, rng)
    rotation, translation = miscalibrated(settings, rotation, translation, rng)
    rays = Rays(found.x.flatten(2), found.y.flatten(2), found.confidence.flatten(2))
    measured, covariance, _ = triangulate(rotation, translation, rays, LIMITS)
    return measured.reshape(points.shape), covariance.reshape(*points.shape, 3)


def _uniform(shape: tuple[int, ...], bounds: tuple[float, float], rng: torch.Generator) -> Tensor:
    return bounds[0] + (bounds[1] - bounds[0]) * torch.rand(shape, generator=rng, device=rng.device)


def rig(settings: CameraNoise, views: int, points: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return rotations (W, V, 3, 3) and translations (W, V, 3), world to camera, of cameras that look at the person.

    `points` are (W, T, K, 3), NaN where missing.
    """
    known = points.isfinite()
    lowest = torch.where(known, points, torch.inf).amin((1, 2))
    highest = torch.where(known, points, -torch.inf).amax((1, 2))
    middle = ((lowest + highest) / 2).nan_to_num(0.0)  # (W, 3); a window without any point may have any rig
    reach = ((highest - lowest)[:, [0, 2]].norm(dim=-1) / 2).nan_to_num(0.0, 0.0, 0.0)
    windows = len(points)
    step = _uniform((windows, 1), settings.spacing_deg, rng).clamp(max=360.0 / views)
    start = _uniform((windows, 1), (0.0, 360.0), rng)
    place_on_arc = torch.arange(views, device=rng.device) + _uniform((windows, views), (-0.15, 0.15), rng)
    angle = torch.deg2rad(start + step * place_on_arc)
    distance = _uniform((windows, 1), settings.distance_m, rng) * _uniform((windows, views), (0.85, 1.15), rng)
    distance = torch.maximum(distance, reach[:, None] + settings.distance_m[0])
    height = _uniform((windows, views), settings.height_m, rng) + (lowest - middle)[:, 1:2].nan_to_num(0.0, 0.0, 0.0)
    offset = torch.stack([distance * angle.cos(), height, distance * angle.sin()], dim=-1).to(points.dtype)
    aim = 0.1 * torch.randn((windows, views, 3), generator=rng, device=rng.device, dtype=points.dtype)
    rotation = _look_along(aim - offset)
    centre = middle[:, None] + offset
    return rotation, -(rotation @ centre[..., None])[..., 0]


def _look_along(forward: Tensor) -> Tensor:
    """Return R_camera_world (..., 3, 3) of upright cameras that look along vectors (..., 3)."""
    forward = forward / forward.norm(dim=-1, keepdim=True)
    right = torch.linalg.cross(forward, forward.new_tensor([0.0, 1.0, 0.0]).expand_as(forward))
    right = right / right.norm(dim=-1, keepdim=True)
    return torch.stack([right, torch.linalg.cross(forward, right), forward], dim=-2)


def miscalibrated(
    settings: CameraNoise, rotation: Tensor, translation: Tensor, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return cameras as their calibration says that they stand: turned and shifted a little."""
    worse = _uniform((len(translation), 1, 1), (0.0, 2.0), rng).to(translation.dtype)
    drawn = torch.randn((2, *translation.shape), generator=rng, device=rng.device, dtype=translation.dtype) * worse
    x, y, z = (settings.turned_sd_rad * drawn[0]).unbind(-1)
    zero = torch.zeros_like(x)
    turn = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    error = torch.linalg.matrix_exp(turn)
    return error @ rotation, (error @ translation[..., None])[..., 0] + settings.shifted_sd_m * drawn[1]


def _bias(
    faults: DetectorFaults, points: Tensor, turns: Tensor | None, quality: Tensor, rng: torch.Generator
) -> Tensor:
    """Return the detector's constant error on the body, (W, T or 1, 26, 3) metres, world."""
    lengths = [faults.hip_bias_m if name in BIASED_JOINTS else faults.bias_m for name in KEYPOINTS]
    sd = points.new_tensor(lengths)[:, None] / MEAN_LENGTH * quality[:, None, None, None]
    drawn = torch.randn((len(points), 1, len(KEYPOINTS), 3), generator=rng, device=points.device, dtype=points.dtype)
    return sd * drawn if turns is None else (turns @ (sd * drawn)[..., None])[..., 0]


def detect(
    settings: CameraNoise,
    rotation: Tensor,
    translation: Tensor,
    points: Tensor,
    quality: Tensor,
    rate_hz: float,
    rng: torch.Generator,
) -> Detections:
    """Return what the detector finds in each camera.

    Parameters
    ----------
    settings
    rotation, translation : (W, V, 3, 3) and (W, V, 3), world to camera
    points : (W, T, 26, 3) metres, world, with the detector's bias; NaN where missing
    quality : (W,) factor of the jitter
    rate_hz, rng
    """
    faults, frames = settings.faults, points.shape[1]
    flat = points.flatten(1, 2).transpose(1, 2)
    x, y, inverse = (part.unflatten(2, (frames, -1)) for part in project(rotation, translation, flat))
    # A detector's doubt lasts: what is hidden is decided at every other frame, which takes half the time.
    hidden = is_hidden(*(part[:, :, ::2] for part in (x, y, inverse))).repeat_interleave(2, dim=2)[:, :, :frames]
    size = faults.jitter_m * quality[:, None, None, None] * torch.where(hidden, faults.hidden_factor, 1.0) * inverse
    noise = torch.stack([x, y]) + size * _jitter((2, *x.shape), rate_hz, faults, rng, points.dtype)
    sure = torch.rand(x.shape, generator=rng, device=x.device, dtype=x.dtype)
    sure = torch.where(hidden, 0.2 + 0.4 * sure, 0.7 + 0.27 * sure)
    _throw_outliers(noise, sure, inverse, faults, rng)
    missed = torch.rand(x.shape, generator=rng, device=x.device) < torch.where(
        hidden, faults.hidden_dropped, faults.dropped
    )
    x, y, sure = _swap_sides(settings, noise[0], noise[1], sure, rate_hz, rng)
    lost = _runs(x.shape[:3], settings.lost, settings.lost_s * rate_hz, rng)[..., None]
    inside = (x.abs() < HALF_WIDTH) & (y.abs() < HALF_HEIGHT)  # NaN is not inside
    found = inside & (inverse > 0) & ~missed & ~lost & (sure >= settings.min_confidence)
    return Detections(*(torch.where(found, part, 0.0) for part in (x, y, sure)))


def _throw_outliers(noise: Tensor, sure: Tensor, inverse: Tensor, faults: DetectorFaults, rng: torch.Generator) -> None:
    """Move a few points somewhere else, in place; only those few are drawn."""
    index = (torch.rand(sure.shape, generator=rng, device=sure.device) < faults.outliers).nonzero(as_tuple=True)
    thrown = torch.randn((2, len(index[0])), generator=rng, device=noise.device, dtype=noise.dtype)
    noise[0][index] += faults.outlier_m * inverse[index] * thrown[0]
    noise[1][index] += faults.outlier_m * inverse[index] * thrown[1]
    sure[index] *= 0.5 + 0.5 * torch.rand(len(index[0]), generator=rng, device=sure.device, dtype=sure.dtype)


def _jitter(
    shape: tuple[int, ...], rate_hz: float, faults: DetectorFaults, rng: torch.Generator, dtype: torch.dtype
) -> Tensor:
    """Noise of unit variance over time (last axis but one): white noise, and noise that lasts for `correlation_s`."""
    white = torch.randn(shape, generator=rng, device=rng.device, dtype=dtype)
    lasting = torch.randn(shape, generator=rng, device=rng.device, dtype=dtype)
    keep = float(torch.tensor(-1.0 / (rate_hz * faults.correlation_s), dtype=torch.float64).exp())
    lasting[..., 1:, :] *= (1.0 - keep * keep) ** 0.5
    for frame in range(1, shape[-2]):
        lasting[..., frame, :].add_(lasting[..., frame - 1, :], alpha=keep)
    return white.mul_((1.0 - faults.correlated_share) ** 0.5).add_(lasting, alpha=faults.correlated_share**0.5)


def _runs(shape: tuple[int, ...], share: float, length: float, rng: torch.Generator) -> Tensor:
    """Return a mask whose last axis is time: runs of `length` frames that together fill about `share` of it."""
    frames = max(1, round(length))
    padded = (*shape[:-1], shape[-1] + frames)
    starts = torch.rand(padded, generator=rng, device=rng.device) < share / frames
    begun = starts.to(torch.int32).cumsum(-1)
    return begun[..., frames:] > begun[..., :-frames]


def _swap_sides(
    settings: CameraNoise, x: Tensor, y: Tensor, sure: Tensor, rate_hz: float, rng: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Exchange left and right over runs of frames of a camera: of the legs, of the rest, or of both."""
    runs = _runs((2, *x.shape[:3]), settings.swapped, settings.swap_s * rate_hz, rng)
    rows = runs.any(0).nonzero(as_tuple=True)
    legs, mirrored = _IS_LEG.to(x.device), _MIRRORED.to(x.device)
    swap = torch.where(legs, runs[0][rows][:, None], runs[1][rows][:, None])
    for part in (x, y, sure):
        own = part[rows]
        part[rows] = torch.where(swap, own[:, mirrored], own)
    return x, y, sure


def _capsules() -> list[tuple[tuple[int, ...], tuple[int, ...], float, Tensor]]:
    """Return each capsule's ends (means of keypoints), radius, and the keypoints that it may hide, (26,)."""

    def end(joint: str) -> tuple[int, ...]:
        return tuple(KEYPOINT_INDEX[name] for name in _STAND_IN.get(joint, (joint,)))

    return [
        (end(a), end(b), radius, torch.tensor([not name.startswith(tuple(never)) for name in KEYPOINTS]))
        for a, b, radius, never in _CAPSULES
    ]


_ENDS: Final = _capsules()


def is_hidden(x: Tensor, y: Tensor, inverse_depth: Tensor) -> Tensor:
    """Return where a capsule of trunk, head or limbs lies before a point, (W, V, T, 26).

    Along a capsule's image inverse depth is linear, so all is decided in the image: a point is hidden where the nearest
    place of the capsule's axis is no farther from its line of sight than the capsule's radius. `cameras.is_hidden`
    finds the same in space.

    Parameters
    ----------
    x, y, inverse_depth : (W, V, T, 26) of the keypoints
    """
    hidden = torch.zeros_like(x, dtype=torch.bool)
    seen = torch.stack([x, y, inverse_depth])
    depth = inverse_depth.clamp(min=1e-3).reciprocal()
    for start, end, radius, may in _ENDS:
        a, b = (seen[..., list(points)].mean(-1, keepdim=True) for points in (start, end))
        along = b - a
        off_x, off_y = x - a[0], y - a[1]
        length = (along[0] ** 2 + along[1] ** 2).clamp(min=1e-9)
        share = (off_x * (along[0] / length)).addcmul_(off_y, along[1] / length).clamp_(0.0, 1.0)
        nearest = torch.addcmul(a[2], share, along[2]).clamp_(min=1e-3).reciprocal_()
        off_x.addcmul_(share, along[0], value=-1.0).mul_(nearest)
        off_y.addcmul_(share, along[1], value=-1.0).mul_(nearest)
        beyond = (nearest - depth).clamp_(min=0.0)
        hidden |= (off_x.square_() + off_y.square_() + beyond.square_() < radius * radius) & may.to(x.device)
    return hidden
