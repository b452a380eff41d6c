"""Points and sensors fitted together: what is known is recovered, with and without calibration."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from examples import (
    RATE_HZ,
    joint_center_recording,
    motion_from_angles,
    sensor_recording,
    swinging_motion,
    with_points,
)

from kinefuse.body.fitting import FitConfig
from kinefuse.conventions import COORDINATE_INDEX, INFERRED, MEASURED, SEGMENT_INDEX, SITE_SEGMENT
from kinefuse.errors import KinefuseError
from kinefuse.estimators.fusion_optimisation import FusionOptimisation, SensorWeights, paper_preset
from kinefuse.estimators.smplify3d import SmplifyThreeD
from kinefuse.motion import Motion
from kinefuse.recordings import Imu, Recording
from kinefuse.rotations import geodesic_angle, matrix_from_rotvec

TRUTH = swinging_motion(150)
TURN = matrix_from_rotvec(np.array([0.25, -0.2, 0.3]))


@cache
def both(noise_m: float = 0.03) -> Recording:
    """Points with noise, and perfect sensors along their segments, each device with a heading of its own."""
    imus = [turned_heading(imu, 0.9 * i) for i, imu in enumerate(sensor_recording(TRUTH).imus)]
    return replace(joint_center_recording(TRUTH, noise_m), imus=tuple(imus))


def turned_heading(imu: Imu, angle: float | np.ndarray) -> Imu:
    """The same sensor, whose device's global frame (Z up) is turned by an angle, or one for each sample."""
    assert imu.R_ref_sensor is not None
    turn = matrix_from_rotvec(np.asarray(angle)[..., None] * np.array([0.0, 0.0, 1.0]))
    return replace(imu, R_ref_sensor=turn @ imu.R_ref_sensor)


def askew(imu: Imu) -> Imu:
    """The same sensor, turned on its segment."""
    assert imu.R_ref_sensor is not None
    return replace(
        imu,
        specific_force=imu.specific_force @ TURN,
        angular_rate=imu.angular_rate @ TURN,
        R_ref_sensor=imu.R_ref_sensor @ TURN,
    )


def error_deg(motion: Motion, truth: Motion = TRUTH) -> float:
    apart = geodesic_angle(motion.R_world_segment, truth.R_world_segment)[:, list(SITE_SEGMENT)]
    return float(np.degrees(apart.mean()))


def test_better_than_points_alone() -> None:
    fused = FusionOptimisation().estimate(both())
    assert error_deg(fused) < 0.75 * error_deg(SmplifyThreeD().estimate(both()))


def test_unknown_mountings_do_not_matter_but_wrong_ones_that_are_believed_do() -> None:
    """The default finds how sensors are put on; the paper's method believes what it is given."""
    good = both(0.01)
    bad = replace(good, imus=tuple(map(askew, good.imus)))
    assert abs(error_deg(FusionOptimisation().estimate(bad)) - error_deg(FusionOptimisation().estimate(good))) < 2.5
    given = error_deg(paper_preset().estimate(good))
    assert given < 6
    assert error_deg(paper_preset().estimate(bad)) > given + 5
    told = replace(bad, imus=tuple(replace(imu, R_segment_sensor=TURN) for imu in bad.imus))
    assert error_deg(paper_preset().estimate(told)) == pytest.approx(given, abs=0.2)


def test_standard_deviations_tell_of_mountings_that_points_hardly_determine() -> None:
    """Elbow and wrist do not tell how a sensor is turned about a forearm; hips and knees tell it of a thigh."""
    bad = replace(both(0.01), imus=tuple(map(askew, both(0.01).imus)))
    motion = FusionOptimisation().estimate(bad)
    error = geodesic_angle(motion.R_world_segment, TRUTH.R_world_segment)
    assert motion.orientation_sd is not None
    ratio = np.sqrt((error**2).mean(0) / (motion.orientation_sd**2).mean(0))
    assert ratio.max() < 1.2
    alike = [SEGMENT_INDEX[name] for name in ("forearm_l", "forearm_r")]
    assert (ratio[alike] > 0.4).all()
    assert np.median(np.rad2deg(motion.orientation_sd[:, SEGMENT_INDEX["thigh_l"]])) < 6


def test_headings_may_drift() -> None:
    """Half a degree a second, as a filter without magnetometer may."""
    truth = swinging_motion(600)
    still = replace(joint_center_recording(truth, 0.01), imus=sensor_recording(truth).imus)
    drifting = replace(
        still, imus=tuple(turned_heading(imu, np.deg2rad(0.5) * (imu.time - imu.time[0])) for imu in still.imus)
    )
    estimator = FusionOptimisation(sensors=SensorWeights(knots_s=4.0, acceleration_sd=np.inf))
    assert error_deg(estimator.estimate(drifting), truth) < error_deg(estimator.estimate(still), truth) + 0.7


def test_frame_by_frame_ties_nothing() -> None:
    """Every frame by itself: another one changes nothing but the body and the constants, which are held here."""
    estimator = replace(paper_preset(), whole_sequence=False)
    motion = estimator.estimate(both())
    assert error_deg(motion) < 8
    rough = np.abs(np.diff(motion.positions, n=2, axis=0)).mean()
    assert rough > 1.5 * np.abs(np.diff(paper_preset().estimate(both()).positions, n=2, axis=0)).mean()


def test_accelerations_smooth_where_nothing_else_does() -> None:
    without = replace(paper_preset(), sensors=SensorWeights(acceleration_sd=np.inf)).estimate(both())
    fused = paper_preset().estimate(both())
    roughness = [np.abs(np.diff(m.positions, n=2, axis=0)).mean() for m in (fused, without, TRUTH)]
    assert roughness[0] - roughness[2] < 0.5 * (roughness[1] - roughness[2])


def test_sensors_bridge_what_points_do_not_see() -> None:
    recording = both(0.01)
    assert recording.joint_centers is not None
    points = recording.joint_centers.positions.copy()
    lost = slice(50, 50 + int(0.8 * RATE_HZ))
    points[lost] = np.nan
    motion = FusionOptimisation().estimate(with_points(recording, points))
    assert np.isfinite(motion.R_world_segment).all()
    assert (motion.provenance[lost, SEGMENT_INDEX["shank_l"]] == MEASURED).all()
    assert (motion.provenance[65:75, SEGMENT_INDEX["hand_l"]] == INFERRED).all()
    apart = geodesic_angle(motion.R_world_segment, TRUTH.R_world_segment)[lost, list(SITE_SEGMENT)]
    assert np.degrees(apart.mean()) < 8
    assert np.linalg.norm(motion.positions - TRUTH.positions, axis=-1)[lost].mean() < 0.08


def test_a_turn_while_all_sensors_pause_is_seen_by_the_points() -> None:
    """A filter begins anew after the pause, with another heading; the person has turned by 120° meanwhile."""
    angles, time = swinging_motion(300).angles.copy(), swinging_motion(300).time
    ramp = np.clip(time - 2.5, 0.0, 1.0)
    angles[:, COORDINATE_INDEX["pelvis_rotation"]] = np.deg2rad(120.0) * ramp**3 * (10 - 15 * ramp + 6 * ramp**2)
    truth = motion_from_angles(time, angles, swinging_motion(300).shape)
    imus = []
    for imu in sensor_recording(truth).imus:
        kept = (imu.time < 2.3) | (imu.time > 3.7)
        rows = imu.time[kept], imu.specific_force[kept], imu.angular_rate[kept]
        imus.append(replace(imu, time=rows[0], specific_force=rows[1], angular_rate=rows[2], R_ref_sensor=None))
    motion = FusionOptimisation().estimate(replace(joint_center_recording(truth, 0.02), imus=tuple(imus)))
    apart = np.degrees(geodesic_angle(motion.R_world_segment, truth.R_world_segment))[:, list(SITE_SEGMENT)]
    assert apart[time < 2.2].mean() < 3
    assert apart[time > 3.8].mean() < 3


def test_empty_frames_are_not_called_measured() -> None:
    recording = both(0.01)
    assert recording.joint_centers is not None
    points = recording.joint_centers.positions.copy()
    points[len(points) // 2 :] = np.nan
    motion = FusionOptimisation().estimate(with_points(recording, points))
    empty = ~np.isfinite(motion.R_world_segment).all((-1, -2))
    assert empty.any()
    assert (motion.provenance[empty] == INFERRED).all()


def test_a_few_sensors_are_enough() -> None:
    recording = both()
    few = replace(recording, imus=tuple(i for i in recording.imus if i.segment.startswith(("shank", "thigh"))))
    motion = FusionOptimisation().estimate(few)
    assert error_deg(motion) < error_deg(SmplifyThreeD().estimate(recording))
    assert any("No sensor on" in note for note in motion.notes)


def test_what_is_missing_is_said() -> None:
    estimator, recording = FusionOptimisation(), both()
    with pytest.raises(KinefuseError, match="needs inertial sensors beside the points"):
        estimator.estimate(replace(recording, imus=()))
    with pytest.raises(KinefuseError, match="give start_s"):
        estimator.estimate(replace(recording, imus=tuple(replace(i, start_is_known=False) for i in recording.imus)))
    with pytest.raises(KinefuseError, match="recorded at the time of the points"):
        estimator.estimate(replace(recording, imus=tuple(replace(i, time=i.time + 99) for i in recording.imus)))


def test_settings_of_the_preset() -> None:
    """Fixed weights, no smoothness but accelerations, a generic prior of poses, points taken literally."""
    preset = paper_preset()
    assert not preset.calibrate
    assert not preset.points.offsets
    assert preset.points.pose_prior is not None
    assert preset.points.fit.angular_acceleration_sd == np.inf
    assert FitConfig().angular_acceleration_sd < np.inf
