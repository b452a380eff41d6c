"""The stillest moments of a sensor: there the accelerometer reads gravity and the gyroscope its bias."""

from dataclasses import dataclass

import numpy as np

from kinefuse.inertial.sampling import single_step

REST_WINDOW_S = 0.5
STILLEST_SHARE = 0.05
RESTING_SPREAD = 0.03
"""A window counts as rest if the specific force scatters by less than this share of its size."""

FEWEST_SAMPLES = 20


@dataclass(frozen=True, kw_only=True)
class Rest:
    """The stillest moments of a sensor.

    Attributes
    ----------
    specific_force : median magnitude, in the unit of the data (m/s² if that is right); NaN if too little was recorded
    spread : scatter of the specific force within these moments, relative to its magnitude
    angular_rate : median magnitude, in the unit of the data (rad/s if that is right); NaN without a gyroscope
    """

    specific_force: float
    spread: float
    angular_rate: float

    @property
    def is_rest(self) -> bool:
        """True if the sensor really was still."""
        return self.spread < RESTING_SPREAD


def find_rest(time: np.ndarray, specific_force: np.ndarray, angular_rate: np.ndarray) -> Rest:
    """Find the stillest half seconds of a recording.

    Parameters
    ----------
    time : (T,) seconds
    specific_force : (T, 3)
    angular_rate : (T, 3), may be NaN
    """
    good = np.isfinite(specific_force).all(axis=1)
    force, rate = specific_force[good], angular_rate[good]
    if len(force) < FEWEST_SAMPLES:
        return Rest(specific_force=np.nan, spread=np.nan, angular_rate=np.nan)
    length = int(np.clip(round(REST_WINDOW_S / single_step(np.diff(time[good]))), 5, len(force)))
    starts = range(0, len(force) - length + 1, max(1, length // 2))
    scatter = np.array([np.linalg.norm(force[s : s + length].std(axis=0)) for s in starts])
    stillest = np.argsort(scatter, kind="stable")[: max(1, round(STILLEST_SHARE * len(scatter)))]
    rows = np.concatenate([np.arange(starts[i], starts[i] + length) for i in stillest])
    size = float(np.median(np.linalg.norm(force[rows], axis=1)))
    turning = np.linalg.norm(rate[rows], axis=1)
    turning = turning[np.isfinite(turning)]
    return Rest(
        specific_force=size,
        spread=float(np.median(scatter[stillest]) / size) if size > 0 else np.nan,
        angular_rate=float(np.median(turning)) if turning.size else np.nan,
    )
