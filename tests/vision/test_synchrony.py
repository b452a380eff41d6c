"""The common time grid, and starts that the movement tells."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import people_scenes
import pytest
from geometry_scenes import BENT, camera_ring
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.conventions import KEYPOINTS
from kinefuse.errors import KinefuseError
from kinefuse.recordings import Camera, Keypoints, View
from kinefuse.vision.cameras import project
from kinefuse.vision.synchrony import common_grid, estimate_start_offsets

NAMES = ("nose", "hip_l", "knee_l", "ankle_l", "wrist_r", "elbow_r", "knee_r", "ankle_r")


def walker(time: np.ndarray, swing: float = 0.3) -> np.ndarray:
    """Return points (T, K, 3) metres that swing at different phases and wander, as limbs do."""
    phase = 2.0 * np.pi * time[:, None] * 0.9 + np.arange(len(NAMES))
    x = swing * np.sin(phase) + 0.2 * np.cos(0.31 * phase)
    z = 0.6 * swing * np.cos(1.3 * phase)
    y = 0.2 + 0.2 * np.arange(len(NAMES)) + 0.3 * swing * np.sin(2.0 * phase)
    return np.stack([x, y, z], axis=-1)


def stroller(time: np.ndarray, _: float = 0.0) -> np.ndarray:
    """Return points (T, K, 3) metres of somebody who walks on a circle; `time` is whole 60ths of a second from 0."""
    return people_scenes.walker(600, 60.0)[np.rint(60.0 * time).astype(int)][:, [KEYPOINTS.index(n) for n in NAMES]]


def view_of(
    camera: Camera,
    start_s: float,
    rate_hz: float,
    frames: int,
    swing: float = 0.3,
    noise: float = 0.0,
    moves: Callable[[np.ndarray, float], np.ndarray] = walker,
) -> View:
    time = start_s + np.arange(frames) / rate_hz
    pixels = project(camera, moves(time, swing))
    pixels = pixels + np.random.default_rng(len(camera.name) + frames).normal(0.0, noise, pixels.shape)
    points = Keypoints(names=NAMES, pixels=pixels[:, None], confidence=np.ones((frames, 1, len(NAMES))))
    return View(camera=camera.name, rate_hz=rate_hz, start_s=start_s, keypoints=points)


def ramp_view(name: str, start_s: float, rate_hz: float, frames: int, names: tuple[str, ...] = ("nose",)) -> View:
    """Return a view whose pixels are its time in (milliseconds, seconds)."""
    time = start_s + np.arange(frames) / rate_hz
    pixels = np.broadcast_to(np.stack([1e3 * time, time], axis=1)[:, None, None], (frames, 1, len(names), 2)).copy()
    points = Keypoints(names=names, pixels=pixels, confidence=np.ones((frames, 1, len(names))))
    return View(camera=name, rate_hz=rate_hz, start_s=start_s, keypoints=points)


def test_equal_clocks_are_left_alone() -> None:
    views = [ramp_view(name, 0.5, 60.0, 100) for name in "abc"]
    grid = common_grid(views)
    assert not grid.interpolated.any()
    assert grid.time[0] == 0.5
    assert grid.pixels.shape == (100, 3, 1, 2)
    np.testing.assert_array_equal(grid.pixels[:, 1, 0], views[1].keypoints.pixels[:, 0, 0])  # type: ignore[union-attr]


def test_the_grid_has_the_fastest_rate_and_right_values() -> None:
    grid = common_grid([ramp_view("slow", 0.013, 25.0, 50), ramp_view("fast", 0.0, 100.0, 150)])
    np.testing.assert_allclose(np.diff(grid.time), 0.01)
    assert grid.time[0] == pytest.approx(0.02)
    assert grid.time[-1] == pytest.approx(1.49)
    np.testing.assert_allclose(grid.pixels[:, :, 0, 1], np.broadcast_to(grid.time[:, None], (len(grid.time), 2)))
    assert not grid.interpolated[:, 1].any()
    assert grid.interpolated[:, 0].mean() == pytest.approx(0.75, abs=0.01)  # one grid time in four is near a frame


def test_gaps_are_not_bridged() -> None:
    slow, fast = ramp_view("slow", 0.0, 30.0, 20), ramp_view("fast", 0.0, 60.0, 39)
    assert slow.keypoints is not None
    slow.keypoints.pixels[5], slow.keypoints.confidence[5] = np.nan, 0.0
    grid = common_grid([slow, fast])
    lost = np.isnan(grid.pixels[:, 0, 0, 0])
    np.testing.assert_array_equal(np.flatnonzero(lost), [9, 10, 11])
    assert (grid.confidence[lost, 0] == 0.0).all()
    assert not grid.interpolated[lost, 0].any()


def test_a_camera_that_stops_early_does_not_cut_the_others() -> None:
    grid = common_grid([ramp_view("a", 0.0, 50.0, 100), ramp_view("b", 0.0, 50.0, 100), ramp_view("c", 0.2, 50.0, 30)])
    assert len(grid.time) == 100
    assert np.isfinite(grid.pixels[:, 2, 0, 0]).sum() == 30
    assert np.isfinite(grid.pixels[:, :2]).all()


def test_names_are_united() -> None:
    grid = common_grid(
        [ramp_view("a", 0.0, 50.0, 5, ("hip_l", "nose")), ramp_view("b", 0.0, 50.0, 5, ("nose", "knee_l"))]
    )
    assert grid.names == ("nose", "hip_l", "knee_l")
    np.testing.assert_array_equal(np.isfinite(grid.pixels[0, :, :, 0]), [[True, True, False], [True, False, True]])


def test_what_is_missing_is_told() -> None:
    good = ramp_view("a", 0.0, 50.0, 5)
    with pytest.raises(KinefuseError, match=r"Camera b: its frame rate is unknown; add rate_hz"):
        common_grid([good, replace(ramp_view("b", 0.0, 50.0, 5), rate_hz=None)])
    with pytest.raises(KinefuseError, match=r"Camera b: its start is unknown"):
        common_grid([good, replace(ramp_view("b", 0.0, 50.0, 5), start_s=None)])
    with pytest.raises(KinefuseError, match="No two cameras record at the same time"):
        common_grid([good, ramp_view("b", 9.0, 50.0, 5)])
    with pytest.raises(KinefuseError, match="Camera b has no keypoints"):
        common_grid([good, replace(good, camera="b", keypoints=None)])


@settings(max_examples=20, deadline=None)
@given(st.floats(0.0, 0.5), st.sampled_from([25.0, 29.97, 50.0, 120.0]), st.sampled_from([30.0, 60.0, 59.94]))
def test_samples_are_those_of_the_time_they_claim(start: float, rate_a: float, rate_b: float) -> None:
    grid = common_grid([ramp_view("a", start, rate_a, 100), ramp_view("b", 0.0, rate_b, 100)])
    # A frame within a hundredth of a frame of the grid's time is taken as it is.
    tolerance = 0.0101 / min(rate_a, rate_b)
    error = grid.pixels[:, :, 0, 1] - grid.time[:, None]
    assert np.nanmax(np.abs(error)) < tolerance
    assert np.isfinite(error[1:-1]).all()


@pytest.mark.parametrize("start_s", [0.0, 0.25, -0.1, 0.108])
def test_an_unknown_start_is_found(start_s: float) -> None:
    cameras = camera_ring(3, BENT)
    views = [view_of(cameras[0], 0.0, 60.0, 300, noise=1.5), view_of(cameras[1], 0.0, 60.0, 310, noise=1.5)]
    late = replace(view_of(cameras[2], start_s, 60.0, 280, noise=1.5), start_s=None)
    placed, estimates, findings = estimate_start_offsets(cameras, [*views, late])
    assert placed[2].start_s == pytest.approx(start_s, abs=0.003)
    assert [estimate.camera for estimate in estimates] == ["cam_2"]
    assert estimates[0].found
    assert estimates[0].error_s < 0.005
    assert "estimated from the motion, because trial.toml does not say" in findings[0].text
    assert findings[0].level == "info"


def test_other_rates_do_not_hinder() -> None:
    cameras = camera_ring(3, BENT)
    slow = replace(view_of(cameras[2], 0.2, 25.0, 120, noise=1.0), start_s=None)
    known = [view_of(cameras[0], 0.0, 60.0, 300, noise=1.0), view_of(cameras[1], 0.0, 60.0, 300, noise=1.0)]
    placed, _, _ = estimate_start_offsets(cameras, [*known, slow])
    assert placed[2].start_s == pytest.approx(0.2, abs=0.004)


def test_without_any_start_the_first_camera_is_the_clock() -> None:
    cameras = camera_ring(3, BENT)
    starts = [0.3, 0.5, 0.2]
    views = [replace(view_of(c, s, 60.0, 240), start_s=None) for c, s in zip(cameras, starts, strict=True)]
    placed, estimates, _ = estimate_start_offsets(cameras, views)
    assert [view.start_s for view in placed] == pytest.approx([0.0, 0.2, -0.1], abs=0.003)
    assert {estimate.camera for estimate in estimates} == {"cam_1", "cam_2"}


def test_a_camera_that_cannot_be_placed_misleads_no_other() -> None:
    """One starts outside of the times that are searched; the other is placed by the first camera alone."""
    cameras = camera_ring(3, BENT)
    frames = [300, 420, 300]  # the camera that cannot be placed has most observations
    views = [
        replace(view_of(c, s, 60.0, n, noise=1.0, moves=stroller), start_s=None)
        for c, s, n in zip(cameras, [0.0, 1.3, 0.3], frames, strict=True)
    ]
    placed, estimates, findings = estimate_start_offsets(cameras, views)
    assert [(e.camera, e.found) for e in estimates] == [("cam_2", True), ("cam_1", False)]
    assert placed[2].start_s == pytest.approx(0.3, abs=0.003)
    assert placed[1].start_s == 0.0
    assert [finding.level for finding in findings] == ["info", "warning"]
    assert estimates[1].reason == "edge"
    assert "at an end of the ± 1 s that are searched: it may start further off; add start_s" in findings[1].text


@pytest.mark.parametrize("start_s", [0.0, None])
def test_a_camera_without_frames_hinders_no_other(start_s: float | None) -> None:
    cameras = camera_ring(3, BENT)
    empty = Keypoints(names=NAMES, pixels=np.empty((0, 1, len(NAMES), 2)), confidence=np.empty((0, 1, len(NAMES))))
    views = [View(camera="cam_0", rate_hz=120.0, start_s=start_s, keypoints=empty)]
    views += [replace(view_of(camera, 0.0, 60.0, 240), start_s=start_s) for camera in cameras[1:]]
    placed, _, told = estimate_start_offsets(cameras, views)
    assert any("cam_0" in finding.about for finding in told) == (start_s is None)
    assert [view.start_s for view in placed] == pytest.approx([0.0, 0.0, 0.0], abs=0.003)
    grid = common_grid(placed)
    assert len(grid.time) >= 239
    np.testing.assert_allclose(np.diff(grid.time), 1.0 / 60.0)
    assert all("shares too few points" in finding.text for finding in told if "cam_0" in finding.about)
    assert not grid.confidence[:, 0].any()
    assert np.isnan(grid.pixels[:, 0]).all()
    assert np.isfinite(grid.pixels[1:-1, 1:]).all()


def treadmill(time: np.ndarray, swing: float = 0.3) -> np.ndarray:
    """Return points (T, K, 3) metres of somebody who steps on the spot, each step of 1.1 s a little unlike the last."""
    phase = 2.0 * np.pi * 0.9 * time[:, None] + 0.3 * np.sin(0.7 * time[:, None]) + np.arange(len(NAMES))
    x, z = swing * np.sin(phase) + 0.08 * np.sin(0.47 * time[:, None]), 0.05 * np.cos(2.0 * phase)
    y = 0.2 + 0.2 * np.arange(len(NAMES)) + 0.2 * swing * np.sin(phase)
    return np.stack([x, y, z], axis=-1)


@pytest.mark.parametrize(("start_s", "found"), [(0.3, True), (-0.7, True), (1.25, False), (-1.3, False)])
def test_a_step_too_late_is_no_start(start_s: float, found: bool) -> None:
    """Outside of the times that are searched another step fits nearly as well; that must not be taken for the start."""
    cameras = camera_ring(3, BENT)
    views = [view_of(c, 0.0, 60.0, n, noise=2.0, moves=treadmill) for c, n in zip(cameras[:2], (480, 470), strict=True)]
    late = replace(view_of(cameras[2], start_s, 60.0, 460, noise=2.0, moves=treadmill), start_s=None)
    placed, estimates, findings = estimate_start_offsets(cameras, [*views, late])
    assert estimates[0].found == found
    assert placed[2].start_s == pytest.approx(start_s if found else 0.0, abs=0.003)
    assert found or estimates[0].reason == "repeats"
    assert found or "the movement repeats itself, so that another start fits as well or better" in findings[0].text


def test_a_movement_that_repeats_itself_exactly_tells_no_start() -> None:
    def exactly(time: np.ndarray, _: float) -> np.ndarray:
        return treadmill(np.mod(time, 1 / 0.9))

    cameras = camera_ring(3, BENT)
    frames = (480, 470, 460)
    views = [view_of(c, 0.0, 60.0, n, noise=2.0, moves=exactly) for c, n in zip(cameras, frames, strict=True)]
    _, estimates, findings = estimate_start_offsets(cameras, [*views[:2], replace(views[2], start_s=None)])
    assert not estimates[0].found
    assert findings[0].level == "warning"


def test_known_starts_are_never_changed() -> None:
    cameras = camera_ring(2)
    views = [view_of(cameras[0], 0.0, 60.0, 60), view_of(cameras[1], 0.1, 60.0, 60)]
    placed, estimates, findings = estimate_start_offsets(cameras, views)
    assert placed == tuple(views)
    assert estimates == ()
    assert findings == ()


def test_a_person_who_stands_still_tells_no_start() -> None:
    cameras = camera_ring(3, BENT)
    views = [view_of(camera, 0.0, 60.0, 200, swing=0.0, noise=2.0) for camera in cameras]
    still = np.repeat(walker(np.zeros(1)), 200, axis=0)
    frozen: list[View] = []
    for camera, view in zip(cameras, views, strict=True):
        pixels = project(camera, still) + np.random.default_rng(len(frozen)).normal(0.0, 2.0, (200, len(NAMES), 2))
        points = replace(view.keypoints, pixels=pixels[:, None])  # type: ignore[type-var]
        frozen.append(replace(view, keypoints=points))
    frozen[2] = replace(frozen[2], start_s=None)
    placed, estimates, findings = estimate_start_offsets(cameras, frozen)
    assert not estimates[0].found
    assert placed[2].start_s == 0.0
    assert findings[0].level == "warning"
    assert "moves too little to tell" in findings[0].text
