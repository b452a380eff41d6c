"""What stands beside the study on its page: results of other runs, read from the tables (CSV) that those runs wrote.

Nothing of it is computed here. A table that is not in the folder is left out.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.errors import FormatError
from kinefuse.report.markup import UNKNOWN, number, section, table, text
from kinefuse.report.study_style import Figure, Panel, Trace, bar_marker, colour, plain
from kinefuse.study.naming import title

Tables = Mapping[str, Sequence[Mapping[str, str]]]


@dataclass(frozen=True)
class Kind:
    """One table: its file's name without ``.csv``, what stands above it, and its columns.

    Attributes
    ----------
    file, heading, lead : plain text
    columns : key in the file, heading, and decimals; None for text, -1 for a p
    folded : whether the reader has to open it
    """

    file: str
    heading: str
    lead: str
    columns: tuple[tuple[str, str, int | None], ...]
    folded: bool = False


P: Final = -1

KINDS: Final = (
    Kind(
        "orientation_filter",
        "The orientation filter",
        "VQF on a real sensor that was turned fast by hand (BROAD trial 06) against optical truth: root mean square "
        "over the movement, degrees. The heading between the frames is taken out once, while the sensor rests before.",
        (
            ("filter", "filter", None),
            ("total_deg", "total", 2),
            ("heading_deg", "heading", 2),
            ("inclination_deg", "inclination", 2),
            ("last_heading_deg", "heading at the end", 2),
            ("before_deg", "taken out", 1),
        ),
    ),
    Kind(
        "virtual_sensors",
        "Virtual against real readings",
        "What a virtual sensor reads that moves as the optical system says, against the real one of the same "
        "recording: root mean square deviation, and per cent of the range of the real signal. The paper has 30.4°/s "
        "(4 %) and 3.7 m/s² (12 %) for sensors worn by people; nothing is worn here.",
        (
            ("low_pass", "low-pass of the truth", None),
            ("rate_dps", "angular rate, °/s", 1),
            ("rate_percent", "%", 1),
            ("force_mps2", "specific force, m/s²", 2),
            ("force_percent", "%", 1),
            ("force_placed_mps2", "with its place fitted, m/s²", 2),
            ("force_placed_percent", "%", 1),
        ),
    ),
    Kind(
        "real_recordings",
        "Real recordings",
        "Every method that can use a real recording, against what another tool made of it: mean root mean square "
        "difference over angles, the same after each angle's offset is removed, and mean correlation. The references "
        "are no truth; other tools' lines show how far apart careful tools are.",
        (
            ("recording", "recording", None),
            ("reference", "reference", None),
            ("method", "method", None),
            ("legs_rms_deg", "legs, °", 1),
            ("legs_after_deg", "after offsets", 1),
            ("legs_r", "r", 2),
            ("all_rms_deg", "all angles, °", 1),
            ("all_after_deg", "after offsets", 1),
            ("all_r", "r", 2),
        ),
    ),
    Kind(
        "real_against_synthetic",
        "Real against virtual input",
        "Each method on a real recording, and on virtual sensors or cameras that read its reference's joint angles "
        "(mean over draws of their noise). On virtual input the reference is the truth, on real input it is another "
        "tool's estimate, so the difference is an upper bound of what real input costs. The paper, with one optical "
        "truth for both: IMUNet 5.6 and 4.9°, VideoNet 5.3 and 5.0°, FusionNet 4.5 and 4.1°.",
        (
            ("recording", "recording", None),
            ("reference", "reference", None),
            ("method", "method", None),
            ("legs_rms_deg_real", "legs: real, °", 1),
            ("legs_rms_deg_virtual", "virtual, °", 1),
            ("legs_after_deg_real", "after offsets: real", 1),
            ("legs_after_deg_virtual", "virtual", 1),
            ("all_rms_deg_real", "all angles: real, °", 1),
            ("all_rms_deg_virtual", "virtual, °", 1),
        ),
    ),
    Kind(
        "impaired_summary",
        "Movement done wrongly",
        "Exercises of UI-PRMD, done correctly and then incorrectly by people of the test set. A change is that of the "
        "range of motion of one coordinate, mean over repetitions. Differing: coordinates whose true change is "
        "significant (paired over people and exercises, corrected for all coordinates); found: those that the estimate "
        "shows too; claimed: significant in the estimate alone. The last three columns: whether the error itself is "
        "greater on incorrect movement.",
        (
            ("estimator", "method", None),
            ("pairs", "pairs", 0),
            ("r", "r of changes", 2),
            ("slope", "slope", 2),
            ("mean_error_of_change_deg", "error of a change, °", 1),
            ("right_direction_percent", "right direction, %", 0),
            ("differing", "differing", 0),
            ("found", "found", 0),
            ("claimed", "claimed", 0),
            ("correct_rmse_deg", "error, correct, °", 1),
            ("incorrect_rmse_deg", "incorrect, °", 1),
            ("rmse_p", "p", P),
        ),
    ),
    Kind(
        "impaired_coordinates",
        "Movement done wrongly, coordinate by coordinate",
        "Mean change of the range of motion, incorrect minus correct; p of paired t tests, corrected after Bonferroni.",
        (
            ("coordinate", "coordinate", None),
            ("estimator", "method", None),
            ("true_deg", "true, °", 1),
            ("true_p", "p", P),
            ("estimated_deg", "estimated, °", 1),
            ("estimated_p", "p", P),
            ("r", "r", 2),
            ("slope", "slope", 2),
        ),
        folded=True,
    ),
)

FILES: Final = (*(kind.file for kind in KINDS), "virtual_signals", "impaired_changes")


def read_beside(folder: Path | None) -> dict[str, list[dict[str, str]]]:
    """Return the rows of each table of `FILES` that lies in a folder; nothing without one.

    Raises
    ------
    FormatError
        If a file is no CSV with a header, or lacks a column that is shown.
    """
    if folder is None:
        return {}
    paths = {name: folder / f"{name}.csv" for name in FILES}
    found = {name: _rows(path) for name, path in paths.items() if path.is_file()}
    for kind in KINDS:
        missing = [key for key, _, _ in kind.columns if found.get(kind.file) and key not in found[kind.file][0]]
        if missing:
            raise FormatError(
                f"{paths[kind.file]}: expected a column {missing[0]!r}, found {', '.join(found[kind.file][0])}; have "
                "the tool that made it write it again."
            )
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(
            f"{path}: expected a table as CSV ({error}); have the tool that made it write it again."
        ) from (error)
    return [{key: value or "" for key, value in row.items() if key is not None} for row in rows]


def beside_section(tables: Tables) -> str:
    """Return the tables as a section of the page; empty without any."""
    parts = [_shown(kind, tables[kind.file]) for kind in KINDS if tables.get(kind.file)]
    return section("beside", "Beside the study", "".join(parts)) if parts else ""


def _shown(kind: Kind, rows: Sequence[Mapping[str, str]]) -> str:
    texts = sum(digits is None for _, _, digits in kind.columns)
    head = [text(heading) for _, heading, _ in kind.columns]
    cells = [[_cell(row[key], digits) for key, _, digits in kind.columns] for row in rows]
    body = f"<p>{text(kind.lead)}</p>{table(head, cells, numeric_from=texts)}"
    if kind.folded:
        return f"<details><summary>{text(kind.heading)}</summary>{body}</details>"
    return f"<h3>{text(kind.heading)}</h3>{body}"


def _cell(value: str, digits: int | None) -> str:
    if digits is None:
        return text(title(value) if value else UNKNOWN)
    if digits == P:
        return "&lt; 0.001" if value and 0 <= value_of(value) < 0.001 else number(value_of(value), 3)
    return number(value_of(value), digits)


def value_of(cell: str) -> float:
    """Return a cell's number; NaN if it has none."""
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def column(rows: Sequence[Mapping[str, str]], key: str) -> np.ndarray:
    """Return a column's numbers, (N,); NaN where there is none."""
    return np.array([value_of(row.get(key, "")) for row in rows])


def beside_figures(tables: Tables) -> list[Figure]:
    """Return the figures of the tables that are there."""
    found = (real_against_synthetic(tables), impaired_figure(tables), recordings_figure(tables))
    return [figure for figure in found if figure.panels]


def real_against_synthetic(tables: Tables) -> Figure:
    """Real against synthetic input: deviations in per cent of range, and both signals for two seconds."""
    deviations, signals = tables.get("virtual_sensors", ()), tables.get("virtual_signals", ())
    panels = []
    if deviations:
        panels.append(_deviations(deviations))
    for key, heading, unit in (
        ("rate", "Angular rate, one axis", "°/s"),
        ("force", "Specific force, one axis", " m/s²"),
    ):
        if signals:
            panels.append(_signals(signals, key, heading, unit))
    caption = (
        "First: how far the readings of a virtual sensor are from those of the real one in the same recording, as a "
        "share of the real signal's range, by the low-pass of the motion (virtual sensors are made with 10 Hz). Then "
        "both signals over two seconds of fast turning by hand, low-pass of 20 Hz."
    )
    return Figure(
        key="real-synthetic", title="Real against synthetic input", caption=caption, panels=panels, size="three"
    )


def _deviations(rows: Sequence[Mapping[str, str]]) -> Panel:
    parts = (
        ("rate_percent", "angular rate", "#1d4e79"),
        ("force_percent", "specific force", "#b35806"),
        ("force_placed_percent", "specific force, place fitted", "#f1a340"),
    )
    traces: list[Trace] = [
        {
            "type": "bar",
            "name": name,
            "x": [row["low_pass"] for row in rows],
            "y": plain(column(rows, key), 2),
            "marker": {"color": shade},
            "hovertemplate": f"{name}, %{{x}}: %{{y:.1f}} %<extra></extra>",
        }
        for key, name, shade in parts
    ]
    layout = {
        "yaxis": {"ticksuffix": " %", "rangemode": "tozero"},
        "xaxis": {"type": "category", "title": {"text": "low-pass"}},
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        "margin": {"l": 46, "r": 6, "t": 60, "b": 42},
    }
    return Panel(title="Deviation, per cent of range", traces=traces, layout=layout, height=340)


def _signals(rows: Sequence[Mapping[str, str]], key: str, heading: str, unit: str) -> Panel:
    seconds = plain(column(rows, "time_s"), 3)
    traces: list[Trace] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": kind,
            "x": seconds,
            "y": plain(column(rows, f"{kind}_{key}"), 2),
            "line": {"color": shade, "width": width, "dash": dash},
            "hovertemplate": f"{kind}: %{{y:.1f}}{unit}<extra></extra>",
        }
        for kind, shade, width, dash in (("real", "#111111", 2.5, "solid"), ("virtual", "#d55e00", 1.5, "dash"))
    ]
    layout = {
        "xaxis": {"title": {"text": "seconds"}},
        "yaxis": {"title": {"text": unit.strip()}},
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        "margin": {"l": 46, "r": 6, "t": 34, "b": 42},
    }
    return Panel(title=heading, traces=traces, layout=layout, height=340)


def impaired_figure(tables: Tables) -> Figure:
    """Estimated against true changes of the range of motion, a panel a method."""
    rows = tables.get("impaired_changes", ())
    methods = [
        key.removesuffix("_deg") for key in (rows[0] if rows else ()) if key.endswith("_deg") and key != "true_deg"
    ]
    true = column(rows, "true_deg")
    pairs = {method: column(rows, f"{method}_deg") for method in methods}
    reach = 1.05 * float(np.nanmax(np.abs(true))) if np.isfinite(true).any() else 1.0
    panels = [_changes(method, true, found, reach) for method, found in pairs.items()]
    caption = (
        "Each dot is one coordinate of one person in one exercise: how much its range of motion changes when the "
        "exercise is done incorrectly. On the diagonal the estimate sees the true change; on the horizontal none. "
        "Estimates beyond the axes lie on their edge."
    )
    return Figure(
        key="impaired", title="Movement done wrongly: is it seen?", caption=caption, panels=panels, size="small"
    )


def _changes(method: str, true: np.ndarray, found: np.ndarray, reach: float) -> Panel:
    diagonal: Trace = {
        "type": "scatter",
        "mode": "lines",
        "x": [-reach, reach],
        "y": [-reach, reach],
        "line": {"color": "#111111", "width": 1, "dash": "dash"},
        "hoverinfo": "skip",
    }
    known = np.isfinite(true) & np.isfinite(found)
    dots: Trace = {
        "type": "scatter",
        "mode": "markers",
        "meta": method,
        "x": plain(true[known], 1),
        "y": plain(np.clip(found[known], -reach, reach), 1),
        "marker": {"color": colour(method), "size": 3.5, "opacity": 0.5},
        "hovertemplate": "true change %{x}°, estimated %{y}°<extra></extra>",
    }
    axis = {"ticksuffix": "°", "range": [-reach, reach]}
    layout = {
        "xaxis": axis | {"title": {"text": "true change"}},
        "yaxis": axis | {"title": {"text": "estimated change"}},
    }
    return Panel(title=title(method), traces=[diagonal, dots], layout=layout, height=300)


def recordings_figure(tables: Tables) -> Figure:
    """Differences from the references of real recordings, a panel a recording."""
    rows = tables.get("real_recordings", ())
    names = dict.fromkeys(row["recording"] for row in rows)
    panels = [_recording(name, [row for row in rows if row["recording"] == name]) for name in names]
    caption = (
        "Hips, knees and ankles in the sagittal plane: mean root mean square difference from what another tool made of "
        "the same recording (pale: after each angle's offset is removed)."
    )
    return Figure(key="real-recordings", title="On real recordings", caption=caption, panels=panels)


def _recording(name: str, rows: Sequence[Mapping[str, str]]) -> Panel:
    traces: list[Trace] = [
        {
            "type": "bar",
            "orientation": "h",
            "y": [title(row["method"]) for row in rows],
            "x": plain(column(rows, key), 1),
            "marker": {"color": [bar_marker(row["method"])["color"] for row in rows], "opacity": opacity},
            "hovertemplate": f"{told}: %{{x}}°<extra></extra>",
        }
        for key, told, opacity in (("legs_rms_deg", "difference", 1.0), ("legs_after_deg", "after offsets", 0.45))
    ]
    layout = {
        "xaxis": {"ticksuffix": "°", "rangemode": "tozero"},
        "yaxis": {"autorange": "reversed", "automargin": True, "ticks": ""},
        "margin": {"l": 10, "r": 12, "t": 6, "b": 28},
    }
    return Panel(
        title=f"{name} (against {rows[0]['reference']})", traces=traces, layout=layout, height=70 + 44 * len(rows)
    )
