"""``kinefuse train``: a prepared file in, weights that estimators load out."""

from pathlib import Path

import pytest
from cli_samples import refused, snapshot
from evaluation_examples import prepared_clips

from kinefuse.cli import main
from kinefuse.models.weights import load_network
from kinefuse.synthesis.prepared import write_prepared

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def motion_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("motion") / "motion.npz"
    write_prepared(path, prepared_clips({"anna": "train", "ben": "validation"}, frames=120))
    return path


def test_from_a_prepared_file_to_weights(motion_file: Path, tmp_path: Path, capsys: Capture) -> None:
    options = ["--preset", "tiny", "--data", str(motion_file), "--steps", "4", "--batch", "4", "--validate-every", "2"]
    out = tmp_path / "net"
    assert main(["train", "fusionnet", *options, "--out", str(out), "--quiet"]) == 0
    assert capsys.readouterr().out.split() == [str(out / "fusionnet.safetensors")]
    load_network("fusionnet", out / "fusionnet.safetensors")
    assert {path.name for path in out.iterdir()} == {"fusionnet.safetensors", "last.ckpt", "log", "tensorboard"}
    before = snapshot(out)
    assert "--resume" in refused(capsys, "train", "fusionnet", *options, "--out", out)
    message = refused(capsys, "train", "fusionnet", *options, "--out", out, "--seed", "3", "--resume")
    assert "another training (seed 0 instead of 3)" in message
    assert snapshot(out) == before


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["fusionet"], "did you mean 'fusionnet'"),
        (["videonet", "--preset", "defualt"], "did you mean 'default'"),
        (["videonet", "--rate", "3"], "between 0 and 1"),
        (["videonet", "--steps", "0"], "--steps"),
        (["videonet", "--devices", "0"], "--devices"),
        (["videonet", "--seed", "-1"], "--seed"),
        (["videonet", "--resume"], "no checkpoint"),
        (["videonet", "--data", "none.npz"], "prepared file"),
        (["videonet", "--start", "none"], "expected the weights of videonet"),
    ],
)
def test_mistakes(
    motion_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(capsys, "train", "--data", motion_file, *arguments)
    assert not list(tmp_path.rglob("*.*"))


def test_without_lightning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "kinefuse[train]" in refused(capsys, "train", "videonet", "--out", tmp_path / "net")


def test_help(capsys: Capture) -> None:
    assert main(["train", "--help"]) == 0
    assert "--resume" in capsys.readouterr().out
