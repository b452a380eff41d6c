"""Analysis of variance with repeated measures: does a factor matter, when every unit was seen at all of its levels?

A unit is whatever is independent: a person, or a joint's degree of freedom as in the paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.errors import KinefuseError
from kinefuse.metrics.statistics import (
    ALPHA,
    FEWEST_PAIRS,
    ROUNDING,
    anderson_darling,
    missing_extra,
    p_in_words,
)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One factor, or the interaction of two.

    Attributes
    ----------
    name : of the factor, or ``"a × b"``
    n, left_out : units that were used, and units with a missing value
    f, dof_effect, dof_error : statistic and degrees of freedom, not corrected
    epsilon : Greenhouse and Geisser's, 1 where sphericity holds fully
    p_uncorrected : as if sphericity held
    p_corrected : with both degrees of freedom times `epsilon`
    p : the corrected one where sphericity fails or cannot be tested, else the uncorrected one
    p_sphericity : of Mauchly's test; NaN for two levels, which cannot fail, and for too few units
    partial_eta_squared : share of the variance, beside the error's, that is the effect's
    warning : empty if all is well
    """

    name: str
    n: int
    left_out: int
    f: float
    dof_effect: float
    dof_error: float
    epsilon: float
    p_uncorrected: float
    p_corrected: float
    p: float
    p_sphericity: float
    partial_eta_squared: float
    warning: str


LONG_NAMES: Final = {"dv": "value", "within": "level", "subject": "unit"}


def repeated_measures_anova(values: np.ndarray, factors: Sequence[str]) -> tuple[Effect, ...]:
    """Return the effect of one factor, or of two and their interaction.

    Every effect is a one-way analysis of its own contrasts: of the means over the other factor, or, for the
    interaction, of as many columns as its contrasts need. For these pingouin's epsilon is exact, which it is not for
    an interaction given as it is.

    Parameters
    ----------
    values : (N, A) or (N, A, B): N units at all levels; units with a NaN are left out
    factors : one or two names, in the order of the axes

    Returns
    -------
    One effect, or three: the first factor's, the second's, their interaction's.

    Raises
    ------
    KinefuseError
        If the shape does not fit the factors, a factor has one level only, or the extra ``study`` is missing.
    """
    values = np.asarray(values, dtype=float)
    if len(factors) not in (1, 2) or values.ndim != len(factors) + 1 or min(values.shape[1:], default=0) < 2:
        raise KinefuseError(
            "An analysis of variance needs values of shape (units, levels) for one factor, or (units, levels, levels) "
            f"for two, with two levels or more; got {values.shape} and the factors {', '.join(factors) or 'none'}."
        )
    known = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    left_out, values = int((~known).sum()), values[known]
    return tuple(_effect(name, table, left_out) for name, table in _tables(values, factors))


def _tables(values: np.ndarray, factors: Sequence[str]) -> list[tuple[str, np.ndarray]]:
    """Each effect's name and the table (N, K) whose one-way analysis it is."""
    if len(factors) == 1:
        return [(factors[0], values)]
    first, second = factors
    return [
        (first, values.mean(axis=2)),
        (second, values.mean(axis=1)),
        (f"{first} × {second}", interaction_table(values)),
    ]


def interaction_table(values: np.ndarray) -> np.ndarray:
    """Return a table whose one-way analysis is that of the interaction in `values`.

    Parameters
    ----------
    values : (N, A, B)

    Returns
    -------
    (N, K + 1) with K = (A - 1)(B - 1): the interaction's orthonormal contrasts, spread over one more column so that
    they are the contrasts between columns
    """
    from scipy.linalg import helmert

    first, second = helmert(values.shape[1]), helmert(values.shape[2])
    contrasts = np.einsum("nab,ia,jb->nij", values, first, second).reshape(len(values), -1)
    return np.asarray(contrasts @ helmert(contrasts.shape[1] + 1))


def _effect(name: str, table: np.ndarray, left_out: int) -> Effect:
    units, levels = table.shape
    residuals = _residuals(table)
    if units < 2 or not np.abs(residuals).max(initial=0.0) > ROUNDING * np.abs(table).max(initial=0.0):
        return _untested(name, units, left_out)
    # A unit's own level is nobody's effect, and a large one would leave few digits for the rest.
    found = _one_way(table - table.mean(axis=1, keepdims=True))
    testable = levels > 2 and units >= levels  # else the covariance of the contrasts has no inverse
    p_sphericity = found["p_spher"] if testable else float("nan")
    corrected = found["p_GG_corr"] if levels > 2 else found["p_unc"]
    holds = levels == 2 or p_sphericity >= ALPHA
    return Effect(
        name=name,
        n=units,
        left_out=left_out,
        f=found["F"],
        dof_effect=float(levels - 1),
        dof_error=float((levels - 1) * (units - 1)),
        epsilon=found["eps"],
        p_uncorrected=found["p_unc"],
        p_corrected=corrected,
        p=found["p_unc"] if holds else corrected,
        p_sphericity=p_sphericity,
        partial_eta_squared=found["np2"],
        warning=_warning(units, levels, p_sphericity, anderson_darling(residuals.ravel()).p),
    )


def _residuals(table: np.ndarray) -> np.ndarray:
    """What a table (N, K) leaves when the means of units and levels are taken off."""
    if not len(table):
        return table
    return table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()


def _one_way(table: np.ndarray) -> dict[str, float]:
    """Pingouin's answer for a table (N, K), whose names have had dashes and underscores."""
    try:
        import pandas
        from pingouin import rm_anova
    except ImportError as error:
        raise missing_extra() from error
    unit, level = np.indices(table.shape)
    long = pandas.DataFrame({"unit": unit.ravel(), "level": level.ravel(), "value": table.ravel()})
    answer = rm_anova(long, **LONG_NAMES, correction=True, effsize="np2")
    numbers = ((str(key).replace("-", "_"), value) for key, value in answer.iloc[0].items())
    return {key: float(value) for key, value in numbers if key != "Source"}


def _untested(name: str, units: int, left_out: int) -> Effect:
    unknown = float("nan")
    few = f"Only {units} complete units: too few for a test."
    return Effect(
        name=name,
        n=units,
        left_out=left_out,
        f=unknown,
        dof_effect=unknown,
        dof_error=unknown,
        epsilon=unknown,
        p_uncorrected=unknown,
        p_corrected=unknown,
        p=unknown,
        p_sphericity=unknown,
        partial_eta_squared=unknown,
        warning=few if units < 2 else "All units behave alike: without variance there is no test.",
    )


def _warning(units: int, levels: int, p_sphericity: float, p_normal: float) -> str:
    sentences = []
    if units < FEWEST_PAIRS:
        sentences.append(f"Only {units} units: the test sees large effects only.")
    if levels > 2 and not np.isfinite(p_sphericity):
        sentences.append("Too few units to test sphericity, so the correction of Greenhouse and Geisser is used.")
    if p_sphericity < ALPHA:
        sentences.append(
            f"Sphericity fails (Mauchly, {p_in_words(p_sphericity)}), "
            "so the correction of Greenhouse and Geisser is used."
        )
    if p_normal < ALPHA:
        sentences.append(f"The residuals are not normal (Anderson–Darling, {p_in_words(p_normal)}).")
    return " ".join(sentences)
