"""Where the files of a trial lie: the places that ``trial.toml`` names, and the usual ones where it is silent.

Functions with `problems` append one sentence for each mistake to it instead of raising, so that all are told at once.
"""

from pathlib import Path
from typing import Final, NamedTuple

from kinefuse.conventions import SEGMENTS
from kinefuse.errors import hint
from kinefuse.formats.camera_matching import natural_key
from kinefuse.formats.registry import POINT_READERS
from kinefuse.formats.trial_toml import CameraEntry, ImuEntry, TrialToml
from kinefuse.recordings import Camera

VIDEO_SUFFIXES: Final = (".mp4", ".avi", ".mov", ".mkv")

_KINDS: Final = {"file": (VIDEO_SUFFIXES, False), "either": (VIDEO_SUFFIXES, True), "points": ((".csv",), True)}


class CameraFiles(NamedTuple):
    """What ``trial.toml`` says about a camera, and its files; keypoints are a ``.csv`` or a folder of JSON files."""

    entry: CameraEntry
    video: Path | None
    silhouettes: Path | None
    keypoints: Path | None


def camera_entries(
    folder: Path, settings: TrialToml, cameras: tuple[Camera, ...], problems: list[str]
) -> list[CameraEntry]:
    """Return the cameras to read: those of ``trial.toml``, or those that have files."""
    calibrated = [camera.name for camera in cameras]
    listed = settings.cameras
    named = _names_with_files(folder) if listed is None else [entry.name for entry in listed]
    if named and not cameras:
        problems.append(f"cameras have data ({', '.join(named)}), but there is no calibration.toml")
    elif cameras:
        unknown = [name for name in named if name not in calibrated]
        problems += [f"camera {name} is not in calibration.toml{hint(name, calibrated)}" for name in unknown]
    if listed is not None:
        return list(listed)
    return [CameraEntry(name=name) for name in calibrated if name in named]


def _names_with_files(folder: Path) -> list[str]:
    """Return the names of the cameras that the files belong to."""
    names = [p.stem for p in _listing(folder / "videos") if p.suffix.lower() in VIDEO_SUFFIXES]
    for p in _listing(folder / "silhouettes"):
        names += [p.name] if p.is_dir() else [p.stem] if p.suffix.lower() in VIDEO_SUFFIXES else []
    for p in _listing(folder / "keypoints"):
        names += [p.name] if p.is_dir() else [p.stem] if p.suffix.lower() == ".csv" else []
    return sorted(set(names))


def _listing(folder: Path) -> list[Path]:
    """Return what lies in a folder, without hidden files; nothing if there is no such folder."""
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".")) if folder.is_dir() else []


def camera_files(folder: Path, entry: CameraEntry, problems: list[str]) -> CameraFiles:
    """Return the files of one camera, at their usual places or where its entry says."""
    name = entry.name
    named = entry.video is not None
    files = CameraFiles(
        entry,
        file_inside(folder, entry.video or "", problems) if named else _only(folder / "videos", name, "file", problems),
        _only(folder / "silhouettes", name, "either", problems),
        _only(folder / "keypoints", name, "points", problems),
    )
    if not named and files.video is None and files.silhouettes is None and files.keypoints is None:
        problems.append(f"camera {name} has no files; expected videos/{name}.mp4, keypoints/{name}.csv or silhouettes")
    silent = files.keypoints is not None or (files.silhouettes is not None and files.silhouettes.is_dir())
    if silent and files.video is None and entry.rate_hz is None:
        problems.append(f"camera {name} has no video that tells its frame rate; add rate_hz to its [[camera]] table")
    return files


def _only(folder: Path, name: str, kind: str, problems: list[str]) -> Path | None:
    """Return the one file or folder of a camera in `folder`, or None.

    Parameters
    ----------
    kind
        Of `_KINDS`: which endings files may have, and whether a folder will do.
    """
    suffixes, folders = _KINDS[kind]
    found = [
        p
        for p in _listing(folder)
        if (p.is_file() and p.stem == name and p.suffix.lower() in suffixes)
        or (folders and p.is_dir() and p.name == name)
    ]
    if len(found) > 1:
        problems.append(f"{folder.name}: found {' and '.join(p.name for p in found)}; keep one for each camera")
    return found[0] if found else None


def file_inside(folder: Path, text: str, problems: list[str]) -> Path | None:
    """Return the existing file called `text` in the trial's folder; None, and a problem, if it is not one."""
    try:
        path = (folder / text).resolve()
        inside = path.is_relative_to(folder.resolve()) and not Path(text).is_absolute()
        exists = path.is_file()
    except (OSError, ValueError, RuntimeError):
        inside, exists = True, False
    if not inside:
        problems.append(f"{text!r} leads out of the trial's folder; copy the file into it")
    elif not exists:
        problems.append(f"there is no file {text!r} in the trial's folder")
    return folder / text if inside and exists else None


def imu_entries(folder: Path, settings: TrialToml, problems: list[str]) -> list[ImuEntry]:
    """Return the sensors to read: those of ``trial.toml``, or the files in ``imu/`` that are called after segments."""
    if settings.imus is not None:
        return list(settings.imus)
    entries = []
    for path in _listing(folder / "imu"):
        if path.suffix.lower() == ".csv" and path.stem in SEGMENTS:
            entries.append(ImuEntry(name=path.stem, segment=path.stem, file=f"imu/{path.name}"))
        elif path.suffix.lower() == ".csv":
            wanted = hint(path.stem, SEGMENTS)
            problems.append(f"imu/{path.name} is not called after a segment{wanted}; add an [[imu]] table for it")
    return entries


def joint_centers_file(folder: Path, settings: TrialToml, problems: list[str]) -> Path | None:
    """Return the file with measured joint centres, or None."""
    if settings.joint_centers is None:
        found = [p for p in (folder / f"joint_centers{suffix}" for suffix in POINT_READERS) if p.is_file()]
        if len(found) > 1:
            problems.append(f"found {' and '.join(p.name for p in found)}; keep one, or name it in [joint_centers]")
        return found[0] if found else None
    if Path(settings.joint_centers).suffix.lower() not in POINT_READERS:
        problems.append(f"[joint_centers] file must end in {', '.join(POINT_READERS)}, got {settings.joint_centers!r}")
        return None
    return file_inside(folder, settings.joint_centers, problems)


def png_files(folder: Path) -> list[Path]:
    """Return the PNG images of a folder in the natural order of their names, without hidden files."""
    files = [p for p in folder.iterdir() if p.suffix.lower() == ".png" and not p.name.startswith(".")]
    return sorted(files, key=lambda p: natural_key(p.name))
