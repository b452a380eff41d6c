"""From the errors of single clips to one number a person, and from there to mean and spread over people.

Clips of one person are weighted by the frames that were compared; then each person counts equally.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.metrics.compare import Row

AVERAGED: Final = ("_deg", "_mm", "_mps2", "r2")
"""Ends of the names of what is averaged over clips and people; the rest is names and counts."""


@dataclass(frozen=True, kw_only=True)
class ClipScore:
    """Errors of one estimator on one clip.

    Attributes
    ----------
    subject, clip, activity
    estimator
    noise : profile of the joint centres' errors
    level_mm : what was asked for; None is the profile's own
    point_error_mm : mean error of the joint centres as they were; None without any
    aligned : ``"none"``, or ``"heading"`` where one constant heading and root position were taken from the truth
    rows : `metrics.compare.Comparison.rows`
    """

    subject: str
    clip: str
    activity: str
    estimator: str
    noise: str
    level_mm: float | None
    point_error_mm: float | None
    aligned: str
    rows: tuple[Row, ...]

    @property
    def frames(self) -> int:
        """Frames that were compared."""
        return int(self.rows[0]["frames"] or 0)


Key = tuple[str, str, float | None]
"""Estimator, noise, level."""


def by_method(scores: Sequence[ClipScore]) -> dict[Key, list[ClipScore]]:
    """Return the scores of each estimator under each noise, noises in their order of appearance."""
    found: dict[Key, list[ClipScore]] = {}
    for noise, level in dict.fromkeys((score.noise, score.level_mm) for score in scores):
        for score in scores:
            if (score.noise, score.level_mm) == (noise, level):
                found.setdefault((score.estimator, noise, level), []).append(score)
    return found


def summary_rows(scores: Sequence[ClipScore]) -> list[Row]:
    """Return all rows of ``evaluate --json``: for each noise and estimator groups, joints and coordinates."""
    return [row for method in by_method(scores).values() for row in mean_rows(method)]


def activity_rows(scores: Sequence[ClipScore]) -> list[Row]:
    """Return the rows of groups for each activity that is known."""
    return _rows_by(scores, "activity", lambda score: score.activity)


def subject_rows(scores: Sequence[ClipScore]) -> list[Row]:
    """Return the rows of groups for each person."""
    return _rows_by(scores, "subject", lambda score: score.subject)


def clip_rows(scores: Sequence[ClipScore]) -> list[Row]:
    """Return the rows of groups for each clip, to find the worst."""
    return [
        row | _labels([score]) | {"subject": score.subject, "clip": score.clip, "activity": score.activity}
        for score in scores
        for row in score.rows
        if "joint" not in row
    ]


def _rows_by(scores: Sequence[ClipScore], label: str, of: Callable[[ClipScore], str]) -> list[Row]:
    out = []
    for method in by_method(scores).values():
        for value in sorted({of(score) for score in method} - {""}):
            rows = mean_rows([score for score in method if of(score) == value])
            out += [row | {label: value} for row in rows if "joint" not in row]
    return out


def mean_rows(scores: Sequence[ClipScore]) -> list[Row]:
    """Return mean and spread over people of one estimator under one noise.

    Returns
    -------
    The rows of `metrics.compare.Comparison.rows`: errors are means over people, ``*_sd`` their standard deviation
    (None for one person), ``frames`` sums; beside them ``subjects`` and ``clips``, which this row could be told of.
    """
    people = list(dict.fromkeys(score.subject for score in scores))
    index = [people.index(score.subject) for score in scores]
    stacked = zip(*(score.rows for score in scores), strict=True)
    labels = _labels(scores)
    return [labels | _mean_row(list(rows), np.array(index)) for rows in stacked]


def _labels(scores: Sequence[ClipScore]) -> Row:
    """What the scores of one method have in common; the error of the points is their mean, weighted by frames."""
    first = scores[0]
    errors = [(score.point_error_mm, score.frames) for score in scores if score.point_error_mm is not None]
    frames = sum(count for _, count in errors)
    return {
        "estimator": first.estimator,
        "noise": first.noise,
        "level_mm": first.level_mm,
        "point_error_mm": sum(error * count for error, count in errors) / frames if frames else None,
        "aligned": " and ".join(sorted({score.aligned for score in scores})),
    }


def _mean_row(rows: list[Row], person: np.ndarray) -> Row:
    """Return one row for the same row of all clips; `person` (N,) says whose each is."""
    frames = np.array([row["frames"] for row in rows], dtype=float)
    out: Row = {key: rows[0][key] for key in ("group", "joint", "coordinate") if key in rows[0]}
    for key in (key for key in rows[0] if key.endswith(AVERAGED)):
        each = person_means(np.array([np.nan if row[key] is None else row[key] for row in rows], float), frames, person)
        out[key] = _number(float(each.mean())) if each.size else None
        out[f"{key}_sd"] = _number(float(each.std(ddof=1))) if each.size > 1 else None
    told = frames > 0
    counts = {key: sum(int(row[key] or 0) for row in rows) for key in rows[0] if "frames" in key}
    return out | {"subjects": len(np.unique(person[told])), "clips": int(told.sum())} | counts


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def person_means(values: np.ndarray, frames: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Return each person's mean over clips, weighted by frames; people without a value are left out.

    Parameters
    ----------
    values : (N,) of each clip, NaN where unknown
    frames : (N,) weights
    person : (N,) whole numbers, whose clip it is
    """
    known = np.isfinite(values) & (frames > 0)
    weight = np.bincount(person[known], frames[known])
    total = np.bincount(person[known], frames[known] * values[known])
    return total[weight > 0] / weight[weight > 0]
