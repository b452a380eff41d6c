"""Draw ``docs/images/deepfuse_ablation.png`` from the table that `tools/results_deepfuse_ablation.py` wrote.

Usage: python tools/draw_deepfuse_ablation.py
"""

import csv
from collections import defaultdict
from pathlib import Path
from textwrap import fill
from typing import Final

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from kinefuse.conventions import JOINTS
from results_deepfuse_ablation import CONSTANT, OUT, ROOT, TABLES

IMAGE: Final = ROOT / "docs" / "images" / "deepfuse_ablation.png"
KINDS: Final = {"whole": "whole person seen", "partial": "partial frames"}
TITLES: Final = (
    "orientations, Random Shut",
    "how joints are read",
    "θ of the soft maximum",
    "going on from shipped weights",
    "cylinders, hull",
)

Errors = dict[tuple[str, str], dict[str, list[float]]]
"""By network and kind of frames: of each joint, one mean error a seed, millimetres."""


def read_errors(path: Path) -> Errors:
    """Return what a table holds."""
    errors: Errors = defaultdict(lambda: defaultdict(list))
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = row["network"] if row["cameras"] == "8" else f"{row['network']}, {row['cameras']} cameras"
            errors[name, row["frames"]][row["joint"]].append(float(row["error_mm"]))
    return errors


def draw_table(axes: Axes, names: list[str], errors: Errors) -> None:
    """Bars of each network's mean over joints, for frames that show the whole person and others; whiskers: seeds."""
    for number, (kind, label) in enumerate(KINDS.items()):
        seeds = [np.mean([errors[name, kind][joint] for joint in JOINTS], axis=0) for name in names]
        spread = [one.std(ddof=1) if len(one) > 1 else 0.0 for one in seeds]
        places = np.arange(len(names)) + 0.4 * number - 0.2
        bars = axes.bar(places, [one.mean() for one in seeds], 0.4, yerr=spread, label=label)
        axes.bar_label(bars, fmt="%.0f", fontsize=7)
    mean = float(np.mean([errors[CONSTANT, kind][joint] for kind in KINDS for joint in JOINTS]))
    axes.axhline(mean, color="grey", linestyle="dotted", label=CONSTANT)
    axes.set_xticks(range(len(names)), [fill(name, 14) for name in names], fontsize=7)
    axes.set_ylabel("mean error, mm")


def draw_joints(axes: Axes, errors: Errors) -> None:
    """Bars of each joint's error with orientations and without (the paper's Fig. 4)."""
    for number, name in enumerate(("fused", "vision")):
        means = [np.mean([errors[name, kind][joint] for kind in KINDS]) for joint in JOINTS]
        axes.bar(np.arange(len(JOINTS)) + 0.4 * number - 0.2, means, 0.4, label=name, color=("C2", "C3")[number])
    axes.set_xticks(range(len(JOINTS)), JOINTS, rotation=60, ha="right", fontsize=7)
    axes.set_ylabel("mean error, mm")
    axes.set_title("each joint, full and partial frames alike", fontsize=9)
    axes.legend(fontsize=7)


def main() -> None:
    """Read the table and draw it."""
    errors = read_errors(OUT.with_suffix(".csv"))
    figure, places = plt.subplot_mosaic("AAABBB;CCDDEE;FFFFFF", figsize=(10, 9), layout="constrained")
    for axes, title, names in zip(map(places.get, "ABCDE"), TITLES, TABLES.values(), strict=True):
        assert axes is not None
        draw_table(axes, [name for name in names if (name, "whole") in errors], errors)
        axes.set_title(title, fontsize=9)
    figure.legend(*places["A"].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8)
    draw_joints(places["F"], errors)
    figure.savefig(IMAGE, dpi=100)


if __name__ == "__main__":
    main()
