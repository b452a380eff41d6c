"""IMUNet: shapes, what must change nothing, and that no heading is in what it sees."""

from dataclasses import replace

import pytest
import torch
from network_samples import angle_deg, random_signals, shaken

from kinefuse.conventions import GRAVITY
from kinefuse.errors import KinefuseError
from kinefuse.models.imunet import IMUNET_PRESETS, ImuNet
from kinefuse.models.signals import Signals


def network(preset: str) -> ImuNet:
    torch.manual_seed(0)
    made = ImuNet(IMUNET_PRESETS[preset])
    shaken(made)
    return made


@pytest.mark.parametrize("preset", IMUNET_PRESETS)
def test_shapes_and_rotations(preset: str) -> None:
    net = network(preset)
    frames = net.config.window
    with torch.no_grad():
        answer = net(random_signals(frames))
    assert answer.R_world_segment.shape == (3, frames, 22, 3, 3)
    assert answer.shape.shape == (3, 10)
    assert answer.features.shape == (3, frames, net.features)
    assert torch.equal(answer.root, torch.zeros(3, frames, 3))
    assert torch.allclose(answer.R_world_segment.det(), torch.ones(3, frames, 22), atol=1e-4)


@pytest.mark.parametrize("preset", IMUNET_PRESETS)
def test_values_of_sensors_not_worn_do_not_matter(preset: str) -> None:
    net = network(preset)
    signals = random_signals(net.config.window)
    assert signals.angular_rate is not None
    assert signals.specific_force is not None
    assert signals.worn is not None
    gone = (signals.worn == 0)[..., None]
    other = replace(
        signals,
        angular_rate=torch.where(gone, 50.0, signals.angular_rate),
        specific_force=torch.where(gone, -3e3, signals.specific_force),
    )
    with torch.no_grad():
        assert torch.equal(net(signals).R_world_segment, net(other).R_world_segment)


def test_it_sees_sensors_and_stature_and_nothing_else() -> None:
    """Heading and place are told by points only, and these it does not look at: it works without, and alike."""
    net = network("default")
    signals = random_signals(96)
    sensors = replace(signals, points=None, confidence=None)
    with torch.no_grad():
        assert torch.equal(net(signals).R_world_segment, net(sensors).R_world_segment)


def test_no_heading_in_what_it_sees() -> None:
    """A resting sensor knows up, and is the same however the room is turned about it."""
    net = network("default")
    up = torch.tensor([0.0, 0.6, 0.8])
    rest = Signals(
        angular_rate=torch.zeros(1, 96, 13, 3),
        specific_force=(GRAVITY * up).expand(1, 96, 13, 3),
        worn=torch.ones(1, 96, 13),
    )
    seen = net.inputs(rest)
    assert seen.shape == (1, 96, 13, 16)
    assert seen[0, 40, 5, :3].abs().max() == 0
    assert seen[0, 40, 5, 3:6] == pytest.approx(up, abs=1e-5)
    assert seen[0, 40, 5, 6] == 1
    assert seen[0, 40, 5, 7:10] == pytest.approx(up, abs=1e-5)
    assert seen[0, 40, 5, 10:] == pytest.approx(torch.tensor([1.0, 0, 0, 0, 1, 0]), abs=1e-6)


def test_the_papers_sees_raw_signals() -> None:
    net = network("paper")
    signals = random_signals(50)
    assert signals.angular_rate is not None
    assert signals.worn is not None
    seen = net.inputs(signals)
    assert seen.shape[-1] == 7
    assert torch.allclose(seen[..., :3], signals.angular_rate * signals.worn[..., None] / 10.0)


@pytest.mark.parametrize("preset", IMUNET_PRESETS)
def test_the_order_of_windows_does_not_matter(preset: str) -> None:
    net = network(preset)
    signals = random_signals(net.config.window)
    assert signals.angular_rate is not None
    assert signals.specific_force is not None
    assert signals.worn is not None
    backwards = Signals(
        angular_rate=signals.angular_rate.flip(0),
        specific_force=signals.specific_force.flip(0),
        worn=signals.worn.flip(0),
    )
    with torch.no_grad():
        there = net(backwards).R_world_segment.flip(0)
        assert angle_deg(net(signals).R_world_segment, there) < 0.1


def test_the_shape_follows_the_stature_alone() -> None:
    net = network("default")
    signals = random_signals(96)
    unknown = replace(signals, stature=torch.full((3,), torch.nan))
    tall = replace(signals, stature=torch.tensor([1.7, 1.7, 1.9]))
    with torch.no_grad():
        mean, missing, known = net(unknown).shape, net(replace(signals, stature=None)).shape, net(tall).shape
    assert torch.equal(mean, missing)
    assert torch.equal(mean[0], mean[1])
    assert torch.equal(known[0], known[1])
    assert not torch.equal(known[0], known[2])
    assert bool(mean.isfinite().all())


def test_it_needs_sensors() -> None:
    with pytest.raises(KinefuseError, match="inertial sensors"):
        network("tiny")(Signals())
