"""DeepFuse: soft maxima and cylinders with known answers, gradients between its stages, and that it learns."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.body.models import load_anny
from kinefuse.conventions import IMU_SITES, JOINT_INDEX, JOINTS, SITE_SEGMENT
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.models.deepfuse import (
    DEEPFUSE_PRESETS,
    EDGE,
    HEATMAP,
    RAY_DIRECTIONS,
    DeepFuse,
    DeepFuseConfig,
    bone_cylinders,
    deepfuse_loss,
    for_inference,
    gather_cells,
    gaussian_heatmaps,
    hard_argmax,
    heatmap_axis,
    soft_argmax,
    spread_cells,
)
from kinefuse.models.signals import yaw_rotation
from kinefuse.models.weights import load_network, save_network

TINY = DEEPFUSE_PRESETS["tiny"]
VOXEL = EDGE / HEATMAP
MAX_BYTES = 25_000_000


@pytest.fixture(autouse=True)
def _same_numbers() -> Iterator[None]:
    """Weights and volumes are the same in every test, whichever ran before."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def blocks_of_voxels(batch: int, channels: int = 8, edge: int = 8) -> torch.Tensor:
    """Volumes in which a few cubes are occupied, not the same ones in every channel."""
    coarse = torch.rand(batch, channels, *[64 // edge] * 3) > 0.75
    return coarse.repeat_interleave(edge, 2).repeat_interleave(edge, 3).repeat_interleave(edge, 4)


def some_orientations(batch: int) -> torch.Tensor:
    return roma.random_rotmat((batch, 13))


def quarter_turn(volumes: torch.Tensor) -> torch.Tensor:
    """Turn volumes (..., N, N, N) by 90° about the vertical, from z to x."""
    return torch.rot90(volumes, 1, dims=(-1, -3))


# Soft and hard maxima


def test_voxels_are_where_the_volume_says() -> None:
    axis = heatmap_axis(torch.zeros(1))
    assert float(axis[0]) == pytest.approx(-1.12 + 0.035)
    assert float(axis[16] - axis[15]) == pytest.approx(0.07)
    assert float(axis.sum()) == pytest.approx(0.0, abs=1e-5)


def test_the_soft_maximum_of_one_high_voxel_is_its_centre() -> None:
    heatmap = torch.zeros(1, 1, 32, 32, 32)
    heatmap[0, 0, 3, 20, 31] = 30.0
    wanted = VOXEL * (torch.tensor([3.0, 20.0, 31.0]) - 15.5)
    assert torch.allclose(soft_argmax(heatmap, 3.0)[0, 0], wanted, atol=1e-5)
    assert torch.allclose(hard_argmax(heatmap)[0, 0], wanted, atol=1e-6)


def test_the_soft_maximum_of_two_voxels_is_weighed_by_theta() -> None:
    heatmap = torch.full((1, 1, 32, 32, 32), -100.0)
    heatmap[0, 0, 10, 5, 5], heatmap[0, 0, 20, 5, 5] = 0.0, 0.5
    for theta in (1.0, 3.0):
        share = np.exp(0.5 * theta) / (1.0 + np.exp(0.5 * theta))
        x = VOXEL * (10 + 10 * share - 15.5)
        assert float(soft_argmax(heatmap, theta)[0, 0, 0]) == pytest.approx(x, abs=1e-5)
    assert torch.allclose(soft_argmax(heatmap, 1000.0), hard_argmax(heatmap), atol=1e-5)


def test_an_even_heatmap_says_the_middle() -> None:
    assert torch.allclose(soft_argmax(torch.full((2, 3, 32, 32, 32), 5.0), 3.0), torch.zeros(2, 3, 3), atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.floats(-0.8, 0.8)] * 3))
def test_gaussians_are_read_back(place: tuple[float, float, float]) -> None:
    """The logarithm of a Gaussian is the score whose softmax is that Gaussian: its mean is exact between voxels."""
    joints = torch.tensor(place)[None, None]
    heatmaps = gaussian_heatmaps(joints, 0.07)
    assert torch.allclose(soft_argmax(heatmaps.clamp_min(1e-30).log(), 1.0), joints, atol=2e-4)
    assert float((hard_argmax(heatmaps) - joints).abs().max()) <= VOXEL / 2 + 1e-6


# Cylinders


def test_a_cylinder_of_a_known_joint_and_direction() -> None:
    """From (0, 0.5, 0) straight down: hard, the 2 × 2 columns nearest to the axis, from a radius above the joint on."""
    start, down = torch.tensor([[[0.0, 0.5, 0.0]]]), torch.tensor([[[0.0, -1.0, 0.0]]])
    filled = bone_cylinders(start, down, radius=0.07, softness=0.0)[0, 0]
    axis = heatmap_axis(start)
    wanted = torch.zeros(32, 32, 32)
    wanted[15:17, axis <= 0.5, 15:17] = 1.0
    above = (axis > 0.5) & ((axis - 0.5) ** 2 + 2 * 0.035**2 <= 0.07**2)
    wanted[15:17, above, 15:17] = 1.0
    assert torch.equal(filled, wanted)
    assert int(filled.sum()) >= 4 * 22


def test_a_smooth_cylinder_by_its_distance() -> None:
    start, along = torch.tensor([[[-0.3, VOXEL / 2, VOXEL / 2]]]), torch.tensor([[[1.0, 0.0, 0.0]]])
    soft = bone_cylinders(start, along, radius=VOXEL, softness=0.02)[0, 0]
    assert float(soft[25, 16, 16]) == pytest.approx(1 / (1 + np.exp(-0.07 / 0.04)), abs=1e-5)
    assert float(soft[25, 17, 16]) == pytest.approx(0.5, abs=1e-4)
    assert float(soft[31, 15, 16]) == pytest.approx(0.5, abs=1e-4)
    assert float(soft[5, 16, 16]) < 1e-6
    assert float(soft[25, 22, 16]) < 1e-6


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_smooth_cylinders_become_hard_ones(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    starts = torch.rand((1, 5, 3), generator=rng) - 0.5
    ways = torch.nn.functional.normalize(torch.randn((1, 5, 3), generator=rng), dim=-1)
    soft, hard = bone_cylinders(starts, ways, 0.07, 1e-6), bone_cylinders(starts, ways, 0.07, 0.0)
    assert float(((soft - hard).abs() > 0.05).float().mean()) < 1e-4
    assert float(hard.sum()) > 5 * 20


def test_bones_point_as_the_average_body_has_them() -> None:
    body = load_anny()
    ends = {"pelvis": "lumbar", "thigh": "knee", "shank": "ankle", "foot": "mtp", "thorax": "neck_base"}
    ends |= {"upper_arm": "elbow", "forearm": "wrist", "head": "head_top"}
    for site, segment, way in zip(IMU_SITES, SITE_SEGMENT, RAY_DIRECTIONS, strict=True):
        name, side = (site[:-2], site[-2:]) if site[-2:] in ("_l", "_r") else (site, "")
        points = body.rest_points((JOINTS[segment], ends[name] + side), np.zeros(body.n_shape))
        bone = points[1] - points[0]
        assert np.allclose(bone / np.linalg.norm(bone), way, atol=1e-3)
        assert np.linalg.norm(way) == pytest.approx(1.0, abs=1e-3)


def test_a_rays_joint_is_the_proximal_one() -> None:
    assert DeepFuseConfig().ray_joints == tuple(JOINTS[segment] for segment in SITE_SEGMENT)
    assert DeepFuseConfig().ray_joints[-1] == "elbow_r"


def test_the_layer_draws_from_joints_along_orientations() -> None:
    """With the right forearm turned to point forward, its cylinder holds the points ahead of the elbow, no others."""
    net = DeepFuse(TINY)
    joints, R = torch.zeros(1, 22, 3), torch.eye(3).repeat(1, 13, 1, 1)
    joints[0, JOINT_INDEX["elbow_r"]] = torch.tensor([0.105, 0.035, 0.035])
    R[0, IMU_SITES.index("forearm_r")] = yaw_rotation(torch.tensor(np.pi / 2, dtype=torch.float32))
    drawn = net.cylinders(joints, R, torch.ones(1, 13))[0, IMU_SITES.index("forearm_r")]
    assert float(drawn[17:, 16, 16].min()) > 0.8
    assert float(drawn[:15].max()) < 0.01


def test_a_missing_orientation_gives_an_empty_cylinder() -> None:
    net = DeepFuse(TINY)
    worn = torch.ones(2, 13)
    worn[0, 3] = worn[1, 12] = 0.0
    drawn = net.cylinders(0.5 * torch.rand(2, 22, 3), some_orientations(2), worn)
    assert torch.equal(drawn.flatten(2).amax(-1) > 0.5, worn > 0)
    assert float(drawn[0, 3].abs().max()) == 0.0


def test_a_quarter_turn_of_everything_turns_the_layers() -> None:
    """Turn heatmaps and orientations by 90° about the vertical: joints and cylinders turn with them, exactly."""
    turn = yaw_rotation(torch.tensor(np.pi / 2, dtype=torch.float32))
    heatmaps, R = 3 * torch.randn(1, 22, 32, 32, 32), some_orientations(1)
    joints = soft_argmax(heatmaps, 3.0)
    turned = soft_argmax(quarter_turn(heatmaps), 3.0)
    assert torch.allclose(turned, joints @ turn.T, atol=1e-5)
    net, worn = DeepFuse(TINY), torch.ones(1, 13)
    drawn, drawn_turned = net.cylinders(joints, R, worn), net.cylinders(turned, turn @ R, worn)
    assert torch.allclose(drawn_turned, quarter_turn(drawn), atol=1e-3)


# Cells: the shipped preset's grid of 16, each of whose channels is one of the 2³ voxels within a cell


def test_a_voxel_has_its_known_place_among_the_cells() -> None:
    volumes = torch.zeros(1, 2, 32, 32, 32)
    volumes[0, 1, 5, 20, 31] = 1.0
    cells = gather_cells(volumes, 16)
    assert cells.shape == (1, 16, 16, 16, 16)
    assert cells.nonzero().tolist() == [[0, 8 + 0b101, 2, 10, 15]]  # the odd one of x and z, the even one of y
    assert torch.equal(spread_cells(cells), volumes)


def test_cells_have_the_maxima_of_their_voxels() -> None:
    heatmaps = 3 * torch.randn(2, 22, 32, 32, 32)
    cells = gather_cells(heatmaps, 16)
    assert torch.equal(spread_cells(cells), heatmaps)
    assert torch.allclose(soft_argmax(cells, 3.0), soft_argmax(heatmaps, 3.0), atol=1e-5)
    assert torch.equal(hard_argmax(cells), hard_argmax(heatmaps))


def test_cylinders_of_cells_are_those_of_voxels_and_so_are_their_gradients() -> None:
    joints, R = 0.6 * torch.rand(2, 22, 3) - 0.3, some_orientations(2)
    worn, weight = (torch.rand(2, 13) < 0.7).float(), torch.randn(2, 13, 32, 32, 32)
    gradients, drawn = [], []
    for grid in (32, 16):
        start = joints.clone().requires_grad_()
        cells = DeepFuse(replace(TINY, grid=grid, stem=64 // grid)).cylinders(start, R, worn)
        drawn.append(spread_cells(cells))
        (gradient,) = torch.autograd.grad((drawn[-1] * weight).sum(), start)
        gradients.append(gradient)
    assert cells.shape == (2, 13 * 8, 16, 16, 16)
    assert torch.allclose(drawn[0], drawn[1], atol=1e-6)
    assert float(drawn[0].detach().amax()) > 0.9
    assert float(gradients[0].abs().max()) > 1.0
    assert torch.allclose(gradients[0], gradients[1], atol=1e-3)


# Gradients between the stages


def second_loss(net: DeepFuse, volumes: torch.Tensor, R: torch.Tensor, truth: torch.Tensor) -> list[torch.Tensor]:
    """The second stage's loss alone, and the first stage's joints that it was reached through."""
    answer = net(volumes, R)
    return [((answer.joints - truth) ** 2).sum(), answer.first]


def test_the_second_stage_teaches_the_first_through_smooth_cylinders() -> None:
    """The gradient at each joint that starts a ray agrees with finite differences; at the others it is zero."""
    net = DeepFuse(TINY).double().eval()
    volumes, R = blocks_of_voxels(1), some_orientations(1).double()
    truth = 0.3 * torch.randn(1, 22, 3, dtype=torch.double)
    with torch.no_grad():
        seen = net.stem(volumes.double())
        features = net.first(seen)
        first, heatmaps = net.first_readout(features)

    def loss(joints: torch.Tensor) -> torch.Tensor:
        joints_second, _ = net.refine([seen, features], heatmaps, joints, R, torch.ones(1, 13, dtype=torch.double))
        return ((joints_second - truth) ** 2).sum()

    start = first.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(start), start)
    rays = [JOINT_INDEX[name] for name in TINY.ray_joints]
    others = [joint for joint in range(22) if joint not in rays]
    assert bool((gradient[0, rays].norm(dim=-1) > 1e-9).all())
    assert float(gradient[0, others].abs().max()) == 0.0
    way = torch.randn(1, 22, 3, dtype=torch.double)
    with torch.no_grad():
        measured = (loss(first + 1e-6 * way) - loss(first - 1e-6 * way)) / 2e-6
    assert float((gradient * way).sum()) == pytest.approx(float(measured), rel=2e-3)  # ReLU has kinks


@pytest.mark.parametrize("kind", ["smooth", "hard"])
def test_hard_cylinders_teach_nothing(kind: str) -> None:
    net = DeepFuse(replace(TINY, cylinders=kind))
    loss, first = second_loss(net, blocks_of_voxels(2), some_orientations(2), torch.rand(2, 22, 3))
    (gradient,) = torch.autograd.grad(loss, first, allow_unused=True)
    assert (gradient is not None and float(gradient.abs().max()) > 0.0) == (kind == "smooth")


# The whole network


VARIANTS = {
    "fused": TINY,
    "hard cylinders": replace(TINY, cylinders="hard"),
    "vision": replace(TINY, refinement="vision"),
    "one stage": replace(TINY, refinement="none"),
    "hard": replace(TINY, readout="hard"),
    "dense": replace(TINY, readout="dense"),
    "late": replace(TINY, channels=1, readout="dense", refinement="late"),
    "late, soft": replace(TINY, refinement="late"),
    "late, hard": replace(TINY, refinement="late", readout="hard"),
}


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_every_variant_answers_and_learns_in_every_weight(config: DeepFuseConfig) -> None:
    net = DeepFuse(config)
    answer = net(blocks_of_voxels(2, config.channels), some_orientations(2))
    assert answer.first.shape == answer.joints.shape == (2, 22, 3)
    assert len(answer.heatmaps) == (2 if config.refinement in ("cylinders", "vision") else 1)
    assert all(heatmaps.shape == (2, 22, 32, 32, 32) for heatmaps in answer.heatmaps)
    deepfuse_loss(config, answer, 0.5 * torch.rand(2, 22, 3)).backward()
    without = [name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()]
    # The softmax does not see a constant that is added to all voxels of a heatmap.
    assert all(name.endswith("heatmap.bias") for name in without)


def test_one_batch_is_learned_by_heart() -> None:
    net = DeepFuse(TINY)
    net.trunk_in_bfloat16 = True
    volumes, R = blocks_of_voxels(1, edge=4), some_orientations(1)
    truth = 1.2 * torch.rand(1, 22, 3) - 0.6
    optimiser, steps = torch.optim.Adam(net.parameters(), 2e-2), 110
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-2, total_steps=steps)
    for _ in range(steps):
        optimiser.zero_grad()
        answer = net(volumes, R)
        deepfuse_loss(TINY, answer, truth).backward()
        optimiser.step()
        rate.step()
    errors = (answer.joints.detach() - truth).norm(dim=-1)
    assert float(errors.median()) < 0.01
    # Joints may stay at far voxels, from where a sharp softmax has no gradient: which, a processor's last digits tell.
    assert float((errors < 0.02).float().mean()) > 0.6


def test_orientations_matter_only_where_they_are_worn() -> None:
    net = DeepFuse(TINY).eval()
    volumes, R, other = blocks_of_voxels(1), some_orientations(1), some_orientations(1)
    worn = torch.ones(1, 13)
    worn[0, 4] = 0.0
    hidden = torch.where(worn[..., None, None] > 0, R, torch.nan)
    with torch.no_grad():
        fused = net(volumes, R, worn).joints
        assert torch.equal(fused, net(volumes, hidden, worn).joints)
        assert not torch.equal(fused, net(volumes, other, worn).joints)
        assert torch.equal(net(volumes).joints, net(volumes, other, torch.zeros(1, 13)).joints)


def test_the_vision_network_sees_no_orientation() -> None:
    net = DeepFuse(VARIANTS["vision"]).eval()
    volumes = blocks_of_voxels(1)
    with torch.no_grad():
        assert torch.equal(net(volumes).joints, net(volumes, some_orientations(1)).joints)


def test_volumes_may_be_any_numbers_and_frames_do_not_mix() -> None:
    net = DeepFuse(TINY).eval()
    volumes, R = blocks_of_voxels(2), some_orientations(2)
    with torch.no_grad():
        answer = net(volumes, R).joints
        assert torch.equal(answer, net(volumes.float(), R).joints)
        assert torch.equal(answer, net(volumes.to(torch.uint8), R).joints)
        assert torch.allclose(answer[1:], net(volumes[1:], R[1:]).joints, atol=1e-5)


def test_the_fast_copy_answers_alike() -> None:
    net = DeepFuse(TINY)
    for _ in range(3):  # so that there is something to fold
        net(blocks_of_voxels(2), some_orientations(2))
    net.eval()
    fast = for_inference(net)
    assert not any(isinstance(part, torch.nn.BatchNorm3d) for part in fast.modules())
    volumes, R = blocks_of_voxels(2), some_orientations(2)
    with torch.no_grad():
        exact, rough = net(volumes, R), fast(volumes, R)
    assert rough.joints.dtype == torch.float32
    assert float((exact.joints - rough.joints).norm(dim=-1).mean()) < 1e-3
    assert any(isinstance(part, torch.nn.BatchNorm3d) for part in net.modules())


@pytest.mark.parametrize(
    ("channels", "shape"), [(8, (1, 4, 64, 64, 64)), (1, (1, 8, 64, 64, 64)), (8, (1, 8, 32, 32, 32))]
)
def test_volumes_of_another_shape(channels: int, shape: tuple[int, ...]) -> None:
    net = DeepFuse(replace(TINY, channels=channels))
    with pytest.raises(KinefuseError, match=r"64, 64, 64\) were expected, got"):
        net(torch.zeros(shape))


@pytest.mark.parametrize("name", ["refinement", "readout", "cylinders"])
def test_choices_that_there_are_not(name: str) -> None:
    with pytest.raises(KinefuseError, match=f"{name} of DeepFuse must be one of .*, got 'other'"):
        DeepFuse(replace(TINY, **{name: "other"}))  # type: ignore[arg-type]


# On disk


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_round_trip_within_half_precision(config: DeepFuseConfig, tmp_path: Path) -> None:
    net = DeepFuse(config).eval()
    save_network(tmp_path / "net.safetensors", "deepfuse", net)
    back = load_network("deepfuse", tmp_path / "net.safetensors")
    assert back.config == config
    volumes, R = blocks_of_voxels(1, config.channels), some_orientations(1)
    with torch.no_grad():
        apart = (net(volumes, R).joints - back(volumes, R).joints).norm(dim=-1)
    assert float(apart.mean()) < (0.2 if config.readout == "hard" else 0.005)


def test_a_configuration_of_another_version(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "net.safetensors"
    save_file({"w": torch.zeros(1)}, path, metadata={"network": "deepfuse", "config": '{"widths": [16, 24]}'})
    with pytest.raises(FormatError, match="do not fit its configuration"):
        load_network("deepfuse", path)


@pytest.mark.parametrize("preset", DEEPFUSE_PRESETS)
@pytest.mark.parametrize("refinement", ["cylinders", "vision"])
def test_weights_are_small_enough_to_ship(preset: str, refinement: str) -> None:
    with torch.device("meta"):
        net = DeepFuse(replace(DEEPFUSE_PRESETS[preset], refinement=refinement))
    weights = sum(value.numel() for value in net.state_dict().values())
    assert 2 * weights < MAX_BYTES
    assert weights > {"paper": 8_000_000, "compact": 1_000_000, "tiny": 10_000}[preset]
