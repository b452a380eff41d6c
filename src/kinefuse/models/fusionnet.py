"""FusionNet: joint centres and inertial signals together (Shin, Li, Halilaj)."""

from dataclasses import dataclass, field, replace

import torch
from torch import nn

from kinefuse.conventions import SITE_SEGMENT
from kinefuse.inertial.strapdown import level_rotation, turns_to_middle, up_in_middle
from kinefuse.models.alignment import joined_rotations
from kinefuse.models.imunet import IMUNET_PRESETS, ImuNet, ImuNetConfig
from kinefuse.models.layers import Block, FrameTrunk, TrunkConfig, blocks, in_half
from kinefuse.models.signals import (
    N_SEGMENTS,
    N_SHAPE,
    N_SITES,
    RATE_HZ,
    Prediction,
    Signals,
    rotations_from_6d,
    six_from_rotations,
    yaw_between,
    yaw_rotation,
)
from kinefuse.models.videonet import VIDEONET_PRESETS, VideoNet, VideoNetConfig


@dataclass(frozen=True, kw_only=True)
class FusionNetConfig:
    """What the network looks like.

    Attributes
    ----------
    video, imu : the two networks that it is built upon
    trunk : the part that joins them; its ``"tokens"`` kind is Shin et al.'s cross-attention
    aligned : whether it also sees, and starts from, `alignment.joined_rotations`; else it starts from VideoNet's pose
    steps : residual steps of the pose (equation 1)
    train_parts : whether the two networks go on learning
    """

    video: VideoNetConfig = field(default_factory=VideoNetConfig)
    imu: ImuNetConfig = field(default_factory=ImuNetConfig)
    trunk: TrunkConfig = field(default_factory=lambda: TrunkConfig(depth=4, embed_frames=1))
    aligned: bool = True
    steps: int = 4
    train_parts: bool = False

    @property
    def window(self) -> int:
        """Frames that it sees at once."""
        return self.video.window


FUSIONNET_PRESETS: dict[str, FusionNetConfig] = {
    "default": FusionNetConfig(),
    "paper": FusionNetConfig(
        video=VIDEONET_PRESETS["paper"],
        imu=IMUNET_PRESETS["paper"],
        trunk=TrunkConfig(kind="tokens", width=32, depth=4, heads=8),
        aligned=False,
        train_parts=True,
    ),
    "tiny": FusionNetConfig(
        video=VIDEONET_PRESETS["tiny"],
        imu=IMUNET_PRESETS["tiny"],
        trunk=TrunkConfig(width=48, depth=2, heads=2, drop=0.0),
        train_parts=True,
    ),
}


class FusionNet(nn.Module):
    """Both modalities over a window to `Prediction`.

    The features of VideoNet and IMUNet are joined by a trunk, and the pose is reached from a first one in residual
    steps. Root and shape are VideoNet's and corrections to them.
    """

    rate_hz = RATE_HZ
    trunk_in_bfloat16 = False
    """Whether the trunk runs in bfloat16, as it does while training."""

    def __init__(self, config: FusionNetConfig) -> None:
        super().__init__()
        self.config = config
        self.video, self.imu = VideoNet(config.video), ImuNet(config.imu)
        if not config.train_parts:
            self.video.requires_grad_(False)
            self.imu.requires_grad_(False)
        if config.trunk.kind == "tokens":
            self.trunk: nn.Module = CrossAttention(config.trunk, config.window)
            width = N_SEGMENTS * config.trunk.width
        else:
            inputs = self.video.features + self.imu.features + 6 * (2 * N_SEGMENTS + N_SITES) + 4 * N_SITES
            self.trunk = FrameTrunk(config.trunk, 1, inputs, config.window)
            width = config.trunk.width
        last = nn.Linear(256, 6 * N_SEGMENTS)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.step = nn.Sequential(nn.Linear(width + 6 * N_SEGMENTS, 256), nn.GELU(), last)
        self.shape, self.root = nn.Linear(width, N_SHAPE), nn.Linear(width, 3)

    def train(self, mode: bool = True) -> "FusionNet":
        """Set training mode; parts that do not learn stay as they are in use."""
        super().train(mode)
        if not self.config.train_parts:
            self.video.eval()
            self.imu.eval()
        return self

    def forward(self, signals: Signals) -> Prediction:
        """Return pose, shape and place for windows of points and sensors; the world's axes are those of the points.

        Raises
        ------
        KinefuseError
            If the signals lack one of the two.
        """
        return self.join(signals, *self.parts(signals))

    def parts(self, signals: Signals) -> tuple[Prediction, Prediction]:
        """Return what VideoNet and IMUNet say alone, IMUNet's heading as it comes."""
        self.video.trunk_in_bfloat16 = self.imu.trunk_in_bfloat16 = self.trunk_in_bfloat16
        with torch.set_grad_enabled(self.config.train_parts and torch.is_grad_enabled()):
            return self.video(signals), self.imu(signals)

    def join(self, signals: Signals, video: Prediction, imu: Prediction) -> Prediction:
        """Return the joined answer of two networks for the same signals."""
        heading = _heading(video.R_world_segment)
        back = heading[:, None, None].transpose(-1, -2)
        seen = back @ video.R_world_segment
        felt = yaw_rotation(yaw_between(imu.R_world_segment, seen.detach()))[:, None, None] @ imu.R_world_segment
        start, extra = (seen, []) if not self.config.aligned else self._aligned(signals, seen.detach())
        with in_half(self.trunk_in_bfloat16, seen.device.type):
            if isinstance(self.trunk, CrossAttention):
                features = self.trunk(video.features, imu.features)
            else:
                sixes = [six_from_rotations(R).flatten(2) for R in (seen, felt)]
                features = self.trunk(torch.cat([video.features, imu.features, *sixes, *extra], -1)[:, :, None])
            six = six_from_rotations(start).flatten(2)
            for _ in range(self.config.steps):
                six = six + self.step(torch.cat([features, six], dim=-1))
            shape, root = self.shape(features.mean(1)), self.root(features)
        rotations = heading[:, None, None] @ rotations_from_6d(six.float().unflatten(-1, (N_SEGMENTS, 6)))
        place = video.root + torch.einsum("bij,btj->bti", heading, 0.1 * root.float())
        return Prediction(rotations, video.shape + shape.float(), place, features.float())

    def _aligned(self, signals: Signals, seen: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return VideoNet's pose with sensor-borne segments replaced, and what tells how well they agree."""
        assert signals.worn is not None
        assert signals.angular_rate is not None
        assert signals.specific_force is not None
        sites, worn = list(SITE_SEGMENT), signals.worn
        rate, force = signals.angular_rate * worn[..., None], signals.specific_force * worn[..., None]
        turn = turns_to_middle(rate, self.rate_hz)
        level = level_rotation(up_in_middle(turn, force, worn))[:, None]
        joined, mounting = joined_rotations(seen[:, :, sites], level @ turn, worn)
        has = worn[..., None, None] > 0
        start = seen.clone()
        start[:, :, sites] = torch.where(has, joined, seen[:, :, sites])
        apart = (joined - seen[:, :, sites]).pow(2).sum((-1, -2), keepdim=True)[..., 0]
        spread = apart.mean(1, keepdim=True).expand_as(apart)
        mounted = mounting.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True)[:, None].expand_as(apart)
        told = torch.cat([six_from_rotations(joined), apart, spread, mounted, worn[..., None]], dim=-1)
        return start, [(told * worn[..., None]).flatten(2)]


def _heading(rotations: torch.Tensor) -> torch.Tensor:
    """Yaw (B, 3, 3) that turns the body's own axes to how all segments of a window face, on average."""
    still = torch.eye(3, device=rotations.device, dtype=rotations.dtype).expand_as(rotations)
    return yaw_rotation(yaw_between(still, rotations.detach()))


class CrossAttention(nn.Module):
    """Tokens of segments from both sides attend to each other, over space, then over time; the larger features win."""

    def __init__(self, config: TrunkConfig, window: int) -> None:
        super().__init__()
        two = replace(config, drop=0.0)
        shared = two.width, two.heads, two.mlp_ratio, two.drop
        self.video_space, self.imu_space = Block(*shared), Block(*shared)
        self.video_time, self.imu_time = Block(*shared), Block(*shared)
        self.over_time = blocks(config)
        self.position = nn.Parameter(0.02 * torch.randn(window, config.width))

    def forward(self, video: torch.Tensor, imu: torch.Tensor) -> torch.Tensor:
        """Return joined features (B, T, 22 width) of those of two networks of the same size."""
        batch = len(video)
        seen, felt = (x.unflatten(-1, (N_SEGMENTS, -1)).flatten(0, 1) for x in (video, imu))
        seen, felt = _exchange(seen, felt, self.video_space, self.imu_space)
        seen, felt = (_by_segment(x, batch) + self.position for x in (seen, felt))
        seen, felt = _exchange(seen, felt, self.video_time, self.imu_time)
        joined = torch.maximum(seen, felt)
        for block in self.over_time:
            joined = block(joined)
        return joined.unflatten(0, (batch, N_SEGMENTS)).transpose(1, 2).flatten(2)


def _exchange(seen: torch.Tensor, felt: torch.Tensor, a: Block, b: Block) -> tuple[torch.Tensor, torch.Tensor]:
    return a(seen, felt), b(felt, seen)


def _by_segment(x: torch.Tensor, batch: int) -> torch.Tensor:
    """(B*T, 22, c) to (B*22, T, c)."""
    return x.unflatten(0, (batch, -1)).transpose(1, 2).flatten(0, 1)
