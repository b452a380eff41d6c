"""The command that makes the prepared file: from files to file, interrupted, and refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mocap_samples import write_bvh_clip

from kinefuse.body.models import BodyModel
from kinefuse.cli import main
from kinefuse.errors import KinefuseError
from kinefuse.formats.netcdf import write_motion
from kinefuse.recordings import Finding
from kinefuse.synthesis import preparing
from kinefuse.synthesis.collection import Person
from kinefuse.synthesis.gait import walk
from kinefuse.synthesis.motions import CapturedClip, capture_person
from kinefuse.synthesis.person import demo_person
from kinefuse.synthesis.prepared import read_prepared
from kinefuse.synthesis.preparing import contents, prepare_file

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def walks(tmp_path: Path) -> Path:
    """A folder with the same walk of four people."""
    motion = replace(walk(demo_person()).frames(slice(600, 720)), body_name="anny", shape=np.zeros(10))
    for name in ("anna", "bert", "carla", "dora"):
        (tmp_path / "data" / name / "walk").mkdir(parents=True)
        write_motion(tmp_path / "data" / name / "walk" / "motion.nc", motion)
    return tmp_path / "data"


def test_people_are_split(walks: Path, tmp_path: Path) -> None:
    out = tmp_path / "motion.npz"
    made = prepare_file(walks, out, validation_share=0.25, seed=1)
    clips = read_prepared(out)
    assert [clip.subject for clip in clips] == ["anna", "bert", "carla", "dora"]
    assert sorted(clip.split for clip in clips) == ["train", "train", "train", "validation"]
    assert {clip.activity for clip in clips} == {"other"}
    assert [len(clip.root) for clip in made.clips] == [120] * 4
    assert contents(clips)[1].startswith("validation: 1 people, 0.0 minutes (other")
    assert not out.with_suffix(".parts").exists()


def test_interrupted_work_is_taken_up_again(walks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "motion.npz"
    done: list[str] = []

    def counted(person: Person, smpl: BodyModel | None) -> tuple[list[CapturedClip], list[Finding]]:
        if len(done) == 2 and not again:
            raise KeyboardInterrupt
        done.append(person.subject)
        return capture_person(person, smpl)

    again = False
    monkeypatch.setattr(preparing, "capture_person", counted)
    with pytest.raises(KeyboardInterrupt):
        prepare_file(walks, out)
    assert not out.exists()
    again = True
    prepare_file(walks, out)
    assert done == ["anna", "bert", "carla", "dora"]
    assert len(read_prepared(out)) == 4


def test_a_body_without_our_surface_is_left_out(walks: Path, tmp_path: Path) -> None:
    write_motion(walks / "anna" / "walk" / "motion.nc", walk(demo_person()).frames(slice(0, 120)))
    made = prepare_file(walks, tmp_path / "motion.npz")
    assert len(made.clips) == 3
    assert ["'demo person'" in finding.text for finding in made.findings] == [True]


def test_several_processes_give_the_same(tmp_path: Path) -> None:
    for name in ("anna", "bert"):
        write_bvh_clip(tmp_path / "data" / name / "squat.bvh", frames=70)
    one = prepare_file(tmp_path / "data", tmp_path / "one.npz").clips
    two = prepare_file(tmp_path / "data", tmp_path / "two.npz", jobs=2).clips
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert [clip.subject for clip in one] == [clip.subject for clip in two] == ["anna", "bert"]


def test_nothing_usable_and_a_wrong_share(tmp_path: Path) -> None:
    (tmp_path / "a.bvh").write_text("HIERARCHY\n")
    with pytest.raises(KinefuseError, match="MOTION"):
        prepare_file(tmp_path, tmp_path / "motion.npz")
    with pytest.raises(KinefuseError, match="at least 0 and below 1"):
        prepare_file(tmp_path, tmp_path / "motion.npz", validation_share=1.0)


def test_the_command(walks: Path, tmp_path: Path, capsys: Capture) -> None:
    (walks / "anna" / "cut.bvh").write_text("HIERARCHY\n")
    command = ["prepare", str(walks), "--out", str(tmp_path / "motion.npz")]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "train: 3 people" in told
    assert "cut.bvh" in told
    assert "cut.bvh" in (tmp_path / "motion.findings.txt").read_text()
    assert main(command) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--quiet"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "motion.npz")
    assert main(["prepare", str(tmp_path / "nowhere")]) == 2
    assert "no such file or folder" in capsys.readouterr().err
    assert main(["prepare", str(walks), "--out", "motion.txt"]) == 2
    assert "ends in .npz" in capsys.readouterr().err
