"""Strides of a synthetic walk, of a real one beside force plates, and of people who run or stand."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.body.markers import MARKER_FIT, fit_markers
from kinefuse.body.models import load_anny
from kinefuse.conventions import INFERRED, JOINT_INDEX, SEGMENT_INDEX
from kinefuse.formats.storage import read_mot
from kinefuse.formats.trc import read_trc
from kinefuse.metrics.gait_cycles import SIDES, forward_of, heels_of, touchdowns
from kinefuse.metrics.strides import (
    BELT,
    PLACE,
    QUANTITIES,
    Walking,
    foot_off,
    mean_and_sd,
    stride_table,
    strides_of,
)
from kinefuse.motion import Motion
from kinefuse.rotations import yaw_matrix
from kinefuse.synthesis.gait import Walk, walk
from kinefuse.synthesis.person import demo_person

HOW = Walk(rate_hz=100.0, duration_s=9.0)


@pytest.fixture(scope="module")
def motion() -> Motion:
    return walk(demo_person(), HOW)


def steady(motion: Motion) -> list[tuple[str, np.ndarray]]:
    """Return side and quantities of the strides after the first steps."""
    strides = [s for s in strides_of(motion).strides if s.start > HOW.standing_s + HOW.starting_s + 0.5]
    return [(s.side, np.array([getattr(s, name) for name in QUANTITIES])) for s in strides]


def test_a_walk_of_known_speed_and_stride(motion: Motion) -> None:
    walking = strides_of(motion)
    strides, last = walking.strides, walking.strides[-1]
    assert (walking.left_out, walking.place) == (0, PLACE)
    assert len(strides) >= 8
    assert last.duration == pytest.approx(HOW.stride_s, abs=0.01)
    assert last.cadence == pytest.approx(120.0 / HOW.stride_s, rel=0.01)
    root = motion.positions[:, 0]
    late = motion.time > 5.0
    speed = np.linalg.norm((root[late][-1] - root[late][0])[[0, 2]]) / np.ptp(motion.time[late])
    assert last.speed == pytest.approx(speed, rel=0.01)
    assert last.step_time == pytest.approx(0.5 * last.duration, abs=0.02)
    assert 0.58 < last.stance < 0.66  # of healthy adults 0.60 to 0.62
    assert last.double_support == pytest.approx(2 * last.stance - 1, abs=0.02)
    assert 0.05 < last.step_width < 0.20
    assert last.turn == pytest.approx(HOW.turn_rad / (HOW.duration_s - HOW.standing_s) * HOW.stride_s, abs=0.02)
    assert last.start < last.opposite_off < last.opposite_touchdown < last.foot_off < last.end


def test_two_steps_are_a_stride(motion: Motion) -> None:
    strides = strides_of(motion).strides
    for one, other in pairwise(strides[3:]):
        assert one.side != other.side
        assert one.step_length + other.step_length == pytest.approx(other.length, abs=0.02)
        assert one.end == other.opposite_touchdown
        assert one.foot_off == pytest.approx(other.opposite_off, abs=1e-6)


@pytest.mark.parametrize("rate_hz", [25.0, 60.0, 240.0])
def test_the_rate_hardly_matters(motion: Motion, rate_hz: float) -> None:
    others = steady(walk(demo_person(), replace(HOW, rate_hz=rate_hz)))
    tolerance = {"cadence": 1.5, "stance": 0.025, "double_support": 0.025}
    limits = np.array([tolerance.get(name, 0.01) for name in QUANTITIES])
    for (side, values), (other_side, other) in zip(steady(motion), others, strict=True):
        assert side == other_side
        assert (np.abs(values - other) < limits).all()


@settings(deadline=None, max_examples=10)
@given(angle=st.floats(-3.1, 3.1), east=st.floats(-50, 50), delay=st.floats(-20, 20))
def test_where_when_and_which_way_does_not_matter(motion: Motion, angle: float, east: float, delay: float) -> None:
    turn = yaw_matrix(angle)
    moved = replace(
        motion,
        time=motion.time + delay,
        positions=motion.positions @ turn.T + np.array([east, 0.0, -east]),
        R_world_segment=turn @ motion.R_world_segment,
    )
    first, second = strides_of(motion).strides, strides_of(moved).strides
    assert [s.side for s in first] == [s.side for s in second]
    for one, other in zip(first, second, strict=True):
        assert other.start - delay == pytest.approx(one.start, abs=1e-6)
        for name in QUANTITIES:
            assert getattr(other, name) == pytest.approx(getattr(one, name), abs=1e-4)


def test_the_mirrored_walk_has_the_other_foots_strides(motion: Motion) -> None:
    flip = np.array([1.0, 1.0, -1.0])
    swap_segments = [SEGMENT_INDEX[other_side(name)] for name in SEGMENT_INDEX]
    swap_joints = [JOINT_INDEX[other_side(name)] for name in JOINT_INDEX]
    mirrored = replace(
        motion,
        positions=(motion.positions * flip)[:, swap_joints],
        R_world_segment=(flip[:, None] * motion.R_world_segment * flip)[:, swap_segments],
    )
    for one, other in zip(strides_of(motion).strides, strides_of(mirrored).strides, strict=True):
        assert {one.side, other.side} == {"l", "r"}
        for name in QUANTITIES:
            assert getattr(other, name) == pytest.approx(getattr(one, name), abs=1e-6)


def other_side(name: str) -> str:
    return name[:-1] + {"l": "r", "r": "l"}[name[-1]] if name[-2:] in ("_l", "_r") else name


def test_strides_of_feet_that_nobody_saw_are_left_out(motion: Motion) -> None:
    unseen = motion.provenance.copy()
    unseen[:, SEGMENT_INDEX["foot_l"]] = INFERRED
    assert strides_of(replace(motion, provenance=unseen)) == Walking((), len(strides_of(motion).strides), PLACE)


def lacking(motion: Motion, start: float, end: float) -> Motion:
    """Return the motion without the frames of this time."""
    return motion.frames((motion.time < start) | (motion.time > end))


def test_strides_with_a_hole_at_a_moment_that_matters_are_left_out(motion: Motion) -> None:
    whole = strides_of(motion).strides
    middle = whole[4]
    for moment in (middle.opposite_touchdown, middle.foot_off):
        walking = strides_of(lacking(motion, moment - 0.06, moment + 0.06))
        assert 0 < len(walking.strides) < len(whole)
        for stride in walking.strides:
            same = min(whole, key=lambda s: abs(s.start - stride.start) + (s.side != stride.side))
            for name in QUANTITIES:
                assert getattr(stride, name) == pytest.approx(
                    getattr(same, name), abs=0.6 if name == "cadence" else 0.02
                )
    walking = strides_of(lacking(motion, middle.foot_off - 0.06, middle.foot_off + 0.06))
    assert walking.left_out >= 1


def on_a_belt(motion: Motion) -> Motion:
    """Return a person who walks straight with the mean of the way taken out."""
    late = motion.frames(motion.time > 4.0)
    rate = np.polyfit(late.time, late.positions[:, 0], 1)[0] * np.array([1.0, 0.0, 1.0])
    return replace(late, positions=late.positions - (late.time[:, None] * rate)[:, None])


def test_on_a_treadmill_lengths_are_against_its_belt(motion: Motion) -> None:
    belt, ground = strides_of(on_a_belt(motion)), strides_of(motion.frames(motion.time > 4.0))
    assert belt.place == BELT
    assert [s.side for s in belt.strides] == [s.side for s in ground.strides]
    for one, other in zip(belt.strides, ground.strides, strict=True):
        assert one.length == pytest.approx(other.length, abs=0.06)
        assert one.stance == pytest.approx(other.stance, abs=0.03)


def test_who_sways_on_a_treadmill_walks_no_further(motion: Motion) -> None:
    belt = on_a_belt(motion)
    sway = 0.1 * np.sin(0.8 * belt.time)[:, None, None] * np.array([1.0, 0.0, 0.5])
    for one, other in zip(
        strides_of(replace(belt, positions=belt.positions + sway)).strides, strides_of(belt).strides, strict=True
    ):
        assert one.length == pytest.approx(other.length, abs=1e-6)


def test_who_is_too_fast_to_walk_is_on_no_treadmill(motion: Motion) -> None:
    root = motion.positions[:, :1] * np.array([1.0, 0.0, 1.0])
    rushing = replace(motion, positions=motion.positions + root)  # twice as far in each stride
    assert strides_of(rushing) == Walking((), 0, PLACE)


def test_around_a_bend_the_sides_vary_about_their_own_means() -> None:
    around = strides_of(walk(demo_person(), replace(HOW, turn_rad=3.0))).strides
    assert [s.turn for s in around[3:-3]] == pytest.approx([around[4].turn] * (len(around) - 6), abs=0.05)
    assert 0.2 < around[4].turn < 0.6  # to the left
    left, right = ([100 * s.step_width for s in around if s.side == side] for side in "lr")
    mean, sd = mean_and_sd(around, "step_width")
    assert abs(np.mean(left) - np.mean(right)) > 5
    assert sd < 0.5 * abs(np.mean(left) - np.mean(right))
    assert mean == pytest.approx(mean_and_sd(strides_of(walk(demo_person(), HOW)).strides, "step_width")[0], abs=1.5)


def test_nobody_strides_while_standing(motion: Motion) -> None:
    assert strides_of(motion.frames(motion.time < HOW.standing_s)).strides == ()


def test_a_foot_that_leaves_before_the_other_lands_runs() -> None:
    time = np.linspace(0.0, 1.0, 101)
    behind = 0.4 * np.cos(2 * np.pi * (time - 0.3))
    assert foot_off(time, behind, 0.1, 0.9) == pytest.approx(0.3, abs=1e-6)
    assert foot_off(time, behind, 0.35, 0.8) is None
    assert foot_off(time, behind, 0.295, 0.305) == pytest.approx(0.3, abs=1e-6)
    for unknown in (foot_off(time, np.full(101, np.nan), 0.1, 0.9), foot_off(time[31:], behind[31:], 0.3, 0.9)):
        assert unknown is not None
        assert np.isnan(unknown)


def test_means_and_the_table(motion: Motion) -> None:
    strides = strides_of(motion).strides
    mean, sd = mean_and_sd(strides, "length")
    left, right = ([100 * s.length for s in strides if s.side == side] for side in "lr")
    assert mean == pytest.approx((np.mean(left) + np.mean(right)) / 2)
    together = np.var(left, ddof=1) * (len(left) - 1) + np.var(right, ddof=1) * (len(right) - 1)
    assert sd == pytest.approx((together / (len(strides) - 2)) ** 0.5)
    assert mean_and_sd(left_only := [s for s in strides if s.side == "l"], "length")[1] == pytest.approx(
        np.std([100 * s.length for s in left_only], ddof=1)
    )
    assert np.isnan(mean_and_sd([], "speed")).all()
    assert np.isnan(mean_and_sd(strides[:1], "speed")[1])
    header, *rows = stride_table(strides_of(motion)).splitlines()
    assert len(rows) == len(strides)
    first = dict(zip(header.split(","), rows[0].split(","), strict=True))
    assert (first["side"], first["place"]) == (strides[0].side, PLACE)
    assert float(first["foot_off_s"]) == pytest.approx(strides[0].foot_off, abs=1e-4)
    assert float(first["speed_m_per_s"]) == pytest.approx(strides[0].speed, abs=1e-4)


def test_feet_land_and_leave_when_force_plates_say_so(data: Path) -> None:
    """Each plate bears one foot of a walk: two touchdowns, two times at which a foot leaves (20 N)."""
    folder = data / "real" / "opencap_markers_walk2_dj1"
    forces = read_mot(folder / "walking2_grf.mot")
    told = {}
    for side, plate in (("r", 1), ("l", 2)):
        stands = forces.column(f"ground_force_{plate}_vy") > 20.0
        change = np.flatnonzero(np.diff(stands.astype(int))) + 1
        told[side] = {bool(stands[i]): float(forces.time[i]) for i in change}
    markers = read_trc(folder / "walking2.trc", canonical=False)
    motion = fit_markers(markers, load_anny(), "opencap", config=replace(MARKER_FIT, body_frames=60))
    forward, root = forward_of(motion.R_world_segment[:, SEGMENT_INDEX["pelvis"]]), motion.positions[:, 0]
    speed = np.einsum("ti,ti->t", np.gradient(root, motion.time, axis=0), forward)
    ankles = motion.positions[:, [JOINT_INDEX[f"ankle_{side}"] for side in SIDES]]
    heels = heels_of(ankles, motion.R_world_segment)
    for index, side in enumerate(SIDES):
        reach = np.einsum("ti,ti->t", heels[:, index] - root, forward)
        (landing,) = touchdowns(motion.time, reach, speed)
        assert landing == pytest.approx(told[side][True], abs=0.04)
        behind = np.einsum("ti,ti->t", root - motion.positions[:, JOINT_INDEX[f"mtp_{side}"]], forward)
        start = told["l"][True] if side == "r" else told["r"][True]
        end = told["r"][True] if side == "r" else float(motion.time[-1])
        assert foot_off(motion.time, behind, start, end) == pytest.approx(told[side][False], abs=0.02)
