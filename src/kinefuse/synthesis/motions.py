"""Motion capture files of any kind as motions of our own body, ready to make recordings from or to judge against.

One person's body is fitted once to clips of one skeleton or marker set, then each clip with it (`capture`); what jumps,
flips, freezes or cannot be followed is left out (`screening`), and everything left out is told.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.body.models import BodyModel, load_smpl
from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.recordings import Finding, JointCenters
from kinefuse.synthesis.capture import fit_clip, residuals, source_of
from kinefuse.synthesis.clips import read_clip
from kinefuse.synthesis.collection import ClipFile, Person, find_people
from kinefuse.synthesis.marker_places import bodies_by_session
from kinefuse.synthesis.screening import runs, screen
from kinefuse.synthesis.wrist_labels import with_wrists_named

Progress = Callable[[str, int, int], None]
"""Called as ``progress(stage, done, total)``."""

STAGE: Final = "motion capture"
EXCHANGED: Final = "Wrist markers {0}WRA and {0}WRB bear each other's names; they were exchanged."


@dataclass(frozen=True)
class CapturedClip:
    """A clip, or what was good of it, as motion of our body.

    Attributes
    ----------
    subject
    clip : name; several parts of a clip share it
    motion
    gap_m : (T, K) metres between the source's points and the body's; None for a motion that was ours already
    """

    subject: str
    clip: str
    motion: Motion
    gap_m: np.ndarray | None = None


def motions_of(
    paths: Path | Sequence[Path], *, smpl: Path | None = None, progress: Progress | None = None
) -> tuple[list[CapturedClip], list[Finding]]:
    """Return all motion in files, folders and archives, by person, and findings about what was not taken as it is.

    Parameters
    ----------
    paths : see `collection`
    smpl : the user's SMPL model file, for AMASS clips
    progress : told the number of clips done and of all

    Raises
    ------
    KinefuseError
        If a path does not exist, there is no motion that can be used, or AMASS clips come without an SMPL model.
    """
    people, findings = find_people(paths)
    model = smpl_for(people, smpl)
    total, done = sum(len(person.clips) for person in people), 0
    clips: list[CapturedClip] = []
    for person in people:
        captured, told = capture_person(person, model, _counting(progress, done, total))
        clips += captured
        findings += told
        done += len(person.clips)
    if not clips:
        raise nothing_usable(total, findings)
    return clips, summed_up(findings)


def nothing_usable(clips: int, findings: Sequence[Finding]) -> KinefuseError:
    """Return the error for clips of which none is left: the reason for the first."""
    first = next((f for f in findings if f.level != "info"), Finding("error", "", "no reason is known."))
    if clips == 1:
        return KinefuseError(first.text if first.level == "error" else f"{first.about}: {first.text}")
    return KinefuseError(f"None of {clips} clips can be used; the first, {first.about}: {first.text}")


def _counting(progress: Progress | None, done: int, total: int) -> Callable[[int], None]:
    return lambda own: None if progress is None else progress(STAGE, done + own, total)


def smpl_for(people: Sequence[Person], smpl: Path | None) -> BodyModel | None:
    """Return the user's SMPL model, or None where no clip needs it.

    Raises
    ------
    KinefuseError
        If clips need it and it was not given.
    """
    needing = [clip for person in people for clip in person.clips if clip.kind == "amass"]
    if not needing:
        return None
    if smpl is None:
        raise KinefuseError(
            f"{needing[0].place}: {len(needing)} AMASS clips hold rotations of SMPL and no positions; give your own "
            "licensed SMPL model file, an .npz, with --smpl."
        )
    return load_smpl(Path(smpl))


def capture_person(
    person: Person, smpl: BodyModel | None = None, progress: Callable[[int], None] | None = None
) -> tuple[list[CapturedClip], list[Finding]]:
    """Return one person's clips as motion of our body, and findings; a clip that cannot be used is only a finding.

    Parameters
    ----------
    person
    smpl : for AMASS clips
    progress : told the number of clips done
    """
    findings: list[Finding] = []
    groups: dict[str, list[tuple[ClipFile, JointCenters]]] = {}
    clips: list[CapturedClip] = []
    for file in person.clips:
        content = _read(file, smpl, findings)
        if isinstance(content, Motion):
            clips += _accepted(file, content, None, findings)
        elif content is not None:
            groups.setdefault(source_of(content.names), []).append((file, content))
    done = len(person.clips) - sum(map(len, groups.values()))
    for group in groups.values():
        for number, found in enumerate(_fitted(group, findings), start=done + 1):
            clips += found
            if progress is not None:
                progress(number)
        done += len(group)
    if progress is not None:
        progress(len(person.clips))
    return clips, findings


def _read(file: ClipFile, smpl: BodyModel | None, findings: list[Finding]) -> JointCenters | Motion | None:
    try:
        content, told = read_clip(file, smpl)
    except KinefuseError as error:
        findings.append(Finding("error", file.clip, str(error)))
        return None
    findings.extend(told)
    return content


def _fitted(group: list[tuple[ClipFile, JointCenters]], findings: list[Finding]) -> Iterable[list[CapturedClip]]:
    """Yield the accepted parts of each clip of one skeleton or marker set."""
    sessions = [file.session for file, _ in group]
    clips, exchanged = with_wrists_named(with_all_names([points for _, points in group]), sessions)
    for (file, _), sides in zip(group, exchanged, strict=True):
        findings += [Finding("warning", file.clip, EXCHANGED.format(side)) for side in sides]
    try:
        bodies = bodies_by_session(clips, sessions)
    except KinefuseError as error:
        subject = group[0][0].subject
        findings.append(Finding("error", subject, f"{subject}: {error}"))
        return
    for (file, _), points in zip(group, clips, strict=True):
        captured = bodies[file.session]
        motion = fit_clip(points, captured)
        yield _accepted(file, motion, residuals(points, motion, captured), findings)


def with_all_names(clips: Sequence[JointCenters]) -> list[JointCenters]:
    """Return the clips with the same points, in the same order; NaN where a clip does not have one."""
    names = tuple(dict.fromkeys(name for clip in clips for name in clip.names))
    out = []
    for clip in clips:
        positions = np.full((len(clip.time), len(names), 3), np.nan)
        positions[:, [names.index(name) for name in clip.names]] = clip.positions
        out.append(JointCenters(names=names, time=clip.time, positions=positions))
    return out


def _accepted(file: ClipFile, motion: Motion, gap_m: np.ndarray | None, findings: list[Finding]) -> list[CapturedClip]:
    """Return the good parts of a clip, with its findings as notes, and add one on what is left out."""
    gap = np.zeros((len(motion.time), 1)) if gap_m is None else gap_m
    known = np.isfinite(motion.R_world_segment).all((1, 2, 3))
    reasons = [] if known.all() else [f"nobody is seen in {int((~known).sum())} of {len(known)} frames"]
    good = []
    for run in runs(known):
        verdict = screen(file.clip, motion.frames(run), gap[run], source=file.source)
        reasons += verdict.reasons
        good += [slice(run.start + part.start, run.start + part.stop) for part in verdict.parts]
    notes = [finding.text for finding in findings if finding.about == file.clip]
    if reasons:
        share = "A part was" if good else "All of it was"
        findings.append(Finding("warning", file.clip, f"{share} left out: {'; '.join(reasons)}."))
    told = motion.with_notes(*notes)
    return [
        CapturedClip(file.subject, file.clip, told.frames(part), None if gap_m is None else gap[part]) for part in good
    ]


def summed_up(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings with the same words for several clips as one, which says for how many."""
    about: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        about.setdefault((finding.level, finding.text), []).append(finding.about)
    return [
        Finding(level, names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more", text)
        for (level, text), names in about.items()
    ]
