"""Figures of the study over time: curves over the gait cycle, and estimates against the truth."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from kinefuse.conventions import COORDINATE_INDEX
from kinefuse.metrics.gait_cycles import POINTS, Cycle, over_cycles, walking_cycles_of_angles
from kinefuse.report.markup import counted
from kinefuse.report.study_style import Figure, Panel, Trace, colour, line, plain, translucent
from kinefuse.study.analyses import NETWORKS
from kinefuse.study.levels import BOTH, REFERENCE, find, noise_in_words
from kinefuse.study.means import Results
from kinefuse.study.naming import ordered, title
from kinefuse.study.plan import Setting
from kinefuse.study.scored import Scored

TRUTH: Final = "truth"
TRUTH_COLOUR: Final = "#111111"
CURVES: Final = (("hip_flexion", "Hip flexion"), ("knee_angle", "Knee flexion"), ("ankle_angle", "Ankle dorsiflexion"))
PARITY: Final = ("knee_angle_l", "knee_angle_r")
MOST_POINTS: Final = 700
"""Dots of a parity plot; more would only make the page heavy. R² is of all."""

FEWEST_CYCLES: Final = 3


def own_cells(results: Results, setting: str) -> dict[str, list[Scored]]:
    """Return the cells of each method on the windows that it has, methods in reading order."""
    return {method: results.cells(setting, method) for method in ordered(results.estimators(setting))}


def drawn_cells(results: Results, setting: str) -> dict[str, list[Scored]]:
    """Return those of `own_cells` that have curves; what another study computed has none."""
    cells = {method: [c for c in own if len(c.time)] for method, own in own_cells(results, setting).items()}
    return {method: own for method, own in cells.items() if own}


def whole_cells(results: Results, setting: str) -> tuple[dict[str, list[Scored]], str]:
    """Return the cells of the methods that have every window that has curves, and a sentence that names the others.

    Curves over the same cycles can only be drawn of these.
    """
    cells = drawn_cells(results, setting)
    count = len({cell.window for own in cells.values() for cell in own})
    whole = {method: own for method, own in cells.items() if len(own) == count}
    partial = ", ".join(title(method) for method in own_cells(results, setting) if method not in whole)
    return whole, f" Without methods that have fewer curves: {partial}." if partial else ""


def fewer(own: Sequence[Scored], cells: Mapping[str, Sequence[Scored]]) -> str:
    """Return ``" (4 windows)"`` of a method that has fewer windows than others, else nothing."""
    everything = {cell.window for of_one in cells.values() for cell in of_one}
    return f" ({counted(len(own), 'window')})" if len(own) < len(everything) else ""


def cycles_figure(results: Results, settings: Sequence[Setting]) -> Figure:
    """Figure D: hip, knee and ankle over the gait cycle, mean and standard deviation over cycles."""
    setting = find(settings, *REFERENCE)
    cells, left_out = whole_cells(results, setting.name) if setting is not None else ({}, "")
    cycles = _cycles(next(iter(cells.values()), []))
    panels = []
    for name, heading in CURVES:
        rows = _rows_over_cycle(cells, cycles, name)
        if len(rows.get(TRUTH, ())) >= FEWEST_CYCLES:
            headed = f"{heading} ({len(rows[TRUTH])} cycles)"
            panels.append(Panel(title=headed, traces=_cycle_traces(rows), layout=_cycle_layout(), height=330))
    caption = (
        "Where people walk in the windows: from one touchdown of a foot to its next, both legs together. Black and "
        "grey: the truth, mean ± one standard deviation over cycles; colours: the methods, networks with their bands "
        f"({noise_in_words(*REFERENCE)}, first repetition).{left_out}"
    )
    return Figure(key="cycles", title="D. Over the gait cycle", caption=caption, panels=panels, size="three")


def _cycles(results: Sequence[Scored]) -> dict[str, list[Cycle]]:
    """Return the true cycles of each window."""
    return {r.window: walking_cycles_of_angles(r.time, r.truth.astype(float)) for r in results}


def _rows_over_cycle(
    cells: Mapping[str, Sequence[Scored]], cycles: Mapping[str, list[Cycle]], name: str
) -> dict[str, np.ndarray]:
    """Return a coordinate over all cycles, (N, 101) degrees, of the truth and of every method."""
    parts: dict[str, list[np.ndarray]] = {}
    for method, own in cells.items():
        for cell in own:
            taken = cycles[cell.window]
            parts.setdefault(method, []).append(over_cycles(cell.time, cell.estimate.astype(float), taken, name))
            if method == next(iter(cells)):
                parts.setdefault(TRUTH, []).append(over_cycles(cell.time, cell.truth.astype(float), taken, name))
    rows = {method: np.rad2deg(np.concatenate(found)) for method, found in parts.items()}
    return {method: found[np.isfinite(found).all(axis=1)] for method, found in rows.items()}


def _cycle_traces(rows: Mapping[str, np.ndarray]) -> list[Trace]:
    bands, lines = [], []
    for method in [TRUTH, *(m for m in rows if m != TRUTH)]:
        own = rows[method]
        if len(own) < FEWEST_CYCLES:
            continue
        mean, sd = own.mean(axis=0), own.std(axis=0, ddof=1)
        is_truth = method == TRUTH
        name, meta = ("truth", TRUTH) if is_truth else (title(method), method)
        fill = "rgba(17,17,17,0.14)" if is_truth else translucent(method, 0.10)
        drawn: dict[str, Any] = {"color": TRUTH_COLOUR, "width": 3} if is_truth else line(method)
        if is_truth or method in NETWORKS:
            bands.append(_band(mean, sd, fill, meta))
        lines.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "meta": meta,
                "x": list(range(POINTS)),
                "y": plain(mean, 2),
                "line": drawn,
                "hovertemplate": f"{name}, %{{x}} %: %{{y:.1f}}°<extra></extra>",
            }
        )
    return [*bands, *lines[1:], *lines[:1]]  # the truth on top


def _band(mean: np.ndarray, sd: np.ndarray, fill: str, meta: str) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "meta": meta,
        "x": [*range(POINTS), *reversed(range(POINTS))],
        "y": plain(np.concatenate([mean + sd, (mean - sd)[::-1]]), 2),
        "fill": "toself",
        "fillcolor": fill,
        "line": {"width": 0},
        "hoverinfo": "skip",
    }


def _cycle_layout() -> dict[str, Any]:
    return {
        "xaxis": {"title": {"text": "gait cycle"}, "ticksuffix": " %", "range": [0, 100]},
        "yaxis": {"ticksuffix": "°"},
    }


def parity_figure(results: Results, settings: Sequence[Setting]) -> Figure:
    """Estimated against true knee flexion where both inputs are off, the paper's Fig. 8."""
    setting = find(settings, *BOTH)
    cells = drawn_cells(results, setting.name) if setting is not None else {}
    pairs = {method: _pairs(own) for method, own in cells.items()}
    known = {method: pair for method, pair in pairs.items() if len(pair) > 1}
    low, high = _extent(known.values())
    panels = [_parity(method, pair, low, high, fewer(cells[method], cells)) for method, pair in known.items()]
    caption = (
        f"Knee flexion of both legs at every moment ({noise_in_words(*BOTH)}, first repetition). On the diagonal the "
        "estimate is the truth; R² is the share of the truth's variance that the estimate explains."
    )
    return Figure(key="parity", title="Estimate against truth: the knee", caption=caption, panels=panels, size="small")


def _pairs(cells: Sequence[Scored]) -> np.ndarray:
    """Return (N, 2) true and estimated knee flexion, degrees."""
    columns = [COORDINATE_INDEX[name] for name in PARITY]
    both = [np.stack([c.truth[:, columns].ravel(), c.estimate[:, columns].ravel()], axis=1) for c in cells]
    together = np.rad2deg(np.concatenate(both).astype(float)) if both else np.zeros((0, 2))
    return together[np.isfinite(together).all(axis=1)]


def _extent(pairs: Any) -> tuple[float, float]:
    """Return from where to where the axes go: all but the outermost half per cent of the values."""
    values = [pair.ravel() for pair in pairs]
    if not values:
        return 0.0, 1.0
    low, high = np.percentile(np.concatenate(values), [0.25, 99.75])
    return float(low) - 4.0, float(high) + 4.0


def explained(pairs: np.ndarray) -> float:
    """Return R² of (N, 2) truth and estimate: one minus squared errors over squared deviations; NaN at rest."""
    truth, estimate = pairs.T
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1.0 - float(((estimate - truth) ** 2).sum()) / spread if spread > 0 else float("nan")


def _parity(method: str, pairs: np.ndarray, low: float, high: float, windows: str) -> Panel:
    shown = pairs[:: max(1, -(-len(pairs) // MOST_POINTS))]
    diagonal: Trace = {
        "type": "scatter",
        "mode": "lines",
        "x": [low, high],
        "y": [low, high],
        "line": {"color": TRUTH_COLOUR, "width": 1, "dash": "dash"},
        "hoverinfo": "skip",
    }
    dots: Trace = {
        "type": "scatter",
        "mode": "markers",
        "meta": method,
        "x": plain(shown[:, 0], 1),
        "y": plain(shown[:, 1], 1),
        "marker": {"color": colour(method), "size": 3.5, "opacity": 0.55},
        "hovertemplate": "true %{x}°, estimated %{y}°<extra></extra>",
    }
    axis = {"ticksuffix": "°", "range": [low, high], "zeroline": False}
    layout = {
        "xaxis": axis | {"title": {"text": "truth"}},
        "yaxis": axis | {"title": {"text": "estimate"}},
    }
    return Panel(
        title=f"{title(method)}: R² = {explained(pairs):.2f}{windows}",
        traces=[diagonal, dots],
        layout=layout,
        height=300,
    )
