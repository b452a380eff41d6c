"""Angular rates, measured or from orientation."""

from typing import Any

import numpy as np
import pytest

from kinefuse.inertial.rates import angular_rate_of, has_rate, rate_from_orientation
from kinefuse.recordings import Imu
from kinefuse.rotations import matrix_from_rotvec

RATE = np.array([0.3, -0.2, 0.5])
TIME = np.arange(100) / 50.0
TURNED = matrix_from_rotvec(np.array([0.2, 0.1, 1.0])) @ matrix_from_rotvec(TIME[:, None] * RATE)


def spinning(angular_rate: np.ndarray, **given: Any) -> Imu:
    force = np.zeros((len(TIME), 3))
    return Imu(name="one", segment="head", time=TIME, specific_force=force, angular_rate=angular_rate, **given)


def test_a_constant_spin_is_exact() -> None:
    time, rate = rate_from_orientation(TIME, TURNED)
    assert np.allclose(time, TIME[:-1] + 0.01)
    assert np.allclose(rate[:, 0], RATE)


def test_across_a_gap_it_is_unknown() -> None:
    kept = np.r_[:40, 50:100]
    _, rate = rate_from_orientation(TIME[kept], TURNED[kept])
    assert np.isnan(rate[39]).all()
    assert np.isfinite(np.delete(rate, 39, axis=0)).all()


def test_orientations_at_half_the_rate_do() -> None:
    """A file may hold accelerations at 100 Hz and an orientation in every second row."""
    sparse = TURNED.copy()
    sparse[1::2] = np.nan
    time, rate = rate_from_orientation(TIME, sparse)
    assert np.allclose(time, TIME[1:-1:2])
    assert np.allclose(rate[:, 0], RATE)
    once = np.where(np.arange(100)[:, None, None] == 3, TURNED, np.nan)
    assert np.isnan(rate_from_orientation(TIME, once)[1]).all()


def test_what_was_measured_comes_first() -> None:
    nothing, measured = np.full((100, 3), np.nan), np.tile(2 * RATE, (100, 1))
    assert has_rate(spinning(measured))
    assert not has_rate(spinning(nothing))
    assert np.array_equal(angular_rate_of(spinning(measured, R_ref_sensor=TURNED))[1][:, 0], measured)
    assert np.allclose(angular_rate_of(spinning(nothing, R_ref_sensor=TURNED))[1][:, 0], RATE)
    assert np.isnan(angular_rate_of(spinning(nothing))[1]).all()


@pytest.mark.parametrize("turn", [np.array([0.0, 0.0, 3.0]), np.array([1.0, -2.0, 0.5])])
def test_the_frame_that_orientations_refer_to_makes_no_difference(turn: np.ndarray) -> None:
    assert np.allclose(rate_from_orientation(TIME, matrix_from_rotvec(turn) @ TURNED)[1][:, 0], RATE)
