"""The report's page of a gait laboratory: what strides are like, and the joints over the gait cycle, left and right."""

from typing import Any, Final

import numpy as np

from kinefuse.metrics.angles import interpolate_angles
from kinefuse.metrics.gait_cycles import POINTS
from kinefuse.metrics.standing_feet import place_is_known
from kinefuse.metrics.strides import QUANTITIES, Stride, mean_and_sd, strides_of
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


def walking_section(motion: Motion) -> str:
    """Return the section about walking; empty where nobody walks."""
    strides, left_out = strides_of(motion)
    if not strides:
        return ""
    count = {side: sum(stride.side == side for stride in strides) for side in "lr"}
    lead = (
        f"<p>{counted(count['l'], 'stride')} of the left foot and {count['r']} of the right, each from one touchdown "
        "of the foot to its next, found from how feet move against the pelvis. Means and standard deviations are over "
        "strides.</p>"
    )
    notes = []
    if min(count.values()) < FEW:
        notes.append(f"Fewer than {FEW} strides of a foot: do not take its means for how this person walks.")
    if not place_is_known(motion):
        notes.append(
            "No place was measured: lengths and speed follow from how legs of average build, of the height in "
            "trial.toml if there is one, move over the standing foot."
        )
    if left_out:
        notes.append(f"Left out: {counted(left_out, 'stride')} in which a foot was mostly inferred.")
    told = "".join(f'<p class="note">{text(note)}</p>' for note in notes)
    return section("walking", "Walking", lead + told + _figures(strides) + _sides(strides) + _plots(motion))


def _figures(strides: list[Stride]) -> str:
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


def _sides(strides: list[Stride]) -> str:
    rows = []
    for key, quantity in QUANTITIES.items():
        if not quantity.sided:
            continue
        left, right = (mean_and_sd([s for s in strides if s.side == side], key) for side in "lr")
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


def _movements(motion: Motion) -> list[Movement]:
    angles = plain_angles(motion)
    every = {movement.key: movement for _, movements in GROUPS for movement in movements}
    return [every[key] for key in SHOWN if any(np.isfinite(angles[name]).any() for _, name in every[key].names())]


def _plots(motion: Motion) -> str:
    legend = (
        '<h3>Over the gait cycle</h3><p class="legend"><span class="key"><i class="line l"></i>left</span>'
        '<span class="key"><i class="line r"></i>right</span><span class="key"><i class="band"></i>± 1 standard '
        "deviation over strides</span><span>Upright lines: the foot leaves the ground.</span></p>"
    )
    frames = "".join(_frame(movement) for movement in _movements(motion))
    return f'{legend}<div class="plots">{frames}</div>'


def _frame(movement: Movement) -> str:
    signs = f"<b>+</b> {text(movement.positive)} &nbsp; <b>−</b> {text(movement.negative)}"
    return (
        f'<figure class="plot cycle" data-cycle="{text(movement.key)}"><figcaption><strong>{text(movement.title)}'
        f'</strong><span class="signs">{signs}</span></figcaption><div class="canvas" role="img" '
        f'aria-label="{text(movement.title)} in degrees over the gait cycle"></div></figure>'
    )


def walking_data(motion: Motion) -> dict[str, Any]:
    """Return what the page's script draws: mean and spread of angles over the cycle, and when the foot leaves.

    Returns
    -------
    ``plots``: each with its ``key`` and ``curves``, which hold ``side``, ``mean`` and ``sd`` (101,) in degrees, and
    ``off``, the share of the cycle at which the foot leaves the ground.
    """
    strides = strides_of(motion)[0]
    if not strides:
        return {"plots": []}
    plots, angles = [], plain_angles(motion)
    for movement in _movements(motion):
        curves = []
        for side in "lr":
            own = [stride for stride in strides if stride.side == side]
            name = f"{movement.key}_{side}" if movement.sided else movement.key
            curve = _curve(motion.time, np.where(near_singular(motion, name), np.nan, angles[name]), own)
            if curve:
                off = round(100 * mean_and_sd(own, "stance")[0] / QUANTITIES["stance"].scale, 1)
                curves.append({"side": side, "off": off, **curve})
        plots.append({"key": movement.key, "curves": curves})
    return {"plots": plots}


def _curve(time: np.ndarray, angle: np.ndarray, strides: list[Stride]) -> dict[str, list[float]]:
    """Return mean and standard deviation over strides of an angle (T,), degrees; empty if none tells it throughout."""
    at = np.array([np.linspace(stride.start, stride.end, POINTS) for stride in strides]).reshape(-1)
    rows = interpolate_angles(time, np.deg2rad(angle)[:, None], at)[:, 0].reshape(-1, POINTS)
    rows = np.rad2deg(np.unwrap(rows[np.isfinite(rows).all(axis=1)], axis=1))
    if not len(rows):
        return {}
    sd = rows.std(axis=0, ddof=1) if len(rows) > 1 else np.zeros(POINTS)
    return {"mean": np.round(rows.mean(axis=0), 2).tolist(), "sd": np.round(sd, 2).tolist()}
