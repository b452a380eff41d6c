"""A whole study, made up: errors of every method under every noise of the paper, with known ratios."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from study_samples import made_up_cell

from kinefuse.conventions import COORDINATE_INDEX, COORDINATES
from kinefuse.study.cells import Cell
from kinefuse.study.plan import Setting


def noise(sigma: float, level: float | None, family: str) -> Setting:
    name = f"m{sigma:g}-" + ("clean" if level is None else f"p{level:g}")
    return Setting(
        name=name,
        family=family,
        mounting_sd_rad=float(np.deg2rad(sigma)),
        level_m=None if level is None else level / 1e3,
    )


def clock_offset(milliseconds: float) -> Setting:
    reference = noise(9.4, 52.6, "faults")
    return replace(reference, name=f"offset-{milliseconds:g}", fault="clock offset", amount=milliseconds)


SETTINGS = (
    *(noise(sigma, 52.6, "mounting") for sigma in (0.0, 9.4, 14.1, 18.8)),
    *(noise(0.0, level, "points") for level in (None, 70.5, 101.1)),
    noise(9.4, 70.5, "both"),
    clock_offset(100.0),
    clock_offset(500.0),
)

ERRORS_DEG = {
    "videonet": 5.0,
    "imunet": 6.0,
    "fusionnet": 4.0,
    "smplify3d:paper": 10.0,
    "smplify3d": 7.0,
    "imu-kinematics": 12.0,
    "fusion-optimisation:paper": 8.0,
    "fusion-optimisation": 3.5,
}
WINDOWS = tuple(
    (f"s{p}-{activity}-{i}", f"s{p}", activity)
    for p in (1, 2, 3)
    for i, activity in enumerate(("walking", "running", "sport"))
)


def cell(setting: str, estimator: str, window: int, error_deg: float, **more: object) -> Cell:
    """A cell whose errors differ from movement to movement; halving `error_deg` halves every one of them."""
    name, subject, activity = WINDOWS[window]
    made = made_up_cell(setting, estimator, name, subject, activity, float(np.deg2rad(error_deg)), 2, seed=window)
    return replace(made, **more)  # type: ignore[arg-type]


def study(
    errors_deg: Mapping[str, float] = ERRORS_DEG, settings: Sequence[Setting] = SETTINGS, windows: int = 9
) -> list[Cell]:
    """All cells; errors grow with the setting's place in the list, for all methods alike."""
    return [
        cell(setting.name, estimator, window, error * (1 + 0.05 * grown))
        for grown, setting in enumerate(settings)
        for estimator, error in errors_deg.items()
        for window in range(windows)
    ]


def walking(made: Cell, error_deg: float = 3.0) -> Cell:
    """The cell with curves of somebody who walks: strides of 1.1 s, 1.2 m/s."""
    time = np.arange(200) / 25.0
    truth = np.zeros((len(time), len(COORDINATES)))
    truth[:, COORDINATE_INDEX["pelvis_tx"]] = 1.2 * time
    for side, lag in (("r", 0.0), ("l", np.pi)):
        phase = 2 * np.pi * time / 1.1 + lag
        truth[:, COORDINATE_INDEX[f"hip_flexion_{side}"]] = np.deg2rad(10 + 22 * np.cos(phase))
        truth[:, COORDINATE_INDEX[f"knee_angle_{side}"]] = np.deg2rad(28 - 27 * np.sin(phase + 0.3))
        truth[:, COORDINATE_INDEX[f"ankle_angle_{side}"]] = np.deg2rad(2 + 10 * np.sin(phase - 0.8))
    rng = np.random.default_rng(len(made.estimator))
    offset = np.deg2rad(error_deg) * np.sin(2 * np.pi * time / 1.1 + rng.uniform(0, 6))
    return replace(made, time=time, truth=truth, estimate=truth + offset[:, None])
