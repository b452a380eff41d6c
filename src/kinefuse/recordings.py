"""`Recording`: everything that was measured in one trial, and nothing that is truth.

Plain containers of NumPy arrays. They check their shapes once, when they are made, and are never changed afterwards:
a step that adds something returns a new object (`dataclasses.replace`). Missing values are NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.conventions import SEGMENTS
from kinefuse.errors import KinefuseError


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise KinefuseError(message)


def _expect_shape(what: str, array: np.ndarray, expected: tuple[int | None, ...]) -> None:
    same = array.ndim == len(expected) and all(e is None or e == n for e, n in zip(expected, array.shape, strict=True))
    wanted = ", ".join("any" if e is None else str(e) for e in expected)
    _expect(same, f"{what}: expected an array of shape ({wanted}), got {array.shape}.")


def _expect_increasing(what: str, time: np.ndarray) -> None:
    _expect(bool(np.isfinite(time).all()), f"{what}: time stamps must be finite numbers of seconds.")
    _expect(bool((np.diff(time) > 0).all()), f"{what}: time stamps must increase from row to row.")


@dataclass(frozen=True)
class Finding:
    """One sentence for the user about the data: what was found and what to do.

    Attributes
    ----------
    level : ``"info"``, ``"warning"`` (the result suffers) or ``"error"`` (this part cannot be used)
    about : what it concerns, such as ``"camera cam_03"``, ``"sensor thigh_r"`` or ``"trial"``
    text : the sentence
    """

    level: str
    about: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Who was recorded; None is unknown."""

    id: str | None = None
    height_m: float | None = None
    mass_kg: float | None = None
    sex: str | None = None
    age_years: float | None = None


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A calibrated pinhole camera with OpenCV's lens distortion.

    A world point X is at ``R_camera_world @ X + translation`` in the camera frame (X right, Y down, Z forward).

    Attributes
    ----------
    name
    size : (width, height) of the calibrated image, pixels
    matrix : (3, 3) intrinsic matrix, pixels
    distortions : (4,) or (5,): k1, k2, p1, p2[, k3]
    R_camera_world : (3, 3) world (Y up) to camera
    translation : (3,) metres
    """

    name: str
    size: tuple[int, int]
    matrix: np.ndarray
    distortions: np.ndarray
    R_camera_world: np.ndarray
    translation: np.ndarray

    def __post_init__(self) -> None:
        what = f"camera {self.name}"
        _expect_shape(f"{what}, matrix", self.matrix, (3, 3))
        _expect_shape(f"{what}, rotation", self.R_camera_world, (3, 3))
        _expect_shape(f"{what}, translation", self.translation, (3,))
        _expect(self.distortions.shape in {(4,), (5,)}, f"{what}: expected 4 or 5 distortion coefficients.")
        for array in (self.matrix, self.distortions, self.R_camera_world, self.translation):
            _expect(bool(np.isfinite(array).all()), f"{what}: its calibration holds NaN or infinite values.")
        orthonormal = np.allclose(self.R_camera_world @ self.R_camera_world.T, np.eye(3), atol=1e-3)
        _expect(orthonormal and np.linalg.det(self.R_camera_world) > 0, f"{what}: rotation is not a rotation.")

    @property
    def centre(self) -> np.ndarray:
        """Position of the camera in the world, (3,) metres."""
        return -self.R_camera_world.T @ self.translation


@dataclass(frozen=True, kw_only=True)
class Keypoints:
    """2-D points of one camera, in pixels of its *calibrated*, distorted image.

    Attributes
    ----------
    names : K names of `conventions.KEYPOINTS`
    pixels : (T, P, K, 2), NaN where not seen; P people, in no particular order over time; P = 1 once the person
        that is recorded has been chosen
    confidence : (T, P, K) in 0..1, 0 where not seen
    """

    names: tuple[str, ...]
    pixels: np.ndarray
    confidence: np.ndarray

    def __post_init__(self) -> None:
        _expect_shape("keypoints", self.pixels, (None, None, len(self.names), 2))
        _expect_shape("keypoint confidence", self.confidence, self.pixels.shape[:3])


@dataclass(frozen=True, kw_only=True)
class View:
    """What one camera recorded.

    Attributes
    ----------
    camera : name of a calibrated camera
    rate_hz : frame rate; None as long as no file told it
    start_s : time of the first frame on the trial's clock; None is unknown
    video, silhouettes : files with the images and the person mattes
    keypoints : 2-D points, one row a frame
    image_scale, image_offset_px : file pixel = image_scale * calibrated pixel + image_offset_px; None is unknown
    """

    camera: str
    rate_hz: float | None = None
    start_s: float | None = None
    video: Path | None = None
    silhouettes: Path | None = None
    keypoints: Keypoints | None = None
    image_scale: float | None = None
    image_offset_px: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        rate_is_good = self.rate_hz is None or (np.isfinite(self.rate_hz) and self.rate_hz > 0)
        _expect(bool(rate_is_good), f"camera {self.camera}: rate_hz must be positive, got {self.rate_hz}.")


@dataclass(frozen=True, kw_only=True)
class JointCenters:
    """3-D points on the body: triangulated keypoints, or joint centres or markers that another tool measured.

    Attributes
    ----------
    names : K names; of `conventions.KEYPOINTS`, of `conventions.JOINTS`, or of a known marker set
    time : (T,) seconds
    positions : (T, K, 3) metres, world, NaN where missing
    covariance : (T, K, 3, 3) m², or None where the source does not tell
    interpolated : (T, K) true where a value was filled over a gap, or None
    """

    names: tuple[str, ...]
    time: np.ndarray
    positions: np.ndarray
    covariance: np.ndarray | None = None
    interpolated: np.ndarray | None = None

    def __post_init__(self) -> None:
        frames, points = len(self.time), len(self.names)
        _expect_increasing("joint centres", self.time)
        _expect_shape("joint centres", self.positions, (frames, points, 3))
        _expect(len(set(self.names)) == points, "joint centres: a name appears twice.")
        _expect(not np.isinf(self.positions).any(), "joint centres: infinite coordinates.")
        if self.covariance is not None:
            _expect_shape("joint centre covariance", self.covariance, (frames, points, 3, 3))
        if self.interpolated is not None:
            _expect_shape("joint centre interpolation mask", self.interpolated, (frames, points))

    def select(self, names: tuple[str, ...]) -> "JointCenters":
        """Return only the named points, in that order."""
        pick = [self.names.index(name) for name in names]
        return replace(
            self,
            names=names,
            positions=self.positions[:, pick],
            covariance=None if self.covariance is None else self.covariance[:, pick],
            interpolated=None if self.interpolated is None else self.interpolated[:, pick],
        )


@dataclass(frozen=True, kw_only=True)
class Imu:
    """One inertial sensor, in its own axes and with its own time stamps.

    Attributes
    ----------
    name
    segment : the segment that it is said to be worn on
    time : (T,) seconds, on the trial's clock if `start_is_known`, else on its own; a lost packet has no row
    specific_force : (T, 3) m/s², gravity included
    angular_rate : (T, 3) rad/s; NaN where the device has none
    magnetic_field : (T, 3) µT or None
    R_ref_sensor : (T, 3, 3) orientation from the device, sensor to its own global frame, or None
    R_segment_sensor : (3, 3) mounting, only when known
    R_world_ref : (3, 3) the device's global frame in the world, only when known
    """

    name: str
    segment: str
    time: np.ndarray
    specific_force: np.ndarray
    angular_rate: np.ndarray
    magnetic_field: np.ndarray | None = None
    R_ref_sensor: np.ndarray | None = None
    R_segment_sensor: np.ndarray | None = None
    R_world_ref: np.ndarray | None = None
    start_is_known: bool = True

    def __post_init__(self) -> None:
        what, frames = f"IMU {self.name}", len(self.time)
        _expect(self.segment in SEGMENTS, f"{what}: unknown segment {self.segment!r}; one of {', '.join(SEGMENTS)}.")
        _expect_increasing(what, self.time)
        _expect_shape(f"{what}, specific force", self.specific_force, (frames, 3))
        _expect_shape(f"{what}, angular rate", self.angular_rate, (frames, 3))
        if self.magnetic_field is not None:
            _expect_shape(f"{what}, magnetic field", self.magnetic_field, (frames, 3))
        if self.R_ref_sensor is not None:
            _expect_shape(f"{what}, orientation", self.R_ref_sensor, (frames, 3, 3))

    def rows(self, index: np.ndarray | slice) -> "Imu":
        """Return some of the samples, by their numbers or true where (T,) they are kept."""
        return replace(
            self,
            time=self.time[index],
            specific_force=self.specific_force[index],
            angular_rate=self.angular_rate[index],
            magnetic_field=None if self.magnetic_field is None else self.magnetic_field[index],
            R_ref_sensor=None if self.R_ref_sensor is None else self.R_ref_sensor[index],
        )


@dataclass(frozen=True, kw_only=True)
class HeldPose:
    """A pose held for static calibration: ``"n"`` arms hang, palms to the thighs; ``"t"`` arms out, palms down."""

    kind: str
    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        _expect(self.kind in {"n", "t"}, f"held pose: kind must be 'n' or 't', got {self.kind!r}.")
        _expect(self.end_s > self.start_s, "held pose: end_s must be later than start_s.")


HINGE_JOINTS: Final = ("knee_l", "knee_r", "elbow_l", "elbow_r")
"""Joints that are nearly hinges."""


@dataclass(frozen=True, kw_only=True)
class HingeMovement:
    """A joint of `HINGE_JOINTS` bent and stretched again and again, for functional calibration.

    An elbow bends with the palm turned as in the held pose: the forearm turns about its own axis, too.
    """

    joint: str
    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        known = self.joint in HINGE_JOINTS
        _expect(known, f"movement: joint must be one of {', '.join(HINGE_JOINTS)}, got {self.joint!r}.")
        _expect(self.end_s > self.start_s, "movement: end_s must be later than start_s.")


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One trial. Every part is optional, but not all of them at once (`Recording.is_empty`).

    Attributes
    ----------
    cameras : calibrations; a camera may have no view
    views : what the cameras recorded
    joint_centers : 3-D points, measured by another tool or triangulated by `kinefuse.vision`
    imus, poses
    movements : at most one a joint
    folder : where the trial lies on disk, for caches; None for a recording that was made in memory
    """

    subject: Subject = field(default_factory=Subject)
    cameras: tuple[Camera, ...] = ()
    views: tuple[View, ...] = ()
    joint_centers: JointCenters | None = None
    imus: tuple[Imu, ...] = ()
    poses: tuple[HeldPose, ...] = ()
    movements: tuple[HingeMovement, ...] = ()
    folder: Path | None = None

    def __post_init__(self) -> None:
        _expect_unique("camera", [camera.name for camera in self.cameras])
        _expect_unique("view of camera", [view.camera for view in self.views])
        _expect_unique("IMU", [imu.name for imu in self.imus])
        _expect_unique("movement of", [movement.joint for movement in self.movements])
        calibrated = {camera.name for camera in self.cameras}
        for view in self.views:
            _expect(
                view.camera in calibrated,
                f"Camera {view.camera} has data but no calibration; add it to calibration.toml "
                f"(calibrated: {', '.join(sorted(calibrated)) or 'none'}) or remove it from trial.toml.",
            )

    @property
    def is_empty(self) -> bool:
        """True if nothing was recorded at all."""
        return not self.views and self.joint_centers is None and not self.imus

    def camera(self, name: str) -> Camera:
        """Return the calibration of the camera called `name`.

        Raises
        ------
        KinefuseError
            If there is none.
        """
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise KinefuseError(f"No calibrated camera is called {name!r}.")


def _expect_unique(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    _expect(not twice, f"{what} {', '.join(twice)} appears twice.")
