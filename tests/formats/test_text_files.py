from pathlib import Path

import numpy as np
import pytest

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.text_files import (
    float_column,
    numbers,
    read_columns,
    read_text,
    read_toml,
    told_as,
)


def test_text_without_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfabc")
    assert read_text(tmp_path / "a.txt") == "abc"


def test_what_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"ab\xff")
    with pytest.raises(FormatError, match=r"byte 2 .* UTF-8"):
        read_text(tmp_path / "a.txt")
    with pytest.raises(KinefuseError, match="no such file"):
        read_text(tmp_path / "b.txt")
    with pytest.raises(KinefuseError, match="cannot be read"):
        read_text(tmp_path)


def test_refusals_of_the_file_system_are_told(tmp_path: Path) -> None:
    words = r"trial: cannot be read: No such file or directory \(.*nowhere\)"
    with pytest.raises(KinefuseError, match=words), told_as(Path("trial"), "read"):
        (tmp_path / "nowhere").read_text()


@pytest.mark.parametrize("text", ["a = ", "a = 1\na = 2", "a = " + "[" * 5000, "a = " + "9" * 5000])
def test_bad_toml_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(FormatError, match="not valid TOML"):
        read_toml(tmp_path / "a.toml")


def test_numbers_takes_finite_numbers_of_the_shape_only() -> None:
    matrix = numbers([[1, 2.5], [3, 4]], (2, 2))
    assert matrix is not None
    np.testing.assert_array_equal(matrix, [[1.0, 2.5], [3.0, 4.0]])
    for bad in ("1", True, [1, True], [1, "2"], [[1], [2, 3]], float("nan"), [1e400], 10**400, 1e200, {"a": 1}, None):
        assert numbers(bad) is None, bad
    assert numbers([1, 2], (3,)) is None


def test_columns_come_by_name_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("b, a\r\n1, 2\r\n\r\n3,\r\n")
    assert read_columns(tmp_path / "a.csv", ["a", "b"]) == {"b": ["1", "3"], "a": ["2", ""]}


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "is empty"),
        ("a\n1\n", "lacks b"),
        ("a,b,acb\n", "unknown column 'acb'"),
        ("a,b,a\n", "twice"),
        ("a,b\n1,2,3\n", "row 2 has 3 cells, expected 2"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(FormatError, match=words):
        read_columns(tmp_path / "a.csv", ["a", "b"], ["abc"])


def test_empty_cells_are_nan_only_where_allowed() -> None:
    np.testing.assert_array_equal(float_column(Path("f"), "x", ["1", "", "2"], empty_is_nan=True), [1.0, np.nan, 2.0])
    with pytest.raises(FormatError, match="row 3, x: '' is no finite number"):
        float_column(Path("f"), "x", ["1", ""])
    for word in ("nan", "inf", "-inf"):
        with pytest.raises(FormatError, match="no finite number; leave the cell empty"):
            float_column(Path("f"), "x", ["1", word], empty_is_nan=True)
    with pytest.raises(FormatError, match="row 3, x: expected a number, got 'one'"):
        float_column(Path("f"), "x", ["", "one"], empty_is_nan=True)
