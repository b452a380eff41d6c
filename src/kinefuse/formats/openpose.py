"""OpenPose's keypoint files: one folder per camera, one JSON file per frame, ``people[].pose_keypoints_2d``.

The points of a person are x, y, confidence triples in the order of a layout (`keypoint_layouts`); a confidence of zero
means that the point was not seen. Pose2Sim and RTMLib write the same form.

Frames
------
The last number in a file's name, before any ``_keypoints``, is its frame number: ``cam01.0006.json``,
``walk_000000000006_keypoints.json``. Frame 0 of the result is the smallest number (of all cameras of a trial, see
`first_number`), so that files numbered from 0, from 1 or from a camera's counter all work; a number that is left out
gives a missing frame, all NaN.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from kinefuse.conventions import KEYPOINTS
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.keypoint_layouts import from_keypoints, layout_named, layouts_with, to_keypoints
from kinefuse.formats.text_files import numbers, read_text
from kinefuse.recordings import Keypoints

MAX_FRAMES = 1_000_000
"""Longest keypoint track that is read; a greater frame number is a mistake in a file."""

MAX_TRACKS = 2_000_000
"""Most frames times people that are read: more than an hour of three people at 120 Hz, 1.2 GB."""

_NUMBER = re.compile(r"(\d+)(?:_keypoints)?\.json$", re.IGNORECASE)


def read_openpose_folder(folder: Path | str, layout: str | None = None, first_number: int | None = None) -> Keypoints:
    """Read one camera's folder of OpenPose JSON files.

    Parameters
    ----------
    folder
        One ``.json`` file a frame.
    layout
        Name of `keypoint_layouts.LAYOUTS`; None tells it from the number of points, where that is clear.
    first_number
        Number in a file's name that is frame 0; None is the smallest in this folder.

    Returns
    -------
    All of `conventions.KEYPOINTS`, pixels (T, P, 26, 2) and confidence (T, P, 26) with T the frames from the first
    to the last number and P the most people in a file (at least 1), in the order of the files. An entry without
    points keeps its place as a person who is not seen.

    Raises
    ------
    KinefuseError
        If there is no file, or the layout is unknown or unclear.
    FormatError
        If a file is not such JSON, or its number of points is not the layout's.
    """
    folder = Path(folder)
    files = _numbered_files(folder)
    first = min(files) if first_number is None else first_number
    frames = max(files) - first + 1
    if min(files) < first or frames > MAX_FRAMES:
        raise FormatError(f"{folder}: frame numbers run from {min(files)} to {max(files)}; expected {first} and on.")
    people = {number - first: _people(path) for number, path in files.items()}
    points = _point_count(folder, people)
    layout = layout or _layout_of(folder, points)
    if layout is None or points is None:
        return _empty(frames)
    names = layout_named(layout)
    if points != len(names):
        others = ", ".join(layouts_with(points)) or "no known one"
        raise FormatError(
            f"{folder}: has {points} points, but {layout} has {len(names)}; layouts of that size: {others}."
        )
    triples = to_keypoints(_stack(folder, people, frames, points), names)
    return keypoints_from_triples(triples)


def smallest_number(folder: Path | str) -> int:
    """Return the smallest frame number in the names of a folder's ``.json`` files."""
    return min(_numbered_files(Path(folder)))


def read_people(folder: Path | str) -> list[np.ndarray]:
    """Return every person of every file as an array (N, 3) of x, y, confidence, in the detector's own order."""
    files = _numbered_files(Path(folder))
    return [person for number in sorted(files) for person in _people(files[number]) if person is not None]


def _numbered_files(folder: Path) -> dict[int, Path]:
    """Return frame number to file."""
    try:
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() == ".json" and not p.name.startswith("."))
    except OSError as error:
        raise KinefuseError(f"{folder}: cannot be read ({error.strerror}); expected a folder of JSON files.") from error
    files: dict[int, Path] = {}
    for path in paths:
        match = _NUMBER.search(path.name)
        if match is None or len(match[1]) > 18:
            raise FormatError(f"{path}: expected a frame number at the end of the name, such as cam01.0006.json.")
        if int(match[1]) in files:
            raise FormatError(f"{path}: frame {match[1]} appears twice; keep one camera's files in each folder.")
        files[int(match[1])] = path
    if not files:
        raise KinefuseError(f"{folder}: holds no .json file; expected one a frame.")
    return files


def _people(path: Path) -> list[np.ndarray | None]:
    """Return the people of one file as (N, 3) arrays; None for an entry without points."""
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: is not valid JSON: {error}; write the file anew.") from error
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list):
        raise FormatError(f'{path}: expected OpenPose\'s form, {{"people": [{{"pose_keypoints_2d": […]}}]}}.')
    return [_person(path, person) for person in people]


def _person(path: Path, person: Any) -> np.ndarray | None:
    values = person.get("pose_keypoints_2d", []) if isinstance(person, dict) else None
    if values == []:
        return None
    flat = numbers(values)
    if flat is None or flat.ndim != 1 or flat.size % 3:
        raise FormatError(f"{path}: pose_keypoints_2d must hold x, y, confidence for each point, as finite numbers.")
    return flat.reshape(-1, 3)


def _point_count(folder: Path, people: dict[int, list[np.ndarray | None]]) -> int | None:
    counts = {len(person) for frame in people.values() for person in frame if person is not None}
    if len(counts) > 1:
        raise FormatError(f"{folder}: people have {sorted(counts)} points; expected the same number in all files.")
    return counts.pop() if counts else None


def _layout_of(folder: Path, points: int | None) -> str | None:
    if points is None:
        return None
    names = layouts_with(points)
    if len(names) != 1:
        fits = f"{' and '.join(names)} have" if names else "no known layout has"
        raise KinefuseError(f"{folder}: {fits} {points} points; state keypoint_layout for this camera in trial.toml.")
    return names[0]


def check_size(path: Path, frames: int, people: int) -> None:
    """Raise a `FormatError` if a keypoint track would not fit in memory."""
    if frames * people > MAX_TRACKS:
        raise FormatError(f"{path}: {people} people in {frames} frames are too many to read; split the recording.")


def _stack(folder: Path, people: dict[int, list[np.ndarray | None]], frames: int, points: int) -> np.ndarray:
    """Return the triples of all people, (T, P, N, 3), NaN where there is no person."""
    most = max(1, *(len(frame) for frame in people.values())) if people else 1
    check_size(folder, frames, most)
    out = np.full((frames, most, points, 3), np.nan)
    for row, frame in people.items():
        for index, person in enumerate(frame):
            if person is not None:
                out[row, index] = person
    return out


def keypoints_from_triples(triples: np.ndarray) -> Keypoints:
    """Return `Keypoints` from x, y, confidence (T, P, 26, 3); what has no positive confidence was not seen."""
    confidence = np.where(triples[..., 2] > 0, triples[..., 2], 0.0)
    pixels = np.where(confidence[..., None] > 0, triples[..., :2], np.nan)
    return Keypoints(names=KEYPOINTS, pixels=pixels, confidence=np.clip(confidence, 0.0, 1.0))


def _empty(frames: int) -> Keypoints:
    return keypoints_from_triples(np.full((frames, 1, len(KEYPOINTS), 3), np.nan))


def write_openpose_folder(folder: Path | str, keypoints: Keypoints, layout: str = "halpe26") -> None:
    """Write one JSON file a frame, named ``<folder>.000000.json`` and so on.

    Parameters
    ----------
    folder
        Made if it does not exist; existing files of the same names are replaced.
    keypoints
    layout
        Name of `keypoint_layouts.LAYOUTS`. Its points that `keypoints` lacks are written as not seen.

    Raises
    ------
    KinefuseError
        If the layout is unknown.
    """
    names = layout_named(layout)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    seen = np.isfinite(keypoints.pixels).all(-1) & (keypoints.confidence > 0)
    triples = np.concatenate([keypoints.pixels, keypoints.confidence[..., None]], axis=-1)
    triples = from_keypoints(np.where(seen[..., None], triples, 0.0), keypoints.names, names, 0.0).round(4)
    for number, frame in enumerate(triples):
        people = [{"person_id": [-1], "pose_keypoints_2d": person.reshape(-1).tolist()} for person in frame]
        text = json.dumps({"version": 1.3, "people": people})
        (folder / f"{folder.name}.{number:06d}.json").write_text(text, encoding="utf-8")
