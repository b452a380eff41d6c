"""Volumes for DeepFuse to learn from, built once from the cache of mattes: a voxel is a byte, a camera a bit of it.

To build a frame's volumes takes half as long as to learn from it, so they are kept, 262 kB a frame, in a file that is
read as it is needed. When a frame is built, rig and person are turned about the vertical together by any angle, the
mattes get faults, and the volume's centre misses the person's middle as `kinefuse.vision.performer` does.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from kinefuse.conventions import JOINTS
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.table_text import write_atomically
from kinefuse.processes import processes
from kinefuse.rotations import matrix_from_rotvec
from kinefuse.synthesis.matte_noise import MatteFaults, spoil
from kinefuse.training.matte_cache import MatteCache, read_cache
from kinefuse.training.volume_making import Shots, project_mattes
from kinefuse.vision.cameras import project
from kinefuse.vision.volumes import CHANNELS, SIDE, camera_slots, hull_probabilities

PART: Final = 32
"""Frames that are built together; a part depends on the seed and its number only, whoever builds it."""


@dataclass(frozen=True, kw_only=True)
class BuildConfig:
    """How frames vary when their volumes are built.

    Attributes
    ----------
    yaw : frames are turned about the vertical, by any angle
    shift_sd_m : of each component of the centre's error, metres: what `find_performer` was measured to have
    mattes : their faults
    """

    yaw: bool = True
    shift_sd_m: float = 0.025
    mattes: MatteFaults = field(default_factory=MatteFaults)


@dataclass(frozen=True, kw_only=True)
class VolumeStore:
    """F frames; axes are parallel to a world that is turned about the vertical.

    Attributes
    ----------
    volumes : (F, 64, 64, 64) uint8, axes x, y, z; bit k is channel k
    joints : (F, 22, 3) metres from the volume's centre
    R_world_site : (F, 13, 3, 3) orientations of the segments that carry sensors
    partial : (F,) bool, whether a camera does not see the whole person
    """

    volumes: np.ndarray
    joints: np.ndarray
    R_world_site: np.ndarray
    partial: np.ndarray

    def __len__(self) -> int:
        return len(self.joints)


def pack_channels(volumes: torch.Tensor) -> torch.Tensor:
    """Return (B, 64, 64, 64) uint8, a camera a bit, of volumes (B, 8, 64, 64, 64) of zeros and ones."""
    packed = torch.zeros_like(volumes[:, 0], dtype=torch.uint8)
    for channel in range(CHANNELS):
        packed |= volumes[:, channel].to(torch.uint8) << channel
    return packed


def unpack_channels(packed: torch.Tensor, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    """Return volumes (B, 8, 64, 64, 64), channels last in memory, of (B, 64, 64, 64) uint8."""
    bits = (torch.arange(256)[:, None] >> torch.arange(CHANNELS)) & 1
    rows = bits.to(packed.device, dtype).index_select(0, packed.flatten().int())
    return rows.view(*packed.shape, CHANNELS).movedim(-1, 1)


def hull_of(packed: torch.Tensor) -> torch.Tensor:
    """Return one channel (B, 1, 64, 64, 64) of (B, 64, 64, 64) uint8: `probabilistic_hull` of the cameras."""
    bits = (torch.arange(256)[:, None] >> torch.arange(CHANNELS)) & 1
    shown = [bits[np.bitwise_or.reduce(frame.cpu().numpy(), axis=None)].sum() for frame in packed]
    answers = torch.from_numpy(hull_probabilities(CHANNELS))[:, bits.sum(1)].to(packed.device)
    return torch.stack([answers[n][frame.int()] for n, frame in zip(shown, packed, strict=True)])[:, None]


def build_store(
    cache: Path,
    out: Path,
    config: BuildConfig,
    *,
    seed: int = 0,
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Build the volumes of a cache's frames into the folder `out`.

    Parameters
    ----------
    cache : that `render_cache` made
    out : folder to be made, with ``volumes.npy`` and ``labels.npz``
    config : how frames vary
    seed : of everything that is drawn
    jobs : processes; the result does not depend on it
    progress : told how many frames are done

    Raises
    ------
    FormatError
        If the cache is none.
    KinefuseError
        If the disk is full.
    """
    frames = len(read_cache(cache))
    out.mkdir(parents=True, exist_ok=True)
    beside, labels = out / "volumes.npy.partial", []
    try:
        volumes = np.lib.format.open_memmap(beside, mode="w+", dtype=np.uint8, shape=(frames, SIDE, SIDE, SIDE))
        done = 0
        for part in _parts(cache, config, seed, range(-(-frames // PART)), jobs):
            volumes[done : done + len(part["joints"])] = part.pop("volumes")
            done += len(part["joints"])
            labels.append(part)
            if progress:
                progress(done)
        volumes.flush()
        os.replace(beside, out / "volumes.npy")
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise KinefuseError(
            f"{out}: the volumes of {frames} frames, {frames * SIDE**3 / 1e9:.1f} GB, could not be written "
            f"({error.strerror}); free some space or ask for fewer --frames."
        ) from error
    whole = {name: np.concatenate([part[name] for part in labels]) for name in labels[0]}
    write_atomically(out / "labels.npz", lambda path: np.savez_compressed(path, **whole), ".npz")


def read_store(folder: Path) -> VolumeStore:
    """Open a store; volumes are read when they are used.

    Raises
    ------
    FormatError
        If it is none or damaged.
    """
    try:
        volumes = np.load(folder / "volumes.npy", mmap_mode="r", allow_pickle=False)
        with np.load(folder / "labels.npz", allow_pickle=False) as stored:
            store = VolumeStore(volumes=volumes, **{name: stored[name] for name in stored.files})
    except Exception as error:  # whatever a missing, cut or damaged file makes NumPy, zipfile or zlib raise
        raise FormatError(f"{folder}: expected volumes to learn from ({error}); have them built again.") from error
    lengths = {len(getattr(store, f.name)) for f in fields(store)}
    if store.volumes.shape[1:] != (SIDE,) * 3 or store.joints.shape[1:] != (len(JOINTS), 3) or len(lengths) != 1:
        raise FormatError(f"{folder}: its arrays do not belong together; have the volumes built again.")
    return store


def _parts(cache: Path, config: BuildConfig, seed: int, numbers: range, jobs: int) -> Iterator[dict[str, np.ndarray]]:
    """Yield the parts in their order, made here or by other processes, each of which reads the cache once."""
    if jobs == 1:
        mattes = read_cache(cache)
        yield from (build_part(mattes, config, seed, number) for number in numbers)
        return
    with processes(jobs, _begin, cache) as pool:
        yield from pool.map(partial(_build_elsewhere, config, seed), numbers)


_HERE: dict[str, MatteCache] = {}


def _begin(cache: Path) -> None:
    _HERE["cache"] = read_cache(cache)


def _build_elsewhere(config: BuildConfig, seed: int, number: int) -> dict[str, Any]:
    return build_part(_HERE["cache"], config, seed, number)


def build_part(cache: MatteCache, config: BuildConfig, seed: int, number: int) -> dict[str, np.ndarray]:
    """Return the arrays of `VolumeStore` of part `number`."""
    frames = np.arange(number * PART, min((number + 1) * PART, len(cache)))
    rng = np.random.default_rng([seed, number, 1])
    yaw = rng.uniform(-np.pi, np.pi, len(frames)) * config.yaw
    turns = matrix_from_rotvec(yaw[:, None] * np.array([0.0, 1.0, 0.0]))
    centres = cache.middle[frames] + config.shift_sd_m * rng.standard_normal((len(frames), 3))
    joints = np.einsum("bij,bkj->bki", turns, cache.joints[frames] - centres[:, None])
    volumes = pack_channels(frame_volumes(cache, frames, turns, centres, config.mattes, rng))
    return {
        "volumes": volumes.numpy(),
        "joints": joints.astype(np.float32),
        "R_world_site": (turns[:, None] @ cache.R_world_site[frames]).astype(np.float32),
        "partial": cache.partial()[frames],
    }


def frame_volumes(
    cache: MatteCache,
    frames: np.ndarray,
    turns: np.ndarray,
    centres: np.ndarray,
    faults: MatteFaults,
    rng: np.random.Generator,
) -> torch.Tensor:
    """Return the volumes (B, 8, 64, 64, 64) uint8 of some frames (B,) of a cache.

    Parameters
    ----------
    cache : of mattes
    frames : their numbers
    turns : (B, 3, 3) by which rig and person are turned about the volume's centre
    centres : (B, 3) of the volumes, metres, before turning
    faults : of the mattes
    rng : draws the faults
    """
    shots, owner, slot = _shots(cache, frames, turns, centres, faults, rng)
    volumes = torch.zeros((len(frames), CHANNELS, SIDE, SIDE, SIDE), dtype=torch.uint8)
    volumes[torch.from_numpy(owner), torch.from_numpy(slot)] = project_mattes(shots)
    return volumes


def _shots(
    cache: MatteCache,
    frames: np.ndarray,
    turns: np.ndarray,
    centres: np.ndarray,
    faults: MatteFaults,
    rng: np.random.Generator,
) -> tuple[Shots, np.ndarray, np.ndarray]:
    """Shots, and the frame and channel of each (N,)."""
    owner, slot, view_of, pictures = [], [], [], []
    for number, frame in enumerate(frames):
        channels = _slots(cache, int(cache.rig[frame]), turns[number], centres[number])
        images = _mattes(cache, int(frame), faults, rng)
        for view, image in enumerate(images):
            if image.any():
                owner.append(number)
                slot.append(channels[view])
                view_of.append(view)
                pictures.append(image)
    at = np.array(owner, dtype=int)
    rig, views = cache.rig[frames[at]], np.array(view_of, dtype=int)
    ends = np.cumsum([0, *((p.shape[0] + 2) * (p.shape[1] + 2) for p in pictures)])
    moved = cache.translation[rig, views] + np.einsum("nij,nj->ni", cache.rotation[rig, views], centres[at])
    arrays = (
        cache.matrix[rig, views],
        cache.distortions[rig, views],
        cache.rotation[rig, views] @ np.swapaxes(turns[at], 1, 2),
        moved,
        cache.fields[rig, views],
    )
    shots = Shots(
        _row(pictures),
        torch.from_numpy(ends[:-1].astype(np.int32)),
        torch.from_numpy(cache.sizes[rig, views].astype(np.int32)),
        *(torch.from_numpy(a.astype(np.float32)) for a in arrays),
    )
    return shots, at, np.array(slot, dtype=int)


def _slots(cache: MatteCache, rig: int, turn: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Channel (V,) of each camera of a turned rig."""
    cameras = [
        replace(camera, R_camera_world=R, translation=camera.translation + camera.R_camera_world @ centre)
        for camera in cache.cameras(rig)
        for R in [camera.R_camera_world @ turn.T]
    ]
    return camera_slots(cameras, np.zeros((1, 3)))[0]


def _mattes(cache: MatteCache, frame: int, faults: MatteFaults, rng: np.random.Generator) -> list[np.ndarray]:
    """Mattes, each (H, W) bool, of a frame, with faults."""
    rig = int(cache.rig[frame])
    cameras = cache.cameras(rig)
    images = []
    for view, camera in enumerate(cameras):
        image = np.zeros(camera.size[::-1], dtype=bool)
        crop = cache.crop(frame, view)
        part = image[crop.row : crop.row + crop.cells.shape[0], crop.column : crop.column + crop.cells.shape[1]]
        part[:] = crop.cells[:, : part.shape[1]]
        images.append(image)
    joints = [project(camera, cache.joints[frame]) for camera in cameras]
    away = [float(np.linalg.norm(camera.centre - cache.middle[frame])) for camera in cameras]
    scales = [camera.matrix[0, 0] / distance for camera, distance in zip(cameras, away, strict=True)]
    spoil(images, joints, scales, rng, faults)
    return images


def _row(pictures: list[np.ndarray]) -> torch.Tensor:
    """All pictures' cells, each with a border, (C,) uint8."""
    if not pictures:
        return torch.zeros(1, dtype=torch.uint8)
    return torch.from_numpy(np.concatenate([np.pad(p, 1).ravel() for p in pictures]).view(np.uint8))
