"""Make ``docs/results/deepfuse.md``: DeepFuse with and without sensors on silhouettes of people new to it.

Usage: python tools/results_deepfuse.py [--data build/motion.npz] [--clips 3] [--fused FILE] [--vision FILE]

A table of `kinefuse evaluate --json results/deepfuse/evaluate.json`, beside the data, is shown too if it is there.

Each clip's frames are kept beside the data and made again only if they are removed, so the command may be interrupted.
"""

import argparse
import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.conventions import IMU_SITES, JOINTS, SEGMENT_INDEX
from kinefuse.estimators.registry import make_estimator
from kinefuse.evaluation.filmed_mattes import CAMERAS, LONGEST_S, MATTES_HZ
from kinefuse.evaluation.judging import seed_generators
from kinefuse.evaluation.material import Choice, Clip, load_clips, middle, stable_rng
from kinefuse.evaluation.matte_scores import FrameErrors, joint_rows, score_clip, summary
from kinefuse.evaluation.recordings import Conditions
from kinefuse.metrics.compare import Row
from kinefuse.metrics.groups import GROUPS
from kinefuse.recordings import Recording
from kinefuse.rotations import matrix_from_rotvec, slerp_matrices, yaw_matrix
from kinefuse.study.making import maker_of
from kinefuse.study.plan import Setting
from kinefuse.study.signals import turned
from kinefuse.training.volume_examples import VALIDATION

ROOT: Final = Path(__file__).parents[1]
OUT: Final = ROOT / "docs" / "results" / "deepfuse.md"
CALIBRATED: Final = "deepfuse"
"""As in the paper: mounting and the devices' frame in the world come from a calibration, with its errors."""

VISION: Final = "deepfuse-vision"
POSED: Final = "deepfuse, a pose held"
UNPOSED: Final = "deepfuse, no pose held"
"""With sensors put on askew of which nothing else is known; the cameras tell the rest."""

PAPER_MM: Final = {"deepfuse": 28.9, "deepfuse-vision": 32.7}
"""TotalCapture, Huang et al., Table 3."""

ARRAYS: Final = ("partial", "errors", "jitter")


def beside_mattes(clip: Clip) -> Recording:
    """Return what is recorded of a clip whose time begins at zero: sensors put on askew, and a pose held before it."""
    setting = Setting(name="sensors", family="", mounting_sd_rad=0.0, level_m=None)
    whole = maker_of(clip, 0).whole(setting, 0, points=False)
    askew = Conditions().mounting_sd_rad * stable_rng(0, "mounting", clip.name).standard_normal((len(IMU_SITES), 3))
    imus = tuple(turned(imu, R, -np.inf) for imu, R in zip(whole.imus, matrix_from_rotvec(askew), strict=True))
    return replace(whole, imus=imus)


def calibrated(clip: Clip, recording: Recording) -> Recording:
    """Return the recording with orientations from devices that share a frame, each off as in DeepFuse's training."""
    faults, rng = VALIDATION.orientations, stable_rng(0, "calibrated", clip.subject, clip.name)
    imus = []
    for imu in recording.imus:
        at = np.clip(imu.time, clip.truth.time[0], clip.truth.time[-1])
        true = slerp_matrices(clip.truth.time, clip.truth.R_world_segment[:, SEGMENT_INDEX[imu.segment]], at)
        wobble = np.arange(imu.time[0], imu.time[-1] + 0.5, 0.5)
        noise = faults.noise_sd_rad * rng.standard_normal((3, len(wobble)))
        off = matrix_from_rotvec(np.stack([np.interp(imu.time, wobble, one) for one in noise], axis=-1))
        heading = yaw_matrix(faults.heading_sd_rad * rng.standard_normal())
        R_world_sensor = heading @ true @ off
        mounting = matrix_from_rotvec(faults.mounting_sd_rad * rng.standard_normal(3))
        imus.append(replace(imu, R_ref_sensor=R_world_sensor, R_world_ref=np.eye(3), R_segment_sensor=mounting))
    return replace(recording, imus=tuple(imus), poses=())


def filmed_part(clip: Clip) -> Clip:
    """Return the part of a clip that is filmed, its time from zero."""
    truth = middle(clip, LONGEST_S).truth
    return replace(clip, truth=replace(truth, time=truth.time - truth.time[0]))


def scored(clip: Clip, estimators: dict[str, str], folder: Path) -> list[FrameErrors]:
    """Return the errors on a clip, from its file if it was done before."""
    told = "|".join([clip.subject, clip.name, *estimators.values()])
    kept = folder / f"{hashlib.sha256(told.encode()).hexdigest()[:16]}.npz"
    if not kept.exists():
        seed_generators(0)
        part = filmed_part(clip)
        posed = beside_mattes(part)
        bare = replace(posed, poses=())
        beside = {CALIBRATED: calibrated(part, posed), VISION: posed, POSED: posed, UNPOSED: bare}
        made = score_clip(part, {row: (make_estimator(name), beside[row]) for row, name in estimators.items()}, 0)
        np.savez_compressed(kept, **{f"{s.estimator}/{key}": getattr(s, key) for s in made for key in ARRAYS})
    with np.load(kept) as stored:
        return [
            FrameErrors(row, clip.subject, clip.name, *(stored[f"{row}/{key}"] for key in ARRAYS)) for row in estimators
        ]


def with_rows(fused: Path | None, vision: Path | None) -> dict[str, str]:
    """Return each row's estimator, with its weights where a file is given."""
    names = {CALIBRATED: f"deepfuse={fused}" if fused else "deepfuse"}
    names[VISION] = f"deepfuse-vision={vision}" if vision else "deepfuse-vision"
    return {**names, POSED: names[CALIBRATED], UNPOSED: names[CALIBRATED]}


def table(header: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table, the first column to the left."""
    head = list(header)
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines)) + "\n"


def value(row: Row, key: str) -> str:
    """Return a number with its standard deviation over people."""
    if row[key] is None:
        return "–"
    return f"{row[key]:.1f}" + (f" ± {row[f'{key}_sd']:.1f}" if row[f"{key}_sd"] is not None else "")


def main_table(scores: dict[str, list[FrameErrors]]) -> str:
    """Return errors of all, full and partial frames: one line for each estimator and kind of frames."""
    lines = []
    for name, own in scores.items():
        for which in ("all", "full", "partial"):
            row = summary(own, which)
            numbers = [value(row, key) for key in ("mpjpe_mm", "mpjpe_root_mm", "mpjpe_pa_mm")]
            shaking = value(row, "jitter_mps2") if which == "all" else ""
            lines.append([f"`{name}`", which, *numbers, shaking, str(row["frames"]), str(row["missing_frames"])])
    header = (
        "estimator",
        "frames",
        "MPJPE mm",
        "roots together",
        "Procrustes",
        "jitter m/s²",
        "count",
        "without answer",
    )
    return table(header, lines)


def joint_table(scores: dict[str, list[FrameErrors]]) -> str:
    """Return the error of each joint, one column an estimator."""
    columns = {name: joint_rows(own) for name, own in scores.items()}
    lines = [[joint, *(value(rows[j], "mpjpe_mm") for rows in columns.values())] for j, joint in enumerate(JOINTS)]
    return table(("joint", *(f"`{name}`" for name in columns)), lines)


def paper_table(scores: dict[str, list[FrameErrors]]) -> str:
    """Return the paper's numbers beside ours, with what fusion gains in either."""
    ours = {name: float(summary(own)["mpjpe_mm"] or np.nan) for name, own in scores.items() if name in PAPER_MM}
    lines = [[f"`{name}`", f"{ours[name]:.1f}", f"{theirs:.1f}"] for name, theirs in PAPER_MM.items()]
    gains = [f"{100 * (1 - mm['deepfuse'] / mm['deepfuse-vision']):.1f} %" for mm in (ours, PAPER_MM)]
    return table(("", "MPJPE mm, ours", "the paper's"), [*lines, ["gain by sensors", *gains]])


def write_csv(scores: dict[str, list[FrameErrors]], path: Path) -> None:
    """Write one line for each estimator, kind of frames and joint, means over people."""
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["estimator", "frames", "joint", "mpjpe_mm", "mpjpe_mm_sd", "count", "missing_frames"])
        for name, own in scores.items():
            for which in ("all", "full", "partial"):
                whole = summary(own, which)
                counts = whole["frames"], whole["missing_frames"]
                rows = [{"joint": "all", **whole}, *(joint_rows(own) if which == "all" else [])]
                for row in rows:
                    errors = (f"{row[key]:.2f}" for key in ("mpjpe_mm", "mpjpe_mm_sd"))
                    out.writerow([name, which, row["joint"], *errors, *counts])


COLUMNS: Final = (
    "angle_rmse_deg",
    "angle_rmse_moving_deg",
    "geodesic_deg",
    "mpjpe_mm",
    "mpjpe_root_mm",
    "rom_error_deg",
)
"""Of `kinefuse evaluate`'s file: what its table shows here."""


def evaluated(path: Path) -> str:
    """Return the table of what `kinefuse evaluate` wrote with ``--json``; nothing if it was not run."""
    if not path.exists():
        return ""
    told = json.loads(path.read_text(encoding="utf-8"))["rows"]
    rows = [row for row in told if row["group"] in GROUPS and COLUMNS[2] in row]
    lines = [
        [f"`{row['estimator']}`", row["group"], *(f"{row[key]:.1f} ± {row[f'{key}_sd']:.1f}" for key in COLUMNS)]
        for row in rows
    ]
    header = ("estimator", "", "angles °", "those that move °", "orientations °", "MPJPE mm", "roots together", "ROM °")
    return (
        "## By the rules of all other estimators\n\n"
        "`kinefuse evaluate motion.npz --clips 1 --estimator deepfuse --estimator deepfuse-vision`: the same clips, "
        "sensors put on askew, without a held pose, and no points. Angles are those of a body fitted to the joints and "
        "to the sensors' orientations, whose mountings the network's joints had to tell: turns about long axes are the "
        "weak part.\n\n"
        f"{table(header, lines)}\n"
    )


def page(scores: dict[str, list[FrameErrors]], clips: Sequence[Clip], per_person: int, rules: str) -> str:
    """Return the page."""
    people = len({clip.subject for clip in clips})
    return f"""# DeepFuse on rendered silhouettes

Made by `python tools/results_deepfuse.py --clips {per_person}` on {date.today().isoformat()}: {people} people of the
test set, {len(clips)} clips. {CAMERAS} cameras around a floor of 4 × 6 m film the middle {LONGEST_S:g} s of each clip
at {MATTES_HZ:g} frames a second. The person is a body model with their bone lengths in random clothes; mattes get the
faults of `synthesis.matte_noise`. `deepfuse` is given what the paper's has: orientations from devices whose frame in
the world and whose mounting were calibrated; each is off by 3° in heading, 3.5° about each axis in mounting and a
wobble of 1.5°. In the two other rows sensors are put on askew (13.5° about each axis), with noise and soft tissue, and
only gyroscope and accelerometer are read: with *a pose held* before the clip, to 4° a segment, which tells where up is
on each sensor, or nothing; the rest is found with the cameras. `deepfuse-vision` has weights of its own, which began as
those of `deepfuse` without the part for orientations and went on learning without any. ± is the standard deviation over
people. A frame is partial if any camera does not see the whole person; a line is of the people who have such frames,
who are not the same for full and for partial ones: compare methods, not kinds of frames. All numbers:
[deepfuse.csv](deepfuse.csv).

![What a camera sees, the truth, and both estimates](../images/deepfuse_panel.png)

*A camera's matte with the truth, without sensors, and with them: the middle frame of three clips.*

## All frames, full and partial ones

{main_table(scores)}
Errors are distances of 22 joints: as they are, with the roots moved together, and after the best similarity transform
of each frame. Jitter is the mean error of the joints' accelerations relative to the root: no frame knows its
neighbours.

## Beside the paper

{paper_table(scores)}
Not the same test: the paper's are TotalCapture's real mattes of five people, whom its training partly shows, and 21
joints of another skeleton; ours are rendered mattes of people whom training never shows.

{rules}## By joint

![Mean error by joint](../images/deepfuse_joints.png)

{joint_table(scores)}
## Over time

![Error over frames](../images/deepfuse_frames.png)

*Partial frames are marked. Each frame is answered by itself.*

![Error over training](../images/deepfuse_learning.png)

*Errors of both stages on 256 frames of validation people while the shipped weights were trained.*
"""


def main() -> None:
    """Run what has not been run, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=ROOT / "build" / "motion.npz")
    parser.add_argument("--split", default="test")
    parser.add_argument("--clips", type=int, default=3)
    parser.add_argument("--fused", type=Path, help="weights instead of the shipped ones")
    parser.add_argument("--vision", type=Path, help="weights instead of the shipped ones")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    estimators = with_rows(options.fused, options.vision)
    folder = options.data.parent / "results" / "deepfuse"
    folder.mkdir(parents=True, exist_ok=True)
    choice = Choice(chosen_set=options.split, per_subject=options.clips)
    clips, _ = load_clips([options.data], choice, lambda *_: None)
    scores: dict[str, list[FrameErrors]] = {name: [] for name in estimators}
    for number, clip in enumerate(clips, 1):
        for score in scored(clip, estimators, folder):
            scores[score.estimator].append(score)
        print(f"{number}/{len(clips)} {clip.subject} {clip.name}", flush=True)
    write_csv(scores, options.out.with_suffix(".csv"))
    options.out.write_text(page(scores, clips, options.clips, evaluated(folder / "evaluate.json")), encoding="utf-8")


if __name__ == "__main__":
    main()
