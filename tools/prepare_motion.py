"""Make the one file of motion that training reads: every accepted clip as motion of our own body.

Usage: python tools/prepare_motion.py [--data FOLDER] [--out build/motion.npz] [--jobs 2] [--only cmu_016 ...]

Each person's result is kept in a folder beside the output and used again unless that folder is removed, so the command
may be interrupted and repeated. What was left out, and why, is printed and kept in ``rejected.txt`` there.
"""

import argparse
import os
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from kinefuse.conventions import SEGMENTS
from kinefuse.synthesis.capture import fit_captured_body, fit_clip, residuals
from kinefuse.synthesis.collection import Person, clips_of, find_people
from kinefuse.synthesis.prepared import PreparedClip, prepare, read_prepared, write_prepared
from kinefuse.synthesis.screening import listing, screen
from kinefuse.synthesis.split import split_of

DATA = Path(os.environ.get("KINEFUSE_DATA", Path(__file__).parents[2] / "shared" / "data")) / "mocap"
OUT = Path(__file__).parents[1] / "build" / "motion.npz"


@dataclass(frozen=True)
class Job:
    """One person, and where the result is kept."""

    person: Person
    cache: Path


def convert(job: Job) -> str:
    """Fit one person's body and all clips, keep the accepted ones, and return a line about it."""
    kept, rejected = job.cache / f"{job.person.subject}.npz", job.cache / f"{job.person.subject}.rejected.txt"
    if rejected.exists():
        return f"{job.person.subject}: kept from before"
    start = time.monotonic()
    clips = list(clips_of(job.person))
    captured = fit_captured_body([points for _, points in clips])
    accepted, verdicts, followed, frames = [], [], [], 0
    for name, points in clips:
        motion = fit_clip(points, captured)
        gap = residuals(points, motion, captured)
        verdict = screen(name, motion, gap, source=job.person.source)
        verdicts.append(verdict)
        frames += len(points.time)
        row = split_of(job.person.subject, name)
        for part in verdict.parts:
            accepted.append(
                prepare(
                    motion.frames(part),
                    subject=job.person.subject,
                    clip=name,
                    split=row.split,
                    activity=row.activity,
                )
            )
            followed.append(gap[part])
    if accepted:
        write_prepared(kept, accepted)
    rejected.write_text(listing(verdicts) + "\n")
    seconds = time.monotonic() - start
    gap_mm = 1e3 * np.concatenate(followed) if followed else np.full((1, 1), np.nan)
    return (
        f"{job.person.subject}: {len(accepted)} parts of {len(clips)} clips, {frames} frames in {seconds:.0f} s; "
        f"points off by {np.nanmedian(gap_mm):.1f} mm (median), {np.nanpercentile(gap_mm, 95):.1f} mm (95 %)"
    )


def summary(clips: list[PreparedClip]) -> str:
    """Return minutes by set and by activity."""
    minutes: defaultdict[tuple[str, str], float] = defaultdict(float)
    people: dict[str, set[str]] = {}
    for clip in clips:
        minutes[clip.split, clip.activity] += len(clip.root) / clip.rate_hz / 60
        people.setdefault(clip.split, set()).add(clip.subject)
    lines = [f"{s:12} {a:25} {m:6.1f} min" for (s, a), m in sorted(minutes.items())]
    lines += [
        f"{s}: {len(p)} people, {sum(m for (t, _), m in minutes.items() if t == s):.1f} min" for s, p in people.items()
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    start = time.monotonic()
    cache = options.out.with_suffix("")
    cache.mkdir(parents=True, exist_ok=True)
    people = [p for p in find_people(options.data) if not options.only or p.subject in options.only]
    people.sort(key=lambda p: sum(path.stat().st_size for path in p.archives))
    with ProcessPoolExecutor(options.jobs) as pool:
        for line in pool.map(convert, [Job(person, cache) for person in people]):
            print(line, flush=True)
    files = [cache / f"{p.subject}.npz" for p in people]
    clips = [clip for path in files if path.exists() for clip in read_prepared(path)]
    write_prepared(options.out, clips)
    left_out = [f"{p.subject} {line}" for p in people for line in _lines(cache / f"{p.subject}.rejected.txt")]
    (cache / "rejected.txt").write_text("\n".join(left_out) + "\n")
    print(summary(clips))
    print("left out:", *left_out, sep="\n  ")
    size = options.out.stat().st_size / 1e6
    count = sum(len(clip.root) for clip in clips)
    print(f"{options.out}: {len(clips)} clips, {count} frames of {len(SEGMENTS)} segments, {size:.1f} MB")
    print(f"{time.monotonic() - start:.0f} s")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() and path.read_text().strip() else []


if __name__ == "__main__":
    main()
