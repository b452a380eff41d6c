"""What the study does: its settings, its estimators and what each of them sees, and how often all is repeated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from kinefuse.conventions import IMU_SITES
from kinefuse.errors import KinefuseError, check_known

MOUNTINGS_DEG: Final = (9.4, 14.1, 18.8)
"""Standard deviations per axis of Shin, Li and Halilaj's mounting errors: mean angles of 15, 22.5 and 30°."""

LEVELS_M: Final = (0.0526, 0.0705, 0.1011)
"""Their mean errors of joint centres, metres."""

USUAL_MOUNTING_RAD: Final = float(np.deg2rad(MOUNTINGS_DEG[0]))
USUAL_LEVEL_M: Final = LEVELS_M[0]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One kind and size of noise.

    Attributes
    ----------
    name : unique
    family : settings that belong into one figure, one of `FAMILIES`
    mounting_sd_rad : of each component of the rotation vector by which sensors are put on askew
    level_m : mean error of the joint centres; None is clean, and with `CAMERA_FAULTS` what the cameras make of it
    fault : a name of `FAULTS`, or empty
    amount : of the fault, in its unit
    """

    name: str
    family: str
    mounting_sd_rad: float
    level_m: float | None
    fault: str = ""
    amount: float = 0.0


FAULTS: Final = {
    "occluded limb": "s",
    "sliding strap": "°",
    "soft tissue": "times",
    "lost sensor": "sensors",
    "swapped sides": "pairs",
    "clock offset": "ms",
    "packet loss": "%",
    "sensors": "sensors",
    "cameras": "cameras",
    "lost camera": "cameras",
}
"""Name of each fault, and the unit of its amount."""

POINT_FAULTS: Final = ("occluded limb", "cameras", "lost camera")
CAMERA_FAULTS: Final = ("cameras", "lost camera")
SENSOR_FAULTS: Final = ("sliding strap", "soft tissue", "lost sensor", "swapped sides", "packet loss", "sensors")

POINTS: Final = "points"
SENSORS: Final = "sensors"
BOTH: Final = "both"
CALIBRATED: Final = "calibrated sensors"
CALIBRATED_BOTH: Final = "calibrated both"
"""What an estimator sees: points; sensors; both; sensors, or both, with a held pose before the window."""

SIGHT: Final = {
    "mean-pose": POINTS,
    "smplify3d:paper": POINTS,
    "smplify3d": POINTS,
    "videonet": POINTS,
    "imunet": SENSORS,
    "fusionnet": BOTH,
    "imu-kinematics": CALIBRATED,
    "fusion-optimisation:paper": CALIBRATED_BOTH,
    "fusion-optimisation": BOTH,
    "fusion-optimisation:calibrated": CALIBRATED_BOTH,
    "fusion-optimisation:frames": BOTH,
}
"""The estimators of the study, and what each of them sees."""

IF_ASKED: Final = {
    "fusion-optimisation:calibrated": "finding mountings and headings instead of taking those of a held pose",
    "fusion-optimisation:frames": "tying all frames together",
}
"""Estimators that the study runs only where they are named, and the part of the tuned method whose gain each tells."""

OPTIMISERS: Final = ("smplify3d", "fusion-optimisation")
"""Estimators, with all their presets, that take seconds and are repeated less often."""


def _degrees(angle_deg: float, family: str) -> Setting:
    return Setting(
        name=f"mounting-{angle_deg:g}",
        family=family,
        mounting_sd_rad=float(np.deg2rad(angle_deg)),
        level_m=USUAL_LEVEL_M,
    )


def _level(level_m: float | None) -> Setting:
    text = "clean" if level_m is None else f"{1000 * level_m:g}"
    return Setting(name=f"points-{text}", family="points", mounting_sd_rad=0.0, level_m=level_m)


def _fault(fault: str, amount: float, family: str = "faults") -> Setting:
    return Setting(
        name=f"{fault.replace(' ', '-')}-{amount:g}",
        family=family,
        mounting_sd_rad=USUAL_MOUNTING_RAD,
        level_m=None if fault in CAMERA_FAULTS else USUAL_LEVEL_M,
        fault=fault,
        amount=amount,
    )


SHARED: Final = _level(USUAL_LEVEL_M)
"""The paper's calibrated case, where the mountings and the points both begin: it belongs to either family."""

FAULTLESS: Final = _degrees(MOUNTINGS_DEG[0], "mounting")
"""The setting that every fault is added to: what a fault costs is told against it."""

RING: Final = 8
"""Cameras that film; fewer are some of these."""

NO_FAULTS: Final = (("sensors", len(IMU_SITES)), ("cameras", RING))
"""Faults and amounts that are none: with them the others of their kind are compared."""

BOTH_NOISY: Final = Setting(
    name="both-9.4-70.5", family="both", mounting_sd_rad=USUAL_MOUNTING_RAD, level_m=LEVELS_M[1]
)

FULL: Final = (
    _level(None),
    SHARED,
    *(_level(level) for level in LEVELS_M[1:]),
    *(_degrees(angle, "mounting") for angle in MOUNTINGS_DEG),
    BOTH_NOISY,
    *(_fault("occluded limb", seconds) for seconds in (2, 4)),
    _fault("sliding strap", 30),
    _fault("soft tissue", 2),
    _fault("lost sensor", 1),
    _fault("swapped sides", 2),
    *(_fault("clock offset", milliseconds) for milliseconds in (50, 100, 200, 500)),
    *(_fault("packet loss", percent) for percent in (1, 5, 20, 50)),
    *(_fault("sensors", count) for count in (13, 6, 3)),
    *(_fault("cameras", count, "cameras") for count in (8, 4, 2, 1)),
    *(_fault("lost camera", count, "cameras") for count in (1, 2)),
)
"""All settings of the study."""

FAMILIES: Final = tuple(dict.fromkeys(setting.family for setting in FULL))

_QUICK: Final = ("points-clean", "points-52.6", "points-101.1", "mounting-9.4", "mounting-18.8", "clock-offset-200")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """How much of the study is done.

    Attributes
    ----------
    settings
    windows : how many stretches of motion
    repetitions, optimised_repetitions : how often each recording is made anew, for networks and for `OPTIMISERS`
    """

    settings: tuple[Setting, ...]
    windows: int
    repetitions: int
    optimised_repetitions: int


PRESETS: Final = {
    "quick": Preset(
        settings=tuple(setting for setting in FULL if setting.name in _QUICK),
        windows=3,
        repetitions=3,
        optimised_repetitions=1,
    ),
    "full": Preset(settings=FULL, windows=60, repetitions=30, optimised_repetitions=5),
}


def preset_called(name: str) -> Preset:
    """Return a preset.

    Raises
    ------
    KinefuseError
        If there is none of that name.
    """
    check_known("study", name, PRESETS)
    return PRESETS[name]


def settings_of(preset: Preset, families: Sequence[str]) -> tuple[Setting, ...]:
    """Return the settings of some families, of all if none is named; `SHARED` and `FAULTLESS` belong to two of them.

    Raises
    ------
    KinefuseError
        If a family is unknown, or the preset has nothing of it.
    """
    for family in families:
        check_known("family of settings", family, FAMILIES)
    wanted = set(families) or set(FAMILIES)
    chosen = tuple(
        setting
        for setting in preset.settings
        if setting.family in wanted
        or (setting == SHARED and wanted & {"mounting", "both"})
        or (setting == FAULTLESS and "faults" in wanted)
    )
    if not {setting.family for setting in chosen} & wanted:
        raise KinefuseError(f"This preset has no settings of {', '.join(sorted(wanted))}; take the preset full.")
    return chosen


def kind_of(estimator: str) -> str:
    """Return the name by which `SIGHT` knows an estimator; ``NETWORK=FILE`` is that network."""
    return estimator.partition("=")[0]


def is_optimiser(estimator: str) -> bool:
    """Return whether an estimator is one of `OPTIMISERS`."""
    return kind_of(estimator).partition(":")[0] in OPTIMISERS


def sees(estimator: str) -> str:
    """Return what an estimator is given; one that the study does not know sees both."""
    return SIGHT.get(kind_of(estimator), BOTH)


def without_unseen_fault(setting: Setting, sight: str) -> Setting:
    """Return a setting without its fault if that does not show in what an estimator sees.

    A clock offset lies between points and sensors; who sees one of the two does not see it. All 13 sensors are no
    fault.
    """
    points, sensors = _parts(sight)
    shows = (
        (points and setting.fault in POINT_FAULTS)
        or (sensors and setting.fault in SENSOR_FAULTS)
        or (points and sensors and setting.fault == "clock offset")
    )
    is_fault = (setting.fault, setting.amount) != NO_FAULTS[0]
    return setting if shows and is_fault else replace(setting, fault="", amount=0.0)


def _parts(sight: str) -> tuple[bool, bool]:
    """Return whether points, and whether sensors are seen."""
    return sight in (POINTS, BOTH, CALIBRATED_BOTH), sight != POINTS


def seen_of(setting: Setting, sight: str) -> tuple[object, ...]:
    """Return all of a setting that shows in what an estimator sees: where it is equal, so is the estimate."""
    points, sensors = _parts(sight)
    left = without_unseen_fault(setting, sight)
    level = left.level_m if points else None
    mounting = left.mounting_sd_rad if sensors else None
    return level, mounting, left.fault, left.amount


def alike(settings: Sequence[Setting], estimator: str) -> list[tuple[Setting, ...]]:
    """Return the settings in groups that are one and the same for an estimator, each group's first to be computed."""
    groups: dict[tuple[object, ...], list[Setting]] = {}
    for setting in settings:
        groups.setdefault(seen_of(setting, sees(estimator)), []).append(setting)
    return [tuple(group) for group in groups.values()]
