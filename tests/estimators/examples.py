"""Small recordings, made from a known motion, that the contract tests feed to every estimator."""

from dataclasses import replace

import numpy as np
import torch

from kinefuse.body.angles import joint_angles, orientations_from_angles
from kinefuse.body.kinematics import joint_positions
from kinefuse.body.models import load_anny
from kinefuse.conventions import COORDINATE_INDEX, COORDINATES, IMU_SITES, KEYPOINTS, SEGMENTS
from kinefuse.motion import Motion
from kinefuse.recordings import Camera, JointCenters, Keypoints, Recording, Subject, View
from kinefuse.synthesis.imus import ideal_imu
from kinefuse.synthesis.sites import site_offsets
from kinefuse.vision.cameras import project

RATE_HZ = 50.0


def swinging_motion(frames: int = 40, seed: int = 0) -> Motion:
    """A person who swings arms and legs, bends and turns: every joint moves, none is at its limit."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / RATE_HZ
    angles = np.zeros((frames, len(COORDINATES)))
    swing = {"hip_flexion": (25, 20), "knee_angle": (40, 25), "ankle_angle": (0, 12), "elbow_flex": (60, 30)}
    swing |= {"arm_flex": (20, 30), "arm_add": (-25, 10), "hip_adduction": (-5, 6), "pro_sup": (80, 5)}
    for name, (centre, amplitude) in swing.items():
        for side in "lr":
            phase = rng.uniform(0, 2 * np.pi)
            wave = centre + amplitude * np.sin(2 * np.pi * 1.2 * time + phase)
            angles[:, COORDINATE_INDEX[f"{name}_{side}"]] = np.deg2rad(wave)
    for name, amplitude in {"lumbar_extension": 10, "lumbar_rotation": 8, "pelvis_tilt": 6, "neck_flexion": 8}.items():
        angles[:, COORDINATE_INDEX[name]] = np.deg2rad(amplitude) * np.sin(2 * np.pi * 0.8 * time + 1)
    angles[:, COORDINATE_INDEX["pelvis_rotation"]] = 0.6 + 0.5 * time
    return motion_from_angles(time, angles, shape=rng.normal(0, 0.7, 10))


def motion_from_angles(time: np.ndarray, angles: np.ndarray, shape: np.ndarray) -> Motion:
    """The motion of the embedded body under given angles, walking slowly along X."""
    rest = load_anny().rest_positions(shape)
    R = orientations_from_angles(angles)
    root = np.stack([0.4 * time, 0.9 + 0 * time, 0.1 * time], axis=-1)
    positions = joint_positions(torch.tensor(R), torch.tensor(root), torch.tensor(rest)).numpy()
    return Motion(
        time=time,
        R_world_segment=R,
        positions=positions,
        angles=joint_angles(R, root),
        provenance=np.zeros((len(time), len(SEGMENTS)), np.uint8),
        shape=shape,
        rest_positions=rest,
    )


def keypoints_of(motion: Motion) -> np.ndarray:
    """Positions (T, 26, 3) of the embedded body's keypoints."""
    body = load_anny()
    index = body.point_index(KEYPOINTS)
    segment = body.point_segment[index]
    local = body.rest_points(KEYPOINTS, motion.shape) - motion.rest_positions[segment]
    return motion.positions[:, segment] + np.einsum("tkij,kj->tki", motion.R_world_segment[:, segment], local)


def joint_center_recording(motion: Motion, noise_m: float = 0.004, seed: int = 1) -> Recording:
    """A recording of noisy 3-D keypoints, with a gap in one of them."""
    rng = np.random.default_rng(seed)
    points = keypoints_of(motion)
    points += rng.normal(0, noise_m, points.shape)
    points[10:14, KEYPOINTS.index("wrist_r")] = np.nan
    centers = JointCenters(names=KEYPOINTS, time=motion.time, positions=points)
    return Recording(joint_centers=centers, subject=Subject(id="example"))


def sensor_recording(motion: Motion, rate_hz: float = 100.0) -> Recording:
    """A recording of perfect sensors on the 13 sites, their axes those of the segments."""
    times = np.arange(motion.time[0], motion.time[-1], 1 / rate_hz)
    offsets = site_offsets(motion.rest_positions)
    imus = [ideal_imu(motion, site, offsets[site], np.eye(3), times) for site in IMU_SITES]
    return Recording(imus=tuple(imus), subject=Subject(id="example"))


def ring_of_cameras(count: int = 4, centre: tuple[float, float, float] = (0.3, 1.0, 0.0)) -> tuple[Camera, ...]:
    """Cameras on a circle of 4 m, looking at its centre."""
    cameras = []
    for i in range(count):
        angle = 2 * np.pi * (i + 0.3) / count
        offset = np.array([4 * np.cos(angle), 0.6, 4 * np.sin(angle)])
        position = np.array(centre) + offset
        forward = -offset / np.linalg.norm(offset)
        right = np.cross(forward, [0, 1, 0])
        right /= np.linalg.norm(right)
        R = np.stack([right, np.cross(forward, right), forward])
        cameras.append(
            Camera(
                name=f"cam_{i}",
                size=(1280, 960),
                matrix=np.array([[1100.0, 0, 640], [0, 1100.0, 480], [0, 0, 1]]),
                distortions=np.array([-0.05, 0.02, 0.0, 0.0]),
                R_camera_world=R,
                translation=-R @ position,
            )
        )
    return tuple(cameras)


def video_recording(motion: Motion, noise_px: float = 1.0, seed: int = 2) -> Recording:
    """A recording of noisy 2-D keypoints in four calibrated views."""
    rng = np.random.default_rng(seed)
    points = keypoints_of(motion)
    cameras = ring_of_cameras()
    views = []
    for camera in cameras:
        pixels = project(camera, points) + rng.normal(0, noise_px, (*points.shape[:2], 2))
        keypoints = Keypoints(
            names=KEYPOINTS, pixels=pixels[:, None], confidence=np.full((len(points), 1, len(KEYPOINTS)), 0.9)
        )
        views.append(View(camera=camera.name, rate_hz=RATE_HZ, start_s=0.0, keypoints=keypoints))
    return Recording(cameras=cameras, views=tuple(views))


def with_points(recording: Recording, positions: np.ndarray, names: tuple[str, ...] | None = None) -> Recording:
    """The same recording with other joint centres."""
    centers = recording.joint_centers
    assert centers is not None
    return replace(recording, joint_centers=replace(centers, positions=positions, names=names or centers.names))
