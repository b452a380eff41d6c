"""``kinefuse study``: from motion to tables, and what users get wrong."""

import importlib.util
import json
from pathlib import Path

import pytest
from cli_samples import refused
from evaluation_examples import prepared_clips, write_example

from kinefuse.cli import main
from kinefuse.cli.study import _estimators
from kinefuse.synthesis.prepared import write_prepared

Capture = pytest.CaptureFixture[str]
FEW = ("--jobs", "1", "--windows", "1", "--repetitions", "1", "--estimator", "mean-pose", "--estimator", "imunet")


@pytest.fixture(scope="module")
def motion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("motion") / "motion.npz"
    write_prepared(path, prepared_clips({"anna": "test", "ben": "test"}, each=1, frames=130))
    return path


def test_quick_on_a_tiny_file_and_again(motion: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    command = ["study", "quick", str(motion), "--out", str(out), *FEW]
    assert main(command) == 0
    cells = sorted(out.glob("cells/*/*/*.npz"))
    assert len(cells) == 6 * 2
    assert (out / "tables" / "groups.csv").read_text().count("\n") == 1 + 6 * 2 * 3
    told = json.loads((out / "study.json").read_text())
    assert told["seed"] == 0
    assert [window["subject"] for window in told["windows"]] == ["anna"]
    before = {path: path.stat().st_mtime_ns for path in cells}
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in cells} == before
    assert "written to" in capsys.readouterr().out


def test_what_another_study_holds_is_taken(motion: Path, tmp_path: Path, capsys: Capture) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["study", "quick", str(motion), "--out", str(first), *FEW, "--quiet"]) == 0
    known = ["--known", str(first / "results.npz")]
    assert main(["study", "quick", str(motion), "--out", str(second), *FEW, "--quiet", *known]) == 0
    assert not (second / "cells").exists()
    tables = [(folder / "tables" / "groups.csv").read_text().splitlines() for folder in (first, second)]
    assert len(tables[0]) == len(tables[1])
    again = tmp_path / "again"
    known = ["--known", str(second / "results.npz")]
    assert main(["study", "quick", str(motion), "--out", str(again), *FEW, "--quiet", *known]) == 0
    assert (again / "tables" / "groups.csv").read_text().splitlines() == tables[1]
    capsys.readouterr()
    assert "would be replaced" in refused(capsys, "study", "quick", motion, "--out", second, *FEW, *known)
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    for file, sentence in (("bad.npz", "is no results.npz"), ("none.npz", "no such file")):
        assert sentence in refused(
            capsys, "study", "quick", motion, "--out", tmp_path / "out", *FEW, "--known", tmp_path / file
        )


def test_without_the_package_of_the_tests_nothing_is_begun(
    motion: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "pingouin" else real(name, *a))
    out = tmp_path / "out"
    assert "kinefuse[study]" in refused(capsys, "study", "quick", motion, "--out", out, *FEW)
    assert not out.exists()


def test_presets_that_take_the_method_apart_run_only_if_named() -> None:
    named = ["fusion-optimisation:calibrated", "fusion-optimisation:frames"]
    usual, _ = _estimators(None)
    assert "fusion-optimisation" in usual
    assert not set(named) & set(usual)
    assert _estimators(named) == (tuple(named), [])


def test_one_family(motion: Path, tmp_path: Path) -> None:
    assert main(["study", "quick", str(motion), "--out", str(tmp_path), *FEW, "--only", "mounting", "--quiet"]) == 0
    assert {path.name for path in (tmp_path / "cells").iterdir()} == {"points-52.6", "mounting-9.4", "mounting-18.8"}


def test_mistakes_are_told_in_one_sentence(motion: Path, tmp_path: Path, capsys: Capture) -> None:
    out = ("--out", tmp_path / "out")
    assert "No study is called 'fast'" in refused(capsys, "study", "fast", motion, *out)
    assert "did you mean 'mounting'" in refused(capsys, "study", "quick", motion, *out, "--only", "mountin")
    assert "imunet" in refused(capsys, "study", "quick", motion, *out, "--estimator", "imunt")
    assert "no silhouettes" in refused(capsys, "study", "quick", motion, *out, "--estimator", "deepfuse-vision")
    assert "no such file" in refused(capsys, "study", "quick", tmp_path / "none.npz", *out)
    assert "motion.npz" in refused(capsys, "study", "quick", *out)
    assert "windows" in refused(capsys, "study", "quick", motion, *out, "--windows", "0")
    assert "no clip of the set validation" in refused(capsys, "study", "quick", motion, *out, "--split", "validation")
    short = write_example(tmp_path / "short.npz", each=1)
    assert "long enough" in refused(capsys, "study", "quick", short, *out)
    (tmp_path / "file").write_text("")
    assert "is a file" in refused(capsys, "study", "quick", motion, "--out", tmp_path / "file")
    assert not (tmp_path / "out").exists()
