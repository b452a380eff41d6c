from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from report_examples import laboratory, walking

from kinefuse.body.kinematics import skin_vertices
from kinefuse.body.models import load_anny
from kinefuse.conventions import JOINT_INDEX, KEYPOINTS
from kinefuse.report.agreement import body_points, median_px, nearest_frames, reprojection_errors, view_times


def test_points_move_with_their_segments_as_the_skin_does() -> None:
    motion, body = walking(frames=5), load_anny()
    names, places = body_points(motion, body)
    rows = body.point_index(names)
    expected = skin_vertices(
        torch.tensor(motion.R_world_segment), torch.tensor(motion.positions), torch.tensor(motion.rest_positions),
        torch.tensor(body.points_mean[rows]), torch.tensor(body.point_segment[rows])[:, None],
        torch.ones(len(rows), 1).double(),
    )  # fmt: skip
    np.testing.assert_allclose(places, expected.numpy(), atol=1e-9)


def test_without_the_body_only_joints_are_points() -> None:
    motion = walking(frames=3)
    names, places = body_points(motion, None)
    assert set(names) < set(KEYPOINTS)
    knee = places[:, names.index("knee_l")]
    np.testing.assert_array_equal(knee, motion.positions[:, JOINT_INDEX["knee_l"]])


def test_a_shift_of_three_pixels_is_found_in_the_camera_that_has_it() -> None:
    motion = walking(frames=20)
    errors = reprojection_errors(motion, laboratory(motion), load_anny())
    medians = {name: median_px(list(of_points.values())) for name, of_points in errors.items()}
    assert medians == {"cam_1": pytest.approx(3.0), "cam_2": pytest.approx(0.0), "cam_3": pytest.approx(0.0)}


def test_the_nearest_of_several_people_counts() -> None:
    motion = walking(frames=6)
    recording = laboratory(motion)
    view = recording.views[0]
    assert view.keypoints is not None
    both = replace(
        view.keypoints,
        pixels=np.concatenate([view.keypoints.pixels + 200.0, view.keypoints.pixels], axis=1),
        confidence=np.repeat(view.keypoints.confidence, 2, axis=1),
    )
    errors = reprojection_errors(motion, replace(recording, views=(replace(view, keypoints=both),)), load_anny())
    assert median_px(list(errors["cam_1"].values())) == pytest.approx(3.0)


def test_views_whose_time_is_unknown_are_left_out() -> None:
    motion = walking(frames=6)
    recording = laboratory(motion)
    views = (replace(recording.views[0], start_s=None), replace(recording.views[1], rate_hz=None))
    assert reprojection_errors(motion, replace(recording, views=views), None) == {}
    assert view_times(views[0]) is None


@given(st.floats(-1.0, 3.0))
@settings(max_examples=50, deadline=None)
def test_nearest_frame_is_the_nearest(wanted: float) -> None:
    time = np.arange(40) / 20.0
    at = int(nearest_frames(time, np.array([wanted]))[0])
    distance = np.abs(time - wanted)
    if at < 0:
        assert distance.min() > 0.05 - 1e-9
    else:
        assert distance[at] == distance.min()


def test_no_values_no_median() -> None:
    assert median_px([]) is None
    assert median_px([np.zeros(0)]) is None
