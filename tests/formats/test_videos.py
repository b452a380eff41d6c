"""Videos: counted frames, and clear words about files that are none."""

import builtins
import struct
from pathlib import Path

import numpy as np
import pytest
from people_scenes import blank_frames, write_video

from kinefuse.errors import FormatError, KinefuseError, MissingDependencyError
from kinefuse.formats.videos import iterate_frames, probe_video, read_first_frame


def test_probe_tells_size_rate_and_counted_frames(tmp_path: Path) -> None:
    video = probe_video(write_video(tmp_path / "a.mp4", blank_frames(7, (64, 48)), rate_hz=25.0))
    assert video.size == (64, 48)
    assert video.rate_hz == pytest.approx(25.0)
    assert video.frames == 7
    assert video.frames_are_counted


def test_frames_are_counted_where_the_file_was_cut(tmp_path: Path) -> None:
    """An AVI that lost its end still claims all its frames."""
    import cv2

    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30.0, (64, 48))
    for frame in np.random.default_rng(0).integers(0, 255, (20, 48, 64, 3)).astype(np.uint8):
        writer.write(frame)
    writer.release()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    counted = probe_video(path)
    assert 0 < counted.frames < 20
    assert counted.frames == sum(1 for _ in iterate_frames(path))


def test_a_picture_that_players_turn_is_told_and_read_unturned(tmp_path: Path) -> None:
    path = write_video(tmp_path / "phone.mp4", blank_frames(3, (64, 48)))
    assert probe_video(path).findings("cam_1") == []
    content = path.read_bytes()
    matrix = content.index(b"tkhd") + 44
    quarter = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content[:matrix] + quarter + content[matrix + 36 :])
    assert probe_video(path).size == (64, 48)
    (finding,) = probe_video(path).findings("cam_1")
    assert finding.level == "warning"
    assert "turn its video" in finding.text


def test_frames_of_a_varying_rate_are_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "phone.mp4", blank_frames(30, (64, 48)))
    assert probe_video(path).findings("cam_1") == []
    content = bytearray(path.read_bytes())
    for box in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"):  # each holds the next, which grows by 8 bytes
        at = content.index(box) - 4
        content[at : at + 4] = struct.pack(">i", struct.unpack(">i", content[at : at + 4])[0] + 8)
    table = content.index(b"stts") + 8
    entries, frames, step = struct.unpack(">3i", content[table : table + 12])
    assert (entries, frames) == (1, 30)
    content[table : table + 12] = struct.pack(">5i", 2, 20, step, 10, 3 * step)  # the last ten take three times as long
    path.write_bytes(bytes(content))
    (finding,) = probe_video(path).findings("cam_1")
    assert "unevenly spaced" in finding.text


def test_colour_order(tmp_path: Path) -> None:
    red = [np.full((48, 64, 3), (0, 0, 255), dtype=np.uint8)] * 2
    path = write_video(tmp_path / "red.mp4", red)
    assert read_first_frame(path)[20, 20].argmax() == 0
    assert next(iterate_frames(path, "bgr"))[20, 20].argmax() == 2
    with pytest.raises(KinefuseError, match="colour"):
        next(iterate_frames(path, "hsv"))


def test_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(FormatError, match=r"empty\.mp4.*0 bytes"):
        probe_video(tmp_path / "empty.mp4")


def test_garbage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(FormatError, match=r"noise\.mp4: cannot be read as a video"):
        probe_video(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KinefuseError, match=r"gone\.mp4: there is no such video"):
        next(iterate_frames(tmp_path / "gone.mp4"))


def test_missing_opencv_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: object, **kwargs: object) -> object:
        if name == "cv2":
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingDependencyError, match=r"kinefuse\[video\]"):
        probe_video(tmp_path / "a.mp4")


def test_real_video(balancing: Path) -> None:
    video = probe_video(balancing / "videos" / "cam01.mp4", count=False)
    assert video.size == (1080, 1920)
    assert video.rate_hz == pytest.approx(60.0)
