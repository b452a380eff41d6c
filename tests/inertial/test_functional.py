"""A hinge that is bent again and again shows its axis in both sensors."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.conventions import GRAVITY
from kinefuse.errors import KinefuseError
from kinefuse.inertial.functional import (
    flexion_axis,
    heading_by_hinge,
    hinge_axes,
    mount_by_movements,
    segments_beside,
    turned_to_axis,
)
from kinefuse.inertial.mounting import segment_in_pose
from kinefuse.recordings import HINGE_JOINTS, HeldPose, HingeMovement, Imu, Recording
from kinefuse.rotations import matrix_from_rotvec, rotvec_from_matrix, yaw_matrix

RATE_HZ = 100.0
TIME = np.arange(800) / RATE_HZ
POSE = HeldPose(kind="n", start_s=0.0, end_s=2.0)
KNEE = HingeMovement(joint="knee_r", start_s=2.5, end_s=7.5)
AXIS = np.array([0.0, 0.0, 1.0])


def leg(planar: bool = False, ratio: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Orientations (T, 3, 3) of thigh and shank: a knee that bends after two seconds, a hip that turns every way."""
    ramp = np.clip(TIME - 2.0, 0.0, 0.5)
    flexion = ramp * (1.0 - np.cos(6 * TIME))
    hip = ramp * np.sin(4 * TIME) if not ratio else 0.6 * flexion
    sideways = 0.0 if planar else 0.6
    turns = np.stack([sideways * ramp * np.sin(5 * TIME), sideways * ramp * np.cos(3 * TIME), hip], axis=-1)
    thigh = matrix_from_rotvec(turns)
    return thigh, thigh @ matrix_from_rotvec(-flexion[:, None] * AXIS)


def rates_of(R: np.ndarray, mounting: np.ndarray, noise: float = 0.0) -> np.ndarray:
    """Angular rates (T, 3) of a sensor, in its own axes; mounting is sensor to segment."""
    turn = rotvec_from_matrix(np.swapaxes(R[:-1], 1, 2) @ R[1:]) * RATE_HZ
    rate = np.concatenate([turn, turn[-1:]]) @ mounting
    return rate + noise * np.random.default_rng(0).normal(size=rate.shape)


def mountings(seed: int) -> np.ndarray:
    """Two rotations (2, 3, 3), however sensors may be put on."""
    return matrix_from_rotvec(np.random.default_rng(seed).normal(size=(2, 3)) * 2.0)


def degrees_between(found: np.ndarray, axis: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(abs(found @ axis), 0.0, 1.0))))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("how", [{}, {"planar": True}, {"planar": True, "ratio": True}])
def test_the_axis_is_found_however_sensors_are_put_on(seed: int, how: dict[str, bool]) -> None:
    moving, (one, other) = TIME > 2.5, mountings(seed)
    thigh, shank = leg(**how)
    rates = rates_of(thigh, one, 0.02)[moving], rates_of(shank, other, 0.03)[moving]
    found = hinge_axes(*rates)
    assert degrees_between(found[0], one.T @ AXIS) < 1.0
    assert degrees_between(found[1], other.T @ AXIS) < 1.0


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_sensor_that_is_turned_turns_the_axis(seed: int) -> None:
    (thigh, shank), turns = leg(), mountings(seed)
    rates = [rates_of(R, np.eye(3))[300:] for R in (thigh, shank)]
    before = hinge_axes(rates[0], rates[1])
    after = hinge_axes(rates[0] @ turns[0], rates[1] @ turns[1])
    for k in range(2):
        assert degrees_between(after[k], turns[k].T @ before[k]) < 0.05


def sensor(segment: str, R: np.ndarray, mounting: np.ndarray, known: np.ndarray) -> Imu:
    """A sensor whose true mounting is `mounting`, and which the pose took to be `known`."""
    force = np.einsum("tji,j->ti", R @ mounting, np.array([0.0, GRAVITY, 0.0]))
    rate = rates_of(R, mounting)
    return Imu(
        name=segment, segment=segment, time=TIME, specific_force=force, angular_rate=rate, R_segment_sensor=known
    )


def knee(off: tuple[float, float] = (0.2, -0.3), still_thigh: bool = False) -> list[Imu]:
    """Two sensors, of which the pose took the turns about the long axes for others than they are, by `off`."""
    thigh, shank = leg()
    if still_thigh:
        thigh, shank = np.tile(np.eye(3), (len(TIME), 1, 1)), np.swapaxes(thigh, 1, 2) @ shank
    truth = mountings(7)
    return [
        sensor(name, R, mounting, yaw_matrix(angle) @ mounting)
        for name, R, mounting, angle in zip(segments_beside("knee_r"), (thigh, shank), truth, off, strict=True)
    ]


def off_truth_deg(imu: Imu, k: int) -> float:
    assert imu.R_segment_sensor is not None
    return float(np.degrees(np.linalg.norm(rotvec_from_matrix(imu.R_segment_sensor @ mountings(7)[k].T))))


def test_mountings_are_turned_about_the_long_axis() -> None:
    found = mount_by_movements(knee(), POSE, [KNEE], set())
    assert found.corrected == ("thigh_r", "shank_r")
    assert (found.joints, found.notes) == (("knee_r",), ())
    assert max(off_truth_deg(imu, k) for k, imu in enumerate(found.imus)) < 1.0


def test_a_given_mounting_and_a_thigh_that_rests_stay() -> None:
    imus = knee()
    found = mount_by_movements(imus, POSE, [KNEE], {"thigh_r"})
    assert found.corrected == ("shank_r",)
    assert found.imus[0] is imus[0]
    found = mount_by_movements(knee(still_thigh=True), POSE, [KNEE], set())
    assert found.corrected == ("shank_r",)
    assert off_truth_deg(found.imus[1], 1) < 1.0


def at(start_s: float, end_s: float, joint: str = "knee_r") -> HingeMovement:
    return HingeMovement(joint=joint, start_s=start_s, end_s=end_s)


@pytest.mark.parametrize(
    "pose, movement, why",
    [
        (None, KNEE, "needs sensors on thigh_r and shank_r that a held pose calibrates"),
        (POSE, at(2.5, 7.5, "elbow_l"), "needs sensors on upper_arm_l and forearm_l"),
        (POSE, at(50.0, 55.0), "did not record 1 s of it"),
        (POSE, at(-1e20, -1e19), "did not record 1 s of it"),
        (POSE, at(0.0, 2.0), "bent by less than 0.5 rad/s"),
    ],
)
def test_what_tells_nothing_leaves_the_pose(pose: HeldPose | None, movement: HingeMovement, why: str) -> None:
    imus = knee()
    found = mount_by_movements(imus, pose, [movement], set())
    assert found.imus == tuple(imus)
    assert not found.joints
    assert why in found.notes[0]
    assert movement.joint in found.notes[0]


def test_another_movement_than_bending_is_not_believed() -> None:
    found = mount_by_movements(knee(off=(1.2, 1.2)), POSE, [KNEE], set())
    assert "another axis than that of bending" in found.notes[0]


def test_arms_held_out_tell_nothing_beside_their_elbows_axis() -> None:
    thigh, shank = leg()
    imus = [sensor(n, R, np.eye(3), np.eye(3)) for n, R in zip(segments_beside("elbow_r"), (thigh, shank), strict=True)]
    found = mount_by_movements(imus, replace(POSE, kind="t"), [at(2.5, 7.5, "elbow_r")], set())
    assert "upright in the held pose" in found.notes[0]


@pytest.mark.parametrize("joint", HINGE_JOINTS)
def test_the_flexion_axis_lies_level_in_the_pose(joint: str) -> None:
    for segment in segments_beside(joint):
        level = segment_in_pose(segment, "n") @ flexion_axis(joint)
        assert np.allclose(np.abs(level), [0.0, 0.0, 1.0], atol=1e-9)


def test_what_was_upright_stays_so() -> None:
    up, found = np.array([0.0, 1.0, 0.0]), np.array([0.3, 0.1, 0.9])
    before = mountings(3)[0]
    after = turned_to_axis(before, found, AXIS, up)
    assert np.allclose(after.T @ up, before.T @ up)
    turned = after @ before.T @ found
    assert turned[0] == pytest.approx(0.0, abs=1e-9)
    assert turned[2] > 0


def test_an_axis_tells_a_heading_unless_it_is_upright() -> None:
    thigh, shank = leg()
    angle = heading_by_hinge(thigh, yaw_matrix(-0.4) @ shank, AXIS)
    assert angle == pytest.approx(0.4, abs=1e-6)
    lying = matrix_from_rotvec(np.array([np.pi / 2, 0.0, 0.0]))
    assert heading_by_hinge(lying @ np.tile(np.eye(3), (9, 1, 1)), np.tile(lying, (9, 1, 1)), AXIS) is None
    assert heading_by_hinge(thigh[:0], shank[:0], AXIS) is None


def test_a_movement_is_of_a_hinge_and_takes_time() -> None:
    with pytest.raises(KinefuseError, match="joint must be one of knee_l"):
        HingeMovement(joint="hip_r", start_s=0.0, end_s=1.0)
    with pytest.raises(KinefuseError, match="end_s must be later"):
        HingeMovement(joint="knee_r", start_s=1.0, end_s=1.0)
    with pytest.raises(KinefuseError, match="movement of knee_r appears twice"):
        Recording(movements=(KNEE, at(8.0, 9.0)))
