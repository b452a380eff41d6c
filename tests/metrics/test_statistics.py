"""Tests of hypotheses on published worked examples, and what must hold for any data."""

import sys
from dataclasses import replace
from itertools import combinations, product
from math import erf, log, sqrt

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kinefuse.errors import KinefuseError
from kinefuse.metrics.statistics import (
    PairedTest,
    anderson_darling,
    p_in_words,
    paired_t,
    unpaired_t,
)

pytest.importorskip("pingouin")

SLEEP_1 = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SLEEP_2 = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
"""Hours of sleep gained with two drugs: Student (1908), "The probable error of a mean", Biometrika 6, p. 20."""

PERSONS = st.integers(3, 15)
LISTS = hnp.arrays(float, PERSONS, elements=st.floats(-50, 50).map(lambda x: round(x, 3)))


# ---- published examples


def test_student_1908_paired() -> None:
    """R's ``t.test(extra ~ group, data = sleep, paired = TRUE)`` as printed by Meys and de Vries, "R For Dummies".

    t = -4.0621, df = 9, p = 0.002833, 95 % from -2.4598858 to -0.7001142.
    """
    test = paired_t(SLEEP_1, SLEEP_2)
    assert (test.n, test.dof, test.left_out) == (10, 9.0, 0)
    assert test.difference == pytest.approx(-1.58)
    assert test.t == pytest.approx(-4.0621, abs=5e-5)
    assert test.p == pytest.approx(0.002833, abs=5e-7)
    assert (test.ci_low, test.ci_high) == pytest.approx((-2.4598858, -0.7001142), abs=5e-8)
    assert test.d_z == pytest.approx(-1.58 / 1.229995, abs=1e-5)  # Student's own standard deviation: 1.17 with 1/n
    assert test.d_av == pytest.approx(-1.58 / (0.5 * (1.789010 + 2.002249)), abs=1e-5)


def test_student_1908_as_if_unpaired() -> None:
    """The example of R's help page of ``t.test``: t = -1.8608, df = 17.776, p = 0.07939, -3.3654832 to 0.2054832."""
    test = unpaired_t(SLEEP_1, SLEEP_2)
    assert test.t == pytest.approx(-1.8608, abs=5e-5)
    assert test.dof == pytest.approx(17.776, abs=5e-4)
    assert test.p == pytest.approx(0.07939, abs=5e-6)
    assert (test.ci_low, test.ci_high) == pytest.approx((-3.3654832, 0.2054832), abs=5e-8)
    assert test.d == pytest.approx(-1.58 / np.sqrt(0.5 * (1.789010**2 + 2.002249**2)), abs=1e-5)
    assert test.warning == ""


def by_hand_wilcoxon(difference: np.ndarray) -> float:
    """Two-sided p over all 2^n signs of the ranks of differences without ties: twice the smaller tail."""
    ranks = np.abs(difference).argsort().argsort() + 1
    seen = ranks[difference > 0].sum()
    sums = np.array([np.dot(signs, ranks) for signs in product((0, 1), repeat=len(ranks))])
    return float(2 * min((sums <= seen).mean(), (sums >= seen).mean()))


def by_hand_mann_whitney(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sided p over all ways to deal the ranks to both groups, without ties: twice the smaller tail."""
    ranks = np.concatenate([a, b]).argsort().argsort() + 1
    seen = ranks[: len(a)].sum()
    sums = np.array([sum(dealt) for dealt in combinations(range(1, len(ranks) + 1), len(a))])
    return float(2 * min((sums <= seen).mean(), (sums >= seen).mean()))


def test_wilcoxon_on_depression() -> None:
    """Hollander and Wolfe (1973), p. 29, as on R's help page of ``wilcox.test``: one-sided p = 0.01953, V = 40."""
    before = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
    after = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
    assert paired_t(before, after).p_wilcoxon == pytest.approx(2 * 0.01953, abs=1e-5)
    assert by_hand_wilcoxon(before - after) == pytest.approx(20 / 512)
    assert paired_t(before, after).p_wilcoxon == pytest.approx(20 / 512)


def test_mann_whitney_on_placentas() -> None:
    """Hollander and Wolfe (1973), p. 69, as on R's help page of ``wilcox.test``: one-sided p = 0.1272, W = 35."""
    at_term = np.array([0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46])
    earlier = np.array([1.15, 0.88, 0.90, 0.74, 1.21])
    test = unpaired_t(at_term, earlier)
    assert test.p_mann_whitney == pytest.approx(2 * 0.1272, abs=1e-4)
    assert test.p_mann_whitney == pytest.approx(by_hand_mann_whitney(at_term, earlier))


def by_hand_anderson_darling(values: np.ndarray) -> float:
    """A² = -n - Σ (2i - 1) (ln Φ(z_i) + ln(1 - Φ(z_{n+1-i}))) / n of ordered, standardised values."""
    n = len(values)
    z = sorted((value - values.mean()) / values.std(ddof=1) for value in values)
    below = [0.5 * (1.0 + erf(value / sqrt(2.0))) for value in z]
    return -n - sum((2 * i + 1) * (log(below[i]) + log(1.0 - below[n - 1 - i])) for i in range(n)) / n


def test_anderson_darling_on_eleven_men() -> None:
    """Weights in pounds of Shapiro and Wilk (1965), as scipy's documentation has them; A² is a hand calculation.

    Adjusted for n it lies between the points of 2.5 % (0.873) and 1 % (1.035) of the table below.
    """
    pounds = np.array([148.0, 154, 158, 160, 161, 162, 166, 170, 182, 195, 236])
    test = anderson_darling(pounds)
    assert test.statistic == pytest.approx(by_hand_anderson_darling(pounds), rel=1e-9)
    assert 0.873 < test.statistic * (1 + 0.75 / 11 + 2.25 / 11**2) < 1.035
    assert 0.01 < test.p < 0.025
    assert test.n == 11


@pytest.mark.parametrize("adjusted, p", [(0.631, 0.10), (0.752, 0.05), (0.873, 0.025), (1.035, 0.01)])
def test_anderson_darling_has_the_critical_values_of_the_table(adjusted: float, p: float) -> None:
    """D'Agostino and Stephens (1986), Goodness-of-Fit Techniques, table 4.7, as scipy's ``anderson`` has them."""
    rng = np.random.default_rng(3)
    tests = [anderson_darling(rng.standard_t(4, size=25)) for _ in range(600)]
    sizes = np.array([test.statistic * (1 + 0.75 / 25 + 2.25 / 25**2) for test in tests])
    nearest = int(np.abs(sizes - adjusted).argmin())
    assert sizes[nearest] == pytest.approx(adjusted, abs=0.01)
    assert tests[nearest].p == pytest.approx(p, rel=0.08)


# ---- assumptions


def test_bonferroni() -> None:
    test = paired_t(SLEEP_1, SLEEP_2, comparisons=4)
    assert test.p_corrected == pytest.approx(4 * test.p)
    assert paired_t(SLEEP_1, SLEEP_2, comparisons=10_000).p_corrected == 1.0


def test_differences_that_are_not_normal_are_told_with_wilcoxons_p() -> None:
    test = paired_t(SLEEP_1, SLEEP_2)  # one person gained 4.6 hours more
    assert test.p_normal < 0.05
    assert "not normal" in test.warning
    assert p_in_words(test.p_wilcoxon) in test.warning
    calm = paired_t(SLEEP_1, SLEEP_1 + np.linspace(0.0, 2.0, 10))
    assert calm.warning == ""


@pytest.mark.parametrize(
    "count, words", [(0, "too few for"), (1, "too few for"), (5, "hardly"), (7, "too few to tell")]
)
def test_few_pairs_are_told(count: int, words: str) -> None:
    assert words in paired_t(SLEEP_1[:count], SLEEP_2[:count]).warning


@pytest.mark.parametrize("shift", [0.0, 0.1, 3.0])
def test_without_variance_there_is_no_test(shift: float) -> None:
    test = paired_t(SLEEP_1 + shift, SLEEP_1)
    assert "without variance" in test.warning
    assert np.isnan([test.t, test.p, test.p_corrected, test.d_z, test.ci_low]).all()
    assert test.difference == pytest.approx(shift)
    constant = unpaired_t(np.full(9, 2.0), np.full(9, 3.0))
    assert np.isnan(constant.p)
    assert "without variance" in constant.warning


def test_missing_values_leave_their_pair_out_and_are_counted() -> None:
    a, b = np.append(SLEEP_1, [np.nan, 4.0]), np.append(SLEEP_2, [1.0, np.nan])
    assert paired_t(a, b) == replace(paired_t(SLEEP_1, SLEEP_2), left_out=2)
    assert unpaired_t(a, SLEEP_2).left_out == 1
    assert anderson_darling(a) == replace(anderson_darling(np.append(SLEEP_1, 4.0)), left_out=1)


def test_groups_that_are_not_normal_or_too_small_are_told() -> None:
    skewed = np.exp(np.linspace(0.0, 6.0, 20))
    test = unpaired_t(skewed, np.linspace(0.0, 1.0, 20))
    assert "not normal" in test.warning
    assert p_in_words(test.p_mann_whitney) in test.warning
    assert "too few to tell" in unpaired_t(SLEEP_1[:5], SLEEP_2).warning
    assert "too few for" in unpaired_t(SLEEP_1[:1], SLEEP_2).warning


def test_normality_of_little_or_nothing() -> None:
    assert "too few to tell" in anderson_darling(SLEEP_1[:7]).warning
    assert np.isnan(anderson_darling(SLEEP_1[:7]).p)
    assert "the same" in anderson_darling(np.full(20, 0.1)).warning
    assert "too few for" in anderson_darling(np.zeros(0)).warning


@pytest.mark.parametrize(
    "call",
    [
        lambda: paired_t(SLEEP_1, SLEEP_2[:9]),
        lambda: paired_t(SLEEP_1[:, None], SLEEP_2[:, None]),
        lambda: paired_t(SLEEP_1, SLEEP_2, comparisons=0),
        lambda: unpaired_t(np.zeros((2, 2)), SLEEP_2),
        lambda: anderson_darling(np.array(3.0)),
    ],
)
def test_what_is_no_list_of_pairs_is_refused(call: object) -> None:
    with pytest.raises(KinefuseError, match="need"):
        call()  # type: ignore[operator]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels.stats.diagnostic", None)
    with pytest.raises(KinefuseError, match=r"kinefuse\[study\]"):
        paired_t(SLEEP_1, SLEEP_2)


def test_probabilities_in_words() -> None:
    assert p_in_words(0.0004) == "p < 0.001"
    assert p_in_words(0.0123) == "p = 0.012"


# ---- properties


def numbers(test: PairedTest) -> list[float]:
    return [test.difference, test.ci_low, test.ci_high, test.t, test.p, test.d_z, test.d_av, test.p_wilcoxon]


@settings(max_examples=50, deadline=None)
@given(LISTS, st.integers(0, 10_000))
def test_the_order_of_pairs_does_not_matter(a: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    b, order = a + rng.normal(size=len(a)), rng.permutation(len(a))
    assert numbers(paired_t(a[order], b[order])) == pytest.approx(numbers(paired_t(a, b)), rel=1e-6, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(LISTS, st.integers(0, 10_000), st.floats(-20, 20))
def test_a_shift_of_both_changes_nothing_and_of_one_moves_the_interval(a: np.ndarray, seed: int, shift: float) -> None:
    b = a + np.random.default_rng(seed).normal(size=len(a))
    plain, both, one = paired_t(a, b), paired_t(a + shift, b + shift), paired_t(a + shift, b)
    assert numbers(both)[:-1] == pytest.approx(numbers(plain)[:-1], rel=1e-5, abs=1e-7)
    moved = (plain.difference + shift, plain.ci_low + shift, plain.ci_high + shift)
    assert (one.difference, one.ci_low, one.ci_high) == pytest.approx(moved, abs=1e-7)


@settings(max_examples=50, deadline=None)
@given(LISTS, st.integers(0, 10_000))
def test_swapped_sides_flip_the_sign_and_keep_p(a: np.ndarray, seed: int) -> None:
    b = a + np.random.default_rng(seed).normal(size=len(a))
    here, there = paired_t(a, b), paired_t(b, a)
    assert (there.t, there.d_z, there.difference) == pytest.approx((-here.t, -here.d_z, -here.difference))
    assert (there.p, there.p_wilcoxon) == pytest.approx((here.p, here.p_wilcoxon))
    assert (there.ci_low, there.ci_high) == pytest.approx((-here.ci_high, -here.ci_low))
    plain, swapped = unpaired_t(a, b), unpaired_t(b, a)
    assume(np.isfinite(plain.t))
    assert (swapped.t, swapped.p, swapped.dof) == pytest.approx((-plain.t, plain.p, plain.dof))


@settings(max_examples=50, deadline=None)
@given(LISTS, st.integers(0, 10_000), st.floats(0.001, 1000))
def test_the_unit_does_not_matter(a: np.ndarray, seed: int, scale: float) -> None:
    b = a + np.random.default_rng(seed).normal(size=len(a))
    plain, scaled = paired_t(a, b), paired_t(scale * a, scale * b)
    assert (scaled.t, scaled.p, scaled.d_z) == pytest.approx((plain.t, plain.p, plain.d_z), rel=1e-5)
    assert scaled.ci_low == pytest.approx(scale * plain.ci_low, rel=1e-5, abs=1e-9)


def test_the_interval_holds_the_truth_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        test = paired_t(rng.normal(1.0, 1.0, 12), rng.normal(0.0, 1.0, 12))
        hits += test.ci_low < 1.0 < test.ci_high
    assert 0.92 < hits / 400 < 0.98
