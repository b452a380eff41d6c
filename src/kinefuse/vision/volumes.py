"""Volumes from mattes: a cube of voxels around the performer, with one channel a camera.

A voxel is set in a camera's channel where its centre is imaged, lens distortion included, onto that camera's matte
(Huang et al., *DeepFuse*, section 3.1.1). All cubes are cut from one lattice that is fixed in the world: where its
voxels are imaged is computed once for a rig, when the performer first comes near, and kept in a table. After that a
volume costs one look-up a voxel, and eight neighbouring frames are looked up together, as the bits of a byte.

Axes of a volume are (x, y, z), parallel to the world's. With v = `VOXEL_M`, lattice voxel n has its centre at
v (n + 1/2) on each axis and a volume's centre is a corner of the lattice, v m with whole m; so voxel (i, j, k) of a
volume of side S has its centre at ``centre + v ((i, j, k) - (S - 1) / 2)``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from kinefuse.errors import KinefuseError
from kinefuse.recordings import Camera
from kinefuse.vision.cameras import NEAREST_DEPTH_M, fold_radius, project, undistort_pixels
from kinefuse.vision.mattes import Mattes

VOXEL_M: Final = 0.035
SIDE: Final = 64
"""Voxels along an edge of a volume: 2.24 m, which holds a person with raised arms (35 mm and 64 are the paper's)."""

CHANNELS: Final = 8

CHUNK: Final = 16
"""Voxels along an edge of the pieces in which the table grows: 131 kB for eight cameras."""

MOST_CHUNKS: Final = 4096
"""At this size, 537 MB for eight cameras or 14 times the volume over a floor of 4 x 6 m, the table starts anew."""

TOGETHER: Final = 8
"""Frames that are looked up at once: the bits of a byte."""

FARTHEST_APART: Final = 8
"""Voxels by which the volumes of such frames may differ in place; 40 % more look-ups at the most a group."""

SPARE_FIELD: Final = 1.02
"""Points this much farther from the optical axis than the image's border are not projected: a lens model may fold them
back into the image."""

MISS_RATE: Final = 0.05
FALSE_RATE: Final = 0.3
PRIOR: Final = 0.006
"""Of the probabilistic hull: how often a matte lacks a part of the person; how often the line of sight through an empty
voxel of the volume meets the person all the same; and the share of a volume that a body of 70 litres takes up."""


class VoxelTable:
    """Where the voxels of the world's lattice lie in the mattes of a fixed rig.

    Entries are places in one row of cells, those of all cameras one after the other; place 0 stands for "not in this
    camera's image". The table grows by itself as blocks are asked for; a chunk of 16³ voxels takes 16 kB a camera and
    comes from direct projection. A floor of 4 x 6 m with eight cameras takes about 120 MB.

    Attributes
    ----------
    cameras : V calibrated cameras
    sizes : V pairs (W, H), cells of each camera's mattes
    first : (V,) place of each camera's first cell in the row
    cells : length of the row
    """

    def __init__(self, cameras: Sequence[Camera], mattes: Sequence[Mattes]) -> None:
        if len(cameras) != len(mattes) or not cameras:
            raise KinefuseError(
                f"Volumes need the mattes of each camera: got {len(cameras)} cameras, {len(mattes)} mattes."
            )
        self.cameras = tuple(cameras)
        self.sizes = tuple(matte.size for matte in mattes)
        ends = 1 + np.cumsum([0, *(width * height for width, height in self.sizes)])
        self.first, self.cells = ends[:-1], int(ends[-1])
        self._grids = tuple(mattes)
        self._fields = tuple(field_radius(camera) for camera in cameras)
        self._chunks: dict[tuple[int, int, int], np.ndarray] = {}

    @property
    def nbytes(self) -> int:
        """Memory that the table takes, bytes."""
        return sum(chunk.nbytes for chunk in self._chunks.values())

    def block(self, low: np.ndarray, shape: tuple[int, int, int], step: int = 1) -> np.ndarray:
        """Return the entries of every `step`-th voxel of a box of the lattice.

        Parameters
        ----------
        low : (3,) lattice index of the first voxel, divisible by `step`
        shape : voxels along x, y, z, divisible by `step`
        step : 1, 2, 4, 8 or 16

        Returns
        -------
        (V, *shape / step) int32
        """
        starts = [_pieces(int(a), n) for a, n in zip(low, shape, strict=True)]
        self._grow({(x, y, z) for x, y, z in product(*([key for key, *_ in axis] for axis in starts))})
        out = np.empty((len(self.cameras), *(n // step for n in shape)), dtype=np.int32)
        for pieces in product(*starts):
            key = (pieces[0][0], pieces[1][0], pieces[2][0])
            inside = tuple(slice(begin, end, step) for _, begin, end, _ in pieces)
            there = tuple(slice(to // step, (to + end - begin) // step) for _, begin, end, to in pieces)
            out[(slice(None), *there)] = self._chunks[key][(slice(None), *inside)]
        return out

    def _grow(self, wanted: set[tuple[int, int, int]]) -> None:
        missing = sorted(wanted - self._chunks.keys())
        if missing and len(self._chunks) + len(missing) > MOST_CHUNKS:
            self._chunks.clear()
            missing = sorted(wanted)
        for start in range(0, len(missing), TOGETHER):
            keys = missing[start : start + TOGETHER]
            within = np.stack(np.meshgrid(*[np.arange(CHUNK)] * 3, indexing="ij"), axis=-1)
            index = np.array(keys)[:, None, None, None] * CHUNK + within
            entries = self.project(VOXEL_M * (index + 0.5))
            self._chunks.update({key: np.ascontiguousarray(entries[:, i]) for i, key in enumerate(keys)})

    def project(self, points_world: np.ndarray) -> np.ndarray:
        """Return the entries (V, ...) int32 of world points (..., 3) metres, by projecting them."""
        rows = zip(self.cameras, self._grids, self.first, self._fields, strict=True)
        return np.stack(
            [_entries(camera, grid, int(first), field, points_world) for camera, grid, first, field in rows]
        )

    def check(self, mattes: Sequence[Mattes]) -> None:
        """Raise a `KinefuseError` unless `mattes` have the sizes that the table was made for."""
        sizes = tuple(matte.size for matte in mattes)
        if sizes != self.sizes:
            raise KinefuseError(f"The table was made for mattes of {self.sizes} cells, got {sizes}; make a new table.")


def _pieces(low: int, count: int) -> list[tuple[int, int, int, int]]:
    """Cut voxels low ... low + count into (chunk, begin and end in the chunk, place in the result)."""
    chunks = range(low // CHUNK, (low + count - 1) // CHUNK + 1)
    spans = [(c, max(low - c * CHUNK, 0), min(low + count - c * CHUNK, CHUNK)) for c in chunks]
    return [(c, begin, end, c * CHUNK + begin - low) for c, begin, end in spans]


def _entries(camera: Camera, matte: Mattes, first: int, field: float, points_world: np.ndarray) -> np.ndarray:
    """Return the entry (...) of each point in one camera; 0 behind the camera or outside of its matte."""
    width, height = matte.size
    out = np.zeros(points_world.shape[:-1], dtype=np.int32)
    known = in_field(camera, field, points_world)
    column, row = np.rint(matte.from_calibrated(project(camera, points_world[known]))).T
    inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    out[known] = np.where(inside, first + row * width + column, 0)
    return out


def in_field(camera: Camera, field: float, points_world: np.ndarray) -> np.ndarray:
    """Return (...) whether points (..., 3) metres lie where the lens model holds: no farther out than the image.

    Brown's polynomial turns back beyond some angle, so that a point far to the side may seem to be in the image.
    `field` is the camera's `field_radius`.
    """
    x, y, z = np.moveaxis(points_world @ camera.R_camera_world.T + camera.translation, -1, 0)
    return np.asarray((z > NEAREST_DEPTH_M) & (x * x + y * y <= (SPARE_FIELD * field * z) ** 2))


def field_radius(camera: Camera) -> float:
    """Return how far from its axis a camera sees, as distance over depth; lens distortion is taken into account."""
    width, height = camera.size
    along, down = np.linspace(-0.5, width - 0.5, 65), np.linspace(-0.5, height - 0.5, 65)
    border = [(u, v) for u in along for v in (down[0], down[-1])] + [
        (u, v) for v in down for u in (along[0], along[-1])
    ]
    radius = np.linalg.norm(undistort_pixels(camera, np.array(border)), axis=-1)
    return float(np.nanmax(radius)) if np.isfinite(radius).any() else min(fold_radius(camera), 10.0)


@dataclass(frozen=True, kw_only=True)
class Volumes:
    """Multi-channel volumes of T frames.

    Attributes
    ----------
    channels : (T, K, S, S, S) bool, axes (channel, x, y, z); nothing is set in a channel without a camera
    centres : (T, 3) metres, world; the centre asked for, moved to the nearest corner of the lattice; NaN where none
        was, and then no voxel is set
    slots : (T, V) channel of each camera, -1 where it has none
    """

    channels: np.ndarray
    centres: np.ndarray
    slots: np.ndarray


def build_volumes(
    table: VoxelTable,
    mattes: Sequence[Mattes],
    centres: np.ndarray,
    rows: np.ndarray | None = None,
    channels: int = CHANNELS,
) -> Volumes:
    """Build the volumes of T frames, 2.1 MB each; a long recording is built in parts.

    Parameters
    ----------
    table : of the rig, kept from call to call
    mattes : of its V cameras
    centres : (T, 3) metres, world, of the performer; NaN where not known
    rows : (T, V) which row of a camera's mattes belongs to a frame, -1 where it has none; None if row t is frame t
    channels : K

    Raises
    ------
    KinefuseError
        If the mattes are not those of the table, or a row does not exist.
    """
    rows = checked_rows(table, mattes, rows, len(centres))
    corners, snapped = snap(centres)
    slots = camera_slots(table.cameras, snapped, channels)
    out = np.zeros((len(centres), channels, SIDE, SIDE, SIDE), dtype=bool)
    for frame, packed, bit, _ in look_up(table, mattes, rows, corners, np.isfinite(snapped).all(axis=1)):
        for view in np.flatnonzero(slots[frame] >= 0):
            np.not_equal(packed[view] & bit, 0, out=out[frame, slots[frame, view]])
    return Volumes(channels=out, centres=snapped, slots=slots)


def snap(centres: np.ndarray, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return the first lattice voxel (T, 3) int of the volumes about `centres` (T, 3) metres, and their exact centres.

    NaN stays NaN, with a first voxel that means nothing. First voxels are divisible by `step`.
    """
    corner = step * np.rint(np.asarray(centres, dtype=float) / (step * VOXEL_M))
    return np.nan_to_num(corner).astype(int) - SIDE // 2, VOXEL_M * corner


def checked_rows(table: VoxelTable, mattes: Sequence[Mattes], rows: np.ndarray | None, frames: int) -> np.ndarray:
    """Return `rows` (T, V), or row t for frame t; raise a `KinefuseError` where a row does not exist."""
    table.check(mattes)
    rows = np.repeat(np.arange(frames)[:, None], len(mattes), axis=1) if rows is None else np.asarray(rows)
    if rows.shape != (frames, len(mattes)):
        raise KinefuseError(f"Expected matte rows of shape {(frames, len(mattes))}, got {rows.shape}.")
    lengths = np.array([len(matte) for matte in mattes])
    if (rows >= lengths).any():
        raise KinefuseError(f"Matte row {rows.max()} was asked for, but the cameras have {lengths.tolist()} mattes.")
    return rows


def look_up(
    table: VoxelTable,
    mattes: Sequence[Mattes],
    rows: np.ndarray,
    corners: np.ndarray,
    wanted: np.ndarray,
    step: int = 1,
) -> Iterator[tuple[int, np.ndarray, np.uint8, np.ndarray]]:
    """Yield the cubes of the frames that are `wanted`, neighbouring frames with one look-up.

    Parameters
    ----------
    table, mattes, rows : as in `build_volumes`
    corners : (T, 3) int, first voxels of the cubes of `SIDE` voxels, divisible by `step`
    wanted : (T,) bool
    step : take every voxel, or every second, fourth ...

    Yields
    ------
    frame : its number
    packed : (V, n, n, n) uint8, n = `SIDE` / `step`; a voxel is on a camera's matte where ...
    bit : ... this bit is set
    entries : (V, n, n, n) int32 of the table, 0 where the voxel is not in the camera's image
    """
    side = SIDE // step
    for group in neighbours(corners, wanted):
        low = corners[group].min(axis=0)
        extent = corners[group].max(axis=0) - low + SIDE
        entries = table.block(low, (int(extent[0]), int(extent[1]), int(extent[2])), step)
        packed = np.take(bit_row(table, mattes, rows[group]), entries, mode="clip")
        for number, frame in enumerate(group):
            x, y, z = (corners[frame] - low) // step
            cube = np.s_[:, x : x + side, y : y + side, z : z + side]
            yield int(frame), packed[cube], np.uint8(1 << number), entries[cube]


def neighbours(corners: np.ndarray, wanted: np.ndarray) -> Iterator[np.ndarray]:
    """Cut the wanted frames, in their order, into groups of at most `TOGETHER` whose cubes lie close together."""
    group: list[int] = []
    for frame in np.flatnonzero(wanted):
        members = corners[[*group, frame]]
        if len(group) == TOGETHER or (np.ptp(members, axis=0) > FARTHEST_APART).any():
            yield np.array(group)
            group = []
        group.append(int(frame))
    if group:
        yield np.array(group)


def bit_row(table: VoxelTable, mattes: Sequence[Mattes], rows: np.ndarray) -> np.ndarray:
    """Return the cells of all cameras in a row (table.cells,) uint8; bit b is frame b of `rows` (at most 8, V)."""
    out = np.zeros(table.cells, dtype=np.uint8)
    for view, (matte, first) in enumerate(zip(mattes, table.first, strict=True)):
        width, height = matte.size
        cells = out[first : first + width * height].reshape(height, width)
        for number, row in enumerate(rows[:, view]):
            lines = np.flatnonzero(matte.packed[row].any(axis=1)) if row >= 0 else np.empty(0, dtype=int)
            if lines.size:
                span = slice(lines[0], lines[-1] + 1)
                cells[span] |= np.unpackbits(matte.packed[row, span], axis=1, count=width) << np.uint8(number)
    return out


def camera_slots(cameras: Sequence[Camera], centres: np.ndarray, channels: int = CHANNELS) -> np.ndarray:
    """Return the channel (T, V) of each camera of volumes about `centres` (T, 3) metres; -1 where it has none.

    Channel k stands for the direction 2 pi k / K about the vertical, counted from the world's +Z towards +X. Cameras
    go to the channels whose directions, as seen from the volume's centre, are nearest in all (least sum of squared
    angles), so their order in files does not matter, they stay in the order of their azimuths, and a camera fewer
    leaves its channel empty without moving the others. Of more than K cameras, those that fit worst have none.
    """
    from scipy.optimize import linear_sum_assignment

    places = np.array([camera.centre for camera in cameras])
    away = places[None] - centres[:, None]
    azimuth = np.arctan2(away[..., 0], away[..., 2])[..., None]
    turn = azimuth - 2.0 * np.pi * np.arange(channels) / channels
    cost = ((turn + np.pi) % (2.0 * np.pi) - np.pi) ** 2
    slots = np.full(azimuth.shape[:2], -1)
    for frame in np.flatnonzero(np.isfinite(cost).all(axis=(1, 2))):
        views, chosen = linear_sum_assignment(cost[frame])
        slots[frame, views] = chosen
    return slots


def probabilistic_hull(channels: np.ndarray, seen: np.ndarray | None = None) -> np.ndarray:
    """Return the probability that a voxel is inside the person: all cameras as one channel.

    Cameras are taken as independent witnesses, each of whose mattes misses a part of the person with `MISS_RATE` and
    covers an empty voxel with `FALSE_RATE`; Bayes' rule with `PRIOR` gives the rest. In place of Trumble et al.'s
    (BMVC 2017) probabilistic visual hull, for mattes that are yes or no.

    Parameters
    ----------
    channels : (..., K, S, S, S) bool
    seen : like `channels`, false where a camera tells nothing about a voxel, because its image does not show it. None:
        a channel in which nothing is set at all tells nothing, any other tells about every voxel.

    Returns
    -------
    (..., S, S, S) float32, 0 to 1
    """
    count = channels.shape[-4]
    if seen is None:
        seen = np.broadcast_to(channels.any(axis=(-3, -2, -1), keepdims=True), channels.shape)
        witnesses = seen[..., 0, 0, 0].sum(axis=-1)[..., None, None, None]
    else:
        witnesses = count_true(seen)
    on = count_true(channels & seen)
    return np.asarray(hull_probabilities(count)[witnesses, on])


def hull_probabilities(cameras: int) -> np.ndarray:
    """Return how probably a voxel is inside the person, (n + 1, n + 1) float32: by witnesses, and those who say so."""
    number, hits = np.meshgrid(np.arange(cameras + 1), np.arange(cameras + 1), indexing="ij")
    logit = np.log(PRIOR / (1.0 - PRIOR)) + hits * np.log((1.0 - MISS_RATE) / FALSE_RATE)
    logit += (number - hits) * np.log(MISS_RATE / (1.0 - FALSE_RATE))
    return np.asarray((1.0 / (1.0 + np.exp(-logit))).astype(np.float32))


def count_true(channels: np.ndarray) -> np.ndarray:
    """Return how many of the channels (..., K, S, S, S) bool are set, (..., S, S, S) uint8."""
    # NumPy adds bytes several times faster than it counts bools.
    return np.asarray(np.add.reduce(channels.view(np.uint8), axis=-4, dtype=np.uint8))
