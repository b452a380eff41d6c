"""Tables of the report: range of motion, comparison with a reference, and where each segment's values come from."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from kinefuse.conventions import INFERRED, INTERPOLATED, MEASURED, SEGMENTS
from kinefuse.motion import Motion
from kinefuse.report.curves import shown_movements
from kinefuse.report.markup import UNKNOWN, number, percent, section, table, text
from kinefuse.report.wording import Movement, near_singular, plain_angles, segment_shares, spoken_segment

KINDS: Final = (MEASURED, INTERPOLATED, INFERRED)
MOSTLY: Final = 0.5
"""Share of inferred frames above which a range says little about the subject."""


def range_of_motion(angle: np.ndarray, excluded: np.ndarray | None = None) -> tuple[float, float, float]:
    """Return (min, max, range) of an angle (T,) over the frames that are known and not excluded; NaN if none is."""
    known = np.isfinite(angle) if excluded is None else np.isfinite(angle) & ~excluded
    if not known.any():
        return (float("nan"),) * 3
    low, high = float(angle[known].min()), float(angle[known].max())
    return low, high, high - low


def motion_ranges(motion: Motion) -> list[tuple[Movement, dict[str, tuple[float, float, float]]]]:
    """Return (min, max, range) in degrees by side ("l", "r" or "c") for every movement that has a value.

    Frames near a joint's singular position are left out of its first and last angle, which cannot be told apart there,
    as in comparisons. The middle one, such as the adduction of a shoulder, is known there too.
    """
    angles = plain_angles(motion)
    return [
        (m, {side: range_of_motion(angles[name], near_singular(motion, name)) for side, name in m.names()})
        for m in shown_movements(angles)
    ]


def ranges_section(motion: Motion) -> str:
    """Return the range-of-motion section: min, max and range for each side, and how the sides differ."""
    ranges = motion_ranges(motion)
    lead = (
        "<p>How far each joint moved in this trial, in degrees, and between which angles, over all frames of which "
        "it can be told. The asymmetry is right minus left, and that difference as a share of the larger range. "
        "A movement called inferred was mostly not measured, on at least one side: do not read it as the subject's.</p>"
    )
    titles = {m.key: _title(motion, m) for m, _ in ranges}
    body = lead + _paired([item for item in ranges if item[0].sided and not item[0].minor], titles)
    body += _single([item for item in ranges if not item[0].sided], titles)
    minor = _paired([item for item in ranges if item[0].minor], titles)
    if minor:
        body += f'<details class="screen"><summary>Smaller movements, to be read with care</summary>{minor}</details>'
    return section("ranges", "Range of motion", body)


Ranges = list[tuple[Movement, dict[str, tuple[float, float, float]]]]


def _title(motion: Motion, movement: Movement) -> str:
    """Return what a movement is called, HTML, and whether it is mostly what is usual of bodies."""
    states = np.stack([movement.provenance(motion, side) for side, _ in movement.names()])
    inferred = len(motion.time) and (states == INFERRED).mean(axis=1).max() > MOSTLY
    return text(movement.title) + (' <span class="between">inferred</span>' if inferred else "")


def _paired(ranges: Ranges, titles: Mapping[str, str]) -> str:
    rows = [
        [titles[m.key], _extent(sides["l"]), _extent(sides["r"]), _asymmetry(sides["l"][2], sides["r"][2])]
        for m, sides in ranges
    ]
    return table(["Movement", "Left", "Right", "Asymmetry"], rows) if rows else ""


def _single(ranges: Ranges, titles: Mapping[str, str]) -> str:
    rows = [[titles[m.key], _extent(sides["c"])] for m, sides in ranges]
    return table(["Movement", "Range"], rows) if rows else ""


def _extent(values: tuple[float, float, float]) -> str:
    low, high, extent = values
    if not np.isfinite(extent):
        return UNKNOWN
    return f'<b>{number(extent, 0, "°")}</b> <span class="between">{number(low, 0)} … {number(high, 0)}</span>'


def _asymmetry(left: float, right: float) -> str:
    """Return right minus left; the share only where it means something (a range above 5°)."""
    if not np.isfinite(left + right):
        return UNKNOWN
    difference, larger = right - left, max(left, right)
    share = (
        f' <span class="between">{number(100 * abs(difference) / larger, 0, " %")}</span>'
        if larger > 5
        else ' <span class="between">&nbsp;</span>'
    )
    return ("+" if difference >= 0.5 else "") + number(difference, 0, "°") + share


def comparison_section(comparison: Mapping[str, Any]) -> str:
    """Return the comparison with a reference.

    Parameters
    ----------
    comparison
        ``rows``: one mapping a movement with ``title``, ``minor``, and ``left`` and ``right`` (or ``middle``) as root
        mean square errors in degrees; ``summary``: (what, value with unit) pairs; ``notes``: sentences.
    """
    rows = comparison.get("rows", ())
    summary = "".join(
        f'<div class="figure"><b>{text(value)}</b><span>{text(what)}</span></div>'
        for what, value in comparison.get("summary", ())
    )
    notes = "".join(f'<p class="note">{text(note)}</p>' for note in comparison.get("notes", ()))
    lead = "<p>This result against the reference motion of the same trial; errors of joint angles in degrees.</p>"
    body = lead + f'<div class="figures">{summary}</div>'
    body += _error_table([row for row in rows if not row.get("minor")])
    minor = _error_table([row for row in rows if row.get("minor")])
    if minor:
        body += f'<details class="screen"><summary>Smaller movements</summary>{minor}</details>'
    return section("comparison", "Against the reference", body + notes)


def _error_table(rows: list[Mapping[str, Any]]) -> str:
    cells = [
        [text(row["title"]), *(number(row.get(side), 1, "°") for side in ("left", "right", "middle"))] for row in rows
    ]
    return table(["Root mean square error", "Left", "Right", "No side"], cells) if cells else ""


def provenance_table(motion: Motion) -> str:
    """Return per segment the share of frames that were measured, interpolated and inferred."""
    shares = segment_shares(motion.provenance, KINDS)
    known = np.isfinite(motion.R_world_segment).all(axis=(2, 3)).mean(axis=0) if len(motion.time) else shares[:, 0]
    rows = [
        [text(spoken_segment(name)), *(percent(float(value)) for value in shares[s]), percent(1.0 - float(known[s]))]
        for s, name in enumerate(SEGMENTS)
    ]
    return table(["Segment", "Measured", "Interpolated", "Inferred", "No value"], rows)
