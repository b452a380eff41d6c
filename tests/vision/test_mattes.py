"""Person mattes, and silhouettes of a trial."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people_scenes import write_video

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.image_mapping import ImageMapping
from kinefuse.recordings import Camera, View
from kinefuse.vision.mattes import Mattes, matte_size, pack_mattes, person_mattes, read_silhouettes, shrink_matte

VIEW = View(camera="c")


def camera(size: tuple[int, int]) -> Camera:
    """A camera of a given image size; mattes need no more of it."""
    return Camera(
        name="c",
        size=size,
        matrix=np.diag([1000.0, 1000.0, 1.0]),
        distortions=np.zeros(4),
        R_camera_world=np.eye(3),
        translation=np.zeros(3),
    )


def write_pngs(folder: Path, images: list[np.ndarray]) -> Path:
    folder.mkdir()
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / f"frame_{number}.png"), image)
    return folder


def square(size: tuple[int, int], left: int, top: int, side: int) -> np.ndarray:
    image = np.zeros((size[1], size[0]), dtype=np.uint8)
    image[top : top + side, left : left + side] = 255
    return image


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_packing_round_trip(width: int, height: int, seed: int) -> None:
    masks = list(np.random.default_rng(seed).random((3, height, width)) > 0.5)
    mattes = Mattes(
        packed=pack_mattes(masks, (width, height)),
        size=(width, height),
        file_size=(width, height),
        mapping=ImageMapping(),
    )
    np.testing.assert_array_equal(mattes.frames(), np.stack(masks))
    np.testing.assert_array_equal(np.stack(list(mattes)), np.stack(masks))


def test_sizes_are_reduced_but_never_enlarged() -> None:
    assert matte_size((1080, 1920)) == (270, 480)
    assert matte_size((100, 60)) == (100, 60)


def test_a_cell_is_set_if_half_of_it_was() -> None:
    matte = np.zeros((4, 4), dtype=bool)
    matte[:2, :2] = True
    matte[2:, 2] = True
    matte[2, 0] = True
    assert shrink_matte(matte, (2, 2)).tolist() == [[True, False], [False, True]]


def test_png_silhouettes_in_natural_order(tmp_path: Path) -> None:
    """Frame 10 comes after frame 9, and a cell maps back to the middle of the pixels it covers."""
    images = [square((960, 720), 20 * i, 100, 200) for i in range(11)]
    mattes = read_silhouettes(write_pngs(tmp_path / "cam", images), camera((960, 720)), VIEW)
    assert len(mattes) == 11
    assert mattes.size == (480, 360)
    assert mattes.frames(10)[0, 60, 110]
    assert not mattes.frames(10)[0, 60, 90]
    np.testing.assert_allclose(mattes.to_file(np.array([0.0, 0.0])), [0.5, 0.5])
    np.testing.assert_allclose(mattes.from_calibrated(mattes.to_file(np.array([7.0, 9.0]))), [7.0, 9.0])


def test_at_answers_in_calibrated_pixels(tmp_path: Path) -> None:
    """The silhouettes are half the size of the calibrated image."""
    folder = write_pngs(tmp_path / "cam", [square((480, 360), 100, 50, 80)])
    mattes = read_silhouettes(folder, camera((960, 720)), VIEW)
    asked = np.array([[280.0, 180.0], [190.0, 180.0], [-5.0, 3.0], [2000.0, 3.0], [np.nan, 3.0]])
    assert mattes.at(0, asked).tolist() == [True, False, False, False, False]


def test_video_silhouettes_and_the_threshold(tmp_path: Path) -> None:
    frame = np.zeros((64, 96, 3), dtype=np.uint8)
    frame[:, 48:] = 200
    frame[:, :24] = 60
    path = write_video(tmp_path / "cam.mp4", [frame] * 3)
    mattes = person_mattes(camera((96, 64)), replace(VIEW, silhouettes=path))
    assert mattes.frames().mean() == pytest.approx(0.5, abs=0.03)


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(KinefuseError, match="no person mattes"):
        person_mattes(camera((96, 64)), VIEW)
    (tmp_path / "none").mkdir()
    with pytest.raises(KinefuseError, match="no silhouettes"):
        read_silhouettes(tmp_path / "none", camera((96, 64)), VIEW)
    mixed = write_pngs(tmp_path / "mixed", [square((96, 64), 0, 0, 9), square((90, 64), 0, 0, 9)])
    with pytest.raises(FormatError, match=r"frame_1.*equal"):
        read_silhouettes(mixed, camera((96, 64)), VIEW)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "1.png").write_bytes(b"no picture")
    with pytest.raises(FormatError, match="PNG"):
        read_silhouettes(broken, camera((96, 64)), VIEW)
    stale = tmp_path / "stale.npz"
    stale.write_bytes(b"no mattes")
    with pytest.raises(FormatError, match="no person mattes"):
        person_mattes(camera((96, 64)), replace(VIEW, silhouettes=stale))
