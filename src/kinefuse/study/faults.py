"""What goes wrong beyond noise: pure functions from a recording to one with a fault. The input is never changed.

Times are those of the study: the window begins at 0, and what lies before it is the held pose and the way from it.
What is drawn depends on the generator alone, not on whether the recording has that part.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from kinefuse.conventions import IMU_SITES, mirrored_name
from kinefuse.errors import KinefuseError
from kinefuse.recordings import Imu, Recording
from kinefuse.rotations import matrix_from_rotvec
from kinefuse.study.joining import smooth_step
from kinefuse.study.signals import turned
from kinefuse.synthesis.imus import packets_that_arrive

LIMBS: Final = {
    **{f"arm_{side}": (f"elbow_{side}", f"wrist_{side}") for side in "lr"},
    **{
        f"leg_{side}": tuple(f"{name}_{side}" for name in ("knee", "ankle", "big_toe", "small_toe", "heel"))
        for side in "lr"
    },
}
"""The points of each limb that cameras lose together."""

FEWER: Final = {
    13: IMU_SITES,
    6: ("pelvis", "head", "forearm_l", "forearm_r", "shank_l", "shank_r"),
    3: ("pelvis", "shank_l", "shank_r"),
}
"""Sites of few sensors: the six that sparse sets of the literature have, and a walk's three."""

PAIRS: Final = ("thigh", "shank")


def occluded_limb(recording: Recording, rng: np.random.Generator, seconds: float) -> Recording:
    """Return a recording in which one limb, which is drawn, is unseen for some seconds.

    Parameters
    ----------
    recording
    rng : of the limb and the time
    seconds : for how long; longer than there are points hides it throughout
    """
    limb, start = LIMBS[str(rng.choice(list(LIMBS)))], rng.uniform()
    centers = recording.joint_centers
    if centers is None:
        return recording
    begin = centers.time[0] + start * max(centers.time[-1] - centers.time[0] - seconds, 0.0)
    hidden = (centers.time >= begin) & (centers.time <= begin + seconds)
    positions = centers.positions.copy()
    positions[np.ix_(hidden, [i for i, name in enumerate(centers.names) if name in limb])] = np.nan
    return replace(recording, joint_centers=replace(centers, positions=positions))


def sliding_strap(recording: Recording, rng: np.random.Generator, angle_rad: float, end_s: float) -> Recording:
    """Return a recording in which one sensor, which is drawn, slowly turns on its segment from time 0 on.

    Parameters
    ----------
    recording
    rng : of the sensor and the axis
    angle_rad : by which it has turned at `end_s`
    end_s : when it has come to rest, seconds
    """
    site, axis = str(rng.choice(IMU_SITES)), rng.normal(size=3)
    turn = angle_rad * axis / np.linalg.norm(axis)
    imus = tuple(_sliding(imu, turn, end_s) if imu.segment == site else imu for imu in recording.imus)
    return replace(recording, imus=imus)


def _sliding(imu: Imu, turn: np.ndarray, end_s: float) -> Imu:
    """A sensor that turns by the rotation vector (3,) between 0 and `end_s`; its gyroscope reads that turn too."""
    share = smooth_step(imu.time / end_s)
    own = np.gradient(share, imu.time)[:, None] * turn  # about an axis that the turn itself leaves as it is
    slid = turned(imu, matrix_from_rotvec(share[:, None] * turn), -np.inf)
    return replace(slid, angular_rate=slid.angular_rate + own)


def lost_sensor(recording: Recording, rng: np.random.Generator, count: int = 1) -> Recording:
    """Return a recording without `count` sensors, which are drawn."""
    lost = rng.permutation(IMU_SITES)[:count]
    return replace(recording, imus=tuple(imu for imu in recording.imus if imu.segment not in lost))


def swapped_sides(recording: Recording, rng: np.random.Generator, count: int = len(PAIRS)) -> Recording:
    """Return a recording in which somebody took left for right: of thighs, or of thighs and shanks (`count` of 2)."""
    parts = tuple(rng.permutation(PAIRS)[:count])
    swap = {
        imu.segment: mirrored_name(imu.segment) if imu.segment.startswith(parts) else imu.segment
        for imu in recording.imus
    }
    imus = [replace(imu, name=swap[imu.segment], segment=swap[imu.segment]) for imu in recording.imus]
    return replace(recording, imus=tuple(sorted(imus, key=lambda imu: IMU_SITES.index(imu.segment))))


def clock_offset(recording: Recording, rng: np.random.Generator, offset_s: float) -> Recording:
    """Return a recording whose sensors are late or early, which is drawn, by `offset_s`; the points stay.

    The pose was timed by the sensors' clock.
    """
    shift = offset_s * float(rng.choice([-1.0, 1.0]))
    imus = tuple(replace(imu, time=imu.time + shift) for imu in recording.imus)
    poses = tuple(replace(p, start_s=p.start_s + shift, end_s=p.end_s + shift) for p in recording.poses)
    movements = tuple(replace(m, start_s=m.start_s + shift, end_s=m.end_s + shift) for m in recording.movements)
    return replace(recording, imus=imus, poses=poses, movements=movements)


def packet_loss(recording: Recording, rng: np.random.Generator, share: float) -> Recording:
    """Return a recording of whose packets about `share` are lost, in short bursts and each sensor for itself."""
    # Bursts overlap; so many of them leave the share that was asked for.
    wanted = -np.log(1.0 - min(share, 0.99))
    streams = rng.spawn(len(IMU_SITES))
    imus = tuple(
        imu.rows(packets_that_arrive(streams[IMU_SITES.index(imu.segment)], len(imu.time), wanted))
        for imu in recording.imus
    )
    return replace(recording, imus=imus)


def fewer_sensors(recording: Recording, count: int) -> Recording:
    """Return a recording with the sensors on the sites of `FEWER` only.

    Raises
    ------
    KinefuseError
        If there is no such set.
    """
    if count not in FEWER:
        raise KinefuseError(f"There are sets of {', '.join(map(str, FEWER))} sensors, none of {count}.")
    return replace(recording, imus=tuple(imu for imu in recording.imus if imu.segment in FEWER[count]))


Fault = Callable[[Recording, np.random.Generator, float, float], Recording]

_FAULTS: Final[dict[str, Fault]] = {
    "occluded limb": lambda recording, rng, amount, _: occluded_limb(recording, rng, amount),
    "sliding strap": lambda recording, rng, amount, end: sliding_strap(recording, rng, float(np.deg2rad(amount)), end),
    "lost sensor": lambda recording, rng, amount, _: lost_sensor(recording, rng, int(amount)),
    "swapped sides": lambda recording, rng, amount, _: swapped_sides(recording, rng, int(amount)),
    "clock offset": lambda recording, rng, amount, _: clock_offset(recording, rng, amount / 1000.0),
    "packet loss": lambda recording, rng, amount, _: packet_loss(recording, rng, amount / 100.0),
    "sensors": lambda recording, _, amount, __: fewer_sensors(recording, int(amount)),
}
"""Those of `plan.FAULTS` that a finished recording can be given, amounts in its units; the others belong into how it is
made: softer tissue and other cameras."""


def with_fault(recording: Recording, fault: str, amount: float, rng: np.random.Generator, end_s: float) -> Recording:
    """Return a recording with a fault of `plan.FAULTS`, or as it is if the fault belongs into how it is made.

    Parameters
    ----------
    recording, fault
    amount : in the unit of `plan.FAULTS`
    rng
    end_s : of the window, seconds
    """
    return _FAULTS[fault](recording, rng, amount, end_s) if fault in _FAULTS else recording


def kept_cameras(count: int, of: int) -> Sequence[int]:
    """Return the indices of `count` cameras spread over a ring; two stand at a right angle, for facing ones see alike.

    Parameters
    ----------
    count : 1 to `of`
    of : a multiple of four
    """
    return (0, of // 4) if count == 2 else tuple(range(0, of, of // count))[:count]
