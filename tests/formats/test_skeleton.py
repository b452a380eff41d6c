"""Local rotations, held gaps and the tips of the last bones."""

from dataclasses import replace

import numpy as np
import pytest
from motion_examples import make_motion, rest_positions

from kinefuse.conventions import JOINT_INDEX, SEGMENT_INDEX, SEGMENT_PARENTS
from kinefuse.errors import KinefuseError
from kinefuse.formats.skeleton import gaps, local_rotations, tip_offsets


def test_local_rotations_compose_to_the_world() -> None:
    motion = make_motion(frames=5)
    local, root = local_rotations(motion)
    world = local.copy()
    for segment, parent in enumerate(SEGMENT_PARENTS[1:], start=1):
        world[:, segment] = world[:, parent] @ local[:, segment]
    np.testing.assert_allclose(world, motion.R_world_segment, atol=1e-12)
    np.testing.assert_array_equal(root, motion.positions[:, 0])


def test_a_segment_that_is_never_known_keeps_its_rest_pose() -> None:
    motion = make_motion(frames=4)
    rotations = motion.R_world_segment.copy()
    head = SEGMENT_INDEX["head"]
    rotations[:, head] = np.nan
    local, _ = local_rotations(replace(motion, R_world_segment=rotations), missing="hold")
    np.testing.assert_allclose(local[:, head], np.broadcast_to(np.eye(3), (4, 3, 3)), atol=1e-12)


def test_gaps_at_the_start_take_the_first_known_value() -> None:
    motion = make_motion(frames=5)
    positions = motion.positions.copy()
    positions[[0, 1, 3], 0] = np.nan
    motion = replace(motion, positions=positions)
    assert [finding.about for finding in gaps(motion)] == ["position of the root"]
    _, root = local_rotations(motion, missing="hold")
    np.testing.assert_array_equal(root, positions[[2, 2, 2, 2, 4], 0])


def test_mistakes_are_named() -> None:
    motion = make_motion(frames=2)
    with pytest.raises(KinefuseError, match="'error' or 'hold'"):
        local_rotations(motion, missing="guess")
    with pytest.raises(KinefuseError, match="rest pose"):
        local_rotations(replace(motion, rest_positions=np.full((22, 3), np.nan)), missing="hold")


def test_tips_point_where_the_body_goes_on() -> None:
    rest = rest_positions()
    tips = tip_offsets(rest)
    assert set(tips) == {JOINT_INDEX[name] for name in ("mtp_l", "mtp_r", "head", "wrist_l", "wrist_r")}
    assert tips[JOINT_INDEX["mtp_l"]][0] > 0.03
    assert tips[JOINT_INDEX["head"]][1] > 0.05
    assert tips[JOINT_INDEX["wrist_l"]][2] < -0.1
    assert tips[JOINT_INDEX["wrist_r"]][2] > 0.1
