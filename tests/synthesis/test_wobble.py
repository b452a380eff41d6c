"""Sensors on soft tissue against the damped oscillator that they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.conventions import IMU_SITES
from kinefuse.synthesis.wobble import DAMPING, NATURAL_HZ, natural_frequency, sensor_on_tissue, tilt

RATE_HZ = 400.0
TIME = np.arange(1600) / RATE_HZ
ALONG = np.array([0.2, -1.0, 0.4])


def shaken(frequency_hz: float) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * TIME)[:, None] * ALONG


def test_bone_changes_nothing() -> None:
    read, moved, speed = sensor_on_tissue(shaken(3.0), RATE_HZ, np.inf)
    assert np.array_equal(read, shaken(3.0))
    assert not moved.any()
    assert not speed.any()


def test_a_constant_force_is_read_as_it_is() -> None:
    read, moved, speed = sensor_on_tissue(np.tile([1.0, 9.81, -2.0], (50, 1)), 100.0, 9.8)
    assert np.allclose(read, [1.0, 9.81, -2.0])
    assert np.allclose(moved, 0.0, atol=1e-12)
    assert np.allclose(speed, 0.0, atol=1e-9)


def test_a_new_constant_force_moves_it_by_force_over_stiffness() -> None:
    force = np.zeros((1600, 3))
    force[100:, 1] = 9.81
    read, moved, _ = sensor_on_tissue(force, RATE_HZ, 9.8)
    assert moved[-1, 1] == pytest.approx(-9.81 / (2 * np.pi * 9.8) ** 2, rel=1e-3)  # 2.6 mm
    assert read[-1, 1] == pytest.approx(9.81, rel=1e-3)
    peaks = read[100:, 1]
    overshoot = np.exp(-np.pi * DAMPING / np.sqrt(1 - DAMPING**2))
    assert peaks.max() / 9.81 - 1 == pytest.approx(overshoot, rel=0.05)
    rung = np.flatnonzero(np.abs(peaks - 9.81) > 0.05 * 9.81)[-1] / RATE_HZ
    assert rung == pytest.approx(0.326, rel=0.15)  # as long as on the calf


@pytest.mark.parametrize("ratio", [0.2, 0.7, 1.0, 1.5, 3.0])
def test_a_steady_shake_comes_through_as_the_transfer_function_says(ratio: float) -> None:
    own = 10.0
    read, moved, _ = sensor_on_tissue(shaken(ratio * own), RATE_HZ, own)
    s = 1j * ratio
    gain = abs((2 * DAMPING * s + 1) / (s * s + 2 * DAMPING * s + 1))
    late = TIME > 2.0
    assert np.std(read[late, 1]) / np.std(shaken(ratio * own)[late, 1]) == pytest.approx(gain, rel=0.02)
    give = abs(1 / (s * s + 2 * DAMPING * s + 1)) / (2 * np.pi * own) ** 2
    assert np.std(moved[late, 1]) / np.std(shaken(ratio * own)[late, 1]) == pytest.approx(give, rel=0.02)


def test_what_it_reads_beyond_the_bone_is_its_own_acceleration() -> None:
    force = shaken(4.0) + 0.3 * shaken(7.5)
    read, moved, speed = sensor_on_tissue(force, RATE_HZ, 9.0)
    assert np.allclose(np.gradient(moved, TIME, axis=0)[5:-5], speed[5:-5], atol=1e-4)
    assert np.allclose(np.gradient(speed, TIME, axis=0)[5:-5], (read - force)[5:-5], atol=0.02)


@settings(max_examples=20, deadline=None)
@given(st.floats(3.0, 40.0), st.sampled_from([25.0, 60.0, 100.0]), st.integers(0, 50))
def test_it_never_blows_up_at_any_rate(natural_hz: float, rate_hz: float, seed: int) -> None:
    force = np.random.default_rng(seed).normal(size=(300, 3))
    read, moved, speed = sensor_on_tissue(force, rate_hz, natural_hz)
    assert np.abs(read).max() < 50
    assert np.isfinite(moved).all()
    assert np.isfinite(speed).all()


def test_it_tilts_about_the_axis_across_its_way() -> None:
    turn = tilt(np.array([[0.0, -0.002, 0.0], [0.0, 0.0, 0.001]]), np.array([0.0, 0.0, 1.0]))
    assert turn[0, 0] == pytest.approx(0.05)  # down along the thigh: the outer face turns down, about X
    assert np.allclose(turn[0, 1:], 0.0)
    assert np.allclose(turn[1], 0.0)  # in and out of the skin: no tilt


def test_muscle_is_softer_than_bone_and_people_differ() -> None:
    assert set(NATURAL_HZ) == set(IMU_SITES)
    assert NATURAL_HZ["thigh_l"] < NATURAL_HZ["shank_l"] < NATURAL_HZ["foot_l"]
    rng = np.random.default_rng(0)
    drawn = [natural_frequency(rng, "upper_arm_r") for _ in range(300)]
    assert np.median(drawn) == pytest.approx(9.8, rel=0.05)
    assert np.std(np.log(drawn)) == pytest.approx(0.27, rel=0.1)
