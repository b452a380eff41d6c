"""Recordings made from true motions: noisy joint centres, and virtual IMUs put on askew."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from kinefuse.conventions import KEYPOINTS
from kinefuse.errors import KinefuseError, check_known
from kinefuse.evaluation.material import Clip, stable_rng
from kinefuse.inertial.resampling import grid_within
from kinefuse.metrics.compare import motion_at
from kinefuse.motion import Motion
from kinefuse.recordings import Imu, JointCenters, Recording, Subject
from kinefuse.synthesis.imus import ImuFaults, virtual_imus
from kinefuse.synthesis.joint_noise import NOISE_PROFILES, JointNoise, noisy_joint_centers

COCO: Final = KEYPOINTS[:17]
POINT_SETS: Final = {"halpe": KEYPOINTS, "coco": COCO}
"""Which keypoints a recording has: all 26, or COCO's 17 without feet, neck, head top and mid-hip."""

CLEAN: Final = "clean"
CAMERA: Final = "camera"
RECORDED: Final = "recorded"
"""Noise of a trial that somebody recorded: nothing is added."""

POINTS_HZ: Final = 25.0
"""Rate of joint centres with noise of a profile, which is drawn at this rate (`synthesis.joint_noise`). Between its
frames it would be smooth, as no detector is, and mislead those who tell noise from movement by what changes fast."""

CUTOFF_HZ: Final = 10.0
"""Low-pass of motion capture before its derivatives become virtual IMUs; less for sources below 25 Hz."""

CUTOFF_SHARE: Final = 0.4


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Under which a recording is made.

    Attributes
    ----------
    noise : one of `NOISE_PROFILES`
    level_m : mean error of the joint centres; None takes the profile's own
    mounting_sd_rad : of each component of the rotation vector by which an IMU is put on askew
    points : names of the keypoints
    seed : of all errors
    """

    noise: str = "authors"
    level_m: float | None = None
    mounting_sd_rad: float = ImuFaults.mounting_sd_rad
    points: tuple[str, ...] = KEYPOINTS
    seed: int = 0

    def __post_init__(self) -> None:
        require_profile(self.noise)
        if self.level_m is not None and not 0 < self.level_m <= 1:
            raise KinefuseError(f"A noise level of 0 to 1000 mm was expected, got {1000 * self.level_m:g} mm.")
        if self.level_m is not None and not has_level(self.noise):
            raise KinefuseError(
                f"The noise profile {self.noise!r} has no level to ask for; leave it out, or take 'paper'."
            )
        if not 0 <= self.mounting_sd_rad <= np.pi:
            raise KinefuseError(
                f"A mounting error of 0 to 180° was expected, got {np.rad2deg(self.mounting_sd_rad):g}°."
            )
        if self.seed < 0:
            raise KinefuseError(f"A seed is a whole number from 0 up, got {self.seed}.")


def require_profile(name: str) -> None:
    """Raise a `KinefuseError` if no noise profile is called so; the sentence names the nearest."""
    check_known("noise profile", name, NOISE_PROFILES)


def all_conditions(
    noises: Sequence[str], levels_m: Sequence[float], mounting_sd_rad: float, points: str, seed: int
) -> list[Conditions]:
    """Return one set of conditions for each profile, and for each level if it can be scaled.

    Raises
    ------
    KinefuseError
        If a name or a number is none that is known.
    """
    check_known("set of points", points, POINT_SETS)
    return [
        Conditions(noise=noise, level_m=level, mounting_sd_rad=mounting_sd_rad, points=POINT_SETS[points], seed=seed)
        for noise in dict.fromkeys(noises)
        for level in (levels_m if levels_m and has_level(noise) else (None,))
    ]


def has_level(noise: str) -> bool:
    """Return whether a profile can be scaled; ``clean`` has no error, and ``camera`` the one that its cameras make."""
    return isinstance(NOISE_PROFILES.get(noise), JointNoise)


def make_recording(clip: Clip, conditions: Conditions) -> Recording:
    """Return noisy joint centres, see `noisy_points`, and 13 IMUs at 100 Hz.

    The person's height stays unknown. The errors depend on the seed, the clip's name and the part that they are of
    alone: the IMUs are the same for every noise of the joint centres.
    """
    centers = noisy_points(clip, conditions)
    imus = noisy_imus(clip.truth, conditions, stable_rng(conditions.seed, "imus", clip.subject, clip.name))
    return Recording(subject=Subject(id=clip.subject), joint_centers=centers, imus=imus)


def noisy_points(clip: Clip, conditions: Conditions) -> JointCenters:
    """Return the joint centres of a clip under these conditions: at its own rate from cameras, else at `POINTS_HZ`."""
    rng = stable_rng(conditions.seed, "points", clip.subject, clip.name)
    seed = int(rng.integers(2**31))
    truth = clip.truth if conditions.noise == CAMERA else at_points_rate(clip.truth)
    centers = noisy_joint_centers(truth, conditions.noise, seed, level_m=conditions.level_m)
    return centers.select(conditions.points)


def at_points_rate(motion: Motion) -> Motion:
    """Return a motion at `POINTS_HZ`, or as it is if it is not faster."""
    if not motion.rate_hz > POINTS_HZ:
        return motion
    return motion_at(motion, grid_within(motion.time[0], motion.time[-1], POINTS_HZ))


def noisy_imus(motion: Motion, conditions: Conditions, rng: np.random.Generator) -> tuple[Imu, ...]:
    """Return the virtual IMUs of a motion under these conditions."""
    faults = replace(ImuFaults(), mounting_sd_rad=conditions.mounting_sd_rad)
    return virtual_imus(motion, rng, faults=faults, smooth_hz=min(CUTOFF_HZ, CUTOFF_SHARE * motion.rate_hz))


def point_error_m(clip: Clip, recording: Recording, conditions: Conditions) -> float:
    """Return the mean distance of the recorded joint centres from the true ones, metres; NaN without any."""
    if recording.joint_centers is None:
        return float("nan")
    truth = clip.truth if conditions.noise == CAMERA else at_points_rate(clip.truth)
    true = noisy_joint_centers(truth, CLEAN, 0).select(conditions.points).positions
    distance = np.linalg.norm(recording.joint_centers.positions - true, axis=-1)
    return float(np.nanmean(distance)) if np.isfinite(distance).any() else float("nan")
