"""From motion capture files to the one prepared file that training reads.

Each person's result is kept in a folder beside the output until the whole is done, so that the work can be interrupted
and taken up again.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

import kinefuse
from kinefuse.errors import KinefuseError
from kinefuse.formats.table_text import write_text
from kinefuse.processes import processes
from kinefuse.recordings import Finding
from kinefuse.synthesis.collection import Person, find_people
from kinefuse.synthesis.motions import (
    STAGE,
    CapturedClip,
    Progress,
    capture_person,
    nothing_usable,
    smpl_for,
    summed_up,
)
from kinefuse.synthesis.prepared import PreparedClip, prepare, read_prepared, write_prepared
from kinefuse.synthesis.split import activity_of, splits_for

EMBEDDED_BODY: Final = "anny"
SHAPE_NUMBERS: Final = 10


@dataclass(frozen=True)
class Preparation:
    """What a prepared file holds.

    Attributes
    ----------
    clips
    findings : what was repaired, assumed or left out
    people : one line about each person
    """

    clips: list[PreparedClip]
    findings: list[Finding]
    people: list[str]


@dataclass(frozen=True)
class _Job:
    """One person, and where the result is kept: ``PART.npz`` with the clips, then ``PART.json`` with the rest."""

    person: Person
    smpl: Path | None
    part: Path


def prepare_file(
    paths: Path | Sequence[Path],
    out: Path,
    *,
    smpl: Path | None = None,
    validation_share: float = 0.1,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Preparation:
    """Fit our body to all motion in files, folders and archives, and write the prepared file.

    Parameters
    ----------
    paths : see `collection`
    out : the file, ``.npz``
    smpl : the user's SMPL model file, for AMASS clips
    validation_share, seed : see `split.splits_for`
    jobs : processes
    progress : told the number of clips done and of all

    Raises
    ------
    KinefuseError
        If a path does not exist, there is no motion that can be used, or the output cannot be written.
    """
    people, findings = find_people(paths)
    smpl_for(people, smpl)
    splits = splits_for([person.subject for person in people], validation_share, seed)
    folder = _folder_of_parts(Path(out))
    work = [_Job(person, smpl, folder / _part_name(person, smpl)) for person in people]
    lines = []
    for told, line in _all_done(work, jobs, progress):
        findings += told
        lines += [line]
    kept = [clip for job in work if _file(job.part).exists() for clip in read_prepared(_file(job.part))]
    if not kept:
        raise nothing_usable(sum(len(person.clips) for person in people), findings)
    clips = [replace(clip, split=splits[clip.subject]) for clip in kept]
    write_prepared(out, clips)
    if "validation" not in splits.values():
        text = "Nobody is kept for validation, so training cannot tell when to stop; give motion of two people or more."
        findings.append(Finding("warning", str(out), text))
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    return Preparation(clips, summed_up(findings), lines)


def _folder_of_parts(out: Path) -> Path:
    folder = out.with_suffix(".parts")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KinefuseError(f"{folder}: cannot be made ({error.strerror}); name another place for {out}.") from error
    return folder


def _part_name(person: Person, smpl: Path | None) -> str:
    """Return a name that changes with the person's files, so that only what is up to date is taken up again."""
    files = sorted({clip.path for clip in person.clips} | ({smpl} if smpl else set()))
    state = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    key = hashlib.sha256(repr((kinefuse.__version__, person.subject, state)).encode()).hexdigest()[:16]
    return f"{Path(person.subject).name}-{key}"


def _file(part: Path) -> Path:
    return part.with_name(part.name + ".npz")


def _notes(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _all_done(work: list[_Job], jobs: int, progress: Progress | None) -> Iterator[tuple[list[Finding], str]]:
    """Yield each person's findings and line, in order; the largest are begun first."""
    total, done = sum(len(job.person.clips) for job in work), 0
    todo = sorted((job for job in work if not _notes(job.part).exists()), key=lambda job: -len(job.person.clips))
    with processes(jobs) if jobs > 1 and len(todo) > 1 else _Here() as pool:
        for job, _ in zip(todo, pool.map(_convert, todo), strict=True):
            done += len(job.person.clips)
            if progress is not None:
                progress(STAGE, done, total)
    for job in work:
        notes = json.loads(_notes(job.part).read_text(encoding="utf-8"))
        yield [Finding(**finding) for finding in notes["findings"]], notes["line"]


class _Here:
    """The one method of an executor that is used, in this process."""

    map = staticmethod(map)

    def __enter__(self) -> "_Here":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""


def _convert(job: _Job) -> None:
    """Fit one person's body and all clips, and keep them."""
    clips, findings = capture_person(job.person, smpl_for([job.person], job.smpl))
    clips = [clip for clip in clips if _has_our_shape(clip, findings)]
    if clips:
        write_prepared(_file(job.part), [_prepared(clip) for clip in clips])
    notes = {"findings": [asdict(finding) for finding in findings], "line": _line(job.person, clips)}
    write_text(_notes(job.part), json.dumps(notes))


def _has_our_shape(clip: CapturedClip, findings: list[Finding]) -> bool:
    """Return whether the body has a surface that sensors can lie on; if not, add why the clip is left out."""
    motion = clip.motion
    if motion.body_name == EMBEDDED_BODY and len(motion.shape) >= SHAPE_NUMBERS:
        return True
    text = f"All of it was left out: its body is {motion.body_name!r}, which has no surface of ours; estimate it again."
    findings.append(Finding("warning", clip.clip, text))
    return False


def _prepared(clip: CapturedClip) -> PreparedClip:
    activity = activity_of(clip.subject, clip.clip)
    return prepare(
        clip.motion, subject=clip.subject, clip=clip.clip, split="", activity=activity, n_shape=SHAPE_NUMBERS
    )


def _line(person: Person, clips: list[CapturedClip]) -> str:
    frames = sum(len(clip.motion.time) for clip in clips)
    line = f"{person.subject}: {len(clips)} parts of {len(person.clips)} clips, {frames} frames"
    gaps = [clip.gap_m for clip in clips if clip.gap_m is not None]
    if not gaps:
        return line
    gap_mm = 1e3 * np.concatenate([gap.ravel() for gap in gaps])
    return f"{line}; points off by {np.nanmedian(gap_mm):.1f} mm (median), {np.nanpercentile(gap_mm, 95):.1f} mm (95 %)"


def contents(clips: Sequence[PreparedClip]) -> list[str]:
    """Return lines with the minutes and people of each set and activity."""
    minutes: defaultdict[tuple[str, str], float] = defaultdict(float)
    people: defaultdict[str, set[str]] = defaultdict(set)
    for clip in clips:
        minutes[clip.split, clip.activity] += len(clip.root) / clip.rate_hz / 60
        people[clip.split].add(clip.subject)
    lines = []
    for split, names in sorted(people.items()):
        own = {activity: value for (s, activity), value in minutes.items() if s == split}
        parts = ", ".join(f"{activity} {value:.1f}" for activity, value in sorted(own.items()))
        lines.append(f"{split}: {len(names)} people, {sum(own.values()):.1f} minutes ({parts})")
    return lines
