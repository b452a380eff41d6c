"""Who is found in files, folders and archives, and what is said of the rest."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from mocap_samples import write_amass_clip, write_asf_amc, write_bvh_clip

from kinefuse.errors import KinefuseError
from kinefuse.synthesis.collection import ClipFile, find_people


def found(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Kind and clip of each person."""
    people, findings = find_people(path)
    assert not findings
    return {person.subject: [(clip.kind, clip.clip) for clip in person.clips] for person in people}


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_a_folder_is_a_person(tmp_path: Path) -> None:
    for name in ("anna/a.bvh", "anna/b.C3D", "bert/knee/c.trc", "anna/notes.txt", ".cache/d.bvh"):
        touch(tmp_path / name)
    assert found(tmp_path) == {"anna": [("bvh", "a.bvh"), ("points", "b.C3D")], "bert/knee": [("points", "c.trc")]}
    assert found(tmp_path / "anna" / "a.bvh") == {"anna": [("bvh", "a.bvh")]}


def test_folders_of_one_name_in_several_places_are_several_people(tmp_path: Path) -> None:
    for name in ("anna/session1/a.bvh", "ben/session1/a.bvh", "x/mocap/b.bvh", "y/mocap/b.bvh", "day2/16_04.bvh"):
        touch(tmp_path / name)
    touch(tmp_path / "anna" / "16_03.bvh")
    people, findings = find_people([tmp_path / name for name in ("anna", "ben", "day2")])
    clips = {person.subject: [clip.clip for clip in person.clips] for person in people}
    assert clips == {"anna/session1": ["a.bvh"], "ben/session1": ["a.bvh"], "cmu_016": ["16_03.bvh", "16_04.bvh"]}
    (told,) = findings
    assert told.level == "warning"
    assert "Several places hold a session1" in told.text
    files, _ = find_people([tmp_path / "x" / "mocap" / "b.bvh", tmp_path / "y" / "mocap" / "b.bvh"])
    assert [person.subject for person in files] == ["x/mocap", "y/mocap"]
    again, findings = find_people([tmp_path / "anna" / "session1", tmp_path / "anna" / "session1" / "a.bvh"])
    assert [person.subject for person in again] == ["session1"]
    assert not findings


def test_databases_say_who_it_is(tmp_path: Path) -> None:
    for name in ("all/16_03.bvh", "all/16_04_p2.bvh", "all/135_01.bvh", "all/HDM_bd_jump.bvh", "all/my_walk.bvh"):
        touch(tmp_path / name)
    assert found(tmp_path) == {
        "cmu_135": [("bvh", "135_01.bvh")],
        "cmu_016": [("bvh", "16_03.bvh"), ("bvh", "16_04_p2.bvh")],
        "hdm05_bd": [("bvh", "HDM_bd_jump.bvh")],
        "all": [("bvh", "my_walk.bvh")],
    }


def test_archives(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "carla.zip", "w") as opened:
        for name in ("walk.bvh", "dora/run.trc", "readme.txt"):
            opened.writestr(name, "")
    assert found(tmp_path) == {"carla": [("bvh", "walk.bvh")], "dora": [("points", "run.trc")]}


def test_arrays_are_told_apart(tmp_path: Path) -> None:
    write_amass_clip(tmp_path / "CMU" / "01" / "01_01_poses.npz", frames=4)
    markers = {"marker_names": np.array(["LASI"]), "m01_e01": np.zeros((4, 1, 3), np.int16)}
    np.savez(tmp_path / "uiprmd_s01_inc.npz", **markers)  # type: ignore[arg-type]
    assert found(tmp_path) == {"CMU/01": [("amass", "01_01_poses.npz")], "uiprmd_s01": [("uiprmd", "m01_e01")]}
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as opened:
        opened.write(tmp_path / "CMU" / "01" / "01_01_poses.npz", "walk_poses.npz")
        opened.write(tmp_path / "uiprmd_s01_inc.npz", "uiprmd_s02.npz")
    in_archive = found(tmp_path / "both.zip")
    assert in_archive == {"both": [("amass", "walk_poses.npz")], "uiprmd_s02": [("uiprmd", "m01_e01")]}


def test_results_of_ours(tmp_path: Path) -> None:
    for name in ("anna/walk/result/motion.nc", "anna/walk/result/motion.trc", "anna/run/motion.nc"):
        touch(tmp_path / name)
    assert found(tmp_path) == {"anna": [("motion", "run"), ("motion", "walk")]}
    assert found(tmp_path / "anna" / "walk" / "result") == {"walk": [("motion", "walk")]}


def test_an_amc_file_and_its_skeleton(tmp_path: Path) -> None:
    write_asf_amc(tmp_path / "01.asf", tmp_path / "01_02.amc", frames=3)
    touch(tmp_path / "0.asf")
    ((clip,),) = ([*person.clips] for person in find_people(tmp_path)[0])
    assert (clip.subject, clip.skeleton) == ("cmu_001", str(tmp_path / "01.asf"))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as opened:
        for name in ("01.asf", "01_02.amc"):
            opened.write(tmp_path / name, f"a/{name}")
    ((clip,),) = ([*person.clips] for person in find_people(tmp_path / "all.zip")[0])
    with clip.opened() as (amc, asf):
        assert (amc.name, asf.name) == ("01_02.amc", "01.asf")


def only_finding(path: Path) -> str:
    """The one finding about a folder that also holds a sound file."""
    people, (finding,) = find_people(path)
    assert [clip.clip for person in people for clip in person.clips] == ["sound.bvh"]
    return finding.text


def test_what_cannot_be_used_is_told(tmp_path: Path) -> None:
    write_bvh_clip(tmp_path / "sound.bvh", frames=4)
    odd = tmp_path / "odd.npz"
    np.savez(odd, values=np.zeros(3))
    assert "holds neither" in only_finding(tmp_path)
    odd.write_bytes(odd.read_bytes()[:50])
    assert "get it again" in only_finding(tmp_path)
    odd.unlink()
    lonely = touch(tmp_path / "07_01.amc")
    assert "needs the ASF file of its skeleton" in only_finding(tmp_path)
    lonely.unlink()
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as opened:
        opened.writestr("../../evil.bvh", "")
    assert "leads out" in only_finding(tmp_path)


@pytest.mark.parametrize(
    "name, message",
    [
        ("empty", "expected motion capture"),
        ("none", "no such file or folder"),
        ("notes.txt", "expected motion capture"),
    ],
)
def test_nothing_there(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    touch(tmp_path / "notes.txt")
    with pytest.raises(KinefuseError, match=message):
        find_people(tmp_path / name)


def test_places_in_messages() -> None:
    assert ClipFile("a", "b", "bvh", Path("c.zip"), "d/b.bvh").place == "c.zip/d/b.bvh"
    assert ClipFile("a", "b", "bvh", Path("b.bvh")).place == "b.bvh"
