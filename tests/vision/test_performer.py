"""The performer's centre from mattes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from geometry_scenes import BENT, camera_ring, look_at
from volume_scenes import person_mattes, person_middle, turned

from kinefuse.recordings import Camera
from kinefuse.vision.mattes import Mattes, pack_mattes
from kinefuse.vision.performer import find_performer, matte_middles
from kinefuse.vision.volumes import VoxelTable

PLACES = np.array([[0.0, 0.0, 0.0], [0.6, 0.0, -0.4], [-0.9, 0.1, 0.7]])


def middles(angles: np.ndarray) -> np.ndarray:
    """Return the middles (T, 3) of people at `PLACES`, turned by `angles` (T,)."""
    return np.array([at + turned(a) @ person_middle() for at, a in zip(PLACES, angles, strict=True)])


def centre_errors(cameras: Sequence[Camera], mattes: list[Mattes], **more: np.ndarray) -> np.ndarray:
    """Return the distance (T,) metres of the centres from the middle of the person's volume."""
    found = find_performer(VoxelTable(cameras, mattes), mattes, **more)
    return np.asarray(np.linalg.norm(found - middles(np.zeros(3)), axis=1))


def edited(matte: Mattes, frames: slice, cells: tuple[slice, slice], value: bool) -> Mattes:
    """Return the mattes with a rectangle of cells (rows, columns) set or cleared in some frames."""
    images = matte.frames()
    images[(frames, *cells)] = value
    return replace(matte, packed=pack_mattes(list(images), matte.size))


def without(matte: Mattes, frames: slice) -> Mattes:
    return edited(matte, frames, np.s_[:, :], False)


CASES = [((0, 2), 0.09), ((0, 3, 5), 0.11), ((0, 2, 4, 6), 0.07), (tuple(range(8)), 0.06)]


@pytest.mark.parametrize(("chosen", "worst"), CASES)
def test_centre_of_a_rendered_person(chosen: tuple[int, ...], worst: float) -> None:
    """Near the middle of the body; the hull is fatter than the body, and more so around thin limbs."""
    cameras = [camera_ring(8, BENT, radius=5.0)[i] for i in chosen]
    angles = np.array([0.3, 2.0, -1.2])
    mattes = person_mattes(cameras, PLACES, angles)
    errors = find_performer(VoxelTable(cameras, mattes), mattes) - middles(angles)
    assert np.linalg.norm(errors, axis=1).max() < worst


def test_order_of_cameras_does_not_move_the_centre() -> None:
    cameras = camera_ring(5)
    mattes = person_mattes(cameras, PLACES)
    forward = find_performer(VoxelTable(cameras, mattes), mattes)
    backward = find_performer(VoxelTable(cameras[::-1], mattes[::-1]), mattes[::-1])
    np.testing.assert_allclose(forward, backward, atol=1e-6)


def test_a_false_spot_in_one_camera_moves_little() -> None:
    """A spot as large as the person, in a corner of one image of four."""
    cameras = camera_ring(4, radius=5.0)
    mattes = person_mattes(cameras, PLACES)
    spotted = [edited(mattes[0], slice(None), np.s_[:45, :45], True), *mattes[1:]]
    assert spotted[0].frames().sum() > 1.9 * mattes[0].frames().sum()
    assert centre_errors(cameras, spotted).max() < 0.08


def test_a_person_partly_outside_of_some_images() -> None:
    """Two of six cameras are tilted down: they lose the person from the hips upwards."""
    cameras = camera_ring(6, radius=5.0)
    for view in (1, 4):
        cameras[view] = look_at(f"down_{view}", cameras[view].centre, np.array([0.0, -1.2, 0.0]))
    mattes = person_mattes(cameras, PLACES)
    cut = mattes[1].frames()
    assert cut[:, 0].any()
    assert centre_errors(cameras, mattes).max() < 0.08


def test_fewer_than_two_cameras_with_a_person_is_a_gap() -> None:
    cameras = camera_ring(4, radius=5.0)
    mattes = person_mattes(cameras, PLACES)
    emptied = [mattes[0], *(without(matte, slice(1, 2)) for matte in mattes[1:])]
    errors = centre_errors(cameras, emptied, near=np.tile(person_middle(), (3, 1)))
    assert np.isnan(errors[1])
    assert errors[[0, 2]].max() < 0.06
    assert np.isnan(centre_errors(cameras[:1], mattes[:1])).all()


def test_two_empty_cameras_of_four_cost_nothing_but_certainty() -> None:
    cameras = camera_ring(4, radius=5.0)
    mattes = person_mattes(cameras, PLACES)
    some = [without(mattes[0], slice(None)), *mattes[1:3], without(mattes[3], slice(None))]
    assert centre_errors(cameras, some).max() < 0.08


def test_two_cameras_that_contradict_each_other_give_no_centre() -> None:
    """One sees the person at the top left, the other at the bottom: the rays pass each other by metres."""
    cameras = camera_ring(4, radius=5.0)[:2]
    mattes = [without(matte, slice(None)) for matte in person_mattes(cameras, PLACES)]
    apart = [
        edited(mattes[0], slice(None), np.s_[:20, :20], True),
        edited(mattes[1], slice(None), np.s_[-20:, -20:], True),
    ]
    assert np.isnan(centre_errors(cameras, apart)).all()


def test_the_previous_frame_helps_where_the_first_guess_would_fail() -> None:
    """Large false spots in three of five cameras; from a place 30 cm away the hull still finds the person."""
    cameras = camera_ring(5, radius=5.0)
    mattes = person_mattes(cameras, PLACES)
    spotted = [*mattes[:2], *(edited(matte, slice(None), np.s_[:55, -75:], True) for matte in mattes[2:])]
    near = middles(np.zeros(3)) + np.array([0.2, -0.1, 0.2])
    assert centre_errors(cameras, spotted, near=near).max() < 0.12


def test_specks_are_no_person() -> None:
    """Four cells are too few; middles are in calibrated pixels, at the middle of a cell's eight."""
    camera = camera_ring(1)[0]
    matte = without(person_mattes([camera], PLACES)[0], slice(None))
    matte = edited(matte, slice(0, 1), np.s_[10:12, 20:22], True)
    matte = edited(matte, slice(1, 2), np.s_[10:21, 20:31], True)
    points, shows = matte_middles([matte], np.arange(3)[:, None])
    assert shows[:, 0].tolist() == [False, True, False]
    np.testing.assert_allclose(points[1, 0], 8 * np.array([25, 15]) + 3.5)
    assert np.isnan(points[[0, 2], 0]).all()
