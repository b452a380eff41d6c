"""Orientations of the bones that carry a sensor, in the cameras' world: R_world_ref R_ref_sensor R_segment_sensorᵀ.

How a sensor turned comes from its device, or from its gyroscope and accelerometer. What it cannot know, its heading and
perhaps how it sits on the segment, is what agrees best with the segments that the cameras alone show. A mounting that
is given is taken as it is. A held pose counts for what it measures, where up is on a sensor; the turn about that is
found by the cameras with the heading, because an upright segment looks the same if both are wrong alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from kinefuse.body.fit_sensors import first_guess
from kinefuse.body.sensor_terms import WornSensors, yaw_rotation
from kinefuse.conventions import IMU_SITES, INFERRED, SEGMENT_INDEX
from kinefuse.estimators.sensor_turns import SensorTurns
from kinefuse.motion import Motion
from kinefuse.recordings import Imu

PRIOR: Final = 0.02
"""How many times all frames together an unknown mounting's usual one counts: enough where nothing else tells."""

POSE: Final = 2.0
"""How many times all frames together the vertical in a held pose counts. On five people kept for validation, with poses
held to 4° and joints 33 mm off, bones were then 4.3° off; with 0.5 or 8, and with the pose believed altogether, 4.5°,
4.6° and 6.1°."""

ROUGH_RAD: Final = float(np.deg2rad(5.0))
"""No single frame of the cameras tells an orientation better than this."""

DRIFT_SPAN_S: Final = 20.0
"""A heading is the one that suits so many seconds around a frame: a gyroscope's heading drifts slowly."""


@dataclass(frozen=True)
class Bones:
    """Orientations of the 13 sites' segments at T times.

    Attributes
    ----------
    R_world_segment : (T, 13, 3, 3) in the order of `conventions.IMU_SITES`; the identity where none is known
    provenance : (T, 13) of `conventions.PROVENANCE`
    """

    R_world_segment: np.ndarray
    provenance: np.ndarray

    @property
    def worn(self) -> np.ndarray:
        """(T, 13) whether an orientation is known."""
        return np.asarray(self.provenance != INFERRED)


def needs_cameras(turns: SensorTurns) -> bool:
    """Return whether a heading or a mounting of any sensor has to be found out."""
    return any(imu.R_world_ref is None or imu.R_segment_sensor is None for imu in turns.sensors)


def bones_in_world(
    turns: SensorTurns, shown: Motion | None, frames: np.ndarray, upright: Mapping[str, np.ndarray] | None = None
) -> Bones:
    """Return the orientations of bones in the world.

    Parameters
    ----------
    turns : N sensors at T times
    shown : the segments as the cameras alone show them, at some of these times; None if `needs_cameras` says no
    frames : (M,) which times these are
    upright : by name of a sensor whose mounting a held pose told: the segment's direction (3,) that was up in it
    """
    R = turns.R_own_segment if shown is None else _aligned(turns, shown, frames, upright or {})
    out = np.broadcast_to(np.eye(3), (len(R), len(IMU_SITES), 3, 3)).copy()
    provenance = np.full(out.shape[:2], INFERRED, np.uint8)
    for column, segment in enumerate(turns.segments):
        site, known = IMU_SITES.index(segment), turns.provenance[:, column] != INFERRED
        provenance[:, site] = turns.provenance[:, column]
        out[known, site] = R[known, column]
    return Bones(out, provenance)


def _aligned(turns: SensorTurns, shown: Motion, frames: np.ndarray, upright: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return orientations (T, N, 3, 3) of the segments with the mountings and headings that suit the cameras."""
    segments = [SEGMENT_INDEX[name] for name in turns.segments]
    seen = shown.R_world_segment[:, segments]
    sd = np.zeros(seen.shape[:2]) if shown.orientation_sd is None else shown.orientation_sd[:, segments]
    weight = np.isfinite(seen).all((2, 3)) * (turns.provenance[frames] != INFERRED) / (sd**2 + ROUGH_RAD**2)
    weight, seen = np.nan_to_num(weight), np.nan_to_num(seen)
    loose = np.array([imu.R_world_ref is None for imu in turns.sensors])
    R = turns.R_own_sensor @ np.swapaxes(_mountings(turns, seen, weight, frames, upright, loose), -1, -2)
    headings = _headings(seen, R[frames], weight, turns.time[frames], turns.time)
    return yaw_rotation(torch.as_tensor(headings * loose)).numpy() @ R


def _mountings(
    turns: SensorTurns,
    seen: np.ndarray,
    weight: np.ndarray,
    frames: np.ndarray,
    upright: Mapping[str, np.ndarray],
    loose: np.ndarray,
) -> np.ndarray:
    """Return mountings (N, 3, 3): those given, and else those that suit orientations `seen` (M, N, 3, 3).

    So do headings then, of sensors that are `loose` (N,).
    """
    given = [None if imu.name in upright else imu.R_segment_sensor for imu in turns.sensors]
    worn = WornSensors(
        R_level_sensor=torch.as_tensor(turns.R_own_sensor[frames]),
        weight=torch.as_tensor(weight),
        segment=torch.tensor([SEGMENT_INDEX[name] for name in turns.segments]),
        R_segment_sensor=torch.as_tensor(np.stack([_expected(imu, upright) for imu in turns.sensors])),
        heading=torch.zeros(len(given), 1, dtype=torch.float64),
        blend=torch.ones(len(frames), 1, dtype=torch.float64),
    )
    found = first_guess(
        worn, torch.as_tensor(seen), worn.weight, PRIOR, torch.as_tensor(loose)
    ).R_segment_sensor.numpy()
    return np.stack([one if known is None else known for one, known in zip(found, given, strict=True)])


def _expected(imu: Imu, upright: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the mounting that is expected, (3, 3); with a held pose, more so where it measures.

    A Procrustes problem takes a sum of a rotation and of a pair of directions, weighed by how much each counts.
    """
    usual = np.eye(3) if imu.R_segment_sensor is None else imu.R_segment_sensor
    if imu.name not in upright:
        return usual
    up = upright[imu.name]
    return np.asarray(usual + POSE / PRIOR * np.outer(up, up) @ usual)


def _headings(
    seen: np.ndarray, told: np.ndarray, weight: np.ndarray, time: np.ndarray, new_time: np.ndarray
) -> np.ndarray:
    """Return the turns about the vertical (T, N), radians, from orientations as sensors tell to those in the world.

    Parameters
    ----------
    seen, told, weight : (M, N, 3, 3) twice and (M, N), at times `time` (M,)
    new_time : (T,) of the result
    """
    product = np.cumsum(weight[..., None, None] * (seen @ np.swapaxes(told, -1, -2)), axis=0)
    product = np.concatenate([np.zeros_like(product[:1]), product])
    first = np.searchsorted(time, time - DRIFT_SPAN_S / 2)
    last = np.searchsorted(time, time + DRIFT_SPAN_S / 2, side="right")
    near = product[last] - product[first]
    angle = np.unwrap(np.arctan2(near[..., 0, 2] - near[..., 2, 0], near[..., 0, 0] + near[..., 2, 2]), axis=0)
    return np.stack([np.interp(new_time, time, column) for column in angle.T], axis=1)
