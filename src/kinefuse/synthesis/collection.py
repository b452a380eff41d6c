"""People in files of motion capture: who there is, and where their clips lie.

Found are BVH, AMC with the ASF file beside it, C3D, TRC, UI-PRMD and AMASS arrays (``.npz``) and our own ``motion.nc``,
as single files, in folders, and in zip archives. A folder, or an archive, is one person, unless a name says who it is
as the CMU and HDM05 databases do (``16_03.bvh``, ``HDM_bd_cartwheel.amc``). In a folder with ``motion.nc`` the other
files are exports of it.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.archives import list_members, unpacked
from kinefuse.formats.uiprmd import list_uiprmd
from kinefuse.recordings import Finding

KINDS: Final = {
    ".bvh": "bvh",
    ".amc": "amc",
    ".c3d": "points",
    ".trc": "points",
    ".npz": "arrays",
    ".nc": "motion",
}
EXPECTED: Final = "BVH, ASF with AMC, C3D, TRC, AMASS or UI-PRMD .npz, motion.nc, or a zip or folder of them"
RESULT_FOLDERS: Final = ("result", "reference")
"""Folders of a trial that hold ``motion.nc``; they are not called after a person or clip."""

_CMU: Final = re.compile(r"(\d{1,3})_\d{1,2}(_p\d+)?\.(bvh|amc)", re.IGNORECASE)
_HDM05: Final = re.compile(r"HDM_([a-z]{2})_.+", re.IGNORECASE)
_PARTS: Final = re.compile(r"((?:cmu|uiprmd)_\w+?)(?:_daz|_inc)")
"""Archives of the same person: a second skeleton, a second set of repetitions."""

_DATABASE: Final = re.compile(r"(cmu|hdm05|uiprmd)_\w+")


@dataclass(frozen=True)
class ClipFile:
    """Where one clip lies.

    Attributes
    ----------
    subject, clip : names of the person and the clip
    kind : ``"bvh"``, ``"amc"``, ``"points"``, ``"amass"``, ``"uiprmd"`` or ``"motion"``
    path : the file, or the zip archive that it is in
    member : name within the archive; empty if there is none
    skeleton : of an AMC clip, the ASF file or member
    array : of a UI-PRMD clip, the name of its array
    """

    subject: str
    clip: str
    kind: str
    path: Path
    member: str = ""
    skeleton: str = ""
    array: str = ""

    @property
    def place(self) -> str:
        """For messages: the file, and the member within it."""
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @property
    def source(self) -> str:
        """``"markers"`` on skin, or ``"skeleton"``, for limits of `screening`."""
        return "markers" if self.kind in {"points", "uiprmd"} else "skeleton"

    @property
    def session(self) -> str:
        """Clips between which markers were not taken off: in UI-PRMD, those of one exercise (``m07``)."""
        return self.array.split("_")[0]

    @contextmanager
    def opened(self) -> Iterator[list[Path]]:
        """Give the clip's file, and that of its skeleton if it has one, as long as the block lasts."""
        names = [name for name in (self.member or str(self.path), self.skeleton) if name]
        if not self.member:
            yield [Path(name) for name in names]
            return
        with unpacked(self.path, names) as paths:
            yield paths


@dataclass(frozen=True)
class Person:
    """One person and all clips."""

    subject: str
    clips: tuple[ClipFile, ...]


def find_people(paths: Path | Sequence[Path]) -> tuple[list[Person], list[Finding]]:
    """Return the people in files, folders and archives, and what had to be left out there.

    Raises
    ------
    KinefuseError
        If a path does not exist, or there is no motion.
    """
    paths = [Path(paths)] if isinstance(paths, Path | str) else [Path(path) for path in paths]
    findings: list[Finding] = []
    found = [(_origin(clip, path), clip) for path in paths for clip in _clips_below(path, findings)]
    people: dict[str, list[ClipFile]] = {}
    for clip in _told_apart(found, findings):
        people.setdefault(clip.subject, []).append(clip)
    if not people and findings:
        raise KinefuseError(findings[0].text)
    if not people:
        named = ", ".join(map(str, paths))
        raise KinefuseError(f"{named}: expected motion capture ({EXPECTED}), found none; check the path.")
    return [Person(subject, tuple(clips)) for subject, clips in people.items()], findings


def _origin(clip: ClipFile, asked: Path) -> Path:
    """Return the place within which a folder's name says who somebody is: what was asked for, or an archive."""
    if clip.member:
        return clip.path.resolve().with_suffix("")
    return (asked if asked.is_dir() else asked.parent).resolve()


def _told_apart(found: Sequence[tuple[Path, ClipFile]], findings: list[Finding]) -> list[ClipFile]:
    """Return clips whose people have longer names where one name came from several places: these are several people.

    Names of databases are the same person's everywhere.
    """
    places: dict[str, dict[Path, None]] = {}
    for origin, clip in found:
        if not _DATABASE.fullmatch(clip.subject):
            places.setdefault(clip.subject, {})[origin] = None
    longer: dict[tuple[Path, str], str] = {}
    for subject, origins in places.items():
        if len(origins) > 1:
            names = _longer_names(subject, list(origins))
            longer |= {(origin, subject): name for origin, name in zip(origins, names, strict=True)}
            text = f"Several places hold a {subject}; they are taken for different people: {', '.join(names)}."
            findings.append(Finding("warning", subject, f"{text} Put one person's files into one folder."))
    return [replace(clip, subject=longer.get((origin, clip.subject), clip.subject)) for origin, clip in found]


def _longer_names(subject: str, origins: Sequence[Path]) -> list[str]:
    """Return a name for each place: of as many of its folders as make them differ."""
    ends = [origin.parts[1:] if origin.name != subject else origin.parts[1:-1] for origin in origins]
    deepest = max(map(len, ends))
    shorter = (["/".join((*end[-depth:], subject)) for end in ends] for depth in range(1, deepest + 1))
    return next((names for names in shorter if len(set(names)) == len(names)), [str(o / subject) for o in origins])


def _clips_below(path: Path, findings: list[Finding]) -> Iterator[ClipFile]:
    if not path.exists():
        raise KinefuseError(f"{path}: there is no such file or folder; check the name.")
    base = path if path.is_dir() else path.parent
    for file in _files(path):
        try:
            entries = _entries(file, base)
            yield from (clip for entry in entries for clip in _clips(entry, entries, findings))
        except KinefuseError as error:
            findings.append(Finding("error", file.name, str(error)))


def _files(path: Path) -> list[Path]:
    """Files that may hold motion, without hidden folders and without exports beside a ``motion.nc``."""
    if not path.is_dir():
        return [path]
    inside = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in {*KINDS, ".zip"} and file.is_file()]
    shown = [file for file in inside if not any(part.startswith(".") for part in file.relative_to(path).parts)]
    results = {file.parent for file in shown if file.name == "motion.nc"}
    return [file for file in shown if file.name == "motion.nc" or file.parent not in results]


def _entries(file: Path, base: Path) -> list[ClipFile]:
    """Return the clips that a file may hold, before anything of it is read."""
    if file.suffix.lower() != ".zip":
        entry = ClipFile(_named(file.parent, base), file.name, KINDS.get(file.suffix.lower(), ""), file)
        return [_of_result(entry, base) if entry.kind == "motion" else entry]
    members = list_members(file, (*KINDS, ".asf"))
    return [_entry_of(file, member) for member in members]


def _entry_of(archive: Path, member: str) -> ClipFile:
    inner = PurePosixPath(member.replace("\\", "/"))
    subject = _without_part(archive.stem) if len(inner.parts) == 1 else str(inner.parent)
    return ClipFile(subject, inner.name, KINDS.get(inner.suffix.lower(), ""), archive, member)


def _named(folder: Path, base: Path) -> str:
    inner = folder.relative_to(base).as_posix()
    return base.resolve().name if inner == "." else inner


def _without_part(stem: str) -> str:
    match = _PARTS.fullmatch(stem)
    return match[1] if match else stem


def _of_result(entry: ClipFile, base: Path) -> ClipFile:
    """Name the clip of a ``motion.nc`` after the folder of its trial, and the person after the folder above."""
    folder = entry.path.resolve().parent
    while folder.name in RESULT_FOLDERS:
        folder = folder.parent
    inside = base.resolve() in folder.parents
    return replace(entry, subject=_named(folder.parent, base.resolve()) if inside else folder.name, clip=folder.name)


def _clips(entry: ClipFile, beside: list[ClipFile], findings: list[Finding]) -> Iterator[ClipFile]:
    """Yield the clips of one entry; a file of a database says who it is."""
    if not entry.kind:
        if not entry.member:
            raise KinefuseError(f"{entry.path}: expected motion capture ({EXPECTED}); convert or rename it.")
        return
    try:
        if entry.kind == "arrays":
            yield from _array_clips(entry)
        elif entry.kind == "amc":
            yield replace(_of_database(entry), skeleton=_asf_of(entry, beside))
        else:
            yield _of_database(entry)
    except KinefuseError as error:
        findings.append(Finding("error", entry.clip, str(error)))


def _of_database(entry: ClipFile) -> ClipFile:
    if match := _CMU.fullmatch(entry.clip):
        return replace(entry, subject=f"cmu_{int(match[1]):03d}")
    if match := _HDM05.fullmatch(entry.clip):
        return replace(entry, subject=f"hdm05_{match[1].lower()}")
    return entry


def _array_clips(entry: ClipFile) -> Iterator[ClipFile]:
    with entry.opened() as (path,):
        held = _arrays_in(path)
        if "marker_names" in held:
            person = replace(entry, kind="uiprmd", subject=_without_part(PurePosixPath(entry.clip).stem))
            yield from (replace(person, clip=name, array=name) for name in list_uiprmd(path))
        elif {"poses", "trans"} <= held:
            yield replace(entry, kind="amass")
        else:
            raise FormatError(f"{path}: expected an AMASS clip or UI-PRMD markers, but it holds neither.")


def _arrays_in(path: Path) -> set[str]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return set(stored.files)
    except Exception as error:  # whatever a damaged archive makes NumPy, zipfile or zlib raise
        raise FormatError(f"{path}: expected an .npz file of motion ({error}); get it again.") from error


def _asf_of(entry: ClipFile, beside: list[ClipFile]) -> str:
    """Return the ASF file of an AMC file: the one whose name starts the AMC file's, or the only one there."""
    if entry.member:
        folder = PurePosixPath(entry.member).parent
        members = [PurePosixPath(other.member) for other in beside if other.member.lower().endswith(".asf")]
        found = {str(member): member.stem for member in members if member.parent == folder}
    else:
        found = {str(path): path.stem for path in entry.path.parent.iterdir() if path.suffix.lower() == ".asf"}
    stem = PurePosixPath(entry.clip).stem
    fitting = [name for name in found if stem.startswith(found[name])] or (list(found) if len(found) == 1 else [])
    if not fitting:
        raise FormatError(
            f"{entry.place}: an AMC file needs the ASF file of its skeleton in the same folder, such as "
            f"{stem.split('_')[0]}.asf."
        )
    return max(fitting, key=len)
