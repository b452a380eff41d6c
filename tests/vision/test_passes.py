"""One pass of a detector over one video."""

from pathlib import Path

import numpy as np
import pytest
from people_scenes import BrightestDetector, blank_frames, write_video

from kinefuse.conventions import KEYPOINT_INDEX
from kinefuse.vision.detectors import DETECTORS, ImageDetection, nobody
from kinefuse.vision.passes import DETECTION_SIDE_PX, detect_frame, detect_video, keep_region, stack_people


def frame_with_person(size: tuple[int, int], left: int, top: int, width: int, height: int) -> np.ndarray:
    frame = blank_frames(1, size)[0]
    frame[top : top + height, left : left + width] = 255
    return frame


def test_points_come_back_in_the_pixels_of_a_large_frame() -> None:
    """A frame twice as large as what the detector sees; the person fills x 800-999, y 200-999."""
    frame = frame_with_person((2 * DETECTION_SIDE_PX, 1080), 800, 200, 200, 800)
    found = detect_frame(BrightestDetector(), frame)
    x, y = found.pixels[0, KEYPOINT_INDEX["mid_hip"]]
    assert x == pytest.approx(899.5, abs=1.0)
    assert y == pytest.approx(200 + 799 * (1 - 0.95 / 1.8), abs=2.0)


def test_only_the_region_is_seen() -> None:
    frame = frame_with_person((400, 300), 20, 20, 100, 200)
    frame[50:150, 300:350] = 255
    eye = BrightestDetector()
    assert detect_frame(eye, frame).pixels[0, 0, 0] == pytest.approx(69.5)
    assert detect_frame(eye, frame, np.array([250.0, 0.0, 400.0, 300.0])).pixels[0, 0, 0] == pytest.approx(324.5)
    assert detect_frame(eye, frame, np.full(4, np.nan)).pixels[0, 0, 0] == pytest.approx(69.5)


def test_painting_outside_of_a_region() -> None:
    image = np.full((10, 20, 3), 255, dtype=np.uint8)
    kept = keep_region(image, np.array([-5.0, 2.0, 8.0, 40.0]))
    assert (kept[2:, :8] == 255).all()
    assert (kept[:2] == 127).all()
    assert (kept[:, 8:] == 127).all()
    assert (image == 255).all()


def test_frames_with_different_numbers_of_people() -> None:
    two = ImageDetection(np.ones((2, 26, 2)), np.ones((2, 26)))
    pixels, confidence = stack_people([nobody(), two])
    assert pixels.shape == (2, 2, 26, 2)
    assert np.isnan(pixels[0]).all()
    assert (confidence[0] == 0).all()
    assert (pixels[1] == 1).all()


def test_a_whole_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DETECTORS, "brightest", BrightestDetector)
    frames = [frame_with_person((640, 480), 100 + 20 * t, 100, 80, 300) for t in range(5)] + blank_frames(2, (640, 480))
    told: list[tuple[int, int]] = []
    path = write_video(tmp_path / "a.mp4", frames)
    found = detect_video(path, "brightest", mattes=True, progress=lambda done, total: told.append((done, total)))
    assert found.pixels.shape == (7, 1, 26, 2)
    assert found.size == (640, 480)
    assert found.rate_hz == pytest.approx(30.0)
    np.testing.assert_allclose(np.diff(found.pixels[:5, 0, 0, 0]), 20.0, atol=2.0)
    assert np.isnan(found.pixels[5:]).all()
    assert told[-1] == (7, 7)
    assert found.mattes is not None
    assert found.mattes.shape == (7, 360, 60)
    covered = np.unpackbits(found.mattes, axis=2).mean(axis=(1, 2))
    np.testing.assert_allclose(covered[:5], 80 * 300 / (640 * 480), rtol=0.08)
    assert (covered[5:] == 0).all()
