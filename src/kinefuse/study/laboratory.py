"""What a laboratory does before it measures: the person stands still with hanging arms, then begins to move.

Nobody stands as the model says. Each segment is off by a rotation of its own, which is drawn anew for every repetition
and fades while the person begins to move; the pose is what is *assumed*, and the difference is the error of calibration
that real laboratories have.
"""

from dataclasses import replace
from typing import Final

import numpy as np
import torch

from kinefuse.body.angles import joint_angles
from kinefuse.body.kinematics import joint_positions
from kinefuse.conventions import INFERRED, SEGMENTS
from kinefuse.inertial.mounting import segment_in_pose
from kinefuse.motion import Motion
from kinefuse.recordings import HeldPose
from kinefuse.rotations import matrix_from_rotvec, yaw_matrix
from kinefuse.study.joining import heading_of, joined, smooth_step

HELD_S: Final = 4.0
BEGIN_S: Final = 1.5
LEAD_S: Final = HELD_S + BEGIN_S
"""The pose is held, then the person moves into the window, whose time begins at 0."""

POSE_SD_RAD: Final = float(np.deg2rad(4.0))
"""Of each component of the rotation by which each segment is off the ideal pose."""

SWAY_RAD: Final = float(np.deg2rad(0.3))
"""Amplitude of each of `SWAYS_HZ` in each segment."""

SWAYS_HZ: Final = (0.15, 0.4)


def with_lead(window: Motion, rng: np.random.Generator) -> Motion:
    """Return a window with an ideal pose, held with some sway, and the way into the window before it.

    Parameters
    ----------
    window : its time begins at 0
    rng : of the sway

    Returns
    -------
    The motion from about -`LEAD_S` on; the window's own frames and their times are as they were.
    """
    pose = standing(window, rng)
    whole = joined(pose, window, BEGIN_S)
    return replace(whole, time=whole.time - whole.time[-len(window.time)] + window.time[0])


def standing(window: Motion, rng: np.random.Generator) -> Motion:
    """Return a pose with hanging arms for `HELD_S`, where the window begins and facing as the pelvis does there."""
    frames = round(HELD_S * window.rate_hz)
    time = np.arange(frames) / window.rate_hz
    facing = yaw_matrix(heading_of(window.R_world_segment[0, 0]))
    R = facing @ np.stack([segment_in_pose(name, "n") for name in SEGMENTS]) @ matrix_from_rotvec(_sway(time, rng))
    root = np.repeat(window.positions[:1, 0], frames, axis=0)
    root[:, 1] = -window.rest_positions[:, 1].min() + window.rest_positions[0, 1] + window.positions[..., 1].min()
    rest = torch.as_tensor(window.rest_positions)
    return replace(
        window,
        time=time,
        R_world_segment=R,
        positions=joint_positions(torch.as_tensor(R), torch.as_tensor(root), rest).numpy(),
        angles=joint_angles(R, root),
        provenance=np.full((frames, len(SEGMENTS)), INFERRED),
    )


def _sway(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rotation vectors (T, 22, 3)."""
    phases = rng.uniform(0.0, 2 * np.pi, (len(SWAYS_HZ), len(SEGMENTS), 3))
    turns = 2 * np.pi * np.multiply.outer(time, SWAYS_HZ)[:, :, None, None] + phases
    return np.asarray(SWAY_RAD * np.sin(turns).sum(1))


def held_pose() -> HeldPose:
    """Return when the pose is held, without its first and last moments."""
    return HeldPose(kind="n", start_s=-LEAD_S + 0.3, end_s=-BEGIN_S - 0.3)


def pose_errors(rng: np.random.Generator, sd_rad: float = POSE_SD_RAD) -> np.ndarray:
    """Return the rotation vectors (22, 3), rad, by which a person's segments are off the ideal pose, segment axes."""
    return rng.normal(0.0, sd_rad, (len(SEGMENTS), 3))


def pose_share(time: np.ndarray) -> np.ndarray:
    """Return how much of the pose's error is left at times (T,): 1 until the person moves, 0 when the window begins."""
    return 1.0 - smooth_step((time + BEGIN_S) / BEGIN_S)
