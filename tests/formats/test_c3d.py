"""C3D: our own writing, files made byte by byte for other processors, a real file against ezc3d, and nonsense."""

import contextlib
import struct
from dataclasses import replace
from pathlib import Path

import ezc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motion_examples import make_motion

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.c3d import read_c3d_points, write_c3d
from kinefuse.formats.tables import motion_centers
from kinefuse.recordings import JointCenters


def parameter(group: int, name: str, kind: int, dims: list[int], data: bytes, order: str) -> bytes:
    body = struct.pack("bB", kind, len(dims)) + bytes(dims) + data + b"\0"
    return struct.pack("bb", len(name), group) + name.encode() + struct.pack(order + "H", len(body) + 2) + body


def text(group: int, name: str, texts: list[str], order: str) -> bytes:
    width = max(map(len, texts))
    data = b"".join(t.ljust(width).encode() for t in texts)
    return parameter(group, name, -1, [width, len(texts)], data, order)


def dec_float(value: float) -> bytes:
    raw = struct.pack("<f", value * 4)
    return raw[2:] + raw[:2]


def by_hand(
    processor: int = 84, real: bool = True, frames: int = 3, y_screen: str = "", unit: str = "mm", stated: int = 0
) -> bytes:
    """Return a C3D file with point p of frame t at (100 t, 10 p, 1) and point 1 missing in frame 1."""
    order = ">" if processor == 86 else "<"
    number = dec_float if processor == 85 else lambda value: struct.pack(order + "f", value)
    scale = -1.0 if real else 0.5
    header = bytes([2, 0x50]) + struct.pack(order + "5H", 2, 0, 1, stated or frames, 0)
    header += number(scale) + struct.pack(order + "2H", 3, 0) + number(50.0)
    section = struct.pack("bb", 5, -1) + b"POINT" + struct.pack(order + "HB", 3, 0)
    section += text(1, "LABELS", ["RHip", "b"], order) + text(1, "UNITS", [unit], order)
    section += parameter(1, "USED", 2, [], struct.pack(order + "h", 2), order)
    if y_screen:
        section += text(1, "Y_SCREEN", [y_screen], order)
    data = b""
    for t in range(frames):
        for p in range(2):
            residual = -1 if (t, p) == (1, 1) else 0
            values = (100.0 * t, 10.0 * p, 1.0, residual)
            if real:
                data += b"".join(number(value) for value in values)
            else:
                data += struct.pack(order + "4h", *(int(v / scale) for v in values[:3]), residual)
    blocks = header.ljust(512, b"\0") + (bytes([0, 0, 1, processor]) + section).ljust(512, b"\0")
    return blocks + data.ljust(-(-len(data) // 512) * 512, b"\0")


def c3d(folder: Path, content: bytes) -> Path:
    path = folder / "a.c3d"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize("processor", [84, 85, 86])
def test_every_processor_and_number_form(tmp_path: Path, processor: int, real: bool) -> None:
    centers = read_c3d_points(c3d(tmp_path, by_hand(processor, real)), up="y")
    assert centers.names == ("hip_r", "b")
    np.testing.assert_allclose(centers.time, [0.0, 0.02, 0.04])
    np.testing.assert_allclose(centers.positions[:, 0], [[0, 0, 0.001], [0.1, 0, 0.001], [0.2, 0, 0.001]])
    np.testing.assert_allclose(centers.positions[2, 1], [0.2, 0.01, 0.001])
    assert np.isnan(centers.positions[1, 1]).all()


@pytest.mark.parametrize(
    ("y_screen", "up", "expected"),
    [
        ("", "auto", [0.01, 0.001, 0.2]),
        ("+Z", "auto", [0.01, 0.001, 0.2]),
        ("+Y", "auto", [0.2, 0.01, 0.001]),
        ("X", "auto", [0.001, 0.2, 0.01]),
        ("+Z", "y", [0.2, 0.01, 0.001]),
    ],
)
def test_vertical_axis(tmp_path: Path, y_screen: str, up: str, expected: list[float]) -> None:
    centers = read_c3d_points(c3d(tmp_path, by_hand(y_screen=y_screen)), up=up)
    np.testing.assert_allclose(centers.positions[2, 1], expected)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "expected a C3D"),
        (b"\x02\x51" + bytes(2000), "expected a C3D"),
        (by_hand(stated=90), "promises 90 frames"),
        (by_hand(frames=60)[:-512], "promises 60 frames"),
        (by_hand(frames=200, stated=3), "promises 3 frames"),
        (by_hand(unit="pt"), "'pt'"),
        (by_hand(unit="m", frames=9), "unit"),
        (by_hand(y_screen="-Z"), "-Z"),
        (by_hand()[:515] + b"\x57" + by_hand()[516:], "processor 87"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        read_c3d_points(c3d(tmp_path, content))


def test_unknown_axis_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(KinefuseError, match="up must be"):
        read_c3d_points(c3d(tmp_path, by_hand()), up="w")


def test_written_points_come_back(tmp_path: Path) -> None:
    centers = motion_centers(make_motion(frames=40))
    positions = centers.positions.copy()
    positions[3, 4] = np.nan
    centers = replace(centers, positions=positions, time=centers.time + 0.123)
    write_c3d(tmp_path / "a.c3d", centers)
    again = read_c3d_points(tmp_path / "a.c3d")
    assert again.names == centers.names
    np.testing.assert_allclose(again.time, centers.time, atol=1e-7)
    np.testing.assert_allclose(again.positions, positions, atol=2e-7)


def test_another_library_agrees_with_what_is_written(tmp_path: Path) -> None:
    centers = motion_centers(make_motion(frames=10))
    positions = centers.positions.copy()
    positions[2, 1] = np.nan
    write_c3d(tmp_path / "a.c3d", replace(centers, positions=positions))
    theirs = ezc3d.c3d(str(tmp_path / "a.c3d"))
    np.testing.assert_allclose(theirs["data"]["points"][:3].transpose(2, 1, 0), positions, atol=2e-7)
    assert theirs["parameters"]["POINT"]["UNITS"]["value"] == ["m"]
    assert theirs["parameters"]["POINT"]["RATE"]["value"][0] == pytest.approx(60.0)


def test_more_frames_than_sixteen_bits_count(tmp_path: Path) -> None:
    frames = 70_000
    positions = np.linspace(0, 1, frames)[:, None, None] * np.ones(3)
    write_c3d(tmp_path / "a.c3d", JointCenters(names=("a",), time=np.arange(frames) / 100, positions=positions))
    again = read_c3d_points(tmp_path / "a.c3d")
    np.testing.assert_allclose(again.positions, positions, atol=1e-7)


def test_more_points_than_one_parameter_holds(tmp_path: Path) -> None:
    names = tuple(f"m{i}" for i in range(300))
    positions = np.random.default_rng(0).normal(size=(2, 300, 3))
    write_c3d(tmp_path / "a.c3d", JointCenters(names=names, time=np.array([0.0, 0.1]), positions=positions))
    again = read_c3d_points(tmp_path / "a.c3d")
    assert again.names == names
    np.testing.assert_allclose(again.positions, positions, atol=1e-6)


def test_uneven_frames_are_refused(tmp_path: Path) -> None:
    centers = motion_centers(make_motion(frames=4))
    with pytest.raises(KinefuseError, match="evenly spaced"):
        write_c3d(tmp_path / "a.c3d", replace(centers, time=np.array([0.0, 0.1, 0.2, 0.4])))
    assert not list(tmp_path.iterdir())


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_nonsense_is_a_result_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(by_hand(data.draw(st.sampled_from([84, 85, 86])), data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.one_of(st.integers(0, 30), st.integers(512, 600), st.integers(0, len(content) - 1)))
        content[place] = data.draw(st.integers(0, 255))
    if data.draw(st.integers(0, 9)) == 0:
        del content[data.draw(st.integers(0, len(content))) :]
    path = tmp_path_factory.getbasetemp() / "fuzz.c3d"
    path.write_bytes(bytes(content))
    with contextlib.suppress(KinefuseError):
        centers = read_c3d_points(path)
        assert centers.positions.shape == (len(centers.time), len(centers.names), 3)


def test_real_file_agrees_with_another_library(data: Path) -> None:
    path = data / "real" / "opensim_reader_samples" / "walking2.c3d"
    ours = read_c3d_points(path)
    theirs = ezc3d.c3d(str(path))["data"]["points"][:3].transpose(2, 1, 0) / 1000.0
    assert ours.positions.shape == (1249, 44, 3)
    np.testing.assert_allclose(ours.positions, theirs[..., [1, 2, 0]], atol=1e-6)
    assert ours.time[-1] == pytest.approx(1248 / 250)
    heads = [i for i, name in enumerate(ours.names) if name in {"RFHD", "LFHD", "RBHD", "LBHD"}]
    assert 1.5 < np.nanmean(ours.positions[:, heads, 1]) < 1.8
