"""Errors of joint centres as the literature states them: named profiles, drawn for whole batches of windows.

An error has three parts, each drawn for every keypoint on its own: a bias that is constant in the body's axes, jitter
from frame to frame, and peaks. Of Shin, Li and Halilaj's numbers (jitter σ 12 mm, peaks σ 250 mm with masking p = 0.03,
bias about 25 mm) the sum as it stands is 42 ± 70 mm, but they state 41 ± 30 mm and call the peaks "low-frequency".
Averaged over five frames at 25 Hz, the very same numbers give 39.5 ± 28.6 mm, so that is how peaks are made here; a
common factor of 1.04 brings the whole to 41 ± 30 mm. The profile ``camera`` is `kinefuse.synthesis.camera_noise`.

The level of a profile is the mean Euclidean error over the 26 keypoints and all frames, before any centring.

For a whole trial of another frame rate, noise is drawn at 25 Hz and interpolated by a windowed sinc: it holds no more
than 25 Hz can show and, resampled to 25 Hz, is again what was drawn. Jitter and peaks are as large and last as long in
seconds at every rate. Cameras film at the trial's own rate, and their detector's errors last for a time in seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from kinefuse.body.kinematics import points_on_segments
from kinefuse.body.models import BodyModel, load_anny
from kinefuse.conventions import KEYPOINTS
from kinefuse.errors import KinefuseError, check_known
from kinefuse.motion import Motion
from kinefuse.recordings import JointCenters
from kinefuse.synthesis.camera_noise import MEAN_LENGTH, CameraNoise, confidence_of, film

RATE_HZ: Final = 25.0
"""Frame rate at which the profiles are defined."""

HALF_WIDTH: Final = 8
"""Samples at 25 Hz on either side that interpolation to another rate looks at."""


@dataclass(frozen=True, kw_only=True, eq=False)
class JointNoise:
    """Size of the errors of joint centres, before they are scaled to a level.

    Attributes
    ----------
    bias_sd_m, jitter_sd_m, peak_sd_m : (26,) standard deviations per axis, metres, of the constant error, the error
        from frame to frame, and the impulses that make peaks
    peak_share : share of frames with an impulse
    peak_frames : an impulse is spread evenly over so many frames, which divides its height by as many
    raw_level_m : mean Euclidean error of all this together, metres
    level_m : the mean Euclidean error that it is scaled to if none is asked for, metres
    """

    bias_sd_m: np.ndarray
    jitter_sd_m: np.ndarray
    peak_sd_m: np.ndarray
    peak_share: float
    peak_frames: int
    raw_level_m: float
    level_m: float


def _each(sizes: Mapping[str, float], other: float) -> np.ndarray:
    """Return (26,) the size of the first entry that begins a keypoint's name, else `other`."""
    return np.array([next((size for start, size in sizes.items() if k.startswith(start)), other) for k in KEYPOINTS])


def _mean_one(sizes: np.ndarray) -> np.ndarray:
    return sizes / sizes.mean()


def _paper() -> JointNoise:
    """Shin et al.'s numbers are means over joints; by how much joints differ is our choice, as they do not say."""
    unclear = _mean_one(_each({"hip": 1.5, "mid_hip": 1.5, "knee": 1.5}, 1.0))
    distal = _mean_one(_each({"wrist": 1.5, "ankle": 1.5, "heel": 1.5, "big_toe": 1.5, "small_toe": 1.5}, 1.0))
    return JointNoise(
        bias_sd_m=0.025 / MEAN_LENGTH * unclear,
        jitter_sd_m=0.012 * unclear,
        peak_sd_m=0.250 * distal,
        peak_share=0.03,
        peak_frames=5,
        raw_level_m=0.0395,
        level_m=0.041,
    )


def _authors() -> JointNoise:
    """The published code's bias of 8 mm × (2 to 5); its peaks are only known to be small, σ follows from ± 24.5 mm."""
    size = _each({"hip": 5, "mid_hip": 4, "knee": 4, "nose": 2, "eye": 2, "ear": 2, "head": 2, "neck": 2}, 3)
    return JointNoise(
        bias_sd_m=0.008 * size,
        jitter_sd_m=0.008 / 3 * size,
        peak_sd_m=np.full(len(KEYPOINTS), 0.076),
        peak_share=0.02,
        peak_frames=1,
        raw_level_m=0.0421,
        level_m=0.0407,
    )


NOISE_PROFILES: Final[dict[str, JointNoise | CameraNoise | None]] = {
    "clean": None,
    "paper": _paper(),
    "authors": _authors(),
    "camera": CameraNoise(),
}


def _settings(profile: str, level_m: float | Tensor | None) -> JointNoise | CameraNoise | None:
    check_known("noise profile", profile, NOISE_PROFILES)
    settings = NOISE_PROFILES[profile]
    if level_m is not None and not isinstance(settings, JointNoise):
        raise KinefuseError(f"The noise profile {profile!r} has no level to ask for; leave it out, or take 'paper'.")
    return settings


def add_noise(
    profile: str,
    points: Tensor,
    rng: torch.Generator,
    *,
    level_m: float | Tensor | None = None,
    R_world_segment: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return keypoints as cameras would have measured them.

    Parameters
    ----------
    profile : one of `NOISE_PROFILES`
    points : (B, T, 26, 3) metres, world, at `RATE_HZ`, in the order of `conventions.KEYPOINTS`; NaN where missing
    rng : every number drawn comes from here; on the device of `points`
    level_m : mean Euclidean error, metres, one for all or (B,) for each window; None takes the profile's own
    R_world_segment : (B, T, 26, 3, 3) rotation of the segment that each keypoint moves with, so that its bias turns
        with the body; None keeps the bias in world axes

    Returns
    -------
    points : (B, T, 26, 3) metres, world; 0 where missing
    confidence : (B, T, 26) 0 where missing; else `camera_noise.confidence_of` for ``camera`` and 1 for all others, for
        neither the paper nor the authors' code has any

    Raises
    ------
    KinefuseError
        If the profile is unknown, the shape is wrong, or a level is asked of ``clean`` or ``camera``.
    """
    settings = _settings(profile, level_m)
    if points.ndim != 4 or points.shape[2:] != (len(KEYPOINTS), 3):
        raise KinefuseError(f"Expected points of shape (windows, frames, 26, 3), got {tuple(points.shape)}.")
    if settings is None:
        return _present(points)
    if isinstance(settings, CameraNoise):
        measured, covariance = film(settings, points, rng, R_world_segment=R_world_segment, rate_hz=RATE_HZ)
        return _present(measured)[0], confidence_of(covariance)
    scale = _scale(settings, level_m, points)
    windows, frames = points.shape[:2]
    bias, moving = draw(settings, windows, frames, rng, points.dtype)
    if R_world_segment is not None:
        bias = (R_world_segment @ bias[..., None])[..., 0]
    return _present(points + scale * (bias + moving))


def _present(points: Tensor) -> tuple[Tensor, Tensor]:
    known = points.isfinite().all(-1)
    return torch.where(known[..., None], points, 0.0), known.to(points.dtype)


def _scale(settings: JointNoise, level_m: float | Tensor | None, points: Tensor) -> Tensor:
    """Return the factor (1 or B, 1, 1, 1) of what `draw` returns that makes the mean error `level_m`."""
    wanted = settings.level_m if level_m is None else level_m
    level = torch.as_tensor(wanted, dtype=points.dtype, device=points.device)
    if level.shape not in {(), points.shape[:1]} or not bool((level >= 0).all()):
        raise KinefuseError(f"Expected one noise level of 0 m or more, or one for each window, got {wanted}.")
    return (level / settings.raw_level_m).reshape(-1, 1, 1, 1)


def draw(
    settings: JointNoise, windows: int, frames: int, rng: torch.Generator, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Return the constant error (B, 1, 26, 3) and the moving one (B, T, 26, 3), metres, before scaling."""

    def sizes(values: np.ndarray) -> Tensor:
        return torch.as_tensor(values, dtype=dtype, device=rng.device)[:, None]

    shape = (windows, frames, len(KEYPOINTS), 3)
    bias = torch.randn((windows, 1, *shape[2:]), generator=rng, dtype=dtype, device=rng.device)
    moving = torch.randn(shape, generator=rng, dtype=dtype, device=rng.device)
    moving.mul_(sizes(settings.jitter_sd_m))
    _add_peaks(moving, settings, rng, sizes(settings.peak_sd_m)[:, 0])
    return bias * sizes(settings.bias_sd_m), moving


def _add_peaks(moving: Tensor, settings: JointNoise, rng: torch.Generator, sd: Tensor) -> None:
    """Add peaks in place; few frames have one, so only those are drawn."""
    windows, frames, count, _ = moving.shape
    length = settings.peak_frames
    chance = torch.rand((windows, frames + length - 1, count), generator=rng, device=moving.device)
    window, start, keypoint = (chance < settings.peak_share).nonzero(as_tuple=True)
    drawn = torch.randn((len(window), 3), generator=rng, dtype=moving.dtype, device=moving.device)
    height = drawn * (sd[keypoint] / length)[:, None]
    padded = moving.new_zeros((windows, frames + length - 1, count, 3))
    padded[window, start, keypoint] = height
    for shift in range(length):
        moving += padded[:, shift : shift + frames]


def noisy_joint_centers(
    motion: Motion, profile: str, seed: int, *, level_m: float | None = None, person: BodyModel | None = None
) -> JointCenters:
    """Return the 26 keypoints of a motion with the noise of a profile.

    Parameters
    ----------
    motion : the truth, of any frame rate; where it has gaps, so has the result
    profile : one of `NOISE_PROFILES`
    seed : of everything that is drawn
    level_m : mean Euclidean error, metres, over many trials: bias is drawn once a trial and makes its level vary by a
        tenth; None takes the profile's own
    person : the body that ``motion.shape`` belongs to; None takes the embedded one

    Returns
    -------
    Joint centres, NaN where missing; ``camera`` has a covariance, the others do not know theirs.

    Raises
    ------
    KinefuseError
        If the profile is unknown, a level is asked of one that has none, or the motion is of another body.
    """
    settings = _settings(profile, level_m)
    points, turns = keypoints_of(motion, load_anny() if person is None else person)
    rng = torch.Generator().manual_seed(seed)
    covariance = None
    if isinstance(settings, CameraNoise):
        points, covariance = _filmed(settings, points, turns, motion.rate_hz, rng)
    elif settings is not None:
        points = points + _error(settings, motion.time, turns, level_m, rng)
    return JointCenters(names=KEYPOINTS, time=motion.time, positions=points, covariance=covariance)


def keypoints_of(motion: Motion, person: BodyModel) -> tuple[np.ndarray, np.ndarray]:
    """Return the 26 keypoints (T, 26, 3) metres, world, and the rotation of each one's segment (T, 26, 3, 3).

    Joints are the motion's own, whatever its bone lengths; the body's shape tells how far off its joint a point lies.

    Raises
    ------
    KinefuseError
        If the motion's shape is not one of that body.
    """
    if len(motion.shape) != person.n_shape:
        raise KinefuseError(
            f"The body {person.name!r} has {person.n_shape} shape components, the motion has {len(motion.shape)}; "
            "give the body that the motion belongs to."
        )
    segment = person.point_segment[person.point_index(KEYPOINTS)]
    off_joint = person.rest_points(KEYPOINTS, motion.shape) - person.rest_positions(motion.shape)[segment]
    rest_points = motion.rest_positions[segment] + off_joint
    arrays = (motion.R_world_segment, motion.positions, motion.rest_positions, rest_points, segment)
    return points_on_segments(*map(torch.as_tensor, arrays)).numpy(), motion.R_world_segment[:, segment]


def _filmed(
    settings: CameraNoise, points: np.ndarray, turns: np.ndarray, rate_hz: float, rng: torch.Generator
) -> tuple[np.ndarray, np.ndarray]:
    window, body = (torch.as_tensor(part, dtype=torch.float32)[None] for part in (points, turns))
    rate = rate_hz if np.isfinite(rate_hz) else RATE_HZ
    measured, covariance = film(settings, window, rng, R_world_segment=body, rate_hz=rate)
    return measured[0].double().numpy(), covariance[0].double().numpy()


def _error(
    settings: JointNoise, time: np.ndarray, turns: np.ndarray, level_m: float | None, rng: torch.Generator
) -> np.ndarray:
    """Return the error (T, 26, 3) metres, world."""
    place = (time - time[0]) * RATE_HZ
    frames = int(np.ceil(place[-1])) + 2 * HALF_WIDTH + 1
    bias, moving = draw(settings, 1, frames, rng, torch.float64)
    scale = _scale(settings, level_m, bias).numpy()[0]
    turned = np.einsum("tkij,kj->tki", turns, bias.numpy()[0, 0])
    return scale * (turned + interpolate_noise(moving.numpy()[0], place + HALF_WIDTH))


def interpolate_noise(samples: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return noise between its samples, of the same variance as they have.

    Parameters
    ----------
    samples : (N, ...) over time
    place : (T,) where to interpolate, in samples, at least `HALF_WIDTH` - 1 after the first and before the last

    Returns
    -------
    (T, ...) samples weighted by a sinc in a Lanczos window, the weights' squares adding up to one
    """
    first = np.floor(place).astype(int) - HALF_WIDTH + 1
    taps = first[:, None] + np.arange(2 * HALF_WIDTH)
    apart = place[:, None] - taps
    weights = np.sinc(apart) * np.sinc(apart / HALF_WIDTH)
    weights /= np.sqrt((weights**2).sum(1, keepdims=True))
    total = np.zeros((len(place), *samples.shape[1:]))
    for tap, weight in zip(taps.T, weights.T, strict=True):
        total += weight.reshape(-1, *(1,) * (samples.ndim - 1)) * samples[tap]
    return total
