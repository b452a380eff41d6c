"""Tables of the study: known numbers, whose windows they are of, what is missing."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from study_made_up import SETTINGS, WINDOWS, cell, study

from kinefuse.conventions import COORDINATES
from kinefuse.errors import KinefuseError
from kinefuse.metrics.groups import COORDINATE_GROUPS
from kinefuse.study.cells import REPEATED, Cell, failed_cell
from kinefuse.study.means import Results, mean_and_sd, mean_movement_errors, standard_errors
from kinefuse.study.scored import MOVEMENTS, scored
from kinefuse.study.tables import activity_rows, all_tables, csv_text, gain_rows, group_rows, pair_rows, write_tables

ONE = SETTINGS[:1]
SETTING = SETTINGS[0].name


def constant(estimator: str, window: int, error_deg: float) -> Cell:
    """A cell of which every number is known."""
    made = cell(SETTING, estimator, window, 1.0)
    rad = float(np.deg2rad(error_deg))
    return replace(
        made,
        coordinate_rmse=np.full_like(made.coordinate_rmse, rad),
        coordinate_rom_error=np.full_like(made.coordinate_rom_error, -rad),
        coordinate_r2=np.full_like(made.coordinate_r2, 0.5),
        geodesic=np.full_like(made.geodesic, 2 * rad),
        joint_error=np.full_like(made.joint_error, 0.03),
        joint_error_procrustes=np.full_like(made.joint_error_procrustes, 0.02),
        acceleration_error=np.full_like(made.acceleration_error, 1.5),
        root_error=np.full_like(made.root_error, 0.01),
        coordinate_range=np.full(len(COORDINATES), 1.0),
    )


def row_of(rows: list, **labels: object) -> dict:
    found = [row for row in rows if all(row[key] == value for key, value in labels.items())]
    assert len(found) == 1
    return found[0]


def test_movements_are_joints_times_degrees_of_freedom() -> None:
    assert len(MOVEMENTS) == 18
    assert {m.joint for m in MOVEMENTS} == {"hip", "knee", "ankle", "shoulder", "elbow", "neck"}
    assert sorted(c for m in MOVEMENTS for c in m.columns) == sorted(COORDINATE_GROUPS["all"].tolist())
    assert [m.name for m in MOVEMENTS if m.joint == "knee"] == ["knee_angle", "knee_adduction", "knee_rotation"]


def test_sides_and_repetitions_are_averaged() -> None:
    made = constant("videonet", 0, 4.0)
    rmse = made.coordinate_rmse.copy()
    rmse[:, COORDINATES.index("knee_angle_l")] = np.deg2rad([[2.0, 4.0]]).T[:, 0]
    values = scored(replace(made, coordinate_rmse=rmse)).movements
    knee = [m.name for m in MOVEMENTS].index("knee_angle")
    assert values[knee] == pytest.approx((4.0 + 3.0) / 2)
    assert np.delete(values, knee) == pytest.approx(4.0)


def test_windows_of_a_person_first_then_people() -> None:
    """Person 1 has errors of 1 and 3 degrees, person 2 of 6: the mean over people is 4, not that over windows."""
    cells = [constant("videonet", 0, 1.0), constant("videonet", 1, 3.0), constant("videonet", 3, 6.0)]
    row = row_of(group_rows(Results(cells), ONE), group="all")
    assert row["angle_rmse_deg"] == pytest.approx(4.0)
    assert row["angle_rmse_deg_sd"] == pytest.approx(np.std([2.0, 6.0], ddof=1))
    assert row["movements_rmse_deg"] == pytest.approx(4.0)
    assert row["movements_rmse_deg_sd"] == pytest.approx(0.0, abs=1e-9)
    assert (row["people"], row["windows"], row["windows_setting"], row["repetitions"]) == (2, 3, 3, 2)


def test_chance_of_drawing_is_told_apart_from_that_of_people() -> None:
    """Errors drawn as 1 and 3 degrees have a variance of 2, their mean one of 1, that over two windows one of 1/4."""
    drawn = constant("videonet", 0, 1.0)
    drawn = replace(drawn, coordinate_rmse=drawn.coordinate_rmse * np.array([[1.0], [3.0]]))
    cells = [scored(drawn), scored(constant("videonet", 3, 6.0))]
    assert standard_errors(cells) == pytest.approx((0.5, np.std([2.0, 6.0], ddof=1) / np.sqrt(2)))
    # Two windows of one person count as much as one of another.
    three = [scored(drawn), scored(replace(drawn, window="b")), cells[1]]
    assert standard_errors(three)[0] == pytest.approx(np.sqrt(2 / 16))
    once = replace(drawn, **{name: getattr(drawn, name)[:1] for name in REPEATED})
    assert np.isnan(standard_errors([scored(once)])).all()
    # One that was drawn once has the variance 2 of the other: (1 + 2) / 4 over the two.
    of_both = standard_errors([scored(drawn), scored(once)])
    assert of_both[0] == pytest.approx(np.sqrt(3) / 2)
    (row,) = (r for r in group_rows(Results([drawn, replace(once, window="z")]), ONE) if r["group"] == "all")
    assert row["repetitions"] == 1.5


def test_every_metric_and_its_unit() -> None:
    row = row_of(group_rows(Results([constant("videonet", 0, 2.0)]), ONE), group="lower")
    expected = {
        "angle_rmse_deg": 2.0,
        "angle_rmse_moving_deg": 2.0,
        "geodesic_deg": 4.0,
        "mpjpe_mm": 30.0,
        "mpjpe_pa_mm": 20.0,
        "root_mm": 10.0,
        "acceleration_error_mps2": 1.5,
        "r2": 0.5,
        "rom_error_deg": 2.0,
    }
    assert {key: row[key] for key in expected} == pytest.approx(expected)
    assert np.isnan(row["angle_rmse_deg_sd"])  # one person has no spread


def test_a_joint_at_rest_is_left_out_of_moving() -> None:
    made = constant("videonet", 0, 2.0)
    knee = COORDINATES.index("knee_angle_r")
    rmse, extent = made.coordinate_rmse.copy(), np.full(len(COORDINATES), np.deg2rad(4.0))
    rmse[:, knee], extent[knee] = np.deg2rad(8.0), 1.0
    row = row_of(group_rows(Results([replace(made, coordinate_rmse=rmse, coordinate_range=extent)]), ONE), group="all")
    assert row["angle_rmse_moving_deg"] == pytest.approx(8.0)
    assert row["angle_rmse_deg"] < 3.0


def test_a_method_with_few_windows_takes_none_from_others() -> None:
    cells = [constant("videonet", 0, 2.0), constant("videonet", 1, 20.0), constant("imunet", 0, 3.0)]
    cells.append(failed_cell(SETTING, "imunet", *WINDOWS[1], "one camera is not enough"))
    rows = group_rows(Results(cells), ONE)
    row = row_of(rows, estimator="videonet", group="all")
    assert row["angle_rmse_deg"] == pytest.approx(11.0)
    assert (row["windows"], row["windows_setting"]) == (2, 2)
    few = row_of(rows, estimator="imunet", group="all")
    assert (few["windows"], few["windows_setting"]) == (1, 2)
    failures = all_tables(Results(cells), ONE)["failures"]
    assert [f["failure"] for f in failures] == ["one camera is not enough"]


def test_two_methods_are_compared_on_the_windows_that_both_have() -> None:
    cells = [constant("videonet", 0, 2.0), constant("videonet", 1, 20.0), constant("imunet", 0, 4.0)]
    cells.append(constant("mean-pose", 1, 10.0))
    rows = pair_rows(Results(cells), ONE)
    assert [(row["first"], row["second"]) for row in rows] == [("videonet", "imunet"), ("videonet", "mean-pose")]
    assert (rows[0]["first_deg"], rows[0]["second_deg"], rows[0]["windows"]) == pytest.approx((2.0, 4.0, 1))
    assert rows[1]["ratio"] == pytest.approx(2.0)


def test_a_method_that_failed_everywhere_takes_no_window_from_others() -> None:
    cells = [constant("videonet", 0, 2.0), failed_cell(SETTING, "imunet", *WINDOWS[0], "no sensors")]
    rows = group_rows(Results(cells), ONE)
    assert {row["estimator"] for row in rows} == {"videonet"}
    assert rows[0]["windows"] == 1


def test_missing_numbers_stay_missing() -> None:
    made = constant("videonet", 0, 2.0)
    rmse = made.coordinate_rmse.copy()
    rmse[:, list(MOVEMENTS[0].columns)] = np.nan
    holed = replace(made, coordinate_rmse=rmse)
    assert np.isnan(scored(holed).movements[0])
    assert row_of(group_rows(Results([holed]), ONE), group="all")["angle_rmse_deg"] == pytest.approx(2.0)
    table = csv_text(all_tables(Results([holed]), ONE)["coordinates"])
    line = next(line for line in table.splitlines() if ",hip_flexion_r," in line)
    assert ",deg,,," in line  # no error known, and no spread
    assert "nan" not in table


def test_a_method_without_place_has_no_root() -> None:
    made = constant("imunet", 0, 2.0)
    made = replace(made, root_error=np.full_like(made.root_error, np.nan))
    line = csv_text(group_rows(Results([made]), ONE)).splitlines()
    assert dict(zip(line[0].split(","), line[1].split(","), strict=True))["root_mm"] == ""


def test_one_angle_below_all_does_not_drown_the_median_r2() -> None:
    made = constant("videonet", 0, 2.0)
    r2 = made.coordinate_r2.copy()
    r2[:, COORDINATES.index("neck_flexion")] = -29.5
    row = row_of(group_rows(Results([replace(made, coordinate_r2=r2)]), ONE), group="all")
    assert row["r2"] == pytest.approx(0.5 - 30 / len(COORDINATE_GROUPS["all"]))
    assert row["r2_median"] == pytest.approx(0.5)


def test_gain_of_fusion() -> None:
    errors = {"videonet": 4.0, "imunet": 6.0, "fusionnet": 3.0}
    rows = gain_rows(Results([constant(name, 0, error) for name, error in errors.items()]), ONE)
    assert len(rows) == 18
    assert rows[0]["gain_over_better_deg"] == pytest.approx(1.0)
    assert rows[0]["gain_over_better_percent"] == pytest.approx(25.0)
    assert rows[0]["gain_over_imunet_deg"] == pytest.approx(3.0)
    assert gain_rows(Results([constant("fusionnet", 0, 3.0)]), ONE) == []


def test_activities_stand_apart() -> None:
    cells = [constant("videonet", 0, 2.0), constant("videonet", 1, 6.0)]
    rows = activity_rows(Results(cells), ONE)
    assert row_of(rows, activity="walking", group="all")["angle_rmse_deg"] == pytest.approx(2.0)
    assert row_of(rows, activity="running", group="all")["angle_rmse_deg"] == pytest.approx(6.0)


def test_files_hold_what_they_should(tmp_path: Path) -> None:
    write_tables(study(windows=3), SETTINGS, tmp_path / "tables")
    names = {path.stem for path in (tmp_path / "tables").iterdir()}
    assert names == {
        "groups",
        "coordinates",
        "joints",
        "activities",
        "subjects",
        "pairs",
        "gain",
        "failures",
        "relations",
    }
    with (tmp_path / "tables" / "groups.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(SETTINGS) * 8 * 3
    assert float(rows[0]["angle_rmse_deg"]) > 0


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KinefuseError, match="cannot be made"):
        write_tables(study(windows=1), ONE, tmp_path / "file" / "tables")


def test_nothing_gives_empty_tables() -> None:
    tables = all_tables(Results([]), SETTINGS)
    assert {row["verdict"] for row in tables.pop("relations")} == {"not measured"}
    assert all(rows == [] for rows in tables.values())
    assert np.isnan(mean_movement_errors([])).all()
    assert np.isnan(mean_and_sd(np.array([np.nan]))[0])
