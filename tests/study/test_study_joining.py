"""Motions one after the other: both stay as they are, and nothing jumps between them."""

import numpy as np
import pytest
from evaluation_examples import RATE_HZ, swinging

from kinefuse.body.kinematics import joint_positions
from kinefuse.motion import Motion
from kinefuse.rotations import geodesic_angle, rotvec_from_matrix
from kinefuse.study.joining import heading_of, joined, led_on, moved, smooth_step


@pytest.fixture(scope="module")
def pair() -> tuple[Motion, Motion]:
    return swinging(60, seed=1), led_on(swinging(60, seed=1), elsewhere(), 0.6)


def elsewhere() -> Motion:
    """The same person later, at another place, facing another way."""
    return moved(swinging(140, seed=1).frames(slice(90, 140)), 2.0, np.array([3.0, 0.2, -1.0]))


def test_both_stay_as_they_are(pair: tuple[Motion, Motion]) -> None:
    first, second = pair
    whole = joined(first, second, 0.6)
    assert len(whole.time) == 60 + 29 + 50
    np.testing.assert_array_equal(whole.R_world_segment[:60], first.R_world_segment)
    np.testing.assert_array_equal(whole.positions[-50:], second.positions)
    np.testing.assert_allclose(np.diff(whole.time), 1 / RATE_HZ)


def test_velocity_and_acceleration_go_on(pair: tuple[Motion, Motion]) -> None:
    whole = joined(*pair, 0.6)
    turns = rotvec_from_matrix(np.swapaxes(whole.R_world_segment[:-1], -1, -2) @ whole.R_world_segment[1:]) * RATE_HZ
    change = np.linalg.norm(np.diff(turns, axis=0), axis=-1).max(-1) * RATE_HZ
    acceleration = np.linalg.norm(np.diff(whole.positions, 2, axis=0), axis=-1).max(-1) * RATE_HZ**2
    for values in (change, acceleration):
        seams = values[[57, 58, 59, 60, 86, 87, 88, 89]]
        assert seams.max() < 1.3 * values[5:50].max()


def test_bones_keep_their_length(pair: tuple[Motion, Motion]) -> None:
    import torch

    whole = joined(*pair, 0.6)
    arrays = (whole.R_world_segment, whole.positions[:, 0], pair[0].rest_positions)
    again = joint_positions(*(torch.as_tensor(array) for array in arrays)).numpy()
    np.testing.assert_allclose(again, whole.positions, atol=1e-9)


def test_led_on_faces_and_walks_on(pair: tuple[Motion, Motion]) -> None:
    first, second = pair
    off = heading_of(first.R_world_segment[-1, 0]) - heading_of(second.R_world_segment[0, 0])
    assert abs(np.angle(np.exp(1j * off))) < 1e-9
    walked = second.positions[0, 0] - first.positions[-1, 0]
    assert abs(np.hypot(walked[0], walked[2]) - 0.6 * np.hypot(0.8, 0.1)) < 0.1
    assert second.positions[0, 0, 1] == pytest.approx(elsewhere().positions[0, 0, 1])


def test_moved_turns_everything() -> None:
    motion = swinging(10)
    turn = moved(motion, np.pi / 2, np.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(geodesic_angle(motion.R_world_segment, turn.R_world_segment), np.pi / 2)
    x, y, z = motion.positions[3, 4]
    np.testing.assert_allclose(turn.positions[3, 4], [z + 1.0, y, -x], atol=1e-12)
    knee = motion.angle("knee_angle_r")
    np.testing.assert_allclose(turn.angle("knee_angle_r"), knee, atol=1e-9)


def test_smooth_step_has_no_slope_at_its_ends() -> None:
    share = np.array([-1.0, 0.0, 1e-4, 0.5, 1 - 1e-4, 1.0, 2.0])
    np.testing.assert_allclose(smooth_step(share), [0, 0, 1e-11, 0.5, 1 - 1e-11, 1, 1], atol=2e-12)
