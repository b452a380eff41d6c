from pathlib import Path

import pytest
from trial_samples import camera

from kinefuse.errors import KinefuseError
from kinefuse.formats.calibration import write_calibration
from kinefuse.formats.registry import CAMERA_READERS, read_cameras


def test_the_ending_chooses_the_reader(tmp_path: Path) -> None:
    write_calibration(tmp_path / "Calib.TOML", [camera("left")])
    assert [c.name for c in read_cameras(tmp_path / "Calib.TOML")] == ["left"]
    assert list(CAMERA_READERS) == [".toml", ".qca.txt"]


def test_both_files_of_a_real_session(balancing: Path) -> None:
    for path in (balancing / "calibration").iterdir():
        assert [c.name for c in read_cameras(path)] == ["cam_01", "cam_02", "cam_03", "cam_04"]


def test_unknown_endings_are_refused() -> None:
    with pytest.raises(KinefuseError, match=r"expected \.toml or \.qca\.txt"):
        read_cameras("cameras.xml")
