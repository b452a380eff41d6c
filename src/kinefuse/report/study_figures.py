"""Figures of the study: bars per method, body halves, activities, sensitivity to noise, faults, gain of fusion."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from kinefuse.report.markup import counted
from kinefuse.report.study_curves import fewer, own_cells
from kinefuse.report.study_style import HATCH, Figure, Panel, Trace, bar_marker, line, plain, point_marker
from kinefuse.study.levels import (
    BOTH,
    LEVELS_MM,
    REFERENCE,
    SIGMAS_DEG,
    USUAL,
    find,
    in_words,
    level_mm,
    noise_in_words,
    noisy,
    sigma_deg,
)
from kinefuse.study.means import Results, mean_and_sd, mean_movement_errors, people_of
from kinefuse.study.naming import ordered, title
from kinefuse.study.plan import FAULTS, Setting
from kinefuse.study.scored import MOVEMENTS, Scored, movements_of
from kinefuse.study.tables import gain_of_fusion

DEGREES: Final = {"ticksuffix": "°", "rangemode": "tozero"}


def judged_on(cells: dict[str, list[Scored]]) -> str:
    """Return ``"12 windows of 7 people"``, those of any method."""
    every = [cell for own in cells.values() for cell in own]
    return f"{counted(len({cell.window for cell in every}), 'window')} of {len(people_of(every))} people"


def error_bars(values: Sequence[float], axis: str = "y") -> dict[str, Any]:
    """Return Plotly's error bars of standard deviations."""
    return {
        f"error_{axis}": {
            "type": "data",
            "array": plain(np.array(values)),
            "color": "#3b4652",
            "thickness": 1.2,
            "width": 3,
        }
    }


def methods_figure(results: Results, settings: Sequence[Setting]) -> Figure:
    """Figure A: mean error of each method with well mounted sensors, and where both inputs are off."""
    panels = []
    for sigma, level in (REFERENCE, BOTH):
        setting = find(settings, sigma, level)
        cells = own_cells(results, setting.name) if setting is not None else {}
        if cells:
            heading = f"{_capital(noise_in_words(sigma, level))} ({judged_on(cells)})"
            traces = [_method_bar(method, own, fewer(own, cells)) for method, own in cells.items()]
            layout = _bars_layout() | {"barmode": "overlay"}
            panels.append(Panel(title=heading, traces=traces, layout=layout, height=60 + 34 * len(cells)))
    caption = (
        "Root mean square error of joint angles over time; the bar is the mean over joints and their degrees of "
        "freedom (hips, knees, ankles, shoulders, elbows, neck), the whisker one standard deviation over these. "
        "Shorter is better; networks are plain, others hatched. Each bar is of the windows that its method has; where "
        "these are fewer it says so, and the table of pairs compares."
    )
    return Figure(key="methods", title="A. How far off each method is", caption=caption, panels=panels)


def _method_bar(method: str, own: list[Scored], windows: str) -> Trace:
    mean, sd = mean_and_sd(mean_movement_errors(own))
    return {
        "type": "bar",
        "orientation": "h",
        "meta": method,
        "y": [f"{title(method)}{windows}  <b>{mean:.1f}°</b>"],
        "x": plain(np.array([mean])),
        "marker": bar_marker(method),
        "hovertemplate": "%{y}<extra></extra>",
        **error_bars([sd], "x"),
    }


def _bars_layout() -> dict[str, Any]:
    return {
        "xaxis": DEGREES,
        "yaxis": {"autorange": "reversed", "automargin": True, "ticks": ""},
        "margin": {"l": 10, "r": 12, "t": 6, "b": 28},
    }


def halves_figure(results: Results, settings: Sequence[Setting]) -> Figure:
    """Figure B: lower against upper body."""
    setting = find(settings, *REFERENCE)
    cells = own_cells(results, setting.name) if setting is not None else {}
    traces: list[Trace] = []
    for group, shade, pattern in (("lower", "#1d4e79", ""), ("upper", "#c9d6e2", "/")):
        values = [mean_and_sd(mean_movement_errors(own)[movements_of(group)]) for own in cells.values()]
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": f"{group} body",
                "y": [title(method) + fewer(own, cells) for method, own in cells.items()],
                "x": plain(np.array([mean for mean, _ in values])),
                "marker": {
                    "color": shade,
                    "pattern": HATCH | {"shape": pattern, "fgcolor": "#5b6875"},
                },
                "hovertemplate": f"%{{y}}, {group} body: %{{x:.1f}}°<extra></extra>",
                **error_bars([sd for _, sd in values], "x"),
            }
        )
    layout = _bars_layout() | {
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        "margin": {"l": 10, "r": 12, "t": 34, "b": 28},
    }
    panels = (
        [Panel(title=_capital(noise_in_words(*REFERENCE)), traces=traces, layout=layout, height=90 + 46 * len(cells))]
        if cells
        else []
    )
    caption = "Hips, knees and ankles (dark) against shoulders, elbows and neck (light, hatched)."
    return Figure(key="halves", title="B. Legs against arms and neck", caption=caption, panels=panels, size="wide")


def activities_figure(results: Results, settings: Sequence[Setting]) -> Figure:
    """Figure C: errors by activity."""
    setting = find(settings, *REFERENCE)
    cells = own_cells(results, setting.name) if setting is not None else {}
    names = sorted({cell.activity for own in cells.values() for cell in own})
    traces = []
    for method, own in cells.items():
        values = [mean_and_sd(mean_movement_errors([c for c in own if c.activity == name])) for name in names]
        traces.append(
            {
                "type": "bar",
                "name": title(method),
                "meta": method,
                "x": names,
                "customdata": _counts(own, names),
                "y": plain(np.array([mean for mean, _ in values])),
                "marker": bar_marker(method),
                "hovertemplate": f"{title(method)}, %{{x}}: %{{y:.1f}}°, windows: %{{customdata}}<extra></extra>",
                **error_bars([sd for _, sd in values]),
            }
        )
    panels = (
        [Panel(title=_capital(noise_in_words(*REFERENCE)), traces=traces, layout={"yaxis": DEGREES}, height=340)]
        if names
        else []
    )
    caption = (
        "Different people did different things, so differences between activities are also differences between people."
    )
    return Figure(key="activities", title="C. By activity", caption=caption, panels=panels, size="wide")


def _counts(cells: Sequence[Scored], activities: Sequence[str]) -> list[int]:
    return [sum(cell.activity == name for cell in cells) for name in activities]


def sensitivity_figure(results: Results, settings: Sequence[Setting]) -> Figure:
    """Sensitivity: error against mounting error, and against the error of the points."""
    mountings = [(sigma, find(settings, sigma, REFERENCE[1])) for sigma in SIGMAS_DEG]
    points = [(level or 0.0, find(settings, REFERENCE[0], level)) for level in LEVELS_MM]
    panels = [
        _against_noise(results, [(x, s) for x, s in found if s is not None], heading, axis)
        for found, heading, axis in (
            (mountings, "Mounting error of the sensors (points 52.6 mm off)", "standard deviation per axis, degrees"),
            (points, "Error of the joint centres (sensors well mounted)", "mean error, mm; 0 is clean"),
        )
    ]
    caption = (
        "Mean error of joint angles. A flat line does not mind the noise; a method that does not see that input is "
        "flat by nature. A line is of the windows that its method has at all its points; pointing at one tells how "
        "many."
    )
    return Figure(key="sensitivity", title="What noise costs", caption=caption, panels=[p for p in panels if p.traces])


def _against_noise(results: Results, found: Sequence[tuple[float, Setting]], heading: str, axis: str) -> Panel:
    layout = {"xaxis": {"title": {"text": axis}, "tickvals": [x for x, _ in found]}, "yaxis": DEGREES}
    traces = _lines(results, found) if len(found) > 1 else []
    return Panel(title=heading, traces=traces, layout=layout, height=380)


def _lines(results: Results, found: Sequence[tuple[float, Setting]]) -> list[Trace]:
    """Return a line a method through its mean errors, all on the windows that it has wherever it could work."""
    everywhere = [(x, own_cells(results, setting.name)) for x, setting in found]
    methods = ordered({method for _, cells in everywhere for method in cells})
    traces = []
    for method in methods:
        by_setting = [(x, {method: own}) for (x, _), own in zip(everywhere, _common(everywhere, method), strict=True)]
        values = [mean_and_sd(mean_movement_errors(cells.get(method, []))) for _, cells in by_setting]
        spreads = plain(np.array([sd for _, sd in values]))
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": title(method),
                "meta": method,
                "x": [x for x, _ in by_setting],
                "y": plain(np.array([mean for mean, _ in values])),
                "customdata": [
                    [sd, len(cells.get(method, []))] for sd, (_, cells) in zip(spreads, by_setting, strict=True)
                ],
                "line": line(method),
                "marker": point_marker(method),
                "hovertemplate": (
                    f"{title(method)}: %{{y:.1f}}° ± %{{customdata[0]:.1f}}, windows: %{{customdata[1]}}<extra></extra>"
                ),
            }
        )
    return traces


def _common(everywhere: Sequence[tuple[object, dict[str, list[Scored]]]], method: str) -> list[list[Scored]]:
    """Return a method's cells at each point of a line, on the windows common to the points that have any."""
    own = [cells.get(method, []) for _, cells in everywhere]
    common = set.intersection(*({cell.window for cell in cells} for cells in own if cells))
    return [[cell for cell in cells if cell.window in common] for cells in own]


def faults_figure(results: Results, settings: Sequence[Setting]) -> Figure:
    """Faults beyond the paper's noise: lines where a fault has several amounts, bars for the others."""
    by_fault: dict[str, list[Setting]] = {}
    for setting in settings:
        if setting.fault and results.estimators(setting.name):
            by_fault.setdefault(setting.fault, []).append(setting)
    usual = find(settings, *USUAL)
    before = [usual] if usual is not None and results.estimators(usual.name) else []
    panels = [
        _graded(results, fault, [*([] if fault in COUNTS else before), *found])
        for fault, found in by_fault.items()
        if len(found) > 1
    ]
    single = [found[0] for found in by_fault.values() if len(found) == 1]
    if single:
        panels.append(_ungraded(results, [*before, *single]))
    caption = (
        "What goes wrong outside of a laboratory, one thing at a time; 0 and the first bars are the same noise without "
        "it. A line is of the windows that its method "
        "has at all its points; a method without a point could not work there, or was not run."
    )
    return Figure(key="faults", title="When something goes wrong", caption=caption, panels=panels)


COUNTS: Final = ("sensors", "cameras", "lost camera")
"""Faults whose amounts are not counted from nothing wrong, or whose points come from cameras."""


def _graded(results: Results, fault: str, found: Sequence[Setting]) -> Panel:
    layout = {
        "xaxis": {
            "tickvals": list(range(len(found))),
            "ticktext": [f"{s.amount:g}" for s in found],
            "title": {"text": FAULTS.get(fault, "amount")},
        },
        "yaxis": DEGREES,
    }
    return Panel(title=_capital(fault), traces=_lines(results, list(enumerate(found))), layout=layout)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ungraded(results: Results, found: Sequence[Setting]) -> Panel:
    by_setting = [
        (in_words(setting) if setting.fault else "nothing wrong", own_cells(results, setting.name)) for setting in found
    ]
    traces = []
    for method in ordered({method for _, cells in by_setting for method in cells}):
        own = _common(by_setting, method)
        values = np.array([mean_and_sd(mean_movement_errors(cells))[0] for cells in own])
        traces.append(
            {
                "type": "bar",
                "name": title(method),
                "meta": method,
                "x": [name for name, _ in by_setting],
                "y": plain(values),
                "marker": bar_marker(method),
                "hovertemplate": f"{title(method)}, %{{x}}: %{{y:.1f}}°<extra></extra>",
            }
        )
    return Panel(
        title="Single faults", traces=traces, layout={"yaxis": DEGREES, "xaxis": {"automargin": True}}, height=340
    )


def gain_figure(results: Results, settings: Sequence[Setting]) -> Figure:
    """What fusion gains over the better of both modalities, by movement and noise."""
    clean = find(settings, 0.0, None)
    found = [(s, gain_of_fusion(results, s.name)) for s in ([clean] if clean else []) + noisy(settings)]
    columns = [(setting, errors["better"] - errors["fusionnet"]) for setting, errors in found if errors is not None]
    panels = []
    if columns:
        table = np.stack([gain for _, gain in columns], axis=1)
        panels.append(
            Panel(
                title="Error of the better single network minus error of FusionNet",
                traces=[_heat(columns, table)],
                layout=_heat_layout(),
                height=560,
            )
        )
    caption = (
        "Degrees; blue: fusion is better than both videonet and imunet alone, orange: the better one of the two alone "
        "would have been better."
    )
    return Figure(
        key="gain", title="What fusion gains, movement by movement", caption=caption, panels=panels, size="wide"
    )


def _heat(columns: Sequence[tuple[Setting, np.ndarray]], table: np.ndarray) -> Trace:
    reach = max(float(np.nanmax(np.abs(table))) if np.isfinite(table).any() else 0.0, 0.5)
    return {
        "type": "heatmap",
        "x": [_short(setting) for setting, _ in columns],
        "y": [spoken_movement(i) for i in range(len(MOVEMENTS))],
        "z": [plain(row, 2) for row in table],
        "texttemplate": "%{z:.1f}",
        "zmin": -reach,
        "zmax": reach,
        "colorscale": [[0, "#b35806"], [0.25, "#f1a340"], [0.5, "#f7f7f7"], [0.75, "#67a9cf"], [1, "#2166ac"]],
        "colorbar": {"ticksuffix": "°", "thickness": 12},
        "xgap": 1,
        "ygap": 1,
        "hovertemplate": "%{y}, %{x}: %{z:.2f}°<extra></extra>",
    }


def _heat_layout() -> dict[str, Any]:
    return {
        "yaxis": {"autorange": "reversed", "automargin": True, "ticks": ""},
        "xaxis": {"side": "top", "ticks": "", "automargin": True},
        "margin": {"l": 10, "r": 10, "t": 60, "b": 10},
    }


def _short(setting: Setting) -> str:
    level = level_mm(setting)
    return f"σ {sigma_deg(setting):.1f}°<br>" + ("clean" if level is None else f"{level:.1f} mm")


def spoken_movement(index: int) -> str:
    """Return a movement of `scored.MOVEMENTS` as one reads it: ``"knee flexion"``."""
    movement = MOVEMENTS[index]
    return _MOVEMENT_NAMES.get(movement.name, movement.name.replace("_", " "))


_MOVEMENT_NAMES: Final = {
    "knee_angle": "knee flexion",
    "ankle_angle": "ankle flexion",
    "subtalar_angle": "ankle inversion",
    "arm_flex": "shoulder flexion",
    "arm_add": "shoulder adduction",
    "arm_rot": "shoulder rotation",
    "elbow_flex": "elbow flexion",
    "pro_sup": "forearm pronation",
}
