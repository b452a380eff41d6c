"""Errors of 3-D points: raw, after moving the root, and after the best similarity transform (Procrustes)."""

import numpy as np


def point_errors(estimate: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return distances (T, J) in metres between points (T, J, 3); NaN where either is missing."""
    return np.linalg.norm(estimate - truth, axis=-1)


def root_aligned(points: np.ndarray, root: int = 0) -> np.ndarray:
    """Return points (T, J, 3) relative to one of them."""
    return points - points[:, root : root + 1]


def procrustes_aligned(estimate: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return `estimate`, frame by frame, moved, turned and scaled onto `truth` by least squares (Umeyama 1991).

    Parameters
    ----------
    estimate, truth : (T, J, 3) metres; points that are NaN in either are left out of the fit

    Returns
    -------
    (T, J, 3). Frames with fewer than three common points, or all of them in one place, are NaN.
    """
    common = np.isfinite(estimate).all(-1) & np.isfinite(truth).all(-1)
    share = common / np.maximum(common.sum(1, keepdims=True), 1)
    centre_a, centre_b = _weighted_mean(estimate, share), _weighted_mean(truth, share)
    a = np.where(common[..., None], estimate - centre_a[:, None], 0.0)
    b = np.where(common[..., None], truth - centre_b[:, None], 0.0)
    u, size, vt = np.linalg.svd(np.swapaxes(b, 1, 2) @ a)
    mirror = np.ones_like(size)
    mirror[:, 2] = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    rotation = (u * mirror[:, None]) @ vt
    spread = (a * a).sum((1, 2))
    usable = (common.sum(1) >= 3) & (spread > 1e-12)
    scale = np.where(usable, (size * mirror).sum(1) / np.where(usable, spread, 1.0), np.nan)
    turned = np.einsum("tij,tkj->tki", rotation, estimate - centre_a[:, None])
    return scale[:, None, None] * turned + centre_b[:, None]


def _weighted_mean(points: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Mean (T, 3) of points (T, J, 3) with weights (T, J), NaN points having none."""
    return (np.where(share[..., None] > 0, points, 0.0) * share[..., None]).sum(1)
