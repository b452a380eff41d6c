"""One step of training, one of validation, and the optimiser; Lightning does the rest."""

from dataclasses import dataclass, field
from typing import Any

import lightning
import torch
from torch import nn

from kinefuse.models.signals import Prediction
from kinefuse.training.examples import Example
from kinefuse.training.losses import Loss, LossConfig, turned_to
from kinefuse.training.scores import scores


@dataclass(frozen=True, kw_only=True)
class LearnConfig:
    """How a network learns.

    Attributes
    ----------
    steps : batches in all
    batch : windows, or frames of DeepFuse, in one
    optimiser : ``"adamw"``, or ``"rmsprop"``
    rate : of learning, after the first `warm_up` steps; it falls to zero along a cosine, or `falls` times to a part
    warm_up : steps
    falls : None is the cosine
    fall : that part
    decay : of weights
    loss : its weights and form
    unimodal_share : of all steps, in which the two parts of a fusion have losses of their own
    """

    steps: int = 20_000
    batch: int = 32
    optimiser: str = "adamw"
    rate: float = 1e-3
    warm_up: int = 300
    falls: int | None = None
    fall: float = 0.5
    decay: float = 0.01
    loss: LossConfig = field(default_factory=LossConfig)
    unimodal_share: float = 0.0


class AnyLearner(lightning.LightningModule):
    """A network of any kind while it learns: its optimiser, and what its checkpoints say.

    Parameters
    ----------
    network : with weights
    config : how it learns
    seed : with the step's number, of everything random within a step, so that a resumed run is the same run
    identity : what a checkpoint must have in common with a run that goes on from it
    """

    def __init__(self, network: nn.Module, config: LearnConfig, *, seed: int, identity: dict[str, Any]) -> None:
        super().__init__()
        self.network, self.config, self.seed, self.identity = network, config, seed, identity

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["kinefuse"] = self.identity

    def transfer_batch_to_device(self, batch: Any, device: torch.device, _: int) -> Any:
        return batch.to(device)

    def configure_optimizers(self) -> Any:
        learning = [p for p in self.network.parameters() if p.requires_grad]
        make = {"adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}[self.config.optimiser]
        optimiser = make(learning, lr=self.config.rate, weight_decay=self.config.decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, self._share_of_rate)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _share_of_rate(self, step: int) -> float:
        warm = min(1.0, (step + 1) / max(self.config.warm_up, 1))
        done = min(1.0, step / self.config.steps)
        if self.config.falls is not None:
            return warm * self.config.fall ** int(done * self.config.falls)
        return warm * 0.5 * (1.0 + float(torch.cos(torch.tensor(torch.pi * done))))


class Learner(AnyLearner):
    """VideoNet, IMUNet or FusionNet while it learns.

    Parameters
    ----------
    network, config, seed, identity : as of every `AnyLearner`
    has_place : whether the network knows heading and place
    """

    def __init__(
        self, network: nn.Module, config: LearnConfig, *, has_place: bool, seed: int, identity: dict[str, Any]
    ) -> None:
        super().__init__(network, config, seed=seed, identity=identity)
        self.loss = Loss(config.loss, has_place=has_place)
        self.alone = Loss(config.loss, has_place=False)
        self.has_place = has_place

    @property
    def window(self) -> int:
        """Frames that the network sees at once."""
        return int(self.network.config.window)  # type: ignore[union-attr, arg-type]

    def training_step(self, example: Example, _: int) -> torch.Tensor:
        torch.manual_seed(self.seed + self.global_step)
        self.network.trunk_in_bfloat16 = True  # type: ignore[assignment]
        loss = self._loss(example)
        self.log("loss", loss, prog_bar=True)
        return loss

    def _loss(self, example: Example) -> torch.Tensor:
        early = self.global_step < self.config.unimodal_share * self.config.steps
        if not early:
            return self.loss(self.network(example.signals), example)[0]
        video, imu = self.network.parts(example.signals)  # type: ignore[operator]
        joined: Prediction = self.network.join(example.signals, video, imu)  # type: ignore[operator]
        losses = self.loss(joined, example)[0], self.loss(video, example)[0], self.alone(imu, example)[0]
        return torch.stack(losses).sum()

    def validation_step(self, example: Example, _: int) -> None:
        self.network.trunk_in_bfloat16 = False  # type: ignore[assignment]
        answer = self.network(example.signals)
        rotations = answer.R_world_segment if self.has_place else turned_to(answer, example)
        found = scores(rotations.cpu(), example.R_world_segment.cpu(), example.inside.cpu())
        found["loss"] = float(self.loss(answer, example)[0])
        self.log_dict({f"validation/{name}": value for name, value in found.items()}, batch_size=len(example.inside))
