"""The demo trial: complete, reproducible, and true to its truth."""

import filecmp
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinefuse.conventions import IMU_SITES, JOINT_INDEX, KEYPOINTS
from kinefuse.errors import KinefuseError
from kinefuse.formats.netcdf import read_motion
from kinefuse.formats.trial import read_trial
from kinefuse.motion import Motion
from kinefuse.recordings import Recording
from kinefuse.synthesis.cameras import keypoint_positions
from kinefuse.synthesis.demo import Demo, demo_mattes, demo_recording, make_demo
from kinefuse.synthesis.outlines import matte_camera
from kinefuse.synthesis.person import demo_person
from kinefuse.vision.cameras import project


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo(tmp_path_factory.mktemp("demo") / "trial")


@pytest.fixture(scope="module")
def trial(folder: Path) -> Recording:
    return read_trial(folder)


@pytest.fixture(scope="module")
def truth(folder: Path) -> Motion:
    return read_motion(folder / "reference" / "motion.nc")


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_trial_is_complete(trial: Recording) -> None:
    assert [view.camera for view in trial.views] == ["cam_1", "cam_2", "cam_3", "cam_4"]
    assert [view.start_s for view in trial.views] == [0.0, 0.0, 0.0, 0.1]
    assert [imu.segment for imu in trial.imus] == list(IMU_SITES)
    assert all(imu.start_is_known and imu.R_ref_sensor is not None for imu in trial.imus)
    assert all(imu.R_segment_sensor is None and imu.R_world_ref is None for imu in trial.imus)
    assert trial.subject.height_m == pytest.approx(1.76)
    assert [pose.kind for pose in trial.poses] == ["n"]


def test_the_person_stands_still_in_the_held_pose(trial: Recording, truth: Motion) -> None:
    pose = trial.poses[0]
    held = (truth.time >= pose.start_s) & (truth.time <= pose.end_s)
    assert held.sum() > 100
    assert np.ptp(truth.positions[held], axis=0).max() < 1e-6


def test_what_cameras_see_is_near_the_truth(trial: Recording, truth: Motion) -> None:
    points = keypoint_positions(truth, demo_person(), np.zeros(0))
    for camera, view in zip(trial.cameras, trial.views, strict=True):
        assert view.keypoints is not None
        assert view.start_s is not None
        first = round(view.start_s * 120)
        expected = project(camera, points[first::2])[: len(view.keypoints.pixels)]
        off = np.linalg.norm(view.keypoints.pixels[:, 0] - expected, axis=-1)
        assert 1.0 < np.nanmedian(off) < 8.0
        assert np.isfinite(off).mean() > 0.93
        assert view.keypoints.names == KEYPOINTS


def test_truth_has_angles_and_is_sampled_at_120_hz(truth: Motion) -> None:
    assert truth.rate_hz == pytest.approx(120.0)
    assert np.rad2deg(truth.angle("knee_angle_r").max()) == pytest.approx(63, abs=3)
    assert np.isfinite(truth.angles).all()


def test_same_seed_same_trial(folder: Path, tmp_path: Path) -> None:
    again = make_demo(tmp_path / "again")
    names = [name for name in files_of(folder) if not name.endswith(".nc")]  # a file of its own format has dates
    assert files_of(again) == files_of(folder)
    assert filecmp.cmpfiles(folder, again, names, shallow=False)[0] == names
    twice = [read_motion(f / "reference" / "motion.nc").positions for f in (folder, again)]
    assert np.array_equal(twice[0], twice[1])


def test_other_seed_other_errors_same_walk() -> None:
    one, two = demo_recording(0), demo_recording(1)
    assert np.array_equal(one.truth.positions, two.truth.positions)
    assert not np.allclose(one.recording.cameras[0].matrix, two.recording.cameras[0].matrix)
    assert not np.allclose(one.recording.imus[0].specific_force[:50], two.recording.imus[0].specific_force[:50])


def test_an_existing_folder_is_not_overwritten_unasked(folder: Path) -> None:
    with pytest.raises(KinefuseError, match="overwrite"):
        make_demo(folder)


def test_silhouettes_show_the_person_from_each_cameras_start() -> None:
    """Joints deep within the trunk and thighs are imaged onto the person; faults take a little away."""
    whole = demo_recording()
    truth = whole.truth.frames(slice(240, 264))
    views = [
        replace(view, start_s=start) for view, start in zip(whole.recording.views, (2.0, 2.0, 2.0, 2.1), strict=True)
    ]
    mattes = demo_mattes(Demo(recording=replace(whole.recording, views=tuple(views)), truth=truth))
    assert [len(seen) for seen in mattes] == [12, 12, 12, 6]
    inner = [JOINT_INDEX[name] for name in ("root", "spine", "chest", "knee_l", "knee_r")]
    for camera, view, seen in zip(whole.recording.cameras, views, mattes, strict=True):
        assert seen.size == (480, 270)
        assert view.start_s is not None
        now = truth.positions[round((view.start_s - 2.0) * 120) :: 2, inner]
        cells = project(matte_camera(camera), now)
        assert np.mean([seen.at(t, cells[t]) for t in range(len(seen))]) > 0.9


def test_a_negative_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KinefuseError, match="seed"):
        make_demo(tmp_path / "x", seed=-1)
