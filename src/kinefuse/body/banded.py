"""Solving the equations of all frames of a trial at once, which are banded since only neighbours are tied together."""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Tied:
    """Equations that tie frames to the next one and the next but one.

    Attributes
    ----------
    gradient : (T, 69)
    own, next_one, next_but_one : (T, 69), (T - 1, 69), (T - 2, 69): how a degree of freedom couples to itself in the
        same frame, the next and the next but one
    own_block, next_one_block, next_but_one_block : (T, 69, 69), (T - 1, 69, 69), (T - 2, 69, 69) where all degrees of
        freedom are coupled, rows of the later frame; or None
    """

    gradient: torch.Tensor
    own: torch.Tensor
    next_one: torch.Tensor
    next_but_one: torch.Tensor
    own_block: torch.Tensor | None = None
    next_one_block: torch.Tensor | None = None
    next_but_one_block: torch.Tensor | None = None


def solve(normal: Normal, tied: Tied | None, damping: float) -> torch.Tensor:
    """Return the change (T, 69) that solves the damped equations; zero if they are not positive definite."""
    if tied is None:
        factor = torch.linalg.cholesky(damped(normal.H, damping))
        return -torch.cholesky_solve(normal.g[..., None], factor)[..., 0]
    band = _band(normal, tied, damping)
    try:
        factor_banded = cholesky_banded(band, overwrite_ab=True, lower=True, check_finite=False)
    except LinAlgError:  # the caller damps more
        return torch.zeros_like(normal.g)
    gradient = (normal.g + tied.gradient).numpy().reshape(-1)
    solution = cho_solve_banded((factor_banded, True), gradient, check_finite=False)
    return -torch.as_tensor(solution.reshape(-1, N_POSE))


def _band(normal: Normal, tied: Tied, damping: float) -> np.ndarray:
    """Return the matrix in lower form, band[i - j, j] = A[i, j]; unknowns are ordered frame by frame.

    Without dense blocks a frame is coupled to others by two extra diagonals far from the main one, and everything
    between them is zero. It is filled column by column, as LAPACK wants it in memory.
    """
    frames = len(normal.g)
    blocks = normal.H if tied.own_block is None else normal.H + tied.own_block
    blocks = damped(blocks, damping) + torch.diag_embed(tied.own)
    width = 2 * N_POSE + 1 if tied.next_but_one_block is None else 3 * N_POSE
    columns = np.zeros((frames, N_POSE, width))
    _fill(columns, blocks, 0)
    for distance, block in ((1, tied.next_one_block), (2, tied.next_but_one_block)):
        if block is not None:
            _fill(columns[:-distance], block, distance * N_POSE)
    columns[:-1, :, N_POSE] += tied.next_one.numpy()
    columns[:-2, :, 2 * N_POSE] += tied.next_but_one.numpy()
    return columns.reshape(-1, width).T


def _fill(columns: np.ndarray, blocks: torch.Tensor, below: int) -> None:
    """Put blocks (T, 69, 69) that lie so many rows `below` the diagonal into columns (T, 69, W) of a lower band."""
    by_column = blocks.transpose(-1, -2).contiguous().numpy()
    for k in range(N_POSE):
        first = 0 if below else k
        columns[:, k, below - k + first : below - k + N_POSE] = by_column[:, k, first:]
