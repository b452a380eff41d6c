"""Detections on disk."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from kinefuse.vision.cache import FOLDER, DetectionCache, VideoDetections, detection_key, open_cache, read_detections


def detections(rate_hz: float | None = 50.0, mattes: bool = False) -> VideoDetections:
    rng = np.random.default_rng(3)
    pixels = rng.uniform(0, 500, (4, 1, 26, 2)).astype(np.float32).astype(float)
    pixels[2] = np.nan
    return VideoDetections(
        size=(640, 480),
        rate_hz=rate_hz,
        pixels=pixels,
        confidence=np.where(np.isnan(pixels[..., 0]), 0.0, 0.5),
        mattes=rng.integers(0, 255, (4, 480, 80)).astype(np.uint8) if mattes else None,
    )


def test_round_trip(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    assert cache is not None
    for rate, mattes in ((50.0, True), (None, False)):
        told = detections(rate, mattes)
        path = cache.store("cam/1", f"key{mattes}", told)
        assert path.parent == tmp_path / FOLDER
        found = cache.load("cam/1", f"key{mattes}")
        assert found is not None
        np.testing.assert_array_equal(found.pixels, told.pixels)
        np.testing.assert_array_equal(found.confidence, told.confidence)
        assert (found.size, found.rate_hz) == (told.size, told.rate_hz)
        assert (found.mattes is None) == (told.mattes is None)
        assert found.gaps is None
    assert not list((tmp_path / FOLDER).glob("*.part"))


def test_gaps_are_kept(tmp_path: Path) -> None:
    gaps = np.array([False, True, True, False])
    found = read_detections(DetectionCache(tmp_path).store("cam", "key", replace(detections(mattes=True), gaps=gaps)))
    assert found is not None
    assert found.gaps is not None
    np.testing.assert_array_equal(found.gaps, gaps)


def test_what_was_not_stored_or_is_torn_is_not_there(tmp_path: Path) -> None:
    cache = DetectionCache(tmp_path)
    assert cache.load("cam", "key") is None
    path = cache.store("cam", "key", detections())
    path.write_bytes(path.read_bytes()[:100])
    assert cache.load("cam", "key") is None
    np.savez(tmp_path / "other.npz", pixels=np.zeros(3), confidence=np.zeros(3), size=np.zeros(2), rate_hz=1.0)
    assert read_detections(tmp_path / "other.npz") is None


def test_no_pickle_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", pixels=np.array([{}], dtype=object))
    assert read_detections(tmp_path / "bad.npz") is None


def test_the_key_covers_all_that_changes_the_result(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"12345")
    regions = np.zeros((2, 4))
    keys = [
        detection_key(video, "mediapipe", "1", False, None),
        detection_key(video, "rtmlib", "1", False, None),
        detection_key(video, "mediapipe", "2", False, None),
        detection_key(video, "mediapipe", "1", True, None),
        detection_key(video, "mediapipe", "1", False, regions),
        detection_key(video, "mediapipe", "1", False, regions + 5),
        detection_key(video, "mediapipe", "1", False, None, "side 640"),
    ]
    same = detection_key(video, "mediapipe", "1", False, None)
    os.utime(video, ns=(1, 1))
    keys.append(detection_key(video, "mediapipe", "1", False, None))
    video.write_bytes(b"123456")
    os.utime(video, ns=(1, 1))
    keys.append(detection_key(video, "mediapipe", "1", False, None))
    assert same == keys[0]
    assert len(set(keys)) == len(keys)


def test_a_folder_that_cannot_be_written_to_has_no_cache(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("in the way")
    assert open_cache(tmp_path) is None
    assert open_cache(tmp_path / "gone") is None
    assert open_cache(None) is None
