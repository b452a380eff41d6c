"""Sums over subtrees give what products of Jacobians give."""

import torch
from plain_jacobians import place_jacobian
from test_sensor_terms import ALL_POINTS, ANNY, BODY, SEGMENT, N, changed, some_accelerations, some_pose, some_sensors

from kinefuse.body import point_terms as terms
from kinefuse.body.composite import coupling, frames_of
from kinefuse.body.fitting import Body, FitConfig, data_cost, frame_equations
from kinefuse.body.point_terms import N_POSE, Targets
from kinefuse.body.sensor_terms import orientation_jacobian, orientation_residual, sensor_places

STEP = 1e-5


def some_targets(frames: int, orientations: bool) -> Targets:
    generator = torch.Generator().manual_seed(7)
    points = BODY.place(some_pose(frames, seed=3), ALL_POINTS).points
    whitening = torch.randn(frames, 26, 3, 3, generator=generator).double()
    told = some_sensors(frames).orientations() if orientations else None
    points[0, 5], whitening[0, 5] = torch.nan, 0.0
    return Targets(points, whitening, ALL_POINTS, told)


def test_frames_have_the_curvature_of_their_jacobians() -> None:
    pose, targets, config = (
        some_pose(5),
        some_targets(5, True),
        FitConfig(robust_sd=1e9, prior_spread=1e9, limit_sd=1e9),
    )
    placed, told = BODY.place(pose, ALL_POINTS), targets.orientations
    assert told is not None
    by_points = terms.point_jacobian(placed, targets).flatten(1, 2)
    by_turns = orientation_jacobian(
        placed.R_world_segment, orientation_residual(placed.R_world_segment, told)[1], SEGMENT
    ).flatten(1, 2)
    expected = by_points.transpose(-1, -2) @ by_points
    expected[:, 3:, 3:] += by_turns.transpose(-1, -2) @ by_turns
    H = frame_equations(BODY, pose, targets, config, None).H
    assert (H - expected).abs().max() < 1e-9 * expected.abs().max()
    assert (H - H.transpose(-1, -2)).abs().max() < 1e-9 * expected.abs().max()


def test_gradient_is_the_slope_of_the_cost() -> None:
    """Of points and turns of which some are outliers, more frames than one chunk has."""
    frames = 260
    pose, targets, config = some_pose(frames), some_targets(frames, True), FitConfig(robust_sd=2.0)
    normal = frame_equations(BODY, pose, targets, config, None)
    assert abs(normal.cost - data_cost(BODY, pose, targets, config, None)) < 1e-9 * normal.cost
    for i in (0, 2, 3, 11, 30, 68):
        plus, minus = (data_cost(BODY, changed(pose, i, s * STEP), targets, config, None) for s in (1, -1))
        slope = (plus - minus) / (2 * STEP)
        assert abs(2 * float(normal.g[:, i].sum()) - slope) < 1e-5 * (1 + abs(slope))


def test_places_in_neighbouring_frames() -> None:
    """Blocks of two different poses, of places that weigh differently, and the gradient of forces on them."""
    told, weight = some_accelerations(2), torch.rand(1, N).double()
    where = BODY.place(some_pose(2), ALL_POINTS)
    R, positions = where.R_world_segment, where.positions
    places = sensor_places(R, positions, told)
    A = place_jacobian(R, positions, places, SEGMENT).flatten(1, 2)
    about = frames_of(R, positions)
    moved = about.of_points(places)
    information = moved[1:].transpose(-1, -2) @ (weight[..., None, None] * moved[:1])
    expected = A[1].T @ (weight.repeat_interleave(3)[:, None] * A[0])
    found = coupling(about.motions[1:], about.motions[:1], information, SEGMENT)[0]
    assert (found - expected).abs().max() < 1e-12
    force = torch.randn(2, N, 3).double()
    slope = about.slope((moved.transpose(-1, -2) @ force[..., None])[..., 0], SEGMENT)
    assert (slope - (A.transpose(-1, -2) @ force.flatten(1)[..., None])[..., 0]).abs().max() < 1e-12


def test_a_body_far_from_the_origin_is_as_well_conditioned() -> None:
    """Motions are about the root, so that a hundred metres away nothing is lost."""
    here, far = some_pose(2), some_pose(2)
    far.root_position[:] += 100.0
    targets = some_targets(2, False)
    away = Targets(targets.points + 100.0, targets.whitening, targets.segment)
    body = Body(ANNY, BODY.names, BODY.shape, BODY.offsets)
    a, b = (frame_equations(body, p, t, FitConfig(), None) for p, t in ((here, targets), (far, away)))
    assert a.H.shape == (2, N_POSE, N_POSE)
    assert (a.H - b.H).abs().max() < 1e-9 * a.H.abs().max()
