"""Do the cameras look at the same person, and do they agree about left and right?

A detector that sees one person an image may follow a bystander in one camera, and in a camera that faces a back it may
take left for right. Where the cameras' clocks are known both can be told from the other cameras.

Shapes: G instants of a common grid, V views, K = 26 keypoints.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinefuse.conventions import KEYPOINTS
from kinefuse.recordings import Camera
from kinefuse.vision.cameras import project_within_lens
from kinefuse.vision.triangulation import triangulate

STRAY_FRACTION = 0.045
"""A view that misses what the others see by more than this part of its image's diagonal (100 px of full HD) looks at
somebody else. The worst calibration among our recordings misses by 0.006."""

JUMP_FRACTION = 0.4
"""A body that moves by more than this part of its height from one frame to the next is another body."""

REGION_MARGIN = 0.3
"""The part of its own size by which a person's box is enlarged before the detector looks again."""

_MIDDLES = tuple((KEYPOINTS.index(f"{n}_l"), KEYPOINTS.index(f"{n}_r")) for n in ("shoulder", "hip", "knee", "ankle"))


@dataclass(frozen=True, kw_only=True)
class ViewTrack:
    """One person in one view.

    Attributes
    ----------
    camera
    time : (T,) seconds on the clock that the views share
    pixels : (T, 26, 2) calibrated pixels, NaN where not seen
    confidence : (T, 26)
    """

    camera: Camera
    time: np.ndarray
    pixels: np.ndarray
    confidence: np.ndarray

    @property
    def is_empty(self) -> bool:
        """True if nobody was ever seen."""
        return not np.isfinite(self.pixels).any()


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Views side by side: the frame of each that is nearest to each instant.

    Attributes
    ----------
    time : (G,) seconds
    frame : (G, V) frame of each view, -1 where it has none within half of its own frame interval
    pixels : (G, V, 26, 2)
    confidence : (G, V, 26)
    """

    time: np.ndarray
    frame: np.ndarray
    pixels: np.ndarray
    confidence: np.ndarray


def nearest_frames(own_time: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return for each instant (G,) the index of the nearest of `own_time` (T,); -1 where none is near."""
    if len(own_time) == 0:
        return np.full(len(time), -1)
    spacing = float(np.median(np.diff(own_time))) if len(own_time) > 1 else np.inf
    right = np.clip(np.searchsorted(own_time, time), 0, len(own_time) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(own_time[left] - time) < np.abs(own_time[right] - time), left, right)
    return np.where(np.abs(own_time[nearest] - time) <= 0.5 * spacing + 1e-9, nearest, -1)


def common_frames(tracks: Sequence[ViewTrack]) -> Grid:
    """Lay the views side by side at the instants of the one with the most frames."""
    time = max((track.time for track in tracks), key=len)
    frame = np.stack([nearest_frames(track.time, time) for track in tracks], axis=1)
    pixels = np.stack([track.pixels[frame[:, v]] for v, track in enumerate(tracks)], axis=1)
    confidence = np.stack([track.confidence[frame[:, v]] for v, track in enumerate(tracks)], axis=1)
    pixels[frame < 0] = np.nan
    confidence[frame < 0] = 0.0
    return Grid(time=time, frame=frame, pixels=pixels, confidence=confidence)


def body_middles(pixels: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the middles between left and right shoulders, hips, knees, ankles: the same whichever side is which.

    Parameters
    ----------
    pixels : (..., 26, 2)
    confidence : (..., 26)

    Returns
    -------
    (..., 4, 2) and (..., 4), NaN and 0 where one of the two is missing.
    """
    left, right = (list(side) for side in zip(*_MIDDLES, strict=True))
    middles = (pixels[..., left, :] + pixels[..., right, :]) / 2
    known = np.isfinite(middles).all(axis=-1)
    return middles, np.where(known, np.minimum(confidence[..., left], confidence[..., right]), 0.0)


def find_strays(tracks: Sequence[ViewTrack]) -> list[np.ndarray]:
    """Tell in which frames a view looks at somebody else than the others do.

    The middles of shoulders, hips, knees and ankles are triangulated, leaving out views that do not fit; a view whose
    median distance to the result is beyond `STRAY_FRACTION` of its diagonal strays. With fewer than three views
    nobody can tell which one is wrong, and none strays.

    Returns
    -------
    For each view (T,) bool.
    """
    if len(tracks) < 3:
        return [np.zeros(len(track.time), dtype=bool) for track in tracks]
    grid = common_frames(tracks)
    middles, weight = body_middles(grid.pixels, grid.confidence)
    cameras = [track.camera for track in tracks]
    limit = STRAY_FRACTION * np.array([np.hypot(*camera.size) for camera in cameras])
    result = triangulate(cameras, middles, weight, max_error_px=float(limit.max()))
    distance = np.where(result.used.any(axis=1, keepdims=True), result.reprojection_px, np.nan)
    seen = np.isfinite(distance)
    middle = np.full(seen.shape[:2], np.nan)
    some = seen.any(axis=2)
    middle[some] = np.nanmedian(distance[some], axis=1)
    others_agree = (result.used.any(axis=2)).sum(axis=1, keepdims=True) >= 2
    strays = np.nan_to_num(middle) > limit
    return [
        to_own_frames(strays[:, v] & others_agree[:, 0], grid.frame[:, v], len(t.time)) for v, t in enumerate(tracks)
    ]


def find_jumps(track: ViewTrack) -> np.ndarray:
    """Return the frames (N,) in which one view's person jumps by more than `JUMP_FRACTION` of its own height.

    Nobody moves so far between two frames: the detector went over to somebody else.
    """
    low = np.where(np.isfinite(track.pixels), track.pixels, np.inf).min(axis=1)
    high = np.where(np.isfinite(track.pixels), track.pixels, -np.inf).max(axis=1)
    extent = (high - low).max(axis=1)
    middles, _ = body_middles(track.pixels, track.confidence)
    step = np.linalg.norm(np.diff(middles, axis=0), axis=-1)
    known = np.isfinite(step).any(axis=1)
    jump = np.zeros(len(step), dtype=bool)
    jump[known] = np.nanmedian(step[known], axis=1) > JUMP_FRACTION * extent[1:][known]
    return np.flatnonzero(jump) + 1


def to_own_frames(flags: np.ndarray, frame: np.ndarray, frames: int) -> np.ndarray:
    """Bring flags of instants to the frames of one view.

    A view that is faster than the grid has frames between its instants; these take the flag of the nearest frame that
    is on the grid. Frames before and after the grid were not looked at, and have none.

    Parameters
    ----------
    flags : (G,) bool
    frame : (G,) frame of the view at each instant, -1 for none, as in `Grid`
    frames : T, how many the view has

    Returns
    -------
    (T,) bool
    """
    out = np.zeros(frames, dtype=bool)
    out[frame[(frame >= 0) & flags]] = True
    seen = np.unique(frame[frame >= 0])
    if len(seen) < 2:
        return out
    own = np.arange(frames)
    right = np.clip(np.searchsorted(seen, own), 1, len(seen) - 1)
    left = right - 1
    nearest = np.where(own - seen[left] <= seen[right] - own, seen[left], seen[right])
    return out[nearest] & (2 * np.abs(own - nearest) <= np.diff(seen).max())


def regions_from_others(tracks: Sequence[ViewTrack], view: int, strays: Sequence[np.ndarray]) -> np.ndarray:
    """Return where the other cameras place the person in a view, (T, 4) left, top, right, bottom, calibrated pixels.

    Frames in which the others place nobody take the box of the nearest frame in which they do; all NaN if there is
    none.
    """
    agreeing = [
        ViewTrack(
            camera=track.camera,
            time=track.time,
            pixels=np.where(strays[v][:, None, None], np.nan, track.pixels),
            confidence=np.where(strays[v][:, None], 0.0, track.confidence),
        )
        for v, track in enumerate(tracks)
        if v != view
    ]
    grid = common_frames(agreeing)
    points = triangulate([track.camera for track in agreeing], grid.pixels, grid.confidence).positions
    boxes = boxes_around(project_within_lens(tracks[view].camera, points))
    known = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    own = tracks[view].time
    if len(known) == 0:
        return np.full((len(own), 4), np.nan)
    nearest = np.abs(grid.time[known][None, :] - own[:, None]).argmin(axis=1)
    return boxes[known[nearest]]


def boxes_around(pixels: np.ndarray) -> np.ndarray:
    """Return left, top, right, bottom (T, 4) around points (T, K, 2), with a margin; NaN with fewer than 4 points."""
    known = np.isfinite(pixels).all(axis=2)
    enough = known.sum(axis=1) >= 4
    boxes = np.full((len(pixels), 4), np.nan)
    low, high = np.nanmin(pixels[enough], axis=1), np.nanmax(pixels[enough], axis=1)
    margin = REGION_MARGIN * (high - low).max(axis=1, keepdims=True)
    boxes[enough] = np.concatenate([low - margin, high + margin], axis=1)
    return boxes
