"""A walk whose place was taken away comes back, from feet that stand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.metrics.standing_feet import carried_by_feet, place_is_known
from kinefuse.metrics.strides import QUANTITIES, strides_of
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
    with_place, without = strides_of(motion)[0], strides_of(placeless(motion))[0]
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
    assert strides_of(still) == ([], 0)


def test_steps_backwards_are_no_strides(motion: Motion) -> None:
    backwards = replace(
        motion,
        positions=motion.positions[::-1],
        R_world_segment=motion.R_world_segment[::-1],
        angles=motion.angles[::-1],
    )
    assert strides_of(placeless(backwards)) == ([], 0)


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
