"""The report's page of a gait laboratory: what strides are like, and the joints over the gait cycle, left and right."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from kinefuse.conventions import INFERRED
from kinefuse.metrics.angles import interpolate_angles
from kinefuse.metrics.gait_cycles import POINTS, SIDES, stretch
from kinefuse.metrics.strides import (
    BELT,
    LEGS,
    MOSTLY,
    PLACE,
    QUANTITIES,
    STRAIGHT_RAD,
    Stride,
    Walking,
    mean_and_sd,
    strides_of,
)
from kinefuse.motion import Motion
from kinefuse.report.markup import UNKNOWN, counted, number, section, table, text
from kinefuse.report.wording import GROUPS, Movement, near_singular, plain_angles

SHOWN: Final = (
    "hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle", "subtalar_angle",
    "pelvis_tilt", "pelvis_list", "lumbar_rotation",
)  # fmt: skip
"""Movements that are drawn over the gait cycle."""

FEW: Final = 3
"""Below so many strides of a foot, its curves and means are those of chance."""

Sides = Mapping[str, Sequence[Stride]]

AGAINST: Final = {
    PLACE: "",
    BELT: "The body stays in place while the feet go backwards, as on a treadmill: lengths and speed are against its "
    "belt.",
    LEGS: "No place was measured: lengths and speed follow from how legs of average build, of the height in trial.toml "
    "if there is one, move over the standing foot, on the ground or on a treadmill.",
}
"""A sentence about what lengths are against."""


def walking_parts(motion: Motion) -> tuple[str, dict[str, Any]]:
    """Return the section about walking, empty where nobody walks, and what the page's script draws for it.

    Returns
    -------
    HTML, and ``plots``: each with its ``key`` and ``curves``, which hold ``side``, ``mean`` and ``sd`` (101,) in
    degrees (``sd`` empty for a single stride), how many strides they are of, and ``off``, the percentage of the cycle
    at which the foot leaves the ground.
    """
    walking = strides_of(motion)
    if not walking.strides and not walking.left_out:
        return "", {"plots": []}
    notes = "".join(f'<p class="note">{text(note)}</p>' for note in _notes(walking))
    if not walking.strides:
        return section("walking", "Walking", notes), {"plots": []}
    sides = {side: [stride for stride in walking.straight if stride.side == side] for side in SIDES}
    plots = _plots(motion, sides)
    told = _lead(sides) + notes + _figures(walking.straight) + _sides(sides)
    return section("walking", "Walking", told + _frames(plots, sides)), {"plots": plots}


def _lead(sides: Sides) -> str:
    return (
        f"<p>{counted(len(sides['l']), 'stride')} of the left foot and {len(sides['r'])} of the right, each "
        "from one touchdown of the foot to its next, found from how feet move against the pelvis. Means and standard "
        "deviations are over strides.</p>"
    )


def _notes(walking: Walking) -> list[str]:
    notes = [AGAINST[walking.place]] if AGAINST[walking.place] and walking.strides else []
    turning = sum(abs(stride.turn) > STRAIGHT_RAD for stride in walking.strides)
    if 0 < turning < len(walking.strides):
        notes.append(
            f"Not among these, but in strides.csv: {counted(turning, 'stride')} in which the body turned by more than "
            f"{np.rad2deg(STRAIGHT_RAD):.0f}°."
        )
    elif turning:
        notes.append(f"In all of them the body turned by more than {np.rad2deg(STRAIGHT_RAD):.0f}°.")
    if walking.strides and min(sum(stride.side == side for stride in walking.straight) for side in SIDES) < FEW:
        notes.append(f"Fewer than {FEW} strides of a foot: do not take its means for how this person walks.")
    if walking.left_out:
        notes.append(
            f"Left out: {counted(walking.left_out, 'stride')} in which a foot was mostly inferred, or unknown at a "
            "moment that matters."
        )
    return notes


def _figures(strides: Sequence[Stride]) -> str:
    """Return what both sides have in common, in large type."""
    boxes = []
    for key, quantity in QUANTITIES.items():
        if quantity.sided:
            continue
        mean, sd = mean_and_sd(strides, key)
        spread = f" ± {number(sd, quantity.digits)}" if np.isfinite(sd) else ""
        shown = number(mean, quantity.digits) + spread
        boxes.append(f'<div class="figure"><b>{shown}</b><span>{quantity.title}, {text(quantity.unit)}</span></div>')
    return f'<div class="figures">{"".join(boxes)}</div>'


def _sides(sides: Sides) -> str:
    rows = []
    for key, quantity in QUANTITIES.items():
        if not quantity.sided:
            continue
        left, right = (mean_and_sd(sides[side], key) for side in SIDES)
        cells = [_mean(*left, quantity.digits), _mean(*right, quantity.digits)]
        title = f'{quantity.title} <span class="between">{text(quantity.unit)}</span>'
        rows.append([title, *cells, _asymmetry(left[0], right[0], quantity.digits)])
    return table(["", "Left", "Right", "Asymmetry"], rows)


def _mean(mean: float, sd: float, digits: int) -> str:
    if not np.isfinite(mean):
        return UNKNOWN
    spread = f"± {number(sd, digits)}" if np.isfinite(sd) else "&nbsp;"
    return f'<b>{number(mean, digits)}</b> <span class="between">{spread}</span>'


def _asymmetry(left: float, right: float, digits: int) -> str:
    """Return right minus left, and that as a share of the larger one."""
    apart = right - left
    if not np.isfinite(apart):
        return UNKNOWN
    shown, share = number(apart, digits), 100 * abs(apart) / max(left, right)
    sign = "+" if apart > 0 and float(shown) else ""
    return f'{sign}{shown} <span class="between">{number(share, 0, " %")}</span>'


def _plots(motion: Motion, sides: Sides) -> list[dict[str, Any]]:
    """Return the curves of each movement that some stride tells from its beginning to its end."""
    movements = {movement.key: movement for _, of_joint in GROUPS for movement in of_joint}
    angles, plots = plain_angles(motion), []
    for key in SHOWN:
        curves = [curve for side in SIDES if (curve := _curve(motion, angles, movements[key], sides[side], side))]
        if curves:
            plots.append({"key": key, "curves": curves})
    return plots


def _curve(
    motion: Motion, angles: dict[str, np.ndarray], movement: Movement, strides: Sequence[Stride], side: str
) -> dict[str, Any]:
    """Return mean and standard deviation of an angle over one foot's strides; empty if none tells it throughout."""
    of = side if movement.sided else "c"
    name = dict(movement.names())[of]
    inferred = movement.provenance(motion, of) == INFERRED
    told = [s for s in strides if inferred[stretch(motion.time, s.start, s.end)].mean() <= MOSTLY]
    angle = np.deg2rad(np.where(near_singular(motion, name), np.nan, angles[name]))
    at = np.array([np.linspace(stride.start, stride.end, POINTS) for stride in told]).reshape(-1)
    rows = interpolate_angles(motion.time, angle[:, None], at)[:, 0].reshape(-1, POINTS)
    rows = np.rad2deg(np.unwrap(rows[np.isfinite(rows).all(axis=1)], axis=1))
    if not len(rows):
        return {}
    sd = np.round(rows.std(axis=0, ddof=1), 2).tolist() if len(rows) > 1 else []
    off = mean_and_sd(strides, "stance")[0]
    return {"side": side, "mean": np.round(rows.mean(axis=0), 2).tolist(), "sd": sd, "strides": len(rows), "off": off}


def _frames(plots: Sequence[dict[str, Any]], sides: Sides) -> str:
    legend = (
        '<h3>Over the gait cycle</h3><p class="legend"><span class="key"><i class="line l"></i>left</span>'
        '<span class="key"><i class="line r"></i>right</span><span class="key"><i class="band"></i>± 1 standard '
        "deviation over strides</span><span>Upright lines: the foot leaves the ground.</span></p>"
    )
    return f'{legend}<div class="plots">{"".join(_frame(plot, sides) for plot in plots)}</div>' if plots else ""


def _frame(plot: dict[str, Any], sides: Sides) -> str:
    movement = next(movement for _, movements in GROUPS for movement in movements if movement.key == plot["key"])
    signs = f"<b>+</b> {text(movement.positive)} &nbsp; <b>−</b> {text(movement.negative)}"
    count = {"l": 0, "r": 0} | {curve["side"]: curve["strides"] for curve in plot["curves"]}
    doubt = ""
    if any(count[side] < len(sides[side]) for side in SIDES):
        doubt = (
            f'<p class="doubt">Of {counted(count["l"], "stride")} of the left foot and {count["r"]} of the right; in '
            "the others it was inferred or unknown.</p>"
        )
    return (
        f'<figure class="plot cycle" data-cycle="{text(movement.key)}"><figcaption><strong>{text(movement.title)}'
        f'</strong><span class="signs">{signs}</span></figcaption><div class="canvas" role="img" '
        f'aria-label="{text(movement.title)} in degrees over the gait cycle"></div>{doubt}</figure>'
    )
