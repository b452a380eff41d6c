"""``kinefuse check``: what is told of trials that can be run, and of what limits them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_samples import cut, draw_video, short_recording, walk, write_short_trial, write_video_trial

from kinefuse.cli import main
from kinefuse.cli.inspection import inspect_trial
from kinefuse.formats.trial import write_trial
from kinefuse.recordings import JointCenters, Recording, Subject, View

Capture = pytest.CaptureFixture[str]


def checked(trial: Path, capsys: Capture) -> str:
    """Run ``kinefuse check`` on a trial that can be run, and return what it prints."""
    assert main(["check", str(trial)]) == 0
    return capsys.readouterr().out


def test_contents_are_listed(tmp_path: Path, capsys: Capture) -> None:
    recording = walk().recording
    write_trial(tmp_path / "trial", replace(recording, views=tuple(cut(view) for view in recording.views)))
    out = checked(tmp_path / "trial", capsys)
    assert "height 1.76 m" in out
    assert "camera cam_2: calibrated at 1920×1080, keypoints of 12 frames, 26 points, 60 Hz, starts at 0 s" in out
    assert "sensor thigh_r on thigh_r: 100 Hz" in out
    assert "held pose n" in out
    assert "fusion-optimisation" in out


def test_a_sensor_in_g_and_degrees(tmp_path: Path) -> None:
    recording = walk().recording
    pelvis = recording.imus[0]
    wrong = replace(pelvis, specific_force=pelvis.specific_force / 9.81, angular_rate=np.degrees(pelvis.angular_rate))
    write_trial(tmp_path / "trial", replace(short_recording(), imus=(wrong,)))
    inspection = inspect_trial(tmp_path / "trial")
    told = [finding.text for finding in inspection.findings if finding.level == "error"]
    assert any("looks like g" in text for text in told)
    assert any("looks like deg/s" in text for text in told)
    assert inspection.obstacle is None


def test_videos_of_other_lengths_and_rates(tmp_path: Path, capsys: Capture) -> None:
    trial = write_video_trial(tmp_path / "trial", [(640, 360), (640, 360), (640, 360)])
    (trial / "videos" / "cam_2.mp4").unlink()
    draw_video(trial / "videos" / "cam_2.mp4", (640, 360), frames=30)
    (trial / "videos" / "cam_3.mp4").unlink()
    draw_video(trial / "videos" / "cam_3.mp4", (640, 360), frames=12, rate_hz=30.0)
    out = checked(trial, capsys)
    assert "640×360, 60 Hz, 30 frames" in out
    assert "Frame rates differ (cam_1 60 Hz, cam_2 60 Hz, cam_3 30 Hz)" in out
    assert "differ in length (cam_1 0.20 s, cam_2 0.50 s, cam_3 0.40 s)" in out


def test_a_scaled_video_is_explained(tmp_path: Path, capsys: Capture) -> None:
    trial = write_video_trial(tmp_path / "trial", [(640, 360), (320, 180)])
    assert "image_scale = 0.5000" in checked(trial, capsys)


def test_unknown_starts_and_no_common_time(tmp_path: Path) -> None:
    recording = short_recording(3)
    views = [replace(view, start_s=start) for view, start in zip(recording.views, (None, 0.0, 50.0), strict=True)]
    write_trial(tmp_path / "trial", replace(recording, views=tuple(views)))
    texts = [finding.text for finding in inspect_trial(tmp_path / "trial").findings]
    assert any("start of cam_1 is unknown" in text for text in texts)
    assert any("cam_2 and cam_3 never run at the same time" in text for text in texts)


def test_keypoints_that_show_nobody(tmp_path: Path, capsys: Capture) -> None:
    trial = write_short_trial(tmp_path / "trial")
    (trial / "keypoints" / "cam_1.csv").write_text("frame,keypoint,x_px,y_px,confidence\n")
    assert "show nobody" in checked(trial, capsys)


def test_sensors_alone_are_a_trial(tmp_path: Path, capsys: Capture) -> None:
    alone = replace(walk().recording, views=(), cameras=())
    write_trial(tmp_path / "trial", alone)
    assert "imu-kinematics" in checked(tmp_path / "trial", capsys)
    known = tuple(replace(imu, R_segment_sensor=np.eye(3)) for imu in alone.imus[1:])
    write_trial(tmp_path / "given", replace(alone, imus=(alone.imus[0], *known), poses=()))
    assert f"must be estimated: {alone.imus[0].name}.\n" in checked(tmp_path / "given", capsys)


def test_sensors_go_on_where_no_camera_shows_anybody(tmp_path: Path, capsys: Capture) -> None:
    write_trial(tmp_path / "trial", replace(short_recording(), imus=walk().recording.imus))
    for path in (tmp_path / "trial" / "keypoints").iterdir():
        path.write_text("frame,keypoint,x_px,y_px,confidence\n")
    out = checked(tmp_path / "trial", capsys)
    assert "No camera shows a person" in out
    assert "would be used alone" in out
    assert "imunet" in out


def test_cameras_beside_each_other(tmp_path: Path) -> None:
    recording = short_recording(2)
    first, second = recording.cameras
    beside = replace(second, R_camera_world=first.R_camera_world, translation=first.translation + 0.2)
    write_trial(tmp_path / "trial", replace(recording, cameras=(first, beside)))
    texts = [finding.text for finding in inspect_trial(tmp_path / "trial").findings]
    assert any("nearly the same line" in text for text in texts)
    assert any("Two cameras measure" in text for text in texts)


def test_measured_joint_centres(tmp_path: Path) -> None:
    truth = walk().truth
    positions = truth.positions[:60, [1, 2, 4, 5, 7, 8, 16, 17]].copy()
    positions[:40, 0] = np.nan
    positions[:, 1] = np.nan
    names = ("hip_l", "hip_r", "knee_l", "knee_r", "ankle_l", "ankle_r", "shoulder_l", "shoulder_r")
    centers = JointCenters(names=names, time=truth.time[:60], positions=positions)
    write_trial(tmp_path / "trial", replace(short_recording(), joint_centers=centers))
    inspection = inspect_trial(tmp_path / "trial")
    texts = [finding.text for finding in inspection.findings]
    assert "Never seen: hip_r." in texts
    assert "Missing in more than 30 % of the frames: hip_l." in texts
    assert inspection.obstacle is None
    assert any("8 points, 60 frames at 120 Hz, 20.8 % missing" in line for line in inspection.contents)


def test_a_rate_that_contradicts_the_video(tmp_path: Path) -> None:
    trial = write_video_trial(tmp_path / "trial", [(640, 360), (640, 360)])
    text = (trial / "trial.toml").read_text().replace('name = "cam_1"', 'name = "cam_1"\nrate_hz = 240.0')
    (trial / "trial.toml").write_text(text)
    texts = [finding.text for finding in inspect_trial(trial).findings]
    assert any("says 240 Hz and its video 60 Hz" in told for told in texts)


def test_balancing(balancing: Path, tmp_path: Path, capsys: Capture) -> None:
    trial = tmp_path / "trial"
    assert main(["import", str(balancing), str(trial), "--from", "pose2sim", "--detections", "associated"]) == 0
    out = checked(trial, capsys)
    assert out.count("100 frames") >= 4
    assert "60 Hz" in out
    assert "can be run" in out


def test_an_unreadable_video_is_one_error(tmp_path: Path) -> None:
    trial = write_video_trial(tmp_path / "trial", [(640, 360), (640, 360)])
    (trial / "videos" / "cam_1.mp4").unlink()
    (trial / "videos" / "cam_1.mp4").write_bytes(b"no video")
    inspection = inspect_trial(trial)
    assert [finding.about for finding in inspection.findings if finding.level == "error"] == ["camera cam_1"]
    assert inspection.obstacle is not None


def test_a_view_without_a_rate_is_an_obstacle() -> None:
    from kinefuse.cli.views import inspect_view

    recording = short_recording(2)
    view = replace(recording.views[0], rate_hz=None)
    assert isinstance(view, View)
    facts = inspect_view(recording.cameras[0], view)
    assert [finding.level for finding in facts.findings] == ["error"]


def test_points_of_limbs_alone_are_told(tmp_path: Path) -> None:
    """The estimation would end with the same sentence."""
    names = tuple(f"{name}_{side}" for name in ("elbow", "wrist", "knee", "ankle") for side in "lr")
    places = np.random.default_rng(0).normal(0.0, 0.5, (30, len(names), 3))
    centers = JointCenters(names=names, time=np.arange(30) / 60.0, positions=places)
    write_trial(tmp_path / "trial", Recording(subject=Subject(id="anna"), joint_centers=centers))
    inspection = inspect_trial(tmp_path / "trial")
    assert inspection.obstacle is not None
    assert "without which nothing tells where a body is" in inspection.obstacle
    assert main(["run", str(tmp_path / "trial")]) == 2
