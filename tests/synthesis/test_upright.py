"""Stance told from points, and the prior that makes it level."""

import numpy as np
import torch

from kinefuse.body.angles import orientations_from_angles
from kinefuse.body.kinematics import joint_positions, local_from_world
from kinefuse.body.markers import Marker
from kinefuse.body.models import load_anny
from kinefuse.body.point_terms import N_POSE, Pose
from kinefuse.conventions import COORDINATE_INDEX, COORDINATES, JOINT_INDEX, SEGMENTS
from kinefuse.recordings import JointCenters
from kinefuse.synthesis.upright import LevelPrior, Stance, find_stance

LIMBS = [f"{joint}_{side}" for side in "lr" for joint in ("hip", "knee", "ankle", "mtp", "shoulder", "elbow", "wrist")]
MARKERS = {f"at.{name}": Marker(SEGMENTS[JOINT_INDEX[name]], name, (0.0, 0.0, 0.0), 0.01) for name in LIMBS}


def points_of(**degrees: float) -> JointCenters:
    """Ten frames of one held pose."""
    angles = np.zeros((10, len(COORDINATES)))
    for name, value in degrees.items():
        angles[:, COORDINATE_INDEX[name]] = np.deg2rad(value)
    R = torch.as_tensor(orientations_from_angles(angles))
    rest = torch.as_tensor(load_anny().rest_positions(np.zeros(10)))
    positions = joint_positions(R, torch.zeros(10, 3).double(), rest).numpy()
    index = [JOINT_INDEX[name] for name in LIMBS]
    return JointCenters(names=tuple(MARKERS), time=np.arange(10) / 50, positions=positions[:, index])


def test_standing_is_upright_on_both_feet() -> None:
    stance = find_stance(points_of(), MARKERS)
    assert stance.upright.all()
    assert stance.flat_l.all()
    assert stance.flat_r.all()
    assert not stance.folded.any()


def test_leaning_squatting_and_a_raised_foot_are_told_apart() -> None:
    assert not find_stance(points_of(pelvis_tilt=-30), MARKERS).upright.any()
    squat = find_stance(points_of(**{f"{n}_{s}": 125.0 for n in ("knee_angle", "hip_flexion") for s in "lr"}), MARKERS)
    assert not squat.upright.any()
    assert squat.folded.all()
    raised = find_stance(points_of(hip_flexion_r=60, knee_angle_r=60), MARKERS)
    assert raised.flat_l.all()
    assert not raised.flat_r.any()


def test_the_derivative_is_that_of_the_residual() -> None:
    rng = np.random.default_rng(1)
    angles = rng.normal(size=(4, len(COORDINATES))) * 0.4
    pose = Pose(local_from_world(torch.as_tensor(orientations_from_angles(angles))), torch.zeros(4, 3).double())
    flags = np.array([True, False, True, True])
    prior = LevelPrior(Stance(flags, flags, ~flags, ~flags))
    residual, derivative = prior(pose)
    for column in range(0, N_POSE, 5):
        step = torch.zeros(4, N_POSE).double()
        step[:, column] = 1e-6
        numeric = (prior(pose.moved(step))[0] - prior(pose.moved(-step))[0]) / 2e-6
        torch.testing.assert_close(derivative[..., column], numeric, atol=1e-5, rtol=1e-5)
    assert (residual[1, :6] == 0).all()
