"""Tables of other runs on the study's page: shown as they are, escaped, left out where there are none."""

from pathlib import Path

import numpy as np
import pytest
from study_impaired import some_changes
from study_made_up import SETTINGS, study

from kinefuse.errors import FormatError
from kinefuse.report.study_beside import KINDS, beside_figures, beside_section, read_beside, value_of
from kinefuse.report.study_page import render_page
from kinefuse.study.impairment import change_rows, changes_of, coordinate_rows, summary_rows
from kinefuse.study.tables import csv_text

DOCUMENTED = Path(__file__).parents[2] / "docs" / "results" / "beside"


def written(folder: Path, name: str, text: str) -> Path:
    (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    head = "recording,reference,method,legs_rms_deg,legs_after_deg,legs_r,all_rms_deg,all_after_deg,all_r"
    written(tmp_path, "real_recordings", f"{head}\nwalk,<b>IK</b>,imunet,10.46,4.1,0.93,,,\n")
    written(
        tmp_path, "virtual_signals", "time_s,real_rate,virtual_rate,real_force,virtual_force\n0,1,2,3,4\n0.01,5,,7,8\n"
    )
    changes = {name: changes_of(some_changes(name, share)) for name, share in (("videonet", 1.0), ("imunet", 0.5))}
    for name, rows in (
        ("impaired_summary", summary_rows(changes)),
        ("impaired_coordinates", coordinate_rows(changes)),
        ("impaired_changes", change_rows(changes)),
    ):
        written(tmp_path, name, csv_text(rows))
    return tmp_path


def test_numbers_of_the_files_are_on_the_page(folder: Path) -> None:
    html = render_page(study(windows=1), SETTINGS[:1], {}, folder)
    body = html.partition('<script type="application/json"')[0]
    assert '<a href="#beside">Beside the study</a>' in body
    assert '<td class="n">10.5</td>' in body
    assert "IMUNet" in body
    assert "<b>IK" not in body
    assert "&lt;b&gt;IK" in body
    assert 'id="figure-real-synthetic"' in body
    assert 'id="figure-impaired"' in body
    assert 'id="figure-real-recordings"' in body
    assert "nan" not in body.lower().replace("finan", "")


def test_without_files_the_page_has_no_such_section(tmp_path: Path) -> None:
    assert read_beside(None) == read_beside(tmp_path) == {}
    assert beside_section({}) == ""
    assert beside_figures({}) == []
    assert "Beside the study" not in render_page(study(windows=1), SETTINGS[:1], {}, tmp_path)


def test_figures_show_the_files(folder: Path) -> None:
    figures = {figure.key: figure for figure in beside_figures(read_beside(folder))}
    rate, force = figures["real-synthetic"].panels  # no table of deviations here
    assert rate.traces[0]["y"] == [1.0, 5.0]
    assert rate.traces[1]["y"] == [2.0, None]
    assert force.traces[1]["y"] == [4.0, 8.0]
    seen, half = figures["impaired"].panels
    assert np.array(seen.traces[1]["y"]) == pytest.approx(np.array(seen.traces[1]["x"]), abs=0.11)
    assert np.array(half.traces[1]["y"]) == pytest.approx(0.5 * np.array(half.traces[1]["x"]), abs=0.11)
    (walk,) = figures["real-recordings"].panels
    assert [trace["x"] for trace in walk.traces] == [[10.5], [4.1]]


def test_a_table_without_a_column_is_told(tmp_path: Path) -> None:
    written(tmp_path, "virtual_sensors", "low_pass,rate_dps\n10 Hz,18.0\n")
    with pytest.raises(FormatError, match="expected a column 'rate_percent'"):
        read_beside(tmp_path)


def test_what_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "virtual_sensors.csv").write_bytes(b"\xff\xfe\x00low_pass")
    with pytest.raises(FormatError, match="expected a table as CSV"):
        read_beside(tmp_path)


def test_an_empty_table_is_left_out(tmp_path: Path) -> None:
    written(tmp_path, "virtual_sensors", "low_pass,rate_dps\n")
    assert beside_section(read_beside(tmp_path)) == ""


def test_the_documented_tables_can_be_shown() -> None:
    tables = read_beside(DOCUMENTED)
    assert {"orientation_filter", "virtual_sensors", "real_recordings", "real_against_synthetic"} <= set(tables)
    shown = beside_section(tables)
    assert all(kind.heading in shown for kind in KINDS if kind.file in tables)
    filters = {row["filter"]: value_of(row["total_deg"]) for row in tables["orientation_filter"]}
    assert 0.5 < filters["6D (gyroscope, accelerometer)"] < 2.0
