"""Virtual inertial sensors on the segments of any motion, with the faults of real ones.

A gyroscope reads the angular rate and an accelerometer the specific force ``R_sensor_world (a + g up)``, both in the
sensor's own axes. Position and rotation are interpolated by splines that can be differentiated twice and once; what
the splines cannot know, across a gap of the motion, stays NaN.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.conventions import GRAVITY, IMU_SITES, JOINT_INDEX, SEGMENT_INDEX, UP
from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.recordings import Imu
from kinefuse.rotations import matrix_from_rotvec, yaw_matrix

REF_FROM_WORLD: Final = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""From our world (Y up) to a device's global frame (Z up) before its own heading."""

SHORTEST_RUN: Final = 8
"""Frames without a gap that a spline needs to be worth differentiating."""

# Where a sensor sits: the joint that its segment leads to, how far along, and metres off that line in body axes, with
# the third number to the outside of the body.
_SITES: Final = {
    "pelvis": ("lumbar", 0.7, (-0.075, 0.0, 0.0)),
    "thigh": ("knee", 0.55, (0.01, 0.0, 0.075)),
    "shank": ("ankle", 0.35, (0.035, 0.0, -0.02)),
    "foot": ("mtp", 0.55, (0.0, 0.035, 0.0)),
    "thorax": ("neck_base", 0.45, (0.13, 0.0, 0.0)),
    "head": (None, 0.0, (-0.085, 0.06, 0.0)),
    "upper_arm": ("elbow", 0.55, (0.0, 0.045, 0.0)),
    "forearm": ("wrist", 0.85, (0.0, 0.03, 0.0)),
}


@dataclass(frozen=True, kw_only=True)
class ImuFaults:
    """Size of the errors of sensors and of those who put them on.

    Noise is that of current body-worn devices, about 0.01 °/s/√Hz and 200 µg/√Hz in a band of 50 Hz.

    Attributes
    ----------
    mounting_sd_rad : of each component of the rotation vector by which a sensor is put on askew; 13.5° is Shin et al.'s
    place_sd_m : of each component of the error of its place on the segment
    gyro_noise, gyro_bias_sd : rad/s; white, and constant during the trial
    acc_noise, acc_bias_sd : m/s²
    lost_share : share of lost packets, which come in short bursts
    tilt_sd_rad : constant error of the device's own orientation
    heading_drift_sd : rad/s, the rate at which its heading drifts away
    """

    mounting_sd_rad: float = float(np.deg2rad(13.5))
    place_sd_m: float = 0.01
    gyro_noise: float = 0.0015
    gyro_bias_sd: float = 0.004
    acc_noise: float = 0.02
    acc_bias_sd: float = 0.04
    lost_share: float = 0.004
    tilt_sd_rad: float = float(np.deg2rad(0.7))
    heading_drift_sd: float = float(np.deg2rad(0.02))


def site_offsets(rest_positions: np.ndarray) -> dict[str, np.ndarray]:
    """Return where on its segment each standard IMU sits.

    Parameters
    ----------
    rest_positions : (22, 3) joints in the rest pose, metres

    Returns
    -------
    For each name of `conventions.IMU_SITES`, (3,) metres from the segment's joint, in segment axes.
    """
    return {segment: _site_offset(segment, rest_positions) for segment in IMU_SITES}


def _site_offset(segment: str, rest_positions: np.ndarray) -> np.ndarray:
    part, _, side = segment.rpartition("_") if segment[-2:] in {"_l", "_r"} else (segment, "", "")
    outward = -1.0 if side == "l" else 1.0
    end, share, off = _SITES[part]
    bone = np.zeros(3)
    if end is not None:
        end_joint = JOINT_INDEX[f"{end}_{side}" if side else end]
        bone = rest_positions[end_joint] - rest_positions[SEGMENT_INDEX[segment]]
    return share * bone + np.array(off) * np.array([1.0, 1.0, outward])


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


def careless_mounting(rng: np.random.Generator, sd_rad: float) -> np.ndarray:
    """Return a random rotation (3, 3): a rotation vector whose components are normal with `sd_rad`."""
    return matrix_from_rotvec(rng.normal(0.0, sd_rad, 3))


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
    One `Imu` a segment, on the motion's clock. The mounting and the device's heading stay unknown, as in the field.

    Raises
    ------
    KinefuseError
        If a segment is no IMU site, or is not known long enough.
    """
    faults = faults or ImuFaults()
    unknown = [segment for segment in segments if segment not in IMU_SITES]
    if unknown:
        raise KinefuseError(f"No IMU site is called {', '.join(unknown)}; there are {', '.join(IMU_SITES)}.")
    offsets = site_offsets(motion.rest_positions)
    sensors = []
    for segment in segments:
        mounting = (nominal or {}).get(segment, np.eye(3)) @ careless_mounting(rng, faults.mounting_sd_rad)
        place = offsets[segment] + rng.normal(0.0, faults.place_sd_m, 3)
        times = np.arange(motion.time[0] + rng.uniform(0.0, 1.0 / rate_hz), motion.time[-1], 1.0 / rate_hz)
        sensors.append(with_faults(ideal_imu(motion, segment, place, mounting, times, smooth_hz), rng, faults))
    return tuple(sensors)


def with_faults(imu: Imu, rng: np.random.Generator, faults: ImuFaults) -> Imu:
    """Return perfect readings with bias, noise and lost packets, its orientation with a heading of its own."""
    frames = len(imu.time)
    force = imu.specific_force + rng.normal(0.0, faults.acc_bias_sd, 3) + rng.normal(0.0, faults.acc_noise, (frames, 3))
    rate = imu.angular_rate + rng.normal(0.0, faults.gyro_bias_sd, 3) + rng.normal(0.0, faults.gyro_noise, (frames, 3))
    orientation = None
    if imu.R_ref_sensor is not None:
        heading = rng.uniform(-np.pi, np.pi) + rng.normal(0.0, faults.heading_drift_sd) * (imu.time - imu.time[0])
        turn = REF_FROM_WORLD @ yaw_matrix(heading) @ REF_FROM_WORLD.T
        orientation = turn @ imu.R_ref_sensor @ careless_mounting(rng, faults.tilt_sd_rad)
    kept = packets_that_arrive(rng, frames, faults.lost_share)
    return Imu(
        name=imu.name,
        segment=imu.segment,
        time=imu.time[kept],
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
