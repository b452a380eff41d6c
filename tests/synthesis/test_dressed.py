"""Surfaces that fit anyone's joints, under clothes."""

import numpy as np
import torch
from matte_scenes import motion_of

from kinefuse.body.kinematics import skin_vertices
from kinefuse.body.models import load_anny
from kinefuse.conventions import JOINT_INDEX, SEGMENT_INDEX
from kinefuse.synthesis.dressed import (
    FAR_END,
    draw_garments,
    dress,
    faces,
    middle_of,
    normals,
    pose_vertices,
    rest_vertices,
    skin_weights,
)

BODY = load_anny()


def test_a_body_with_its_own_bones_keeps_its_surface() -> None:
    shape = torch.tensor(np.random.default_rng(0).normal(size=(2, 10)), dtype=torch.float32)
    rest = torch.tensor(BODY.rest_positions(shape.numpy()), dtype=torch.float32)
    assert BODY.surface is not None
    expected = BODY.surface.rest_vertices(shape[1].numpy())
    np.testing.assert_allclose(rest_vertices(shape, rest)[1].numpy(), expected, atol=1e-5)


def test_a_longer_thigh_moves_what_is_below_and_stretches_what_is_along_it() -> None:
    shape = torch.zeros(1, 10)
    rest = torch.tensor(BODY.rest_positions(np.zeros(10)), dtype=torch.float32)[None]
    longer = rest.clone()
    below = [JOINT_INDEX[name] for name in ("knee_l", "ankle_l", "mtp_l")]
    longer[:, below] += torch.tensor([0.0, -0.1, 0.0])
    moved = (rest_vertices(shape, longer) - rest_vertices(shape, rest))[0]
    weight = skin_weights()
    feet = weight[:, SEGMENT_INDEX["foot_l"]] > 0.99
    np.testing.assert_allclose(moved[feet].numpy(), np.tile([0.0, -0.1, 0.0], (int(feet.sum()), 1)), atol=1e-5)
    other = weight[:, [SEGMENT_INDEX["head"], SEGMENT_INDEX["shank_r"]]].sum(1) > 0.99
    assert moved[other].abs().max() < 1e-6
    thigh = weight[:, SEGMENT_INDEX["thigh_l"]] > 0.99
    assert moved[thigh, 1].min() < -0.075
    assert moved[thigh, 1].max() > -0.06


def test_poses_are_those_of_the_body_model() -> None:
    motion = motion_of(2)
    rest = rest_vertices(motion.shape, motion.rest_positions)
    R, places = motion.R_world_segment[:, 0], motion.positions[:, 0]
    surface = BODY.surface
    assert surface is not None
    expected = skin_vertices(
        R[1],
        places[1],
        motion.rest_positions[1],
        rest[1],
        torch.as_tensor(surface.skin_segment),
        torch.as_tensor(surface.skin_weight, dtype=torch.float32),
    )
    got = pose_vertices(rest, motion.rest_positions, R, places)[1]
    np.testing.assert_allclose(got.numpy(), expected.numpy(), atol=1e-5)


def test_clothes_stand_off_by_a_few_centimetres_outwards() -> None:
    rng = torch.Generator().manual_seed(3)
    motion = motion_of(4)
    naked = rest_vertices(motion.shape, motion.rest_positions)
    garments = draw_garments(4, rng)
    assert garments.min() >= 0
    assert 0.01 < garments.max() <= 0.03
    assert (garments[:, SEGMENT_INDEX["hand_l"]] == 0).all()
    off = dress(naked, garments, rng) - naked
    outwards = (off * normals(naked)).sum(-1)
    assert outwards.min() >= -1e-6
    assert 0.015 < outwards.max() < 0.03 * 1.41


def test_normals_point_outwards_and_the_middle_is_the_volumes() -> None:
    rest = rest_vertices(torch.zeros(1, 10), torch.tensor(BODY.rest_positions(np.zeros((1, 10))), dtype=torch.float32))
    corner = rest[0][faces()].double()
    volumes = (corner[:, 0] * torch.linalg.cross(corner[:, 1], corner[:, 2])).sum(-1) / 6
    assert 0.05 < volumes.sum() < 0.08
    grown = (rest + 0.01 * normals(rest))[0][faces()].double()
    assert (grown[:, 0] * torch.linalg.cross(grown[:, 1], grown[:, 2])).sum() / 6 > volumes.sum() + 0.01
    shift = torch.tensor([3.0, 1.0, -2.0])
    expected = (volumes[:, None] * corner.sum(1) / 4).sum(0) / volumes.sum()
    np.testing.assert_allclose(middle_of(rest + shift)[0], expected + shift, atol=1e-4)


def test_bones_end_at_the_next_joint() -> None:
    assert FAR_END[SEGMENT_INDEX["thigh_l"]] == SEGMENT_INDEX["shank_l"]
    assert FAR_END[SEGMENT_INDEX["thorax"]] == SEGMENT_INDEX["neck"]
    assert FAR_END[SEGMENT_INDEX["hand_r"]] == SEGMENT_INDEX["hand_r"]
