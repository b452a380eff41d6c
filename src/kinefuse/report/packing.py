"""Numbers inside a page: thinned out in time, and packed as base64 text that a browser reads as typed arrays."""

import base64
from typing import Final

import numpy as np

MISSING: Final = -32768
"""Stands for NaN in packed 16-bit numbers."""


def thin_frames(time: np.ndarray, max_rate_hz: float, max_frames: int) -> np.ndarray:
    """Return the indices of the frames that are kept, evenly spaced, first frame included.

    Parameters
    ----------
    time : (T,) seconds
    max_rate_hz : about this many frames a second at most
    max_frames : and never more than this many
    """
    if len(time) < 2:
        return np.arange(len(time))
    rate = 1.0 / float(np.median(np.diff(time)))
    step = max(int(np.ceil(rate / (1.01 * max_rate_hz))), int(np.ceil(len(time) / max_frames)), 1)
    return np.arange(0, len(time), step)


def base64_text(values: np.ndarray) -> str:
    """Return the bytes of an array, little-endian, as base64."""
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode("ascii")


def pack_floats(values: np.ndarray) -> str:
    """Return numbers as 32-bit floats; NaN stays NaN."""
    return base64_text(np.asarray(values, dtype=np.float32))


def pack_rotations(quaternions: np.ndarray) -> str:
    """Return unit quaternions (..., 4) as 16-bit integers in units of 1/32767 (an error below 0.01°)."""
    return base64_text(_to_int16(quaternions * 32767.0))


def pack_points(points: np.ndarray) -> dict[str, object]:
    """Return points (..., 3) in metres as 16-bit integers with their origin and unit, NaN as `MISSING`.

    Returns
    -------
    ``{"data", "origin": [x, y, z], "unit"}``: metres = origin + unit * integer. The unit is 0.3 mm for a room of 20 m.
    """
    known = points.reshape(-1, 3)[np.isfinite(points.reshape(-1, 3)).all(axis=1)]
    low, high = (known.min(axis=0), known.max(axis=0)) if len(known) else (np.zeros(3), np.ones(3))
    unit = max(float((high - low).max()) / 64000.0, 1e-6)
    origin = (low + high) / 2.0
    return {"data": base64_text(_to_int16((points - origin) / unit)), "origin": origin.tolist(), "unit": unit}


def _to_int16(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), np.round(values), MISSING).astype(np.int16)


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return the half-open spans (start, stop) over which a boolean array (T,) is true."""
    padded = np.concatenate([[False], np.asarray(flags, dtype=bool), [False]]).astype(int)
    steps = np.diff(padded)
    return list(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))
