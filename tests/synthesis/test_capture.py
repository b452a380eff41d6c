"""Motion capture as motion of our body: a made person whose truth is known, and a real walk."""

from pathlib import Path

import numpy as np
import pytest
import torch

from kinefuse.body.angles import orientations_from_angles
from kinefuse.body.kinematics import joint_positions, points_on_segments
from kinefuse.body.markers import with_markers
from kinefuse.body.models import load_anny
from kinefuse.body.proportions import with_bone_lengths
from kinefuse.conventions import COORDINATE_INDEX, COORDINATES
from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.recordings import JointCenters
from kinefuse.synthesis.capture import CapturedBody, fit_captured_body, fit_clip, markers_for, residuals
from kinefuse.synthesis.clips import read_clip
from kinefuse.synthesis.collection import find_people
from kinefuse.synthesis.skeletons import SKELETONS


def moving(frames: int = 90) -> np.ndarray:
    """Coordinates (T, C) of a person who stands, then bends knees, hips and elbows."""
    angles = np.zeros((frames, len(COORDINATES)))
    wave = np.clip(np.sin(np.linspace(-np.pi / 3, 1.3 * np.pi, frames)), 0, None)
    for side, share in (("l", 0.7), ("r", 1.0)):
        for name, amplitude in {"hip_flexion": 0.7, "knee_angle": 1.1, "ankle_angle": 0.2, "elbow_flex": 1.2}.items():
            angles[:, COORDINATE_INDEX[f"{name}_{side}"]] = share * amplitude * wave
        angles[:, COORDINATE_INDEX[f"arm_add_{side}"]] = -0.3
        angles[:, COORDINATE_INDEX[f"arm_flex_{side}"]] = 0.4 * share * wave
        angles[:, COORDINATE_INDEX[f"pro_sup_{side}"]] = 1.3
    return angles


def made_points(angles: np.ndarray, offset_m: float) -> JointCenters:
    """CMU-like points of a body with long thighs whose points lie `offset_m` off their nominal places."""
    markers = {name: point.marker for name, point in SKELETONS["cmu"].items()}
    body = with_markers(with_bone_lengths(load_anny()), markers)
    shape = np.zeros(body.n_shape)
    shape[10] = 1.0
    index = body.point_index(tuple(markers))
    rest = torch.as_tensor(body.rest_positions(shape))
    rng = np.random.default_rng(3)
    points = body.rest_points(tuple(markers), shape) + rng.normal(size=(len(index), 3)) * offset_m
    R = torch.as_tensor(orientations_from_angles(angles))
    placed = joint_positions(R, torch.zeros(len(R), 3).double(), rest)
    segment = torch.as_tensor(body.point_segment[index])
    where = points_on_segments(R, placed, rest, torch.as_tensor(points), segment).numpy()
    return JointCenters(names=tuple(markers), time=np.arange(len(R)) / 60, positions=where)


def test_recovers_a_person_whose_points_lie_elsewhere() -> None:
    wanted = moving()
    points = made_points(wanted, 0.01)
    captured = fit_captured_body([points])
    motion = fit_clip(points, captured)
    assert np.median(residuals(points, motion, captured)) < 0.002
    for name in ("hip_flexion", "knee_angle", "ankle_angle", "elbow_flex", "hip_adduction", "hip_rotation"):
        for side in "lr":
            gap = np.rad2deg(motion.angle(f"{name}_{side}") - wanted[:, COORDINATE_INDEX[f"{name}_{side}"]])
            assert abs(gap).mean() < 5.0, f"{name}_{side}: {abs(gap).mean():.1f}"
            assert gap.std() < 3.0, f"{name}_{side}: {gap.std():.1f}"
    standing = np.rad2deg(motion.angle("pelvis_tilt")[:10])
    assert abs(standing.mean()) < 2.0


def test_points_of_no_known_source_are_refused() -> None:
    with pytest.raises(KinefuseError, match="known skeleton"):
        markers_for(("wand1", "wand2"))
    with pytest.raises(KinefuseError, match="at least one clip"):
        fit_captured_body([])


@pytest.fixture(scope="module")
def walker(data: Path) -> tuple[JointCenters, Motion, CapturedBody]:
    """The second walk of CMU's subject 7, with a body from three others."""
    (person,), _ = find_people(data / "mocap" / "cmu_007.zip")
    clips = [points for points, _ in map(read_clip, person.clips[:3]) if isinstance(points, JointCenters)]
    captured = fit_captured_body(clips)
    return clips[1], fit_clip(clips[1], captured), captured


def test_joints_lie_within_millimetres(walker: tuple[JointCenters, Motion, CapturedBody]) -> None:
    points, motion, captured = walker
    gap = residuals(points, motion, captured)
    limbs = [
        captured.points.names.index(f"cmu.{n}_{s}") for n in ("hip", "knee", "ankle", "elbow", "wrist") for s in "lr"
    ]
    assert np.median(gap[:, limbs]) < 0.003
    assert np.percentile(gap[:, limbs], 95) < 0.008


def test_a_walk_looks_like_the_textbook(walker: tuple[JointCenters, Motion, CapturedBody]) -> None:
    _, motion, _ = walker
    for side in "lr":
        knee, hip = np.rad2deg(motion.angle(f"knee_angle_{side}")), np.rad2deg(motion.angle(f"hip_flexion_{side}"))
        ankle = np.rad2deg(motion.angle(f"ankle_angle_{side}"))
        assert 50 < knee.max() < 80
        assert -8 < knee.min() < 15
        assert 30 < np.ptp(hip) < 70  # he takes long steps
        assert 15 < np.ptp(ankle) < 50
    steps = [motion.angle(f"hip_flexion_{side}") for side in "lr"]
    assert np.corrcoef(steps)[0, 1] < -0.5  # the legs alternate
    velocity = np.diff(motion.positions[:, 0], axis=0).sum(0)
    forward = motion.R_world_segment[:, 0, :, 0].mean(0)
    assert velocity @ forward > 0.8 * np.linalg.norm(velocity)  # forwards, so left is left


def test_knees_bend_as_the_sources_joint_centres_say(walker: tuple[JointCenters, Motion, CapturedBody]) -> None:
    points, motion, _ = walker
    for side in "lr":
        hip, knee, ankle = (
            points.positions[:, points.names.index(f"cmu.{n}_{side}")] for n in ("hip", "knee", "ankle")
        )
        thigh, shank = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (knee - hip, ankle - knee))
        straight = np.rad2deg(np.arccos(np.clip((thigh * shank).sum(-1), -1, 1)))
        gap = np.rad2deg(motion.angle(f"knee_angle_{side}")) - straight
        assert abs(np.median(gap)) < 3
        assert np.percentile(abs(gap), 95) < 6
