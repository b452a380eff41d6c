"""Cells go to files and come back."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from study_samples import made_up_cell

from kinefuse.errors import KinefuseError
from kinefuse.study.cells import REPEATED, Cell, continued, failed_cell, read_cell, repetitions_in, write_cell


@pytest.mark.parametrize("cell", [made_up_cell(), failed_cell("a", "b", "c", "d", "e", "no camera")])
def test_round_trip(tmp_path: Path, cell: Cell) -> None:
    path = tmp_path / "a" / "cell.npz"
    cell = replace(cell, key="key")
    write_cell(path, cell)
    again = read_cell(path, "key")
    assert again is not None
    for field in fields(Cell):
        old, new = getattr(cell, field.name), getattr(again, field.name)
        assert old == new if isinstance(old, str) else np.allclose(old, new, rtol=1e-6, equal_nan=True)
    assert list(path.parent.iterdir()) == [path]


def test_what_was_made_otherwise_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "cell.npz"
    write_cell(path, replace(made_up_cell(), key="key"))
    assert read_cell(path, "another") is None
    assert read_cell(path) is not None


def test_damaged_files_are_made_again(tmp_path: Path) -> None:
    path = tmp_path / "cell.npz"
    assert read_cell(path) is None
    write_cell(path, replace(made_up_cell(), key="key"))
    path.write_bytes(path.read_bytes()[:200])
    assert read_cell(path) is None


def test_repetitions_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "cell.npz"
    assert repetitions_in(path, "key") == 0
    write_cell(path, replace(made_up_cell(repetitions=4), key="key"))
    assert repetitions_in(path, "key") == 4
    assert repetitions_in(path, "another") == 0
    path.write_bytes(path.read_bytes()[:200])
    assert repetitions_in(path, "key") == 0
    write_cell(path, replace(failed_cell("a", "b", "c", "d", "e", "no camera"), key="key"))
    assert repetitions_in(path, "key") == float("inf")


def test_a_continued_cell_has_both_repetitions_and_the_first_curves() -> None:
    first, more = made_up_cell(repetitions=2), made_up_cell(repetitions=3)
    both = continued(first, replace(more, time=np.zeros(0), estimate=first.estimate[:0], truth=first.truth[:0]))
    assert both.repetitions == 5
    for name in REPEATED:
        np.testing.assert_array_equal(getattr(both, name)[:2], getattr(first, name))
        np.testing.assert_array_equal(getattr(both, name)[2:], getattr(more, name))
    np.testing.assert_array_equal(both.truth, first.truth)


def test_shapes_are_checked() -> None:
    with pytest.raises(KinefuseError, match=r"Cell\.geodesic: expected an array of shape"):
        replace(made_up_cell(), geodesic=np.zeros((3, 5)))


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(KinefuseError, match="cannot be written"):
        write_cell(blocker / "cell.npz", made_up_cell())
