import numpy as np
import pytest

from kinefuse.conventions import KEYPOINTS, mirrored_name
from kinefuse.errors import KinefuseError
from kinefuse.formats.keypoint_layouts import LAYOUTS, from_keypoints, layout_named, layouts_with, to_keypoints


@pytest.mark.parametrize(
    "name, points",
    [("halpe26", 26), ("coco17", 17), ("coco18", 18), ("body25", 25), ("body25b", 25), ("mediapipe33", 33)],
)
def test_every_layout_has_its_points_once(name: str, points: int) -> None:
    layout = layout_named(name)
    kept = [point for point in layout if point is not None]
    assert len(layout) == points
    assert set(kept) <= set(KEYPOINTS)
    assert len(set(kept)) == len(kept)
    assert {mirrored_name(point) for point in kept} == set(kept)


def test_places_that_the_tools_document() -> None:
    body25, body25b, mediapipe = LAYOUTS["body25"], LAYOUTS["body25b"], LAYOUTS["mediapipe33"]
    assert [body25[i] for i in (1, 2, 8, 9, 14, 15, 19, 24)] == [
        "neck", "shoulder_r", "mid_hip", "hip_r", "ankle_l", "eye_r", "big_toe_l", "heel_r",
    ]  # fmt: skip
    assert [body25b[i] for i in (5, 16, 17, 18, 21, 22)] == [
        "shoulder_l", "ankle_r", "neck", "head_top", "heel_l", "big_toe_r",
    ]  # fmt: skip
    assert [mediapipe[i] for i in (2, 5, 11, 24, 27, 30, 31)] == [
        "eye_l", "eye_r", "shoulder_l", "hip_r", "ankle_l", "heel_r", "big_toe_l",
    ]  # fmt: skip
    assert LAYOUTS["coco18"][5] == "shoulder_l"


def test_points_that_a_layout_lacks_stay_missing() -> None:
    values = np.arange(17.0)[:, None]
    out = to_keypoints(values, LAYOUTS["coco17"])
    assert out.shape == (26, 1)
    np.testing.assert_array_equal(out[:17, 0], np.arange(17.0))
    assert np.isnan(out[17:]).all()


@pytest.mark.parametrize("name", LAYOUTS)
def test_there_and_back_again(name: str) -> None:
    layout = LAYOUTS[name]
    values = np.random.default_rng(0).normal(size=(2, 3, len(layout), 2))
    back = from_keypoints(to_keypoints(values, layout), KEYPOINTS, layout, np.nan)
    kept = [i for i, point in enumerate(layout) if point is not None]
    np.testing.assert_array_equal(back[..., kept, :], values[..., kept, :])
    assert np.isnan(np.delete(back, kept, axis=-2)).all()


def test_names_and_sizes() -> None:
    assert layouts_with(25) == ("body25", "body25b")
    assert layouts_with(7) == ()
    with pytest.raises(KinefuseError, match="halpe26, coco17"):
        layout_named("smpl")
