"""Virtual inertial sensors on the segments of any motion, with the faults of real ones.

A gyroscope reads the angular rate and an accelerometer the specific force ``R_sensor_world (a + g up)``, both in the
sensor's own axes. Position and rotation are interpolated by splines that can be differentiated twice and once; what
the splines cannot know, across a gap of the motion, stays NaN.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from kinefuse.conventions import GRAVITY, IMU_SITES, SEGMENT_INDEX, UP
from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.recordings import Imu
from kinefuse.rotations import matrix_from_rotvec, yaw_matrix
from kinefuse.synthesis.sites import (
    PAPER_SD_RAD,
    careless_mounting,
    mounting_sd,
    outward,
    site_offsets,
    surface_offsets,
    surface_sites,
)
from kinefuse.synthesis.wobble import natural_frequency, sensor_on_tissue, tilt

REF_FROM_WORLD: Final = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""From our world (Y up) to a device's global frame (Z up) before its own heading."""

SHORTEST_RUN: Final = 8
"""Frames without a gap that a spline needs to be worth differentiating."""


@dataclass(frozen=True, kw_only=True)
class ImuFaults:
    """Size of the errors of sensors and of those who put them on.

    Noise is that of current body-worn devices, about 0.01 °/s/√Hz and 300 µg/√Hz in a band of 50 Hz; it and the biases
    stand beside those of real devices in ``docs/results/virtual_imus.md``.

    Attributes
    ----------
    mounting_sd_rad : of each component of the rotation vector by which a sensor is put on askew; 13.5° is Shin et al.'s
    mounting : a name of `sites.MOUNTINGS`, which then takes the place of that number
    place_sd_m : of each component of the error of its place on the segment
    tissue : largest share of the soft tissue's wobble that a sensor takes part in, 0 (screwed to the bone) to 1; each
        sensor's is drawn evenly from none, a tight strap, to this, see `on_tissue`
    gyro_noise, gyro_bias_sd : rad/s; white, and constant during the trial
    acc_noise, acc_bias_sd : m/s²
    clock_sd_ppm : error of the rate of the sensor's clock, millionths
    lost_share : share of lost packets, which come in short bursts
    tilt_sd_rad : constant error of the device's own orientation
    heading_drift_sd : rad/s, the rate at which its heading drifts away
    """

    mounting_sd_rad: float = PAPER_SD_RAD
    mounting: str | None = None
    place_sd_m: float = 0.01
    tissue: float = 1.0
    gyro_noise: float = 0.0015
    gyro_bias_sd: float = 0.004
    acc_noise: float = 0.02
    acc_bias_sd: float = 0.08
    clock_sd_ppm: float = 20.0
    lost_share: float = 0.004
    tilt_sd_rad: float = float(np.deg2rad(0.7))
    heading_drift_sd: float = float(np.deg2rad(0.02))


def ideal_imu(
    motion: Motion,
    segment: str,
    offset: np.ndarray,
    R_segment_sensor: np.ndarray,
    times: np.ndarray,
    smooth_hz: float | None = None,
) -> Imu:
    """Return what a perfect sensor on a segment reads.

    Parameters
    ----------
    motion : sampled densely enough for its splines to hold; 100 Hz and more is good for people
    segment : name of `conventions.SEGMENTS`
    offset : (3,) metres from the segment's joint, in segment axes
    R_segment_sensor : (3, 3) mounting
    times : (N,) seconds, on the motion's clock
    smooth_hz : cut-off of `smoothed`, for motion capture, whose jitter of a millimetre is 10 m/s² after two
        derivatives; None takes the motion as it is

    Returns
    -------
    `Imu` named after its segment. ``R_ref_sensor`` is its orientation in the world turned to Z up. Samples outside
    of the motion, and where the segment is unknown, are NaN.

    Raises
    ------
    KinefuseError
        If the segment is not known for at least eight neighbouring frames.
    """
    index = SEGMENT_INDEX[segment]
    rotation = motion.R_world_segment[:, index]
    place = motion.positions[:, index] + rotation @ np.asarray(offset, dtype=float)
    known = np.isfinite(rotation).all(axis=(1, 2)) & np.isfinite(place).all(axis=1)
    runs = [run for run in valid_runs(known) if run.stop - run.start >= SHORTEST_RUN]
    if not runs:
        raise KinefuseError(
            f"A virtual IMU on {segment} needs {SHORTEST_RUN} neighbouring frames in which it is known; there are none."
        )
    out = [np.full((len(times), 3), np.nan), np.full((len(times), 3), np.nan), np.full((len(times), 3, 3), np.nan)]
    for run in runs:
        inside = (times >= motion.time[run.start]) & (times <= motion.time[run.stop - 1])
        where, turn = place[run], rotation[run]
        if smooth_hz is not None:
            where, turn = (
                smoothed(where, motion.rate_hz, smooth_hz),
                smoothed_rotations(turn, motion.rate_hz, smooth_hz),
            )
        readings = _readings(motion.time[run], where, turn, R_segment_sensor, times[inside])
        for whole, part in zip(out, readings, strict=True):
            whole[inside] = part
    return Imu(
        name=segment,
        segment=segment,
        time=np.asarray(times, dtype=float),
        specific_force=out[0],
        angular_rate=out[1],
        R_ref_sensor=REF_FROM_WORLD @ out[2],
    )


def valid_runs(valid: np.ndarray) -> list[slice]:
    """Return the slices of (T,) in which `valid` is true throughout."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], valid, [False]]).astype(int)))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _readings(
    time: np.ndarray, place: np.ndarray, rotation: np.ndarray, R_segment_sensor: np.ndarray, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Specific force and angular rate (N, 3) in sensor axes, and R_world_sensor (N, 3, 3), at `times`."""
    if not len(times):
        return np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 3, 3))
    turn, rate = turn_and_rate(time, rotation, times)
    R_world_sensor = turn @ R_segment_sensor
    force = acceleration(time, place, times) + GRAVITY * np.array(UP)
    return np.einsum("tji,tj->ti", R_world_sensor, force), rate @ R_segment_sensor, R_world_sensor


def smoothed(values: np.ndarray, rate_hz: float, cutoff_hz: float) -> np.ndarray:
    """Return values (T, ...) after a Butterworth low-pass of second order, forwards and backwards (Winter 2009).

    Parameters
    ----------
    values : without NaN, evenly sampled
    rate_hz : samples a second
    cutoff_hz : 6 to 10 Hz is usual for human movement

    Raises
    ------
    KinefuseError
        If the cut-off does not lie between zero and half the sampling rate.
    """
    from scipy.signal import butter, sosfiltfilt

    if not 0 < cutoff_hz < rate_hz / 2:
        raise KinefuseError(f"A cut-off between 0 and {rate_hz / 2:g} Hz was expected, got {cutoff_hz:g} Hz.")
    filters = butter(2, cutoff_hz, fs=rate_hz, output="sos")
    pad = min(len(values) - 1, max(int(2 * rate_hz / cutoff_hz), 9))
    return np.asarray(sosfiltfilt(filters, values, axis=0, padlen=pad))


def smoothed_rotations(matrices: np.ndarray, rate_hz: float, cutoff_hz: float) -> np.ndarray:
    """Return rotations (T, 3, 3) after `smoothed`: the rotation nearest to the smoothed matrix."""
    u, _, vt = np.linalg.svd(smoothed(matrices, rate_hz, cutoff_hz))
    u[..., -1] *= np.linalg.det(u @ vt)[..., None]
    return u @ vt


def acceleration(time: np.ndarray, place: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the second derivative (N, 3) m/s² of a place (T, 3) metres, from a quintic spline."""
    from scipy.interpolate import make_interp_spline

    return make_interp_spline(time, place, k=5)(times, nu=2)


def turn_and_rate(time: np.ndarray, rotation: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate rotations by SciPy's rotation spline, whose angular rate and acceleration are continuous.

    Parameters
    ----------
    time : (T,) seconds, T of at least 8
    rotation : (T, 3, 3) body to world
    times : (N,) seconds within `time`

    Returns
    -------
    R : (N, 3, 3) body to world
    rate : (N, 3) rad/s in body axes
    """
    from scipy.spatial.transform import Rotation, RotationSpline

    spline = RotationSpline(time, Rotation.from_matrix(rotation))
    return spline(times).as_matrix(), spline(times, 1)


def virtual_imus(
    motion: Motion,
    rng: np.random.Generator,
    segments: Sequence[str] = IMU_SITES,
    rate_hz: float = 100.0,
    faults: ImuFaults | None = None,
    nominal: Mapping[str, np.ndarray] | None = None,
    smooth_hz: float | None = None,
) -> tuple[Imu, ...]:
    """Return noisy sensors, each with its own time stamps, mounting, bias, lost packets and heading.

    Parameters
    ----------
    motion
    rng : every number drawn comes from here, in a fixed order
    segments : which segments carry one, of `conventions.IMU_SITES`
    rate_hz : samples a second
    faults : None takes the defaults of `ImuFaults`
    nominal : (3, 3) mountings, sensor to segment, of sensors that were put on with care; the identity where a segment
        is not in it
    smooth_hz : cut-off for motions from motion capture, see `ideal_imu`

    Returns
    -------
    One `Imu` a segment; its clock starts right and then runs at its own rate. The mounting and the device's heading
    stay unknown, as in the field.

    Raises
    ------
    KinefuseError
        If a segment is no IMU site, or is not known long enough.
    """
    faults = faults or ImuFaults()
    unknown = [segment for segment in segments if segment not in IMU_SITES]
    if unknown:
        raise KinefuseError(f"No IMU site is called {', '.join(unknown)}; there are {', '.join(IMU_SITES)}.")
    offsets = _offsets(motion)
    askew = dict(zip(IMU_SITES, mounting_sd(faults.mounting or faults.mounting_sd_rad), strict=True))
    sensors = []
    for segment in segments:
        mounting = careless_mounting(rng, askew[segment]) @ (nominal or {}).get(segment, np.eye(3))
        place = offsets[segment] + rng.normal(0.0, faults.place_sd_m, 3)
        times = np.arange(motion.time[0] + rng.uniform(0.0, 1.0 / rate_hz), motion.time[-1], 1.0 / rate_hz)
        perfect = ideal_imu(motion, segment, place, mounting, times, smooth_hz)
        worn = on_tissue(perfect, mounting, natural_frequency(rng, segment), rng.uniform(0.0, 1.0) * faults.tissue)
        sensors.append(with_faults(worn, rng, faults))
    return tuple(sensors)


def _offsets(motion: Motion) -> dict[str, np.ndarray]:
    """On the skin where the body has one, else off the bones."""
    has_skin = motion.body_name == "anny" and len(motion.shape) == len(surface_sites()[1])
    return surface_offsets(motion.shape) if has_skin else site_offsets(motion.rest_positions)


def on_tissue(imu: Imu, R_segment_sensor: np.ndarray, natural_hz: float, share: float = 1.0) -> Imu:
    """Return the readings of a sensor that wobbles on soft tissue, from those of one that sits on the bone.

    Parameters
    ----------
    imu : evenly sampled, on one of `conventions.IMU_SITES`; each stretch without NaN starts in equilibrium
    R_segment_sensor : (3, 3) its mounting
    natural_hz : of the tissue
    share : how much of the wobble it takes part in, 0 to 1
    """
    if len(imu.time) < 2:
        return imu
    force, rate = imu.specific_force @ R_segment_sensor.T, imu.angular_rate @ R_segment_sensor.T
    turn = np.zeros_like(force)
    normal = outward(imu.segment or imu.name)
    for run in valid_runs(np.isfinite(force).all(axis=1)):
        read, moved, speed = sensor_on_tissue(force[run], 1.0 / float(np.median(np.diff(imu.time))), natural_hz)
        force[run] += share * (read - force[run])
        rate[run] += tilt(share * speed, normal)
        turn[run] = tilt(share * moved, normal)
    R_segment_now = matrix_from_rotvec(turn) @ R_segment_sensor
    orientation = imu.R_ref_sensor
    return replace(
        imu,
        specific_force=np.einsum("tji,tj->ti", R_segment_now, force),
        angular_rate=np.einsum("tji,tj->ti", R_segment_now, rate),
        R_ref_sensor=None if orientation is None else orientation @ R_segment_sensor.T @ R_segment_now,
    )


def with_faults(imu: Imu, rng: np.random.Generator, faults: ImuFaults) -> Imu:
    """Return perfect readings with bias, noise, a clock that runs fast or slow, lost packets, and its own heading."""
    frames = len(imu.time)
    force = imu.specific_force + rng.normal(0.0, faults.acc_bias_sd, 3) + rng.normal(0.0, faults.acc_noise, (frames, 3))
    rate = imu.angular_rate + rng.normal(0.0, faults.gyro_bias_sd, 3) + rng.normal(0.0, faults.gyro_noise, (frames, 3))
    orientation = None
    if imu.R_ref_sensor is not None:
        heading = rng.uniform(-np.pi, np.pi) + rng.normal(0.0, faults.heading_drift_sd) * (imu.time - imu.time[0])
        turn = REF_FROM_WORLD @ yaw_matrix(heading) @ REF_FROM_WORLD.T
        orientation = turn @ imu.R_ref_sensor @ careless_mounting(rng, faults.tilt_sd_rad)
    clock = 1.0 + 1e-6 * rng.normal(0.0, faults.clock_sd_ppm)
    kept = packets_that_arrive(rng, frames, faults.lost_share)
    return Imu(
        name=imu.name,
        segment=imu.segment,
        time=(imu.time[0] + clock * (imu.time - imu.time[0]))[kept],
        specific_force=force[kept],
        angular_rate=rate[kept],
        R_ref_sensor=None if orientation is None else orientation[kept],
    )


def packets_that_arrive(rng: np.random.Generator, frames: int, lost_share: float) -> np.ndarray:
    """Return (T,) false where a packet is lost; losses come in bursts of one to five. The first one arrives."""
    kept = np.ones(frames, dtype=bool)
    for _ in range(rng.poisson(frames * lost_share / 3.0)):
        start = int(rng.integers(1, max(frames, 2)))
        kept[start : start + int(rng.integers(1, 6))] = False
    return kept
