"""Which person is for training, validation or test, and what each clip shows; ``split.csv`` beside this file says it.

Nobody is in two sets. CMU numbers that share a recording theme are in one set, for one person may have several; those
that were retargeted to one generic body, and those from whom a shipped pose prior was learned, are for training only;
HDM05, another laboratory, is for test only.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np

from kinefuse.errors import KinefuseError

SPLITS: Final = ("train", "validation", "test")
ACTIVITIES: Final = (
    "walking",
    "running",
    "jumping",
    "squatting and sitting",
    "dance",
    "sport",
    "everyday",
    "rehabilitation exercise",
)
OTHER: Final = "other"
"""Activity of a clip of which ``split.csv`` says nothing."""

PRIOR_SUBJECTS: Final = tuple(f"cmu_{n}" for n in ("001", "003", "005", "006", "009", "010", "012", "014"))
"""The pose prior of ``smplify3d:paper`` was learned from these."""

GENERIC_SUBJECTS: Final = ("cmu_011", "cmu_060", "cmu_061", "cmu_094")
"""Retargeted to one body: real motion without real proportions."""

ONE_THEME: Final = (
    ("cmu_026", "cmu_027", "cmu_029", "cmu_032", "cmu_055"),
    ("cmu_001", "cmu_039"),
    ("cmu_007", "cmu_047"),
    ("cmu_010", "cmu_011"),
    ("cmu_060", "cmu_061"),
)
"""CMU numbers whose recordings have one theme, so that one person may be behind several of them."""


@dataclass(frozen=True)
class SplitRow:
    """One row of the file; `clip` may be a pattern such as ``*``."""

    subject: str
    clip: str
    split: str
    activity: str


@cache
def split_table() -> tuple[SplitRow, ...]:
    """Return all rows of ``split.csv``."""
    text = (files("kinefuse.synthesis") / "split.csv").read_text(encoding="utf-8")
    return tuple(SplitRow(**row) for row in csv.DictReader(text.splitlines()))


def split_of(subject: str, clip: str) -> SplitRow:
    """Return the row of a clip.

    Raises
    ------
    KinefuseError
        If the file does not have it.
    """
    for row in split_table():
        if row.subject == subject and fnmatchcase(clip, row.clip):
            return row
    raise KinefuseError(f"Clip {clip!r} of {subject!r} has no row in split.csv; add one that names its set.")


def splits_for(subjects: Iterable[str], validation_share: float, seed: int) -> dict[str, str]:
    """Return the set of each person: that of ``split.csv``, else training or, for a part of them, validation.

    Parameters
    ----------
    validation_share : part of the people of whom ``split.csv`` says nothing; at least one if there are two, unless 0
    seed : of the choice, which does not depend on the order of `subjects`

    Raises
    ------
    KinefuseError
        If the share is not at least 0 and below 1.
    """
    if not 0 <= validation_share < 1:
        raise KinefuseError(f"The share for validation must be at least 0 and below 1, got {validation_share:g}.")
    known = {row.subject: row.split for row in split_table()}
    own = sorted(set(subjects) - known.keys())
    count = min(len(own) - 1, max(1, round(validation_share * len(own)))) if validation_share and own else 0
    chosen = {own[i] for i in np.random.default_rng(seed).permutation(len(own))[:count]}
    return {name: known.get(name, "validation" if name in chosen else "train") for name in subjects}


def activity_of(subject: str, clip: str) -> str:
    """Return what a clip shows, `OTHER` where ``split.csv`` does not have it."""
    try:
        return split_of(subject, clip).activity
    except KinefuseError:
        return OTHER
