"""DeepFuse: silhouettes and bone orientations, fused as volumes, to joints (Huang et al.).

Two stages of 3-D hourglasses. The first sees a volume with a channel a camera and answers a heatmap a joint, whose soft
maximum is the joint's place. From there a half-line is drawn along every bone that carries a sensor, as a volume of its
own, and the second stage sees all of it. Only the convolutions may run in bfloat16; places are computed in full.
"""

import copy
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional

from kinefuse.conventions import IMU_SITES, JOINT_INDEX, JOINTS, SITE_SEGMENT
from kinefuse.errors import KinefuseError
from kinefuse.models.hourglass import Convolution, Hourglass, Residual
from kinefuse.models.layers import in_half

VOLUME: Final = 64
"""Voxels along an edge of what goes in."""

HEATMAP: Final = 32
"""Voxels along an edge of a heatmap, over the same cube."""

EDGE: Final = 0.035 * VOLUME
"""Length of the cube's edge, metres."""

N_JOINTS, N_SITES = len(JOINTS), len(IMU_SITES)

RAY_JOINTS: Final = tuple(JOINTS[segment] for segment in SITE_SEGMENT)
"""The joint at the proximal end of each segment that carries a sensor."""

RAY_DIRECTIONS: Final = (
    (-0.3021, 0.9533, 0.0),  # pelvis: root to lumbar
    (0.0, -1.0, 0.0),  # thighs: hip to knee
    (0.0, -1.0, 0.0),
    (0.0, -1.0, 0.0),  # shanks: knee to ankle
    (0.0, -1.0, 0.0),
    (0.944, -0.331, 0.0),  # feet: ankle to the toes' joint
    (0.944, -0.331, 0.0),
    (0.213, 0.977, 0.0),  # thorax: chest to the neck's base
    (0.050, 0.999, 0.0),  # head: the joint below it to its top
    (0.0, 0.0, -1.0),  # upper arms: shoulder to elbow
    (0.0, 0.0, 1.0),
    (0.0, 0.0, -1.0),  # forearms: elbow to wrist
    (0.0, 0.0, 1.0),
)
"""(13, 3) the way of each bone in its own segment's frame, by the average body; no one's bone length is in it."""


@dataclass(frozen=True, kw_only=True)
class DeepFuseConfig:
    """What the network looks like: what the paper says, and our choices where it says nothing.

    Joints are `conventions.JOINTS`; the paper's come from its data sets.

    Attributes
    ----------
    channels : of the volume: cameras (the paper's 8), or 1 for one probabilistic visual hull
    refinement : what follows the first stage: ``"cylinders"`` of the bones, a second hourglass (the paper's);
        ``"vision"``, that hourglass without them (its vision-only network); ``"late"``, fully connected layers that
        see joints and orientations (after Trumble et al. 2017, who turn orientations to joints by a known skeleton
        first); ``"none"``
    readout : of a heatmap: ``"soft"`` maximum; ``"hard"`` maximum, learned from Gaussian heatmaps; ``"dense"``, fully
        connected layers instead
    theta : sharpness of the soft maximum; the paper's 3
    cylinders : ``"smooth"`` occupancy, through which the second stage teaches the first; or ``"hard"``, the paper's
        zeros and ones, through which no gradient passes
    radius : of a cylinder, metres. Ours: a voxel's edge, the thinnest that leaves no gap, and about a thigh's
    softness : over what length a smooth cylinder fades at its radius, metres. Ours
    ray_joints : the joint that starts each site's half-line. Ours: its segment's proximal joint
    grid : voxels along an edge of what the hourglasses work on: 32, those of a heatmap; or 16, each of which speaks for
        the 2³ within it, on a CPU three times faster. Ours
    widths : channels at `grid`³ voxels, half as many along an edge, and so on down: their number is the hourglass's
        depth. Ours; Newell's has one width and a depth of five, from 64 pixels to 4
    before, after : residual blocks before and after each hourglass, where they cost most. Ours; Newell's has one each
    squeeze : how many times narrower the middle of a residual block is. Ours; Newell's 2
    stem : edge in voxels of the first layer's kernel, from 64³ to the grid; even, so that voxels stay centred. Ours
    dense_width : of the inner fully connected layers of ``"dense"`` and ``"late"``. Ours
    heatmap_sigma : of the Gaussians that ``"hard"`` learns from, metres. Ours: a voxel's edge, Newell's one pixel
    batch : frames a training step. Ours
    """

    channels: int = 8
    refinement: str = "cylinders"
    readout: str = "soft"
    theta: float = 3.0
    cylinders: str = "smooth"
    radius: float = 0.07
    softness: float = 0.02
    ray_joints: tuple[str, ...] = RAY_JOINTS
    grid: int = 16
    widths: tuple[int, ...] = (64, 96, 128)
    before: int = 0
    after: int = 1
    squeeze: int = 1
    stem: int = 4
    dense_width: int = 256
    heatmap_sigma: float = EDGE / HEATMAP
    batch: int = 8


DEEPFUSE_PRESETS: dict[str, DeepFuseConfig] = {
    "compact": DeepFuseConfig(),
    "paper": DeepFuseConfig(grid=32, widths=(192, 192, 192, 192, 192), before=1, squeeze=2, stem=6, batch=16),
    "tiny": DeepFuseConfig(grid=32, widths=(16, 24), after=0, stem=2, dense_width=64),
}
"""``"paper"`` is as wide as its weights may weigh, and wants a GPU; ``"compact"`` is for two CPU cores."""


@dataclass(frozen=True)
class VolumeAnswer:
    """What DeepFuse answers for B volumes.

    Attributes
    ----------
    first : (B, 22, 3) metres from the volume's centre along the world's axes, the first stage's joints
    joints : (B, 22, 3) the last stage's
    heatmaps : (B, 22 f³, grid, grid, grid) a stage with heatmaps, scores before their softmax, in the order of
        `gather_cells`; `spread_cells` makes (B, 22, 32, 32, 32) of them
    """

    first: torch.Tensor
    joints: torch.Tensor
    heatmaps: tuple[torch.Tensor, ...]


def heatmap_axis(like: torch.Tensor) -> torch.Tensor:
    """Return the heatmap voxels' centres (32,) along one axis, metres from the volume's centre."""
    return (torch.arange(HEATMAP, device=like.device, dtype=like.dtype) - (HEATMAP - 1) / 2) * (EDGE / HEATMAP)


def heatmap_places(like: torch.Tensor, grid: int) -> torch.Tensor:
    """Return the heatmap voxels' centres (32768, 3), metres from the volume's centre, in the order of cells."""
    axis = heatmap_axis(like)
    places = torch.cartesian_prod(axis, axis, axis).T.unflatten(-1, (HEATMAP,) * 3)
    return gather_cells(places[None], grid).view(3, -1).T


def soft_argmax(heatmaps: torch.Tensor, theta: float) -> torch.Tensor:
    """Return the mean place (B, J, 3), metres, of voxels weighed by softmax(θ · heatmap): the paper's equation 4.

    Parameters
    ----------
    heatmaps : (B, J f³, grid, grid, grid), as `gather_cells` returns them
    theta : the larger, the nearer to the largest voxel
    """
    grid = heatmaps.shape[-1]
    each = (HEATMAP // grid) ** 3
    scores = theta * heatmaps.flatten(2)
    peaks = scores.detach().unflatten(1, (-1, each)).amax((2, 3)).repeat_interleave(each, 1)
    # A product with the voxels' places, in whatever order they lie in memory: several times faster than `softmax`.
    places = heatmap_places(heatmaps, grid).view(each, grid**3, 3)
    corner = places[:1].mean(1)
    moments = (scores - peaks[..., None]).exp() @ functional.pad(places[0], (0, 1), value=1.0)
    weight = moments[..., 3:].unflatten(1, (-1, each))
    within = (places.mean(1) - corner)[None, None]
    return (moments[..., :3].unflatten(1, (-1, each)) + weight * within).sum(2) / weight.sum(2)


def hard_argmax(heatmaps: torch.Tensor) -> torch.Tensor:
    """Return the centre (B, J, 3), metres, of the largest voxel of (B, J f³, grid, grid, grid)."""
    return heatmap_places(heatmaps, heatmaps.shape[-1])[_voxels(heatmaps).argmax(-1)]


def _voxels(heatmaps: torch.Tensor) -> torch.Tensor:
    """Heatmaps as (B, J, 32768)."""
    return heatmaps.reshape(len(heatmaps), -1, HEATMAP**3)


def gaussian_heatmaps(joints: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return heatmaps (B, J, 32, 32, 32) that fall from one at joints (B, J, 3), metres, as Gaussians of `sigma`."""
    away = heatmap_axis(joints) - joints[..., None]
    x, y, z = (-0.5 * (away / sigma) ** 2).exp().unbind(-2)
    return x[..., :, None, None] * y[..., None, :, None] * z[..., None, None, :]


def bone_cylinders(
    starts: torch.Tensor, directions: torch.Tensor, radius: float, softness: float, grid: int = HEATMAP
) -> torch.Tensor:
    """Return how far each voxel lies within a half-line's cylinder: the paper's IMU-bone layer.

    A cylinder goes on to the volume's border, as nobody knows where a bone ends, and begins with a half-ball.

    Parameters
    ----------
    starts : (B, S, 3) metres from the volume's centre
    directions : (B, S, 3) unit vectors in the volume's axes
    radius : metres
    softness : length over which occupancy falls at the radius, metres; zero makes it one within and zero outside
    grid : 32, or that of cells

    Returns
    -------
    (B, S f³, grid, grid, grid), from zero to one, in the order of `gather_cells`
    """
    return _Cylinders.apply(starts, directions.detach(), radius, softness, grid)


class _Cylinders(torch.autograd.Function):
    """`bone_cylinders`, whose gradient on half-lines' starts is a product with the voxels' places.

    With v from the axis to a voxel, and ρ the occupancy, dρ/dstart = ρ (1 - ρ) v / (radius softness).
    """

    @staticmethod
    def forward(
        ctx: Any, starts: torch.Tensor, directions: torch.Tensor, radius: float, softness: float, grid: int
    ) -> torch.Tensor:
        """Return the occupancies, as `bone_cylinders` says."""
        away = heatmap_axis(starts) - starts[..., None]
        along = _outer_sum(away * directions[..., None], grid).relu_()
        squared = _outer_sum(away**2, grid).addcmul_(along, along, value=-1)
        ctx.slope = 1.0 / (radius * softness) if softness else 0.0
        if not softness:
            return (squared <= radius**2).to(starts.dtype)
        # The logistic of the squared distance: smooth on the axis too, and near the radius that of (radius - distance).
        drawn = squared.neg_().add_(radius**2).mul_(1 / (2 * radius * softness)).sigmoid_()
        ctx.save_for_backward(starts, directions, drawn, along)
        return drawn

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        """Return the gradient on the starts (B, S, 3), and None for all else; hard cylinders have none."""
        if not ctx.slope:
            return None, None, None, None, None
        starts, directions, drawn, along = ctx.saved_tensors
        weight = _voxels(gradients[0] * (drawn - drawn**2))
        places = functional.pad(heatmap_places(starts, drawn.shape[-1]), (0, 1), value=1.0)
        moments = weight @ places
        onto = (weight * _voxels(along)).sum(-1, keepdim=True)
        return ctx.slope * (moments[..., :3] - moments[..., 3:] * starts - onto * directions), None, None, None, None


def _outer_sum(parts: torch.Tensor, grid: int) -> torch.Tensor:
    """Sum (B, S, 3, 32), one row an axis, over all places: (B, S f³, grid, grid, grid)."""
    x, y, z = parts.unflatten(-1, (grid, -1)).transpose(-1, -2).unbind(2)
    plane = x[:, :, :, None, :, None] + y[:, :, None, :, None, :]
    return (plane[:, :, :, :, None, :, :, None] + z[:, :, None, None, :, None, None, :]).flatten(1, 4)


def gather_cells(volumes: torch.Tensor, grid: int) -> torch.Tensor:
    """Return volumes (B, C, 32, 32, 32) on a coarser grid, (B, C f³, grid, grid, grid) with f = 32 / grid."""
    times = HEATMAP // grid
    parts = volumes.unflatten(4, (grid, times)).unflatten(3, (grid, times)).unflatten(2, (grid, times))
    return parts.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(1, 4)


def spread_cells(cells: torch.Tensor) -> torch.Tensor:
    """Return volumes (B, C, 32, 32, 32) from (B, C f³, grid, grid, grid): the inverse of `gather_cells`."""
    times = HEATMAP // cells.shape[-1]
    parts = cells.unflatten(1, (-1, times, times, times))
    return parts.permute(0, 1, 5, 2, 6, 3, 7, 4).flatten(6, 7).flatten(4, 5).flatten(2, 3)


def _blocks(config: DeepFuseConfig, count: int) -> list[Residual]:
    return [Residual(config.widths[0], config.widths[0], config.squeeze) for _ in range(count)]


def _stage(config: DeepFuseConfig) -> nn.Sequential:
    return nn.Sequential(Hourglass(config.widths, config.squeeze), *_blocks(config, config.after))


class Readout(nn.Module):
    """Features (B, C, grid, grid, grid) to joints (B, 22, 3) and heatmaps (B, 22 f³, grid, grid, grid)."""

    def __init__(self, config: DeepFuseConfig) -> None:
        super().__init__()
        self.config = config
        self.heatmap = nn.Linear(config.widths[0], N_JOINTS * (HEATMAP // config.grid) ** 3)
        if config.readout == "hard":
            # It learns nearly empty heatmaps, which take hundreds of steps to reach from thousands of voxels of noise.
            nn.init.xavier_normal_(self.heatmap.weight, gain=0.001)
            nn.init.zeros_(self.heatmap.bias)
        if config.readout == "dense":
            # Heatmaps are averaged to 8³ first: a layer on all of 32³ would have 184 million weights.
            self.dense = fully_connected(N_JOINTS * 8**3, config.dense_width, layers=1)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return joints (B, 22, 3), metres, and heatmaps (B, 22 f³, grid, grid, grid), in single precision."""
        with in_half(False, features.device.type):
            # A product, as PyTorch's convolutions in single precision are slow on a CPU; channels stay last.
            heatmaps = self.heatmap(features.movedim(1, -1).to(self.heatmap.weight)).movedim(-1, 1)
            return self._places(heatmaps), heatmaps

    def _places(self, heatmaps: torch.Tensor) -> torch.Tensor:
        if self.config.readout == "soft":
            return soft_argmax(heatmaps, self.config.theta)
        if self.config.readout == "hard":
            return hard_argmax(heatmaps)
        return self.dense(functional.avg_pool3d(spread_cells(heatmaps), 4).flatten(1)).unflatten(-1, (N_JOINTS, 3))


def fully_connected(inputs: int, width: int, layers: int) -> nn.Sequential:
    """Return fully connected layers of one width from `inputs` to the coordinates of all joints."""
    widths = [inputs] + [width] * layers
    inner = [part for i in range(layers) for part in (nn.Linear(widths[i], widths[i + 1]), nn.ReLU(inplace=True))]
    return nn.Sequential(*inner, nn.Linear(width, 3 * N_JOINTS))


class DeepFuse(nn.Module):
    """Volumes of silhouettes, and orientations of bones where there are any, to joints."""

    trunk_in_bfloat16 = False
    """Whether the convolutions run in bfloat16, as they do while training."""

    directions: torch.Tensor

    def __init__(self, config: DeepFuseConfig) -> None:
        super().__init__()
        _check(config)
        self.config = config
        wide = config.widths[0]
        stem = Convolution(config.channels, wide, config.stem, stride=VOLUME // config.grid)
        self.stem = nn.Sequential(stem, *_blocks(config, config.before))
        self.first = _stage(config)
        self.first_readout = Readout(config)
        if config.refinement in ("cylinders", "vision"):
            volumes = N_SITES if config.refinement == "cylinders" else 0
            self.join = Convolution(2 * wide + (N_JOINTS + volumes) * (HEATMAP // config.grid) ** 3, wide, 1)
            self.second = nn.Sequential(*_blocks(config, config.before), *_stage(config))
            self.second_readout = Readout(config)
        elif config.refinement == "late":
            self.late = fully_connected(3 * N_JOINTS + 10 * N_SITES, config.dense_width, layers=2)
        self.register_buffer("directions", torch.tensor(RAY_DIRECTIONS), persistent=False)
        self.ray_joints = [JOINT_INDEX[name] for name in config.ray_joints]

    def forward(
        self, volumes: torch.Tensor, orientations: torch.Tensor | None = None, worn: torch.Tensor | None = None
    ) -> VolumeAnswer:
        """Return joints for volumes, each by itself.

        Parameters
        ----------
        volumes : (B, K, 64, 64, 64) of any kind of number, axes channel, x, y, z in the world's directions
        orientations : (B, 13, 3, 3) ``R_world_segment`` in the order of `conventions.IMU_SITES`; None for none
        worn : (B, 13) whether an orientation is there, which may be anything where it is not; None for all

        Raises
        ------
        KinefuseError
            If the volumes have another shape.
        """
        expected = (self.config.channels, VOLUME, VOLUME, VOLUME)
        if volumes.shape[1:] != expected:
            raise KinefuseError(f"Volumes of shape {expected} were expected, got {tuple(volumes.shape[1:])}.")
        with in_half(self.trunk_in_bfloat16, volumes.device.type):
            seen = self.stem(_channels_last(volumes, next(self.stem.parameters()).dtype))
            features = self.first(seen)
        first, heatmaps = self.first_readout(features)
        if self.config.refinement == "none":
            return VolumeAnswer(first, first, (heatmaps,))
        R, there = _complete(orientations, worn, first)
        if self.config.refinement == "late":
            inputs = torch.cat([first.flatten(1), (R * there[..., None, None]).flatten(1), there], dim=-1)
            return VolumeAnswer(first, first + self.late(inputs).unflatten(-1, (N_JOINTS, 3)), (heatmaps,))
        joints, refined = self.refine([seen, features], heatmaps, first, R, there)
        return VolumeAnswer(first, joints, (heatmaps, refined))

    def refine(
        self,
        features: list[torch.Tensor],
        heatmaps: torch.Tensor,
        first: torch.Tensor,
        orientations: torch.Tensor,
        worn: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the second stage's joints (B, 22, 3) and heatmaps (B, 22 f³, grid, grid, grid).

        Parameters
        ----------
        features : of vision, two of (B, C, grid, grid, grid)
        heatmaps, first : the first stage's
        orientations, worn : (B, 13, 3, 3) and (B, 13), one or zero
        """
        volumes = [heatmaps]
        if self.config.refinement == "cylinders":
            volumes.append(self.cylinders(first, orientations, worn))
        with in_half(self.trunk_in_bfloat16, first.device.type):
            parts = [*features, *(_channels_last(volume, features[0].dtype) for volume in volumes)]
            refined = self.second(self.join(torch.cat(parts, dim=1)))
        return self.second_readout(refined)

    def cylinders(self, joints: torch.Tensor, orientations: torch.Tensor, worn: torch.Tensor) -> torch.Tensor:
        """Return cylinders (B, 13 f³, grid, grid, grid) along bones from joints (B, 22, 3); empty if not worn."""
        directions = (orientations @ self.directions[:, :, None])[..., 0]
        softness = self.config.softness if self.config.cylinders == "smooth" else 0.0
        drawn = bone_cylinders(joints[:, self.ray_joints], directions, self.config.radius, softness, self.config.grid)
        return drawn * worn.repeat_interleave(drawn.shape[1] // N_SITES, 1)[..., None, None, None]


def _channels_last(volumes: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the same in the type and the order in memory that convolutions in bfloat16 are fast with."""
    return volumes.to(dtype, memory_format=torch.channels_last_3d)


def _check(config: DeepFuseConfig) -> None:
    for name, known in (
        ("refinement", ("cylinders", "vision", "late", "none")),
        ("readout", ("soft", "hard", "dense")),
        ("cylinders", ("smooth", "hard")),
        ("grid", (16, 32)),
    ):
        if getattr(config, name) not in known:
            options = ", ".join(map(str, known))
            raise KinefuseError(f"{name} of DeepFuse must be one of {options}, got {getattr(config, name)!r}.")


def _complete(
    orientations: torch.Tensor | None, worn: torch.Tensor | None, like: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return orientations (B, 13, 3, 3), the identity where there is none, and which there are (B, 13), one or zero."""
    still = torch.eye(3).to(like).expand(len(like), N_SITES, 3, 3)
    if orientations is None:
        return still, still.new_zeros(len(like), N_SITES)
    there = torch.ones_like(orientations[..., 0, 0], dtype=torch.bool) if worn is None else worn > 0
    return torch.where(there[..., None, None], orientations.to(like), still), there.to(like)


def deepfuse_loss(config: DeepFuseConfig, answer: VolumeAnswer, joints: torch.Tensor) -> torch.Tensor:
    """Return what training makes small: both stages' squared errors, the paper's equation 5.

    It is the mean over frames and joints in square decimetres, so that it begins near one. With hard maxima it is, for
    each stage, the squared difference from Gaussian heatmaps, summed over voxels.

    Parameters
    ----------
    config : the network's
    answer : what it said
    joints : (B, 22, 3) true ones, metres from the volume's centre
    """
    loss = torch.zeros((), device=joints.device)
    if config.readout == "hard":
        wanted = gather_cells(gaussian_heatmaps(joints, config.heatmap_sigma), config.grid)
        for heatmaps in answer.heatmaps:
            loss = loss + _voxels((heatmaps - wanted) ** 2).sum(-1).mean()
    else:
        loss = loss + _squared(answer.first, joints)
    # Fully connected layers learn from places, also after a hard maximum.
    has_places = config.refinement == "late" or (config.refinement != "none" and config.readout != "hard")
    return loss + _squared(answer.joints, joints) if has_places else loss


def _squared(found: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    return 100.0 * ((found - true) ** 2).sum(-1).mean()


def without_cylinders(network: DeepFuse) -> DeepFuse:
    """Return the network that sees no orientations and answers as `network` does when no sensor is worn.

    It has no weights for cylinders, so it can go on learning as the paper's vision-only network.

    Raises
    ------
    KinefuseError
        If the network has no cylinders to leave out.
    """
    if network.config.refinement != "cylinders":
        raise KinefuseError(f"A network with cylinders was expected, got refinement {network.config.refinement!r}.")
    vision = DeepFuse(replace(network.config, refinement="vision"))
    weights, kept = network.state_dict(), vision.state_dict()["join.convolution.weight"].shape[1]
    weights["join.convolution.weight"] = weights["join.convolution.weight"][:, :kept]
    vision.load_state_dict(weights)
    return vision


def for_inference(network: DeepFuse) -> DeepFuse:
    """Return a copy that answers faster: normalisation folded into convolutions, which run in bfloat16.

    Its answers differ by what bfloat16 rounds off, tenths of a millimetre; it cannot be trained or saved.
    """
    fast = copy.deepcopy(network).eval()
    for part in fast.modules():
        if isinstance(part, Convolution):
            part.fold()
    for name in ("stem", "first", "join", "second"):
        if hasattr(fast, name):
            getattr(fast, name).to(torch.bfloat16, memory_format=torch.channels_last_3d)
    return fast


def config_from(stored: dict) -> DeepFuseConfig:
    """Return the configuration that a file states, in the types of JSON."""
    return DeepFuseConfig(**{**stored, **{name: tuple(stored[name]) for name in ("ray_joints", "widths")}})
