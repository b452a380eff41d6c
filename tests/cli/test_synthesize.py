"""``kinefuse synthesize``: trials with truth that ``kinefuse run`` understands."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_samples import refused, snapshot
from evaluation_examples import a_clip, swinging, write_example

from kinefuse.cli import main
from kinefuse.evaluation.trials import folders_of
from kinefuse.formats.netcdf import read_motion, write_motion
from kinefuse.formats.trial import read_trial

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_example(tmp_path_factory.mktemp("prepared") / "motion.npz", each=1)


def synthesize(*arguments: str | Path) -> int:
    return main(["synthesize", *map(str, arguments)])


def test_trials_with_truth_that_run_understands(prepared: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "trials"
    assert synthesize(prepared, "--out", out) == 0
    assert "2 trials of 2 people" in capsys.readouterr().out
    trial = out / "anna" / "clip_0"
    recording = read_trial(trial)
    assert recording.joint_centers is not None
    assert recording.joint_centers.positions.shape == (20, 26, 3)  # noise of a profile comes at 25 Hz
    assert len(recording.imus) == 13
    assert len(read_motion(trial / "reference" / "motion.nc").time) == 40
    assert main(["run", str(trial), "--estimator", "smplify3d", "--quiet"]) == 0
    truth = json.loads((trial / "result" / "quality.json").read_text())["truth"]
    assert truth["groups"]["all"]["mpjpe_mm"] < 80


def test_cameras_instead_of_joint_centres(tmp_path: Path) -> None:
    (tmp_path / "walk").mkdir()
    write_motion(tmp_path / "walk" / "motion.nc", swinging(80))
    assert synthesize(tmp_path / "walk", "--out", tmp_path / "trials", "--cameras", "3", "--quiet") == 0
    (toml,) = (tmp_path / "trials").rglob("trial.toml")
    recording = read_trial(toml.parent)
    assert recording.joint_centers is None
    assert len(recording.views) == 3
    seen = [view.keypoints.confidence.mean() for view in recording.views if view.keypoints is not None]
    assert min(seen) > 0.3


def test_silhouettes_that_deepfuse_understands(tmp_path: Path, capsys: Capture) -> None:
    """From motion capture to a trial's folder to a result with a report, whatever an untrained network says."""
    from kinefuse.models.deepfuse import DEEPFUSE_PRESETS, DeepFuse
    from kinefuse.models.weights import save_network

    (tmp_path / "walk").mkdir()
    write_motion(tmp_path / "walk" / "motion.nc", swinging(16))
    assert synthesize(tmp_path / "walk", "--out", tmp_path / "trials", "--silhouettes", "3", "--quiet") == 0
    (toml,) = (tmp_path / "trials").rglob("trial.toml")
    recording = read_trial(toml.parent)
    assert recording.joint_centers is None
    assert [len(list(view.silhouettes.glob("*.png"))) for view in recording.views if view.silhouettes] == [8, 8, 8]
    weights = tmp_path / "mine.safetensors"
    save_network(weights, "deepfuse", DeepFuse(DEEPFUSE_PRESETS["tiny"]))
    capsys.readouterr()
    assert main(["run", str(toml.parent), "--estimator", f"deepfuse={weights}", "--quiet"]) == 0
    quality = json.loads((toml.parent / "result" / "quality.json").read_text())
    assert quality["motion"]["frames"] == 8
    assert any("Joint centres are the network's" in note for note in quality["notes"])
    assert read_motion(toml.parent / "result" / "motion.nc").estimator == "deepfuse"
    refused(capsys, "synthesize", tmp_path / "walk", "--out", tmp_path / "x", "--cameras", "3", "--silhouettes", "3")


def test_the_same_seed_writes_the_same_trials(prepared: Path, tmp_path: Path) -> None:
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        assert synthesize(prepared, "--out", tmp_path / name, "--seed", seed, "--quiet") == 0
    a, b, c = (snapshot(tmp_path / name) for name in "abc")
    points = "anna/clip_0/joint_centers.trc"
    assert a[points] == b[points] != c[points]
    assert a["anna/clip_0/imu/pelvis.csv"] == b["anna/clip_0/imu/pelvis.csv"]


def test_every_clip_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    clips = [replace(a_clip(), name=name) for name in ("walk.bvh", "walk.c3d", "walk_2.bvh", "walk_2.c3d")]
    names = [folder.name for folder in folders_of(tmp_path, clips)]
    assert names[:2] == ["walk", "walk_2"]
    assert len(set(names)) == 4


def test_nothing_is_replaced_unasked(prepared: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "trials"
    assert synthesize(prepared, "--out", out, "--quiet") == 0
    before = snapshot(out)
    assert "--overwrite" in refused(capsys, "synthesize", prepared, "--out", out)
    assert snapshot(out) == before
    assert synthesize(prepared, "--out", out, "--seed", "9", "--overwrite", "--quiet") == 0
    assert snapshot(out).keys() == before.keys()
    assert "is a trial itself" in refused(capsys, "synthesize", prepared, "--out", out / "anna" / "clip_0")


@pytest.mark.parametrize(
    "options, said",
    [
        (["--noise", "papr"], "did you mean 'paper'"),
        (["--noise", "clean", "--level-mm", "30"], "no level"),
        (["--cameras", "1"], "2 to 32 cameras"),
        (["--cameras", "-2"], "2 to 32 cameras"),
        (["--mounting-deg", "400"], "0 to 180°"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_mistakes(prepared: Path, tmp_path: Path, capsys: Capture, options: list[str], said: str) -> None:
    out = tmp_path / "trials"
    assert said in refused(capsys, "synthesize", prepared, "--out", out, *options)
    assert not out.exists()


def test_a_file_where_the_folder_should_be(prepared: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "trials").write_text("mine")
    assert "is a file" in refused(capsys, "synthesize", prepared, "--out", tmp_path / "trials")


def test_motion_without_motion(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty" in refused(capsys, "synthesize", tmp_path / "empty", "--out", tmp_path / "trials")
    motion = swinging(80)
    motion.R_world_segment[:] = np.nan
    motion.positions[:] = np.nan
    write_motion(tmp_path / "motion.nc", motion)
    refused(capsys, "synthesize", tmp_path / "motion.nc", "--out", tmp_path / "trials")
    assert not (tmp_path / "trials").exists()
