"""Wrap-around and gimbal lock: one rotation written in many ways is one rotation, and nothing is judged near 90°."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.body.angles import JOINT_ANGLES, JointAngles
from kinefuse.conventions import COORDINATE_INDEX, COORDINATES
from kinefuse.metrics.differences import (
    angle_differences,
    explained_share,
    range_away_from_singularity,
    range_errors,
)
from kinefuse.metrics.groups import ANGLE_TRIPLES

ANGLE = st.floats(-3.0, 3.0)
TRIPLE = st.tuples(ANGLE, st.floats(-1.2, 1.2), ANGLE)


def coordinates(joint: JointAngles, triples: np.ndarray) -> np.ndarray:
    """Return coordinates (T, C) with the three body-fixed turns (T, 3) at one joint, all else zero."""
    out = np.zeros((len(triples), len(COORDINATES)))
    out[:, columns_of(joint)] = triples * np.array(joint.signs)
    return out


def columns_of(joint: JointAngles) -> list[int]:
    return [COORDINATE_INDEX[name] for name in joint.coordinates]


def column(name: str, values: np.ndarray) -> np.ndarray:
    out = np.zeros((len(values), len(COORDINATES)))
    out[:, COORDINATE_INDEX[name]] = values
    return out


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ANGLE_TRIPLES), TRIPLE, st.tuples(*[st.integers(-2, 2)] * 3), st.booleans())
def test_the_way_a_rotation_is_written_makes_no_difference(
    joint: JointAngles, triple: tuple[float, float, float], turns: tuple[int, int, int], flipped: bool
) -> None:
    here = np.array([triple])
    there = np.array([[here[0, 0] + np.pi, np.pi - here[0, 1], here[0, 2] + np.pi]]) if flipped else here.copy()
    there = there + 2 * np.pi * np.array(turns)
    difference, singular = angle_differences(coordinates(joint, there), coordinates(joint, here))
    assert not singular.any()
    assert np.abs(difference).max() < 1e-9


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ANGLE_TRIPLES), TRIPLE, st.tuples(*[st.floats(-0.1, 0.1)] * 3))
def test_small_differences_are_found_as_they_are_and_change_sign_with_the_sides(
    joint: JointAngles, triple: tuple[float, float, float], step: tuple[float, float, float]
) -> None:
    truth = coordinates(joint, np.array([triple]))
    estimate = coordinates(joint, np.array([triple]) + np.array([step]))
    difference, _ = angle_differences(estimate, truth)
    assert difference == pytest.approx(estimate - truth, abs=1e-9)
    assert angle_differences(truth, estimate)[0] == pytest.approx(-difference, abs=1e-9)


@pytest.mark.parametrize("joint", ANGLE_TRIPLES, ids=lambda joint: str(joint.child))
@pytest.mark.parametrize("middle_deg, near", [(74.9, False), (75.1, True), (90.0, True), (104.9, True), (105.1, False)])
def test_gimbal_lock_takes_out_three_angles_of_one_joint(joint: JointAngles, middle_deg: float, near: bool) -> None:
    truth = coordinates(joint, np.deg2rad([[10.0, middle_deg, 20.0], [10.0, -middle_deg, 20.0], [10.0, 0.0, 20.0]]))
    difference, singular = angle_differences(truth, truth)
    columns = columns_of(joint)
    assert singular[:, columns].tolist() == [[near] * 3, [near] * 3, [False] * 3]
    assert np.isnan(difference[:, columns]).tolist() == singular[:, columns].tolist()
    others = np.setdiff1d(np.arange(len(COORDINATES)), columns)
    assert (difference[:, others] == 0.0).all()


def test_either_motion_near_the_singularity_takes_the_frame_out() -> None:
    joint = JOINT_ANGLES[0]
    low, high = (coordinates(joint, np.deg2rad([[0.0, middle, 0.0]])) for middle in (70.0, 80.0))
    for estimate, truth in ((low, high), (high, low)):
        assert angle_differences(estimate, truth)[1][0, columns_of(joint)].all()


def test_missing_is_not_counted_as_singular() -> None:
    joint = JOINT_ANGLES[0]
    truth = coordinates(joint, np.deg2rad([[0.0, 85.0, 0.0]]))
    estimate = np.full_like(truth, np.nan)
    difference, singular = angle_differences(estimate, truth)
    assert not singular.any()
    assert np.isnan(difference).all()


def test_a_heading_that_passes_half_a_turn_has_the_range_and_r2_of_its_movement() -> None:
    heading = np.deg2rad(np.linspace(150.0, 210.0, 61))
    wrapped = (heading + np.pi) % (2 * np.pi) - np.pi
    truth = column("pelvis_rotation", wrapped)
    estimate = column("pelvis_rotation", np.deg2rad(3.0) + 1.1 * (heading - np.pi) + np.pi)
    index = COORDINATE_INDEX["pelvis_rotation"]
    difference, _ = angle_differences(estimate, truth)
    assert np.rad2deg(range_errors(difference, truth)[index]) == pytest.approx(6.0)
    assert np.rad2deg(range_away_from_singularity(truth)[index]) == pytest.approx(60.0)
    error, spread = np.deg2rad(3.0) + 0.1 * (heading - np.pi), heading - heading.mean()
    assert explained_share(difference, truth)[index] == pytest.approx(1.0 - (error**2).sum() / (spread**2).sum())


def test_jumps_of_an_estimate_do_not_add_up_to_turns() -> None:
    truth = column("hip_rotation_r", np.deg2rad(np.linspace(0.0, 20.0, 40)))
    far = np.deg2rad(170.0) * np.array([0.0, 1.0, -1.0, 0.0] * 10)  # unwrapped, each -1 after 1 would go on upwards
    estimate = truth + column("hip_rotation_r", far)
    index = COORDINATE_INDEX["hip_rotation_r"]
    difference = np.where(np.isnan(truth), np.nan, estimate - truth)
    assert np.rad2deg(range_errors(difference, truth)[index]) == pytest.approx(340.0, abs=20.0)


def test_what_is_left_out_counts_neither_for_the_range_nor_for_r2() -> None:
    joint = next(joint for joint in JOINT_ANGLES if joint.child == "upper_arm_r")
    turns = np.zeros((40, 3))
    turns[:20, 0] = np.linspace(0.0, 0.5, 20)
    turns[20:, 0], turns[20:, 1] = 2.0, np.deg2rad(80.0)
    truth = coordinates(joint, turns)
    flexion = columns_of(joint)[0]
    estimate = truth.copy()
    estimate[:20, flexion] *= 1.2
    difference, _ = angle_differences(estimate, truth)
    assert range_errors(difference, truth)[flexion] == pytest.approx(0.1)
    reference = np.linspace(0.0, 0.5, 20)
    expected = 1.0 - np.sum((0.2 * reference) ** 2) / np.sum((reference - 0.25) ** 2)
    assert explained_share(difference, truth)[flexion] == pytest.approx(expected)


def test_lengths_are_not_wrapped() -> None:
    way = np.linspace(0.0, 30.0, 20)
    truth, estimate = column("pelvis_tx", way), column("pelvis_tx", way + 10.0)
    index = COORDINATE_INDEX["pelvis_tx"]
    difference, _ = angle_differences(estimate, truth)
    assert difference[:, index] == pytest.approx(np.full(20, 10.0))
    assert range_errors(difference, truth)[index] == pytest.approx(0.0)


def test_nothing_compared_is_unknown() -> None:
    truth = column("knee_angle_r", np.linspace(0.0, 1.0, 5))
    difference = np.full_like(truth, np.nan)
    assert np.isnan(explained_share(difference, truth)).all()
    assert np.isnan(range_errors(difference, truth)).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(-2.0, 2.0), st.floats(0.1, 1.0))
def test_r2_knows_neither_offset_nor_unit_of_both(seed: int, shift: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    truth = column("knee_angle_r", rng.uniform(-0.5, 0.5, 30))
    estimate = truth + column("knee_angle_r", rng.normal(0.0, 0.1, 30))
    index = COORDINATE_INDEX["knee_angle_r"]
    plain = explained_share(angle_differences(estimate, truth)[0], truth)[index]
    moved_truth, moved_estimate = (scale * x + shift * (truth != 0) for x in (truth, estimate))
    moved = explained_share(angle_differences(moved_estimate, moved_truth)[0], moved_truth)[index]
    assert plain <= 1.0
    assert moved == pytest.approx(plain, abs=1e-9)
