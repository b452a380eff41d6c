"""What a reader should conclude, in plain words, with numbers that are computed and never typed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.metrics.angles import mean_of_valid
from kinefuse.study.levels import BOTH, REFERENCE, find, in_words, is_faultless, noise_in_words
from kinefuse.study.means import Results, mean_movement_errors, people_of
from kinefuse.study.naming import INPUTS, title
from kinefuse.study.plan import Setting
from kinefuse.study.relation import Relation, p_in_words
from kinefuse.study.relations import MOUNTINGS, NOISY, POINTS
from kinefuse.study.tables import FUSED, SINGLE

GOOD: Final = "good"
BAD: Final = "bad"
PLAIN: Final = "plain"

LITTLE_DEG: Final = 0.05
"""Differences of means below this are called none: the page shows one decimal."""


@dataclass(frozen=True)
class Conclusion:
    """One thing to remember: `tone` is `GOOD`, `BAD` or `PLAIN`; `text` holds the numbers."""

    tone: str
    heading: str
    text: str


def conclusions(results: Results, settings: Sequence[Setting], found: Sequence[Relation]) -> list[Conclusion]:
    """Return the conclusions in the order in which a reader needs them; what was not measured is said too.

    Parameters
    ----------
    results : cells of the study
    settings
    found : of `relations.relations`
    """
    return [
        *_most_accurate(results, settings),
        *_best_for_inputs(results, settings),
        *_kinds(found),
        *_cost_of_noise(results, settings),
        *_faults(results, settings),
        *_failures(results, settings),
        *_how_sure(results, settings),
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
            listed = "; ".join(f"{title(method)} {error:.1f}°" for method, error in errors.items())
            best = title(next(iter(errors)))
            said.append(Conclusion(PLAIN, f"{_capital(noise_in_words(sigma, level))}: {best} is best", listed + "."))
    return said


def _best_for_inputs(results: Results, settings: Sequence[Setting]) -> list[Conclusion]:
    """For each kind of input, which method is best at which noise."""
    said = []
    for seen, levels in (("sensors", MOUNTINGS), ("points", POINTS), ("points and sensors", ((0.0, None), *NOISY))):
        lines = []
        for sigma, level in levels:
            setting = find(settings, sigma, level)
            errors = mean_errors(results, setting) if setting is not None else {}
            own = [(method, error) for method, error in errors.items() if INPUTS.get(method) == seen]
            if len(own) > 1:
                lines.append((_varied(seen, sigma, level), own[0], own[1]))
        if lines:
            told = "; ".join(
                f"{where}: {title(a)} {x:.1f}°, then {title(b)} {y:.1f}°" for where, (a, x), (b, y) in lines
            )
            winners = list(dict.fromkeys(title(first) for _, (first, _), _ in lines))
            heading = f"With {seen}{' alone' if ' ' not in seen else ''}: " + (
                f"{winners[0]} throughout" if len(winners) == 1 else "it depends on the noise"
            )
            said.append(Conclusion(PLAIN, heading, _capital(told) + "."))
    return said


def _varied(seen: str, sigma: float, level: float | None) -> str:
    points = "clean points" if level is None else f"points {level:.1f} mm off"
    mounting = f"mountings {sigma:.1f}° askew" if sigma else "well mounted"
    return {"sensors": mounting, "points": points}.get(seen, f"{points}, {mounting}")


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
        said.append(Conclusion(_tone(tested), heading, " ".join(_told(pair) for pair in _by_pair(tested).values())))
    return said


def _holds(count: int, of: int) -> str:
    if of == 1:
        return "the relation holds" if count else "the relation does not hold"
    return f"{count} of {of} relations hold" if count else f"none of {of} relations holds"


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


def _told(own: Sequence[Relation]) -> str:
    """Return what was found of one pair of methods, what does not hold in full."""
    if not own[0].where:
        return " ".join(relation.sentence for relation in own)
    first, second = (title(name) for name in own[0].name.partition("@")[0].split("/"))
    cases = "; ".join(
        f"{r.where}: {r.numbers['first_deg']:.1f}° against {r.numbers['second_deg']:.1f}°, ratio {r.ratio:.2f}"
        + _why_not(r)
        for r in sorted(own, key=lambda relation: bool(relation.holds))
    )
    return f"{first} against {second}: {cases}."


def _why_not(relation: Relation) -> str:
    if relation.holds:
        return ""
    if relation.ratio > relation.limit:
        return f" (does not hold, the goal is {relation.limit:g})"
    return f" (does not hold, {p_in_words(relation.p)})"


def _cost_of_noise(results: Results, settings: Sequence[Setting]) -> list[Conclusion]:
    """How much each method loses from the least to the greatest noise of one kind."""
    said = []
    for levels, what in ((MOUNTINGS, "Mounting errors"), (POINTS, "Errors of the points")):
        ends = [setting for setting in (find(settings, *level) for level in levels) if setting is not None]
        if len(ends) < 2:
            continue
        first, last = mean_errors(results, ends[0]), mean_errors(results, ends[-1])
        cost = {method: last[method] - first[method] for method in first if method in last}
        touched = {method: value for method, value in cost.items() if abs(value) >= LITTLE_DEG}
        if not touched:
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
    text = f"Not with {'; '.join(worse)}." if worse else f"It is closest with {cases[0][1]}."
    heading = f"{title(FUSED)} beats the better single network in {len(cases) - len(worse)} of {len(cases)} faults"
    return [Conclusion(BAD if worse else GOOD, heading, text)]


def _failures(results: Results, settings: Sequence[Setting]) -> list[Conclusion]:
    if not results.failures:
        return []
    words = {setting.name: in_words(setting) for setting in settings}
    counts = Counter((cell.estimator, cell.setting, cell.failure) for cell in results.failures)
    lines = [
        f"{title(estimator)}, {words.get(setting, setting)}: {count} window{'s' * (count != 1)} ({failure.rstrip('.')})"
        for (estimator, setting, failure), count in counts.most_common(8)
    ]
    more = f"; and {len(counts) - 8} more kinds, see the table" if len(counts) > 8 else ""
    heading = f"{len(results.failures)} results are missing because a method could not work"
    return [Conclusion(PLAIN, heading, "; ".join(lines) + more + ".")]


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
    return [Conclusion(PLAIN, "How sure this is", text)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
