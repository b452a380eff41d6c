import base64
from dataclasses import replace

import numpy as np
import pytest
from report_examples import camera, laboratory, walking

from kinefuse.body.models import load_anny
from kinefuse.recordings import JointCenters
from kinefuse.report.replay import floor_height, frustum, points_at, replay_data, replay_section, surface_is_usable
from kinefuse.vision.cameras import project


def test_a_hundred_frames_stay_small() -> None:
    motion = walking(frames=100)
    data = replay_data(motion, laboratory(motion), load_anny())
    assert data["frames"] == 100
    assert len(data["rotations"]) + len(data["joints"]["data"]) < 100 * 22 * 7 * 2 * 1.34
    assert len(np.frombuffer(base64.b64decode(data["surface"]["segments"]), np.uint8)) == 4 * 1982


def test_skin_weights_add_up() -> None:
    weights = np.frombuffer(
        base64.b64decode(replay_data(walking(frames=2), None, load_anny())["surface"]["weights"]), "<f4"
    )
    np.testing.assert_allclose(weights.reshape(-1, 4).sum(axis=1), 1.0, atol=1e-6)


def test_without_its_body_there_is_no_surface() -> None:
    motion, body = walking(frames=2), load_anny()
    assert surface_is_usable(motion, body)
    assert not surface_is_usable(motion, None)
    assert not surface_is_usable(replace(motion, body_name="smpl"), body)
    assert not surface_is_usable(replace(motion, shape=np.zeros(3)), body)
    assert "surface" not in replay_data(motion, None, None)
    assert "skeleton is shown" in replay_section(motion, None, None)


def test_long_trials_say_how_many_frames_are_shown() -> None:
    page = replay_section(walking(frames=4000), None, None)
    assert "shows 1334 of 4000 frames" in page


def test_nothing_to_show() -> None:
    motion = walking(frames=3)
    page = replay_section(replace(motion, positions=np.full_like(motion.positions, np.nan)), None, None)
    assert "<canvas" not in page


def test_the_corners_of_a_frustum_are_seen_in_the_corners_of_the_image() -> None:
    one = camera("a", 1.0)
    seen = project(one, np.array(frustum(one)["corners"]))
    np.testing.assert_allclose(seen, [[0, 0], [640, 0], [640, 480], [0, 480]], atol=0.5)


@pytest.mark.parametrize("height, floor", [(0.06, 0.0), (-1.2, -1.24), (0.9, 0.86)])
def test_floor_lies_under_the_feet_where_zero_cannot_be_it(height: float, floor: float) -> None:
    assert floor_height(np.full((3, 22, 3), height)) == pytest.approx(floor)


def test_floor_of_a_body_without_feet() -> None:
    assert floor_height(np.full((3, 22, 3), np.nan)) == 0.0


def test_measured_points_are_the_nearest_in_time_or_missing() -> None:
    time = np.array([0.0, 0.1, 0.2])
    centers = JointCenters(names=("nose",), time=time, positions=time[:, None, None] * np.ones(3))
    found = points_at(centers, np.array([-0.5, 0.04, 0.06, 0.2, 0.9]))[:, 0, 0]
    np.testing.assert_allclose(found, [np.nan, 0.0, 0.1, 0.2, np.nan])
