"""Bone lengths from the points themselves, once a network has said how the segments turn.

With orientations known, every joint is linear in the body's shape. So the shape, and where the root lies in the pelvis,
are the robust least squares solution for all frames at once, drawn towards what the network says.
"""

from typing import Final

import numpy as np
import torch

from kinefuse.body.kinematics import joint_positions
from kinefuse.body.models import load_anny
from kinefuse.conventions import JOINT_INDEX, JOINTS, KEYPOINTS

LIMBS: Final = tuple(name for name in KEYPOINTS if name in JOINTS)
"""Keypoints that are joints, hips to ankles and shoulders to wrists; others are where a detector says they are."""

POINT_SD_M: Final = 0.04
"""Noise of one point; also where an error begins to count as an outlier."""

SHAPE_SD: Final = 0.7
"""How far a body lies from the network's guess, in standard deviations of the population."""

ROOT_SD_M: Final = 0.03
CONSTANT_SHARE: Final = 0.02
"""Errors last: a point is a constant bit off for one person, so that a thousand frames say little more than fifty."""

MOST_FRAMES: Final = 400
ROUNDS: Final = 5


def fitted_proportions(
    R_world_segment: np.ndarray, root: np.ndarray, shape: np.ndarray, points: np.ndarray, confidence: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the shape and the root's place that explain measured points.

    Parameters
    ----------
    R_world_segment : (N, 22, 3, 3), NaN where unknown
    root : (N, 3) metres, world, by the network
    shape : (10,) by the network
    points : (N, 26, 3) keypoints, metres, world
    confidence : (N, 26), zero where missing

    Returns
    -------
    shape : (10,)
    root : (N, 3) metres, moved by one constant in the pelvis's axes
    """
    known = np.flatnonzero(np.isfinite(R_world_segment).all((1, 2, 3)) & np.isfinite(root).all(1))
    if not len(known):
        return shape, root
    some = known[:: -(-len(known) // MOST_FRAMES)]
    design, modelled = _linear(R_world_segment[some], root[some], shape)
    columns = [KEYPOINTS.index(name) for name in LIMBS]
    weight = np.minimum(confidence[some][:, columns], 1.0)
    error = np.where(weight[..., None] > 0, points[some][:, columns] - modelled, 0.0)
    step = _robust_step(design, error, weight)
    moved = root.copy()
    moved[known] += R_world_segment[known, 0] @ step[len(shape) :]
    return shape + step[: len(shape)], moved


def _linear(R: np.ndarray, root: np.ndarray, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return limb joints (n, K, 3) of a shape, and their derivative (n, K, 3, 13) by shape and root offset."""
    body, limbs = load_anny(), [JOINT_INDEX[name] for name in LIMBS]
    turn = torch.as_tensor(R)

    def posed(rest: np.ndarray, place: np.ndarray) -> np.ndarray:
        return joint_positions(turn, torch.as_tensor(place), torch.as_tensor(rest)).numpy()[:, limbs]

    by_shape = np.stack([posed(rest, np.zeros_like(root)) for rest in body.joints_basis], axis=-1)
    by_root = np.repeat(R[:, None, 0], len(limbs), axis=1)
    return np.concatenate([by_shape, by_root], axis=-1), posed(body.rest_positions(shape), root)


def _robust_step(design: np.ndarray, error: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the step (13,) with Geman-McClure weights, by a few rounds of weighted least squares."""
    prior = np.concatenate([np.full(design.shape[-1] - 3, SHAPE_SD), np.full(3, ROOT_SD_M)]) ** -2.0
    step = np.zeros(design.shape[-1])
    rows, residual = design.reshape(-1, design.shape[-1]), error.reshape(-1)
    for _ in range(ROUNDS):
        left = ((residual - rows @ step) ** 2).reshape(error.shape).sum(-1)
        counts = weight * (1 + left / (2 * POINT_SD_M) ** 2) ** -2.0
        counts = counts / POINT_SD_M**2 / (1 + CONSTANT_SHARE * len(error))
        weighted = rows * np.repeat(counts.reshape(-1), 3)[:, None]
        step = np.linalg.solve(weighted.T @ rows + np.diag(prior), weighted.T @ residual)
    return step
