"""Strides of a synthetic walk whose touchdowns are known, and of people who do not walk."""

from dataclasses import replace

import numpy as np
import pytest

from kinefuse.body.angles import joint_angles
from kinefuse.conventions import COORDINATE_INDEX, JOINT_INDEX
from kinefuse.metrics.gait_cycles import (
    Cycle,
    cycle_curve,
    forward_of,
    over_cycles,
    touchdowns,
    walking_cycles,
    walking_cycles_of_angles,
)
from kinefuse.motion import Motion
from kinefuse.rotations import yaw_matrix
from kinefuse.synthesis.gait import Walk, smooth_step, walk
from kinefuse.synthesis.gait_curves import curve
from kinefuse.synthesis.person import demo_person

HOW = Walk(rate_hz=100.0, duration_s=8.0, turn_rad=1.0, heading_rad=2.0)


@pytest.fixture(scope="module")
def motion() -> Motion:
    return walk(demo_person(), HOW)


def phase_of(how: Walk, side: str, at: float) -> float:
    """Return how far into the cycle of a leg the synthetic person is, -0.5 to 0.5 cycles from the touchdown."""
    time = np.arange(round(1000 * how.duration_s) + 1) / 1000.0
    amplitude = smooth_step((time - how.standing_s) / how.starting_s)
    right = how.start_phase + np.interp(at, time, np.cumsum(amplitude) / 1000.0) / how.stride_s
    return float((right - (0.5 if side == "l" else 0.0) + 0.5) % 1.0 - 0.5)


@pytest.mark.parametrize("rate_hz", [25.0, 60.0, 240.0])
@pytest.mark.parametrize("stride_s", [0.95, 1.15, 1.5])
def test_touchdowns_are_where_the_curves_put_them(rate_hz: float, stride_s: float) -> None:
    how = replace(HOW, rate_hz=rate_hz, stride_s=stride_s)
    cycles = walking_cycles(walk(demo_person(), how))
    steady = [cycle for cycle in cycles if cycle.start > how.standing_s + how.starting_s + 0.5]
    assert len(steady) >= 5
    assert [cycle.side for cycle in cycles] == ["r", "l"] * (len(cycles) // 2) + ["r"] * (len(cycles) % 2)
    for cycle in steady:
        assert phase_of(how, cycle.side, cycle.start) * stride_s == pytest.approx(0.0, abs=0.02)
        assert cycle.end - cycle.start == pytest.approx(stride_s, abs=0.01)
        assert cycle.advance == pytest.approx(1.37, abs=0.06)


def test_angles_alone_tell_the_same_strides(motion: Motion) -> None:
    from_points, from_angles = walking_cycles(motion), walking_cycles_of_angles(motion.time, motion.angles)
    assert [cycle.side for cycle in from_angles] == [cycle.side for cycle in from_points]
    for one, other in zip(from_points, from_angles, strict=True):
        assert (other.start, other.end) == pytest.approx((one.start, one.end), abs=0.01)


def test_curves_over_the_cycle_are_those_that_made_the_walk(motion: Motion) -> None:
    cycles = [cycle for cycle in walking_cycles(motion) if cycle.start > 2.5]
    expected = np.rad2deg(curve("knee_angle", np.linspace(0.0, 1.0, 101)))
    knee = cycle_curve(motion.time, motion.angles, [c for c in cycles if c.side == "r"], "knee_angle")
    assert np.abs(np.rad2deg(knee.mean) - expected).max() < 4.0  # 1 % of the cycle is 4° where the knee bends fastest
    assert np.rad2deg(np.nanmax(knee.sd)) < 0.5
    left = cycle_curve(motion.time, motion.angles, cycles, "knee_angle_l")
    assert np.rad2deg(left.mean.max()) == pytest.approx(0.98 * expected.max(), abs=0.5)
    both = cycle_curve(motion.time, motion.angles, cycles, "knee_angle")
    assert both.cycles == len(cycles) == left.cycles + knee.cycles
    assert np.rad2deg(both.mean.max()) == pytest.approx(0.99 * expected.max(), abs=0.5)


def test_what_people_have_once_is_taken_over_the_right_foots_cycles(motion: Motion) -> None:
    cycles = walking_cycles(motion)
    rows = over_cycles(motion.time, motion.angles, cycles, "pelvis_tx")
    assert rows.shape == (sum(cycle.side == "r" for cycle in cycles), 101)
    assert np.isfinite(rows).all()


def test_cycles_where_the_angle_is_unknown_are_left_out(motion: Motion) -> None:
    cycles = walking_cycles(motion)
    holey = motion.angles.copy()
    first = next(cycle for cycle in cycles if cycle.side == "r")
    holey[np.searchsorted(motion.time, 0.5 * (first.start + first.end)), COORDINATE_INDEX["knee_angle_r"]] = np.nan
    whole = cycle_curve(motion.time, motion.angles, cycles, "knee_angle_r")
    assert cycle_curve(motion.time, holey, cycles, "knee_angle_r").cycles == whole.cycles - 1
    nothing = cycle_curve(motion.time, motion.angles, [], "knee_angle_r")
    assert nothing.cycles == 0
    assert np.isnan(nothing.mean).all()
    one = cycle_curve(motion.time, motion.angles, [first], "knee_angle")
    assert np.isfinite(one.mean).all()
    assert np.isnan(one.sd).all()


def test_a_heading_that_passes_half_a_turn_is_unwrapped() -> None:
    time = np.linspace(0.0, 2.0, 101)
    angles = np.zeros((101, len(COORDINATE_INDEX)))
    turning = np.deg2rad(np.linspace(170.0, 210.0, 101))
    angles[:, COORDINATE_INDEX["pelvis_rotation"]] = (turning + np.pi) % (2 * np.pi) - np.pi
    (row,) = over_cycles(
        time, angles, [Cycle(side="r", start=0.0, end=2.0, opposite=1.0, advance=1.0)], "pelvis_rotation"
    )
    assert np.rad2deg(np.ptp(row)) == pytest.approx(40.0)


# ---- no walking


def test_nobody_walks_while_standing(motion: Motion) -> None:
    assert walking_cycles(motion.frames(motion.time < HOW.standing_s)) == []
    assert walking_cycles(motion.frames(slice(0, 1))) == []
    assert walking_cycles_of_angles(motion.time[:2], motion.angles[:2]) == []


def test_steps_on_the_spot_backwards_or_sideways_are_no_walking(motion: Motion) -> None:
    on_the_spot = motion.positions - motion.positions[:, :1] + motion.positions[:1, :1]
    assert walking_cycles(replace(motion, positions=on_the_spot)) == []
    assert walking_cycles(_reversed(motion)) == []
    sideways = replace(motion, R_world_segment=yaw_matrix(np.pi / 2) @ motion.R_world_segment)
    assert walking_cycles(sideways) == []


def _reversed(motion: Motion) -> Motion:
    return replace(
        motion,
        R_world_segment=motion.R_world_segment[::-1],
        positions=motion.positions[::-1],
        angles=motion.angles[::-1],
        provenance=motion.provenance[::-1],
    )


@pytest.mark.parametrize("faster", [0.35, 2.0])
def test_strides_too_long_or_too_short_are_no_walking(motion: Motion, faster: float) -> None:
    assert walking_cycles(replace(motion, time=motion.time / faster)) == []


def test_a_missing_foot_gives_no_stride_there(motion: Motion) -> None:
    positions = motion.positions.copy()
    gone = (motion.time > 4.0) & (motion.time < 4.6)
    positions[gone, JOINT_INDEX["ankle_r"]] = np.nan
    whole, holey = walking_cycles(motion), walking_cycles(replace(motion, positions=positions))
    assert 0 < len(holey) < len(whole)
    assert not [cycle for cycle in holey if cycle.side == "r" and cycle.start < 4.3 < cycle.end]


def test_heading_does_not_matter(motion: Motion) -> None:
    turn = yaw_matrix(1.7)
    turned = replace(motion, R_world_segment=turn @ motion.R_world_segment, positions=motion.positions @ turn.T)
    turned = replace(turned, angles=joint_angles(turned.R_world_segment, turned.positions[:, 0]))
    for one, other in zip(walking_cycles(motion), walking_cycles(turned), strict=True):
        assert (other.start, other.end, other.advance) == pytest.approx((one.start, one.end, one.advance), abs=1e-6)


def test_touchdown_is_where_the_foot_has_lost_three_quarters_of_the_speed() -> None:
    time = np.arange(200) / 100.0
    reach = 0.3 * np.cos(2 * np.pi * (time - 0.5))  # seen from a pelvis at 1 m/s: stands from sin = 0.75 / 0.6π on
    expected = 0.5 + np.arcsin(0.75 / (0.6 * np.pi)) / (2 * np.pi)
    assert touchdowns(time, reach, np.ones(200)) == pytest.approx([expected, expected + 1.0], abs=0.002)
    assert touchdowns(time, 0.1 * reach, np.ones(200)).size == 0  # swings by 6 cm


def test_forward_is_level_and_unknown_when_the_pelvis_lies() -> None:
    lying = np.array([[[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]])
    assert np.isnan(forward_of(lying)).all()
    assert forward_of(yaw_matrix(0.3)[None])[0] == pytest.approx([np.cos(0.3), 0.0, -np.sin(0.3)])
