"""Accelerations with known answers: parabolas, vibration, gaps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.metrics.accelerations import acceleration_errors, interpolate_cubic, second_differences


def two_joints(root: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return (T, 2, 3): a root and one more joint that move along X."""
    out = np.zeros((len(root), 2, 3))
    out[:, 0, 0], out[:, 1, 0] = root, other
    return out


def test_free_fall() -> None:
    time = np.arange(20) / 50.0
    fall = second_differences(time, (-0.5 * 9.81 * time**2)[:, None])
    assert fall[1:-1, 0] == pytest.approx(np.full(18, -9.81))
    assert np.isnan(fall[[0, -1]]).all()


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


def test_the_same_movement_at_other_stamps_has_no_error() -> None:
    truth_time = np.arange(200) / 100.0
    time = 0.0123 + np.arange(45) / 25.0

    def moving(at: np.ndarray) -> np.ndarray:
        return two_joints(0.1 * np.sin(6.0 * at), 0.3 * np.cos(9.0 * at))

    error = acceleration_errors(time, moving(time), truth_time, moving(truth_time))
    assert np.nanmax(error) < 0.01  # against 24 m/s² that the joint itself accelerates; straight lines: 1.3


def test_the_root_counts_once() -> None:
    time = np.arange(50) / 50.0
    shake = 0.001 * (-1.0) ** np.arange(50)
    still = two_joints(np.zeros(50), np.zeros(50))
    expected = 4 * 0.001 * 50.0**2
    both = acceleration_errors(time, two_joints(shake, shake), time, still)
    assert both[1:-1] == pytest.approx(np.tile([expected, 0.0], (48, 1)))
    one = acceleration_errors(time, two_joints(np.zeros(50), shake), time, still)
    assert one[1:-1] == pytest.approx(np.tile([0.0, expected], (48, 1)))


def test_uneven_steps_gaps_and_holes_are_left_out() -> None:
    time = np.concatenate([np.arange(10) / 50.0, 1.0 + np.arange(10) / 50.0])
    late = time.copy()
    late[5] += 0.004
    values = np.zeros((20, 1))
    values[15] = np.nan
    assert np.isnan(second_differences(late, values)[:, 0]).nonzero()[0].tolist() == [0, 4, 5, 6, 9, 10, 14, 15, 16, 19]


@pytest.mark.parametrize("frames", [1, 2])
def test_too_short(frames: int) -> None:
    time = np.arange(frames) / 50.0
    positions = two_joints(time, time)
    assert np.isnan(acceleration_errors(time, positions, time, positions)).all()
