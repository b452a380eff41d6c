"""The person's silhouettes in a recording: mattes of every camera that has any, on one time grid."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from kinefuse.errors import KinefuseError
from kinefuse.recordings import Camera, Recording, View
from kinefuse.vision.detection import SAME_LENGTH_FRAMES, detect_recording
from kinefuse.vision.mattes import Mattes, person_mattes
from kinefuse.vision.synchrony import SAME_FRAME, estimate_start_offsets


@dataclass(frozen=True)
class Silhouettes:
    """Mattes of V cameras at T times.

    Attributes
    ----------
    cameras : V calibrated cameras
    mattes : of each
    time : (T,) seconds, the frames of the fastest camera while at least two of them run
    rows : (T, V) which matte of a camera is nearest to a time, -1 where it has none
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
    notes: list[str] = []
    if any(view.silhouettes is None for view in views):
        seen, findings = detect_recording(replace(recording, views=tuple(views)), mattes=True)
        views, notes = list(seen.views), [found.text for found in findings if found.level != "info"]
    cameras = tuple(recording.camera(view.camera) for view in views)
    mattes = tuple(person_mattes(camera, view) for camera, view in zip(cameras, views, strict=True))
    views = _placed(cameras, [_with_rate(view) for view in views], mattes, estimator)
    time = _grid(views, mattes)
    rows = np.stack([_rows(view, len(matte), time) for view, matte in zip(views, mattes, strict=True)], axis=1)
    if not ((rows >= 0).sum(axis=1) >= FEWEST_CAMERAS).any():
        raise KinefuseError(
            "No two cameras record at the same time: check start_s and rate_hz of the cameras in trial.toml."
        )
    return Silhouettes(cameras, mattes, time, rows, tuple(notes))


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
            f"{estimator} needs the cameras on one clock, and the start of {unknown} is unknown while their "
            "silhouettes differ in length; add start_s of each camera to trial.toml."
        )
    return [replace(view, start_s=0.0) for view in views]


def _rate(view: View) -> float:
    assert view.rate_hz is not None
    return view.rate_hz


def _start(view: View) -> float:
    assert view.start_s is not None
    return view.start_s


def _grid(views: Sequence[View], mattes: Sequence[Mattes]) -> np.ndarray:
    """Return the frame times (T,) of the fastest camera during which at least two cameras run."""
    lengths = [(len(matte) - 1) / _rate(view) for view, matte in zip(views, mattes, strict=True)]
    first = sorted(map(_start, views))[1]
    last = sorted(_start(view) + length for view, length in zip(views, lengths, strict=True))[-2]
    fastest = max(views, key=_rate)
    low = int(np.ceil((first - _start(fastest)) * _rate(fastest) - SAME_FRAME))
    high = int(np.floor((last - _start(fastest)) * _rate(fastest) + SAME_FRAME))
    return np.asarray(_start(fastest) + np.arange(low, high + 1) / _rate(fastest))


def _rows(view: View, frames: int, time: np.ndarray) -> np.ndarray:
    """Return the frame (T,) of a view that is nearest to each time; -1 before its first and after its last."""
    nearest = np.rint((time - _start(view)) * _rate(view)).astype(int)
    return np.where((nearest >= 0) & (nearest < frames), nearest, -1)
