"""IMUNet: raw signals of up to 13 carelessly mounted sensors to body pose (Shin, Li, Halilaj)."""

from dataclasses import dataclass, field

import torch
from torch import nn

from kinefuse.conventions import GRAVITY
from kinefuse.errors import KinefuseError
from kinefuse.inertial.strapdown import turns_to_middle, up_in_middle
from kinefuse.models.layers import SegmentHead, TrunkConfig, in_half, make_trunk
from kinefuse.models.signals import (
    N_SEGMENTS,
    N_SHAPE,
    N_SITES,
    RATE_HZ,
    REST_6D,
    Prediction,
    Signals,
    rotations_from_6d,
    six_from_rotations,
)


@dataclass(frozen=True, kw_only=True)
class ImuNetConfig:
    """What the network looks like.

    Attributes
    ----------
    window : frames that it sees at once
    trunk : its main part
    integrated : whether it also sees each sensor's turn from the window's middle, from its gyroscope, and the vertical
        that follows; else raw signals only, as Shin et al. have it
    """

    window: int = 96
    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    integrated: bool = True


IMUNET_PRESETS: dict[str, ImuNetConfig] = {
    "default": ImuNetConfig(),
    "paper": ImuNetConfig(window=50, trunk=TrunkConfig(kind="tokens", width=32, depth=4, heads=8), integrated=False),
    "tiny": ImuNetConfig(window=24, trunk=TrunkConfig(width=48, depth=2, heads=2, drop=0.0)),
}


class ImuNet(nn.Module):
    """Angular rates and specific forces over a window to `Prediction`.

    It cannot know heading or place: rotations hold up to one rotation about the vertical, and the root stays at the
    origin. The body's shape is told by the stature where that is known, else it is the population's mean.
    """

    rate_hz = RATE_HZ
    trunk_in_bfloat16 = False
    """Whether the trunk runs in bfloat16, as it does while training."""

    def __init__(self, config: ImuNetConfig) -> None:
        super().__init__()
        self.config = config
        channels = 16 if config.integrated else 7
        self.trunk = make_trunk(config.trunk, N_SITES, channels, config.window, N_SEGMENTS)
        self.pose = SegmentHead(self.trunk.out_width, N_SEGMENTS, 6, config.trunk.kind == "tokens")
        self.shape = nn.Linear(2, N_SHAPE)
        self.features = self.trunk.out_width

    def forward(self, signals: Signals) -> Prediction:
        """Return pose and shape for windows of sensors; each window has a heading of its own, the root is zero.

        Raises
        ------
        KinefuseError
            If the signals have no sensors.
        """
        seen = self.inputs(signals)
        with in_half(self.trunk_in_bfloat16, seen.device.type):
            features = self.trunk(seen)
            six = self.pose(features)
        rotations = rotations_from_6d(six.float() + torch.tensor(REST_6D, device=six.device))
        root = torch.zeros_like(rotations[:, :, 0, :, 0])
        return Prediction(rotations, self._shape(signals, root), root, features.float())

    def inputs(self, signals: Signals) -> torch.Tensor:
        """Return what the trunk sees (B, T, 13, c): signals in g and 10 rad/s, and what they integrate to."""
        if signals.angular_rate is None or signals.specific_force is None or signals.worn is None:
            raise KinefuseError("IMUNet needs inertial sensors.")
        worn = signals.worn[..., None]
        rate, force = signals.angular_rate * worn, signals.specific_force * worn
        seen = [rate / 10.0, force / GRAVITY, worn]
        if self.config.integrated:
            turn = turns_to_middle(rate, self.rate_hz)
            up = up_in_middle(turn, force, signals.worn)
            up_now = (turn.transpose(-1, -2) @ up[:, None, :, :, None])[..., 0]
            seen += [worn * up_now, worn * six_from_rotations(turn)]
        return torch.cat(seen, dim=-1)

    def _shape(self, signals: Signals, root: torch.Tensor) -> torch.Tensor:
        stature = signals.stature
        if stature is None:
            stature = torch.full((len(root),), torch.nan, device=root.device)
        known = torch.isfinite(stature).to(root.dtype)
        return self.shape(torch.stack([known, known * (stature.nan_to_num(1.7) - 1.7) / 0.1], dim=-1))
