"""Draw the figures of ``docs/results/deepfuse.md``: joints, frames over time, learning, and a look at single frames.

Usage: python tools/draw_deepfuse.py [--data build/motion.npz] [--clips 3] [--logs RUN ...] [--fused FILE]
           [--vision FILE]

Errors are those that `tools/results_deepfuse.py` kept, for the same arguments; RUN is a folder that
`kinefuse train deepfuse` wrote, and several went on from each other in that order.
"""

import argparse
import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from kinefuse.conventions import JOINTS, SEGMENT_PARENTS
from kinefuse.estimators.registry import make_estimator
from kinefuse.evaluation.filmed_mattes import FilmedMattes, filmed_mattes
from kinefuse.evaluation.material import Choice, Clip, load_clips
from kinefuse.evaluation.matte_scores import FrameErrors
from kinefuse.metrics.compare import motion_at
from kinefuse.recordings import Camera
from kinefuse.vision.cameras import project
from results_deepfuse import CALIBRATED, ROOT, VISION, beside_mattes, calibrated, filmed_part, scored, with_rows

IMAGES = ROOT / "docs" / "images"
COLOURS = {"truth": "black", "deepfuse-vision": "C1", "deepfuse": "C0"}
Scores = dict[str, list[FrameErrors]]


def draw_joints(scores: Scores, out: Path) -> None:
    """Bars of the mean error of each joint (the paper's Fig. 4)."""
    _, axes = plt.subplots(figsize=(9, 3.2), layout="constrained")
    for number, (name, own) in enumerate(scores.items()):
        means = 1000 * np.nanmean(np.concatenate([score.errors[0] for score in own]), axis=0)
        axes.bar(np.arange(len(JOINTS)) + 0.4 * number - 0.2, means, 0.4, label=name, color=COLOURS[name])
    axes.set_xticks(range(len(JOINTS)), JOINTS, rotation=60, ha="right", fontsize=8)
    axes.set(ylabel="mean error, mm")
    axes.legend()
    plt.savefig(out, dpi=110)


def draw_frames(scores: Scores, out: Path) -> None:
    """Error over the frames of the clip with the most even share of partial frames, marked (Fig. 6)."""
    shares = [abs(score.partial.mean() - 0.5) for score in scores["deepfuse"]]
    clip = int(np.argmin(shares))
    _, axes = plt.subplots(figsize=(9, 3), layout="constrained")
    for name, own in scores.items():
        axes.plot(1000 * own[clip].errors[0].mean(1), label=name, color=COLOURS[name])
    partial = scores["deepfuse"][clip].partial
    whole_height = axes.get_xaxis_transform()
    look = {"alpha": 0.15, "color": "C3", "step": "mid", "label": "partial frame"}
    axes.fill_between(np.arange(len(partial)), 0, 1, partial, transform=whole_height, **look)
    one = scores["deepfuse"][clip]
    axes.set(xlabel=f"frame of {one.subject} {one.clip}, 25 a second", ylabel="mean error, mm", ylim=(0, None))
    axes.legend(fontsize=8)
    plt.savefig(out, dpi=110)


def draw_learning(runs: list[Path], out: Path) -> None:
    """Validation error over training (Fig. 7)."""
    _, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
    labels = {"first_mm": "first stage", "error_mm": "second stage"}
    for key, label in labels.items():
        steps, errors, before = [], [], 0
        for run in runs:
            with (run / "log" / "metrics.csv").open(encoding="utf-8") as file:
                rows = [(int(row["step"]) + 1, row[f"validation/{key}"]) for row in csv.DictReader(file)]
            steps += [before + step for step, error in rows if error]
            errors += [float(error) for _, error in rows if error]
            before += max(step for step, _ in rows)
        axes.plot(steps, errors, marker=".", label=label)
    axes.set(xlabel="training steps of 8 frames", ylabel="mean joint error, mm", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    plt.savefig(out, dpi=110)


def draw_panel(clips: list[Clip], names: dict[str, str], out: Path) -> None:
    """One frame of some clips: a camera's matte with the truth, and with what each estimator says (Fig. 5)."""
    figure, axes = plt.subplots(len(clips), 1 + len(names), figsize=(11, 3 * len(clips)), layout="constrained")
    for row, clip in zip(np.atleast_2d(axes), map(filmed_part, clips), strict=True):
        seen = filmed_mattes(clip, 0)
        frame, view = len(seen.time) // 2, _best_view(seen)
        skeletons = {"truth": motion_at(clip.truth, seen.time).positions[frame]}
        skeletons |= {label: _joints(clip, seen, name)[frame] for label, name in names.items()}
        for panel, (label, joints) in zip(row, skeletons.items(), strict=True):
            matte = seen.mattes[view].frames(frame, frame + 1)[0]
            draw_skeleton(panel, seen.cameras[view], matte, joints, COLOURS[label])
            panel.set_title(label, fontsize=9)
        row[0].set_ylabel(f"{clip.subject}\n{clip.name}", fontsize=8)
    figure.savefig(out, dpi=90)


def _joints(clip: Clip, seen: FilmedMattes, name: str) -> np.ndarray:
    with TemporaryDirectory(prefix="kinefuse-mattes-") as folder:
        made = calibrated(clip, beside_mattes(clip))
        recording = replace(made, cameras=seen.cameras, views=seen.stored(Path(folder)), joint_centers=None)
        motion = make_estimator(name).estimate(recording)
    return motion_at(motion, seen.time).positions


def _best_view(seen: FilmedMattes) -> int:
    return int(np.argmax([mattes.frames(0, len(seen.time)).mean() for mattes in seen.mattes]))


def draw_skeleton(
    axes: Axes,
    camera: Camera,
    matte: np.ndarray,
    joints: np.ndarray,
    colour: str,
    to_cells: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> None:
    """Draw a matte (H, W) with joints (22, 3) over it; `to_cells` brings calibrated pixels to its cells."""
    axes.imshow(np.where(matte, 0.75, 1.0), cmap="gray", vmin=0, vmax=1)
    places = to_cells(project(camera, joints))
    for joint, parent in enumerate(SEGMENT_PARENTS):
        if parent >= 0:
            axes.plot(*places[[joint, parent]].T, color=colour, linewidth=1.5)
    rows, columns = np.nonzero(matte)
    if rows.size:
        axes.set_xlim(columns.min() - 20, columns.max() + 20)
        axes.set_ylim(rows.max() + 20, rows.min() - 20)
    axes.set_xticks([])
    axes.set_yticks([])


def main() -> None:
    """Draw all four."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=ROOT / "build" / "motion.npz")
    parser.add_argument("--split", default="test")
    parser.add_argument("--clips", type=int, default=3)
    parser.add_argument("--fused", type=Path)
    parser.add_argument("--vision", type=Path)
    parser.add_argument("--logs", type=Path, nargs="*", default=[])
    parser.add_argument("--panels", type=int, default=3, help="clips in the panel")
    options = parser.parse_args()
    every = with_rows(options.fused, options.vision)
    names = {name: every[name] for name in (CALIBRATED, VISION)}
    clips, _ = load_clips([options.data], Choice(chosen_set=options.split, per_subject=options.clips), lambda *_: None)
    folder = options.data.parent / "results" / "deepfuse"
    scores: Scores = {name: [] for name in names}
    for score in (score for clip in clips for score in scored(clip, every, folder)):
        if score.estimator in scores:
            scores[score.estimator].append(score)
    draw_joints(scores, IMAGES / "deepfuse_joints.png")
    draw_frames(scores, IMAGES / "deepfuse_frames.png")
    if options.logs:
        draw_learning(options.logs, IMAGES / "deepfuse_learning.png")
    chosen = [clips[i] for i in np.linspace(0, len(clips) - 1, options.panels).round().astype(int)]
    draw_panel(chosen, dict(reversed(names.items())), IMAGES / "deepfuse_panel.png")


if __name__ == "__main__":
    main()
