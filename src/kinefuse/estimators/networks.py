"""VideoNet, IMUNet and FusionNet as estimators: recordings of any length, rate and completeness."""

from dataclasses import dataclass

import numpy as np

from kinefuse.body.certainty import LONGEST_BRIDGE_S, bridged
from kinefuse.body.models import load_anny
from kinefuse.conventions import INFERRED, KEYPOINTS, SEGMENTS
from kinefuse.errors import KinefuseError
from kinefuse.estimators.network_answers import (
    Network,
    Told,
    answer_recording,
    network_grid,
    shipped,
    to_motion,
    told_shape,
    with_root_where_seen,
)
from kinefuse.estimators.points import joint_centers_of, keypoints_of, provenance_by_points
from kinefuse.estimators.sensors import (
    common_clock,
    common_times,
    lost_time,
    provenance_by_sensors,
    require_trial_clock,
    sensors_on_grid,
    usable_sensors,
)
from kinefuse.motion import Motion
from kinefuse.recordings import JointCenters, Recording

NO_PLACE = (
    "Inertial sensors measure neither place nor heading: the root stays at the origin, and the heading begins anywhere "
    "and may drift."
)


@dataclass(frozen=True, kw_only=True)
class VideoNetEstimator:
    """Pose, shape and place from joint centres or keypoints.

    Attributes
    ----------
    name
    network : None is the shipped one
    """

    name: str = "videonet"
    network: Network | None = None

    def estimate(self, recording: Recording) -> Motion:
        """Return the motion of a recording that has joint centres, or at least two calibrated views with keypoints.

        Raises
        ------
        KinefuseError
            If it has neither, too few keypoints were seen, or the network's weights are missing.
        """
        centers = keypoints_of(joint_centers_of(recording, self.name), self.name)
        network = self.network or shipped(self.name)
        grid = network_grid(centers.time, network)
        answer = answer_recording(network, grid, recording.subject, centers=centers)
        shape = told_shape(answer.shape, recording.subject.height_m)
        told = Told(centers.time, provenance_by_points(centers, load_anny(), shape), _is_seen(centers))
        motion = to_motion(answer, grid, shape, told, self.name)
        return motion.with_notes(*_missing_points(centers), *_guessed(motion))


@dataclass(frozen=True, kw_only=True)
class ImuNetEstimator:
    """Pose from inertial sensors alone; a held pose helps to tell how they are put on, but none is needed.

    Attributes
    ----------
    name
    network : None is the shipped one
    """

    name: str = "imunet"
    network: Network | None = None

    def estimate(self, recording: Recording) -> Motion:
        """Return the motion of a recording that has inertial sensors, at their own rate up to 100 Hz.

        Raises
        ------
        KinefuseError
            If it has none that can be used, they have no time or clock in common, or the network's weights are missing.
        """
        worn = usable_sensors(recording.imus, self.name, recording.poses)
        clock = common_clock(worn.sensors, self.name)
        time = common_times(worn.sensors, self.name)
        network = self.network or shipped(self.name)
        grid = network_grid(time, network)
        sensors = sensors_on_grid(worn.sensors, grid)
        answer = answer_recording(network, grid, recording.subject, sensors=sensors)
        by_sensors = provenance_by_sensors(sensors, grid, time)
        told = Told(time, by_sensors, (by_sensors != INFERRED).any(1))
        motion = to_motion(answer, grid, told_shape(answer.shape, recording.subject.height_m), told, self.name)
        return motion.with_notes(NO_PLACE, *clock, *lost_time(worn.sensors), *worn.notes)


@dataclass(frozen=True, kw_only=True)
class FusionNetEstimator:
    """Pose, shape and place from joint centres or keypoints together with inertial sensors.

    Attributes
    ----------
    name
    network : None is the shipped one
    """

    name: str = "fusionnet"
    network: Network | None = None

    def estimate(self, recording: Recording) -> Motion:
        """Return the motion of a recording that has both, at the time stamps of its points.

        Raises
        ------
        KinefuseError
            If one of them is missing or cannot be used, the sensors are not on the trial's clock or recorded at another
            time, or the network's weights are missing.
        """
        centers = keypoints_of(joint_centers_of(recording, self.name), self.name)
        if not recording.imus:
            raise KinefuseError(f"{self.name} needs inertial sensors beside the points; without any, use videonet.")
        worn = usable_sensors(recording.imus, self.name, recording.poses)
        require_trial_clock(worn.sensors, self.name)
        network = self.network or shipped(self.name)
        grid = network_grid(centers.time, network)
        sensors = sensors_on_grid(worn.sensors, grid)
        if not sensors.worn.any():
            raise KinefuseError(
                f"{self.name} needs sensors that recorded at the time of the points, and these did not; check start_s "
                "of the sensors, or use videonet."
            )
        answer = answer_recording(network, grid, recording.subject, centers=centers, sensors=sensors)
        shape, seen = told_shape(answer.shape, recording.subject.height_m), _is_seen(centers)
        by_sensors = provenance_by_sensors(sensors, grid, centers.time)
        by_points = provenance_by_points(centers, load_anny(), shape)
        told = Told(centers.time, np.minimum(by_points, by_sensors), seen | (by_sensors != INFERRED).any(1))
        motion = to_motion(with_root_where_seen(answer, grid, centers.time[seen]), grid, shape, told, self.name)
        return motion.with_notes(*_missing_points(centers), *worn.notes, *_guessed(motion), *_placed(centers, seen))


def _is_seen(centers: JointCenters) -> np.ndarray:
    """Return (T,) true where any point was seen."""
    return np.isfinite(centers.positions).all(-1).any(1)


def _placed(centers: JointCenters, seen: np.ndarray) -> list[str]:
    """Say for how long sensors alone told the movement, so that the place is a guess."""
    lost = ~bridged(seen, centers.time)
    if not lost.any():
        return []
    return [
        f"No point was seen for longer than {LONGEST_BRIDGE_S:g} s, or at the start or end, in {int(lost.sum())} of "
        f"{len(lost)} frames: there the root is drawn straight from one sighting to the next, or stays where it was "
        "last or first seen."
    ]


def _missing_points(centers: JointCenters) -> list[str]:
    missing = [name for name in KEYPOINTS if name not in centers.names]
    if not missing:
        return []
    return [f"{len(missing)} of the {len(KEYPOINTS)} keypoints were never seen ({', '.join(missing)})."]


def _guessed(motion: Motion) -> list[str]:
    """Say which segments nothing tells of."""
    never = (motion.provenance == INFERRED).all(0)
    names = [name for name, guessed in zip(SEGMENTS, never, strict=True) if guessed]
    if not names:
        return []
    return [f"Nothing that was measured tells how {', '.join(names)} turned: the network guesses it from the rest."]
