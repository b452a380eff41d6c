"""The rules that the committed split has to keep."""

from collections import defaultdict
from pathlib import Path

import pytest

from kinefuse.errors import KinefuseError
from kinefuse.synthesis.collection import find_people
from kinefuse.synthesis.split import (
    ACTIVITIES,
    GENERIC_SUBJECTS,
    ONE_THEME,
    PRIOR_SUBJECTS,
    SPLITS,
    split_of,
    split_table,
)


def sets() -> dict[str, set[str]]:
    found = defaultdict(set)
    for row in split_table():
        found[row.subject].add(row.split)
    return found


def test_nobody_is_in_two_sets() -> None:
    assert all(len(splits) == 1 for splits in sets().values())


def test_words_are_known_and_rows_are_unique() -> None:
    rows = split_table()
    assert {row.split for row in rows} == set(SPLITS)
    assert {row.activity for row in rows} == set(ACTIVITIES)
    assert len({(row.subject, row.clip) for row in rows}) == len(rows)


@pytest.mark.parametrize("theme", ONE_THEME)
def test_one_theme_is_one_set(theme: tuple[str, ...]) -> None:
    assert len(set.union(*(sets()[subject] for subject in theme))) == 1


def test_some_are_for_training_only_and_some_never() -> None:
    for subject in (*GENERIC_SUBJECTS, *PRIOR_SUBJECTS):
        assert sets()[subject] == {"train"}, subject
    for subject, splits in sets().items():
        if subject.startswith("hdm05"):
            assert splits == {"test"}, subject


def test_each_set_has_people_with_markers() -> None:
    marked = [next(iter(splits)) for subject, splits in sets().items() if subject.startswith("uiprmd")]
    assert {split: marked.count(split) for split in SPLITS} == {"train": 4, "validation": 1, "test": 3}


def test_a_clip_without_a_row_is_named() -> None:
    assert split_of("uiprmd_s01", "m01_e01").activity == "rehabilitation exercise"
    with pytest.raises(KinefuseError, match=r"99_01\.bvh"):
        split_of("cmu_099", "99_01.bvh")


def test_everyone_at_hand_has_rows(data: Path) -> None:
    people, _ = find_people(data / "mocap")
    assert {person.subject for person in people} == sets().keys()
