"""The header and parameter section of a C3D file, read with every pointer and length checked.

After the public format description (c3d.org). The files are small trees: groups of parameters, each with a type and up
to seven dimensions. A general C3D library crashes or hangs on damaged files, which a reader for users must not.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from kinefuse.errors import FormatError

BLOCK: Final = 512
_INTEL, _DEC, _MIPS = 84, 85, 86
_SIZES: Final = {-1: 1, 1: 1, 2: 2, 4: 4}

Parameters = Mapping[str, Any]
"""``"GROUP:NAME"`` to a list of texts (for text) or an array, flattened in Fortran order."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the first block of the file tells.

    Attributes
    ----------
    points, analogs : 3-D points, and analog numbers, in each frame
    first_frame, last_frame : from 1; 16 bits only, so unreliable in long files
    scale : negative if the data are floating point, else the factor of the integers
    data_start : block (from 1) where the data begin
    rate_hz
    """

    points: int
    analogs: int
    first_frame: int
    last_frame: int
    scale: float
    data_start: int
    rate_hz: float


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """How this file's processor wrote numbers: ``"<"`` or ``">"``, and whether reals are in DEC's form."""

    order: str
    dec: bool

    def reals(self, raw: bytes) -> np.ndarray:
        """Return the 32-bit reals in `raw`, (N,) float64."""
        if not self.dec:
            return np.frombuffer(raw, dtype=self.order + "f4").astype(float)
        words = np.frombuffer(raw, dtype="<u2").reshape(-1, 2)[:, ::-1]  # DEC stores the high word first
        return np.ascontiguousarray(words).view("<f4").ravel().astype(float) / 4.0

    def integers(self, raw: bytes) -> np.ndarray:
        """Return the signed 16-bit integers in `raw`, (N,) int64."""
        return np.frombuffer(raw, dtype=self.order + "i2").astype(np.int64)


def broken(path: Path, what: str) -> FormatError:
    """Return the error for a C3D file whose structure is damaged."""
    return FormatError(f"{path}: the C3D file is damaged: {what}; export it again.")


def read_structure(content: bytes, path: Path) -> tuple[Header, Parameters, Numbers]:
    """Return header, parameters and number format of the C3D file in `content`; `path` is for messages.

    Raises
    ------
    FormatError
        If it is no C3D file, or a pointer or length in it leads out of it.
    """
    if len(content) < 2 * BLOCK or content[1] != 0x50 or content[0] == 0:
        raise FormatError(f"{path}: expected a C3D file; check the suffix and the export.")
    start = (content[0] - 1) * BLOCK
    if start + 4 > len(content):
        raise broken(path, "its parameters would lie behind its end")
    processor = content[start + 3]
    if processor not in {_INTEL, _DEC, _MIPS}:
        raise broken(path, f"it names processor {processor}, not 84, 85 or 86")
    numbers = Numbers(order=">" if processor == _MIPS else "<", dec=processor == _DEC)
    end = min(len(content), start + max(content[start + 2], 1) * BLOCK) if content[start + 2] else len(content)
    return _read_header(content, numbers), _read_parameters(content, start + 4, end, numbers, path), numbers


def _read_header(content: bytes, numbers: Numbers) -> Header:
    points, analogs, first, last, _gap = struct.unpack_from(numbers.order + "5H", content, 2)
    scale = float(numbers.reals(content[12:16])[0])
    (data_start,) = struct.unpack_from(numbers.order + "H", content, 16)
    rate = float(numbers.reals(content[20:24])[0])
    return Header(
        points=points,
        analogs=analogs,
        first_frame=first,
        last_frame=last,
        scale=scale,
        data_start=data_start,
        rate_hz=rate,
    )


def _read_parameters(content: bytes, position: int, end: int, numbers: Numbers, path: Path) -> Parameters:
    groups: dict[int, str] = {}
    found: list[tuple[int, str, Any]] = []
    while position + 4 <= end and content[position]:
        length, group = struct.unpack_from("bb", content, position)
        after_name = position + 2 + abs(length)
        if after_name + 2 > end:
            raise broken(path, "a parameter's name leads out of its section")
        name = content[position + 2 : after_name].decode("latin-1").strip().upper()
        (step,) = struct.unpack_from(numbers.order + "H", content, after_name)
        if group < 0:
            groups[-group] = name
        else:
            found.append((group, name, _read_value(content[after_name + 2 : end], numbers, path, name)))
        if step == 0:
            break
        position = after_name + step
    return {f"{groups.get(group, '')}:{name}": value for group, name, value in found}


def _read_value(raw: bytes, numbers: Numbers, path: Path, name: str) -> Any:
    kind = struct.unpack_from("b", raw)[0] if raw else 0
    dimensions = list(raw[2 : 2 + raw[1]]) if len(raw) > 1 else []
    if kind not in _SIZES or len(raw) < 2 or raw[1] > 7 or len(dimensions) != raw[1]:
        raise broken(path, f"parameter {name} has no known type or dimensions")
    count = int(np.prod(dimensions, dtype=np.int64))
    data = raw[2 + len(dimensions) :][: count * _SIZES[kind]]
    if len(data) != count * _SIZES[kind]:
        raise broken(path, f"parameter {name} leads out of its section")
    if kind == -1:
        width = dimensions[0] if dimensions else 1
        texts = [data[i : i + width] for i in range(0, len(data), width)] if width else []
        return [text.decode("latin-1").strip().strip("\0").strip() for text in texts]
    if kind == 1:
        return np.frombuffer(data, dtype=np.int8).astype(np.int64)
    return numbers.reals(data) if kind == 4 else numbers.integers(data)
