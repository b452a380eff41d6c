"""Markers that were put on anew for a second session: found, and without effect on the angles."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from kinefuse.body.angles import orientations_from_angles
from kinefuse.body.kinematics import joint_positions, points_on_segments
from kinefuse.body.markers import MARKER_SETS, with_markers
from kinefuse.body.models import load_anny
from kinefuse.conventions import COORDINATE_INDEX, COORDINATES
from kinefuse.recordings import JointCenters
from kinefuse.synthesis.capture import fit_clip
from kinefuse.synthesis.marker_places import bodies_by_session

MARKERS = MARKER_SETS["plug-in-gait"]


def squat(frames: int = 50) -> np.ndarray:
    """Coordinates (T, C) of a person who stands with hanging arms, then squats and bends the elbows."""
    angles = np.zeros((frames, len(COORDINATES)))
    wave = np.clip(np.sin(np.linspace(-np.pi / 3, 1.3 * np.pi, frames)), 0, None)
    for side in "lr":
        for name, size in {"hip_flexion": 0.8, "knee_angle": 1.3, "ankle_angle": 0.3, "elbow_flex": 1.2}.items():
            angles[:, COORDINATE_INDEX[f"{name}_{side}"]] = size * wave
        angles[:, COORDINATE_INDEX[f"arm_add_{side}"]] = -0.3
        angles[:, COORDINATE_INDEX[f"pro_sup_{side}"]] = 1.3
    return angles


def clip(forward_m: float) -> JointCenters:
    """Markers of the mean body, those beside the thighs so far in front of where they usually are."""
    body = with_markers(load_anny(), MARKERS)
    names, shape = tuple(MARKERS), np.zeros(body.n_shape)
    points = body.rest_points(names, shape)
    points[[names.index("LTHI"), names.index("RTHI")], 0] += forward_m
    R, rest = torch.as_tensor(orientations_from_angles(squat())), torch.as_tensor(body.rest_positions(shape))
    placed = joint_positions(R, torch.zeros(len(R), 3).double(), rest)
    segment = torch.as_tensor(body.point_segment[body.point_index(names)])
    where = points_on_segments(R, placed, rest, torch.as_tensor(points), segment).numpy()
    return JointCenters(names=names, time=np.arange(len(R)) / 50, positions=where)


def test_markers_placed_anew_turn_nothing() -> None:
    clips = [clip(-0.04), clip(0.04)]
    bodies = bodies_by_session(clips, ["morning", "noon"])
    assert bodies["morning"] is not bodies["noon"]
    first, second = (fit_clip(c, bodies[s]) for c, s in zip(clips, bodies, strict=True))
    for name in ("hip_rotation_l", "hip_rotation_r", "knee_angle_r"):
        gap = np.rad2deg(second.angle(name) - first.angle(name))
        assert abs(gap).max() < 1.0, name
        wanted = squat()[:, COORDINATE_INDEX[name]]
        assert np.rad2deg(np.abs(first.angle(name) - wanted).mean()) < 5, name


@pytest.mark.parametrize("sessions", [["a", "b"], ["a", "a"]])
def test_markers_that_stayed_have_one_place(sessions: list[str]) -> None:
    same = [clip(0.0), clip(0.0)]
    hidden = same[1].positions.copy()
    hidden[:, same[1].names.index("RBAK")] = np.nan
    bodies = bodies_by_session([same[0], replace(same[1], positions=hidden)], sessions)
    assert len({id(body) for body in bodies.values()}) == 1
