"""Correct against incorrect exercises of UI-PRMD: does an estimator see the difference?

Computes what is missing, then writes ``docs/results/impaired_movement.md``, its figure and, for the study's page,
tables in ``docs/results/beside``.

Usage: python tools/results_impaired.py MOTION [--folder build/impaired] [--repetitions 3] [--estimator NAME ...]

MOTION is what `kinefuse prepare` makes of the motion capture; it holds both kinds of repetition: clips
``mMM_eEE`` are correct, ``mMM_iEE`` incorrect. Only people of the test set are used.
"""

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

import matplotlib
import numpy as np

from kinefuse.evaluation.material import Clip, motion_of
from kinefuse.metrics.compare import Row
from kinefuse.report.markup import number
from kinefuse.report.study_markdown import markdown_table
from kinefuse.report.study_style import colour
from kinefuse.study.impairment import (
    COMPARED,
    INCORRECT,
    Changes,
    change_rows,
    changes_of,
    coordinate_rows,
    summary_rows,
)
from kinefuse.study.levels import in_words
from kinefuse.study.means import Results
from kinefuse.study.naming import ordered, title
from kinefuse.study.plan import SHARED
from kinefuse.study.relation import p_in_words
from kinefuse.study.run import Study, run_study
from kinefuse.study.tables import csv_text
from kinefuse.synthesis.prepared import PreparedClip, read_prepared

matplotlib.use("Agg")
import matplotlib.pyplot as plt

ROOT: Final = Path(__file__).parents[1]
OUT: Final = ROOT / "docs" / "results"
IMAGE: Final = ROOT / "docs" / "images" / "impaired_movement.png"
ESTIMATORS: Final = ("fusion-optimisation", "fusionnet", "videonet", "imunet", "imu-kinematics", "smplify3d")
EXERCISES: Final = {
    "m01": "deep squat",
    "m02": "hurdle step",
    "m03": "inline lunge",
    "m04": "side lunge",
    "m05": "sit to stand",
    "m06": "straight leg raise",
    "m07": "shoulder abduction",
    "m08": "shoulder extension",
    "m09": "shoulder rotation",
    "m10": "shoulder scaption",
}


def chosen(clips: Sequence[PreparedClip], repetitions: int) -> list[Clip]:
    """Return so many repetitions of each kind of each test person's exercises, evenly from first to last."""
    groups: dict[tuple[str, str, str], list[PreparedClip]] = {}
    for clip in clips:
        if clip.subject.startswith("uiprmd") and clip.split == "test":
            groups.setdefault((clip.subject, clip.clip[:3], clip.clip[4]), []).append(clip)
    return [
        as_clip(own[place], kind == "i")
        for (_, _, kind), own in sorted(groups.items())
        for place in np.unique(np.linspace(0, len(own) - 1, repetitions + 2)[1:-1].round().astype(int))
    ]


def as_clip(clip: PreparedClip, incorrect: bool) -> Clip:
    """Return a repetition as a window of the study."""
    activity = EXERCISES[clip.clip[:3]] + INCORRECT * incorrect
    return Clip(subject=clip.subject, name=f"{clip.subject}-{clip.clip}", activity=activity, truth=motion_of(clip))


def p_cell(p: object) -> str:
    """Return a p as a cell of a table."""
    told = p_in_words(float(p)) if isinstance(p, float) else "–"  # not tested
    return told.removeprefix("p ").removeprefix("= ").replace("<", "&lt;")


def summary_table(rows: Sequence[Row]) -> str:
    """Return one line an estimator."""
    head = (
        "estimator", "r", "slope", "error of a change, °", "right direction, %", "found", "claimed", "RMSE correct, °",
        "incorrect, °", "p",
    )  # fmt: skip
    lines = [
        [
            title(str(row["estimator"])),
            number(row["r"], 2),
            number(row["slope"], 2),
            number(row["mean_error_of_change_deg"], 1),
            number(row["right_direction_percent"], 0),
            f"{row['found']} of {row['differing']}",
            str(row["claimed"]),
            number(row["correct_rmse_deg"], 1),
            number(row["incorrect_rmse_deg"], 1),
            p_cell(row["rmse_p"]),
        ]
        for row in rows
    ]
    return markdown_table(head, lines)


def coordinates_table(rows: Sequence[Row], estimators: Sequence[str]) -> str:
    """Return one line a coordinate: the mean change and its p, of the truth and of every estimator, and r."""
    found = {(row["coordinate"], row["estimator"]): row for row in rows}
    lines = []
    for name in COMPARED:
        own = [found[name, estimator] for estimator in estimators]
        cells = [
            f"{number(row['estimated_deg'], 1)} ({p_cell(row['estimated_p'])}), {number(row['r'], 2)}" for row in own
        ]
        lines.append([f"`{name}`", f"{number(own[0]['true_deg'], 1)} ({p_cell(own[0]['true_p'])})", *cells])
    return markdown_table(("coordinate", "truth", *map(title, estimators)), lines)


def draw(by_estimator: dict[str, Changes]) -> None:
    """Draw estimated over true changes, a panel an estimator; what lies beyond the axes is drawn on their edge."""
    reach = 1.05 * max(float(np.nanmax(np.abs(changes.true_change))) for changes in by_estimator.values())
    figure, axes = plt.subplots(1, len(by_estimator), figsize=(2.9 * len(by_estimator), 3.3), sharex=True, sharey=True)
    for axis, (name, changes) in zip(np.atleast_1d(axes), by_estimator.items(), strict=True):
        found = np.clip(changes.estimated_change, -reach, reach)
        axis.plot([-reach, reach], [-reach, reach], "k--", linewidth=0.8)
        axis.plot(changes.true_change.ravel(), found.ravel(), ".", ms=3, alpha=0.5, color=colour(name))
        axis.set(xlabel="true change, °", xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        axis.set_title(title(name), fontsize=9)
    np.atleast_1d(axes)[0].set_ylabel("estimated change, °")
    figure.tight_layout()
    figure.savefig(IMAGE, dpi=110)


def write(by_estimator: dict[str, Changes], clips: int, repetitions: int) -> None:
    """Write the document, the figure and the tables."""
    tables = {
        "impaired_summary": summary_rows(by_estimator),
        "impaired_coordinates": coordinate_rows(by_estimator),
        "impaired_changes": change_rows(by_estimator),
    }
    beside = OUT / "beside"
    beside.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        (beside / f"{name}.csv").write_text(csv_text(rows), encoding="utf-8")
    draw(by_estimator)
    first = tables["impaired_summary"][0]
    template = Path(__file__).with_name("results_impaired.md.txt").read_text(encoding="utf-8")
    told = {
        "date": date.today(),
        "people": first["people"],
        "pairs": first["pairs"],
        "clips": clips,
        "repetitions": repetitions,
        "setting": in_words(SHARED),
        "coordinates": first["coordinates"],
        "clear": first["clear"],
        "mean": number(first["mean_true_change_deg"], 1),
        "summary": summary_table(tables["impaired_summary"]),
        "by_coordinate": coordinates_table(tables["impaired_coordinates"], tuple(by_estimator)),
    }
    (OUT / "impaired_movement.md").write_text(template.format(**told), encoding="utf-8")


def main() -> None:
    """Compute what is missing, and write everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("motion", type=Path)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "impaired")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--estimator", nargs="*", default=list(ESTIMATORS))
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    clips = chosen(read_prepared(asked.motion), asked.repetitions)
    names = tuple(ordered(asked.estimator))
    study = Study(
        folder=asked.folder / "cells",
        settings=(SHARED,),
        estimators=names,
        repetitions=1,
        optimised_repetitions=1,
        seed=0,
    )
    cells = run_study(
        study, clips, asked.jobs, lambda _, done, total: print(f"{done} of {total}", end="\r", flush=True)
    )
    results = Results(cells)
    by_estimator = {name: changes_of(results.cells(SHARED.name, name)) for name in names}
    write(by_estimator, len(clips), asked.repetitions)


if __name__ == "__main__":
    main()
