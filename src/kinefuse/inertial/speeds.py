"""How fast segments turn: as points show it, and as sensors feel it.

Only speeds are compared, so that neither a sensor's heading nor its mounting has to be known well. Those that points
show are regressed on those that a sensor feels; under Gaussian errors of unknown size the log-likelihood that both are
of one movement is -n/2 log(1 - r²).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter1d

from kinefuse.inertial.rates import angular_rate_of
from kinefuse.inertial.resampling import resample
from kinefuse.recordings import Imu, JointCenters

STEP_S: Final = 0.02

SMOOTHING_S: Final = 0.06
"""Standard deviation of the Gaussian through which both speeds go: points of a video jitter from frame to frame."""

USUAL_SPEED: Final = 1.0
"""Rad/s, of which the logarithm is taken: a point that jumps is much faster than any limb, and must not decide."""

STILL_VARIANCE: Final = 1e-4
"""Of `log_speed`, below which a segment is at rest and tells nothing."""

CORRELATED_S: Final = 0.5
"""Errors of speeds stay alike for about so long, and together count once."""

SHORTEST_S: Final = 3.0
"""Less time in common tells nothing."""

CLEAR: Final = 6.0
"""By how much the log-likelihood of one answer must exceed that of any other to be believed."""

CLEARLY: Final = 2 * CLEAR
"""The same for saying that a sensor is not where, or when, it is said to be. On people kept for validation nothing was
said wrongly of exchanged sensors, and three in four exchanges of left and right were found; half of it found five in
six, but took one shank for a foot."""

BLOCK: Final = 15_000
"""Steps, five minutes, that a sensor's readings are filtered at once, for the sake of memory."""

_ACROSS, _ALONG, _FORWARD = (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)

BONES: Final[dict[str, tuple[tuple[str, ...], tuple[float, float, float]]]] = {
    "pelvis": (("hip_l", "hip_r"), _ACROSS),
    "thorax": (("shoulder_l", "shoulder_r"), _ACROSS),
    "head": (("ear_l", "ear_r"), _ACROSS),
    **{f"thigh_{side}": ((f"hip_{side}", f"knee_{side}"), _ALONG) for side in "lr"},
    **{f"shank_{side}": ((f"knee_{side}", f"ankle_{side}"), _ALONG) for side in "lr"},
    **{f"foot_{side}": ((f"ankle_{side}", f"big_toe_{side}", f"mtp_{side}"), _FORWARD) for side in "lr"},
    **{f"upper_arm_{side}": ((f"shoulder_{side}", f"elbow_{side}"), _ACROSS) for side in "lr"},
    **{f"forearm_{side}": ((f"elbow_{side}", f"wrist_{side}"), _ACROSS) for side in "lr"},
}
"""The two points that show how a sensor's segment turns, the second by either name, and the way between them in the
segment's axes: turns about that way the points do not show."""


def is_comparable(imu: Imu, centers: JointCenters) -> bool:
    """Return whether a sensor's turning can be compared with points: two of them show how its segment turns."""
    return imu.segment in BONES and len(imu.time) > 1 and len(centers.time) > 1 and bool(_ends(imu.segment, centers))


def _ends(segment: str, centers: JointCenters) -> tuple[str, str] | None:
    """Return the names of the two points that show how a segment turns, None if one is missing."""
    first, *second = BONES[segment][0]
    there = [name for name in second if name in centers.names]
    return (first, there[0]) if first in centers.names and there else None


def shown_speeds(segments: Sequence[str], centers: JointCenters, time: np.ndarray) -> np.ndarray:
    """Return how fast the way between each segment's two points turns, as `log_speed`, (N, S); NaN where one is unseen.

    Parameters
    ----------
    segments : S keys of `BONES`
    centers : must have both points of each
    time : (N,) seconds, in steps of `STEP_S`
    """
    pairs = np.array([[centers.names.index(name) for name in _ends(segment, centers) or ()] for segment in segments])
    ends = resample(centers.time, centers.positions[:, pairs.ravel()], time).values.reshape(len(time), len(pairs), 2, 3)
    way = ends[:, :, 1] - ends[:, :, 0]
    length = np.linalg.norm(way, axis=-1, keepdims=True)
    return log_speed(_smoothed(way / np.where(length > 0, length, np.nan), order=1) / STEP_S)


def felt_speeds(imu: Imu, time: np.ndarray, segments: Sequence[str]) -> np.ndarray:
    """Return how fast a sensor turns about all but a segment's bone, as `log_speed`, (N, S); NaN where packets lack.

    Parameters
    ----------
    imu : if its mounting is unknown, its axes are taken for those of the segment
    time : (N,) seconds, in steps of `STEP_S`
    segments : S keys of `BONES`, on any of which it may be worn
    """
    mounting = np.eye(3) if imu.R_segment_sensor is None else imu.R_segment_sensor
    ways = np.array([BONES[segment][1] for segment in segments]) @ mounting
    sampled, rate = angular_rate_of(imu)
    blocks = [resample(sampled, rate, time[i : i + BLOCK]).values for i in range(0, len(time), BLOCK)]
    turning = _smoothed(np.concatenate([np.zeros((0, 1, 3)), *blocks]), order=0)
    return log_speed(turning - (turning @ ways.T).swapaxes(1, 2) * ways)


def _smoothed(values: np.ndarray, order: int) -> np.ndarray:
    """Return values (N, ...) through a Gaussian, or their change a step; NaN where its window reaches beyond them."""
    width = SMOOTHING_S / STEP_S
    return gaussian_filter1d(values, width, axis=0, order=order, mode="constant", cval=np.nan, truncate=3)


def log_speed(velocity: np.ndarray) -> np.ndarray:
    """Return log(1 + speed / `USUAL_SPEED`) of velocities (..., 3), rad/s."""
    return np.log1p(np.linalg.norm(velocity, axis=-1) / USUAL_SPEED)


@dataclass(frozen=True)
class Moments:
    """Second moments of shown and felt speeds, all of one shape (..., S), the last axis sensors.

    Attributes
    ----------
    count : steps that both have
    covariance, var_shown, var_felt
    """

    count: np.ndarray
    covariance: np.ndarray
    var_shown: np.ndarray
    var_felt: np.ndarray

    def at(self, where: np.ndarray) -> "Moments":
        """Return those at an index of the first axis."""
        return Moments(self.count[where], self.covariance[where], self.var_shown[where], self.var_felt[where])

    def seconds(self) -> np.ndarray:
        """Return the time (..., S) that both have while they move, zero if it is too short."""
        moves = np.minimum(self.var_shown, self.var_felt) > STILL_VARIANCE
        return np.where(moves & (self.count * STEP_S >= SHORTEST_S), self.count * STEP_S, 0.0)

    def log_likelihood(self) -> np.ndarray:
        """Return the log-likelihood (..., S) that both are of one movement."""
        size = np.sqrt(np.maximum(self.var_shown * self.var_felt, STILL_VARIANCE**2))
        r = (self.covariance / size).clip(0.0, 0.999)
        return -0.5 * self.seconds() / CORRELATED_S * np.log1p(-(r**2))

    def correlation(self, where: int) -> float:
        """Return the correlation at an index of the first axis over all sensors that move, each as their time is."""
        one = self.at(np.array([where]))
        total = one.seconds().sum()
        return float(np.sqrt(-np.expm1(-2 * CORRELATED_S * one.log_likelihood().sum() / total))) if total > 0 else 0.0
