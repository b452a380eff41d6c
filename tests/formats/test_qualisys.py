from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from trial_samples import all_usable, damaged, read_or_refuse

from kinefuse.errors import FormatError
from kinefuse.formats.calibration import read_calibration
from kinefuse.formats.qualisys import read_qualisys

CAMERA = """
    <camera active="1" model="Miqus Video" serial="{serial}" viewrotation="0">
      <fov_video bottom="1089" left="10" right="1929" top="10"/>
      <transform r11="1" r12="0" r13="0" r21="0" r22="0" r23="1" r31="0" r32="-1" r33="0" x="1000" y="-3000" z="2000"/>
      <intrinsic centerPointU="64000" centerPointV="32000" focalLengthU="96000" focalLengthV="96064"
        radialDistortion1="0.64" radialDistortion2="-0.64" tangentalDistortion1="0.064" tangentalDistortion2="0"/>
    </camera>"""


def qualisys(*cameras: str) -> str:
    return f"<?xml version='1.0' encoding='ASCII'?>\n<calibration><cameras>{''.join(cameras)}</cameras></calibration>"


def write(folder: Path, text: str) -> Path:
    path = folder / "a.qca.txt"
    path.write_text(text)
    return path


def test_known_camera(tmp_path: Path) -> None:
    (camera,) = read_qualisys(write(tmp_path, qualisys(CAMERA.format(serial="21"))))
    assert (camera.name, camera.size) == ("21", (1920, 1080))
    np.testing.assert_allclose(camera.matrix, [[1500.0, 0.0, 990.0], [0.0, 1501.0, 490.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(camera.distortions, [0.01, -0.01, 0.001, 0.0])
    np.testing.assert_allclose(camera.centre, [-3.0, 2.0, 1.0], atol=1e-12)
    # Level, looking along the file's +y, which is our +x; the image's down is our -y.
    np.testing.assert_allclose(camera.R_camera_world.T @ [0.0, 0.0, 1.0], [1.0, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(camera.R_camera_world.T @ [0.0, 1.0, 0.0], [0.0, -1.0, 0.0], atol=1e-12)


def test_inactive_and_marker_cameras_are_left_out(tmp_path: Path) -> None:
    off = CAMERA.format(serial="1").replace('active="1"', 'active="0"')
    markers = CAMERA.format(serial="2").replace("Miqus Video", "Arqus")
    assert [c.name for c in read_qualisys(write(tmp_path, qualisys(off, markers, CAMERA.format(serial="3"))))] == ["3"]
    assert [c.name for c in read_qualisys(write(tmp_path, qualisys(off, markers)))] == ["2"]


@pytest.mark.parametrize(
    "old, new, words",
    [
        ('viewrotation="0"', 'viewrotation="90"', "rotated view"),
        ('serial="7"', "", "no serial"),
        ('x="1000"', "", "<transform> needs a finite number x, got None"),
        ('x="1000"', 'x="1e999"', "got '1e999'"),
        ('r11="1"', 'r11="2"', "rotation is not a rotation"),
        ('right="1929"', 'right="0"', "-9×1080 pixels"),
        ('focalLengthU="96000"', 'focalLengthU="0"', "focal lengths must be positive"),
        ('active="1"', 'active="0"', "no active camera"),
        ("</cameras>", "", "not the XML"),
        ("<calibration>", "<!DOCTYPE a><calibration>", "document type"),
        ("ASCII", "no-such-code", "not the XML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = qualisys(CAMERA.format(serial="7"))
    assert old in text
    with pytest.raises(FormatError, match=words):
        read_qualisys(write(tmp_path, text.replace(old, new, 1)))


def test_twins_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="same serial"):
        read_qualisys(write(tmp_path, qualisys(*[CAMERA.format(serial="7")] * 2)))


@settings(max_examples=150, deadline=None)
@given(content=damaged(qualisys(CAMERA.format(serial="7")).encode()))
def test_damaged_files_are_refused_or_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    cameras = read_or_refuse(read_qualisys, tmp_path_factory.getbasetemp() / "damaged.qca.txt", content)
    assert cameras is None or all_usable(cameras)


def test_agrees_with_pose2sims_conversion_of_the_same_file(balancing: Path) -> None:
    ours = read_qualisys(balancing / "calibration" / "Calib.qca.txt")
    theirs = read_calibration(balancing / "calibration" / "Calib_qualisys.toml")
    assert [c.name for c in ours] == [c.name for c in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert a.size == b.size
        np.testing.assert_allclose(a.matrix, b.matrix, rtol=1e-12)
        np.testing.assert_allclose(a.distortions, b.distortions, rtol=1e-12)
        np.testing.assert_allclose(a.R_camera_world, b.R_camera_world, atol=1e-12)
        np.testing.assert_allclose(a.translation, b.translation, atol=1e-12)
