"""Mattes from outlines, against triangles drawn one by one."""

import numpy as np
import pytest
from matte_scenes import dressed_people

from kinefuse.recordings import Camera
from kinefuse.synthesis.cameras import camera_ring
from kinefuse.synthesis.dressed import faces
from kinefuse.synthesis.outlines import Crop, edges_of, fill, matte_camera, render, render_mattes
from kinefuse.vision.cameras import project

TETRAHEDRON = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])


def whole(crop: Crop, camera: Camera) -> np.ndarray:
    out = np.zeros(camera.size[::-1], dtype=bool)
    rows, columns = crop.cells.shape
    part = out[crop.row : crop.row + rows, crop.column : crop.column + columns]
    part[:] = crop.cells[:, : part.shape[1]]
    return out


def drawn_one_by_one(camera: Camera, vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Set each cell whose centre lies in the image of some triangle, whichever way that faces."""
    width, height = camera.size
    out = np.zeros((height, width), dtype=bool)
    for corner in project(camera, vertices)[triangles]:
        low = np.clip(np.floor(corner.min(0)).astype(int), 0, [width, height])
        high = np.clip(np.ceil(corner.max(0)).astype(int) + 1, 0, [width, height])
        x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
        sides = []
        for a, b in ((0, 1), (1, 2), (2, 0)):
            (ax, ay), (bx, by) = corner[a], corner[b]
            sides.append((bx - ax) * (y - ay) - (by - ay) * (x - ax))
        inside = np.all([s >= 0 for s in sides], axis=0) | np.all([s <= 0 for s in sides], axis=0)
        out[low[1] : high[1], low[0] : high[0]] |= inside
    return out


@pytest.mark.parametrize("radius", [6.0, 1.2], ids=["whole", "cut off"])
def test_outlines_fill_what_the_triangles_cover(radius: float) -> None:
    triangles = faces().numpy()
    rig = camera_ring(2, radii=(radius, radius))
    for person, vertices in enumerate(dressed_people(2)):
        camera = matte_camera(rig[person])
        ours = whole(render(camera, vertices, triangles), camera)
        exact = drawn_one_by_one(camera, vertices, triangles)
        assert exact.sum() > 800
        assert (ours & exact).sum() / (ours | exact).sum() > 0.99
        if radius == 1.2:
            assert exact[0].any() or exact[-1].any()


def test_a_square_has_the_cells_whose_centres_it_holds() -> None:
    corners = np.array([[9.5, 3.2], [12.5, 3.2], [12.5, 6.8], [9.5, 6.8]])
    start, end = corners, np.roll(corners, -1, axis=0)
    crop = fill(start, end, np.full(4, -1), (40, 20))  # clockwise on the screen
    rows, columns = np.nonzero(crop.cells)
    assert set(rows + crop.row) == {4, 5, 6}
    assert set(columns + crop.column) == {10, 11, 12}
    assert crop.cells.sum() == 9
    assert crop.column % 8 == 0


@pytest.mark.parametrize(("dx", "dy"), [(-200, 0), (200, 0), (0, -200), (0, 200)])
def test_nothing_is_set_outside_of_the_image(dx: float, dy: float) -> None:
    corners = np.array([[9.5 + dx, 3.2 + dy], [12.5 + dx, 3.2 + dy], [12.5 + dx, 6.8 + dy], [9.5 + dx, 6.8 + dy]])
    crop = fill(corners, np.roll(corners, -1, axis=0), np.full(4, -1), (40, 20))
    assert not crop.cells.any()


def test_a_surface_with_a_border_is_refused() -> None:
    assert edges_of(TETRAHEDRON).shape == (6, 4)
    with pytest.raises(ValueError, match="not closed"):
        edges_of(TETRAHEDRON[:3])


def test_a_person_around_the_camera_is_not_drawn() -> None:
    vertices = dressed_people(1)[0]
    camera = matte_camera(camera_ring(1, radii=(0.1, 0.1))[0])
    assert not render(camera, vertices, faces().numpy()).cells.any()


def test_mattes_of_a_film_lie_where_the_camera_sees_the_person() -> None:
    people = dressed_people(3)
    camera = camera_ring(1, size=(1000, 1002))[0]
    matte = render_mattes([camera], people, faces().numpy())[0]
    assert (len(matte), matte.size, matte.file_size) == (3, (479, 480), (1000, 1002))
    for frame, vertices in enumerate(people):
        full = drawn_one_by_one(camera, vertices, faces().numpy())
        columns, rows = np.meshgrid(np.arange(479), np.arange(480))
        at = np.rint(matte.to_file(np.stack([columns, rows], axis=-1))).astype(int)
        expected, got = full[at[..., 1], at[..., 0]], matte.frames()[frame]
        assert (got & expected).sum() / (got | expected).sum() > 0.95
