import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trial_samples import all_points_usable, damaged, keypoints, read_or_refuse

from kinefuse.conventions import KEYPOINT_INDEX, KEYPOINTS
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.keypoint_layouts import LAYOUTS
from kinefuse.formats.openpose import MAX_FRAMES, read_openpose_folder, smallest_number, write_openpose_folder


def person(points: int, x: float = 1.0, confidence: float = 0.5) -> dict[str, list[float]]:
    return {"pose_keypoints_2d": [value for i in range(points) for value in (x + i, 10.0 + i, confidence)]}


def write(folder: Path, name: str, people: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps({"version": 1.3, "people": people}))
    return folder


def test_points_go_to_their_places(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", "cam.0000.json", [person(25)])
    points = read_openpose_folder(folder, "body25")
    assert points.names == KEYPOINTS
    assert points.pixels.shape == (1, 1, 26, 2)
    np.testing.assert_array_equal(points.pixels[0, 0, KEYPOINT_INDEX["mid_hip"]], [9.0, 18.0])
    assert points.confidence[0, 0, KEYPOINT_INDEX["mid_hip"]] == 0.5
    assert np.isnan(points.pixels[0, 0, KEYPOINT_INDEX["head_top"]]).all()
    assert points.confidence[0, 0, KEYPOINT_INDEX["head_top"]] == 0.0


def test_zero_confidence_is_not_seen(tmp_path: Path) -> None:
    points = read_openpose_folder(write(tmp_path / "a", "0.json", [person(17, confidence=0.0)]), "coco17")
    assert np.isnan(points.pixels).all()
    assert (points.confidence == 0).all()


def test_missing_files_are_missing_frames(tmp_path: Path) -> None:
    for number in (3, 6):
        write(tmp_path / "a", f"walk_{number:012d}_keypoints.json", [person(17, x=number)])
    points = read_openpose_folder(tmp_path / "a")
    np.testing.assert_array_equal(points.pixels[:, 0, 0, 0], [3.0, np.nan, np.nan, 6.0])
    from_start = read_openpose_folder(tmp_path / "a", first_number=1)
    np.testing.assert_array_equal(from_start.pixels[:, 0, 0, 0], [np.nan, np.nan, 3.0, np.nan, np.nan, 6.0])
    assert smallest_number(tmp_path / "a") == 3


def test_several_people_stay_apart_and_empty_entries_keep_their_place(tmp_path: Path) -> None:
    write(tmp_path / "a", "c.0.json", [{}, person(17, x=5.0)])
    write(tmp_path / "a", "c.1.json", [person(17, x=7.0)])
    write(tmp_path / "a", "c.2.json", [])
    points = read_openpose_folder(tmp_path / "a")
    assert points.pixels.shape == (3, 2, 26, 2)
    np.testing.assert_array_equal(points.pixels[:, :, 0, 0], [[np.nan, 5.0], [7.0, np.nan], [np.nan, np.nan]])


def test_nobody_at_all(tmp_path: Path) -> None:
    points = read_openpose_folder(write(tmp_path / "a", "c.0.json", []))
    assert points.pixels.shape == (1, 1, 26, 2)
    assert np.isnan(points.pixels).all()


def test_the_layout_is_told_from_the_number_of_points_where_that_is_clear(tmp_path: Path) -> None:
    points = read_openpose_folder(write(tmp_path / "a", "0.json", [person(18)]))
    np.testing.assert_array_equal(points.pixels[0, 0, KEYPOINT_INDEX["neck"]], [2.0, 11.0])
    with pytest.raises(KinefuseError, match="body25 and body25b have 25 points; state keypoint_layout"):
        read_openpose_folder(write(tmp_path / "b", "0.json", [person(25)]))
    with pytest.raises(FormatError, match="has 25 points, but coco17 has 17; layouts of that size: body25, body25b"):
        read_openpose_folder(tmp_path / "b", "coco17")
    with pytest.raises(KinefuseError, match="no known layout has 7 points"):
        read_openpose_folder(write(tmp_path / "c", "0.json", [person(7)]))


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("a.json", "{}", "frame number at the end of the name"),
        ("a.0.json", "{", "not valid JSON"),
        ("a.0.json", "[]", "OpenPose's form"),
        ("a.0.json", '{"people": [1]}', "x, y, confidence"),
        ("a.0.json", '{"people": [{"pose_keypoints_2d": [1, 2]}]}', "x, y, confidence"),
        ("a.0.json", '{"people": [{"pose_keypoints_2d": [1, 2, NaN]}]}', "finite"),
        ("a.0.json", '{"people": ' + "[" * 100_000, "not valid JSON"),
        ("a.9999999999999.json", '{"people": []}', None),
    ],
)
def test_mistakes_are_named(tmp_path: Path, name: str, text: str, words: str | None) -> None:
    (tmp_path / name).write_text(text)
    if words is None:
        assert read_openpose_folder(tmp_path).pixels.shape[0] == 1  # one frame, whatever its number
        return
    with pytest.raises(FormatError, match=words):
        read_openpose_folder(tmp_path)


def test_folders_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KinefuseError, match="expected one a frame"):
        read_openpose_folder(tmp_path)
    with pytest.raises(KinefuseError, match="cannot be read"):
        read_openpose_folder(tmp_path / "nowhere")
    write(tmp_path / "a", "cam1.07.json", [])
    write(tmp_path / "a", "cam2.7.json", [])
    with pytest.raises(FormatError, match="appears twice; keep one camera's files"):
        read_openpose_folder(tmp_path / "a")
    write(tmp_path / "b", "0.json", [])
    write(tmp_path / "b", f"{MAX_FRAMES}.json", [])
    with pytest.raises(FormatError, match="frame numbers run from 0 to 1000000"):
        read_openpose_folder(tmp_path / "b")
    write(tmp_path / "c", "0.json", [person(17)])
    write(tmp_path / "c", "1.json", [person(18)])
    with pytest.raises(FormatError, match=r"people have \[17, 18\] points"):
        read_openpose_folder(tmp_path / "c")


@settings(max_examples=15, deadline=None)
@given(
    frames=st.integers(1, 6), people=st.integers(1, 3), seed=st.integers(0, 1000), layout=st.sampled_from(list(LAYOUTS))
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, frames: int, people: int, seed: int, layout: str
) -> None:
    folder = tmp_path_factory.mktemp("points") / "cam_1"
    written = keypoints(frames, people, seed)
    write_openpose_folder(folder, written, layout)
    read = read_openpose_folder(folder, layout)
    kept = [KEYPOINT_INDEX[name] for name in LAYOUTS[layout] if name is not None]
    np.testing.assert_array_equal(read.pixels[:, :, kept], written.pixels[:, :, kept])
    np.testing.assert_array_equal(read.confidence[:, :, kept], written.confidence[:, :, kept])
    assert np.isnan(np.delete(read.pixels, kept, axis=2)).all()


def test_writing_needs_only_some_points(tmp_path: Path) -> None:
    full = keypoints()
    some = replace(full, names=KEYPOINTS[:2], pixels=full.pixels[:, :, :2], confidence=full.confidence[:, :, :2])
    write_openpose_folder(tmp_path / "a", some)
    np.testing.assert_array_equal(read_openpose_folder(tmp_path / "a").pixels[:, :, :2], some.pixels)


@settings(max_examples=150, deadline=None)
@given(content=damaged(json.dumps({"people": [person(17), person(17)]}).encode()))
def test_damaged_files_are_refused_or_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged_json"
    folder.mkdir(exist_ok=True)
    points = read_or_refuse(lambda path: read_openpose_folder(path.parent), folder / "a.0.json", content)
    assert points is None or all_points_usable(points)


@pytest.mark.parametrize("camera, people", [("cam01", 3), ("cam02", 2), ("cam03", 1), ("cam04", 1)])
def test_real_detections(balancing: Path, camera: str, people: int) -> None:
    detected = read_openpose_folder(balancing / "pose" / "detections" / f"{camera}_json", "body25b")
    tracked = read_openpose_folder(balancing / "pose" / "associated" / f"{camera}_json", "body25b")
    assert detected.pixels.shape == (100, people, 26, 2)
    assert tracked.pixels.shape == (100, 1, 26, 2)
    height = tracked.pixels[:, 0, :, 1]
    order = [KEYPOINT_INDEX[name] for name in ("head_top", "shoulder_l", "hip_l", "ankle_l")]
    assert (np.diff(np.nanmedian(height[:, order], axis=0)) > 50).all()  # head above shoulder above hip above ankle
