from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trial_samples import all_points_usable, damaged, keypoints, read_or_refuse

from kinefuse.conventions import KEYPOINT_INDEX
from kinefuse.errors import FormatError
from kinefuse.formats.keypoint_csv import read_keypoints_csv, write_keypoints_csv

HEADER = "frame,keypoint,x_px,y_px,confidence\n"
VALID = HEADER + "0,nose,1.5,2.5,0.9\n2,hip_l,3,4,0.5\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "cam_1.csv"
    path.write_text(text)
    return path


def test_points_without_a_row_are_missing(tmp_path: Path) -> None:
    points = read_keypoints_csv(write(tmp_path, VALID))
    assert points.pixels.shape == (3, 1, 26, 2)
    np.testing.assert_array_equal(points.pixels[0, 0, KEYPOINT_INDEX["nose"]], [1.5, 2.5])
    np.testing.assert_array_equal(points.pixels[2, 0, KEYPOINT_INDEX["hip_l"]], [3.0, 4.0])
    assert np.isfinite(points.pixels).sum() == 4
    assert points.confidence.sum() == pytest.approx(1.4)


def test_zero_confidence_is_not_seen(tmp_path: Path) -> None:
    assert np.isnan(read_keypoints_csv(write(tmp_path, HEADER + "0,nose,1,2,0\n")).pixels).all()


def test_people_and_columns_in_any_order(tmp_path: Path) -> None:
    text = "person,confidence,y_px,x_px,keypoint,frame\n1,0.5,2,1,nose,0\n0,0.6,4,3,nose,0\n"
    points = read_keypoints_csv(write(tmp_path, text))
    np.testing.assert_array_equal(points.pixels[0, :, 0], [[3.0, 4.0], [1.0, 2.0]])


def test_a_file_without_rows_has_no_frames(tmp_path: Path) -> None:
    assert read_keypoints_csv(write(tmp_path, HEADER)).pixels.shape == (0, 1, 26, 2)


@pytest.mark.parametrize(
    "row, words",
    [
        ("0,knows,1,2,1", r"row 2: unknown keypoint 'knows' \(did you mean 'nose'\?\)"),
        ("-1,nose,1,2,1", "row 2, frame: expected a whole number"),
        ("0.5,nose,1,2,1", "row 2, frame: expected a whole number"),
        ("1000000,nose,1,2,1", "row 2, frame: expected a whole number"),
        ("0,nose,,2,1", "row 2, x_px: '' is no finite number; leave the row out"),
        ("0,nose,a,2,1", "row 2, x_px: expected a number, got 'a'"),
        ("0,nose,1,2,1.5", "confidence must lie in 0 to 1"),
        ("0,nose,1,2,1\n0,nose,1,2,1", "several people need a column 'person'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, row: str, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        read_keypoints_csv(write(tmp_path, HEADER + row))


def test_more_than_memory_holds_is_refused(tmp_path: Path) -> None:
    text = HEADER.replace("\n", ",person\n") + "999999,nose,1,2,1,999\n"
    with pytest.raises(FormatError, match="1000 people in 1000000 frames are too many"):
        read_keypoints_csv(write(tmp_path, text))


@settings(max_examples=25, deadline=None)
@given(frames=st.integers(1, 6), people=st.integers(1, 3), seed=st.integers(0, 1000))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, frames: int, people: int, seed: int
) -> None:
    path = tmp_path_factory.mktemp("points") / "cam_1.csv"
    written = keypoints(frames, people, seed)
    write_keypoints_csv(path, written)
    read = read_keypoints_csv(path)
    np.testing.assert_array_equal(read.pixels, written.pixels)
    np.testing.assert_array_equal(read.confidence, written.confidence)
    assert ("person" in path.read_text().splitlines()[0]) == (people > 1)


@settings(max_examples=150, deadline=None)
@given(content=damaged(VALID.encode()))
def test_damaged_files_are_refused_or_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    points = read_or_refuse(read_keypoints_csv, tmp_path_factory.getbasetemp() / "damaged_points.csv", content)
    assert points is None or all_points_usable(points)
