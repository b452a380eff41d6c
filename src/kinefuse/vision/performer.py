"""Where the performer is, from the mattes alone: the middle of the volumes.

First, each camera's matte gives a point (the medians of its set cells), and rays through these points are
intersected, without those that disagree. Then the centre is the centroid of the probabilistic hull in a coarse cube
around that point, twice: every fourth voxel, then every second. This is the middle of the person's body (of standing
people about at the navel), in all three axes, so that no floor need be known; raised arms raise it.

A false spot in one camera does not move it much, because the other cameras do not see it; a camera that shows only a
part of the person pulls on the first guess, not on the hull, which knows what is outside of an image.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from kinefuse.vision.mattes import Mattes
from kinefuse.vision.triangulation import triangulate
from kinefuse.vision.volumes import (
    SIDE,
    VOXEL_M,
    VoxelTable,
    checked_rows,
    count_true,
    look_up,
    probabilistic_hull,
    snap,
)

SMALLEST_SHARE: Final = 2e-4
"""Share of the image below which the set cells are no person but noise: 26 cells of 480 x 270."""

WIDEST_MISS: Final = 0.08
"""Rays may pass the first guess by this share of the largest image diagonal: the legs alone instead of the person."""

STEPS: Final = (4, 2)
"""Voxels from sample to sample in the two passes of the hull."""

SURE: Final = 0.01
"""Voxels less probable than this share of the most probable one do not count."""


def find_performer(
    table: VoxelTable, mattes: Sequence[Mattes], rows: np.ndarray | None = None, near: np.ndarray | None = None
) -> np.ndarray:
    """Return the centre of the performer in each frame.

    Parameters
    ----------
    table, mattes, rows : as in `kinefuse.vision.volumes.build_volumes`; without `rows`, frames are as many as the
        shortest mattes
    near : (T, 3) metres, a guess such as the centre of the previous frame, taken where it is finite instead of the
        first step's

    Returns
    -------
    (T, 3) metres, world; NaN where fewer than two cameras show a person, or the cameras do not agree on a place.
    """
    frames = min(map(len, mattes)) if rows is None else len(rows)
    rows = checked_rows(table, mattes, rows, frames)
    points, shows = matte_middles(mattes, rows)
    centres = _meeting_point(table, points, shows)
    if near is not None:
        centres = np.where(np.isfinite(near) & (shows.sum(axis=1) >= 2)[:, None], near, centres)
    for step in STEPS:
        centres = _hull_centroids(table, mattes, rows, shows, centres, step)
    return centres


def matte_middles(mattes: Sequence[Mattes], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle (T, V, 2) of the set cells in calibrated pixels, and whether (T, V) a person is there.

    The middle is the median column and the median row, which spots of noise hardly move.
    """
    points, shows = np.full((*rows.shape, 2), np.nan), np.zeros(rows.shape, dtype=bool)
    for view, matte in enumerate(mattes):
        for frame in np.flatnonzero(rows[:, view] >= 0):
            row = int(rows[frame, view])
            cells = np.unpackbits(matte.packed[row], axis=1, count=matte.size[0])
            sums = cells.sum(axis=0, dtype=np.int32), cells.sum(axis=1, dtype=np.int32)
            shows[frame, view] = sums[0].sum() >= max(1.0, SMALLEST_SHARE * cells.size)
            points[frame, view] = [_median(counts) for counts in sums]
        points[:, view] = matte.mapping.to_calibrated(matte.to_file(points[:, view]))
    points[~shows] = np.nan
    return points, shows


def _median(counts: np.ndarray) -> float:
    """Return the place of the middle one of `counts` things along a line."""
    total = np.cumsum(counts)
    return float(np.searchsorted(total, (total[-1] + 1) // 2)) if total[-1] else np.nan


def _meeting_point(table: VoxelTable, points: np.ndarray, shows: np.ndarray) -> np.ndarray:
    """Return where the rays through the mattes' middles meet, (T, 3) metres; NaN where no two do."""
    if len(table.cameras) < 2:
        return np.full((len(points), 3), np.nan)
    limit = WIDEST_MISS * max(float(np.hypot(*camera.size)) for camera in table.cameras)
    trust = shows[:, :, None].astype(float)
    return triangulate(table.cameras, points[:, :, None], trust, max_error_px=limit).positions[:, 0]


def _hull_centroids(
    table: VoxelTable, mattes: Sequence[Mattes], rows: np.ndarray, shows: np.ndarray, centres: np.ndarray, step: int
) -> np.ndarray:
    """Return the centroid (T, 3) of the hull in the cube around each of `centres`; NaN where it is empty."""
    corners, snapped = snap(centres, step)
    out = np.full(centres.shape, np.nan)
    offsets = VOXEL_M * (step * np.arange(SIDE // step) + 0.5 - SIDE / 2)
    for frame, packed, bit, entries in look_up(table, mattes, rows, corners, np.isfinite(snapped).all(axis=1), step):
        here = shows[frame]
        on = packed[here] & bit != 0
        if count_true(on).max() >= 2:
            weight = probabilistic_hull(on, entries[here] > 0)
            weight = np.where(weight >= SURE * weight.max(), weight, 0.0)
            marginals = [weight.sum(axis=axes, dtype=float) for axes in ((1, 2), (0, 2), (0, 1))]
            out[frame] = snapped[frame] + [m @ offsets / m.sum() for m in marginals]
    return out
