"""Segments without a sensor, from those that have one."""

import numpy as np
from examples import swinging_motion

from kinefuse.body.angles import joint_angles, orientations_from_angles
from kinefuse.conventions import COORDINATES, IMU_SITES, SEGMENT_INDEX, SEGMENTS, SITE_SEGMENT
from kinefuse.estimators.whole_body import whole_body
from kinefuse.rotations import geodesic_angle, yaw_matrix

TRUTH = swinging_motion(20).R_world_segment


def only(*segments: str) -> np.ndarray:
    R = np.full_like(TRUTH, np.nan)
    for name in segments:
        R[:, SEGMENT_INDEX[name]] = TRUTH[:, SEGMENT_INDEX[name]]
    return R


def test_thirteen_sensors_make_the_body_that_angles_make() -> None:
    found = whole_body(only(*IMU_SITES))
    expected = joint_angles(TRUTH, np.zeros((len(TRUTH), 3)))
    for name in ("wrist", "mtp"):  # what lies beyond the last sensor is at rest
        expected[:, [i for i, c in enumerate(COORDINATES) if c.startswith(name)]] = 0.0
    assert geodesic_angle(found, orientations_from_angles(expected)).max() < 1e-6
    assert np.allclose(found[:, SITE_SEGMENT], TRUTH[:, SITE_SEGMENT], atol=1e-12)


def test_a_missing_thigh_shares_between_pelvis_and_shank() -> None:
    found = whole_body(only("pelvis", "shank_l"))
    pelvis, thigh, shank = (found[:, SEGMENT_INDEX[name]] for name in ("pelvis", "thigh_l", "shank_l"))
    assert np.allclose(geodesic_angle(pelvis, thigh), geodesic_angle(thigh, shank), atol=1e-9)


def test_arms_without_sensors_hang() -> None:
    found = whole_body(only("pelvis", "thorax"))
    angles = joint_angles(found, np.zeros((len(found), 3)))
    arms = [i for i, name in enumerate(COORDINATES) if name.startswith(("arm", "elbow", "pro_sup", "wrist"))]
    assert np.abs(angles[:, arms]).max() < 1e-9


def test_without_pelvis_it_stands_upright_as_the_thorax_faces() -> None:
    R = only("thorax")
    R[:, SEGMENT_INDEX["thorax"]] = yaw_matrix(0.8)
    found = whole_body(R)
    assert np.allclose(found[:, SEGMENT_INDEX["pelvis"]], yaw_matrix(0.8))
    assert np.isfinite(found).all()
    assert found.shape[1] == len(SEGMENTS)
