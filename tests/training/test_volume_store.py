"""Volumes built from a cache against the voxel table that recordings use."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_samples import write_motion_file

from kinefuse.errors import FormatError
from kinefuse.formats.image_mapping import ImageMapping
from kinefuse.rotations import matrix_from_rotvec
from kinefuse.synthesis.matte_noise import MatteFaults
from kinefuse.training.matte_cache import MatteCache, read_cache, render_cache
from kinefuse.training.volume_store import (
    BuildConfig,
    build_part,
    build_store,
    frame_volumes,
    hull_of,
    pack_channels,
    read_store,
    unpack_channels,
)
from kinefuse.vision.mattes import Mattes
from kinefuse.vision.volumes import VOXEL_M, VoxelTable, build_volumes, probabilistic_hull, snap

CLEAN = MatteFaults(clean=1.0)
STILL = np.broadcast_to(np.eye(3), (12, 3, 3))


@pytest.fixture(scope="module")
def mattes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("volumes")
    motion = write_motion_file(folder / "motion.npz")
    render_cache(motion, folder / "mattes.npz", split="train", frames=12, seed=5)
    return folder / "mattes.npz"


@pytest.fixture(scope="module")
def cache(mattes: Path) -> MatteCache:
    return read_cache(mattes)


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


def plain(cache: MatteCache, frames: int, turns: np.ndarray = STILL, faults: MatteFaults = CLEAN) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return frame_volumes(cache, np.arange(frames), turns, cache.middle[:frames].astype(float), faults, rng)


def test_volumes_are_those_of_the_voxel_table(cache: MatteCache) -> None:
    # Recordings' volumes have their centres on a lattice.
    cache = replace(cache, middle=snap(cache.middle)[1])
    volumes = plain(cache, 3)
    for frame in range(3):
        mattes = kept_mattes(cache, frame)
        table = VoxelTable(cache.cameras(int(cache.rig[frame])), mattes)
        expected = build_volumes(table, mattes, cache.middle[frame][None]).channels[0]
        assert expected.any(axis=(1, 2, 3)).sum() >= 4
        differ = (volumes[frame].numpy() != expected).sum()
        assert differ < 1e-3 * expected.sum()  # single precision, at the edges of cells


def test_turning_by_a_quarter_turns_voxels_and_slots_as_arrays(cache: MatteCache) -> None:
    quarter = np.repeat(matrix_from_rotvec(np.array([[0.0, np.pi / 2, 0.0]])), 2, axis=0)
    before, turned = plain(cache, 2), plain(cache, 2, quarter)
    # A quarter about Y takes +Z to +X, and so does one step of two channels of eight.
    expected = torch.flip(before.transpose(-3, -1), dims=(-1,)).roll(2, dims=1)
    assert (turned != expected).sum() < 1e-3 * expected.sum()


def test_frames_without_any_matte_are_empty_volumes(cache: MatteCache) -> None:
    volumes = plain(cache, 2, faults=MatteFaults(clean=0.0, empty=1.0))
    assert volumes.shape == (2, 8, 64, 64, 64)
    assert not volumes.any()


def share_inside(packed: np.ndarray, joints: np.ndarray) -> float:
    """Share of joints, which lie deep in the body, whose voxel is set in all channels that show anything."""
    trunk_and_knees = torch.from_numpy(joints[:, [0, 1, 2, 3, 4, 5, 6, 9, 12]])
    place = ((trunk_and_knees / VOXEL_M) + 31.5).round().long()
    shares = []
    for volume, voxels in zip(unpack_channels(torch.from_numpy(np.array(packed))), place, strict=True):
        shown = volume[(volume > 0).flatten(1).any(1)]
        i, j, k = voxels.clamp(0, 63).T
        shares.append(float(shown[:, i, j, k].all(0).float().mean()))
    return float(np.mean(shares))


def test_joints_stay_in_the_hull_however_the_frame_is_turned_and_shifted(cache: MatteCache) -> None:
    part = build_part(cache, BuildConfig(shift_sd_m=0.1, mattes=CLEAN), 3, 0)
    whole = ~part["partial"]
    assert share_inside(part["volumes"][whole], part["joints"][whole]) > 0.97
    assert share_inside(part["volumes"][whole], part["joints"][whole] * np.array([-1, 1, -1], dtype=np.float32)) < 0.9


def test_a_camera_is_a_bit() -> None:
    volumes = torch.randint(0, 2, (2, 8, 64, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    packed = pack_channels(volumes)
    assert packed.shape == (2, 64, 64, 64)
    assert (packed[1, 2, 3, 4] >> 5) & 1 == volumes[1, 5, 2, 3, 4]
    unpacked = unpack_channels(packed, torch.bfloat16)
    assert torch.equal(unpacked, volumes.bfloat16())
    assert unpacked.is_contiguous(memory_format=torch.channels_last_3d)


def test_the_hull_of_packed_channels_is_that_of_the_channels(cache: MatteCache) -> None:
    volumes = plain(cache, 2)
    expected = probabilistic_hull(volumes.numpy() > 0)
    np.testing.assert_allclose(hull_of(pack_channels(volumes))[:, 0].numpy(), expected, atol=1e-6)


def test_a_store_depends_on_its_seed_only(mattes: Path, tmp_path: Path) -> None:
    told: list[int] = []
    build_store(mattes, tmp_path / "one", BuildConfig(), seed=2, progress=told.append)
    build_store(mattes, tmp_path / "two", BuildConfig(), seed=2, jobs=2)
    build_store(mattes, tmp_path / "three", BuildConfig(), seed=3)
    one, two, three = (read_store(tmp_path / name) for name in ("one", "two", "three"))
    assert told[-1] == len(one) == 12
    assert (one.volumes == two.volumes).all()
    assert (one.joints == two.joints).all()
    assert (one.joints != three.joints).any()


def test_orientations_turn_with_the_person(cache: MatteCache) -> None:
    still = build_part(cache, BuildConfig(yaw=False), 1, 0)
    np.testing.assert_allclose(still["R_world_site"], cache.R_world_site, atol=1e-6)
    turned = build_part(cache, BuildConfig(), 1, 0)
    about = turned["R_world_site"][:, 0] @ np.swapaxes(cache.R_world_site[:, 0], -1, -2)
    np.testing.assert_allclose(about[:, 1], np.tile([0.0, 1.0, 0.0], (12, 1)), atol=1e-5)
    relative = turned["joints"][:, 5] - turned["joints"][:, 0]
    expected = np.einsum("bij,bj->bi", about, cache.joints[:, 5] - cache.joints[:, 0])
    np.testing.assert_allclose(relative, expected, atol=1e-4)


@pytest.mark.parametrize("damage", ["missing", "cut", "another"])
def test_a_damaged_store_is_one_sentence(mattes: Path, tmp_path: Path, damage: str) -> None:
    build_store(mattes, tmp_path, BuildConfig())
    labels, volumes = tmp_path / "labels.npz", tmp_path / "volumes.npy"
    if damage == "missing":
        labels.unlink()
    elif damage == "cut":
        volumes.write_bytes(volumes.read_bytes()[:100_000])
    else:
        np.save(volumes, np.zeros((3, 64, 64, 64), dtype=np.uint8))
    with pytest.raises(FormatError, match="built again"):
        read_store(tmp_path)
