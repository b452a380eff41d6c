"""Sensors whose every reading is known: fixed to a body that turns in a known way under gravity."""

import numpy as np

from kinefuse.conventions import GRAVITY
from kinefuse.recordings import Imu
from kinefuse.rotations import matrix_from_rotvec

UP_Z = np.array([0.0, 0.0, GRAVITY])


def swinging_imu(seconds: float = 8.0, rate_hz: float = 100.0, noise: float = 0.02, seed: int = 0) -> Imu:
    """A sensor in a Z-up world that tilts by 60 degrees about X and back, on the spot, resting 1 s at both ends."""
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = np.clip(np.abs((time % 4.0) - 2.0) - 0.5, 0.0, 1.0)
    tilt = np.deg2rad(60.0) * phase**3 * (10.0 - 15.0 * phase + 6.0 * phase**2)
    speed = np.gradient(tilt, time)
    R_ref_sensor = matrix_from_rotvec(np.stack([tilt, np.zeros_like(tilt), np.zeros_like(tilt)], axis=1))
    rng = np.random.default_rng(seed)
    force = np.einsum("tji,j->ti", R_ref_sensor, UP_Z) + noise * rng.normal(size=(len(time), 3))
    rate = np.stack([speed, np.zeros_like(speed), np.zeros_like(speed)], axis=1)
    return Imu(
        name="one",
        segment="pelvis",
        time=time,
        specific_force=force,
        angular_rate=rate + 0.1 * noise * rng.normal(size=rate.shape),
        R_ref_sensor=R_ref_sensor,
    )
