"""Curvature of a pose's cost without its Jacobian: what hangs on a segment is summed once, for all turns above it.

A turn of a segment carries the whole subtree below it as one rigid body. So what that subtree's points and sensors tell
is first summed into one 6 by 6 matrix per segment, by motions (translation, turn) of a rigid body about the root; then
two segments, one the ancestor of the other, are coupled by the matrix of the lower one. This is the composite rigid
body algorithm (Featherstone 2008) with information in place of inertia. It costs an order less than products of
Jacobians, most of whose work goes into points that hang on neither.
"""

from dataclasses import dataclass

import torch

from kinefuse.body.kinematics import IS_ANCESTOR, N_SEGMENTS

N_BLOCKS = N_SEGMENTS + 1
"""The root's translation, then the turns of all segments: what a pose's change is made of, in threes."""


def _above() -> tuple[torch.Tensor, torch.Tensor]:
    """Return (69, 69) one where the row's unknown moves the column's or is of its block; and where strictly below."""
    table = torch.ones(N_BLOCKS, N_BLOCKS, dtype=torch.bool)
    table[1:, 0] = False
    table[1:, 1:] = IS_ANCESTOR.T
    below = table.T & ~torch.eye(N_BLOCKS, dtype=torch.bool)
    wide = (mask.repeat_interleave(3, 0).repeat_interleave(3, 1).double() for mask in (table, below))
    above_or_own, strictly_below = wide
    return above_or_own, strictly_below


ABOVE_OR_OWN, STRICTLY_BELOW = _above()
SUBTREE = torch.cat([torch.ones(1, N_SEGMENTS), IS_ANCESTOR.T.float()]).double()
"""(23, 22) one where the column's segment is moved by the row's block."""


CHUNK = 64
"""Frames that are worked on at a time: their matrices fit into a processor's cache."""


@dataclass(frozen=True)
class Frames:
    """Poses as motions of rigid bodies about the root.

    Attributes
    ----------
    root : (T, 3) metres, the point that motions are about
    motions : (T, 6, 69) translation and turn, in the world, by a change of the pose
    """

    root: torch.Tensor
    motions: torch.Tensor

    def of_points(self, points: torch.Tensor) -> torch.Tensor:
        """Return how points (T, K, 3) move, (T, K, 3, 6), by a motion of what they are fixed to."""
        arms = points - self.root[:, None]
        x, y, z = arms.unbind(-1)
        moved = torch.zeros(*arms.shape, 6, dtype=arms.dtype)
        moved[..., 0, 0] = moved[..., 1, 1] = moved[..., 2, 2] = 1.0
        moved[..., 0, 4], moved[..., 0, 5] = z, -y
        moved[..., 1, 3], moved[..., 1, 5] = -z, x
        moved[..., 2, 3], moved[..., 2, 4] = y, -x
        return moved

    def slope(self, forces: torch.Tensor, segment: torch.Tensor) -> torch.Tensor:
        """Return the gradient (T, 69) by the pose of gradients (T, K, 6) by motions of segments (K,)."""
        total = torch.einsum("bk,tki->tbi", SUBTREE[:, segment], forces)
        blocks = self.motions.unflatten(-1, (N_BLOCKS, 3))
        return torch.einsum("tibj,tbi->tbj", blocks, total).flatten(1)


def frames_of(R_world_segment: torch.Tensor, positions: torch.Tensor) -> Frames:
    """Return the motions for rotations (T, 22, 3, 3) and joints (T, 22, 3), metres."""
    root = positions[:, 0]
    arms = (positions - root[:, None])[..., None]
    axes = R_world_segment
    motions = torch.zeros(len(root), 6, N_BLOCKS, 3, dtype=positions.dtype)
    motions[:, :3, 0] = torch.eye(3, dtype=positions.dtype)
    motions[:, 3:, 1:] = axes.transpose(1, 2)
    # The segment turns about its joint: the point at the root moves by the joint's arm times the turn.
    motions[:, 0, 1:] = arms[:, :, 1] * axes[:, :, 2] - arms[:, :, 2] * axes[:, :, 1]
    motions[:, 1, 1:] = arms[:, :, 2] * axes[:, :, 0] - arms[:, :, 0] * axes[:, :, 2]
    motions[:, 2, 1:] = arms[:, :, 0] * axes[:, :, 1] - arms[:, :, 1] * axes[:, :, 0]
    return Frames(root, motions.flatten(2))


def coupling(
    rows: torch.Tensor, columns: torch.Tensor, information: torch.Tensor, segment: torch.Tensor
) -> torch.Tensor:
    """Return the second derivatives (T, 69, 69) by two poses, those of one frame or of two neighbours.

    Parameters
    ----------
    rows, columns : (T, 6, 69) of `Frames.motions`
    information : (T, K, 6, 6) by motions of segments, those of the row's pose first; symmetric if both are one pose
    segment : (K,)
    """
    frames = len(rows)
    total = (SUBTREE[:, segment] @ information.flatten(2)).unflatten(-1, (6, 6))
    right = (total @ _blocks(columns)).transpose(1, 2).reshape(frames, 6, -1)
    if rows is columns:  # of one frame: symmetric
        left = right
    else:
        left = (total.transpose(-1, -2) @ _blocks(rows)).transpose(1, 2).reshape(frames, 6, -1)
    out = rows.transpose(-1, -2) @ right
    out *= ABOVE_OR_OWN
    return out.addcmul_(left.transpose(-1, -2) @ columns, STRICTLY_BELOW)


def _blocks(motions: torch.Tensor) -> torch.Tensor:
    """Return motions (T, 6, 69) block by block, (T, 23, 6, 3)."""
    return motions.unflatten(-1, (N_BLOCKS, 3)).transpose(1, 2)
