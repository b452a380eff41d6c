"""Joint centres from recordings, and what is said about their quality."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from geometry_scenes import BENT, camera_ring, look_at
from people_scenes import crowd

from kinefuse.conventions import KEYPOINTS, mirrored_name
from kinefuse.errors import KinefuseError
from kinefuse.formats.calibration import read_calibration
from kinefuse.formats.openpose import read_openpose_folder
from kinefuse.recordings import Camera, Keypoints, Recording, View
from kinefuse.vision.cameras import project
from kinefuse.vision.preparation import fill_short_gaps, measure_joint_centers

RATE = 60.0


def movement(time: np.ndarray) -> np.ndarray:
    """Return points (T, 26, 3) that move at different phases."""
    rng = np.random.default_rng(4)
    shape = rng.uniform([-0.3, 0.1, -0.3], [0.3, 1.8, 0.3], (len(KEYPOINTS), 3))
    phase = rng.uniform(0.0, 6.0, (len(KEYPOINTS), 3))
    return shape + 0.2 * np.sin(2.0 * np.pi * time[:, None, None] * rng.uniform(0.5, 1.1, (len(KEYPOINTS), 3)) + phase)


def recording_of(
    cameras: list[Camera], frames: int = 120, noise: float = 1.0, start_s: float | None = 0.0
) -> Recording:
    truth = movement(np.arange(frames) / RATE)
    views = []
    for v, camera in enumerate(cameras):
        pixels = project(camera, truth) + np.random.default_rng(v).normal(0.0, noise, (frames, len(KEYPOINTS), 2))
        points = Keypoints(
            names=KEYPOINTS, pixels=pixels[:, None], confidence=np.full((frames, 1, len(KEYPOINTS)), 0.9)
        )
        views.append(View(camera=camera.name, rate_hz=RATE, start_s=start_s, keypoints=points))
    return Recording(cameras=tuple(cameras), views=tuple(views))


def points_of(recording: Recording, v: int) -> Keypoints:
    points = recording.views[v].keypoints
    assert points is not None
    return points


def test_points_are_where_they_are() -> None:
    prepared = measure_joint_centers(recording_of(camera_ring(4, BENT)))
    centers = prepared.recording.joint_centers
    assert centers is not None
    assert centers.names == KEYPOINTS
    error = np.linalg.norm(centers.positions - movement(centers.time), axis=-1)
    assert np.median(error) < 0.004
    assert prepared.findings == []
    assert centers.interpolated is not None
    assert not centers.interpolated.any()


def test_cameras_that_are_not_triggered_together_still_measure() -> None:
    """Starts some milliseconds apart fill no gap; a point that only slow cameras show between their frames does."""
    recording = recording_of(camera_ring(3, BENT))
    views = [replace(view, start_s=0.4 * v / RATE) for v, view in enumerate(recording.views)]
    centers = measure_joint_centers(replace(recording, views=tuple(views))).recording.joint_centers
    assert centers is not None
    assert centers.interpolated is not None
    assert not centers.interpolated.any()
    slow = [views[0], *(_every_second_frame(view) for view in recording.views[1:])]
    centers = measure_joint_centers(replace(recording, views=tuple(slow))).recording.joint_centers
    assert centers is not None
    assert centers.interpolated is not None
    assert centers.interpolated[1:-1].all(axis=1).mean() == pytest.approx(0.5, abs=0.02)


def _every_second_frame(view: View) -> View:
    points = view.keypoints
    assert points is not None
    thinned = Keypoints(names=points.names, pixels=points.pixels[::2], confidence=points.confidence[::2])
    return replace(view, rate_hz=RATE / 2, keypoints=thinned)


def test_quality_has_the_numbers_and_is_json() -> None:
    recording = recording_of(camera_ring(3, BENT))
    points_of(recording, 1).confidence[:30] = 0.0
    points_of(recording, 1).pixels[:30] = np.nan
    points_of(recording, 2).confidence[:, 0, 3] = 0.1
    quality = json.loads(json.dumps(measure_joint_centers(recording).quality, allow_nan=False))
    assert quality["cameras"]["cam_1"]["frames"] == 90
    assert quality["cameras"]["cam_1"]["seen_fraction"] == pytest.approx(0.75)
    assert quality["cameras"]["cam_0"]["rejected_fraction"] < 0.02
    assert quality["cameras"]["cam_2"]["rejected_fraction"] == pytest.approx(1 / 26, abs=0.01)
    assert quality["cameras"]["cam_0"]["start_estimated"] is False
    assert quality["keypoints"]["ear_l"]["missing_fraction"] == pytest.approx(0.25, abs=0.01)
    assert quality["keypoints"]["nose"]["mean_views"] == pytest.approx(2.75, abs=0.05)
    assert 0.4 < quality["median_reprojection_px"] < 1.2
    assert quality["median_reprojection_seen_px"] >= quality["median_reprojection_px"]


def test_short_gaps_are_filled_and_marked_long_ones_stay() -> None:
    recording = recording_of(camera_ring(3, BENT), noise=0.3)
    for v in range(3):
        for start, end, k in ((20, 24, 5), (60, 80, 5)):
            points_of(recording, v).confidence[start:end, 0, k] = 0.0
            points_of(recording, v).pixels[start:end, 0, k] = np.nan
    centers = measure_joint_centers(recording).recording.joint_centers
    assert centers is not None
    assert centers.interpolated is not None
    assert centers.covariance is not None
    np.testing.assert_array_equal(np.flatnonzero(centers.interpolated[:, 5]), np.arange(20, 24))
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(centers.positions[:, 5, 0])), np.arange(60, 80))
    assert centers.interpolated.sum() == 4
    sizes = np.trace(centers.covariance[:, 5], axis1=-2, axis2=-1)
    assert sizes[20:24].min() > 1.5 * np.nanmedian(sizes)


def test_points_of_cameras_that_face_each_other_are_too_uncertain() -> None:
    recording = recording_of(camera_ring(4, BENT))
    for v in (1, 3):
        points_of(recording, v).confidence[40:70] = 0.0
        points_of(recording, v).pixels[40:70] = np.nan
    prepared = measure_joint_centers(recording, max_sd_m=0.015)
    centers = prepared.recording.joint_centers
    assert centers is not None
    lost = np.isnan(centers.positions[..., 0])
    assert 0.2 < lost[40:70].mean() < 0.8  # those near the line between the two cameras
    assert not lost[:40].any()
    assert prepared.quality["uncertain_fraction"] == pytest.approx(lost.mean(), abs=0.01)
    everything = measure_joint_centers(recording, max_sd_m=np.inf).recording.joint_centers
    assert everything is not None
    error = np.linalg.norm(everything.positions - movement(everything.time), axis=-1)
    assert np.median(error[lost]) > 3.0 * np.median(error[:40])


def test_ends_are_not_extrapolated() -> None:
    time = np.arange(6) / 100.0
    positions = np.full((6, 1, 3), np.nan)
    positions[1, 0], positions[4, 0] = [0.0, 0.0, 0.0], [3.0, 0.0, 6.0]
    covariance = np.full((6, 1, 3, 3), np.nan)
    covariance[[1, 4]] = np.eye(3)
    filled, spread, mask = fill_short_gaps(time, positions, covariance, 0.03)
    np.testing.assert_allclose(filled[1:5, 0, 2], [0.0, 2.0, 4.0, 6.0])
    np.testing.assert_array_equal(mask[:, 0], [False, False, True, True, False, False])
    np.testing.assert_allclose(spread[2, 0], 2.0 * np.eye(3))
    assert np.isnan(filled[[0, 5]]).all()
    assert np.isnan(fill_short_gaps(time, positions, covariance, 0.029)[0][2]).all()
    assert np.isnan(positions[2]).all()  # the input is left as it was


def test_the_camera_that_is_off_is_named() -> None:
    cameras = camera_ring(4, BENT)
    recording = recording_of(cameras)
    wrong = replace(cameras[2], translation=cameras[2].translation + np.array([0.08, 0.05, 0.0]))
    listed = tuple(wrong if camera.name == wrong.name else camera for camera in cameras)
    findings = measure_joint_centers(replace(recording, cameras=listed)).findings
    assert [finding.about for finding in findings] == ["camera cam_2"]
    assert "Camera cam_2 disagrees with the others by" in findings[0].text
    assert "try --refine-cameras" in findings[0].text


def test_a_camera_with_its_sides_exchanged_is_told() -> None:
    recording = recording_of(camera_ring(4, BENT))
    points = points_of(recording, 2)
    names = tuple(mirrored_name(name) for name in points.names)
    views = list(recording.views)
    views[2] = replace(views[2], keypoints=replace(points, names=names))
    findings = measure_joint_centers(replace(recording, views=tuple(views))).findings
    told = [finding.text for finding in findings if "disagrees" in finding.text]
    assert len(told) == 1
    assert "cam_2" in told[0]
    assert "exchange _l and _r in them" in told[0]


def test_two_cameras_that_mostly_disagree_are_told() -> None:
    recording = recording_of(camera_ring(3)[:2], noise=0.5)
    rng = np.random.default_rng(5)
    pixels = points_of(recording, 1).pixels
    wrong = rng.random(pixels.shape[:-1]) < 0.6
    pixels[wrong, 1] += 150.0
    prepared = measure_joint_centers(recording)
    assert prepared.quality["median_reprojection_px"] < 1.0
    assert prepared.quality["median_reprojection_seen_px"] > 20.0
    assert any("The cameras disagree by" in finding.text for finding in prepared.findings)


def test_refining_mends_it() -> None:
    cameras = camera_ring(4, BENT)
    recording = recording_of(cameras)
    wrong = replace(cameras[2], translation=cameras[2].translation + np.array([0.08, 0.05, 0.0]))
    listed = tuple(wrong if camera.name == wrong.name else camera for camera in cameras)
    prepared = measure_joint_centers(replace(recording, cameras=listed), refine=True)
    assert prepared.quality["refinement"]["applied"]
    assert prepared.quality["refinement"]["before_px"]["all"] > 5.0
    assert prepared.quality["refinement"]["after_px"]["all"] < 1.5
    assert prepared.quality["median_reprojection_seen_px"] < 1.5
    assert [finding.level for finding in prepared.findings] == ["info"]
    assert prepared.recording.camera("cam_2").translation[0] != wrong.translation[0]
    json.dumps(prepared.quality, allow_nan=False)


def test_an_unknown_start_is_estimated_and_said() -> None:
    recording = recording_of(camera_ring(3, BENT))
    late = points_of(recording, 2)
    cut = Keypoints(names=late.names, pixels=late.pixels[15:], confidence=late.confidence[15:])
    views = (*recording.views[:2], replace(recording.views[2], start_s=None, keypoints=cut))
    prepared = measure_joint_centers(replace(recording, views=views))
    assert prepared.quality["cameras"]["cam_2"]["start_estimated"] is True
    assert prepared.quality["cameras"]["cam_2"]["start_s"] == pytest.approx(0.25, abs=0.003)
    assert "Camera cam_2 starts 0.25" in prepared.findings[0].text
    assert prepared.recording.views[2].start_s == prepared.quality["cameras"]["cam_2"]["start_s"]


@pytest.mark.parametrize("first", [None, 100.0])
def test_bystanders_do_not_hide_an_unknown_start(first: float | None) -> None:
    start = first or 0.0
    prepared = measure_joint_centers(crowd([start, start, start + 0.9], [first, first, None]))
    late = prepared.quality["cameras"]["cam_2"]
    assert late["start_s"] == pytest.approx(start + 0.9, abs=0.005)
    assert late["frames"] > 60
    assert prepared.quality["median_reprojection_seen_px"] < 2.0


def test_one_camera_is_told_what_to_do() -> None:
    recording = recording_of(camera_ring(2))
    alone = replace(recording, views=recording.views[:1])
    with pytest.raises(KinefuseError, match="at least two calibrated cameras, got 1"):
        measure_joint_centers(alone)
    with pytest.raises(KinefuseError, match="at least two calibrated cameras, got 0"):
        measure_joint_centers(replace(recording, views=()))


def test_points_that_no_other_camera_sees_were_not_left_out() -> None:
    recording = recording_of(camera_ring(3))
    for v in (1, 2):  # for more than half of the time the first camera is alone
        points_of(recording, v).confidence[50:] = 0.0
        points_of(recording, v).pixels[50:] = np.nan
    prepared = measure_joint_centers(recording)
    assert prepared.quality["cameras"]["cam_0"]["rejected_fraction"] < 0.05
    assert not any("were left out" in finding.text for finding in prepared.findings)


def test_confidences_that_are_all_too_low_are_told() -> None:
    recording = recording_of(camera_ring(3))
    for v in range(3):
        points_of(recording, v).confidence[:] = 0.12
    with pytest.raises(KinefuseError, match=r"highest confidence is 0\.12, and 0\.3 is needed"):
        measure_joint_centers(recording)


def test_nobody_is_told() -> None:
    recording = recording_of(camera_ring(3))
    for v in range(3):
        points_of(recording, v).confidence[:] = 0.0
        points_of(recording, v).pixels[:] = np.nan
        if v == 1:
            with pytest.raises(KinefuseError, match="Only camera cam_2 shows a person"):
                measure_joint_centers(recording)
    with pytest.raises(KinefuseError, match="No camera shows a person"):
        measure_joint_centers(recording)


def test_a_camera_without_a_single_row_of_keypoints_is_not_needed() -> None:
    recording = recording_of(camera_ring(3))
    empty = Keypoints(names=KEYPOINTS, pixels=np.empty((0, 1, 26, 2)), confidence=np.empty((0, 1, 26)))
    views = (*recording.views[:2], replace(recording.views[2], keypoints=empty))
    prepared = measure_joint_centers(replace(recording, views=views))
    assert prepared.quality["missing_fraction"] < 0.01
    assert any("Camera cam_2 shows the person in only 0 %" in finding.text for finding in prepared.findings)


def test_cameras_of_another_room_are_told() -> None:
    recording = recording_of(camera_ring(2))
    away = look_at("cam_1", np.array([50.0, 1.0, 0.0]), np.array([100.0, 1.0, 3.0]))
    with pytest.raises(KinefuseError, match="do not agree on a single point"):
        measure_joint_centers(replace(recording, cameras=(recording.cameras[0], away)))


@pytest.fixture(scope="module")
def trial(data: Path) -> Recording:
    folder = data / "real" / "pose2sim_balancing"
    cameras = read_calibration(folder / "calibration" / "Calib_qualisys.toml")
    folders = sorted((folder / "pose" / "detections").iterdir())
    points = [read_openpose_folder(folder, "body25b", first_number=0) for folder in folders]
    pairs = zip(cameras, points, strict=True)
    views = tuple(View(camera=c.name, rate_hz=60.0, start_s=0.0, keypoints=p) for c, p in pairs)
    return Recording(cameras=cameras, views=views)


def test_a_real_trial_as_calibrated(trial: Recording) -> None:
    prepared = measure_joint_centers(trial)
    assert 11.0 < prepared.quality["median_reprojection_px"] < 14.0
    assert any("disagrees with the others" in finding.text for finding in prepared.findings)
    centers = prepared.recording.joint_centers
    assert centers is not None
    assert centers.positions.shape == (100, 26, 3)
    assert prepared.quality["missing_fraction"] < 0.01


def test_a_real_trial_refined(trial: Recording) -> None:
    prepared = measure_joint_centers(trial, refine=True)
    assert prepared.quality["median_reprojection_seen_px"] < 7.0
    assert prepared.quality["refinement"]["after_px"]["all"] < 7.0
    centers = prepared.recording.joint_centers
    assert centers is not None
    knee, ankle = (centers.positions[:, centers.names.index(name)] for name in ("knee_r", "ankle_r"))
    shank = np.linalg.norm(knee - ankle, axis=-1)
    assert 0.35 < np.nanmedian(shank) < 0.45
    assert np.nanstd(shank) < 0.02
