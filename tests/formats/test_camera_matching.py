import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.errors import KinefuseError
from kinefuse.formats.camera_matching import match_cameras, natural_key


@pytest.mark.parametrize(
    "files, cameras, expected, how",
    [
        (["cam_1", "cam_2"], ["cam_2", "cam_1"], ["cam_1", "cam_2"], "name"),
        (["walk_Miqus_1_21512", "walk_Miqus_2_21513"], ["21512", "21513"], ["21512", "21513"], "name"),
        (["cam02", "cam01"], ["cam_01", "cam_02"], ["cam_02", "cam_01"], "number"),
        (["cam03"], ["cam_01", "cam_02", "cam_03"], ["cam_03"], "number"),
        (["v10", "v9"], ["left", "right"], ["right", "left"], "order"),
        (["cam1", "cam2"], ["int_cam0_img", "int_cam1_img"], ["int_cam0_img", "int_cam1_img"], "order"),
        (["cam_1", "cam_10"], ["cam_1", "cam_10"], ["cam_1", "cam_10"], "name"),
    ],
)
def test_known_matches(files: list[str], cameras: list[str], expected: list[str], how: str) -> None:
    assert match_cameras(files, cameras) == (dict(zip(files, expected, strict=True)), how)


@pytest.mark.parametrize("files", [["a"], ["cam7"], ["cam1_a", "cam1_b", "cam1_c"]])
def test_what_cannot_be_told_is_refused(files: list[str]) -> None:
    with pytest.raises(KinefuseError, match="give the files the names of the cameras"):
        match_cameras(files, ["cam_1", "cam_2"])


@settings(max_examples=100, deadline=None)
@given(
    files=st.lists(st.text("cam_01239 é²", min_size=1, max_size=6), unique=True, min_size=1, max_size=5),
    cameras=st.lists(st.text("cam_01239 é²", min_size=1, max_size=6), unique=True, min_size=1, max_size=5),
)
def test_no_camera_is_matched_twice(files: list[str], cameras: list[str]) -> None:
    try:
        matches, _ = match_cameras(files, cameras)
    except KinefuseError:
        assert files != cameras
        return
    assert set(matches) == set(files)
    assert len(set(matches.values())) == len(files)
    assert set(matches.values()) <= set(cameras)


def test_natural_order() -> None:
    assert sorted(["cam10", "cam9", "cam"], key=natural_key) == ["cam", "cam9", "cam10"]
