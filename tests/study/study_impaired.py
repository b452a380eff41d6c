"""Exercises done correctly and incorrectly, made up: true changes are known, and an estimate sees a share of them."""

from dataclasses import replace

import numpy as np
from study_samples import made_up_cell

from kinefuse.conventions import COORDINATES
from kinefuse.study.impairment import COLUMNS, INCORRECT
from kinefuse.study.scored import Scored, scored

EXERCISES = ("squat", "lunge", "abduction")
PEOPLE = ("s1", "s2", "s3", "s4")


def true_ranges() -> np.ndarray:
    """(4 people, 3 exercises, 2 kinds, all coordinates) degrees; incorrect is 10° less in the knee, else at random."""
    rng = np.random.default_rng(3)
    ranges = rng.uniform(40.0, 80.0, (len(PEOPLE), len(EXERCISES), 2, len(COORDINATES)))
    ranges[:, :, 1] = ranges[:, :, 0] + rng.normal(0.0, 8.0, ranges[:, :, 1].shape)
    knee = COORDINATES.index("knee_angle_r")
    ranges[:, :, 1, knee] = ranges[:, :, 0, knee] - 10.0 + rng.normal(0.0, 1.0, ranges.shape[:2])
    return ranges


def some_changes(estimator: str, share: float, repetitions: int = 2) -> list[Scored]:
    """Results of an estimator that sees ranges `share` as large as they are; repetitions differ by ±2°.

    With a negative share larger ranges are seen smaller, from 150° downwards.
    """
    results = []
    for (p, e, k), _ in np.ndenumerate(np.zeros((len(PEOPLE), len(EXERCISES), 2))):
        for repetition in range(repetitions):
            off = 2.0 * (2 * repetition - (repetitions - 1))
            true = np.deg2rad(true_ranges()[p, e, k] + off)
            made = made_up_cell(
                estimator=estimator,
                window=f"{PEOPLE[p]}-{EXERCISES[e]}-{k}-{repetition}",
                subject=PEOPLE[p],
                activity=EXERCISES[e] + INCORRECT * k,
            )
            seen = share * true + np.deg2rad(150.0) * (share < 0)
            ramp = np.linspace(0.0, 1.0, len(made.time))[:, None]
            results.append(scored(replace(made, truth=ramp * true, estimate=ramp * seen)))
    return results


def knee() -> int:
    """Place of the right knee among the compared coordinates."""
    return [COORDINATES[column] for column in COLUMNS].index("knee_angle_r")
