"""Estimators on clips: every one gets the very same recording of each clip, and is compared with the same truth."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from kinefuse.errors import KinefuseError
from kinefuse.estimators.base import Estimator
from kinefuse.estimators.registry import NEEDS_SILHOUETTES, WITHOUT_PLACE, base_name, make_estimator
from kinefuse.evaluation.floor import MEAN_POSE, MeanPose
from kinefuse.evaluation.material import Clip, Progress
from kinefuse.evaluation.others import OtherResult, common_span, during
from kinefuse.evaluation.recordings import RECORDED, Conditions, make_recording, point_error_m
from kinefuse.evaluation.scores import ClipScore
from kinefuse.metrics.compare import compare_motions
from kinefuse.motion import Motion
from kinefuse.processes import processes
from kinefuse.recordings import Recording


@dataclass(frozen=True)
class Job:
    """One clip under one set of conditions, which a trial that was recorded does not have.

    Where other tools' results stand beside our estimators, all are judged over the time that every result covers.
    """

    clip: Clip
    conditions: Conditions | None
    estimators: tuple[str, ...]
    others: tuple[OtherResult, ...] = ()


@dataclass(frozen=True)
class Failure:
    """Why an estimator could not use a recording."""

    subject: str
    clip: str
    noise: str
    estimator: str
    reason: str


def evaluate(
    clips: Sequence[Clip],
    conditions: Sequence[Conditions],
    estimators: Sequence[str],
    jobs: int,
    progress: Progress,
    others: Sequence[OtherResult] = (),
) -> tuple[list[ClipScore], list[Failure]]:
    """Return the errors of every estimator, and of the mean pose, on every clip under every condition.

    Parameters
    ----------
    clips : of `material.load_clips`
    conditions : for clips without a recording of their own
    estimators : names in `estimators.registry`
    jobs : processes
    progress : called as ``progress(stage, done, total)``
    others : other tools' results of the one trial in `clips`, of `others.read_others`

    Returns
    -------
    scores : only of clips that all estimators could use, so that all are judged on the same
    failures : one for each recording that an estimator could not use

    Raises
    ------
    KinefuseError
        If an estimator is unknown, or no clip could be used by all; the sentence tells the first reason.
    """
    names = tuple(dict.fromkeys([*estimators, MEAN_POSE]))
    require_estimators(names)
    work = [
        Job(clip, how, names, tuple(others)) for clip in clips for how in ([None] if clip.recording else conditions)
    ]
    scores: list[ClipScore] = []
    failures: list[Failure] = []
    for done, result in enumerate(_results(work, jobs), 1):
        progress("evaluating", done, len(work))
        scores += result[0]
        failures += result[1]
    if not scores:
        first = failures[0]
        raise KinefuseError(
            f"No clip could be used by all estimators; of {first.clip}, {first.estimator} says: {first.reason}"
        )
    return scores, failures


def require_estimators(names: Sequence[str]) -> None:
    """Raise a `KinefuseError` if an estimator is unknown or cannot be made; the sentence names the nearest."""
    for name in names:
        estimator_called(name)


def _results(work: Sequence[Job], jobs: int) -> Iterator[tuple[list[ClipScore], list[Failure]]]:
    if jobs == 1 or len(work) == 1:
        yield from map(judge, work)
        return
    with processes(min(jobs, len(work))) as pool:
        yield from pool.map(judge, work)


def judge(job: Job) -> tuple[list[ClipScore], list[Failure]]:
    """Return the errors of each estimator on one recording, or why one could not use it."""
    with TemporaryDirectory(prefix="kinefuse-mattes-") as folder:
        try:
            recording, span = _recorded(job, Path(folder))
        except KinefuseError as problem:
            clip = job.clip
            return [], [Failure(clip.subject, clip.name, _noise(job.conditions), "the recording", str(problem))]
        return _judged(job, recording, span)


def _recorded(job: Job, folder: Path) -> tuple[Recording, tuple[float, float]]:
    """Return the recording of a clip, and the seconds that all are judged over.

    Mattes are made only for those who need them, of a part of the clip, and are kept in `folder`.
    """
    clip, conditions, span = job.clip, job.conditions, common_span(job.others)
    if conditions is None:
        return measured(clip.recording), span
    recording = make_recording(clip, conditions)
    if not NEEDS_SILHOUETTES & {base_name(name) for name in job.estimators}:
        return recording, span
    from kinefuse.evaluation.filmed_mattes import filmed_mattes

    seen = filmed_mattes(clip, conditions.seed)
    recording = replace(recording, cameras=seen.cameras, views=seen.stored(folder))
    return recording, (float(seen.time[0]), float(seen.time[-1]))


def _judged(job: Job, recording: Recording, span: tuple[float, float]) -> tuple[list[ClipScore], list[Failure]]:
    clip, conditions = job.clip, job.conditions
    error_mm = None if conditions is None else 1000.0 * point_error_m(clip, recording, conditions)
    scores = []
    others = {other.name: other for other in job.others}
    for name in (*job.estimators, *others):
        seed_generators(0 if conditions is None else conditions.seed)
        try:
            scores.append(_score(job, others.get(name) or name, recording, error_mm, span))
        except KinefuseError as problem:  # the clip counts for nobody then
            return [], [Failure(clip.subject, clip.name, _noise(conditions), name, str(problem))]
    return scores, []


def _score(
    job: Job, method: str | OtherResult, recording: Recording, error_mm: float | None, span: tuple[float, float]
) -> ClipScore:
    name = method if isinstance(method, str) else method.name
    motion, heading_is_free = _estimated(method, given_to(name, recording, job.conditions))
    motion = during(motion, span)
    comparison = compare_motions(motion, job.clip.truth, align_heading=heading_is_free)
    level_m = None if job.conditions is None else job.conditions.level_m
    return ClipScore(
        subject=job.clip.subject,
        clip=job.clip.name,
        activity=job.clip.activity,
        estimator=name,
        noise=_noise(job.conditions),
        level_mm=None if level_m is None else 1000.0 * level_m,
        point_error_mm=error_mm if error_mm is not None and np.isfinite(error_mm) else None,
        aligned="heading" if heading_is_free else "none",
        rows=tuple(comparison.rows()),
    )


def given_to(name: str, recording: Recording, conditions: Conditions | None) -> Recording:
    """Return what an estimator gets of a recording that is made under conditions; a recorded trial it gets whole.

    Those who look at silhouettes get no joint centres: made from the truth, these would tell how sensors are mounted.
    """
    if conditions is None or base_name(name) not in NEEDS_SILHOUETTES:
        return recording
    return replace(recording, joint_centers=None)


def _estimated(method: str | OtherResult, recording: Recording) -> tuple[Motion, bool]:
    """Return a motion, and whether one constant heading and place of it are forgiven."""
    if isinstance(method, OtherResult):
        return method.estimate(recording), not method.knows_heading
    return estimator_called(method).estimate(recording), knows_no_heading(method, recording)


def _noise(conditions: Conditions | None) -> str:
    return RECORDED if conditions is None else conditions.noise


def knows_no_heading(name: str, recording: Recording) -> bool:
    """Return whether an estimator cannot know heading and place, so that one constant of each is forgiven."""
    return base_name(name) in WITHOUT_PLACE or (name == MEAN_POSE and recording.joint_centers is None)


@cache
def estimator_called(name: str) -> Estimator:
    """Return an estimator, or the mean pose, by its name; ``NAME=FILE`` takes a network's weights from a file.

    Raises
    ------
    KinefuseError
        If there is none, where the sentence names the nearest, or its weights cannot be read.
    """
    if name == MEAN_POSE:
        return MeanPose()
    return make_estimator(name)


def measured(recording: Recording | None) -> Recording:
    """Return a recorded trial with its joint centres, measured once for all estimators from its views' keypoints."""
    assert recording is not None
    if recording.joint_centers is not None or sum(view.keypoints is not None for view in recording.views) < 2:
        return recording
    from kinefuse.vision.preparation import measure_joint_centers

    return measure_joint_centers(recording).recording


def seed_generators(seed: int) -> None:
    """Seed the global generators, for estimators that draw from them."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)
