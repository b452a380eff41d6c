"""Volumes from mattes: known projections, symmetries, and the table against direct projection."""

from dataclasses import replace

import numpy as np
import pytest
from geometry_scenes import BENT, camera_ring, look_at, moved_camera
from hypothesis import given, settings
from hypothesis import strategies as st
from volume_scenes import empty_grid, person_mattes, turned

from kinefuse.errors import KinefuseError
from kinefuse.recordings import Camera
from kinefuse.vision.cameras import project
from kinefuse.vision.mattes import Mattes, pack_mattes
from kinefuse.vision.volumes import (
    SIDE,
    VOXEL_M,
    VoxelTable,
    build_volumes,
    camera_slots,
    field_radius,
    in_field,
    neighbours,
    probabilistic_hull,
    snap,
)

CENTRE = np.array([[0.0, 0.95, 0.0]])


def voxel_places(centre: np.ndarray) -> np.ndarray:
    """Return the voxels' centres (S, S, S, 3) as the shared definition of a volume states them."""
    index = np.stack(np.meshgrid(*[np.arange(SIDE)] * 3, indexing="ij"), axis=-1)
    return np.asarray(centre + VOXEL_M * (index - (SIDE - 1) / 2))


def pinhole(distortions: np.ndarray | None = None) -> Camera:
    """A camera at (0, 0, 4) that looks along -Z: image x is world X, image y is down."""
    return Camera(
        name="front",
        size=(480, 480),
        matrix=np.array([[400.0, 0.0, 240.0], [0.0, 400.0, 240.0], [0.0, 0.0, 1.0]]),
        distortions=np.zeros(4) if distortions is None else distortions,
        R_camera_world=np.diag([1.0, -1.0, -1.0]),
        translation=np.array([0.0, 0.0, 4.0]),
    )


def one_spot(camera: Camera, column: int, row: int) -> Mattes:
    grid = empty_grid(camera)
    image = np.zeros(grid.size[::-1], dtype=bool)
    image[row, column] = True
    return replace(grid, packed=pack_mattes([image], grid.size))


def test_a_voxel_is_set_where_a_hand_computed_camera_sees_it() -> None:
    """Voxel (50, 40, 32) lies at 35 mm * (18.5, 8.5, 0.5): x = 0.6475, y = 0.2975, depth 4 - 0.0175 = 3.9825."""
    column, row = round(240 + 400 * 0.6475 / 3.9825), round(240 - 400 * 0.2975 / 3.9825)
    assert (column, row) == (305, 210)
    camera = pinhole()
    matte = one_spot(camera, column, row)
    volumes = build_volumes(VoxelTable([camera], [matte]), [matte], np.zeros((1, 3)))
    slot = volumes.slots[0, 0]
    assert slot == 0  # the camera stands towards +Z
    assert volumes.channels[0, slot, 50, 40, 32]
    assert not volumes.channels[0, slot, 51, 40, 32]
    assert not volumes.channels[0, slot, 50, 41, 32]
    assert not volumes.channels[0, 1:].any()
    x, y, z = np.argwhere(volumes.channels[0, slot]).T - 31.5
    depth = 4.0 - VOXEL_M * z
    np.testing.assert_array_less(np.abs(240 + 400 * VOXEL_M * x / depth - 305), 0.5)
    np.testing.assert_array_less(np.abs(240 - 400 * VOXEL_M * y / depth - 210), 0.5)


def test_distortion_is_honoured() -> None:
    """With k1 = -0.2 and ideal x = 0.163, y = 0.075 the same voxel moves inwards by 0.65 % of its offset."""
    lens = np.array([-0.2, 0.0, 0.0, 0.0])
    x, y = 0.6475 / 3.9825, 0.2975 / 3.9825
    bent = 1.0 - 0.2 * (x * x + y * y)
    camera = replace(pinhole(lens), size=(4800, 4800), matrix=np.diag([4000.0, 4000.0, 1.0]))
    camera = replace(camera, matrix=camera.matrix + np.array([[0, 0, 2400.0], [0, 0, 2400.0], [0, 0, 0]]))
    straight = one_spot(camera, 0, 0)
    entries = VoxelTable([camera], [straight]).project(np.array([0.6475, 0.2975, 0.0175]))
    column, row = (entries[0] - 1) % 480, (entries[0] - 1) // 480
    assert column == round((2400 + 4000 * x * bent + 0.5) / 10 - 0.5) != round((2400 + 4000 * x + 0.5) / 10 - 0.5)
    assert row == round((2400 - 4000 * y * bent + 0.5) / 10 - 0.5)


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_the_table_equals_direct_projection(seed: int, bent: bool) -> None:
    """Random mattes, random centres near and far, several frames at once: every voxel of every channel."""
    rng = np.random.default_rng(seed)
    cameras = camera_ring(2, BENT if bent else None)
    grids = [empty_grid(camera) for camera in cameras]
    frames = 3
    mattes = [replace(g, packed=rng.integers(0, 256, (frames, *g.packed.shape[1:]), dtype=np.uint8)) for g in grids]
    centres = CENTRE + np.cumsum(rng.normal(0.0, 0.1, (frames, 3)), axis=0)
    centres[-1] += 0.9
    rows = rng.permuted(np.tile(np.arange(frames)[:, None], 2), axis=0)
    volumes = build_volumes(VoxelTable(cameras, mattes), mattes, centres, rows)
    assert np.abs(volumes.centres - centres).max() <= VOXEL_M / 2 + 1e-12
    for frame in range(frames):
        places = voxel_places(volumes.centres[frame]).reshape(-1, 3)
        for view, camera in enumerate(cameras):
            pixels = np.where(in_field(camera, field_radius(camera), places)[:, None], project(camera, places), np.nan)
            expected = mattes[view].at(int(rows[frame, view]), pixels).reshape(SIDE, SIDE, SIDE)
            wrong = expected != volumes.channels[frame, volumes.slots[frame, view]]
            assert wrong.mean() < 1e-5  # a voxel on the border of two cells may go either way by rounding


def test_behind_a_camera_and_outside_of_its_image_is_empty() -> None:
    """A camera inside the volume, all of whose cells are set, sets exactly the voxels in its field of view."""
    camera = replace(pinhole(), translation=np.zeros(3))
    grid = empty_grid(camera)
    matte = replace(grid, packed=pack_mattes([np.ones(grid.size[::-1], dtype=bool)], grid.size))
    volumes = build_volumes(VoxelTable([camera], [matte]), [matte], np.zeros((1, 3)))
    x, y, z = np.moveaxis(voxel_places(np.zeros(3)), -1, 0)
    with np.errstate(divide="ignore"):
        u, v = 240 - 400 * x / z, 240 + 400 * y / z
    expected = (z < 0) & (np.minimum(u, v) >= -0.5) & (np.maximum(u, v) < 479.5)
    np.testing.assert_array_equal(volumes.channels[0, volumes.slots[0, 0]], expected)


def test_a_lens_model_does_not_fold_far_points_into_the_image() -> None:
    """With k1 = -0.3 the polynomial turns back at r = 1.05 and is zero at r = 1.83: a point there is not in view."""
    camera = pinhole(np.array([-0.3, 0.0, 0.0, 0.0]))
    folded = np.array([1.8 * 4.0, 0.0, 0.0])
    assert abs(project(camera, folded)[0] - 240) < 30
    assert not in_field(camera, field_radius(camera), folded)
    assert VoxelTable([camera], [empty_grid(camera)]).project(folded)[0] == 0
    assert VoxelTable([camera], [empty_grid(camera)]).project(np.zeros(3))[0] == 1 + 240 * 480 + 240


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_turned_world_gives_the_turned_volume(quarter: int) -> None:
    """World, cameras and person turn by quarters: voxels and channels turn exactly with them."""
    cameras = camera_ring(8, BENT)
    centre, rotation = np.array([[0.31, 0.95, -0.52]]), turned(quarter * np.pi / 2).round()
    mattes = person_mattes(cameras, centre - [[0.0, 0.95, 0.0]])
    again = [moved_camera(camera, rotation, np.zeros(3)) for camera in cameras]
    straight = build_volumes(VoxelTable(cameras, mattes), mattes, centre)
    turned_ones = build_volumes(VoxelTable(again, mattes), mattes, centre @ rotation.T)
    np.testing.assert_allclose(turned_ones.centres, straight.centres @ rotation.T, atol=1e-12)
    np.testing.assert_array_equal(turned_ones.slots, (straight.slots + 2 * quarter) % 8)
    rolled = np.roll(straight.channels[0], 2 * quarter, axis=0)
    expected = np.rot90(rolled, quarter, axes=(3, 1))  # +Z towards +X
    assert straight.channels.any(axis=(2, 3, 4)).all()
    assert (expected != turned_ones.channels[0]).mean() < 1e-5


def test_the_order_of_cameras_does_not_matter() -> None:
    cameras = camera_ring(6)
    mattes = person_mattes(cameras, np.zeros((1, 3)))
    order = np.random.default_rng(0).permutation(6)
    shuffled = [cameras[i] for i in order], [mattes[i] for i in order]
    one = build_volumes(VoxelTable(cameras, mattes), mattes, CENTRE)
    other = build_volumes(VoxelTable(*shuffled), shuffled[1], CENTRE)
    np.testing.assert_array_equal(one.channels, other.channels)
    np.testing.assert_array_equal(one.slots[0, order], other.slots[0])


def test_a_missing_person_or_image_leaves_one_channel_empty() -> None:
    cameras = camera_ring(4)
    mattes = person_mattes(cameras, np.zeros((2, 3)))
    whole = build_volumes(VoxelTable(cameras, mattes), mattes, np.repeat(CENTRE, 2, axis=0))
    nobody = [replace(mattes[0], packed=np.zeros_like(mattes[0].packed)), *mattes[1:]]
    rows = np.array([[0, 0, 0, 0], [-1, 1, 1, 1]])
    for some in (
        build_volumes(VoxelTable(cameras, nobody), nobody, np.repeat(CENTRE, 2, axis=0)).channels[1],
        build_volumes(VoxelTable(cameras, mattes), mattes, np.repeat(CENTRE, 2, axis=0), rows).channels[1],
    ):
        empty = whole.slots[1, 0]
        assert not some[empty].any()
        assert whole.channels[1, empty].any()
        np.testing.assert_array_equal(np.delete(some, empty, axis=0), np.delete(whole.channels[1], empty, axis=0))


def test_an_unknown_centre_gives_an_empty_and_marked_volume() -> None:
    cameras = camera_ring(4)
    mattes = person_mattes(cameras, np.zeros((2, 3)))
    volumes = build_volumes(VoxelTable(cameras, mattes), mattes, np.array([[np.nan] * 3, CENTRE[0]]))
    assert not volumes.channels[0].any()
    assert np.isnan(volumes.centres[0]).all()
    assert (volumes.slots[0] == -1).all()
    assert volumes.channels[1].any()


def test_channels_stand_for_directions() -> None:
    """Towards +Z is channel 0, towards +X channel 2 of 8; the gap of a missing camera stays where it is."""
    target = np.array([0.0, 1.0, 0.0])
    spots = {"x": [4.0, 1.0, 0.1], "z": [0.1, 1.0, 4.0], "-x": [-4.0, 1.0, 0.1], "-z": [0.1, 1.0, -4.0]}
    cameras = [look_at(name, np.array(spot), target) for name, spot in spots.items()]
    assert camera_slots(cameras, CENTRE).tolist() == [[2, 0, 6, 4]]
    assert camera_slots(cameras[1:], CENTRE).tolist() == [[0, 6, 4]]
    ring = camera_ring(10)
    slots = camera_slots(ring, CENTRE)[0]
    assert sorted(slots) == [-1, -1, 0, 1, 2, 3, 4, 5, 6, 7]
    crowd = camera_slots([look_at(str(i), np.array([0.1 * i, 1.0, 4.0]), target) for i in range(4)], CENTRE)
    assert crowd.tolist() == [[7, 0, 1, 2]]  # four in nearly one direction keep their order


def test_frames_are_grouped_by_place() -> None:
    corners = np.zeros((20, 3), dtype=int)
    corners[:, 0] = [*range(12), *[40] * 8]
    wanted = np.ones(20, dtype=bool)
    wanted[3] = False
    groups = [group.tolist() for group in neighbours(corners, wanted)]
    assert groups[0] == [0, 1, 2, 4, 5, 6, 7, 8]
    assert groups[1] == [9, 10, 11]
    assert groups[2] == [12, 13, 14, 15, 16, 17, 18, 19]


def test_the_table_grows_only_where_the_performer_goes() -> None:
    cameras = camera_ring(2)
    mattes = person_mattes(cameras, np.zeros((1, 3)))
    table = VoxelTable(cameras, mattes)
    build_volumes(table, mattes, CENTRE)
    once = table.nbytes
    build_volumes(table, mattes, CENTRE + 0.01)
    assert 0 < once == table.nbytes
    build_volumes(table, mattes, CENTRE + 1.0)
    assert once < table.nbytes < 3 * once


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-50.0, 50.0), min_size=3, max_size=3), st.sampled_from([1, 2, 4]))
def test_snapping_keeps_to_the_lattice(centre: list[float], step: int) -> None:
    corners, snapped = snap(np.array([centre]), step)
    assert np.abs(snapped - centre).max() <= step * VOXEL_M / 2 + 1e-9
    assert (corners % step == 0).all()
    np.testing.assert_allclose(VOXEL_M * (corners + SIDE / 2), snapped, atol=1e-9)


def test_the_hull_weighs_witnesses() -> None:
    """Bayes by hand: 8 of 8 cameras are nearly sure, 2 of 8 are sure of the contrary, silent cameras do not count."""
    channels = np.zeros((8, 2, 1, 1), dtype=bool)
    channels[:, 0] = True
    channels[:2, 1] = True
    odds = 0.006 / 0.994 * (0.95 / 0.3) ** 8
    hull = probabilistic_hull(channels)
    assert hull[0, 0, 0] == pytest.approx(odds / (1 + odds), rel=1e-5)
    assert hull[1, 0, 0] < 1e-6
    alone = channels.copy()
    alone[2:] = False
    odds = 0.006 / 0.994 * (0.95 / 0.3) ** 2
    np.testing.assert_allclose(probabilistic_hull(alone)[:, 0, 0], odds / (1 + odds), rtol=1e-5)
    seen = np.zeros(channels.shape, dtype=bool)
    seen[:2] = True
    np.testing.assert_allclose(probabilistic_hull(channels, seen), probabilistic_hull(alone), rtol=1e-5)
    assert probabilistic_hull(np.stack([channels, alone])).shape == (2, 2, 1, 1)


def test_mistakes_with_volumes_are_named() -> None:
    cameras = camera_ring(2)
    mattes = person_mattes(cameras, np.zeros((1, 3)))
    table = VoxelTable(cameras, mattes)
    with pytest.raises(KinefuseError, match="mattes of each camera"):
        VoxelTable(cameras, mattes[:1])
    with pytest.raises(KinefuseError, match="make a new table"):
        build_volumes(table, [mattes[0], empty_grid(cameras[1], 100)], CENTRE)
    with pytest.raises(KinefuseError, match="row 7"):
        build_volumes(table, mattes, CENTRE, np.array([[0, 7]]))
    with pytest.raises(KinefuseError, match=r"shape \(1, 2\)"):
        build_volumes(table, mattes, CENTRE, np.array([0]))
