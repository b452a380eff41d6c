"""The cache of rendered mattes that DeepFuse learns from: people who move on a floor, seen by rigs of all kinds.

A frame takes about 5 kB as bits of the mattes' crops, before compression; its eight volumes take 262 kB as bits. The
volumes are built once from the mattes (`kinefuse.training.volume_store`), and what is drawn then stays: the turn by any
angle, the centre and the mattes' faults. Later only quarter turns, mirroring, shut cameras and errors of orientations
vary.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from kinefuse.conventions import IMU_SITES, JOINTS, SITE_SEGMENT
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.table_text import write_atomically
from kinefuse.processes import processes
from kinefuse.recordings import Camera
from kinefuse.synthesis.dressed import draw_garments, dress, faces, middle_of, pose_vertices, rest_vertices
from kinefuse.synthesis.outlines import Crop, render
from kinefuse.synthesis.prepared import read_prepared
from kinefuse.synthesis.rigs import random_place, random_rig
from kinefuse.synthesis.variety import AS_RECORDED, MotionStore, VarietyConfig
from kinefuse.vision.cameras import CameraStack, project, stack_cameras
from kinefuse.vision.volumes import CHANNELS, field_radius

FORMAT: Final = 1

PART: Final = 128
"""Frames that are drawn together; a part depends on the seed and its number only, whoever makes it."""

PER_RIG: Final = 8
"""Frames that one rig sees."""

SPLITS: Final = {"train": VarietyConfig(), "validation": AS_RECORDED, "test": AS_RECORDED}
"""Whose motion may be rendered, and with what variations; test people are for results alone."""

RATE_HZ: Final = 50.0


@dataclass(frozen=True, kw_only=True)
class MatteCache:
    """F frames, R rigs of up to eight cameras; what a rig lacks of eight is zero.

    Attributes
    ----------
    split : whose motion this is
    bits : (N,) uint8, crops of all mattes one after the other, each row packed by `numpy.packbits`
    boxes : (F, 8, 4) int, of each matte's crop: first row, first column in bytes, rows, bytes a row
    begins : (F, 8) int, where its bits begin
    rig : (F,) int, which rig saw the frame
    counts : (R,) cameras of a rig
    sizes : (R, 8, 2) width and height of mattes, cells
    fields : (R, 8) how far a camera sees from its axis, distance over depth
    matrix, distortions, rotation, translation : (R, 8, ...) as of `CameraStack`, in cells
    R_world_site : (F, 13, 3, 3) orientations of the segments that carry sensors
    joints : (F, 22, 3) metres, world
    middle : (F, 3) metres, centroid of the dressed body
    seen : (F, 8) uint8, per cent of the surface's corners that lie within the image
    """

    split: str
    bits: np.ndarray
    boxes: np.ndarray
    begins: np.ndarray
    rig: np.ndarray
    counts: np.ndarray
    sizes: np.ndarray
    fields: np.ndarray
    matrix: np.ndarray
    distortions: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    R_world_site: np.ndarray
    joints: np.ndarray
    middle: np.ndarray
    seen: np.ndarray

    def __len__(self) -> int:
        return len(self.rig)

    def partial(self) -> np.ndarray:
        """Return (F,) bool: whether some camera of the rig does not see the whole person (less than 98 per cent)."""
        there = np.arange(CHANNELS) < self.counts[self.rig][:, None]
        return np.asarray((there & (self.seen < 98)).any(axis=1))

    def crop(self, frame: int, view: int) -> Crop:
        """Return a matte."""
        row, byte, rows, wide = self.boxes[frame, view].tolist()
        begin = int(self.begins[frame, view])
        packed = self.bits[begin : begin + rows * wide].reshape(rows, wide)
        return Crop(row, 8 * byte, np.unpackbits(packed, axis=1).astype(bool))

    def cameras(self, rig: int) -> tuple[Camera, ...]:
        """Return a rig's cameras, whose pixels are the mattes' cells."""
        return tuple(
            Camera(
                name=f"cam_{view + 1}",
                size=(int(self.sizes[rig, view, 0]), int(self.sizes[rig, view, 1])),
                matrix=self.matrix[rig, view],
                distortions=self.distortions[rig, view],
                R_camera_world=self.rotation[rig, view],
                translation=self.translation[rig, view],
            )
            for view in range(int(self.counts[rig]))
        )


def render_cache(
    prepared: Path,
    out: Path,
    *,
    split: str,
    frames: int,
    cameras: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Render people of the prepared file into a cache, a compressed ``.npz`` without pickle.

    Parameters
    ----------
    prepared : the prepared file of motion
    out : the cache to be written
    split : whose motion: ``"train"``, with all variations, or ``"validation"`` or ``"test"``, as recorded
    frames : how many, each another moment, person and place
    cameras : of every rig; None draws 4 to 8
    seed : of everything that is drawn
    jobs : processes; the result does not depend on it
    progress : told how many frames are done

    Raises
    ------
    KinefuseError
        If the split is another, or the prepared file has nobody in it.
    """
    if split not in SPLITS:
        raise KinefuseError(f"Mattes are rendered of the people for {' or '.join(SPLITS)}, not of {split!r}.")
    counts = [min(PART, frames - start) for start in range(0, frames, PART)]
    if not counts:
        raise KinefuseError(f"A cache needs one frame or more, got {frames}.")
    parts, done = [], 0
    for part in _parts(partial(render_part, split=split, cameras=cameras, seed=seed), prepared, split, counts, jobs):
        parts.append(part)
        done += len(part["rig"])
        if progress:
            progress(done)
    whole = _joined(parts)
    write_atomically(Path(out), lambda path: np.savez_compressed(path, format=FORMAT, split=split, **whole), ".npz")


def _parts(
    make: Callable[..., dict[str, np.ndarray]], prepared: Path, split: str, counts: list[int], jobs: int
) -> Iterator[dict[str, np.ndarray]]:
    """Yield the parts in their order, made here or by other processes, each of which reads the motion once."""
    if jobs == 1:
        store = _store(prepared, split)
        yield from (make(store, number, count) for number, count in enumerate(counts))
        return
    with processes(jobs, _begin, prepared, split) as pool:
        yield from pool.map(partial(_make_elsewhere, make), range(len(counts)), counts)


def _store(prepared: Path, split: str) -> MotionStore:
    return MotionStore([clip for clip in read_prepared(prepared) if clip.split == split], SPLITS[split])


_HERE: dict[str, MotionStore] = {}


def _begin(prepared: Path, split: str) -> None:
    _HERE["store"] = _store(prepared, split)


def _make_elsewhere(make: Callable[..., dict[str, np.ndarray]], number: int, count: int) -> dict[str, np.ndarray]:
    return make(_HERE["store"], number, count)


def render_part(
    store: MotionStore, number: int, count: int, *, split: str, cameras: int | None, seed: int
) -> dict[str, np.ndarray]:
    """Return the arrays of `MatteCache` of part `number`, `count` frames; rigs count from zero."""
    draw = torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**62)
    rng = np.random.default_rng([seed, number, split == "train"])
    motion = store.draw(count, 1, RATE_HZ, draw)
    naked = rest_vertices(motion.shape, motion.rest_positions)
    clothed = dress(naked, draw_garments(count, draw), draw)
    surfaces = pose_vertices(clothed, motion.rest_positions, motion.R_world_segment[:, 0], motion.positions[:, 0])
    rigs = [random_rig(rng, cameras) for _ in range(-(-count // PER_RIG))]
    moves = np.stack([random_place(rigs[i // PER_RIG], rng) for i in range(count)])
    moves -= motion.positions[:, 0, 0].numpy() * (1.0, 0.0, 1.0)
    vertices = surfaces.double().numpy() + moves[:, None]
    views = [_views(rigs[i // PER_RIG], vertices[i]) for i in range(count)]
    return {
        **{name: np.stack([view[name] for view in views]) for name in ("boxes", "seen")},
        "bits": np.concatenate([view["bits"] for view in views]),
        "rig": np.arange(count) // PER_RIG,
        **_rig_arrays(rigs),
        "R_world_site": motion.R_world_segment[:, 0, list(SITE_SEGMENT)].numpy(),
        "joints": (motion.positions[:, 0].numpy() + moves[:, None]).astype(np.float32),
        "middle": (middle_of(surfaces).numpy() + moves).astype(np.float32),
    }


def _views(rig: tuple[Camera, ...], vertices: np.ndarray) -> dict[str, np.ndarray]:
    """Boxes (8, 4), bits and what share is seen (8,), of one frame."""
    boxes, seen = np.zeros((CHANNELS, 4), dtype=np.int16), np.zeros(CHANNELS, dtype=np.uint8)
    bits = [np.zeros(0, dtype=np.uint8)]
    for view, camera in enumerate(rig):
        crop = render(camera, vertices, faces().numpy())
        packed = np.packbits(crop.cells, axis=1)
        boxes[view] = crop.row, crop.column // 8, *packed.shape
        bits.append(packed.ravel())
        cells = project(camera, vertices)
        inside = (cells > -0.5).all(-1) & (cells < np.array(camera.size) - 0.5).all(-1)
        seen[view] = round(100 * inside.mean())
    return {"boxes": boxes, "bits": np.concatenate(bits), "seen": seen}


def _rig_arrays(rigs: list[tuple[Camera, ...]]) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {"counts": np.array([len(rig) for rig in rigs])}
    stacks: list[CameraStack] = [stack_cameras(rig) for rig in rigs]
    for name in ("matrix", "distortions", "rotation", "translation"):
        out[name] = np.stack([_eight(getattr(stack, name)) for stack in stacks])
    out["sizes"] = np.stack([_eight(np.array([camera.size for camera in rig])) for rig in rigs])
    out["fields"] = np.stack([_eight(np.array([field_radius(camera) for camera in rig])) for rig in rigs])
    return out


def _eight(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, np.zeros((CHANNELS - len(values), *values.shape[1:]), values.dtype)])


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    before = np.cumsum([0, *(len(part["counts"]) for part in parts)])
    for part, first in zip(parts, before, strict=False):
        part["rig"] = part["rig"] + first
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def read_cache(path: Path) -> MatteCache:
    """Read a cache of mattes.

    Raises
    ------
    FormatError
        If it is none, is damaged, or is of another version.
    """
    try:
        with np.load(Path(path), allow_pickle=False) as stored:
            data: dict[str, Any] = {key: stored[key] for key in stored.files}
    except Exception as error:  # whatever a missing, cut or damaged archive makes NumPy, zipfile or zlib raise
        raise FormatError(f"{path}: expected a cache of rendered mattes ({error}); make it again.") from error
    wanted = {f.name for f in fields(MatteCache)} - {"begins"} | {"format"}
    if wanted != set(data) or int(data["format"]) != FORMAT:
        raise FormatError(f"{path}: expected a cache of rendered mattes of version {FORMAT}; make it again.")
    ends = np.cumsum(data["boxes"][..., 2].astype(int).ravel() * data["boxes"][..., 3].ravel())
    frames = len(data["rig"])
    shapes = data["joints"].shape == (frames, len(JOINTS), 3) and data["R_world_site"].shape[:2] == (
        frames,
        len(IMU_SITES),
    )
    if not frames or not shapes or ends[-1] != len(data["bits"]):
        raise FormatError(f"{path}: its arrays do not belong together; make it again.")
    data["begins"] = np.concatenate([[0], ends[:-1]]).reshape(data["boxes"].shape[:2])
    data["split"] = str(data["split"])
    del data["format"]
    return MatteCache(**data)
