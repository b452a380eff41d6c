"""The tables from suffix to reader."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from motion_examples import make_motion

from kinefuse.errors import KinefuseError
from kinefuse.formats.c3d import write_c3d
from kinefuse.formats.motion_files import ANGLE_READERS, MOTION_READERS, POINT_READERS, read_angles, read_points
from kinefuse.formats.tables import motion_centers, write_points_csv
from kinefuse.formats.trc import write_trc

WRITERS = {".trc": write_trc, ".c3d": write_c3d, ".csv": write_points_csv}


@pytest.mark.parametrize("suffix", POINT_READERS)
@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_points_of_every_suffix(tmp_path: Path, suffix: str, change: Callable[[str], str]) -> None:
    centers = motion_centers(make_motion(frames=4))
    path = tmp_path / f"points{change(suffix)}"
    WRITERS[suffix](path, centers)
    again = read_points(path)
    assert again.names == centers.names
    np.testing.assert_allclose(again.positions, centers.positions, atol=1e-6)


def test_unknown_suffixes_are_users_mistakes() -> None:
    with pytest.raises(KinefuseError, match=r"\.trc, \.c3d, \.csv"):
        read_points(Path("a.xlsx"))
    with pytest.raises(KinefuseError, match=r"\.mot, \.sto"):
        read_angles(Path("a"))


def test_suffixes_are_lower_case_and_unlike() -> None:
    suffixes = [*POINT_READERS, *ANGLE_READERS, *MOTION_READERS]
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in suffixes)
    assert len(set(suffixes)) == len(suffixes)
