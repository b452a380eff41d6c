"""VideoNet: shapes, and what must change nothing."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_samples import angle_deg, moved, random_signals, shaken

from kinefuse.errors import KinefuseError
from kinefuse.models.signals import COCO, Signals, yaw_rotation
from kinefuse.models.videonet import VIDEONET_PRESETS, VideoNet


def network(preset: str) -> VideoNet:
    torch.manual_seed(0)
    made = VideoNet(VIDEONET_PRESETS[preset])
    shaken(made)
    return made


@pytest.fixture(scope="module")
def default() -> VideoNet:
    return network("default")


@pytest.mark.parametrize("preset", VIDEONET_PRESETS)
def test_shapes_and_rotations(preset: str) -> None:
    net = network(preset)
    frames = net.config.window
    with torch.no_grad():
        answer = net(random_signals(frames))
    assert answer.R_world_segment.shape == (3, frames, 22, 3, 3)
    assert answer.shape.shape == (3, 10)
    assert answer.root.shape == (3, frames, 3)
    assert answer.features.shape == (3, frames, net.features)
    assert torch.allclose(answer.R_world_segment.det(), torch.ones(3, frames, 22), atol=1e-4)


@settings(max_examples=4, deadline=None)
@given(st.floats(-3.1, 3.1), st.integers(0, 1000))
def test_a_turned_and_shifted_world_turns_and_shifts_the_answer(default: VideoNet, yaw: float, seed: int) -> None:
    signals, shift = random_signals(96, batch=2, seed=seed), torch.tensor([2.0, 0.3, -1.0])
    turn = yaw_rotation(torch.tensor(yaw))
    with torch.no_grad():
        here, there = default(signals), default(moved(signals, yaw, shift))
    assert angle_deg(turn @ here.R_world_segment, there.R_world_segment) < 0.2
    assert torch.allclose(here.root @ turn.T + shift, there.root, atol=2e-3)
    assert torch.allclose(here.shape, there.shape, atol=2e-3)


@pytest.mark.parametrize("preset", VIDEONET_PRESETS)
def test_values_of_missing_points_do_not_matter(preset: str) -> None:
    net = network(preset)
    signals = random_signals(net.config.window)
    assert signals.points is not None
    assert signals.confidence is not None
    other = replace(signals, points=torch.where((signals.confidence == 0)[..., None], torch.nan, signals.points))
    with torch.no_grad():
        assert torch.equal(net(signals).R_world_segment, net(other).R_world_segment)


@pytest.mark.parametrize("preset", VIDEONET_PRESETS)
def test_the_order_of_windows_does_not_matter(preset: str) -> None:
    net = network(preset)
    signals = random_signals(net.config.window)
    assert signals.points is not None
    assert signals.confidence is not None
    backwards = Signals(points=signals.points.flip(0), confidence=signals.confidence.flip(0))
    with torch.no_grad():
        here, there = net(signals), net(backwards)
    assert angle_deg(here.R_world_segment, there.R_world_segment.flip(0)) < 0.1
    assert torch.allclose(here.shape, there.shape.flip(0), atol=1e-4)


def test_the_papers_sees_coco_only() -> None:
    net = network("paper")
    signals = random_signals(net.config.window)
    assert signals.points is not None
    assert signals.confidence is not None
    points = signals.points.clone()
    points[:, :, len(COCO) :] += 1.0
    with torch.no_grad():
        assert torch.equal(net(signals).R_world_segment, net(replace(signals, points=points)).R_world_segment)


def test_a_new_network_answers_what_the_rest_pose_is_near_to() -> None:
    """Its heads answer differences from the rest pose, so that an untrained one stands as the points face."""
    torch.manual_seed(0)
    net = VideoNet(VIDEONET_PRESETS["default"]).eval()
    signals = random_signals(96)
    with torch.no_grad():
        answer = net(signals)
    upright = answer.R_world_segment[..., 1, 1]
    assert float(upright.mean()) > 0.4


def test_it_runs_in_half_about_alike(default: VideoNet) -> None:
    signals = random_signals(96)
    with torch.no_grad():
        exact = default(signals)
        default.trunk_in_bfloat16 = True
        try:
            rough = default(signals)
        finally:
            default.trunk_in_bfloat16 = False
    assert rough.R_world_segment.dtype == torch.float32
    apart = (exact.R_world_segment - rough.R_world_segment).abs().mean()
    assert float(apart) < 0.05


def test_it_needs_points(default: VideoNet) -> None:
    with pytest.raises(KinefuseError, match="joint centres"):
        default(Signals())
