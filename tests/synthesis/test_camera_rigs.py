"""Camera rigs see the volume; made-up detections err as much as they are told to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.conventions import KEYPOINT_INDEX, KEYPOINTS
from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.synthesis.cameras import (
    DetectorFaults,
    camera_ring,
    detect,
    film,
    is_hidden,
    keypoint_bias,
    keypoint_positions,
    line_distance,
    look_at,
)
from kinefuse.synthesis.gait import Walk, walk
from kinefuse.synthesis.person import demo_person
from kinefuse.vision.cameras import project

PERSON = demo_person()
SHAPE = np.zeros(0)
PERFECT = DetectorFaults(
    hip_bias_m=0.0, bias_m=0.0, jitter_m=0.0, hidden_dropped=0.0, dropped=0.0, outliers=0.0, correlated_share=0.5
)


@pytest.fixture(scope="module")
def motion() -> Motion:
    return walk(PERSON, Walk(rate_hz=60.0))


def test_cameras_stand_around_the_volume_and_see_all_of_the_walk(motion: Motion) -> None:
    points = keypoint_positions(motion, PERSON, SHAPE)
    for camera in camera_ring(4):
        pixels = project(camera, points)
        assert (pixels >= 0).all()
        assert (pixels < np.array(camera.size)).all()
        assert 1.2 < camera.centre[1] < 2.4
        assert camera.R_camera_world[1, 1] < -0.9  # image rows run downwards


@pytest.mark.parametrize("count", [1, 2, 8])
def test_as_many_cameras_as_asked(count: int) -> None:
    cameras = camera_ring(count)
    assert [camera.name for camera in cameras] == [f"cam_{i + 1}" for i in range(count)]


def test_no_camera_is_a_mistake() -> None:
    with pytest.raises(KinefuseError, match="at least one"):
        camera_ring(0)


def test_look_at_puts_the_aim_on_the_axis() -> None:
    place, aim = np.array([3.0, 1.5, -2.0]), np.array([0.2, 1.0, 0.1])
    seen = look_at(place, aim) @ (aim - place)
    assert np.allclose(seen, np.linalg.norm(aim - place) * np.array([0.0, 0.0, 1.0]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=12, max_size=12))
def test_distance_of_lines_agrees_with_a_search(numbers: list[float]) -> None:
    p, q, a, b = np.array(numbers).reshape(4, 3)
    s = np.linspace(0, 1, 101)
    one, two = p + s[:, None] * (q - p), a + s[:, None] * (b - a)
    searched = np.linalg.norm(one[:, None] - two, axis=-1).min()
    exact = line_distance(p, q, a, b)
    assert exact <= searched + 1e-6  # a micrometre: lines shorter than that count as points
    assert searched - exact < 0.05


def test_the_far_arm_is_hidden_behind_the_trunk_and_the_near_one_is_not(motion: Motion) -> None:
    points = keypoint_positions(motion, PERSON, SHAPE)[:1]
    on_the_right = motion.positions[0, 0] + np.array([0.0, 0.2, 4.0])  # Z is the walker's right
    hidden = dict(zip(KEYPOINTS, is_hidden(on_the_right, points, motion.positions[:1])[0], strict=True))
    assert hidden["elbow_l"]
    assert hidden["knee_l"]
    assert not hidden["elbow_r"]
    assert not hidden["knee_r"]
    assert not hidden["nose"]


def test_bias_is_constant_on_the_body_and_of_the_stated_size() -> None:
    faults = DetectorFaults()
    bias = np.array([keypoint_bias(np.random.default_rng(seed), faults) for seed in range(300)])
    length = np.linalg.norm(bias, axis=-1).mean(0)
    assert length[KEYPOINT_INDEX["hip_r"]] == pytest.approx(0.025, rel=0.1)
    assert length[KEYPOINT_INDEX["knee_r"]] == pytest.approx(0.012, rel=0.1)


def test_bias_turns_with_the_segment(motion: Motion) -> None:
    bias = keypoint_bias(np.random.default_rng(0), DetectorFaults())
    shift = keypoint_positions(motion, PERSON, SHAPE, bias) - keypoint_positions(motion, PERSON, SHAPE)
    knee = KEYPOINT_INDEX["knee_r"]
    assert np.allclose(np.linalg.norm(shift[:, knee], axis=1), np.linalg.norm(bias[knee]))
    assert np.linalg.norm(np.ptp(shift[:, knee], axis=0)) > 0.004


def test_a_perfect_detector_sees_the_projection(motion: Motion) -> None:
    cameras = camera_ring(2)
    views = film(motion, PERSON, SHAPE, cameras, np.random.default_rng(0), 60.0, faults=PERFECT)
    points = keypoint_positions(motion, PERSON, SHAPE)
    for camera, view in zip(cameras, views, strict=True):
        assert view.keypoints is not None
        assert np.nanmax(np.abs(view.keypoints.pixels[:, 0] - project(camera, points))) < 1e-6
        assert (view.keypoints.confidence > 0).mean() == 1.0


def test_a_late_camera_sees_later_frames(motion: Motion) -> None:
    cameras = camera_ring(2)
    views = film(motion, PERSON, SHAPE, cameras, np.random.default_rng(0), 60.0, [0.0, 0.1], PERFECT)
    late = views[1].keypoints
    assert late is not None
    assert views[1].start_s == 0.1
    points = keypoint_positions(motion, PERSON, SHAPE)[6:]
    assert np.nanmax(np.abs(late.pixels[:, 0] - project(cameras[1], points))) < 1e-6


def test_jitter_is_of_the_stated_size_and_hidden_points_are_worse(motion: Motion) -> None:
    camera = camera_ring(1)[0]
    points = keypoint_positions(motion, PERSON, SHAPE)
    faults = DetectorFaults(outliers=0.0)
    found = detect(camera, points, motion.positions, 60.0, np.random.default_rng(1), faults)
    hidden = is_hidden(camera.centre, points, motion.positions)
    depth = np.linalg.norm(points - camera.centre, axis=-1)
    error = (found.pixels[:, 0] - project(camera, points)) * (depth / camera.matrix[0, 0])[..., None]
    confidence = found.confidence[:, 0]
    assert np.nanstd(error[~hidden]) == pytest.approx(faults.jitter_m, rel=0.1)
    assert np.nanstd(error[hidden]) == pytest.approx(3 * faults.jitter_m, rel=0.2)
    assert confidence[hidden].max() <= 0.6 < 0.7 <= confidence[~hidden & (confidence > 0)].min()
    assert (confidence[hidden] == 0).mean() > (confidence[~hidden] == 0).mean() + 0.05


def test_some_points_are_far_off(motion: Motion) -> None:
    camera = camera_ring(1)[0]
    points = keypoint_positions(motion, PERSON, SHAPE)
    found = detect(camera, points, motion.positions, 60.0, np.random.default_rng(1), DetectorFaults())
    off = np.linalg.norm(found.pixels[:, 0] - project(camera, points), axis=-1)
    far = np.nanmean(off > 60)
    assert 0.0003 < far < 0.01


def test_filming_refuses_gaps_and_wrong_counts(motion: Motion) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(KinefuseError, match="one start for each"):
        film(motion, PERSON, SHAPE, camera_ring(2), rng, starts_s=[0.0])
    holey = walk(PERSON, Walk(rate_hz=60.0, duration_s=1.0))
    holey.positions[5] = np.nan
    with pytest.raises(KinefuseError, match="gaps"):
        film(holey, PERSON, SHAPE, camera_ring(1), rng)
