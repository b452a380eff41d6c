"""What Lightning is given: endless batches, a meter of speed, checkpoints that are whole or not there."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import lightning
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch.utils.data import IterableDataset, get_worker_info

from kinefuse.errors import KinefuseError


class Maker(Protocol):
    """What makes examples; the same number gives the same batch."""

    def batch(self, number: int, count: int, /) -> Any:
        """Return the `number`-th batch, of `count` examples."""


class Meter(Callback):
    """How fast examples are made and learned from, each a second; both are logged and shown."""

    def __init__(self, batch: int) -> None:
        self.batch, self.made, self.learned = batch, 0, 0
        self.making = self.learning = self.begun = 0.0

    def count_made(self, seconds: float) -> None:
        """Count one batch that was made."""
        self.made, self.making = self.made + 1, self.making + seconds

    def on_train_batch_start(self, *_: Any) -> None:
        self.begun = time.perf_counter()

    def on_train_batch_end(self, trainer: lightning.Trainer, learner: lightning.LightningModule, *_: Any) -> None:
        self.learned, self.learning = self.learned + 1, self.learning + time.perf_counter() - self.begun
        if self.made:  # workers count for themselves
            learner.log("made_per_s", self.batch * self.made / max(self.making, 1e-9), prog_bar=True)
        learner.log("learned_per_s", self.batch * self.learned / max(self.learning, 1e-9), prog_bar=True)


class Batches(IterableDataset):
    """Endless batches, beginning where a run was left; every process has its own, and its workers take turns."""

    def __init__(self, maker: Maker, count: int, learner: lightning.LightningModule, meter: Meter) -> None:
        self.maker, self.count, self.learner, self.meter = maker, count, learner, meter

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        turn, turns = (0, 1) if worker is None else (worker.id, worker.num_workers)
        number = self.learner.global_step + turn
        while True:
            begin = time.perf_counter()
            rank, world = self.learner.global_rank, self.learner.trainer.world_size
            example = self.maker.batch(number * world + rank, self.count)
            self.meter.count_made(time.perf_counter() - begin)
            number += turns
            yield example


class AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoints are written beside, then renamed: a full disk or a kill leaves the one before intact."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises
        ------
        KinefuseError
            If it cannot be written; the one before is intact.
        """
        partial = Path(f"{path}.partial")
        try:
            super().save_checkpoint(checkpoint, partial, storage_options)
            os.replace(partial, path)
        except (OSError, RuntimeError) as error:
            partial.unlink(missing_ok=True)
            raise KinefuseError(
                f"The checkpoint {path} could not be written ({error}); the one before it is intact. Free some space, "
                "then go on with --resume."
            ) from error


def make_trainer(
    out: Path, meter: Meter, *, steps: int, validate_every: int, devices: int, nodes: int, progress: bool
) -> lightning.Trainer:
    """Return Lightning's trainer with logs in `out`, checkpoints, and a progress bar with time left."""
    keeper = ModelCheckpoint(
        out, filename="last", save_top_k=1, every_n_train_steps=validate_every, enable_version_counter=False
    )
    several = devices * nodes > 1
    return lightning.Trainer(
        accelerator="auto",
        devices=devices,
        num_nodes=nodes,
        # Heads whose loss has no weight, and what a fusion does not use of its parts, get no gradient.
        strategy="ddp_find_unused_parameters_true" if several else "auto",
        max_steps=steps,
        val_check_interval=validate_every,
        check_val_every_n_epoch=None,
        gradient_clip_val=1.0,
        callbacks=[keeper, meter, *([RichProgressBar()] if progress else [])],
        plugins=[AtomicCheckpoints()],
        logger=[CSVLogger(out, name="log", version=""), TensorBoardLogger(out, name="tensorboard", version="")],
        log_every_n_steps=min(50, validate_every),
        num_sanity_val_steps=0,
        enable_progress_bar=progress,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
