"""A made-up person and a camera for the tests of this folder."""

import numpy as np
import torch

from kinefuse.body.angles import joint_angles, orientations_from_angles
from kinefuse.body.kinematics import joint_positions
from kinefuse.body.models import load_anny
from kinefuse.conventions import COORDINATE_INDEX, COORDINATES
from kinefuse.motion import Motion
from kinefuse.recordings import Camera, JointCenters, Recording


def waving(frames: int = 60) -> Motion:
    """Return a person who stands and raises the right arm, 60 frames a second."""
    body, time = load_anny(), np.arange(frames) / 60.0
    angles = np.zeros((frames, len(COORDINATES)))
    angles[:, COORDINATE_INDEX["arm_add_r"]] = -1.0 - 0.5 * np.sin(4 * time)
    angles[:, COORDINATE_INDEX["elbow_flex_r"]] = np.deg2rad(30.0)
    orientations, root = orientations_from_angles(angles), np.tile([0.0, 0.95, 0.0], (frames, 1))
    rest = body.rest_positions(np.zeros(body.n_shape))
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
    )


def room(motion: Motion) -> Recording:
    """Return one camera in front of the person, and the measured left wrist."""
    rotation = np.array([[0.0, 0.0, -1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]])  # looks along -X, image right is -Z
    camera = Camera(
        name="front", size=(640, 480), matrix=np.array([[500.0, 0, 320], [0, 500.0, 240], [0, 0, 1]]),
        distortions=np.zeros(4), R_camera_world=rotation, translation=-rotation @ np.array([3.0, 1.2, 0.0]),
    )  # fmt: skip
    wrist = motion.positions[:, [20]]
    return Recording(
        cameras=(camera,), joint_centers=JointCenters(names=("wrist_l",), time=motion.time, positions=wrist)
    )
