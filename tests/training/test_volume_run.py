"""DeepFuse from motion to weights, small."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from training_samples import write_motion_file

from kinefuse.errors import KinefuseError
from kinefuse.models.deepfuse import DeepFuse
from kinefuse.models.weights import PRESETS, load_network, save_network
from kinefuse.training.matte_cache import read_cache
from kinefuse.training.volume_run import (
    VolumeLearner,
    VolumeRun,
    make_volume_learner,
    run_preset,
    train_deepfuse,
    volume_run,
)


@pytest.fixture(scope="module")
def motion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_motion_file(tmp_path_factory.mktemp("motion") / "motion.npz")


def tiny(motion: Path, out: Path, network: str = "deepfuse", steps: int = 6, **given: object) -> VolumeRun:
    run = run_preset(network, "tiny", out, steps=steps, progress=False, **given)
    return volume_run(run, rendered=motion.parent / "rendered", frames=32)


def test_it_learns_and_its_weights_are_read_back(motion: Path, tmp_path: Path) -> None:
    weights = train_deepfuse(tiny(motion, tmp_path, steps=40), motion)
    assert weights.name == "deepfuse.safetensors"
    log = (tmp_path / "log" / "metrics.csv").read_text().splitlines()
    column = log[0].split(",").index("validation/error_mm")
    judged = [float(line.split(",")[column]) for line in log[1:] if line.split(",")[column]]
    assert judged[-1] < 450.0  # untrained: all joints at one place, half a metre off
    network = load_network("deepfuse", weights)
    assert isinstance(network, DeepFuse)
    assert network.config.refinement == "cylinders"
    answer = network(torch.zeros((1, 8, 64, 64, 64)), torch.eye(3).expand(1, 13, 3, 3))
    assert answer.joints.shape == (1, 22, 3)


def test_vision_sees_no_orientations(motion: Path, tmp_path: Path) -> None:
    weights = train_deepfuse(tiny(motion, tmp_path, "deepfuse-vision", steps=2), motion)
    network = load_network("deepfuse-vision", weights)
    assert isinstance(network, DeepFuse)
    assert network.config.refinement == "vision"
    with pytest.raises(KinefuseError, match="deepfuse-vision"):
        load_network("videonet", weights)


def test_what_was_rendered_is_used_again_and_its_size_is_checked(motion: Path, tmp_path: Path) -> None:
    train_deepfuse(tiny(motion, tmp_path, steps=1), motion)
    rendered = motion.parent / "rendered"
    before = (rendered / "train" / "volumes.npy").stat().st_mtime_ns
    train_deepfuse(tiny(motion, tmp_path, steps=1), motion, overwrite=True)
    assert (rendered / "train" / "volumes.npy").stat().st_mtime_ns == before
    assert len(read_cache(rendered / "train.npz")) == 32
    other = volume_run(run_preset("deepfuse", "tiny", tmp_path, steps=1, progress=False), rendered=rendered, frames=48)
    with pytest.raises(KinefuseError, match="32 frames for train, not 48"):
        train_deepfuse(other, motion, overwrite=True)


def test_what_was_rendered_of_other_motion_is_not_learned_from(motion: Path, tmp_path: Path) -> None:
    config = volume_run(run_preset("deepfuse", "tiny", tmp_path / "a", steps=1, progress=False), frames=32)
    train_deepfuse(config, motion)
    other = tmp_path / "other.npz"
    other.write_bytes(motion.read_bytes() + b" ")
    with pytest.raises(KinefuseError, match=r"was rendered of other motion.*--rendered"):
        train_deepfuse(config, other, overwrite=True)
    labels = config.rendered / "train" / "labels.npz"
    before = labels.stat().st_mtime_ns
    (config.rendered / "train.npz").unlink()
    train_deepfuse(config, motion, overwrite=True)
    assert labels.stat().st_mtime_ns > before
    with pytest.raises(KinefuseError, match="kinefuse prepare"):
        train_deepfuse(config, tmp_path / "lost.npz", overwrite=True)


def test_resumed_it_ends_as_if_never_left(motion: Path, tmp_path: Path) -> None:
    whole = train_deepfuse(tiny(motion, tmp_path / "whole", steps=6), motion)
    # The rate depends on how many steps there are in all, so the first part is a run that was stopped.
    part = tiny(motion, tmp_path / "part", steps=6, validate_every=3)
    stop_after(part, motion, 3)
    resumed = train_deepfuse(part, motion, resume=True)
    one, two = (load_network("deepfuse", path).state_dict() for path in (whole, resumed))
    assert all(torch.equal(one[name], two[name]) for name in one)


def stop_after(config: VolumeRun, motion: Path, steps: int) -> None:
    """Run as if it were killed after some steps."""
    learn = VolumeLearner.training_step

    def until(self: VolumeLearner, example: object, number: int) -> torch.Tensor:
        if self.global_step >= steps:
            raise RuntimeError("killed")
        return learn(self, example, number)  # type: ignore[arg-type]

    with patch.object(VolumeLearner, "training_step", until), pytest.raises(RuntimeError, match="killed"):
        train_deepfuse(config, motion)


def test_names_and_numbers_that_make_no_sense() -> None:
    with pytest.raises(KinefuseError, match="did you mean 'compact'"):
        run_preset("deepfuse", "compct", Path("x"))
    with pytest.raises(KinefuseError, match="rate"):
        run_preset("deepfuse", "tiny", Path("x"), rate=2.0)


def test_the_preset_paper_learns_as_the_paper_says(tmp_path: Path) -> None:
    run = run_preset("deepfuse", "paper", tmp_path)
    config = volume_run(run)
    small = VolumeLearner(DeepFuse(PRESETS["deepfuse"]["tiny"]), run.learn, seed=0, identity={})
    optimiser = small.configure_optimizers()["optimizer"]
    assert isinstance(optimiser, torch.optim.RMSprop)
    assert optimiser.param_groups[0]["lr"] == pytest.approx(1e-5)
    assert config.shape == PRESETS["deepfuse"]["paper"]
    assert config.rendered == tmp_path / "rendered"


def test_workers_change_nothing(motion: Path, tmp_path: Path) -> None:
    alone = train_deepfuse(tiny(motion, tmp_path / "alone", steps=3), motion)
    helped = train_deepfuse(tiny(motion, tmp_path / "helped", steps=3, workers=2), motion)
    one, two = (load_network("deepfuse", path).state_dict() for path in (alone, helped))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_vision_begins_with_what_fusion_sees(motion: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    fused = DeepFuse(PRESETS["deepfuse"]["tiny"]).eval()
    (tmp_path / "start").mkdir()
    save_network(tmp_path / "start" / "deepfuse.safetensors", "deepfuse", fused)
    config = tiny(motion, tmp_path / "out", "deepfuse-vision")
    begun = make_volume_learner(replace(config, run=replace(config.run, start=tmp_path / "start"))).network.eval()
    volumes = (torch.rand(2, 8, 64, 64, 64) < 0.2).float()
    with torch.inference_mode():
        kept = load_network("deepfuse", tmp_path / "start" / "deepfuse.safetensors")
        assert torch.allclose(begun(volumes).joints, kept(volumes).joints, atol=1e-5)
    assert begun.config.refinement == "vision"
    other = volume_run(run_preset("deepfuse-vision", "compact", tmp_path / "b", start=tmp_path / "start"))
    with pytest.raises(KinefuseError, match="another preset"):
        make_volume_learner(other)
    with pytest.raises(KinefuseError, match="expected the weights of deepfuse-vision"):
        make_volume_learner(replace(config, run=replace(config.run, start=tmp_path)))
