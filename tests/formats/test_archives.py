"""Files within zip archives: what may be unpacked, and what an error then names."""

import zipfile
from pathlib import Path

import pytest

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.archives import list_members, read_member, unpacked
from kinefuse.formats.trc import read_trc


def packed(folder: Path, **content: str) -> Path:
    path = folder / "clips.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for name, text in content.items():
            opened.writestr(name, text)
    return path


def test_members_by_suffix(tmp_path: Path) -> None:
    archive = packed(tmp_path, **{"a/One.TRC": "1", "two.c3d": "2", "readme.txt": "3"})
    assert list_members(archive, (".trc", ".c3d")) == ["a/One.TRC", "two.c3d"]
    assert read_member(archive, "two.c3d") == b"2"


def test_an_error_names_the_archive_and_not_the_passing_file(tmp_path: Path) -> None:
    archive = packed(tmp_path, **{"a/one.trc": "1"})
    with unpacked(archive, ["a/one.trc"]) as (path,):
        assert path.read_text() == "1"
    assert not path.exists()
    with pytest.raises(FormatError) as told, unpacked(archive, ["a/one.trc"]) as paths:
        read_trc(paths[0])
    assert str(told.value).startswith(f"{archive}/a/one.trc: expected a TRC file")


@pytest.mark.parametrize("name", ["../one.trc", "/one.trc", "a\\..\\..\\one.trc", "C:\\one.trc"])
def test_nothing_leads_out(tmp_path: Path, name: str) -> None:
    archive = packed(tmp_path, **{name: "1"})
    with pytest.raises(FormatError, match="leads out"):
        list_members(archive, (".trc",))
    with pytest.raises(FormatError, match="leads out"), unpacked(archive, [name]):
        pass


def test_what_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "clips.zip").write_text("PK")
    with pytest.raises(FormatError, match="zip archive"):
        list_members(tmp_path / "clips.zip", (".bvh",))
    with pytest.raises(KinefuseError, match="no such file"):
        list_members(tmp_path / "none.zip", (".bvh",))
