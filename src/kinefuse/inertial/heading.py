"""One heading for all sensors: without a magnetometer, each begins with a heading of its own.

Angles are about the vertical (Y up), from a sensor's own world to the common one, in which the person faces X.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from kinefuse.body.angles import ANATOMICAL_OFFSETS, wrap
from kinefuse.conventions import SEGMENT_INDEX
from kinefuse.inertial.mounting import segment_in_pose
from kinefuse.rotations import nearest_yaw

NEIGHBOUR: Final = {
    "thorax": "pelvis",
    "head": "thorax",
    **{f"{part}_{side}": at for side in "lr" for part, at in (("thigh", "pelvis"), ("upper_arm", "thorax"))},
    **{f"{part}_{side}": f"{at}_{side}" for side in "lr" for part, at in (("shank", "thigh"), ("foot", "shank"))},
    **{f"forearm_{side}": f"upper_arm_{side}" for side in "lr"},
}
"""The segment with a sensor that is next on the way to the pelvis."""

SAME_HEADING: Final = np.deg2rad(30.0)
AGREEING_SHARE: Final = 0.6
FEWEST: Final = 4
"""If so many sensors, and such a share of all, agree this well, the devices are taken to share a heading."""


def heading_in_pose(R_own_segment: np.ndarray, segment: str, kind: str) -> float:
    """Return the angle that turns a segment's mean orientation in a held pose (3, 3) to that of the pose."""
    return nearest_yaw(segment_in_pose(segment, kind) @ R_own_segment.T)


def headings_over_time(
    R_own_segment: Mapping[str, np.ndarray], known: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Return the angles that make each segment face, on average over a recording, where its neighbour faces.

    Parameters
    ----------
    R_own_segment : for each segment with a sensor, in the order of `conventions.IMU_SITES`: (T, 3, 3) in the sensor's
        own world
    known : angles of some of them, which stay as they are

    Returns
    -------
    By segment; without any known one, the first faces X on average.
    """
    frames = {name: R @ ANATOMICAL_OFFSETS[SEGMENT_INDEX[name]] for name, R in R_own_segment.items()}
    found = dict(known or {})
    for name, frame in frames.items():
        if name in found:
            continue
        near = neighbour(name, found) if found else None
        towards = np.eye(3) if near is None else frames[near]
        product = (towards @ np.swapaxes(frame, -1, -2)).sum(0)
        found[name] = nearest_yaw(product) + (found[near] if near is not None else 0.0)
    return found


def neighbour(segment: str, there: Mapping[str, object]) -> str:
    """Return the nearest of some segments on the way to the pelvis; without any, the first one."""
    while segment in NEIGHBOUR:
        segment = NEIGHBOUR[segment]
        if segment in there:
            return segment
    return next(iter(there))


def common_heading(headings: Mapping[str, float]) -> float | None:
    """Return the angle on which most sensors agree, so that their devices must share a heading; None if they do not."""
    angles = np.array(list(headings.values()))
    apart = np.abs(wrap(np.subtract.outer(angles, angles)))
    near = apart[np.median(apart, axis=1).argmin()] < SAME_HEADING
    if near.sum() < max(FEWEST, AGREEING_SHARE * len(angles)):
        return None
    return float(np.angle(np.exp(1j * angles[near]).mean()))
