"""Tables of points and angles: both forms by hand, round trips, and nonsense."""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motion_examples import make_motion

from kinefuse.conventions import JOINTS
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.tables import motion_centers, read_points_csv, write_angles_csv, write_points_csv
from kinefuse.recordings import JointCenters

LONG = "time_s,point,x_m,y_m,z_m\n0,RHip,1,2,3\n0,b,4,5,6\n0.1,RHip,,,\n0.2,b,7,8,9\n"
WIDE = "time_s,RHip_x_m,RHip_y_m,RHip_z_m,b_x_m,b_y_m,b_z_m\n0,1,2,3,4,5,6\n0.1,,,,,,\n0.2,,,,7,8,9\n"
EXPECTED = np.array([[[1, 2, 3], [4, 5, 6]], [[np.nan] * 3] * 2, [[np.nan] * 3, [7, 8, 9]]])


def table(folder: Path, text: str) -> Path:
    path = folder / "points.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize("text", [LONG, WIDE])
def test_both_forms(tmp_path: Path, text: str) -> None:
    centers = read_points_csv(table(tmp_path, text))
    assert centers.names == ("hip_r", "b")
    np.testing.assert_array_equal(centers.time, [0.0, 0.1, 0.2])
    np.testing.assert_array_equal(centers.positions, EXPECTED)


def test_rows_may_come_in_any_order(tmp_path: Path) -> None:
    head, *rows = LONG.splitlines()
    centers = read_points_csv(table(tmp_path, "\n".join([head, rows[3], rows[0], rows[2], rows[1]])))
    np.testing.assert_array_equal(
        centers.positions[:, [centers.names.index("hip_r"), centers.names.index("b")]], EXPECTED
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LONG.replace("0.2,b", "0,b"), "twice"),
        (LONG.replace("7,8,9", "7,8"), "line 5.*5 cells.*got 4"),
        (LONG.replace("7,8,9", "7,8,nine"), "'nine'"),
        (LONG.replace("x_m", "x_mm"), "columns"),
        (LONG.replace("0.2,b", "0.2,"), "name of a point"),
        (LONG.replace("\n0.2", "\n\n0.2"), "blank"),
        (WIDE.replace("b_z_m", "c_z_m"), "columns"),
        (WIDE.replace("\n0.2", "\n0.1"), "increase"),
        ("time_s\n0\n", "columns"),
        (LONG.splitlines()[0], "rows of points"),
        ("", "rows of points"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        read_points_csv(table(tmp_path, text))


def test_names_with_commas_come_back(tmp_path: Path) -> None:
    positions = np.random.default_rng(0).normal(size=(3, 2, 3))
    positions[1] = np.nan
    centers = JointCenters(names=('a, "b"', "c"), time=np.array([0.1, 0.2, 0.30000000000000004]), positions=positions)
    write_points_csv(tmp_path / "p.csv", centers)
    again = read_points_csv(tmp_path / "p.csv")
    assert again.names == centers.names
    np.testing.assert_array_equal(again.time, centers.time)
    np.testing.assert_allclose(again.positions, positions, atol=6e-8)


def test_points_of_a_motion_bear_the_joints_names() -> None:
    motion = make_motion(frames=3)
    centers = motion_centers(motion)
    assert centers.names == JOINTS
    np.testing.assert_array_equal(centers.positions, motion.positions)


def test_angles(tmp_path: Path) -> None:
    motion = make_motion(frames=3)
    angles = motion.angles.copy()
    angles[1, 0] = np.nan
    write_angles_csv(tmp_path / "a.csv", replace(motion, angles=angles))
    header, *rows = [line.split(",") for line in (tmp_path / "a.csv").read_text().splitlines()]
    assert header[:5] == ["time_s", "pelvis_tilt_deg", "pelvis_list_deg", "pelvis_rotation_deg", "pelvis_tx_m"]
    assert len(rows) == 3
    assert {len(row) for row in rows} == {len(header)}
    assert rows[1][1] == ""
    assert float(rows[0][1]) == pytest.approx(np.rad2deg(angles[0, 0]))
    assert float(rows[0][4]) == pytest.approx(angles[0, 3])


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_nonsense_is_a_result_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from([LONG, WIDE])).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=4))
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    path.write_bytes(bytes(content))
    with contextlib.suppress(KinefuseError):
        centers = read_points_csv(path)
        assert centers.positions.shape == (len(centers.time), len(centers.names), 3)
