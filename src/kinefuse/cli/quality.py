"""``quality.json``: what was measured, inferred and found, as plain numbers."""

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, Final

import numpy as np

from kinefuse.body.models import BodyModel
from kinefuse.conventions import JOINTS, PROVENANCE, SEGMENT_INDEX, SEGMENTS
from kinefuse.inertial.checks import summarize_imu
from kinefuse.metrics.strides import QUANTITIES, mean_and_sd, strides_of
from kinefuse.motion import Motion
from kinefuse.recordings import Finding, JointCenters, Recording
from kinefuse.report.agreement import body_points, nearest_frames

FORMAT: Final = 1
PACKAGES: Final = ("kinefuse", "numpy", "scipy", "torch", "mediapipe", "opencv-contrib-python", "xarray", "h5netcdf")
"""Whose versions may change a number."""


def make_quality(
    motion: Motion,
    recording: Recording,
    *,
    estimator: str,
    reason: str,
    seed: int,
    findings: Sequence[Finding],
    measured: Mapping[str, Any],
    body: BodyModel | None,
    truth: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the content of ``quality.json``.

    Parameters
    ----------
    motion, recording
    estimator, reason
        Name of the estimator, and why it was taken; an empty reason if it was asked for.
    seed
    findings
        What was found on the way, one sentence each.
    measured
        Numbers about cameras and keypoints, from `kinefuse.vision.preparation`; empty without cameras.
    body
        The body of `motion`.
    truth
        Errors against the truth, or None.
    """
    quality: dict[str, Any] = {
        "format": FORMAT,
        "estimator": estimator,
        "estimator_reason": reason,
        "seed": seed,
        "versions": versions(),
        "findings": list(findings),
        "notes": list(motion.notes),
        "cameras": {},
        "keypoints": {},
        **measured,
        "imus": {imu.name: summarize_imu(imu) for imu in recording.imus},
        "motion": motion_numbers(motion),
        "walking": walking_numbers(motion),
    }
    if recording.joint_centers is not None:
        quality["fit"] = fit_numbers(motion, recording.joint_centers, body)
    if truth is not None:
        quality["truth"] = dict(truth)
    return quality


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that may change a number."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def motion_numbers(motion: Motion) -> dict[str, Any]:
    """Return frames, rate, and where each segment's values come from, as fractions of the frames."""
    shares = {name: np.mean(motion.provenance == code, axis=0) for code, name in PROVENANCE.items()}
    return {
        "frames": len(motion.time),
        "rate_hz": motion.rate_hz,
        "start_s": float(motion.time[0]) if len(motion.time) else None,
        "provenance": {
            segment: {name: float(share[index]) for name, share in shares.items()}
            for index, segment in enumerate(SEGMENTS)
        },
        "provenance_mean": {name: float(np.mean(share)) for name, share in shares.items()},
    }


def walking_numbers(motion: Motion) -> dict[str, Any]:
    """Return how many strides were found and left out, what lengths are against, and means over them if any."""
    walking = strides_of(motion)
    found: dict[str, Any] = {"strides": len(walking.strides), "left_out": walking.left_out, "place": walking.place}
    if not walking.strides:
        return found
    names = {"speed": "speed_m_per_s", "cadence": "cadence_steps_per_min", "length": "stride_length_m"}
    means = {told: mean_and_sd(walking.straight, key)[0] / QUANTITIES[key].scale for key, told in names.items()}
    return {**found, **means}


def fit_numbers(motion: Motion, centers: JointCenters, body: BodyModel | None) -> dict[str, Any]:
    """Return how far measured points lie from the same points of the fitted body, in millimetres.

    Returns
    -------
    ``median_mm`` over all points and frames, ``p95_mm``, and ``points``: the median by name. None where nothing can be
    compared. What a detector's idea of a joint lies beside the model's is part of it.
    """
    distance = fit_distances(motion, centers, body)
    everything = np.concatenate(list(distance.values())) if distance else np.empty(0)
    if not everything.size:
        return {"median_mm": None, "p95_mm": None, "points": {}}
    return {
        "median_mm": 1e3 * float(np.median(everything)),
        "p95_mm": 1e3 * float(np.percentile(everything, 95)),
        "points": {name: 1e3 * float(np.median(values)) for name, values in distance.items() if values.size},
    }


def fit_distances(motion: Motion, centers: JointCenters, body: BodyModel | None) -> dict[str, np.ndarray]:
    """Return, for each measured point that the body has, its distances (N,) from the body's own in metres.

    An optical marker has no place on every body: its distances are from where it lies on its segment, in the median.
    """
    names, places = body_points(motion, body)
    modelled = {name: motion.positions[:, index] for index, name in enumerate(JOINTS)}
    modelled |= {name: places[:, index] for index, name in enumerate(names)}
    frames = nearest_frames(motion.time, centers.time)
    known = frames >= 0
    distance = {}
    for index, name in enumerate(centers.names):
        if name in modelled:
            apart = np.linalg.norm(centers.positions[known, index] - modelled[name][frames[known]], axis=-1)
            distance[name] = apart[np.isfinite(apart)]
    return distance | _marker_distances(motion, centers, frames)


def _marker_distances(motion: Motion, centers: JointCenters, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Return how far each optical marker (N,) moves on its segment, metres, around the median of its places there."""
    from kinefuse.body.markers import MARKER_SETS, recognise_markers

    marker_set, known = recognise_markers(centers.names), frames >= 0
    table = {} if marker_set is None else MARKER_SETS[marker_set]
    distance = {}
    for index, name in enumerate(centers.names):
        if name in table:
            segment = SEGMENT_INDEX[table[name].segment]
            arm = centers.positions[known, index] - motion.positions[frames[known], segment]
            place = np.einsum("tji,tj->ti", motion.R_world_segment[frames[known], segment], arm)
            place = place[np.isfinite(place).all(-1)]
            distance[name] = np.linalg.norm(place - np.median(place, axis=0), axis=-1) if len(place) else place[:, 0]
    return distance
