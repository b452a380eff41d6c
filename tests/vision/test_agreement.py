"""A camera that looks at somebody else is found, and told where to look."""

import numpy as np
import pytest
from geometry_scenes import camera_ring, observe
from people_scenes import walker

from kinefuse.conventions import KEYPOINT_INDEX, mirror_permutation
from kinefuse.vision.agreement import (
    ViewTrack,
    body_middles,
    boxes_around,
    common_frames,
    find_jumps,
    find_strays,
    nearest_frames,
    regions_from_others,
    to_own_frames,
)

FRAMES = 30
BYSTANDER = np.array([-1.2, 0.0, -1.0])


def tracks(views: int, noise_px: float = 5.0) -> list[ViewTrack]:
    cameras = camera_ring(views)
    pixels = observe(cameras, walker(FRAMES))
    pixels += np.random.default_rng(0).normal(0, noise_px, pixels.shape)
    time = np.arange(FRAMES) / 30.0
    return [
        ViewTrack(camera=c, time=time, pixels=pixels[:, v], confidence=np.full((FRAMES, 26), 0.9))
        for v, c in enumerate(cameras)
    ]


def looking_elsewhere(track: ViewTrack, frames: slice) -> ViewTrack:
    pixels = track.pixels.copy()
    pixels[frames] = observe([track.camera], walker(FRAMES) * [0, 1, 0] + BYSTANDER)[frames, 0]
    return ViewTrack(camera=track.camera, time=track.time, pixels=pixels, confidence=track.confidence)


def test_nearest_frames_of_two_rates() -> None:
    own = np.arange(5) / 10.0
    found = nearest_frames(own, np.array([-0.2, -0.04, 0.0, 0.04, 0.06, 0.4, 0.46, 1.0]))
    assert found.tolist() == [-1, 0, 0, 0, 1, 4, -1, -1]
    assert nearest_frames(np.array([]), np.array([0.0])).tolist() == [-1]


def test_frames_between_instants_take_the_flag_of_the_nearest() -> None:
    flags = np.array([True, True, False, True])
    fast = to_own_frames(flags, np.array([2, 5, 8, 11]), 16)
    assert np.flatnonzero(fast).tolist() == [1, 2, 3, 4, 5, 6, 10, 11, 12]
    same = to_own_frames(flags, np.array([-1, 0, 1, 2]), 4)
    assert same.tolist() == [True, False, True, False]  # frame 3 is after the grid
    assert not to_own_frames(flags, np.full(4, -1), 3).any()


def test_a_stray_that_is_faster_than_the_grid_is_found_in_all_frames() -> None:
    slow = tracks(4)
    time = np.arange(40) / 60.0  # the others have more frames, and set the grid
    pixels = observe([slow[0].camera], walker(len(time), 60.0) * [0, 1, 0] + BYSTANDER)[:, 0]
    fast = ViewTrack(camera=slow[0].camera, time=time, pixels=pixels, confidence=np.full((len(time), 26), 0.9))
    longer = [
        ViewTrack(
            camera=track.camera,
            time=np.arange(60) / 30.0,
            pixels=np.concatenate([track.pixels, np.full_like(track.pixels, np.nan)]),
            confidence=np.concatenate([track.confidence, np.zeros_like(track.confidence)]),
        )
        for track in slow[1:]
    ]
    assert find_strays([fast, *longer])[0].all()


def test_common_frames_follow_the_clock() -> None:
    first, second = tracks(2)
    late = ViewTrack(camera=second.camera, time=second.time + 0.1, pixels=second.pixels, confidence=second.confidence)
    grid = common_frames([first, late])
    assert grid.frame[:5, 1].tolist() == [-1, -1, -1, 0, 1]
    assert np.isnan(grid.pixels[0, 1]).all()
    np.testing.assert_array_equal(grid.pixels[3, 1], second.pixels[0])


def test_middles_do_not_care_about_sides() -> None:
    track = tracks(1)[0]
    mirror = mirror_permutation(tuple(KEYPOINT_INDEX))
    middles, weight = body_middles(track.pixels, track.confidence)
    again, _ = body_middles(track.pixels[:, mirror], track.confidence)
    np.testing.assert_allclose(middles, again)
    assert weight.min() == pytest.approx(0.9)


@pytest.mark.parametrize("views", [3, 4])
def test_a_stray_is_found(views: int) -> None:
    seen = tracks(views)
    seen[1] = looking_elsewhere(seen[1], slice(8, 20))
    strays = find_strays(seen)
    expected = np.zeros(FRAMES, dtype=bool)
    expected[8:20] = True
    truly = np.linalg.norm(seen[1].pixels - tracks(views)[1].pixels, axis=-1)
    assert np.median(truly[8:20], axis=1).min() > 150
    np.testing.assert_array_equal(strays[1], expected)
    for v in set(range(views)) - {1}:
        assert not strays[v].any()


def test_jumps_to_another_body_are_counted() -> None:
    track = tracks(2)[1]
    assert find_jumps(track).tolist() == []
    assert find_jumps(looking_elsewhere(track, slice(8, 20))).tolist() == [8, 20]
    gone = track.pixels.copy()
    gone[5:9] = np.nan
    lost = ViewTrack(camera=track.camera, time=track.time, pixels=gone, confidence=track.confidence)
    assert find_jumps(lost).tolist() == []


def test_two_views_cannot_tell() -> None:
    seen = tracks(2)
    seen[1] = looking_elsewhere(seen[1], slice(0, FRAMES))
    assert not any(stray.any() for stray in find_strays(seen))


def test_regions_hold_the_person() -> None:
    truth = tracks(4, noise_px=0.0)
    seen = list(truth)
    seen[2] = looking_elsewhere(seen[2], slice(0, FRAMES))
    strays = [np.full(FRAMES, v == 2) for v in range(4)]
    boxes = regions_from_others(seen, 2, strays)
    low, high = truth[2].pixels.min(axis=1), truth[2].pixels.max(axis=1)
    assert (boxes[:, :2] < low).all()
    assert (boxes[:, 2:] > high).all()
    assert (boxes[:, 3] - boxes[:, 1] < 2 * (high - low)[:, 1]).all()


def test_frames_without_help_take_the_nearest_region() -> None:
    seen = tracks(3)
    strays = [np.zeros(FRAMES, dtype=bool) for _ in seen]
    strays[0][10:] = True
    boxes = regions_from_others(seen, 2, strays)
    np.testing.assert_array_equal(boxes[15], boxes[9])
    nowhere = [np.ones(FRAMES, dtype=bool) for _ in seen]
    assert np.isnan(regions_from_others(seen, 2, nowhere)).all()


def test_boxes_need_four_points() -> None:
    points = np.full((2, 26, 2), np.nan)
    points[0, :3] = 1.0
    points[1, :4] = [[0, 0], [10, 0], [0, 20], [10, 20]]
    boxes = boxes_around(points)
    assert np.isnan(boxes[0]).all()
    np.testing.assert_allclose(boxes[1], [-6, -6, 16, 26])
