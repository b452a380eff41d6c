from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_examples import laboratory, walking

from kinefuse.body.models import load_anny
from kinefuse.errors import KinefuseError
from kinefuse.recordings import Recording
from kinefuse.report.overlay import (
    LEFT,
    MAX_BYTES,
    choose_views,
    crop_box,
    draw_overlay,
    draw_pictures,
    encode_jpeg,
    overlay_section,
    read_frame,
    skeleton_lines,
)

cv2 = pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A laboratory of which two cameras have a video; its grey level is twice the number of the frame."""
    motion = walking(frames=60)
    recording = laboratory(motion)
    path = tmp_path_factory.mktemp("videos") / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 60.0, (640, 480))
    for i in range(60):
        writer.write(np.full((480, 640, 3), 2 * i, np.uint8))
    writer.release()
    views = [replace(view, video=path) for view in recording.views[:2]]
    return replace(recording, views=(*views, recording.views[2]))


def test_the_right_frame_is_read(filmed: Recording) -> None:
    path = filmed.views[0].video
    assert path is not None
    for wanted in (0, 31, 59):
        frame, image = read_frame(path, wanted)
        assert frame == wanted
        assert abs(float(image.mean()) - 2 * wanted) < 2


def test_beyond_the_end_it_is_the_last_frame(filmed: Recording) -> None:
    path = filmed.views[0].video
    assert path is not None
    frame, image = read_frame(path, 200)
    assert frame == 59
    assert abs(float(image.mean()) - 118) < 2


def test_no_video_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(KinefuseError, match="cannot be read"):
        read_frame(tmp_path / "none.mp4", 3)


def test_pictures_alternate_between_cameras_and_spread_over_time(filmed: Recording) -> None:
    pictures, problems = draw_pictures(walking(frames=60), filmed, load_anny())
    assert problems == []
    assert [picture.camera for picture in pictures] == ["cam_1", "cam_2", "cam_1", "cam_2"]
    assert [picture.frame for picture in pictures] == [7, 22, 37, 52]
    assert all(len(picture.jpeg) <= MAX_BYTES for picture in pictures)


def test_the_skeleton_is_drawn_where_the_body_is(filmed: Recording) -> None:
    motion = walking(frames=60)
    image = np.full((480, 640, 3), 255, np.uint8)
    from kinefuse.vision.cameras import project

    one = filmed.camera("cam_1")
    lines = [(side, project(one, ends)) for side, ends in skeleton_lines(motion, load_anny(), 10)]
    picture = draw_overlay(image, lines, np.zeros((0, 2)))
    assert (np.abs(picture.astype(int) - LEFT).sum(axis=2) < 30).sum() > 100
    left, top, right, bottom = crop_box(np.concatenate([ends for _, ends in lines]), (640, 480))
    assert right - left < 640
    assert 0 <= top < bottom <= 480
    inner = np.concatenate([ends for _, ends in lines])
    assert (inner >= [left, top]).all()
    assert (inner <= [right, bottom]).all()


def test_lines_end_at_the_toes_and_the_crown(filmed: Recording) -> None:
    motion = walking(frames=3)
    assert len(skeleton_lines(motion, load_anny(), 1)) == 21 + 3
    assert len(skeleton_lines(motion, None, 1)) == 21


def test_unknown_joints_draw_no_lines() -> None:
    motion = walking(frames=3)
    positions = motion.positions.copy()
    positions[1] = np.nan
    assert skeleton_lines(replace(motion, positions=positions), None, 1) == []


def test_a_body_out_of_sight_leaves_the_whole_image() -> None:
    assert crop_box(np.full((4, 2), np.nan), (640, 480)) == (0, 0, 640, 480)


def test_a_noisy_picture_is_made_to_fit() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (900, 900, 3)).astype(np.uint8)
    assert len(encode_jpeg(noise, 60_000)) <= 60_000


def test_an_unknown_start_is_told_and_the_other_camera_drawn(filmed: Recording) -> None:
    views = (replace(filmed.views[0], start_s=None), filmed.views[1])
    page = overlay_section(walking(frames=60), replace(filmed, views=views), load_anny())
    assert page.count("<img") == 2
    assert "state rate_hz and start_s" in page


def test_without_video_there_is_no_section() -> None:
    motion = walking(frames=5)
    assert overlay_section(motion, laboratory(motion), None) == ""
    assert overlay_section(motion, None, None) == ""


def test_of_many_cameras_four_are_taken() -> None:
    motion = walking(frames=5)
    one = laboratory(motion)
    views = tuple(replace(one.views[0], camera=f"c{i}", video=Path("x.mp4")) for i in range(9))
    cameras = tuple(replace(one.cameras[0], name=f"c{i}") for i in range(9))
    chosen = choose_views(replace(one, cameras=cameras, views=views))
    assert [view.camera for view, _ in chosen] == ["c0", "c3", "c5", "c8"]


def test_real_videos_are_drawn_on(balancing: Path, tmp_path: Path) -> None:
    """The points that were detected must lie on the person, also where the video was letter-boxed."""
    from kinefuse.formats.pose2sim import import_pose2sim
    from kinefuse.formats.trial import read_trial

    import_pose2sim(balancing, tmp_path / "trial", detections="associated")
    recording = read_trial(tmp_path / "trial")
    motion = walking(frames=100)
    # The man stands in the middle of the room; where the made-up walker is does not matter here.
    views = tuple(view for view in recording.views if view.camera in {"cam_01", "cam_03"})
    views = tuple(replace(view, rate_hz=60.0, start_s=0.0) for view in views)
    pictures, problems = draw_pictures(motion, replace(recording, views=views), load_anny())
    assert problems == []
    assert [picture.camera for picture in pictures] == ["cam_01", "cam_03", "cam_01", "cam_03"]
    for picture in pictures:
        decoded = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert max(decoded.shape) <= 900
        assert len(picture.jpeg) <= MAX_BYTES
