"""Triangulation: known answers, what it owes to geometry, its covariance, and other tools' results."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from geometry_scenes import BENT, camera_ring, look_at, moved_camera, observe, person_points, read_trc
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.errors import KinefuseError
from kinefuse.formats.calibration import read_calibration
from kinefuse.formats.openpose import read_openpose_folder
from kinefuse.recordings import Camera
from kinefuse.rotations import matrix_from_rotvec
from kinefuse.vision.triangulation import triangulate, triangulate_plain

Scene = tuple[list[Camera], np.ndarray, np.ndarray]


def scene(seed: int = 0, frames: int = 20, noise_px: float = 0.0, cameras: int = 4) -> Scene:
    """Return cameras with bent lenses, true points (T, K, 3) and their pixels (T, V, K, 2)."""
    rng = np.random.default_rng(seed)
    ring = camera_ring(cameras, BENT)
    points = person_points(rng, frames)
    pixels = observe(ring, points)
    return ring, points, pixels + rng.normal(0.0, noise_px, pixels.shape)


def certain(pixels: np.ndarray) -> np.ndarray:
    return np.isfinite(pixels[..., 0]).astype(float)


def test_exact_pixels_give_exact_points() -> None:
    cameras, points, pixels = scene()
    result = triangulate(cameras, pixels, certain(pixels))
    np.testing.assert_allclose(result.positions, points, atol=1e-8)
    assert result.used.all()
    assert result.reprojection_px.max() < 1e-5


def test_plain_is_exact_for_straight_lenses() -> None:
    cameras = camera_ring(4)
    points = person_points(np.random.default_rng(3), 400)
    pixels = observe(cameras, points)
    pixels[::7, 1, 4] = np.nan
    np.testing.assert_allclose(triangulate_plain(cameras, pixels, certain(pixels)), points, atol=1e-8)


def test_plain_needs_two_views() -> None:
    cameras = camera_ring(3)
    pixels = observe(cameras, person_points(np.random.default_rng(3), 2))
    trust = certain(pixels)
    trust[0, :2, 5] = 0.0
    plain = triangulate_plain(cameras, pixels, trust)
    assert np.isnan(plain[0, 5]).all()
    assert np.isnan(plain).any(axis=2).sum() == 1


def test_gauss_newton_finds_the_least_reprojection_error() -> None:
    cameras, _, pixels = scene(noise_px=3.0, frames=3)
    result = triangulate(cameras, pixels, certain(pixels), max_error_px=np.inf)
    best = (result.reprojection_px**2).sum(axis=1)
    for step in np.vstack([np.eye(3), -np.eye(3)]) * 1e-3:
        moved = np.linalg.norm(observe(cameras, result.positions + step) - pixels, axis=-1)
        assert ((moved**2).sum(axis=1) > best).all()


def test_fewer_than_two_views_is_missing() -> None:
    cameras, points, pixels = scene()
    trust = certain(pixels)
    trust[3, 1:, 7] = 0.0
    pixels[4, :, 2] = np.nan
    pixels[5, :2, 9] = np.nan
    result = triangulate(cameras, pixels, trust)
    assert np.isnan(result.positions[3, 7]).all()
    assert np.isnan(result.covariance[3, 7]).all()
    assert np.isnan(result.positions[4, 2]).all()
    assert not result.used[3, :, 7].any()
    np.testing.assert_allclose(result.positions[5, 9], points[5, 9], atol=1e-8)
    np.testing.assert_array_equal(result.used[5, :, 9], [False, False, True, True])


def test_min_views_and_min_confidence_are_kept() -> None:
    cameras, _, pixels = scene()
    trust = certain(pixels)
    trust[:, 0] = 0.2
    pixels[0, 1, 0] = np.nan
    result = triangulate(cameras, pixels, trust, min_confidence=0.3, min_views=3)
    assert not result.used[:, 0].any()
    assert np.isnan(result.positions[0, 0]).all()
    assert np.isfinite(result.positions[1:]).all()


@pytest.mark.parametrize("views", [4, 10])
def test_a_wrong_view_is_found_and_left_out(views: int) -> None:
    cameras, points, pixels = scene(noise_px=0.5, cameras=views)
    pixels[2, 1, 3] += [60.0, -40.0]
    pixels[7, 3, 20] += [-90.0, 30.0]
    result = triangulate(cameras, pixels, certain(pixels))
    assert not result.used[2, 1, 3]
    assert not result.used[7, 3, 20]
    assert (~result.used).sum() == 2
    assert result.reprojection_px[2, 1, 3] > 50.0
    assert np.linalg.norm(result.positions - points, axis=-1).max() < 0.02


@pytest.mark.parametrize("views", [5, 10])
def test_two_wrong_views_are_found(views: int) -> None:
    cameras, points, pixels = scene(noise_px=0.5, cameras=views)
    pixels[:, 0, 3] += [0.0, 120.0]
    pixels[:, 2, 3] -= [0.0, 90.0]
    result = triangulate(cameras, pixels, certain(pixels))
    assert not result.used[:, [0, 2], 3].any()
    assert result.used[:, [1, 3, 4], 3].all()
    assert np.linalg.norm(result.positions - points, axis=-1).max() < 0.02


def test_two_views_that_disagree_give_nothing() -> None:
    cameras, _, pixels = scene(cameras=2)
    pixels[1, 0, 1, 1] += 150.0
    result = triangulate(cameras, pixels, certain(pixels))
    assert np.isnan(result.positions[1, 1]).all()
    assert not result.used[1, :, 1].any()


def test_a_point_behind_the_cameras_is_missing() -> None:
    target = np.array([0.0, 1.0, 0.0])
    pair = [look_at(n, np.array([x, 1.0, 4.0]), target) for n, x in (("a", -1.0), ("b", 1.0))]
    left_and_right = np.array([[[[100.0, 540.0]], [[1820.0, 540.0]]]])
    inwards = triangulate(pair, left_and_right[:, ::-1], np.ones((1, 2, 1)))
    outwards = triangulate(pair, left_and_right, np.ones((1, 2, 1)))  # these rays would meet behind the cameras
    assert np.isfinite(inwards.positions).all()
    assert np.isnan(outwards.positions).all()


def test_nearly_parallel_rays_have_a_large_covariance() -> None:
    target = np.array([0.0, 1.0, 0.0])
    wide = [look_at(n, np.array([x, 1.0, 4.0]), target) for n, x in (("a", -2.0), ("b", 2.0))]
    narrow = [look_at(n, np.array([x, 1.0, 4.0]), target) for n, x in (("a", -0.02), ("b", 0.02))]
    points = person_points(np.random.default_rng(0), 50)
    sizes = []
    for cameras in (wide, narrow):
        pixels = observe(cameras, points) + np.random.default_rng(1).normal(0.0, 1.0, (50, 2, 26, 2))
        result = triangulate(cameras, pixels, np.ones((50, 2, 26)), max_error_px=np.inf)
        sizes.append(np.sqrt(np.nanmedian(np.trace(result.covariance, axis1=-2, axis2=-1))))
    assert sizes[0] < 0.01
    assert sizes[1] > 0.2


def test_noise_is_told_per_camera() -> None:
    cameras, _, pixels = scene(frames=400)
    levels = np.array([1.0, 2.0, 4.0, 1.5])
    noisy = pixels + np.random.default_rng(5).normal(0.0, 1.0, pixels.shape) * levels[:, None, None]
    result = triangulate(cameras, noisy, certain(noisy), max_error_px=np.inf)
    np.testing.assert_allclose(result.noise_px, levels, rtol=0.06)


@pytest.mark.parametrize("views", [2, 4])
def test_covariance_is_as_large_as_the_errors(views: int) -> None:
    cameras, points, pixels = scene(frames=300, noise_px=0.0, cameras=3 if views == 2 else views)
    cameras, pixels = cameras[:views], pixels[:, :views]
    rng = np.random.default_rng(views)
    trust = rng.uniform(0.2, 1.0, pixels.shape[:3])
    noisy = pixels + rng.normal(0.0, 2.0, pixels.shape) / np.sqrt(trust)[..., None]
    result = triangulate(cameras, noisy, trust, max_error_px=np.inf)
    error = result.positions - points
    squares = np.einsum("tki,tkij,tkj->tk", error, np.linalg.inv(result.covariance), error)
    assert squares.mean() == pytest.approx(3.0, abs=0.15)  # chi-squared with three degrees of freedom
    assert (squares > 7.815).mean() == pytest.approx(0.05, abs=0.012)


def test_frames_do_not_influence_each_other() -> None:
    cameras, _, pixels = scene(noise_px=2.0, frames=6)
    whole = triangulate(cameras, pixels, certain(pixels), max_error_px=15.0)
    half = triangulate(cameras, pixels[3:], certain(pixels[3:]), max_error_px=15.0)
    np.testing.assert_allclose(whole.positions[3:], half.positions, atol=1e-10)


def test_no_frames_give_no_points() -> None:
    cameras, _, pixels = scene(frames=1)
    empty = triangulate(cameras, pixels[:0], certain(pixels[:0]))
    assert empty.positions.shape == (0, 26, 3)
    assert empty.used.shape == (0, 4, 26)


def test_nothing_seen_gives_nothing() -> None:
    cameras, _, pixels = scene(frames=2)
    result = triangulate(cameras, np.full_like(pixels, np.nan), np.zeros(pixels.shape[:3]))
    assert np.isnan(result.positions).all()
    assert np.isnan(result.noise_px).all()
    assert not result.used.any()


def test_mistakes_are_told() -> None:
    cameras, _, pixels = scene(frames=1)
    with pytest.raises(KinefuseError, match="at least two calibrated cameras"):
        triangulate(cameras[:1], pixels[:, :1], certain(pixels[:, :1]))
    with pytest.raises(KinefuseError, match="4 cameras"):
        triangulate(cameras, pixels[:, :3], certain(pixels[:, :3]))
    with pytest.raises(KinefuseError, match="confidence of shape"):
        triangulate(cameras, pixels, certain(pixels)[:, :, :5])
    with pytest.raises(KinefuseError, match="min_views"):
        triangulate(cameras, pixels, certain(pixels), min_views=1)


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(5)), seed=st.integers(0, 1000))
def test_the_order_of_cameras_does_not_matter(order: list[int], seed: int) -> None:
    cameras, _, pixels = scene(seed, frames=4, noise_px=2.0, cameras=5)
    pixels[1, seed % 5, 3] += 70.0
    pixels[2, :3, 6] = np.nan
    straight = triangulate(cameras, pixels, certain(pixels))
    shuffled = triangulate([cameras[i] for i in order], pixels[:, order], certain(pixels)[:, order])
    np.testing.assert_allclose(shuffled.positions, straight.positions, atol=1e-9)
    np.testing.assert_array_equal(shuffled.used, straight.used[:, order])
    np.testing.assert_allclose(shuffled.covariance, straight.covariance, rtol=1e-6, atol=1e-15)


vectors = st.tuples(*[st.floats(-3.0, 3.0)] * 3).map(np.array)


@settings(max_examples=15, deadline=None)
@given(turn=vectors, shift=vectors, seed=st.integers(0, 1000))
def test_points_move_with_the_world(turn: np.ndarray, shift: np.ndarray, seed: int) -> None:
    cameras, _, pixels = scene(seed, frames=3, noise_px=2.0)
    rotation = matrix_from_rotvec(turn)
    before = triangulate(cameras, pixels, certain(pixels))
    after = triangulate([moved_camera(c, rotation, shift) for c in cameras], pixels, certain(pixels))
    np.testing.assert_allclose(after.positions, before.positions @ rotation.T + shift, atol=1e-8)
    np.testing.assert_allclose(after.covariance, rotation @ before.covariance @ rotation.T, atol=1e-10)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_mirrored_world_has_mirrored_points(seed: int) -> None:
    cameras, _, pixels = scene(seed, frames=3, noise_px=2.0)
    mirror = np.diag([-1.0, 1.0, 1.0])
    flipped = [
        replace(
            camera,
            R_camera_world=mirror @ camera.R_camera_world @ mirror,
            translation=mirror @ camera.translation,
            distortions=camera.distortions * [1.0, 1.0, 1.0, -1.0, 1.0],
        )
        for camera in cameras
    ]
    flipped_pixels = pixels * [-1.0, 1.0] + [2.0 * 960.0, 0.0]
    before = triangulate(cameras, pixels, certain(pixels))
    after = triangulate(flipped, flipped_pixels, certain(pixels))
    np.testing.assert_allclose(after.positions, before.positions @ mirror, atol=1e-8)


def test_pose2sim_finds_the_same_points(balancing: Path) -> None:
    cameras = read_calibration(balancing / "calibration" / "Calib_qualisys.toml")
    folders = sorted((balancing / "pose" / "associated").iterdir())
    views = [read_openpose_folder(folder, "body25b", first_number=0) for folder in folders]
    names, expected = read_trc(balancing / "reference" / "pose2sim_raw.trc")
    columns = [views[0].names.index(_our_name(name)) for name in names]
    pixels = np.stack([view.pixels[:, 0, columns] for view in views], axis=1)
    trust = np.stack([view.confidence[:, 0, columns] for view in views], axis=1)
    # Pose2Sim multiplies the equations by the confidence, so their squares by its square.
    points = triangulate_plain(cameras, pixels, trust**2)
    difference = 1e3 * np.linalg.norm(points - expected, axis=-1)
    assert np.median(difference) < 2.0


def _our_name(marker: str) -> str:
    """Return this library's name of one of Pose2Sim's markers, ``LBigToe`` for example."""
    alone = {"Neck": "neck", "Head": "head_top", "Nose": "nose"}
    parts = {"BigToe": "big_toe", "SmallToe": "small_toe"}
    return alone.get(marker) or f"{parts.get(marker[1:], marker[1:].lower())}_{marker[0].lower()}"
