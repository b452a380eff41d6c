import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trial_samples import camera, damaged, imu, keypoints, read_or_refuse

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.calibration import write_calibration
from kinefuse.formats.imu_csv import write_imu_csv
from kinefuse.formats.keypoint_csv import write_keypoints_csv
from kinefuse.formats.openpose import write_openpose_folder
from kinefuse.formats.tables import write_points_csv
from kinefuse.formats.trial import calibrated_from_file, file_from_calibrated, read_trial, write_trial
from kinefuse.recordings import HeldPose, HingeMovement, JointCenters, Recording, Subject, View
from kinefuse.rotations import geodesic_angle


def bare_trial(folder: Path, toml: str = "", cameras: int = 2) -> Path:
    """A trial with keypoints of two cameras and one sensor at their usual places."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trial.toml").write_text(toml)
    write_calibration(folder / "calibration.toml", [camera(f"cam_{i}", i) for i in range(cameras)])
    (folder / "videos").mkdir()
    for i in range(cameras):
        (folder / "videos" / f"cam_{i}.mp4").write_bytes(b"no video")
    (folder / "imu").mkdir()
    write_imu_csv(folder / "imu" / "thigh_r.csv", imu())
    return folder


def full_recording(folder: Path) -> Recording:
    """A recording with every part; its files lie in `folder`."""
    folder.mkdir()
    (folder / "walk.MOV").write_bytes(b"images")
    (folder / "odd.mpeg").write_bytes(b"other images")
    (folder / "mattes").mkdir()
    (folder / "mattes" / "0001.png").write_bytes(b"matte")
    views = (
        View(
            camera="cam_0",
            rate_hz=60.0,
            start_s=0.25,
            video=folder / "walk.MOV",
            silhouettes=folder / "mattes",
            keypoints=keypoints(people=2),
            image_scale=0.5,
            image_offset_px=(0.0, 7.0),
        ),
        View(camera="cam_1", video=folder / "odd.mpeg"),
        View(camera="cam_2", rate_hz=50.0, keypoints=keypoints(seed=1)),
    )
    time = np.arange(4) / 50.0
    positions = np.random.default_rng(0).normal(size=(4, 2, 3)).round(6)
    positions[1, 0] = np.nan
    return Recording(
        subject=Subject(id='S"01', height_m=1.78, mass_kg=74.0, sex="female", age_years=41.0),
        cameras=tuple(camera(f"cam_{i}", i) for i in range(4)),
        views=views,
        joint_centers=JointCenters(names=("hip_l", "hip_r"), time=time, positions=positions),
        imus=(imu(start_s=0.5), imu("loose one", start_s=None, seed=1)),
        poses=(HeldPose(kind="n", start_s=1.0, end_s=3.0),),
        movements=(
            HingeMovement(joint="knee_r", start_s=4.0, end_s=9.0),
            HingeMovement(joint="elbow_l", start_s=9, end_s=12),
        ),
    )


# ---- round trip


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = full_recording(tmp_path / "source")
    write_trial(tmp_path / "trial", written)
    read = read_trial(tmp_path / "trial")
    assert read.folder == tmp_path / "trial"
    assert read.subject == written.subject
    assert read.poses == written.poses
    assert read.movements == written.movements
    assert [c.name for c in read.cameras] == ["cam_0", "cam_1", "cam_2", "cam_3"]
    assert [v.camera for v in read.views] == ["cam_0", "cam_1", "cam_2"]
    assert read.joint_centers is not None
    assert written.joint_centers is not None
    assert read.joint_centers.names == written.joint_centers.names
    np.testing.assert_allclose(read.joint_centers.positions, written.joint_centers.positions, atol=1e-7)


def test_views_come_back_with_their_files(tmp_path: Path) -> None:
    written = full_recording(tmp_path / "source")
    write_trial(tmp_path / "trial", written)
    first, second, third = read_trial(tmp_path / "trial").views
    assert (first.rate_hz, first.start_s) == (60.0, 0.25)
    assert (first.image_scale, first.image_offset_px) == (0.5, (0.0, 7.0))
    assert first.video == tmp_path / "trial" / "videos" / "cam_0.mov"
    assert first.video.read_bytes() == b"images"
    assert first.silhouettes == tmp_path / "trial" / "silhouettes" / "cam_0"
    assert (first.silhouettes / "0001.png").read_bytes() == b"matte"
    assert second.video == tmp_path / "trial" / "videos" / "cam_1.mpeg"
    assert (second.rate_hz, second.start_s, second.image_scale) == (None, None, None)
    assert third.video is None
    for read, before in ((first, written.views[0]), (third, written.views[2])):
        assert read.keypoints is not None
        assert before.keypoints is not None
        np.testing.assert_allclose(read.keypoints.pixels, before.keypoints.pixels, atol=1.1e-4)


def test_sensors_come_back_with_their_clocks(tmp_path: Path) -> None:
    written = full_recording(tmp_path / "source")
    write_trial(tmp_path / "trial", written)
    for read, before in zip(read_trial(tmp_path / "trial").imus, written.imus, strict=True):
        assert (read.name, read.segment, read.start_is_known) == (before.name, before.segment, before.start_is_known)
        np.testing.assert_allclose(read.time, before.time, atol=1e-12)
        np.testing.assert_array_equal(read.specific_force, before.specific_force)
        for name in ("R_segment_sensor", "R_world_ref"):
            assert geodesic_angle(getattr(read, name), getattr(before, name)) < 1e-9


def test_reading_never_looks_into_reference(tmp_path: Path) -> None:
    folder = bare_trial(tmp_path / "trial")
    (folder / "reference").mkdir()
    (folder / "reference" / "joint_centers.trc").write_text("no TRC at all")
    assert read_trial(folder).joint_centers is None


# ---- pixels


def test_file_pixels_are_brought_to_the_calibrated_image(tmp_path: Path) -> None:
    # a 1088x1920 image shrunk to fit 1080x1920: x_file = 0.9926 x, y_file = 0.9926 y + 7.2
    toml = '[[camera]]\nname = "cam_0"\nimage_scale = 0.9926\nimage_offset_px = [0, 7.2]\n'
    folder = bare_trial(tmp_path / "trial", toml)
    (folder / "keypoints").mkdir()
    (folder / "keypoints" / "cam_0.csv").write_text("frame,keypoint,x_px,y_px,confidence\n0,nose,496.3,503.5,1\n")
    (view,) = read_trial(folder).views
    assert view.keypoints is not None
    np.testing.assert_allclose(view.keypoints.pixels[0, 0, 0], [500.0, 500.0], atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(0.01, 100.0), x=st.floats(-500, 500), y=st.floats(-500, 500), seed=st.integers(0, 100))
def test_the_two_pixel_maps_are_inverse(scale: float, x: float, y: float, seed: int) -> None:
    view = View(camera="c", image_scale=scale, image_offset_px=(x, y))
    points = keypoints(seed=seed)
    back = calibrated_from_file(file_from_calibrated(points, view), view)
    np.testing.assert_allclose(back.pixels, points.pixels, atol=1e-6)
    unknown = View(camera="c")
    np.testing.assert_array_equal(file_from_calibrated(points, unknown).pixels, points.pixels)


# ---- usual places


def test_an_empty_toml_will_do(tmp_path: Path) -> None:
    read = read_trial(bare_trial(tmp_path / "trial"))
    assert [v.camera for v in read.views] == ["cam_0", "cam_1"]
    assert [v.rate_hz for v in read.views] == [None, None]
    assert [i.name for i in read.imus] == ["thigh_r"]
    assert not read.imus[0].start_is_known


def test_only_cameras_with_files_are_used(tmp_path: Path) -> None:
    folder = bare_trial(tmp_path / "trial")
    (folder / "videos" / "cam_0.mp4").unlink()
    (folder / "videos" / ".DS_Store").write_bytes(b"")
    (folder / "videos" / "cam_1.mp4").rename(folder / "videos" / "cam_1.MP4")
    (view,) = read_trial(folder).views
    assert view.camera == "cam_1"


def test_openpose_folders_share_their_first_number(tmp_path: Path) -> None:
    toml = "".join(f'[[camera]]\nname = "cam_{i}"\nkeypoint_layout = "halpe26"\n' for i in range(2))
    folder = bare_trial(tmp_path / "trial", toml)
    for i in range(2):
        write_openpose_folder(folder / "keypoints" / f"cam_{i}", keypoints(3))
    (folder / "keypoints" / "cam_0" / "cam_0.000000.json").unlink()
    late, early = read_trial(folder).views
    assert late.keypoints is not None
    assert early.keypoints is not None
    assert len(late.keypoints.pixels) == len(early.keypoints.pixels) == 3
    assert np.isnan(late.keypoints.pixels[0]).all()
    np.testing.assert_array_equal(late.keypoints.pixels[1:], early.keypoints.pixels[1:])


def test_joint_centres_alone_are_a_trial(tmp_path: Path) -> None:
    centers = JointCenters(names=("hip_l",), time=np.arange(3) / 10.0, positions=np.ones((3, 1, 3)))
    write_trial(tmp_path / "trial", Recording(joint_centers=centers))
    assert not (tmp_path / "trial" / "calibration.toml").exists()
    read = read_trial(tmp_path / "trial").joint_centers
    assert read is not None
    np.testing.assert_array_equal(read.positions, centers.positions)


def test_joint_centres_may_be_a_table_or_c3d(tmp_path: Path, data: Path) -> None:
    centers = JointCenters(names=("hip_l",), time=np.arange(3) / 10.0, positions=np.ones((3, 1, 3)))
    (tmp_path / "trial.toml").write_text("")
    write_points_csv(tmp_path / "joint_centers.csv", centers)
    read = read_trial(tmp_path).joint_centers
    assert read is not None
    np.testing.assert_array_equal(read.positions, centers.positions)
    shutil.copyfile(data / "real" / "opensim_reader_samples" / "walking2.c3d", tmp_path / "joint_centers.c3d")
    with pytest.raises(FormatError, match="keep one, or name it in"):
        read_trial(tmp_path)
    (tmp_path / "trial.toml").write_text('[joint_centers]\nfile = "joint_centers.c3d"\n')
    markers = read_trial(tmp_path).joint_centers
    assert markers is not None
    assert len(markers.names) > 20


# ---- mistakes


def test_folders_that_are_no_trial(tmp_path: Path) -> None:
    with pytest.raises(KinefuseError, match=r"No trial\.toml in .*nowhere: expected a trial's folder"):
        read_trial(tmp_path / "nowhere")
    (tmp_path / "trial.toml").write_text("format = 1\n")
    with pytest.raises(KinefuseError, match="nothing was recorded; expected videos"):
        read_trial(tmp_path)


@pytest.mark.parametrize(
    "toml, words",
    [
        ('[[camera]]\nname = "cam_0"\nvideo = "../walk.mp4"\n', "'../walk.mp4' leads out of the trial's folder"),
        ('[[camera]]\nname = "cam_0"\nvideo = "/etc/passwd"\n', "'/etc/passwd' leads out of the trial's folder"),
        ('[[camera]]\nname = "cam_0"\nvideo = "videos"\n', "there is no file 'videos'"),
        ('[[camera]]\nname = "../cam_0"\n', "name must be a name that can name a file"),
        ('[[camera]]\nname = "cam_7"\n', r"cam_7 is not in calibration.toml \(did you mean 'cam_.'\?\)"),
        ('[[imu]]\nname = "thigh_r"\nfile = "imu/thigh.csv"\n', "there is no file 'imu/thigh.csv'"),
        ('[[imu]]\nname = "left"\nfile = "imu/thigh_r.csv"\n', "left lacks segment, one of pelvis"),
        ('[joint_centers]\nfile = "a.xlsx"\n', r"must end in \.trc, \.csv, \.c3d, got 'a.xlsx'"),
    ],
)
def test_mistakes_in_the_toml_are_named(tmp_path: Path, toml: str, words: str) -> None:
    (tmp_path / "walk.mp4").write_bytes(b"outside")
    with pytest.raises(FormatError, match=words):
        read_trial(bare_trial(tmp_path / "trial", toml))


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = bare_trial(tmp_path / "trial", '[[camera]]\nname = "cam_0"\nvideo = "here.mp4"\n')
    (tmp_path / "there.mp4").write_bytes(b"outside")
    (folder / "here.mp4").symlink_to(tmp_path / "there.mp4")
    with pytest.raises(FormatError, match="leads out of the trial's folder"):
        read_trial(folder)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    toml = 'formt = 1\n[subject]\nheight_m = 178\n[[camera]]\nname = "cam_0"\nvideo = "no.mp4"\n[[imu]]\nnam = "x"\n'
    with pytest.raises(FormatError) as caught:
        read_trial(bare_trial(tmp_path / "trial", toml))
    message = str(caught.value)
    assert "5 things must be mended" in message
    for words in ("did you mean 'format'?", "height in metres", "'no.mp4'", "lacks name", "did you mean 'name'?"):
        assert words in message


def test_files_that_belong_to_nothing_are_told(tmp_path: Path) -> None:
    folder = bare_trial(tmp_path / "trial")
    (folder / "videos" / "cam2.avi").write_bytes(b"")
    (folder / "videos" / "cam_0.avi").write_bytes(b"")
    (folder / "imu" / "tigh_l.csv").write_text("")
    with pytest.raises(FormatError) as caught:
        read_trial(folder)
    for words in ("camera cam2 is not in calibration.toml", "keep one for each camera", "did you mean 'thigh_l'?"):
        assert words in str(caught.value)


def test_cameras_need_a_calibration_and_points_a_rate(tmp_path: Path) -> None:
    folder = bare_trial(tmp_path / "trial")
    shutil.rmtree(folder / "videos")
    (folder / "keypoints").mkdir()
    write_keypoints_csv(folder / "keypoints" / "cam_0.csv", keypoints())
    with pytest.raises(FormatError, match="camera cam_0 has no video that tells its frame rate; add rate_hz"):
        read_trial(folder)
    (folder / "calibration.toml").unlink()
    with pytest.raises(FormatError, match=r"cameras have data \(cam_0\), but there is no calibration.toml"):
        read_trial(folder)


def test_a_camera_without_files_is_told(tmp_path: Path) -> None:
    folder = bare_trial(tmp_path / "trial", '[[camera]]\nname = "cam_1"\n')
    shutil.rmtree(folder / "videos")
    with pytest.raises(FormatError, match="camera cam_1 has no files"):
        read_trial(folder)


@settings(max_examples=150, deadline=None)
@given(
    content=damaged(
        b'format = 1\n[subject]\nsex = "male"\n[[camera]]\nname = "cam_0"\nvideo = "videos/cam_0.mp4"\nrate_hz = 60.0\n'
        b'image_offset_px = [0.0, 1.0]\n[[imu]]\nname = "thigh_r"\nq_world_ref = [1.0, 0.0, 0.0, 0.0]\n'
        b'[[pose]]\nkind = "n"\nstart_s = 1.0\nend_s = 2.0\n'
        b'[[movement]]\njoint = "knee_r"\nstart_s = 3.0\nend_s = 8.0\n'
    )
)
def test_damaged_toml_is_refused_or_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged_trial"
    if not folder.exists():
        bare_trial(folder)
    recording = read_or_refuse(lambda path: read_trial(path.parent), folder / "trial.toml", content)
    assert recording is None or all(held.end_s > held.start_s for held in recording.poses)
    assert recording is None or all(made.end_s > made.start_s for made in recording.movements)
    assert recording is None or all(view.rate_hz is None or view.rate_hz > 0 for view in recording.views)


# ---- writing over something


def test_existing_files_are_never_destroyed(tmp_path: Path) -> None:
    recording = full_recording(tmp_path / "source")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("dear")
    for overwrite, words in ((False, "already holds files"), (True, "is not a trial to overwrite")):
        with pytest.raises(KinefuseError, match=words):
            write_trial(tmp_path / "full", recording, overwrite)
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["thesis.txt"]
    with pytest.raises(KinefuseError, match="is a file"):
        write_trial(tmp_path / "full" / "thesis.txt", recording)


def test_overwriting_replaces_the_trial_and_keeps_the_reference(tmp_path: Path) -> None:
    folder = bare_trial(tmp_path / "trial")
    (folder / "reference").mkdir()
    (folder / "reference" / "truth.trc").write_text("truth")
    read = read_trial(folder)
    write_trial(folder, replace(read, imus=()), overwrite=True)  # its videos lie in the folder itself
    again = read_trial(folder)
    assert [v.camera for v in again.views] == ["cam_0", "cam_1"]
    assert again.views[0].video is not None
    assert again.views[0].video.read_bytes() == b"no video"
    assert again.imus == ()
    assert (folder / "reference" / "truth.trc").read_text() == "truth"
    assert [p.name for p in tmp_path.iterdir()] == ["trial"]


def test_a_trial_behind_a_link_is_overwritten_where_it_lies(tmp_path: Path) -> None:
    """The link may lead to another disk, to which nothing can be renamed from beside the link."""
    real, link = bare_trial(tmp_path / "disk" / "trial"), tmp_path / "here" / "trial"
    link.parent.mkdir()
    link.symlink_to(real)
    write_trial(link, replace(read_trial(link), imus=()), overwrite=True)
    assert link.is_symlink()
    assert [view.camera for view in read_trial(real).views] == ["cam_0", "cam_1"]
    assert list(link.parent.iterdir()) == [link]


@pytest.mark.parametrize("works", [0, 2, 5])
def test_a_failure_while_moving_brings_the_old_trial_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: int
) -> None:
    folder = bare_trial(tmp_path / "trial")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    new = replace(read_trial(folder), imus=())
    rename, calls = Path.rename, 0

    def failing(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == works + 1:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(KinefuseError, match="No space left"):
        write_trial(folder, new, overwrite=True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_what_cannot_be_moved_back_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = bare_trial(tmp_path / "trial")
    before = sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    new = replace(read_trial(folder), imus=())
    rename, calls = Path.rename, 0

    def failing(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(KinefuseError, match="Input/output error"):
        write_trial(folder, new, overwrite=True)
    assert sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file()) == before


def test_images_of_any_case_are_written(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in ("f_1.PNG", "f_2.png", ".hidden.png"):
        (images / name).write_bytes(b"png")
    view = View(camera="c", rate_hz=50.0, silhouettes=images)
    write_trial(tmp_path / "trial", Recording(cameras=(camera("c"),), views=(view,)))
    assert sorted(p.name for p in (tmp_path / "trial" / "silhouettes" / "c").iterdir()) == ["f_1.PNG", "f_2.png"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = bare_trial(tmp_path / "trial")
    lost = Recording(cameras=(camera("c"),), views=(View(camera="c", video=tmp_path / "lost.mp4"),))
    with pytest.raises(KinefuseError, match="cannot be written: No such file"):
        write_trial(folder, lost, overwrite=True)
    assert len(read_trial(folder).views) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["trial"]
    with pytest.raises(KinefuseError, match="nothing to write"):
        write_trial(tmp_path / "new", Recording())
    odd = Recording(imus=(imu("../odd"),))
    with pytest.raises(KinefuseError, match="cannot name a file"):
        write_trial(tmp_path / "new", odd)
    assert not (tmp_path / "new").exists()
