"""Which of the people in the images is the one that is recorded.

In each view people are linked over time into tracks. Tracks of different views belong together if the points that two
of them give project onto the others. Of the people found so, the one seen by most cameras for most of the time is
kept: a bystander in one or two views does not win. At last every frame of every view takes the person nearest to the
projected body, which mends exchanged and broken tracks.

Distances between people are relative to a person's size in the image (the diagonal of the box around the points).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from kinefuse.recordings import Camera, Finding, Keypoints, Recording, View
from kinefuse.vision.cameras import project_within_lens
from kinefuse.vision.synchrony import common_grid, estimate_start_offsets
from kinefuse.vision.triangulation import triangulate

NEAR = 0.15
"""Largest distance of two images of one person, in sizes of the person; room for bad clocks and calibrations."""

JUMP = 0.5
"""Largest movement between frames, in sizes of the person."""

LONGEST_BREAK = 15
SAMPLES = 60
MOST_TRACKS = 8
MOST_SEEDS = 40
FEWEST_POINTS = 4
RIVAL = 0.8


@dataclass(frozen=True, kw_only=True)
class PersonChoice:
    """Views with one person each, and sentences about the choice."""

    views: tuple[View, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Track:
    """One person in one view at the sample times: pixels (S, K, 2), confidence (S, K), relative size in the image."""

    view: int
    identity: int
    pixels: np.ndarray
    confidence: np.ndarray
    size_px: float

    @property
    def present(self) -> np.ndarray:
        return (self.confidence > 0).any(axis=1)


def choose_person(recording: Recording) -> PersonChoice:
    """Choose one person in each view's keypoints, the one who is recorded, and tell what was seen on the way.

    Frames of a view that do not show this person are NaN with confidence 0. Views without keypoints stay as they are.
    Views of unknown start are taken to start with the first that has one; since they may not, none of their frames is
    left out for not agreeing with the other views.
    """
    views = recording.views
    shown = [i for i, view in enumerate(views) if view.keypoints is not None]
    if all(_people(views[i]) == 1 for i in shown):
        return PersonChoice(views=views, findings=())
    cameras = [recording.camera(views[i].camera) for i in shown]
    chosen, findings = _choose([views[i] for i in shown], cameras)
    replaced = dict(zip(shown, chosen, strict=True))
    return PersonChoice(views=tuple(replaced.get(i, view) for i, view in enumerate(views)), findings=tuple(findings))


def choose_person_and_starts(recording: Recording) -> PersonChoice:
    """Choose the person, and where starts are unknown, once more with those that this person's movement tells.

    Views keep the start that they had: estimates are made from everything that is found, later.

    Raises
    ------
    KinefuseError
        If a start is to be estimated and a frame rate is unknown.
    """
    first = choose_person(recording)
    used = [view for view in first.views if view.keypoints is not None]
    if first.views is recording.views or len(used) < 2 or all(view.start_s is not None for view in used):
        return first
    placed, _, _ = estimate_start_offsets([recording.camera(view.camera) for view in used], used)
    starts = {view.camera: view.start_s for view in placed}
    views = tuple(replace(view, start_s=starts.get(view.camera, view.start_s)) for view in recording.views)
    again = choose_person(replace(recording, views=views))
    unplaced = tuple(replace(new, start_s=old.start_s) for new, old in zip(again.views, recording.views, strict=True))
    return replace(again, views=unplaced)


def _points(view: View) -> Keypoints:
    return view.keypoints or Keypoints(names=(), pixels=np.empty((0, 0, 0, 2)), confidence=np.empty((0, 0, 0)))


def _people(view: View) -> int:
    return int(_points(view).pixels.shape[1])


def _choose(views: Sequence[View], cameras: Sequence[Camera]) -> tuple[list[View], list[Finding]]:
    identities = [link_people(_points(view).pixels, _points(view).confidence) for view in views]
    tracks = _sampled_tracks(views, identities)
    groups = _groups(tracks, cameras)
    if not groups:
        alone = [_take(view, identities[v], _strongest(v, tracks)) for v, view in enumerate(views)]
        return alone, [_nobody_shared()]
    best = groups[0]
    known = [v for v, view in enumerate(views) if view.start_s is not None]
    clocked = known if len(known) >= 2 else []
    chosen = []
    for v, view in enumerate(views):
        own = [t for t in best if t.view == v]
        if v not in clocked:  # on another clock the person need not fit the group, and must not be lost by it
            own = own or _strongest(v, tracks)
        chosen.append(_take(view, identities[v], own))
    if clocked:
        those, theirs = [views[v] for v in clocked], [chosen[v] for v in clocked]
        mended = _nearest_to_projection(those, theirs, [cameras[v] for v in clocked])
        for v, view in zip(clocked, mended, strict=True):
            chosen[v] = view
    return chosen, _rivals(groups, cameras)


def _strongest(v: int, tracks: Sequence[_Track]) -> list[_Track]:
    """Return the track of view `v` that is largest and surest, as a list; empty if it shows nobody."""
    return sorted((t for t in tracks if t.view == v), key=_weight)[-1:]


def _nobody_shared() -> Finding:
    return Finding(
        "warning",
        "trial",
        "No two cameras agree on where a person is, so the largest person of each camera was kept: check the "
        "calibration, the camera names and start_s.",
    )


def _rivals(groups: list[list[_Track]], cameras: Sequence[Camera]) -> list[Finding]:
    mine = {(t.view, t.identity) for t in groups[0]}
    others = [group for group in groups[1:] if not mine & {(t.view, t.identity) for t in group}]
    if not others or _support(others[0]) < RIVAL * _support(groups[0]):
        return []
    seen = ", ".join(sorted({cameras[t.view].name for t in others[0]}))
    text = f"A second person is seen almost as well (by {seen}); the one that fills more of the images was kept."
    return [Finding("warning", "trial", text)]


def person_size(pixels: np.ndarray) -> np.ndarray:
    """Return the diagonal (...) of the box around points (..., K, 2), pixels; NaN where fewer than two are seen."""
    seen = np.isfinite(pixels).all(axis=-1, keepdims=True)
    low = np.where(seen, pixels, np.inf).min(axis=-2, initial=np.inf)
    high = np.where(seen, pixels, -np.inf).max(axis=-2, initial=-np.inf)
    enough = seen.sum(axis=(-1, -2)) >= 2
    extent = np.where(enough[..., None], high, np.nan) - np.where(enough[..., None], low, np.nan)
    return np.hypot(extent[..., 0], extent[..., 1])


def _median_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the median distance (...) of points (..., K, 2); infinite where fewer than four are shared."""
    distance = np.hypot(*np.moveaxis(a - b, -1, 0))
    known = np.isfinite(distance)
    ordered = np.sort(np.where(known, distance, np.inf), axis=-1)
    count = known.sum(axis=-1)
    middle = np.take_along_axis(ordered, np.maximum(count - 1, 0)[..., None] // 2, axis=-1)[..., 0]
    return np.where(count >= FEWEST_POINTS, middle, np.inf)


def link_people(pixels: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Link the people of one view over time.

    Parameters
    ----------
    pixels : (T, P, K, 2) NaN where not seen
    confidence : (T, P, K)

    Returns
    -------
    (T, P) number of the track that each person belongs to; -1 where there is nobody.
    """
    frames, people = pixels.shape[:2]
    identity = np.full((frames, people), -1)
    present = ((confidence > 0).sum(axis=2) >= FEWEST_POINTS) if people else np.zeros((frames, 0), dtype=bool)
    sizes = person_size(pixels)
    moved = _moved_since_last_frame(pixels, sizes)
    last: dict[int, tuple[int, int]] = {}  # track: frame and slot in which it was seen last
    fresh = 0
    for frame in np.flatnonzero(present.any(axis=1)).tolist():
        last = {track: seen for track, seen in last.items() if frame - seen[0] <= LONGEST_BREAK}
        slots = np.flatnonzero(present[frame]).tolist()
        candidates = []
        for track, (then, where) in last.items():
            if then == frame - 1:
                distances = moved[frame, slots, where]
            else:
                distances = _median_distance(pixels[frame, slots], pixels[then, where]) / sizes[then, where]
            candidates += [(float(d), slot, track) for d, slot in zip(distances, slots, strict=True) if d < JUMP]
        matches = _nearest_first(candidates)
        for slot in slots:
            if slot not in matches:
                matches[slot], fresh = fresh, fresh + 1
            identity[frame, slot] = matches[slot]
            last[matches[slot]] = (frame, slot)
    return identity


def _moved_since_last_frame(pixels: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the distance (T, P, P), in sizes, of each person from each of the frame before."""
    frames, people = sizes.shape
    moved = np.full((frames, people, people), np.inf)
    for now in range(people):
        for before in range(people):
            distance = _median_distance(pixels[1:, now], pixels[:-1, before])
            moved[1:, now, before] = distance / np.where(sizes[:-1, before] > 0, sizes[:-1, before], np.nan)
    return moved


def _nearest_first(candidates: list[tuple[float, int, int]]) -> dict[int, int]:
    """Return slot to track from distances, slots and tracks; the nearest two belong together first."""
    matches: dict[int, int] = {}
    for _, slot, track in sorted(candidates):
        if slot not in matches and track not in matches.values():
            matches[slot] = track
    return matches


def _sampled_tracks(views: Sequence[View], identities: Sequence[np.ndarray]) -> list[_Track]:
    """Return the strongest tracks of each view at sample times that all views share."""
    rates = [view.rate_hz or 1.0 for view in views]
    reference = next((view.start_s for view in views if view.start_s is not None), 0.0)
    starts = [reference if view.start_s is None else view.start_s for view in views]
    ends = [start + max(len(i) - 1, 0) / rate for start, i, rate in zip(starts, identities, rates, strict=True)]
    times = np.linspace(min(starts), max(ends), SAMPLES)
    fastest = int(np.argmax(rates))
    times = starts[fastest] + np.unique(np.rint((times - starts[fastest]) * rates[fastest])) / rates[fastest]
    names = tuple(dict.fromkeys(name for view in views for name in _points(view).names))
    tracks = []
    for v, view in enumerate(views):
        frames = np.rint((times - starts[v]) * rates[v]).astype(int)
        own = [
            _sampled(v, view, identities[v], track, frames, names) for track in range(identities[v].max(initial=-1) + 1)
        ]
        tracks += sorted((t for t in own if t.present.any()), key=_weight, reverse=True)[:MOST_TRACKS]
    return tracks


def _sampled(
    v: int, view: View, identity: np.ndarray, track: int, frames: np.ndarray, names: tuple[str, ...]
) -> _Track:
    points = _points(view)
    inside = (frames >= 0) & (frames < len(identity))
    at = np.where(inside, frames, 0)
    hit = (identity[at] == track) & inside[:, None]
    shown, slot = hit.any(axis=1), hit.argmax(axis=1)
    pixels, confidence = np.full((len(frames), len(names), 2), np.nan), np.zeros((len(frames), len(names)))
    columns = [names.index(name) for name in points.names]
    pixels[np.ix_(shown, columns)] = points.pixels[at[shown], slot[shown]]
    confidence[np.ix_(shown, columns)] = points.confidence[at[shown], slot[shown]]
    sizes = person_size(pixels)
    size = float(np.median(sizes[np.isfinite(sizes)])) if np.isfinite(sizes).any() else 0.0
    return _Track(v, track, pixels, confidence, size)


def _weight(track: _Track) -> float:
    return float(track.confidence.sum()) * track.size_px


def _support(group: list[_Track]) -> float:
    """Return how many cameras beyond the first see this person, summed over time and weighted by confidence."""
    views = sorted({t.view for t in group})
    trust = np.stack([sum(t.confidence.mean(axis=1) for t in group if t.view == v) for v in views])
    present = np.stack([np.any([t.present for t in group if t.view == v], axis=0) for v in views])
    several = present.sum(axis=0) >= 2
    return float(((present.sum(axis=0) - 1) * trust.mean(axis=0))[several].sum())


def _groups(tracks: list[_Track], cameras: Sequence[Camera]) -> list[list[_Track]]:
    """Return groups of tracks that show one person, the best supported first (ties: the larger in the images)."""
    pairs = [(a, b) for a, b in combinations(tracks, 2) if a.view != b.view and (a.present & b.present).any()]
    pairs.sort(key=lambda pair: -float((pair[0].confidence * pair[1].confidence).sum()))
    groups: dict[frozenset[tuple[int, int]], list[_Track]] = {}
    for pair in pairs[:MOST_SEEDS]:
        group = _grown(list(pair), tracks, cameras)
        if group:
            groups[frozenset((t.view, t.identity) for t in group)] = group
    return sorted(groups.values(), key=lambda g: _support(g) * np.sqrt(np.mean([t.size_px for t in g])), reverse=True)


def _grown(group: list[_Track], tracks: list[_Track], cameras: Sequence[Camera]) -> list[_Track]:
    """Add the tracks onto which the group's points project; nothing is left if its own do not."""
    for _ in range(2):
        body = _body(group, cameras)
        if any(_misfit(track, body, cameras) > NEAR for track in group):
            return []
        rest = sorted((_misfit(t, body, cameras), i) for i, t in enumerate(tracks) if all(t is not g for g in group))
        for misfit, i in rest:
            taken = [t.present for t in group if t.view == tracks[i].view]
            if misfit < NEAR and not any((present & tracks[i].present).any() for present in taken):
                group = [*group, tracks[i]]
    return group


def _body(group: list[_Track], cameras: Sequence[Camera]) -> np.ndarray:
    """Return the points (S, K, 3) of a group of tracks."""
    views = sorted({t.view for t in group})
    shape = group[0].confidence.shape
    pixels = np.full((shape[0], len(views), shape[1], 2), np.nan)
    confidence = np.zeros((shape[0], len(views), shape[1]))
    for track in group:
        pixels[track.present, views.index(track.view)] = track.pixels[track.present]
        confidence[track.present, views.index(track.view)] = track.confidence[track.present]
    unlimited = triangulate([cameras[v] for v in views], pixels, confidence, max_error_px=np.inf)
    return unlimited.positions


def _misfit(track: _Track, body: np.ndarray, cameras: Sequence[Camera]) -> float:
    """Return the median distance of a track from the projected body, in sizes; infinite if they share no time."""
    distance = _median_distance(project_within_lens(cameras[track.view], body), track.pixels)
    known = np.isfinite(distance)
    return float(np.median(distance[known])) / max(track.size_px, 1e-9) if known.any() else float("inf")


def _take(view: View, identity: np.ndarray, tracks: Sequence[_Track]) -> View:
    """Return the view with only the person of `tracks`."""
    mine = np.isin(identity, [t.identity for t in tracks])
    slot = np.where(mine.any(axis=1), mine.argmax(axis=1), -1) if mine.shape[1] else np.full(len(mine), -1)
    return _with_slots(view, slot)


def _with_slots(view: View, slot: np.ndarray) -> View:
    """Return the view with person `slot` (T,) of each frame; -1 is nobody."""
    points = _points(view)
    shape = (len(slot), 1, len(points.names))
    pixels, confidence = np.full((*shape, 2), np.nan), np.zeros(shape)
    some = np.flatnonzero(slot >= 0)
    pixels[some, 0], confidence[some, 0] = points.pixels[some, slot[some]], points.confidence[some, slot[some]]
    return replace(view, keypoints=Keypoints(names=points.names, pixels=pixels, confidence=confidence))


def _nearest_to_projection(views: Sequence[View], single: Sequence[View], cameras: Sequence[Camera]) -> list[View]:
    """Let every frame take the person nearest to the projected body, and nobody where all are far from it."""
    clocked = [replace(v, rate_hz=v.rate_hz or 1.0) for v in single]
    grid = common_grid(clocked)
    body = triangulate(cameras, grid.pixels, grid.confidence).positions
    return [
        _nearest_person(view, chosen, camera, grid.names, grid.time, body)
        for view, chosen, camera in zip(views, clocked, cameras, strict=True)
    ]


def _own_limit(distance: np.ndarray) -> float:
    """Return how far the person may be from the projected body, given how far the nearest person mostly is."""
    known = distance[np.isfinite(distance)]
    typical = float(np.median(known)) if known.size else 0.0
    return float(np.clip(4.0 * typical, 0.3 * NEAR, 2.0 * NEAR))


def _nearest_person(
    view: View, chosen: View, camera: Camera, names: tuple[str, ...], time: np.ndarray, body: np.ndarray
) -> View:
    points = _points(view)
    if not points.pixels.shape[1]:
        return _with_slots(view, np.full(len(points.pixels), -1))
    own_time = (chosen.start_s or 0.0) + np.arange(len(points.pixels)) / (chosen.rate_hz or 1.0)
    nearest = np.clip(np.searchsorted(time, own_time), 0, len(time) - 1)
    image = project_within_lens(camera, body[nearest][:, [names.index(name) for name in points.names]])
    image[(own_time < time[0]) | (own_time > time[-1])] = np.nan  # where the body was then, no other camera tells
    size = person_size(points.pixels)
    with np.errstate(invalid="ignore"):
        distance = _median_distance(points.pixels, image[:, None]) / np.where(size > 0, size, np.nan)
    known = np.isfinite(distance).any(axis=1)
    distance = np.where(np.isfinite(distance), distance, np.inf)
    nearest_of_all = distance.min(axis=1)
    slot = np.where(nearest_of_all < _own_limit(nearest_of_all), distance.argmin(axis=1), -1)
    fallback = np.isfinite(_points(chosen).pixels[:, 0]).all(axis=-1).any(axis=-1) & ~known
    mended = _with_slots(view, slot)
    own, kept = _points(mended), _points(chosen)
    pixels = np.where(fallback[:, None, None, None], kept.pixels, own.pixels)
    confidence = np.where(fallback[:, None, None], kept.confidence, own.confidence)
    return replace(view, keypoints=Keypoints(names=points.names, pixels=pixels, confidence=confidence))
