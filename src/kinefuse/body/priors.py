"""What is known of human joints before any measurement: centre, spread and limits of each degree of freedom.

Each joint between neighbouring segments has three coordinates (flexion Z, adduction X, rotation Y, clinical signs):
Z-X-Y angles between anatomical frames, or, for the ball joints, which pass through that description's singularity,
the components of the rotation vector from the T-pose. Both come with their derivative by a body-fixed turn of the
distal segment.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from kinefuse.body.angles import ANATOMICAL_OFFSETS
from kinefuse.body.kinematics import PARENT_OF
from kinefuse.conventions import SEGMENT_INDEX, SEGMENT_PARENTS, SEGMENTS
from kinefuse.rotations import matrix_from_euler, matrix_from_rotvec

# Per distal segment: (centre, standard deviation, lowest, highest) of flexion, adduction and rotation, degrees.
# The limits are ordinary ranges of motion (AAOS, 1965) with 10° to spare. The spreads say how much a joint is used; the
# small ones make knee and elbow nearly hinges, as ISB describes them.
_FREE = (-180.0, 180.0)
JOINT_TABLE: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "thigh": ((15, 50, -40, 135), (0, 18, -55, 40), (0, 15, -55, 55)),
    "shank": ((25, 50, -8, 155), (0, 3, -10, 10), (0, 5, -25, 25)),
    "foot": ((0, 18, -60, 40), (0, 8, -35, 35), (0, 6, -25, 25)),
    "toes": ((0, 12, -70, 40), (0, 2, -10, 10), (0, 2, -10, 10)),
    "lumbar": ((0, 10, -35, 15), (0, 7, -20, 20), (0, 6, -20, 20)),
    "abdomen": ((0, 10, -35, 15), (0, 7, -20, 20), (0, 6, -20, 20)),
    "thorax": ((0, 10, -35, 15), (0, 7, -20, 20), (0, 6, -20, 20)),
    "neck": ((0, 14, -45, 40), (0, 9, -30, 30), (0, 14, -45, 45)),
    "head": ((0, 14, -45, 40), (0, 9, -30, 30), (0, 14, -45, 45)),
    "clavicle": ((0, 5, -20, 20), (0, 8, -35, 20), (0, 8, -25, 30)),
    "upper_arm": ((0, 40, -110, 110), (65, 55, *_FREE), (0, 50, *_FREE)),
    "forearm": ((45, 50, -8, 155), (0, 4, -12, 12), (75, 40, -15, 175)),
    "hand": ((0, 15, -80, 80), (0, 8, -30, 40), (0, 3, -10, 10)),
}
BALL_JOINTS = {"thigh", "upper_arm"}
FLEXION_SIGN = {"shank": -1.0, "toes": -1.0}


@dataclass(frozen=True)
class JointPrior:
    """Arrays over the 22 segments (the pelvis's row is unused); angles in radians.

    Attributes
    ----------
    is_ball : (22,) described by a rotation vector instead of Z-X-Y angles
    signs : (22, 3) clinical sign of the turns about Z, X, Y
    centre, sd, lower, upper : (22, 3)
    """

    is_ball: torch.Tensor
    signs: torch.Tensor
    centre: torch.Tensor
    sd: torch.Tensor
    lower: torch.Tensor
    upper: torch.Tensor


@cache
def joint_prior() -> JointPrior:
    """Return the prior of `JOINT_TABLE`, the same for left and right."""
    table = np.zeros((len(SEGMENTS), 3, 4))
    table[0] = (0, 1, *_FREE)
    signs = np.ones((len(SEGMENTS), 3))
    ball = np.zeros(len(SEGMENTS), bool)
    for s, segment in enumerate(SEGMENTS[1:], start=1):
        kind = segment.removesuffix("_l").removesuffix("_r")
        table[s] = JOINT_TABLE[kind]
        mirror = -1.0 if segment.endswith("_l") else 1.0
        signs[s] = (FLEXION_SIGN.get(kind, 1.0), mirror, mirror)
        ball[s] = kind in BALL_JOINTS
    radians = np.deg2rad(table)
    parts = (torch.as_tensor(np.ascontiguousarray(radians[..., i])) for i in range(4))
    return JointPrior(torch.as_tensor(ball), torch.as_tensor(signs), *parts)


OFFSETS = torch.as_tensor(np.ascontiguousarray(ANATOMICAL_OFFSETS))


def joint_coordinates(R_parent_segment: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each joint's three coordinates and their derivative.

    Parameters
    ----------
    R_parent_segment : (..., 22, 3, 3)

    Returns
    -------
    coordinates : (..., 22, 3) flexion, adduction, rotation with clinical signs, radians
    jacobian : (..., 22, 3, 3) by a small turn, in the distal segment's own axes
    """
    prior = joint_prior()
    between = OFFSETS[PARENT_OF].transpose(-1, -2) @ R_parent_segment @ OFFSETS
    angles, rates = zxy_with_jacobian(between)
    rates = rates @ OFFSETS.transpose(-1, -2)
    balls = prior.is_ball.nonzero()[:, 0]
    vectors, vector_rates = rotvec_with_jacobian(R_parent_segment[..., balls, :, :])
    angles[..., balls, :] = vectors[..., [2, 0, 1]]
    rates[..., balls, :, :] = vector_rates[..., [2, 0, 1], :]
    return angles * prior.signs, rates * prior.signs[..., None]


def zxy_with_jacobian(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return Z-X-Y angles (..., 3) of matrices (..., 3, 3), and their derivative by a body-fixed turn, radians."""
    z = torch.atan2(-matrix[..., 0, 1], matrix[..., 1, 1])
    x = torch.asin(matrix[..., 2, 1].clamp(-1, 1))
    y = torch.atan2(-matrix[..., 2, 0], matrix[..., 2, 2])
    sin_x, cos_x, sin_y, cos_y = x.sin(), x.cos().clamp(min=0.1), y.sin(), y.cos()
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    rate_z = torch.stack([-sin_y / cos_x, zero, cos_y / cos_x], dim=-1)
    rate_x = torch.stack([cos_y, zero, sin_y], dim=-1)
    rate_y = torch.stack([zero, one, zero], dim=-1) - sin_x[..., None] * rate_z
    return torch.stack([z, x, y], dim=-1), torch.stack([rate_z, rate_x, rate_y], dim=-2)


def skew(v: torch.Tensor) -> torch.Tensor:
    """Return the matrices (..., 3, 3) of the cross product with vectors (..., 3)."""
    zero = torch.zeros_like(v[..., 0])
    rows = [zero, -v[..., 2], v[..., 1], v[..., 2], zero, -v[..., 0], -v[..., 1], v[..., 0], zero]
    return torch.stack(rows, dim=-1).reshape(*v.shape[:-1], 3, 3)


def rotvec_with_jacobian(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rotation vectors (..., 3) of matrices (..., 3, 3), and their derivative by a body-fixed turn, radians.

    The derivative is the inverse right Jacobian of SO(3) (Chirikjian 2012).
    """
    vector = log_rotation(matrix)
    angle = torch.linalg.norm(vector, dim=-1).clamp(1e-4, np.pi - 1e-3)
    factor = 1 / angle**2 - (1 + angle.cos()) / (2 * angle * angle.sin())
    cross = skew(vector)
    return vector, torch.eye(3, dtype=matrix.dtype) + 0.5 * cross + factor[..., None, None] * cross @ cross


def log_rotation(matrix: torch.Tensor) -> torch.Tensor:
    """Return rotation vectors (..., 3), radians, of rotation matrices (..., 3, 3)."""
    axial = torch.stack(
        [
            matrix[..., 2, 1] - matrix[..., 1, 2],
            matrix[..., 0, 2] - matrix[..., 2, 0],
            matrix[..., 1, 0] - matrix[..., 0, 1],
        ],
        dim=-1,
    )
    sine = 0.5 * torch.linalg.norm(axial, dim=-1)
    cosine = 0.5 * (matrix.diagonal(dim1=-2, dim2=-1).sum(-1) - 1)
    angle = torch.atan2(sine, cosine)
    if bool((cosine < -0.999).any()):  # half a turn: the axial vector vanishes, use a well-kept library there
        import roma

        return roma.rotmat_to_rotvec(matrix)
    scale = torch.where(sine > 1e-8, angle / (2 * sine.clamp(min=1e-12)), torch.full_like(sine, 0.5))
    return axial * scale[..., None]


def exp_rotation(vector: torch.Tensor) -> torch.Tensor:
    """Return rotation matrices (..., 3, 3) of rotation vectors (..., 3), radians (Rodrigues' formula)."""
    angle = torch.linalg.norm(vector, dim=-1)[..., None, None]
    safe = angle.clamp(min=1e-8)
    cross = skew(vector)
    a = torch.where(angle > 1e-6, safe.sin() / safe, 1 - angle**2 / 6)
    b = torch.where(angle > 1e-6, (1 - safe.cos()) / safe**2, 0.5 - angle**2 / 24)
    return torch.eye(3, dtype=vector.dtype) + a * cross + b * cross @ cross


@cache
def resting_pose() -> torch.Tensor:
    """Return R_parent_segment (22, 3, 3) with every joint at the prior's centre: arms hanging, knees a little bent."""
    prior = joint_prior()
    zxy = (prior.centre * prior.signs).numpy()
    rotations = np.tile(np.eye(3), (len(SEGMENTS), 1, 1))
    for s, parent in enumerate(SEGMENT_PARENTS[1:], start=1):
        if prior.is_ball[s]:
            rotations[s] = matrix_from_rotvec(zxy[s][[1, 2, 0]])
        else:
            between = matrix_from_euler("ZXY", zxy[s])
            rotations[s] = ANATOMICAL_OFFSETS[parent] @ between @ ANATOMICAL_OFFSETS[s].T
    return torch.as_tensor(rotations)


HINGES = (
    # (proximal, distal, far segment, hinge axis in the T-pose, its sign against proximal bone x distal bone)
    *((f"thigh_{s}", f"shank_{s}", f"foot_{s}", (0.0, 0.0, 1.0), -1.0) for s in "lr"),
    *((f"upper_arm_{s}", f"forearm_{s}", f"hand_{s}", (0.0, 1.0, 0.0), 1.0 if s == "r" else -1.0) for s in "lr"),
)
"""The joints whose bending plane tells the twist of the bone above them."""

HINGE_ROWS = tuple((SEGMENT_INDEX[a], SEGMENT_INDEX[b], SEGMENT_INDEX[c], axis, sign) for a, b, c, axis, sign in HINGES)
