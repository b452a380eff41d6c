"""What a reader should conclude, in plain words, with numbers that are computed and never typed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.evaluation.floor import MEAN_POSE
from kinefuse.metrics.statistics import paired_t
from kinefuse.study.levels import BOTH, REFERENCE, find, in_words, noise_in_words, with_fault
from kinefuse.study.means import Results, people_of, standard_errors
from kinefuse.study.naming import INPUTS, title
from kinefuse.study.pairs import pair_of
from kinefuse.study.plan import IF_ASKED, Setting, kind_of, seen_of, sees
from kinefuse.study.ranking import Ranked, is_better, mean_error, ranking
from kinefuse.study.relation import ALPHA_SINGLE, Relation, p_in_words
from kinefuse.study.relations import BELIEVED, MOUNTINGS, NOISY, POINTS
from kinefuse.study.tables import FUSED, SINGLE

GOOD: Final = "good"
BAD: Final = "bad"
PLAIN: Final = "plain"

FEW_PEOPLE: Final = 6
"""With fewer people not even all of them alike would be significant at 0.05."""

TUNED: Final = "fusion-optimisation"
"""The method of whose parts `plan.IF_ASKED` tells."""

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
        *_parts(results, settings),
        *_best_in_faults(results, settings),
        *_faults(results, settings),
        *_failures(results, settings),
        *(sure if sure[0].tone != BAD else ()),
    ]


def _most_accurate(results: Results, settings: Sequence[Setting]) -> list[Conclusion]:
    said = []
    for sigma, level in (REFERENCE, BOTH):
        setting = find(settings, sigma, level)
        found = _rivals(results, setting.name) if setting is not None else []
        if setting is not None and len(found) > 1:
            heading = f"{_capital(noise_in_words(sigma, level))}: {_winner(results, setting.name, found)}"
            ahead = _ahead(results, setting.name, *(one.method for one in found[:2]))
            said.append(Conclusion(PLAIN, heading, f"{_capital(_listed(found))}.{ahead}{_how_ranked(found)}"))
    return said


def _winner(results: Results, setting: str, found: Sequence[Ranked]) -> str:
    """Say which method is best, or that each is beaten by another, on the windows that two of them have."""
    first, *others = (one.method for one in found)
    if any(is_better(results, setting, other, first) for other in others):
        return "no method is ahead of all others"
    return f"{title(first)} has the least error"


def _rivals(results: Results, setting: str, inputs: str = "") -> list[Ranked]:
    """Return the ranking of the methods that one may choose: parts of a method that tell what it gains are none.

    Parameters
    ----------
    inputs : of `naming.INPUTS`, only methods that see these; empty for all
    """
    methods = [name for name in results.estimators(setting) if name not in IF_ASKED]
    return ranking(results, setting, [name for name in methods if not inputs or INPUTS.get(kind_of(name)) == inputs])


def _ahead(results: Results, setting: str, first: str, second: str) -> str:
    """Say which of two methods is better, and how sure that is, over people."""
    pair = pair_of(results, setting, first, second)
    if pair is None:
        return ""
    test = paired_t(*pair.people.T)
    if test.difference > 0:
        first, second = second, first
    by_chance = "" if test.p < ALPHA_SINGLE else ", which may be chance"
    sure = f"{p_in_words(test.p)} over {test.n} people{by_chance}"
    return f" {_capital(title(first))} is ahead of {title(second)} by {abs(test.difference):.1f}° ({sure})."


def _how_ranked(found: Sequence[Ranked]) -> str:
    """Return by what methods stand in this order where their means are not of the same windows."""
    if not any(one.is_partial for one in found):
        return ""
    return " Their order is by comparisons of two at a time, on the windows that both have."


def _best_for_inputs(results: Results, settings: Sequence[Setting]) -> list[Conclusion]:
    """For each kind of input, which method is best at which noise."""
    said = []
    for seen, levels in (("sensors", MOUNTINGS), ("points", POINTS), ("points and sensors", ((0.0, None), *NOISY))):
        ranks = {}
        for sigma, level in levels:
            setting = find(settings, sigma, level)
            own = _rivals(results, setting.name, seen) if setting is not None else []
            if len(own) > 1:
                ranks[_varied(seen, sigma, level)] = own
        if ranks:
            said.append(_ranked(f"With {seen}{'' if ' ' in seen else ' alone'}", ranks))
    return said


def _ranked(heading: str, ranks: Mapping[str, Sequence[Ranked]]) -> Conclusion:
    """Return who is best where; `ranks` has the methods by noise, the best first."""
    details = tuple(f"{_capital(where)}: {_listed(own)}" for where, own in ranks.items())
    best: dict[str, list[str]] = {}
    for where, own in ranks.items():
        best.setdefault(own[0].method, []).append(where)
    if len(best) == 1:
        method = next(iter(best))
        return Conclusion(PLAIN, f"{heading}: {title(method)} throughout", f"{_capital(_spans(ranks))}.", details)
    most = max(best, key=lambda method: len(best[method]))
    others = "; ".join(f"{title(m)} with {', '.join(where)}" for m, where in best.items() if m != most)
    text = f"Best is {title(most)} in {len(best[most])} of {len(ranks)} cases, {others}."
    return Conclusion(PLAIN, f"{heading}: it depends on the noise", f"{text} {_capital(_spans(ranks))}.", details)


def _listed(found: Sequence[Ranked]) -> str:
    return ", ".join(one.told for one in found)


def _spans(ranks: Mapping[str, Sequence[Ranked]]) -> str:
    """Return the least and the greatest error of each method over the levels of noise."""
    errors: dict[str, list[float]] = {}
    for one in (one for own in ranks.values() for one in own):
        errors.setdefault(one.method, []).append(one.error_deg)
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
    """Return what was found of one pair of methods: the span of ratios, on how much, and where it does not hold."""
    if not own[0].where:
        return own[0].short
    first, second = (title(name) for name in own[0].name.partition("@")[0].split("/"))
    failing = "; ".join(f"{r.where}: {r.ratio:.2f}{_why_not(r)}" for r in own if not r.holds)
    ratios, windows = _from_to([r.ratio for r in own], 2), _from_to([r.windows for r in own], 0)
    found = f"The error of {first} is {ratios} times that of {second} on {windows} windows."
    return f"{found} It does not hold with {failing}.{_believed(own[0].kind, second)}" if failing else found


def _believed(kind: str, rival: str) -> str:
    why = BELIEVED.get(kind)
    return f" What makes {rival} strong, as is believed, not tested: {why}." if why else ""


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
        costs = _costs(results, ends[0], ends[-1])
        if len(costs) < 2:
            continue
        order = sorted(costs, key=lambda method: costs[method][1] - costs[method][0])
        told = "; ".join(f"{title(m)} {costs[m][0]:.1f}° to {costs[m][1]:.1f}°" for m in order)
        span = f"from {in_words(ends[0])} to {in_words(ends[-1])}"
        heading = f"{what} cost {title(order[0])} least and {title(order[-1])} most"
        said.append(Conclusion(PLAIN, heading, f"{_capital(span)}: {told}."))
    return said


def _costs(results: Results, first: Setting, last: Setting) -> dict[str, tuple[float, float]]:
    """Return the errors under two settings of each method that sees them differ, on its windows of both."""
    costs = {}
    for method in (name for name in results.estimators(first.name) if name not in (MEAN_POSE, *IF_ASKED)):
        common = set(results.windows(first.name, method)) & set(results.windows(last.name, method))
        if common and seen_of(first, sees(method)) != seen_of(last, sees(method)):
            before, after = (mean_error(results, end.name, method, sorted(common)) for end in (first, last))
            costs[method] = before, after
    return {method: ends for method, ends in costs.items() if np.isfinite(ends).all()}


def _parts(results: Results, settings: Sequence[Setting]) -> list[Conclusion]:
    """What the tuned optimisation gains by its parts, each against the method without it, on their common windows."""
    ends = [setting for setting in (find(settings, *level) for level in (MOUNTINGS[0], MOUNTINGS[-1])) if setting]
    told = []
    for part, gain in IF_ASKED.items():
        pairs = [(in_words(end), pair_of(results, end.name, TUNED, part)) for end in ends]
        means = [f"{pair.means[0]:.1f}° instead of {pair.means[1]:.1f}° with {where}" for where, pair in pairs if pair]
        told += [f"{_capital(gain)}: {'; '.join(means)}."] if means else []
    return [Conclusion(PLAIN, f"What {title(TUNED)} gains by its parts", " ".join(told))] if told else []


def _faults(results: Results, settings: Sequence[Setting]) -> list[Conclusion]:
    """Under which faults fusion is still the best network, and where it is not."""
    cases: list[tuple[float, str]] = []
    for setting in with_fault(settings):
        pairs = {rival: pair_of(results, setting.name, FUSED, rival) for rival in SINGLE}
        means = {rival: pair.means for rival, pair in pairs.items() if pair is not None and np.isfinite(pair.ratio)}
        if means:
            rival, (fused, alone) = min(means.items(), key=lambda item: item[1][1] - item[1][0])
            cases.append((alone - fused, f"{in_words(setting)} ({fused:.1f}° against {alone:.1f}° of {title(rival)})"))
    if not cases:
        return []
    cases.sort()
    worse = [line for gain, line in cases if gain <= 0]
    more = f"; and {len(worse) - MOST_FAULTS} more" if len(worse) > MOST_FAULTS else ""
    text = f"Not with {'; '.join(worse[:MOST_FAULTS])}{more}." if worse else f"It is closest with {cases[0][1]}."
    heading = f"{title(FUSED)} beats the better single network in {len(cases) - len(worse)} of {len(cases)} faults"
    return [Conclusion(BAD if worse else GOOD, heading, text, tuple(line for _, line in cases))]


def _best_in_faults(results: Results, settings: Sequence[Setting]) -> list[Conclusion]:
    """Of all methods, which is best under which fault."""
    ranks = {in_words(setting): _rivals(results, setting.name) for setting in with_fault(settings)}
    compared = {where: own for where, own in ranks.items() if len(own) > 1}
    return [_ranked("When something goes wrong", compared)] if compared else []


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
        f"Tests over people are stricter, and with few people they find little.{_by_chance(results, settings)}"
    )
    if people < FEW_PEOPLE:
        heading = (
            f"Only {people} {'people' if people != 1 else 'person'}: a trial run, no evidence to choose a method by"
        )
        return [Conclusion(BAD, heading, text)]
    return [Conclusion(PLAIN, "How sure this is", text)]


def _by_chance(results: Results, settings: Sequence[Setting]) -> str:
    """Say what more repetitions would change, beside what more people would."""
    found = [standard_errors(results.cells(s.name, name)) for s in settings for name in results.estimators(s.name)]
    known = np.array([pair for pair in found if np.isfinite(pair).all()])
    if not len(known):
        return ""
    (drawn, people), (most, most_people) = np.median(known, 0), known.max(0)
    return (
        f" Drawing all noise anew would move a mean error by {drawn:.2f}°, other people by {people:.1f}° (standard "
        f"errors, median of methods and settings; at most {most:.2f} and {most_people:.1f}°)."
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
