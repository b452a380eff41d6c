"""Angle curves: the numbers that the page's script draws, and the frames of the plots."""

from typing import Any, Final

import numpy as np

from kinefuse.conventions import INFERRED, INTERPOLATED
from kinefuse.motion import Motion
from kinefuse.report.agreement import nearest_frames
from kinefuse.report.markup import section, text
from kinefuse.report.packing import base64_text, pack_floats, runs, thin_frames
from kinefuse.report.wording import GROUPS, Movement, near_singular, plain_angle_sd, plain_angles

MAX_RATE_HZ: Final = 200.0
MAX_FRAMES: Final = 3000
SINGULAR_SHARE: Final = 0.02
"""From this share of frames on, a plot says that its joint is near a singular position."""


def shown_movements(angles: dict[str, np.ndarray]) -> list[Movement]:
    """Return the movements of which at least one side has a value."""
    everything = [movement for _, movements in GROUPS for movement in movements]
    return [m for m in everything if any(np.isfinite(angles[name]).any() for _, name in m.names())]


def curve_data(motion: Motion, truth: Motion | None = None) -> dict[str, Any]:
    """Return what the page's script needs to draw every curve.

    Parameters
    ----------
    motion, truth
        `truth` is drawn on its own time stamps.

    Returns
    -------
    ``time`` and ``truthTime`` packed, and ``plots``: per movement its key, side by side the packed values (degrees,
    NaN in gaps), standard deviations, provenance (0, 1, 2) and truth, and the shaded spans.
    """
    kept = thin_frames(motion.time, MAX_RATE_HZ, MAX_FRAMES)
    angles, sds = plain_angles(motion), plain_angle_sd(motion)
    truth_angles = plain_angles(truth) if truth is not None else {}
    truth_kept = thin_frames(truth.time, MAX_RATE_HZ, MAX_FRAMES) if truth is not None else np.zeros(0, int)
    plots = []
    for movement in shown_movements(angles):
        curves = []
        for side, name in movement.names():
            provenance = movement.provenance(motion, side)[kept]
            curve: dict[str, Any] = {"side": side, "values": pack_floats(np.round(angles[name][kept], 2))}
            curve["provenance"] = base64_text(provenance.astype(np.uint8))
            if name in sds:
                curve["sd"] = pack_floats(np.round(sds[name][kept], 2))
            if truth is not None and name in truth_angles:
                turns = whole_turns(motion.time, angles[name], truth.time, truth_angles[name])
                curve["truth"] = pack_floats(np.round(truth_angles[name][truth_kept] + turns, 2))
            curves.append(curve)
        plots.append(
            {"key": movement.key, "title": movement.title, "curves": curves, "spans": _spans(motion, movement)}
        )
    return {
        "time": pack_floats(motion.time[kept]),
        "truthTime": pack_floats(truth.time[truth_kept]) if truth is not None else "",
        "plots": plots,
    }


def whole_turns(time: np.ndarray, angle: np.ndarray, other_time: np.ndarray, other: np.ndarray) -> float:
    """Return the whole turns, in degrees, that bring `other` next to `angle`: 350° and -10° are one heading.

    Parameters
    ----------
    time, other_time : (T,), (N,) seconds
    angle, other : (T,), (N,) degrees, NaN where unknown
    """
    nearest = nearest_frames(other_time, time)
    difference = (angle - other[nearest])[nearest >= 0]
    difference = difference[np.isfinite(difference)]
    return 360.0 * round(float(np.median(difference)) / 360.0) if len(difference) else 0.0


def _spans(motion: Motion, movement: Movement) -> list[list[float]]:
    """Return [start, end, kind] of the times at which a side was not measured; seconds, kind 1 or 2."""
    states = np.stack([movement.provenance(motion, side) for side, _ in movement.names()])
    half = 0.5 / motion.rate_hz if len(motion.time) > 1 else 0.0
    inferred = (states == INFERRED).any(axis=0)
    interpolated = (states == INTERPOLATED).any(axis=0) & ~inferred
    spans = []
    for kind, flags in ((INTERPOLATED, interpolated), (INFERRED, inferred)):
        for start, stop in runs(flags)[:200]:
            spans.append([float(motion.time[start] - half), float(motion.time[stop - 1] + half), float(kind)])
    return spans


def curves_section(motion: Motion, truth: Motion | None = None) -> str:
    """Return the section with one empty frame a plot; the page's script fills a frame when it comes into view."""
    angles = plain_angles(motion)
    shown = shown_movements(angles)
    if not shown:
        return section("angles", "Joint angles", "<p>This result holds no joint angles.</p>")
    groups = "".join(_group(title, [m for m in movements if m in shown], motion) for title, movements in GROUPS)
    hidden = [m.title.lower() for _, movements in GROUPS for m in movements if m not in shown]
    absent = f'<p class="note">Not told by this result: {text(", ".join(hidden))}.</p>' if hidden else ""
    return section("angles", "Joint angles", _legend(motion, truth) + groups + absent)


def _legend(motion: Motion, truth: Motion | None) -> str:
    keys = [
        '<span class="key"><i class="line l"></i>left</span>',
        '<span class="key"><i class="line r"></i>right</span>',
    ]
    keys.append('<span class="key"><i class="line c"></i>no side</span>')
    if truth is not None:
        keys.append('<span class="key"><i class="line t"></i>reference</span>')
    if plain_angle_sd(motion):
        keys.append('<span class="key"><i class="band"></i>± 1 standard deviation</span>')
    if (motion.provenance == INTERPOLATED).any():
        keys.append('<span class="key"><i class="span1"></i>filled over a short gap</span>')
    if (motion.provenance == INFERRED).any():
        keys.append('<span class="key"><i class="span2"></i>inferred, not measured (dotted line)</span>')
    kept = thin_frames(motion.time, MAX_RATE_HZ, MAX_FRAMES)
    thinned = f" Curves show {len(kept)} of {len(motion.time)} frames." if len(kept) < len(motion.time) else ""
    return (
        "<p>All angles in degrees against time in seconds; zero is upright standing with hanging arms, palms "
        f"forward. A gap in a line means that nothing is known there.{thinned} "
        '<span class="screen">Tap or point at a plot to read values and to move the body above to that moment.</span>'
        f'</p><p class="legend">{" ".join(keys)}</p>'
    )


def _group(title: str, movements: list[Movement], motion: Motion) -> str:
    major = "".join(_frame(m, motion) for m in movements if not m.minor)
    minor = "".join(_frame(m, motion) for m in movements if m.minor)
    if not movements:
        return ""
    body = f'<div class="plots">{major}</div>' if major else ""
    if minor:
        body += (
            '<details class="screen"><summary>Smaller movements of this joint, to be read with care</summary>'
            f'<div class="plots">{minor}</div></details>'
        )
    return f'<div class="group"><h3>{text(title)}</h3>{body}</div>'


def _frame(movement: Movement, motion: Motion) -> str:
    signs = f"<b>+</b> {text(movement.positive)}"
    if movement.negative:
        signs += f" &nbsp; <b>−</b> {text(movement.negative)}"
    share = max(float(near_singular(motion, name).mean()) for _, name in movement.names()) if len(motion.time) else 0.0
    doubt = ""
    if share >= SINGULAR_SHARE:
        doubt = (
            f'<p class="doubt">In {100 * share:.0f} % of the frames the limb is near 90° to the side, where this angle '
            "cannot be told from its neighbours; do not read it there.</p>"
        )
    return (
        f'<figure class="plot" data-key="{text(movement.key)}"><figcaption><strong>{text(movement.title)}</strong>'
        f'<span class="signs">{signs}</span></figcaption><div class="canvas" role="img" '
        f'aria-label="{text(movement.title)} in degrees over time"></div>{doubt}</figure>'
    )
