"""What validation is judged by: root mean square errors of joint angles over windows, as the paper aggregates them."""

import numpy as np
import torch

from kinefuse.body.angles import JOINT_ANGLES, is_near_singular, joint_angles, wrap
from kinefuse.conventions import COORDINATE_INDEX
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
    rmse = np.nanmean(np.degrees(np.array(per_window)), axis=0)
    angle = (angle_between(rotations, truth).mean(-1) * inside).sum() / inside.sum()
    groups = {group: float(np.nanmean(rmse[chosen])) for group, chosen in COORDINATE_GROUPS.items()}
    return groups | {"geodesic": float(torch.rad2deg(angle))}


def _window_rmse(rotations: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(C,) radians; NaN where every frame is near a singularity."""
    origin = np.zeros((len(truth), 3))
    a, b = joint_angles(rotations, origin), joint_angles(truth, origin)
    error = wrap(a - b)
    for joint in JOINT_ANGLES:
        columns = [COORDINATE_INDEX[name] for name in joint.coordinates]
        error[np.ix_(is_near_singular(a, joint) | is_near_singular(b, joint), columns)] = np.nan
    known = np.isfinite(error)
    total = np.where(known, error, 0.0)
    with np.errstate(invalid="ignore"):
        return np.sqrt((total**2).sum(0) / np.where(known.sum(0) > 0, known.sum(0), np.nan))
