"""The study's conclusions and tables, as HTML."""

from collections.abc import Sequence
from typing import Final

from kinefuse.metrics.compare import Row
from kinefuse.report.markup import UNKNOWN, number, section, table, text
from kinefuse.study.conclusions import BAD, GOOD, Conclusion
from kinefuse.study.levels import in_words
from kinefuse.study.means import Results
from kinefuse.study.naming import ordered, title
from kinefuse.study.plan import Setting
from kinefuse.study.relation import Relation, p_in_words
from kinefuse.study.tables import activity_rows, failure_rows, group_rows, joint_rows, pair_rows, subject_rows

MARKS: Final = {GOOD: "as hoped", BAD: "not as hoped"}
MOST_FAILURES: Final = 200
"""Lines of failures that the page shows; the file has all."""

COLUMNS: Final = (
    ("movements_rmse_deg", "angle error, over movements", 1, "°"),
    ("angle_rmse_deg", "angle error, over people", 1, "°"),
    ("angle_rmse_moving_deg", "moving angles only", 1, "°"),
    ("geodesic_deg", "segment orientation", 1, "°"),
    ("mpjpe_mm", "joint centres, mm", 0, ""),
    ("mpjpe_pa_mm", "of the pose alone, mm", 0, ""),
    ("root_mm", "root, mm", 0, ""),
    ("acceleration_error_mps2", "acceleration, m/s²", 1, ""),
    ("r2", "R²", 2, ""),
    ("r2_median", "median R²", 2, ""),
    ("rom_error_deg", "range of motion", 1, "°"),
)
"""Of the tables of groups: key, heading, decimals and unit."""


def conclusions_section(said: Sequence[Conclusion]) -> str:
    """Return what to conclude; the tone is a word as well as a colour."""
    items = "".join(
        f'<li class="{text(c.tone)}">{_mark(c.tone)}<b>{text(c.heading)}</b><p>{text(c.text)}</p>{_details(c)}</li>'
        for c in said
    )
    return section("conclusions", "What to conclude", f'<ul class="brief">{items}</ul>')


def _details(said: Conclusion) -> str:
    lines = "".join(f"<li>{text(line)}</li>" for line in said.details)
    return f"<details><summary>All numbers</summary><ul>{lines}</ul></details>" if lines else ""


def _mark(tone: str) -> str:
    return f'<span class="mark">{MARKS[tone]}</span>' if tone in MARKS else ""


def tables_sections(results: Results, settings: Sequence[Setting], found: Sequence[Relation]) -> str:
    """Return the relations, then the tables; all but the first are folded."""
    words = {setting.name: in_words(setting) for setting in settings}
    groups = group_rows(results, settings)
    parts = [
        *(
            _folded(f"{_named(group)}, every setting", _group_table(groups, group, words))
            for group in ("all", "lower", "upper")
        ),
        _folded("Any two methods, on the windows that both have", _pairs(pair_rows(results, settings), words)),
        _folded("By joint", _by(joint_rows(results, settings), "joint", words)),
        _folded("By activity", _by(_of_all(activity_rows(results, settings)), "activity", words)),
        _folded("By person", _by(_of_all(subject_rows(results, settings)), "subject", words)),
        _folded("What could not be computed", _failures(results, words)),
    ]
    return section("relations", "Relations of the paper", _relations(found)) + section(
        "tables", "Tables", "".join(parts)
    )


def _named(group: str) -> str:
    return {"all": "Legs, arms and neck", "lower": "Legs", "upper": "Arms and neck"}[group]


def _folded(heading: str, body: str) -> str:
    return f"<details><summary>{text(heading)}</summary>{body}</details>"


def _relations(found: Sequence[Relation]) -> str:
    lead = (
        "<p>The paper's relations and a few that are good to know. A ratio is the mean error of the first method over "
        "that of the second. The first p is paired over joint movements as in the paper, where it had to be below "
        "0.013 (0.05 over four comparisons); the second is paired over people. Neither is corrected for the number of "
        "lines of this table. Each line is on the windows that its two methods have. Difference: mean error of the "
        "first minus that of the second over joint movements, with its 95 % interval; d: the difference over the "
        f"standard deviation of differences. Over people: {text(warnings_of_people(found))}</p>"
    )
    ratios = [relation for relation in found if relation.where]
    head = [
        "Method",
        "against",
        "Noise",
        "Errors",
        "Ratio",
        "Goal",
        "",
        "Difference, °",
        "d",
        "p",
        "n",
    ]
    counted = "<p>p: over joint movements, over people; n: joint movements, people and windows.</p>"
    others = "".join(f"<li>{_analysis(relation)}</li>" for relation in found if not relation.where)
    body = table(head, [_ratio_row(relation) for relation in ratios], numeric_from=3) + counted + _warnings(ratios)
    return f'{lead}<div class="relations">{body}</div><h3>Analyses</h3><ul>{others}</ul>'


def _ratio_row(relation: Relation) -> list[str]:
    first, second = relation.name.partition("@")[0].split("/")
    counts = (relation.n, relation.people, relation.windows)
    return [
        text(title(first)),
        text(title(second)),
        text(relation.where),
        f"{number(relation.numbers.get('first_deg'), 1, '°')}, {number(relation.numbers.get('second_deg'), 1, '°')}",
        number(relation.ratio, 2),
        number(relation.limit, 2),
        _verdict(relation),
        interval(relation),
        effect_size(relation),
        f"{_p(relation.p)}, {_p(relation.p_people)}",
        ", ".join(str(count or UNKNOWN) for count in counts),
    ]


def interval(relation: Relation) -> str:
    """Return ``"-1.2 (-1.9 to -0.5)"``: the mean difference over joint movements and its 95 % interval, degrees."""
    difference, *ends = (relation.numbers.get(f"{name}_deg") for name in ("difference", "ci_low", "ci_high"))
    told = number(difference, 1)
    return told if told == UNKNOWN else f"{told} ({' to '.join(number(end, 1) for end in ends)})"


def effect_size(relation: Relation) -> str:
    """Return d_z of a paired test, d of an unpaired one."""
    return number(relation.numbers.get("d_z", relation.numbers.get("d")), 1)


def warnings_of_people(found: Sequence[Relation]) -> str:
    """Return what is doubtful in the tests over people, each sentence once."""
    warnings = dict.fromkeys(relation.warning_people for relation in found if relation.warning_people)
    return " ".join(warnings) or "no assumption was found to fail."


def _analysis(relation: Relation) -> str:
    warning = f' <span class="unknown">{text(relation.warning)}</span>' if relation.warning else ""
    return f"{text(relation.claim)}: {_verdict(relation)}. {text(relation.sentence)}{warning}"


def _warnings(ratios: Sequence[Relation]) -> str:
    """Return the assumptions of tests that fail, folded."""
    lines = "".join(
        f"<li>{text(relation.claim)}: {text(relation.warning)}</li>" for relation in ratios if relation.warning
    )
    return _folded("Tests whose assumptions fail", f"<ul>{lines}</ul>") if lines else ""


def _verdict(relation: Relation) -> str:
    return f'<span class="{_verdict_class(relation)}">{relation.verdict}</span>'


def _verdict_class(relation: Relation) -> str:
    return "unknown" if relation.holds is None else "yes" if relation.holds else "no"


def _p(p: float) -> str:
    told = p_in_words(p)
    return UNKNOWN if told == "p unknown" else text(told.removeprefix("p ").removeprefix("= "))


def _group_table(rows: Sequence[Row], group: str, words: dict[str, str]) -> str:
    head = ["Setting", "Method", *(heading for _, heading, _, _ in COLUMNS), "s per window", "windows"]
    cells = [
        [
            text(words[str(row["setting"])]),
            text(title(str(row["estimator"]))),
            *(_spread(row, key, digits, unit) for key, _, digits, unit in COLUMNS),
            number(row["seconds"], 2),
            f"{row['windows']}" + (f" of {row['windows_setting']}" if row["windows_setting"] != row["windows"] else ""),
        ]
        for row in rows
        if row["group"] == group
    ]
    return table(head, cells, numeric_from=2)


def _spread(row: Row, key: str, digits: int, unit: str) -> str:
    spread = number(row.get(f"{key}_sd"), digits)
    return number(row[key], digits, unit) + (f" ± {spread}" if spread != UNKNOWN else "")


def _pairs(rows: Sequence[Row], words: dict[str, str]) -> str:
    cells = [
        [
            text(words[str(row["setting"])]),
            *(text(title(str(row[key]))) for key in ("first", "second")),
            *(number(row[key], 1, "°") for key in ("first_deg", "second_deg")),
            number(row["ratio"], 2),
            f"{row['people']}, {row['windows']}",
        ]
        for row in rows
    ]
    return table(["Setting", "Method", "against", "Error", "of the other", "Ratio", "n"], cells, numeric_from=3)


def _of_all(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["group"] == "all"]


def _by(rows: Sequence[Row], label: str, words: dict[str, str]) -> str:
    """Return errors of angles, methods as columns."""
    methods = ordered(dict.fromkeys(str(row["estimator"]) for row in rows))
    found = {(row["setting"], row[label], row["estimator"]): row for row in rows}
    lines = dict.fromkeys((str(row["setting"]), str(row[label])) for row in rows)
    cells = [
        [text(words[setting]), text(value), *(_error(found.get((setting, value, method))) for method in methods)]
        for setting, value in lines
    ]
    return table(["Setting", label.capitalize(), *(text(title(m)) for m in methods)], cells, numeric_from=2)


def _error(row: Row | None) -> str:
    return UNKNOWN if row is None else number(row["angle_rmse_deg"], 1, "°")


def _failures(results: Results, words: dict[str, str]) -> str:
    rows = failure_rows(results)
    if not rows:
        return "<p>Every method could use every window.</p>"
    cells = [
        [
            text(words.get(str(row["setting"]), row["setting"])),
            text(title(str(row["estimator"]))),
            *(text(row[key]) for key in ("window", "failure")),
        ]
        for row in rows[:MOST_FAILURES]
    ]
    more = f"<p>And {len(rows) - MOST_FAILURES} more, in failures.csv.</p>" if len(rows) > MOST_FAILURES else ""
    return table(["Setting", "Method", "Window", "Why"], cells, numeric_from=4) + more
