"""Tests of hypotheses, each with its effect size, its interval and a sentence where one of its assumptions fails.

All tests are two-sided. What goes in must be independent: repetitions and clips of one person are averaged first.
Libraries do the work (scipy, pingouin, statsmodels); they are in the extra ``study``, and imported when needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.errors import KinefuseError, MissingDependencyError

ALPHA: Final = 0.05
"""An assumption counts as failing below this p; intervals hold with probability 1 - ALPHA."""

FEWEST_FOR_NORMALITY: Final = 8
"""The approximation of the Anderson–Darling p is meant for this many values or more (D'Agostino and Stephens 1986)."""

FEWEST_PAIRS: Final = 6
"""Below this many pairs not even all signs alike would be significant at 0.05 (Wilcoxon's test)."""

ROUNDING: Final = 1e-12
"""Spread, as a share of the values' size, that is nothing but rounding."""


@dataclass(frozen=True, kw_only=True)
class NormalityTest:
    """Anderson–Darling against a normal distribution of unknown mean and variance.

    Attributes
    ----------
    n, left_out : values that were used, and that were missing
    statistic : A², not adjusted for n
    p : NaN for fewer than `FEWEST_FOR_NORMALITY` values, or without variance
    warning : empty if all is well
    """

    n: int
    left_out: int
    statistic: float
    p: float
    warning: str


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """Student's t test of paired values a and b.

    Attributes
    ----------
    n, left_out : pairs that were used, and pairs of which one was missing
    difference : mean of a - b, in their unit
    ci_low, ci_high : 95 % confidence interval of it
    t, dof : statistic and degrees of freedom
    p : of this test alone
    p_corrected : after Bonferroni's correction for `comparisons`
    comparisons : tests of the same family
    d_z : mean difference over the standard deviation of the differences
    d_av : mean difference over the mean of both standard deviations (Lakens 2013), comparable between designs
    p_normal : of the differences being normal
    p_wilcoxon : of Wilcoxon's signed-rank test, which does without normality; differences of zero are left out
    warning : empty if all is well
    """

    n: int
    left_out: int
    difference: float
    ci_low: float
    ci_high: float
    t: float
    dof: float
    p: float
    p_corrected: float
    comparisons: int
    d_z: float
    d_av: float
    p_normal: float
    p_wilcoxon: float
    warning: str


@dataclass(frozen=True, kw_only=True)
class UnpairedTest:
    """Welch's t test of two independent groups a and b; it does without equal variances.

    Attributes
    ----------
    n_a, n_b, left_out : values that were used, and that were missing
    difference : mean of a minus mean of b, in their unit
    ci_low, ci_high : 95 % confidence interval of it
    t, dof : statistic, and degrees of freedom after Welch and Satterthwaite
    p
    d : difference over the root of the mean of both variances
    p_normal_a, p_normal_b : of each group being normal
    p_mann_whitney : of the Mann–Whitney test, which does without normality
    warning : empty if all is well
    """

    n_a: int
    n_b: int
    left_out: int
    difference: float
    ci_low: float
    ci_high: float
    t: float
    dof: float
    p: float
    d: float
    p_normal_a: float
    p_normal_b: float
    p_mann_whitney: float
    warning: str


def anderson_darling(values: np.ndarray) -> NormalityTest:
    """Return whether values (N,) could come from a normal distribution; NaN are left out.

    Raises
    ------
    KinefuseError
        If the values are no list of numbers, or the extra ``study`` is missing.
    """
    values = _list_of(values)
    known = values[np.isfinite(values)]
    count, left_out, warning = len(known), len(values) - len(known), ""
    statistic = p = float("nan")
    if count >= 3 and _varies(known):
        statistic, p = _normal_ad(known)
        if count < FEWEST_FOR_NORMALITY:
            p, warning = float("nan"), f"Only {count} values: too few to tell whether they are normal."
    else:
        warning = "All values are the same." if count >= 3 else f"Only {count} values: too few for a test."
    return NormalityTest(n=count, left_out=left_out, statistic=statistic, p=p, warning=warning)


def paired_t(a: np.ndarray, b: np.ndarray, comparisons: int = 1) -> PairedTest:
    """Compare two lists of values that belong together pair by pair.

    Parameters
    ----------
    a, b : (N,) in one unit; pairs with a NaN are left out
    comparisons : how many tests belong to the same family, for Bonferroni's correction

    Raises
    ------
    KinefuseError
        If the lists differ in length, `comparisons` is below one, or the extra ``study`` is missing.
    """
    a, b = _list_of(a), _list_of(b)
    if a.shape != b.shape:
        raise KinefuseError(f"A paired test needs two lists of one length, got {len(a)} and {len(b)}.")
    if comparisons < 1:
        raise KinefuseError(f"Bonferroni's correction needs one comparison or more, got {comparisons}.")
    known = np.isfinite(a) & np.isfinite(b)
    a, b, left_out = a[known], b[known], int((~known).sum())
    difference, normal = a - b, anderson_darling(a - b)
    t, dof, p, low, high = _students_t(a, b)
    wilcoxon = _wilcoxon(difference)
    spread = _sd(difference) if _differ(a, b) else float("nan")
    return PairedTest(
        n=len(a),
        left_out=left_out,
        difference=_mean(difference),
        ci_low=low,
        ci_high=high,
        t=t,
        dof=dof,
        p=p,
        p_corrected=min(1.0, p * comparisons) if np.isfinite(p) else p,
        comparisons=comparisons,
        d_z=_ratio(_mean(difference), spread),
        d_av=_ratio(_mean(difference), 0.5 * (_sd(a) + _sd(b))),
        p_normal=normal.p,
        p_wilcoxon=wilcoxon,
        warning=_paired_warning(a, b, normal.p, wilcoxon),
    )


def unpaired_t(a: np.ndarray, b: np.ndarray) -> UnpairedTest:
    """Compare two independent groups.

    Parameters
    ----------
    a, b : (N,) and (M,) in one unit; NaN are left out

    Raises
    ------
    KinefuseError
        If they are no lists of numbers, or the extra ``study`` is missing.
    """
    a, b = _list_of(a), _list_of(b)
    count = len(a) + len(b)
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    normal = (anderson_darling(a).p, anderson_darling(b).p)
    t, dof, p, low, high = _welchs_t(a, b)
    rank = _mann_whitney(a, b)
    return UnpairedTest(
        n_a=len(a),
        n_b=len(b),
        left_out=count - len(a) - len(b),
        difference=_mean(a) - _mean(b),
        ci_low=low,
        ci_high=high,
        t=t,
        dof=dof,
        p=p,
        d=_ratio(_mean(a) - _mean(b), float(np.sqrt(0.5 * (_sd(a) ** 2 + _sd(b) ** 2)))),
        p_normal_a=normal[0],
        p_normal_b=normal[1],
        p_mann_whitney=rank,
        warning=_unpaired_warning(a, b, normal, rank),
    )


def _list_of(values: np.ndarray | Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1:
        raise KinefuseError(f"A test needs a plain list of numbers, got an array of shape {array.shape}.")
    return array


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _sd(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def _ratio(value: float, spread: float) -> float:
    return value / spread if spread > 0 else float("nan")


def _varies(values: np.ndarray) -> bool:
    """Whether values (N,) differ by more than rounding."""
    return len(values) > 1 and bool(np.ptp(values) > ROUNDING * np.abs(values).max())


def _differ(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the differences of pairs vary by more than the rounding of `a` and `b`."""
    return len(a) > 1 and bool(np.ptp(a - b) > ROUNDING * max(np.abs(a).max(), np.abs(b).max()))


def _normal_ad(values: np.ndarray) -> tuple[float, float]:
    try:
        from statsmodels.stats.diagnostic import normal_ad  # type: ignore[import-untyped]
    except ImportError as error:
        raise missing_extra() from error
    statistic, p = normal_ad(values)
    return float(statistic), float(p)


def missing_extra() -> MissingDependencyError:
    """Return the error of a statistic without its libraries."""
    return MissingDependencyError(
        "Statistics need the packages pingouin and statsmodels; install them with: pip install 'kinefuse[study]'."
    )


_UNKNOWN: Final = (float("nan"),) * 5


def _students_t(a: np.ndarray, b: np.ndarray) -> tuple[float, ...]:
    """Statistic, degrees of freedom, p, and the interval's ends, of paired values; NaN without variance."""
    from scipy.stats import ttest_rel

    if not _differ(a, b):
        return _UNKNOWN
    result = ttest_rel(a, b)
    interval = result.confidence_interval(1.0 - ALPHA)
    return tuple(float(x) for x in (result.statistic, result.df, result.pvalue, interval.low, interval.high))


def _welchs_t(a: np.ndarray, b: np.ndarray) -> tuple[float, ...]:
    """As `_students_t`, of independent groups with variances of their own."""
    from scipy.stats import ttest_ind

    if min(len(a), len(b)) < 2 or not (_varies(a) or _varies(b)):
        return _UNKNOWN
    result = ttest_ind(a, b, equal_var=False)
    interval = result.confidence_interval(1.0 - ALPHA)
    return tuple(float(x) for x in (result.statistic, result.df, result.pvalue, interval.low, interval.high))


def _wilcoxon(difference: np.ndarray) -> float:
    from scipy.stats import wilcoxon

    nonzero = difference[difference != 0]
    return float(wilcoxon(nonzero).pvalue) if len(nonzero) else float("nan")


def _mann_whitney(a: np.ndarray, b: np.ndarray) -> float:
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(a, b).pvalue) if len(a) and len(b) else float("nan")


def _paired_warning(a: np.ndarray, b: np.ndarray, p_normal: float, p_wilcoxon: float) -> str:
    if len(a) < 2:
        return f"Only {len(a)} pairs: too few for a test."
    if not _differ(a, b):
        return "All differences are the same: without variance there is no test."
    if len(a) < FEWEST_PAIRS:
        return f"Only {len(a)} pairs: hardly any difference could become significant."
    if len(a) < FEWEST_FOR_NORMALITY:
        return f"Only {len(a)} pairs: too few to tell whether their differences are normal."
    if p_normal < ALPHA:
        return (
            f"The differences are not normal (Anderson–Darling, {p_in_words(p_normal)}); "
            f"Wilcoxon's test, which needs no normality, gives {p_in_words(p_wilcoxon)}."
        )
    return ""


def _unpaired_warning(a: np.ndarray, b: np.ndarray, p_normal: tuple[float, float], p_rank: float) -> str:
    fewest = min(len(a), len(b))
    if fewest < 2:
        return f"Only {fewest} values in one group: too few for a test."
    if not (_varies(a) or _varies(b)):
        return "Both groups are constant: without variance there is no test."
    if fewest < FEWEST_FOR_NORMALITY:
        return f"Only {fewest} values in one group: too few to tell whether it is normal."
    if min(p_normal) < ALPHA:
        return (
            f"A group is not normal (Anderson–Darling, {p_in_words(min(p_normal))}); "
            f"the Mann–Whitney test, which needs no normality, gives {p_in_words(p_rank)}."
        )
    return ""


def p_in_words(p: float) -> str:
    """Return a probability as papers write it: ``p = 0.012``, ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
