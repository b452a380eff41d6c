"""VideoNet, IMUNet and FusionNet as estimators: times, places, shapes and words, with networks that are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from examples import joint_center_recording, sensor_recording, swinging_motion, with_points
from stub_networks import ReadingNetwork, StandingNetwork, coded_points

from kinefuse.body.models import load_anny
from kinefuse.conventions import IMU_SITES, INFERRED, INTERPOLATED, KEYPOINTS, MEASURED, SEGMENT_INDEX
from kinefuse.errors import KinefuseError
from kinefuse.estimators.networks import FusionNetEstimator, ImuNetEstimator, VideoNetEstimator
from kinefuse.models.fusionnet import FUSIONNET_PRESETS, FusionNet
from kinefuse.models.imunet import IMUNET_PRESETS, ImuNet
from kinefuse.models.videonet import VIDEONET_PRESETS, VideoNet
from kinefuse.recordings import JointCenters, Recording, Subject
from kinefuse.rotations import geodesic_angle, matrix_from_euler, yaw_matrix

TRUTH = swinging_motion(200)
POINTS = joint_center_recording(TRUTH)
SENSORS = sensor_recording(TRUTH)
BOTH = replace(POINTS, imus=SENSORS.imus)

Networks = VideoNetEstimator | ImuNetEstimator | FusionNetEstimator
Case = tuple[Networks, Recording]


def untrained(kind: type, presets: dict) -> torch.nn.Module:
    """A small network with whatever weights it starts with: they break no symmetry that its design keeps."""
    torch.manual_seed(0)
    return kind(presets["tiny"]).eval()


@pytest.fixture(scope="module", params=["videonet", "imunet", "fusionnet"])
def case(request: pytest.FixtureRequest) -> Case:
    cases: dict[str, Case] = {
        "videonet": (VideoNetEstimator(network=untrained(VideoNet, VIDEONET_PRESETS)), POINTS),
        "imunet": (ImuNetEstimator(network=untrained(ImuNet, IMUNET_PRESETS)), SENSORS),
        "fusionnet": (FusionNetEstimator(network=untrained(FusionNet, FUSIONNET_PRESETS)), BOTH),
    }
    return cases[request.param]


def coded_recording(rate_hz: float, seconds: float = 6.0, start: float = 0.0) -> tuple[Recording, np.ndarray]:
    """A recording that `ReadingNetwork` reads exactly, and the rotations in it."""
    time = start + np.arange(int(seconds * rate_hz)) / rate_hz
    swing = np.deg2rad(20) * np.sin(2 * np.pi * 1.1 * (time - start))
    R = yaw_matrix(0.5 * (time - start)) @ matrix_from_euler("ZXY", np.stack([swing, 0.4 * swing, 0 * swing], -1))
    root = np.stack([100 + time - start, 0.9 + 0 * time, -0.2 * (time - start)], -1)
    centers = JointCenters(names=KEYPOINTS, time=time, positions=coded_points(R, root))
    return Recording(joint_centers=centers), R


@pytest.mark.parametrize("rate_hz", [24.0, 25.0, 30.0, 59.94, 100.0])
def test_any_rate_in_the_same_rate_out(rate_hz: float) -> None:
    recording, R = coded_recording(rate_hz)
    motion = VideoNetEstimator(network=ReadingNetwork()).estimate(recording)
    assert np.array_equal(motion.time, recording.joint_centers.time)  # type: ignore[union-attr]
    middle = slice(10, -10)
    assert np.degrees(geodesic_angle(motion.R_world_segment, R[:, None])[middle]).max() < 0.5
    assert np.abs(motion.positions[:, 0, 0] - (100 + motion.time))[middle].max() < 0.005


def test_frames_between_the_network_s_are_interpolated() -> None:
    recording, _ = coded_recording(60.0)
    motion = VideoNetEstimator(network=ReadingNetwork()).estimate(recording)
    told = motion.provenance[:, SEGMENT_INDEX["thigh_l"]]
    assert (told == MEASURED).mean() == pytest.approx(25 / 60, abs=0.01)
    assert (told != MEASURED).sum() == (told == INTERPOLATED).sum()
    assert any("25 frames a second" in note for note in motion.notes)


def test_all_frames_at_25_hz_are_measured() -> None:
    recording, _ = coded_recording(25.0)
    motion = VideoNetEstimator(network=ReadingNetwork()).estimate(recording)
    assert (motion.provenance[:, SEGMENT_INDEX["thigh_l"]] == MEASURED).all()
    assert not any("25 frames a second" in note for note in motion.notes)


def test_long_gaps_are_empty_and_short_ones_interpolated() -> None:
    recording, _ = coded_recording(50.0)
    centers = recording.joint_centers
    assert centers is not None
    positions = centers.positions.copy()
    positions[100:110], positions[150:220] = np.nan, np.nan
    motion = VideoNetEstimator(network=ReadingNetwork()).estimate(with_points(recording, positions))
    assert (motion.provenance[100:110] != MEASURED).all()
    assert np.isfinite(motion.R_world_segment[:150]).all()
    assert np.isnan(motion.R_world_segment[150:220]).all()
    assert np.isnan(motion.positions[150:220]).all()
    assert np.isfinite(motion.R_world_segment[220:]).all()
    assert any("70 of 300 frames" in note for note in motion.notes)


def test_a_known_height_is_the_body_s() -> None:
    for height in (1.5, 1.9):
        recording = replace(POINTS, subject=Subject(height_m=height))
        motion = VideoNetEstimator(network=StandingNetwork()).estimate(recording)
        assert load_anny().stature(motion.shape) == pytest.approx(height)
        assert np.allclose(motion.rest_positions, load_anny().rest_positions(motion.shape))


def test_points_that_are_missing_are_named() -> None:
    centers = POINTS.joint_centers
    assert centers is not None
    recording = replace(POINTS, joint_centers=centers.select(KEYPOINTS[:17]))
    notes = " ".join(VideoNetEstimator(network=StandingNetwork()).estimate(recording).notes)
    assert "7 of the 26 keypoints" in notes
    assert "heel_l" in notes
    assert "foot_l" in notes


def test_sensors_alone_know_no_place() -> None:
    motion = ImuNetEstimator(network=StandingNetwork()).estimate(SENSORS)
    assert np.allclose(motion.positions[:, 0], 0.0)
    assert any("neither place nor heading" in note for note in motion.notes)
    assert motion.rate_hz == pytest.approx(100.0)
    assert (motion.provenance[:, SEGMENT_INDEX["lumbar"]] == INFERRED).all()
    assert (motion.provenance[:, SEGMENT_INDEX["head"]] == MEASURED).mean() == pytest.approx(0.25, abs=0.02)


def test_fewer_sensors_work_and_are_named() -> None:
    few = replace(SENSORS, imus=tuple(imu for imu in SENSORS.imus if imu.segment in {"pelvis", "shank_l"}))
    motion = ImuNetEstimator(network=untrained(ImuNet, IMUNET_PRESETS)).estimate(few)
    assert np.isfinite(motion.R_world_segment).all()
    assert (motion.provenance[:, SEGMENT_INDEX["head"]] == INFERRED).all()
    assert any("No sensor on thigh_l" in note for note in motion.notes)


def test_fusion_needs_both_on_one_clock() -> None:
    estimator = FusionNetEstimator(network=StandingNetwork())
    with pytest.raises(KinefuseError, match="use videonet"):
        estimator.estimate(POINTS)
    with pytest.raises(KinefuseError, match="needs 3-D joint centres"):
        estimator.estimate(SENSORS)
    loose = tuple(replace(imu, start_is_known=False) for imu in SENSORS.imus)
    with pytest.raises(KinefuseError, match="start_s"):
        estimator.estimate(replace(BOTH, imus=loose))
    late = tuple(replace(imu, time=imu.time + 100) for imu in SENSORS.imus)
    with pytest.raises(KinefuseError, match="at the time of the points"):
        estimator.estimate(replace(BOTH, imus=late))


def test_fusion_goes_on_where_no_point_is_seen() -> None:
    """Two seconds without points: sensors tell the turns, the root goes straight from one sighting to the next."""
    centers = BOTH.joint_centers
    assert centers is not None
    positions = centers.positions.copy()
    positions[50:150] = np.nan
    motion = FusionNetEstimator(network=untrained(FusionNet, FUSIONNET_PRESETS)).estimate(with_points(BOTH, positions))
    assert np.isfinite(motion.R_world_segment).all()
    assert np.isfinite(motion.positions).all()
    assert (motion.provenance[80, SEGMENT_INDEX["head"]]) != INFERRED
    assert (motion.provenance[80, SEGMENT_INDEX["hand_l"]]) == INFERRED
    steps = np.diff(motion.positions[55:145, 0], axis=0)
    assert np.allclose(steps, steps.mean(0), atol=2e-3)


def test_world_may_be_turned_and_moved_far(case: Case) -> None:
    estimator, recording = case
    if recording.joint_centers is None:
        pytest.skip("inertial sensors do not know the world")
    turn, shift = yaw_matrix(2.1), np.array([3000.0, 0.2, -500.0])
    moved = estimator.estimate(with_points(recording, recording.joint_centers.positions @ turn.T + shift))
    motion = estimator.estimate(recording)
    assert geodesic_angle(moved.R_world_segment, turn @ motion.R_world_segment).max() < 1e-3
    assert np.abs(moved.positions - (motion.positions @ turn.T + shift)).max() < 1e-3


def test_clock_may_start_anywhere(case: Case) -> None:
    estimator, recording = case
    centers = recording.joint_centers
    later = replace(
        recording,
        joint_centers=None if centers is None else replace(centers, time=centers.time + 1e4),
        imus=tuple(replace(imu, time=imu.time + 1e4) for imu in recording.imus),
    )
    a, b = estimator.estimate(recording), estimator.estimate(later)
    assert np.allclose(b.time, a.time + 1e4)
    assert geodesic_angle(a.R_world_segment, b.R_world_segment).max() < 1e-3


def test_order_of_sensors_does_not_matter(case: Case) -> None:
    estimator, recording = case
    backwards = replace(recording, imus=recording.imus[::-1])
    a, b = estimator.estimate(recording), estimator.estimate(backwards)
    assert np.array_equal(a.R_world_segment, b.R_world_segment)


def test_missing_values_never_become_results(case: Case) -> None:
    """Points and packets drop out at random: every frame is still a body."""
    estimator, recording = case
    rng = np.random.default_rng(5)
    centers = recording.joint_centers
    if centers is not None:
        positions = np.where(rng.uniform(size=(*centers.positions.shape[:2], 1)) < 0.2, np.nan, centers.positions)
        recording = with_points(recording, positions)
    imus = []
    for imu in recording.imus:
        lost = rng.uniform(size=(len(imu.time), 1)) < 0.1
        imus.append(replace(imu, specific_force=np.where(lost, np.nan, imu.specific_force)))
    motion = estimator.estimate(replace(recording, imus=tuple(imus)))
    assert np.isfinite(motion.R_world_segment).all()
    assert np.isfinite(motion.positions).all()


def test_all_sites_are_used() -> None:
    assert not any("No sensor" in note for note in ImuNetEstimator(network=StandingNetwork()).estimate(SENSORS).notes)
    assert len(SENSORS.imus) == len(IMU_SITES)
