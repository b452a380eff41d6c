import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinefuse.report.markup import UNKNOWN, counted, json_for_script, number, percent, table, text


def test_numbers_have_a_real_minus_and_no_negative_zero() -> None:
    assert number(-3.04, 1, "°") == "−3.0°"
    assert number(-0.01, 0) == "0"


@pytest.mark.parametrize("value", [None, float("nan"), "4", True])
def test_what_is_no_number_is_a_dash(value: object) -> None:
    assert number(value) == UNKNOWN


def test_a_little_is_not_nothing() -> None:
    assert [percent(f) for f in (0.0, 0.001, 0.5, 0.999, 1.0, None)] == [
        "0 %", "< 1 %", "50 %", "> 99 %", "100 %", UNKNOWN,
    ]  # fmt: skip


def test_numpy_numbers_count() -> None:
    assert number(np.float32(2.5)) == "2.5"
    assert percent(np.float64(0.25)) == "25 %"


def test_counted() -> None:
    assert (counted(1, "camera"), counted(3, "camera")) == ("1 camera", "3 cameras")


def test_table_right_aligns_its_numbers() -> None:
    page = table(["Name", "Size"], [["a", "1"]])
    assert '<td>a</td><td class="n">1</td>' in page


@given(st.text())
def test_text_never_opens_a_tag_or_ends_an_attribute(value: str) -> None:
    assert not set("<>\"'") & set(text(value))


@given(st.dictionaries(st.text(), st.text() | st.floats(allow_nan=False, allow_infinity=False)))
def test_json_survives_a_script_element(value: dict[str, object]) -> None:
    written = json_for_script(value)
    assert "<" not in written
    assert json.loads(written) == value


def test_json_refuses_nan_that_browsers_cannot_read() -> None:
    with pytest.raises(ValueError):
        json_for_script({"a": float("nan")})
