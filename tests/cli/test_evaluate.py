"""``kinefuse evaluate``: tables, JSON, and mistakes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_samples import refused, walk
from evaluation_examples import swinging, write_example

from kinefuse.cli import main
from kinefuse.cli.evaluation_tables import activity_table, group_table
from kinefuse.formats.netcdf import write_motion
from kinefuse.formats.storage import write_mot
from kinefuse.formats.trial import write_trial
from kinefuse.metrics.compare import Row

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_example(tmp_path_factory.mktemp("prepared") / "motion.npz")


def evaluate(*arguments: str | Path) -> int:
    return main(["evaluate", *map(str, arguments)])


def whole(content: dict[str, Any], estimator: str, noise: str) -> dict[str, Any]:
    rows = [row for row in content["rows"] if "joint" not in row and row["group"] == "all"]
    return next(row for row in rows if (row["estimator"], row["noise"]) == (estimator, noise))


def test_the_table_and_the_file(prepared: Path, tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "errors.json"
    options = ["--estimator", "smplify3d", "--noise", "clean", "--noise", "authors", "--clips", "1"]
    assert evaluate(prepared, *options, "--json", target) == 0
    printed = capsys.readouterr().out
    for word in ("smplify3d", "mean-pose", "clean", "authors", "lower", "moving", "geodesic", "shoulder"):
        assert word in printed
    content = json.loads(target.read_text())
    assert content["seed"] == 0
    assert content["versions"]["kinefuse"]
    best, worse = whole(content, "smplify3d", "clean"), whole(content, "smplify3d", "authors")
    floor = whole(content, "mean-pose", "authors")
    assert best["angle_rmse_moving_deg"] < worse["angle_rmse_moving_deg"] < floor["angle_rmse_moving_deg"]
    assert best["point_error_mm"] == pytest.approx(0.0, abs=1e-6)
    assert (best["subjects"], best["frames"]) == (2, 40)  # points come at 25 Hz
    asked = {"estimator", "noise", "group", "angle_rmse_deg", "geodesic_deg", "mpjpe_mm", "subjects", "frames"}
    assert all(asked <= row.keys() for row in content["rows"] if "joint" not in row)
    assert {row["coordinate"] for row in content["rows"] if row.get("joint") == "knee_r"} >= {"knee_angle_r"}
    assert {row["subject"] for row in content["people"]} == {"anna", "ben"}
    assert len(content["clips"]) == 2 * 2 * 2 * 3  # people, noises, estimators, groups


def test_the_same_seed_writes_the_same_numbers(prepared: Path, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.json", "b.json", "c.json")]
    for file, seed in zip(files, ("3", "3", "4"), strict=True):
        assert evaluate(prepared, "--estimator", "mean-pose", "--seed", seed, "--json", file) == 0
    texts = [json.loads(file.read_text())["rows"] for file in files]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_a_recorded_trial_with_its_truth(tmp_path: Path, capsys: Capture) -> None:
    demo = walk()
    write_trial(tmp_path / "trial", demo.recording)
    (tmp_path / "trial" / "reference").mkdir()
    write_motion(tmp_path / "trial" / "reference" / "motion.nc", demo.truth)
    assert evaluate(tmp_path / "trial", "--estimator", "mean-pose") == 0
    assert "recorded" in capsys.readouterr().out


def test_another_tools_result(tmp_path: Path, capsys: Capture) -> None:
    demo, trial, target = walk(), tmp_path / "trial", tmp_path / "errors.json"
    write_trial(trial, demo.recording)
    (trial / "reference").mkdir()
    write_motion(trial / "reference" / "motion.nc", demo.truth)
    write_mot(tmp_path / "ik.mot", demo.truth)
    options = ["--estimator", "mean-pose", "--compare", f"OpenSim={tmp_path}/ik.mot"]
    assert evaluate(trial, *options, "--json", target) == 0
    assert "OpenSim" in capsys.readouterr().out
    row = whole(json.loads(target.read_text()), "OpenSim", "recorded")
    assert row["angle_rmse_deg"] == pytest.approx(0.0, abs=1e-4)
    assert row["geodesic_deg"] is None
    assert row["mpjpe_mm"] is None
    assert "--shift" in refused(capsys, "evaluate", trial, *options, "--shift", "1000")
    assert "did you mean 'knee_angle_r'" in refused(capsys, "evaluate", trial, *options, "--flip", "knee_angel_r")


def test_another_tools_result_needs_a_trial(prepared: Path, tmp_path: Path, capsys: Capture) -> None:
    write_mot(tmp_path / "ik.mot", walk().truth)
    assert "name one trial" in refused(capsys, "evaluate", prepared, "--compare", tmp_path / "ik.mot")


def test_nothing_is_replaced_unasked(prepared: Path, tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "errors.json"
    target.write_text("mine")
    assert "--overwrite" in refused(capsys, "evaluate", prepared, "--json", target)
    assert target.read_text() == "mine"
    assert evaluate(prepared, "--estimator", "mean-pose", "--json", target, "--overwrite") == 0
    assert json.loads(target.read_text())["rows"]


@pytest.mark.parametrize(
    "options, said",
    [
        (["--estimator", "smplify"], "did you mean 'smplify3d'"),
        (["--noise", "autors"], "did you mean 'authors'"),
        (["--split", "tset"], "did you mean 'test'"),
        (["--split", "validation"], "no clip of the set validation"),
        (["--points", "coc"], "did you mean 'coco'"),
        (["--level-mm", "-3"], "0 to 1000 mm"),
        (["--level-mm", "five"], "--level-mm"),
        (["--mounting-deg", "nan"], "0 to 180°"),
        (["--clips", "0"], "--clips"),
        (["--jobs", "0"], "--jobs"),
        (["--json", "/none/such/errors.json"], "folder does not exist"),
    ],
)
def test_mistakes(prepared: Path, capsys: Capture, options: list[str], said: str) -> None:
    assert said in refused(capsys, "evaluate", prepared, *options)


def test_a_folder_without_motion(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    assert str(tmp_path) in refused(capsys, "evaluate", tmp_path)
    assert "no such file" in refused(capsys, "evaluate", tmp_path / "none")
    assert "MOTION_OR_TRIAL" in refused(capsys, "evaluate")


def test_motion_of_nan_only(tmp_path: Path, capsys: Capture) -> None:
    motion = swinging(80)
    motion.R_world_segment[:] = np.nan
    motion.positions[:] = np.nan
    write_motion(tmp_path / "motion.nc", motion)
    assert "nobody is seen in 80 of 80 frames" in refused(capsys, "evaluate", tmp_path / "motion.nc")


def test_a_table_says_what_it_does_not_know() -> None:
    row: Row = {"estimator": "a", "noise": "n", "level_mm": None, "point_error_mm": None, "aligned": "none"}
    unknown: Row = {"subjects": 1, "clips": 1, "angle_rmse_deg": None}
    rows = [row | unknown | {"group": group} for group in ("lower", "upper", "all")]
    assert group_table(rows).row_count == 1
    assert activity_table([rows[2] | {"activity": "sport"}]).row_count == 1
