"""Forward kinematics of the 22 segments: batched over any leading shape, differentiable (PyTorch).

In the rest pose every segment frame equals the body frame, so a joint simply follows its parent:
``p[child] = p[parent] + R_world_parent @ (rest[child] - rest[parent])``.
"""

import torch

from kinefuse.conventions import SEGMENT_PARENTS, SEGMENTS

N_SEGMENTS = len(SEGMENTS)
PARENT_OF = torch.tensor([max(p, 0) for p in SEGMENT_PARENTS])


def _depths() -> list[list[int]]:
    """Segments grouped by their distance from the pelvis, so that each group is one batched product."""
    depth = [0] * N_SEGMENTS
    for s, parent in enumerate(SEGMENT_PARENTS):
        depth[s] = 0 if parent < 0 else depth[parent] + 1
    return [[s for s in range(N_SEGMENTS) if depth[s] == d] for d in range(1, max(depth) + 1)]


LEVELS = _depths()


def _ancestry() -> torch.Tensor:
    """Boolean (22, 22): ``[s, a]`` is true if `a` is `s` or one of its ancestors."""
    table = torch.eye(N_SEGMENTS, dtype=torch.bool)
    for s, parent in enumerate(SEGMENT_PARENTS):
        if parent >= 0:
            table[s] |= table[parent]
    return table


IS_ANCESTOR = _ancestry()


def world_from_local(R_parent_segment: torch.Tensor) -> torch.Tensor:
    """Chain rotations from the pelvis outwards.

    Parameters
    ----------
    R_parent_segment : (..., 22, 3, 3); the pelvis's is its rotation in the world

    Returns
    -------
    R_world_segment : (..., 22, 3, 3)
    """
    world = [R_parent_segment[..., 0, :, :]] + [torch.empty(0)] * (N_SEGMENTS - 1)
    for level in LEVELS:
        parents = torch.stack([world[SEGMENT_PARENTS[s]] for s in level], dim=-3)
        chained = parents @ R_parent_segment[..., level, :, :]
        for i, s in enumerate(level):
            world[s] = chained[..., i, :, :]
    return torch.stack(world, dim=-3)


def local_from_world(R_world_segment: torch.Tensor) -> torch.Tensor:
    """Inverse of `world_from_local`: (..., 22, 3, 3) world rotations to rotations relative to the parent."""
    relative = R_world_segment[..., PARENT_OF, :, :].transpose(-1, -2) @ R_world_segment
    return torch.cat([R_world_segment[..., :1, :, :], relative[..., 1:, :, :]], dim=-3)


def joint_positions(
    R_world_segment: torch.Tensor, root_position: torch.Tensor, rest_positions: torch.Tensor
) -> torch.Tensor:
    """Return joint centres (..., 22, 3) in the world, metres.

    Parameters
    ----------
    R_world_segment : (..., 22, 3, 3)
    root_position : (..., 3) of the root joint, metres
    rest_positions : (..., 22, 3) joints in the rest pose, metres, leading shape broadcastable
    """
    bones = rest_positions - rest_positions[..., PARENT_OF, :]
    steps = (R_world_segment[..., PARENT_OF, :, :] @ bones[..., None])[..., 0]
    # A joint's place is the sum of the steps of all its ancestors; the root's own step is zero.
    chain = IS_ANCESTOR.to(steps.dtype).to(steps.device)
    return root_position[..., None, :] + torch.einsum("sa,...ai->...si", chain, steps)


def points_on_segments(
    R_world_segment: torch.Tensor,
    positions: torch.Tensor,
    rest_positions: torch.Tensor,
    rest_points: torch.Tensor,
    segment: torch.Tensor,
) -> torch.Tensor:
    """Return points (..., K, 3) in the world, metres, that move rigidly with one segment each.

    Parameters
    ----------
    R_world_segment : (..., 22, 3, 3)
    positions : (..., 22, 3) joints in the world, metres
    rest_positions : (22, 3) joints in the rest pose, metres
    rest_points : (K, 3) the points in the rest pose, metres
    segment : (K,) index of the segment that each moves with
    """
    arms = rest_points - rest_positions[segment]
    return positions[..., segment, :] + torch.einsum("...kij,kj->...ki", R_world_segment[..., segment, :, :], arms)


def skin_vertices(
    R_world_segment: torch.Tensor,
    positions: torch.Tensor,
    rest_positions: torch.Tensor,
    rest_vertices: torch.Tensor,
    skin_segment: torch.Tensor,
    skin_weight: torch.Tensor,
) -> torch.Tensor:
    """Linear blend skinning of a surface.

    Parameters
    ----------
    R_world_segment : (..., 22, 3, 3)
    positions : (..., 22, 3) joints in the world, metres
    rest_positions : (22, 3) metres
    rest_vertices : (V, 3) in the rest pose, metres
    skin_segment : (V, W) indices of the segments that move a vertex
    skin_weight : (V, W) their weights, adding up to one

    Returns
    -------
    (..., V, 3) metres
    """
    shift = positions - (R_world_segment @ rest_positions[..., None])[..., 0]
    out = torch.zeros(())
    for w in range(skin_segment.shape[1]):
        segment = skin_segment[:, w]
        moved = torch.einsum("...vij,vj->...vi", R_world_segment[..., segment, :, :], rest_vertices)
        out = out + skin_weight[:, w, None] * (moved + shift[..., segment, :])
    return out
