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
from kinefuse.vision.mattes import (
    Mattes,
    matte_size,
    pack_mattes,
    person_mattes,
    read_silhouettes,
    shrink_matte,
    smallest_number,
)

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


def test_gaps_go_with_frames() -> None:
    with pytest.raises(KinefuseError, match="gaps do not fit 1 frames"):
        Mattes(
            packed=pack_mattes([np.zeros((2, 3), dtype=bool)], (3, 2)),
            size=(3, 2),
            file_size=(3, 2),
            mapping=ImageMapping(),
            gaps=np.zeros(2, dtype=bool),
        )


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


def test_silhouettes_of_another_size_than_the_given_mapping_are_refused(tmp_path: Path) -> None:
    """A given mapping holds for all files of a camera, also for silhouettes of the calibrated size."""
    small = write_pngs(tmp_path / "small", [square((480, 360), 100, 50, 80)])
    whole = write_pngs(tmp_path / "whole", [square((960, 720), 100, 50, 80)])
    found = read_silhouettes(small, camera((960, 720)), VIEW)
    assert found.mapping.scale == pytest.approx(0.5)
    assert len(found.findings) == 1
    assert "its silhouettes are 480×360: they were scaled (found, not given)" in found.findings[0].text
    given = replace(VIEW, image_scale=0.5, image_offset_px=(-0.25, -0.25))
    assert read_silhouettes(small, camera((960, 720)), given).mapping == ImageMapping(0.5, (-0.25, -0.25))
    with pytest.raises(KinefuseError, match=r"silhouettes are 960×720 pixels, which does not fit image_scale = 0.5"):
        read_silhouettes(whole, camera((960, 720)), given)
    with pytest.raises(KinefuseError, match=r"silhouettes are 480×360 pixels, which does not fit image_scale = 1"):
        read_silhouettes(small, camera((960, 720)), replace(VIEW, image_scale=1.0))


def test_bars_of_silhouettes_hold_nobody(tmp_path: Path) -> None:
    """640×480 for a camera of 16:9 has bars of 60 pixels, if nobody stands in them in any frame."""
    wide = camera((1920, 1080))
    inside = [square((640, 480), 300, 80, 300), square((640, 480), 200, 100, 300)]
    boxed = read_silhouettes(write_pngs(tmp_path / "boxed", inside), wide, VIEW)
    assert boxed.mapping.scale == pytest.approx(1 / 3)
    assert boxed.mapping.offset[1] == pytest.approx(60.0, abs=0.5)
    assert [finding.about for finding in boxed.findings] == ["camera c"]
    assert "blank bars" in boxed.findings[0].text
    crossing = [*inside, square((640, 480), 300, 30, 40)]
    with pytest.raises(KinefuseError, match=r"are 640×480 .* calibrated at 1920×1080.*its bars is not blank"):
        read_silhouettes(write_pngs(tmp_path / "crossing", crossing), wide, VIEW)


def test_a_size_that_nothing_explains_is_refused(tmp_path: Path) -> None:
    turned = write_pngs(tmp_path / "turned", [square((360, 640), 100, 100, 50)])
    with pytest.raises(
        KinefuseError, match=r"silhouettes are 360×640 .* neither scaling nor letter-boxing explains it;"
    ):
        read_silhouettes(turned, camera((1920, 1080)), VIEW)


def numbered_pngs(folder: Path, names: list[str]) -> Path:
    """Images whose foreground starts as many pixels from the left as the number in their name says, times ten."""
    folder.mkdir()
    for name in names:
        number = int("".join(filter(str.isdigit, name)) or 0)
        cv2.imwrite(str(folder / name), square((96, 64), 10 * (number % 8), 0, 9))
    return folder


def test_numbers_tell_the_frames(tmp_path: Path) -> None:
    """Image 004 is frame 4 although 003 is missing; that one is a gap, not a frame without anybody."""
    folder = numbered_pngs(tmp_path / "cam", [f"{number:03d}.png" for number in (0, 1, 2, 4, 5)])
    (folder / "._000.png").write_bytes(b"what file systems add")
    mattes = read_silhouettes(folder, camera((96, 64)), VIEW)
    assert mattes.gaps is not None
    assert mattes.gaps.tolist() == [False, False, False, True, False, False]
    assert mattes.frames(4)[0].any(axis=0).argmax() == 40
    assert not mattes.frames(3, 4).any()
    assert "lack 1 of 6 frames" in mattes.findings[0].text
    assert "first frame 3" in mattes.findings[0].text


def test_the_first_number_is_that_of_all_cameras(tmp_path: Path) -> None:
    folder = numbered_pngs(tmp_path / "cam", ["walk_12.png", "walk_13.png"])
    view = replace(VIEW, silhouettes=folder)
    assert smallest_number(view) == 12
    alone, beside = (person_mattes(camera((96, 64)), view, first) for first in (None, 10))
    assert alone.gaps is None
    assert len(alone) == 2
    assert beside.gaps is not None
    assert beside.gaps.tolist() == [True, True, False, False]
    assert beside.frames(2)[0].any(axis=0).argmax() == 40


def test_images_without_numbers_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    folder = numbered_pngs(tmp_path / "cam", ["10_mask.png", "9_mask.png"])
    mattes = read_silhouettes(folder, camera((96, 64)), VIEW)
    assert mattes.gaps is None
    assert mattes.frames(0)[0].any(axis=0).argmax() == 10
    assert smallest_number(replace(VIEW, silhouettes=folder)) is None


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["1.png", "01.png"], "frame 1 appears twice"),
        (["1.png", "last.png"], r"last\.png: expected a frame number"),
        (["0.png", "20260101120000.png"], "frame numbers run from 0 to 20260101120000"),
    ],
)
def test_numbers_that_cannot_be(tmp_path: Path, names: list[str], sentence: str) -> None:
    with pytest.raises(FormatError, match=sentence):
        read_silhouettes(numbered_pngs(tmp_path / "cam", names), camera((96, 64)), VIEW)


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
