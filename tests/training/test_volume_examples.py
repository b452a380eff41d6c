"""Batches of volumes against the voxel table that recordings use, and what changes from batch to batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from training_samples import write_motion_file

from kinefuse.errors import KinefuseError
from kinefuse.formats.image_mapping import ImageMapping
from kinefuse.rotations import matrix_from_rotvec, rotvec_from_matrix
from kinefuse.synthesis.matte_noise import MatteFaults
from kinefuse.training.matte_cache import MatteCache, read_cache, render_cache
from kinefuse.training.volume_examples import (
    VALIDATION,
    OrientationFaults,
    VolumeConfig,
    VolumeExample,
    VolumeMaker,
    check_split,
)
from kinefuse.vision.mattes import Mattes
from kinefuse.vision.volumes import VOXEL_M, VoxelTable, build_volumes, snap

NO_ERRORS = OrientationFaults(least=0.0, most=0.0, some_missing=0.0)
PLAIN = replace(VALIDATION, shift_sd_m=0.0, mattes=MatteFaults(clean=1.0), orientations=NO_ERRORS)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> MatteCache:
    folder = tmp_path_factory.mktemp("volumes")
    motion = write_motion_file(folder / "motion.npz")
    render_cache(motion, folder / "mattes.npz", split="train", frames=12, seed=5)
    return read_cache(folder / "mattes.npz")


def kept_mattes(cache: MatteCache, frame: int) -> list[Mattes]:
    out = []
    for view, camera in enumerate(cache.cameras(int(cache.rig[frame]))):
        width, height = camera.size
        crop = cache.crop(frame, view)
        image = np.zeros((height, -(-width // 8) * 8), dtype=bool)
        image[crop.row : crop.row + crop.cells.shape[0], crop.column : crop.column + crop.cells.shape[1]] = crop.cells
        packed = np.packbits(image, axis=1)[None]
        out.append(Mattes(packed=packed, size=camera.size, file_size=camera.size, mapping=ImageMapping()))
    return out


def test_volumes_are_those_of_the_voxel_table(cache: MatteCache) -> None:
    # Recordings' volumes have their centres on a lattice.
    cache = replace(cache, middle=snap(cache.middle)[1])
    example = VolumeMaker(cache, PLAIN, seed=0).batch(0, 3)
    for frame in range(3):
        mattes = kept_mattes(cache, frame)
        table = VoxelTable(cache.cameras(int(cache.rig[frame])), mattes)
        expected = build_volumes(table, mattes, cache.middle[frame][None]).channels[0]
        assert expected.any(axis=(1, 2, 3)).sum() >= 4
        differ = (example.volumes[frame].numpy() != expected).sum()
        assert differ < 1e-3 * expected.sum()  # single precision, at the edges of cells


def share_inside(example: VolumeExample, joints: torch.Tensor) -> float:
    """Share of joints, which lie deep in the body, whose voxel is set in all channels that show anything."""
    trunk_and_knees = joints[:, [0, 1, 2, 3, 4, 5, 6, 9, 12]]
    place = ((trunk_and_knees / VOXEL_M) + 31.5).round().long()
    shares = []
    for volume, voxels in zip(example.volumes, place, strict=True):
        shown = volume[(volume > 0).flatten(1).any(1)]
        i, j, k = voxels.clamp(0, 63).T
        shares.append(float(shown[:, i, j, k].all(0).float().mean()))
    return float(np.mean(shares))


def test_joints_stay_in_the_hull_however_the_frame_is_turned_and_shifted(cache: MatteCache) -> None:
    whole = np.flatnonzero(~cache.partial())
    cache = replace(cache, **{name: getattr(cache, name)[whole] for name in ("boxes", "begins", "rig", "joints",
        "middle", "seen", "R_world_site")})  # fmt: skip
    turned = VolumeMaker(cache, replace(PLAIN, yaw=True, shift_sd_m=0.1), seed=3).batch(0, len(whole))
    assert share_inside(turned, turned.joints) > 0.97
    assert share_inside(turned, turned.joints * torch.tensor([-1.0, 1.0, -1.0])) < 0.9


def test_turning_by_a_quarter_turns_voxels_and_slots_as_arrays(cache: MatteCache, monkeypatch: object) -> None:
    maker = VolumeMaker(cache, PLAIN, seed=0)
    still = maker.flat_batch(0, 2)
    quarter = matrix_from_rotvec(np.array([[0.0, np.pi / 2, 0.0]] * 2))
    middle = cache.middle[:2].astype(float)
    shots, owner, slot = maker._shots(np.arange(2), quarter, middle, np.random.default_rng(0))
    turned = replace(still, shots=shots, owner=torch.from_numpy(owner), slot=torch.from_numpy(slot)).build().volumes
    before = still.build().volumes
    # A quarter about Y takes +Z to +X, and so does one step of two channels of eight.
    expected = torch.flip(before.transpose(-3, -1), dims=(-1,)).roll(2, dims=1)
    assert (turned != expected).sum() < 1e-3 * expected.sum()


def test_orientations_turn_with_the_person_and_have_errors_of_the_size_asked_for(cache: MatteCache) -> None:
    exact = VolumeMaker(cache, PLAIN, seed=0).batch(0, 12)
    np.testing.assert_allclose(exact.orientations.numpy(), cache.R_world_site, atol=1e-5)
    assert exact.worn.all()
    angles = []
    for number in range(5):
        wrong = VolumeMaker(cache, replace(PLAIN, orientations=VALIDATION.orientations), 0).batch(number, 12)
        off = np.swapaxes(cache.R_world_site, -1, -2) @ wrong.orientations.numpy()
        angles.append(np.linalg.norm(rotvec_from_matrix(off.astype(float)), axis=-1))
    # Root mean square: three axes of mounting and noise, one of heading.
    expected = np.sqrt(3 * (3.5**2 + 1.5**2) + 3.0**2)
    assert np.rad2deg(np.sqrt(np.mean(np.square(angles)))) == pytest.approx(expected, rel=0.05)


def test_random_shut_empties_one_channel(cache: MatteCache) -> None:
    def shown(config: VolumeConfig) -> torch.Tensor:
        example = VolumeMaker(cache, config, seed=1).batch(0, 12)
        return example.volumes.flatten(2).any(-1).sum(1)

    fewer = shown(PLAIN) - shown(replace(PLAIN, random_shut=1.0))
    assert set(fewer.tolist()) <= {0, 1}  # none where the camera that is shut saw nobody
    assert fewer.sum() >= 9


def test_batches_depend_on_seed_and_number_only(cache: MatteCache) -> None:
    one, again = (VolumeMaker(cache, VolumeConfig(), seed=2).batch(4, 3) for _ in range(2))
    for name in ("volumes", "orientations", "worn", "joints", "partial", "frames"):
        assert torch.equal(getattr(one, name), getattr(again, name)), name
    other = VolumeMaker(cache, VolumeConfig(), seed=3).batch(4, 3)
    assert not torch.equal(one.joints, other.joints)


def test_every_frame_comes_once_a_round(cache: MatteCache) -> None:
    maker = VolumeMaker(cache, VolumeConfig(), seed=2)
    rounds = np.concatenate([maker._frames(number, 5) for number in range(12)]).reshape(5, 12)
    assert (np.sort(rounds, axis=1) == np.arange(12)).all()
    assert (rounds[0] != rounds[1]).any()
    assert VolumeMaker(cache, VALIDATION, seed=2)._frames(1, 5).tolist() == [5, 6, 7, 8, 9]


def test_frames_without_any_matte_are_empty_volumes(cache: MatteCache) -> None:
    blind = replace(PLAIN, mattes=MatteFaults(clean=0.0, empty=1.0))
    example = VolumeMaker(cache, blind, seed=0).batch(0, 2)
    assert example.volumes.shape == (2, 8, 64, 64, 64)
    assert not example.volumes.any()


def test_the_wrong_people_are_refused(cache: MatteCache) -> None:
    check_split(cache, "train")
    with pytest.raises(KinefuseError, match="for validation"):
        check_split(cache, "validation")
