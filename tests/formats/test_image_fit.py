import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.errors import FormatError, MissingDependencyError
from kinefuse.formats.image_fit import fit_letterbox, has_black_bars, video_properties


def test_a_shrunk_portrait_video_gets_bars_above_and_below() -> None:
    fit = fit_letterbox((1080, 1920), (1088, 1920))
    assert fit is not None
    assert fit.scale == pytest.approx(1080 / 1088)
    assert fit.offset_px == pytest.approx((0.0, 7.06), abs=0.01)
    assert fit.bars_px == pytest.approx(7.06, abs=0.01)
    assert not fit.bars_at_sides


def test_bars_at_the_sides() -> None:
    fit = fit_letterbox((640, 240), (1200, 480))
    assert fit is not None
    assert fit.scale == 0.5
    assert fit.bars_at_sides
    assert fit.bars_px == 20.0
    assert fit.offset_px == (19.75, -0.25)  # pixel centres: half a pixel shrinks too


@pytest.mark.parametrize("video", [(1920, 1088), (640, 480), (1080, 1080)])
def test_turned_and_cropped_images_are_not_explained(video: tuple[int, int]) -> None:
    assert fit_letterbox(video, (1088, 1920)) is None


@settings(max_examples=100, deadline=None)
@given(width=st.integers(16, 4000), height=st.integers(16, 4000), factor=st.floats(0.2, 3.0))
def test_the_centre_goes_to_the_centre_and_edges_stay_inside(width: int, height: int, factor: float) -> None:
    video = (max(8, round(width * factor)), max(8, round(height * factor)))
    fit = fit_letterbox(video, (width, height))
    if fit is None:
        return
    offset = np.array(fit.offset_px)
    centre = (np.array([width, height]) - 1.0) / 2.0
    np.testing.assert_allclose(fit.scale * centre + offset, (np.array(video) - 1.0) / 2.0, atol=1e-6)
    assert (fit.scale * np.array([-0.5, -0.5]) + offset >= -0.5 - 1e-6).all()


def test_properties_and_bars_of_drawn_videos(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    from video_samples import draw_video

    path = draw_video(tmp_path / "bars.mp4", (216, 384), bars_px=8)
    properties = video_properties(path)
    assert (properties.size, properties.rate_hz, properties.frames) == ((216, 384), 25.0, 3)
    fit = fit_letterbox((216, 384), (225, 384))
    assert fit is not None
    assert has_black_bars(path, fit) is True
    assert has_black_bars(draw_video(tmp_path / "none.mp4", (216, 384)), fit) is False
    assert has_black_bars(draw_video(tmp_path / "dark.mp4", (216, 384), grey=5), fit) is None


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(FormatError, match=r"a\.mp4: is not a video"):
        video_properties(tmp_path / "a.mp4")


def test_a_missing_opencv_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingDependencyError, match=r"kinefuse\[video\]"):
        video_properties(Path("a.mp4"))


def test_real_letterbox_agrees_with_image_registration(balancing: Path) -> None:
    pytest.importorskip("cv2")
    path = balancing / "videos" / "cam01.mp4"
    fit = fit_letterbox(video_properties(path).size, (1088, 1920))
    assert fit is not None
    assert has_black_bars(path, fit) is True
    assert fit.scale == pytest.approx(0.9926, abs=1e-4)  # measured with matched image features
    assert fit.offset_px == pytest.approx((0.0, 7.2), abs=0.3)
