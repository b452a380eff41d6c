"""`write_page`: the study as one self-contained page, conclusions first."""

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from kinefuse import __version__
from kinefuse.formats.table_text import write_text
from kinefuse.report.markup import json_for_script, section, text
from kinefuse.report.page import POLICY
from kinefuse.report.study_beside import beside_figures, beside_section, read_beside
from kinefuse.report.study_curves import cycles_figure, parity_figure
from kinefuse.report.study_figures import (
    activities_figure,
    faults_figure,
    gain_figure,
    halves_figure,
    methods_figure,
    sensitivity_figure,
)
from kinefuse.report.study_style import Figure, Panel, colour, line
from kinefuse.report.study_tables import conclusions_section, tables_sections
from kinefuse.study.archive import Result
from kinefuse.study.conclusions import conclusions
from kinefuse.study.means import Results, people_of
from kinefuse.study.naming import ordered, title
from kinefuse.study.plan import Setting
from kinefuse.study.relations import relations
from kinefuse.study.scored import Scored

FIGURES: Final = (
    methods_figure,
    halves_figure,
    activities_figure,
    cycles_figure,
    sensitivity_figure,
    parity_figure,
    faults_figure,
    gain_figure,
)
"""In the order of the page: the paper's A to D, then what noise and faults do."""


def write_page(
    cells: Sequence[Result],
    settings: Sequence[Setting],
    path: Path,
    told: Mapping[str, object],
    beside: Path | None = None,
) -> None:
    """Write the study as one HTML file that needs no network.

    Parameters
    ----------
    cells : of every setting and estimator that was run
    settings : in the order in which they stand
    path : replaced if it exists
    told : how the study was made, by name, such as ``{"seed": 0}``; shown at the end as it is
    beside : folder with tables of other runs, see `study_beside`; those that it has are shown too

    Raises
    ------
    KinefuseError
        If the file cannot be written, a table in `beside` cannot be read, or the extra ``study`` is missing.
    """
    write_text(Path(path), render_page(cells, settings, told, beside))


def render_page(
    cells: Sequence[Result], settings: Sequence[Setting], told: Mapping[str, object], beside: Path | None = None
) -> str:
    """Return the page that `write_page` writes."""
    results = Results(cells, settings)
    found = relations(results, settings)
    others = read_beside(beside)
    figures = [figure for figure in (make(results, settings) for make in FIGURES) if figure.panels]
    figures += beside_figures(others)
    panels = [panel for figure in figures for panel in figure.panels]
    content = (
        _header(results, settings, bool(others))
        + conclusions_section(conclusions(results, settings, found))
        + _figures_section(results, figures)
        + tables_sections(results, settings, found)
        + beside_section(others)
        + _made_section(results, settings, told)
    )
    return _document(content, {"panels": [_drawn(panel) for panel in panels]})


def _header(results: Results, settings: Sequence[Setting], has_others: bool) -> str:
    methods = [title(name) for name in ordered(results.all_estimators())]
    people = {c.subject for s in settings for e in results.estimators(s.name) for c in results.cells(s.name, e)}
    links = [("conclusions", "Conclusions"), ("figures", "Figures"), ("relations", "Relations"), ("tables", "Tables")]
    links += [("beside", "Beside the study")] * has_others + [("made", "How it was made")]
    nav = "".join(f'<a href="#{key}">{name}</a>' for key, name in links)
    lead = (
        f"{len(methods)} methods on the same movements of {len(people)} people, under {len(settings)} kinds of noise. "
        "The movements were captured; cameras and sensors are virtual, so the truth is known. Errors are of joint "
        "angles in degrees."
    )
    return (
        f'<header><p class="brand">kinefuse</p><h1>Noise against accuracy</h1><p class="lead">{text(lead)}</p>'
        f"<nav>{nav}</nav></header>\n"
    )


def _figures_section(results: Results, figures: Sequence[Figure]) -> str:
    if not figures:
        return section("figures", "Figures", "<p>Nothing was measured that could be drawn.</p>")
    first, parts = 0, []
    for figure in figures:
        frames = "".join(_frame(first + i, panel) for i, panel in enumerate(figure.panels))
        first += len(figure.panels)
        parts.append(
            f'<div id="figure-{figure.key}"><h3>{text(figure.title)}</h3><p>{text(figure.caption)}</p>'
            f'<div class="panels {figure.size}">{frames}</div></div>'
        )
    return section("figures", "Figures", _method_keys(results) + "".join(parts))


def _frame(index: int, panel: Panel) -> str:
    return (
        f'<figure class="panel" data-panel="{index}"><figcaption>{text(panel.title)}</figcaption>'
        f'<div class="plot-area" style="height:{panel.height}px"></div></figure>'
    )


def _method_keys(results: Results) -> str:
    """Return the legend of all figures: a button a method, which shows and hides it."""
    buttons = "".join(
        f'<button type="button" data-method="{text(method)}" aria-pressed="true">{_sample(method)}'
        f"{text(title(method))}</button>"
        for method in ordered(results.all_estimators())
    )
    note = "Press a method to hide it in all figures, or to show it again."
    return f'<div class="methods">{buttons}</div><p class="note screen">{note}</p>'


def _sample(method: str) -> str:
    dashes = {"dash": "7 4", "dot": "2 4", "longdash": "12 4"}.get(str(line(method)["dash"]), "none")
    return (
        f'<svg aria-hidden="true" viewBox="0 0 34 12"><line x1="1" y1="6" x2="33" y2="6" stroke="{colour(method)}" '
        f'stroke-width="3" stroke-dasharray="{dashes}"/></svg>'
    )


def _drawn(panel: Panel) -> dict[str, Any]:
    return {"traces": panel.traces, "layout": panel.layout, "height": panel.height}


def made_of(results: Results, settings: Sequence[Setting], told: Mapping[str, object]) -> dict[str, str]:
    """Return how the study was made, by name: what the cells tell, and of what was told the rest."""
    cells = [c for s in settings for e in results.estimators(s.name) for c in results.cells(s.name, e)]
    windows, activities = {c.window for c in cells}, {c.activity for c in cells}
    facts = {
        "windows": f"{len(windows)}, of {len(people_of(cells))} people and {len(activities)} activities",
        "repetitions": _repetitions(cells),
        "results": f"{len(cells)}, and {len(results.failures)} that could not be computed",
        "kinefuse": __version__,
        "Python": platform.python_version(),
    }
    shown = {str(key): _plain(value) for key, value in told.items() if not _is_table(value)}
    return facts | {key: value for key, value in shown.items() if key not in facts}


def _repetitions(cells: Sequence[Scored]) -> str:
    """Return how often each estimator's noise was drawn: ``videonet 3 (345 results) and 30 (480), imunet 30``."""
    told = []
    for estimator in dict.fromkeys(cell.estimator for cell in cells):
        counts = Counter(cell.repetitions for cell in cells if cell.estimator == estimator)
        each = [f"{often} ({number})" if len(counts) > 1 else str(often) for often, number in sorted(counts.items())]
        each[0] = each[0].replace(")", " results)")
        told.append(f"{estimator} {' and '.join(each)}")
    return ", ".join(told) or "none"


def _is_table(value: object) -> bool:
    """Lists of windows and settings are in the tables."""
    return isinstance(value, list | tuple) and len(value) > 0 and isinstance(value[0], Mapping)


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def _made_section(results: Results, settings: Sequence[Setting], told: Mapping[str, object]) -> str:
    rows = "".join(f"<dt>{text(k)}</dt><dd>{text(v)}</dd>" for k, v in made_of(results, settings, told).items())
    lead = (
        "<p>Repetitions are averaged first, then the windows of a person, then people. A mean is of all windows "
        "that its method has; two methods are compared on the windows that both have.</p>"
    )
    return section("made", "How it was made", f"{lead}<dl>{rows}</dl>")


def _document(body: str, data: Mapping[str, Any]) -> str:
    from plotly.offline import get_plotlyjs

    style = _template("report.css") + _template("study.css")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Noise against accuracy – kinefuse</title>\n<style>{style}</style></head>\n"
        f"<body>\n<main>\n{body}</main>\n"
        '<noscript><p class="note">The figures need JavaScript; conclusions and tables do not.</p></noscript>\n'
        f'<script type="application/json" id="data">{json_for_script(data)}</script>\n'
        f"<script>{get_plotlyjs()}</script>\n<script>{_template('study.js')}</script>\n</body></html>\n"
    )


def _template(name: str) -> str:
    return (files("kinefuse.report") / "templates" / name).read_text(encoding="utf-8")
