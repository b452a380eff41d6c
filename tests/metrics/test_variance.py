"""Analysis of variance with repeated measures on textbook examples, and against its simpler relatives."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.errors import KinefuseError
from kinefuse.metrics.statistics import paired_t
from kinefuse.metrics.variance import Effect, interaction_table, repeated_measures_anova

pytest.importorskip("pingouin")

RETCHING = np.array(
    [
        [8, 7, 1, 6],
        [9, 5, 2, 5],
        [6, 2, 3, 8],
        [5, 3, 1, 9],
        [8, 4, 5, 8],
        [7, 5, 6, 7],
        [10, 2, 7, 2],
        [12, 6, 8, 1],
    ],
    dtype=float,
)
"""Seconds until eight people retch at four dishes: Field, "Discovering Statistics Using SPSS", ``Bushtucker.sav``."""

NOISE_BY_ANGLE = np.array(
    [
        [[420, 420, 480], [480, 600, 780]],
        [[420, 480, 480], [360, 480, 600]],
        [[480, 480, 540], [660, 780, 780]],
        [[420, 540, 540], [480, 780, 900]],
        [[540, 660, 540], [480, 660, 720]],
        [[360, 420, 360], [360, 480, 540]],
        [[480, 480, 600], [540, 720, 840]],
        [[480, 600, 660], [540, 720, 900]],
        [[540, 600, 540], [480, 720, 780]],
        [[480, 420, 540], [540, 660, 780]],
    ],
    dtype=float,
)
"""Reaction times of ten people, ms: Maxwell and Delaney (2004), "Designing Experiments", table 12.1 (p. 574)."""


def test_field_one_way() -> None:
    """Published: F(3, 21) = 3.79, p = .026; Mauchly's W = .136, p = .047; epsilon .533, p = .063; partial η² .351.

    To more digits as JASP has it for Field's own file: F = 3.793806, p = 0.0255703 and 0.06258412, Mauchly's
    p = 0.04684581, epsilon 0.5328456, sums of squares 83.125 and 153.375.
    """
    (dish,) = repeated_measures_anova(RETCHING, ["dish"])
    assert (dish.name, dish.n, dish.dof_effect, dish.dof_error) == ("dish", 8, 3.0, 21.0)
    assert dish.f == pytest.approx(3.793806, abs=5e-7)
    assert dish.p_uncorrected == pytest.approx(0.0255703, abs=5e-8)
    assert dish.p_sphericity == pytest.approx(0.04684581, abs=5e-9)
    assert dish.epsilon == pytest.approx(0.5328456, abs=5e-8)
    assert dish.p_corrected == pytest.approx(0.06258412, abs=5e-9)
    assert dish.p == dish.p_corrected
    assert dish.partial_eta_squared == pytest.approx(83.125 / (83.125 + 153.375))
    assert "Sphericity fails" in dish.warning


def by_hand_epsilon(values: np.ndarray) -> float:
    """Greenhouse and Geisser's epsilon of (N, K): trace² of the centred covariance over (K - 1) trace of its square."""
    covariance = np.cov(values.T)
    centred = covariance - covariance.mean(0) - covariance.mean(1, keepdims=True) + covariance.mean()
    return float(np.trace(centred) ** 2 / ((values.shape[1] - 1) * np.trace(centred @ centred)))


def test_maxwell_and_delaney_two_way() -> None:
    """Published in tables 12.5 and 12.6, and replicated by the tests of R's package afex.

    Noise F(1, 9) = 33.77, angle F(2, 18) = 40.72, both together F(2, 18) = 45.31; sums of squares 285660, 289920 and
    105120, of errors 76140, 64080 and 20880. Epsilon is a hand calculation.
    """
    noise, angle, both = repeated_measures_anova(NOISE_BY_ANGLE, ["noise", "angle"])
    assert [effect.name for effect in (noise, angle, both)] == ["noise", "angle", "noise × angle"]
    assert [effect.f for effect in (noise, angle, both)] == pytest.approx([33.77, 40.72, 45.31], abs=0.005)
    assert [(e.dof_effect, e.dof_error) for e in (noise, angle, both)] == [(1, 9), (2, 18), (2, 18)]
    squares, errors = (285660, 289920, 105120), (76140, 64080, 20880)
    shares = [effect / (effect + error) for effect, error in zip(squares, errors, strict=True)]
    assert [effect.partial_eta_squared for effect in (noise, angle, both)] == pytest.approx(shares)
    assert angle.epsilon == pytest.approx(by_hand_epsilon(NOISE_BY_ANGLE.mean(1)))
    assert both.epsilon == pytest.approx(by_hand_epsilon(NOISE_BY_ANGLE[:, 1] - NOISE_BY_ANGLE[:, 0]))
    assert noise.epsilon == 1.0
    assert noise.p == pytest.approx(paired_t(*NOISE_BY_ANGLE.mean(2).T).p)
    assert angle.p == angle.p_uncorrected < 0.001
    assert all(effect.n == 10 for effect in (noise, angle, both))


def test_two_levels_are_a_paired_t_test() -> None:
    (effect,) = repeated_measures_anova(RETCHING[:, :2], ["dish"])
    test = paired_t(RETCHING[:, 0], RETCHING[:, 1])
    assert effect.f == pytest.approx(test.t**2)
    assert effect.p == pytest.approx(test.p)
    assert np.isnan(effect.p_sphericity)
    assert effect.epsilon == pytest.approx(1.0)
    assert effect.warning == ""


def test_an_interaction_of_two_by_two_is_a_test_of_differences() -> None:
    values = NOISE_BY_ANGLE[:, :, :2]
    *_, both = repeated_measures_anova(values, ["noise", "angle"])
    differences = values[:, 1] - values[:, 0]
    assert both.f == pytest.approx(paired_t(differences[:, 0], differences[:, 1]).t ** 2)


def test_an_interaction_with_two_levels_is_one_way_on_differences() -> None:
    *_, both = repeated_measures_anova(NOISE_BY_ANGLE, ["noise", "angle"])
    (one_way,) = repeated_measures_anova(NOISE_BY_ANGLE[:, 1] - NOISE_BY_ANGLE[:, 0], ["angle"])
    kept = ("f", "epsilon", "p_corrected", "p_sphericity", "partial_eta_squared")
    assert [getattr(both, name) for name in kept] == pytest.approx([getattr(one_way, name) for name in kept])


def test_sums_of_squares_of_three_by_four_by_hand() -> None:
    values = np.random.default_rng(5).normal(size=(9, 3, 4))
    *_, both = repeated_measures_anova(values, ["method", "noise"])
    means = values.mean(axis=0)
    cells = means - means.mean(0) - means.mean(1, keepdims=True) + means.mean()
    each = values - values.mean(1, keepdims=True) - values.mean(2, keepdims=True) + values.mean((1, 2), keepdims=True)
    error = ((each - cells) ** 2).sum()
    assert both.f == pytest.approx((9 * (cells**2).sum() / 6) / (error / 48))
    assert (both.dof_effect, both.dof_error) == (6, 48)
    assert interaction_table(values).shape == (9, 7)


def test_too_few_people_for_sphericity_are_corrected_and_told() -> None:
    (effect,) = repeated_measures_anova(np.random.default_rng(0).normal(size=(4, 6)), ["noise"])
    assert effect.p == effect.p_corrected
    assert np.isnan(effect.p_sphericity)
    assert "Too few units to test sphericity" in effect.warning
    assert "Only 4 units" in effect.warning


def test_residuals_that_are_not_normal_are_told() -> None:
    values = np.random.default_rng(0).normal(size=(12, 3))
    values[0, 0] = 40.0
    (effect,) = repeated_measures_anova(values, ["noise"])
    assert "not normal" in effect.warning


def test_units_with_missing_values_are_left_out_and_counted() -> None:
    holey = np.concatenate([NOISE_BY_ANGLE, NOISE_BY_ANGLE[:2]])
    holey[-2, 0, 0] = holey[-1, 1, 2] = np.nan
    plain = repeated_measures_anova(NOISE_BY_ANGLE, ["noise", "angle"])
    for effect, expected in zip(repeated_measures_anova(holey, ["noise", "angle"]), plain, strict=True):
        assert (effect.n, effect.left_out, effect.f) == (10, 2, expected.f)


@pytest.mark.parametrize(
    "values, words",
    [
        (np.zeros((0, 3)), "Only 0"),
        (np.zeros((1, 3)), "Only 1"),
        (np.zeros((8, 3)), "without variance"),
        (np.arange(8.0)[:, None] + 0.1 * np.arange(3), "without variance"),
    ],
)
def test_without_people_or_variance_there_is_no_test(values: np.ndarray, words: str) -> None:
    (effect,) = repeated_measures_anova(values, ["noise"])
    assert words in effect.warning
    assert np.isnan([effect.f, effect.p, effect.partial_eta_squared]).all()


@pytest.mark.parametrize(
    "shape, factors",
    [((8,), ["a"]), ((8, 1), ["a"]), ((8, 3), ["a", "b"]), ((8, 3, 4), ["a"]), ((8, 3, 1), ["a", "b"]), ((8, 3), [])],
)
def test_shapes_that_do_not_fit_are_refused(shape: tuple[int, ...], factors: list[str]) -> None:
    with pytest.raises(KinefuseError, match="needs values of shape"):
        repeated_measures_anova(np.zeros(shape), factors)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pingouin", None)
    with pytest.raises(KinefuseError, match=r"kinefuse\[study\]"):
        repeated_measures_anova(RETCHING, ["dish"])


def numbers(effects: tuple[Effect, ...]) -> list[float]:
    return [x for e in effects for x in (e.f, e.p_uncorrected, e.p_corrected, e.epsilon, e.partial_eta_squared)]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(-100, 100), st.floats(0.01, 100))
def test_order_shift_and_unit_do_not_matter(seed: int, shift: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(8, 2, 3))
    plain = numbers(repeated_measures_anova(values, ["method", "noise"]))
    people = shift * rng.normal(size=(8, 1, 1))  # each person's own level is nobody's effect
    changed = scale * (values + people + shift)[rng.permutation(8)][:, ::-1][:, :, rng.permutation(3)]
    assert numbers(repeated_measures_anova(changed, ["method", "noise"])) == pytest.approx(plain, rel=1e-5, abs=1e-7)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_swapped_factors_swap_their_effects(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(8, 2, 3))
    first, second, both = repeated_measures_anova(values, ["a", "b"])
    other = repeated_measures_anova(values.transpose(0, 2, 1), ["b", "a"])
    assert numbers((second, first, both)) == pytest.approx(numbers(other), rel=1e-6, abs=1e-9)
