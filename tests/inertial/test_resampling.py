"""The resampler: what passes, what does not, what happens at gaps, ends and with uneven time stamps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.inertial.resampling import even_grid, grid_within, low_pass_weights, resample

RATES = (30.0, 50.0, 60.0, 100.0, 119.7)


def tone(time: np.ndarray, hertz: float) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * time + 0.4)[:, None, None]


def resampled_tone(rate_hz: float, hertz: float, seconds: float = 8.0) -> tuple[np.ndarray, np.ndarray]:
    """A tone on the grid, away from the ends, and what it is there."""
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    grid = even_grid(time[0], time[-1], 25.0)
    middle = slice(15, -15)
    return resample(time, tone(time, hertz), grid).values[middle, 0, 0], tone(grid, hertz)[middle, 0, 0]


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("hertz", [0.5, 3.0, 7.0])
def test_movement_passes_without_delay(rate_hz: float, hertz: float) -> None:
    got, expected = resampled_tone(rate_hz, hertz)
    assert np.abs(got - expected).max() < 0.02


@pytest.mark.parametrize("rate_hz", [50.0, 60.0, 100.0])
@pytest.mark.parametrize("hertz", [13.0, 18.0, 23.0])
def test_what_would_alias_is_gone(rate_hz: float, hertz: float) -> None:
    got, _ = resampled_tone(rate_hz, hertz)
    assert np.abs(got).max() < 0.012


@pytest.mark.parametrize("rate_hz", [10.0, 20.0, 25.0])
def test_slow_sources_are_interpolated(rate_hz: float) -> None:
    got, expected = resampled_tone(rate_hz, rate_hz / 12)
    assert np.abs(got - expected).max() < 0.01


def test_the_source_s_own_grid_stays_as_it_is() -> None:
    time = np.arange(50) / 25.0
    values = np.random.default_rng(0).normal(size=(50, 2, 3))
    assert np.allclose(resample(time, values, time).values, values)


@pytest.mark.parametrize("rate_hz", [25.0, 60.0, 100.0])
def test_straight_lines_stay_to_the_ends(rate_hz: float) -> None:
    """Whatever the filter, a constant velocity is kept, at the first and last sample too."""
    time = np.arange(90) / rate_hz
    grid = even_grid(time[0], time[-1], 25.0)
    got = resample(time, (3.0 + 2.0 * time)[:, None, None], grid)
    assert np.allclose(got.values[:, 0, 0], 3.0 + 2.0 * grid)


def test_uneven_time_stamps() -> None:
    rng = np.random.default_rng(1)
    time = np.arange(600) / 100.0 + rng.uniform(-0.002, 0.002, 600)
    grid = even_grid(0.2, 5.8, 25.0)
    got = resample(time, tone(time, 2.0), grid)
    assert np.abs(got.values - tone(grid, 2.0)).max() < 0.02


@pytest.mark.parametrize("as_rows", [True, False])
def test_short_gaps_are_bridged_and_marked(as_rows: bool) -> None:
    """Lost packets may be rows of NaN, or no rows at all."""
    time = np.arange(400) / 100.0
    values = tone(time, 1.0).copy()
    values[200:208] = np.nan
    kept = np.ones(400, bool) if as_rows else np.isfinite(values[:, 0, 0])
    grid = even_grid(time[0], time[-1], 25.0)
    got = resample(time[kept], values[kept], grid)
    assert got.known.all()
    assert np.abs(got.values - tone(grid, 1.0)).max() < 0.03
    inside = (grid > 2.0) & (grid < 2.07)
    assert got.bridged[inside].all()
    assert not got.bridged[np.abs(grid - 2.035) > 0.05][1:-1].any()


def test_long_gaps_are_masked_and_do_not_leak() -> None:
    time = np.arange(400) / 100.0
    values = np.ones((400, 1, 3))
    values[250:] = 7.0
    values[200:250] = np.nan
    grid = even_grid(time[0], time[-1], 25.0)
    got = resample(time, values, grid)
    gap = (grid > 1.99 + 0.021) & (grid < 2.5 - 0.021)
    assert np.array_equal(~got.known[:, 0], gap)
    assert np.allclose(got.values[grid < 2.0], 1.0)
    assert np.allclose(got.values[grid > 2.5], 7.0)


def test_streams_have_gaps_of_their_own() -> None:
    rng = np.random.default_rng(2)
    time = np.arange(200) / 60.0
    values = rng.normal(size=(200, 3, 3))
    values[50:90, 1] = np.nan
    values[:, 2] = np.nan
    grid = even_grid(time[0], time[-1], 25.0)
    whole = resample(time, values, grid)
    assert np.array_equal(whole.values[:, :1], resample(time, values[:, :1], grid).values, equal_nan=True)
    assert np.array_equal(whole.values[:, 1:2], resample(time, values[:, 1:2], grid).values, equal_nan=True)
    assert not whole.known[:, 2].any()


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_very_short_streams(frames: int) -> None:
    time = 5.0 + np.arange(frames) / 60.0
    grid = even_grid(time[0], time[-1], 25.0)
    got = resample(time, np.full((frames, 1, 3), 2.0), grid)
    assert np.allclose(got.values, 2.0)


def test_nothing_is_known_beyond_the_ends() -> None:
    time = np.arange(100) / 100.0
    got = resample(time, np.ones((100, 1, 1)), np.array([-0.1, -0.015, 0.5, 1.0, 1.1]))
    assert np.array_equal(got.known[:, 0], [False, True, True, True, False])


@settings(max_examples=60, deadline=None)
@given(
    start=st.floats(-100, 1e4), frames=st.integers(1, 400), rate=st.sampled_from([24.0, 25.0, 30.0, 59.94, 60.0, 100.0])
)
def test_grid_covers_every_sample(start: float, frames: int, rate: float) -> None:
    stop = start + (frames - 1) / rate
    grid = even_grid(start, stop, 25.0)
    assert start - 0.0201 < grid[0] <= start + 1e-4
    assert stop - 1e-4 <= grid[-1] < stop + 0.0201
    assert np.allclose(np.diff(grid), 0.04)


@settings(max_examples=30, deadline=None)
@given(shift=st.floats(-1e4, 1e4), seed=st.integers(0, 1000))
def test_linear_and_independent_of_the_clock(shift: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    time = np.cumsum(rng.uniform(0.8, 1.2, 80)) / 60.0
    a, b = rng.normal(size=(2, 80, 1, 2))
    grid = even_grid(time[0], time[-1], 25.0)
    got = resample(time, 2 * a + b, grid).values
    assert np.allclose(got, 2 * resample(time, a, grid).values + resample(time, b, grid).values)
    assert np.allclose(resample(time + shift, a, grid + shift).values, resample(time, a, grid).values, atol=1e-6)


def test_weights_add_up_to_one() -> None:
    index, weight = low_pass_weights(np.arange(100) / 60.0, np.linspace(0.3, 1.2, 20))
    assert np.allclose(weight.sum(1), 1.0)
    assert index.max() < 100


def test_a_grid_within_ends_with_the_recording() -> None:
    assert np.allclose(grid_within(2.0, 2.1, 25.0), [2.0, 2.04, 2.08])
    assert np.allclose(grid_within(0.0, 0.3, 10.0), [0.0, 0.1, 0.2, 0.3])
    assert np.array_equal(grid_within(1.0, 1.0, 50.0), [1.0])
    assert not grid_within(1.0, 0.999, 50.0).size
