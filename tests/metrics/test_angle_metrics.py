"""Angles: wrapping, errors and offsets with known answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kinefuse.body.angles import wrap
from kinefuse.errors import KinefuseError
from kinefuse.metrics.angles import (
    interpolate_angles,
    interpolate_values,
    mean_of_valid,
    median_of_valid,
    median_offset,
    overlap,
    rmse,
)

ANGLES = hnp.arrays(float, st.tuples(st.integers(2, 20), st.integers(1, 3)), elements=st.floats(-10, 10))


def test_179_and_minus_179_degrees_are_2_apart() -> None:
    assert np.rad2deg(wrap(np.deg2rad(179.0 - -179.0))) == pytest.approx(-2.0)
    assert np.rad2deg(rmse(wrap(np.deg2rad(np.full((5, 1), 358.0)))))[0] == pytest.approx(2.0)


def test_rmse_by_hand() -> None:
    assert rmse(np.array([3.0, -4.0])) == pytest.approx(np.sqrt(12.5))


def test_missing_values_are_left_out_not_counted_as_zero() -> None:
    error = np.array([[3.0, np.nan], [np.nan, np.nan], [-4.0, np.nan]])
    result = rmse(error)
    assert result[0] == pytest.approx(np.sqrt(12.5))
    assert np.isnan(result[1])
    assert mean_of_valid(error)[0] == pytest.approx(-0.5)
    assert np.isnan(median_of_valid(error)[1])


def test_offset_near_half_a_turn() -> None:
    difference = np.deg2rad(np.array([[179.0], [-179.0], [-177.0]]))
    assert np.rad2deg(median_offset(difference))[0] % 360 == pytest.approx(181.0)


def test_interpolation_takes_the_short_way_round() -> None:
    angles = np.deg2rad(np.array([[170.0], [-170.0]]))
    middle = interpolate_angles(np.array([0.0, 1.0]), angles, np.array([0.5]))
    assert np.rad2deg(wrap(middle))[0, 0] % 360 == pytest.approx(180.0)


def test_interpolation_by_hand_and_outside() -> None:
    time, values = np.array([0.0, 1.0, 3.0]), np.array([[0.0], [2.0], [np.nan]])
    out = interpolate_values(time, values, np.array([-0.1, 0.25, 1.0, 2.0, 3.5]))[:, 0]
    assert np.allclose(out[[1, 2]], [0.5, 2.0])
    assert np.isnan(out[[0, 3, 4]]).all()


def test_nothing_is_interpolated_across_a_gap_in_time() -> None:
    time = np.array([0.0, 0.01, 0.02, 0.03, 1.0, 1.01])
    out = interpolate_values(time, time[:, None], np.array([0.015, 0.03, 0.5, 1.0, 1.005]))[:, 0]
    assert np.isnan(out).tolist() == [False, False, True, False, False]


def test_overlap_and_none() -> None:
    assert overlap(np.array([0.0, 1.0, 2.0]), np.array([0.5, 1.5])).tolist() == [False, True, False]
    with pytest.raises(KinefuseError, match="overlap"):
        overlap(np.array([0.0]), np.array([5.0, 6.0]))
    with pytest.raises(KinefuseError, match="no frame"):
        overlap(np.array([]), np.array([5.0, 6.0]))


@settings(max_examples=50, deadline=None)
@given(st.floats(-1e3, 1e3))
def test_wrap_keeps_the_direction(angle: float) -> None:
    wrapped = float(wrap(angle))
    assert -np.pi <= wrapped <= np.pi
    assert np.cos(wrapped) == pytest.approx(np.cos(angle), abs=1e-6)
    assert np.sin(wrapped) == pytest.approx(np.sin(angle), abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(ANGLES, st.floats(-3, 3))
def test_offset_moves_with_the_data_and_never_makes_the_spread_worse(angles: np.ndarray, shift: float) -> None:
    small = 0.1 * wrap(angles)  # within ±18°, where the circular mean is well defined
    assert np.allclose(wrap(median_offset(small + shift) - median_offset(small) - shift), 0.0, atol=1e-9)
    assert (np.abs(small - median_offset(small)).sum(0) <= np.abs(small).sum(0) + 1e-9).all()


@settings(max_examples=50, deadline=None)
@given(ANGLES)
def test_interpolation_at_the_samples_returns_them(angles: np.ndarray) -> None:
    time = np.arange(len(angles)) * 0.1
    assert np.allclose(wrap(interpolate_angles(time, angles, time) - angles), 0.0, atol=1e-9)
