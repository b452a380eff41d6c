"""Figures for `results_real`: angles over time beside their references, and the knee's curve in walking."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import matplotlib
import numpy as np

from kinefuse.formats.storage import Table
from kinefuse.motion import Motion

matplotlib.use("Agg")
import matplotlib.pyplot as plt

ORANGE, BLUE, GREY, LIGHT = "#d55e00", "#0072b2", "#333333", "#999999"
SIDES: Final = {"r": "right", "l": "left"}
LEG: Final = ("hip_flexion", "knee_angle", "ankle_angle")
OPENSENSE_SHOWN: Final = (6.0, 16.0)
PHASES: Final = {
    "standing": (40.0, 44.0),
    "sitting": (52.0, 79.0),
    "walking": (95.0, 115.0),
    "walking ": (116.0, 138.5),
}


def _grid(rows: tuple[str, ...]) -> tuple[plt.Figure, np.ndarray]:
    """Angles down, sides across."""
    figure, axes = plt.subplots(len(rows), 2, figsize=(9, 1.9 * len(rows)), sharex=True, sharey="row", squeeze=False)
    for axis, (side, name) in zip(axes[0], SIDES.items(), strict=True):
        axis.set_title(name)
        for row, angle in enumerate(rows):
            axes[row, 0].set_ylabel(f"{angle}, °")
            axes[row, list(SIDES).index(side)].grid(alpha=0.3)
    return figure, axes


def _save(figure: plt.Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def draw_balancing(path: Path, motion: Motion, smplify: Motion, tables: Mapping[str, Table]) -> None:
    """Leg angles of VideoNet and smplify3d, from the videos, beside OpenSim's two results."""
    figure, axes = _grid(LEG)
    for row, angle in enumerate(LEG):
        for axis, side in zip(axes[row], SIDES, strict=True):
            name = f"{angle}_{side}"
            for (label, table), style in zip(tables.items(), ("-", "--"), strict=True):
                axis.plot(table.time, np.degrees(table.column(name)), style, color=LIGHT, label=f"OpenSim, {label}")
            axis.plot(smplify.time, np.degrees(smplify.angle(name)), color=BLUE, label="smplify3d")
            axis.plot(motion.time, np.degrees(motion.angle(name)), color=ORANGE, lw=2, label="VideoNet")
    axes[0, 0].legend(fontsize=7)
    for axis in axes[-1]:
        axis.set_xlabel("time, s")
    _save(figure, path)


def draw_opensense(path: Path, motion: Motion, table: Table) -> None:
    """Leg angles of IMUNet beside OpenSim's, ten seconds."""
    figure, axes = _grid(LEG)
    for row, angle in enumerate(LEG):
        for axis, side in zip(axes[row], SIDES, strict=True):
            name = f"{angle}_{side}"
            axis.plot(table.time, np.degrees(table.column(name)), color=GREY, lw=1, label="OpenSim IK")
            axis.plot(motion.time, np.degrees(motion.angle(name)), color=ORANGE, label="IMUNet")
            axis.set_xlim(*OPENSENSE_SHOWN)
    axes[0, 0].legend(fontsize=7)
    for axis in axes[-1]:
        axis.set_xlabel("time, s")
    _save(figure, path)


def draw_timeline(path: Path, motion: Motion) -> None:
    """Hips and knees of IMUNet over the whole recording, with what the person is said to do."""
    figure, axes = plt.subplots(2, 1, figsize=(9, 4.2), sharex=True, sharey=True)
    for axis, angle in zip(axes, LEG, strict=False):
        for (side, label), colour in zip(SIDES.items(), (ORANGE, BLUE), strict=True):
            axis.plot(motion.time, np.degrees(motion.angle(f"{angle}_{side}")), color=colour, lw=0.8, label=label)
        for phase, (start, end) in PHASES.items():
            axis.axvspan(start, end, color=LIGHT, alpha=0.2, lw=0)
            if axis is axes[0]:
                axis.text(0.5 * (start + end), 112, phase.strip(), ha="center", fontsize=8)
        axis.set_ylabel(f"{angle}, °")
        axis.set_ylim(-35, 125)
        axis.set_yticks((0, 45, 90))
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=7, loc="center right")
    axes[1].set_xlabel("time, s")
    _save(figure, path)


def draw_knees(path: Path, curves: Mapping[str, np.ndarray]) -> None:
    """Each knee's strides, thin, and their mean."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
    for axis, (name, own), colour in zip(axes, curves.items(), (ORANGE, BLUE), strict=True):
        share = np.linspace(0, 100, own.shape[1])
        axis.plot(share, own.T, color=LIGHT, lw=0.5, alpha=0.6)
        axis.plot(share, own.mean(0), color=colour, lw=2)
        axis.set_title(name)
        axis.set_xlabel("% of stride, from greatest flexion")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("flexion, °")
    _save(figure, path)
