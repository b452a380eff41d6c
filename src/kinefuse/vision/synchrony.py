"""Views of different rates and starts on one common time grid, and starts that nobody wrote down.

An unknown start is the one at which the view's points lie closest to the epipolar lines of the same points in the other
views (Sampson's distance; Hartley and Zisserman, "Multiple View Geometry", section 11.4), under Cauchy's robust cost.
The cost is computed at whole frames, and the minimum between them is that of a parabola: interpolated points would be
less noisy than measured ones and draw the minimum to half frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kinefuse.conventions import KEYPOINTS
from kinefuse.errors import KinefuseError
from kinefuse.recordings import Camera, Finding, Keypoints, View
from kinefuse.vision.cameras import epipolar_distance, essential_matrix, undistort_pixels

SAME_FRAME = 1e-2
"""Fraction of a frame below which two times are the same."""

SEARCH_S = 1.0
MOST_FRAMES = 600
BLOCKS = 8
WIDE_S, WIDE_FRAMES = 4.0, 100
"""Rivals of a start are looked for this far around, in this many frames: steps and strokes repeat themselves within."""

NEAR_S = 0.1
"""No movement repeats itself sooner; a rival as near as this is the same minimum of a noisy cost."""

SURE_SD = 3.0
"""Standard errors by which a start must fit better than any rival."""

LARGEST_UNCERTAINTY_S = 0.025
FEWEST_PAIRS = 200
"""Fewer pairs of points than this tell no offset."""


NOT_FOUND = {
    "few": "it shares too few points with the cameras whose start is known",
    "edge": "the movement fits best at an end of the ± {search_s:g} s that are searched: it may start further off",
    "still": "the person moves too little to tell",
    "repeats": "the movement repeats itself, so that another start fits as well or better",
}
"""Why a start was not found, in words."""


@dataclass(frozen=True, kw_only=True)
class GridViews:
    """V views of one person at common times.

    Attributes
    ----------
    cameras : V camera names
    names : K keypoint names, the union over the views
    time : (T,) seconds
    pixels : (T, V, K, 2) NaN where not seen
    confidence : (T, V, K) 0 where not seen
    interpolated : (T, V, K) true where a value lies between two frames of its camera, and neither was taken within
        half a step of the grid: cameras of one rate that start some milliseconds apart measure all the same
    """

    cameras: tuple[str, ...]
    names: tuple[str, ...]
    time: np.ndarray
    pixels: np.ndarray
    confidence: np.ndarray
    interpolated: np.ndarray


@dataclass(frozen=True, kw_only=True)
class StartEstimate:
    """The start of one view on the trial's clock, and its standard error, in seconds.

    `found` is false for a guess; then `reason` says why: one of `NOT_FOUND`.
    """

    camera: str
    start_s: float
    error_s: float
    found: bool
    reason: str = ""


def common_grid(views: Sequence[View]) -> GridViews:
    """Put the keypoints of all views on the frame times of the fastest camera.

    The grid covers the time in which at least two views run. A point between two frames of its camera is interpolated
    linearly if both frames show it, and is NaN otherwise.

    Parameters
    ----------
    views : views with keypoints of one person, a rate and a start

    Raises
    ------
    KinefuseError
        If a view lacks one of these, or no two views overlap in time. One without a frame is seen nowhere.
    """
    for view in views:
        _check_view(view)
    names = _union_names(views)
    time = _grid_times(views)
    sampled = [_sample(view, names, time) for view in views]
    pixels, confidence, interpolated = (np.stack(part, axis=1) for part in zip(*sampled, strict=True))
    return GridViews(
        cameras=tuple(view.camera for view in views),
        names=names,
        time=time,
        pixels=pixels,
        confidence=confidence,
        interpolated=interpolated,
    )


def _check_view(view: View) -> None:
    points = _keypoints(view)
    if points.pixels.shape[1] != 1:
        raise KinefuseError(
            f"Camera {view.camera} shows {points.pixels.shape[1]} people; choose the one that is recorded first."
        )
    _rate(view)
    if view.start_s is None:
        raise KinefuseError(
            f"Camera {view.camera}: its start is unknown; add start_s to trial.toml or have it estimated."
        )


def _keypoints(view: View) -> Keypoints:
    if view.keypoints is None:
        raise KinefuseError(f"Camera {view.camera} has no keypoints; detect them in its video first.")
    return view.keypoints


def _rate(view: View) -> float:
    if view.rate_hz is None:
        raise KinefuseError(f"Camera {view.camera}: its frame rate is unknown; add rate_hz to its entry in trial.toml.")
    return view.rate_hz


def _start(view: View) -> float:
    return 0.0 if view.start_s is None else view.start_s


def _union_names(views: Sequence[View]) -> tuple[str, ...]:
    present = {name for view in views for name in _keypoints(view).names}
    return tuple(name for name in KEYPOINTS if name in present) + tuple(sorted(present - set(KEYPOINTS)))


def _grid_times(views: Sequence[View]) -> np.ndarray:
    shown = [view for view in views if len(_keypoints(view).pixels)]
    views = shown if len(shown) > 1 else views
    fastest = max(views, key=_rate)
    rate = _rate(fastest)
    spans = [(_start(view), _start(view) + (len(_keypoints(view).pixels) - 1) / _rate(view)) for view in views]
    first = sorted(start for start, _ in spans)[1] if len(views) > 1 else spans[0][0]
    last = sorted(end for _, end in spans)[-2] if len(views) > 1 else spans[0][1]
    low = int(np.ceil((first - _start(fastest)) * rate - SAME_FRAME))
    high = int(np.floor((last - _start(fastest)) * rate + SAME_FRAME))
    if high < low or not len(_keypoints(fastest).pixels):
        raise KinefuseError(
            "No two cameras record at the same time: check start_s and rate_hz of the cameras in trial.toml."
        )
    return _start(fastest) + np.arange(low, high + 1) / rate


def _sample(view: View, names: tuple[str, ...], time: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pixels (T, K, 2), confidence (T, K) and the interpolation mask (T, K) of one view at the grid's times."""
    source = _keypoints(view)
    columns = [names.index(name) for name in source.names]
    pixels = np.full((len(time), len(names), 2), np.nan)
    confidence, between = np.zeros((len(time), len(names))), np.zeros((len(time), len(names)), dtype=bool)
    position = (time - _start(view)) * _rate(view)
    values, trust, mixed = sample_track(source.pixels[:, 0], source.confidence[:, 0], position)
    half_step = 0.5 * float(np.median(np.diff(time))) * _rate(view) if len(time) > 1 else 0.5
    far = np.abs(position - np.rint(position)) > half_step + SAME_FRAME
    pixels[:, columns], confidence[:, columns], between[:, columns] = values, trust, mixed & far[:, None]
    return pixels, confidence, between


def sample_track(
    values: np.ndarray, confidence: np.ndarray, position: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sample tracks at fractional frame numbers.

    Parameters
    ----------
    values : (F, K, 2) NaN where not seen
    confidence : (F, K)
    position : (T,) frame numbers; outside of 0..F-1 nothing is seen

    Returns
    -------
    values (T, K, 2), confidence (T, K; the lesser of the two frames'), and which are interpolated (T, K).
    """
    count = len(values)
    if not count:  # a camera that has no frame shows nothing
        nothing = np.zeros((len(position), values.shape[1]), dtype=bool)
        return np.full((*nothing.shape, 2), np.nan), np.zeros(nothing.shape), nothing
    near = np.rint(position)
    on_frame = np.abs(position - near) <= SAME_FRAME
    inside = (position >= -SAME_FRAME) & (position <= count - 1 + SAME_FRAME)
    left = np.clip(np.where(on_frame, near, np.floor(position)), 0, count - 1).astype(int)
    right = np.where(on_frame, left, np.minimum(left + 1, count - 1))
    share = np.where(on_frame, 0.0, position - left)[:, None]
    sampled = values[left] * (1.0 - share[..., None]) + values[right] * share[..., None]
    trust = np.minimum(confidence[left], confidence[right])
    seen = np.isfinite(sampled).all(axis=-1) & (trust > 0) & inside[:, None]
    sampled[~seen] = np.nan
    return sampled, np.where(seen, trust, 0.0), seen & ~on_frame[:, None]


def estimate_start_offsets(
    cameras: Sequence[Camera], views: Sequence[View], search_s: float = SEARCH_S
) -> tuple[tuple[View, ...], tuple[StartEstimate, ...], tuple[Finding, ...]]:
    """Estimate the starts that are unknown from the movement.

    Parameters
    ----------
    cameras : calibrations of the views, in their order
    views : views with keypoints of one person and a rate; those with a `start_s` keep it. If none has one, the first
        view that shows somebody starts at 0 s.
    search_s : starts are looked for this far around the start of the first view that is known

    Returns
    -------
    views with every start set, what was estimated, and a sentence about each estimate. A start that the movement does
    not tell is set to that of the reference, with a warning; no other camera is placed by it.

    Raises
    ------
    KinefuseError
        If a view has no keypoints or no rate.
    """
    if all(view.start_s is not None for view in views):
        return tuple(views), (), ()
    placed = {i: view for i, view in enumerate(views) if view.start_s is not None}
    if not placed:
        shown = [i for i, view in enumerate(views) if (_keypoints(view).confidence > 0).any()]
        first = shown[0] if shown else 0
        placed = {first: replace(views[first], start_s=0.0)}
    reference = next(iter(placed.values()))
    estimates = _estimate_all(cameras, views, placed, search_s)
    starts = {view.camera: view.start_s for view in placed.values()} | {e.camera: e.start_s for e in estimates}
    findings = tuple(_finding(estimate, reference, search_s) for estimate in estimates)
    return tuple(replace(view, start_s=starts[view.camera]) for view in views), tuple(estimates), findings


def _estimate_all(
    cameras: Sequence[Camera], views: Sequence[View], placed: dict[int, View], search_s: float
) -> list[StartEstimate]:
    """Estimate the starts of the views that are not placed, the surest first; each that is found helps the rest.

    A guess is no reference: it would mislead those that come after it.
    """
    around = _start(next(iter(placed.values())))
    placed = dict(placed)
    estimates: list[StartEstimate] = []
    while len(placed) < len(views):
        others = [(cameras[j], view) for j, view in placed.items()]
        rest = [i for i in range(len(views)) if i not in placed]
        tried = {i: _estimate_start(cameras[i], views[i], others, around, search_s) for i in rest}
        found = [i for i in rest if tried[i].found]
        if not found:
            return estimates + list(tried.values())
        surest = min(found, key=lambda i: tried[i].error_s)
        estimates.append(tried[surest])
        placed[surest] = replace(views[surest], start_s=tried[surest].start_s)
    return estimates


def _finding(estimate: StartEstimate, reference: View, search_s: float) -> Finding:
    delay = estimate.start_s - _start(reference)
    about = f"camera {estimate.camera}"
    if not estimate.found:
        why = NOT_FOUND[estimate.reason].format(search_s=search_s)
        text = (
            f"Camera {estimate.camera} was taken to start together with camera {reference.camera}, because trial.toml "
            f"does not say and {why}; add start_s if it is not so."
        )
        return Finding("warning", about, text)
    order = "later" if delay >= 0 else "earlier"
    text = (
        f"Camera {estimate.camera} starts {abs(delay):.3f} s {order} than camera {reference.camera} "
        f"(± {estimate.error_s:.3f} s): estimated from the motion, because trial.toml does not say."
    )
    return Finding("info", about, text)


def _estimate_start(
    camera: Camera, view: View, others: Sequence[tuple[Camera, View]], around_s: float, search_s: float
) -> StartEstimate:
    step = 1.0 / max(_rate(other) for _, other in others)
    whole = int(np.ceil(search_s / step))
    offsets = step * np.arange(-whole, whole + 1)
    costs, counts = _cost_by_block(camera, view, others, around_s + offsets)
    if counts.sum(axis=0).min() < FEWEST_PAIRS:
        return _guess(view, around_s, "few")
    best = _minimum(offsets, costs.sum(axis=0) / counts.sum(axis=0))
    left_out = [
        _minimum(offsets, (costs.sum(axis=0) - cost) / np.maximum(counts.sum(axis=0) - count, 1))
        for cost, count in zip(costs, counts, strict=True)
    ]
    if not np.isfinite([best, *left_out]).all():
        return _guess(view, around_s, "edge")
    error = float(np.sqrt((BLOCKS - 1) * np.var(left_out)))  # jackknife
    if not error < LARGEST_UNCERTAINTY_S:
        return _guess(view, around_s, "still")
    if _has_rival(camera, view, others, around_s + best):
        return _guess(view, around_s, "repeats")
    return StartEstimate(camera=view.camera, start_s=float(around_s + best), error_s=error, found=True)


def _has_rival(camera: Camera, view: View, others: Sequence[tuple[Camera, View]], start_s: float) -> bool:
    """Return whether another start, within `WIDE_S`, fits as well as one that was found, or better.

    Somebody on a treadmill is much the same a step later. The differences are compared block by block, since either
    start has the noise of the same frames.
    """
    rivals = _rivals(camera, view, others, start_s)
    costs, counts = _cost_by_block(camera, view, others, np.append(start_s, rivals))
    means = np.where(counts > 0, costs / np.maximum(counts, 1), np.nan)
    worse = means[:, 1:] - means[:, :1]
    known = np.isfinite(worse).sum(0) > BLOCKS // 2
    worse = worse[:, known]
    error = np.nanstd(worse, axis=0, ddof=1) / np.sqrt(np.isfinite(worse).sum(0))
    return bool((np.nanmean(worse, axis=0) <= SURE_SD * error).any())


def _rivals(camera: Camera, view: View, others: Sequence[tuple[Camera, View]], start_s: float) -> np.ndarray:
    """Return the other starts (N,) at which the cost has a minimum, where the views share half as many points still."""
    step = 2.0 / max(_rate(other) for _, other in others)
    offsets = step * np.arange(-round(WIDE_S / step), round(WIDE_S / step) + 1)
    costs, counts = (each.sum(0) for each in _cost_by_block(camera, view, others, start_s + offsets, WIDE_FRAMES))
    cost = np.where(counts >= 0.5 * counts[len(offsets) // 2], costs / np.maximum(counts, 1), np.inf)
    lowest = 1 + np.flatnonzero((cost[1:-1] < cost[:-2]) & (cost[1:-1] <= cost[2:]))
    own = cost[len(offsets) // 2]
    low = cost[lowest] < 0.5 * (own + np.median(cost[np.isfinite(cost)]))
    found = start_s + offsets[lowest[low]]
    found = found[np.abs(found - start_s) > NEAR_S]
    if not len(found):
        return found
    # Between two samples of the cost it may be much lower; the start that was found is no sample either.
    for span in (step, step / 8):
        near = found[:, None] + span * np.linspace(-1.0, 1.0, 17)
        costs, counts = (each.sum(0) for each in _cost_by_block(camera, view, others, near.ravel(), WIDE_FRAMES))
        best = (costs / np.maximum(counts, 1)).reshape(near.shape).argmin(1)
        found = near[np.arange(len(near)), best]
    return found[np.abs(found - start_s) > NEAR_S]


def _guess(view: View, start_s: float, reason: str) -> StartEstimate:
    return StartEstimate(camera=view.camera, start_s=start_s, error_s=float("nan"), found=False, reason=reason)


def _minimum(offsets: np.ndarray, cost: np.ndarray) -> float:
    """Return where a sampled cost is least, by a parabola through five samples; NaN at the edge of the search."""
    lowest = int(np.argmin(cost))
    if lowest < 2 or lowest > len(cost) - 3:
        return float("nan")
    around = slice(lowest - 2, lowest + 3)
    square, slope, _ = np.polyfit(offsets[around] - offsets[lowest], cost[around], 2)
    step = offsets[1] - offsets[0]
    shift = np.clip(-0.5 * slope / square, -step, step) if square > 0 else 0.0
    return float(offsets[lowest] + shift)


def _cost_by_block(
    camera: Camera,
    view: View,
    others: Sequence[tuple[Camera, View]],
    starts: np.ndarray,
    most_frames: int = MOST_FRAMES,
) -> tuple[np.ndarray, np.ndarray]:
    """Return summed robust epipolar costs and the number of point pairs, both (blocks, starts)."""
    own = _keypoints(view)
    frames = np.arange(0, len(own.pixels), max(1, len(own.pixels) // most_frames))
    errors = []
    for other_camera, other in others:
        theirs = _keypoints(other)
        shared = [name for name in own.names if name in theirs.names]
        mine = undistort_pixels(camera, own.pixels[frames][:, 0, [own.names.index(name) for name in shared]])
        columns = [theirs.names.index(name) for name in shared]
        track = undistort_pixels(other_camera, theirs.pixels[:, 0, columns])
        trust = theirs.confidence[:, 0, columns]
        matched = [
            sample_track(track, trust, (start + frames / _rate(view) - _start(other)) * _rate(other))[0]
            for start in starts
        ]
        focal = np.sqrt(camera.matrix[0, 0] * other_camera.matrix[0, 0])
        errors.append(focal * epipolar_distance(essential_matrix(camera, other_camera), mine, np.stack(matched)))
    distance = np.concatenate(errors, axis=-1)  # (starts, frames, points of all others)
    scale = 2.0 * min(float(np.median(row[np.isfinite(row)])) if np.isfinite(row).any() else np.inf for row in distance)
    cost = np.log1p((distance / max(scale, 0.1)) ** 2)
    blocks = np.array_split(np.arange(len(frames)), BLOCKS)
    sums = np.stack([np.nansum(cost[:, block], axis=(1, 2)) for block in blocks])
    return sums, np.stack([np.isfinite(cost[:, block]).sum(axis=(1, 2)) for block in blocks])
