"""DeepFuse looks at the scene and at its mirror image."""

import numpy as np
import torch

from kinefuse.conventions import IMU_SITES, JOINTS, mirror_permutation
from kinefuse.estimators.volume_answers import MIRRORED_CHANNELS, BothWays, ready
from kinefuse.models.deepfuse import DeepFuse, VolumeAnswer
from kinefuse.models.weights import PRESETS
from kinefuse.rotations import matrix_from_rotvec
from kinefuse.training.volume_examples import turn
from kinefuse.training.volume_store import pack_channels, unpack_channels

FLIP = torch.tensor([1.0, 1.0, -1.0])


def scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Volumes (2, 8, 64, 64, 64), orientations and which are worn."""
    torch.manual_seed(1)
    volumes = (torch.rand(2, 8, 64, 64, 64) < 0.1).to(torch.uint8)
    R = torch.from_numpy(matrix_from_rotvec(np.random.default_rng(2).normal(size=(2, 13, 3)))).float()
    return volumes, R, torch.rand(2, 13) < 0.7


def network() -> DeepFuse:
    torch.manual_seed(0)
    return DeepFuse(PRESETS["deepfuse"]["tiny"]).eval()


def test_the_mirrored_scene_is_that_of_training() -> None:
    volumes, R, _ = scene()
    packed, _, turned = turn(pack_channels(volumes)[0], torch.zeros(22, 3), R[0], quarters=0, mirror=True)
    mine = volumes.flip(4)[:, MIRRORED_CHANNELS]
    assert torch.equal(unpack_channels(packed[None], torch.uint8)[0], mine[0])
    sites = torch.from_numpy(mirror_permutation(IMU_SITES))
    assert torch.allclose(turned, FLIP[:, None] * R[0, sites] * FLIP)


@torch.inference_mode()
def test_a_mirrored_scene_has_mirrored_joints() -> None:
    both, (volumes, R, worn) = BothWays(network()), scene()
    sites, joints = (torch.from_numpy(mirror_permutation(names)) for names in (IMU_SITES, JOINTS))
    straight = both(volumes, R, worn)
    mirrored = both(volumes.flip(4)[:, MIRRORED_CHANNELS], FLIP[:, None] * R[:, sites] * FLIP, worn[:, sites])
    assert torch.allclose(mirrored.joints, straight.joints[:, joints] * FLIP, atol=2e-6)
    assert torch.allclose(mirrored.first, straight.first[:, joints] * FLIP, atol=2e-6)
    assert not torch.allclose(straight.joints, network()(volumes, R, worn).joints, atol=2e-5)


@torch.inference_mode()
def test_it_works_without_orientations() -> None:
    volumes, _, _ = scene()
    assert BothWays(network())(volumes).joints.shape == (2, 22, 3)


class Elsewhere(torch.nn.Module):
    """A network on a device that only knows shapes; it takes nothing from another one."""

    def __init__(self) -> None:
        super().__init__()
        self.config, self.weight = network().config, torch.nn.Parameter(torch.zeros(1, device="meta"))

    def forward(self, volumes: torch.Tensor, orientations: torch.Tensor, worn: torch.Tensor) -> VolumeAnswer:
        assert {given.device.type for given in (volumes, orientations, worn)} == {"meta"}
        joints = self.weight.expand(len(volumes), 22, 3)
        return VolumeAnswer(joints, joints, (joints,))


@torch.inference_mode()
def test_everything_goes_where_the_network_is() -> None:
    assert BothWays(Elsewhere())(*scene()).joints.device.type == "meta"
    assert BothWays(network())(*scene()).joints.device.type == "cpu"


def test_only_our_own_networks_are_asked_twice() -> None:
    assert isinstance(ready(network()), BothWays)
    other = BothWays(network())
    assert ready(other) is other
