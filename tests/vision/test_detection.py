"""Detection of a whole recording: mapping, cache, strays, findings."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from geometry_scenes import camera_ring
from people_scenes import BrightestDetector, EverybodyDetector, blank_frames, crowd, walker, write_video

from kinefuse.conventions import KEYPOINT_INDEX, KEYPOINTS, mirror_permutation
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.calibration import read_calibration
from kinefuse.recordings import Camera, Finding, Keypoints, Recording, View
from kinefuse.vision import detection
from kinefuse.vision.agreement import ViewTrack
from kinefuse.vision.cache import FOLDER, VideoDetections
from kinefuse.vision.cameras import project
from kinefuse.vision.detection import detect_recording
from kinefuse.vision.detectors import DETECTORS
from kinefuse.vision.mattes import person_mattes
from kinefuse.vision.sides import HALVES

FRAMES = 6
SCALE = 0.5
"""The videos are half as large as the calibrated images."""


@pytest.fixture(autouse=True)
def brightest(monkeypatch: pytest.MonkeyPatch) -> type[BrightestDetector]:
    monkeypatch.setitem(DETECTORS, "brightest", BrightestDetector)
    BrightestDetector.images = 0
    return BrightestDetector


def standing_at(frame: int) -> np.ndarray:
    return np.array([0.05 * frame, 0.0, 0.3])


def above(place: np.ndarray, height: float) -> np.ndarray:
    return place + np.array([0.0, height, 0.0])


def draw_person(image: np.ndarray, camera: Camera, place: np.ndarray, width: float = 0.4) -> None:
    """Draw somebody as a white box from the floor to 1.8 m, in an image of half the calibrated size."""
    foot, head = (SCALE * project(camera, above(place, height)) for height in (0.0, 1.8))
    half = width / 2 * (foot[1] - head[1]) / 1.8
    cv2.rectangle(
        image,
        (round(head[0] - half), round(head[1])),
        (round(foot[0] + half), round(foot[1])),
        (255, 255, 255),
        thickness=-1,
    )


def film(folder: Path, cameras: list[Camera], bystander: str = "", empty: str = "") -> Recording:
    """Write a video a camera; in one a nearer and broader bystander stands too, in one there is nobody."""
    views = []
    for camera in cameras:
        frames = blank_frames(FRAMES, (960, 540))
        for number, frame in enumerate(frames):
            if camera.name == empty:
                continue
            draw_person(frame, camera, standing_at(number))
            if camera.name == bystander:
                frame[150:530, 30:250] = 255
        views.append(View(camera=camera.name, video=write_video(folder / f"{camera.name}.mp4", frames)))
    return Recording(cameras=tuple(cameras), views=tuple(views), folder=folder)


def hip_error_px(recording: Recording, view: View) -> float:
    """Return the worst distance of the middle of the hips from where it truly is, in calibrated pixels."""
    assert view.keypoints is not None
    truth = [project(recording.camera(view.camera), above(standing_at(t), 0.95)) for t in range(FRAMES)]
    found = view.keypoints.pixels[:, 0, KEYPOINT_INDEX["mid_hip"]]
    return float(np.linalg.norm(found - np.array(truth), axis=1).max())


def test_keypoints_are_in_calibrated_pixels(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    recording = film(tmp_path, camera_ring(3))
    found, findings = detect_recording(recording, "brightest", progress=lambda *state: told.append(state))
    for view in found.views:
        assert view.keypoints is not None
        assert view.keypoints.pixels.shape == (FRAMES, 1, 26, 2)
        assert view.keypoints.names == KEYPOINTS
        assert view.image_scale == pytest.approx(SCALE)
        assert view.rate_hz == pytest.approx(30.0)
        assert hip_error_px(found, view) < 12
    assert {(camera, FRAMES, FRAMES) for camera in ("cam_0", "cam_1", "cam_2")} <= set(told)
    assert all("found, not given" in finding.text for finding in findings)
    assert recording.views[0].keypoints is None


def test_a_bigger_bystander_in_one_view_is_left(tmp_path: Path) -> None:
    found, findings = detect_recording(film(tmp_path, camera_ring(4), bystander="cam_2"), "brightest")
    for view in found.views:
        assert hip_error_px(found, view) < 12
    about = [finding for finding in findings if "somebody else" in finding.text]
    assert [finding.about for finding in about] == ["camera cam_2"]
    assert f"{FRAMES} of {FRAMES} frames" in about[0].text


def test_a_detector_that_sees_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DETECTORS, "everybody", EverybodyDetector)
    found, _ = detect_recording(film(tmp_path, camera_ring(4), bystander="cam_2"), "everybody")
    for view in found.views:
        assert view.keypoints is not None
        assert view.keypoints.pixels.shape == (FRAMES, 1, 26, 2)
        assert hip_error_px(found, view) < 12


def test_a_detector_that_sees_everybody_finds_the_person_whose_start_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third camera begins 0.9 s later than the others, and loses the person for longer than a track survives."""
    scene = crowd([0.0, 0.0, 0.9], [None] * 3)
    shown = {view.camera: view.keypoints for view in scene.views}
    late = shown["cam_2"]
    assert late is not None
    late.pixels[16:36], late.confidence[16:36] = np.nan, 0.0
    scale = 0.25

    def detect(video: Path, *_: object) -> VideoDetections:
        points = shown[video.stem]
        assert points is not None
        return VideoDetections(
            size=(480, 270), rate_hz=60.0, pixels=scale * points.pixels, confidence=points.confidence
        )

    monkeypatch.setattr(detection, "detect_video", detect)
    blank = blank_frames(2, (480, 270))
    videos = [write_video(tmp_path / f"{view.camera}.mp4", blank) for view in scene.views]
    views = [View(camera=v.camera, video=f, rate_hz=60.0) for v, f in zip(scene.views, videos, strict=True)]
    found, findings = detect_recording(replace(scene, views=tuple(views)), "brightest", use_cache=False)
    for view, full in zip(found.views, scene.views, strict=True):
        assert view.keypoints is not None
        assert full.keypoints is not None
        np.testing.assert_allclose(view.keypoints.pixels[:, 0], full.keypoints.pixels[:, 1], atol=2.0)
        assert view.start_s is None
    assert not any("somebody else" in finding.text for finding in findings)


def write_bystander(path: Path) -> None:
    """Write a video of somebody else, who stands still."""
    frames = blank_frames(FRAMES, (960, 540))
    for frame in frames:
        frame[150:530, 30:250] = 255
    write_video(path, frames)


def test_what_is_said_about_several_people_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DETECTORS, "everybody", EverybodyDetector)
    cameras = camera_ring(2)
    recording = film(tmp_path, cameras, bystander="cam_0", empty="cam_0")
    write_bystander(tmp_path / "cam_0.mp4")
    frames = blank_frames(FRAMES, (960, 540))
    for number, frame in enumerate(frames):
        draw_person(frame, cameras[1], standing_at(number))
        frame[10:100, 850:950] = 255
    write_video(tmp_path / "cam_1.mp4", frames)
    _, findings = detect_recording(recording, "everybody")
    assert any("No two cameras agree on where a person is" in finding.text for finding in findings)


def test_a_camera_that_sees_only_somebody_else_is_left_out(tmp_path: Path) -> None:
    cameras = camera_ring(4)
    recording = film(tmp_path, cameras, bystander="cam_2", empty="cam_2")
    write_bystander(tmp_path / "cam_2.mp4")
    found, findings = detect_recording(recording, "brightest")
    keypoints = found.views[2].keypoints
    assert keypoints is not None
    assert np.isnan(keypoints.pixels).all()
    assert (keypoints.confidence == 0).all()
    assert any(f.about == "camera cam_2" and "somebody else" in f.text for f in findings)


def test_mattes_of_somebody_else_are_gaps(tmp_path: Path, brightest: type[BrightestDetector]) -> None:
    """From frame 3 on one camera shows only a bystander, near the person: keypoints and mattes there are left out."""
    recording = film(tmp_path, camera_ring(4))
    frames = blank_frames(FRAMES, (960, 540))
    for number, frame in enumerate(frames):
        if number < 3:
            draw_person(frame, recording.cameras[2], standing_at(number))
        else:
            frame[75:335, 437:453] = 255  # 100 pixels from the person, where the camera looks again
    write_video(tmp_path / "cam_2.mp4", frames)
    for _ in range(2):  # the second time from the cache
        found, findings = detect_recording(recording, "brightest", mattes=True)
        assert any(f.about == "camera cam_2" and "these were left out" in f.text for f in findings)
        keypoints, mattes = found.views[2].keypoints, person_mattes(found.cameras[2], found.views[2])
        assert keypoints is not None
        assert np.isnan(keypoints.pixels[3:]).all()
        assert mattes.gaps is not None
        assert mattes.gaps.tolist() == [False, False, False, True, True, True]
        assert mattes.frames(0, 3).any(axis=(1, 2)).all()
        assert not mattes.frames(3).any()
        assert person_mattes(found.cameras[1], found.views[1]).gaps is None
    assert brightest.images == 5 * FRAMES


def test_silhouettes_of_another_size_than_the_video_keep_their_mapping(tmp_path: Path) -> None:
    """Calibrated at 1920×1080, videos of 960×540, silhouettes of 640×360: each has a scale of its own."""
    recording = film(tmp_path, camera_ring(2))
    views = []
    for camera, view in zip(recording.cameras, recording.views, strict=True):
        folder = tmp_path / "silhouettes" / camera.name
        folder.mkdir(parents=True)
        for number in range(FRAMES):
            matte = np.zeros((360, 640), dtype=np.uint8)
            x, y = np.rint(project(camera, above(standing_at(number), 0.95)) / 3).astype(int)
            matte[y - 20 : y + 20, x - 10 : x + 10] = 255
            cv2.imwrite(str(folder / f"{number}.png"), matte)
        views.append(replace(view, silhouettes=folder))
    found, _ = detect_recording(replace(recording, views=tuple(views)), "brightest")
    for camera, view in zip(found.cameras, found.views, strict=True):
        assert hip_error_px(found, view) < 12
        mattes = person_mattes(camera, view)
        assert mattes.mapping.scale == pytest.approx(1 / 3)
        assert mattes.at(0, project(camera, above(standing_at(0), 0.95))[None]).all()
        assert view.image_scale is None


def test_second_run_does_not_detect(tmp_path: Path, brightest: type[BrightestDetector]) -> None:
    """Also where a camera had to look again."""
    recording = film(tmp_path, camera_ring(3), bystander="cam_1")
    first, _ = detect_recording(recording, "brightest")
    assert brightest.images == 4 * FRAMES
    second, _ = detect_recording(recording, "brightest")
    assert brightest.images == 4 * FRAMES
    for one, two in zip(first.views, second.views, strict=True):
        assert one.keypoints is not None
        assert two.keypoints is not None
        np.testing.assert_array_equal(one.keypoints.pixels, two.keypoints.pixels)
    detect_recording(recording, "brightest", use_cache=False)
    assert brightest.images == 8 * FRAMES


def test_a_changed_video_is_looked_at_again(tmp_path: Path, brightest: type[BrightestDetector]) -> None:
    recording = film(tmp_path, camera_ring(2))
    detect_recording(recording, "brightest")
    write_video(tmp_path / "cam_1.mp4", blank_frames(FRAMES + 1, (960, 540)))
    detect_recording(recording, "brightest")
    assert brightest.images == 2 * FRAMES + FRAMES + 1


def test_mattes_are_stored_and_read(tmp_path: Path, brightest: type[BrightestDetector]) -> None:
    recording = film(tmp_path, camera_ring(2))
    found, _ = detect_recording(recording, "brightest", mattes=True)
    mattes = person_mattes(found.cameras[0], found.views[0])
    assert len(mattes) == FRAMES
    assert mattes.size == (480, 270)
    for frame in range(FRAMES):
        points = np.array([[0.0, 0.95, 0.0], [0.0, 0.3, 0.0], [0.9, 0.95, 0.9]]) + standing_at(frame)
        assert mattes.at(frame, project(found.cameras[0], points)).tolist() == [True, True, False]
    again, _ = detect_recording(recording, "brightest")  # keypoints alone are served by what was made with mattes
    assert brightest.images == 2 * FRAMES
    assert [view.silhouettes for view in again.views] == [None, None]


def test_mattes_need_no_folder(tmp_path: Path) -> None:
    recording = replace(film(tmp_path, camera_ring(2)), folder=None)
    found, _ = detect_recording(recording, "brightest", mattes=True)
    assert person_mattes(found.cameras[1], found.views[1]).frames().any()
    assert not (tmp_path / FOLDER).exists()


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    recording = film(tmp_path, camera_ring(2))
    (tmp_path / FOLDER).write_text("in the way")
    found, findings = detect_recording(recording, "brightest")
    assert found.views[0].keypoints is not None
    assert any(finding.about == "trial" and "detects again" in finding.text for finding in findings)


def test_nobody_in_one_camera(tmp_path: Path) -> None:
    found, findings = detect_recording(film(tmp_path, camera_ring(3), empty="cam_1"), "brightest")
    keypoints = found.views[1].keypoints
    assert keypoints is not None
    assert np.isnan(keypoints.pixels).all()
    assert any(finding.about == "camera cam_1" and "Nobody" in finding.text for finding in findings)


def test_nobody_at_all(tmp_path: Path) -> None:
    with pytest.raises(KinefuseError, match=r"Nobody was found in any video \(cam_0\)"):
        detect_recording(film(tmp_path, camera_ring(1), empty="cam_0"), "brightest")


def test_a_view_with_nothing_is_named(tmp_path: Path) -> None:
    recording = film(tmp_path, camera_ring(2))
    bare = replace(recording, views=(recording.views[0], View(camera="cam_1")))
    with pytest.raises(KinefuseError, match="cam_1 has neither a video nor keypoints"):
        detect_recording(bare, "brightest")


def test_keypoints_that_are_there_are_kept(tmp_path: Path, brightest: type[BrightestDetector]) -> None:
    recording = film(tmp_path, camera_ring(2))
    own = Keypoints(names=("nose",), pixels=np.ones((3, 1, 1, 2)), confidence=np.ones((3, 1, 1)))
    views = tuple(replace(view, keypoints=own) for view in recording.views)
    found, findings = detect_recording(replace(recording, views=views), "brightest")
    assert found.views == views
    assert findings == []
    assert brightest.images == 0


def test_a_broken_video_stops_with_its_name(tmp_path: Path) -> None:
    recording = film(tmp_path, camera_ring(2))
    (tmp_path / "cam_1.mp4").write_bytes(b"no video")
    with pytest.raises(FormatError, match=r"cam_1\.mp4"):
        detect_recording(recording, "brightest")


def test_videos_of_different_length_without_start_are_not_compared(tmp_path: Path) -> None:
    """Nothing tells which frames belong together, so the bystander cannot be told from the person."""
    recording = film(tmp_path, camera_ring(3), bystander="cam_2")
    write_video(tmp_path / "cam_0.mp4", blank_frames(3 * FRAMES, (960, 540), level=230))
    _, findings = detect_recording(recording, "brightest")
    assert not any("somebody else" in finding.text for finding in findings)


def test_sides_are_mended_in_every_frame_of_a_faster_camera() -> None:
    """The instants that are compared are those of the slower cameras, which have more frames."""
    cameras = camera_ring(4)
    tracks = []
    for v, camera in enumerate(cameras):
        rate, frames = (60.0, 80) if v == 3 else (30.0, 90)
        pixels = project(camera, walker(frames, rate))
        time = np.arange(frames) / rate
        tracks.append(ViewTrack(camera=camera, time=time, pixels=pixels, confidence=np.full((frames, 26), 0.9)))
    right = tracks[3].pixels
    tracks[3] = replace(tracks[3], pixels=right[:, mirror_permutation(KEYPOINTS)])
    findings: list[Finding] = []
    paired = [k for half in HALVES.values() for k in half]
    mended = detection._mend_sides(tracks, findings)
    np.testing.assert_array_equal(mended[3].pixels[:, paired], right[:, paired])
    assert all("in 80 of 80 frames" in finding.text for finding in findings)


def cut_real_trial(balancing: Path, folder: Path, frames: range, pasted: bool) -> Recording:
    """Write some frames of the real videos; in the third a large man from the first is pasted before the person."""
    cameras = read_calibration(balancing / "calibration" / "Calib_qualisys.toml")
    views = []
    for number, camera in enumerate(cameras, start=1):
        capture = cv2.VideoCapture(str(balancing / "videos" / f"cam0{number}.mp4"))
        capture.set(cv2.CAP_PROP_POS_FRAMES, frames.start)
        images = [capture.read()[1] for _ in frames]
        if number == 1:
            stranger = cv2.resize(images[0][330:1110, 150:560], None, fx=1.4, fy=1.4)
        if number == 3 and pasted:
            for image in images:
                image[-stranger.shape[0] :, : stranger.shape[1]] = stranger
        video = write_video(folder / f"{number}.mp4", images, rate_hz=60.0)
        boxed = {"image_scale": 0.9926, "image_offset_px": (0.0, 7.2)} if number <= 2 else {}
        views.append(View(camera=camera.name, video=video, **boxed))  # type: ignore[arg-type]
    return Recording(cameras=cameras, views=tuple(views), folder=folder)


def body_25b_shoulders_and_knees(balancing: Path, camera: int, frames: range) -> np.ndarray:
    """Return another detector's points (T, 4, 2): left and right shoulder, left and right knee."""
    import json

    rows = []
    for file in sorted((balancing / "pose" / "associated" / f"cam0{camera}_json").glob("*.json")):
        person = json.loads(file.read_text())["people"][0]
        points = np.array(person.get("pose_keypoints_2d", [np.nan] * 75)).reshape(25, 3)[[5, 6, 13, 14], :2]
        rows.append(np.where(points == 0, np.nan, points))
    return np.array(rows)[frames.start : frames.stop]


NAMED = [KEYPOINT_INDEX[name] for name in ("shoulder_l", "shoulder_r", "knee_l", "knee_r")]


def check_against_body_25b(found: Recording, balancing: Path, frames: range) -> None:
    for number, view in enumerate(found.views, start=1):
        assert view.keypoints is not None
        other = body_25b_shoulders_and_knees(balancing, number, frames)
        distance = np.linalg.norm(view.keypoints.pixels[:, 0, NAMED] - other, axis=-1)
        assert np.nanmedian(distance) < 30, f"camera {number}"


def test_real_bystander_bigger_than_the_person(balancing: Path, tmp_path: Path) -> None:
    frames = range(5)
    found, findings = detect_recording(cut_real_trial(balancing, tmp_path, frames, pasted=True), "mediapipe")
    assert any(f.about == "camera cam_03" and "somebody else" in f.text for f in findings)
    check_against_body_25b(found, balancing, frames)


def test_real_sides_are_mended(balancing: Path, tmp_path: Path) -> None:
    """In these frames the second camera's detector takes left for right: by about 150 px at the shoulders."""
    frames = range(46, 54)
    found, findings = detect_recording(
        cut_real_trial(balancing, tmp_path, frames, pasted=False), "mediapipe", mattes=True
    )
    assert any(f.about == "camera cam_02" and "left for right" in f.text for f in findings)
    check_against_body_25b(found, balancing, frames)
    mattes = person_mattes(found.cameras[3], found.views[3])
    keypoints = found.views[3].keypoints
    assert keypoints is not None
    assert mattes.at(4, keypoints.pixels[4, 0, NAMED]).all()
    assert 0.03 < mattes.frames().mean() < 0.3
