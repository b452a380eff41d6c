"""Terms of inertial sensors: their derivatives are right, and what is constant about sensors is found."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from plain_jacobians import place_jacobian

from kinefuse.body import point_terms as terms
from kinefuse.body.banded import Normal, damped, solve
from kinefuse.body.fit_sensors import (
    SensorPrior,
    align_headings,
    first_guess,
    fit_sensors,
    heading_knots,
    moved_sensors,
    sensor_prior,
)
from kinefuse.body.fit_shape import BodyPrior
from kinefuse.body.fitting import Body, FitConfig
from kinefuse.body.kinematics import world_from_local
from kinefuse.body.models import load_anny
from kinefuse.body.neighbours import Ties, difference_factors, without_holes
from kinefuse.body.point_terms import N_POSE, Pose, Targets
from kinefuse.body.priors import exp_rotation, log_rotation, resting_pose
from kinefuse.body.sensor_terms import (
    Accelerations,
    WornSensors,
    acceleration_residual,
    constants_jacobian,
    orientation_jacobian,
    orientation_residual,
    sensor_places,
    yaw_rotation,
)
from kinefuse.conventions import IMU_SITES, KEYPOINTS, SITE_SEGMENT

STEP = 1e-6
ANNY = load_anny()
SEGMENT = torch.tensor(SITE_SEGMENT)
N = len(IMU_SITES)
BODY = Body(ANNY, KEYPOINTS, torch.zeros(10).double(), torch.zeros(26, 3).double())
ALL_POINTS = torch.as_tensor(ANNY.point_segment[:26])


def some_pose(frames: int = 4, spread: float = 0.4, seed: int = 0) -> Pose:
    torch.manual_seed(seed)
    turns = exp_rotation(spread * torch.randn(frames, 22, 3).double())
    return Pose(resting_pose() @ turns, torch.randn(frames, 3).double())


def some_sensors(frames: int = 4, knots: int = 2) -> WornSensors:
    torch.manual_seed(1)
    return WornSensors(
        R_level_sensor=exp_rotation(0.5 * torch.randn(frames, N, 3).double()),
        weight=torch.rand(frames, N).double() + 0.5,
        segment=SEGMENT,
        R_segment_sensor=exp_rotation(torch.randn(N, 3).double()),
        heading=torch.randn(N, knots).double(),
        blend=heading_knots(np.arange(frames) / 10, (frames - 1) / 10 / max(knots - 1, 1))[1],
    )


def some_accelerations(frames: int = 4, robust_sd: float = 1e9) -> Accelerations:
    torch.manual_seed(2)
    return Accelerations(
        value=torch.randn(frames, N, 3).double(),
        weight=torch.rand(frames, N).double(),
        segment=SEGMENT,
        offset=0.1 * torch.randn(N, 3).double(),
        robust_sd=robust_sd,
    )


def changed(pose: Pose, column: int, size: float) -> Pose:
    change = torch.zeros(len(pose.root_position), N_POSE, dtype=torch.float64)
    change[:, column] = size
    return pose.moved(change)


def test_orientation_derivative() -> None:
    pose, told = some_pose(), some_sensors().orientations()
    R = world_from_local(pose.R_parent_segment)
    analytic = orientation_jacobian(R, orientation_residual(R, told)[1], SEGMENT)
    for i in range(66):
        plus, minus = (world_from_local(changed(pose, 3 + i, s * STEP).R_parent_segment) for s in (1, -1))
        numerical = (orientation_residual(plus, told)[0] - orientation_residual(minus, told)[0]) / (2 * STEP)
        assert (analytic[..., i] - numerical).abs().max() < 1e-6


def test_derivative_by_mounting_and_heading() -> None:
    worn, R = some_sensors(), world_from_local(some_pose().R_parent_segment)
    analytic = constants_jacobian(worn, orientation_residual(R, worn.orientations())[1])
    for i in range(3):
        change = torch.zeros(N * 3 + worn.heading.numel(), dtype=torch.float64)
        change[i : 3 * N : 3] = STEP
        plus, minus = (orientation_residual(R, moved_sensors(worn, s * change).orientations())[0] for s in (1.0, -1.0))
        assert (analytic[..., i] - (plus - minus) / (2 * STEP)).abs().max() < 1e-6
    # The blend adds up to one, so that a change of all knots is one of the heading.
    turned = [
        orientation_residual(R, replace(worn, heading=worn.heading + s * STEP).orientations())[0] for s in (1, -1)
    ]
    assert (analytic[..., 3] - (turned[0] - turned[1]) / (2 * STEP)).abs().max() < 1e-6


def test_derivative_of_the_sensors_prior() -> None:
    worn = some_sensors(knots=3)
    expected = exp_rotation(torch.randn(N, 3).double() * 0.3) @ worn.R_segment_sensor
    prior = SensorPrior(expected, 0.3, torch.tensor([0.1, 0.2]).double(), 1e9, 1.7)
    gradient, matrix, _ = sensor_prior(worn, prior)
    assert (matrix - matrix.T).abs().max() < 1e-12
    for i in range(len(gradient)):
        change = torch.zeros_like(gradient)
        change[i] = STEP
        plus, minus = (sensor_prior(moved_sensors(worn, s * change), prior)[2] for s in (1.0, -1.0))
        assert (plus - minus) / (2 * STEP) == pytest.approx(2 * float(gradient[i]), abs=1e-4)


def placed(pose: Pose) -> tuple[torch.Tensor, torch.Tensor]:
    where = BODY.place(pose, ALL_POINTS)
    return where.R_world_segment, where.positions


def test_derivative_of_places() -> None:
    pose, told = some_pose(), some_accelerations()
    R, positions = placed(pose)
    analytic = place_jacobian(R, positions, sensor_places(R, positions, told), SEGMENT)
    for i in range(N_POSE):
        plus, minus = (sensor_places(*placed(changed(pose, i, s * STEP)), told) for s in (1, -1))
        assert (analytic[..., i] - (plus - minus) / (2 * STEP)).abs().max() < 1e-7


def test_accelerations_of_a_fall() -> None:
    """A body that falls freely and turns about no axis: every place on it accelerates by g, whatever its offset."""
    time = torch.arange(5).double() / 50
    pose = Pose(some_pose(1).R_parent_segment.expand(5, 22, 3, 3), torch.stack([time, -4.905 * time**2, 0 * time], -1))
    told = replace(some_accelerations(5), value=torch.zeros(5, N, 3).double(), weight=torch.ones(5, N).double())
    residual = acceleration_residual(sensor_places(*placed(pose), told), told, difference_factors(torch.diff(time)))
    assert (residual - torch.tensor([0.0, -9.81, 0.0], dtype=torch.float64)).abs().max() < 1e-9


def dense_jacobian(ties: Ties, pose: Pose) -> torch.Tensor:
    """Numerical derivative of all residuals that tie frames, by all changes of all frames."""
    frames = len(pose.root_position)

    def residual(change: torch.Tensor) -> torch.Tensor:
        moved = pose.moved(change.reshape(frames, N_POSE))
        assert ties.pushed is not None
        places = sensor_places(*placed(moved), ties.pushed)
        pushed = acceleration_residual(places, ties.pushed, difference_factors(ties.steps))
        return torch.cat([(terms.accelerations(moved, ties.steps) * ties.smoothness).flatten(), pushed.flatten()])

    columns = []
    for i in range(frames * N_POSE):
        change = torch.zeros(frames * N_POSE, dtype=torch.float64)
        change[i] = STEP
        columns.append((residual(change) - residual(-change)) / (2 * STEP))
    return torch.stack(columns, dim=-1)


def test_tied_equations_are_those_of_the_derivative() -> None:
    """Gradient and change of the banded solver, against a dense matrix made of numerical derivatives.

    The smoothness takes the turn from frame to frame as small, so this is one of small turns.
    """
    start = some_pose(1)
    turns = 1e-5 * torch.randn(5, N_POSE, generator=torch.manual_seed(4)).double()
    pose = Pose(start.R_parent_segment.expand(5, 22, 3, 3), start.root_position.expand(5, 3)).moved(turns)
    steps = torch.tensor([0.1, 0.1, 0.12, 0.1]).double()
    smoothness = torch.full((N_POSE,), 0.05).double()
    ties = Ties(BODY.joints, steps, smoothness, some_accelerations(5))
    jacobian = dense_jacobian(ties, pose)
    tied = ties.equations(pose)
    assert tied is not None
    normal = Normal(5)
    normal.H[:] = torch.eye(N_POSE)
    assert tied.own_block is not None
    own = damped(normal.H + tied.own_block, 1e-3) - normal.H - tied.own_block
    change = solve(normal, tied, 1e-3)
    matrix = jacobian.T @ jacobian + torch.block_diag(*(own + normal.H))
    expected = -torch.linalg.solve(matrix, tied.gradient.flatten()).reshape(5, N_POSE)
    assert (change - expected).abs().max() < 2e-3 * expected.abs().max()
    for i in (0, 70, 150, 300):
        moved = torch.zeros(5 * N_POSE, dtype=torch.float64)
        moved[i] = STEP
        plus, minus = (ties.cost(pose.moved(s * moved.reshape(5, N_POSE))) for s in (1, -1))
        assert (plus - minus) / (2 * STEP) == pytest.approx(2 * float(tied.gradient.flatten()[i]), rel=1e-3, abs=1e-3)


def test_accelerations_across_a_hole_do_not_count() -> None:
    told = replace(some_accelerations(5), weight=torch.ones(5, N).double())
    kept = without_holes(told, torch.tensor([0.1, 0.1, 0.5, 0.1]).double()).weight[:, 0]
    assert kept.tolist() == [1, 1, 0, 0, 1]


def a_dance(frames: int = 40) -> Pose:
    """Every joint turns this way and that, and the body turns round."""
    time, phase = torch.arange(frames).double() / 10, torch.arange(66).reshape(22, 3).double()
    turns = 0.35 * torch.sin(2.0 * time[:, None, None] + phase)
    turns[:, 0, 1] = 0.5 * time
    return Pose(resting_pose() @ exp_rotation(turns), torch.stack([time, 1 + 0 * time, 0 * time], -1))


def worn_in(pose: Pose, mounting: torch.Tensor, heading: torch.Tensor, knots_s: float) -> WornSensors:
    """Perfect sensors with headings (N, K), whose mountings and headings are not told."""
    frames = len(pose.root_position)
    blend = heading_knots(np.arange(frames) / 10, knots_s)[1]
    R = world_from_local(pose.R_parent_segment)[:, SEGMENT] @ mounting
    level = yaw_rotation(-(blend @ heading.T)) @ R
    return WornSensors(
        level, torch.full((frames, N), 50.0).double(), SEGMENT,
        torch.eye(3).double().repeat(N, 1, 1), torch.zeros_like(heading), blend,
    )  # fmt: skip


def test_any_mounting_and_heading_is_found_in_closed_form() -> None:
    pose = a_dance()
    mounting = exp_rotation(2 * torch.randn(N, 3, generator=torch.manual_seed(5)).double())
    heading = torch.linspace(-3, 3, N).double()[:, None]
    worn = worn_in(pose, mounting, heading, np.inf)
    R = world_from_local(pose.R_parent_segment)[:, SEGMENT]
    found = first_guess(worn, R, torch.ones(40, N).double(), prior=0.0)
    assert log_rotation(mounting.transpose(-1, -2) @ found.R_segment_sensor).norm(dim=-1).max() < 0.02
    given = align_headings(replace(worn, R_segment_sensor=mounting), R, torch.ones(40, N).double())
    assert (given.heading - heading).abs().max() < 1e-6


def test_mounting_and_drifting_heading_are_found_with_the_pose() -> None:
    pose = a_dance()
    torch.manual_seed(6)
    mounting = exp_rotation(0.3 * torch.randn(N, 3).double())
    heading = torch.linspace(-3, 3, N).double()[:, None] + torch.tensor([0.0, 0.15])
    worn = worn_in(pose, mounting, heading, 3.9)
    points = BODY.place(pose, ALL_POINTS).points
    targets = Targets(points, 200 * torch.eye(3).double().expand(40, 26, 3, 3), ALL_POINTS)
    start = pose.moved(0.1 * torch.randn(40, N_POSE).double())
    R = world_from_local(start.R_parent_segment)[:, SEGMENT]
    first = first_guess(worn, R, torch.ones(40, N).double(), prior=0.0)
    prior = SensorPrior(worn.R_segment_sensor, 10.0, torch.full((1,), 1.0).double(), 4.0, 1.0)
    held = BodyPrior(offset_sd=torch.zeros(26).double(), shape_sd=1e-3)
    config = FitConfig(robust_sd=200.0, prior_spread=1e3, limit_sd=1e3, iterations=30, tolerance=1e-9)
    _, found_pose, found = fit_sensors(BODY, start, targets, first, held, prior, config)
    # Points tell no turn of a limb about its bone, unless the joints are known to be hinges.
    told = [IMU_SITES.index(name) for name in ("pelvis", "foot_l", "foot_r", "head")]
    assert log_rotation(mounting.transpose(-1, -2) @ found.R_segment_sensor)[told].norm(dim=-1).max() < 0.01
    assert log_rotation(yaw_rotation(found.heading - heading))[told].abs().max() < 0.01
    between = world_from_local(pose.R_parent_segment).transpose(-1, -2) @ world_from_local(found_pose.R_parent_segment)
    assert log_rotation(between)[:, SEGMENT[told]].norm(dim=-1).max() < 0.01
