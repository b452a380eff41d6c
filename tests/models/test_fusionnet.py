"""FusionNet: shapes, yaw, its two parts, and what must change nothing."""

from dataclasses import replace

import pytest
import torch
from network_samples import angle_deg, moved, random_signals, shaken

from kinefuse.conventions import SITE_SEGMENT
from kinefuse.models.fusionnet import FUSIONNET_PRESETS, FusionNet
from kinefuse.models.signals import Signals, yaw_rotation


def network(preset: str) -> FusionNet:
    torch.manual_seed(0)
    made = FusionNet(FUSIONNET_PRESETS[preset])
    shaken(made, size=0.02)
    return made


@pytest.fixture(scope="module")
def default() -> FusionNet:
    return network("default")


@pytest.mark.parametrize("preset", FUSIONNET_PRESETS)
def test_shapes_and_rotations(preset: str) -> None:
    net = network(preset)
    frames = net.config.window
    with torch.no_grad():
        answer = net(random_signals(frames))
    assert answer.R_world_segment.shape == (3, frames, 22, 3, 3)
    assert answer.shape.shape == (3, 10)
    assert answer.root.shape == (3, frames, 3)
    assert torch.allclose(answer.R_world_segment.det(), torch.ones(3, frames, 22), atol=1e-4)


@pytest.mark.parametrize("yaw", [-2.5, 0.7])
def test_a_turned_and_shifted_world_turns_and_shifts_the_answer(default: FusionNet, yaw: float) -> None:
    signals, shift = random_signals(96), torch.tensor([2.0, 0.3, -1.0])
    turn = yaw_rotation(torch.tensor(yaw))
    with torch.no_grad():
        here, there = default(signals), default(moved(signals, yaw, shift))
    assert angle_deg(turn @ here.R_world_segment, there.R_world_segment) < 0.5
    assert torch.allclose(here.root @ turn.T + shift, there.root, atol=5e-3)
    assert torch.allclose(here.shape, there.shape, atol=5e-3)


def test_values_that_are_missing_do_not_matter(default: FusionNet) -> None:
    signals = random_signals(96)
    assert signals.points is not None
    assert signals.confidence is not None
    assert signals.angular_rate is not None
    assert signals.specific_force is not None
    assert signals.worn is not None
    gone = (signals.worn == 0)[..., None]
    other = replace(
        signals,
        points=torch.where((signals.confidence == 0)[..., None], 70.0, signals.points),
        angular_rate=torch.where(gone, 50.0, signals.angular_rate),
        specific_force=torch.where(gone, -3e3, signals.specific_force),
    )
    with torch.no_grad():
        assert torch.equal(default(signals).R_world_segment, default(other).R_world_segment)


def test_the_order_of_windows_does_not_matter(default: FusionNet) -> None:
    signals = random_signals(96)
    with torch.no_grad():
        alone = torch.cat([default(signals[i : i + 1]).R_world_segment for i in range(3)])
        assert angle_deg(default(signals).R_world_segment, alone) < 0.2


def test_a_new_one_starts_from_its_parts() -> None:
    """Steps of a new network are zero: segments without sensors are VideoNet's."""
    torch.manual_seed(0)
    net = FusionNet(FUSIONNET_PRESETS["default"]).eval()
    signals = random_signals(96)
    with torch.no_grad():
        video, _ = net.parts(signals)
        answer = net(signals)
    others = [i for i in range(22) if i not in SITE_SEGMENT]
    assert angle_deg(answer.R_world_segment[:, :, others], video.R_world_segment[:, :, others]) < 0.1


def test_without_a_sensor_a_segment_starts_from_videonet() -> None:
    torch.manual_seed(0)
    net = FusionNet(FUSIONNET_PRESETS["default"]).eval()
    signals = random_signals(96)
    assert signals.worn is not None
    with torch.no_grad():
        bare = replace(signals, worn=torch.zeros_like(signals.worn))
        assert angle_deg(net(bare).R_world_segment, net.parts(bare)[0].R_world_segment) < 0.1


@pytest.mark.parametrize("preset", FUSIONNET_PRESETS)
def test_which_parts_learn(preset: str) -> None:
    net = network(preset).train()
    net(random_signals(net.config.window)).R_world_segment.square().sum().backward()
    own = [p.grad for name, p in net.named_parameters() if name.startswith(("trunk", "step"))]
    assert any(g is not None and bool(g.abs().sum() > 0) for g in own)
    learned = [p.grad for part in (net.video, net.imu) for p in part.parameters() if p.grad is not None]
    assert bool(learned) == net.config.train_parts
    assert net.video.training == net.imu.training == net.config.train_parts
    if learned:
        assert sum(float(g.abs().sum()) for g in learned) > 0


def test_only_the_defaults_parts_are_taken_as_they_are() -> None:
    assert {name for name, config in FUSIONNET_PRESETS.items() if config.train_parts} == {"paper", "tiny"}
    assert FUSIONNET_PRESETS["default"].window == 96


def test_parts_say_what_they_say_alone(default: FusionNet) -> None:
    signals = random_signals(96)
    with torch.no_grad():
        video, imu = default.parts(signals)
        points = Signals(points=signals.points, confidence=signals.confidence)
        assert torch.equal(video.R_world_segment, default.video(points).R_world_segment)
        assert torch.equal(imu.R_world_segment, default.imu(replace(signals, points=None)).R_world_segment)
