"""Solving the equations of all frames of a trial at once, which are banded since only neighbours are tied together."""

import numpy as np
import torch
from scipy.linalg import LinAlgError, cho_solve_banded, cholesky_banded

from kinefuse.body.point_terms import N_POSE


class Normal:
    """Gauss-Newton equations of single frames: H (T, 69, 69), gradient (T, 69) and the cost."""

    def __init__(self, frames: int) -> None:
        self.H = torch.zeros(frames, N_POSE, N_POSE, dtype=torch.float64)
        self.g = torch.zeros(frames, N_POSE, dtype=torch.float64)
        self.cost = 0.0


def damped(H: torch.Tensor, damping: float) -> torch.Tensor:
    """Marquardt's scaled damping; of one size for the root's three directions, so that no heading is special."""
    scale = H.diagonal(dim1=-2, dim2=-1) + 1.0
    root = scale[..., :3].mean(-1, keepdim=True).expand(*scale.shape[:-1], 3)
    return H + torch.diag_embed(damping * torch.cat([root, scale[..., 3:]], dim=-1))


def solve_banded(
    normal: Normal, rough: torch.Tensor, weights: torch.Tensor, steps: torch.Tensor, damping: float
) -> torch.Tensor:
    """Solve the coupled equations of all frames; unknowns are ordered frame by frame.

    Second differences couple a frame to the next two, degree of freedom by degree of freedom: two extra diagonals far
    from the main one, and everything between them is zero.
    """
    frames = len(normal.g)
    square = (weights**2).numpy()
    factors = difference_factors(steps)
    count = torch.zeros(frames, dtype=torch.float64)
    gradient = normal.g.clone()
    for shift in range(3):
        rows = slice(shift, frames - 2 + shift)
        count[rows] += factors[:, shift] ** 2
        gradient[rows] += factors[:, shift, None] * rough * weights
    diagonal = count.numpy()[:, None] * square
    blocks = damped(normal.H, damping).numpy() + np.eye(N_POSE) * diagonal[:, :, None]
    band = np.zeros((2 * N_POSE + 1, frames * N_POSE))  # lower form: band[i - j, j] = A[i, j]
    columns = band.reshape(2 * N_POSE + 1, frames, N_POSE)
    for k in range(N_POSE):
        columns[: N_POSE - k, :, k] = blocks[:, k:, k].T
    first, middle, last = factors.numpy().T
    columns[N_POSE, : frames - 2] += (first * middle)[:, None] * square
    columns[N_POSE, 1 : frames - 1] += (middle * last)[:, None] * square
    columns[2 * N_POSE, : frames - 2] += (first * last)[:, None] * square
    try:
        factor_banded = cholesky_banded(band, overwrite_ab=True, lower=True, check_finite=False)
    except LinAlgError:  # not positive definite: the caller damps more
        return torch.full((frames, N_POSE), 0.0, dtype=torch.float64)
    solution = cho_solve_banded((factor_banded, True), gradient.numpy().reshape(-1), check_finite=False)
    return -torch.as_tensor(solution.reshape(frames, N_POSE))


def difference_factors(steps: torch.Tensor) -> torch.Tensor:
    """Factors (T - 2, 3) of three neighbouring frames in their acceleration, 1/s², for steps (T - 1,) in seconds."""
    before, after = steps[:-1], steps[1:]
    mean = 0.5 * (before + after)
    return torch.stack([1 / before, -1 / before - 1 / after, 1 / after], dim=-1) / mean[:, None]
