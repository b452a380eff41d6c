"""What estimators are tested on: prepared files, trials with truth, motion files, and what is refused."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_examples import a_clip, prepared_clips, swinging, write_example

from kinefuse.errors import KinefuseError
from kinefuse.evaluation.material import (
    Choice,
    Clip,
    load_clips,
    middle,
    motion_of,
    require_whole,
    sample,
    with_unique_names,
)
from kinefuse.formats.netcdf import write_motion
from kinefuse.formats.trial import write_trial
from kinefuse.recordings import JointCenters, Recording
from kinefuse.rotations import geodesic_angle
from kinefuse.synthesis.prepared import prepare, write_prepared


def silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def load(path: Path, **choice: object) -> list[Clip]:
    return load_clips([path], Choice(**choice), silent)[0]  # type: ignore[arg-type]


def test_a_prepared_clip_is_the_motion_that_it_was_made_of() -> None:
    motion = swinging()
    back = motion_of(prepare(motion, subject="anna", clip="swing", split="test", activity="sport"))
    assert np.rad2deg(geodesic_angle(back.R_world_segment, motion.R_world_segment)).max() < 0.02
    np.testing.assert_allclose(back.positions, motion.positions, atol=1e-3)
    np.testing.assert_allclose(back.angles, motion.angles, atol=1e-3)
    np.testing.assert_allclose(back.time, motion.time)


def test_sets_keep_people_apart(tmp_path: Path) -> None:
    path = write_example(tmp_path / "motion.npz")
    assert {clip.subject for clip in load(path)} == {"anna", "ben"}
    assert {clip.subject for clip in load(path, chosen_set="train")} == {"carl"}
    assert {clip.subject for clip in load(path, chosen_set="other-laboratory")} == {"hdm05_xx"}
    with pytest.raises(KinefuseError, match="no clip of the set validation; it has other-laboratory, test, train"):
        load(path, chosen_set="validation")
    with pytest.raises(KinefuseError, match="validation"):
        load(path, chosen_set="validaton")


def test_the_sample_is_spread_over_activities_and_does_not_depend_on_other_people() -> None:
    clips = prepared_clips({"anna": "test"}, each=12, frames=8)
    chosen = sample(clips, 4, seed=3)
    assert Counter(clip.activity for clip in chosen) == {"walking": 2, "sport": 2}
    assert len({clip.clip for clip in chosen}) == 4
    others = [replace(clip, subject="ben") for clip in clips]
    assert [clip.clip for clip in sample(others + clips, 4, seed=3) if clip.subject == "anna"] == [
        clip.clip for clip in chosen
    ]
    assert len(sample(clips, 50, seed=3)) == 12
    assert {tuple(c.clip for c in sample(clips, 4, seed)) for seed in range(5)} != {tuple(c.clip for c in chosen)}


def test_no_clip_is_taken_twice() -> None:
    clips = [replace(a_clip(frames=8), name=f"{index:02}") for index in range(13)]
    for seed in range(20):
        assert len({clip.name for clip in sample(clips, 9, seed)}) == 9


def test_another_laboratory_is_told_by_action(tmp_path: Path) -> None:
    motion = swinging()
    clip = prepare(motion, subject="hdm05_bd", clip="HDM_bd_kickLFront_002_120.bvh", split="test", activity="sport")
    write_prepared(tmp_path / "motion.npz", [clip])
    assert [c.activity for c in load(tmp_path / "motion.npz", chosen_set="other-laboratory")] == ["kickLFront"]


def test_long_clips_are_cut_to_their_middle() -> None:
    clip = a_clip(frames=200)
    short = middle(clip, 1.0)
    assert len(short.truth.time) == pytest.approx(51, abs=1)
    assert short.truth.time.mean() == pytest.approx(clip.truth.time.mean(), abs=0.02)
    assert middle(clip, 10.0) is clip


def test_what_is_cut_of_long_clips_is_told(tmp_path: Path) -> None:
    write_prepared(
        tmp_path / "motion.npz",
        [
            prepare(swinging(frames=frames), subject="anna", clip=name, split="test", activity="sport")
            for name, frames in (("long", 1501), ("short", 101))
        ],
    )
    clips, findings = load_clips([tmp_path / "motion.npz"], Choice(per_subject=9), silent)
    assert sorted(round(float(np.ptp(clip.truth.time))) for clip in clips) == [2, 20]
    (told,) = findings
    assert "Of 1 of 2 clips the middle 20 s are taken, 0.4 of 0.5 minutes" in told.text


def test_parts_of_a_clip_get_names_of_their_own() -> None:
    names = [clip.name for clip in with_unique_names([a_clip(), a_clip(), a_clip(subject="ben")])]
    assert names == ["swing 0", "swing 0 part 2", "swing 0"]


def test_a_trial_needs_its_truth(tmp_path: Path) -> None:
    motion = swinging()
    points = JointCenters(names=("hip_l",), time=motion.time, positions=motion.positions[:, 1:2])
    write_trial(tmp_path / "trial", Recording(joint_centers=points))
    with pytest.raises(KinefuseError, match=r"no truth.*motion\.nc"):
        load(tmp_path / "trial")
    (tmp_path / "trial" / "reference").mkdir()
    write_motion(tmp_path / "trial" / "reference" / "motion.nc", motion)
    (clip,) = load(tmp_path / "trial")
    assert clip.recording is not None
    assert clip.name == clip.subject == "trial"


def test_a_result_is_motion_too(tmp_path: Path) -> None:
    (tmp_path / "walk").mkdir()
    write_motion(tmp_path / "walk" / "motion.nc", swinging(80))
    (clip,) = load(tmp_path / "walk")
    assert clip.recording is None
    assert len(clip.truth.time) == 80


def test_motion_with_gaps_is_refused() -> None:
    clip = a_clip()
    positions = clip.truth.positions.copy()
    positions[3, 5] = np.nan
    with pytest.raises(KinefuseError, match=r"has gaps.*1 of 40 frames"):
        require_whole(replace(clip, truth=replace(clip.truth, positions=positions)))
    with pytest.raises(KinefuseError, match="5 frames"):
        require_whole(replace(clip, truth=clip.truth.frames(slice(0, 5))))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(KinefuseError, match="no such file"):
        load(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(KinefuseError, match="motion"):
        load(tmp_path / "empty")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(KinefuseError):
        load(tmp_path / "broken.npz")
