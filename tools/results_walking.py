"""Strides as estimators find them beside those of motion capture: writes ``docs/results/walking.md``.

Usage: python tools/results_walking.py MOTION [--clips 8] [--seed 0]

MOTION is what `kinefuse prepare` makes of the motion capture. Only people of the test set are used, and of each so many
clips, evenly chosen, in which they take at least three strides.
"""

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.estimators.registry import make_estimator
from kinefuse.evaluation.material import Choice, Clip, load_clips
from kinefuse.metrics.strides import QUANTITIES, Stride, strides_of
from kinefuse.report.markup import number
from kinefuse.report.study_markdown import markdown_table
from kinefuse.study.levels import REFERENCE, find, noise_in_words
from kinefuse.study.making import maker_of, seen_by
from kinefuse.study.naming import title
from kinefuse.study.plan import FULL, sees

OUT: Final = Path(__file__).parents[1] / "docs" / "results" / "walking.md"
ESTIMATORS: Final = ("smplify3d", "videonet", "fusion-optimisation", "fusionnet", "imunet", "imu-kinematics")
FEWEST: Final = 3
"""Strides of a clip that is used."""

APART_S: Final = 0.25
"""Two strides of a foot are the same one if they begin and end within this time of each other."""


def walks(motion: Path, per_person: int) -> list[Clip]:
    """Return so many clips of each test person who walks, evenly chosen."""
    everything, _ = load_clips([motion], Choice(chosen_set="test", per_subject=10**6, seed=0, smpl=None), print)
    own: dict[str, list[Clip]] = {}
    for clip in everything:
        if len(strides_of(clip.truth).strides) >= FEWEST:
            own.setdefault(clip.subject, []).append(clip)
    picks = {name: np.linspace(0, len(clips) - 1, per_person).round().astype(int) for name, clips in own.items()}
    return [own[name][i] for name, pick in picks.items() for i in dict.fromkeys(pick.tolist())]


def paired(found: Sequence[Stride], true: Sequence[Stride]) -> list[tuple[Stride, Stride]]:
    """Return (found, true) of those that are the same stride."""
    return [
        (one, other)
        for other in true
        for one in found
        if one.side == other.side and max(abs(one.start - other.start), abs(one.end - other.end)) < APART_S
    ]


def spread(pairs: Sequence[tuple[Stride, Stride]], attribute: str, scale: float, digits: int) -> str:
    """Return mean and standard deviation of found minus true."""
    errors = np.array([scale * (getattr(one, attribute) - getattr(other, attribute)) for one, other in pairs])
    return f"{number(float(errors.mean()), digits)} ± {number(float(errors.std(ddof=1)), digits)}"


def row(name: str, clips: Sequence[Clip], seed: int) -> list[str]:
    setting = find(FULL, *REFERENCE)
    assert setting is not None
    estimator, pairs, counts = make_estimator(name), [], [0, 0]
    for clip in clips:
        whole = maker_of(clip, seed).whole(setting, 0, points=True, sensors=True)
        found = strides_of(estimator.estimate(seen_by(sees(name), whole))).strides
        true = strides_of(clip.truth).strides
        pairs += paired(found, true)
        counts = [counts[0] + len(true), counts[1] + len(found)]
    print(name, counts, len(pairs), flush=True)
    return [
        title(name),
        f"{len(pairs)} of {counts[0]}, {counts[1] - len(pairs)} more",
        spread(pairs, "start", 1e3, 0),
        spread(pairs, "foot_off", 1e3, 0),
        *(spread(pairs, key, QUANTITIES[key].scale, 1) for key in ("length", "step_length", "step_width", "stance")),
        spread(pairs, "speed", 100.0, 1),
    ]


HEAD: Final = (
    "method", "strides found", "touchdown, ms", "foot off, ms", "stride length, cm", "step length, cm",
    "step width, cm", "stance, %", "speed, cm/s",
)  # fmt: skip


def page(clips: Sequence[Clip], rows: Sequence[Sequence[str]], command: str) -> str:
    strides = [stride for clip in clips for stride in strides_of(clip.truth).strides]
    usual = {key: QUANTITIES[key].scale * np.mean([getattr(s, key) for s in strides]) for key in QUANTITIES}
    people = sorted({clip.subject for clip in clips})
    of_truth = (
        f"In these clips a stride is {usual['length']:.0f} cm long and takes {usual['duration']:.2f} s, a step is "
        f"{usual['step_width']:.0f} cm wide, the stance {usual['stance']:.0f} %."
    )
    of_clips = f"{len(clips)} clips of {len(people)} people of the test set ({', '.join(people)})"
    return f"""# Strides: estimates beside motion capture

Mean and standard deviation over strides of estimate minus truth, for
{of_clips} on whom nothing was trained or tuned.
Noise: {noise_in_words(*REFERENCE)}. Sensors are calibrated by the study's
imperfectly held pose for `imu-kinematics`, and not at all for the others.
The truth goes through the same code, so this is what estimation adds; how that code agrees with force plates is told in
[metrics.md](../metrics.md#of-a-walk). {of_truth}

{markdown_table(HEAD, rows)}

- Inertial sensors measure no place: the strides of `imunet` and `imu-kinematics` are those of legs that move over the
  standing foot, of a person whose height is not told. On true angles and legs this alone makes strides 3 cm too short.
- Strides that the truth does not have begin at the edge of a clip, mostly before it: there the study puts the pose that
  is held for calibration, which `imu-kinematics` estimates too.

`{command}`, {date.today().isoformat()}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("motion", type=Path)
    parser.add_argument("--clips", type=int, default=8, help="clips of each person")
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    clips = walks(told.motion, told.clips)
    rows = [row(name, clips, told.seed) for name in ESTIMATORS]
    command = f"python tools/results_walking.py MOTION --clips {told.clips} --seed {told.seed}"
    OUT.write_text(page(clips, rows, command), encoding="utf-8")


if __name__ == "__main__":
    main()
