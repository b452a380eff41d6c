"""What estimators are tested on: clips of people whose motion is known.

A clip is a true motion, from which recordings are made, or a trial that was recorded and has its truth beside it.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
import torch

from kinefuse.body.angles import joint_angles
from kinefuse.body.kinematics import joint_positions, world_from_local
from kinefuse.body.models import load_anny
from kinefuse.conventions import MEASURED, SEGMENTS
from kinefuse.errors import KinefuseError, check_known
from kinefuse.motion import Motion
from kinefuse.recordings import Finding, Recording
from kinefuse.synthesis.prepared import PreparedClip, read_prepared
from kinefuse.synthesis.split import SPLITS, activity_of

if TYPE_CHECKING:
    from kinefuse.synthesis.motions import CapturedClip

OTHER_LABORATORY: Final = "other-laboratory"
"""HDM05: people, suits and cameras that nothing was trained on; of the test set, but judged apart from it."""

SETS: Final = (*reversed(SPLITS), OTHER_LABORATORY)
LONGEST_S: Final = 20.0
SHORTEST_FRAMES: Final = 8
"""A virtual sensor is the derivative of a spline, which needs so many."""

TRUTH: Final = Path("reference") / "motion.nc"

_ACTION: Final = re.compile(r"HDM_[a-z]{2}_([A-Za-z]+)")

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One clip of one person.

    Attributes
    ----------
    subject, name : together they are unique
    activity : what it shows, see `synthesis.split`, or HDM05's name of the action; empty for trials
    truth : without gaps if recordings are to be made from it
    recording : what was measured of it; None makes one
    """

    subject: str
    name: str
    activity: str
    truth: Motion
    recording: Recording | None = None


C = TypeVar("C", Clip, PreparedClip)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which clips are taken.

    Attributes
    ----------
    chosen_set : one of `SETS`, of prepared files
    per_subject : at most so many clips of one person; trials are all taken
    seed
    smpl : the user's SMPL model file, for AMASS clips
    """

    chosen_set: str = "test"
    per_subject: int = 8
    seed: int = 0
    smpl: Path | None = None

    def __post_init__(self) -> None:
        check_known("set of clips", self.chosen_set, SETS)
        if self.per_subject < 1:
            raise KinefuseError(f"At least one clip of each person must be taken, got {self.per_subject}.")


def load_clips(paths: Sequence[Path], choice: Choice, progress: Progress) -> tuple[list[Clip], list[Finding]]:
    """Return the clips that lie at `paths`: prepared files, trials with their truth, and motion files.

    Parameters
    ----------
    paths : prepared files of motion (``.npz``); trials with ``reference/motion.nc``; results and motion capture as
        `synthesis.motions` reads them
    choice
    progress : called as ``progress(stage, done, total)``

    Returns
    -------
    clips : of at most `LONGEST_S`, the middle of longer ones; names are unique
    findings : what motion capture is not taken as it is

    Raises
    ------
    KinefuseError
        If there is no motion at a path, none in that set, or a motion has gaps.
    """
    trials, prepared, others = _sorted_by_kind(paths)
    clips = [read_trial_with_truth(path) for path in trials]
    for path in prepared:
        chosen = sample(select_set(read_prepared(path), choice.chosen_set, path), choice.per_subject, choice.seed)
        clips += [_from_prepared(clip) for clip in chosen]
    findings: list[Finding] = []
    if others:
        loaded, findings = _from_motion_files(others, choice.smpl, progress)
        clips += sample(loaded, choice.per_subject, choice.seed)
    if not clips:
        raise KinefuseError("Expected at least one file or folder of motion, got none; name one.")
    cut = [middle(clip, LONGEST_S) for clip in with_unique_names(clips)]
    return cut, [*findings, *_told_cut(clips, cut)]


def _told_cut(whole: Sequence[Clip], cut: Sequence[Clip]) -> list[Finding]:
    """Say how much of the motion is left out because clips are long."""
    lengths = [[float(np.ptp(clip.truth.time)) for clip in clips] for clips in (whole, cut)]
    shorter = sum(after < before - 1e-6 for before, after in zip(*lengths, strict=True))
    if not shorter:
        return []
    text = (
        f"Of {shorter} of {len(whole)} clips the middle {LONGEST_S:g} s are taken, {sum(lengths[1]) / 60:.1f} of "
        f"{sum(lengths[0]) / 60:.1f} minutes in all; cut long ones into several to use more of them."
    )
    return [Finding("info", "clips", text)]


def _sorted_by_kind(paths: Sequence[Path]) -> tuple[list[Path], list[Path], list[Path]]:
    """Return the paths of trials, of prepared files, and of all else."""
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise KinefuseError(f"{missing}: expected motion or a trial, but there is no such file or folder.")
    trials = [path for path in paths if (path / "trial.toml").is_file()]
    prepared = [path for path in paths if is_prepared(path)]
    return trials, prepared, [path for path in paths if path not in trials and path not in prepared]


def is_prepared(path: Path) -> bool:
    """Return whether a file is a prepared one, and not another ``.npz`` such as AMASS's."""
    if path.suffix != ".npz" or not path.is_file():
        return False
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {"rotations", "lengths", "split"} <= set(stored.files)
    except Exception:  # damaged: whoever reads it next says how
        return False


def select_set(clips: Sequence[PreparedClip], chosen_set: str, path: Path) -> list[PreparedClip]:
    """Return the clips of a set.

    Raises
    ------
    KinefuseError
        If there are none.
    """
    chosen = [clip for clip in clips if set_of(clip) == chosen_set]
    if not chosen:
        there = sorted({set_of(clip) for clip in clips})
        raise KinefuseError(f"{path}: holds no clip of the set {chosen_set}; it has {', '.join(there)}.")
    return chosen


def set_of(clip: PreparedClip) -> str:
    """Return the set that a clip belongs to, one of `SETS`."""
    return OTHER_LABORATORY if clip.subject.startswith("hdm05") and clip.split == "test" else clip.split


def _from_prepared(clip: PreparedClip) -> Clip:
    """HDM05's clips hold one action each, which their names tell: ``HDM_bd_kickLFront1Reps_001``."""
    action = _ACTION.match(clip.clip)
    return Clip(
        subject=clip.subject, name=clip.clip, activity=action[1] if action else clip.activity, truth=motion_of(clip)
    )


def motion_of(clip: PreparedClip) -> Motion:
    """Return a clip of the prepared file as a motion, with the person's own bone lengths."""
    R = world_from_local(torch.tensor(clip.local_matrices()))
    root, rest = clip.root.astype(float), clip.rest_positions.astype(float)
    positions = joint_positions(R, torch.tensor(root), torch.tensor(rest)).numpy()
    return Motion(
        time=np.arange(len(root)) / clip.rate_hz,
        R_world_segment=R.numpy(),
        positions=positions,
        angles=joint_angles(R.numpy(), root),
        provenance=np.full((len(root), len(SEGMENTS)), MEASURED),
        shape=clip.shape.astype(float),
        rest_positions=rest,
        estimator="motion capture",
    )


def read_trial_with_truth(folder: Path) -> Clip:
    """Return a recorded trial and the truth beside it.

    Raises
    ------
    KinefuseError
        If either cannot be read.
    """
    from kinefuse.formats.netcdf import read_motion
    from kinefuse.formats.trial import read_trial

    if not (folder / TRUTH).is_file():
        raise KinefuseError(f"{folder}: this trial has no truth to compare with; expected {TRUTH} in it.")
    recording, truth = read_trial(folder), _with_our_shape(read_motion(folder / TRUTH))
    name = folder.resolve().name
    return Clip(subject=recording.subject.id or name, name=name, activity="", truth=truth, recording=recording)


def _from_motion_files(
    paths: Sequence[Path], smpl: Path | None, progress: Progress
) -> tuple[list[Clip], list[Finding]]:
    from kinefuse.synthesis.motions import motions_of

    captured, findings = motions_of(paths, smpl=smpl, progress=progress)
    clips = [_from_captured(found) for found in captured]
    for clip in clips:
        require_whole(clip)
    return clips, findings


def _from_captured(found: "CapturedClip") -> Clip:
    """Bone lengths among the shape's components are left out: the motion's rest positions have them."""
    truth = _with_our_shape(found.motion)
    return Clip(subject=found.subject, name=found.clip, activity=activity_of(found.subject, found.clip), truth=truth)


def _with_our_shape(motion: Motion) -> Motion:
    return replace(motion, shape=motion.shape[: load_anny().n_shape])


def require_our_body(clip: Clip) -> None:
    """Raise a `KinefuseError` if a clip's motion is of a body on which no points and sensors can be placed."""
    body = load_anny()
    if len(clip.truth.shape) != body.n_shape:
        raise KinefuseError(
            f"Clip {clip.name} of {clip.subject} is of the body {clip.truth.body_name!r}, and recordings are made of "
            f"motion on the body {body.name!r} only; give motion capture, which is brought to it."
        )


def require_whole(clip: Clip) -> None:
    """Raise a `KinefuseError` if recordings cannot be made from a clip: it is too short, or has gaps."""
    truth = clip.truth
    if len(truth.time) < SHORTEST_FRAMES:
        raise KinefuseError(
            f"Clip {clip.name} of {clip.subject} has {len(truth.time)} frames; a recording is made from at least "
            f"{SHORTEST_FRAMES}."
        )
    known = np.isfinite(truth.R_world_segment).all((1, 2, 3)) & np.isfinite(truth.positions).all((1, 2))
    if not known.all():
        raise KinefuseError(
            f"Clip {clip.name} of {clip.subject} has gaps ({(~known).sum()} of {len(known)} frames hold NaN), so "
            "nothing can be recorded from it; cut it to frames in which all segments are known."
        )


def sample(clips: Iterable[C], per_subject: int, seed: int) -> list[C]:
    """Return at most `per_subject` clips of each person, spread evenly over activities and names.

    Clips are sorted by activity and name, and every n-th is taken from a random start, so that each activity and each
    exercise comes as often as it does in the whole.

    Parameters
    ----------
    seed : of the starts; one and the same person has the same clips whoever else is there
    """
    people: dict[str, list[C]] = {}
    for clip in clips:
        people.setdefault(clip.subject, []).append(clip)
    return [clip for name in people for clip in _spread(people[name], per_subject, stable_rng(seed, name))]


def _spread(clips: list[C], wanted: int, rng: np.random.Generator) -> list[C]:
    ordered = sorted(clips, key=lambda clip: (clip.activity, _name_of(clip)))
    if len(ordered) <= wanted:
        return ordered
    step, start = len(ordered) / wanted, rng.uniform()
    return [ordered[int((index + start) * step)] for index in range(wanted)]


def _name_of(clip: Clip | PreparedClip) -> str:
    return clip.name if isinstance(clip, Clip) else clip.clip


def stable_rng(seed: int, *names: str) -> np.random.Generator:
    """Return a generator that depends on the seed and the names alone."""
    from zlib import crc32

    return np.random.default_rng([seed, *(crc32(name.encode()) for name in names)])


def with_unique_names(clips: Sequence[Clip]) -> list[Clip]:
    """Return the clips with ``part 2``, ``part 3`` ... added to names that a person has more than once."""
    seen: Counter[tuple[str, str]] = Counter()
    out = []
    for clip in clips:
        seen[clip.subject, clip.name] += 1
        number = seen[clip.subject, clip.name]
        out.append(clip if number == 1 else replace(clip, name=f"{clip.name} part {number}"))
    return out


def middle(clip: Clip, longest_s: float) -> Clip:
    """Return the middle of a clip that takes longer than `longest_s`; a clip with a recording stays whole."""
    time = clip.truth.time
    spare = float(time[-1] - time[0]) - longest_s
    if clip.recording is not None or spare <= 0:
        return clip
    start = time[0] + spare / 2
    return replace(clip, truth=clip.truth.frames((time >= start) & (time <= start + longest_s)))
