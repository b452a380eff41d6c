"""The happy path: the demo once, its numbers and files, and what can be done with its result."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_samples import FRAMES, draw_video, short_recording, snapshot, write_short_trial, write_video_trial

from kinefuse.cli import main
from kinefuse.cli.pipeline import prepare, run_trial, with_rates
from kinefuse.cli.progress import silent
from kinefuse.conventions import SEGMENTS
from kinefuse.errors import KinefuseError
from kinefuse.estimators.base import Estimator
from kinefuse.estimators.registry import ESTIMATORS, choose_estimator
from kinefuse.formats.netcdf import read_motion
from kinefuse.formats.results import read_result
from kinefuse.formats.trial import write_trial
from kinefuse.motion import Motion
from kinefuse.recordings import JointCenters, Recording
from kinefuse.synthesis.demo import demo_recording

Capture = pytest.CaptureFixture[str]
# One worker runs all of this file, so that the demo is computed once; the mark exists only under xdist.
pytestmark = [pytest.mark.xdist_group("demo")] if "PYTEST_XDIST_WORKER" in os.environ else []


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's folder after ``kinefuse demo``."""
    folder = tmp_path_factory.mktemp("demo") / "walk"
    assert main(["demo", "--out", str(folder), "--quiet"]) == 0
    return folder


def test_demo_is_accurate(demo: Path) -> None:
    _, quality = read_result(demo / "result")
    groups = quality["truth"]["groups"]
    assert set(groups) == {"lower", "upper", "all"}
    assert groups["lower"]["angle_rmse_deg"] < 4.0
    assert groups["all"]["angle_rmse_deg"] < 5.0
    assert groups["all"]["mpjpe_mm"] < 40.0
    assert quality["truth"]["frames"] > 300


def test_demo_tells_where_numbers_come_from(demo: Path) -> None:
    motion, quality = read_result(demo / "result")
    assert quality["format"] == 1
    assert quality["estimator"] == "fusion-optimisation"
    assert quality["estimator_reason"]
    assert quality["seed"] == 0
    assert {"python", "kinefuse", "numpy", "scipy", "torch"} <= set(quality["versions"])
    assert set(quality["cameras"]) == {"cam_1", "cam_2", "cam_3", "cam_4"}
    assert len(quality["imus"]) == 13
    assert quality["imus"]["pelvis"]["rate_hz"] == pytest.approx(100.0, rel=0.01)
    assert set(quality["motion"]["provenance"]) == set(SEGMENTS)
    for shares in quality["motion"]["provenance"].values():
        assert sum(shares.values()) == pytest.approx(1.0)
    assert quality["motion"]["frames"] == len(motion.time)
    assert 1.0 < quality["fit"]["median_mm"] < 40.0
    assert all(set(finding) == {"level", "about", "text"} for finding in quality["findings"])


def test_demo_leaves_every_file(demo: Path) -> None:
    names = {path.name for path in (demo / "result").iterdir()}
    assert {
        "motion.nc",
        "joint_angles.mot",
        "joint_angles.csv",
        "joint_centers.trc",
        "quality.json",
        "strides.csv",
    } <= names
    assert (demo / "result" / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_the_summary_has_the_numbers_that_matter(demo: Path, capsys: Capture) -> None:
    from kinefuse.cli.run import print_result

    print_result(demo / "result")
    lines = capsys.readouterr().out.splitlines()
    text = "\n".join(lines)
    for part in (
        "frames at 60 Hz",
        "px (median)",
        "mm (median)",
        "% measured",
        "lower body: angles",
        "whole body",
        " strides, 1.2",
    ):
        assert part in text
    assert lines[-1] == f"report: {demo / 'result' / 'report.html'}"
    assert len(lines) < 25


def test_export(demo: Path, tmp_path: Path, capsys: Capture) -> None:
    result = str(demo / "result")
    assert main(["export", result, "--to", "trc,sto,c3d,bvh,csv,mot,glb", "--out", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) >= 7
    assert len(list(tmp_path.iterdir())) == 7
    before = snapshot(tmp_path)
    assert main(["export", result, "--to", "trc", "--out", str(tmp_path)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["export", result, "--to", "trc", "--out", str(tmp_path), "--overwrite"]) == 0
    assert snapshot(tmp_path) == before


def test_view_gets_result_and_port(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def noted(result: Path, port: int, recording: Recording | None) -> None:
        seen.extend([result, port, [] if recording is None else [camera.name for camera in recording.cameras]])

    monkeypatch.setattr("kinefuse.viewer.app.view_result", noted)
    assert main(["view", str(demo / "result"), "--port", "8123"]) == 0
    assert main(["view", str(demo / "result"), "--trial", str(demo / "trial")]) == 0
    assert seen == [demo / "result", 8123, [], demo / "result", 8080, ["cam_1", "cam_2", "cam_3", "cam_4"]]


# ---- the steps, with an estimator that takes no time


class Echo:
    """Returns the truth's first frames at the times of the joint centres, and remembers what it was given."""

    name = "echo"
    seen: Recording | None = None

    def estimate(self, recording: Recording) -> Motion:
        Echo.seen = recording
        if recording.joint_centers is None:
            raise KinefuseError("echo needs joint centres.")
        truth = demo_recording().truth
        rows = slice(0, len(recording.joint_centers.time))
        return Motion(
            time=recording.joint_centers.time,
            R_world_segment=truth.R_world_segment[rows],
            positions=truth.positions[rows],
            angles=truth.angles[rows],
            provenance=truth.provenance[rows],
            shape=truth.shape,
            rest_positions=truth.rest_positions,
            body_name=truth.body_name,
            estimator="echo",
            notes=("Echoed.",),
        )


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> str:
    build: type[Estimator] = Echo
    monkeypatch.setitem(ESTIMATORS, "echo", build)
    monkeypatch.setattr(Echo, "seen", None)
    return "echo"


def test_stages_are_reported_and_the_result_lies_in_the_trial(tmp_path: Path, echo: str) -> None:
    trial = write_short_trial(tmp_path / "trial")
    stages: list[str] = []
    result = run_trial(trial, estimator=echo, progress=lambda stage, done, total: stages.append(stage))
    assert result == trial / "result"
    assert stages[0] == "reading the trial"
    assert {"measuring joint centres", "estimating with echo", "writing the result"} <= set(stages)
    quality = json.loads((result / "quality.json").read_text())
    assert quality["estimator"] == "echo"
    assert quality["notes"] == ["Echoed."]
    assert "truth" not in quality


def test_the_truth_is_never_an_input(tmp_path: Path, echo: str) -> None:
    from kinefuse.formats.netcdf import write_motion

    trial = write_short_trial(tmp_path / "trial")
    (trial / "reference").mkdir()
    write_motion(trial / "reference" / "motion.nc", demo_recording().truth)
    result = run_trial(trial, estimator=echo)
    assert "truth" in json.loads((result / "quality.json").read_text())
    assert Echo.seen is not None
    assert Echo.seen.joint_centers is not None
    assert len(Echo.seen.joint_centers.time) == FRAMES
    assert not any(isinstance(value, Motion) for value in vars(Echo.seen).values())


def test_a_result_is_replaced_only_if_asked(tmp_path: Path, echo: str, capsys: Capture) -> None:
    trial = write_short_trial(tmp_path / "trial")
    run_trial(trial, estimator=echo)
    (trial / "result" / "notes.txt").write_text("mine")
    before = snapshot(trial)
    assert main(["run", str(trial), "--estimator", echo]) == 2
    assert snapshot(trial) == before
    assert main(["run", str(trial), "--estimator", echo, "--overwrite", "--quiet"]) == 0
    assert capsys.readouterr().out == f"{trial / 'result'}\n"
    assert (trial / "result" / "notes.txt").read_text() == "mine"


def test_measured_joint_centres_are_taken_as_they_are(tmp_path: Path, echo: str) -> None:
    truth = demo_recording().truth
    centers = JointCenters(names=("hip_l", "hip_r"), time=truth.time[:9], positions=truth.positions[:9, 1:3])
    write_trial(tmp_path / "trial", replace(short_recording(), joint_centers=centers))
    result = run_trial(tmp_path / "trial", estimator=echo)
    quality = json.loads((result / "quality.json").read_text())
    assert quality["cameras"] == {}
    assert any("were not looked at" in finding["text"] for finding in quality["findings"])
    assert quality["fit"]["median_mm"] == pytest.approx(0.0, abs=1e-3)
    assert len(read_motion(result / "motion.nc").time) == 9


def test_a_truth_of_another_time_costs_no_result(tmp_path: Path, echo: str) -> None:
    from kinefuse.formats.netcdf import write_motion

    trial = write_short_trial(tmp_path / "trial")
    (trial / "reference").mkdir()
    truth = demo_recording().truth
    write_motion(trial / "reference" / "motion.nc", replace(truth, time=truth.time + 1000.0))
    result = run_trial(trial, estimator=echo)
    quality = json.loads((result / "quality.json").read_text())
    assert "truth" not in quality
    (told,) = [finding for finding in quality["findings"] if finding["about"] == "truth"]
    assert told["level"] == "warning"
    assert "was not compared with reference/motion.nc" in told["text"]


def half_size_trial(folder: Path, scale: float | None) -> Path:
    """A trial whose keypoints are in pixels of videos of half the calibrated size."""
    points = short_recording(3)
    videos = [draw_video(folder.parent / "v" / f"{view.camera}.mp4", (960, 540)) for view in points.views]
    views = tuple(
        replace(view, video=video, image_scale=0.5, image_offset_px=(-0.25, -0.25))
        for view, video in zip(points.views, videos, strict=True)
    )
    write_trial(folder, replace(points, views=views))
    if scale is None:
        text = (folder / "trial.toml").read_text()
        lines = [line for line in text.splitlines() if not line.startswith("image_")]
        (folder / "trial.toml").write_text("\n".join(lines))
    return folder


def test_keypoints_of_a_scaled_video_are_brought_to_the_calibrated_image(tmp_path: Path, echo: str) -> None:
    measured = []
    for name, scale in (("stated", 0.5), ("found", None)):
        result = run_trial(half_size_trial(tmp_path / name, scale), estimator=echo)
        assert Echo.seen is not None
        assert Echo.seen.joint_centers is not None
        measured.append(Echo.seen.joint_centers.positions)
    np.testing.assert_allclose(measured[1], measured[0], atol=1e-6)
    told = [finding["text"] for finding in json.loads((result / "quality.json").read_text())["findings"]]
    assert sum("image_scale = 0.5000" in text for text in told) == 3
    assert sum("brought to the calibrated image" in text for text in told) == 3


def test_sensors_are_used_where_no_camera_shows_anybody(tmp_path: Path) -> None:
    sensors = demo_recording().recording
    write_trial(tmp_path / "trial", replace(short_recording(), imus=sensors.imus, poses=sensors.poses))
    for path in (tmp_path / "trial" / "keypoints").iterdir():
        path.write_text("frame,keypoint,x_px,y_px,confidence\n")
    quality = json.loads((run_trial(tmp_path / "trial") / "quality.json").read_text())
    assert quality["estimator"] == "imu-kinematics"
    assert any("The inertial sensors are used alone." in finding["text"] for finding in quality["findings"])
    with pytest.raises(KinefuseError, match="No camera shows a person"):
        run_trial(tmp_path / "trial", estimator="smplify3d", out=tmp_path / "out")


def test_refining_cameras_is_told(tmp_path: Path, echo: str) -> None:
    trial = write_short_trial(tmp_path / "trial")
    result = run_trial(trial, estimator=echo, refine_cameras=True)
    quality = json.loads((result / "quality.json").read_text())
    assert "refinement" in quality
    assert any("Refining" in finding["text"] for finding in quality["findings"])


def test_rates_that_only_videos_tell(tmp_path: Path) -> None:
    from kinefuse.formats.trial import read_trial

    videos = read_trial(write_video_trial(tmp_path / "videos", [(640, 360), (640, 360)]))
    points = short_recording(2)
    views = tuple(
        replace(view, rate_hz=None, video=other.video) for view, other in zip(points.views, videos.views, strict=True)
    )
    told = with_rates(replace(points, views=views))
    assert [view.rate_hz for view in told.views] == [60.0, 60.0]
    prepared = prepare(replace(points, views=views), refine_cameras=False, detector="auto", progress=silent)
    assert prepared.recording.joint_centers is not None
    assert np.isfinite(prepared.recording.joint_centers.positions).any()


def test_sensors_of_unknown_start_are_used_once_their_clock_is_found() -> None:
    points = demo_recording().recording
    loose = tuple(replace(imu, time=imu.time + 12.3, start_is_known=False) for imu in points.imus)
    unplaced = replace(points, imus=loose)
    assert "start_s" in choose_estimator(unplaced)[1]
    prepared = prepare(unplaced, refine_cameras=False, detector="auto", progress=silent)
    placed = prepared.recording.imus
    for imu, before in zip(placed, points.imus, strict=True):
        assert imu.time[0] == pytest.approx(before.time[0], abs=0.01)
    assert any("estimated from how fast limbs turn" in finding.text for finding in prepared.findings)
    assert choose_estimator(replace(unplaced, imus=placed))[0] == "fusion-optimisation"


def test_a_fault_of_ours_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    class Broken:
        name = "broken"

        def estimate(self, recording: Recording) -> Motion:
            raise ZeroDivisionError("division by zero")

    monkeypatch.setitem(ESTIMATORS, "broken", Broken)
    trial = write_short_trial(tmp_path / "trial")
    assert main(["run", str(trial), "--estimator", "broken"]) == 1
    assert "please report it" in capsys.readouterr().err
    assert not (trial / "result").exists()


def test_ctrl_c_in_the_report_leaves_the_old_result(
    tmp_path: Path, echo: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    trial = write_short_trial(tmp_path / "trial")
    assert main(["run", str(trial), "--estimator", echo]) == 0
    before = snapshot(trial)

    def stopped(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("kinefuse.report.page.render_report", stopped)
    assert main(["run", str(trial), "--estimator", echo, "--overwrite"]) == 130
    assert snapshot(trial) == before


def test_ctrl_c_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    class Slow:
        name = "slow"

        def estimate(self, recording: Recording) -> Motion:
            raise KeyboardInterrupt

    monkeypatch.setitem(ESTIMATORS, "slow", Slow)
    trial = write_short_trial(tmp_path / "trial")
    assert main(["run", str(trial), "--estimator", "slow"]) == 130
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (trial / "result").exists()
