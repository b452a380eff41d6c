"""Mattes as segmentation really gives them: ragged, with holes, without a limb, with spots elsewhere, or empty."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.conventions import JOINT_INDEX

LIMBS: Final = (
    ("neck_base", "head", 0.2),
    *((f"elbow_{side}", f"wrist_{side}", 0.25) for side in "lr"),
    *((f"shoulder_{side}", f"wrist_{side}", 0.25) for side in "lr"),
    *((f"knee_{side}", f"ankle_{side}", 0.25) for side in "lr"),
    *((f"ankle_{side}", f"mtp_{side}", 0.15) for side in "lr"),
)
"""What is lost at once: from one joint to another and some metres beyond."""

LIMB_RADIUS_M: Final = 0.13


@dataclass(frozen=True, kw_only=True)
class MatteFaults:
    """How bad mattes are.

    Attributes
    ----------
    clean : share of frames whose mattes have no faults at all
    ragged : share of the other frames' mattes with ragged edges
    ragged_m : by how much, at the most, metres
    holes : share with one to three holes
    hole_m : largest radius of a hole or of a spurious spot, metres
    limb : share in which a limb is missing
    spots : share with one or two spots where nobody is
    empty : share with nothing at all
    """

    clean: float = 0.25
    ragged: float = 0.7
    ragged_m: float = 0.03
    holes: float = 0.15
    hole_m: float = 0.12
    limb: float = 0.05
    spots: float = 0.1
    empty: float = 0.01


def spoil(
    mattes: Sequence[np.ndarray],
    joints: Sequence[np.ndarray],
    cells_per_metre: Sequence[float],
    rng: np.random.Generator,
    faults: MatteFaults,
) -> None:
    """Give the mattes of one frame faults, in place.

    Parameters
    ----------
    mattes : (H, W) bool a camera
    joints : (22, 2) cells, columns and rows, a camera; NaN behind it
    cells_per_metre : at the person's distance, a camera
    rng : every number drawn comes from here
    faults : how bad
    """
    if rng.random() < faults.clean:
        return
    for matte, points, scale in zip(mattes, joints, cells_per_metre, strict=True):
        chance = rng.random(5)
        if chance[0] < faults.ragged and matte.any():
            _fray(matte, rng.uniform(0.2, 1.0) * faults.ragged_m * scale, rng)
        if chance[1] < faults.holes and matte.any():
            for row, column in rng.permutation(np.argwhere(matte))[: rng.integers(1, 4)]:
                _disc(matte, column, row, rng.uniform(0.2, 1.0) * faults.hole_m * scale, False)
        if chance[2] < faults.limb:
            _lose_limb(matte, points, scale, rng)
        if chance[3] < faults.spots:
            for _ in range(rng.integers(1, 3)):
                row, column = rng.uniform(0, matte.shape)
                _disc(matte, column, row, rng.uniform(0.2, 1.0) * faults.hole_m * scale, True)
        if chance[4] < faults.empty:
            matte[:] = False


def _around(matte: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Rows and columns of what is set, and a margin."""
    spans = []
    for axis in (1, 0):
        on = np.flatnonzero(matte.any(axis=axis))
        spans.append(slice(max(int(on[0]) - margin, 0), int(on[-1]) + margin + 1))
    return spans[0], spans[1]


def _fray(matte: np.ndarray, reach: float, rng: np.random.Generator) -> None:
    """Move the edge of a matte by up to about `reach` cells in or out, here so and there so."""
    from scipy.ndimage import uniform_filter, zoom

    size = max(3, 2 * round(reach) + 1)
    part = matte[_around(matte, size)]
    coarse = max(2, round(2 * reach))
    rough = rng.uniform(-0.45, 0.45, (part.shape[0] // coarse + 2, part.shape[1] // coarse + 2)).astype(np.float32)
    noise = zoom(rough, coarse, order=1)[: part.shape[0], : part.shape[1]]
    part[:] = uniform_filter(part.astype(np.float32), size) + noise > 0.5


def _disc(matte: np.ndarray, column: float, row: float, radius: float, value: bool) -> None:
    rows = slice(max(int(row - radius), 0), max(int(row + radius) + 1, 0))
    columns = slice(max(int(column - radius), 0), max(int(column + radius) + 1, 0))
    part = matte[rows, columns]
    y, x = np.ogrid[: part.shape[0], : part.shape[1]]
    part[(x + columns.start - column) ** 2 + (y + rows.start - row) ** 2 <= radius**2] = value


def _lose_limb(matte: np.ndarray, joints: np.ndarray, scale: float, rng: np.random.Generator) -> None:
    """Clear what lies near the line from a limb's first joint to beyond its last."""
    first, last, beyond = LIMBS[rng.integers(len(LIMBS))]
    start, end = joints[JOINT_INDEX[first]], joints[JOINT_INDEX[last]]
    way = end - start
    length = float(np.hypot(*way))
    if not np.isfinite(length) or not matte.any():
        return
    end = end + way / max(length, 1e-6) * beyond * scale
    box = _around(matte, 0)
    part = matte[box]
    y, x = np.mgrid[box[0].start : box[0].start + part.shape[0], box[1].start : box[1].start + part.shape[1]]
    way, dx, dy = end - start, x - start[0], y - start[1]
    share = np.clip((dx * way[0] + dy * way[1]) / max(float(way @ way), 1e-9), 0.0, 1.0)
    part[np.hypot(dx - share * way[0], dy - share * way[1]) <= LIMB_RADIUS_M * scale] = False
