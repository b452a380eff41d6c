"""Left and right: find the frames in which a detector took one for the other.

Seen from behind, or with a hidden face, a body looks much like its mirror image, and detectors sometimes give the
points of the left side to the right. The other cameras tell: each point must lie on the epipolar lines of its partners.
And a body does not change sides between two frames. Both costs, in pixels, are minimised together over all frames and
views by dynamic programming (Viterbi), for the upper and the lower body each on its own.

Shapes: G instants, V views, K keypoints of one half of the body, S = 2^V states; bit v of a state is set if view v is
exchanged.
"""

from collections.abc import Sequence

import numpy as np

from kinefuse.conventions import KEYPOINTS, mirror_permutation
from kinefuse.recordings import Camera
from kinefuse.vision.cameras import epipolar_distance, essential_matrix, undistort_pixels

MIRROR = mirror_permutation(KEYPOINTS)

HALVES = {
    "upper body": tuple(
        KEYPOINTS.index(f"{n}_{s}") for n in ("eye", "ear", "shoulder", "elbow", "wrist") for s in "lr"
    ),
    "lower body": tuple(
        KEYPOINTS.index(f"{n}_{s}") for n in ("hip", "knee", "ankle", "heel", "big_toe", "small_toe") for s in "lr"
    ),
}

CAP_FRACTION = 0.045
"""Distances count up to this part of the image's diagonal, so that one point far off decides nothing."""

EXCHANGE_COST_PX = 2.0
"""What each exchanged view costs a frame: it decides for the majority when all views could be mirrored together."""

CHANGE_COST_PX = 2.0
"""What a change of sides costs on top of the way that the points would move, so that legs which cross within the
detector's noise are left as they are."""

MOST_VIEWS = 8
"""So many views are decided together (2^8 states); more are decided in groups."""


def exchanged_sides(
    cameras: Sequence[Camera], pixels: np.ndarray, confidence: np.ndarray, half: Sequence[int]
) -> np.ndarray:
    """Tell in which frames each view has left and right exchanged.

    Parameters
    ----------
    cameras : V calibrated cameras
    pixels : (G, V, 26, 2) calibrated pixels, NaN where not seen
    confidence : (G, V, 26)
    half : keypoints that are exchanged together, one of `HALVES`

    Returns
    -------
    (G, V) bool; all false for a single view.
    """
    views = len(cameras)
    out = np.zeros(pixels.shape[:2], dtype=bool)
    groups = np.array_split(np.arange(views), -(-views // MOST_VIEWS))
    for group in groups:
        if len(group) > 1:
            members = [cameras[v] for v in group]
            out[:, group] = _decide(members, pixels[:, group], confidence[:, group], np.array(half))
    return out


def exchange(values: np.ndarray, half: Sequence[int], where: np.ndarray) -> np.ndarray:
    """Return values (T, 26, ...) with left and right of one half exchanged in frames `where` (T,) bool."""
    order = np.arange(len(KEYPOINTS))
    order[list(half)] = MIRROR[list(half)]
    out = values.copy()
    out[where] = values[where][:, order]
    return out


def _decide(cameras: Sequence[Camera], pixels: np.ndarray, confidence: np.ndarray, half: np.ndarray) -> np.ndarray:
    cost = _state_costs(cameras, pixels, confidence, half)
    caps = CAP_FRACTION * np.array([np.hypot(*camera.size) for camera in cameras])
    keep, flip = motion_costs(pixels, half, caps)
    return best_states(cost, keep, flip + CHANGE_COST_PX)


def _state_costs(cameras: Sequence[Camera], pixels: np.ndarray, confidence: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Return what each state costs in each frame, (G, S) pixels: epipolar distances, and exchanges themselves."""
    views = len(cameras)
    states = np.arange(2**views)
    bits = (states[:, None] >> np.arange(views)) & 1
    cost = np.zeros((len(pixels), len(states))) + EXCHANGE_COST_PX * bits.sum(axis=1)
    rays = [undistort_pixels(camera, pixels[:, v]) for v, camera in enumerate(cameras)]
    for u in range(views):
        for v in range(u + 1, views):
            same, other = pair_costs((cameras[u], cameras[v]), (rays[u], rays[v]), confidence[:, [u, v]], half)
            differs = bits[:, u] != bits[:, v]
            cost += np.where(differs, other[:, None], same[:, None]) / (views - 1)
    return cost


def pair_costs(
    cameras: tuple[Camera, Camera], rays: tuple[np.ndarray, np.ndarray], confidence: np.ndarray, half: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how badly two views fit each other, (G,) pixels, as they are and with one of them exchanged.

    Parameters
    ----------
    cameras : the two
    rays : their points (G, 26, 2) in normalised coordinates
    confidence : (G, 2, 26)
    half : keypoints that count
    """
    cap = CAP_FRACTION * min(float(np.hypot(*camera.size)) for camera in cameras)
    essential = essential_matrix(*cameras)
    focal = float(np.mean([camera.matrix[0, 0] for camera in cameras]))
    costs = []
    for order in (half, MIRROR[half]):
        distance = focal * epipolar_distance(essential, rays[0][:, half], rays[1][:, order])
        weight = np.minimum(confidence[:, 0, half], confidence[:, 1, order])
        costs.append(_weighted_mean(np.minimum(distance, cap), weight))
    return _comparable(*costs)


def motion_costs(pixels: np.ndarray, half: np.ndarray, caps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each view's points move from frame to frame, (G - 1, V) pixels, if sides are kept or exchanged.

    Parameters
    ----------
    pixels : (G, V, 26, 2)
    half : keypoints that count
    caps : (V,) distances count up to these
    """
    before, after = pixels[:-1][:, :, half], pixels[1:]
    costs = []
    for order in (half, MIRROR[half]):
        distance = np.linalg.norm(after[:, :, order] - before, axis=-1)
        costs.append(_weighted_mean(np.minimum(distance, caps[:, None]), np.ones(distance.shape)))
    return _comparable(*costs)


def _comparable(as_is: np.ndarray, exchanged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both costs, 0 for both where one is unknown: what cannot be compared must decide nothing."""
    known = np.isfinite(as_is) & np.isfinite(exchanged)
    return np.where(known, as_is, 0.0), np.where(known, exchanged, 0.0)


def _weighted_mean(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis of what is known; NaN where nothing is."""
    weight = np.where(np.isfinite(values), weight, 0.0)
    total = weight.sum(axis=-1)
    mean = (np.nan_to_num(values) * weight).sum(axis=-1) / np.maximum(total, 1e-9)
    return np.where(total > 0, mean, np.nan)


def best_states(cost: np.ndarray, keep: np.ndarray, flip: np.ndarray) -> np.ndarray:
    """Return the cheapest sequence of states.

    A change of state is a sum over views, so the minimum over the S states before is taken one view at a time:
    V * S steps a frame, not S².

    Parameters
    ----------
    cost : (G, S) of each state in each frame
    keep, flip : (G - 1, V) of leaving a view's bit as it is, and of changing it

    Returns
    -------
    (G, V) bool, the bits of the states.
    """
    frames, states = cost.shape
    views = keep.shape[1]
    numbers = np.arange(states)
    came_from = np.empty((frames, states), dtype=np.int64)
    total = cost[0].copy()
    for g in range(1, frames):
        origin = numbers
        for v in range(views):
            partner = numbers ^ (1 << v)
            stay, change = total + keep[g - 1, v], total[partner] + flip[g - 1, v]
            origin = np.where(change < stay, origin[partner], origin)
            total = np.minimum(stay, change)
        came_from[g] = origin
        total = total + cost[g]
    path = np.empty(frames, dtype=np.int64)
    path[-1] = total.argmin()
    for g in range(frames - 1, 0, -1):
        path[g - 1] = came_from[g, path[g]]
    return ((path[:, None] >> np.arange(views)) & 1).astype(bool)
