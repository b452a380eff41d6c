"""Headings of sensors, which only the body that they are on can bring together."""

import numpy as np
import pytest

from kinefuse.body.angles import ANATOMICAL_OFFSETS
from kinefuse.conventions import IMU_SITES, SEGMENT_INDEX
from kinefuse.inertial.heading import common_heading, heading_in_pose, headings_over_time, neighbour
from kinefuse.inertial.mounting import segment_in_pose
from kinefuse.rotations import matrix_from_euler, yaw_matrix


def test_heading_in_a_held_pose() -> None:
    for kind in "nt":
        own = yaw_matrix(-0.7) @ segment_in_pose("forearm_l", kind)
        assert heading_in_pose(own, "forearm_l", kind) == pytest.approx(0.7)


def test_segments_that_flex_about_one_axis_face_one_way() -> None:
    """Every sensor's world has a heading of its own; each segment swings in the plane in which the person faces."""
    rng = np.random.default_rng(0)
    time = np.arange(200) / 50.0
    turned, own = rng.uniform(-np.pi, np.pi, len(IMU_SITES)), {}
    for angle, site in zip(turned, IMU_SITES, strict=True):
        swing = matrix_from_euler("Z", 0.5 * np.sin(time + rng.uniform(0, 6))[:, None])
        own[site] = yaw_matrix(-angle) @ swing @ ANATOMICAL_OFFSETS[SEGMENT_INDEX[site]].T
    found = headings_over_time(own)
    relative = np.array([found[site] for site in IMU_SITES]) - turned
    assert np.allclose(np.exp(1j * relative), np.exp(1j * relative[0]), atol=1e-9)
    assert common_heading(found) is None


def test_a_shared_heading_is_recognised_in_spite_of_one_sensor_on_askew() -> None:
    agreeing = {site: 0.4 + 0.05 * i for i, site in enumerate(IMU_SITES)}
    assert common_heading(agreeing | {"head": 2.5}) == pytest.approx(0.7, abs=0.1)
    assert common_heading({"pelvis": 0.1, "thorax": 0.1}) is None


def test_neighbours_lead_to_the_pelvis_over_missing_sensors() -> None:
    assert neighbour("foot_l", {"shank_l": 0, "pelvis": 0}) == "shank_l"
    assert neighbour("foot_l", {"head": 0, "pelvis": 0}) == "pelvis"
    assert neighbour("forearm_r", {"foot_l": 0}) == "foot_l"
