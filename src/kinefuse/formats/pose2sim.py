"""``kinefuse import FOLDER TRIAL --from pose2sim``: a Pose2Sim trial folder to a trial of ours.

What is looked for: ``calibration/*.toml`` or ``*.qca.txt`` (there or one folder up, as in Pose2Sim's sessions),
``videos/*``, ``pose/<camera>_json`` and its tracked form ``pose-associated`` (or both within ``pose/``), participant
and frame rate in ``Config.toml``, and results of other tools in ``reference``, ``pose-3d`` and ``kinematics``.
"""

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.camera_matching import match_cameras, natural_key
from kinefuse.formats.image_mapping import map_image
from kinefuse.formats.keypoint_layouts import layouts_with
from kinefuse.formats.openpose import read_openpose_folder, read_people, smallest_number
from kinefuse.formats.registry import CAMERA_READERS, read_cameras
from kinefuse.formats.text_files import numbers, read_toml, told_as
from kinefuse.formats.trial import check_target, write_trial
from kinefuse.formats.trial_files import VIDEO_SUFFIXES
from kinefuse.formats.videos import probe_video, read_first_frame
from kinefuse.recordings import Camera, Finding, Recording, Subject, View

DETECTIONS: Final = ("auto", "none", "detections", "associated")

_POSE_FOLDERS: Final = {
    "associated": ("pose-associated", "pose_associated", "pose/associated", "pose/pose-associated"),
    "detections": ("pose-sync", "pose", "pose/detections"),
}
_REFERENCES: Final = ("reference", "pose-3d", "kinematics")
_MODELS: Final = {"BODY_25": "body25", "BODY_25B": "body25b"}


@dataclass
class _Source:
    """A Pose2Sim folder: what was found in it, and what there is to say about it."""

    folder: Path
    cameras: tuple[Camera, ...]
    videos: dict[str, Path]
    config: dict[str, Any]
    synchronised_later: bool
    rate_hz: float | None
    findings: list[Finding] = field(default_factory=list)

    def say(self, level: str, about: str, text: str) -> None:
        self.findings.append(Finding(level=level, about=about, text=text))


def import_pose2sim(
    source_folder: Path | str,
    trial_folder: Path | str,
    overwrite: bool = False,
    detections: str = "auto",
    rate_hz: float | None = None,
) -> list[Finding]:
    """Make a trial from a Pose2Sim folder.

    Videos are hard-linked or copied and get the names of the calibrated cameras. Pose2Sim pairs frames of all cameras
    by number, so every camera starts at 0 s. Where a video's size differs from the calibrated one, it is taken to be
    shrunk to fit and centred between black bars, if bars of a sensible width explain both dimensions; ``image_scale``
    and ``image_offset_px`` then say so. Pose2Sim's 2-D points are taken to be in pixels of the calibrated image; they
    are written in pixels of the video like everything that belongs to that camera.

    Parameters
    ----------
    source_folder
    trial_folder
        New or empty, or a trial if `overwrite`.
    overwrite
    detections
        ``"none"`` leaves Pose2Sim's 2-D points out, so that this library detects its own in the videos;
        ``"detections"`` brings all people that were detected, ``"associated"`` the one that Pose2Sim tracked.
        ``"auto"`` is ``"none"`` if there are videos, else ``"associated"`` if there, else ``"detections"``.
    rate_hz
        Frame rate where neither a video nor ``Config.toml`` tells it.

    Returns
    -------
    What was brought, assumed or left out, one finding each.

    Raises
    ------
    KinefuseError
        If the folder holds no calibration, or neither videos nor the points asked for, or the cameras cannot be
        matched, or `trial_folder` may not be written. Nothing is written then.
    MissingDependencyError
        If there are videos and OpenCV is not installed.
    """
    if detections not in DETECTIONS:
        raise KinefuseError(f"detections must be one of {', '.join(DETECTIONS)}, got {detections!r}.")
    check_target(Path(trial_folder), overwrite)
    with told_as(Path(source_folder), "imported"):
        return _import(Path(source_folder), Path(trial_folder), overwrite, detections, rate_hz)


def _import(
    source_folder: Path, trial_folder: Path, overwrite: bool, detections: str, rate_hz: float | None
) -> list[Finding]:
    source = _look_around(source_folder, rate_hz)
    kind, folders = _chosen_points(source, detections)
    views = _views_of_videos(source, bool(folders))
    if folders:
        views = _with_points(source, views, folders, kind)
    subject = _subject(source.config)
    in_order = tuple(views[camera.name] for camera in source.cameras if camera.name in views)
    write_trial(trial_folder, Recording(subject=subject, cameras=source.cameras, views=in_order), overwrite)
    _copy_references(source, trial_folder)
    return source.findings


# ---- what is there


def _look_around(folder: Path, rate_hz: float | None) -> _Source:
    if not folder.is_dir():
        raise KinefuseError(f"{folder}: is not a folder; expected a Pose2Sim trial with calibration and videos.")
    videos = folder / "videos"
    found = [p for p in videos.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES] if videos.is_dir() else []
    return _Source(
        folder=folder,
        cameras=read_cameras(_calibration_file(folder)),
        videos={p.stem: p for p in sorted(found, key=lambda p: natural_key(p.name)) if not p.name.startswith(".")},
        config=_config(folder),
        synchronised_later=_json_folders(folder / "pose-sync") != {},
        rate_hz=rate_hz,
    )


def _calibration_file(folder: Path) -> Path:
    """Return the one calibration file, ``.toml`` before ``.qca.txt``, of the trial or else of its session."""
    for place in (folder / "calibration", folder, folder.parent / "calibration"):
        for suffix in CAMERA_READERS:
            found = sorted(p for p in place.glob("*") if p.name.lower().endswith(suffix) and p.stem != "Config")
            if len(found) > 1:
                names = ", ".join(p.name for p in found)
                raise KinefuseError(f"{place}: holds several calibrations ({names}); keep the one of this trial.")
            if found:
                return found[0]
    raise KinefuseError(f"{folder}: no calibration; expected calibration/*.toml or *.qca.txt there or one folder up.")


def _config(folder: Path) -> dict[str, Any]:
    """Return the sections of ``Config.toml`` of the trial over those of its session; empty if there is none."""
    merged: dict[str, Any] = {}
    for path in (folder.parent / "Config.toml", folder / "Config.toml"):
        if path.is_file():
            for key, value in read_toml(path).items():
                merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else value
    return merged


def _setting(config: dict[str, Any], section: str, key: str) -> Any:
    table = config.get(section)
    return table.get(key) if isinstance(table, dict) else None


def _positive(value: Any) -> float | None:
    """Return a positive number, also the only one of a list; anything else ("auto", several people) is None."""
    number = numbers(value[0] if isinstance(value, list) and len(value) == 1 else value, ())
    return float(number) if number is not None and number > 0 else None


def _subject(config: dict[str, Any]) -> Subject:
    height = _positive(_setting(config, "project", "participant_height"))
    mass = _positive(_setting(config, "project", "participant_mass"))
    return Subject(
        height_m=height if height is not None and 0.3 < height < 3.0 else None,
        mass_kg=mass if mass is not None and 1.0 < mass < 500.0 else None,
    )


def _json_folders(folder: Path) -> dict[str, Path]:
    """Return name (without ``_json``) to folder, for the folders below that hold JSON files."""
    if not folder.is_dir():
        return {}
    found = [p for p in folder.iterdir() if p.is_dir() and any(p.glob("*.json"))]
    return {p.name.removesuffix("_json"): p for p in sorted(found, key=lambda p: natural_key(p.name))}


def _point_folders(folder: Path, kind: str) -> dict[str, Path]:
    return next((found for place in _POSE_FOLDERS[kind] if (found := _json_folders(folder / place))), {})


def _chosen_points(source: _Source, detections: str) -> tuple[str, dict[str, Path]]:
    """Return which 2-D points to bring and their folders by name; ``"none"`` and no folders if none."""
    present = [kind for kind in ("associated", "detections") if _point_folders(source.folder, kind)]
    if detections == "auto":
        detections = "none" if source.videos or not present else present[0]
    if detections == "none":
        if not source.videos:
            raise KinefuseError(
                f"{source.folder}: no videos, and no 2-D points to bring; expected videos/*.mp4 or pose/."
            )
        if present:
            text = f"Pose2Sim's 2-D points were left out; --detections {present[0]} brings them."
            source.say("info", "trial", text)
        return "none", {}
    if detections not in present:
        raise KinefuseError(
            f"{source.folder}: no {detections} 2-D points; there are: {', '.join(present) or 'none'}; "
            f"choose another --detections."
        )
    return detections, _point_folders(source.folder, detections)


# ---- cameras


def _views_of_videos(source: _Source, with_points: bool) -> dict[str, View]:
    """Return camera name to a view of its video."""
    if not source.videos:
        return {}
    if source.synchronised_later and with_points:
        source.say("warning", "trial", "The videos were left out: Pose2Sim synchronised its 2-D points, but not them.")
        return {}
    if source.synchronised_later:
        source.say("warning", "trial", "Pose2Sim found the videos not synchronised; their start is left unknown.")
    matches = _matches(source, list(source.videos), "video")
    views = {name: _view_of_video(source, source.videos[stem], name) for stem, name in matches.items()}
    rates = {view.rate_hz for view in views.values()}
    if len(rates) > 1:
        source.say("warning", "trial", f"The videos have different frame rates: {sorted(map(str, rates))}.")
    return views


def _matches(source: _Source, files: list[str], what: str) -> dict[str, str]:
    matches, how = match_cameras(files, [camera.name for camera in source.cameras])
    if any(file != camera for file, camera in matches.items()):
        pairs = ", ".join(f"{file} is {camera}" for file, camera in matches.items())
        level = "warning" if how == "order" else "info"
        source.say(level, "trial", f"Each {what} was matched to its camera by {how}: {pairs}.")
    return matches


def _view_of_video(source: _Source, path: Path, name: str) -> View:
    camera = next(camera for camera in source.cameras if camera.name == name)
    video = probe_video(path, count=False)
    rate = video.rate_hz or _stated_rate(source)
    if rate is None:
        raise KinefuseError(f"{path}: does not tell its frame rate; write frame_rate into [project] of Config.toml.")
    start = None if source.synchronised_later else 0.0
    view = View(camera=name, rate_hz=rate, start_s=start, video=path)
    try:
        mapping, _ = map_image(camera, view, video.size, read_first_frame(path))
    except KinefuseError as error:
        source.say("error", f"camera {name}", str(error))
        return view
    if video.size != camera.size:
        x, y = (round(value, 2) + 0.0 for value in mapping.offset)
        text = (
            f"{path.name} is {video.size[0]}×{video.size[1]} and not the calibrated {camera.size[0]}×{camera.size[1]}: "
            f"image_scale = {mapping.scale:.5f} and image_offset_px = [{x}, {y}] were found and written to trial.toml."
        )
        source.say("info", f"camera {name}", text)
    return replace(view, image_scale=mapping.scale, image_offset_px=mapping.offset)


# ---- 2-D points


def _with_points(source: _Source, views: dict[str, View], folders: dict[str, Path], kind: str) -> dict[str, View]:
    """Return the views with their 2-D points, and new views for cameras without video."""
    matches = _matches(source, list(folders), "folder of 2-D points")
    layout = _layout(source, list(folders.values()))
    first = min(smallest_number(folder) for folder in folders.values())
    result = dict(views)
    for stem, name in matches.items():
        keypoints = read_openpose_folder(folders[stem], layout, first)
        view = views.get(name) or View(camera=name, rate_hz=_rate_of_points(source), start_s=0.0)
        result[name] = replace(view, keypoints=keypoints)
    text = f"2-D points ({kind}, layout {layout or 'unknown: nobody was seen'}) were brought for {', '.join(result)}."
    source.say("info", "trial", text)
    return result


def _rate_of_points(source: _Source) -> float:
    """Return the rate of points that come without their video: stated, or that of the videos, if they have one."""
    rates = {
        round(rate, 3): rate for path in source.videos.values() if (rate := probe_video(path, count=False).rate_hz)
    }
    rate = _stated_rate(source) or (rates.popitem()[1] if len(rates) == 1 else None)
    if rate is None:
        raise KinefuseError(
            f"{source.folder}: neither frame_rate in Config.toml nor videos of one rate tell the frame rate of the 2-D "
            "points; write frame_rate into [project] of Config.toml."
        )
    return rate


def _stated_rate(source: _Source) -> float | None:
    return source.rate_hz or _positive(_setting(source.config, "project", "frame_rate"))


def _layout(source: _Source, folders: list[Path]) -> str | None:
    """Return the layout of the points; two of 25 points are told apart by ``Config.toml`` or their geometry."""
    people = next((found for folder in folders if (found := read_people(folder))), [])
    if not people:
        return None
    fitting = layouts_with(len(people[0]))
    stated = _MODELS.get(str(_setting(source.config, "pose", "pose_model")).upper())
    if len(fitting) == 1 or stated in fitting:
        return stated if stated in fitting else fitting[0]
    if "body25" not in fitting:
        raise FormatError(f"{folders[0]}: no known layout has {len(people[0])} points.")
    layout = "body25" if looks_like_body25(np.stack([p for p in people if len(p) == 25])) else "body25b"
    source.say("info", "trial", f"25 points are BODY_25 or BODY_25B; their geometry is that of {layout}.")
    return layout


def looks_like_body25(people: np.ndarray) -> bool:
    """Tell OpenPose's two layouts of 25 points apart.

    In BODY_25, point 8 is the mid-hip and lies midway between 9 and 12; in BODY_25B these are an elbow, a wrist and a
    hip.

    Parameters
    ----------
    people : (N, 25, 3) x, y, confidence

    Returns
    -------
    Whether the mid-hip is where BODY_25 has it: the median distance is under a tenth of that from point 8 to point 0.
    """
    seen = (people[:, [0, 8, 9, 12], 2] > 0).all(axis=1)
    nose, middle, right, left = (people[seen, i, :2] for i in (0, 8, 9, 12))
    distance = np.linalg.norm(middle - (right + left) / 2.0, axis=-1)
    scale = np.linalg.norm(nose - middle, axis=-1)
    return bool(seen.any() and np.median(distance) < 0.1 * np.median(scale))


# ---- references


def _copy_references(source: _Source, trial_folder: Path) -> None:
    """Copy what other tools made of the trial to ``reference/``; it is for comparison and never read as input."""
    copied = []
    for place in _REFERENCES:
        for path in sorted((source.folder / place).rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                target = trial_folder / "reference" / path.relative_to(source.folder / place)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
                copied.append(path.name)
    if copied:
        source.say(
            "info", "trial", f"{len(copied)} files of other tools were copied to reference/, for comparison only."
        )
