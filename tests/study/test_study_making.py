"""Recordings of a repetition: the same for every estimator, other ones each time, and never with the truth in them."""

from dataclasses import replace

import numpy as np
import pytest
from evaluation_examples import a_clip

from kinefuse.evaluation.material import Clip
from kinefuse.evaluation.recordings import at_points_rate
from kinefuse.recordings import Imu, Recording
from kinefuse.rotations import geodesic_angle, rotvec_from_matrix
from kinefuse.study.laboratory import BEGIN_S, held_pose
from kinefuse.study.making import Maker, maker_of, seen_by
from kinefuse.study.plan import BOTH, CALIBRATED, CALIBRATED_BOTH, FULL, POINTS, SENSORS, Setting
from kinefuse.synthesis.joint_noise import noisy_joint_centers

SETTINGS = {setting.name: setting for setting in FULL}
USUAL = SETTINGS["points-52.6"]


@pytest.fixture(scope="module")
def clip() -> Clip:
    return replace(a_clip(frames=201), name="anna-sport-00")


@pytest.fixture(scope="module")
def maker(clip: Clip) -> Maker:
    return maker_of(clip, seed=0)


def shift_of(maker: Maker, setting: str, repetition: int = 0) -> np.ndarray:
    """Errors of the points (T, 26, 3)."""
    points = maker.whole(SETTINGS[setting], repetition, sensors=False).joint_centers
    assert points is not None
    return points.positions - noisy_joint_centers(at_points_rate(maker.clip.truth), "clean", 0).positions


def force(recording: Recording) -> np.ndarray:
    return np.concatenate([imu.specific_force for imu in recording.imus])


def test_the_same_seed_makes_the_same_recording(clip: Clip, maker: Maker) -> None:
    again, other = maker_of(clip, seed=0), maker_of(clip, seed=1)
    np.testing.assert_array_equal(force(maker.whole(USUAL, 3)), force(again.whole(USUAL, 3)))
    one, another = (m.whole(USUAL, 3).imus[0].specific_force[:50] for m in (maker, other))
    assert np.abs(one - another).min() > 0


def test_repetitions_are_independent(maker: Maker) -> None:
    errors = [shift_of(maker, "points-52.6", r).ravel() for r in range(4)]
    correlation = np.corrcoef(errors)
    assert np.abs(correlation[~np.eye(4, dtype=bool)]).max() < 0.35
    alone, with_others = maker.whole(USUAL, 2), [maker.whole(USUAL, r) for r in (0, 1, 2)][-1]
    np.testing.assert_array_equal(force(alone), force(with_others))


def test_levels_are_those_of_the_settings(maker: Maker) -> None:
    assert np.abs(shift_of(maker, "points-clean")).max() == 0.0
    for name, level in (("points-52.6", 0.0526), ("points-101.1", 0.1011)):
        errors = [np.linalg.norm(shift_of(maker, name, r), axis=-1).mean() for r in range(12)]
        assert np.mean(errors) == pytest.approx(level, rel=0.1)
    np.testing.assert_allclose(shift_of(maker, "points-101.1"), shift_of(maker, "points-52.6") * 101.1 / 52.6)


def test_settings_share_their_random_numbers(maker: Maker) -> None:
    straight, little, much = (maker.whole(SETTINGS[n], 0) for n in ("points-52.6", "mounting-9.4", "mounting-18.8"))
    for a, b, c in zip(straight.imus, little.imus, much.imus, strict=True):
        first, second = (rotation_between(a, other) for other in (b, c))
        np.testing.assert_allclose(second, 2.0 * first, atol=1e-6)
        held = a.time < -BEGIN_S
        np.testing.assert_array_equal(a.specific_force[held], b.specific_force[held])


def rotation_between(a: Imu, b: Imu) -> np.ndarray:
    """Rotation vector (3,) by which b sits askew of a at the end."""
    assert a.R_ref_sensor is not None
    assert b.R_ref_sensor is not None
    return rotvec_from_matrix(a.R_ref_sensor[-1].T @ b.R_ref_sensor[-1])


def test_mountings_have_the_settings_spread(maker: Maker) -> None:
    turns = [
        rotation_between(a, b)
        for r in range(8)
        for a, b in zip(maker.whole(USUAL, r).imus, maker.whole(SETTINGS["mounting-14.1"], r).imus, strict=True)
    ]
    assert np.rad2deg(np.std(turns)) == pytest.approx(14.1, rel=0.1)


def test_no_truth_is_in_a_recording(maker: Maker) -> None:
    recording = maker.whole(SETTINGS["mounting-9.4"], 0)
    assert recording.subject.height_m is None
    for index, imu in enumerate(recording.imus):
        assert imu.R_segment_sensor is None
        assert imu.R_world_ref is None
        assert imu.R_ref_sensor is not None
        at = np.searchsorted(maker.ideal.time, imu.time - 0.005)
        true = maker.ideal.R[index][np.minimum(at, len(maker.ideal.time) - 1)]
        off = geodesic_angle(imu.R_ref_sensor @ np.swapaxes(true, -1, -2), imu.R_ref_sensor[-1] @ true[-1].T)
        assert np.rad2deg(off).mean() > 0.1  # VQF's, not the true orientation in another frame


def test_who_sees_what(maker: Maker) -> None:
    whole = maker.whole(USUAL, 0)
    seen = {sight: seen_by(sight, whole) for sight in (POINTS, SENSORS, BOTH, CALIBRATED, CALIBRATED_BOTH)}
    assert {s: r.joint_centers is not None for s, r in seen.items()} == {
        POINTS: True,
        SENSORS: False,
        BOTH: True,
        CALIBRATED: False,
        CALIBRATED_BOTH: True,
    }
    assert {s: len(r.imus) for s, r in seen.items()} == {
        POINTS: 0,
        SENSORS: 13,
        BOTH: 13,
        CALIBRATED: 13,
        CALIBRATED_BOTH: 13,
    }
    assert [s for s, r in seen.items() if r.poses] == [CALIBRATED, CALIBRATED_BOTH]
    assert min(imu.time[0] for imu in seen[SENSORS].imus) >= 0
    assert max(imu.time[0] for imu in seen[CALIBRATED].imus) < held_pose().start_s
    for a, b in zip(seen[SENSORS].imus, seen[CALIBRATED].imus, strict=True):
        np.testing.assert_array_equal(a.specific_force, b.specific_force[b.time >= 0])


@pytest.mark.parametrize("name", ["cameras-4", "lost-camera-2", "cameras-1"])
def test_cameras(name: str, maker: Maker) -> None:
    points = maker.whole(SETTINGS[name], 0, sensors=False).joint_centers
    if name == "cameras-1":
        assert points is None
        return
    assert points is not None
    known = np.isfinite(points.positions).all(-1).mean(1)
    assert known[: len(known) // 3].mean() > 0.9
    assert known[-len(known) // 3 :].mean() > 0.5


def test_parts_that_nobody_needs_are_left_out(maker: Maker) -> None:
    whole, half = maker.whole(USUAL, 0), maker.whole(USUAL, 0, points=False)
    assert half.joint_centers is None
    np.testing.assert_array_equal(force(whole), force(half))


def test_softer_tissue_makes_more_of_it(maker: Maker) -> None:
    firm, soft = (
        force(maker.whole(replace(setting, mounting_sd_rad=0.0), 0))
        for setting in (SETTINGS["mounting-9.4"], SETTINGS["soft-tissue-2"])
    )
    none = force(
        maker.whole(Setting(name="x", family="faults", mounting_sd_rad=0.0, level_m=None, fault="soft tissue"), 0)
    )
    assert np.abs(soft - none).mean() == pytest.approx(2.0 * np.abs(firm - none).mean(), rel=0.2)
