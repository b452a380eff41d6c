"""A result folder: the native ``motion.nc``, tables for other tools, and ``quality.json``.

A folder appears complete or not at all: everything is written beside it first, then moved into place.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.bvh import uneven_frames, write_bvh
from kinefuse.formats.c3d import write_c3d
from kinefuse.formats.calibration import write_calibration
from kinefuse.formats.glb import write_glb
from kinefuse.formats.netcdf import read_motion, write_motion
from kinefuse.formats.skeleton import gaps
from kinefuse.formats.staging import become, staged
from kinefuse.formats.storage import segment_orientations, write_mot, write_orientations
from kinefuse.formats.table_text import read_bytes, write_text
from kinefuse.formats.tables import motion_centers, write_angles_csv
from kinefuse.formats.trc import write_trc
from kinefuse.motion import Motion
from kinefuse.recordings import Camera, Finding

MOTION_FILE: Final = "motion.nc"
QUALITY_FILE: Final = "quality.json"
REPORT_FILE: Final = "report.html"
CAMERAS_FILE: Final = "calibration.toml"
STRIDES_FILE: Final = "strides.csv"

Writer = Callable[[Path, Motion], None]

EXPORTS: Final[Mapping[str, tuple[str, Writer]]] = {
    "trc": ("joint_centers.trc", lambda path, motion: write_trc(path, motion_centers(motion))),
    "mot": ("joint_angles.mot", write_mot),
    "sto": ("orientations.sto", lambda path, motion: write_orientations(path, segment_orientations(motion))),
    "c3d": ("joint_centers.c3d", lambda path, motion: write_c3d(path, motion_centers(motion))),
    "bvh": ("motion.bvh", lambda path, motion: write_bvh(path, motion, missing="hold")),
    "csv": ("joint_angles.csv", write_angles_csv),
    "glb": ("motion.glb", lambda path, motion: write_glb(path, motion, missing="hold")),
}
"""Kind of export to the file's name and its writer."""

STANDARD_KINDS: Final = ("mot", "csv", "trc")
_CANNOT_MARK_GAPS: Final = {"bvh", "glb"}
OWN_FILES: Final = frozenset(
    {MOTION_FILE, QUALITY_FILE, REPORT_FILE, CAMERAS_FILE, STRIDES_FILE, *(name for name, _ in EXPORTS.values())}
)
"""The only names in a result folder that kinefuse ever writes, replaces or removes."""


def check_target(folder: Path, overwrite: bool) -> None:
    """Refuse a folder that a result must not be written to; call it before a long computation.

    Raises
    ------
    KinefuseError
        If it is a file; or it holds something and `overwrite` is false, or files that look like ours and no motion.
    """
    folder = Path(folder)
    try:
        if folder.exists() and not folder.is_dir():
            raise KinefuseError(f"{folder}: expected a folder for the result, but this is a file; name another one.")
        if folder.is_dir() and any(folder.iterdir()) and not overwrite:
            raise KinefuseError(f"{folder}: this folder is not empty; name another one, or ask for --overwrite.")
        ours = sorted(name for name in OWN_FILES if (folder / name).exists())
        if ours and not (folder / MOTION_FILE).exists():
            raise KinefuseError(
                f"{folder}: holds {ours[0]}, which a result would replace, but no {MOTION_FILE}, so it is no earlier "
                "result; name another folder."
            )
        blocked = [name for name in ours if (folder / name).is_dir()]
        if blocked:
            raise KinefuseError(f"{folder / blocked[0]}: expected a file, but this is a folder; move it away.")
    except OSError as error:
        raise _cannot_write(folder, error) from error


def write_result(
    folder: Path,
    motion: Motion,
    quality: Mapping[str, Any],
    overwrite: bool = False,
    also: Iterable[str] = (),
    report: str | None = None,
    cameras: Sequence[Camera] = (),
    strides: str | None = None,
) -> None:
    """Write ``motion.nc``, ``joint_angles.mot``, ``joint_angles.csv``, ``joint_centers.trc`` and ``quality.json``.

    Parameters
    ----------
    folder
        Made if it does not exist; its parents too.
    motion
    quality
        What the estimation reports; any nesting of dictionaries, lists, NumPy arrays, numbers, texts and paths.
    overwrite
        Replace an earlier result. Files of other names stay; our own that the new result lacks are removed, so that
        nothing in the folder tells of another motion.
    also
        More kinds of `EXPORTS`.
    report
        The page for ``report.html``.
    cameras
        Cameras that the estimation changed, for ``calibration.toml``.
    strides
        The table for ``strides.csv``.

    Raises
    ------
    KinefuseError
        If the target is refused (`check_target`), a kind is unknown, or the folder cannot be written; what was there
        is then unchanged.
    """
    folder, kinds = Path(folder), (*STANDARD_KINDS, *(kind for kind in also if kind not in STANDARD_KINDS))
    _check_kinds(kinds)
    check_target(folder, overwrite)
    text = quality_text(quality)
    with _staged(folder) as stage:
        write_motion(stage / MOTION_FILE, motion)
        write_text(stage / QUALITY_FILE, text)
        if report is not None:
            write_text(stage / REPORT_FILE, report)
        if cameras:
            write_calibration(stage / CAMERAS_FILE, cameras)
        if strides is not None:
            write_text(stage / STRIDES_FILE, strides)
        _write_kinds(stage, motion, kinds)
        _move_into(stage, folder)


def _write_kinds(folder: Path, motion: Motion, kinds: Iterable[str]) -> None:
    for kind in kinds:
        name, write = EXPORTS[kind]
        write(folder / name, motion)


def _check_kinds(kinds: Iterable[str]) -> None:
    unknown = [kind for kind in kinds if kind not in EXPORTS]
    if unknown:
        raise KinefuseError(f"Cannot export {', '.join(unknown)}; choose among {', '.join(EXPORTS)}.")


def _cannot_write(folder: Path, error: OSError) -> KinefuseError:
    return KinefuseError(f"{folder}: cannot be written ({error.strerror or error}); name a folder that may be.")


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """Yield a folder as `staged` does; what cannot be written is told of `folder`."""
    try:
        with staged(folder) as stage:
            try:
                yield stage
            except KinefuseError as error:
                raise type(error)(str(error).replace(str(stage), str(folder))) from error
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _move_into(stage: Path, folder: Path) -> None:
    """Move the staged files into `folder`, `MOTION_FILE` last; remove our files that were not written anew."""
    try:
        if not folder.exists():
            become(stage, folder)
            return
        new = sorted((path.name for path in stage.iterdir()), key=lambda name: (name == MOTION_FILE, name))
        for name in new:
            (stage / name).replace(folder / name)
        for name in OWN_FILES.difference(new):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def quality_text(quality: Mapping[str, Any]) -> str:
    """Return `quality` as strict JSON: keys sorted, NaN and infinite numbers as null, arrays as lists.

    Raises
    ------
    KinefuseError
        If it holds something that JSON has no form for.
    """
    return json.dumps(_plain(quality), sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Finding):
        return {"level": value.level, "about": value.about, "text": value.text}
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Path):
        return str(value)
    raise KinefuseError(f"quality.json cannot hold a {type(value).__name__}; give numbers, texts, lists or dicts.")


def read_result(folder: Path) -> tuple[Motion, dict[str, Any]]:
    """Return the motion and the quality of a result folder; the quality is empty if the folder has none.

    Raises
    ------
    KinefuseError
        If it is no result folder, or a file in it cannot be read.
    """
    folder = Path(folder)
    if not (folder / MOTION_FILE).is_file():
        raise KinefuseError(f"{folder}: expected a result folder with a {MOTION_FILE} in it; run 'kinefuse run' first.")
    return read_motion(folder / MOTION_FILE), _read_quality(folder / QUALITY_FILE)


def _read_quality(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        quality = json.loads(read_bytes(path).decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: expected JSON ({error}); run the estimation again.") from error
    if not isinstance(quality, dict):
        raise FormatError(f"{path}: expected a JSON object, got a {type(quality).__name__}; run the estimation again.")
    return quality


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def export(
    result: Path, kinds: Iterable[str], out: Path | None = None, overwrite: bool = False
) -> tuple[list[Path], list[Finding]]:
    """Write a result in other tools' formats.

    Parameters
    ----------
    result
        A result folder.
    kinds
        Of `EXPORTS`.
    out
        Folder for the files, made if needed; the result folder itself if None.
    overwrite
        Replace files of the same names.

    Returns
    -------
    paths
        The files, in the order of `kinds`.
    findings
        What a format could not keep: BVH and glTF cannot mark missing values, so they hold the last known ones, and
        BVH has one time between all frames.

    Raises
    ------
    KinefuseError
        If a kind is unknown, a file exists, or the result cannot be read or a file not be written; then nothing was
        written.
    """
    kinds = list(dict.fromkeys(kinds))
    _check_kinds(kinds)
    out = Path(result if out is None else out)
    paths = [out / EXPORTS[kind][0] for kind in kinds]
    there = [str(path) for path in paths if path.exists()]
    if there and not overwrite:
        raise KinefuseError(f"{', '.join(there)}: already there; name another folder, or ask for --overwrite.")
    motion, _ = read_result(result)
    with _staged(out) as stage:
        _write_kinds(stage, motion, kinds)
        _move_files(stage, paths)
    lost = gaps(motion) if _CANNOT_MARK_GAPS.intersection(kinds) else []
    return paths, [*lost, *(uneven_frames(motion) if "bvh" in kinds else [])]


def _move_files(stage: Path, paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            path.parent.mkdir(exist_ok=True)
            (stage / path.name).replace(path)
        except OSError as error:
            raise _cannot_write(path.parent, error) from error
