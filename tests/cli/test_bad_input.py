"""Everything that users get wrong: one sentence, status 2, nothing overwritten, no traceback."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_samples import (
    draw_video,
    refused,
    refused_run,
    short_recording,
    snapshot,
    write_short_trial,
    write_silhouette_trial,
    write_video_trial,
)

from kinefuse.cli import main
from kinefuse.errors import KinefuseError
from kinefuse.formats.trial import write_trial
from kinefuse.recordings import JointCenters

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    return write_short_trial(tmp_path / "trial")


# ---- the trial itself


def test_no_such_folder(tmp_path: Path, capsys: Capture) -> None:
    assert "No trial.toml" in refused(capsys, "run", tmp_path / "nowhere")
    assert "No trial.toml" in refused(capsys, "check", tmp_path / "nowhere")


def test_no_trial_toml(trial: Path, capsys: Capture) -> None:
    (trial / "trial.toml").unlink()
    assert "No trial.toml" in refused_run(capsys, trial)


def test_a_zipped_trial(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "trial.zip").write_bytes(b"PK")
    assert "expected a trial's folder" in refused_run(capsys, tmp_path / "trial.zip")


def test_broken_trial_toml(trial: Path, capsys: Capture) -> None:
    (trial / "trial.toml").write_text("[[camera]\nname = 3")
    assert "not valid TOML" in refused_run(capsys, trial)


def test_a_camera_without_calibration(trial: Path, capsys: Capture) -> None:
    with (trial / "trial.toml").open("a") as file:
        file.write('\n[[camera]]\nname = "cam_9"\nrate_hz = 60.0\n')
    shutil.copy(trial / "keypoints" / "cam_1.csv", trial / "keypoints" / "cam_9.csv")
    message = refused_run(capsys, trial)
    assert "cam_9" in message
    assert "calibration.toml" in message


def test_one_camera_only(tmp_path: Path, capsys: Capture) -> None:
    trial = write_short_trial(tmp_path / "trial", cameras=1)
    assert "at least two" in refused_run(capsys, trial)
    assert "at least two" in refused(capsys, "check", trial)


def test_inertial_sensors_that_no_network_knows_name_what_is_needed(tmp_path: Path, capsys: Capture) -> None:
    from cli_samples import walk

    on_the_hand = replace(walk().recording.imus[0], segment="hand_l")
    write_trial(tmp_path / "trial", replace(walk().recording, views=(), cameras=(), imus=(on_the_hand,)))
    assert "inertial sensors only" in refused_run(capsys, tmp_path / "trial")


# ---- videos


def test_a_video_of_an_unexplained_size(tmp_path: Path, capsys: Capture) -> None:
    trial = write_video_trial(tmp_path / "trial", [(640, 360), (360, 640)])
    message = refused_run(capsys, trial)
    assert "cam_2" in message
    assert "360×640" in message
    assert "image_scale" in message
    assert "cam_2" in refused(capsys, "check", trial)


@pytest.mark.parametrize("content", [b"", b"this is no video at all, whatever its name says"])
def test_an_unreadable_video(tmp_path: Path, capsys: Capture, content: bytes) -> None:
    trial = write_video_trial(tmp_path / "trial", [(640, 360), (640, 360)])
    (trial / "videos" / "cam_1.mp4").unlink()
    (trial / "videos" / "cam_1.mp4").write_bytes(content)
    assert "cam_1.mp4" in refused_run(capsys, trial)
    assert "cam_1.mp4" in refused(capsys, "check", trial)


def test_nobody_in_view(tmp_path: Path, capsys: Capture) -> None:
    trial = write_video_trial(tmp_path / "trial", [(640, 360), (640, 360)])
    assert "Nobody was found" in refused_run(capsys, trial)


def test_nobody_in_the_keypoints(trial: Path, capsys: Capture) -> None:
    for path in (trial / "keypoints").iterdir():
        path.write_text("frame,keypoint,x_px,y_px,confidence\n")
    assert "shows a person" in refused_run(capsys, trial)
    assert "shows a person" in refused(capsys, "check", trial)


def test_an_unknown_detector(tmp_path: Path, capsys: Capture) -> None:
    trial = write_video_trial(tmp_path / "trial", [(640, 360), (640, 360)])
    assert "mediapipe" in refused_run(capsys, trial, "--detector", "mediapip")


def test_an_unknown_detector_that_would_not_be_needed(trial: Path, capsys: Capture) -> None:
    assert "mediapipe" in refused_run(capsys, trial, "--detector", "mediapip")


# ---- silhouettes


def test_silhouettes_without_calibration(tmp_path: Path, capsys: Capture) -> None:
    trial = write_silhouette_trial(tmp_path / "trial")
    (trial / "calibration.toml").unlink()
    assert "there is no calibration.toml" in refused_run(capsys, trial, "--estimator", "deepfuse")


def test_silhouettes_of_a_camera_that_is_not_calibrated(tmp_path: Path, capsys: Capture) -> None:
    trial = write_silhouette_trial(tmp_path / "trial")
    (trial / "trial.toml").write_text((trial / "trial.toml").read_text().replace("cam_1", "cam_9"))
    (trial / "silhouettes" / "cam_1").rename(trial / "silhouettes" / "cam_9")
    message = refused_run(capsys, trial, "--estimator", "deepfuse")
    assert "camera cam_9 is not in calibration.toml" in message


def test_silhouettes_of_an_unexplained_size(tmp_path: Path, capsys: Capture) -> None:
    trial = write_silhouette_trial(tmp_path / "trial", size=(360, 640))
    message = refused_run(capsys, trial, "--estimator", "deepfuse")
    assert "cam_1: its silhouettes are 360×640 pixels but it was calibrated at 640×360" in message
    assert "image_scale" in message


def test_silhouettes_of_a_size_that_contradicts_what_is_given(tmp_path: Path, capsys: Capture) -> None:
    trial = write_silhouette_trial(tmp_path / "trial", size=(320, 180))
    path = trial / "trial.toml"
    path.write_text(path.read_text().replace("rate_hz", "image_scale = 1.0\nrate_hz"))
    assert "does not fit image_scale = 1 " in refused_run(capsys, trial, "--estimator", "deepfuse")


def test_silhouettes_whose_numbers_appear_twice(tmp_path: Path, capsys: Capture) -> None:
    trial = write_silhouette_trial(tmp_path / "trial")
    shutil.copy(trial / "silhouettes" / "cam_2" / "000001.png", trial / "silhouettes" / "cam_2" / "1.png")
    assert "frame 1 appears twice" in refused_run(capsys, trial, "--estimator", "deepfuse")


def test_silhouettes_of_one_camera_only(tmp_path: Path, capsys: Capture) -> None:
    trial = write_silhouette_trial(tmp_path / "trial", cameras=1)
    assert "Only camera cam_1 has a video, keypoints or silhouettes" in refused_run(
        capsys, trial, "--estimator", "deepfuse"
    )


def test_silhouettes_with_one_video_are_enough(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One camera has a reference video too: nobody is sought in it, and DeepFuse looks at the silhouettes."""

    def found_nobody(*_: object) -> None:
        raise KinefuseError("The silhouettes were looked at.")

    trial = write_silhouette_trial(tmp_path / "trial")
    draw_video(trial / "videos" / "cam_1.mp4", (640, 360))
    monkeypatch.setattr("kinefuse.estimators.deepfuse.found_performer", found_nobody)
    assert refused_run(capsys, trial, "--estimator", "deepfuse") == "The silhouettes were looked at."


# ---- numbers


@pytest.mark.parametrize("word", ["nan", "inf", "-Infinity", "1e400", "twelve"])
def test_no_finite_number_in_keypoints(trial: Path, capsys: Capture, word: str) -> None:
    path = trial / "keypoints" / "cam_2.csv"
    lines = path.read_text().splitlines()
    cells = lines[5].split(",")
    lines[5] = ",".join([*cells[:2], word, *cells[3:]])
    path.write_text("\n".join(lines) + "\n")
    assert "cam_2.csv" in refused_run(capsys, trial)


def test_a_table_as_a_spreadsheet_saves_it_in_europe(trial: Path, capsys: Capture) -> None:
    path = trial / "keypoints" / "cam_2.csv"
    path.write_text(path.read_text().replace(",", ";").replace(".", ","))
    assert "semicolons" in refused_run(capsys, trial)


@pytest.mark.parametrize("word", ["nan", "inf"])
def test_no_finite_number_in_a_sensor(trial: Path, capsys: Capture, word: str) -> None:
    (trial / "imu").mkdir()
    (trial / "imu" / "pelvis.csv").write_text(
        f"time_s,acc_x,acc_y,acc_z,gyr_x,gyr_y,gyr_z\n0,0,0,9.81,0,0,0\n0.01,{word},0,9.81,0,0,0\n"
    )
    assert "pelvis.csv" in refused_run(capsys, trial)


def test_an_infinite_calibration(trial: Path, capsys: Capture) -> None:
    path = trial / "calibration.toml"
    lines = [
        "translation = [inf, 0.0, 0.0]" if line.startswith("translation") else line
        for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(lines))
    assert "calibration.toml" in refused_run(capsys, trial)


# ---- measured joint centres


def _points_trial(folder: Path, size_m: float = 1.0) -> Path:
    positions = size_m * np.random.default_rng(0).uniform(size=(6, 8, 3))
    names = ("hip_l", "hip_r", "knee_l", "knee_r", "ankle_l", "ankle_r", "shoulder_l", "shoulder_r")
    centers = JointCenters(names=names, time=np.arange(6) / 60.0, positions=positions)
    write_trial(folder, replace(short_recording(), views=(), cameras=(), joint_centers=centers))
    return folder


def test_a_blank_line_in_a_trc(tmp_path: Path, capsys: Capture) -> None:
    trial = _points_trial(tmp_path / "trial")
    path = trial / "joint_centers.trc"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:8], "", *lines[8:]]) + "\n")
    assert "joint_centers.trc" in refused_run(capsys, trial)


def test_a_unit_that_contradicts_the_header(tmp_path: Path, capsys: Capture) -> None:
    trial = _points_trial(tmp_path / "trial")
    path = trial / "joint_centers.trc"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines).replace("\tm\t", "\tfurlong\t") + "\n")
    assert "joint_centers.trc" in refused_run(capsys, trial)


def test_points_of_no_human_size(tmp_path: Path, capsys: Capture) -> None:
    trial = _points_trial(tmp_path / "trial", size_m=0.02)
    assert "check the unit" in refused(capsys, "check", trial)
    assert "check the unit" in refused_run(capsys, trial)


def test_points_of_unknown_names(tmp_path: Path, capsys: Capture) -> None:
    trial = _points_trial(tmp_path / "trial")
    path = trial / "joint_centers.trc"
    path.write_text(path.read_text().replace("_l", "_links").replace("_r", "_rechts"))
    assert "rename them" in refused_run(capsys, trial)
    assert "rename them" in refused(capsys, "check", trial)


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_a_calibration_in_another_unit(tmp_path: Path, capsys: Capture, factor: float) -> None:
    recording = short_recording()
    cameras = tuple(replace(c, translation=factor * c.translation) for c in recording.cameras)
    write_trial(tmp_path / "trial", replace(recording, cameras=cameras))
    assert "calibration.toml" in refused_run(capsys, tmp_path / "trial")
    assert main(["check", str(tmp_path / "trial")]) == 0
    assert "check the unit in calibration.toml" in capsys.readouterr().out


# ---- where the result goes


def test_a_folder_that_holds_something(trial: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    assert "--overwrite" in refused_run(capsys, trial, "--out", out)
    assert snapshot(out) == {"notes.txt": b"mine"}


def test_a_file_in_the_place_of_the_folder(trial: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "out").write_text("mine")
    assert "file" in refused_run(capsys, trial, "--out", tmp_path / "out")
    assert "file" in refused_run(capsys, trial, "--out", tmp_path / "out" / "deeper" / "result")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("name", ["", "reference", "keypoints", "imu"])
def test_the_trial_itself_is_never_overwritten(trial: Path, capsys: Capture, name: str) -> None:
    assert "another folder" in refused_run(capsys, trial, "--overwrite", "--out", trial / name)


def test_the_folder_is_looked_at_before_any_work(
    trial: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(folder: Path) -> None:
        raise RuntimeError(f"{folder} was read")

    monkeypatch.setattr("kinefuse.formats.trial.read_trial", late)
    (tmp_path / "out").write_text("")
    assert str(tmp_path / "out") in refused_run(capsys, trial, "--out", tmp_path / "out")


def test_a_folder_that_may_not_be_written(trial: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("kinefuse.cli.target.tempfile.TemporaryFile", forbidden)
    assert "Permission denied" in refused_run(capsys, trial)


# ---- names


def test_an_unknown_estimator(trial: Path, capsys: Capture) -> None:
    message = refused_run(capsys, trial, "--estimator", "smplify")
    assert "smplify3d" in message


def test_wrong_options(trial: Path, capsys: Capture) -> None:
    assert "--overwrit" in refused(capsys, "run", trial, "--overwrit")
    assert "run --help" in refused(capsys, "run")
    assert "rum" in refused(capsys, "rum")
    assert "seed" in refused(capsys, "run", trial, "--seed", "many")


def test_a_negative_seed(trial: Path, capsys: Capture) -> None:
    assert "seed" in refused_run(capsys, trial, "--seed", "-1")


# ---- import, export, view


def test_import_from_an_unknown_tool(tmp_path: Path, capsys: Capture) -> None:
    assert "pose2sim" in refused(capsys, "import", tmp_path, tmp_path / "trial", "--from", "pose2simm")
    assert "calibration" in refused(capsys, "import", tmp_path, tmp_path / "trial", "--from", "pose2sim")
    assert not (tmp_path / "trial").exists()


def test_export_of_no_result(tmp_path: Path, capsys: Capture) -> None:
    assert "motion.nc" in refused(capsys, "export", tmp_path, "--to", "trc")
    assert "xlsx" in refused(capsys, "export", tmp_path, "--to", "trc,xlsx")
    assert "--to" in refused(capsys, "export", tmp_path, "--to", ",")


def test_view_of_no_result(tmp_path: Path, capsys: Capture) -> None:
    assert "motion.nc" in refused(capsys, "view", tmp_path)


def test_view_at_an_impossible_port(tmp_path: Path, capsys: Capture) -> None:
    assert "port" in refused(capsys, "view", tmp_path, "--port", "70000")


def test_demo_in_place_of_a_trial_of_ones_own(tmp_path: Path, capsys: Capture) -> None:
    trial = write_short_trial(tmp_path / "trial")
    text = (trial / "trial.toml").read_text().replace('"demo"', '"anna"')
    (trial / "trial.toml").write_text(text)
    before = snapshot(tmp_path)
    assert "is a trial, but not the demo's" in refused(capsys, "demo", "--out", tmp_path, "--overwrite")
    assert snapshot(tmp_path) == before


def test_demo_into_a_folder_that_is_no_demo(tmp_path: Path, capsys: Capture) -> None:
    draw_video(tmp_path / "trial" / "holiday.mp4", (64, 64), frames=2)
    before = snapshot(tmp_path)
    assert "--overwrite" in refused(capsys, "demo", "--out", tmp_path)
    assert "trial.toml" in refused(capsys, "demo", "--out", tmp_path, "--overwrite")
    assert snapshot(tmp_path) == before
