"""Errors of joints frame by frame, for what is asked of estimators that look at silhouettes.

Which frames are partial (a camera does not see the whole person) is known where mattes are rendered; so errors are told
apart by it, per joint and over time. Frames of one person are taken together; then each person counts equally.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from kinefuse.conventions import JOINTS
from kinefuse.estimators.base import Estimator
from kinefuse.evaluation.filmed_mattes import CAMERAS, FilmedMattes, filmed_mattes
from kinefuse.evaluation.material import Clip
from kinefuse.metrics.accelerations import acceleration_errors
from kinefuse.metrics.compare import Row, motion_at
from kinefuse.metrics.points import point_errors, procrustes_aligned, root_aligned
from kinefuse.motion import Motion
from kinefuse.recordings import Recording

KINDS: Final = ("mpjpe_mm", "mpjpe_root_mm", "mpjpe_pa_mm")
"""Of the errors: as they are, with the roots moved together, and after each frame's best similarity transform."""


@dataclass(frozen=True)
class FrameErrors:
    """Errors of one estimator on T frames of a clip.

    Attributes
    ----------
    estimator, subject, clip
    partial : (T,) bool
    errors : (3, T, 22) metres, in the order of `KINDS`; NaN where the estimator says nothing
    jitter : (22,) m/s², mean error of the accelerations relative to the root; the root's own is that in the world
    """

    estimator: str
    subject: str
    clip: str
    partial: np.ndarray
    errors: np.ndarray
    jitter: np.ndarray


def frame_errors(motion: Motion, clip: Clip, seen: FilmedMattes, estimator: str) -> FrameErrors:
    """Return the errors of a motion in the frames that were filmed; frames that it lacks are NaN."""
    truth = motion_at(clip.truth, seen.time)
    found = np.full(truth.positions.shape, np.nan)
    nearest = np.clip(np.rint((motion.time - seen.time[0]) * _rate(seen.time)).astype(int), 0, len(found) - 1)
    same = np.abs(seen.time[nearest] - motion.time) < 1e-3
    found[nearest[same]] = motion.positions[same]
    kinds = (
        point_errors(found, truth.positions),
        point_errors(root_aligned(found), root_aligned(truth.positions)),
        point_errors(procrustes_aligned(found, truth.positions), truth.positions),
    )
    shaking = acceleration_errors(motion.time, motion.positions, clip.truth.time, clip.truth.positions)
    return FrameErrors(estimator, clip.subject, clip.name, seen.partial, np.stack(kinds), _mean(shaking, 0))


def _rate(time: np.ndarray) -> float:
    return float(1.0 / np.median(np.diff(time))) if len(time) > 1 else 1.0


def _mean(values: np.ndarray, axis: int | tuple[int, ...] | None = None) -> np.ndarray:
    """Return means of what is not NaN; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis)
    return np.asarray(np.where(known, values, 0.0).sum(axis) / np.where(count > 0, count, np.nan))


def score_clip(
    clip: Clip, estimators: Mapping[str, tuple[Estimator, Recording]], seed: int, cameras: int = CAMERAS
) -> list[FrameErrors]:
    """Return the errors of estimators on one rendered recording of a clip, the same for all.

    Parameters
    ----------
    clip : without a recording of its own
    estimators : by the names of their rows; each with what is recorded beside the mattes, sensors and held poses
    seed : of rig, clothes and faults
    cameras : how many
    """
    seen = filmed_mattes(clip, seed, cameras)
    with TemporaryDirectory(prefix="kinefuse-mattes-") as folder:
        views = seen.stored(Path(folder))
        return [
            frame_errors(one.estimate(replace(beside, cameras=seen.cameras, views=views)), clip, seen, name)
            for name, (one, beside) in estimators.items()
        ]


def summary(scores: Sequence[FrameErrors], which: str = "all") -> Row:
    """Return the errors of one estimator: means over people with their standard deviations, millimetres.

    Parameters
    ----------
    scores : of one estimator
    which : ``"all"`` frames, ``"full"`` or ``"partial"`` ones
    """
    row: Row = {"estimator": scores[0].estimator, "frames_of": which}
    for kind, name in enumerate(KINDS):
        people = by_person(scores, lambda score, k=kind: score.errors[k][_chosen(score, which)].ravel())  # type: ignore[misc]
        row |= _with_spread(name, 1000.0 * people)
    row |= _with_spread("jitter_mps2", by_person(scores, lambda score: score.jitter[1:]))
    row["frames"] = sum(int(_chosen(score, which).sum()) for score in scores)
    row["missing_frames"] = sum(int(np.isnan(s.errors[0][_chosen(s, which)]).all(1).sum()) for s in scores)
    return row


def joint_rows(scores: Sequence[FrameErrors]) -> list[Row]:
    """Return the error of each joint of one estimator, mean over people, millimetres."""
    return [
        {
            "estimator": scores[0].estimator,
            "joint": name,
            **_with_spread("mpjpe_mm", 1000.0 * by_person(scores, lambda s, j=j: s.errors[0, :, j])),  # type: ignore[misc]
        }
        for j, name in enumerate(JOINTS)
    ]


def by_person(scores: Sequence[FrameErrors], values: Callable[[FrameErrors], np.ndarray]) -> np.ndarray:
    """Return each person's mean (P,) of all values of all clips; people without any are left out."""
    people: dict[str, list[np.ndarray]] = {}
    for score in scores:
        people.setdefault(score.subject, []).append(values(score))
    means = np.array([float(_mean(np.concatenate(parts))) for parts in people.values()])
    return means[np.isfinite(means)]


def _chosen(score: FrameErrors, which: str) -> np.ndarray:
    every = np.ones(len(score.partial), dtype=bool)
    return {"all": every, "full": ~score.partial, "partial": score.partial}[which]


def _with_spread(name: str, people: np.ndarray) -> Row:
    mean = float(people.mean()) if people.size else None
    return {name: mean, f"{name}_sd": float(people.std(ddof=1)) if people.size > 1 else None, "people": people.size}
