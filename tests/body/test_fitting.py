"""The fit: its derivatives are right, it recovers what it should, and it says how sure it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from walk_samples import ANNY, LITERAL, a_walk, centers_of

from kinefuse.body import point_terms as terms
from kinefuse.body.fit_points import PointSet, coarse_start, fit_points, starting_pose, whitening, windows
from kinefuse.body.fitting import Body, FitConfig, fit_poses, regular_steps
from kinefuse.body.initial_pose import align_directions, fill_in_time, initial_pose
from kinefuse.body.kinematics import world_from_local
from kinefuse.body.point_terms import N_POSE, Pose, Targets
from kinefuse.body.pose_mixture import pose_mixture_prior
from kinefuse.body.priors import exp_rotation, joint_coordinates, log_rotation, resting_pose
from kinefuse.conventions import (
    COORDINATE_INDEX,
    INFERRED,
    INTERPOLATED,
    KEYPOINTS,
    SEGMENT_INDEX,
)
from kinefuse.errors import KinefuseError
from kinefuse.recordings import JointCenters
from kinefuse.rotations import geodesic_angle

STEP = 1e-6
FRAMES = 4


def some_pose(seed: int = 0, spread: float = 0.4) -> Pose:
    torch.manual_seed(seed)
    turns = exp_rotation(spread * torch.randn(FRAMES, 22, 3).double())
    return Pose(resting_pose() @ turns, torch.randn(FRAMES, 3).double())


def some_body(seed: int = 0) -> Body:
    torch.manual_seed(seed)
    shape, offsets = 0.5 * torch.randn(10).double(), 0.02 * torch.randn(26, 3).double()
    return Body(ANNY, KEYPOINTS, shape, offsets)


def some_targets() -> Targets:
    torch.manual_seed(1)
    segment = torch.as_tensor(ANNY.point_segment[:26])
    return Targets(torch.randn(FRAMES, 26, 3).double(), torch.randn(FRAMES, 26, 3, 3).double(), segment)


def numerical(function, pose: Pose) -> torch.Tensor:  # type: ignore[no-untyped-def]
    """Central differences by each of the 69 changes of a pose, in the last axis."""
    columns = []
    for i in range(N_POSE):
        change = torch.zeros(FRAMES, N_POSE, dtype=torch.float64)
        change[:, i] = STEP
        columns.append((function(pose.moved(change)) - function(pose.moved(-change))) / (2 * STEP))
    return torch.stack(columns, dim=-1)


def test_point_derivative() -> None:
    body, targets, pose = some_body(), some_targets(), some_pose()
    analytic = terms.point_jacobian(body.place(pose, targets.segment), targets)
    expected = numerical(lambda p: terms.whitened_residual(body.place(p, targets.segment), targets), pose)
    assert (analytic - expected).abs().max() < 1e-7


def test_shape_and_offset_derivatives() -> None:
    body, targets, pose = some_body(), some_targets(), some_pose()
    placed = body.place(pose, targets.segment)
    joints, points = torch.as_tensor(ANNY.joints_basis), torch.as_tensor(ANNY.points_basis[:, :26])
    analytic = terms.shape_jacobian(placed, targets, joints, points)
    base = terms.whitened_residual(placed, targets)
    for s in (0, 4, 9):
        grown = replace(body, shape=body.shape + torch.eye(10, dtype=torch.float64)[s])
        change = terms.whitened_residual(grown.place(pose, targets.segment), targets) - base
        assert (analytic[..., s] - change).abs().max() < 1e-9  # the model is linear in its shape
    shifted = replace(body, offsets=body.offsets + torch.tensor([0.0, 1.0, 0.0]).double())
    change = terms.whitened_residual(shifted.place(pose, targets.segment), targets) - base
    assert (terms.offset_jacobian(placed, targets)[..., 1] - change).abs().max() < 1e-9


def test_prior_derivatives() -> None:
    pose = some_pose(spread=0.7)
    _, by_joint = terms.prior_terms(pose, 1.0, 0.05)
    expected = numerical(lambda p: terms.prior_terms(p, 1.0, 0.05)[0], pose)
    for joint in range(21):
        own = slice(6 + 3 * joint, 9 + 3 * joint)
        assert (by_joint[:, joint] - expected[:, joint, :, own]).abs().max() < 1e-5
    _, mixture = pose_mixture_prior(pose)
    assert (mixture - numerical(lambda p: pose_mixture_prior(p)[0], pose)).abs().max() < 1e-4


@pytest.mark.parametrize("angle", [0.0, 1e-7, 0.3, 3.0, np.pi - 1e-6])
def test_log_inverts_exp(angle: float) -> None:
    axis = torch.tensor([0.6, -0.48, 0.64], dtype=torch.float64)
    assert (log_rotation(exp_rotation(angle * axis)) - angle * axis).abs().max() < 1e-5


def test_coordinates_at_rest_are_the_priors_centre() -> None:
    coordinates, _ = joint_coordinates(resting_pose())
    shank = np.degrees(coordinates[SEGMENT_INDEX["shank_l"]].numpy())
    assert shank == pytest.approx([25, 0, 0], abs=1e-6)
    arm = np.degrees(coordinates[SEGMENT_INDEX["upper_arm_r"]].numpy())
    assert arm == pytest.approx([0, 65, 0], abs=1e-6)


def test_kabsch_finds_a_known_turn() -> None:
    torch.manual_seed(2)
    turn = exp_rotation(torch.tensor([[0.3, -1.2, 0.5]]).double())
    source = torch.randn(1, 5, 3).double()
    found = align_directions(source, source @ turn.transpose(-1, -2), torch.ones(1, 5).double())
    assert (found - turn).abs().max() < 1e-9


def test_gaps_start_from_the_nearest_frame() -> None:
    points = torch.arange(15.0).reshape(5, 1, 3).double()
    gappy = points.clone()
    gappy[1:4] = torch.nan
    filled, ever = fill_in_time(gappy)
    assert filled[1].equal(points[0])
    assert filled[3].equal(points[4])
    assert ever.all()


def test_first_pose_is_near() -> None:
    pose, points = a_walk()
    segment = torch.as_tensor(ANNY.point_segment[:26])
    rest = torch.as_tensor(ANNY.rest_points(KEYPOINTS, np.zeros(10)))
    world, root = initial_pose(points, segment, rest, torch.as_tensor(ANNY.joints_mean))
    legs = [SEGMENT_INDEX[f"{s}_{side}"] for s in ("thigh", "shank") for side in "lr"]
    error = geodesic_angle(world[:, legs].numpy(), world_from_local(pose.R_parent_segment)[:, legs].numpy())
    assert np.degrees(error).mean() < 12
    assert (root - pose.root_position).norm(dim=-1).max() < 0.03


def test_perfect_points_give_the_pose_back() -> None:
    pose, points = a_walk()
    motion = fit_points(centers_of(points), ANNY, LITERAL, FitConfig(tolerance=1e-8, iterations=60), floor_sd=0.001)
    truth = world_from_local(pose.R_parent_segment).numpy()
    seen = [SEGMENT_INDEX[s] for s in ("pelvis", "thigh_l", "shank_r", "foot_l", "upper_arm_r", "thorax")]
    assert np.degrees(geodesic_angle(motion.R_world_segment[:, seen], truth[:, seen])).mean() < 2.0
    assert np.abs(motion.rest_positions - ANNY.joints_mean).max() < 0.005


def test_a_known_stature_is_kept() -> None:
    _, points = a_walk(12)
    free = fit_points(centers_of(points), ANNY, LITERAL, FitConfig())
    tall = fit_points(centers_of(points), ANNY, LITERAL, FitConfig(), stature_m=1.8)
    assert abs(ANNY.stature(free.shape) - ANNY.stature_mean) < 0.02
    assert ANNY.stature(tall.shape) > ANNY.stature(free.shape) + 0.02


def test_an_outlier_hardly_moves_the_pose() -> None:
    _, points = a_walk()
    clean = fit_points(centers_of(points), ANNY, LITERAL, FitConfig())
    wrong = points.clone()
    wrong[10:13, KEYPOINTS.index("knee_r")] += 0.5
    robust = fit_points(centers_of(wrong), ANNY, LITERAL, FitConfig())
    knee = COORDINATE_INDEX["knee_angle_r"]
    assert np.degrees(np.abs(robust.angles - clean.angles)[:, knee]).max() < 4


def test_smoothing_bridges_frames_without_points() -> None:
    _, points = a_walk()
    gap = points.clone()
    gap[12:16] = torch.nan
    whole = fit_points(centers_of(points), ANNY, LITERAL, FitConfig())
    bridged = fit_points(centers_of(gap), ANNY, LITERAL, FitConfig())
    assert np.linalg.norm(bridged.positions - whole.positions, axis=-1)[12:16].max() < 0.03
    assert (bridged.provenance[12:16, SEGMENT_INDEX["shank_r"]] == INTERPOLATED).all()


def test_a_hole_in_time_is_not_glided_across() -> None:
    """Ten frames a second and a half apart from the next twenty: smoothness must not pull them towards each other."""
    _, points = a_walk()
    centers = centers_of(points)
    points[10:] += torch.tensor([1.5, 0.0, 0.0])
    late = replace(centers, time=centers.time + 1.5 * (np.arange(30) >= 10))
    motion = fit_points(late, ANNY, LITERAL, FitConfig())
    alone = fit_points(replace(late, time=late.time[:10], positions=late.positions[:10]), ANNY, LITERAL, FitConfig())
    assert np.linalg.norm(motion.positions[:10] - alone.positions, axis=-1).max() < 0.02


def test_time_stamps_that_files_round_count_as_regular() -> None:
    rounded = np.round(np.arange(50) / 60, 2)
    steps = regular_steps(rounded)
    assert steps.unique().numpy() == pytest.approx([0.02])
    lost = np.delete(np.arange(50) / 60, [20, 21])
    assert regular_steps(lost)[19] * 60 == pytest.approx(3)


def test_where_nobody_is_seen_nothing_is_told() -> None:
    _, points = a_walk(90)
    points[:10] = torch.nan
    points[20:70] = torch.nan
    motion = fit_points(centers_of(points), ANNY, LITERAL, FitConfig())
    unknown = np.r_[0:10, 20:70]
    for told in (motion.R_world_segment, motion.positions, motion.angles, motion.orientation_sd):
        assert told is not None
        assert np.isnan(told[unknown]).all()
        assert np.isfinite(np.delete(told, unknown, axis=0)).all()
    assert (motion.provenance[unknown] == INFERRED).all()
    assert "in 60 of 90 frames" in motion.notes[0]


def test_hips_hidden_while_walking_are_not_left_behind() -> None:
    pose, points = a_walk(180)
    points[60:150, [KEYPOINTS.index(name) for name in ("hip_l", "hip_r", "mid_hip")]] = torch.nan
    motion = fit_points(centers_of(points), ANNY, LITERAL, FitConfig())
    assert np.linalg.norm(motion.positions[:, 0] - pose.root_position.numpy(), axis=-1).max() < 0.06


def test_windows_of_a_long_trial_meet_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    _, points = a_walk(120)
    points += 0.005 * torch.randn(points.shape, generator=torch.Generator().manual_seed(4)).double()
    points[50:60, KEYPOINTS.index("ankle_l")] = torch.nan
    noisy = replace(LITERAL, noise_sd=np.full(26, 0.005))
    config = FitConfig(tolerance=1e-9, iterations=60)
    whole = fit_points(centers_of(points), ANNY, noisy, config)
    monkeypatch.setattr("kinefuse.body.fit_points.WINDOW_FRAMES", 40)
    monkeypatch.setattr("kinefuse.body.fit_points.MARGIN_FRAMES", 30)
    cut = fit_points(centers_of(points), ANNY, noisy, config)
    assert np.degrees(geodesic_angle(cut.R_world_segment, whole.R_world_segment)).max() < 0.1
    assert np.abs(cut.positions - whole.positions).max() < 1e-3


def test_windows_cover_every_frame_once() -> None:
    frames = np.delete(np.arange(1000), slice(300, 350))
    cut = windows(frames, 200, 30)
    assert np.array_equal(np.concatenate([window.frames[window.keep] for window in cut]), frames)
    assert max(len(window.frames) for window in cut) <= 260


def test_smoothing_takes_jitter_away() -> None:
    _, points = a_walk(60)
    noisy = points + 0.01 * torch.randn(points.shape, generator=torch.Generator().manual_seed(3)).double()
    points_of = replace(LITERAL, noise_sd=np.full(26, 0.01))

    def jitter(config: FitConfig) -> float:
        motion = fit_points(centers_of(noisy), ANNY, points_of, config)
        return float(np.diff(motion.angles[:, COORDINATE_INDEX["knee_angle_r"]], n=2).std())

    rough = jitter(FitConfig(angular_acceleration_sd=np.inf, acceleration_sd=np.inf))
    assert jitter(FitConfig()) < 0.3 * rough


def test_limits_hold_against_bad_points() -> None:
    """A knee that the points bend forward is held near straight."""
    _, points = a_walk()
    bent = points.clone()
    bent[:, KEYPOINTS.index("ankle_r")] = bent[:, KEYPOINTS.index("knee_r")] + torch.tensor([0.3, -0.25, 0.0]).double()
    loose = replace(LITERAL, noise_sd=np.full(26, 0.05))
    motion = fit_points(centers_of(bent), ANNY, loose, FitConfig())
    assert np.degrees(motion.angle("knee_angle_r")).min() > -20


def test_whitening_is_the_inverse_root_of_the_covariance() -> None:
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(2, 3, 3, 3))
    covariance = factor @ np.swapaxes(factor, -1, -2) * 1e-4
    positions = np.zeros((2, 3, 3))
    positions[1, 2] = np.nan
    centers = JointCenters(names=("a", "b", "c"), time=np.arange(2.0), positions=positions, covariance=covariance)
    W = whitening(centers, np.zeros(3), 0.01).numpy()
    total = covariance + 1e-4 * np.eye(3)
    assert np.allclose(W[0] @ total[0] @ np.swapaxes(W[0], -1, -2), np.eye(3), atol=1e-8)
    assert (W[1, 2] == 0).all()


def test_poses_of_all_frames_agree_with_frames_alone() -> None:
    """Without smoothing, the banded solver's trial is the sum of its frames."""
    _, points = a_walk(6)
    body = Body(ANNY, KEYPOINTS, torch.zeros(10).double(), torch.zeros(26, 3).double())
    targets = Targets(points, 200 * torch.eye(3).double().expand(6, 26, 3, 3), torch.as_tensor(ANNY.point_segment[:26]))
    start, _ = a_walk(6)
    start = start.moved(0.05 * torch.ones(6, N_POSE).double())
    alone = FitConfig(angular_acceleration_sd=np.inf, acceleration_sd=np.inf, tolerance=1e-10, iterations=60)
    loose = replace(alone, angular_acceleration_sd=1e7, acceleration_sd=1e7)
    a, _ = fit_poses(body, start, targets, alone, np.arange(6) / 60)
    b, _ = fit_poses(body, start, targets, loose, np.arange(6) / 60)
    assert (a.root_position - b.root_position).abs().max() < 1e-4
    assert np.degrees(geodesic_angle(a.R_parent_segment.numpy(), b.R_parent_segment.numpy())).max() < 0.1


def test_a_coarse_start_is_near_the_end() -> None:
    """Frames between those that were fitted are where a smooth movement has them; slow recordings have none such."""
    body = Body(ANNY, KEYPOINTS, torch.zeros(10).double(), torch.zeros(26, 3).double())
    segment = torch.as_tensor(ANNY.point_segment[:26])
    truth, points = a_walk(61)
    targets = Targets(points, 200 * torch.eye(3).double().expand(61, 26, 3, 3), segment)
    start = coarse_start(body, targets, np.arange(61) / 60, FitConfig())
    error = geodesic_angle(start.R_parent_segment.numpy(), truth.R_parent_segment.numpy())
    assert np.degrees(error).mean() < 0.3
    assert (start.root_position - truth.root_position).abs().max() < 0.02
    slow = coarse_start(body, targets, np.arange(61) / 15, FitConfig())
    assert torch.equal(slow.R_parent_segment, starting_pose(body, targets).R_parent_segment)


def test_one_frame_has_a_start() -> None:
    body = Body(ANNY, KEYPOINTS, torch.zeros(10).double(), torch.zeros(26, 3).double())
    _, points = a_walk(1)
    targets = Targets(points, 200 * torch.eye(3).double().expand(1, 26, 3, 3), torch.as_tensor(ANNY.point_segment[:26]))
    assert coarse_start(body, targets, np.zeros(1), FitConfig()).root_position.shape == (1, 3)


@pytest.mark.parametrize("kept", [("knee", "ankle", "heel", "big_toe"), ("elbow", "wrist", "knee")])
def test_points_without_trunk_hips_or_shoulders_are_refused(kept: tuple[str, ...]) -> None:
    _, points = a_walk(10)
    names = tuple(f"{name}_{side}" for name in kept for side in "lr")
    limbs = PointSet(names, np.zeros(len(names)), np.full(len(names), 0.002))
    with pytest.raises(KinefuseError, match="Expected points on the trunk, the hips or the shoulders"):
        fit_points(centers_of(points).select(names), ANNY, limbs, FitConfig())


def test_frames_that_show_only_limbs_have_a_start() -> None:
    """Other frames of the recording may show the trunk; these begin near their points all the same."""
    pose, points = a_walk(10)
    limbs = [KEYPOINTS.index(f"{name}_{side}") for name in ("elbow", "wrist", "knee", "ankle") for side in "lr"]
    only = torch.full_like(points, torch.nan)
    only[:, limbs] = points[:, limbs]
    body = Body(ANNY, KEYPOINTS, torch.zeros(10).double(), torch.zeros(26, 3).double())
    segment = torch.as_tensor(ANNY.point_segment[:26])
    _, root = initial_pose(only, segment, body.rest_points, body.joints)
    assert float(torch.linalg.norm(root - pose.root_position, dim=-1).max()) < 0.2
    world, _ = initial_pose(torch.full_like(points, torch.nan), segment, body.rest_points, body.joints)
    assert bool(torch.isfinite(world).all())
