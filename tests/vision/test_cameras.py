"""Projection and lens against OpenCV, and back again."""

from dataclasses import replace

import numpy as np
import pytest
from geometry_scenes import BENT, camera_ring, look_at, observe, person_points
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.recordings import Camera
from kinefuse.rotations import rotvec_from_matrix
from kinefuse.vision.cameras import (
    epipolar_distance,
    essential_matrix,
    fold_radius,
    project,
    project_within_lens,
    stack_cameras,
    undistort_pixels,
)


@pytest.fixture
def camera() -> Camera:
    return look_at("side", np.array([3.0, 1.5, 2.0]), np.array([0.0, 1.0, 0.0]), BENT)


def test_a_point_on_the_axis_is_seen_at_the_principal_point(camera: Camera) -> None:
    np.testing.assert_allclose(project(camera, np.array([0.0, 1.0, 0.0])), camera.matrix[:2, 2], atol=1e-9)


def test_up_in_the_world_is_up_in_the_image(camera: Camera) -> None:
    low, high = project(camera, np.array([[0.0, 0.9, 0.0], [0.0, 1.1, 0.0]]))
    assert high[1] < low[1] - 10.0  # v points down
    assert abs(high[0] - low[0]) < 1.0


def test_project_is_opencvs(camera: Camera) -> None:
    cv2 = pytest.importorskip("cv2")
    points = person_points(np.random.default_rng(0), 1, 200)[0]
    rotvec = rotvec_from_matrix(camera.R_camera_world)
    expected, _ = cv2.projectPoints(points, rotvec, camera.translation, camera.matrix, camera.distortions)
    np.testing.assert_allclose(project(camera, points), expected[:, 0], atol=1e-8)


def test_undistort_is_opencvs(camera: Camera) -> None:
    cv2 = pytest.importorskip("cv2")
    pixels = np.random.default_rng(0).uniform([0, 0], [1920, 1080], (200, 2))
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-14)
    expected = cv2.undistortPointsIter(
        pixels[:, None], camera.matrix, camera.distortions, np.eye(3), np.eye(3), criteria
    )
    np.testing.assert_allclose(undistort_pixels(camera, pixels), expected[:, 0], atol=1e-9)


def test_four_coefficients_mean_k3_is_zero(camera: Camera) -> None:
    four = replace(camera, distortions=camera.distortions[:4])
    five = replace(camera, distortions=np.append(camera.distortions[:4], 0.0))
    points = person_points(np.random.default_rng(1), 1)
    np.testing.assert_array_equal(project(four, points), project(five, points))
    assert stack_cameras([four]).distortions[0, 4] == 0.0


def test_behind_the_camera_and_missing_are_nan(camera: Camera) -> None:
    behind = camera.centre - 2.0 * camera.R_camera_world[2]
    pixels = project(camera, np.array([behind, camera.centre, [np.nan, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    assert np.isnan(pixels[:3]).all()
    assert np.isfinite(pixels[3]).all()


def test_missing_pixels_stay_missing_and_disturb_no_other(camera: Camera) -> None:
    pixels = np.array([[[100.0, 200.0], [np.nan, np.nan]], [[np.nan, 5.0], [1800.0, 900.0]]])
    ideal = undistort_pixels(camera, pixels)
    assert ideal.shape == (2, 2, 2)
    assert np.isnan(ideal[0, 1]).all()
    assert np.isnan(ideal[1, 0]).all()
    np.testing.assert_allclose(ideal[1, 1], undistort_pixels(camera, pixels[1, 1]), atol=1e-12)


def test_pixels_beyond_the_fold_of_the_lens_have_no_ray(camera: Camera) -> None:
    barrel = replace(camera, distortions=np.array([-0.5, 0.0, 0.0, 0.0]))
    # x (1 - 0.5 x²) is at most 0.544 for x > 0, so nothing is imaged farther than 654 px from the centre.
    rays = undistort_pixels(barrel, camera.matrix[:2, 2] + np.array([[640.0, 0.0], [700.0, 0.0]]))
    assert np.isfinite(rays[0]).all()
    assert np.isnan(rays[1]).all()


def test_points_beyond_the_fold_of_the_lens_are_not_in_the_image(camera: Camera) -> None:
    """With k1 = -0.25 the image of a point at x/z = 2 is the very centre; the fold is at x/z = 1.155."""
    barrel = replace(camera, distortions=np.array([-0.25, 0.0, 0.0, 0.0]))
    rays = np.array([[2.0, 0.0, 1.0], [1.2, 0.0, 1.0], [1.1, 0.0, 1.0], [0.0, 0.0, -1.0], [np.nan, 0.0, 1.0]])
    points = camera.centre + 3.0 * rays @ camera.R_camera_world
    np.testing.assert_allclose(project(barrel, points[0]), camera.matrix[:2, 2], atol=1e-6)
    seen = project_within_lens(barrel, points)
    assert np.isfinite(seen).all(axis=-1).tolist() == [False, False, True, False, False]
    np.testing.assert_allclose(seen[2], project(barrel, points[2]), rtol=1e-12)
    assert fold_radius(barrel) == pytest.approx(np.sqrt(4.0 / 3.0), abs=0.006)
    assert fold_radius(replace(camera, distortions=np.zeros(5))) == np.inf


def test_epipolar_distance_of_known_points() -> None:
    """True pairs lie on their lines; a point moved across its line is as far off as it was moved, shared by both."""
    first, second = camera_ring(2)
    point = np.array([[0.2, 1.1, -0.3]])
    one, two = (undistort_pixels(c, observe([c], point[None])[0, 0]) for c in (first, second))
    essential = essential_matrix(first, second)
    assert epipolar_distance(essential, one, two) == pytest.approx(0.0, abs=1e-12)
    line = essential @ np.append(one[0], 1.0)
    moved = two + 0.01 * line[:2] / np.linalg.norm(line[:2])
    assert epipolar_distance(essential, one, moved)[0] == pytest.approx(0.01 / np.sqrt(2), rel=0.1)


@settings(max_examples=30, deadline=None)
@given(
    k1=st.floats(-0.35, 0.35),
    k2=st.floats(-0.05, 0.1),
    p=st.tuples(st.floats(-0.004, 0.004), st.floats(-0.004, 0.004)),
    k3=st.floats(-0.02, 0.07),
    seed=st.integers(0, 10_000),
)
def test_undistort_inverts_project(k1: float, k2: float, p: tuple[float, float], k3: float, seed: int) -> None:
    camera = look_at("any", np.array([0.0, 1.0, 4.0]), np.array([0.0, 1.0, 0.0]), np.array([k1, k2, *p, k3]))
    ideal = np.random.default_rng(seed).uniform([-0.7, -0.4], [0.7, 0.4], (50, 2))
    depth = np.random.default_rng(seed + 1).uniform(1.0, 8.0, (50, 1))
    in_camera = np.concatenate([ideal * depth, depth], axis=1)
    points = (in_camera - camera.translation) @ camera.R_camera_world
    np.testing.assert_allclose(undistort_pixels(camera, project(camera, points)), ideal, atol=1e-8)
