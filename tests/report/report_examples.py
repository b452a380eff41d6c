"""A made-up person who walks, with everything that a report can show."""

from dataclasses import replace

import numpy as np

from kinefuse.body.angles import joint_angles, orientations_from_angles
from kinefuse.body.models import load_anny
from kinefuse.conventions import COORDINATE_INDEX, COORDINATES, JOINTS, KEYPOINTS, SEGMENT_INDEX
from kinefuse.motion import Motion
from kinefuse.recordings import Camera, Imu, JointCenters, Keypoints, Recording, Subject, View


def walking_angles(time: np.ndarray) -> np.ndarray:
    """Return coordinates (T, C), radians and metres, of a person who walks along X at one stride a second."""
    angles = np.zeros((len(time), len(COORDINATES)))

    def put(name: str, mean: float, size: float, phase: float = 0.0, harmonic: int = 1) -> None:
        wave = np.sin(2 * np.pi * (harmonic * time + phase))
        angles[:, COORDINATE_INDEX[name]] = np.deg2rad(mean + size * wave)

    for side, shift in (("r", 0.0), ("l", 0.5)):
        put(f"hip_flexion_{side}", 10, 24, shift)
        put(f"hip_adduction_{side}", 1, 5, shift + 0.2)
        put(f"knee_angle_{side}", 30, 27, shift + 0.2)
        put(f"ankle_angle_{side}", 2, 11, shift + 0.45)
        put(f"subtalar_angle_{side}", 0, 4, shift)
        put(f"arm_flex_{side}", 0, 22, shift + 0.5)
        put(f"arm_add_{side}", -8, 1, shift)
        put(f"elbow_flex_{side}", 32, 14, shift + 0.5)
        put(f"pro_sup_{side}", 70, 6, shift)
    put("pelvis_tilt", -4, 2, 0.1, 2)
    put("pelvis_list", 0, 4)
    put("pelvis_rotation", 0, 6)
    put("lumbar_rotation", 0, 8, 0.5)
    put("lumbar_bending", 0, 4, 0.4)
    put("neck_flexion", 8, 3, 0.0, 2)
    angles[:, COORDINATE_INDEX["pelvis_tx"]] = 1.2 * time - 1.0
    angles[:, COORDINATE_INDEX["pelvis_ty"]] = 0.92 + 0.02 * np.sin(4 * np.pi * time)
    return angles


def striding() -> Motion:
    """Return ten seconds of a person of whom all is known, who begins to walk."""
    from kinefuse.synthesis.gait import Walk, walk
    from kinefuse.synthesis.person import demo_person

    return walk(demo_person(), Walk(rate_hz=60.0, duration_s=10.0))


def walking(frames: int = 100, rate_hz: float = 60.0, offset_deg: float = 0.0) -> Motion:
    """Return the walking person, all of it measured; `offset_deg` is added to every angle of the right knee."""
    import torch

    from kinefuse.body.kinematics import joint_positions

    body = load_anny()
    time = np.arange(frames) / rate_hz
    angles = walking_angles(time)
    angles[:, COORDINATE_INDEX["knee_angle_r"]] += np.deg2rad(offset_deg)
    root = angles[:, [COORDINATE_INDEX[f"pelvis_t{axis}"] for axis in "xyz"]]
    orientations, rest = orientations_from_angles(angles), body.rest_positions(np.zeros(body.n_shape))
    positions = joint_positions(torch.tensor(orientations), torch.tensor(root), torch.tensor(rest)).numpy()
    return Motion(
        time=time,
        R_world_segment=orientations,
        positions=positions,
        angles=joint_angles(orientations, root),
        provenance=np.zeros((frames, 22), dtype=int),
        shape=np.zeros(body.n_shape),
        rest_positions=rest,
        estimator="made-up",
        notes=("Low-pass filtered at 6 Hz.",),
    )


def flawed(motion: Motion) -> Motion:
    """Return the motion with interpolated and inferred parts, a gap, and standard deviations."""
    provenance, angles = motion.provenance.copy(), motion.angles.copy()
    orientations, positions = motion.R_world_segment.copy(), motion.positions.copy()
    frames = len(motion.time)
    provenance[frames // 5 : frames // 4, SEGMENT_INDEX["shank_l"]] = 1
    provenance[:, [SEGMENT_INDEX["hand_l"], SEGMENT_INDEX["hand_r"]]] = 2
    gap = slice(frames // 2, frames // 2 + frames // 10)
    forearm = [SEGMENT_INDEX["forearm_r"], SEGMENT_INDEX["hand_r"]]
    orientations[gap, forearm], positions[gap, JOINTS.index("wrist_r")] = np.nan, np.nan
    angles[gap, COORDINATE_INDEX["elbow_flex_r"]] = np.nan
    angles[gap, COORDINATE_INDEX["pro_sup_r"]] = np.nan
    return replace(
        motion, R_world_segment=orientations, positions=positions, angles=angles, provenance=provenance,
        angle_sd=np.full(angles.shape, np.deg2rad(2.5)),
    )  # fmt: skip


def camera(name: str, azimuth: float, distance: float = 4.0) -> Camera:
    """Return a camera at 1.5 m height that looks at the middle of the walkway from `azimuth` radians."""
    centre = np.array([distance * np.cos(azimuth), 1.5, distance * np.sin(azimuth)])
    forward = np.array([0.0, 0.9, 0.0]) - centre
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    return Camera(
        name=name, size=(640, 480), matrix=np.array([[520.0, 0, 319.5], [0, 520.0, 239.5], [0, 0, 1]]),
        distortions=np.zeros(5), R_camera_world=rotation, translation=-rotation @ centre,
    )  # fmt: skip


def laboratory(motion: Motion, subject: Subject | None = None) -> Recording:
    """Return what three cameras and two sensors recorded of a motion: its own points, 3 px off in the first camera."""
    from kinefuse.report.agreement import body_points
    from kinefuse.vision.cameras import project

    cameras = tuple(camera(f"cam_{i + 1}", 0.4 + 2.1 * i) for i in range(3))
    names, places = body_points(motion, load_anny())
    views = []
    for i, one in enumerate(cameras):
        pixels = project(one, places)[:, None] + (np.array([3.0, 0.0]) if i == 0 else 0.0)
        keypoints = Keypoints(names=names, pixels=pixels, confidence=np.isfinite(pixels[..., 0]).astype(float))
        views.append(View(camera=one.name, rate_hz=motion.rate_hz, start_s=0.0, keypoints=keypoints))
    clock = np.arange(0, float(motion.time[-1]), 0.01)
    kept = np.delete(clock, slice(20, 30)) if len(clock) > 60 else clock
    imus = tuple(
        Imu(
            name=name, segment=name, time=kept, specific_force=np.tile([0.0, 9.81, 0.0], (len(kept), 1)),
            angular_rate=np.zeros((len(kept), 3)), start_is_known=name == "pelvis",
        )
        for name in ("pelvis", "shank_l")
    )  # fmt: skip
    return Recording(
        subject=subject or Subject(id="Jürgen Groß", height_m=1.78, mass_kg=74.0, sex="male", age_years=41),
        cameras=cameras,
        views=tuple(views),
        joint_centers=JointCenters(names=KEYPOINTS, time=motion.time, positions=places),
        imus=imus,
    )


def quality() -> dict:
    """Return a quality file with findings of every level."""
    return {
        "findings": [
            {"level": "info", "about": "trial", "text": "Cameras were put on one clock."},
            {"level": "warning", "about": "camera cam_2", "text": "Camera cam_2 disagrees with the others by 14 px."},
            {"level": "error", "about": "sensor shank_l", "text": "Sensor shank_l reads no gravity; it was left out."},
        ],
        "cameras": {
            "cam_1": {"median_reprojection_seen_px": 4.2, "seen_fraction": 0.98, "start_s": 0.0},
            "cam_2": {
                "median_reprojection_seen_px": 14.1, "seen_fraction": 0.71, "start_s": 0.134, "start_estimated": True,
            },
        },
        "keypoints": {"knee_l": {"median_reprojection_px": 5.0, "missing_fraction": 0.04, "mean_views": 2.9}},
        "versions": {"kinefuse": "0.1.0"},
        "seed": 7,
    }  # fmt: skip
