from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from motion_examples import make_motion
from trial_samples import camera

from kinefuse.errors import KinefuseError
from kinefuse.formats.c3d import write_c3d
from kinefuse.formats.calibration import write_calibration
from kinefuse.formats.registry import CAMERA_READERS, POINT_READERS, read_cameras, read_points
from kinefuse.formats.tables import motion_centers, write_points_csv
from kinefuse.formats.trc import write_trc

POINT_WRITERS = {".trc": write_trc, ".c3d": write_c3d, ".csv": write_points_csv}


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
    with pytest.raises(KinefuseError, match=r"\.trc, \.csv, \.c3d"):
        read_points(Path("a.xlsx"))


@pytest.mark.parametrize("suffix", POINT_READERS)
@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_points_of_every_suffix(tmp_path: Path, suffix: str, change: Callable[[str], str]) -> None:
    centers = motion_centers(make_motion(frames=4))
    path = tmp_path / f"points{change(suffix)}"
    POINT_WRITERS[suffix](path, centers)
    again = read_points(path)
    assert again.names == centers.names
    np.testing.assert_allclose(again.positions, centers.positions, atol=1e-6)
