"""Draws how networks learned: errors on people kept for validation over training steps.

Usage: draw_learning.py OUT.png videonet=RUN[,RUN...] imunet=RUN[,RUN...] ...

A RUN is a folder that `kinefuse train` wrote; the runs of one network went on from each other, in that order.
"""

import csv
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PARTS = {"lower": "hips, knees, ankles", "all": "all joints"}
STYLES = {"lower": "--", "all": "-"}


def curve(runs: list[Path], part: str) -> tuple[list[int], list[float]]:
    """Return steps, counted over all runs, and validation errors in degrees."""
    steps, errors, before = [], [], 0
    for run in runs:
        with (run / "log" / "metrics.csv").open(encoding="utf-8") as file:
            rows = [(int(row["step"]) + 1, row[f"validation/{part}"]) for row in csv.DictReader(file)]
        steps += [before + step for step, error in rows if error]
        errors += [float(error) for _, error in rows if error]
        before += max((step for step, error in rows if error), default=0)
    return steps, errors


def main() -> None:
    """Draw the curves of all networks named on the command line."""
    out, *networks = sys.argv[1:]
    _, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for number, network in enumerate(networks):
        name, _, runs = network.partition("=")
        for part, meaning in PARTS.items():
            steps, errors = curve([Path(run) for run in runs.split(",")], part)
            label = f"{name}, {meaning}"
            axes.plot(steps, errors, STYLES[part], marker=".", color=f"C{number}", label=label)
    axes.set(xlabel="training steps of 32 windows", ylabel="RMSE, degrees", yscale="log")
    axes.set_yticks([4, 5, 6, 8, 10, 15], labels=["4", "5", "6", "8", "10", "15"])
    axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, ncols=max(len(networks), 1))
    plt.savefig(out, dpi=110)


if __name__ == "__main__":
    main()
