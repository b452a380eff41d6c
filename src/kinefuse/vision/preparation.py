"""From the keypoints of several cameras to measured joint centres, with an account of how good they are.

The steps: keep the person that is recorded, put all cameras on one clock, optionally refine the cameras' poses,
triangulate, and fill short gaps (marked as such). What limits the result is told in findings and in numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kinefuse.conventions import mirrored_name
from kinefuse.errors import KinefuseError, NobodySeenError
from kinefuse.recordings import Camera, Finding, JointCenters, Recording, View
from kinefuse.rotations import geodesic_angle
from kinefuse.vision.association import choose_person_and_starts
from kinefuse.vision.cameras import project_within_lens
from kinefuse.vision.refinement import TOTAL, Refinement, refine_extrinsics
from kinefuse.vision.synchrony import GridViews, StartEstimate, common_grid, estimate_start_offsets
from kinefuse.vision.triangulation import Triangulation, triangulate

MIN_CONFIDENCE = 0.3
"""Observations with less confidence are left out, as other tools do by default."""

MAX_SD_M = 0.15
"""Points that are less certain count as missing."""

LARGE_ERROR = 0.004
"""Share of the image diagonal (9 px of a 1920 x 1080 image) above which a median reprojection error is a problem."""

MUCH_NEARER = 0.5
"""Left and right of a camera are exchanged if that brings its points so much nearer to the others."""

REMARKABLE = 1.5
"""A camera disagrees if its own error is this much above that of the rest without it."""

SELDOM_SEEN = 0.3
OFTEN_REJECTED = 0.3


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A recording with measured joint centres, and how they came about.

    Attributes
    ----------
    recording : with `joint_centers` set, one person per view, every start set, and refined cameras if asked for
    triangulation : on the times of the joint centres, cameras in the order of `cameras`; points that are too uncertain
        are NaN there too
    cameras : names of the cameras that were used
    findings : sentences for the user
    quality : numbers for ``quality.json``: ``cameras``, ``keypoints``, ``median_reprojection_px`` (of the observations
        that were used), ``median_reprojection_seen_px`` (also of those that were rejected), ``missing_fraction`` (of
        the keypoints that any camera ever shows), ``interpolated_fraction``,
        ``uncertain_fraction`` (found, but too uncertain to keep), and ``refinement`` if there was one
    """

    recording: Recording
    triangulation: Triangulation
    cameras: tuple[str, ...]
    findings: list[Finding]
    quality: dict[str, Any]


def measure_joint_centers(
    recording: Recording,
    refine: bool = False,
    max_gap_s: float = 0.1,
    min_confidence: float = MIN_CONFIDENCE,
    max_error_px: float | None = None,
    max_sd_m: float = MAX_SD_M,
) -> Prepared:
    """Measure the person's keypoints in 3-D.

    Parameters
    ----------
    recording : at least two calibrated views with keypoints
    refine : fit the cameras' poses to the movement first; kept only if held-out frames agree better
    max_gap_s : gaps up to this long are interpolated linearly, and marked so; longer ones stay missing
    min_confidence : observations with less are left out
    max_error_px : reprojection error above which a camera's observation is left out; see `triangulate`
    max_sd_m : a point whose standard deviation along its worst direction is larger counts as missing, metres; points
        that only two cameras see which face each other are such

    Returns
    -------
    Prepared

    Raises
    ------
    KinefuseError
        If there are fewer than two views, or a frame rate is unknown.
    NobodySeenError
        If fewer than two cameras see a person.
    """
    choice = choose_person_and_starts(recording)
    recording, findings = replace(recording, views=choice.views), list(choice.findings)
    used = [view for view in recording.views if view.keypoints is not None]
    cameras = [recording.camera(view.camera) for view in used]
    require_seen(used)
    views, estimates, told = estimate_start_offsets(cameras, used)
    refinement = None
    if refine:
        cameras, refinement = _refined(cameras, views, min_confidence)
        views, estimates, told = estimate_start_offsets(cameras, used)
    grid = common_grid(views)
    result = triangulate(
        cameras, grid.pixels, grid.confidence, min_confidence=min_confidence, max_error_px=max_error_px
    )
    _check_found(result, grid, min_confidence)
    result, uncertain = _certain(result, max_sd_m)
    _check_certain(result, max_sd_m)
    centers = _joint_centers(grid, result, max_gap_s)
    quality = {**_quality(grid, result, centers, views, estimates, min_confidence), "uncertain_fraction": uncertain}
    findings += [*told, *_refinement_findings(refinement), *_disagreements(cameras, grid, result, quality, refine)]
    if refinement is not None:
        quality["refinement"] = _refinement_quality(refinement, recording)
    return Prepared(
        recording=_with_results(recording, cameras, views, centers),
        triangulation=result,
        cameras=grid.cameras,
        findings=findings,
        quality=quality,
    )


def require_seen(views: Sequence[View]) -> None:
    """Raise a `NobodySeenError` unless the keypoints of at least two views show somebody."""
    if len(views) < 2:
        raise KinefuseError(
            f"Measuring in 3-D needs keypoints of at least two calibrated cameras, got {len(views)}: add a camera with "
            "its calibration, or use joint centres or IMUs instead."
        )
    seeing = [view.camera for view in views if view.keypoints is not None and (view.keypoints.confidence > 0).any()]
    if not seeing:
        raise NobodySeenError("No camera shows a person: check that the keypoint files belong to this trial.")
    if len(seeing) < 2:
        raise NobodySeenError(
            f"Only camera {seeing[0]} shows a person; measuring in 3-D needs at least two: check the others' keypoints."
        )


def _check_found(result: Triangulation, grid: GridViews, min_confidence: float) -> None:
    if np.isfinite(result.positions).any():
        return
    highest = float(grid.confidence.max(initial=0.0))
    if 0.0 < highest < min_confidence:
        raise KinefuseError(
            f"All points are too unsure: their highest confidence is {highest:.2g}, and {min_confidence:g} is needed; "
            "confidences run from 0 to 1, so check their unit, or use another detector."
        )
    raise KinefuseError(
        "The cameras do not agree on a single point: check that calibration.toml belongs to these recordings, that "
        "camera names are not exchanged, and start_s and rate_hz of each camera."
    )


def _check_certain(result: Triangulation, max_sd_m: float) -> None:
    if not np.isfinite(result.positions).any():
        raise KinefuseError(
            f"The cameras measure no point surer than {max_sd_m:g} m: they are too near to each other or too far away; "
            "check the positions of the cameras and the unit in calibration.toml."
        )


def _refined(
    cameras: Sequence[Camera], views: Sequence[View], min_confidence: float
) -> tuple[list[Camera], Refinement]:
    grid = common_grid(views)
    refinement = refine_extrinsics(cameras, grid.pixels, grid.confidence, min_confidence=min_confidence)
    return list(refinement.cameras if refinement.improves else cameras), refinement


def _certain(result: Triangulation, max_sd_m: float) -> tuple[Triangulation, float]:
    """Return the result without the points that are too uncertain, and their share of all points found."""
    known = np.isfinite(result.covariance).all(axis=(-1, -2))
    variance = np.full(known.shape, np.inf)
    variance[known] = np.linalg.eigvalsh(result.covariance[known])[:, -1]
    found = np.isfinite(result.positions[..., 0])
    uncertain = found & (variance > max_sd_m**2)
    positions = np.where(uncertain[..., None], np.nan, result.positions)
    covariance = np.where(uncertain[..., None, None], np.nan, result.covariance)
    share = float(uncertain.sum() / max(int(found.sum()), 1))
    return replace(result, positions=positions, covariance=covariance), share


def _joint_centers(grid: GridViews, result: Triangulation, max_gap_s: float) -> JointCenters:
    positions, covariance, filled = fill_short_gaps(grid.time, result.positions, result.covariance, max_gap_s)
    between = result.used.any(axis=1) & ((result.used & ~grid.interpolated).sum(axis=1) < 2)
    return JointCenters(
        names=grid.names, time=grid.time, positions=positions, covariance=covariance, interpolated=filled | between
    )


def fill_short_gaps(
    time: np.ndarray, positions: np.ndarray, covariance: np.ndarray, max_gap_s: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interpolate linearly over gaps; nothing is added before the first or after the last measured value.

    Parameters
    ----------
    time : (T,) seconds
    positions : (T, K, 3) metres, NaN where missing
    covariance : (T, K, 3, 3) m²
    max_gap_s : longest time between the measured values at both ends of a gap that is filled

    Returns
    -------
    positions, covariance (the sum of the two ends': a cautious guess), and the mask (T, K) of what was filled.
    """
    positions, covariance = positions.copy(), covariance.copy()
    filled = np.zeros(positions.shape[:2], dtype=bool)
    for k in range(positions.shape[1]):
        known = np.flatnonzero(np.isfinite(positions[:, k]).all(axis=-1))
        before = np.flatnonzero(np.diff(known) > 1)
        for left, right in zip(known[before], known[before + 1], strict=True):
            if time[right] - time[left] > max_gap_s + 1e-9:
                continue
            inside = slice(left + 1, right)
            share = ((time[inside] - time[left]) / (time[right] - time[left]))[:, None]
            positions[inside, k] = (1.0 - share) * positions[left, k] + share * positions[right, k]
            covariance[inside, k] = covariance[left, k] + covariance[right, k]
            filled[inside, k] = True
    return positions, covariance, filled


def _with_results(
    recording: Recording, cameras: Sequence[Camera], views: Sequence[View], centers: JointCenters
) -> Recording:
    new_cameras = {camera.name: camera for camera in cameras}
    new_views = {view.camera: view for view in views}
    return replace(
        recording,
        cameras=tuple(new_cameras.get(camera.name, camera) for camera in recording.cameras),
        views=tuple(new_views.get(view.camera, view) for view in recording.views),
        joint_centers=centers,
    )


def _quality(
    grid: GridViews,
    result: Triangulation,
    centers: JointCenters,
    views: Sequence[View],
    estimates: Sequence[StartEstimate],
    min_confidence: float,
) -> dict[str, Any]:
    seen = grid.confidence > 0
    sure = seen & (grid.confidence >= min_confidence)
    measurable = seen & (sure.sum(axis=1, keepdims=True) >= 2)  # what no other camera sees was not rejected
    known = np.isfinite(result.reprojection_px)
    measured = np.isfinite(result.positions[..., 0])
    estimated = {estimate.camera for estimate in estimates}
    cameras = {
        view.camera: {
            "median_reprojection_px": _median(result.reprojection_px[:, v][result.used[:, v]]),
            "median_reprojection_seen_px": _median(result.reprojection_px[:, v][known[:, v]]),
            "noise_px": _number(result.noise_px[v]),
            "frames": int(seen[:, v].any(axis=1).sum()),
            "seen_fraction": _number(seen[:, v].any(axis=1).mean()),
            "rejected_fraction": _rejected(result.used[:, v], measurable[:, v]),
            "start_s": view.start_s,
            "start_estimated": view.camera in estimated,
        }
        for v, view in enumerate(views)
    }
    keypoints = {
        name: {
            "median_reprojection_px": _median(result.reprojection_px[:, :, k][result.used[:, :, k]]),
            "missing_fraction": _number(1.0 - measured[:, k].mean()),
            "mean_views": _number(result.used[:, :, k].sum(axis=1).mean()),
        }
        for k, name in enumerate(grid.names)
    }
    return {
        "cameras": cameras,
        "keypoints": keypoints,
        "median_reprojection_px": _median(result.reprojection_px[result.used]),
        "median_reprojection_seen_px": _median(result.reprojection_px[known]),
        "missing_fraction": _number(np.isnan(centers.positions[:, seen.any(axis=(0, 1)), 0]).mean()),
        "interpolated_fraction": _number(np.mean(centers.interpolated if centers.interpolated is not None else 0.0)),
    }


def _rejected(used: np.ndarray, measurable: np.ndarray) -> float:
    """Return the share of one camera's observations that were left out, of those that could have been used."""
    return 1.0 - float(used[measurable].mean()) if measurable.any() else 0.0


def _median(values: np.ndarray) -> float | None:
    return float(np.median(values)) if values.size else None


def _number(value: float | np.floating) -> float | None:
    return float(value) if np.isfinite(value) else None


def _disagreements(
    cameras: Sequence[Camera], grid: GridViews, result: Triangulation, quality: dict[str, Any], refined: bool
) -> list[Finding]:
    """Say which camera spoils the result, and which ones add little to it."""
    limit = LARGE_ERROR * float(np.median([np.hypot(*camera.size) for camera in cameras]))
    overall = quality["median_reprojection_seen_px"] or 0.0
    often = [
        v for v, numbers in enumerate(quality["cameras"].values()) if numbers["rejected_fraction"] > OFTEN_REJECTED
    ]
    findings = [finding for v in often for finding in _exchanged_sides(cameras, grid, v)]
    explained = {finding.about for finding in findings}
    if overall > limit and not findings:
        findings.append(_odd_camera(cameras, grid, overall, refined))
    for name, numbers in quality["cameras"].items():
        if numbers["seen_fraction"] < SELDOM_SEEN:
            text = f"Camera {name} shows the person in only {100 * numbers['seen_fraction']:.0f} % of the frames."
            findings.append(Finding("warning", f"camera {name}", text))
        elif numbers["rejected_fraction"] > OFTEN_REJECTED and f"camera {name}" not in explained:
            share = 100 * numbers["rejected_fraction"]
            text = f"Camera {name}: {share:.0f} % of its points were left out, as unsure or against the other cameras."
            findings.append(Finding("warning", f"camera {name}", text))
    return findings


def _odd_camera(cameras: Sequence[Camera], grid: GridViews, overall: float, refined: bool) -> Finding:
    """Name the camera whose absence helps the others most, if there is one that stands out."""
    advice = "check it" if refined else "try --refine-cameras"
    together = (
        f"The cameras disagree by {overall:.0f} px (median): their calibration or their clocks are off; {advice}."
    )
    if len(cameras) < 3:
        return Finding("warning", "cameras", together)
    own = [_distance_to_others(cameras, grid, v) for v in range(len(cameras))]
    worst = int(np.nanargmax(own)) if np.isfinite(own).any() else 0
    rest = np.delete(own, worst)
    if not own[worst] > REMARKABLE * np.nanmedian(rest):
        return Finding("warning", "cameras", together)
    name = cameras[worst].name
    error = f"{own[worst]:.0f} px"
    text = f"Camera {name} disagrees with the others by {error}: its calibration or its clock is off; {advice}."
    return Finding("warning", f"camera {name}", text)


def _exchanged_sides(cameras: Sequence[Camera], grid: GridViews, v: int) -> list[Finding]:
    """Say if one camera agrees with the others only after its left and right have changed places."""
    own = _distance_to_others(cameras, grid, v)
    mirrored = _distance_to_others(cameras, _with_sides_exchanged(grid, v), v)
    if not mirrored < MUCH_NEARER * own:
        return []
    text = (
        f"Camera {cameras[v].name} disagrees with the others by {own:.0f} px, and by {mirrored:.0f} px if its left and "
        "right change places: its keypoints seem to be named the wrong way round; exchange _l and _r in them."
    )
    return [Finding("warning", f"camera {cameras[v].name}", text)]


def _with_sides_exchanged(grid: GridViews, v: int) -> GridViews:
    """Return the grid with left for right in one view, where both are among the points."""
    mirrored = [mirrored_name(name) for name in grid.names]
    order = [grid.names.index(name) if name in grid.names else n for n, name in enumerate(mirrored)]
    pixels, confidence = grid.pixels.copy(), grid.confidence.copy()
    pixels[:, v], confidence[:, v] = pixels[:, v][:, order], confidence[:, v][:, order]
    return replace(grid, pixels=pixels, confidence=confidence)


def _distance_to_others(cameras: Sequence[Camera], grid: GridViews, v: int) -> float:
    """Return the median distance, pixels, of one camera's points from those that the other cameras give."""
    step = max(1, len(grid.time) // 500)
    others = np.where(grid.confidence >= MIN_CONFIDENCE, grid.confidence, 0.0)[::step]
    shown = others[:, v] > 0
    others[:, v] = 0.0
    body = triangulate(cameras, grid.pixels[::step], others, max_error_px=np.inf).positions
    errors = np.linalg.norm(project_within_lens(cameras[v], body) - grid.pixels[::step, v], axis=-1)[shown]
    return float(np.median(errors[np.isfinite(errors)])) if np.isfinite(errors).any() else float("nan")


def _refinement_findings(refinement: Refinement | None) -> list[Finding]:
    if refinement is None:
        return []
    before, after = refinement.before_px[TOTAL], refinement.after_px[TOTAL]
    if not refinement.improves:
        text = (
            f"Refining the cameras did not help ({before:.1f} px before, {after:.1f} px after, on frames held out), so "
            "the calibration was used as it is."
        )
        return [Finding("info", "cameras", text)]
    text = (
        f"Refining the cameras' poses took the median reprojection error from {before:.1f} to {after:.1f} px on frames "
        f"that were not used for it; camera {refinement.fixed_camera} was held."
    )
    return [Finding("info", "cameras", text)]


def _refinement_quality(refinement: Refinement, recording: Recording) -> dict[str, Any]:
    moves = {}
    for camera in refinement.cameras:
        before = recording.camera(camera.name)
        turned = float(geodesic_angle(before.R_camera_world, camera.R_camera_world))
        moves[camera.name] = {
            "moved_mm": float(1e3 * np.linalg.norm(camera.centre - before.centre)),
            "turned_deg": float(np.degrees(turned)),
        }
    return {
        "before_px": {key: _number(value) for key, value in refinement.before_px.items()},
        "after_px": {key: _number(value) for key, value in refinement.after_px.items()},
        "applied": refinement.improves,
        "fixed_camera": refinement.fixed_camera,
        "held_out_frames": int(refinement.held_out.sum()),
        "moves": moves,
    }
