"""Examples from a store of volumes, and what changes from batch to batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from kinefuse.conventions import IMU_SITES, JOINTS, mirror_permutation
from kinefuse.rotations import matrix_from_rotvec, rotvec_from_matrix
from kinefuse.training.volume_examples import (
    VALIDATION,
    OrientationFaults,
    VolumeConfig,
    VolumeExamples,
    turn,
    worn_orientations,
)
from kinefuse.training.volume_store import VolumeStore

NO_ERRORS = OrientationFaults(least=0.0, most=0.0, some_missing=0.0)
PLAIN = replace(VALIDATION, orientations=NO_ERRORS)


@pytest.fixture(scope="module")
def store() -> VolumeStore:
    rng = np.random.default_rng(0)
    return VolumeStore(
        volumes=rng.integers(0, 256, (12, 64, 64, 64), dtype=np.uint8),
        joints=rng.standard_normal((12, 22, 3)).astype(np.float32),
        R_world_site=matrix_from_rotvec(rng.standard_normal((12, 13, 3))).astype(np.float32),
        partial=rng.random(12) < 0.5,
    )


def test_without_variation_examples_are_the_store(store: VolumeStore) -> None:
    example = VolumeExamples(store, PLAIN, seed=0).batch(1, 4)
    assert (example.packed.numpy() == store.volumes[4:8]).all()
    assert (example.joints.numpy() == store.joints[4:8]).all()
    assert (example.partial.numpy() == store.partial[4:8]).all()
    np.testing.assert_allclose(example.orientations.numpy(), store.R_world_site[4:8], atol=1e-6)
    assert example.worn.all()


def one_voxel(place: tuple[int, int, int], channel: int) -> torch.Tensor:
    packed = torch.zeros((64, 64, 64), dtype=torch.uint8)
    packed[place] = 1 << channel
    return packed


def place_of(packed: torch.Tensor) -> np.ndarray:
    """Where the only voxel that is set lies, in voxels from the centre."""
    return packed.nonzero()[0].numpy() - 31.5


def camera_of(packed: torch.Tensor) -> int:
    return int(packed.max()).bit_length() - 1


def test_a_quarter_turns_everything_about_the_vertical() -> None:
    # A camera at +Z, channel 0, comes to stand at +X, channel 2.
    packed, joints = one_voxel((40, 10, 20), 0), torch.arange(66.0).view(22, 3)
    R = torch.eye(3).expand(13, 3, 3)
    turned, moved, R_turned = turn(packed, joints, R, 1, mirror=False)
    about = matrix_from_rotvec(np.array([0.0, np.pi / 2, 0.0]))
    np.testing.assert_allclose(place_of(turned), about @ place_of(packed), atol=1e-9)
    np.testing.assert_allclose(moved.numpy(), joints.numpy() @ about.T, atol=1e-4)
    np.testing.assert_allclose(R_turned[3].numpy(), about, atol=1e-6)
    assert camera_of(turned) == 2
    assert np.allclose(about @ [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])


def test_a_mirror_exchanges_the_sides() -> None:
    # A camera at 45 degrees from +Z towards +X, channel 1, comes to 135 degrees, channel 3.
    packed, joints = one_voxel((40, 10, 20), 1), torch.arange(66.0).view(22, 3)
    R = torch.from_numpy(matrix_from_rotvec(np.random.default_rng(1).standard_normal((13, 3))).astype(np.float32))
    mirrored, moved, R_mirrored = turn(packed, joints, R, 0, mirror=True)
    flip = np.diag([1.0, 1.0, -1.0])
    np.testing.assert_allclose(place_of(mirrored), flip @ place_of(packed))
    assert camera_of(mirrored) == 3
    left, right = JOINTS.index("knee_l"), JOINTS.index("knee_r")
    np.testing.assert_allclose(moved[left].numpy(), flip @ joints[right].numpy())
    partner = mirror_permutation(IMU_SITES)
    np.testing.assert_allclose(R_mirrored[5].numpy(), flip @ R[partner[5]].numpy() @ flip, atol=1e-6)
    assert torch.allclose(torch.linalg.det(R_mirrored), torch.ones(13))


@pytest.mark.parametrize("mirror", [False, True])
def test_four_quarters_are_none(store: VolumeStore, mirror: bool) -> None:
    packed, joints, R = (torch.from_numpy(x[0]) for x in (store.volumes, store.joints, store.R_world_site))
    again = packed, joints, R
    for _ in range(4):
        again = turn(again[0], again[1], again[2], 1, mirror=False)
    once = turn(packed, joints, R, 0, mirror)
    twice = turn(once[0], once[1], once[2], 0, mirror)
    for before, round_about, mirrored in zip((packed, joints, R), again, twice, strict=True):
        assert torch.allclose(before.float(), round_about.float(), atol=1e-5)
        assert torch.allclose(before.float(), mirrored.float(), atol=1e-5)


def test_orientations_have_errors_of_the_size_asked_for(store: VolumeStore) -> None:
    truth = np.repeat(store.R_world_site, 20, axis=0)
    wrong, worn = worn_orientations(truth, VALIDATION.orientations, np.random.default_rng(0))
    assert worn.all()
    angles = np.linalg.norm(rotvec_from_matrix(np.swapaxes(truth, -1, -2).astype(float) @ wrong), axis=-1)
    # Root mean square: three axes of mounting and noise, one of heading.
    expected = np.sqrt(3 * (3.5**2 + 1.5**2) + 3.0**2)
    assert np.rad2deg(np.sqrt(np.mean(np.square(angles)))) == pytest.approx(expected, rel=0.05)


def test_some_sensors_are_missing(store: VolumeStore) -> None:
    truth = np.repeat(store.R_world_site, 100, axis=0)
    _, worn = worn_orientations(truth, OrientationFaults(some_missing=0.5), np.random.default_rng(0))
    assert (~worn).any(axis=1).mean() == pytest.approx(0.5, abs=0.06)


def test_random_shut_empties_one_channel(store: VolumeStore) -> None:
    def shown(config: VolumeConfig) -> torch.Tensor:
        return VolumeExamples(store, config, seed=1).batch(0, 12).volumes().flatten(2).any(-1).sum(1)

    assert (shown(PLAIN) == 8).all()
    assert (shown(replace(PLAIN, random_shut=1.0)) == 7).all()


def test_batches_depend_on_seed_and_number_only(store: VolumeStore) -> None:
    one, again = (VolumeExamples(store, VolumeConfig(), seed=2).batch(4, 3) for _ in range(2))
    for name in ("packed", "orientations", "worn", "joints", "partial"):
        assert torch.equal(getattr(one, name), getattr(again, name)), name
    other = VolumeExamples(store, VolumeConfig(), seed=3).batch(4, 3)
    assert not torch.equal(one.joints, other.joints)


def test_every_frame_comes_once_a_round(store: VolumeStore) -> None:
    maker = VolumeExamples(store, VolumeConfig(), seed=2)
    rounds = np.concatenate([maker.frames(number, 5) for number in range(12)]).reshape(5, 12)
    assert (np.sort(rounds, axis=1) == np.arange(12)).all()
    assert (rounds[0] != rounds[1]).any()
    assert VolumeExamples(store, VALIDATION, seed=2).frames(1, 5).tolist() == [5, 6, 7, 8, 9]
