"""The study's work: every estimator on every window under every setting, in cells that are kept as files.

A job is one window under one setting. What a setting varies and an estimator does not see is computed once: settings
that are alike for it (`plan.alike`) share the result. Repetitions that lie there with the same key are not computed
again, so an interrupted study goes on where it stopped, and one that is asked for more of them adds what is lacking.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.conventions import COORDINATES
from kinefuse.errors import KinefuseError
from kinefuse.estimators.base import Estimator
from kinefuse.evaluation.judging import estimator_called, knows_no_heading, seed_generators
from kinefuse.evaluation.material import Clip
from kinefuse.metrics.compare import Comparison, compare_motions, compared_angles
from kinefuse.processes import processes
from kinefuse.recordings import Recording
from kinefuse.study.archive import Result
from kinefuse.study.cells import (
    COMPARED,
    CURVES_HZ,
    Cell,
    continued,
    failed_cell,
    read_cell,
    repetitions_in,
    write_cell,
)
from kinefuse.study.keys import Window, key_of, same_for, window_of
from kinefuse.study.making import Maker, maker_of, seen_by
from kinefuse.study.plan import POINTS, SENSORS, Setting, alike, is_optimiser, sees, without_unseen_fault
from kinefuse.study.windows import interleaved

KEPT_WINDOWS: Final = 2
NO_CURVES: Final = (np.zeros(0), np.zeros((0, len(COORDINATES))), np.zeros((0, len(COORDINATES))))

OUR_FAULT: Final = "A fault of kinefuse"

NOTHING: Final[Mapping[str, Result]] = {}


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is asked for.

    Attributes
    ----------
    folder : where the cells lie, ``SETTING/ESTIMATOR/WINDOW.npz``
    settings, estimators
    repetitions, optimised_repetitions : how often each recording is made anew, for all and for `plan.OPTIMISERS`
    seed : of everything that is drawn
    """

    folder: Path
    settings: tuple[Setting, ...]
    estimators: tuple[str, ...]
    repetitions: int
    optimised_repetitions: int
    seed: int

    def times(self, estimator: str) -> int:
        """Return how often an estimator's recordings are made anew."""
        return self.optimised_repetitions if is_optimiser(estimator) else self.repetitions

    def path(self, setting: Setting, estimator: str, window: str) -> Path:
        """Return the file of a cell."""
        return self.folder / setting.name / estimator_folder(estimator) / f"{window}.npz"


@dataclass(frozen=True)
class Task:
    """An estimator under the settings that are alike for it.

    Attributes
    ----------
    estimator, settings
    keys : of each setting's cell
    begun : repetitions that lie there for each of them already
    """

    estimator: str
    settings: tuple[Setting, ...]
    keys: tuple[str, ...]
    begun: int = 0


@dataclass(frozen=True)
class Job:
    """One window under one setting: the tasks whose first setting that is."""

    study: Study
    clip: Clip
    tasks: tuple[Task, ...]


def estimator_folder(estimator: str) -> str:
    """Return an estimator's name in letters that every file system allows: ``NETWORK=FILE`` is marked by a digest."""
    kind, given, file = estimator.partition("=")
    plain = kind.replace(":", "-")
    return f"{plain}-{hashlib.sha256(file.encode()).hexdigest()[:8]}" if given else plain


def run_study(
    study: Study,
    windows: Sequence[Clip],
    jobs: int,
    progress: Callable[[str, int, int], None],
    overwrite: bool = False,
    known: Mapping[str, Result] = NOTHING,
) -> list[Cell]:
    """Compute all cells that are neither there nor known, and return all that are there then.

    Parameters
    ----------
    study
    windows : of `windows.choose_windows`
    jobs : processes, of one thread each
    progress : called as ``progress(stage, done, total)``
    overwrite : compute all cells anew
    known : results by key, of `archive.by_key`, which are not computed again unless there are too few repetitions

    Raises
    ------
    KinefuseError
        If a cell cannot be written, or a process was ended from outside.
    """
    work = [job for clip in interleaved(windows) for job in jobs_of(study, clip, overwrite, known)]
    total = sum(len(task.settings) for job in work for task in job.tasks)
    done = 0
    for finished in _finished(work, jobs):
        done += finished
        progress("cells", done, total)
    return read_cells(study, windows)


def known_results(study: Study, windows: Sequence[Clip], known: Mapping[str, Result]) -> list[Result]:
    """Return what is known of the study's windows, under the first of the settings that are alike."""
    found: list[Result] = []
    for clip in windows if known else ():
        window = window_of(clip)
        for estimator in study.estimators:
            for group in alike(study.settings, estimator):
                result = _known(study, window, estimator, group, known)
                if result is not None:
                    found.append(replace(result, setting=group[0].name, estimator=estimator))
    return found


def _known(
    study: Study, window: Window, estimator: str, group: Sequence[Setting], known: Mapping[str, Result]
) -> Result | None:
    """Return what is known of a window under any of the settings that are alike for an estimator."""
    keys = [key_of(study.seed, window, estimator, setting) for setting in same_for(estimator, group)]
    return next((known[key] for key in keys if key in known), None)


def _suffices(result: Result | None, times: int) -> bool:
    """Return whether a known result has so many repetitions, or is a failure, which more would not mend."""
    return result is not None and (result.repetitions >= times or isinstance(result, Cell))


def read_cells(study: Study, windows: Sequence[Clip]) -> list[Cell]:
    """Return the study's cells that lie in its folder, by setting, estimator and window.

    Those that were made of something else, by another version or seed, are left out.
    """
    digests = {clip.name: window_of(clip) for clip in windows}
    found = []
    for setting in study.settings:
        for estimator in study.estimators:
            for window in digests.values():
                cell = read_cell(study.path(setting, estimator, window.name))
                if cell is not None and cell.key in ("", key_of(study.seed, window, estimator, setting)):
                    found.append(cell)
    return found


def jobs_of(study: Study, clip: Clip, overwrite: bool = False, known: Mapping[str, Result] = NOTHING) -> list[Job]:
    """Return the jobs of one window, without what is there already, or is once alike settings share what they have."""
    window = window_of(clip)
    tasks: dict[str, list[Task]] = {}
    for estimator in study.estimators:
        for group in alike(study.settings, estimator):
            if _suffices(_known(study, window, estimator, group, known), study.times(estimator)):
                continue
            keys = tuple(key_of(study.seed, window, estimator, setting) for setting in group)
            task = Task(estimator, group, keys)
            begun = 0 if overwrite else _begun(study, window, task)
            if begun < study.times(estimator):
                tasks.setdefault(group[0].name, []).append(replace(task, begun=int(begun)))
    return [Job(study, clip, tuple(tasks[setting.name])) for setting in study.settings if setting.name in tasks]


def _begun(study: Study, window: Window, task: Task) -> float:
    """Return how many repetitions of a task are there, after giving all its settings those that an alike one has."""
    paths = [study.path(setting, task.estimator, window.name) for setting in task.settings]
    counts = [repetitions_in(path, key) for path, key in zip(paths, task.keys, strict=True)]
    if min(counts) >= study.times(task.estimator):
        return min(counts)
    most, source, key = _most_repeated(study, window, task)
    found = read_cell(source, key) if most > min(counts) else None
    if found is None:
        return min(counts)
    for n, setting in enumerate(task.settings):
        if counts[n] < most:
            write_cell(paths[n], replace(found, setting=setting.name, key=task.keys[n]))
    return most


def _most_repeated(study: Study, window: Window, task: Task) -> tuple[float, Path, str]:
    """Return the most repetitions under any setting that is one and the same for a task's estimator, file and key.

    The settings need not be among those that are asked for.
    """
    there = []
    for setting in same_for(task.estimator, task.settings):
        path = study.path(setting, task.estimator, window.name)
        key = key_of(study.seed, window, task.estimator, setting)
        there.append((repetitions_in(path, key), path, key))
    return max(there)


def _finished(work: Sequence[Job], jobs: int) -> Iterator[int]:
    """Do all jobs; yield how many cells each has made."""
    if jobs == 1 or len(work) < 2:
        yield from map(do, work)
        return
    with processes(min(jobs, len(work))) as pool:
        yield from pool.map(do, work)


def do(job: Job) -> int:
    """Compute and write the cells of one job; return how many."""
    maker = _maker(window_of(job.clip), _Held(job.clip), job.study.seed)
    setting = job.tasks[0].settings[0]
    made: dict[str, list[Score]] = {}
    failures: dict[str, str] = {}
    for repetition in range(max(job.study.times(task.estimator) for task in job.tasks)):
        due = [
            task.estimator
            for task in job.tasks
            if task.begun <= repetition < job.study.times(task.estimator) and task.estimator not in failures
        ]
        if not due:
            continue
        try:
            wholes = _recordings(maker, setting, repetition, due)
        except KinefuseError as problem:
            failures |= dict.fromkeys(due, str(problem))
            continue
        for name in due:
            try:
                made.setdefault(name, []).append(score(name, wholes[name], job, repetition))
            except KinefuseError as problem:
                failures[name] = str(problem)
            except Exception as fault:  # hours of other cells must not be lost to it; the tables tell of it
                failures[name] = f"{OUR_FAULT} ({type(fault).__name__}: {fault})."
    for task in job.tasks:
        _write(job, task, made.get(task.estimator, []), failures.get(task.estimator, ""))
    return sum(len(task.settings) for task in job.tasks)


def _recordings(maker: Maker, setting: Setting, repetition: int, estimators: Sequence[str]) -> dict[str, Recording]:
    """Return the recording for each estimator, made once for all that see the same of the setting."""
    shown = {name: without_unseen_fault(setting, sees(name)) for name in estimators}
    made: dict[Setting, Recording] = {}
    for its in dict.fromkeys(shown.values()):
        sights = [sees(name) for name in estimators if shown[name] == its]
        points, sensors = any(s != SENSORS for s in sights), any(s != POINTS for s in sights)
        made[its] = maker.whole(its, repetition, points=points, sensors=sensors)
    return {name: made[its] for name, its in shown.items()}


@dataclass(frozen=True)
class _Held:
    """A clip that counts as equal whatever it holds, so that a cache goes by the window beside it."""

    clip: Clip

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=KEPT_WINDOWS)
def _maker(window: Window, held: _Held, seed: int) -> Maker:
    return maker_of(held.clip, seed)


@dataclass(frozen=True)
class Score:
    """One estimate against the truth.

    Attributes
    ----------
    comparison
    seconds : that the estimator took
    curves : time (T,), estimate and truth (T, C), of the first repetition only
    """

    comparison: Comparison
    seconds: float
    curves: tuple[np.ndarray, np.ndarray, np.ndarray] | None


def score(name: str, whole: Recording, job: Job, repetition: int) -> Score:
    """Return how far off an estimator is on what it sees of a recording.

    Raises
    ------
    KinefuseError
        If it cannot use it.
    """
    recording = seen_by(sees(name), whole)
    estimator: Estimator = estimator_called(name)
    seed_generators(job.study.seed + repetition)
    begin = time.perf_counter()
    motion = estimator.estimate(recording)
    seconds = time.perf_counter() - begin
    free = knows_no_heading(name, recording)
    comparison = compare_motions(motion, job.clip.truth, align_heading=free)
    curves = compared_angles(motion, job.clip.truth, align_heading=free) if repetition == 0 else None
    return Score(comparison, seconds, curves)


def _write(job: Job, task: Task, scores: Sequence[Score], failure: str) -> None:
    """Write one task's cell under each of its settings; one that failed by our fault has no key, to be tried again.

    Repetitions that were there already stay as they are then.
    """
    clip = job.clip
    if task.begun and failure.startswith(OUR_FAULT):
        return
    told = (task.settings[0].name, task.estimator, clip.name, clip.subject, clip.activity)
    cell = failed_cell(*told, failure) if failure else _whole_cell(job, task, cell_of(*told, scores=scores))
    for setting, key in zip(task.settings, task.keys, strict=True):
        path = job.study.path(setting, task.estimator, clip.name)
        key = "" if failure.startswith(OUR_FAULT) else key
        write_cell(path, replace(cell, setting=setting.name, key=key))


def _whole_cell(job: Job, task: Task, new: Cell) -> Cell:
    """Return a cell with the repetitions that were there before, if any, in front of the new ones."""
    if not task.begun:
        return new
    path = job.study.path(task.settings[0], task.estimator, job.clip.name)
    before = read_cell(path, task.keys[0])
    if before is None or before.repetitions != task.begun:
        raise KinefuseError(f"{path}: was changed while the study went on; run it again, one command at a time.")
    return continued(before, new)


def cell_of(setting: str, estimator: str, window: str, subject: str, activity: str, *, scores: Sequence[Score]) -> Cell:
    """Return the cell of some repetitions; it has curves if the first of them has."""
    stacked = {name: np.stack([getattr(each.comparison, name) for each in scores]) for name in COMPARED}
    at, estimate, truth = _thinned(*scores[0].curves) if scores[0].curves else NO_CURVES
    return Cell(
        setting=setting,
        estimator=estimator,
        window=window,
        subject=subject,
        activity=activity,
        coordinate_range=scores[0].comparison.coordinate_range,
        seconds=np.array([each.seconds for each in scores]),
        time=at,
        estimate=estimate,
        truth=truth,
        **stacked,
    )


def _thinned(time_s: np.ndarray, *values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the frames nearest to `CURVES_HZ` a second."""
    wanted = np.arange(time_s[0], time_s[-1] + 1e-9, 1.0 / CURVES_HZ)
    nearest = np.unique(np.abs(time_s[:, None] - wanted).argmin(0))
    return (time_s[nearest], *(array[nearest] for array in values))
