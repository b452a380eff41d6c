"""Normative joint angles of level walking as smooth periodic functions of the gait cycle.

Rounded values every 5 % of the cycle, which starts when the right heel strikes. They follow the mean curves of healthy
adults in Winter, *The Biomechanics and Motor Control of Human Gait* (1991, natural cadence), Kadaba, Ramakrishnan and
Wootten, *J. Orthop. Res.* 8 (1990), for pelvis and the frontal and transverse planes, Perry and Burnfield, *Gait
Analysis* (2010), for the foot, and Murray, Sepic and Barnard, *Phys. Ther.* 47 (1967), for the arms.

Mean curves of different people and studies do not quite fit one skeleton: its feet would slide and sink. The legs'
curves were therefore moved by least squares, by at most 5° and 2° on average, within the spread between healthy adults
(a standard deviation of about 5°), until the soles of `person.demo_person` stood nearly still on the floor.
"""

from typing import Final

import numpy as np

HARMONICS: Final = 7
"""Walking has next to nothing above seven times the stride frequency; rounding of the tables has."""

# fmt: off
RIGHT_CURVES: Final = {
    "hip_flexion": (27, 26.5, 25, 21.5, 16, 9.5, 3, -2.5, -7, -10, -12, -10, -4, 3, 12, 22, 30, 32.5, 32.5, 29.5),
    "hip_adduction": (-0.5, 3, 5, 5.5, 5, 4.5, 3.5, 3, 2.5, 1.5, 0.5, -2.5, -4.5, -5.5, -4, -2.5, -2, -1.5, -1, -1),
    "hip_rotation": (
        -6, -5, -4.5, -4.5, -4, -2.5, -1.5, -0.5, -0.5, 0.5, 0, -2, -3, -4, -5, -5.5, -6, -6.5, -6.5, -6.5,
    ),
    "knee_angle": (
        5.5, 10.5, 16, 18, 16.5, 13.5, 10.5, 8.5, 7.5, 9.5, 14, 25, 40.5, 53.5, 61.5, 63, 54.5, 36.5, 18.5, 6.5,
    ),
    "knee_adduction": (0, -0.5, -1, -1, -1, -0.5, -0.5, 0, 0, 0, 0, 1, 2, 3, 3, 2, 1, 0.5, 0, 0),
    "knee_rotation": (-2, 0, 1.5, 2, 2, 2, 2, 1.5, 1, 0, -0.5, -2.5, -4, -4.5, -4, -3.5, -3, -2.5, -2, -2),
    "ankle_angle": (1, -4.5, -4, 0.5, 4.5, 6.5, 10, 12, 11.5, 11.5, 10.5, 4, -10, -18.5, -13, -3.5, 2.5, 1.5, 0.5, 1.5),
    "subtalar_angle": (2, 0, -1.5, -2.5, -3, -2.5, -2.5, -2, -1, 0.5, 3, 5, 5, 4, 3, 2.5, 2, 2, 2, 2),
    "mtp_angle": (-7.5, -3, 0, 0, 0, -1, -1, -2, -4.5, -9.5, -19, -32.5, -33.5, -17.5, -6.5, -8, -10, -8.5, -8.5, -9),
    "arm_flex": (-20, -19, -16.5, -13, -8.5, -4, 1, 5, 8.5, 11, 12, 11.5, 9, 5.5, 1, -4, -9, -13.5, -17, -19.5),
    "elbow_flex": (16, 15.5, 16, 17, 19, 22, 25, 28, 31, 33, 34, 33.5, 32, 30, 27, 24, 21.5, 19, 17.5, 16.5),
}
"""Degrees of a right limb; the left one is half a cycle later."""

MIDDLE_CURVES: Final = {
    "pelvis_tilt":     (-4.5, -5, -5, -4.5, -4, -3.5, -3, -3, -3.5, -4, -4.5, -5, -5, -4.5, -4, -3.5, -3, -3, -3.5, -4),
    "pelvis_list":     (0, -2.5, -4, -4, -3, -2, -1.5, -1, -1, -0.5, 0, 2.5, 4, 4, 3, 2, 1.5, 1, 1, 0.5),
    "pelvis_rotation": (4.5, 4, 3, 2, 1, 0.5, -0.5, -1.5, -2.5, -4, -4.5, -4, -3, -2, -1, -0.5, 0.5, 1.5, 2.5, 4),
}
"""Degrees, in the manner of OpenSim's coordinates: tilt backwards, list to the right, turn to the left are positive."""
# fmt: on

THORAX: Final = {"thorax_rotation": -0.65, "thorax_bending": 0.25, "thorax_lean": -2.5}
"""The thorax turns against the pelvis, follows a quarter of its list, and leans forward by 2.5°."""


def fourier_coefficients(values: np.ndarray, harmonics: int = HARMONICS) -> np.ndarray:
    """Return complex coefficients (harmonics + 1,) of values (N,) at equal steps over one period, N > 2 harmonics."""
    values = np.asarray(values, dtype=float)
    spectrum = np.fft.rfft(values) / len(values)
    spectrum[1:] *= 2.0
    return spectrum[: harmonics + 1]


def fourier_value(coefficients: np.ndarray, phase: np.ndarray, derivative: int = 0) -> np.ndarray:
    """Return a periodic function or one of its derivatives.

    Parameters
    ----------
    coefficients : (H + 1,) of `fourier_coefficients`
    phase : any shape, in cycles; 1 is one period
    derivative : how often to differentiate by phase

    Returns
    -------
    The shape of `phase`.
    """
    turn = 2j * np.pi * np.arange(len(coefficients))
    waves = np.exp(np.asarray(phase, dtype=float)[..., None] * turn)
    return (waves @ (coefficients * turn**derivative)).real


def curve(name: str, phase: np.ndarray, derivative: int = 0) -> np.ndarray:
    """Return a normative curve at phases of the right leg's cycle, radians (per cycle, per cycle squared ...).

    Parameters
    ----------
    name : a key of `RIGHT_CURVES` (for the left limb pass ``phase - 0.5``) or of `MIDDLE_CURVES`
    phase : any shape, in cycles
    derivative : 0, 1 or 2
    """
    table = RIGHT_CURVES.get(name) or MIDDLE_CURVES[name]
    return fourier_value(fourier_coefficients(np.deg2rad(table)), phase, derivative)
