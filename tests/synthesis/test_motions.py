"""Files of any kind as motions of our body, from end to end, and what is said of files that cannot be used."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mocap_samples import SQUAT, turns, write_amass_clip, write_bvh_clip, write_person_smpl

from kinefuse.errors import KinefuseError
from kinefuse.formats.cmu_bvh import THORAX_CHILDREN
from kinefuse.formats.netcdf import write_motion
from kinefuse.motion import Motion
from kinefuse.recordings import Finding, JointCenters
from kinefuse.synthesis.gait import walk
from kinefuse.synthesis.motions import motions_of, summed_up, with_all_names
from kinefuse.synthesis.person import demo_person


def check_squat(motion: Motion) -> None:
    """The squat of `mocap_samples`, whatever file it came from."""
    frames = len(motion.time)
    for side, word in (("l", "Left"), ("r", "Right")):
        wanted = turns(frames)[f"{word}Leg"][:, 0]
        knee = np.rad2deg(motion.angle(f"knee_angle_{side}"))
        assert knee.max() == pytest.approx(SQUAT["Leg"], abs=6)
        assert np.abs(knee - wanted).mean() < 4
        elbow = np.rad2deg(motion.angle(f"elbow_flex_{side}"))
        assert np.abs(elbow - np.abs(turns(frames)[f"{word}ForeArm"][:, 1])).mean() < 6
    assert np.ptp(motion.positions[:, 0, 1]) == pytest.approx(0.84 * (1 - np.cos(np.deg2rad(40))), abs=0.02)


def test_bvh_from_end_to_end(tmp_path: Path) -> None:
    write_bvh_clip(tmp_path / "anna" / "squat.bvh", lost=THORAX_CHILDREN)
    (tmp_path / "anna" / "cut.bvh").write_text("HIERARCHY\nROOT Hips\n{\n")
    steps: list[tuple[str, int, int]] = []
    (clip,), findings = motions_of(tmp_path, progress=lambda *step: steps.append(step))
    assert (clip.subject, clip.clip) == ("anna", "squat.bvh")
    check_squat(clip.motion)
    assert clip.gap_m is not None
    assert np.median(clip.gap_m) < 0.005
    assert [finding.level for finding in findings] == ["error", "warning"]
    assert "offsets of Neck" in " ".join(clip.motion.notes)
    assert steps[-1] == ("motion capture", 2, 2)


def test_amass_from_end_to_end(tmp_path: Path) -> None:
    path = write_amass_clip(tmp_path / "bert" / "squat_poses.npz")
    with pytest.raises(KinefuseError, match=r"give your own licensed SMPL model file, an .npz, with --smpl"):
        motions_of(path)
    (clip,), findings = motions_of(path, smpl=write_person_smpl(tmp_path / "smpl.npz"))
    assert clip.subject == "bert"
    check_squat(clip.motion)
    assert findings == []


def test_our_own_motion_is_taken_as_it_is(tmp_path: Path) -> None:
    sound = walk(demo_person()).frames(slice(600, 900))
    R = sound.R_world_segment.copy()
    R[:20] = np.nan
    (tmp_path / "anna" / "walk").mkdir(parents=True)
    write_motion(tmp_path / "anna" / "walk" / "motion.nc", replace(sound, R_world_segment=R))
    (clip,), (finding,) = motions_of(tmp_path)
    assert (clip.subject, clip.clip, len(clip.motion.time)) == ("anna", "walk", 280)
    np.testing.assert_allclose(clip.motion.angles, sound.angles[20:], atol=1e-9)
    assert "nobody is seen in 20 of 300 frames" in finding.text


def test_nothing_usable_tells_the_first_reason(tmp_path: Path) -> None:
    for name in ("a.bvh", "b.bvh"):
        (tmp_path / name).write_text("HIERARCHY\nROOT Hips\n{\n")
    with pytest.raises(KinefuseError, match=r"None of 2 clips can be used; the first, a.bvh: .*MOTION"):
        motions_of(tmp_path)
    with pytest.raises(KinefuseError, match=r"^[^:]*a.bvh: expected a BVH file"):
        motions_of(tmp_path / "a.bvh")


def test_clips_with_other_points_are_fitted_together() -> None:
    one = JointCenters(names=("a", "b"), time=np.arange(2.0), positions=np.ones((2, 2, 3)))
    other = JointCenters(names=("c", "a"), time=np.arange(3.0), positions=np.full((3, 2, 3), 2.0))
    first, second = with_all_names([one, other])
    assert first.names == second.names == ("a", "b", "c")
    np.testing.assert_array_equal(second.positions[0, :, 0], [2, np.nan, 2])


def test_the_same_words_are_said_once() -> None:
    same = [Finding("info", name, "Assumed.") for name in "abc"]
    assert summed_up([*same, Finding("warning", "d", "Cut.")]) == [
        Finding("info", "a and 2 more", "Assumed."),
        Finding("warning", "d", "Cut."),
    ]
