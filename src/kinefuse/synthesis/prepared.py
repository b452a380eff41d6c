"""The prepared file: all accepted motion in one archive, small enough to carry to any machine that trains.

Rotations are rotation vectors of each segment in its parent (the pelvis's in the world) as 16-bit integers, one
being π / 32767: 0.003° of rounding, a tenth of what 16-bit floats would give near π. The file needs nothing but NumPy.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.conventions import SEGMENT_PARENTS, SEGMENTS
from kinefuse.errors import FormatError
from kinefuse.formats.table_text import write_atomically
from kinefuse.motion import Motion
from kinefuse.rotations import matrix_from_rotvec, rotvec_from_matrix

ROTATION_UNIT: Final = np.pi / 32767
FORMAT: Final = 1


@dataclass(frozen=True, kw_only=True)
class PreparedClip:
    """One clip of one person.

    Attributes
    ----------
    subject, clip, split, activity : as in ``split.csv``
    rate_hz
    rotations : (T, 22, 3) 16-bit integers, rotation vectors in units of `ROTATION_UNIT`, segment in parent
    root : (T, 3) 32-bit floats, metres, world
    shape : (S,) of the embedded body, for its surface
    rest_positions : (22, 3) metres, the person's own bone lengths
    """

    subject: str
    clip: str
    split: str
    activity: str
    rate_hz: float
    rotations: np.ndarray
    root: np.ndarray
    shape: np.ndarray
    rest_positions: np.ndarray

    def local_matrices(self) -> np.ndarray:
        """Return each segment's rotation in its parent, (T, 22, 3, 3)."""
        return matrix_from_rotvec(self.rotations * ROTATION_UNIT)


def prepare(motion: Motion, *, subject: str, clip: str, split: str, activity: str, n_shape: int = 10) -> PreparedClip:
    """Return a motion in the prepared file's form."""
    world = motion.R_world_segment
    local = np.swapaxes(world[:, [max(parent, 0) for parent in SEGMENT_PARENTS]], -1, -2) @ world
    local[:, 0] = world[:, 0]
    return PreparedClip(
        subject=subject,
        clip=clip,
        split=split,
        activity=activity,
        rate_hz=motion.rate_hz,
        rotations=np.round(rotvec_from_matrix(local) / ROTATION_UNIT).astype(np.int16),
        root=motion.positions[:, 0].astype(np.float32),
        shape=motion.shape[:n_shape].astype(np.float32),
        rest_positions=motion.rest_positions.astype(np.float32),
    )


def write_prepared(path: Path, clips: list[PreparedClip]) -> None:
    """Write clips to one compressed ``.npz`` file, atomically."""
    write_atomically(Path(path), lambda partial: _write(partial, clips), suffix=".npz")


def _write(path: Path, clips: list[PreparedClip]) -> None:
    lengths = np.array([len(clip.root) for clip in clips])
    texts = {name: np.array([getattr(c, name) for c in clips]) for name in ("subject", "clip", "split", "activity")}
    parts = {name: np.concatenate([getattr(c, name) for c in clips]) for name in ("rotations", "root")}
    each = {name: np.stack([getattr(c, name) for c in clips]) for name in ("shape", "rest_positions")}
    # Differences from frame to frame are small numbers, which compress; 16-bit sums wrap around and come back.
    parts["rotations"] = _differences(parts["rotations"])
    np.savez_compressed(
        path, format=FORMAT, lengths=lengths, rate_hz=np.array([c.rate_hz for c in clips]), **texts, **parts, **each
    )


def _differences(values: np.ndarray) -> np.ndarray:
    return np.diff(values, axis=0, prepend=np.zeros_like(values[:1]))


def read_prepared(path: Path) -> list[PreparedClip]:
    """Read the clips of a prepared file.

    Raises
    ------
    FormatError
        If it is none, is damaged, or is of another version.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as stored:
            data = {key: stored[key] for key in stored.files}
    except Exception as error:  # whatever a missing, cut or damaged archive makes NumPy, zipfile or zlib raise
        raise FormatError(f"{path}: expected a prepared file of motion ({error}); make it again.") from error
    if int(data.get("format", -1)) != FORMAT:
        raise FormatError(f"{path}: expected a prepared file of version {FORMAT}; make it again with this version.")
    ends = np.cumsum(data["lengths"])
    rotations = np.cumsum(data["rotations"], axis=0, dtype=np.int16)
    if len(rotations) != ends[-1] or rotations.shape[1:] != (len(SEGMENTS), 3) or len(data["root"]) != ends[-1]:
        raise FormatError(f"{path}: its arrays do not belong together; make it again.")
    return [
        PreparedClip(
            subject=str(data["subject"][i]),
            clip=str(data["clip"][i]),
            split=str(data["split"][i]),
            activity=str(data["activity"][i]),
            rate_hz=float(data["rate_hz"][i]),
            rotations=rotations[end - length : end],
            root=data["root"][end - length : end],
            shape=data["shape"][i],
            rest_positions=data["rest_positions"][i],
        )
        for i, (end, length) in enumerate(zip(ends, data["lengths"], strict=True))
    ]
