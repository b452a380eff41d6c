"""Acclaim ASF/AMC: a skeleton (ASF) and its motion (AMC), as the CMU and HDM05 databases publish them.

A bone has a direction and a length in the world of the zero pose, and axes C in which its degrees of freedom turn it
(Lander 1998): its rotation in its parent is C M C⁻¹. Euler angles in both files turn about fixed axes in the order that
is written, so ``XYZ`` means Rz Ry Rx. Y is up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.bvh import Bvh, axis_rotation
from kinefuse.formats.table_text import read_lines

INCH: Final = 0.0254
_TURNS: Final = {"rx": 0, "ry": 1, "rz": 2}
_SHIFTS: Final = {"tx": 0, "ty": 1, "tz": 2}
_LARGEST: Final = 1e9
_MOST_BONES: Final = 1000


@dataclass
class _Bone:
    """One bone as the ASF file has it; the root has no direction and no length."""

    name: str
    direction: np.ndarray = field(default_factory=lambda: np.array([0.0, 0.0, 0.0]))
    length: float = 0.0
    axis: np.ndarray = field(default_factory=lambda: np.eye(3))
    dof: tuple[str, ...] = ()


@dataclass(frozen=True)
class Skeleton:
    """The content of an ASF file.

    Attributes
    ----------
    bones : parents before children, the root first
    parents : index of each bone's parent, -1 for the root
    unit_m : metres per unit of the file
    radians : angles in both files are radians
    root_position : (3,) metres
    """

    bones: tuple[_Bone, ...]
    parents: tuple[int, ...]
    unit_m: float
    radians: bool
    root_position: np.ndarray


def read_asf_amc(asf: Path, amc: Path, *, rate_hz: float = 120.0, unit_m: float = INCH) -> Bvh:
    """Read a skeleton and a motion of it.

    Parameters
    ----------
    asf, amc : the two files
    rate_hz : AMC files do not say their rate; CMU and HDM05 recorded at 120 Hz
    unit_m : metres per unit of length, before the ASF file's own scale (its lengths are divided by ``length``): inches
        for CMU and HDM05

    Returns
    -------
    Joints named after the bones that start there, as a skeleton with its rotations, like a BVH file's

    Raises
    ------
    KinefuseError
        If a file cannot be opened, or the rate or unit is not positive.
    FormatError
        If one is no ASF or AMC file, is cut, or the two do not belong together.
    """
    for what, value in (("rate_hz", rate_hz), ("unit_m", unit_m)):
        if not (np.isfinite(value) and value > 0):
            raise KinefuseError(f"{amc}: {what} must be a positive number, got {value}.")
    skeleton = parse_asf(read_lines(Path(asf)), asf, unit_m)
    frames = _parse_amc(read_lines(Path(amc)), amc, skeleton)
    return _assemble(skeleton, frames, 1.0 / rate_hz)


def _sections(lines: Sequence[str]) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Yield each ``:keyword`` line and the lines that belong to it, with their numbers; ``#`` starts a comment."""
    keyword, content = "", list[tuple[int, str]]()
    for number, line in enumerate(lines, start=1):
        text = line.split("#", 1)[0].strip()
        if text.startswith(":"):
            if keyword:
                yield keyword, content
            keyword, content = text, []
        elif text:
            content.append((number, text))
    if keyword:
        yield keyword, content


def _unexpected(path: Path | str, number: int, expected: str, got: str) -> FormatError:
    return FormatError(f"{path}, line {number}: expected {expected}, got {got[:60]!r}; get the file again.")


def _numbers(words: Sequence[str], count: int, path: Path | str, number: int) -> np.ndarray:
    try:
        values = np.array([float(word) if "_" not in word else np.nan for word in words])
    except ValueError:
        values = np.empty(0)
    if len(values) != count or not (np.abs(values) < _LARGEST).all():
        raise _unexpected(path, number, f"{count} finite numbers", " ".join(words))
    return values


def parse_asf(lines: Sequence[str], path: Path | str, unit_m: float) -> Skeleton:
    """Parse the lines of an ASF file (see `read_asf_amc`); `path` is for messages only."""
    sections: dict[str, list[tuple[int, str]]] = {}
    for keyword, content in _sections(lines):
        sections[keyword.split()[0].lower()] = content
    lacking = [key for key in (":root", ":bonedata", ":hierarchy") if key not in sections]
    if lacking:
        raise FormatError(f"{path}: expected an ASF file, but {', '.join(lacking)} is missing; check which file it is.")
    scale, radians = _units(sections.get(":units", []), path)
    root, position = _root(sections[":root"], path, radians)
    bones = [root, *_bone_data(sections[":bonedata"], path, radians)]
    parents, order = _hierarchy(sections[":hierarchy"], [bone.name for bone in bones], path)
    return Skeleton(
        bones=tuple(bones[i] for i in order),
        parents=tuple(parents),
        unit_m=unit_m / scale,
        radians=radians,
        root_position=position * unit_m / scale,
    )


def _units(content: list[tuple[int, str]], path: Path | str) -> tuple[float, bool]:
    """Return the length scale, and whether angles are radians."""
    scale, radians = 1.0, False
    for number, text in content:
        key, *words = text.split()
        if key.lower() == "length":
            scale = float(_numbers(words, 1, path, number)[0])
            if scale <= 0:
                raise _unexpected(path, number, "a positive length", text)
        elif key.lower() == "angle":
            if len(words) != 1 or words[0].lower() not in {"deg", "rad", "degrees", "radians"}:
                raise _unexpected(path, number, "'angle deg' or 'angle rad'", text)
            radians = words[0].lower().startswith("rad")
    return scale, radians


def euler(angles: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """Return rotations (T, 3, 3) that turn about the fixed `axes`, one after the other, by `angles` (T, A) radians."""
    rotation = np.tile(np.eye(3), (len(angles), 1, 1))
    for column, axis in enumerate(axes):
        rotation = axis_rotation(axis, angles[:, column]) @ rotation
    return rotation


def _axis_matrix(values: np.ndarray, order: str, path: Path | str, number: int, radians: bool) -> np.ndarray:
    if sorted(order.upper()) != ["X", "Y", "Z"]:
        raise _unexpected(path, number, "an order of axes such as XYZ", order)
    by_axis = values if radians else np.deg2rad(values)
    axes = ["XYZ".index(letter) for letter in order.upper()]
    return np.asarray(euler(by_axis[None], axes)[0])


def _root(content: list[tuple[int, str]], path: Path | str, radians: bool) -> tuple[_Bone, np.ndarray]:
    bone, position = _Bone("root"), np.zeros(3)
    order, orientation, where = "XYZ", np.zeros(3), 0
    for number, text in content:
        key, *words = text.split()
        if key.lower() == "order":
            bone.dof = _dof(words, path, number)
        elif key.lower() == "axis" and words:
            order, where = words[0], number
        elif key.lower() == "position":
            position = _numbers(words, 3, path, number)
        elif key.lower() == "orientation":
            orientation = _numbers(words, 3, path, number)
    if not bone.dof:
        raise FormatError(f"{path}: its root has no 'order' of channels; get the file again.")
    bone.axis = _axis_matrix(orientation, order, path, where, radians)
    return bone, position


def _dof(words: Sequence[str], path: Path | str, number: int) -> tuple[str, ...]:
    dof = tuple(word.lower() for word in words)
    known = _TURNS.keys() | _SHIFTS.keys() | {"l"}
    if not set(dof) <= known or len(set(dof)) != len(dof):
        raise _unexpected(path, number, "different degrees of freedom such as rx ry rz", " ".join(words))
    return dof


def _bone_data(content: list[tuple[int, str]], path: Path | str, radians: bool) -> list[_Bone]:
    bones: list[_Bone] = []
    current: _Bone | None = None
    for number, text in content:
        key, *words = text.split()
        if key.lower() == "begin":
            current = _Bone("")
        elif key.lower() == "end":
            if current is None or not current.name or len(bones) >= _MOST_BONES:
                raise _unexpected(path, number, "'end' after a bone with a name", text)
            bones.append(current)
            current = None
        elif current is not None:
            _set_bone(current, key.lower(), words, _Line(path, number, radians))
    if current is not None or not bones:
        raise FormatError(f"{path}: its bones end in the middle, or there is none; the file is cut, so get it again.")
    return bones


@dataclass(frozen=True)
class _Line:
    path: Path | str
    number: int
    radians: bool


def _set_bone(bone: _Bone, key: str, words: Sequence[str], line: _Line) -> None:
    if key == "name":
        bone.name = " ".join(words)
    elif key == "direction":
        bone.direction = _numbers(words, 3, line.path, line.number)
    elif key == "length":
        bone.length = float(_numbers(words, 1, line.path, line.number)[0])
    elif key == "axis":
        if len(words) != 4:
            raise _unexpected(line.path, line.number, "three angles and their order", " ".join(words))
        bone.axis = _axis_matrix(
            _numbers(words[:3], 3, line.path, line.number), words[3], line.path, line.number, line.radians
        )
    elif key == "dof":
        bone.dof = _dof(words, line.path, line.number)


def _hierarchy(content: list[tuple[int, str]], names: list[str], path: Path | str) -> tuple[list[int], list[int]]:
    """Return each bone's parent, and the bones' indices, both in an order with parents first."""
    order, parents, place = [0], [-1], {"root": 0}
    if len(set(names)) != len(names):
        raise FormatError(f"{path}: two bones have the same name; get the file again.")
    for number, text in content:
        parent, *children = text.split()
        if parent.lower() in {"begin", "end"}:
            continue
        for child in children:
            if parent not in place or child not in names or child in place:
                raise _unexpected(path, number, "a known parent, then bones that have no parent yet", text)
            place[child] = len(order)
            order.append(names.index(child))
            parents.append(place[parent])
    if len(order) != len(names):
        missing = sorted(set(names) - place.keys())
        raise FormatError(f"{path}: its hierarchy lacks the bones {', '.join(missing[:5])}; get the file again.")
    return parents, order


def _parse_amc(lines: Sequence[str], path: Path | str, skeleton: Skeleton) -> np.ndarray:
    """Return the channels (T, C), bones in the skeleton's order, lengths in the file's unit and angles in radians."""
    counts = [len(bone.dof) for bone in skeleton.bones]
    first = dict(zip((bone.name for bone in skeleton.bones), np.cumsum([0, *counts[:-1]]), strict=True))
    width = {bone.name: len(bone.dof) for bone in skeleton.bones}
    radians = skeleton.radians
    frames: list[np.ndarray] = []
    for number, line in enumerate(lines, start=1):
        text = line.split("#", 1)[0].strip()
        if not text:
            continue
        if text.startswith(":"):
            radians = radians if text.upper() not in {":DEGREES", ":RADIANS"} else text.upper() == ":RADIANS"
            continue
        name, *words = text.split()
        if not words and name.isdecimal():
            frames.append(np.full(sum(counts), np.nan))
        elif name in first and frames:
            frames[-1][first[name] : first[name] + width[name]] = _numbers(words, width[name], path, number)
        else:
            raise _unexpected(path, number, "a frame number, or a bone of the skeleton and its values", text)
    if not frames:
        raise FormatError(f"{path}: expected an AMC file, but it has no frame; check which file it is.")
    return _checked(np.stack(frames), skeleton, path, radians)


def _checked(values: np.ndarray, skeleton: Skeleton, path: Path | str, radians: bool) -> np.ndarray:
    missing = np.argwhere(np.isnan(values))
    if len(missing):
        names = [bone.name for bone in skeleton.bones for _ in bone.dof]
        frame, column = missing[0]
        raise FormatError(
            f"{path}: frame {frame + 1} of {len(values)} has no values for bone {names[column]!r}; the file is cut, or "
            "belongs to another skeleton."
        )
    is_turn = np.array([dof in _TURNS for bone in skeleton.bones for dof in bone.dof])
    return np.where(is_turn & (not radians), np.deg2rad(values), values)


def _assemble(skeleton: Skeleton, values: np.ndarray, frame_time: float) -> Bvh:
    frames, bones = len(values), len(skeleton.bones)
    rotations = np.tile(np.eye(3), (frames, bones, 1, 1))
    tips = np.array([_tip(bone) * skeleton.unit_m for bone in skeleton.bones])
    offsets = np.array([tips[parent] if parent >= 0 else np.zeros(3) for parent in skeleton.parents])
    translations = np.tile(offsets, (frames, 1, 1))
    translations[:, 0] = skeleton.root_position
    column = 0
    for b, bone in enumerate(skeleton.bones):
        channels = values[:, column : column + len(bone.dof)]
        column += len(bone.dof)
        turns = [i for i, dof in enumerate(bone.dof) if dof in _TURNS]
        moved = euler(channels[:, turns], [_TURNS[bone.dof[i]] for i in turns])
        rotations[:, b] = bone.axis @ moved @ bone.axis.T
        for i, dof in enumerate(bone.dof):
            if dof in _SHIFTS:
                translations[:, b, _SHIFTS[dof]] += channels[:, i] * skeleton.unit_m
    leaves = set(range(bones)) - set(skeleton.parents)
    return Bvh(
        names=tuple(bone.name for bone in skeleton.bones),
        parents=skeleton.parents,
        offsets=offsets,
        channels=tuple(bone.dof for bone in skeleton.bones),
        end_sites={b: tips[b] for b in sorted(leaves)},
        frame_time=frame_time,
        rotations=rotations,
        translations=translations,
    )


def _tip(bone: _Bone) -> np.ndarray:
    size = float(np.linalg.norm(bone.direction))
    return bone.direction / size * bone.length if size > 0 else np.zeros(3)
