"""What validation is judged by: root mean square errors of joint angles over windows, as the paper aggregates them."""

import numpy as np
import torch

from kinefuse.body.angles import joint_angles
from kinefuse.metrics.angles import mean_of_valid, rmse
from kinefuse.metrics.differences import angle_differences
from kinefuse.metrics.groups import COORDINATE_GROUPS
from kinefuse.training.losses import angle_between


def scores(rotations: torch.Tensor, truth: torch.Tensor, inside: torch.Tensor) -> dict[str, float]:
    """Return errors in degrees.

    Parameters
    ----------
    rotations, truth : (B, T, 22, 3, 3)
    inside : (B, T) one where there is a truth

    Returns
    -------
    ``"lower"``, ``"upper"`` and ``"all"``: root mean square over time, mean over coordinates and windows; frames near a
    singularity are left out. ``"geodesic"``: mean angle of all 22 segments.
    """
    per_window = [
        _window_rmse(*(x[i][inside[i] > 0].double().numpy() for x in (rotations, truth))) for i in range(len(inside))
    ]
    errors = np.degrees(mean_of_valid(np.array(per_window)))
    angle = (angle_between(rotations, truth).mean(-1) * inside).sum() / inside.sum()
    groups = {group: float(mean_of_valid(errors[chosen])) for group, chosen in COORDINATE_GROUPS.items()}
    return groups | {"geodesic": float(torch.rad2deg(angle))}


def _window_rmse(rotations: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(C,) radians; NaN where every frame is near a singularity."""
    origin = np.zeros((len(truth), 3))
    return rmse(angle_differences(joint_angles(rotations, origin), joint_angles(truth, origin))[0])
