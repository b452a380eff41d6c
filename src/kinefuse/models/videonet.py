"""VideoNet: noisy joint centres to body pose, shape and place (Shin, Li, Halilaj)."""

from dataclasses import dataclass, field

import torch
from torch import nn

from kinefuse.errors import KinefuseError
from kinefuse.models.canonical import canonical
from kinefuse.models.layers import SegmentHead, TrunkConfig, in_half, make_trunk
from kinefuse.models.signals import (
    COCO,
    N_POINTS,
    N_SEGMENTS,
    N_SHAPE,
    RATE_HZ,
    REST_6D,
    Prediction,
    Signals,
    rotations_from_6d,
)


@dataclass(frozen=True, kw_only=True)
class VideoNetConfig:
    """What the network looks like.

    Attributes
    ----------
    window : frames that it sees at once
    trunk : its main part
    points : which keypoints it sees, indices into `conventions.KEYPOINTS`
    turn_to_heading : whether it sees every window facing the same way
    """

    window: int = 96
    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    points: tuple[int, ...] = tuple(range(N_POINTS))
    turn_to_heading: bool = True


VIDEONET_PRESETS: dict[str, VideoNetConfig] = {
    "default": VideoNetConfig(),
    "paper": VideoNetConfig(
        window=50,
        trunk=TrunkConfig(kind="tokens", width=32, depth=4, heads=8),
        points=COCO,
        turn_to_heading=False,
    ),
    "tiny": VideoNetConfig(window=24, trunk=TrunkConfig(width=48, depth=2, heads=2, drop=0.0)),
}


class VideoNet(nn.Module):
    """Joint centres over a window to `Prediction`.

    A trunk reads points about the body's middle with their confidence; one head gives rotations, one the body's shape,
    common to the window, and one the root beside the middle.
    """

    rate_hz = RATE_HZ
    trunk_in_bfloat16 = False
    """Whether the trunk runs in bfloat16, as it does while training."""

    def __init__(self, config: VideoNetConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = make_trunk(config.trunk, len(config.points), 4, config.window, N_SEGMENTS)
        shared = config.trunk.kind == "tokens"
        self.pose = SegmentHead(self.trunk.out_width, N_SEGMENTS, 6, shared)
        self.shape = nn.Linear(self.trunk.out_width, N_SHAPE)
        self.root = nn.Linear(self.trunk.out_width, 3)
        self.features = self.trunk.out_width

    def forward(self, signals: Signals) -> Prediction:
        """Return pose, shape and place for windows of points; the world's axes are those of the points.

        Raises
        ------
        KinefuseError
            If the signals have no points.
        """
        if signals.points is None or signals.confidence is None:
            raise KinefuseError("VideoNet needs joint centres.")
        chosen = list(self.config.points)
        points, centre, R = canonical(
            signals.points[:, :, chosen], signals.confidence[:, :, chosen], self.config.turn_to_heading
        )
        seen = torch.cat([2.0 * points, signals.confidence[:, :, chosen, None]], dim=-1)
        with in_half(self.trunk_in_bfloat16, points.device.type):
            features = self.trunk(seen)
            six, shape, root = self.pose(features), self.shape(features.mean(1)), self.root(features)
        rotations = R[:, None, None] @ rotations_from_6d(six.float() + torch.tensor(REST_6D, device=six.device))
        place = centre + torch.einsum("bij,btj->bti", R, 0.1 * root.float())
        return Prediction(rotations, shape.float(), place, features.float())
