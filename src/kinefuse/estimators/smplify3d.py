"""SMPLify3D: pose, one shape and root fitted to noisy 3-D joint centres (Bogo et al. 2016, in Shin et al.'s 3-D form).

The default is tuned for use: points are weighted by their covariance and may lie a constant bit beside the model's,
joints have a soft prior and limits, and poses are smooth over time. The preset ``paper`` is the method that the
paper compares with: every frame by itself, a generic pose prior, no smoothing, points taken literally.
"""

from dataclasses import dataclass, field

import numpy as np

from kinefuse.body.fit_points import PointSet, fit_points
from kinefuse.body.fitting import FitConfig, PosePrior
from kinefuse.body.markers import fit_markers, recognise_markers
from kinefuse.body.models import BodyModel, load_anny
from kinefuse.conventions import JOINTS, KEYPOINTS
from kinefuse.errors import KinefuseError
from kinefuse.estimators.points import joint_centers_of
from kinefuse.motion import Motion
from kinefuse.recordings import JointCenters, Recording

# How far a detector's idea of a point lies from the joint centre, constantly for one person: annotators agree about
# knees and ankles, less about hips and shoulders, and a face or a shoe is not shaped like the model's.
OFFSET_SD_M = {"hip": 0.02, "shoulder": 0.015, "nose": 0.02, "eye": 0.02, "ear": 0.02, "head_top": 0.03, "neck": 0.02}
OTHER_OFFSET_SD_M = 0.012
# Every tool has its own idea of where the joints of the trunk are.
OFFSET_SD_M |= dict.fromkeys(("lumbar", "spine", "chest", "neck_base", "head"), 0.05)
DETECTED_FLOOR_SD = 0.012
MEASURED_FLOOR_SD = 0.005
LEAST_NOISE_SD, USUAL_NOISE_SD = 0.003, 0.01
MAXWELL_MEDIAN = 1.538  # of the length of a vector whose three components have a standard deviation of one
MINIMUM_POINTS = 6
ROBUST_M = 0.1
PAPER_NOISE_SD = 0.02


@dataclass(frozen=True, kw_only=True)
class SmplifyThreeD:
    """Fits the body to joint centres or keypoints in three dimensions.

    Attributes
    ----------
    name
    fit : weights of the fit
    noise_sd : metres, of points whose source does not give a covariance; None takes it from their own jitter
    floor_sd : metres that the model cannot be expected to follow; None takes more for triangulated detections, whose
        idea of a joint shifts with the posture, than for points that another tool measured
    offsets : let points lie a constant offset beside the model's
    use_covariance : weight points by their covariance where it is known
    pose_prior : a prior of whole poses beside that of single joints
    body : the body model; None is the embedded one
    """

    name: str = "smplify3d"
    fit: FitConfig = field(default_factory=FitConfig)
    noise_sd: float | None = None
    floor_sd: float | None = None
    offsets: bool = True
    use_covariance: bool = True
    pose_prior: PosePrior | None = None
    body: BodyModel | None = None

    def estimate(self, recording: Recording) -> Motion:
        """Return the motion of a recording that has joint centres, or at least two calibrated views with keypoints.

        Raises
        ------
        KinefuseError
            If it has neither, too few points to hold a body, or optical markers where points are taken literally.
        """
        body = self.body or load_anny()
        measured = joint_centers_of(recording, self.name)
        marker_set = recognise_markers(measured.names)
        if marker_set is not None and not self.offsets:
            raise KinefuseError(
                f"{self.name} takes points for joint centres, and these are optical markers, whose places on the body "
                "must be fitted too; use smplify3d."
            )
        if marker_set is not None:
            return fit_markers(measured, body, marker_set, recording.subject.height_m, estimator=self.name)
        centers, ignored = select_points(measured, body)
        if not self.use_covariance:
            centers = JointCenters(names=centers.names, time=centers.time, positions=centers.positions)
        motion = fit_points(
            centers,
            body,
            PointSet(centers.names, self.offset_sd_of(centers.names), self.noise_sd_of(centers)),
            self.fit,
            floor_sd=self.floor_sd_of(centers),
            stature_m=recording.subject.height_m if self.offsets else None,
            estimator=self.name,
            extra=self.pose_prior,
        )
        if ignored:
            motion = motion.with_notes(f"Points without a place on the body model were ignored: {', '.join(ignored)}.")
        return motion

    def noise_sd_of(self, centers: JointCenters) -> np.ndarray:
        """Return each point's noise from frame to frame, (K,) metres."""
        if self.noise_sd is not None:
            return np.full(len(centers.names), self.noise_sd)
        return jitter(centers)

    def floor_sd_of(self, centers: JointCenters) -> float:
        """Return what the model cannot be expected to follow, metres."""
        if self.floor_sd is not None:
            return self.floor_sd
        return MEASURED_FLOOR_SD if centers.covariance is None else DETECTED_FLOOR_SD

    def offset_sd_of(self, names: tuple[str, ...]) -> np.ndarray:
        """Return how far points may lie from where the model has them, (K,) metres."""
        if not self.offsets:
            return np.zeros(len(names))
        kinds = [name.removesuffix("_l").removesuffix("_r") for name in names]
        return np.array([OFFSET_SD_M.get(kind, OTHER_OFFSET_SD_M) for kind in kinds])


def paper_preset() -> SmplifyThreeD:
    """Return SMPLify's own settings, for fair comparison.

    Every frame by itself; the generic pose prior that is a mixture of Gaussians, and joint limits; Geman-McClure with
    σ = 100 mm; no smoothing, no covariance, no offsets. One difference remains, in its favour: the shape is common to
    all frames of a trial.
    """
    from kinefuse.body.pose_mixture import pose_mixture_prior

    alone = FitConfig(
        prior_spread=np.inf, angular_acceleration_sd=np.inf, acceleration_sd=np.inf, robust_sd=ROBUST_M / PAPER_NOISE_SD
    )
    return SmplifyThreeD(
        name="smplify3d:paper",
        fit=alone,
        noise_sd=PAPER_NOISE_SD,
        floor_sd=0.0,
        offsets=False,
        use_covariance=False,
        pose_prior=pose_mixture_prior,
    )


def jitter(centers: JointCenters) -> np.ndarray:
    """Return each point's noise from frame to frame, (K,) metres, at least 3 mm.

    The third differences of a movement are small beside those of noise, whose variance they multiply by 20; their
    median is deaf to outliers. Below 30 frames a second movement shows in them too, and 10 mm are taken instead.
    """
    if len(centers.time) < 8 or np.median(np.diff(centers.time)) > 1 / 30:
        return np.full(len(centers.names), USUAL_NOISE_SD)
    third = np.linalg.norm(np.diff(centers.positions, n=3, axis=0), axis=-1)
    told = np.isfinite(third).sum(0) >= 5
    sd = np.full(len(centers.names), USUAL_NOISE_SD)
    sd[told] = np.nanmedian(third[:, told], axis=0) / (MAXWELL_MEDIAN * np.sqrt(20))
    return np.maximum(sd, LEAST_NOISE_SD)


def select_points(centers: JointCenters, body: BodyModel) -> tuple[JointCenters, tuple[str, ...]]:
    """Return the points that the body has, in a fixed order, and the names of the others.

    Raises
    ------
    KinefuseError
        If fewer than six usable points were ever seen.
    """
    has = {name for name, mean in zip(body.point_names, body.points_mean, strict=True) if np.isfinite(mean).all()}
    seen = {n for n, p in zip(centers.names, centers.positions.swapaxes(0, 1), strict=True) if np.isfinite(p).any()}
    names = tuple(name for name in (*KEYPOINTS, *JOINTS) if name in has and name in seen and name in centers.names)
    names = tuple(dict.fromkeys(names))
    if len(names) < MINIMUM_POINTS:
        raise KinefuseError(
            f"Expected at least {MINIMUM_POINTS} joint centres or keypoints that the body model knows, got "
            f"{len(names)} ({', '.join(centers.names[:8])}...); rename them to the names in docs/trial-format.md."
        )
    return centers.select(names), tuple(name for name in centers.names if name not in names)
