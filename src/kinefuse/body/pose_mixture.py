"""A generic pose prior: a mixture of Gaussians over the rotation vectors of all joints (Bogo et al. 2016).

The mixture was learned by ``tools/make_pose_prior.py`` from motion capture of training subjects only. Its cost is that
of the component nearest to the pose, with the component's weight (Olson and Agarwal 2013), which is a sum of squares.
"""

from functools import cache
from importlib.resources import files

import numpy as np
import torch

from kinefuse.body.point_terms import N_POSE, Pose
from kinefuse.body.priors import rotvec_with_jacobian

N_JOINT_ANGLES = N_POSE - 6


@cache
def _mixture() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Means (C, 63), factors (C, 63, 63) with precision = F F^T, and the constant part of each cost (C,)."""
    with np.load(str(files("kinefuse.body") / "pose_prior.npz")) as stored:
        means, factors, constant = (
            torch.as_tensor(stored[key].astype(float)) for key in ("means", "factors", "constant")
        )
    return means, factors, constant


def pose_mixture_prior(pose: Pose) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the prior's residuals (T, 64) and their derivative by the pose, (T, 64, 69).

    The sum of squares is twice the negative logarithm of the density, up to a constant.
    """
    means, factors, constant = _mixture()
    vectors, rates = rotvec_with_jacobian(pose.R_parent_segment[:, 1:])
    centred = vectors.flatten(1)[:, None] - means
    scaled = torch.einsum("tcj,cji->tci", centred, factors)
    nearest = ((scaled**2).sum(-1) + constant).argmin(-1)
    frames = torch.arange(len(vectors))
    residual = torch.cat([scaled[frames, nearest], constant[nearest].sqrt()[:, None]], dim=-1)
    by_joint = factors[nearest].transpose(-1, -2).reshape(len(vectors), N_JOINT_ANGLES, -1, 3)
    derivative = torch.zeros(len(vectors), N_JOINT_ANGLES + 1, N_POSE, dtype=torch.float64)
    derivative[:, :-1, 6:] = torch.einsum("tkja,tjab->tkjb", by_joint, rates).flatten(2)
    return residual, derivative
