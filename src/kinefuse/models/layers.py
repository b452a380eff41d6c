"""Parts that the networks share: transformer blocks and the two kinds of trunk made of them.

Attention is written as plain matrix products: over sequences of 22 to 100 short tokens PyTorch's fused kernels cost
more on a CPU than they save. Only the trunks may run in bfloat16; geometry never does.
"""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True, kw_only=True)
class TrunkConfig:
    """How features of points or sensors become features of segments.

    Attributes
    ----------
    kind : ``"tokens"``, one token a point or sensor, attention over them and then over time, as Shin et al. have it;
        or ``"frames"``, one wide token a frame and attention over time only: dense products, which a CPU likes better
    width : of a token
    depth : blocks; "tokens" has as many over space as over time
    heads : of the attention
    mlp_ratio : width of a block's inner layer, in widths of a token
    drop : share of blocks that are skipped in training (stochastic depth, Huang et al. 2016)
    embed_frames : frames that the first layer of "frames" sees at once, an odd number
    """

    kind: str = "frames"
    width: int = 192
    depth: int = 6
    heads: int = 6
    mlp_ratio: float = 2.0
    drop: float = 0.1
    embed_frames: int = 5


class Attention(nn.Module):
    """Multi-head attention (N, L, C) with (N, M, C), or with itself."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, other: torch.Tensor | None = None) -> torch.Tensor:
        """Return (N, L, C); `other` (N, M, C) is attended to instead of `x` itself."""
        q = self._split(self.query(x))
        key, value = self.key_value(x if other is None else other).chunk(2, dim=-1)
        scores = q @ self._split(key).transpose(-1, -2) * q.shape[-1] ** -0.5
        mixed = scores.softmax(-1).to(q.dtype) @ self._split(value)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Block(nn.Module):
    """A pre-norm transformer block over (N, L, C), skipped for a random share of N in training."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, drop: float) -> None:
        super().__init__()
        inner = int(width * mlp_ratio)
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))
        self.drop = drop

    def forward(self, x: torch.Tensor, other: torch.Tensor | None = None) -> torch.Tensor:
        """Return (N, L, C) after attention, to `other` (N, M, C) if given, and the inner layer."""
        x = x + self._kept(self.attention(self.norm_attention(x), other))
        return x + self._kept(self.mlp(self.norm_mlp(x)))

    def _kept(self, step: torch.Tensor) -> torch.Tensor:
        if not self.training or self.drop == 0.0:
            return step
        kept = torch.rand(step.shape[0], 1, 1, device=step.device) >= self.drop
        return step * (kept / (1.0 - self.drop)).to(step.dtype)


def blocks(config: TrunkConfig, depth: int | None = None) -> nn.ModuleList:
    """Return a trunk's blocks, dropped more often the deeper they lie."""
    depth = config.depth if depth is None else depth
    shares = [config.drop * i / max(depth - 1, 1) for i in range(depth)]
    return nn.ModuleList(Block(config.width, config.heads, config.mlp_ratio, share) for share in shares)


class FrameTrunk(nn.Module):
    """(B, T, N, c) to (B, T, width): all inputs of a frame are one token; attention over time."""

    def __init__(self, config: TrunkConfig, inputs: int, channels: int, window: int) -> None:
        super().__init__()
        reach = config.embed_frames // 2
        self.embed = nn.Conv1d(inputs * channels, config.width, config.embed_frames, padding=reach)
        self.position = nn.Parameter(0.02 * torch.randn(window, config.width))
        self.blocks = blocks(config)
        self.norm = nn.LayerNorm(config.width)
        self.out_width = config.width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, T, width) for (B, T, N, c)."""
        x = self.embed(x.flatten(2).transpose(1, 2)).transpose(1, 2) + self.position
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class TokenTrunk(nn.Module):
    """(B, T, N, c) to (B, T, outputs * width): convolution over time, attention over inputs, then over time."""

    def __init__(self, config: TrunkConfig, inputs: int, channels: int, window: int, outputs: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *_convolution(channels, 64, 1), *_convolution(64, 64, 3), *_convolution(64, config.width, 5)
        )
        self.place = nn.Parameter(0.02 * torch.randn(inputs, config.width))
        self.position = nn.Parameter(0.02 * torch.randn(window, config.width))
        self.over_space, self.over_time = blocks(config), blocks(config)
        wide, out = inputs * config.width, outputs * config.width
        self.to_segments = nn.Sequential(nn.Linear(wide, out), nn.GELU(), nn.Linear(out, out))
        self.out_width = out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, T, outputs * width) for (B, T, N, c)."""
        batch, frames, inputs, _ = x.shape
        x = self.encoder(x.permute(0, 2, 3, 1).flatten(0, 1)).transpose(1, 2)
        x = x.unflatten(0, (batch, inputs)).transpose(1, 2).flatten(0, 1) + self.place
        for block in self.over_space:
            x = block(x)
        x = x.unflatten(0, (batch, frames)).transpose(1, 2).flatten(0, 1) + self.position
        for block in self.over_time:
            x = block(x)
        return self.to_segments(x.unflatten(0, (batch, inputs)).transpose(1, 2).flatten(2))


def _convolution(channels: int, out: int, kernel: int) -> tuple[nn.Module, ...]:
    return nn.Conv1d(channels, out, kernel, padding=kernel // 2), nn.ReLU(), nn.BatchNorm1d(out)


def make_trunk(config: TrunkConfig, inputs: int, channels: int, window: int, outputs: int) -> FrameTrunk | TokenTrunk:
    """Return the trunk that a configuration asks for; `outputs` segments where its tokens are segments."""
    if config.kind == "frames":
        return FrameTrunk(config, inputs, channels, window)
    return TokenTrunk(config, inputs, channels, window, outputs)


class SegmentHead(nn.Module):
    """Features (B, T, F) to 22 x `out` numbers a frame; tokens share one decoder, frames have their own."""

    def __init__(self, features: int, segments: int, out: int, shared: bool) -> None:
        super().__init__()
        self.segments, self.shared = segments, shared
        width = features // segments if shared else features
        inner = 128 if shared else max(features, 128)
        layers = [nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, inner), nn.GELU()] if shared else []
        self.decoder = nn.Sequential(*layers, nn.Linear(inner if shared else width, out if shared else segments * out))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B, T, 22, out) for (B, T, F)."""
        if self.shared:
            return self.decoder(features.unflatten(-1, (self.segments, -1)))
        return self.decoder(features).unflatten(-1, (self.segments, -1))


def in_half(enabled: bool, device: str) -> torch.autocast:
    """Return the context in which products of a trunk run in bfloat16."""
    return torch.autocast(device, torch.bfloat16, enabled=enabled)
