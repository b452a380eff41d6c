"""DeepFuse's estimators around a network that knows the answer: what goes in, and what becomes of what comes out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from examples import sensor_recording, swinging_motion
from hypothesis import given, settings
from hypothesis import strategies as st
from silhouette_examples import KnowingNetwork, emptied, knowing, silhouette_recording

from kinefuse.conventions import GRAVITY, IMU_SITES, INFERRED, MEASURED, SEGMENT_INDEX, SITE_SEGMENT
from kinefuse.errors import KinefuseError
from kinefuse.estimators import deepfuse, volume_answers
from kinefuse.estimators.bones import bones_in_world
from kinefuse.estimators.deepfuse import DeepFuseEstimator, vision_only
from kinefuse.estimators.registry import make_estimator
from kinefuse.estimators.sensor_turns import SensorTurns
from kinefuse.estimators.silhouettes import Silhouettes, silhouettes_of
from kinefuse.estimators.volume_answers import found_performer, joints_of, shipped_deepfuse
from kinefuse.evaluation.filmed_mattes import filmed_mattes
from kinefuse.evaluation.material import Clip
from kinefuse.evaluation.recordings import Conditions, noisy_points
from kinefuse.metrics.compare import motion_at
from kinefuse.models.deepfuse import DEEPFUSE_PRESETS, RAY_DIRECTIONS
from kinefuse.motion import Motion
from kinefuse.recordings import Imu, JointCenters, Keypoints, Recording
from kinefuse.rotations import geodesic_angle, matrix_from_rotvec, yaw_matrix

FRAMES = 50
TRUTH = swinging_motion(2 * FRAMES)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return silhouette_recording(TRUTH, tmp_path_factory.mktemp("mattes"))


@pytest.fixture(scope="module")
def seen(recording: Recording) -> Silhouettes:
    return silhouettes_of(recording, "deepfuse")


@pytest.fixture(scope="module")
def truth(seen: Silhouettes) -> Motion:
    return motion_at(TRUTH, seen.time)


def askew(imus: tuple[Imu, ...], angle: float) -> tuple[Imu, ...]:
    """The same sensors, each put on another way that nobody tells, without the device's orientation."""
    rng = np.random.default_rng(5)
    out = []
    for imu in imus:
        axis = rng.normal(size=3)
        R_sensor_segment = matrix_from_rotvec(angle * axis / np.linalg.norm(axis))
        force, rate = imu.specific_force @ R_sensor_segment.T, imu.angular_rate @ R_sensor_segment.T
        turned = replace(imu, specific_force=force, angular_rate=rate)
        out.append(replace(turned, R_ref_sensor=None, R_world_ref=None, R_segment_sensor=None))
    return tuple(out)


def test_joints_are_the_networks_own(recording: Recording, seen: Silhouettes, truth: Motion) -> None:
    network = knowing(truth, found_performer(seen, "deepfuse"))
    motion = DeepFuseEstimator(name="deepfuse-vision", network=network, uses_sensors=False).estimate(recording)
    assert len(motion.time) == FRAMES
    assert np.allclose(motion.positions, truth.positions, atol=1e-5)
    assert np.allclose(motion.angles[:, 3:6], truth.positions[:, 0], atol=1e-5)
    limbs = [SEGMENT_INDEX[name] for name in ("pelvis", "thigh_l", "shank_r", "upper_arm_l")]
    assert np.degrees(geodesic_angle(motion.R_world_segment, truth.R_world_segment))[:, limbs].mean() < 8
    assert (motion.provenance[:, limbs] == MEASURED).all()
    assert (motion.provenance[:, SEGMENT_INDEX["hand_l"]] == INFERRED).all()
    assert any("mm from them on average" in note for note in motion.notes)


def test_sensors_put_on_anyhow_tell_the_bones(recording: Recording, seen: Silhouettes, truth: Motion) -> None:
    """From gyroscopes and accelerometers alone, mounted 25° askew, each with a heading of its own."""
    network = knowing(truth, found_performer(seen, "deepfuse"))
    imus = askew(sensor_recording(TRUTH).imus, np.deg2rad(25.0))
    motion = DeepFuseEstimator(network=network).estimate(replace(recording, imus=imus))
    told = np.concatenate([R.numpy() for R, _ in network.told])
    assert np.concatenate([worn.numpy() for _, worn in network.told]).all()
    assert len(told) == FRAMES
    expected = truth.R_world_segment[:, SITE_SEGMENT]
    directions = np.array(RAY_DIRECTIONS)[:, :, None]
    between = ((told @ directions) * (expected @ directions)).sum((2, 3))
    off = np.degrees(np.arccos(np.clip(between, -1, 1)))
    assert off.mean() < 5
    assert np.allclose(motion.positions, truth.positions, atol=1e-5)
    assert (motion.provenance[:, SEGMENT_INDEX["head"]] == MEASURED).all()


def test_sensors_that_tell_their_orientation_alone_are_enough(
    recording: Recording, seen: Silhouettes, truth: Motion
) -> None:
    """Neither accelerometer nor gyroscope; the cameras tell headings and mountings."""
    network = knowing(truth, found_performer(seen, "deepfuse"))
    imus = tuple(
        replace(imu, specific_force=np.nan * imu.specific_force, angular_rate=np.nan * imu.angular_rate)
        for imu in sensor_recording(TRUTH).imus
    )
    assert all(imu.R_ref_sensor is not None for imu in imus)
    DeepFuseEstimator(network=network).estimate(replace(recording, imus=imus))
    told = np.concatenate([R.numpy() for R, _ in network.told])
    assert np.concatenate([worn.numpy() for _, worn in network.told]).all()
    assert np.degrees(geodesic_angle(told, truth.R_world_segment[:, SITE_SEGMENT])).mean() < 3


def test_joint_centres_align_sensors_where_silhouettes_mislead(
    recording: Recording, seen: Silhouettes, truth: Motion
) -> None:
    """The network sees the person the wrong way round; keypoints of the same cameras know better."""
    turned = yaw_matrix(np.pi) @ (truth.positions - truth.positions[:, :1])[..., None]
    wrong = replace(truth, positions=turned[..., 0] + truth.positions[:, :1])
    imus = askew(sensor_recording(TRUTH).imus, np.deg2rad(5.0))
    points = noisy_points(Clip(subject="anna", name="swing", activity="", truth=TRUTH), Conditions(noise="clean"))
    expected = (truth.R_world_segment[:, SITE_SEGMENT] @ np.array(RAY_DIRECTIONS)[:, :, None])[..., 0]

    def off(centers: JointCenters | None) -> float:
        network = knowing(wrong, found_performer(seen, "deepfuse"))
        whole = replace(recording, imus=imus, joint_centers=centers)
        motion = DeepFuseEstimator(network=network).estimate(whole)
        assert any("joint centres of the recording" in note for note in motion.notes) == (centers is not None)
        told = np.concatenate([R.numpy() for R, _ in network.told]) @ np.array(RAY_DIRECTIONS)[:, :, None]
        return float(np.degrees(np.arccos((told[..., 0] * expected).sum(-1).clip(-1, 1))).mean())

    assert off(points) < 6
    assert off(None) > 20


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), given_mounting=st.booleans())
def test_mounting_and_heading_are_found(seed: int, given_mounting: bool) -> None:
    """Known answer: exact turns, any heading, any mounting; also a heading that drifts where the mounting is known."""
    rng = np.random.default_rng(seed)
    truth = TRUTH.frames(slice(None, None, 2))
    expected = truth.R_world_segment[:, SITE_SEGMENT]
    mounting = matrix_from_rotvec(rng.normal(size=(13, 3)))
    yaw = yaw_matrix(rng.uniform(-np.pi, np.pi, 13))
    sensors = tuple(
        an_imu(truth.time, name, mounting[i] if given_mounting else None) for i, name in enumerate(IMU_SITES)
    )
    turns = SensorTurns(sensors, truth.time, yaw @ expected @ mounting, np.zeros((len(truth.time), 13), np.uint8))
    bones = bones_in_world(turns, truth, np.arange(len(truth.time)))
    limit = 1e-6 if given_mounting else np.deg2rad(6.0)
    assert geodesic_angle(bones.R_world_segment, expected).mean() < limit


def test_a_known_heading_is_no_way_out_of_an_unusual_mounting() -> None:
    """A sensor turned by 90° about the vertical of an upright pelvis, in a frame that is known, is mounted so."""
    time = np.arange(50) / 25.0
    upright = np.broadcast_to(np.eye(3), (50, 22, 3, 3))
    imu = replace(an_imu(time, "pelvis", None), R_world_ref=np.eye(3))
    turns = SensorTurns((imu,), time, np.tile(yaw_matrix(np.pi / 2), (50, 1, 1, 1)), np.zeros((50, 1), np.uint8))
    shown = replace(TRUTH.frames(slice(0, 50)), time=time, R_world_segment=upright)
    told = bones_in_world(turns, shown, np.arange(50)).R_world_segment[:, IMU_SITES.index("pelvis")]
    assert np.degrees(geodesic_angle(told, np.eye(3))).max() < 2.0


def test_a_held_pose_tells_where_up_is_and_no_more() -> None:
    """A pose takes back half of the 10° by which cameras see a shank lean; a wrong turn about up is not believed."""
    time = np.arange(50) / 25.0
    lean = matrix_from_rotvec(np.stack([0 * time, 0 * time, 0.4 * np.sin(3 * time)], axis=-1))[:, None]
    twist = yaw_matrix(1.0)
    imu = an_imu(time, "shank_l", twist)  # the sensor lies along the segment: the pose is right but for the twist
    turns = SensorTurns((imu,), time, lean, np.zeros((50, 1), np.uint8))
    seen = np.broadcast_to(np.eye(3), (50, 22, 3, 3)).copy()
    seen[:, SEGMENT_INDEX["shank_l"]] = lean[:, 0] @ matrix_from_rotvec(np.array([0.0, 0.0, np.deg2rad(10.0)]))
    shown = replace(TRUTH.frames(slice(0, 50)), time=time, R_world_segment=seen)
    site, down, up = IMU_SITES.index("shank_l"), np.array([0.0, -1.0, 0.0]), {"shank_l": np.array([0.0, 1.0, 0.0])}

    def off(upright: dict[str, np.ndarray]) -> float:
        told = bones_in_world(turns, shown, np.arange(50), upright).R_world_segment[:, site] @ down
        return float(np.degrees(np.arccos((told * (lean[:, 0] @ down)).sum(-1).clip(-1, 1))).mean())

    assert off(up) < 6.5
    assert off({}) > 9


def an_imu(time: np.ndarray, segment: str, mounting: np.ndarray | None) -> Imu:
    force = np.tile([0.0, GRAVITY, 0.0], (len(time), 1))
    return Imu(
        name=segment,
        segment=segment,
        time=time,
        specific_force=force,
        angular_rate=0 * force,
        R_segment_sensor=mounting,
    )


def test_a_known_frame_and_mounting_are_taken_as_they_are() -> None:
    """R_world_bone = R_world_ref R_ref_sensor R_bone_sensorᵀ, by one number: a sensor turned 90° on a shank."""
    time = np.arange(4) / 10.0
    quarter = matrix_from_rotvec(np.array([0.0, 0.0, np.pi / 2]))
    imu = replace(an_imu(time, "shank_l", quarter), R_world_ref=np.eye(3))
    turns = SensorTurns((imu,), time, np.tile(np.eye(3), (4, 1, 1, 1)), np.array([[0], [0], [2], [1]], np.uint8))
    bones = bones_in_world(turns, None, np.arange(0))
    site = IMU_SITES.index("shank_l")
    down = bones.R_world_segment[:, site] @ np.array([0.0, -1.0, 0.0])
    assert np.allclose(down[[0, 1, 3]], [-1.0, 0.0, 0.0])
    assert bones.worn[:, site].tolist() == [True, True, False, True]
    assert not np.delete(bones.worn, site, axis=1).any()
    assert np.allclose(bones.R_world_segment[2], np.eye(3))


def test_frames_without_two_cameras_are_gaps(
    recording: Recording, seen: Silhouettes, truth: Motion, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = slice(20, 40)
    blind = replace(seen, mattes=(seen.mattes[0], *(emptied(m, lost) for m in seen.mattes[1:])))
    monkeypatch.setattr(deepfuse, "silhouettes_of", lambda *_: blind)
    network = knowing(truth, found_performer(blind, "deepfuse"))
    motion = DeepFuseEstimator(network=network).estimate(recording)
    assert np.isnan(motion.positions[lost]).all()
    assert (motion.provenance[lost] != MEASURED).all()
    kept = np.delete(np.arange(FRAMES), np.arange(FRAMES)[lost])
    assert np.allclose(motion.positions[kept], truth.positions[kept], atol=1e-5)
    assert any(note.startswith("In 20 of 50 frames fewer than two cameras") for note in motion.notes)


def test_nobody_anywhere_is_one_sentence(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    there = silhouettes_of(recording, "deepfuse")
    blind = replace(there, mattes=tuple(emptied(m, slice(None)) for m in there.mattes))
    monkeypatch.setattr(deepfuse, "silhouettes_of", lambda *_: blind)
    with pytest.raises(KinefuseError, match="deepfuse found nobody"):
        DeepFuseEstimator(network=a_network()).estimate(recording)


def test_parts_of_a_trial_say_the_same_as_the_whole(
    seen: Silhouettes, truth: Motion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Volumes are built in parts; joints land in their own frames, whichever are asked for."""
    performer = found_performer(seen, "deepfuse")
    monkeypatch.setattr(volume_answers, "PART", 7)
    assert np.allclose(joints_of(knowing(truth, performer), performer, np.arange(FRAMES)), truth.positions, atol=1e-5)


def a_network() -> KnowingNetwork:
    return KnowingNetwork(np.zeros((1, 22, 3)), np.zeros((1, 3)))


def with_views(recording: Recording, change: Callable[[int], dict]) -> Recording:
    return replace(recording, views=tuple(replace(v, **change(i)) for i, v in enumerate(recording.views)))


def test_cameras_have_clocks_and_rates_of_their_own(recording: Recording) -> None:
    """The second camera starts 0.2 s later and runs at half the rate: its frames stand where they are nearest."""
    late = with_views(recording, lambda i: {"start_s": 0.2, "rate_hz": 12.5} if i == 1 else {"start_s": 0.0})
    found = silhouettes_of(late, "deepfuse")
    assert np.allclose(found.time, np.arange(FRAMES) / 25.0)
    assert (found.rows[:, 0] == np.arange(FRAMES)).all()
    assert (found.rows[:5, 1] < 1).all()
    assert found.rows[[5, 7, 9], 1].tolist() == [0, 1, 2]
    unknown = with_views(recording, lambda _: {"start_s": None})
    assert silhouettes_of(unknown, "deepfuse").time[0] == 0.0
    with pytest.raises(KinefuseError, match="the start of cam_2 is unknown"):
        silhouettes_of(with_views(recording, lambda i: {"start_s": None} if i == 1 else {}), "deepfuse")
    with pytest.raises(KinefuseError, match="the frame rate of its silhouettes is unknown; add rate_hz"):
        silhouettes_of(with_views(recording, lambda _: {"rate_hz": None}), "deepfuse")
    with pytest.raises(KinefuseError, match="No two cameras record at the same time"):
        silhouettes_of(with_views(recording, lambda i: {"start_s": 100.0 * i}), "deepfuse")


def test_time_of_a_single_camera_is_told(recording: Recording) -> None:
    """The first camera starts 0.4 s before the others, so that its first ten frames are left out."""
    late = with_views(recording, lambda i: {"start_s": 0.4 if i else 0.0})
    found = silhouettes_of(late, "deepfuse")
    assert np.allclose(found.time, 0.4 + np.arange(FRAMES) / 25.0)
    assert any(note.startswith("The first 0.40 s and the last 0.00 s, in which") for note in found.notes)
    assert not silhouettes_of(with_views(recording, lambda _: {"start_s": 0.0}), "deepfuse").notes


def test_cameras_that_are_not_looked_at_are_told(recording: Recording) -> None:
    """One has keypoints only; of nine with silhouettes a volume holds eight."""
    points = Keypoints(names=("nose",), pixels=np.ones((FRAMES, 1, 1, 2)), confidence=np.ones((FRAMES, 1, 1)))
    only_points = with_views(recording, lambda i: {"silhouettes": None, "keypoints": points} if i == 2 else {})
    found = silhouettes_of(only_points, "deepfuse")
    assert len(found.cameras) == 3
    assert any(note == "deepfuse does not use cameras with keypoints only: cam_3." for note in found.notes)
    names = [f"copy_{i}" for i in range(9)]
    nine = Recording(
        cameras=tuple(replace(recording.cameras[i % 4], name=name) for i, name in enumerate(names)),
        views=tuple(replace(recording.views[i % 4], camera=name) for i, name in enumerate(names)),
    )
    assert any("8 cameras at a time: of these 9" in note for note in silhouettes_of(nine, "deepfuse").notes)


def test_gaps_and_findings_of_images_reach_the_user(recording: Recording, tmp_path: Path) -> None:
    """Numbers count from 1 in all cameras; one camera lacks number 1 and number 4."""
    shown = Clip(subject="anna", name="swing", activity="", truth=TRUTH)
    seen = filmed_mattes(shown, 0, 2)
    views = seen.as_images(tmp_path)
    for view in views:
        assert view.silhouettes is not None
        for file in sorted(view.silhouettes.glob("*.png"), reverse=True):
            file.rename(file.with_stem(f"{int(file.stem) + 1:06d}"))
    for number in (1, 4):
        (tmp_path / views[1].camera / f"{number:06d}.png").unlink()
    found = silhouettes_of(Recording(cameras=seen.cameras, views=views), "deepfuse")
    assert found.rows[:6, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert found.rows[:6, 1].tolist() == [-1, 1, 2, -1, 4, 5]
    assert np.array_equal(found.mattes[1].packed[4], seen.mattes[1].packed[4])
    assert any(note.startswith(f"Camera {views[1].camera}: Its silhouettes lack 2 of 50") for note in found.notes)


def test_bad_input_is_one_sentence(recording: Recording, tmp_path: Path) -> None:
    estimator = DeepFuseEstimator(network=a_network())
    with pytest.raises(KinefuseError, match="at least two calibrated cameras; this recording has none"):
        estimator.estimate(Recording())
    with pytest.raises(KinefuseError, match="this recording has only those of cam_1"):
        estimator.estimate(replace(recording, views=recording.views[:1]))
    imus = sensor_recording(TRUTH).imus
    with pytest.raises(KinefuseError, match="the start of pelvis is unknown"):
        estimator.estimate(replace(recording, imus=(replace(imus[0], start_is_known=False),)))
    later = tuple(replace(imu, time=imu.time + 1000.0) for imu in imus)
    with pytest.raises(KinefuseError, match="needs sensors that recorded at the time of the silhouettes"):
        estimator.estimate(replace(recording, imus=later))
    blind = KnowingNetwork(
        np.zeros((1, 22, 3)), np.zeros((1, 3)), replace(DEEPFUSE_PRESETS["tiny"], refinement="vision")
    )
    with pytest.raises(KinefuseError, match="takes no orientations"):
        DeepFuseEstimator(network=blind).estimate(replace(recording, imus=imus))


def test_without_weights_the_sentence_says_how_to_get_some(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volume_answers, "is_shipped", lambda _: False)
    with pytest.raises(KinefuseError, match=r"train them with `kinefuse train deepfuse` .* --estimator deepfuse=FILE"):
        shipped_deepfuse("deepfuse")
    with pytest.raises(KinefuseError, match="`kinefuse train deepfuse-vision`"):
        vision_only().estimate(recording)


def test_weights_come_from_a_file(tmp_path: Path) -> None:
    from kinefuse.models.deepfuse import DeepFuse
    from kinefuse.models.weights import save_network

    file = tmp_path / "mine.safetensors"
    save_network(file, "deepfuse", DeepFuse(DEEPFUSE_PRESETS["tiny"]))
    for name in ("deepfuse", "deepfuse-vision"):
        made = make_estimator(f"{name}={file}")
        assert isinstance(made, DeepFuseEstimator)
        assert made.name == name
        assert isinstance(made.network, DeepFuse)
    with pytest.raises(KinefuseError, match="smplify3d has no weights"):
        make_estimator(f"smplify3d={file}")


def test_the_order_of_cameras_does_not_matter(recording: Recording) -> None:
    """With an untrained network: whatever it says, it is the same."""
    import torch

    from kinefuse.models.deepfuse import DeepFuse

    torch.manual_seed(0)
    network = DeepFuse(DEEPFUSE_PRESETS["tiny"]).eval()
    some = [silhouettes_of(r, "deepfuse") for r in (recording, backwards(recording))]
    answers = [joints_of(network, found_performer(one, "deepfuse"), np.arange(4)) for one in some]
    assert np.allclose(answers[0], answers[1], atol=1e-4)


def backwards(recording: Recording) -> Recording:
    return replace(recording, cameras=recording.cameras[::-1], views=recording.views[::-1])
