import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trial_samples import camera, keypoints

from kinefuse.conventions import KEYPOINTS
from kinefuse.errors import KinefuseError
from kinefuse.formats.calibration import write_calibration
from kinefuse.formats.openpose import read_openpose_folder, read_people, write_openpose_folder
from kinefuse.formats.pose2sim import import_pose2sim, looks_like_body25
from kinefuse.formats.trial import read_trial
from kinefuse.recordings import Finding, View

pytest.importorskip("cv2")

from video_samples import draw_video


def session(folder: Path, video_size: tuple[int, int] = (240, 400), bars_px: int = 0) -> Path:
    """A Pose2Sim trial of two cameras that were calibrated at 250x400."""
    (folder / "calibration").mkdir(parents=True)
    cameras = [camera(f"cam_{i:02d}", i, (250, 400)) for i in (1, 2)]
    write_calibration(folder / "calibration" / "Calib.toml", cameras, up="z")
    for i in (1, 2):
        draw_video(folder / "videos" / f"cam{i:02d}.mp4", video_size, bars_px)
    return folder


def add_points(folder: Path, layout: str = "halpe26", people: int = 1) -> None:
    for i in (1, 2):
        write_openpose_folder(folder / f"cam{i:02d}_json", keypoints(4, people, seed=i), layout)


def texts(findings: list[Finding]) -> str:
    return "\n".join(f"{f.level} {f.about}: {f.text}" for f in findings)


def views_of(folder: Path) -> tuple[View, ...]:
    return read_trial(folder).views


def test_videos_get_the_names_of_the_cameras(tmp_path: Path) -> None:
    source = session(tmp_path / "source", (250, 400))
    said = texts(import_pose2sim(source, tmp_path / "trial"))
    views = views_of(tmp_path / "trial")
    assert [v.camera for v in views] == ["cam_01", "cam_02"]
    assert [(v.rate_hz, v.start_s, v.image_scale, v.image_offset_px) for v in views] == [(25.0, 0.0, 1.0, (0, 0))] * 2
    assert views[1].video is not None
    assert views[1].video.read_bytes() == (source / "videos" / "cam02.mp4").read_bytes()
    assert "matched to its camera by number: cam01 is cam_01, cam02 is cam_02" in said
    assert "warning" not in said


@pytest.mark.parametrize(
    "size, bars_px, scale, words",
    [
        (
            (240, 400),
            8,
            0.96,
            "info camera cam_01: cam01.mp4 is 240×400 and not the calibrated 250×400: image_scale",
        ),
        ((240, 400), 0, None, "neither scaling nor letter-boxing explains it"),
        ((500, 800), 0, 2.0, "image_scale = 2.00000 and image_offset_px = [0.5, 0.5] were found and written"),
        ((400, 250), 0, None, "error camera cam_01: Camera cam_01: its video is 400×250"),
    ],
)
def test_other_sizes_are_explained_or_told(
    tmp_path: Path, size: tuple[int, int], bars_px: int, scale: float | None, words: str
) -> None:
    said = texts(import_pose2sim(session(tmp_path / "source", size, bars_px), tmp_path / "trial"))
    assert words in said
    assert views_of(tmp_path / "trial")[0].image_scale == scale


def test_points_are_left_out_when_there_are_videos_unless_asked(tmp_path: Path) -> None:
    source = session(tmp_path / "source", bars_px=8)
    add_points(source / "pose")
    add_points(source / "pose-associated", people=2)
    said = texts(import_pose2sim(source, tmp_path / "a"))
    assert "2-D points were left out; --detections associated brings them" in said
    assert all(view.keypoints is None for view in views_of(tmp_path / "a"))
    for kind, people in (("detections", 1), ("associated", 2)):
        import_pose2sim(source, tmp_path / kind, detections=kind)
        for i, view in enumerate(views_of(tmp_path / kind), start=1):
            assert view.keypoints is not None
            expected = keypoints(4, people, seed=i).pixels
            np.testing.assert_allclose(view.keypoints.pixels, expected, atol=1e-4)  # still calibrated pixels


def test_points_are_written_in_pixels_of_the_video(tmp_path: Path) -> None:
    source = session(tmp_path / "source", bars_px=8)
    add_points(source / "pose")
    import_pose2sim(source, tmp_path / "trial", detections="detections")
    rows = (tmp_path / "trial" / "keypoints" / "cam_01.csv").read_text().splitlines()
    frame, name, x, y, _ = rows[1].split(",")
    calibrated = keypoints(4, 1, seed=1).pixels[int(frame), 0, KEYPOINTS.index(name)]
    np.testing.assert_allclose([float(x), float(y)], 0.96 * calibrated + [-0.02, 7.98], atol=1e-3)


def test_points_alone_need_a_rate(tmp_path: Path) -> None:
    source = session(tmp_path / "source")
    for video in (source / "videos").iterdir():
        video.unlink()
    with pytest.raises(KinefuseError, match="no videos, and no 2-D points to bring"):
        import_pose2sim(source, tmp_path / "trial")
    add_points(source / "pose")
    with pytest.raises(
        KinefuseError, match=r"neither frame_rate in Config\.toml nor videos of one rate.*write frame_rate"
    ):
        import_pose2sim(source, tmp_path / "trial")
    import_pose2sim(source, tmp_path / "stated", rate_hz=50.0)
    text = '[project]\nframe_rate = 60\nparticipant_height = [1.72]\nparticipant_mass = "auto"\n'
    (tmp_path / "Config.toml").write_text(text)
    import_pose2sim(source, tmp_path / "trial")
    assert [view.rate_hz for view in views_of(tmp_path / "stated")] == [50.0, 50.0]
    assert [view.rate_hz for view in views_of(tmp_path / "trial")] == [60.0, 60.0]
    subject = read_trial(tmp_path / "trial").subject
    assert (subject.height_m, subject.mass_kg) == (1.72, None)


def test_later_synchronisation_leaves_the_start_of_videos_unknown(tmp_path: Path) -> None:
    source = session(tmp_path / "source", (250, 400))
    add_points(source / "pose-sync")
    assert "start is left unknown" in texts(import_pose2sim(source, tmp_path / "videos"))
    assert [view.start_s for view in views_of(tmp_path / "videos")] == [None, None]
    (source / "Config.toml").write_text("[project]\nframe_rate = 'auto'\n")
    import_pose2sim(source, tmp_path / "auto", detections="detections")
    assert [(v.video, v.rate_hz) for v in views_of(tmp_path / "auto")] == [(None, 25.0)] * 2
    (source / "Config.toml").write_text("[project]\nframe_rate = 60\n")
    said = texts(import_pose2sim(source, tmp_path / "points", detections="detections"))
    assert "videos were left out" in said
    assert [(v.start_s, v.video, v.rate_hz) for v in views_of(tmp_path / "points")] == [(0.0, None, 60.0)] * 2


def test_calibration_and_settings_of_the_session_one_folder_up(tmp_path: Path) -> None:
    source = session(tmp_path / "session" / "Trial_1", (250, 400))
    (source / "calibration").rename(tmp_path / "session" / "calibration")
    import_pose2sim(source, tmp_path / "trial")
    assert len(views_of(tmp_path / "trial")) == 2


@pytest.mark.parametrize("layout", ["body25", "body25b"])
def test_the_layouts_of_25_points_are_told_apart(tmp_path: Path, layout: str) -> None:
    points = keypoints(4, missing=0.0)
    pixels = points.pixels.copy()
    hips = [KEYPOINTS.index("hip_l"), KEYPOINTS.index("hip_r")]
    pixels[:, :, KEYPOINTS.index("mid_hip")] = pixels[:, :, hips].mean(axis=2)
    write_openpose_folder(tmp_path / "a", replace(points, pixels=pixels), layout)
    people = np.stack(read_people(tmp_path / "a"))
    assert looks_like_body25(people) == (layout == "body25")
    assert not looks_like_body25(np.zeros((2, 25, 3)))


def test_a_stated_layout_wins(tmp_path: Path) -> None:
    source = session(tmp_path / "source", (250, 400))
    add_points(source / "pose", "body25")  # without a mid-hip midway
    (source / "Config.toml").write_text('[pose]\npose_model = "BODY_25"\n')
    said = texts(import_pose2sim(source, tmp_path / "trial", detections="detections"))
    assert "layout body25)" in said
    assert "geometry" not in said


def test_references_are_copied(tmp_path: Path) -> None:
    source = session(tmp_path / "source", (250, 400))
    (source / "pose-3d").mkdir()
    (source / "pose-3d" / "walk.trc").write_text("points")
    import_pose2sim(source, tmp_path / "trial")
    assert (tmp_path / "trial" / "reference" / "walk.trc").read_text() == "points"


def test_mistakes_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    source = session(tmp_path / "source", (250, 400))
    with pytest.raises(KinefuseError, match="detections must be one of auto, none"):
        import_pose2sim(source, tmp_path / "trial", detections="all")
    with pytest.raises(KinefuseError, match="no associated 2-D points; there are: none"):
        import_pose2sim(source, tmp_path / "trial", detections="associated")
    with pytest.raises(KinefuseError, match="is not a folder"):
        import_pose2sim(tmp_path / "nowhere", tmp_path / "trial")
    (source / "calibration" / "Calib_2.toml").write_text("")
    with pytest.raises(KinefuseError, match=r"several calibrations \(Calib\.toml, Calib_2\.toml\)"):
        import_pose2sim(source, tmp_path / "trial")
    for path in (source / "calibration").iterdir():
        path.unlink()
    with pytest.raises(KinefuseError, match=r"no calibration; expected calibration/\*\.toml"):
        import_pose2sim(source, tmp_path / "trial")
    with pytest.raises(KinefuseError, match="already holds files"):
        import_pose2sim(source, source)
    assert not (tmp_path / "trial").exists()


def test_a_real_session(balancing: Path, tmp_path: Path) -> None:
    said = texts(import_pose2sim(balancing, tmp_path / "trial", detections="associated"))
    views = views_of(tmp_path / "trial")
    assert [v.camera for v in views] == ["cam_01", "cam_02", "cam_03", "cam_04"]
    assert [v.rate_hz for v in views] == [60.0] * 4
    assert [round(v.image_scale or 0.0, 4) for v in views] == [0.9926, 0.9926, 1.0, 1.0]
    assert said.count("were found and written to trial.toml") == 2
    assert "geometry is that of body25b" in said
    assert (tmp_path / "trial" / "reference" / "pose2sim_raw.trc").is_file()
    for view, name in zip(views, ("cam01", "cam02", "cam03", "cam04"), strict=True):
        assert view.keypoints is not None
        source = read_openpose_folder(balancing / "pose" / "associated" / f"{name}_json", "body25b")
        np.testing.assert_allclose(view.keypoints.pixels, source.pixels, atol=2e-4)


def test_broken_points_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    source = session(tmp_path / "source", (250, 400))
    add_points(source / "pose")
    (source / "pose" / "cam01_json" / "cam01_json.000001.json").write_text(json.dumps({"people": 1}))
    with pytest.raises(KinefuseError, match="OpenPose's form"):
        import_pose2sim(source, tmp_path / "trial", detections="detections")
    assert not (tmp_path / "trial").exists()
