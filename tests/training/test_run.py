"""Whole runs of tiny networks: they learn, go on after being killed, and tell what stands in their way."""

import errno
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from safetensors.torch import load_file
from torch.utils.data import DataLoader
from training_samples import tiny_run, write_motion_file

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.models.weights import NETWORKS, PRESETS, load_network, save_network
from kinefuse.training.learner import Learner
from kinefuse.training.run import (
    LEARN_PRESETS,
    MODALITIES,
    RunConfig,
    clips_of,
    make_learner,
    run_config,
    train_network,
    validation_loader,
)

CHECKPOINT = "last.ckpt"


@pytest.fixture(scope="module")
def motion_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared file of four people."""
    return write_motion_file(tmp_path_factory.mktemp("motion") / "motion.npz")


@pytest.fixture(scope="module")
def trained(motion_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run of VideoNet: 20 steps, a checkpoint every 5."""
    out = tmp_path_factory.mktemp("trained") / "videonet"
    train_network(tiny_run("videonet", out, 20, validate_every=5), motion_file)
    return out


class Stopped(Exception):
    """What ends a run in the middle of a step."""


def refused(config: RunConfig, data: Path, **options: bool) -> str:
    """Return the one sentence with which a run is refused."""
    with pytest.raises(KinefuseError) as caught:
        train_network(config, data, **options)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.endswith(".")
    return message


@contextmanager
def failing_at(step: int, error: BaseException) -> Iterator[None]:
    """Runs end with `error` when their loss is computed in this step."""
    with pytest.MonkeyPatch.context() as patch:
        whole = Learner._loss

        def loss(self: Learner, example: Any) -> torch.Tensor:
            if self.global_step == step:
                raise error
            return whole(self, example)

        patch.setattr(Learner, "_loss", loss)
        yield


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    (file,) = folder.glob("*.safetensors")
    return load_file(file)


def same_weights(a: Path, b: Path) -> bool:
    first, second = weights_of(a), weights_of(b)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def validation_loss(learner: Learner, loader: DataLoader) -> float:
    learner.network.eval()
    with torch.no_grad():
        losses = [float(learner.loss(learner.network(example.signals), example)[0]) for example in loader]
    return sum(losses) / len(losses)


def test_a_tiny_fusion_learns_from_scratch(motion_file: Path, tmp_path: Path) -> None:
    """After 80 steps the loss on a person it never saw is less than a third of what it was."""
    config = tiny_run("fusionnet", tmp_path / "run", 80, validate_every=40)
    before = make_learner(config)
    loader = validation_loader(config, clips_of(motion_file)[1], before)
    at_first = validation_loss(before, loader)
    weights = train_network(config, motion_file)
    after = make_learner(config)
    after.network.load_state_dict(load_network("fusionnet", weights).state_dict())
    assert validation_loss(after, loader) < at_first / 3
    log = (tmp_path / "run" / "log" / "metrics.csv").read_text()
    for column in ("loss", "made_per_s", "learned_per_s", "validation/lower", "validation/geodesic"):
        assert column in log.splitlines()[0].split(",")
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))


def test_the_same_seed_trains_the_same_weights(trained: Path, motion_file: Path, tmp_path: Path) -> None:
    for name, seed in (("same", 0), ("other", 1)):
        train_network(tiny_run("videonet", tmp_path / name, 20, validate_every=5, seed=seed), motion_file)
    assert same_weights(trained, tmp_path / "same")
    assert not same_weights(trained, tmp_path / "other")


def test_stopped_and_resumed_is_the_same_run(trained: Path, motion_file: Path, tmp_path: Path) -> None:
    """Stopped in the middle of step 13, three steps after a checkpoint; what was logged before stays."""
    config = tiny_run("videonet", tmp_path / "run", 20, validate_every=5)
    with failing_at(13, Stopped()), pytest.raises(Stopped):
        train_network(config, motion_file)
    assert torch.load(tmp_path / "run" / CHECKPOINT, weights_only=True)["global_step"] == 10
    log = tmp_path / "run" / "log" / "metrics.csv"
    logged = log.read_text()
    train_network(config, motion_file, resume=True)
    assert same_weights(trained, tmp_path / "run")
    assert log.with_name("metrics_1.csv").read_text() == logged
    assert log.read_text().splitlines()[-1] == (trained / "log" / "metrics.csv").read_text().splitlines()[-1]


def test_other_data_and_other_variety_are_another_training(trained: Path, motion_file: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "run")
    config = tiny_run("videonet", tmp_path / "run", 20, validate_every=5)
    other = tmp_path / "other.npz"
    other.write_bytes(motion_file.read_bytes() + b" ")
    assert "another training (data" in refused(config, other, resume=True)
    plain = replace(config, variety=replace(config.variety, yaw=not config.variety.yaw))
    assert "another training (variation" in refused(plain, motion_file, resume=True)


@pytest.mark.parametrize("network", ["imunet", "fusionnet"])
def test_every_network_resumes(network: str, motion_file: Path, tmp_path: Path) -> None:
    """A fusion is stopped while its parts still have losses of their own, and resumed when they have none."""
    whole, broken = (tiny_run(network, tmp_path / name, 10, validate_every=2, batch=4) for name in ("whole", "broken"))
    whole, broken = (
        replace(config, learn=replace(config.learn, unimodal_share=0.6 if network == "fusionnet" else 0.0))
        for config in (whole, broken)
    )
    train_network(whole, motion_file)
    with failing_at(5, Stopped()), pytest.raises(Stopped):
        train_network(broken, motion_file)
    train_network(broken, motion_file, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "broken")


def kinefuse(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "kinefuse", *map(str, arguments)]


@pytest.mark.timeout(180)
def test_killed_and_resumed_is_the_same_run(trained: Path, motion_file: Path, tmp_path: Path) -> None:
    """Killed at once, without a chance to clean up, as soon as there is a checkpoint."""
    out = tmp_path / "run"
    options = ("--preset", "tiny", "--data", motion_file, "--out", out, "--steps", "20", "--validate-every", "5")
    process = subprocess.Popen(kinefuse("train", "videonet", *options, "--quiet"), stdout=subprocess.DEVNULL)
    try:
        while not (out / CHECKPOINT).exists() and process.poll() is None:
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not list(out.glob("*.safetensors"))
    train_network(tiny_run("videonet", out, 20, validate_every=5), motion_file, resume=True)
    assert same_weights(trained, out)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("network", ["fusionnet"])
def test_two_processes_train_together(
    network: str, motion_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the steps in which a fusion's parts have losses of their own, so that some weights get no gradient."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    options = ("--preset", "tiny", "--data", motion_file, "--out", tmp_path, "--steps", "4", "--validate-every", "2")
    command = kinefuse("train", network, *options, "--batch", "2", "--devices", "2", "--quiet")
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / f"{network}.safetensors")]
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["global_step"] == 4
    assert all(bool(value.isfinite().all()) for value in weights_of(tmp_path).values())


def test_what_stands_in_the_folder(trained: Path, motion_file: Path, tmp_path: Path) -> None:
    config = tiny_run("videonet", trained, 20, validate_every=5)
    before = (trained / CHECKPOINT).read_bytes()
    assert "add --resume to go on, or --overwrite" in refused(config, motion_file)
    assert "no checkpoint" in refused(replace(config, out=tmp_path / "none"), motion_file, resume=True)
    assert not (tmp_path / "none").exists()
    other = refused(replace(config, seed=5), motion_file, resume=True)
    assert "another training (seed 0 instead of 5)" in other
    other = refused(tiny_run("imunet", trained, 30, validate_every=5), motion_file, resume=True)
    assert "network 'videonet' instead of 'imunet'" in other
    assert "steps 20 instead of 30" in other
    (tmp_path / "file").write_text("mine")
    assert "name another folder" in refused(replace(config, out=tmp_path / "file"), motion_file)
    assert (trained / CHECKPOINT).read_bytes() == before


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "foreign"])
def test_a_damaged_checkpoint(trained: Path, motion_file: Path, tmp_path: Path, damage: str) -> None:
    content = (trained / CHECKPOINT).read_bytes()
    spoilt = {"cut": content[: len(content) // 2], "empty": b"", "text": b"no checkpoint\n" * 9}
    if damage == "foreign":
        torch.save([1, 2], tmp_path / CHECKPOINT)
    else:
        (tmp_path / CHECKPOINT).write_bytes(spoilt[damage])
    message = refused(tiny_run("videonet", tmp_path, 20, validate_every=5), motion_file, resume=True)
    assert "begin anew with --overwrite" in message


def test_begun_anew_an_old_checkpoint_is_gone(trained: Path, motion_file: Path, tmp_path: Path) -> None:
    """Else a new run that ends early would leave the old one to be resumed."""
    (tmp_path / CHECKPOINT).write_bytes((trained / CHECKPOINT).read_bytes())
    config = tiny_run("videonet", tmp_path, 20, validate_every=5)
    assert "prepared file" in refused(config, tmp_path / "none.npz", overwrite=True)
    assert (tmp_path / CHECKPOINT).exists()
    with failing_at(1, Stopped()), pytest.raises(Stopped):
        train_network(config, motion_file, overwrite=True)
    assert not (tmp_path / CHECKPOINT).exists()


def test_a_full_disk_leaves_the_last_checkpoint(
    trained: Path, motion_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = TorchCheckpointIO.save_checkpoint

    def full(self: TorchCheckpointIO, checkpoint: dict[str, Any], path: Path, storage_options: Any = None) -> None:
        if checkpoint["global_step"] > 5:
            Path(path).write_bytes(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(self, checkpoint, path, storage_options)

    config = tiny_run("videonet", tmp_path, 20, validate_every=5)
    monkeypatch.setattr(TorchCheckpointIO, "save_checkpoint", full)
    message = refused(config, motion_file)
    assert "the one before it is intact" in message
    assert "--resume" in message
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["global_step"] == 5
    assert not list(tmp_path.glob("*.partial"))
    monkeypatch.undo()
    train_network(config, motion_file, resume=True)
    assert same_weights(trained, tmp_path)


def test_running_out_of_memory(motion_file: Path, tmp_path: Path) -> None:
    config = tiny_run("videonet", tmp_path, 20, validate_every=2)
    with failing_at(3, torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 20 GiB")):
        message = refused(config, motion_file)
    assert "batches of 8" in message
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["global_step"] == 2


def test_ctrl_c_is_ctrl_c(motion_file: Path, tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGINT)
    try:
        with failing_at(3, KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
            train_network(tiny_run("videonet", tmp_path, 20, validate_every=2), motion_file)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert (tmp_path / CHECKPOINT).exists()


@pytest.mark.parametrize("people, lacks", [({"a": "train"}, "validation"), ({"a": "validation"}, "train")])
def test_a_prepared_file_without_people_of_a_set(tmp_path: Path, people: dict[str, str], lacks: str) -> None:
    data = write_motion_file(tmp_path / "motion.npz", people)
    assert f"no clip for {lacks}" in refused(tiny_run("videonet", tmp_path / "run", 20), data)


def test_no_prepared_file(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("nothing")
    for name in ("none.npz", "text.npz"):
        assert "make it again" in refused(tiny_run("videonet", tmp_path / "run", 20), tmp_path / name)


@pytest.mark.parametrize(
    "network, preset, said",
    [
        ("videonett", "tiny", "did you mean 'videonet'?"),
        ("fusion", "tiny", "did you mean 'fusionnet'?"),
        ("videonet", "papr", "did you mean 'paper'?"),
        ("videonet", "zzzzz", "there are default, paper, authors, tiny"),
    ],
)
def test_unknown_names(network: str, preset: str, said: str) -> None:
    with pytest.raises(KinefuseError) as caught:
        run_config(network, preset, Path("out"))
    assert said in str(caught.value)


@pytest.mark.parametrize("rate", [0.0, -1.0, 1.5, float("nan")])
def test_rates_that_make_no_sense(rate: float) -> None:
    with pytest.raises(KinefuseError, match="between 0 and 1"):
        run_config("videonet", "tiny", Path("out"), rate=rate)


def test_presets_and_what_is_given() -> None:
    config = run_config("videonet", "paper", Path("out"), steps=7, batch=3, rate=1e-4)
    assert (config.learn.steps, config.learn.batch, config.learn.rate) == (7, 3, 1e-4)
    assert config.learn.loss == LEARN_PRESETS["paper"].loss
    assert run_config("fusionnet", "default", Path("out")).learn.unimodal_share == 0
    assert run_config("fusionnet", "paper", Path("out")).learn.unimodal_share == 0.1
    for name in MODALITIES:
        authors = make_learner(run_config(name, "authors", Path("out")))
        assert authors.network.config == PRESETS[name]["paper"]


def test_the_rate_rises_and_falls() -> None:
    def shares(**changes: Any) -> list[float]:
        config = run_config("videonet", "tiny", Path("out"), steps=100)
        learner = make_learner(replace(config, learn=replace(config.learn, **changes)))
        return [learner._share_of_rate(step) for step in range(101)]

    cosine = shares(warm_up=10)
    assert cosine[0] == pytest.approx(0.1, abs=1e-3)
    assert cosine[50] == pytest.approx(0.5)
    assert cosine[100] == pytest.approx(0.0, abs=1e-6)
    halved = shares(warm_up=0, falls=10)
    assert halved[9] == 1.0
    assert halved[10] == 0.5
    assert halved[95] == 0.5**9
    assert shares(warm_up=0, falls=5, fall=0.2)[21] == pytest.approx(0.2)


def test_validation_looks_at_everybody_alike(motion_file: Path, tmp_path: Path) -> None:
    config = tiny_run("videonet", tmp_path, 20)
    clips = clips_of(motion_file)[1]
    lonely = [replace(clips[0], subject="other"), *clips]
    loader, again = (validation_loader(config, lonely, make_learner(config)) for _ in range(2))
    (first,), (second,) = list(loader), list(again)
    assert torch.equal(first.R_world_segment, second.R_world_segment)
    assert len(first.inside) == 32


def test_weights_to_begin_with(trained: Path, tmp_path: Path) -> None:
    config = tiny_run("videonet", tmp_path, 20)
    begun = make_learner(replace(config, start=trained)).network.state_dict()
    assert all(torch.equal(value.half(), weights_of(trained)[name]) for name, value in begun.items())
    with pytest.raises(FormatError, match="expected the weights of videonet"):
        make_learner(replace(config, start=tmp_path))
    with pytest.raises(KinefuseError, match="another preset"):
        make_learner(replace(run_config("videonet", "paper", tmp_path), start=trained))


def test_a_fusion_begins_with_its_parts(trained: Path, tmp_path: Path) -> None:
    config = replace(tiny_run("fusionnet", tmp_path, 20), start=trained)
    with pytest.raises(FormatError, match="expected the weights of imunet"):
        make_learner(config)
    for name in ("videonet", "imunet"):
        torch.manual_seed(4)
        save_network(tmp_path / f"{name}.safetensors", name, NETWORKS[name](PRESETS[name]["tiny"]))
    fusion = make_learner(replace(config, start=tmp_path)).network
    for name, part in (("videonet", "video"), ("imunet", "imu")):
        stored = load_network(name, tmp_path / f"{name}.safetensors").state_dict()
        mine = getattr(fusion, part).state_dict()
        assert all(torch.equal(mine[key], stored[key]) for key in stored)
