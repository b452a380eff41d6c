"""A motion against the truth: errors of joint angles, segment orientations and joint centres.

The same rules hold for every method: the truth is interpolated to the estimate's time stamps, over their overlap only;
differences of angles are wrapped; frames in which the estimate or the truth is within 15° of a joint's singularity are
left out of that joint's three angles, and counted; geodesic errors and joint centres use every frame. NaN in either is
left out, and never counted as correct.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from kinefuse.body.angles import joint_angles, wrap
from kinefuse.conventions import COORDINATE_INDEX, COORDINATES, IS_LENGTH, SEGMENT_INDEX
from kinefuse.errors import check_known
from kinefuse.metrics.accelerations import acceleration_errors
from kinefuse.metrics.angles import (
    interpolate_angles,
    interpolate_values,
    longer_than_usual,
    mean_of_valid,
    median_of_valid,
    median_offset,
    overlap,
    rmse,
)
from kinefuse.metrics.differences import (
    angle_differences,
    explained_share,
    range_away_from_singularity,
    range_errors,
)
from kinefuse.metrics.groups import (
    COORDINATE_GROUPS,
    GROUPS,
    JOINT_GROUPS,
    PAIRED_COORDINATES,
    SEGMENT_GROUPS,
    group_of,
    joint_of,
)
from kinefuse.metrics.points import point_errors, procrustes_aligned, root_aligned
from kinefuse.motion import Motion
from kinefuse.rotations import geodesic_angle, nearest_yaw, slerp_matrices, yaw_matrix

Row = dict[str, str | float | int | None]
"""One line of a result table, as ``evaluate --json`` writes it; what is not known is None."""

MOVING: Final = float(np.deg2rad(5.0))
"""A coordinate whose truth moves less than this, radians, is left out of ``angle_rmse_moving_deg``: a joint that rests
is easily right, and dilutes the mean."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Errors of one motion, SI units.

    Attributes
    ----------
    estimator : name of what made the estimate
    frames : N frames of the estimate that lie within the truth's time
    coordinate_rmse : (C,) root mean square over time, radians, ``pelvis_t*`` metres; NaN where nothing was compared
    coordinate_frames : (C,) frames that it is made of
    coordinate_singular : (C,) frames left out because the joint was near its singularity in either motion
    coordinate_offset : (C,) median of the differences, estimate minus truth
    coordinate_rmse_no_offset : (C,) after removing that one constant
    coordinate_range : (C,) how far the truth moves in these frames, those near its singularity left out
    geodesic : (22,) mean angle between the orientations of a segment, radians
    geodesic_frames : (22,)
    joint_error : (22,) mean distance between joint centres as they are, metres (MPJPE)
    joint_error_root : (22,) after moving the roots together
    joint_error_procrustes : (22,) after the best similarity transform of each frame (PA-MPJPE)
    joint_frames : (22,)
    coordinate_r2 : (C,) coefficient of determination over time, `differences.explained_share`; NaN if the truth rests
    coordinate_rom_error : (C,) range of motion, estimate minus truth, over the compared frames
    root_error : mean distance between the roots, metres; NaN if the place was taken from the truth
    acceleration_error : (22,) mean of `accelerations.acceleration_errors`, m/s²: the root's in the world, NaN if the
        place was taken from the truth, all others relative to the root
    """

    estimator: str
    frames: int
    coordinate_rmse: np.ndarray
    coordinate_frames: np.ndarray
    coordinate_singular: np.ndarray
    coordinate_offset: np.ndarray
    coordinate_rmse_no_offset: np.ndarray
    coordinate_range: np.ndarray
    geodesic: np.ndarray
    geodesic_frames: np.ndarray
    joint_error: np.ndarray
    joint_error_root: np.ndarray
    joint_error_procrustes: np.ndarray
    joint_frames: np.ndarray
    coordinate_r2: np.ndarray
    coordinate_rom_error: np.ndarray
    root_error: float
    acceleration_error: np.ndarray

    def rows(self) -> list[Row]:
        """Return the errors in degrees and millimetres: three groups, then paired joints, then each coordinate."""
        groups = [self._group_row(group) for group in GROUPS]
        pairs = [self._pair_row(joint) for joint in PAIRED_COORDINATES]
        return groups + pairs + [self._coordinate_row(name) for name in COORDINATES]

    def summary(self, group: str = "all") -> Row:
        """Return the row of one group: ``"lower"``, ``"upper"`` or ``"all"``.

        Raises
        ------
        KinefuseError
            If there is no such group.
        """
        check_known("group", group, GROUPS)
        return self._group_row(group)

    def angle_rmse(self, coordinate: str) -> float:
        """Return the error of one coordinate, radians (``pelvis_t*`` metres)."""
        return float(self.coordinate_rmse[COORDINATE_INDEX[coordinate]])

    def _moving_rmse(self, angles: np.ndarray) -> float | None:
        """Mean error, degrees, of those coordinates whose truth moves by more than `MOVING`; None if none does."""
        return _degrees(_mean(self.coordinate_rmse[self._moving(angles)]))

    def _moving(self, angles: np.ndarray) -> np.ndarray:
        return angles[self.coordinate_range[angles] > MOVING]

    def _shape_errors(self, angles: np.ndarray) -> Row:
        """How well the movement of some coordinates is told: R² of those that move, and errors of their ranges."""
        return {
            "r2": _known(_mean(self.coordinate_r2[self._moving(angles)])),
            "rom_error_deg": _degrees(_mean(np.abs(self.coordinate_rom_error[angles]))),
        }

    def _group_row(self, group: str) -> Row:
        angles, segments, joints = COORDINATE_GROUPS[group], SEGMENT_GROUPS[group], JOINT_GROUPS[group]
        return {
            "estimator": self.estimator,
            "group": group,
            "angle_rmse_deg": _degrees(_mean(self.coordinate_rmse[angles])),
            "angle_rmse_moving_deg": self._moving_rmse(angles),
            "angle_rmse_no_offset_deg": _degrees(_mean(self.coordinate_rmse_no_offset[angles])),
            "geodesic_deg": _degrees(_mean(self.geodesic[segments])),
            "mpjpe_mm": _millimetres(_mean(self.joint_error[joints])),
            "mpjpe_root_mm": _millimetres(_mean(self.joint_error_root[joints])),
            "mpjpe_pa_mm": _millimetres(_mean(self.joint_error_procrustes[joints])),
            "root_mm": _millimetres(self.root_error),
            "acceleration_error_mps2": _known(_mean(self.acceleration_error[joints[joints > 0]])),
            **self._shape_errors(angles),
            "frames": self.frames,
            "angle_frames": int(self.coordinate_frames[angles].sum()),
            "angle_frames_singular": int(self.coordinate_singular[angles].sum()),
            "geodesic_frames": int(self.geodesic_frames[segments].sum()),
            "mpjpe_frames": int(self.joint_frames[joints].sum()),
        }

    def _pair_row(self, joint: str) -> Row:
        angles = PAIRED_COORDINATES[joint]
        return {
            "estimator": self.estimator,
            "group": group_of(COORDINATES[angles[0]]),
            "joint": joint,
            "coordinate": None,
            "angle_rmse_deg": _degrees(_mean(self.coordinate_rmse[angles])),
            "angle_rmse_moving_deg": self._moving_rmse(angles),
            "angle_rmse_no_offset_deg": _degrees(_mean(self.coordinate_rmse_no_offset[angles])),
            **self._shape_errors(angles),
            "frames": int(self.coordinate_frames[angles].sum()),
            "frames_singular": int(self.coordinate_singular[angles].sum()),
        }

    def _coordinate_row(self, name: str) -> Row:
        index = COORDINATE_INDEX[name]
        convert, kind, unit = (_millimetres, "", "mm") if IS_LENGTH[index] else (_degrees, "angle_", "deg")
        moving = {} if IS_LENGTH[index] else {"angle_rmse_moving_deg": self._moving_rmse(np.array([index]))}
        return {
            "estimator": self.estimator,
            "group": group_of(name),
            "joint": joint_of(name),
            "coordinate": name,
            f"{kind}rmse_{unit}": convert(float(self.coordinate_rmse[index])),
            **moving,
            f"{kind}rmse_no_offset_{unit}": convert(float(self.coordinate_rmse_no_offset[index])),
            f"median_offset_{unit}": convert(float(self.coordinate_offset[index])),
            "r2": _known(float(self.coordinate_r2[index])),
            f"rom_error_{unit}": convert(float(self.coordinate_rom_error[index])),
            "frames": int(self.coordinate_frames[index]),
            "frames_singular": int(self.coordinate_singular[index]),
        }


def _mean(values: np.ndarray) -> float:
    return float(mean_of_valid(values))


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _degrees(angle: float) -> float | None:
    return float(np.rad2deg(angle)) if np.isfinite(angle) else None


def _millimetres(length: float) -> float | None:
    return 1000.0 * length if np.isfinite(length) else None


def compare_motions(estimate: Motion, truth: Motion, align_heading: bool = False) -> Comparison:
    """Compare a motion with the truth.

    Parameters
    ----------
    estimate, truth : on one clock
    align_heading : turn the estimate about vertical by the one angle that brings its pelvis closest to the truth's, and
        shift it by the one vector that brings the roots together on average, for methods that know neither

    Raises
    ------
    KinefuseError
        If the two do not overlap in time.
    """
    samples = truth
    estimate, truth = _brought_together(estimate, truth, align_heading)
    difference, singular = angle_differences(estimate.angles, truth.angles)
    offset = np.where(IS_LENGTH, median_of_valid(difference), median_offset(difference))
    centred = np.where(IS_LENGTH, difference - offset, wrap(difference - offset))
    geodesic = geodesic_angle(estimate.R_world_segment, truth.R_world_segment)
    errors = _joint_errors(estimate.positions, truth.positions)
    jitter = mean_of_valid(acceleration_errors(estimate.time, estimate.positions, samples.time, samples.positions))
    return Comparison(
        estimator=estimate.estimator,
        frames=len(estimate.time),
        coordinate_rmse=rmse(difference),
        coordinate_frames=np.isfinite(difference).sum(0),
        coordinate_singular=singular.sum(0),
        coordinate_offset=offset,
        coordinate_rmse_no_offset=rmse(centred),
        coordinate_range=range_away_from_singularity(truth.angles),
        geodesic=mean_of_valid(geodesic),
        geodesic_frames=np.isfinite(geodesic).sum(0),
        joint_error=mean_of_valid(errors[0]),
        joint_error_root=mean_of_valid(errors[1]),
        joint_error_procrustes=mean_of_valid(errors[2]),
        joint_frames=np.isfinite(errors[0]).sum(0),
        coordinate_r2=explained_share(difference, truth.angles),
        coordinate_rom_error=range_errors(difference, truth.angles),
        root_error=float("nan") if align_heading else float(mean_of_valid(errors[0])[0]),
        acceleration_error=np.append(np.nan, jitter[1:]) if align_heading else jitter,
    )


def compared_angles(
    estimate: Motion, truth: Motion, align_heading: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the angles that `compare_motions` compares, to draw one over the other.

    Parameters
    ----------
    estimate, truth, align_heading : as for `compare_motions`

    Returns
    -------
    time : (T,) seconds, the estimate's within the truth
    estimate : (T, C) radians and metres, on the branch nearer to the truth and within half a turn of it; NaN in frames
        that are not compared: where either is missing, or near its singularity
    truth : (T, C) at the same times; NaN in the same frames

    Raises
    ------
    KinefuseError
        If the two do not overlap in time.
    """
    estimate, truth = _brought_together(estimate, truth, align_heading)
    difference, _ = angle_differences(estimate.angles, truth.angles)
    compared = np.where(np.isnan(difference), np.nan, truth.angles)
    return estimate.time, compared + difference, compared


def _brought_together(estimate: Motion, truth: Motion, align_heading: bool) -> tuple[Motion, Motion]:
    estimate, truth = on_common_time(estimate, truth)
    if align_heading:
        estimate = with_mean_root_of(with_heading_of(estimate, truth), truth)
    return estimate, truth


def _joint_errors(estimate: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Raw, root-aligned and Procrustes-aligned distances, each (T, 22) metres."""
    return (
        point_errors(estimate, truth),
        point_errors(root_aligned(estimate), root_aligned(truth)),
        point_errors(procrustes_aligned(estimate, truth), truth),
    )


def on_common_time(estimate: Motion, truth: Motion) -> tuple[Motion, Motion]:
    """Return both motions at those of the estimate's time stamps that the truth covers.

    Parameters
    ----------
    estimate : cut, never interpolated
    truth : interpolated, rotations along the shortest arc; NaN next to NaN, and in gaps of its time stamps

    Raises
    ------
    KinefuseError
        If no time stamp of the estimate lies within the truth.
    """
    inside = overlap(estimate.time, truth.time)
    return estimate.frames(inside), motion_at(truth, estimate.time[inside])


def motion_at(motion: Motion, time: np.ndarray) -> Motion:
    """Return a motion at other times (N,), within its own.

    Rotations follow the shortest arc; NaN next to NaN, and in gaps of the motion's time stamps. Standard deviations are
    left out.
    """
    if len(motion.time) > 1:
        orientations = slerp_matrices(motion.time, motion.R_world_segment, time)
        orientations[longer_than_usual(motion.time, time)] = np.nan
    else:
        orientations = np.repeat(motion.R_world_segment, len(time), axis=0)
    angles = np.where(
        IS_LENGTH,
        interpolate_values(motion.time, motion.angles, time),
        interpolate_angles(motion.time, motion.angles, time),
    )
    nearest = np.abs(motion.time[:, None] - time).argmin(0) if len(motion.time) < 2 else _nearest(motion.time, time)
    return replace(
        motion,
        time=time,
        R_world_segment=orientations,
        positions=interpolate_values(motion.time, motion.positions, time),
        angles=angles,
        provenance=motion.provenance[nearest],
        orientation_sd=None,
        angle_sd=None,
    )


def _nearest(time: np.ndarray, new_time: np.ndarray) -> np.ndarray:
    right = np.clip(np.searchsorted(time, new_time), 1, len(time) - 1)
    return np.where(new_time - time[right - 1] < time[right] - new_time, right - 1, right)


def with_heading_of(estimate: Motion, truth: Motion) -> Motion:
    """Return the estimate turned about vertical, through its first root, to the truth's mean pelvis heading.

    Both have the same time stamps. The angle maximises the summed trace of the pelvis's relative rotation, which is
    the least-squares rotation about a fixed axis.
    """
    pelvis = SEGMENT_INDEX["pelvis"]
    relative = truth.R_world_segment[:, pelvis] @ np.swapaxes(estimate.R_world_segment[:, pelvis], -1, -2)
    total = np.nansum(relative, axis=0)
    turn = yaw_matrix(nearest_yaw(total))
    known = np.flatnonzero(np.isfinite(estimate.positions[:, 0]).all(-1))
    pivot = estimate.positions[known[0], 0] if len(known) else np.zeros(3)
    orientations = turn @ estimate.R_world_segment
    positions = (estimate.positions - pivot) @ turn.T + pivot
    angles = joint_angles(orientations, positions[:, 0])
    return replace(estimate, R_world_segment=orientations, positions=positions, angles=angles)


def with_mean_root_of(estimate: Motion, truth: Motion) -> Motion:
    """Return the estimate shifted by the one vector that brings its root to the truth's on average.

    Both have the same time stamps.
    """
    shift = mean_of_valid(truth.positions[:, 0] - estimate.positions[:, 0])
    angles = estimate.angles.copy()
    angles[:, IS_LENGTH] += shift
    return replace(estimate, positions=estimate.positions + shift, angles=angles)
