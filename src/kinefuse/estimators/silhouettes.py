"""The person's silhouettes in a recording: mattes of every camera that has any, on one time grid."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from kinefuse.errors import KinefuseError
from kinefuse.recordings import Camera, Finding, Recording, View
from kinefuse.vision.detection import SAME_LENGTH_FRAMES, detect_recording
from kinefuse.vision.mattes import Mattes, person_mattes, smallest_number
from kinefuse.vision.synchrony import SAME_FRAME, estimate_start_offsets
from kinefuse.vision.volumes import CHANNELS


@dataclass(frozen=True)
class Silhouettes:
    """Mattes of V cameras at T times.

    Attributes
    ----------
    cameras : V calibrated cameras
    mattes : of each
    time : (T,) seconds, the frames of the fastest camera while at least two of them run
    rows : (T, V) which matte of a camera is nearest to a time, -1 where it has none, or a gap
    notes : sentences for the user
    """

    cameras: tuple[Camera, ...]
    mattes: tuple[Mattes, ...]
    time: np.ndarray
    rows: np.ndarray
    notes: tuple[str, ...]


FEWEST_CAMERAS: Final = 2


def silhouettes_of(recording: Recording, estimator: str) -> Silhouettes:
    """Return the silhouettes of a recording: its own, or those that the detector sees in its videos.

    Parameters
    ----------
    recording
    estimator : name of who asks, for the sentence

    Raises
    ------
    KinefuseError
        If fewer than two calibrated cameras have silhouettes or a video, they cannot be read or are of another size
        than the calibration says, or the cameras' clocks or rates are not known.
    """
    views = _with_something_to_see(recording, estimator)
    notes = _left_out(recording, views, estimator)
    if any(view.silhouettes is None for view in views):
        seen, findings = detect_recording(replace(recording, views=tuple(views)), mattes=True)
        views, notes = list(seen.views), [*notes, *map(_sentence, _worth_saying(findings))]
    cameras = tuple(recording.camera(view.camera) for view in views)
    mattes = _mattes(cameras, views)
    notes += [_sentence(found) for matte in mattes for found in _worth_saying(matte.findings)]
    views = _placed(cameras, [_with_rate(view) for view in views], mattes, estimator)
    time = _grid(views, mattes)
    rows = np.stack([_rows(view, len(matte), time) for view, matte in zip(views, mattes, strict=True)], axis=1)
    if not ((rows >= 0).sum(axis=1) >= FEWEST_CAMERAS).any():
        raise KinefuseError(
            "No two cameras record at the same time: check start_s and rate_hz of the cameras in trial.toml."
        )
    notes += _cut(views, mattes)
    return Silhouettes(cameras, mattes, time, _without_gaps(rows, mattes), tuple(notes))


def _mattes(cameras: Sequence[Camera], views: Sequence[View]) -> tuple[Mattes, ...]:
    """Return the mattes of each camera; the smallest number of all images is the first frame, as in OpenPose files."""
    numbers = [number for number in map(smallest_number, views) if number is not None]
    first = min(numbers, default=None)
    return tuple(person_mattes(camera, view, first) for camera, view in zip(cameras, views, strict=True))


def _worth_saying(findings: Sequence[Finding]) -> list[Finding]:
    return [found for found in findings if found.level != "info"]


def _sentence(found: Finding) -> str:
    return f"{found.about[:1].upper()}{found.about[1:]}: {found.text}"


def _left_out(recording: Recording, views: Sequence[View], estimator: str) -> list[str]:
    """Say which cameras show no silhouette, and that volumes have no place for more than eight."""
    used = {view.camera for view in views}
    others = [view.camera for view in recording.views if view.camera not in used]
    notes = [f"{estimator} does not use cameras with keypoints only: {', '.join(others)}."] if others else []
    if len(views) > CHANNELS:
        notes.append(
            f"{estimator} looks at {CHANNELS} cameras at a time: of these {len(views)}, those whose directions lie "
            "worst around the person are left out of each frame."
        )
    return notes


def _with_something_to_see(recording: Recording, estimator: str) -> list[View]:
    views = [view for view in recording.views if view.silhouettes is not None or view.video is not None]
    if len(views) < FEWEST_CAMERAS:
        there = f"only those of {views[0].camera}" if views else "none"
        raise KinefuseError(
            f"{estimator} needs silhouettes or videos of at least two calibrated cameras; this recording has {there}."
        )
    return views


def _with_rate(view: View) -> View:
    """Return the view with its frame rate, which the silhouettes' or the images' own video may have to tell."""
    if view.rate_hz is not None:
        return view
    from kinefuse.formats.videos import probe_video

    files = [f for f in (view.video, view.silhouettes) if f is not None and f.is_file() and f.suffix != ".npz"]
    rate = probe_video(files[0], count=False).rate_hz if files else None
    if rate is None:
        raise KinefuseError(
            f"Camera {view.camera}: the frame rate of its silhouettes is unknown; add rate_hz to its [[camera]] table "
            "in trial.toml."
        )
    return replace(view, rate_hz=rate)


def _placed(cameras: Sequence[Camera], views: list[View], mattes: Sequence[Mattes], estimator: str) -> list[View]:
    """Return views with a start: the one known, that which moving keypoints tell, or zero for files of one length."""
    if all(view.start_s is not None for view in views):
        return views
    if all(view.keypoints is not None and view.keypoints.pixels.shape[1] == 1 for view in views):
        return list(estimate_start_offsets(cameras, views)[0])
    lengths, rates = [len(matte) for matte in mattes], {round(_rate(view), 3) for view in views}
    if any(view.start_s is not None for view in views) or len(rates) > 1 or np.ptp(lengths) > SAME_LENGTH_FRAMES:
        unknown = ", ".join(view.camera for view in views if view.start_s is None)
        raise KinefuseError(
            f"{estimator} needs the cameras on one clock, and the start of {unknown} is unknown; only where no start "
            "is given, and all silhouettes have one rate and length, are they taken to begin together; add start_s of "
            "each camera to trial.toml."
        )
    return [replace(view, start_s=0.0) for view in views]


def _rate(view: View) -> float:
    assert view.rate_hz is not None
    return view.rate_hz


def _start(view: View) -> float:
    assert view.start_s is not None
    return view.start_s


def _ends(views: Sequence[View], mattes: Sequence[Mattes]) -> tuple[list[float], list[float]]:
    """Return when cameras start and when they end, in seconds, each in order."""
    stops = [_start(view) + (len(matte) - 1) / _rate(view) for view, matte in zip(views, mattes, strict=True)]
    return sorted(map(_start, views)), sorted(stops)


def _cut(views: Sequence[View], mattes: Sequence[Mattes]) -> list[str]:
    """Say how much time is left out because a single camera ran."""
    starts, stops = _ends(views, mattes)
    before, after = starts[1] - starts[0], stops[-1] - stops[-2]
    if (before + after) * max(map(_rate, views)) < 1 - SAME_FRAME:
        return []
    return [
        f"The first {before:.2f} s and the last {after:.2f} s, in which a single camera ran, are left out; check "
        "start_s of the cameras in trial.toml if they ran together."
    ]


def _grid(views: Sequence[View], mattes: Sequence[Mattes]) -> np.ndarray:
    """Return the frame times (T,) of the fastest camera during which at least two cameras run."""
    starts, stops = _ends(views, mattes)
    first, last = starts[1], stops[-2]
    fastest = max(views, key=_rate)
    low = int(np.ceil((first - _start(fastest)) * _rate(fastest) - SAME_FRAME))
    high = int(np.floor((last - _start(fastest)) * _rate(fastest) + SAME_FRAME))
    return np.asarray(_start(fastest) + np.arange(low, high + 1) / _rate(fastest))


def _rows(view: View, frames: int, time: np.ndarray) -> np.ndarray:
    """Return the frame (T,) of a view that is nearest to each time; -1 before its first and after its last."""
    nearest = np.rint((time - _start(view)) * _rate(view)).astype(int)
    return np.where((nearest >= 0) & (nearest < frames), nearest, -1)


def _without_gaps(rows: np.ndarray, mattes: Sequence[Mattes]) -> np.ndarray:
    """Return `rows` (T, V) with -1 where the frame of a camera is a gap."""
    gaps = [np.zeros(len(matte), dtype=bool) if matte.gaps is None else matte.gaps for matte in mattes]
    missing = np.stack([gap[column] for gap, column in zip(gaps, rows.T, strict=True)], axis=1)
    return np.where(missing, -1, rows)
