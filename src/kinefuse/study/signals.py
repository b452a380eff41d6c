"""What perfect sensors on a window read, computed once, and what real ones make of it, drawn anew for each repetition.

`synthesis.imus.virtual_imus` differentiates splines each time it is called. Here this is done once for each window:
where a sensor sits on its segment enters its acceleration linearly, through the second derivative of the segment's
rotation, and how it is mounted only turns its readings. Before the window the person's imperfect pose is another one
each time; there, derivatives are differences between samples.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch

from kinefuse.body.kinematics import joint_positions
from kinefuse.conventions import GRAVITY, IMU_SITES, SEGMENT_INDEX, UP
from kinefuse.evaluation.recordings import CUTOFF_HZ, CUTOFF_SHARE
from kinefuse.motion import Motion
from kinefuse.recordings import Imu
from kinefuse.rotations import matrix_from_rotvec, rotvec_from_matrix, yaw_matrix
from kinefuse.study.laboratory import pose_share
from kinefuse.synthesis.imus import (
    REF_FROM_WORLD,
    ImuFaults,
    acceleration,
    on_tissue,
    smoothed,
    smoothed_rotations,
    turn_and_rate,
    with_faults,
)
from kinefuse.synthesis.sites import site_offsets, surface_offsets, surface_sites
from kinefuse.synthesis.wobble import natural_frequency

SENSOR_HZ: Final = 100.0

FIELD_UT: Final = 48.0
DIP_RAD: Final = float(np.deg2rad(65.0))
FIELD_NOISE_UT: Final = 0.5
FIELD_HEADING_SD_RAD: Final = float(np.deg2rad(5.0))
"""The Earth's magnetic field at middle latitudes, a magnetometer's noise, and by how much iron turns the field at each
sensor, as in a good laboratory."""

_SITES: Final = [SEGMENT_INDEX[site] for site in IMU_SITES]


@dataclass(frozen=True)
class Ideal:
    """What is needed of a motion to say what a sensor anywhere on its 13 sites reads, at N even times.

    Attributes
    ----------
    time : (N,) seconds; the window begins at 0
    R : (13, N, 3, 3) segment to world
    rate : (13, N, 3) rad/s, segment axes
    joint : (13, N, 3) m/s², acceleration of the segment's joint, world
    bend : (13, N, 3, 3) 1/s², second derivative of `R`
    offsets : (13, 3) metres, where a sensor sits on its segment
    lead_R : (L, 22, 3, 3) all segments before the window, and its first sample
    lead_root : (L, 3) metres
    rest_positions : (22, 3) metres
    """

    time: np.ndarray
    R: np.ndarray
    rate: np.ndarray
    joint: np.ndarray
    bend: np.ndarray
    offsets: np.ndarray
    lead_R: np.ndarray
    lead_root: np.ndarray
    rest_positions: np.ndarray


def ideal_signals(motion: Motion) -> Ideal:
    """Return the derivatives of a motion that begins before its window, see `laboratory.with_lead`.

    Low-pass and splines are those of `evaluation.recordings` and `synthesis.imus`.
    """
    cutoff, rate_hz = min(CUTOFF_HZ, CUTOFF_SHARE * motion.rate_hz), motion.rate_hz
    first = np.ceil(motion.time[0] * SENSOR_HZ + 1e-6)
    time = np.arange(first, np.floor(motion.time[-1] * SENSOR_HZ + 1e-6)) / SENSOR_HZ
    turns = [
        turn_and_rate(motion.time, smoothed_rotations(motion.R_world_segment[:, s], rate_hz, cutoff), time)
        for s in _SITES
    ]
    places = smoothed(motion.positions[:, _SITES], rate_hz, cutoff)
    matrices = smoothed(motion.R_world_segment[:, _SITES], rate_hz, cutoff)
    lead = time[: int((time < 0).sum()) + 1]
    return Ideal(
        time=time,
        R=np.stack([R for R, _ in turns]),
        rate=np.stack([rate for _, rate in turns]),
        joint=np.moveaxis(acceleration(motion.time, places, time), 1, 0),
        bend=np.moveaxis(acceleration(motion.time, matrices, time), 1, 0),
        offsets=np.stack(list(_offsets(motion).values())),
        lead_R=_between(motion, lead, cutoff),
        lead_root=_read(motion.time, smoothed(motion.positions[:, 0], rate_hz, cutoff), lead),
        rest_positions=motion.rest_positions,
    )


def _offsets(motion: Motion) -> dict[str, np.ndarray]:
    has_skin = motion.body_name == "anny" and len(motion.shape) == len(surface_sites()[1])
    return surface_offsets(motion.shape) if has_skin else site_offsets(motion.rest_positions)


def _read(time: np.ndarray, values: np.ndarray, times: np.ndarray) -> np.ndarray:
    from scipy.interpolate import make_interp_spline

    return np.asarray(make_interp_spline(time, values, k=5)(times))


def _between(motion: Motion, times: np.ndarray, cutoff: float) -> np.ndarray:
    """Smooth rotations of all segments (L, 22, 3, 3): the nearest to a spline through the matrices."""
    mixed = _read(motion.time, smoothed(motion.R_world_segment, motion.rate_hz, cutoff), times)
    u, _, vt = np.linalg.svd(mixed)
    return np.asarray(u @ vt)


def standing_otherwise(ideal: Ideal, errors: np.ndarray) -> Ideal:
    """Return the same with another pose before the window.

    Parameters
    ----------
    ideal
    errors : (22, 3) rotation vectors of `laboratory.pose_errors`
    """
    lead = len(ideal.lead_R)
    share = pose_share(ideal.time[:lead])
    held = int((share >= 1.0).sum())
    turns = np.empty_like(ideal.lead_R)
    turns[:held] = matrix_from_rotvec(errors)
    turns[held:] = matrix_from_rotvec(share[held:, None, None] * errors)
    R = ideal.lead_R @ turns
    arrays = (R, ideal.lead_root, ideal.rest_positions)
    places = joint_positions(*(torch.as_tensor(array) for array in arrays)).numpy()[:, _SITES]
    R = R[:, _SITES]
    new = {name: getattr(ideal, name).copy() for name in ("R", "rate", "joint", "bend")}
    inner = slice(1, lead - 1)
    new["R"][:, : lead - 1] = np.moveaxis(R[:-1], 1, 0)
    new["rate"][:, inner] = np.moveaxis(_rates(R), 1, 0)
    new["joint"][:, inner] = np.moveaxis(np.diff(places, 2, axis=0), 1, 0) * SENSOR_HZ**2
    new["bend"][:, inner] = np.moveaxis(np.diff(R, 2, axis=0), 1, 0) * SENSOR_HZ**2
    for name in ("rate", "joint", "bend"):
        new[name][:, 0] = new[name][:, 1]
    return replace(ideal, **new)


def _rates(R: np.ndarray) -> np.ndarray:
    """Angular rates (L - 2, S, 3) rad/s, own axes, of rotations (L, S, 3, 3)."""
    return rotvec_from_matrix(np.swapaxes(R[:-2], -1, -2) @ R[2:]) * (SENSOR_HZ / 2)


def worn_sensors(ideal: Ideal, rng: np.random.Generator, faults: ImuFaults) -> tuple[Imu, ...]:
    """Return the 13 sensors along their segments with noise, bias, soft tissue and a magnetometer; nothing is lost yet.

    Parameters
    ----------
    ideal
    rng : every number comes from here; each sensor draws from its own stream
    faults : mountings and lost packets are none of this

    Returns
    -------
    Sensors without a device's orientation. ``magnetic_field`` is in µT.
    """
    north = rng.uniform(-np.pi, np.pi)
    sensors = []
    for site, stream in zip(range(len(IMU_SITES)), rng.spawn(len(IMU_SITES)), strict=True):
        perfect = _perfect(ideal, site, stream.normal(0.0, faults.place_sd_m, 3))
        frequency = natural_frequency(stream, IMU_SITES[site])
        worn = on_tissue(perfect, np.eye(3), frequency, stream.uniform(0.0, 1.0) * faults.tissue)
        field = _field(worn, north + stream.normal(0.0, FIELD_HEADING_SD_RAD), stream)
        alone = replace(worn, R_ref_sensor=None)
        sensors.append(replace(with_faults(alone, stream, replace(faults, lost_share=0.0)), magnetic_field=field))
    return tuple(sensors)


def _perfect(ideal: Ideal, site: int, misplaced: np.ndarray) -> Imu:
    moving = ideal.joint[site] + ideal.bend[site] @ (ideal.offsets[site] + misplaced) + GRAVITY * np.array(UP)
    return Imu(
        name=IMU_SITES[site],
        segment=IMU_SITES[site],
        time=ideal.time,
        specific_force=np.einsum("tji,tj->ti", ideal.R[site], moving),
        angular_rate=ideal.rate[site],
        R_ref_sensor=REF_FROM_WORLD @ ideal.R[site],
    )


def _field(imu: Imu, north: float, rng: np.random.Generator) -> np.ndarray:
    """Magnetic field (N, 3) µT in the axes of a sensor whose true orientation is known."""
    level = yaw_matrix(north) @ np.array([np.cos(DIP_RAD), 0.0, 0.0])
    field = REF_FROM_WORLD @ (FIELD_UT * (level - np.sin(DIP_RAD) * np.array(UP)))
    assert imu.R_ref_sensor is not None
    return np.swapaxes(imu.R_ref_sensor, -1, -2) @ field + rng.normal(0.0, FIELD_NOISE_UT, (len(imu.time), 3))


def with_device_orientation(imu: Imu) -> Imu:
    """Return a sensor with the orientation that its own filter tells from its noisy readings."""
    from kinefuse.inertial.orientation import estimate_orientation

    return replace(imu, R_ref_sensor=estimate_orientation(imu, magnetometer=True))


def turned(imu: Imu, R_segment_sensor: np.ndarray, since_s: float) -> Imu:
    """Return a sensor that sits askew from a moment on: its readings and its orientation turn with it.

    Parameters
    ----------
    imu : along its segment
    R_segment_sensor : (3, 3), or (T, 3, 3) for each sample
    since_s : seconds
    """
    turn = np.broadcast_to(R_segment_sensor, (len(imu.time), 3, 3)).copy()
    turn[imu.time < since_s] = np.eye(3)
    return replace(
        imu,
        specific_force=_turned_back(turn, imu.specific_force),
        angular_rate=_turned_back(turn, imu.angular_rate),
        magnetic_field=None if imu.magnetic_field is None else _turned_back(turn, imu.magnetic_field),
        R_ref_sensor=None if imu.R_ref_sensor is None else imu.R_ref_sensor @ turn,
    )


def _turned_back(turn: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return np.einsum("tji,tj->ti", turn, vectors)


def during(imu: Imu, start_s: float, end_s: float) -> Imu:
    """Return the samples of a sensor from `start_s` to `end_s`."""
    return imu.rows((imu.time >= start_s - 1e-9) & (imu.time <= end_s + 1e-9))
