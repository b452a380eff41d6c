"""Which file belongs to which calibrated camera, when the two are not called the same (``cam01.mp4``, ``cam_01``)."""

import re
from collections.abc import Sequence

from kinefuse.errors import KinefuseError


def match_cameras(files: Sequence[str], cameras: Sequence[str]) -> tuple[dict[str, str], str]:
    """Match the names of files to those of cameras.

    Tried in this order, each for all files at once: equal names; names of files that hold exactly one camera's name;
    the last number in the names; and, for as many files as cameras, their order, as Pose2Sim does. Numbers are not
    trusted if there are as many files as cameras, but with other numbers (0, 1, 2 and 1, 2, 3).

    Parameters
    ----------
    files
        Names without suffix.
    cameras
        Names of the calibrated cameras.

    Returns
    -------
    File to camera, and how they were matched: ``"name"``, ``"number"`` or ``"order"``.

    Raises
    ------
    KinefuseError
        If nothing matches.
    """
    by_name = _unique({file: [c for c in cameras if c == file] or [c for c in cameras if c in file] for file in files})
    if by_name:
        return by_name, "name"
    numbers = {camera: _last_number(camera) for camera in cameras}
    by_number = _unique(
        {f: [c for c in cameras if _last_number(f) is not None and numbers[c] == _last_number(f)] for f in files}
    )
    if by_number:
        return by_number, "number"
    if len(files) == len(cameras):
        return dict(zip(sorted(files, key=natural_key), cameras, strict=True)), "order"
    raise KinefuseError(
        f"Cannot tell which camera the files {', '.join(files)} belong to; calibrated are {', '.join(cameras)}; "
        "give the files the names of the cameras."
    )


def _unique(candidates: dict[str, list[str]]) -> dict[str, str] | None:
    """Return the match if every file has one candidate and no camera is matched twice, else None."""
    chosen = {file: found[0] for file, found in candidates.items() if len(found) == 1}
    complete = len(chosen) == len(candidates) == len(set(chosen.values()))
    return chosen if complete else None


def _last_number(name: str) -> int | None:
    found = re.findall(r"\d+", name)
    return int(found[-1][:18]) if found else None


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return a sorting key that puts ``cam2`` before ``cam10``."""
    return [(int(part[:18]) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", name)]
