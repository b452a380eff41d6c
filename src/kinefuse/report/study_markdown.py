"""`write_markdown`: the study's conclusions and tables for the documents."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from kinefuse.formats.table_text import write_text
from kinefuse.metrics.compare import Row
from kinefuse.report.markup import UNKNOWN, number
from kinefuse.report.study_page import made_of
from kinefuse.report.study_tables import effect_size, interval, warnings_of_people
from kinefuse.study.archive import Result
from kinefuse.study.conclusions import Conclusion, conclusions
from kinefuse.study.levels import in_words
from kinefuse.study.means import Results
from kinefuse.study.naming import ordered
from kinefuse.study.plan import Setting
from kinefuse.study.relation import Relation, p_in_words
from kinefuse.study.relations import relations
from kinefuse.study.tables import activity_rows, gain_rows, group_rows, joint_rows

COLUMNS: Final = (
    ("lower", "movements_rmse_deg", 1),
    ("upper", "movements_rmse_deg", 1),
    ("all", "movements_rmse_deg", 1),
    ("all", "angle_rmse_moving_deg", 1),
    ("all", "geodesic_deg", 1),
    ("all", "mpjpe_pa_mm", 0),
    ("all", "root_mm", 0),
    ("all", "acceleration_error_mps2", 1),
    ("all", "r2_median", 2),
    ("all", "rom_error_deg", 1),
)
HEADS: Final = (
    "lower", "upper", "all", "moving", "geodesic", "PA-MPJPE mm", "root mm", "acceleration m/s²", "median R²", "ROM",
)  # fmt: skip


def write_markdown(
    cells: Sequence[Result], settings: Sequence[Setting], path: Path, told: Mapping[str, object]
) -> None:
    """Write conclusions and tables as Markdown; the parameters are those of `study_page.write_page`.

    Raises
    ------
    KinefuseError
        If the file cannot be written, or the extra ``study`` is missing.
    """
    results = Results(cells, settings)
    found = relations(results, settings)
    parts = [
        "# Noise against accuracy",
        _lead(results, settings, told),
        "## What to conclude",
        *(_conclusion(said) for said in conclusions(results, settings, found)),
        "## Relations",
        "Each line is on the windows that its two methods have. Difference: mean error of the first minus that of the "
        "second over joint movements, with its 95 % interval; d: its effect size, d_z of paired tests and d of "
        "unpaired ones; n: joint movements, people and windows. Over people: " + warnings_of_people(found),
        _relations(found),
        "## Every method under every setting",
        "Root mean square errors of joint angles in degrees: mean ± standard deviation over joints and degrees of "
        "freedom for lower, upper and all; the other columns are means over people of all angles, segments or joints. "
        "Each line is of the windows that its method has. Where their number differs, lines do not compare: the "
        "relations above do, and `pairs.csv` does for any two methods.",
        _groups(group_rows(results, settings)),
        "## By joint",
        _by(joint_rows(results, settings), settings, "joint"),
        "## By activity",
        _by([row for row in activity_rows(results, settings) if row["group"] == "all"], settings, "activity"),
        "## What fusion gains",
        "Error of the better single network minus that of FusionNet, degrees.",
        _gain(gain_rows(results, settings), settings),
    ]
    write_text(Path(path), "\n\n".join(part for part in parts if part) + "\n")


def _lead(results: Results, settings: Sequence[Setting], told: Mapping[str, object]) -> str:
    facts = made_of(results, settings, told)
    return "Made by `kinefuse study`. " + "; ".join(f"{key}: {cell(value)}" for key, value in facts.items()) + "."


def cell(value: object) -> str:
    """Return text that may stand in a cell of a table."""
    plain = str(value).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return " ".join(plain.split())


def _conclusion(said: Conclusion) -> str:
    return f"- **{cell(said.heading)}.** {cell(said.text)}"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """Return a table; the first `texts` columns are text, the others numbers. Empty without rows."""
    if not rows:
        return ""
    rule = ["---"] * texts + ["---:"] * (len(head) - texts)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def _relations(found: Sequence[Relation]) -> str:
    rows = [
        [
            cell(relation.claim),
            f"**{relation.verdict}**" if relation.holds is False else relation.verdict,
            number(relation.ratio, 2),
            number(relation.limit, 2),
            interval(relation),
            effect_size(relation),
            _p(relation.p),
            _p(relation.p_people),
            ", ".join(str(count or UNKNOWN) for count in (relation.n, relation.people, relation.windows)),
            cell(relation.warning) or UNKNOWN,
        ]
        for relation in found
    ]
    head = ("relation", "", "ratio", "goal", "difference °", "d", "p, movements", "p, people", "n", "warning")
    return markdown_table(head, rows, 2)


def _p(p: float) -> str:
    return p_in_words(p).removeprefix("p ").removeprefix("= ").replace("<", "&lt;").replace("unknown", UNKNOWN)


def _groups(rows: Sequence[Row]) -> str:
    by_group = {(row["setting"], row["estimator"], row["group"]): row for row in rows}
    lines = []
    for row in rows:
        if row["group"] != "all":
            continue
        own = [by_group[row["setting"], row["estimator"], group] for group, _, _ in COLUMNS]
        values = [_spread(r, key, digits) for r, (_, key, digits) in zip(own, COLUMNS, strict=True)]
        lines.append([cell(row["setting"]), f"`{row['estimator']}`", *values, str(row["windows"])])
    return markdown_table(("setting", "estimator", *HEADS, "windows"), lines, 2)


def _spread(row: Row, key: str, digits: int) -> str:
    spread = number(row.get(f"{key}_sd"), digits) if key == "movements_rmse_deg" else UNKNOWN
    return number(row[key], digits) + (f" ± {spread}" if spread != UNKNOWN else "")


def _by(rows: Sequence[Row], settings: Sequence[Setting], label: str) -> str:
    """Return errors of angles under the settings without faults, methods as columns."""
    shown = {setting.name for setting in settings if not setting.fault}
    rows = [row for row in rows if row["setting"] in shown]
    methods = ordered(dict.fromkeys(str(row["estimator"]) for row in rows))
    found = {(row["setting"], row[label], row["estimator"]): row["angle_rmse_deg"] for row in rows}
    lines = [
        [cell(setting), cell(value), *(number(found.get((setting, value, method)), 1) for method in methods)]
        for setting, value in dict.fromkeys((row["setting"], row[label]) for row in rows)
    ]
    return markdown_table(("setting", label, *(f"`{method}`" for method in methods)), lines, 2)


def _gain(rows: Sequence[Row], settings: Sequence[Setting]) -> str:
    words = {setting.name: in_words(setting) for setting in settings if not setting.fault}
    found = {(row["movement"], row["setting"]): row["gain_over_better_deg"] for row in rows}
    shown = [name for name in words if any(row["setting"] == name for row in rows)]
    lines = [
        [cell(movement), *(number(found.get((movement, name)), 1) for name in shown)]
        for movement in dict.fromkeys(row["movement"] for row in rows)
    ]
    return markdown_table(("movement", *(words[name] for name in shown)), lines)
