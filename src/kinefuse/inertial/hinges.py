"""What knees and elbows tell of their sensors: they hardly bend sideways, so the sensors' headings must fit.

A held pose leaves each sensor's heading to habit (`mounting`). If it is wrong by an angle, all that the segment turns
after the pose is seen turned by that angle, and flexion leaks into adduction. The pair of angles that leaves the least
adduction, and is small itself, is found by robust least squares. Laidig et al. (2017) and Seel et al. (2012) use the
same constraint for sensors whose axes are known.
"""

from typing import Final

import numpy as np

from kinefuse.body.angles import ANATOMICAL_OFFSETS, zxy_angles
from kinefuse.conventions import SEGMENT_INDEX
from kinefuse.rotations import yaw_matrix

HINGES: Final = tuple(
    (a, b) for s in "lr" for a, b in ((f"thigh_{s}", f"shank_{s}"), (f"upper_arm_{s}", f"forearm_{s}"))
)
"""Segments on either side of a joint that is nearly a hinge."""

HEADING_SD: Final = np.deg2rad(10.0)
"""How far a heading from a held pose is off."""

ADDUCTION_SD: Final = np.deg2rad(10.0)
"""How far knees and elbows seem to bend sideways, soft tissue included; much more counts as an outlier. Both
were chosen on people kept for validation, put on 5 and 13.5° askew per axis, among 4, 6, 10 and 10, 15°."""

MOMENTS: Final = 150
"""Frames that are looked at, as if they were independent."""

ROUNDS: Final = 6
STEP: Final = 1e-3


def mean_rotation(matrices: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) nearest to all of (T, 3, 3)."""
    u, _, vt = np.linalg.svd(matrices.sum(0))
    u[:, -1] *= np.linalg.det(u @ vt)
    return np.asarray(u @ vt)


def refined_since_pose(R: np.ndarray, held: np.ndarray, angle: np.ndarray | float) -> np.ndarray:
    """Return orientations of a segment (T, 3, 3), of which the sensor's heading was off by `angle`, set right.

    Parameters
    ----------
    R : in a world with Y up, by the heading that the pose told
    held : (3, 3) the mean of `R` in the pose; it stays as it is
    angle : radians, from that heading to the right one
    """
    turn = yaw_matrix(angle)
    return np.asarray(turn @ R @ held.T @ turn.T @ held)


def hinge_headings(
    upper: np.ndarray, lower: np.ndarray, held: tuple[np.ndarray, np.ndarray], pair: tuple[str, str], free: np.ndarray
) -> np.ndarray:
    """Return the angles (2,), radians, by which the headings of the sensors on either side of a hinge are off.

    Parameters
    ----------
    upper, lower : (T, 3, 3) orientations of both segments, in a world with Y up, by the headings that the pose told
    held : their means in the pose, (3, 3) each
    pair : the segments' names
    free : (2,) false for a heading that is known
    """
    some = np.unique(np.linspace(0, len(upper) - 1, MOMENTS).astype(int))
    offsets = [ANATOMICAL_OFFSETS[SEGMENT_INDEX[name]] for name in pair]
    sides = [side[some] for side in (upper, lower)]

    def adduction(angles: np.ndarray) -> np.ndarray:
        parent, child = (
            refined_since_pose(R, still, angle) @ offset
            for R, still, angle, offset in zip(sides, held, angles, offsets, strict=True)
        )
        return zxy_angles(np.swapaxes(parent, -1, -2) @ child)[:, 1]

    angles = np.zeros(2)
    for _ in range(ROUNDS):
        now = adduction(angles)
        slope = np.stack([(adduction(angles + step) - now) / STEP for step in STEP * np.eye(2)], axis=1) * free
        weight = 1.0 / (1.0 + (now / ADDUCTION_SD) ** 2) ** 2 / ADDUCTION_SD**2
        normal = slope.T @ (weight[:, None] * slope) + np.eye(2) / HEADING_SD**2
        angles = angles - np.linalg.solve(normal, slope.T @ (weight * now) + angles / HEADING_SD**2)
    return angles
