"""People in a folder of motion capture: who there is, and their clips as points.

Understood are zip archives of BVH files, ``cmu_016.zip``, ``hdm05_bd.zip`` and ``cmu_060_daz.zip`` (centimetres), and
archives of UI-PRMD markers, ``uiprmd_s01.npz`` with the incorrect repetitions in ``uiprmd_s01_inc.npz``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from kinefuse.errors import KinefuseError
from kinefuse.formats.bvh import CENTIMETRE, CMU_UNIT, list_bvh, read_bvh
from kinefuse.formats.uiprmd import list_uiprmd, read_uiprmd
from kinefuse.recordings import JointCenters
from kinefuse.synthesis.skeletons import source_points

HIGHEST_RATE_HZ: Final = 60.0
_NAME: Final = re.compile(r"((?:cmu|hdm05)_\w+?)(_daz)?\.zip|(uiprmd_s\d+)(_inc)?\.npz")


@dataclass(frozen=True)
class Person:
    """One person's archives; `source` is ``"skeleton"`` or ``"markers"``."""

    subject: str
    source: str
    archives: tuple[Path, ...]


def find_people(folder: Path) -> list[Person]:
    """Return the people whose archives lie in a folder.

    Raises
    ------
    KinefuseError
        If there are none.
    """
    archives: dict[str, list[Path]] = {}
    for path in sorted(Path(folder).glob("*")):
        match = _NAME.fullmatch(path.name)
        if match:
            archives.setdefault(match[1] or match[3], []).append(path)
    if not archives:
        raise KinefuseError(f"{folder}: expected archives like cmu_016.zip or uiprmd_s01.npz, found none.")
    return [
        Person(subject, "markers" if subject.startswith("uiprmd") else "skeleton", tuple(paths))
        for subject, paths in archives.items()
    ]


def clips_of(person: Person) -> Iterator[tuple[str, JointCenters]]:
    """Yield each clip's name and points, at most at `HIGHEST_RATE_HZ` by leaving out frames."""
    for archive in person.archives:
        if person.source == "markers":
            for name in list_uiprmd(archive):
                yield name, at_most(read_uiprmd(archive, name), HIGHEST_RATE_HZ)
        else:
            unit = CENTIMETRE if archive.stem.endswith("_daz") else CMU_UNIT
            for name in list_bvh(archive):
                yield name, at_most(source_points(read_bvh(archive, unit, name)), HIGHEST_RATE_HZ)


def at_most(centers: JointCenters, rate_hz: float) -> JointCenters:
    """Return every second, third... frame, so that there are at most `rate_hz` in a second."""
    if len(centers.time) < 2:
        return centers
    own = (len(centers.time) - 1) / float(centers.time[-1] - centers.time[0])
    step = max(1, int(-(-own // (rate_hz * 1.01))))
    return replace(centers, time=centers.time[::step], positions=centers.positions[::step])
