"""Solving the equations of all frames of a trial at once, which are banded since only neighbours are tied together."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg.blas import dgemm, dsyrk, dtrsm, dtrsv
from scipy.linalg.lapack import dpotrf

from kinefuse.body.point_terms import N_POSE


class Normal:
    """Gauss-Newton equations of single frames: H (T, 69, 69), gradient (T, 69) and the cost."""

    def __init__(self, frames: int) -> None:
        self.H = torch.zeros(frames, N_POSE, N_POSE, dtype=torch.float64)
        self.g = torch.zeros(frames, N_POSE, dtype=torch.float64)
        self.cost = 0.0


def damped(H: torch.Tensor, damping: float) -> torch.Tensor:
    """Return matrices (..., 69, 69) with `damp`'s damping."""
    return damp(H.clone(), damping)


def damp(H: torch.Tensor, damping: float) -> torch.Tensor:
    """Add Marquardt's scaled damping in place; of one size for the root's directions, so that no heading is special."""
    diagonal = H.diagonal(dim1=-2, dim2=-1)
    scale = diagonal + 1.0
    scale[..., :3] = scale[..., :3].mean(-1, keepdim=True)
    diagonal.add_(damping * scale)
    return H


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
    """Return the change (T, 69) that solves the damped equations; zero if they are not positive definite.

    It works in the place of the blocks of `tied`, which are of no use afterwards.
    """
    if tied is None:
        factor = torch.linalg.cholesky(damped(normal.H, damping))
        return -torch.cholesky_solve(normal.g[..., None], factor)[..., 0]
    blocks = normal.H.clone() if tied.own_block is None else tied.own_block.add_(normal.H)
    damp(blocks, damping).diagonal(dim1=-2, dim2=-1).add_(tied.own)
    factor_of_frames = _factored(blocks.numpy(), tied)
    if factor_of_frames is None:  # the caller damps more
        return torch.zeros_like(normal.g)
    return -torch.as_tensor(_substituted(factor_of_frames, (normal.g + tied.gradient).numpy()))


@dataclass(frozen=True)
class _Row:
    """What the Cholesky factor L has of a frame: L (69, 69), and transposed what ties it to the frames before."""

    own: np.ndarray
    one_before: np.ndarray | None
    two_before: np.ndarray | None


def _factored(blocks: np.ndarray, tied: Tied) -> list[_Row] | None:
    """Return the factor of the whole matrix, frame by frame; None if it is not positive definite.

    Blocks are taken where they lie: to put them into LAPACK's band first takes longer than to factor it. Their
    transposes are what Fortran calls contiguous, and so all is written for those.

    Parameters
    ----------
    blocks : (T, 69, 69) of single frames, which are overwritten
    """
    rows: list[_Row] = []
    one_before = _blocks_of(tied.next_one_block, tied.next_one)
    two_before = _blocks_of(tied.next_but_one_block, tied.next_but_one)
    for t, block in enumerate(blocks):
        own, one, two = block.T, None, None
        if t > 1:
            two = dtrsm(1.0, rows[t - 2].own, two_before[t - 2].T, lower=1, overwrite_b=1)
            own = dsyrk(-1.0, two, beta=1.0, c=own, trans=1, lower=1, overwrite_c=1)
        if t > 0:
            one = one_before[t - 1].T
            if two is not None:
                one = dgemm(-1.0, rows[t - 1].one_before, two, beta=1.0, c=one, trans_a=1, overwrite_c=1)
            one = dtrsm(1.0, rows[t - 1].own, one, lower=1, overwrite_b=1)
            own = dsyrk(-1.0, one, beta=1.0, c=own, trans=1, lower=1, overwrite_c=1)
        own, failed = dpotrf(own, lower=1, clean=0, overwrite_a=1)
        if failed:
            return None
        rows.append(_Row(own, one, two))
    return rows


def _blocks_of(blocks: torch.Tensor | None, diagonals: torch.Tensor) -> np.ndarray:
    """Return blocks (T, 69, 69), in their own place, with diagonals (T, 69) added."""
    if blocks is None:
        return torch.diag_embed(diagonals).numpy()
    blocks.diagonal(dim1=-2, dim2=-1).add_(diagonals)
    return blocks.numpy()


def _substituted(rows: list[_Row], right: np.ndarray) -> np.ndarray:
    """Return the solution (T, 69) for the right-hand side (T, 69)."""
    out = right.copy()
    for t, row in enumerate(rows):
        if row.one_before is not None:
            out[t] -= out[t - 1] @ row.one_before
        if row.two_before is not None:
            out[t] -= out[t - 2] @ row.two_before
        out[t] = dtrsv(row.own, out[t], lower=1)
    for t in range(len(rows) - 1, -1, -1):
        row = rows[t]
        out[t] = dtrsv(row.own, out[t], lower=1, trans=1)
        if row.one_before is not None:
            out[t - 1] -= row.one_before @ out[t]
        if row.two_before is not None:
            out[t - 2] -= row.two_before @ out[t]
    return out
