"""Absolute truth for the whole geometry: the squares of a printed board in four real cameras."""

import csv
from pathlib import Path

import numpy as np
import pytest

from kinefuse.formats.calibration import read_calibration
from kinefuse.vision.triangulation import Triangulation, triangulate

SQUARE_MM = 54.0
COLUMNS, ROWS = 4, 5
EVERY = 4


def frame_numbers(folder: Path) -> list[dict[int, int]]:
    """Return, for each moment of all cameras, camera to frame number in its video."""
    moments: dict[int, dict[int, int]] = {}
    with (folder / "timestamps.csv").open() as file:
        for row in csv.DictReader(file):
            moments.setdefault(int(row["sync_index"]), {})[int(row["cam_id"])] = int(row["frame_index"])
    return [moments[index] for index in sorted(moments)][::EVERY]


def board_corners(video: Path, frames: set[int]) -> dict[int, np.ndarray]:
    """Return inner corners (K, 2) of the inverted board in some frames of a video, pixels, NaN where not seen."""
    cv2 = pytest.importorskip("cv2")
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_1000)
    detector = cv2.aruco.CharucoDetector(
        cv2.aruco.CharucoBoard((COLUMNS, ROWS), SQUARE_MM, 0.75 * SQUARE_MM, dictionary)
    )
    capture, found, number = cv2.VideoCapture(str(video)), {}, 0
    while capture.grab():
        if number in frames:
            corners, ids, _, _ = detector.detectBoard(255 - cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2GRAY))
            found[number] = np.full(((COLUMNS - 1) * (ROWS - 1), 2), np.nan)
            if ids is not None:
                found[number][ids.ravel()] = corners.reshape(-1, 2)
        number += 1
    capture.release()
    return found


@pytest.fixture(scope="module")
def board(data: Path) -> Triangulation:
    folder = data / "real" / "caliscope_charuco_4cam"
    cameras = read_calibration(folder / "camera_array.toml")
    videos = folder / "calibration" / "extrinsic"
    moments = frame_numbers(videos)
    views = []
    for cam in range(len(cameras)):
        corners = board_corners(videos / f"cam_{cam}.mp4", {moment[cam] for moment in moments if cam in moment})
        missing = np.full(((COLUMNS - 1) * (ROWS - 1), 2), np.nan)
        views.append([corners.get(moment.get(cam, -1), missing) for moment in moments])
    pixels: np.ndarray = np.array(views).swapaxes(0, 1)
    return triangulate(cameras, pixels, np.isfinite(pixels[..., 0]).astype(float))


def test_squares_of_the_board_have_their_size(board: Triangulation) -> None:
    grid = board.positions.reshape(-1, ROWS - 1, COLUMNS - 1, 3)
    along = 1e3 * np.linalg.norm(np.diff(grid, axis=1), axis=-1).ravel()
    across = 1e3 * np.linalg.norm(np.diff(grid, axis=2), axis=-1).ravel()
    sides = np.concatenate([along, across])
    assert np.isfinite(sides).sum() > 100
    assert np.nanmedian(sides) == pytest.approx(SQUARE_MM, abs=0.5)


def test_board_is_reprojected_within_a_pixel(board: Triangulation) -> None:
    assert np.median(board.reprojection_px[board.used]) < 1.0
    assert board.used.sum() > 0.9 * np.isfinite(board.reprojection_px).sum()


def test_board_is_flat(board: Triangulation) -> None:
    whole = board.positions[np.isfinite(board.positions).all(axis=(1, 2))]
    centred = whole - whole.mean(axis=1, keepdims=True)
    off_plane = np.linalg.svd(centred, compute_uv=False)[:, 2] / np.sqrt(centred.shape[1])
    assert len(whole) >= 3
    assert 1e3 * np.median(off_plane) < 2.0
