"""Mountings from held poses: known answers, any askew sensor, headings in common, and sensors that tell nothing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.conventions import GRAVITY, IMU_SITES
from kinefuse.inertial.mounting import mount_by_pose, segment_in_pose, side_of
from kinefuse.recordings import HeldPose, Imu
from kinefuse.rotations import geodesic_angle, matrix_from_rotvec, yaw_matrix

POSE = HeldPose(kind="n", start_s=1.0, end_s=2.0)
TIME = np.arange(300) / 100.0
WORLD_FROM_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def resting(segment: str, R_body_sensor: np.ndarray, heading: float | None = None, noise: float = 0.0) -> Imu:
    """A sensor at rest on a body that faces X; with a heading, it has a device's orientation too."""
    force = np.random.default_rng(0).normal(GRAVITY * R_body_sensor.T[:, 1], noise, (len(TIME), 3))
    R = None
    if heading is not None:
        R = np.tile(WORLD_FROM_Z_UP.T @ yaw_matrix(heading) @ R_body_sensor, (len(TIME), 1, 1))
    rate = np.zeros((len(TIME), 3))
    return Imu(name=segment, segment=segment, time=TIME, specific_force=force, angular_rate=rate, R_ref_sensor=R)


def with_lid(towards: np.ndarray) -> np.ndarray:
    """R_body_sensor of a sensor whose X points up and whose Z looks `towards` a horizontal direction."""
    z = towards / np.linalg.norm(towards)
    return np.stack([[0.0, 1.0, 0.0], np.cross(z, [0.0, 1.0, 0.0]), z], axis=1)


def mounting(imu: Imu) -> np.ndarray:
    assert imu.R_segment_sensor is not None
    return imu.R_segment_sensor


def test_a_lid_on_the_outside_of_the_thigh() -> None:
    found = mount_by_pose([resting("thigh_r", with_lid(np.array([0.0, 0.0, 1.0])))], POSE)
    assert found.lid
    assert found.mounted == ("thigh_r",)
    # The sensor's X is the segment's up, its Z the segment's right.
    np.testing.assert_allclose(mounting(found.imus[0]), [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)


def test_the_lid_of_a_hanging_arm_looks_up_in_the_rest_pose() -> None:
    for side, out in (("r", 1.0), ("l", -1.0)):
        found = mount_by_pose([resting(f"forearm_{side}", with_lid(np.array([0.0, 0.0, out])))], POSE)
        np.testing.assert_allclose(mounting(found.imus[0]) @ [0, 0, 1], [0, 1, 0], atol=1e-12)
        # Its X points up the hanging arm: to the trunk.
        np.testing.assert_allclose(mounting(found.imus[0]) @ [1, 0, 0], [0, 0, -out], atol=1e-12)


def test_feet_tell_that_the_lid_faces_the_skin() -> None:
    forward_lean = matrix_from_rotvec(np.array([0.0, 0.0, -0.6]))
    foot = forward_lean @ np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    upside_down = foot @ np.diag([1.0, -1.0, -1.0])
    thigh = with_lid(np.array([0.0, 0.0, -1.0]))
    found = mount_by_pose([resting("foot_r", upside_down), resting("thigh_r", thigh)], POSE)
    np.testing.assert_allclose(mounting(found.imus[0]), upside_down, atol=1e-9)
    np.testing.assert_allclose(mounting(found.imus[1]), thigh, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(IMU_SITES),
    st.sampled_from(["n", "t"]),
    st.lists(st.floats(-0.35, 0.35), min_size=3, max_size=3),
)
def test_axes_along_the_segment_come_out_level(segment: str, kind: str, askew: list[float]) -> None:
    pose = HeldPose(kind=kind, start_s=1.0, end_s=2.0)
    R_segment_sensor = matrix_from_rotvec(np.array(askew))
    found = mount_by_pose([resting(segment, segment_in_pose(segment, kind) @ R_segment_sensor)], pose)
    assert not found.lid
    hanging = segment_in_pose(segment, kind)
    up = R_segment_sensor.T @ hanging.T @ [0.0, 1.0, 0.0]
    np.testing.assert_allclose(hanging @ mounting(found.imus[0]) @ up, [0.0, 1.0, 0.0], atol=1e-9)
    assert geodesic_angle(mounting(found.imus[0]), np.eye(3)) <= np.linalg.norm(askew) + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(IMU_SITES), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_a_lid_that_leans_costs_no_heading(segment: str, lean: float, turn: float) -> None:
    if segment.startswith("foot"):
        return
    # Leaning about the lid's own horizontal axis, and turning about the lid, leave where it looks.
    nominal = with_lid(side_of(segment))
    true = nominal @ matrix_from_rotvec(np.array([0.0, lean, 0.0])) @ matrix_from_rotvec(np.array([0.0, 0.0, turn]))
    found = mount_by_pose([resting(segment, true)], POSE)
    np.testing.assert_allclose(segment_in_pose(segment, "n") @ mounting(found.imus[0]), true, atol=1e-9)


def test_devices_with_one_heading_put_the_odd_one_right() -> None:
    sides = {s: with_lid(side_of(s)) for s in ("pelvis", "thigh_l", "thigh_r", "shank_l", "shank_r")}
    sides["shank_r"] = with_lid(np.array([0.0, 0.0, 1.0]))
    imus = [resting(s, R, heading=2.0) for s, R in sides.items()]
    found = mount_by_pose(imus, POSE)
    assert found.one_heading
    for imu, true in zip(found.imus, sides.values(), strict=True):
        np.testing.assert_allclose(mounting(imu), true, atol=1e-9)


def test_devices_with_headings_of_their_own_do_not_vote() -> None:
    segments = ("pelvis", "thigh_l", "thigh_r", "shank_l", "shank_r")
    imus = [resting(s, with_lid(side_of(s)), heading=2.0 * n) for n, s in enumerate(segments)]
    found = mount_by_pose(imus, POSE)
    assert not found.one_heading
    for imu in found.imus:
        np.testing.assert_allclose(mounting(imu), with_lid(side_of(imu.segment)), atol=1e-9)


def test_what_is_known_moving_or_elsewhere_stays() -> None:
    known = replace(resting("pelvis", np.eye(3)), R_segment_sensor=np.diag([-1.0, 1.0, -1.0]))
    moving = resting("head", np.eye(3), noise=3.0)
    hand = resting("hand_l", np.eye(3))
    late = replace(resting("thorax", np.eye(3)), time=TIME + 100.0)
    imus = (known, moving, hand, late)
    found = mount_by_pose(imus, POSE)
    assert found.mounted == ()
    assert found.imus == imus


def test_arms_held_out_tell_no_heading_by_their_lids() -> None:
    pose = HeldPose(kind="t", start_s=1.0, end_s=2.0)
    lid_up = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
    imus = [resting(s, with_lid(side_of(s))) for s in ("pelvis", "thigh_l", "thigh_r")]
    found = mount_by_pose([*imus, resting("forearm_r", lid_up)], pose)
    assert found.mounted == ("pelvis", "thigh_l", "thigh_r")


@pytest.mark.parametrize("kind", ["n", "t"])
def test_noise_moves_a_mounting_little(kind: str) -> None:
    pose = HeldPose(kind=kind, start_s=1.0, end_s=2.0)
    found = mount_by_pose([resting("thigh_l", with_lid(side_of("thigh_l")), noise=0.1)], pose)
    off = geodesic_angle(mounting(found.imus[0]), with_lid(side_of("thigh_l")))
    assert np.degrees(off) < 0.5
