from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trial_samples import all_usable, camera, damaged, read_or_refuse

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.calibration import R_YUP_ZUP, read_calibration, to_y_up, toml_text, write_calibration
from kinefuse.recordings import Camera
from kinefuse.rotations import geodesic_angle

ONE = """
[c]
name = "left"
size = [ 1088.0, 1920.0]
matrix = [[1500.0, 0.0, 544.0], [0.0, 1500.0, 960.0], [0.0, 0.0, 1.0]]
distortions = [0.1, 0.2, 0.3, 0.4]
rotation = [1.5707963267948966, 0.0, 0.0]
translation = [0.0, 0.0, 3.0]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "calibration.toml"
    path.write_text(text)
    return path


def assert_same(a: Camera, b: Camera) -> None:
    assert (a.name, a.size) == (b.name, b.size)
    np.testing.assert_array_equal(a.matrix, b.matrix)
    np.testing.assert_array_equal(a.distortions, b.distortions)
    assert geodesic_angle(a.R_camera_world, b.R_camera_world) < 1e-9
    np.testing.assert_allclose(a.translation, b.translation, atol=1e-12)


def test_a_file_without_up_is_z_up(tmp_path: Path) -> None:
    # This camera looks along the file's +y (level), its image's down is the file's -z.
    (left,) = read_calibration(write(tmp_path, ONE))
    assert left.name == "left"
    assert left.size == (1088, 1920)
    np.testing.assert_allclose(left.R_camera_world @ [0.0, 1.0, 0.0], [0.0, -1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(left.centre, np.array([-3.0, 0.0, 0.0]), atol=1e-12)  # (x, y, z) -> (y, z, x)


def test_a_file_that_is_y_up_stays(tmp_path: Path) -> None:
    (left,) = read_calibration(write(tmp_path, ONE + '[metadata]\nup = "y"\n'))
    np.testing.assert_allclose(left.R_camera_world @ [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], atol=1e-12)


def test_turning_the_world_keeps_camera_coordinates() -> None:
    rotation, point = camera().R_camera_world, np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(R_YUP_ZUP @ point, [2.0, 3.0, 1.0])
    np.testing.assert_allclose(to_y_up(rotation, "z") @ (R_YUP_ZUP @ point), rotation @ point, atol=1e-12)


def test_millimetres(tmp_path: Path) -> None:
    text = ONE.replace("[0.0, 0.0, 3.0]", "[0.0, 0.0, 3000.0]")
    (left,) = read_calibration(write(tmp_path, text + '[metadata]\nunit = "mm"\n'))
    np.testing.assert_allclose(left.translation, [0.0, 0.0, 3.0])
    with pytest.raises(FormatError, match=r'3000 m from the origin.*unit = "mm"'):
        read_calibration(write(tmp_path, text))
    (far,) = read_calibration(write(tmp_path, text + '[metadata]\nunit = "m"\n'))
    assert far.translation[2] == 3000.0


def test_ignored_cameras_of_caliscope_are_left_out(tmp_path: Path) -> None:
    text = "".join(ONE.replace("[c]", f"[cameras.{i}]").replace('name = "left"\n', "") for i in range(3))
    text = text.replace("[cameras.1]", "[cameras.1]\nignore = true")
    assert [c.name for c in read_calibration(write(tmp_path, text))] == ["cam_0", "cam_2"]


@pytest.mark.parametrize(
    "old, new, words",
    [
        (ONE, "", "holds no camera"),
        ("size = [ 1088.0, 1920.0]", "", "camera left: has no size"),
        ("[ 1088.0, 1920.0]", "[1088.5, 1920]", "whole pixels"),
        ("[0.1, 0.2, 0.3, 0.4]", "[0.1]", "k1, k2, p1, p2"),
        ("[0.1, 0.2, 0.3, 0.4]", '["a"]', "finite numbers"),
        ("[1.5707963267948966, 0.0, 0.0]", "[1.0, 2.0]", "Rodrigues"),
        ("[1.5707963267948966, 0.0, 0.0]", "[[1,0,0],[0,1,0],[0,0,-1]]", "not a rotation"),
        ("[0.0, 0.0, 1.0]]", "[0.0, 0.0, 2.0]]", "fx, skew, cx"),
        ("[0.0, 0.0, 3.0]", "[0.0, nan, 3.0]", "translation must be a list of finite numbers of shape 3"),
        ('name = "left"', "name = 3", "name of a camera must be text"),
        ('name = "left"', "fisheye = true", "fisheye lenses are not supported"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        read_calibration(write(tmp_path, ONE.replace(old, new)))


def test_more_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="'left' belongs to several cameras"):
        read_calibration(write(tmp_path, ONE + ONE.replace("[c]", "[d]")))
    with pytest.raises(FormatError, match="metadata must be a table"):
        read_calibration(write(tmp_path, "metadata = 1\n" + ONE))
    with pytest.raises(FormatError, match='up must be "y" or "z"'):
        read_calibration(write(tmp_path, ONE + "[metadata]\nup = 1\n"))
    with pytest.raises(FormatError, match='unit must be "m" or "mm"'):
        read_calibration(write(tmp_path, ONE + '[metadata]\nunit = "cm"\n'))
    with pytest.raises(KinefuseError, match="unit"):
        write_calibration(tmp_path / "c.toml", [camera()], unit="cm")


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), up=st.sampled_from("yz"), unit=st.sampled_from(["m", "mm"]))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, seed: int, up: str, unit: str) -> None:
    path = tmp_path_factory.mktemp("cameras") / "calibration.toml"
    cameras = [camera("cam_2", seed), camera('odd "name" \\ é', seed + 1, (640, 480))]
    write_calibration(path, cameras, up, unit)
    for written, read in zip(cameras, read_calibration(path), strict=True):
        assert_same(written, read)


def test_our_files_state_their_world(tmp_path: Path) -> None:
    write_calibration(tmp_path / "c.toml", [replace(camera(), distortions=np.zeros(4))])
    assert 'up = "y"\nunit = "m"' in (tmp_path / "c.toml").read_text()


def test_toml_text_escapes() -> None:
    assert toml_text('a"\\\n') == '"a\\"\\\\\\U0000000a"'


@settings(max_examples=150, deadline=None)
@given(content=damaged((ONE + '[metadata]\nup = "z"\nunit = "m"\n').encode()))
def test_damaged_files_are_refused_or_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged_calibration.toml"
    cameras = read_or_refuse(read_calibration, path, content)
    assert cameras is None or all_usable(cameras)


def test_both_forms_of_caliscope_hold_the_same_cameras(data: Path) -> None:
    folder = data / "real" / "caliscope_charuco_4cam"
    cameras = read_calibration(folder / "camera_array.toml")
    assert [c.name for c in cameras] == ["cam_0", "cam_1", "cam_2", "cam_3"]
    assert cameras[0].size == (1280, 720)
    older = read_calibration(folder / "config.toml")
    for a, b in zip(cameras, older, strict=True):
        assert_same(a, b)


def test_pose2sim_cameras_stand_where_its_authors_say(balancing: Path) -> None:
    cameras = read_calibration(balancing / "calibration" / "Calib_qualisys.toml")
    z_up = [(1.46, -1.91, 1.90), (2.58, 0.71, 1.69), (-3.22, 2.23, 2.09), (-3.76, -1.42, 1.88)]
    for read, (x, y, z) in zip(cameras, z_up, strict=True):
        np.testing.assert_allclose(read.centre, (y, z, x), atol=0.006)
        assert read.R_camera_world[1, 1] < -0.8  # the image's down is nearly the world's down
