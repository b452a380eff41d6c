"""Volumes from mattes of any rig by direct projection (PyTorch): for training, where every frame has another rig.

The same voxels as `kinefuse.vision.volumes`, whose table pays off for a rig that stays. Everything is linear in the
voxel's place up to the division by depth, so that a grid is sums of three short rows; runs on a GPU too.
"""

from dataclasses import dataclass
from typing import Final

import torch

from kinefuse.vision.cameras import NEAREST_DEPTH_M
from kinefuse.vision.volumes import SIDE, SPARE_FIELD, VOXEL_M


@dataclass(frozen=True)
class Shots:
    """N mattes, each with its camera and the volume that it is for.

    Attributes
    ----------
    cells : (C,) uint8, all mattes one after the other, row by row; each has a border of one empty cell all around
    begins : (N,) int32, where a matte begins in `cells`
    sizes : (N, 2) int32, width and height without the border
    matrix : (N, 3, 3) in cells
    distortions : (N, 5)
    rotation, translation : (N, 3, 3), (N, 3) from the volume's frame, whose origin is the volume's centre; metres
    fields : (N,) how far the camera sees from its axis, distance over depth
    """

    cells: torch.Tensor
    begins: torch.Tensor
    sizes: torch.Tensor
    matrix: torch.Tensor
    distortions: torch.Tensor
    rotation: torch.Tensor
    translation: torch.Tensor
    fields: torch.Tensor


SLAB: Final = 16
"""Layers of voxels that a CPU works on at once: 262 kB a number, so that all of them stay in its cache."""


def project_mattes(shots: Shots) -> torch.Tensor:
    """Return the channels (N, 64, 64, 64) uint8 of N mattes: one where a voxel's centre is imaged onto the person."""
    count, device = len(shots.begins), shots.cells.device
    out = torch.empty((count, SIDE, SIDE, SIDE), dtype=torch.uint8, device=device)
    together, layers = (1, SLAB) if device.type == "cpu" else (64, SIDE)
    for start in range(0, count, together):
        part = slice(start, start + together)
        for first in range(0, SIDE, layers):
            places = _places(shots, part, first, layers)
            out[part, first : first + layers] = shots.cells.index_select(0, places.flatten()).view(places.shape)
    return out


def _places(shots: Shots, part: slice, first: int, layers: int) -> torch.Tensor:
    """Places in `cells` (n, layers, 64, 64) of the voxels of some of the shots, from the first layer on."""
    x, y, depth = _grids(shots.rotation[part], shots.translation[part], first, layers)
    inverse = depth.clamp_min(NEAREST_DEPTH_M).reciprocal_()
    x, y = x.mul_(inverse), y.mul_(inverse)
    xx, yy = x * x, y * y
    square = xx + yy
    seen = (square <= _each((SPARE_FIELD * shots.fields[part]) ** 2)).logical_and_(depth > NEAREST_DEPTH_M)
    k1, k2, p1, p2, k3 = (_each(shots.distortions[part, i]) for i in range(5))
    radial = (square * k3).add_(k2).mul_(square).add_(k1).mul_(square).add_(1.0)
    xy = (x * y).mul_(2.0)
    bent_x = x.mul_(radial).add_(xx.mul_(2.0).add_(square).mul_(p2)).add_(xy * p1)
    bent_y = y.mul_(radial).add_(yy.mul_(2.0).add_(square).mul_(p1)).add_(xy.mul_(p2))
    matrix = shots.matrix[part]
    columns = (bent_x * _each(matrix[:, 0, 0])).add_(bent_y * _each(matrix[:, 0, 1])).add_(_each(matrix[:, 0, 2]))
    rows = bent_y.mul_(_each(matrix[:, 1, 1])).add_(_each(matrix[:, 1, 2]))
    width, height = (_each(shots.sizes[part, i]) for i in range(2))
    # What lies outside of the image falls onto the empty border.
    columns = torch.minimum(columns.round_().clamp_min_(-1.0), width.to(columns))
    rows = torch.minimum(rows.round_().clamp_min_(-1.0), height.to(rows))
    within = rows.int().add_(1).mul_(width + 2).add_(columns.int()).add_(1).mul_(seen)
    return within.add_(_each(shots.begins[part]))


def _grids(rotation: torch.Tensor, translation: torch.Tensor, first: int, layers: int) -> tuple[torch.Tensor, ...]:
    """Camera coordinates, three of (n, layers, 64, 64), metres, of the voxels from a layer on."""
    along = VOXEL_M * (torch.arange(SIDE, dtype=rotation.dtype, device=rotation.device) - (SIDE - 1) / 2)
    # (n, 3 coordinates, 3 axes, 64 steps along an axis)
    steps = rotation[..., None] * along
    ahead = steps[:, :, 0, first : first + layers] + translation[..., None]
    plane = ahead[..., None] + steps[:, :, 1, None, :]
    x, y, depth = (plane[..., None] + steps[:, :, 2, None, None, :]).unbind(1)
    return x, y, depth


def _each(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None]
