"""A training run: motion capture in, weights out, checkpoints on the way."""

import hashlib
import logging
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.utils.data import DataLoader

from kinefuse.errors import KinefuseError, check_known
from kinefuse.models.weights import NETWORKS, PRESETS, load_network, save_network
from kinefuse.synthesis.prepared import PreparedClip, read_prepared
from kinefuse.synthesis.variety import AS_RECORDED, MotionStore, VarietyConfig
from kinefuse.training.engine import Batches, Maker, Meter, make_trainer
from kinefuse.training.examples import EVALUATION, Difficulty, Example, ExampleMaker
from kinefuse.training.learner import AnyLearner, LearnConfig, Learner
from kinefuse.training.losses import LOSS_PRESETS

VALIDATION_BATCH: Final = 32
MODALITIES: Final = {"videonet": (True, False), "imunet": (False, True), "fusionnet": (True, True)}
"""Whether a network sees points, and sensors."""

LEARN_PRESETS: Final[dict[str, LearnConfig]] = {
    "default": LearnConfig(),
    "paper": LearnConfig(rate=3e-5, batch=16, falls=10, warm_up=0, decay=0.0, loss=LOSS_PRESETS["paper"]),
    "authors": LearnConfig(rate=3e-5, batch=16, falls=10, warm_up=0, decay=0.0, loss=LOSS_PRESETS["authors"]),
    "tiny": LearnConfig(steps=150, batch=8, rate=3e-3, warm_up=10),
}
"""How a preset learns; what its network looks like is said in the network's own file."""

UNIMODAL_SHARE: Final = 0.1
"""Of a fusion's training whose parts learn too: 5 epochs of 50 (Shin et al.'s code)."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run.

    Attributes
    ----------
    network : key of `MODALITIES`
    preset : key of `LEARN_PRESETS`
    out : folder for checkpoints, logs and weights
    learn : how it learns
    variety, difficulty : of the examples
    validation_windows : how many windows each validation looks at
    seed : of everything random
    start : folder with weights to begin with: of the same network, or else of FusionNet's two parts, or those of
        DeepFuse for its vision alone; None starts anew, a FusionNet whose parts do not learn with the shipped ones
    validate_every : steps between validations and checkpoints
    devices, nodes : processes on a machine, and machines
    workers : further processes, of each of those, that make examples; with none a process makes its own
    progress : whether to show a bar
    data : digest of the prepared file, which `on_data` finds
    """

    network: str
    out: Path
    preset: str = "default"
    learn: LearnConfig = field(default_factory=LearnConfig)
    variety: VarietyConfig = field(default_factory=VarietyConfig)
    difficulty: Difficulty = field(default_factory=Difficulty)
    validation_windows: int = 128
    seed: int = 0
    start: Path | None = None
    validate_every: int = 500
    devices: int = 1
    nodes: int = 1
    workers: int = 0
    progress: bool = True
    data: str = ""


def run_config(
    network: str,
    preset: str,
    out: Path,
    *,
    steps: int | None = None,
    batch: int | None = None,
    rate: float | None = None,
    **others: Any,
) -> RunConfig:
    """Return a run with a preset's way of learning, but for what is given.

    Raises
    ------
    KinefuseError
        If there is no such network or preset, or a number makes no sense.
    """
    check_known("network", network, MODALITIES)
    check_known("preset", preset, LEARN_PRESETS)
    if rate is not None:
        check_rate(rate)
    given: dict[str, Any] = {
        name: value for name, value in (("steps", steps), ("batch", batch), ("rate", rate)) if value is not None
    }
    shape = PRESETS[network].get(preset, PRESETS[network]["paper"])
    if network == "fusionnet" and shape.train_parts:
        given["unimodal_share"] = UNIMODAL_SHARE
    return RunConfig(network=network, preset=preset, out=out, learn=replace(LEARN_PRESETS[preset], **given), **others)


def check_rate(rate: float) -> None:
    """Raise a `KinefuseError` unless a rate of learning makes sense."""
    if not 0 < rate < 1:
        raise KinefuseError(f"A rate of learning between 0 and 1 was expected, got {rate:g}.")


def train_network(config: RunConfig, data: Path, *, resume: bool = False, overwrite: bool = False) -> Path:
    """Train a network.

    Parameters
    ----------
    config : the run
    data : prepared file of motion
    resume : go on from the last checkpoint in ``config.out``
    overwrite : begin anew in a folder that has a training

    Returns
    -------
    The file with its weights.

    Raises
    ------
    KinefuseError
        If the data or the checkpoint cannot be used, memory runs out, or the disk is full; the last good checkpoint
        stays intact.
    """
    config = on_data(config, data)
    check_folder(config, resume, overwrite)
    clips = clips_of(data)
    learner = make_learner(config)
    return fit(
        config,
        learner,
        make_examples(config, clips[0], learner),
        lambda: validation_loader(config, clips[1], learner),
        resume,
    )


def fit(
    config: RunConfig, learner: AnyLearner, maker: Maker, judged_by: Callable[[], DataLoader], resume: bool
) -> Path:
    """Train what `learner` holds, in a folder that `check_folder` has passed, and return the file with its weights.

    Parameters
    ----------
    config : the run
    learner : the network while it learns
    maker : of examples to learn from
    judged_by : makes the examples of validation
    resume : go on from the last checkpoint
    """
    _quiet()
    checkpoint, meter = config.out / "last.ckpt", Meter(config.learn.batch)
    batches = Batches(maker, config.learn.batch, learner, meter)
    trainer = make_trainer(
        config.out,
        meter,
        steps=config.learn.steps,
        validate_every=min(config.validate_every, config.learn.steps),
        devices=config.devices,
        nodes=config.nodes,
        progress=config.progress,
    )
    loaders = DataLoader(batches, batch_size=None, num_workers=config.workers), judged_by()
    if trainer.is_global_zero:
        _make_room(config.out, checkpoint, resume)
    try:
        trainer.fit(learner, *loaders, ckpt_path=str(checkpoint) if resume else None, weights_only=True)
    except torch.OutOfMemoryError as error:
        raise KinefuseError(
            f"The device ran out of memory with batches of {config.learn.batch}; free some and go on with --resume, "
            "or begin anew with a smaller --batch."
        ) from error
    except SystemExit as error:  # what Lightning makes of Ctrl-C
        raise KeyboardInterrupt from error
    weights = config.out / f"{config.network}.safetensors"
    if trainer.is_global_zero:
        save_network(weights, config.network, learner.network)
    return weights


def check_folder(config: RunConfig, resume: bool, overwrite: bool) -> None:
    """Make the folder of a run.

    Raises
    ------
    KinefuseError
        If it cannot be made, holds a training that may not be replaced, or lacks the one to go on from.
    """
    checkpoint = config.out / "last.ckpt"
    if resume and not checkpoint.exists():
        raise KinefuseError(f"There is no checkpoint {checkpoint} to resume from; leave --resume out to start.")
    if checkpoint.exists() and not (resume or overwrite):
        raise KinefuseError(f"{config.out}: it holds a training; add --resume to go on, or --overwrite to begin anew.")
    if resume:
        _check_checkpoint(config, checkpoint)
    try:
        config.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KinefuseError(f"{config.out}: cannot be made ({error.strerror}); name another folder.") from error


def _make_room(out: Path, checkpoint: Path, resume: bool) -> None:
    """Put the log of the run that is resumed aside, as a new one takes its name; what is begun anew goes.

    Without that, a new run that ends before its first checkpoint would leave the one of the old run to be resumed.
    """
    log = out / "log" / "metrics.csv"
    if not resume:
        checkpoint.unlink(missing_ok=True)
    elif log.exists():
        log.rename(next(free for n in count(1) if not (free := log.with_name(f"metrics_{n}.csv")).exists()))


def _check_checkpoint(config: RunConfig, checkpoint: Path) -> None:
    try:
        stored = torch.load(checkpoint, map_location="cpu", weights_only=True).get("kinefuse", {})
    except Exception as error:  # whatever a damaged archive makes torch, pickle or zipfile raise
        raise KinefuseError(
            f"{checkpoint}: expected a checkpoint, but it is damaged or something else; begin anew with --overwrite."
        ) from error
    wanted = identity_of(config)
    differ = [name for name, value in wanted.items() if stored.get(name) != value]
    if differ:
        what = ", ".join(f"{name} {stored.get(name)!r} instead of {wanted[name]!r}" for name in differ)
        raise KinefuseError(f"{checkpoint}: it belongs to another training ({what}); give the same options again.")


def identity_of(config: RunConfig) -> dict[str, Any]:
    """Return what must be the same for a run to go on, in plain types."""
    learn = {name: value for name, value in asdict(config.learn).items() if name != "loss"}
    of = {"network": config.network, "preset": config.preset, "seed": config.seed}
    examples = hashlib.sha256(repr((config.variety, config.difficulty)).encode()).hexdigest()[:12]
    made_of = {"data": config.data, "variation": examples, "processes": config.devices * config.nodes}
    return {**of, **learn, "loss": repr(config.learn.loss), **made_of}


def on_data(config: RunConfig, data: Path) -> RunConfig:
    """Return the run with the digest of the prepared file that it learns from; empty if that cannot be read."""
    return replace(config, data=hashlib.sha256(data.read_bytes()).hexdigest()[:12] if data.is_file() else "")


def make_learner(config: RunConfig) -> Learner:
    """Return the network, new or with the weights to begin with, ready to learn."""
    torch.manual_seed(config.seed)
    presets = PRESETS[config.network]
    network = NETWORKS[config.network](presets.get(config.preset, presets["paper"]))
    _begin(network, config)
    has_place = config.network != "imunet"
    return Learner(network, config.learn, has_place=has_place, seed=config.seed, identity=identity_of(config))


def _begin(network: nn.Module, config: RunConfig) -> None:
    """Give a network the weights to begin with: its own where the folder has them, else those of a fusion's parts."""
    own = None if config.start is None else config.start / f"{config.network}.safetensors"
    is_fusion = config.network == "fusionnet"
    if own is not None and (own.exists() or not is_fusion):
        take_weights(network, config.network, own)
    elif is_fusion and (config.start is not None or not network.config.train_parts):  # type: ignore[union-attr]
        for name, part in (("videonet", "video"), ("imunet", "imu")):
            path = None if config.start is None else config.start / f"{name}.safetensors"
            take_weights(getattr(network, part), name, path)


def take_weights(network: nn.Module, name: str, path: Path | None) -> None:
    """Give a network the weights of a file, None for the shipped ones.

    Raises
    ------
    KinefuseError
        If the file is none, or has weights of another shape.
    """
    try:
        network.load_state_dict(load_network(name, path).state_dict())
    except RuntimeError as error:
        raise other_preset(path or name) from error


def other_preset(where: Path | str) -> KinefuseError:
    """Return what is said of weights that do not fit the network."""
    return KinefuseError(f"{where}: weights of another preset were found; name a folder with those of this one.")


def clips_of(data: Path) -> tuple[list[PreparedClip], list[PreparedClip]]:
    """Return the training and the validation clips of a prepared file.

    Raises
    ------
    KinefuseError
        If it is none, or has no clip of one of them.
    """
    clips = read_prepared(data)
    parts = [[clip for clip in clips if clip.split == split] for split in ("train", "validation")]
    for split, part in zip(("train", "validation"), parts, strict=True):
        if not part:
            raise KinefuseError(f"{data}: it has no clip for {split}; prepare it from people of both sets.")
    return parts[0], parts[1]


def make_examples(config: RunConfig, clips: list[PreparedClip], learner: Learner) -> ExampleMaker:
    """Return the maker of what the network learns from."""
    video, imu = MODALITIES[config.network]
    store = MotionStore(clips, config.variety)
    window = learner.window
    return ExampleMaker(store, window, video=video, imu=imu, difficulty=config.difficulty, seed=config.seed)


def validation_loader(config: RunConfig, clips: list[PreparedClip], learner: Learner) -> DataLoader:
    """Return the same windows every time, as they were recorded, every person alike."""
    store = MotionStore(clips, AS_RECORDED)
    seconds = [len(clip.root) / clip.rate_hz for clip in clips]
    total = {clip.subject: 0.0 for clip in clips}
    for clip, length in zip(clips, seconds, strict=True):
        total[clip.subject] += length
    store.weights = torch.tensor([s / total[c.subject] for c, s in zip(clips, seconds, strict=True)])
    video, imu = MODALITIES[config.network]
    window = learner.window
    maker = ExampleMaker(store, window, video=video, imu=imu, difficulty=EVALUATION, seed=1)
    count = -(-config.validation_windows // VALIDATION_BATCH)
    examples: list[Example] = [maker.batch(number, VALIDATION_BATCH) for number in range(count)]
    return DataLoader(examples, batch_size=None)  # type: ignore[arg-type]


def _quiet() -> None:
    """Lightning's advice is for its own users, not for ours."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
