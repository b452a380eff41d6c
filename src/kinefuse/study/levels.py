"""Settings in words, and found by what they are rather than by their names."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from kinefuse.study.plan import FAULTS, LEVELS_M, MOUNTINGS_DEG, NO_FAULTS, USUAL_LEVEL_M, Setting

SIGMAS_DEG: Final = (0.0, *MOUNTINGS_DEG)
"""The paper's errors of mounting per axis; the mean error of orientation is 0, 15, 22.5 and 30°."""

LEVELS_MM: Final = (None, *(1e3 * level for level in LEVELS_M))
"""The paper's mean errors of joint centres; None is clean."""

REFERENCE: Final = (0.0, 52.6)
"""The paper's calibrated case: well mounted sensors, joint centres as cameras give them."""

BOTH: Final = (9.4, 70.5)
"""The paper's Fig. 8: both are off."""

USUAL: Final = (MOUNTINGS_DEG[0], 1e3 * USUAL_LEVEL_M)
"""What every fault is added to, as `find` takes it."""


def sigma_deg(setting: Setting) -> float:
    """Return the standard deviation of the mounting error per axis, degrees."""
    return float(np.rad2deg(setting.mounting_sd_rad))


def level_mm(setting: Setting) -> float | None:
    """Return the mean error of the joint centres, millimetres; None where they are clean."""
    return None if setting.level_m is None else 1e3 * setting.level_m


def is_faultless(setting: Setting) -> bool:
    """Return whether its only noise is the paper's: mountings and joint centres."""
    return not setting.fault


def with_fault(settings: Sequence[Setting]) -> list[Setting]:
    """Return the settings in which something is wrong: all sensors and the full ring of cameras are not."""
    return [s for s in settings if s.fault and (s.fault, s.amount) not in NO_FAULTS]


def find(settings: Sequence[Setting], sigma: float, level: float | None) -> Setting | None:
    """Return the faultless setting of this mounting error, degrees, and this error of points, mm; None without it."""
    for setting in settings:
        its = level_mm(setting)
        alike = its is None if level is None else its is not None and abs(its - level) < 0.05
        if is_faultless(setting) and alike and abs(sigma_deg(setting) - sigma) < 0.05:
            return setting
    return None


def noisy(settings: Sequence[Setting]) -> list[Setting]:
    """Return the faultless settings whose points are not clean."""
    return [setting for setting in settings if is_faultless(setting) and setting.level_m is not None]


def noise_in_words(sigma: float, level: float | None) -> str:
    """Return ``"mountings 9.4° askew, points 52.6 mm off"``."""
    mounting = "sensors well mounted" if sigma < 0.05 else f"mountings {sigma:.1f}° askew per axis"
    points = "points clean" if level is None else f"points {level:.1f} mm off"
    return f"{mounting}, {points}"


def in_words(setting: Setting) -> str:
    """Return a setting as one reads it: ``"clock offset 100 ms"``, ``"6 sensors"``, ``"lost camera"``."""
    if is_faultless(setting):
        return noise_in_words(sigma_deg(setting), level_mm(setting))
    unit = FAULTS.get(setting.fault, "")
    if setting.fault == unit:
        return f"{setting.amount:g} {unit if setting.amount != 1 else unit.removesuffix('s')}"
    if unit in _COUNTED:
        return setting.fault if setting.amount == 1 else f"{setting.fault}, {setting.amount:g} {unit}"
    return f"{setting.fault} {setting.amount:g}{'' if unit == '°' else ' '}{unit}"


_COUNTED: Final = ("sensors", "cameras", "pairs")
"""Units of which one needs no number."""
