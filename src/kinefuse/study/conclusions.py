"""What a reader should conclude, in plain words, with numbers that are computed and never typed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.evaluation.floor import MEAN_POSE
from kinefuse.metrics.angles import mean_of_valid
from kinefuse.study.levels import BOTH, REFERENCE, find, in_words, is_faultless, noise_in_words
from kinefuse.study.means import Results, mean_movement_errors, people_of
from kinefuse.study.naming import INPUTS, title
from kinefuse.study.plan import Setting, seen_of, sees
from kinefuse.study.relation import Relation, p_in_words
from kinefuse.study.relations import MOUNTINGS, NOISY, POINTS
from kinefuse.study.tables import FUSED, SINGLE

GOOD: Final = "good"
BAD: Final = "bad"
PLAIN: Final = "plain"

FEW_PEOPLE: Final = 6
"""With fewer people not even all of them alike would be significant at 0.05."""

MOST_FAULTS: Final = 5
"""Faults that are told in the text; the details have all."""


@dataclass(frozen=True)
class Conclusion:
    """One thing to remember.

    Attributes
    ----------
    tone : `GOOD`, `BAD` or `PLAIN`
    heading : the conclusion
    text : the numbers that matter most
    details : all numbers, for those who ask
    """

    tone: str
    heading: str
    text: str
    details: tuple[str, ...] = ()


def conclusions(results: Results, settings: Sequence[Setting], found: Sequence[Relation]) -> list[Conclusion]:
    """Return the conclusions in the order in which a reader needs them; what was not measured is said too.

    Parameters
    ----------
    results : cells of the study
    settings
    found : of `relations.relations`
    """
    sure = _how_sure(results, settings)
    return [
        *(sure if sure[0].tone == BAD else ()),
        *_most_accurate(results, settings),
        *_best_for_inputs(results, settings),
        *_kinds(found),
        *_cost_of_noise(results, settings),
        *_faults(results, settings),
        *_failures(results, settings),
        *(sure if sure[0].tone != BAD else ()),
    ]


def mean_errors(results: Results, setting: Setting) -> dict[str, float]:
    """Return each method's mean error, degrees, on the windows that all could use, the least first."""
    methods = results.estimators(setting.name)
    windows = results.windows(setting.name, *methods)
    errors = {m: float(mean_of_valid(mean_movement_errors(results.cells(setting.name, m, windows)))) for m in methods}
    known = {method: error for method, error in errors.items() if np.isfinite(error)}
    return dict(sorted(known.items(), key=lambda item: item[1]))


def _most_accurate(results: Results, settings: Sequence[Setting]) -> list[Conclusion]:
    said = []
    for sigma, level in (REFERENCE, BOTH):
        setting = find(settings, sigma, level)
        errors = mean_errors(results, setting) if setting is not None else {}
        if len(errors) > 1:
            best = title(next(iter(errors)))
            said.append(
                Conclusion(
                    PLAIN, f"{_capital(noise_in_words(sigma, level))}: {best} is best", _capital(_listed(errors)) + "."
                )
            )
    return said


def _best_for_inputs(results: Results, settings: Sequence[Setting]) -> list[Conclusion]:
    """For each kind of input, which method is best at which noise."""
    said = []
    for seen, levels in (("sensors", MOUNTINGS), ("points", POINTS), ("points and sensors", ((0.0, None), *NOISY))):
        ranks = {}
        for sigma, level in levels:
            setting = find(settings, sigma, level)
            errors = mean_errors(results, setting) if setting is not None else {}
            own = {method: error for method, error in errors.items() if INPUTS.get(method) == seen}
            if len(own) > 1:
                ranks[_varied(seen, sigma, level)] = own
        if ranks:
            said.append(_ranked(f"With {seen}{'' if ' ' in seen else ' alone'}", ranks))
    return said


def _ranked(heading: str, ranks: Mapping[str, Mapping[str, float]]) -> Conclusion:
    """Return who is best where; `ranks` has by noise the errors of each method, the least first."""
    details = tuple(f"{_capital(where)}: {_listed(own)}" for where, own in ranks.items())
    best: dict[str, list[str]] = {}
    for where, own in ranks.items():
        best.setdefault(next(iter(own)), []).append(where)
    if len(best) == 1:
        method = next(iter(best))
        return Conclusion(PLAIN, f"{heading}: {title(method)} throughout", f"{_capital(_spans(ranks))}.", details)
    most = max(best, key=lambda method: len(best[method]))
    others = "; ".join(f"{title(m)} with {', '.join(where)}" for m, where in best.items() if m != most)
    text = f"Best is {title(most)} at {len(best[most])} of {len(ranks)} levels of noise, {others}."
    return Conclusion(PLAIN, f"{heading}: it depends on the noise", f"{text} {_capital(_spans(ranks))}.", details)


def _listed(errors: Mapping[str, float]) -> str:
    return ", ".join(f"{title(method)} {error:.1f}°" for method, error in errors.items())


def _spans(ranks: Mapping[str, Mapping[str, float]]) -> str:
    """Return the least and the greatest error of each method over the levels of noise."""
    methods = dict.fromkeys(method for own in ranks.values() for method in own)
    errors = {method: [own[method] for own in ranks.values() if method in own] for method in methods}
    return "; ".join(f"{title(method)} {_from_to(found, 1)}°" for method, found in errors.items())


def _from_to(values: Sequence[float], digits: int) -> str:
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"


def _varied(seen: str, sigma: float, level: float | None) -> str:
    points = "clean points" if level is None else f"points {level:.1f} mm off"
    mounting = f"mountings {sigma:.1f}° askew" if sigma else "good mountings"
    return {"sensors": mounting, "points": points}.get(seen, f"{points} and {mounting}")


def _kinds(found: Sequence[Relation]) -> list[Conclusion]:
    """For each kind of relation how many hold, and with which numbers the others do not."""
    said = []
    for kind in dict.fromkeys(relation.kind for relation in found):
        own = [relation for relation in found if relation.kind == kind]
        tested = [relation for relation in own if relation.holds is not None]
        if not tested:
            said.append(Conclusion(PLAIN, f"{_capital(kind)}: not measured", "The methods or settings were not run."))
            continue
        holding = [relation for relation in tested if relation.holds]
        unmeasured = f", {len(own) - len(tested)} not measured" if len(tested) < len(own) else ""
        heading = f"{_capital(kind)}: {_holds(len(holding), len(tested))}{unmeasured}"
        text = " ".join(_summary(pair) for pair in _by_pair(tested).values())
        details = tuple(f"{relation.sentence} {relation.warning}".strip() for relation in tested)
        said.append(Conclusion(_tone(tested), heading, text, details))
    return said


def _holds(count: int, of: int) -> str:
    if of == 1:
        return "holds" if count else "does not hold"
    return f"holds in {count or 'none'} of {of} cases"


def _tone(tested: Sequence[Relation]) -> str:
    """Only a ratio with a goal is good or bad; that activities differ is neither."""
    if not all(relation.where for relation in tested):
        return PLAIN
    return GOOD if all(relation.holds for relation in tested) else BAD


def _by_pair(tested: Sequence[Relation]) -> dict[str, list[Relation]]:
    pairs: dict[str, list[Relation]] = {}
    for relation in tested:
        pairs.setdefault(relation.name.partition("@")[0], []).append(relation)
    return pairs


def _summary(own: Sequence[Relation]) -> str:
    """Return what was found of one pair of methods: the span of ratios, and where the relation does not hold."""
    if not own[0].where:
        return own[0].short
    first, second = (title(name) for name in own[0].name.partition("@")[0].split("/"))
    failing = "; ".join(f"{r.where}: {r.ratio:.2f}{_why_not(r)}" for r in own if not r.holds)
    return f"The error of {first} is {_from_to([r.ratio for r in own], 2)} times that of {second}" + (
        f". It does not hold with {failing}." if failing else "."
    )


def _why_not(relation: Relation) -> str:
    if relation.ratio > relation.limit:
        return f" (goal: {relation.limit:g})"
    return f" ({p_in_words(relation.p)})"


def _cost_of_noise(results: Results, settings: Sequence[Setting]) -> list[Conclusion]:
    """How much each method loses from the least to the greatest noise of one kind."""
    said = []
    for levels, what in ((MOUNTINGS, "Mounting errors"), (POINTS, "Errors of the points")):
        ends = [setting for setting in (find(settings, *level) for level in levels) if setting is not None]
        if len(ends) < 2:
            continue
        first, last = mean_errors(results, ends[0]), mean_errors(results, ends[-1])
        seeing = [m for m in first if m in last and seen_of(ends[0], sees(m)) != seen_of(ends[-1], sees(m))]
        seeing = [method for method in seeing if method != MEAN_POSE]
        touched = {method: last[method] - first[method] for method in seeing}
        if len(touched) < 2:
            continue
        order = sorted(touched, key=lambda method: touched[method])
        told = "; ".join(f"{title(m)} {first[m]:.1f}° to {last[m]:.1f}°" for m in order)
        span = f"from {in_words(ends[0])} to {in_words(ends[-1])}"
        heading = f"{what} cost {title(order[0])} least and {title(order[-1])} most"
        said.append(Conclusion(PLAIN, heading, f"{_capital(span)}: {told}."))
    return said


def _faults(results: Results, settings: Sequence[Setting]) -> list[Conclusion]:
    """Under which faults fusion is still the best network, and where it is not."""
    cases: list[tuple[float, str]] = []
    for setting in settings:
        errors = {} if is_faultless(setting) else mean_errors(results, setting)
        rivals = [name for name in SINGLE if name in errors]
        if FUSED in errors and rivals:
            rival = min(rivals, key=lambda name: errors[name])
            line = f"{in_words(setting)} ({errors[FUSED]:.1f}° against {errors[rival]:.1f}° of {title(rival)})"
            cases.append((errors[rival] - errors[FUSED], line))
    if not cases:
        return []
    cases.sort()
    worse = [line for gain, line in cases if gain <= 0]
    more = f"; and {len(worse) - MOST_FAULTS} more" if len(worse) > MOST_FAULTS else ""
    text = f"Not with {'; '.join(worse[:MOST_FAULTS])}{more}." if worse else f"It is closest with {cases[0][1]}."
    heading = f"{title(FUSED)} beats the better single network in {len(cases) - len(worse)} of {len(cases)} faults"
    return [Conclusion(BAD if worse else GOOD, heading, text, tuple(line for _, line in cases))]


def _failures(results: Results, settings: Sequence[Setting]) -> list[Conclusion]:
    if not results.failures:
        return []
    words = {setting.name: in_words(setting) for setting in settings}
    methods: dict[tuple[str, str], Counter[str]] = {}
    for cell in results.failures:
        methods.setdefault((cell.setting, cell.failure), Counter())[title(cell.estimator)] += 1
    lines = []
    for (setting, failure), counts in methods.items():
        names = ", ".join(f"{name} ({count})" for name, count in counts.items())
        lines.append(f"{_capital(words.get(setting, setting))}: {names}: {failure}")
    where = ", ".join(dict.fromkeys(words.get(setting, setting) for setting, _ in methods))
    heading = f"{len(results.failures)} results are missing because a method could not work"
    return [Conclusion(PLAIN, heading, f"With {where}.", tuple(lines))]


def _how_sure(results: Results, settings: Sequence[Setting]) -> list[Conclusion]:
    cells = [c for s in settings for e in results.estimators(s.name) for c in results.cells(s.name, e)]
    if not cells:
        return [Conclusion(BAD, "Nothing was measured", "No method had a result under any setting.")]
    windows, people = len({cell.window for cell in cells}), len(people_of(cells))
    text = (
        f"{windows} window{'s' * (windows != 1)} of {people} {'people' if people != 1 else 'person'}. Tests over joint "
        "movements are the paper's; movements of one body depend on each other, so they find significance easily. "
        "Tests over people are stricter, and with few people they find little."
    )
    if people < FEW_PEOPLE:
        heading = (
            f"Only {people} {'people' if people != 1 else 'person'}: a trial run, no evidence to choose a method by"
        )
        return [Conclusion(BAD, heading, text)]
    return [Conclusion(PLAIN, "How sure this is", text)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
