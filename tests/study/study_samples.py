"""Cells of the study, made up, for tests of tables and pages."""

import numpy as np

from kinefuse.conventions import COORDINATES, SEGMENTS
from kinefuse.study.cells import Cell


def made_up_cell(
    setting: str = "points-52.6",
    estimator: str = "videonet",
    window: str = "s1-walk-0",
    subject: str = "s1",
    activity: str = "walking",
    error_rad: float = 0.1,
    repetitions: int = 3,
    seed: int = 0,
) -> Cell:
    """A cell whose errors scatter by a tenth around `error_rad`, and whose curves are sines."""
    rng = np.random.default_rng(seed)
    angles, segments, frames = len(COORDINATES), len(SEGMENTS), 50
    time = np.arange(frames) / 25.0
    truth = np.sin(2 * np.pi * time)[:, None] * np.linspace(0.2, 1.0, angles)

    def around(value: float, *shape: int) -> np.ndarray:
        return value * rng.uniform(0.9, 1.1, (repetitions, *shape))

    return Cell(
        setting=setting,
        estimator=estimator,
        window=window,
        subject=subject,
        activity=activity,
        coordinate_rmse=around(error_rad, angles),
        coordinate_r2=around(0.8, angles),
        coordinate_rom_error=around(0.05, angles),
        coordinate_range=np.ptp(truth, axis=0),
        geodesic=around(2 * error_rad, segments),
        joint_error=around(0.05, segments),
        joint_error_procrustes=around(0.03, segments),
        acceleration_error=around(1.0, segments),
        root_error=around(0.02),
        seconds=around(0.5),
        time=time,
        estimate=truth + rng.normal(0, error_rad, truth.shape),
        truth=truth,
    )
