"""Estimators with known answers, on recordings that are made once and are the same for all."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_examples import a_clip

from kinefuse.body.angles import joint_angles
from kinefuse.conventions import IMU_SITES, KEYPOINTS
from kinefuse.errors import KinefuseError
from kinefuse.estimators.registry import ESTIMATORS
from kinefuse.evaluation import judging
from kinefuse.evaluation.judging import Job, evaluate, judge
from kinefuse.evaluation.recordings import (
    COCO,
    Conditions,
    all_conditions,
    at_points_rate,
    make_recording,
    point_error_m,
)
from kinefuse.evaluation.scores import summary_rows
from kinefuse.motion import Motion
from kinefuse.recordings import Recording
from kinefuse.rotations import yaw_matrix


def silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Told:
    """An estimator that was told the answer; it keeps what it was given."""

    motion: Motion
    given: list[Recording]
    name: str = "told"

    def estimate(self, recording: Recording) -> Motion:
        self.given.append(recording)
        if recording.joint_centers is None:
            raise KinefuseError("It needs points.")
        return self.motion


@pytest.fixture(autouse=True)
def forget() -> None:
    judging.estimator_called.cache_clear()


def tell(monkeypatch: pytest.MonkeyPatch, name: str, motion: Motion) -> list[Recording]:
    given: list[Recording] = []
    monkeypatch.setitem(ESTIMATORS, name, lambda: Told(motion, given))
    return given


def turned(motion: Motion, angle: float) -> Motion:
    R = yaw_matrix(angle) @ motion.R_world_segment
    positions = motion.positions @ yaw_matrix(angle).T + np.array([4.0, 0.0, 2.0])
    return replace(motion, R_world_segment=R, positions=positions, angles=joint_angles(R, positions[:, 0]))


def whole(scores: list, name: str) -> dict[str, Any]:
    return next(row for row in summary_rows(scores) if row["estimator"] == name and row["group"] == "all")


# ---- recordings


def test_a_recording_has_points_at_25_hz_and_13_imus_at_100_hz() -> None:
    clip = a_clip()
    recording = make_recording(clip, Conditions())
    assert recording.joint_centers is not None
    assert recording.joint_centers.names == KEYPOINTS
    np.testing.assert_allclose(recording.joint_centers.time, clip.truth.time[::2])
    assert tuple(imu.segment for imu in recording.imus) == IMU_SITES
    assert np.median(np.diff(recording.imus[0].time)) == pytest.approx(0.01, rel=1e-3)
    assert recording.subject.height_m is None


def test_cameras_keep_the_clips_rate_and_slow_clips_theirs() -> None:
    clip = a_clip()
    filmed = make_recording(clip, Conditions(noise="camera")).joint_centers
    assert filmed is not None
    np.testing.assert_array_equal(filmed.time, clip.truth.time)
    slow = at_points_rate(clip.truth)
    np.testing.assert_allclose(slow.R_world_segment, clip.truth.R_world_segment[::2], atol=1e-9)
    assert at_points_rate(slow) is slow


def test_the_same_seed_makes_the_same_recording_whatever_the_noise_of_the_points() -> None:
    clip = a_clip()
    first, again = make_recording(clip, Conditions(seed=4)), make_recording(clip, Conditions(seed=4))
    other, paper = make_recording(clip, Conditions(seed=5)), make_recording(clip, Conditions(seed=4, noise="paper"))
    places = [r.joint_centers.positions for r in (first, again, other, paper) if r.joint_centers is not None]
    np.testing.assert_array_equal(places[0], places[1])
    assert not np.allclose(places[0], places[2])
    assert not np.allclose(places[0], places[3])
    np.testing.assert_array_equal(first.imus[3].specific_force, paper.imus[3].specific_force)
    assert not np.allclose(first.imus[3].specific_force[:20], other.imus[3].specific_force[:20])


def test_levels_are_reached_and_clean_is_clean() -> None:
    errors = []
    for level in (0.0526, 0.1011):
        how = Conditions(level_m=level)
        clips = [a_clip(seed, frames=60) for seed in range(4)]
        errors.append(np.mean([point_error_m(clip, make_recording(clip, how), how) for clip in clips]))
    assert errors == pytest.approx([0.0526, 0.1011], rel=0.2)
    how = Conditions(noise="clean")
    assert point_error_m(a_clip(), make_recording(a_clip(), how), how) == 0.0


def test_coco_has_17_points_and_no_feet() -> None:
    (how,) = all_conditions(["clean"], [0.05], 0.1, "coco", 0)
    recording = make_recording(a_clip(), how)
    assert recording.joint_centers is not None
    assert recording.joint_centers.names == COCO
    assert len(COCO) == 17
    assert not [name for name in COCO if "toe" in name or "heel" in name]


def test_every_profile_comes_at_every_level_that_it_can_have() -> None:
    made = all_conditions(["clean", "authors", "camera", "authors"], [0.05, 0.1], 0.2, "halpe", 7)
    assert [(how.noise, how.level_m) for how in made] == [
        ("clean", None),
        ("authors", 0.05),
        ("authors", 0.1),
        ("camera", None),
    ]
    assert {how.seed for how in made} == {7}


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"noise": "author"}, "did you mean 'authors'"),
        ({"level_m": -0.1}, "0 to 1000 mm"),
        ({"level_m": float("nan")}, "0 to 1000 mm"),
        ({"noise": "clean", "level_m": 0.1}, "no level"),
        ({"mounting_sd_rad": -1.0}, "0 to 180°"),
        ({"seed": -1}, "seed"),
    ],
)
def test_impossible_conditions(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(KinefuseError, match=said):
        Conditions(**wrong)


def test_an_unknown_set_of_points() -> None:
    with pytest.raises(KinefuseError, match="coco"):
        all_conditions(["clean"], [], 0.1, "cocoo", 0)


# ---- judging


def test_all_estimators_get_the_very_same_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = a_clip()
    first, second = tell(monkeypatch, "one", clip.truth), tell(monkeypatch, "two", clip.truth)
    scores, failures = evaluate([clip], [Conditions()], ["one", "two"], 1, silent)
    assert first[0] is second[0]
    assert not failures
    assert [score.estimator for score in scores] == ["one", "two", "mean-pose"]


def test_the_truth_has_no_error_and_the_mean_pose_does(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = a_clip()
    tell(monkeypatch, "told", clip.truth)
    scores, _ = evaluate([clip], [Conditions()], ["told"], 1, silent)
    best, floor = whole(scores, "told"), whole(scores, "mean-pose")
    assert best["angle_rmse_moving_deg"] == 0.0
    assert best["mpjpe_mm"] == 0.0
    assert floor["angle_rmse_moving_deg"] > 10.0
    assert best["aligned"] == floor["aligned"] == "none"
    assert 20 < best["point_error_mm"] < 70


def test_only_inertial_estimators_are_forgiven_their_heading(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = a_clip()
    for name in ("imunet", "told"):
        tell(monkeypatch, name, turned(clip.truth, 1.2))
    scores, _ = evaluate([clip], [Conditions()], ["imunet", "told"], 1, silent)
    free, held = whole(scores, "imunet"), whole(scores, "told")
    assert free["aligned"] == "heading"
    assert free["geodesic_deg"] == pytest.approx(0.0, abs=1e-5)
    assert free["mpjpe_mm"] == pytest.approx(0.0, abs=1e-5)
    assert held["geodesic_deg"] == pytest.approx(np.rad2deg(1.2))
    assert held["mpjpe_mm"] > 4000.0


def test_a_clip_that_one_cannot_use_counts_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = a_clip()
    tell(monkeypatch, "told", clip.truth)
    imus = make_recording(clip, Conditions()).imus
    without = replace(clip, name="imus only", recording=Recording(imus=imus))
    progress: list[tuple[int, int]] = []
    scores, failures = evaluate([clip, without], [Conditions()], ["told"], 1, lambda _, d, t: progress.append((d, t)))
    assert {score.clip for score in scores} == {"swing 0"}
    assert [(f.clip, f.estimator, f.noise, f.reason) for f in failures] == [
        ("imus only", "told", "recorded", "It needs points.")
    ]
    assert progress == [(1, 2), (2, 2)]
    with pytest.raises(KinefuseError, match="told says: It needs points"):
        evaluate([without], [Conditions()], ["told"], 1, silent)


def test_a_trial_that_nothing_can_be_measured_of_is_left_out_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = a_clip()
    tell(monkeypatch, "told", clip.truth)
    trial = replace(clip, name="blind", recording=Recording(imus=make_recording(clip, Conditions()).imus))

    def blind(recording: Recording) -> Recording:
        raise KinefuseError("The cameras do not agree.")

    monkeypatch.setattr("kinefuse.evaluation.judging.measured", blind)
    scores, failures = evaluate([clip, trial], [Conditions()], ["told"], 1, silent)
    assert {score.clip for score in scores} == {"swing 0"}
    assert [(f.clip, f.estimator, f.reason) for f in failures] == [
        ("blind", "the recording", "The cameras do not agree.")
    ]


def test_a_recorded_trial_is_judged_as_it_is() -> None:
    clip = a_clip()
    recording = make_recording(clip, Conditions(noise="clean"))
    scores, _ = judge(Job(replace(clip, recording=recording), None, ("mean-pose",)))
    assert (scores[0].noise, scores[0].level_mm, scores[0].point_error_mm) == ("recorded", None, None)


def test_the_floor_without_points_is_forgiven_its_heading() -> None:
    clip = a_clip()
    imus = make_recording(clip, Conditions()).imus
    scores, _ = judge(Job(replace(clip, recording=Recording(imus=imus)), None, ("mean-pose",)))
    assert scores[0].aligned == "heading"


def test_an_unknown_estimator_is_told_before_any_work() -> None:
    with pytest.raises(KinefuseError, match="did you mean 'smplify3d'"):
        evaluate([a_clip()], [Conditions()], ["smplify"], 1, silent)


def test_weights_of_ones_own(tmp_path: Path) -> None:
    from kinefuse.models.weights import NETWORKS, PRESETS, save_network

    file = tmp_path / "mine.safetensors"
    save_network(file, "imunet", NETWORKS["imunet"](PRESETS["imunet"]["tiny"]))
    scores, _ = evaluate([a_clip()], [Conditions()], [f"imunet={file}"], 1, silent)
    assert whole(scores, f"imunet={file}")["aligned"] == "heading"
    with pytest.raises(KinefuseError, match="expected the weights of videonet"):
        evaluate([a_clip()], [Conditions()], [f"videonet={file}"], 1, silent)
    with pytest.raises(KinefuseError, match="smplify3d has no weights"):
        evaluate([a_clip()], [Conditions()], [f"smplify3d={file}"], 1, silent)


def test_two_processes_say_the_same_as_one() -> None:
    clips = [a_clip(seed, subject=f"person {seed}") for seed in range(2)]
    one, _ = evaluate(clips, [Conditions()], [], 1, silent)
    two, _ = evaluate(clips, [Conditions()], [], 2, silent)
    assert summary_rows(one) == summary_rows(two)
