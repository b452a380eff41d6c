"""A walk whose place was taken away comes back, from feet that stand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.body.angles import joint_angles, orientations_from_angles
from kinefuse.body.kinematics import joint_positions
from kinefuse.conventions import COORDINATE_INDEX, COORDINATES, SEGMENTS
from kinefuse.metrics.standing_feet import carried_by_feet, place_is_known
from kinefuse.metrics.strides import LEGS, QUANTITIES, Walking, strides_of
from kinefuse.motion import Motion
from kinefuse.rotations import yaw_matrix
from kinefuse.synthesis.gait import Walk, walk
from kinefuse.synthesis.person import demo_person

TURNING = Walk(rate_hz=60.0, duration_s=10.0, turn_rad=1.0, heading_rad=2.0)


def placeless(motion: Motion) -> Motion:
    return replace(motion, positions=motion.positions - motion.positions[:, :1])


@pytest.fixture(scope="module")
def motion() -> Motion:
    return walk(demo_person(), TURNING)


def test_the_way_of_a_walk_is_found_again(motion: Motion) -> None:
    carried = carried_by_feet(placeless(motion))
    true = motion.positions[:, 0] - motion.positions[0, 0]
    found = carried.positions[:, 0] - carried.positions[0, 0]
    length = np.linalg.norm(np.diff(true[:, [0, 2]], axis=0), axis=1).sum()
    assert np.linalg.norm((found - true)[:, [0, 2]], axis=1).max() < 0.05 * length
    assert not np.ptp(carried.positions[:, 0, 1])  # heights stay as they are
    relative = carried.positions - carried.positions[:, :1]
    np.testing.assert_allclose(relative, motion.positions - motion.positions[:, :1], atol=1e-12)


def test_strides_without_a_place_are_those_with_one(motion: Motion) -> None:
    with_place, without = strides_of(motion).strides, strides_of(placeless(motion)).strides
    limits = {"cadence": 3.0, "length": 0.08, "step_length": 0.05, "step_width": 0.04, "speed": 0.08}
    assert [stride.side for stride in without] == [stride.side for stride in with_place]
    for one, other in zip(without, with_place, strict=True):
        assert one.start == pytest.approx(other.start, abs=0.03)
        for name in QUANTITIES:
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=limits.get(name, 0.03))


def test_whether_a_place_is_known(motion: Motion) -> None:
    assert place_is_known(motion)
    assert not place_is_known(placeless(motion))
    holey = placeless(motion).positions.copy()
    holey[5:9] = np.nan
    assert not place_is_known(replace(motion, positions=holey))


def test_somebody_who_stands_stays(motion: Motion) -> None:
    still = placeless(motion.frames(motion.time < TURNING.standing_s))
    assert np.ptp(carried_by_feet(still).positions[:, 0], axis=0).max() < 0.02
    assert strides_of(still) == Walking((), 0, LEGS)


def test_steps_backwards_are_no_strides(motion: Motion) -> None:
    backwards = replace(
        motion,
        positions=motion.positions[::-1],
        R_world_segment=motion.R_world_segment[::-1],
        angles=motion.angles[::-1],
    )
    assert strides_of(placeless(backwards)) == Walking((), 0, LEGS)


@pytest.mark.parametrize("cycle_s", [0.9, 1.2, 1.6])
@pytest.mark.parametrize(("hip_deg", "knee_deg"), [(30, 50), (45, 80), (70, 90), (60, 60)])
@pytest.mark.parametrize("lag", [-0.3, 0.0, 0.6])
def test_marching_on_the_spot_is_no_walking(cycle_s: float, hip_deg: float, knee_deg: float, lag: float) -> None:
    marching = marched(cycle_s, hip_deg, knee_deg, lag)
    assert strides_of(marching) == Walking((), 0, LEGS)
    swaying = marching.positions + 0.02 * np.sin(marching.time)[:, None, None]  # in a measured place
    assert strides_of(replace(marching, positions=swaying)).strides == ()


def marched(cycle_s: float, hip_deg: float, knee_deg: float, lag: float) -> Motion:
    """Return somebody who lifts one foot after the other, without a place."""
    person, time = demo_person(), np.arange(600) / 60.0
    angles = np.zeros((len(time), len(COORDINATES)))
    for side, phase in (("r", 0.0), ("l", 0.5)):
        turn = 2 * np.pi * (time / cycle_s + phase)
        lifted, bent = (np.clip(np.sin(turn - late), 0, None) ** 1.5 for late in (0.0, lag))
        angles[:, COORDINATE_INDEX[f"hip_flexion_{side}"]] = np.deg2rad(hip_deg) * lifted
        angles[:, COORDINATE_INDEX[f"knee_angle_{side}"]] = np.deg2rad(knee_deg) * bent
    R, root = orientations_from_angles(angles), np.zeros((len(time), 3))
    rest = torch.as_tensor(person.rest_positions(np.zeros(0)))
    return Motion(
        time=time,
        R_world_segment=R,
        positions=joint_positions(torch.as_tensor(R), torch.as_tensor(root), rest).numpy(),
        angles=joint_angles(R, root),
        provenance=np.zeros((len(time), len(SEGMENTS)), dtype=int),
        shape=np.zeros(0),
        rest_positions=rest.numpy(),
        body_name="person",
        estimator="marching",
    )


def test_frames_that_are_empty_stay_empty(motion: Motion) -> None:
    positions, R = placeless(motion).positions.copy(), motion.R_world_segment.copy()
    positions[100:110], R[100:110] = np.nan, np.nan
    carried = carried_by_feet(replace(motion, positions=positions, R_world_segment=R))
    assert np.array_equal(np.isnan(carried.positions), np.isnan(positions))
    two = replace(motion, positions=positions, R_world_segment=R).frames(slice(100, 112))
    np.testing.assert_array_equal(carried_by_feet(two).positions, two.positions)


@settings(deadline=None, max_examples=10)
@given(angle=st.floats(-3.1, 3.1), delay=st.floats(-20, 20))
def test_the_world_may_be_turned(motion: Motion, angle: float, delay: float) -> None:
    turn, plain = yaw_matrix(angle), placeless(motion)
    turned = replace(
        plain, time=plain.time + delay, positions=plain.positions @ turn.T, R_world_segment=turn @ plain.R_world_segment
    )
    expected = carried_by_feet(plain).positions @ turn.T
    np.testing.assert_allclose(carried_by_feet(turned).positions, expected, atol=1e-6)
