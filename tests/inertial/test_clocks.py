"""Clocks of sensors from the movement that points show."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.inertial.clocks import estimate_clock, lag_moments, put_on_clock
from kinefuse.inertial.speeds import STEP_S, felt_speeds, is_comparable, shown_speeds
from kinefuse.recordings import Imu, JointCenters, Recording
from kinefuse.rotations import matrix_from_rotvec

RATE_HZ, IMU_HZ, LONG_S = 50.0, 100.0, 20.0
UPPER, FORE = 0.3, 0.25
NAMES = ("shoulder_r", "elbow_r", "wrist_r")


def angles(time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Angles (T,) and their rates about Z of a forearm that swings ever faster, and never twice alike."""
    phase = 2 * np.pi * (0.4 * time + 0.02 * time**2)
    return 0.8 * np.sin(phase), 0.8 * np.cos(phase) * 2 * np.pi * (0.4 + 0.04 * time)


def points(stop: float = LONG_S) -> JointCenters:
    """An arm whose forearm, along Z at rest, turns about X in the world."""
    time = np.arange(int(stop * RATE_HZ) + 1) / RATE_HZ
    angle, _ = angles(time)
    shoulder = np.tile([0.0, 1.4, 0.2], (len(time), 1))
    elbow = shoulder + np.array([0.0, 0.0, UPPER])
    wrist = elbow + FORE * np.stack([0 * angle, -np.sin(angle), np.cos(angle)], axis=1)
    return JointCenters(names=NAMES, time=time, positions=np.stack([shoulder, elbow, wrist], axis=1))


def forearm(shift_s: float = 0.0, *, start: float = 0.0, stop: float = LONG_S, **given: object) -> Imu:
    """The sensor on that forearm, whose own clock is `shift_s` ahead of the points'."""
    time = np.arange(int(start * IMU_HZ), int(stop * IMU_HZ) + 1) / IMU_HZ
    rate = np.zeros((len(time), 3))
    rate[:, 0] = angles(time)[1]
    force = np.tile([0.0, 9.81, 0.0], (len(time), 1))
    made = Imu(name="fore", segment="forearm_r", time=time + shift_s, specific_force=force, angular_rate=rate)
    return replace(made, **given)  # type: ignore[arg-type]


def test_a_known_shift_is_found_to_milliseconds() -> None:
    found = estimate_clock([forearm(1.234)], points())
    assert found.found
    assert found.shift_s == pytest.approx(-1.234, abs=0.003)
    assert found.error_s < 0.02


@settings(max_examples=15, deadline=None)
@given(
    st.floats(-300.0, 300.0),
    st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3),
    st.floats(-0.4, 0.4),
)
def test_shift_of_the_clock_and_a_turned_world_make_no_difference(
    shift: float, turn: list[float], askew: float
) -> None:
    seen = points()
    turned = replace(seen, positions=seen.positions @ matrix_from_rotvec(np.array(turn)).T)
    sensor = forearm(shift)
    worn = replace(sensor, angular_rate=sensor.angular_rate @ matrix_from_rotvec(np.array([0.0, askew, 0.0])).T)
    found = estimate_clock([worn], turned)
    assert found.found
    assert found.shift_s == pytest.approx(-shift, abs=0.005)


def test_the_part_of_a_long_recording_that_the_points_show_is_found() -> None:
    seen = points(8.0)
    found = estimate_clock([forearm(100.0, start=-10.0, stop=40.0)], seen)
    assert found.found
    assert found.shift_s == pytest.approx(-100.0, abs=0.005)


def test_lost_packets_and_hidden_points_do_no_harm() -> None:
    rng = np.random.default_rng(0)
    sensor, seen = forearm(-0.5), points()
    kept = rng.random(len(sensor.time)) > 0.1
    kept[300:380] = False
    hidden = seen.positions.copy()
    hidden[100:160, 2] = np.nan
    hidden += rng.normal(0.0, 0.01, hidden.shape)
    lossy = replace(
        sensor,
        time=sensor.time[kept],
        angular_rate=sensor.angular_rate[kept],
        specific_force=sensor.specific_force[kept],
    )
    found = estimate_clock([lossy], replace(seen, positions=hidden))
    assert found.found
    assert found.shift_s == pytest.approx(0.5, abs=0.02)


def test_the_rate_may_come_from_orientation() -> None:
    sensor = forearm(0.3)
    turned = matrix_from_rotvec(np.stack([angles(sensor.time - 0.3)[0], 0 * sensor.time, 0 * sensor.time], axis=1))
    bare = replace(sensor, angular_rate=np.full_like(sensor.angular_rate, np.nan), R_ref_sensor=turned)
    assert estimate_clock([bare], points()).shift_s == pytest.approx(-0.3, abs=0.005)


@pytest.mark.parametrize("what", ["rest", "even spin", "the same swing again and again", "another movement"])
def test_what_tells_no_clock_is_not_found(what: str) -> None:
    seen, sensor = points(), forearm(0.2)
    rate = sensor.angular_rate.copy()
    if what == "rest":
        rate[:] = 0.0
    elif what == "even spin":
        rate[:] = (2.0, 0.0, 0.0)
    elif what == "another movement":
        rate = np.cumsum(np.random.default_rng(1).normal(0.0, 0.3, rate.shape), axis=0)
    else:
        angle = 0.8 * np.sin(2 * np.pi * seen.time)
        way = np.stack([0 * angle, -np.sin(angle), np.cos(angle)], axis=1)
        positions = seen.positions.copy()
        positions[:, 2] = positions[:, 1] + FORE * way
        seen = replace(seen, positions=positions)
        rate[:, 0] = 0.8 * 2 * np.pi * np.cos(2 * np.pi * sensor.time)
    assert not estimate_clock([replace(sensor, angular_rate=rate)], seen).found


def test_speeds_are_those_of_the_swing() -> None:
    seen, sensor = points(), forearm()
    grid = np.arange(int(LONG_S / STEP_S) + 1) * STEP_S
    shown, felt = shown_speeds(["forearm_r"], seen, grid)[:, 0], felt_speeds(sensor, grid, ["forearm_r"])[:, 0]
    inside = slice(20, 500)  # where the swing is slow beside the smoothing
    true = np.log1p(np.abs(angles(grid)[1]))
    swings = true[inside] > 0.5  # smoothing rounds the corners where the speed passes zero
    assert np.abs(shown[inside] - felt[inside]).max() < 0.1
    assert np.abs(felt[inside] - true[inside])[swings].max() < 0.1
    assert np.isnan(shown[[0, -1]]).all()


def test_the_likelihood_is_that_of_a_regression() -> None:
    rng = np.random.default_rng(3)
    a = rng.random((400, 1))
    b = 0.5 * a + 0.1 * rng.random((400, 1))
    likely = lag_moments(a, b).log_likelihood()[:, 0]
    r = np.corrcoef(a[:, 0], b[:, 0])[0, 1]
    assert likely.argmax() == 399
    assert likely[399] == pytest.approx(-0.5 * 400 * STEP_S / 0.5 * np.log(1 - r**2), rel=1e-6)


def test_the_order_of_sensors_makes_no_difference() -> None:
    seen = points()
    upper = replace(forearm(0.7), name="upper", segment="upper_arm_r")
    both = estimate_clock([forearm(0.7), upper], seen), estimate_clock([upper, forearm(0.7)], seen)
    assert both[0].shift_s == pytest.approx(both[1].shift_s, abs=1e-9)


def recording(*imus: Imu, centers: JointCenters | None = None) -> Recording:
    return Recording(imus=imus, joint_centers=centers)


def test_sensors_of_unknown_start_are_put_on_the_clock_and_it_is_said() -> None:
    fore, hand = forearm(5.0, start_is_known=False), forearm(5.0, start_is_known=False, segment="hand_r", name="hand")
    placed, (told,) = put_on_clock(recording(fore, hand, centers=points()))
    assert all(imu.start_is_known for imu in placed.imus)
    for imu in placed.imus:
        assert imu.time[0] == pytest.approx(0.0, abs=0.005)
    assert told.level == "info"
    assert "estimated" in told.text
    assert "at 0.00" in told.text or "at -0.00" in told.text


def test_what_does_not_move_stays_where_it_is_and_it_is_said() -> None:
    fore = forearm(start_is_known=False)
    still = replace(fore, angular_rate=0 * fore.angular_rate)
    placed, (told,) = put_on_clock(recording(still, centers=points()))
    assert not placed.imus[0].start_is_known
    assert told.level == "warning"
    assert "give start_s" in told.text


@pytest.mark.parametrize(("shift", "word"), [(0.15, "late"), (-0.15, "early")])
def test_a_given_start_that_is_wrong_is_told_and_kept(shift: float, word: str) -> None:
    wrong = forearm(shift)
    kept, (told,) = put_on_clock(recording(wrong, centers=points()))
    assert kept.imus[0] is wrong
    assert told.level == "warning"
    assert f"0.15 s too {word}" in told.text


def test_a_given_start_that_is_right_is_not_worth_a_word() -> None:
    assert put_on_clock(recording(forearm(0.01), centers=points()))[1] == []


def test_without_points_nothing_happens() -> None:
    bare = recording(forearm(start_is_known=False))
    assert put_on_clock(bare) == (bare, [])


@pytest.mark.parametrize("segment", ["hand_r", "shank_r"])
def test_segments_that_points_do_not_show_tell_no_clock_and_it_is_said(segment: str) -> None:
    hidden = recording(forearm(start_is_known=False, segment=segment), centers=points())
    assert not is_comparable(hidden.imus[0], points())
    same, (told,) = put_on_clock(hidden)
    assert same.imus == hidden.imus
    assert "joint centres or keypoints" in told.text


def loose(shift: float, name: str) -> Imu:
    return forearm(shift, name=name, start_is_known=False)


def test_a_sensor_with_a_clock_of_its_own_is_left_out_by_name() -> None:
    placed, findings = put_on_clock(recording(loose(5.0, "a"), loose(5.0, "b"), loose(9.0, "c"), centers=points()))
    assert [imu.name for imu in placed.imus] == ["a", "b"]
    assert [finding.level for finding in findings] == ["info", "warning"]
    assert "rest: c;" in findings[1].text


def test_sensors_each_with_a_clock_of_its_own_are_not_put_on_one() -> None:
    own = recording(loose(5.0, "a"), loose(9.0, "b"), loose(14.0, "c"), centers=points())
    same, (told,) = put_on_clock(own)
    assert same.imus == own.imus
    assert "no one shift" in told.text


def test_times_that_lie_years_apart_are_no_clock() -> None:
    years = recording(loose(0.0, "a"), loose(1.7e9, "b"), centers=points())
    same, (told,) = put_on_clock(years)
    assert same.imus == years.imus
    assert "min apart" in told.text


def test_sensors_of_another_movement_are_not_found() -> None:
    seen, sensor = points(), forearm()
    rng = np.random.default_rng(5)
    other = np.cumsum(rng.normal(size=len(sensor.time))) * 0.3
    assert not estimate_clock(
        [replace(sensor, angular_rate=np.stack([other, 0 * other, 0 * other], axis=1))], seen
    ).found


@pytest.mark.parametrize("late", [1.0, 2.0, 7.5])
def test_a_start_that_is_seconds_off_is_told_right(late: float) -> None:
    _, (told,) = put_on_clock(recording(forearm(late), centers=points(40.0)))
    assert f"{late:.2f} s too late" in told.text


def test_one_given_start_that_is_off_is_named() -> None:
    given = recording(forearm(0.0, name="a"), forearm(0.0, name="b"), forearm(0.7, name="c"), centers=points())
    same, (told,) = put_on_clock(given)
    assert same.imus == given.imus
    assert "rest: c;" in told.text


def test_too_short_in_common_is_not_found() -> None:
    short = forearm(stop=1.0)
    assert not estimate_clock([short], points()).found
