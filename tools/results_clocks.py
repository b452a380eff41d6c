"""Make ``docs/results/clocks.md``: how well clocks of sensors, and exchanged ones, are found from movement.

Usage: python tools/results_clocks.py build/motion.npz [--per-subject 8] [--seed 0]
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.cli.progress import silent
from kinefuse.evaluation.material import Choice, Clip, load_clips, middle, sample, stable_rng
from kinefuse.evaluation.recordings import Conditions, make_recording
from kinefuse.inertial.clocks import estimate_clock
from kinefuse.inertial.speeds import is_comparable
from kinefuse.inertial.wearing import exchanged
from kinefuse.recordings import Imu, JointCenters, Recording

OUT: Final = Path(__file__).parents[1] / "docs" / "results" / "clocks.md"
MOST_S: Final = 60.0
"""Sensors are this much late or early at most."""

OWN_S: Final = 5.0

SHORTEST_S: Final = 3.5
LEGS: Final = ("pelvis", "thigh_l", "thigh_r", "shank_l", "shank_r", "foot_l", "foot_r")


@dataclass(frozen=True)
class Setting:
    """One row: noise of points, seconds of movement, how sensors are mounted, and which are worn."""

    told: str
    noise: str = "authors"
    level_m: float | None = None
    length_s: float = 20.0
    mounting_sd_deg: float = 13.5
    sites: tuple[str, ...] = ()


SETTINGS: Final = (
    Setting("cameras (triangulated points)", noise="camera"),
    Setting("noise `authors`"),
    Setting("noise `paper`, 101 mm", noise="paper", level_m=0.1011),
    Setting("8 s of movement", length_s=8.0),
    Setting("4 s of movement", length_s=4.0),
    Setting("mounted 30° askew (18.8° about each axis)", mounting_sd_deg=18.8),
    Setting("legs and pelvis only", sites=LEGS),
    Setting("one sensor, on the right shank", sites=("shank_r",)),
)


def missed(clip: Clip, setting: Setting, seed: int) -> tuple[float, float, bool]:
    """Return by how much a clock was missed, its standard error, seconds, and whether it was said to be found."""
    recording = recorded(clip, setting, seed)
    assert recording.joint_centers is not None
    late = float(stable_rng(seed, "clock", clip.subject, clip.name).uniform(-MOST_S, MOST_S))
    worn = [imu for imu in recording.imus if not setting.sites or imu.segment in setting.sites]
    compared = [_late(imu, late) for imu in worn if is_comparable(imu, recording.joint_centers)]
    found = estimate_clock(compared, recording.joint_centers)
    return found.shift_s + late, found.error_s, found.found


def recorded(clip: Clip, setting: Setting, seed: int) -> Recording:
    """Return noisy points and sensors of a part of a clip."""
    conditions = Conditions(
        noise=setting.noise,
        level_m=setting.level_m,
        mounting_sd_rad=float(np.deg2rad(setting.mounting_sd_deg)),
        seed=seed,
    )
    return make_recording(middle(clip, setting.length_s), conditions)


def strangers(clips: list[Clip], seed: int) -> str:
    """Return a line on sensors of another clip, drawn anew for each, of which none belongs to the points."""
    made = [recorded(clip, SETTINGS[1], seed) for clip in clips]
    others = np.random.default_rng(seed).permutation(len(made))
    pairs = [(made[i], made[j]) for i, j in enumerate(others) if i != j]
    return _wrongly("sensors of another recording", [(b.imus, a.joint_centers) for a, b in pairs])


def scattered(clips: list[Clip], seed: int) -> str:
    """Return a line on sensors that each have a clock of their own."""
    rng = np.random.default_rng(seed)
    made = [recorded(clip, SETTINGS[1], seed) for clip in clips]
    sets = [([_late(imu, rng.uniform(-OWN_S, OWN_S)) for imu in one.imus], one.joint_centers) for one in made]
    return _wrongly(f"each sensor off by up to {OWN_S:g} s by itself", sets)


def _wrongly(told: str, sets: Sequence[tuple[Sequence[Imu], JointCenters | None]]) -> str:
    found = sum(estimate_clock(imus, centers).found for imus, centers in sets if centers is not None)
    return f"| {told} | {len(sets)} | {found} |"


PAIRS: Final = ("thigh", "shank", "foot", "upper_arm", "forearm")
NOISES: Final = (SETTINGS[0], SETTINGS[1], SETTINGS[2], SETTINGS[5])


def exchanges_found(clip: Clip, setting: Setting, seed: int) -> tuple[int, int, int]:
    """Return false alarms on sensors as they are, pairs found of `PAIRS` exchanged one by one, and other answers."""
    recording = recorded(clip, setting, seed)
    centers = recording.joint_centers
    assert centers is not None
    worn = [imu for imu in recording.imus if is_comparable(imu, centers)]
    right, other = 0, 0
    for part in PAIRS:
        sides = {f"{part}_l": f"{part}_r", f"{part}_r": f"{part}_l"}
        imus = [replace(imu, segment=sides.get(imu.segment, imu.segment)) for imu in worn]
        groups = {frozenset(imus[i].segment for i, _ in group) for group in exchanged(imus, centers)}
        right += frozenset(sides) in groups
        other += bool(groups - {frozenset(sides)})
    return int(bool(exchanged(worn, centers))), right, other


def row_of_exchanges(setting: Setting, results: list[tuple[int, int, int]]) -> str:
    """Return a line of the second table."""
    false, right, other = np.sum(results, axis=0)
    return f"| {setting.told} | {len(results)} | {false} | {right} of {len(PAIRS) * len(results)} | {other} |"


def _late(imu: Imu, seconds: float) -> Imu:
    return replace(imu, time=imu.time + seconds)


def row(setting: Setting, results: Iterable[tuple[float, float, bool]]) -> str:
    """Return a line of the table, of those that were found."""
    everything = list(results)
    found = 1000 * np.array([(miss, error) for miss, error, is_found in everything if is_found]).reshape(-1, 2)
    away = np.abs(found[:, 0])
    numbers = f"{np.median(away):.1f} | {np.percentile(away, 90):.1f} | {away.max():.1f}" if len(away) else "– | – | –"
    within = f"{100 * (away < 2 * found[:, 1]).mean():.0f} %" if len(away) else "–"
    return f"| {setting.told} | {len(everything)} | {len(found)} | {numbers} | {within} |"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--per-subject", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    clips, _ = load_clips([given.data], Choice(per_subject=40, seed=given.seed), silent)
    long = [clip for clip in clips if clip.truth.time[-1] - clip.truth.time[0] >= SHORTEST_S]
    chosen = sample(long, given.per_subject, given.seed)
    lines = [row(setting, [missed(clip, setting, given.seed) for clip in chosen]) for setting in SETTINGS]
    exchanges = [row_of_exchanges(s, [exchanges_found(clip, s, given.seed) for clip in chosen]) for s in NOISES]
    people = len({clip.subject for clip in chosen})
    wrong = "\n".join([strangers(chosen, given.seed), scattered(chosen, given.seed)])
    tables = {"wrong": wrong, "rows": "\n".join(lines), "exchanges": "\n".join(exchanges)}
    OUT.write_text(PAGE.format(people=people, date=date.today(), seed=given.seed, **tables), encoding="utf-8")


PAGE: Final = """# Clocks and places of sensors, found from movement

Made by `python tools/results_clocks.py build/motion.npz` on {date}, seed {seed}: {people} people of the test set, noisy
points and 13 virtual sensors put on askew, whose clock is off by any time up to a minute. `inertial.clocks` compares
how fast limbs turn by the points and by the gyroscopes; it is not told the offset's range. A clock counts as found if
the method says so; *off* is the error of those, milliseconds, and *within* the share that lies within two of its own
standard errors. Nothing of the method was tuned on these people.

| setting | clips | found | off, median | off, 90 % | off, most | within |
|---|---:|---:|---:|---:|---:|---:|
{rows}

One frame of a camera at 60 Hz is 17 ms. What is not found is said to be unknown, and the sensors are then left out of
what needs one clock.

## What should not be found

| what was given | recordings | found all the same |
|---|---:|---:|
{wrong}

One walk is much like another: that sensors belong to the points is for the user to see to.

## Exchanged sensors

Left and right of one pair are exchanged, pair by pair (thighs, shanks, feet, upper arms, forearms); `inertial.wearing`
says which sensors move as another segment does. *False alarms* are clips with all sensors in place of which something
was said; *other* are exchanges that were not made.

| setting | clips | false alarms | found | other |
|---|---:|---:|---:|---:|
{exchanges}

The threshold was chosen on validation people, on whom nothing was said wrongly.
"""

if __name__ == "__main__":
    main()
