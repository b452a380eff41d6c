"""TRC: known files by hand, the rules of the format, real files, and nonsense."""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.conventions import KEYPOINTS
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.trc import HEADER_KEYS, read_trc, write_trc
from kinefuse.recordings import JointCenters

HEAD = (
    "PathFileType\t4\t(X/Y/Z)\ta.trc\n"
    "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames\n"
    "100\t100\t2\t2\t{unit}\t100\t1\t2\n"
    "Frame#\tTime\tRHip\t\t\tmy marker\t\t\n"
    "\t\tX1\tY1\tZ1\tX2\tY2\tZ2\n"
)
ROWS = "1\t0\t100\t200\t300\t\t\t\n2\t0.01\t110\tnan\t310\t1\t2\t3\n"
GOOD = HEAD.format(unit="mm") + ROWS


def trc(folder: Path, text: str | bytes) -> Path:
    path = folder / "a.trc"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_known_values(tmp_path: Path) -> None:
    centers = read_trc(trc(tmp_path, GOOD))
    assert centers.names == ("hip_r", "my marker")
    np.testing.assert_array_equal(centers.time, [0.0, 0.01])
    np.testing.assert_allclose(centers.positions[0], [[0.1, 0.2, 0.3], [np.nan] * 3])
    np.testing.assert_allclose(centers.positions[1], [[0.11, np.nan, 0.31], [0.001, 0.002, 0.003]])


def test_names_can_be_kept(tmp_path: Path) -> None:
    assert read_trc(trc(tmp_path, GOOD), canonical=False).names == ("RHip", "my marker")


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("Z2\n", "Z2\n\n"),
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        GOOD + "\n\n",
        GOOD.replace("310\t1\t2\t3", "310\t1\t2\t3\t"),
    ],
    ids=["blank line after the header", "Windows line ends", "byte order mark", "blank end", "tab at row's end"],
)
def test_harmless_variants_read_the_same(tmp_path: Path, text: str) -> None:
    expected = read_trc(trc(tmp_path, GOOD))
    np.testing.assert_array_equal(read_trc(trc(tmp_path, text)).positions, expected.positions)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("\n2\t", "\n\n2\t"), "line 7.*blank"),
        (GOOD.replace("Z2\n", "Z2\n\n\n"), "line 7.*blank"),
        (GOOD.replace("310\t1\t2\t3", "310\t1\t2"), "line 7.*8 cells.*got 7"),
        (GOOD.replace("310", "31o"), "line 7, column 5.*'31o'"),
        (GOOD.replace("310", "31,0"), "decimal point"),
        (GOOD.replace("310", "inf"), "number"),
        (GOOD.replace("100\t100\t2\t", "100\t100\t3\t"), "NumFrames = 3, the data hold 2"),
        (GOOD.replace("\t2\tmm", "\t3\tmm"), "NumMarkers = 3"),
        (GOOD.replace("mm", "furlong"), "furlong"),
        (GOOD.replace("0.01", "0"), "increase"),
        (GOOD.replace("0.01", ""), "no time"),
        (GOOD.replace("my marker", "RHip"), "twice"),
        (HEAD.format(unit="mm"), "data"),
        (GOOD.replace("Units", "Unit"), "Units"),
        (GOOD.replace("Frame#", "\nFrame#"), "line 4"),
        (GOOD.replace("\t\tX1", "\t\tY1"), "line 5"),
        ("time,x\n0,1\n", "PathFileType"),
        ("", "PathFileType"),
        (b"\x00\x01", "binary"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        read_trc(trc(tmp_path, text))


def test_missing_file_and_folder_are_users_mistakes(tmp_path: Path) -> None:
    for path in (tmp_path / "none.trc", tmp_path):
        with pytest.raises(KinefuseError, match=path.name):
            read_trc(path)


def test_unit_that_contradicts_the_values(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="unit"):
        read_trc(trc(tmp_path, HEAD.format(unit="m") + ROWS))
    single = HEAD.format(unit="m").replace("\t2\tm\t", "\t1\tm\t").replace("my marker", "").replace("RHip", "a")
    with pytest.raises(FormatError, match="unit"):
        read_trc(trc(tmp_path, single + "1\t0\t1200\t900\t0\n2\t0.01\t1200\t900\t0\n"))
    person = JointCenters(
        names=("a", "b", "c", "d"), time=np.arange(3.0), positions=np.random.default_rng(0).uniform(0, 1.8, (3, 4, 3))
    )
    write_trc(tmp_path / "b.trc", person)
    shrunk = (tmp_path / "b.trc").read_text().replace("\tm\t", "\tmm\t")
    with pytest.raises(FormatError, match="larger unit"):
        read_trc(trc(tmp_path, shrunk))


def test_a_long_run_is_no_wrong_unit(tmp_path: Path) -> None:
    positions = np.random.default_rng(0).uniform(0, 1.8, (3, 4, 3)) + np.array(
        [[[500.0, 0, 0]], [[800, 0, 0]], [[900, 0, 0]]]
    )
    write_trc(tmp_path / "a.trc", JointCenters(names=("a", "b", "c", "d"), time=np.arange(3.0), positions=positions))
    np.testing.assert_allclose(read_trc(tmp_path / "a.trc").positions, positions, atol=1e-7)


def test_written_file_obeys_the_format(tmp_path: Path) -> None:
    positions = np.arange(12.0).reshape(2, 2, 3)
    positions[1, 0] = np.nan
    write_trc(tmp_path / "a.trc", JointCenters(names=("a b", "c"), time=np.array([0.5, 0.51]), positions=positions))
    lines = (tmp_path / "a.trc").read_text().split("\n")
    assert lines[1].split("\t") == list(HEADER_KEYS)
    assert lines[2].split("\t")[2:5] == ["2", "2", "m"]
    assert lines[3].split("\t") == ["Frame#", "Time", "a b", "", "", "c", "", ""]
    assert [len(line.split("\t")) for line in lines[5:7]] == [8, 8]
    assert lines[6].startswith("2\t0.51\t\t\t\t9.")
    assert lines[7:] == [""]
    assert not list(tmp_path.glob(".partial*"))


def test_a_missing_last_point_keeps_its_cells_in_opensim(tmp_path: Path) -> None:
    positions = np.full((1, 1, 3), np.nan)
    write_trc(tmp_path / "a.trc", JointCenters(names=("a",), time=np.zeros(1), positions=positions))
    assert (tmp_path / "a.trc").read_text().split("\n")[5] == "1\t0.0\t\t\t "  # OpenSim drops an empty last cell
    assert np.isnan(read_trc(tmp_path / "a.trc").positions).all()


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    centers = JointCenters(names=("a",), time=np.zeros(1), positions=np.zeros((1, 1, 3)))
    with pytest.raises(KinefuseError, match="name"):
        write_trc(tmp_path / "a.trc", replace(centers, names=("a\tb",)))
    with pytest.raises(KinefuseError, match="at least one frame"):
        write_trc(tmp_path / "a.trc", replace(centers, time=np.zeros(0), positions=np.zeros((0, 1, 3))))
    with pytest.raises(KinefuseError, match="written"):
        write_trc(tmp_path / "none" / "a.trc", centers)
    assert not list(tmp_path.iterdir())


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, frames: int, points: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    positions = random.normal(size=(frames, points, 3))
    positions[random.random((frames, points)) < 0.3] = np.nan
    time = np.cumsum(random.uniform(1e-5, 1.0, frames))
    centers = JointCenters(names=KEYPOINTS[:points], time=time, positions=positions)
    path = tmp_path_factory.mktemp("trc") / "a.trc"
    write_trc(path, centers)
    again = read_trc(path)
    assert again.names == centers.names
    np.testing.assert_array_equal(again.time, time)
    np.testing.assert_allclose(again.positions, positions, atol=6e-8)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_nonsense_is_a_result_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(GOOD.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=4))
    path = tmp_path_factory.getbasetemp() / "fuzz.trc"
    path.write_bytes(bytes(content) if data.draw(st.integers(0, 9)) else data.draw(st.binary(max_size=60)))
    with contextlib.suppress(KinefuseError):
        centers = read_trc(path)
        assert centers.positions.shape == (len(centers.time), len(centers.names), 3)


def test_pose2sim_files(balancing: Path) -> None:
    raw = read_trc(balancing / "reference" / "pose2sim_raw.trc")
    assert raw.positions.shape == (100, 21, 3)
    assert set(raw.names) < set(KEYPOINTS)
    assert {"head_top", "neck", "big_toe_l", "heel_r"} < set(raw.names)
    shin = raw.positions[:, raw.names.index("knee_l")] - raw.positions[:, raw.names.index("ankle_l")]
    assert 0.35 < np.median(np.linalg.norm(shin, axis=1)) < 0.5
    augmented = read_trc(balancing / "reference" / "pose2sim_filt_butterworth_LSTM.trc")
    assert augmented.positions.shape == (100, 64, 3)
    assert "r_knee_study" in augmented.names


def test_optical_markers(data: Path) -> None:
    markers = read_trc(data / "real" / "opencap_markers_walk2_dj1" / "walking2.trc")
    assert markers.positions.shape == (136, 51, 3)
    assert np.isnan(markers.positions).sum() == 312
    assert {"L_ankle", "L.ASIS", "C7"} < set(markers.names)
