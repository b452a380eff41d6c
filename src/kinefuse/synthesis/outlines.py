"""Mattes of a closed surface, exactly: the union of the triangles that face the camera, filled from their outlines.

Of the triangles that face a camera, edges that two of them share cancel. What is left is the outline, some hundreds of
the surface's edges. In each row of cells an outline's crossing adds one layer of triangles to all cells on its right,
or takes one away; the matte is where the sum is above zero. Edges stay straight: only corners are distorted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kinefuse.formats.image_mapping import ImageMapping
from kinefuse.recordings import Camera
from kinefuse.vision.cameras import NEAREST_DEPTH_M, project
from kinefuse.vision.mattes import MATTE_SIDE_PX, Mattes, matte_size


@dataclass(frozen=True)
class Crop:
    """The part of a matte in which something is set.

    Attributes
    ----------
    row, column : of its first cell; the column is divisible by eight
    cells : (h, w) bool, w divisible by eight; h or w is zero for an empty matte
    """

    row: int
    column: int
    cells: np.ndarray


EMPTY = Crop(0, 0, np.zeros((0, 0), dtype=bool))


@lru_cache(maxsize=8)
def _edges(triangles: bytes) -> np.ndarray:
    """Edges (E, 4) of a closed surface: from vertex, to vertex, the triangle that has it so, and the one reversed."""
    faces = np.frombuffer(triangles, dtype=np.int64).reshape(-1, 3)
    ways = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    face = np.tile(np.arange(len(faces)), 3)
    low, high = ways.min(1), ways.max(1)
    order = np.lexsort((ways[:, 0] > ways[:, 1], high, low))
    first, second = order[0::2], order[1::2]
    paired = len(order) % 2 == 0 and (ways[first] == ways[second][:, ::-1]).all()
    if not paired:
        raise ValueError("The surface is not closed: each edge must belong to two triangles, once in each direction.")
    return np.column_stack([ways[first], face[first], face[second]])


def edges_of(faces: np.ndarray) -> np.ndarray:
    """Return the edges (E, 4) of a closed surface's triangles (F, 3): two vertices, left and right triangle.

    Raises
    ------
    ValueError
        If the surface has a border.
    """
    return _edges(np.ascontiguousarray(faces, dtype=np.int64).tobytes())


def outline_edges(cells: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return start and end (K, 2) of the outline's edges of an imaged surface, and their sign (K,).

    Parameters
    ----------
    cells : (V, 2) columns and rows of the vertices
    faces : (F, 3), counter-clockwise seen from outside
    """
    x, y = cells[faces].transpose(2, 1, 0)
    # Rows grow downwards, so that what is counter-clockwise in space has a negative area here.
    facing = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]) < 0
    edges = edges_of(faces)
    sign = facing[edges[:, 2]].astype(np.int8) - facing[edges[:, 3]]
    kept = np.flatnonzero(sign)
    return cells[edges[kept, 0]], cells[edges[kept, 1]], sign[kept]


def fill(start: np.ndarray, end: np.ndarray, sign: np.ndarray, size: tuple[int, int]) -> Crop:
    """Return what outlines enclose: the cells whose centres have layers above zero.

    Parameters
    ----------
    start, end : (K, 2) columns and rows of directed edges, which form closed lines
    sign : (K,) layers that an edge downwards adds on its right
    size : (W, H) of the matte; what lies outside is cut off
    """
    width, height = size
    first = np.clip(np.ceil(np.minimum(start[:, 1], end[:, 1])), 0, height).astype(int)
    count = np.clip(np.ceil(np.maximum(start[:, 1], end[:, 1])), 0, height).astype(int) - first
    low, high = _span(start, end, width)
    if count.sum() == 0 or low >= high:
        return EMPTY
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    slope = np.divide(end[:, 0] - start[:, 0], end[:, 1] - start[:, 1], where=count > 0, out=np.zeros(len(count)))
    column = np.clip(np.ceil(start[edge, 0] + (row - start[edge, 1]) * slope[edge]), low, high).astype(int)
    layers = np.where(end[:, 1] > start[:, 1], sign, -sign)[edge]
    top, wide = row.min(), high - low + 1
    steps = np.bincount((row - top) * wide + column - low, layers, minlength=(row.max() - top + 1) * wide)
    return Crop(int(top), low, (steps.reshape(-1, wide).cumsum(axis=1) > 0.5)[:, :-1])


def _span(start: np.ndarray, end: np.ndarray, width: int) -> tuple[int, int]:
    """First and last column (excluded) of cells that the edges may enclose, in whole bytes of the matte."""
    low = np.floor(min(start[:, 0].min(initial=np.inf), end[:, 0].min(initial=np.inf), width))
    high = np.ceil(max(start[:, 0].max(initial=-np.inf), end[:, 0].max(initial=-np.inf), -1)) + 1
    return max(int(low), 0) // 8 * 8, min(-(-int(high) // 8) * 8, -(-width // 8) * 8)


def render(camera: Camera, vertices: np.ndarray, faces: np.ndarray) -> Crop:
    """Return the matte of a closed surface, at the camera's own size.

    A surface that reaches behind the camera is not drawn at all: nobody stands in a camera.

    Parameters
    ----------
    camera : of a matte, see `matte_camera`
    vertices : (V, 3) metres, world
    faces : (F, 3)
    """
    depth = vertices @ camera.R_camera_world[2] + camera.translation[2]
    if (depth <= NEAREST_DEPTH_M).any():
        return EMPTY
    crop = fill(*outline_edges(project(camera, vertices), faces), camera.size)
    crop.cells[:, max(camera.size[0] - crop.column, 0) :] = False
    return crop


def matte_camera(camera: Camera, side_px: int = MATTE_SIDE_PX) -> Camera:
    """Return the camera whose pixels are the cells of `camera`'s mattes at their reduced size."""
    size = matte_size(camera.size, side_px)
    scale = np.array(size) / np.array(camera.size)
    matrix = np.diag([*scale, 1.0]) @ camera.matrix
    matrix[:2, 2] += 0.5 * scale - 0.5  # both count from the centre of the top left pixel or cell
    return Camera(
        name=camera.name,
        size=size,
        matrix=matrix,
        distortions=camera.distortions,
        R_camera_world=camera.R_camera_world,
        translation=camera.translation,
    )


def render_mattes(cameras: Sequence[Camera], vertices: np.ndarray, faces: np.ndarray) -> list[Mattes]:
    """Return each camera's mattes of a moving surface (T, V, 3) metres, world, as they are kept of its videos."""
    out = []
    for camera in cameras:
        small = matte_camera(camera)
        width, height = small.size
        packed = np.zeros((len(vertices), height, -(-width // 8)), dtype=np.uint8)
        for frame, surface in enumerate(vertices):
            crop = render(small, surface, faces)
            rows, columns = crop.cells.shape
            packed[frame, crop.row : crop.row + rows, crop.column // 8 : (crop.column + columns) // 8] = np.packbits(
                crop.cells, axis=1
            )
        out.append(Mattes(packed=packed, size=small.size, file_size=camera.size, mapping=ImageMapping()))
    return out
