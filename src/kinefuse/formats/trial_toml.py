"""``trial.toml``: what the user says about a trial, checked key by key against one table of what is allowed.

All mistakes are collected, so that they can be mended in one go.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from kinefuse.conventions import SEGMENTS
from kinefuse.errors import FormatError, hint
from kinefuse.formats.calibration import toml_list, toml_text
from kinefuse.formats.keypoint_layouts import LAYOUTS
from kinefuse.formats.text_files import numbers
from kinefuse.recordings import HINGE_JOINTS, HeldPose, HingeMovement, Imu, Recording, Subject, View
from kinefuse.rotations import is_unit_quaternion, quaternion_from_matrix

FORMAT: Final = 1


@dataclass(frozen=True, kw_only=True)
class CameraEntry:
    """One ``[[camera]]`` table."""

    name: str
    video: str | None = None
    rate_hz: float | None = None
    start_s: float | None = None
    keypoint_layout: str | None = None
    image_scale: float | None = None
    image_offset_px: Sequence[float] | None = None


@dataclass(frozen=True, kw_only=True)
class ImuEntry:
    """One ``[[imu]]`` table; the segment is the sensor's name where it is left out, the file ``imu/<name>.csv``."""

    name: str
    segment: str
    file: str
    start_s: float | None = None
    q_segment_sensor: Sequence[float] | None = None
    q_world_ref: Sequence[float] | None = None


@dataclass(frozen=True, kw_only=True)
class TrialToml:
    """A whole ``trial.toml``; `cameras` and `imus` are None where it has no such table."""

    subject: Subject = field(default_factory=Subject)
    cameras: tuple[CameraEntry, ...] | None = None
    imus: tuple[ImuEntry, ...] | None = None
    poses: tuple[HeldPose, ...] = ()
    movements: tuple[HingeMovement, ...] = ()
    joint_centers: str | None = None


def is_file_name(value: object) -> bool:
    """Return whether `value` is text that can name a file in a folder: no path, no hidden file, no odd characters."""
    return (
        isinstance(value, str)
        and value.isprintable()
        and 0 < len(value.encode()) < 200
        and not value.startswith(".")
        and not set(value) & set('/\\:*?"<>|')
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and bool(value)


def _is_number(value: object) -> bool:
    return numbers(value, ()) is not None


def _is_positive(value: object) -> bool:
    number = numbers(value, ())
    return number is not None and bool(number > 0)


def _is_quaternion(value: object) -> bool:
    array = numbers(value, (4,))
    return array is not None and bool(is_unit_quaternion(array))


Check = tuple[Callable[[object], bool], str]


def _one_of(words: Sequence[str]) -> Check:
    return (lambda value: isinstance(value, str) and value in words), f"one of {', '.join(words)}"


_TEXT: Final[Check] = (_is_text, "text")
_NAME: Final[Check] = (is_file_name, "a name that can name a file (no slashes or quotes, no dot in front)")
_NUMBER: Final[Check] = (_is_number, "a finite number")
_POSITIVE: Final[Check] = (_is_positive, "a positive number")
_PAIR: Final[Check] = (lambda value: numbers(value, (2,)) is not None, "a list of two numbers")
_QUATERNION: Final[Check] = (_is_quaternion, "a unit quaternion [w, x, y, z]")

_KEYS: Final[dict[str, dict[str, Check]]] = {
    "subject": {
        "id": _TEXT,
        "height_m": (lambda v: _is_positive(v) and 0.3 < float(str(v)) < 3.0, "a height in metres, 0.3 to 3"),
        "mass_kg": (lambda v: _is_positive(v) and 1.0 < float(str(v)) < 500.0, "a mass in kilograms, 1 to 500"),
        "sex": _one_of(("female", "male")),
        "age_years": _POSITIVE,
    },
    "camera": {
        "name": _NAME,
        "video": _TEXT,
        "rate_hz": _POSITIVE,
        "start_s": _NUMBER,
        "keypoint_layout": _one_of(tuple(LAYOUTS)),
        "image_scale": _POSITIVE,
        "image_offset_px": _PAIR,
    },
    "imu": {
        "name": _NAME,
        "segment": _one_of(SEGMENTS),
        "file": _TEXT,
        "start_s": _NUMBER,
        "q_segment_sensor": _QUATERNION,
        "q_world_ref": _QUATERNION,
    },
    "pose": {"kind": _one_of(("n", "t")), "start_s": _NUMBER, "end_s": _NUMBER},
    "movement": {"joint": _one_of(HINGE_JOINTS), "start_s": _NUMBER, "end_s": _NUMBER},
    "joint_centers": {"file": _TEXT},
}
_REQUIRED: Final = {
    "camera": ("name",),
    "imu": ("name",),
    "pose": ("kind", "start_s", "end_s"),
    "movement": ("joint", "start_s", "end_s"),
    "joint_centers": ("file",),
}
_LISTS: Final = ("camera", "imu", "pose", "movement")


def parse_trial_toml(content: dict[str, Any]) -> tuple[TrialToml, list[str]]:
    """Return what a ``trial.toml`` says, and one sentence for each mistake in it.

    Parameters
    ----------
    content
        What the TOML reader gave.

    Returns
    -------
    The parts that are right, and the problems; entries with a mistake in a required key are left out.
    """
    problems = [
        f"unknown key {key!r}{hint(key, known)}"
        for known in [("format", *_KEYS)]
        for key in content
        if key not in known
    ]
    version = content.get("format", FORMAT)
    if version != FORMAT or isinstance(version, bool):
        problems.append(f"format must be {FORMAT}, got {version!r}")
    tables = {name: _tables(name, content[name], problems) for name in _KEYS if name in content}
    return _typed(tables, problems), problems


def _tables(name: str, value: object, problems: list[str]) -> list[dict[str, Any]]:
    """Return the checked tables called `name`, each with its right keys only."""
    header = f"[[{name}]]" if name in _LISTS else f"[{name}]"
    items = value if name in _LISTS else [value]
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        problems.append(f"{name} must be written as {header}")
        return []
    checked = []
    for number, item in enumerate(items, start=1):
        label = item.get("name") if isinstance(item.get("name"), str) else number
        where = f"{header} {label}" if name in _LISTS else header
        checked.append(_checked(name, where, item, problems))
    return [item for item in checked if all(key in item for key in _REQUIRED.get(name, ()))]


def _checked(name: str, where: str, item: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    keys = _KEYS[name]
    problems += [f"{where} lacks {key}" for key in _REQUIRED.get(name, ()) if key not in item]
    problems += [f"{where} has an unknown key {key!r}{hint(key, keys)}" for key in item if key not in keys]
    good = {}
    for key, value in item.items():
        if key in keys and keys[key][0](value):
            good[key] = float(value) if isinstance(value, int) else value
        elif key in keys:
            problems.append(f"{where}: {key} must be {keys[key][1]}, got {value!r:.80}")
    return good


def _typed(tables: dict[str, list[dict[str, Any]]], problems: list[str]) -> TrialToml:
    cameras = tuple(CameraEntry(**table) for table in tables.get("camera", ()))
    imus = tuple(_imu_entry(table, problems) for table in tables.get("imu", ()))
    movements = tuple(HingeMovement(**table) for table in _spans("movement", tables, problems))
    named = {
        "camera": [c.name for c in cameras],
        "imu": [i.name for i in imus],
        "movement": [m.joint for m in movements],
    }
    for what, names in named.items():
        problems += [f"[[{what}]] {name} appears twice" for name in sorted({n for n in names if names.count(n) > 1})]
    subject, joint_centers = tables.get("subject"), tables.get("joint_centers")
    return TrialToml(
        subject=Subject(**subject[0]) if subject else Subject(),
        cameras=cameras if "camera" in tables else None,
        imus=imus if "imu" in tables else None,
        poses=tuple(HeldPose(**table) for table in _spans("pose", tables, problems)),
        movements=movements,
        joint_centers=joint_centers[0]["file"] if joint_centers else None,
    )


def _imu_entry(table: dict[str, Any], problems: list[str]) -> ImuEntry:
    name = table["name"]
    segment = table.get("segment", name)
    if segment not in SEGMENTS:
        problems.append(f"[[imu]] {name} lacks segment, one of {', '.join(SEGMENTS)}")
    return ImuEntry(**{"file": f"imu/{name}.csv", **table, "segment": segment})


def _spans(name: str, tables: dict[str, list[dict[str, Any]]], problems: list[str]) -> list[dict[str, Any]]:
    """Return the tables called `name` that end after they start; the others are problems."""
    there = list(enumerate(tables.get(name, []), start=1))
    late = [number for number, table in there if table["end_s"] <= table["start_s"]]
    problems += [f"[[{name}]] {number}: end_s must be later than start_s" for number in late]
    return [table for number, table in there if number not in late]


def raise_problems(path: Path, problems: Sequence[str]) -> None:
    """Raise one `FormatError` that lists all problems of a file; do nothing if there is none."""
    if len(problems) == 1:
        raise FormatError(f"{path}: {problems[0]}.")
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise FormatError(f"{path}: {len(problems)} things must be mended:{listed}")


def trial_toml_text(recording: Recording, videos: dict[str, str], joint_centers: str | None) -> str:
    """Return the text of a ``trial.toml`` for a recording.

    Parameters
    ----------
    recording
    videos
        Camera name to the path of its video in the trial's folder.
    joint_centers
        Name of the file with measured joint centres, or None.

    Raises
    ------
    FormatError
        If a number is not finite.
    """
    tables = [("[subject]", vars(recording.subject))]
    tables += [("[[camera]]", _view_fields(view, videos.get(view.camera))) for view in recording.views]
    tables += [("[[imu]]", _imu_fields(imu)) for imu in recording.imus]
    tables += [("[[pose]]", vars(pose)) for pose in recording.poses]
    tables += [("[[movement]]", vars(movement)) for movement in recording.movements]
    tables += [("[joint_centers]", {"file": joint_centers})]
    texts = [f"format = {FORMAT}\n"]
    for header, fields in tables:
        lines = [f"{key} = {_toml(header, key, value)}\n" for key, value in fields.items() if value is not None]
        texts += [f"{header}\n{''.join(lines)}"] if lines else []
    return "\n".join(texts)


def _view_fields(view: View, video: str | None) -> dict[str, Any]:
    return {
        "name": view.camera,
        "video": video,
        "rate_hz": view.rate_hz,
        "start_s": view.start_s,
        "image_scale": view.image_scale,
        "image_offset_px": view.image_offset_px,
    }


def _imu_fields(imu: Imu) -> dict[str, Any]:
    rotations = {"q_segment_sensor": imu.R_segment_sensor, "q_world_ref": imu.R_world_ref}
    return {
        "name": imu.name,
        "segment": imu.segment,
        "start_s": imu.time[0] if imu.start_is_known and len(imu.time) else None,
        **{key: None if matrix is None else quaternion_from_matrix(matrix) for key, matrix in rotations.items()},
    }


def _toml(header: str, key: str, value: Any) -> str:
    if isinstance(value, str):
        return toml_text(value)
    array = np.asarray(value, dtype=float)
    if not np.isfinite(array).all():
        raise FormatError(f"trial.toml, {header} {key}: expected finite numbers, got {value}.")
    return toml_list(array)
