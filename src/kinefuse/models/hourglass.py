"""Newell's stacked hourglass (Newell, Yang, Deng 2016) in three dimensions."""

import torch
from torch import nn
from torch.nn import functional

from kinefuse.models.layers import in_half


class Convolution(nn.Module):
    """A 3-D convolution, batch normalisation and, unless told otherwise, ReLU."""

    def __init__(self, channels: int, out: int, kernel: int, *, stride: int = 1, relu: bool = True) -> None:
        super().__init__()
        padding = (kernel - stride + 1) // 2
        self.convolution = nn.Conv3d(channels, out, kernel, stride, padding, bias=False)
        self.norm = nn.BatchNorm3d(out)
        self.relu = relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, out, N, N, N), or half of N by a stride of two."""
        x = self.norm(self.convolution(x))
        return x.relu_() if self.relu else x

    def fold(self) -> None:
        """Make the normalisation, as it is in use, part of the convolution's weights."""
        self.convolution = nn.utils.fuse_conv_bn_eval(self.convolution, self.norm)
        self.norm = nn.Identity()  # type: ignore[assignment]


class Residual(nn.Module):
    """Newell's residual block in 3-D: narrow, look around, widen, add.

    Its normalisation follows the convolutions, not precedes them, so that inference can fold it into them.
    """

    def __init__(self, channels: int, out: int, squeeze: int) -> None:
        super().__init__()
        inner = out // squeeze
        self.change = nn.Sequential(
            Convolution(channels, inner, 1), Convolution(inner, inner, 3), Convolution(inner, out, 1, relu=False)
        )
        self.skip = nn.Identity() if channels == out else Convolution(channels, out, 1, relu=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, out, N, N, N) for (B, channels, N, N, N)."""
        return functional.relu(self.skip(x) + self.change(x), inplace=True)


class Doubled(nn.Module):
    """Every voxel becomes 2³ of its kind, in the type it has.

    Autocast would do this in single precision, at eight times the cost on a CPU.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, C, 2 N, 2 N, 2 N) for (B, C, N, N, N)."""
        with in_half(False, x.device.type):
            return functional.interpolate(x, scale_factor=2.0)


class Hourglass(nn.Module):
    """Newell's hourglass in 3-D: down to coarse voxels and up again, beside a way that stays."""

    def __init__(self, widths: tuple[int, ...], squeeze: int) -> None:
        super().__init__()
        here, below = widths[0], widths[1]
        self.beside = Residual(here, here, squeeze)
        inner = Hourglass(widths[1:], squeeze) if len(widths) > 2 else Residual(below, below, squeeze)
        self.coarse = nn.Sequential(
            nn.MaxPool3d(2),
            Residual(here, below, squeeze),
            inner,
            Residual(below, here, squeeze),
            Doubled(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, C, N, N, N) for the same shape."""
        return self.beside(x) + self.coarse(x)
