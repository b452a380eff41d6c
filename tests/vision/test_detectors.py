"""Detectors behind one interface."""

import builtins
import os
import sys
import types
from importlib import util

import numpy as np
import pytest

from kinefuse.conventions import KEYPOINT_INDEX, KEYPOINTS
from kinefuse.errors import KinefuseError, MissingDependencyError
from kinefuse.formats.keypoint_layouts import MEDIAPIPE_33
from kinefuse.vision.detectors import (
    DETECTORS,
    MediapipeDetector,
    RtmlibDetector,
    choose_detector,
    from_landmarks,
    quiet_stderr,
)


def landmarks_33() -> np.ndarray:
    """Return mediapipe's 33 points, each at (index, 2 * index) with confidence 0.8."""
    index = np.arange(33.0)
    return np.stack([index, 2 * index, np.full(33, 0.8)], axis=1)[None]


def test_mediapipe_points_get_our_names() -> None:
    """Numbers from mediapipe's own list: 11 left shoulder, 16 right wrist, 25 left knee, 30 right heel."""
    found = from_landmarks(landmarks_33(), MEDIAPIPE_33, (200, 200), None)
    for name, number in {
        "nose": 0,
        "shoulder_l": 11,
        "wrist_r": 16,
        "knee_l": 25,
        "heel_r": 30,
        "big_toe_l": 31,
    }.items():
        np.testing.assert_allclose(found.pixels[0, KEYPOINT_INDEX[name]], [number, 2 * number])


def test_points_that_mediapipe_lacks_stay_missing() -> None:
    found = from_landmarks(landmarks_33(), MEDIAPIPE_33, (200, 200), None)
    missing = {KEYPOINTS[k] for k in np.flatnonzero(np.isnan(found.pixels[0, :, 0]))}
    assert missing == {"head_top", "neck", "mid_hip", "small_toe_l", "small_toe_r"}
    assert (found.confidence[0][np.isnan(found.pixels[0, :, 0])] == 0).all()


def test_points_outside_of_the_image_are_not_seen() -> None:
    found = from_landmarks(landmarks_33(), MEDIAPIPE_33, (200, 40), None)
    assert np.isfinite(found.pixels[0, KEYPOINT_INDEX["wrist_r"]]).all()  # y = 32
    assert np.isnan(found.pixels[0, KEYPOINT_INDEX["hip_l"]]).all()  # y = 46
    assert found.confidence[0, KEYPOINT_INDEX["hip_l"]] == 0


def test_unknown_detector_is_refused() -> None:
    with pytest.raises(KinefuseError, match=r"openpose.*mediapipe"):
        choose_detector("openpose")


def test_auto_never_takes_what_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "find_spec", lambda name: True)
    assert choose_detector("auto") == "mediapipe"
    monkeypatch.setattr(util, "find_spec", lambda name: name == "rtmlib" or None)
    with pytest.raises(MissingDependencyError, match=r"kinefuse\[video\].*--detector rtmlib"):
        choose_detector("auto")
    assert choose_detector("rtmlib") == "rtmlib"


def test_missing_mediapipe_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: object, **kwargs: object) -> object:
        if name.startswith("mediapipe"):
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingDependencyError, match=r"kinefuse\[video\]"):
        MediapipeDetector()


def test_missing_rtmlib_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rtmlib", None)
    with pytest.raises(MissingDependencyError, match="pip install rtmlib"):
        DETECTORS["rtmlib"]()


class FakeBodyWithFeet:
    """Two people with HALPE-26 points; remembers the image that it was given."""

    seen: np.ndarray

    def __init__(self, **options: str) -> None:
        assert options["device"] == "cpu"

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        type(self).seen = image
        points = np.arange(26.0)[None, :, None] + np.array([0.0, 30.0])[:, None, None] + np.zeros((2, 26, 2))
        return points, np.full((2, 26), 1.4)


def test_rtmlib_gives_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("rtmlib")
    module.BodyWithFeet = FakeBodyWithFeet  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rtmlib", module)
    image = np.zeros((100, 80, 3), dtype=np.uint8)
    image[..., 0] = 200
    found = RtmlibDetector().detect(image)
    assert found.pixels.shape == (2, 26, 2)
    np.testing.assert_allclose(found.pixels[1, 5], [35.0, 35.0])
    assert found.confidence.max() == 1.0  # scores above 1 are cut
    assert FakeBodyWithFeet.seen[0, 0].tolist() == [0, 0, 200]  # rtmlib wants BGR
    with pytest.raises(KinefuseError, match="mattes"):
        RtmlibDetector(mattes=True)


def test_quiet_stderr_comes_back(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_stderr(), quiet_stderr():
        os.write(2, b"noise")
    os.write(2, b"words")
    assert capfd.readouterr().err == "words"


def test_mediapipe_sees_nobody_in_an_empty_room() -> None:
    eye = MediapipeDetector(mattes=True)
    noise = np.random.default_rng(1).integers(60, 120, (240, 180, 3)).astype(np.uint8)
    found = eye.detect(noise)
    eye.close()
    eye.close()
    assert np.isnan(found.pixels).all()
    assert found.matte is None
