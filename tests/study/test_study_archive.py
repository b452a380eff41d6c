"""Results go to one small file and come back, each once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from study_samples import made_up_cell

from kinefuse.conventions import COORDINATE_INDEX
from kinefuse.errors import KinefuseError
from kinefuse.study.archive import by_key, read_archive, write_archive
from kinefuse.study.cells import Cell, failed_cell
from kinefuse.study.means import Results
from kinefuse.study.scored import Scored, scored


def keyed(cell: Cell, key: str = "a") -> Cell:
    return replace(cell, key=key)


def test_numbers_come_back(tmp_path: Path) -> None:
    holed = made_up_cell().coordinate_rmse.copy()
    holed[:, COORDINATE_INDEX["neck_flexion"]] = np.nan
    cell = keyed(replace(made_up_cell(), coordinate_rmse=holed))
    failure = keyed(failed_cell("cameras-1", "videonet", "w", "s1", "walking", "It needs two cameras."), "b")
    write_archive(tmp_path / "results.npz", [failure, cell])
    back, failed = read_archive(tmp_path / "results.npz")
    assert isinstance(back, Scored)
    assert isinstance(failed, Cell)
    assert (failed.failure, failed.key, failed.window) == ("It needs two cameras.", "b", "w")
    before = scored(cell)
    for name in ("setting", "estimator", "window", "subject", "activity", "repetitions", "key"):
        assert getattr(back, name) == getattr(before, name)
    np.testing.assert_allclose(back.movements, before.movements, rtol=2e-4)
    assert np.isnan(back.movements).any()
    for part, values in before.coordinates.items():
        np.testing.assert_allclose(back.coordinates[part], values, rtol=2e-4)
    assert back.groups == pytest.approx(before.groups, rel=2e-4, nan_ok=True)
    assert back.error_variance == pytest.approx(before.error_variance, rel=2e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["results.npz"]


def test_one_repetition_has_no_variance(tmp_path: Path) -> None:
    write_archive(tmp_path / "results.npz", [keyed(made_up_cell(repetitions=1))])
    (back,) = read_archive(tmp_path / "results.npz")
    assert isinstance(back, Scored)
    assert np.isnan(back.error_variance)


def test_what_is_alike_is_kept_once(tmp_path: Path) -> None:
    """VideoNet sees no sensors: its results under a mounting error are those without, and the most repeated counts."""
    cells = [
        keyed(made_up_cell("points-52.6", "videonet", repetitions=2), "a"),
        keyed(made_up_cell("mounting-9.4", "videonet", repetitions=3), "b"),
        keyed(made_up_cell("points-52.6", "fusionnet"), "c"),
        keyed(made_up_cell("mounting-9.4", "fusionnet"), "d"),
        made_up_cell("points-clean", "fusionnet"),  # without a key: to be computed again
    ]
    write_archive(tmp_path / "results.npz", cells)
    assert sorted(result.key for result in read_archive(tmp_path / "results.npz")) == ["b", "c", "d"]


def test_nothing_is_a_file_too(tmp_path: Path) -> None:
    write_archive(tmp_path / "results.npz", [])
    assert read_archive(tmp_path / "results.npz") == []


def test_of_two_of_one_key_the_more_repeated_counts() -> None:
    few, many = keyed(made_up_cell(repetitions=1)), keyed(made_up_cell(repetitions=4))
    assert by_key([few, many]) == {"a": many}
    assert by_key([many, few, made_up_cell()]) == {"a": many}


def test_curves_of_a_cell_join_numbers_of_more_repetitions(tmp_path: Path) -> None:
    write_archive(tmp_path / "results.npz", [keyed(made_up_cell(repetitions=5))])
    for order in (1, -1):
        both = [made_up_cell(repetitions=1), *read_archive(tmp_path / "results.npz")][::order]
        (one,) = Results(both).cells("points-52.6", "videonet")
        assert one.repetitions == 5
        assert len(one.time) == len(one.truth) == 50


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no such file"),
        (b"PK nothing", "is no results.npz of `kinefuse study`, or it is damaged"),
        ({"time": np.zeros(3)}, "is no results.npz of `kinefuse study`"),
        ({"names": np.array(["other"])}, "holds other numbers than this version"),
        ({"repetitions": np.zeros(7, dtype=int)}, "holds other numbers than this version"),
        ({"setting": np.array(["a"] * 5)}, "is no results.npz of `kinefuse study`"),
    ],
)
def test_other_files_are_told(tmp_path: Path, content: bytes | dict[str, np.ndarray] | None, sentence: str) -> None:
    path = tmp_path / "results.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None and "time" in content:
        np.savez(path, **content)  # type: ignore[arg-type]
    elif content is not None:
        write_archive(path, [keyed(made_up_cell())])
        with np.load(path) as stored:
            arrays = dict(stored)
        np.savez(path, **(arrays | content))  # type: ignore[arg-type]
    with pytest.raises(KinefuseError, match=sentence):
        read_archive(path)


def test_a_truncated_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "results.npz"
    write_archive(path, [keyed(made_up_cell())])
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.99):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(KinefuseError, match="damaged"):
            read_archive(path)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KinefuseError, match="cannot be written"):
        write_archive(tmp_path / "file" / "results.npz", [])
