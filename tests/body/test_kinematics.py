"""Forward kinematics and skinning: a plain loop, round trips, gradients, and rigid motion."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.body.kinematics import (
    IS_ANCESTOR,
    LEVELS,
    N_SEGMENTS,
    joint_positions,
    local_from_world,
    skin_vertices,
    world_from_local,
)
from kinefuse.body.models import load_anny
from kinefuse.conventions import SEGMENT_PARENTS, SEGMENTS
from kinefuse.rotations import matrix_from_rotvec

BODY = load_anny()
REST = torch.as_tensor(BODY.rest_positions(np.zeros(BODY.n_shape)))
properties = settings(max_examples=20, deadline=None)


def random_rotations(seed: int, *lead: int) -> torch.Tensor:
    """Return rotations (*lead, 22, 3, 3) of every size."""
    rotvec = np.random.default_rng(seed).normal(0.0, 1.0, (*lead, N_SEGMENTS, 3))
    return torch.as_tensor(matrix_from_rotvec(rotvec))


def skin() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return vertices at rest, and the segments and weights that move them."""
    surface = BODY.surface
    assert surface is not None
    vertices = torch.as_tensor(surface.rest_vertices(np.zeros(BODY.n_shape)))
    return vertices, torch.as_tensor(surface.skin_segment), torch.as_tensor(surface.skin_weight)


def test_at_rest_nothing_moves() -> None:
    identity = torch.eye(3, dtype=torch.float64).expand(N_SEGMENTS, 3, 3)
    positions = joint_positions(identity, torch.zeros(3).double(), REST)
    torch.testing.assert_close(positions, REST)
    vertices, segment, weight = skin()
    torch.testing.assert_close(skin_vertices(identity, positions, REST, vertices, segment, weight), vertices)


def test_bending_one_knee_moves_its_foot_only() -> None:
    local = torch.eye(3, dtype=torch.float64).repeat(N_SEGMENTS, 1, 1)
    local[SEGMENTS.index("shank_r")] = torch.as_tensor(matrix_from_rotvec(np.array([0.0, 0.0, -np.pi / 2])))
    positions = joint_positions(world_from_local(local), torch.zeros(3).double(), REST)
    moved = [SEGMENTS[i] for i in range(N_SEGMENTS) if float((positions[i] - REST[i]).norm()) > 1e-9]
    assert moved == ["foot_r", "toes_r"]
    knee, ankle = SEGMENTS.index("shank_r"), SEGMENTS.index("foot_r")
    shank = REST[knee, 1] - REST[ankle, 1]
    assert positions[ankle, 0] - positions[knee, 0] == pytest.approx(-float(shank), abs=1e-3)


def test_levels_and_ancestors_cover_the_tree() -> None:
    assert sorted(s for level in LEVELS for s in level) == list(range(1, N_SEGMENTS))
    for s, parent in enumerate(SEGMENT_PARENTS):
        line = {s}
        while parent >= 0:
            line.add(parent)
            parent = SEGMENT_PARENTS[parent]
        assert set(np.flatnonzero(IS_ANCESTOR[s].numpy())) == line


@properties
@given(st.integers(0, 10_000))
def test_same_as_a_plain_loop(seed: int) -> None:
    local = random_rotations(seed).numpy()
    root, rest = np.random.default_rng(seed).normal(size=3), REST.numpy()
    world, place = [local[0]], [root]
    for s, parent in enumerate(SEGMENT_PARENTS[1:], start=1):
        world.append(world[parent] @ local[s])
        place.append(place[parent] + world[parent] @ (rest[s] - rest[parent]))
    R = world_from_local(torch.as_tensor(local))
    np.testing.assert_allclose(R.numpy(), np.array(world), atol=1e-12)
    np.testing.assert_allclose(joint_positions(R, torch.as_tensor(root), REST).numpy(), np.array(place), atol=1e-12)


@properties
@given(st.integers(0, 10_000))
def test_local_and_world_undo_each_other(seed: int) -> None:
    R = random_rotations(seed, 3)
    torch.testing.assert_close(world_from_local(local_from_world(R)), R)
    torch.testing.assert_close(local_from_world(world_from_local(R)), R)


@properties
@given(st.integers(0, 10_000))
def test_a_rigid_motion_of_the_world_moves_everything_alike(seed: int) -> None:
    R, generator = random_rotations(seed), np.random.default_rng(seed)
    turn = torch.as_tensor(matrix_from_rotvec(generator.normal(size=3)))
    shift, root = (torch.as_tensor(generator.normal(size=3)) for _ in range(2))
    before = joint_positions(R, root, REST)
    after = joint_positions(turn @ R, turn @ root + shift, REST)
    torch.testing.assert_close(after, before @ turn.T + shift)


def test_bones_keep_their_length() -> None:
    positions = joint_positions(random_rotations(1, 40), torch.zeros(40, 3).double(), REST)
    parents = list(SEGMENT_PARENTS[1:])
    lengths = (positions[:, 1:] - positions[:, parents]).norm(dim=-1)
    torch.testing.assert_close(lengths, (REST[1:] - REST[parents]).norm(dim=-1).expand(40, -1))


def test_every_leading_shape() -> None:
    R, root = random_rotations(2, 2, 3), torch.zeros(2, 3, 3).double()
    whole = joint_positions(world_from_local(R), root, REST)
    assert whole.shape == (2, 3, N_SEGMENTS, 3)
    torch.testing.assert_close(joint_positions(world_from_local(R[1, 2]), root[1, 2], REST), whole[1, 2])
    sizes = torch.stack([REST, 1.1 * REST])[:, None]  # a body for each of the first axis
    bodies = joint_positions(world_from_local(R), root, sizes)
    torch.testing.assert_close(bodies[1], joint_positions(world_from_local(R[1]), root[1], 1.1 * REST))
    vertices, segment, weight = skin()
    surface = skin_vertices(R, whole, REST, vertices[:50], segment[:50], weight[:50])
    assert surface.shape == (2, 3, 50, 3)
    assert joint_positions(R[:0], root[:0], REST).shape == (0, 3, N_SEGMENTS, 3)


def test_gradients() -> None:
    local = random_rotations(4, 1).requires_grad_()
    root = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    rest = REST.clone().requires_grad_()

    def chain(local: torch.Tensor, root: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
        return joint_positions(world_from_local(local), root, rest)

    assert torch.autograd.gradcheck(chain, (local, root, rest))
    assert torch.autograd.gradcheck(lambda R: local_from_world(R), (local,))


def test_skinning_keeps_a_rigid_motion_rigid() -> None:
    turn = torch.as_tensor(matrix_from_rotvec(np.array([0.4, -1.1, 2.0])))
    shift = torch.tensor([1.0, -2.0, 0.5]).double()
    R = turn.expand(N_SEGMENTS, 3, 3)
    vertices, segment, weight = skin()
    torch.testing.assert_close(weight.sum(-1), torch.ones(len(weight)).double())
    positions = joint_positions(R, shift, REST)
    moved = skin_vertices(R, positions, REST, vertices, segment, weight)
    torch.testing.assert_close(moved, vertices @ turn.T + shift)


def test_skin_of_one_segment_follows_it_rigidly() -> None:
    R = random_rotations(5)
    vertices, segment, weight = skin()
    positions = joint_positions(R, torch.zeros(3).double(), REST)
    moved = skin_vertices(R, positions, REST, vertices, segment, weight)
    alone = weight.max(-1).values > 1 - 1e-9
    owner = segment[torch.arange(len(segment)), weight.argmax(-1)]
    assert int(alone.sum()) > 100
    offset = (R[owner] @ (vertices - REST[owner])[..., None])[..., 0]
    torch.testing.assert_close(moved[alone], (positions[owner] + offset)[alone])
