"""One clip as points in metres: units, repairs, and files that are not what they should be."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from mocap_samples import write_amass_clip, write_asf_amc, write_bvh_clip, write_person_smpl

from kinefuse.body.markers import MARKER_SETS
from kinefuse.body.models import load_smpl
from kinefuse.errors import KinefuseError
from kinefuse.formats.bvh import CENTIMETRE, CMU_UNIT
from kinefuse.formats.c3d import write_c3d
from kinefuse.formats.cmu_bvh import THORAX_CHILDREN
from kinefuse.formats.trc import write_trc
from kinefuse.recordings import Finding, JointCenters
from kinefuse.synthesis.clips import read_clip
from kinefuse.synthesis.collection import find_people


def points_in(path: Path) -> tuple[JointCenters, tuple[Finding, ...]]:
    ((clip,),) = ([*person.clips] for person in find_people(path)[0])
    content, findings = read_clip(clip)
    assert isinstance(content, JointCenters)
    return content, findings


def refusal(path: Path) -> str:
    """The one sentence with which a file is refused."""
    with pytest.raises(KinefuseError) as told:
        points_in(path)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)
    return str(told.value)


def thigh_m(points: JointCenters) -> float:
    hip, knee = (points.positions[0, points.names.index(f"cmu.{name}_l")] for name in ("hip", "knee"))
    return float(np.linalg.norm(hip - knee))


@pytest.mark.parametrize(
    "unit_m, word", [(1.0, "metres"), (0.0254, "inches"), (CENTIMETRE, "centimetres"), (0.001, "millimetres")]
)
def test_units_are_found_and_told(tmp_path: Path, unit_m: float, word: str) -> None:
    points, findings = points_in(write_bvh_clip(tmp_path / "a.bvh", unit_m=unit_m, frames=4))
    assert thigh_m(points) == pytest.approx(0.42, abs=1e-4)
    assert [word in finding.text for finding in findings] == [True]


def test_the_usual_unit_needs_no_words(tmp_path: Path) -> None:
    points, findings = points_in(write_bvh_clip(tmp_path / "a.bvh", unit_m=CMU_UNIT, frames=4))
    assert thigh_m(points) == pytest.approx(0.42, abs=1e-4)
    assert findings == ()


def test_an_unknown_unit_is_refused(tmp_path: Path) -> None:
    assert "fits none of these units" in refusal(write_bvh_clip(tmp_path / "a.bvh", unit_m=11.0, frames=4))


def test_defects_of_public_files_are_repaired_and_told(tmp_path: Path) -> None:
    points, findings = points_in(write_bvh_clip(tmp_path / "60_01.bvh", frame_time=1 / 120, lost=THORAX_CHILDREN))
    told = " ".join(finding.text for finding in findings)
    assert "offsets of Neck" in told
    assert "recorded at 60" in told
    assert {finding.about for finding in findings} == {"60_01.bvh"}
    assert points.time[1] - points.time[0] == pytest.approx(1 / 60)


def test_fast_clips_lose_frames(tmp_path: Path) -> None:
    points, _ = points_in(write_bvh_clip(tmp_path / "a.bvh", frame_time=1 / 240, frames=41))
    assert len(points.time) == 11
    assert points.time[-1] == pytest.approx(40 / 240)


def test_asf_amc_and_bvh_are_the_same_points(tmp_path: Path) -> None:
    wanted, _ = points_in(write_bvh_clip(tmp_path / "one" / "a.bvh", frames=6, frame_time=1 / 60))
    write_asf_amc(tmp_path / "a.asf", tmp_path / "a.amc", frames=6)
    points, findings = points_in(tmp_path / "a.amc")
    assert points.names == wanted.names
    np.testing.assert_allclose(points.positions, wanted.positions[:6:2], atol=1e-4)  # 120 Hz: every second
    assert ["120 Hz" in finding.text for finding in findings] == [True]


def test_amass_needs_and_uses_the_users_model(tmp_path: Path) -> None:
    path = write_amass_clip(tmp_path / "walk_poses.npz", frames=5)
    assert "SMPL model" in refusal(path)
    ((clip,),) = ([*person.clips] for person in find_people(path)[0])
    points, _ = read_clip(clip, load_smpl(write_person_smpl(tmp_path / "smpl.npz")))
    assert isinstance(points, JointCenters)
    head, ankle = (points.positions[0, points.names.index(f"smpl.{name}"), 1] for name in ("head", "ankle_l"))
    assert 1.1 < head - ankle < 1.7  # upright, Y up


def markers(prefix: str = "", frames: int = 5) -> JointCenters:
    """Points with the names of Plug-in Gait, all over the place of a person."""
    names = tuple(MARKER_SETS["plug-in-gait"])
    where = np.random.default_rng(0).uniform(0, 1.7, (1, len(names), 3)) + np.zeros((frames, 1, 1))
    return JointCenters(names=tuple(prefix + name for name in names), time=np.arange(frames) / 50, positions=where)


@pytest.mark.parametrize("prefix", ["", "Anna:"])
def test_markers_in_c3d_and_trc(tmp_path: Path, prefix: str) -> None:
    write_c3d(tmp_path / "a.c3d", markers(prefix))
    write_trc(tmp_path / "a.trc", markers(prefix))
    for path in (tmp_path / "a.c3d", tmp_path / "a.trc"):
        points, findings = points_in(path)
        assert points.names == markers().names
        np.testing.assert_allclose(points.positions, markers().positions, atol=1e-4)
        assert findings == ()


def test_files_in_archives(tmp_path: Path) -> None:
    write_trc(tmp_path / "a.trc", markers())
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as opened:
        opened.write(tmp_path / "a.trc", "a.trc")
    points, _ = points_in(tmp_path / "all.zip")
    assert points.names == markers().names
    with zipfile.ZipFile(tmp_path / "cut.zip", "w") as opened:
        opened.writestr("in/a.trc", (tmp_path / "a.trc").read_text()[:-40])
    assert "/in/a.trc, line" in refusal(tmp_path / "cut.zip")


def test_other_points_are_refused(tmp_path: Path) -> None:
    points = JointCenters(names=("wand1", "wand2"), time=np.arange(4) / 50, positions=np.ones((4, 2, 3)))
    write_trc(tmp_path / "a.trc", points)
    assert "wand1" in refusal(tmp_path / "a.trc")


def test_markers_that_nobody_saw(tmp_path: Path) -> None:
    unseen = markers()
    unseen.positions[1:] = np.nan
    write_trc(tmp_path / "a.trc", unseen)
    assert "got 1 of 5 frames" in refusal(tmp_path / "a.trc")


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("Frame Time: 0.01666667", "Frame Time: 0", "positive frame time"),
        ("JOINT LeftLeg", "JOINT LeftKnee", "LeftLeg"),
        ("0.00000", "nan", "NaN"),
        ("\n0.00000", "\n", "the file is cut"),
    ],
)
def test_damaged_bvh_files(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write_bvh_clip(tmp_path / "a.bvh", frames=4)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert message in refusal(path)
