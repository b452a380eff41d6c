"""File pixels against calibrated pixels."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.errors import KinefuseError
from kinefuse.formats.image_mapping import (
    ImageMapping,
    bars_are_blank,
    contradicts,
    letterbox_mapping,
    map_image,
    scaled_mapping,
)
from kinefuse.formats.videos import read_first_frame
from kinefuse.recordings import Camera, View

REAL = (1088, 1920)


def camera(size: tuple[int, int]) -> Camera:
    return Camera(
        name="c",
        size=size,
        matrix=np.array([[1000.0, 0, size[0] / 2], [0, 1000.0, size[1] / 2], [0, 0, 1]]),
        distortions=np.zeros(4),
        R_camera_world=np.eye(3),
        translation=np.zeros(3),
    )


def boxed_image(size: tuple[int, int], mapping: ImageMapping, calibrated: tuple[int, int]) -> np.ndarray:
    """Return a bright image on black, as a letter-boxing encoder would leave it."""
    image = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    left, top = np.rint(mapping.to_file(np.array([0.0, 0.0]))).astype(int)
    right, bottom = np.rint(mapping.to_file(np.array(calibrated) - 1.0)).astype(int)
    image[top : bottom + 1, left : right + 1] = 150
    return image


def test_same_size_is_the_identity() -> None:
    mapping, findings = map_image(camera((640, 480)), View(camera="c"), (640, 480))
    assert mapping == ImageMapping(1.0, (0.0, 0.0))
    assert findings == []


def test_what_is_given_is_used() -> None:
    view = View(camera="c", image_scale=0.4, image_offset_px=(3.0, 4.0))
    mapping, findings = map_image(camera((640, 480)), view, (262, 200))
    assert mapping == ImageMapping(0.4, (3.0, 4.0))
    assert findings == []


@pytest.mark.parametrize(
    ("scale", "offset", "file", "wrong"),
    [
        (1.0, (0.0, 0.0), (1920, 1080), False),
        (1.0, (0.0, 0.0), (1920, 1088), False),  # padded below, as encoders do
        (1.0, (0.0, 0.0), (640, 360), True),  # a scaled copy
        (1.0, (0.0, 0.0), (640, 480), True),  # a ninth of the image at most
        (1 / 3, (0.0, 0.0), (1920, 1080), True),
        (1 / 3, (0.0, 60.0), (640, 480), False),  # between even bars
        (1.0, (-200.0, -100.0), (960, 540), False),  # a crop, of the same shape by chance
        (1.0, (5000.0, 0.0), (1920, 1080), True),  # nothing of the image is in the file
    ],
)
def test_a_given_mapping_that_the_size_contradicts(
    scale: float, offset: tuple[float, float], file: tuple[int, int], wrong: bool
) -> None:
    assert contradicts(ImageMapping(scale, offset), (1920, 1080), file) == wrong


def test_a_contradiction_is_one_sentence() -> None:
    view = View(camera="c", image_scale=1.0)
    with pytest.raises(KinefuseError, match=r"its silhouettes are 640×360 pixels, which does not fit image_scale = 1 "):
        map_image(camera((1920, 1080)), view, (640, 360), kind="silhouettes")


def test_half_size_keeps_corners_together() -> None:
    """The corner of the image, half a pixel outside of the first centre, stays the corner."""
    mapping, findings = map_image(camera((1920, 1080)), View(camera="c"), (960, 540))
    np.testing.assert_allclose(mapping.to_file(np.array([-0.5, -0.5])), [-0.5, -0.5], atol=1e-9)
    np.testing.assert_allclose(mapping.to_file(np.array([1919.5, 1079.5])), [959.5, 539.5], atol=1e-9)
    assert "image_scale = 0.5000" in findings[0].text


def test_letterbox_of_the_real_trial_by_sizes() -> None:
    """Truth, measured on the images: 0.9926 and 7.2."""
    assert scaled_mapping(REAL, (1080, 1920)) is None
    mapping = letterbox_mapping(REAL, (1080, 1920))
    assert mapping is not None
    assert mapping.scale == pytest.approx(0.9926, abs=1e-4)
    assert mapping.offset == pytest.approx((0.0, 7.2), abs=0.2)


def test_real_trial(balancing: Path) -> None:
    frame = read_first_frame(balancing / "videos" / "cam02.mp4")
    mapping, findings = map_image(camera(REAL), View(camera="c"), (1080, 1920), frame)
    assert mapping.offset[1] == pytest.approx(7.2, abs=0.2)
    assert findings[0].level == "warning"
    assert "found, not given" in findings[0].text


def test_a_crop_is_refused_with_the_keys_to_set() -> None:
    """Sizes as in the real trial, but the picture reaches to the border."""
    image = np.full((1920, 1080, 3), 150, dtype=np.uint8)
    with pytest.raises(KinefuseError, match=r"1080×1920.*1088×1920.*image_scale and image_offset_px"):
        map_image(camera(REAL), View(camera="c"), (1080, 1920), image)


def test_a_turned_video_is_refused() -> None:
    with pytest.raises(KinefuseError, match="calibrated"):
        map_image(camera((1920, 1080)), View(camera="c"), (1080, 1920), np.zeros((1920, 1080, 3), dtype=np.uint8))


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(300, 900), st.integers(300, 900)),
    st.tuples(st.integers(300, 900), st.integers(300, 900)),
)
def test_letterboxed_pictures_are_found(calibrated: tuple[int, int], file: tuple[int, int]) -> None:
    mapping = letterbox_mapping(calibrated, file)
    if mapping is None:
        return
    corners = mapping.to_file(np.array([[-0.5, -0.5], [calibrated[0] - 0.5, calibrated[1] - 0.5]]))
    np.testing.assert_allclose(corners.sum(axis=0), np.array(file) - 1.0, atol=1e-6)  # centred
    assert np.isclose(np.ptp(corners, axis=0), file, atol=1e-6).any()  # touches two borders
    assert bars_are_blank(boxed_image(file, mapping, calibrated), calibrated, mapping)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.1, 4.0), st.floats(-300, 300), st.floats(-300, 300), st.floats(-1e4, 1e4))
def test_mapping_round_trip(scale: float, x: float, y: float, value: float) -> None:
    mapping = ImageMapping(scale, (x, y))
    pixels = np.array([[value, -value], [np.nan, 1.0]])
    np.testing.assert_allclose(mapping.to_calibrated(mapping.to_file(pixels)), pixels, atol=1e-6)
