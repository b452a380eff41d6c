"""What is special about SMPLify3D: it weighs points by their own noise, and has the paper's settings as a preset."""

from dataclasses import replace

import numpy as np
import pytest
from examples import joint_center_recording, keypoints_of, swinging_motion

from kinefuse.body.markers import MARKER_SETS
from kinefuse.body.models import load_anny
from kinefuse.errors import KinefuseError
from kinefuse.estimators.smplify3d import SmplifyThreeD, jitter, paper_preset, select_points
from kinefuse.recordings import JointCenters, Recording
from kinefuse.rotations import geodesic_angle

TRUTH = swinging_motion(60)


def centers_with_noise(noise_m: float) -> JointCenters:
    centers = joint_center_recording(TRUTH, noise_m).joint_centers
    assert centers is not None
    return centers


@pytest.mark.parametrize("noise_m", [0.01, 0.03])
def test_jitter_is_the_noise_that_was_added(noise_m: float) -> None:
    assert np.median(jitter(centers_with_noise(noise_m))) == pytest.approx(noise_m, rel=0.15)


def test_jitter_of_movement_alone_is_small() -> None:
    assert jitter(centers_with_noise(0.0)).max() <= 0.004


def test_jitter_is_not_guessed_from_few_or_slow_frames() -> None:
    centers = centers_with_noise(0.03)
    few = replace(centers, time=centers.time[:6], positions=centers.positions[:6])
    slow = replace(centers, time=centers.time * 5)
    assert (jitter(few) == 0.01).all()
    assert (jitter(slow) == 0.01).all()


def test_unknown_points_are_told_and_left_out() -> None:
    recording = joint_center_recording(TRUTH)
    centers = recording.joint_centers
    assert centers is not None
    odd = replace(
        centers,
        names=(*centers.names, "tail"),
        positions=np.concatenate([centers.positions, centers.positions[:, :1]], 1),
    )
    motion = SmplifyThreeD().estimate(replace(recording, joint_centers=odd))
    assert any("tail" in note for note in motion.notes)


def test_too_few_points_are_refused() -> None:
    centers = JointCenters(names=("hip_l", "hip_r", "x"), time=np.arange(3.0), positions=np.zeros((3, 3, 3)))
    with pytest.raises(KinefuseError, match="at least 6 joint centres"):
        select_points(centers, load_anny())


def test_paper_preset_refuses_optical_markers() -> None:
    """It must not answer under its own name with the tuned marker fit."""
    names = tuple(MARKER_SETS["opencap"])[:20]
    markers = JointCenters(names=names, time=np.arange(3) / 100.0, positions=np.zeros((3, 20, 3)))
    with pytest.raises(KinefuseError, match=r"smplify3d:paper .* optical markers"):
        paper_preset().estimate(Recording(joint_centers=markers))


def test_paper_preset_fits_frames_by_themselves() -> None:
    """A frame's pose does not depend on its neighbours, once the body is known."""
    recording = joint_center_recording(TRUTH, 0.02)
    centers = recording.joint_centers
    assert centers is not None
    order = np.random.default_rng(0).permutation(len(centers.time))
    shuffled = replace(recording, joint_centers=replace(centers, positions=centers.positions[order]))
    plain, mixed = (paper_preset().estimate(r) for r in (recording, shuffled))
    seen = np.isfinite(keypoints_of(TRUTH)).all((-1, -2)) & np.isfinite(centers.positions).all((-1, -2))
    back = np.argsort(order)
    error = np.degrees(geodesic_angle(plain.R_world_segment, mixed.R_world_segment[back]))[seen]
    assert np.median(error) < 0.5
