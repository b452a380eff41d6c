"""The recordings of one repetition: the very same for every estimator, as far as each of them sees.

Every part draws from a stream of its own, named after the seed, the window, the repetition and the part: the sensors'
noise is the same under every setting, a mounting twice as askew is the same one twice as far, and what is left out
takes nothing from the rest.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np

from kinefuse.conventions import IMU_SITES
from kinefuse.errors import KinefuseError
from kinefuse.evaluation.filming import filmed
from kinefuse.evaluation.material import Clip, stable_rng
from kinefuse.evaluation.recordings import at_points_rate
from kinefuse.recordings import Imu, JointCenters, Recording, Subject, View
from kinefuse.rotations import matrix_from_rotvec
from kinefuse.study.faults import kept_cameras, packet_loss, with_fault
from kinefuse.study.laboratory import BEGIN_S, held_pose, pose_errors, with_lead
from kinefuse.study.plan import BOTH, CAMERA_FAULTS, POINTS, RING, SENSORS, Setting
from kinefuse.study.signals import (
    Ideal,
    during,
    ideal_signals,
    standing_otherwise,
    turned,
    with_device_orientation,
    worn_sensors,
)
from kinefuse.synthesis.imus import ImuFaults
from kinefuse.synthesis.joint_noise import noisy_joint_centers

LOSING: Final = 4
"""Cameras of which some are lost half-way."""

LOST_SHARE: Final = 0.004
"""Of packets, before any fault."""

KEPT_SENSORS: Final = 32
"""Repetitions whose sensors a process remembers, 2.5 MB each: the next setting mounts the same ones otherwise."""


@dataclass(frozen=True, eq=False)
class Maker:
    """Makes the recordings of one window.

    Attributes
    ----------
    clip : the window, its time from 0
    ideal : perfect signals of its sensors, from the held pose on
    seed : of everything that is drawn
    """

    clip: Clip
    ideal: Ideal
    seed: int

    def rng(self, repetition: int, part: str) -> np.random.Generator:
        """Return the stream of one part of one repetition."""
        return stable_rng(self.seed, self.clip.name, str(repetition), part)

    def whole(self, setting: Setting, repetition: int, points: bool = True, sensors: bool = True) -> Recording:
        """Return all that is measured: points in the window, sensors from the held pose to its end.

        Parameters
        ----------
        setting, repetition
        points, sensors : false leaves that part out, and the rest as it is
        """
        recording = Recording(
            subject=Subject(id=self.clip.subject),
            joint_centers=self._points(setting, repetition) if points else None,
            imus=self._sensors(setting, repetition) if sensors else (),
            poses=(held_pose(),) if sensors else (),
        )
        end = float(self.clip.truth.time[-1])
        return with_fault(recording, setting.fault, setting.amount, self.rng(repetition, "fault"), end)

    def _points(self, setting: Setting, repetition: int) -> JointCenters | None:
        rng = self.rng(repetition, "points")
        if setting.fault in CAMERA_FAULTS:
            return _triangulated(self.clip, setting, rng)
        profile = "clean" if setting.level_m is None else "paper"
        truth = at_points_rate(self.clip.truth)
        return noisy_joint_centers(truth, profile, int(rng.integers(2**31)), level_m=setting.level_m)

    def _sensors(self, setting: Setting, repetition: int) -> tuple[Imu, ...]:
        tissue = setting.amount if setting.fault == "soft tissue" else 1.0
        worn = _worn(self, repetition, tissue)
        turns = setting.mounting_sd_rad * self.rng(repetition, "mounting").standard_normal((len(IMU_SITES), 3))
        imus = tuple(turned(imu, R, -BEGIN_S) for imu, R in zip(worn, matrix_from_rotvec(turns), strict=True))
        return packet_loss(Recording(imus=imus), self.rng(repetition, "packets"), LOST_SHARE).imus


def maker_of(clip: Clip, seed: int) -> Maker:
    """Return what makes the recordings of a window; the person's sway in the held pose is the same in all of them."""
    motion = with_lead(clip.truth, stable_rng(seed, clip.name, "sway"))
    return Maker(clip, ideal_signals(motion), seed)


@lru_cache(maxsize=KEPT_SENSORS)
def _worn(maker: Maker, repetition: int, tissue: float) -> tuple[Imu, ...]:
    """Sensors along their segments, with the orientation that each device's filter tells."""
    ideal = standing_otherwise(maker.ideal, pose_errors(maker.rng(repetition, "pose")))
    worn = worn_sensors(ideal, maker.rng(repetition, "sensors"), replace(ImuFaults(), tissue=tissue))
    return tuple(with_device_orientation(imu) for imu in worn)


def seen_by(sight: str, whole: Recording) -> Recording:
    """Return what an estimator sees of a recording: one of the sights of `plan.SIGHT`.

    Without the held pose, sensors begin with the window.
    """
    if sight == POINTS:
        return replace(whole, imus=(), poses=())
    if sight in (SENSORS, BOTH):
        imus = tuple(during(imu, 0.0, np.inf) for imu in whole.imus)
        whole = replace(whole, imus=imus, poses=())
    return whole if sight.endswith(BOTH) else replace(whole, joint_centers=None)


def _triangulated(clip: Clip, setting: Setting, rng: np.random.Generator) -> JointCenters | None:
    """Return points from virtual cameras; None where fewer than two film."""
    from kinefuse.vision.preparation import measure_joint_centers

    count = int(setting.amount) if setting.fault == "cameras" else LOSING
    if count < 2:
        return None
    cameras, views = filmed(clip, RING, int(rng.integers(2**31)))
    kept = kept_cameras(count, RING)
    cameras, views = tuple(cameras[i] for i in kept), tuple(views[i] for i in kept)
    if setting.fault == "lost camera":
        lost = rng.permutation(count)[: int(setting.amount)]
        views = tuple(_lost_half_way(view) if i in lost else view for i, view in enumerate(views))
    try:
        return measure_joint_centers(Recording(cameras=cameras, views=views)).recording.joint_centers
    except KinefuseError:
        return None


def _lost_half_way(view: View) -> View:
    assert view.keypoints is not None
    pixels, confidence = view.keypoints.pixels.copy(), view.keypoints.confidence.copy()
    pixels[len(pixels) // 2 :], confidence[len(confidence) // 2 :] = np.nan, 0.0
    return replace(view, keypoints=replace(view.keypoints, pixels=pixels, confidence=confidence))
