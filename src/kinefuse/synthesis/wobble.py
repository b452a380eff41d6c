"""Soft tissue under a sensor: it yields to the force on the sensor, and springs back.

A sensor on skin is a mass on a damped spring. Rong and Kuo (2023, *Dynamic soft tissue artifacts during impulsive
loads*, Research Square) hit the ground with sensors on calf and shin: their readings follow an underdamped system of
second order with 9.8 ± 2.7 Hz on the calf and 18.2 Hz on the shin, and ring for 0.33 s and 0.15 s. Damping of 0.15 of
the critical one rings for just that long until 5 % are left. The tissue gives way sideways more than it is pressed
in, so a sensor that moves along the skin tilts as well, about a pivot below it.

What is left out: the spring turns with the segment, and forces of Coriolis on the small displacement are neglected.
"""

from typing import Final

import numpy as np

from kinefuse.conventions import IMU_SITES

SOFT_HZ: Final = 9.8
FIRM_HZ: Final = 18.2
SPREAD: Final = 0.27
"""Standard deviation of the logarithm of a person's natural frequency: 2.68 of 9.79 Hz."""

DAMPING: Final = 0.15

PIVOT_M: Final = 0.04
"""How far below the sensor it pivots: the movement that the accelerometers of loosely worn sensors on thigh and upper
arm show around the resonance, over the turn that their gyroscopes show (``docs/results/virtual_imus.md``)."""

_TISSUE: Final = {"thigh": SOFT_HZ, "upper_arm": SOFT_HZ, "foot": np.inf, "head": np.inf}
NATURAL_HZ: Final = {site: _TISSUE.get(site.removesuffix("_l").removesuffix("_r"), FIRM_HZ) for site in IMU_SITES}
"""For each IMU site: soft over muscle, firm over bone near the skin; infinite in a shoe and on the skull. Only the
shank was measured; thigh and upper arm are given the calf's number, near which real sensors on them ring too."""


def natural_frequency(rng: np.random.Generator, site: str) -> float:
    """Return the natural frequency, hertz, of one person's tissue at a site."""
    return float(NATURAL_HZ[site] * np.exp(rng.normal(0.0, SPREAD)))


def sensor_on_tissue(force: np.ndarray, rate_hz: float, natural_hz: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what a sensor on tissue reads where one on bone would read `force`.

    The displacement u of the sensor in its segment obeys ``u'' + 2 ζ ω u' + ω² u = -force``, and it reads the force of
    spring and damper that holds it, ``-2 ζ ω u' - ω² u``. It starts at rest under the first force.

    Parameters
    ----------
    force : (T, 3) specific force in segment axes, m/s², evenly sampled, without NaN; linear between samples
    rate_hz : samples a second
    natural_hz : of the tissue; infinite is bone

    Returns
    -------
    read : (T, 3) m/s²
    moved : (T, 3) metres, displacement from where the first force holds it
    speed : (T, 3) m/s
    """
    if not np.isfinite(natural_hz):
        return force, np.zeros_like(force), np.zeros_like(force)
    from scipy.signal import lfilter, lfilter_zi

    omega = 2.0 * np.pi * natural_hz
    rows, poles = _discrete(omega, 1.0 / rate_hz)
    states = [lfilter(row, poles, force, axis=0, zi=lfilter_zi(row, poles)[:, None] * force[0])[0] for row in rows]
    place, speed = states
    return -2.0 * DAMPING * omega * speed - omega**2 * place, place - place[0], speed


def _discrete(omega: float, step_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Filters (2, 3) from force to displacement and speed, and their common poles (3,), exact for ramps of force."""
    from scipy.signal import cont2discrete, ss2tf

    A = np.array([[0.0, 1.0], [-(omega**2), -2.0 * DAMPING * omega]])
    system = (A, np.array([[0.0], [-1.0]]), np.eye(2), np.zeros((2, 1)))
    return ss2tf(*cont2discrete(system, step_s, method="foh")[:4])


def tilt(moved: np.ndarray, outward: np.ndarray) -> np.ndarray:
    """Return the rotation vectors (T, 3) of a sensor that has moved by (T, 3) metres; (3,) `outward` leaves the skin.

    It turns about a pivot `PIVOT_M` below it; the same map turns speed, m/s, into angular rate, rad/s.
    """
    return np.cross(outward, moved) / PIVOT_M
