"""Knees and elbows set the headings of their sensors right."""

import numpy as np
import pytest

from kinefuse.body.angles import zxy_angles
from kinefuse.inertial.hinges import hinge_headings, mean_rotation, refined_since_pose
from kinefuse.rotations import geodesic_angle, matrix_from_euler, matrix_from_rotvec

TIME = np.arange(600) / 50.0
PAIR = ("thigh_r", "shank_r")


def leg(held_s: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """A thigh that swings about all axes after a pose, and a shank that bends by up to 60 degrees and no other way."""
    ramp = np.clip(TIME - held_s, 0.0, 1.0)
    angles = np.stack([0.4 * np.sin(6 * TIME), 0.15 * np.sin(4 * TIME), 0.15 * np.cos(3 * TIME)], axis=-1)
    thigh = matrix_from_euler("ZXY", ramp[:, None] * angles)
    return thigh, thigh @ matrix_from_euler("Z", -ramp[:, None] * (0.5 + 0.5 * np.sin(6 * TIME))[:, None])


def test_a_wrong_heading_keeps_the_pose_and_its_refinement_undoes_it() -> None:
    thigh, _ = leg()
    held = mean_rotation(thigh[:150])
    wrong = refined_since_pose(thigh, held, 0.3)
    assert np.allclose(wrong[:150], thigh[:150], atol=1e-9)
    assert geodesic_angle(wrong, thigh).max() > 0.1
    assert np.allclose(refined_since_pose(wrong, held, -0.3), thigh, atol=1e-12)


@pytest.mark.parametrize("off", [-0.3, 0.15, 0.3])
def test_a_shank_put_on_askew_is_found_by_its_hinge(off: float) -> None:
    thigh, shank = leg()
    held = (np.eye(3), np.eye(3))
    wrong = refined_since_pose(shank, held[1], off)
    angles = hinge_headings(thigh, wrong, held, PAIR, np.array([False, True]))
    assert angles[0] == 0.0
    assert angles[1] == pytest.approx(-off, abs=0.05)


def test_both_wrong_leave_little_adduction() -> None:
    thigh, shank = leg()
    held = (np.eye(3), np.eye(3))
    wrong = [refined_since_pose(R, np.eye(3), off) for R, off in ((thigh, 0.2), (shank, -0.25))]
    angles = hinge_headings(wrong[0], wrong[1], held, PAIR, np.ones(2, dtype=bool))
    right = [refined_since_pose(R, np.eye(3), angle) for R, angle in zip(wrong, angles, strict=True)]
    before, after = (np.abs(zxy_angles(np.swapaxes(a, 1, 2) @ b)[:, 1]).mean() for a, b in (wrong, right))
    assert after < 0.3 * before


def test_stillness_tells_nothing() -> None:
    still = np.tile(np.eye(3), (50, 1, 1))
    assert np.allclose(hinge_headings(still, still, (np.eye(3), np.eye(3)), PAIR, np.ones(2, dtype=bool)), 0.0)


def test_mean_rotation_lies_between() -> None:
    pair = matrix_from_rotvec(np.array([[0.1, 0.0, 0.0], [0.5, 0.0, 0.0]]))
    assert np.allclose(mean_rotation(pair), matrix_from_rotvec(np.array([0.3, 0.0, 0.0])))
