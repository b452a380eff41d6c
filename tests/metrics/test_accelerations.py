"""Accelerations with known answers: parabolas, vibration, gaps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.metrics.accelerations import STEP_S, acceleration_errors, accelerations, interpolate_cubic


def two_joints(root: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return (T, 2, 3): a root and one more joint that move along X."""
    out = np.zeros((len(root), 2, 3))
    out[:, 0, 0], out[:, 1, 0] = root, other
    return out


@pytest.mark.parametrize("rate_hz", [25.0, 50.0, 60.0, 240.0])
def test_free_fall(rate_hz: float) -> None:
    time = np.arange(40) / rate_hz
    at = np.linspace(STEP_S, time[-1] - STEP_S, 7)
    fall = accelerations(time, (-0.5 * 9.81 * time**2)[:, None], at)
    assert fall[:, 0] == pytest.approx(np.full(7, -9.81))


def test_uneven_steps_do_no_harm() -> None:
    time = np.arange(40) / 50.0 + np.random.default_rng(0).uniform(-0.005, 0.005, 40)
    fall = accelerations(time, (-0.5 * 9.81 * time**2)[:, None], time[4:-4])
    assert fall[:, 0] == pytest.approx(np.full(32, -9.81))


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.floats(-3, 3)] * 4), st.floats(0.0, 1.9))
def test_a_cubic_is_interpolated_exactly(factors: tuple[float, float, float, float], at: float) -> None:
    time = np.arange(20) * 0.1
    (value,) = interpolate_cubic(time, np.polyval(factors, time), np.array([at]))
    assert value == pytest.approx(np.polyval(factors, at), abs=1e-9)


def test_samples_come_back_even_beside_holes_and_gaps() -> None:
    time = np.array([0.0, 0.1, 0.2, 0.3, 2.0, 2.1, 2.2, 2.3])
    values = np.arange(8.0)
    values[2] = np.nan
    assert interpolate_cubic(time, values, time) == pytest.approx(values, nan_ok=True)
    assert np.isnan(interpolate_cubic(time, values, np.array([-0.1, 0.15, 1.0, 2.4]))).all()
    assert np.isnan(interpolate_cubic(time[:3], values[:3], time[:3])).all()


def moving(at: np.ndarray) -> np.ndarray:
    return two_joints(0.1 * np.sin(6.0 * at), 0.3 * np.cos(9.0 * at))


def test_the_same_movement_at_other_stamps_has_no_error() -> None:
    truth_time, time = np.arange(200) / 100.0, 0.0123 + np.arange(110) / 60.0
    error = acceleration_errors(time, moving(time), truth_time, moving(truth_time))
    assert np.nanmax(error) < 0.02  # the joint's own acceleration reaches 24 m/s²


@pytest.mark.parametrize("rate_hz", [25.0, 50.0, 100.0])
def test_tremble_counts_the_same_at_every_rate(rate_hz: float) -> None:
    """White noise of 1 mm along one axis; second differences deviate by √6 · 1 mm / h², 0.8 of it on average."""
    time = np.arange(round(60 * rate_hz)) / rate_hz
    noise = np.random.default_rng(0).normal(0.0, 0.001, len(time))
    error = acceleration_errors(time, two_joints(np.zeros_like(time), noise), time, moving(time) * 0.0)
    expected = np.sqrt(6.0) * 0.001 / STEP_S**2 * np.sqrt(2.0 / np.pi)
    assert np.nanmean(error[:, 1]) == pytest.approx(expected, rel=0.05)


def test_the_root_counts_once() -> None:
    time = np.arange(50) / 25.0
    shake = 0.001 * (-1.0) ** np.arange(50)
    still = two_joints(np.zeros(50), np.zeros(50))
    expected = 4 * 0.001 * 25.0**2
    both = acceleration_errors(time, two_joints(shake, shake), time, still)
    assert both[2:-2] == pytest.approx(np.tile([expected, 0.0], (46, 1)))
    one = acceleration_errors(time, two_joints(np.zeros(50), shake), time, still)
    assert one[2:-2] == pytest.approx(np.tile([0.0, expected], (46, 1)))


def test_ends_gaps_and_holes_are_left_out() -> None:
    time = np.concatenate([np.arange(20) / 50.0, 1.0 + np.arange(20) / 50.0])
    values = np.zeros((40, 1))
    values[30] = np.nan
    known = np.flatnonzero(np.isfinite(accelerations(time, values, time)[:, 0]))
    assert set(known) >= {*range(4, 16), *range(24, 26), *range(34, 36)}
    assert not set(known) & {0, 1, 18, 19, 20, 21, 28, 30, 32, 38, 39}


@pytest.mark.parametrize("frames", [1, 2])
def test_too_short(frames: int) -> None:
    time = np.arange(frames) / 50.0
    positions = two_joints(time, time)
    assert np.isnan(acceleration_errors(time, positions, time, positions)).all()
