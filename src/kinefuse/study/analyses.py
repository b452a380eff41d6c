"""Analyses of the paper beside its ratios: method × noise level, lower against upper body, activities."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from kinefuse.metrics.statistics import paired_t, unpaired_t
from kinefuse.metrics.variance import Effect, repeated_measures_anova
from kinefuse.study.levels import REFERENCE, find, noise_in_words
from kinefuse.study.means import Results
from kinefuse.study.naming import title
from kinefuse.study.pairs import (
    Crossed,
    by_activity,
    lower_and_upper,
    lower_and_upper_of_people,
    methods_by_levels,
    n_people,
)
from kinefuse.study.plan import Setting
from kinefuse.study.relation import ALPHA_SINGLE, Relation, of_paired, p_in_words

NETWORKS: Final = ("imunet", "videonet", "fusionnet")


def method_by_noise(
    results: Results,
    settings: Sequence[Setting],
    varied: str,
    levels: Sequence[tuple[float, float | None]],
    estimators: Sequence[str],
) -> Relation:
    """Return whether noise hurts some methods more than others: the interaction of a two-way analysis of variance.

    Parameters
    ----------
    varied : ``"sensors"`` or ``"points"``, what the noise is of
    levels : mounting error, degrees, and error of the points, millimetres; None is clean
    estimators : methods that were not run are left out; fewer than two, or fewer than two levels, measure nothing
    """
    unknown = Relation(
        name=f"method-by-noise-of-{varied}",
        kind="methods and levels of noise",
        claim=f"How much noise of the {varied} costs depends on the method (two-way repeated measures)",
    )
    found = [setting for setting in (find(settings, *level) for level in levels) if setting is not None]
    methods = [e for e in estimators if all(results.windows(setting.name, e) for setting in found)]
    if len(found) < 2 or len(methods) < 2:
        return unknown
    table = methods_by_levels(results, [setting.name for setting in found], methods)
    return unknown if table is None else _interaction(unknown, varied, methods, table)


def _interaction(unknown: Relation, varied: str, methods: Sequence[str], table: Crossed) -> Relation:
    """Return the finding of a two-way analysis, over movements and over people."""
    method, noise, both = repeated_measures_anova(table.movements, ("method", "noise"))
    by_people = repeated_measures_anova(table.people, ("method", "noise"))[2]
    compared = ", ".join(title(name) for name in methods)
    return replace(
        unknown,
        holds=_found(both.p),
        p=both.p,
        p_people=by_people.p,
        n=both.n,
        people=by_people.n,
        windows=table.windows,
        numbers=_effects({"method": method, "noise": noise, "interaction": both, "interaction_people": by_people}),
        sentence=(
            f"{compared} under {table.people.shape[2]} levels of noise, {table.windows} windows common to all: "
            f"method {_told(method)}; noise {_told(noise)}; method × noise {_told(both)}; over people, method × noise "
            f"{_told(by_people)}."
        ),
        short=(
            f"Noise of the {varied} {'costs' if _found(both.p) else 'was not seen to cost'} some methods more than "
            f"others ({p_in_words(both.p)}; {compared})."
        ),
        warning=_warnings({"method": method, "noise": noise, "method × noise": both}),
        warning_people=by_people.warning,
    )


def _found(p: float) -> bool | None:
    """Return whether a single test found something; None if there was no test."""
    return bool(p < ALPHA_SINGLE) if np.isfinite(p) else None


def _told(effect: Effect) -> str:
    if not np.isfinite(effect.f):
        return "could not be tested"
    return (
        f"F({effect.dof_effect:g}, {effect.dof_error:g}) = {effect.f:.1f}, {p_in_words(effect.p)}, "
        f"η²p = {effect.partial_eta_squared:.2f}"
    )


def _effects(effects: dict[str, Effect]) -> dict[str, float]:
    return {
        f"{name}_{what}": value
        for name, effect in effects.items()
        for what, value in (("F", effect.f), ("p", effect.p), ("partial_eta_squared", effect.partial_eta_squared))
    }


def _warnings(effects: dict[str, Effect]) -> str:
    return " ".join(f"{name.capitalize()}: {effect.warning}" for name, effect in effects.items() if effect.warning)


def lower_against_upper(results: Results, settings: Sequence[Setting], estimator: str) -> Relation:
    """Return whether a method is better for legs than for arms and neck, as an unpaired test over movements."""
    unknown = Relation(
        name=f"lower/upper-{estimator}",
        kind="legs against arms and neck",
        claim=f"{title(estimator)} is better for hips, knees and ankles than for shoulders, elbows and neck",
        limit=1.0,
    )
    setting = find(settings, *REFERENCE)
    if setting is None or not results.windows(setting.name, estimator):
        return unknown
    lower, upper = lower_and_upper(results, setting.name, estimator)
    test = unpaired_t(lower, upper)
    people = paired_t(*lower_and_upper_of_people(results, setting.name, estimator).T)
    means = float(np.nanmean(lower)), float(np.nanmean(upper))
    better = means[0] < means[1] and bool(_found(test.p))
    return replace(
        unknown,
        holds=None if _found(test.p) is None else better,
        ratio=means[0] / means[1],
        p=test.p,
        p_people=people.p,
        n=test.n_a + test.n_b,
        people=people.n,
        windows=len(results.windows(setting.name, estimator)),
        numbers={
            "first_deg": means[0],
            "second_deg": means[1],
            "difference_deg": test.difference,
            "ci_low_deg": test.ci_low,
            "ci_high_deg": test.ci_high,
            "d": test.d,
            **of_paired(people, "_people"),
        },
        sentence=(
            f"{title(estimator)}: {means[0]:.1f}° for legs against {means[1]:.1f}° for arms and neck "
            f"({noise_in_words(*REFERENCE)}), {p_in_words(test.p)} over joint movements (Welch's test), "
            f"{p_in_words(people.p)} over people (paired)."
        ),
        short=f"{title(estimator)}: {means[0]:.1f}° and {means[1]:.1f}° ({p_in_words(test.p)}).",
        warning=test.warning,
        warning_people=people.warning,
    )


def across_activities(results: Results, settings: Sequence[Setting], estimator: str) -> Relation:
    """Return whether a method's error depends on the activity: a one-way analysis over movements."""
    unknown = Relation(
        name=f"activities-{estimator}",
        kind="activities",
        claim=f"The error of {title(estimator)} depends on the activity",
    )
    setting = find(settings, *REFERENCE)
    if setting is None:
        return unknown
    names, values = by_activity(results, setting.name, estimator)
    if len(names) < 2:
        return unknown
    (effect,) = repeated_measures_anova(values, ("activity",))
    means = {name: float(np.nanmean(column)) for name, column in zip(names, values.T, strict=True)}
    return replace(
        unknown,
        holds=_found(effect.p),
        p=effect.p,
        n=effect.n,
        people=n_people(results, setting.name, estimator),
        windows=len(results.windows(setting.name, estimator)),
        numbers={f"{name}_deg": value for name, value in means.items()},
        sentence=(
            f"{title(estimator)}: "
            + ", ".join(f"{name} {value:.1f}°" for name, value in means.items())
            + f" ({noise_in_words(*REFERENCE)}); activity {_told(effect)}. Different people did different "
            "activities, so there is no test over people."
        ),
        short=f"{title(estimator)}: {_extremes(means)} ({p_in_words(effect.p)}).",
        warning=effect.warning,
    )


def _extremes(means: dict[str, float]) -> str:
    least, most = min(means, key=lambda name: means[name]), max(means, key=lambda name: means[name])
    return f"from {means[least]:.1f}° ({least}) to {means[most]:.1f}° ({most})"
