"""Unconstrained optimisation of body, poses and sensors together (Halilaj et al. 2021; von Marcard et al. 2018).

Points say where the body is, sensors how its segments turn and what pushes them. The default needs no calibration: how
each sensor is mounted, and its heading, which may drift, are unknowns beside the body's. The preset ``paper`` is the
method that the paper compares with: it takes the mounting as given, and aligns headings once.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import torch

from kinefuse.body.fit_points import (
    PointSet,
    body_frames,
    fit_body_to_points,
    fit_poses_to_points,
    make_targets,
    one_thread,
    starting_pose,
)
from kinefuse.body.fit_sensors import SensorPrior, align_headings, first_guess, fit_sensors, heading_knots
from kinefuse.body.fit_shape import BodyPrior
from kinefuse.body.fitting import Body, FitConfig, fit_poses, orientation_covariance
from kinefuse.body.markers import recognise_markers
from kinefuse.body.models import BodyModel, load_anny
from kinefuse.body.point_terms import Targets
from kinefuse.body.sensor_terms import Accelerations, WornSensors
from kinefuse.conventions import GRAVITY, INFERRED, SEGMENT_INDEX, UP
from kinefuse.errors import KinefuseError
from kinefuse.estimators.points import joint_centers_of
from kinefuse.estimators.sensor_turns import SensorTurns, by_stretches, turns_of
from kinefuse.estimators.sensors import require_trial_clock, usable_sensors
from kinefuse.estimators.smplify3d import SmplifyThreeD, select_points
from kinefuse.estimators.smplify3d import paper_preset as paper_points
from kinefuse.inertial.resampling import resample
from kinefuse.motion import Motion
from kinefuse.recordings import Imu, JointCenters, Recording
from kinefuse.synthesis.sites import surface_offsets

GUESS_FLOOR_RAD: Final = float(np.deg2rad(5.0))
"""No single frame's points tell an orientation better than this."""

TOLERANCE: Final = 2e-3
"""Relative decrease of the cost at which the fit ends. The last steps of a robust fit are many and small: on people
kept for validation, those beyond this change the error of joint angles by a thousandth of it."""

PAPER_TOLERANCE: Final = 1e-3
"""The same for the preset, whose points are rougher and whose steps are shorter."""


@dataclass(frozen=True, kw_only=True)
class SensorWeights:
    """How far sensors are trusted.

    Attributes
    ----------
    orientation_sd : radians between a segment and the sensor on it: soft tissue, and the device's own error
    acceleration_sd : m/s²; infinite leaves accelerations out
    mounting_sd : radians that a mounting may be off from the one that is expected
    mounting_robust_sd : standard deviations at which that expectation has lost three quarters of its weight
    drift_sd : radians that a heading may drift in a second
    knots_s : seconds between which a heading drifts evenly
    frames : how many, spread over the trial, determine the mountings and headings
    """

    orientation_sd: float = float(np.deg2rad(3.0))
    acceleration_sd: float = 2.0
    mounting_sd: float = float(np.deg2rad(15.0))
    mounting_robust_sd: float = 3.0
    drift_sd: float = float(np.deg2rad(0.2))
    knots_s: float = 8.0
    frames: int = 240


@dataclass(frozen=True, kw_only=True)
class FusionOptimisation:
    """Fits body, poses, mountings and headings to points and sensors.

    Attributes
    ----------
    name
    points : how points are weighed, and the priors of pose and movement
    sensors : how sensors are weighed
    calibrate : find each sensor's mounting and the drift of its heading; else the mounting is taken as it is given
        (or as a held pose tells it, or along the segment), and headings are aligned once
    whole_sequence : tie frames together by smoothness and accelerations; else every frame by itself (Malleson et al.
        2017)
    body : the body model; None is the embedded one
    """

    name: str = "fusion-optimisation"
    points: SmplifyThreeD = field(default_factory=lambda: SmplifyThreeD(fit=FitConfig(tolerance=TOLERANCE)))
    sensors: SensorWeights = field(default_factory=SensorWeights)
    calibrate: bool = True
    whole_sequence: bool = True
    body: BodyModel | None = None

    def estimate(self, recording: Recording) -> Motion:
        """Return the motion of a recording that has points and inertial sensors, at the time stamps of its points.

        Raises
        ------
        KinefuseError
            If one of them is missing or cannot be used, or the sensors are not on the trial's clock or recorded at
            another time.
        """
        model = self.body or load_anny()
        measured = joint_centers_of(recording, self.name)
        if recognise_markers(measured.names) is not None:
            raise KinefuseError(
                f"{self.name} takes points for joint centres, and these are optical markers, whose places on the body "
                "must be fitted too; use smplify3d."
            )
        centers, ignored = select_points(measured, model)
        if not self.points.use_covariance:
            centers = replace(centers, covariance=None)
        if not recording.imus:
            raise KinefuseError(f"{self.name} needs inertial sensors beside the points; without any, use smplify3d.")
        worn = usable_sensors(recording.imus, self.name, recording.poses)
        require_trial_clock(worn.sensors, self.name)
        turns = turns_of(by_stretches(worn.sensors), centers.time, self.name)
        if (turns.provenance == INFERRED).all():
            raise KinefuseError(
                f"{self.name} needs sensors that recorded at the time of the points, and these did not; check start_s "
                "of the sensors, or use smplify3d."
            )
        motion = self._fitted(centers, turns, model, recording.subject.height_m)
        notes = [f"Points without a place on the body model were ignored: {', '.join(ignored)}."] if ignored else []
        return motion.with_notes(*notes, *worn.notes)

    def _fitted(self, centers: JointCenters, turns: SensorTurns, model: BodyModel, height_m: float | None) -> Motion:
        points = PointSet(centers.names, self.points.offset_sd_of(centers.names), self.points.noise_sd_of(centers))
        floor, config, extra = self.points.floor_sd_of(centers), self._config(), self.points.pose_prior
        stature = height_m if self.points.offsets else None
        body = fit_body_to_points(centers, model, points, config, floor_sd=floor, stature_m=stature, extra=extra)
        segment = torch.as_tensor(model.point_segment[model.point_index(points.names)])
        targets = make_targets(centers, segment, points, floor)
        with one_thread():
            body, worn = self._calibrated(body, targets, turns, points, stature)
        motion = fit_poses_to_points(
            centers,
            body,
            points,
            config,
            floor_sd=floor,
            estimator=self.name,
            extra=extra,
            orientations=worn.orientations(),
            worn=worn,
            pushed=self._accelerations(turns, worn, body),
        )
        known = np.isfinite(motion.R_world_segment).all((-1, -2))
        return replace(motion, provenance=np.where(known, _with_sensors(motion.provenance, turns), INFERRED))

    def _config(self) -> FitConfig:
        if self.whole_sequence:
            return self.points.fit
        return _alone(self.points.fit)

    def _calibrated(
        self, body: Body, targets: Targets, turns: SensorTurns, points: PointSet, stature_m: float | None
    ) -> tuple[Body, WornSensors]:
        """Return the body, and sensors with what is constant about them."""
        worn, prior = self._as_given(turns)
        pick = body_frames(targets, self.sensors.frames)
        some, part = targets.frames(pick), worn.frames(pick)
        alone, extra = _alone(self.points.fit), self.points.pose_prior
        pose, information = fit_poses(body, starting_pose(body, some), some, alone, turns.time[pick.numpy()], extra)
        R = body.place(pose, some.segment).R_world_segment
        variance = orientation_covariance(information, R).diagonal(dim1=-2, dim2=-1).reshape(len(R), -1, 3).sum(-1)
        told = (part.weight > 0) / (variance[:, worn.segment] + GUESS_FLOOR_RAD**2)
        if not self.calibrate:
            return body, replace(worn, heading=align_headings(part, R[:, worn.segment], told).heading)
        part = first_guess(part, R[:, worn.segment], told, prior=0.1)
        looks = max(1.0, float(np.ptp(turns.time)) / points.correlation_s)
        weight = max(1.0, len(pick) / looks)
        body_prior = BodyPrior(offset_sd=torch.as_tensor(points.offset_sd), stature_m=stature_m, weight=weight)
        body, _, part = fit_sensors(body, pose, some, part, body_prior, replace(prior, weight=weight), alone, extra)
        return body, replace(
            worn, R_segment_sensor=part.R_segment_sensor, heading=part.heading, covariance=part.covariance
        )

    def _as_given(self, turns: SensorTurns) -> tuple[WornSensors, SensorPrior]:
        """Return sensors before anything is fitted, and what is known of them."""
        mounting = np.stack([np.eye(3) if i.R_segment_sensor is None else i.R_segment_sensor for i in turns.sensors])
        knots, blend = heading_knots(turns.time, self.sensors.knots_s if self.calibrate else np.inf)
        known = torch.as_tensor(turns.provenance != INFERRED).double()
        worn = WornSensors(
            R_level_sensor=torch.as_tensor(turns.R_own_sensor),
            weight=known / self.sensors.orientation_sd,
            segment=torch.tensor([SEGMENT_INDEX[name] for name in turns.segments]),
            R_segment_sensor=torch.as_tensor(mounting),
            heading=torch.zeros(len(mounting), len(knots), dtype=torch.float64),
            blend=blend,
        )
        prior = SensorPrior(
            R_segment_sensor=worn.R_segment_sensor,
            mounting_sd=self.sensors.mounting_sd,
            drift_sd=torch.as_tensor(self.sensors.drift_sd * np.diff(knots)),
            robust_sd=self.sensors.mounting_robust_sd,
            weight=1.0,
        )
        return worn, prior

    def _accelerations(self, turns: SensorTurns, worn: WornSensors, body: Body) -> Accelerations | None:
        """Return what the sensors' forces tell of accelerations, None if they are left out."""
        if not np.isfinite(self.sensors.acceleration_sd) or not self.whole_sequence:
            return None
        forces = np.stack([_level_force(imu, turns.time, self.name) for imu in turns.sensors], axis=1)
        places = surface_offsets(body.shape.numpy()) if body.model.name == "anny" else None
        offset = np.stack([np.zeros(3) if places is None else places[name] for name in turns.segments])
        known = torch.as_tensor(np.isfinite(forces).all(-1)) & (worn.weight > 0)
        value = (worn.R_world_level @ torch.as_tensor(np.nan_to_num(forces))[..., None])[..., 0]
        return Accelerations(
            value=value - GRAVITY * torch.tensor(UP, dtype=torch.float64),
            weight=known / self.sensors.acceleration_sd,
            segment=worn.segment,
            offset=torch.as_tensor(offset),
            robust_sd=self.points.fit.robust_sd,
        )


def paper_preset() -> FusionOptimisation:
    """Return the method that the paper compares with: every weight fixed, the mounting given, no smoothness."""
    points = paper_points()
    return FusionOptimisation(
        name="fusion-optimisation:paper",
        points=replace(points, fit=replace(points.fit, tolerance=PAPER_TOLERANCE)),
        calibrate=False,
    )


def calibrated_preset() -> FusionOptimisation:
    """Return the tuned method with mountings as a held pose tells them: what it gains by finding them itself."""
    return FusionOptimisation(name="fusion-optimisation:calibrated", calibrate=False)


def frames_preset() -> FusionOptimisation:
    """Return the tuned method, each frame by itself (Malleson et al. 2017): what it gains by tying frames together."""
    return FusionOptimisation(name="fusion-optimisation:frames", whole_sequence=False)


def _alone(config: FitConfig) -> FitConfig:
    """Return the same weights for frames by themselves."""
    return replace(config, angular_acceleration_sd=np.inf, acceleration_sd=np.inf)


def _level_force(imu: Imu, time: np.ndarray, estimator: str) -> np.ndarray:
    """Return the specific force (T, 3) of a sensor at times (T,), m/s², in the level world of its own heading."""
    own = turns_of([imu], imu.time, estimator).R_own_sensor[:, 0]
    force = (own @ imu.specific_force[..., None])[..., 0]
    return resample(imu.time, force[:, None], time).values[:, 0]


def _with_sensors(by_points: np.ndarray, turns: SensorTurns) -> np.ndarray:
    """Return (T, 22): a segment is as well known as its points or its sensor tell."""
    out = by_points.copy()
    for site, told in zip(turns.segments, turns.provenance.T, strict=True):
        out[:, SEGMENT_INDEX[site]] = np.minimum(out[:, SEGMENT_INDEX[site]], told)
    return out
