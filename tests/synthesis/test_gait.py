"""The walk against textbook facts, the floor, and its own derivatives."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.body.angles import ANATOMICAL_OFFSETS, heading_list_tilt
from kinefuse.body.kinematics import points_on_segments
from kinefuse.conventions import JOINT_INDEX, SEGMENT_INDEX, SEGMENT_PARENTS
from kinefuse.motion import Motion
from kinefuse.rotations import geodesic_angle
from kinefuse.synthesis.gait import Walk, smooth_step, walk
from kinefuse.synthesis.gait_curves import MIDDLE_CURVES, RIGHT_CURVES, curve, fourier_coefficients, fourier_value
from kinefuse.synthesis.person import demo_person, sole_points

CYCLE = np.arange(200) / 200
HOW = Walk()


@pytest.fixture(scope="module")
def motion() -> Motion:
    return walk(demo_person())


@pytest.fixture(scope="module")
def soles(motion: Motion) -> np.ndarray:
    """(T, 6, 3): heel, ball and toe of the left foot, then of the right."""
    arrays = (motion.R_world_segment, motion.positions, motion.rest_positions, *sole_points(motion.rest_positions))
    return points_on_segments(*map(torch.as_tensor, arrays)).numpy()


def walking(motion: Motion) -> np.ndarray:
    return motion.time > HOW.standing_s + HOW.starting_s


def degrees(name: str) -> np.ndarray:
    return np.rad2deg(curve(name, CYCLE))


# ---- curves: Perry and Burnfield 2010, Winter 1991


def test_knee_flexes_60_degrees_in_swing_and_15_to_20_under_load() -> None:
    knee = degrees("knee_angle")
    assert 57 < knee.max() < 66
    assert 0.69 < CYCLE[knee.argmax()] < 0.76
    loading = knee[(CYCLE > 0.05) & (CYCLE < 0.30)]
    assert 15 < loading.max() < 20
    assert -1 < knee.min() < 9


def test_hip_goes_from_30_degrees_flexion_to_10_extension_at_half_the_cycle() -> None:
    hip = degrees("hip_flexion")
    assert 25 < hip[0] < 35
    assert -20 < hip.min() < -8
    assert 0.46 < CYCLE[hip.argmin()] < 0.56


def test_ankle_plantarflexes_15_to_20_degrees_just_after_toe_off() -> None:
    ankle = degrees("ankle_angle")
    assert -21 < ankle.min() < -15
    assert 0.60 < CYCLE[ankle.argmin()] < 0.68
    stance = ankle[(CYCLE > 0.3) & (CYCLE < 0.55)]
    assert 8 < stance.max() < 15


def test_pelvis_drops_on_the_swinging_side() -> None:
    early_right_stance = (CYCLE > 0.08) & (CYCLE < 0.16)
    assert degrees("pelvis_list")[early_right_stance].max() < -3  # negative raises the right side


def test_arm_swings_against_the_leg_of_its_side() -> None:
    assert np.corrcoef(degrees("arm_flex"), degrees("hip_flexion"))[0, 1] < -0.8


# ---- Fourier series


@pytest.mark.parametrize("name", [*RIGHT_CURVES, *MIDDLE_CURVES])
def test_curves_stay_close_to_their_tables(name: str) -> None:
    table = np.array((RIGHT_CURVES | MIDDLE_CURVES)[name])
    assert np.abs(np.rad2deg(curve(name, np.arange(20) / 20)) - table).max() < 1.2


def test_fourier_series_of_a_known_wave() -> None:
    phase = np.arange(20) / 20
    coefficients = fourier_coefficients(3.0 + 2.0 * np.cos(2 * np.pi * phase) - np.sin(6 * np.pi * phase))
    x = np.array([0.13, 0.77])
    expected = 3.0 + 2.0 * np.cos(2 * np.pi * x) - np.sin(6 * np.pi * x)
    assert np.allclose(fourier_value(coefficients, x), expected)
    slope = -4.0 * np.pi * np.sin(2 * np.pi * x) - 6 * np.pi * np.cos(6 * np.pi * x)
    assert np.allclose(fourier_value(coefficients, x, 1), slope)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([*RIGHT_CURVES, *MIDDLE_CURVES]), st.floats(-3, 3), st.integers(0, 1))
def test_derivatives_are_those_of_the_curve(name: str, phase: float, derivative: int) -> None:
    step = 1e-5
    sides = curve(name, np.array([phase - step, phase + step]), derivative)
    expected = (sides[1] - sides[0]) / (2 * step)
    assert curve(name, np.array([phase]), derivative + 1)[0] == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert curve(name, np.array([phase + 1.0]))[0] == pytest.approx(curve(name, np.array([phase]))[0])


@settings(max_examples=25, deadline=None)
@given(st.floats(-1, 2), st.floats(-1, 2))
def test_smooth_step_rises_from_0_to_1(a: float, b: float) -> None:
    low, high = smooth_step(np.array([min(a, b), max(a, b)]))
    assert 0.0 <= low <= high + 1e-12 <= 1.0 + 1e-11
    assert smooth_step(np.array([0.5]))[0] == pytest.approx(0.5)


# ---- the person in the room


def test_the_person_first_stands_still_with_hanging_arms(motion: Motion) -> None:
    still = motion.time <= HOW.standing_s
    assert np.ptp(motion.positions[still], axis=0).max() < 1e-9
    arm = (motion.R_world_segment @ ANATOMICAL_OFFSETS)[0, SEGMENT_INDEX["upper_arm_r"]]
    assert arm[1, 1] > 0.98  # its Y axis, from elbow to shoulder, points up


def test_palms_face_the_thighs_while_standing(motion: Motion) -> None:
    palm = motion.R_world_segment[0, SEGMENT_INDEX["hand_r"]] @ np.array([0.0, -1.0, 0.0])  # palms down in T-pose
    assert palm[2] < -0.9  # the right one faces left


def test_stride_is_of_normal_length(motion: Motion) -> None:
    steady = walking(motion)
    way = np.linalg.norm(np.diff(motion.positions[steady][:, 0, [0, 2]], axis=0), axis=1).sum()
    stride = way / (motion.time[steady][-1] - motion.time[steady][0]) * HOW.stride_s
    assert 1.25 < stride < 1.45


def test_pelvis_rises_and_falls_twice_a_stride_by_3_to_5_cm(motion: Motion) -> None:
    samples = round(HOW.stride_s * HOW.rate_hz)
    height = motion.positions[-3 * samples :, 0, 1]
    assert 0.028 < np.ptp(height) < 0.05
    spectrum = np.abs(np.fft.rfft(height - height.mean()))
    assert spectrum.argmax() == 6  # cycles in three strides


def test_feet_stand_on_the_floor(motion: Motion, soles: np.ndarray) -> None:
    lowest = soles[..., 1].min(axis=1)
    assert lowest.min() > -0.012
    assert lowest.max() < 0.008


@pytest.mark.parametrize("side", [0, 1])
def test_stance_feet_do_not_skate(motion: Motion, soles: np.ndarray, side: int) -> None:
    ball, heel = soles[:, 3 * side + 1], soles[:, 3 * side]
    flat = walking(motion) & (ball[:, 1] < 0.006) & (heel[:, 1] < 0.006)
    drifts = [np.ptp(ball[run][:, [0, 2]], axis=0).max() for run in runs(flat) if len(run) > 40]
    assert len(drifts) >= 3
    assert max(drifts) < 0.01


def runs(mask: np.ndarray) -> list[np.ndarray]:
    index = np.flatnonzero(mask)
    return np.split(index, np.flatnonzero(np.diff(index) > 1) + 1)


def test_stance_feet_are_flat(motion: Motion) -> None:
    """Between 12 % and 35 % of the cycle the sole lies on the floor."""
    up = motion.R_world_segment[:, SEGMENT_INDEX["foot_r"], 1, 1]
    phase = (HOW.start_phase + (motion.time - HOW.standing_s - HOW.starting_s / 2) / HOW.stride_s) % 1.0
    flat = walking(motion) & (phase > 0.12) & (phase < 0.35)
    assert flat.sum() > 100
    assert np.rad2deg(np.arccos(up[flat])).max() < 5


def test_swing_feet_clear_the_floor(motion: Motion, soles: np.ndarray) -> None:
    phase = (HOW.start_phase + (motion.time - HOW.standing_s - HOW.starting_s / 2) / HOW.stride_s) % 1.0
    swing = walking(motion) & (phase > 0.72) & (phase < 0.92)
    assert soles[swing, 3:, 1].min() > 0.008


def test_path_turns_as_asked(motion: Motion) -> None:
    heading = heading_list_tilt(motion.R_world_segment)[:, 0]
    samples = round(HOW.stride_s * HOW.rate_hz)
    assert heading[0] == pytest.approx(0.0, abs=1e-9)
    turned = heading[-samples:].mean() / HOW.turn_rad
    assert 0.8 < turned < 1.0  # the mean over the last stride
    assert np.ptp(motion.positions[:, 0, 0]) < 5.6


def test_motion_obeys_its_skeleton(motion: Motion) -> None:
    bones = motion.positions[:, 1:] - motion.positions[:, list(SEGMENT_PARENTS[1:])]
    rest = motion.rest_positions[1:] - motion.rest_positions[list(SEGMENT_PARENTS[1:])]
    turned = np.einsum("tsij,sj->tsi", motion.R_world_segment[:, list(SEGMENT_PARENTS[1:])], rest)
    assert np.allclose(bones, turned)


def test_speed_is_even_and_accelerations_are_human(motion: Motion) -> None:
    velocity = np.gradient(motion.positions[:, 0], motion.time, axis=0)
    forward = np.linalg.norm(velocity[:, [0, 2]], axis=1)[walking(motion)]
    assert forward.std() / forward.mean() < 0.1
    assert np.abs(np.gradient(velocity, motion.time, axis=0)).max() < 15


def test_left_follows_right_half_a_stride_later(motion: Motion) -> None:
    half = round(HOW.stride_s * HOW.rate_hz / 2)
    right, left = motion.angle("knee_angle_r")[-3 * half : -half], motion.angle("knee_angle_l")[-2 * half :]
    assert np.abs(left - HOW.left_share * right).max() < 1e-6


@settings(max_examples=6, deadline=None)
@given(st.floats(-3.0, 3.0))
def test_heading_only_turns_the_room(heading: float) -> None:
    short = {"duration_s": 2.5, "rate_hz": 60.0, "start": (0.0, 0.0)}
    straight = walk(demo_person(), Walk(**short))  # type: ignore[arg-type]
    turned = walk(demo_person(), Walk(heading_rad=heading, **short))  # type: ignore[arg-type]
    gap = geodesic_angle(straight.R_world_segment, turned.R_world_segment)
    assert np.allclose(gap, abs(heading), atol=1e-6)
    ankle = JOINT_INDEX["ankle_l"]
    reach = [
        np.linalg.norm(m.positions[:, ankle, [0, 2]] - m.positions[:1, 0, [0, 2]], axis=1) for m in (straight, turned)
    ]
    assert np.allclose(*reach)
