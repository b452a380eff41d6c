"""Estimators by name, and the choice among them."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.body.markers import recognise_markers
from kinefuse.conventions import IMU_SITES
from kinefuse.errors import KinefuseError, check_known
from kinefuse.estimators.base import Estimator
from kinefuse.estimators.deepfuse import DeepFuseEstimator, vision_only
from kinefuse.estimators.fusion_optimisation import FusionOptimisation, calibrated_preset, frames_preset
from kinefuse.estimators.fusion_optimisation import paper_preset as paper_fusion
from kinefuse.estimators.imu_kinematics import ImuKinematics
from kinefuse.estimators.network_answers import is_shipped
from kinefuse.estimators.networks import FusionNetEstimator, ImuNetEstimator, VideoNetEstimator
from kinefuse.estimators.sensors import has_signals, usable_sensors
from kinefuse.estimators.smplify3d import SmplifyThreeD, paper_preset
from kinefuse.inertial.heading import NEIGHBOUR
from kinefuse.inertial.mounting import vertical
from kinefuse.models.weights import FUSED, NETWORKS, VISION, load_network
from kinefuse.recordings import Imu, Recording

ESTIMATORS: dict[str, Callable[[], Estimator]] = {
    "smplify3d": SmplifyThreeD,
    "smplify3d:paper": paper_preset,
    "videonet": VideoNetEstimator,
    "imunet": ImuNetEstimator,
    "fusionnet": FusionNetEstimator,
    "imu-kinematics": ImuKinematics,
    "fusion-optimisation": FusionOptimisation,
    "fusion-optimisation:paper": paper_fusion,
    "fusion-optimisation:calibrated": calibrated_preset,
    "fusion-optimisation:frames": frames_preset,
    FUSED: DeepFuseEstimator,
    VISION: vision_only,
}
"""Name, or ``name:preset``, to what builds the estimator."""

FOR_POINTS: Final = "smplify3d"
"""The best one for points without sensors. On 12 clips of 7 people kept for validation, joint angles of `smplify3d` and
`videonet` were off by 3.5° and 5.2° for points of 2 to 8 virtual cameras, and by 5.0° and 5.6° for points that another
tool may have measured, 42 mm off. Markers are always `smplify3d`'s.
"""

FOR_BOTH: Final = "fusion-optimisation"
"""The best one for points and sensors. On the same clips, with 13 sensors 13.5° askew about each axis, it was off by
2.3° and 3.6°, `fusionnet` by 4.1° and 4.5°: better for all 7 people with cameras, for 5 of 7 with measured points. It
takes half as long as the trial, less than detecting anybody in videos; `fusionnet` takes a second a minute.
"""

WITH_POSE: Final = "imu-kinematics"
"""The best one for sensors alone that a held pose calibrates. In the study it was off by 5.6°, `imunet` by 6.8°; on a
real walk with eight sensors by 2.0° and 10.5° from OpenSim in the legs, which calibrates by the same pose. With straps
that slipped by 9.4° about each axis after the pose, which nothing in the recording tells, by 12.9° and 7.6°.
"""

CHAIN: Final = frozenset({"pelvis", "thigh_l", "thigh_r", "shank_l", "shank_r"})
"""Sites that `WITH_POSE` needs at least; from sensors further out, too, a chain of them must lead to the pelvis. It was
compared with `imunet` on 8 and 13 sensors; on pelvis, head, forearms and shanks alone, with such straps, it was off by
28°, `imunet` by 13°.
"""

WITHOUT_PLACE: Final = frozenset({"imunet", "imu-kinematics"})
"""Those that know neither place nor heading, so that neither can be compared with what cameras saw."""

NEEDS_SILHOUETTES: Final = frozenset({FUSED, VISION})
"""Those that look at the person's outline, not at points."""


def base_name(name: str) -> str:
    """Return the name of an estimator without its preset or its file."""
    return re.split("[:=]", name)[0]


def make_estimator(name: str) -> Estimator:
    """Return the estimator called `name`; ``NAME=FILE`` takes a network's weights from a file.

    Raises
    ------
    KinefuseError
        If there is none, where the sentence names the nearest, or its weights cannot be read.
    """
    name, given, file = name.partition("=")
    check_known("estimator", name, ESTIMATORS)
    if given and not file:
        raise KinefuseError(
            f"{name}= names no file; say {name}=FILE with your weights, or {name} for the shipped ones."
        )
    return _with_weights(name, ESTIMATORS[name](), Path(file)) if file else ESTIMATORS[name]()


def _with_weights(name: str, estimator: Estimator, path: Path) -> Estimator:
    """Return the estimator of a network with weights that somebody trained."""
    if name not in NETWORKS:
        raise KinefuseError(f"{name} has no weights to take from {path}; {', '.join(NETWORKS)} have.")
    return replace(estimator, network=load_network(name, path))  # type: ignore[type-var]


def choose_estimator(recording: Recording) -> tuple[str, str]:
    """Return the name of the best estimator for what `recording` holds, and the reason in one sentence.

    Raises
    ------
    KinefuseError
        If no estimator can use it.
    """
    points, sensors = _points(recording), _sensors(recording)
    if points:
        obstacle = _no_fusion(recording, sensors)
        if not obstacle:
            return FOR_BOTH, f"{FOR_BOTH}, because the trial has {points} and {_counted(sensors)}."
        unused = f" {len(recording.imus)} inertial sensors are not used: {obstacle}." if recording.imus else ""
        return FOR_POINTS, f"{FOR_POINTS}, because the trial has {points}.{unused}"
    return _for_sensors(recording, sensors)


def _for_sensors(recording: Recording, sensors: list[Imu]) -> tuple[str, str]:
    """Return the best estimator without points, and the reason; raise a `KinefuseError` if there is none."""
    obstacle = _no_kinematics(recording) if sensors else ""
    if sensors and not obstacle:
        return WITH_POSE, (
            f"{WITH_POSE}, because the trial has {_counted(sensors)} that a held pose calibrates and no points in 3-D; "
            "if straps slipped after the pose, imunet is better."
        )
    if sensors and is_shipped("imunet"):
        return "imunet", (
            f"imunet, because the trial has {_counted(sensors)} and no points in 3-D, and {WITH_POSE} {obstacle}."
        )
    if recording.imus:
        raise KinefuseError(
            "This trial has inertial sensors only, and imunet, which works from those alone, can use none of them: it "
            "needs its weights, and specific force and angular rate or orientation on one of "
            f"{', '.join(IMU_SITES)}; add such a sensor, joint centres or at least two calibrated cameras."
        )
    if sum(view.silhouettes is not None for view in recording.views) >= 2:
        raise KinefuseError(
            "This trial has silhouettes only, which auto does not use: say --estimator deepfuse, or add joint centres, "
            "videos or keypoints of at least two calibrated cameras, or inertial sensors."
        )
    raise KinefuseError(
        "This trial needs joint centres, at least two calibrated cameras or inertial sensors; it has none of them."
    )


def _no_kinematics(recording: Recording) -> str:
    """Say what kinematics lack that rely on a held pose; empty if nothing."""
    if not recording.poses:
        return "needs a held pose ([[pose]] in trial.toml)"
    worn = usable_sensors(recording.imus, WITH_POSE, recording.poses).sensors
    there = {imu.segment for imu in worn}
    broken = (CHAIN | {NEIGHBOUR[segment] for segment in there if segment in NEIGHBOUR}) - there
    if broken:
        return f"lacks sensors on {', '.join(site for site in IMU_SITES if site in broken)}"
    pose = min(recording.poses, key=lambda held: held.kind)
    loose = [imu.name for imu in worn if imu.R_segment_sensor is None or vertical(imu, pose) is None]
    return f"learns nothing from the held pose about {', '.join(loose)}" if loose else ""


def _points(recording: Recording) -> str:
    """Say where 3-D points come from; empty if there are none."""
    if recording.joint_centers is not None:
        return "optical markers" if _has_markers(recording) else "measured joint centres"
    n_views = sum(view.keypoints is not None or view.video is not None for view in recording.views)
    return f"{n_views} calibrated camera views" if n_views >= 2 else ""


def _has_markers(recording: Recording) -> bool:
    return recording.joint_centers is not None and recognise_markers(recording.joint_centers.names) is not None


def _sensors(recording: Recording) -> list[Imu]:
    """Return the sensors that estimators can use."""
    return [imu for imu in recording.imus if imu.segment in IMU_SITES and has_signals(imu)]


def _counted(sensors: list[Imu]) -> str:
    return f"{len(sensors)} inertial sensor{'' if len(sensors) == 1 else 's'}"


def _no_fusion(recording: Recording, sensors: list[Imu]) -> str:
    """Say why points and sensors cannot go together; empty if they do."""
    if not sensors:
        return f"none has raw signals on one of {', '.join(IMU_SITES)}"
    if _has_markers(recording):
        return "no estimator joins them with optical markers"
    if not all(imu.start_is_known for imu in sensors):
        return "their start on the clock of the points is unknown (start_s), as long as no movement tells it"
    return "" if _meet(recording, sensors) else "they recorded at another time"


def _meet(recording: Recording, sensors: list[Imu]) -> bool:
    """Return whether a sensor recorded while points did, as far as the files tell; a video's length they do not."""
    start, stop = _span(recording)
    return any(imu.time[0] <= stop and imu.time[-1] >= start for imu in sensors)


def _span(recording: Recording) -> tuple[float, float]:
    """Return when the first and the last points are, seconds; infinite where only a video would tell."""
    if recording.joint_centers is not None:
        return float(recording.joint_centers.time[0]), float(recording.joint_centers.time[-1])
    starts = [view.start_s or 0.0 for view in recording.views]
    stops = [
        np.inf if view.keypoints is None or not view.rate_hz else start + len(view.keypoints.pixels) / view.rate_hz
        for view, start in zip(recording.views, starts, strict=True)
    ]
    return min(starts), max(stops)
