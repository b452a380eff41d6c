"""Training DeepFuse: people are rendered as mattes, mattes are built into volumes, and from volumes it learns."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch.utils.data import DataLoader

from kinefuse.errors import KinefuseError, check_known
from kinefuse.models.deepfuse import DeepFuse, DeepFuseConfig, VolumeAnswer, deepfuse_loss, without_cylinders
from kinefuse.models.weights import FUSED, PRESETS, load_network
from kinefuse.training.learner import AnyLearner, LearnConfig
from kinefuse.training.matte_cache import read_cache, render_cache
from kinefuse.training.run import (
    RunConfig,
    check_folder,
    check_rate,
    fit,
    identity_of,
    on_data,
    other_preset,
    take_weights,
)
from kinefuse.training.volume_examples import VALIDATION, VolumeConfig, VolumeExample, VolumeExamples
from kinefuse.training.volume_store import BuildConfig, VolumeStore, build_store, hull_of, read_store

VALIDATION_FRAMES: Final = 1024
"""Are rendered, or a quarter as many as for training."""

VALIDATION_BATCH: Final = 16

VOLUME_LEARN_PRESETS: Final[dict[str, LearnConfig]] = {
    "compact": LearnConfig(steps=20_000, batch=8, rate=1e-3, warm_up=200),
    "paper": LearnConfig(
        steps=60_000, batch=16, optimiser="rmsprop", rate=1e-5, warm_up=0, falls=5, fall=0.2, decay=0.0
    ),
    "tiny": LearnConfig(steps=60, batch=4, rate=3e-3, warm_up=10),
}
"""How a preset learns; the paper's falls come every five epochs, of how many it does not say."""


@dataclass(frozen=True, kw_only=True)
class VolumeRun:
    """One training of DeepFuse.

    Attributes
    ----------
    run : folder, how it learns, seed, and so on
    shape : of the network
    rendered : folder of mattes and volumes, which runs may share
    frames : to be rendered for training
    validation_frames : how many of those each validation looks at
    vary : how examples vary
    jobs : processes that render and build
    """

    run: RunConfig
    shape: DeepFuseConfig
    rendered: Path
    frames: int = 16_384
    validation_frames: int = 256
    vary: VolumeConfig = field(default_factory=VolumeConfig)
    jobs: int = 1


def run_preset(network: str, preset: str, out: Path, **given: Any) -> RunConfig:
    """Return a run of DeepFuse that learns as a preset says, but for what is given.

    Parameters
    ----------
    network : ``"deepfuse"``, or ``"deepfuse-vision"``, which sees no orientations
    preset : key of `VOLUME_LEARN_PRESETS`
    out : folder for checkpoints, logs and weights
    given : ``steps``, ``batch``, ``rate``, None for the preset's, and whatever else `RunConfig` has

    Raises
    ------
    KinefuseError
        If there is no such preset, or a number makes no sense.
    """
    check_known("preset of DeepFuse", preset, VOLUME_LEARN_PRESETS)
    numbers = {name: given.pop(name) for name in ("steps", "batch", "rate") if name in given}
    learn = replace(VOLUME_LEARN_PRESETS[preset], **{name: n for name, n in numbers.items() if n is not None})
    check_rate(learn.rate)
    return RunConfig(network=network, preset=preset, out=out, learn=learn, **given)


def volume_run(run: RunConfig, *, rendered: Path | None = None, frames: int | None = None, jobs: int = 1) -> VolumeRun:
    """Return a run with its preset's network: `run_preset` makes what goes in.

    Parameters
    ----------
    run : the run
    rendered, frames, jobs : as of `VolumeRun`
    """
    given: dict[str, Any] = {} if frames is None else {"frames": frames}
    shape = PRESETS[run.network][run.preset]
    return VolumeRun(run=run, shape=shape, rendered=rendered or run.out / "rendered", jobs=jobs, **given)


def train_deepfuse(config: VolumeRun, data: Path, *, resume: bool = False, overwrite: bool = False) -> Path:
    """Train DeepFuse.

    Parameters
    ----------
    config : the run
    data : prepared file of motion
    resume : go on from the last checkpoint in ``config.run.out``
    overwrite : begin anew in a folder that has a training; what was rendered is kept

    Returns
    -------
    The file with its weights.

    Raises
    ------
    KinefuseError
        If the data or the checkpoint cannot be used, memory runs out, or the disk is full; the last good checkpoint
        stays intact.
    """
    config = replace(config, run=on_data(config.run, data))
    check_folder(config.run, resume, overwrite)
    train, validation = (rendered_store(config, data, split) for split in ("train", "validation"))
    learner = make_volume_learner(config)
    maker = VolumeExamples(train, config.vary, config.run.seed)
    return fit(config.run, learner, maker, lambda: judged_by(config, validation), resume)


def rendered_store(config: VolumeRun, data: Path, split: str) -> VolumeStore:
    """Return the volumes of a split, rendered and built now unless they are there.

    Raises
    ------
    KinefuseError
        If the folder has what was rendered of other motion, or of another number of frames.
    """
    frames = config.frames if split == "train" else min(VALIDATION_FRAMES, max(VALIDATION_BATCH, config.frames // 4))
    mattes, volumes = config.rendered / f"{split}.npz", config.rendered / split
    config.rendered.mkdir(parents=True, exist_ok=True)
    _check_source(config.rendered, data)
    if not mattes.exists():
        (volumes / "labels.npz").unlink(missing_ok=True)  # volumes without their mattes are of others
        with _told(f"mattes for {split}", frames, config.run.progress) as tell:
            render_cache(data, mattes, split=split, frames=frames, seed=0, jobs=config.jobs, progress=tell)
    there = len(read_cache(mattes))
    if there != frames:
        raise KinefuseError(
            f"{config.rendered}: holds {there} frames for {split}, not {frames}; name another folder with --rendered, "
            "or remove this one."
        )
    if not (volumes / "labels.npz").exists():
        with _told(f"volumes for {split}", frames, config.run.progress) as tell:
            how = BuildConfig(yaw=split == "train")
            build_store(mattes, volumes, how, seed=int(split != "train"), jobs=config.jobs, progress=tell)
    return read_store(volumes)


def _check_source(rendered: Path, data: Path) -> None:
    """Refuse a folder of what was rendered of another prepared file: its people may be those to be tested on."""
    if not data.is_file():
        raise KinefuseError(f"{data}: expected a file that `kinefuse prepare` made, but there is none.")
    source, digest = rendered / "source.txt", hashlib.sha256(data.read_bytes()).hexdigest()
    if not source.exists():
        source.write_text(f"{digest}\n", encoding="utf-8")
    elif source.read_text(encoding="utf-8").strip() != digest:
        raise KinefuseError(
            f"{rendered}: was rendered of other motion than {data} holds; name another folder with --rendered, or "
            "remove this one."
        )


class _told:
    """A bar on the screen while frames are made, or none."""

    def __init__(self, what: str, frames: int, shown: bool) -> None:
        from rich.progress import Progress

        self.bar = Progress(disable=not shown)
        self.task = self.bar.add_task(what, total=frames)

    def __enter__(self) -> Callable[[int], None]:
        self.bar.start()
        return lambda done: self.bar.update(self.task, completed=done)

    def __exit__(self, *_: object) -> None:
        self.bar.stop()


def make_volume_learner(config: VolumeRun) -> "VolumeLearner":
    """Return the network, new or with the weights to begin with, ready to learn."""
    torch.manual_seed(config.run.seed)
    network = DeepFuse(config.shape)
    if config.run.start is not None:
        _begin(network, config.run.network, config.run.start)
    identity = {**identity_of(config.run), "frames": config.frames}
    return VolumeLearner(network, config.run.learn, seed=config.run.seed, identity=identity)


def _begin(network: DeepFuse, name: str, start: Path) -> None:
    """Give a network the weights of its own kind in a folder; without those, vision only gets what fusion sees."""
    own, fused = (start / f"{kind}.safetensors" for kind in (name, FUSED))
    if name == FUSED or own.exists() or not fused.exists():
        take_weights(network, name, own)
        return
    try:
        network.load_state_dict(without_cylinders(load_network(FUSED, fused)).state_dict())  # type: ignore[arg-type]
    except (RuntimeError, KinefuseError) as error:
        raise other_preset(fused) from error


def judged_by(config: VolumeRun, store: VolumeStore) -> DataLoader:
    """Return the same frames every time."""
    maker = VolumeExamples(store, VALIDATION, seed=1)
    count = min(config.validation_frames, len(store)) // VALIDATION_BATCH
    examples: list[VolumeExample] = [maker.batch(number, VALIDATION_BATCH) for number in range(count)]
    return DataLoader(examples, batch_size=None)  # type: ignore[arg-type]


def answer_to(network: DeepFuse, example: VolumeExample) -> VolumeAnswer:
    """Return what a network says of an example; one with one channel is shown the probabilistic hull."""
    one = network.config.channels == 1
    volumes = hull_of(example.packed).to(torch.bfloat16) if one else example.volumes(torch.bfloat16)
    answer: VolumeAnswer = network(volumes, example.orientations, example.worn)
    return answer


class VolumeLearner(AnyLearner):
    """DeepFuse while it learns; its convolutions run in bfloat16."""

    network: DeepFuse

    def __init__(self, network: DeepFuse, config: LearnConfig, *, seed: int, identity: dict[str, Any]) -> None:
        super().__init__(network, config, seed=seed, identity=identity)
        self.network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.network.trunk_in_bfloat16 = True

    def training_step(self, example: VolumeExample, _: int) -> torch.Tensor:
        torch.manual_seed(self.seed + self.global_step)
        answer = answer_to(self.network, example)
        loss = deepfuse_loss(self.network.config, answer, example.joints)
        error = 1000.0 * (answer.joints.detach() - example.joints).norm(dim=-1).mean()
        self.log_dict({"loss": loss, "error_mm": error}, prog_bar=True)
        return loss

    def validation_step(self, example: VolumeExample, _: int) -> None:
        answer = answer_to(self.network, example)
        far = {"first_mm": answer.first, "error_mm": answer.joints}
        found = {name: 1000.0 * (joints - example.joints).norm(dim=-1).mean(-1) for name, joints in far.items()}
        self.log_dict(
            {f"validation/{name}": errors.mean() for name, errors in found.items()}, batch_size=len(example.joints)
        )
