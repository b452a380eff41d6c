"""A training run: data in, weights out, checkpoints on the way."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch.utils.data import DataLoader, IterableDataset

from kinefuse.errors import KinefuseError
from kinefuse.models.weights import NETWORKS, PRESETS, load_network, save_network
from kinefuse.synthesis.prepared import PreparedClip, read_prepared
from kinefuse.synthesis.variety import MotionStore, VarietyConfig
from kinefuse.training.examples import EVALUATION, Difficulty, Example, ExampleMaker
from kinefuse.training.learner import LearnConfig, Learner
from kinefuse.training.losses import LOSS_PRESETS

VALIDATION_WINDOWS: Final = 128
MODALITIES: Final = {"videonet": (True, False), "imunet": (False, True), "fusionnet": (True, True)}
AS_RECORDED: Final = VarietyConfig(shape=False, mirror=False, time_warp=0.0, compose=0.0, amplitude=0.0, turns=0.0)

LEARN_PRESETS: Final[dict[str, LearnConfig]] = {
    "default": LearnConfig(),
    "paper": LearnConfig(rate=3e-5, batch=16, halvings=10, warm_up=0, decay=0.0, loss=LOSS_PRESETS["paper"]),
    "authors": LearnConfig(rate=3e-5, batch=16, halvings=10, warm_up=0, decay=0.0, loss=LOSS_PRESETS["authors"]),
    "tiny": LearnConfig(steps=200, batch=8, rate=3e-3, warm_up=20),
}


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run.

    Attributes
    ----------
    network : key of `NETWORKS`
    preset : of its form and of how it learns
    out : folder for checkpoints, logs and weights
    learn : how it learns
    variety, difficulty : of the examples
    seed : of everything random
    start : folder with weights to begin with: of the same network, and for FusionNet of its two parts; None starts
        anew (FusionNet from the shipped parts)
    validate_every : steps
    devices, nodes : processes on a machine, and machines
    """

    network: str
    preset: str = "default"
    out: Path
    learn: LearnConfig = field(default_factory=LearnConfig)
    variety: VarietyConfig = field(default_factory=VarietyConfig)
    difficulty: Difficulty = field(default_factory=Difficulty)
    seed: int = 0
    start: Path | None = None
    validate_every: int = 500
    devices: int = 1
    nodes: int = 1
    progress: bool = True


class Batches(IterableDataset):
    """Endless batches from a maker, beginning where a run was left; each process has its own."""

    def __init__(self, maker: ExampleMaker, count: int, learner: Learner, meter: "Meter") -> None:
        self.maker, self.count, self.learner, self.meter = maker, count, learner, meter

    def __iter__(self) -> Iterator[Example]:
        number = self.learner.global_step
        while True:
            begin = time.perf_counter()
            rank, world = self.learner.global_rank, self.learner.trainer.world_size
            example = self.maker.batch(number * world + rank, self.count)
            self.meter.made(self.count, time.perf_counter() - begin)
            number += 1
            yield example


class Meter(Callback):
    """How fast examples are made and learned from; both are logged."""

    def __init__(self) -> None:
        self.windows, self.making, self.learning, self.begun = 0, 1e-9, 1e-9, 0.0

    def made(self, count: int, seconds: float) -> None:
        """Count examples that were made."""
        self.windows += count
        self.making += seconds

    def on_train_batch_start(self, *_: Any) -> None:
        self.begun = time.perf_counter()

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        self.learning += time.perf_counter() - self.begun
        rates = {"windows_made_per_s": self.windows / self.making, "windows_learned_per_s": self.windows / self.learning}
        trainer.lightning_module.log_dict(rates)


class AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoints that are whole or not there: written beside, then renamed."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        partial = Path(f"{path}.partial")
        try:
            super().save_checkpoint(checkpoint, partial, storage_options)
            os.replace(partial, path)
        except (OSError, RuntimeError) as error:
            partial.unlink(missing_ok=True)
            raise KinefuseError(
                f"The checkpoint {path} could not be written ({error}); the one before is intact. Free some space and "
                "go on with --resume."
            ) from error


def train(config: RunConfig, data: Path, *, resume: bool = False) -> Path:
    """Train a network.

    Parameters
    ----------
    config : the run
    data : prepared file of motion
    resume : go on from the last checkpoint in ``config.out``

    Returns
    -------
    The file with its weights.

    Raises
    ------
    KinefuseError
        If the data or the checkpoint cannot be used; the last good checkpoint stays intact.
    """
    learner = make_learner(config)
    train_clips, validation_clips = clips_of(data)
    meter = Meter()
    video, imu = MODALITIES[config.network]
    window = learner.network.config.window  # type: ignore[union-attr]
    maker = ExampleMaker(
        MotionStore(train_clips, config.variety),
        window,
        video=video,
        imu=imu,
        difficulty=config.difficulty,
        seed=config.seed,
    )
    examples = validation_examples(validation_clips, window, video=video, imu=imu)
    checkpoint = config.out / "last.ckpt"
    if resume and not checkpoint.exists():
        raise KinefuseError(f"There is no checkpoint {checkpoint} to resume from; leave --resume out to start.")
    trainer = make_trainer(config, meter)
    trainer.fit(
        learner,
        DataLoader(Batches(maker, config.learn.batch, learner, meter), batch_size=None),
        DataLoader(examples, batch_size=None),  # type: ignore[arg-type]
        ckpt_path=str(checkpoint) if resume else None,
        weights_only=False,
    )
    weights = config.out / f"{config.network}.safetensors"
    if trainer.is_global_zero:
        save_network(weights, config.network, learner.network)
    return weights


def make_learner(config: RunConfig) -> Learner:
    """Return the network, new or with the weights to begin with, ready to learn."""
    torch.manual_seed(config.seed)
    presets = PRESETS[config.network]
    shape = presets.get(config.preset, presets["paper" if config.preset == "authors" else "default"])
    network = NETWORKS[config.network](shape)
    if config.start is not None and (config.start / f"{config.network}.safetensors").exists():
        network = load_network(config.network, config.start / f"{config.network}.safetensors").train()
    elif config.network == "fusionnet" and config.preset == "default":
        for name, part in (("videonet", "video"), ("imunet", "imu")):
            path = None if config.start is None else config.start / f"{name}.safetensors"
            getattr(network, part).load_state_dict(load_network(name, path).state_dict())
    return Learner(network, config.learn, has_place=config.network != "imunet", seed=config.seed)


def clips_of(data: Path) -> tuple[list[PreparedClip], list[PreparedClip]]:
    """Return training and validation clips of a prepared file."""
    clips = read_prepared(data)
    parts = tuple([clip for clip in clips if clip.split == split] for split in ("train", "validation"))
    for split, part in zip(("train", "validation"), parts, strict=True):
        if not part:
            raise KinefuseError(f"{data}: it has no clip for {split}; give it people of both sets.")
    return parts  # type: ignore[return-value]


def validation_examples(clips: list[PreparedClip], window: int, *, video: bool, imu: bool) -> list[Example]:
    """Return the same windows every time, every person alike, as they were recorded."""
    store = MotionStore(clips, AS_RECORDED)
    people = [clip.subject for clip in clips]
    seconds = {p: sum(len(c.root) / c.rate_hz for c in clips if c.subject == p) for p in set(people)}
    store.weights = torch.tensor([len(c.root) / c.rate_hz / seconds[c.subject] for c in clips], dtype=torch.float64)
    maker = ExampleMaker(store, window, video=video, imu=imu, difficulty=EVALUATION, seed=1)
    return [maker.batch(number, 32) for number in range(VALIDATION_WINDOWS // 32)]


def make_trainer(config: RunConfig, meter: Meter) -> lightning.Trainer:
    """Return Lightning's trainer with logs, checkpoints and a progress bar."""
    config.out.mkdir(parents=True, exist_ok=True)
    keeper = ModelCheckpoint(
        config.out, filename="last", save_top_k=1, every_n_train_steps=config.validate_every, enable_version_counter=False
    )
    return lightning.Trainer(
        accelerator="auto",
        devices=config.devices,
        num_nodes=config.nodes,
        strategy="ddp" if config.devices * config.nodes > 1 else "auto",
        max_steps=config.learn.steps,
        val_check_interval=config.validate_every,
        check_val_every_n_epoch=None,
        gradient_clip_val=1.0,
        callbacks=[keeper, meter],
        plugins=[AtomicCheckpoints()],
        logger=[CSVLogger(config.out, name="log", version=""), TensorBoardLogger(config.out, name="tensorboard", version="")],
        log_every_n_steps=50,
        num_sanity_val_steps=0,
        enable_progress_bar=config.progress,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def with_preset(config: RunConfig) -> RunConfig:
    """Return the run with its preset's way of learning."""
    if config.preset not in LEARN_PRESETS:
        raise KinefuseError(f"No preset is called {config.preset!r}; there are {', '.join(LEARN_PRESETS)}.")
    return replace(config, learn=LEARN_PRESETS[config.preset])


