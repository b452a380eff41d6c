"""Sensors that are not worn where they are said to be."""

from dataclasses import replace

import numpy as np
import pytest

from kinefuse.inertial.clocks import put_on_clock
from kinefuse.inertial.speeds import CLEARLY
from kinefuse.inertial.wearing import exchanged, likelihoods
from kinefuse.recordings import Finding, Imu, JointCenters, Recording

TIME, IMU_TIME = np.arange(1001) / 50.0, np.arange(2001) / 100.0
PHASES = {"thigh_r": 0.0, "thigh_l": np.pi / 2, "shank_r": 0.8, "shank_l": 2.4}
NAMES = ("hip_r", "knee_r", "ankle_r", "hip_l", "knee_l", "ankle_l")


def angle(segment: str, time: np.ndarray) -> np.ndarray:
    """Angle (T,) about Z; legs speed up and swing at different times."""
    return 0.6 * np.sin(2 * np.pi * (0.5 * time + 0.01 * time**2) + PHASES[segment])


def way(segment: str) -> np.ndarray:
    turned = angle(segment, TIME)
    return 0.4 * np.stack([np.sin(turned), -np.cos(turned), 0 * turned], axis=1)


def points() -> JointCenters:
    columns = []
    for side, z in (("r", 0.1), ("l", -0.1)):
        hip = np.tile([0.0, 0.9, z], (len(TIME), 1))
        knee = hip + way(f"thigh_{side}")
        columns += [hip, knee, knee + way(f"shank_{side}")]
    noise = np.random.default_rng(0).normal(0.0, 0.005, (len(TIME), 6, 3))
    return JointCenters(names=NAMES, time=TIME, positions=np.stack(columns, axis=1) + noise)


def sensor(on: str, said: str | None = None) -> Imu:
    """The sensor that moves with segment `on`, and is said to be on another."""
    rate = np.zeros((len(IMU_TIME), 3))
    rate[:, 2] = np.gradient(angle(on, IMU_TIME), IMU_TIME)
    force = np.tile([0.0, 9.81, 0.0], (len(IMU_TIME), 1))
    return Imu(name=f"at_{on}", segment=said or on, time=IMU_TIME, specific_force=force, angular_rate=rate)


def recording(**said: str) -> Recording:
    return Recording(imus=tuple(sensor(on, said.get(on)) for on in PHASES), joint_centers=points())


def check_wearing(given: Recording) -> list[Finding]:
    """What is said of where sensors are worn; none is changed."""
    kept, findings = put_on_clock(given)
    assert kept.imus == given.imus
    return findings


def test_sensors_in_their_places_are_not_worth_a_word() -> None:
    assert check_wearing(recording()) == []


def test_left_for_right_is_told() -> None:
    (told,) = check_wearing(recording(thigh_r="thigh_l", thigh_l="thigh_r"))
    assert told.level == "warning"
    assert "exchanged" in told.text
    assert "at_thigh_r, said to be on thigh_l, moves as thigh_r" in told.text
    assert "at_thigh_l, said to be on thigh_r, moves as thigh_l" in told.text
    assert "shank" not in told.text


def test_three_that_changed_places_are_one_group() -> None:
    mixed = recording(thigh_r="thigh_l", thigh_l="shank_r", shank_r="thigh_r")
    assert mixed.joint_centers is not None
    (group,) = exchanged(mixed.imus, mixed.joint_centers)
    moves = {mixed.imus[i].name: mixed.imus[j].segment for i, j in group}
    assert moves == {"at_thigh_r": "thigh_r", "at_thigh_l": "thigh_l", "at_shank_r": "shank_r"}


def test_two_pairs_are_two_groups() -> None:
    both = recording(thigh_r="thigh_l", thigh_l="thigh_r", shank_r="shank_l", shank_l="shank_r")
    assert len(check_wearing(both)) == 2


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2)])
def test_the_order_of_sensors_makes_no_difference(order: tuple[int, ...]) -> None:
    wrong = recording(thigh_r="thigh_l", thigh_l="thigh_r")
    (told,) = check_wearing(replace(wrong, imus=tuple(wrong.imus[i] for i in order)))
    assert {"thigh_r", "thigh_l"} <= set(told.text.replace(";", " ").replace(".", " ").replace(",", " ").split())


def test_likelihood_is_highest_at_ones_own_segment() -> None:
    right = recording()
    assert right.joint_centers is not None
    likely = likelihoods(right.imus, right.joint_centers)
    assert np.array_equal(likely.argmax(1), np.arange(4))
    assert (likely.diagonal() > CLEARLY).all()


def test_sensors_whose_clock_is_not_found_are_not_said_to_be_exchanged() -> None:
    right = recording()
    own = tuple(replace(i, time=i.time + 3.0 * k, start_is_known=False) for k, i in enumerate(right.imus))
    (told,) = check_wearing(replace(right, imus=own))
    assert "no one shift" in told.text


def test_exchanged_sensors_of_unknown_start_are_placed_and_told() -> None:
    wrong = recording(thigh_r="thigh_l", thigh_l="thigh_r")
    loose = tuple(replace(imu, time=imu.time + 3.0, start_is_known=False) for imu in wrong.imus)
    placed, findings = put_on_clock(replace(wrong, imus=loose))
    assert [imu.time[0] for imu in placed.imus] == pytest.approx([0.0] * 4, abs=0.02)
    assert ["estimated" in finding.text for finding in findings] == [True, False]
    assert "exchanged" in findings[1].text


def test_what_cannot_be_compared_is_passed_over() -> None:
    wrong = recording(thigh_r="thigh_l", thigh_l="thigh_r")
    assert check_wearing(replace(wrong, joint_centers=None)) == []
    assert check_wearing(replace(wrong, imus=wrong.imus[:1])) == []
    later = tuple(replace(imu, time=imu.time + 500.0) for imu in wrong.imus)
    assert check_wearing(replace(wrong, imus=later)) == []
    still = tuple(replace(imu, angular_rate=0 * imu.angular_rate) for imu in wrong.imus)
    assert check_wearing(replace(wrong, imus=still)) == []
