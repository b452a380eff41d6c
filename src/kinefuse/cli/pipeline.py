"""One trial from its folder to its result: read, detect, measure, estimate, judge, write."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from kinefuse.cli.progress import Progress, silent
from kinefuse.cli.target import check_output
from kinefuse.errors import KinefuseError, NobodySeenError
from kinefuse.motion import Motion
from kinefuse.recordings import Finding, JointCenters, Recording, View

TRUTH = Path("reference") / "motion.nc"
"""Where a trial keeps its truth, if it has one: compared with the result, never an input."""

SMALLEST_BODY_M, LARGEST_BODY_M = 0.1, 5.0
"""What six points of a body may span: wrong units (mm, cm, inches, feet) lead out of it, a few outliers do not."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A recording that is ready for an estimator.

    Attributes
    ----------
    recording
    findings : sentences about what was found and done
    measured : numbers about cameras and keypoints for ``quality.json``; empty if nothing was triangulated
    """

    recording: Recording
    findings: list[Finding] = field(default_factory=list)
    measured: Mapping[str, Any] = field(default_factory=dict)


def run_trial(
    trial: Path | str,
    *,
    estimator: str = "auto",
    out: Path | str | None = None,
    overwrite: bool = False,
    refine_cameras: bool = False,
    detector: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Estimate the motion of a trial and write the result with its report.

    Parameters
    ----------
    trial
        Folder of a trial.
    estimator
        Name in `kinefuse.estimators.registry`, or ``"auto"``.
    out
        Folder for the result; ``TRIAL/result`` if None.
    overwrite
        Replace an earlier result.
    refine_cameras
        Fit the cameras' poses to the movement first; kept only if frames held out agree better.
    detector
        Who finds people in videos that have no keypoints yet, or ``"auto"``.
    seed
        Seed of whatever is random.
    progress
        Called as ``progress(stage, done, total)``, `total` 0 where it is unknown; from several threads.

    Returns
    -------
    The folder of the result.

    Raises
    ------
    KinefuseError
        If the folder for the result cannot be used (before anything else is done), the trial cannot be read, or it
        does not hold what the estimator needs. Nothing is written or replaced then.
    """
    trial, tell = Path(trial), progress or silent
    out = trial / "result" if out is None else Path(out)
    from kinefuse.estimators.registry import (
        NEEDS_SILHOUETTES,
        WITHOUT_PLACE,
        base_name,
        choose_estimator,
        make_estimator,
    )
    from kinefuse.formats.trial import read_trial, require_trial
    from kinefuse.vision.detectors import choose_detector

    require_trial(trial)
    check_output(out, trial, overwrite)
    chosen = None if estimator == "auto" else make_estimator(estimator)
    if detector != "auto":
        choose_detector(detector)
    _sow(seed)
    tell("reading the trial", 0, 0)
    recording, scaled = _in_calibrated_pixels(read_trial(trial))
    truth = read_truth(trial)
    require_two_views(recording)
    name, reason = (estimator, "It was asked for.") if chosen else choose_estimator(recording)
    mattes = base_name(name) in NEEDS_SILHOUETTES
    prepared = prepare(
        recording,
        refine_cameras=refine_cameras,
        detector=detector,
        progress=tell,
        mattes=mattes,
        sensors_will_do=chosen is None or base_name(name) in WITHOUT_PLACE,
    )
    if chosen is None:  # again, as sensors may have been put on the clock of the points, or be all that there is
        left = prepared.recording
        name, reason = choose_estimator(replace(recording, imus=left.imus, views=left.views))
    tell(f"estimating with {name}", 0, 0)
    motion = (chosen or make_estimator(name)).estimate(prepared.recording)
    tell("writing the result", 0, 0)
    prepared = replace(prepared, findings=[*scaled, *prepared.findings])
    _write(out, motion, truth, prepared, (name, reason, seed), overwrite)
    tell("writing the result", 1, 0)
    return out


def _in_calibrated_pixels(recording: Recording) -> tuple[Recording, list[Finding]]:
    """Return a trial's recording whose keypoints are in calibrated pixels, if its cameras will be looked at."""
    from kinefuse.vision.keypoint_scale import with_calibrated_keypoints

    looked_at = recording.joint_centers is None and len(seeing_views(recording)) >= 2
    return with_calibrated_keypoints(recording) if looked_at else (recording, [])


def _sow(seed: int) -> None:
    """Seed the global generators, for estimators that draw from them."""
    import random

    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)


def read_truth(trial: Path) -> Motion | None:
    """Return the truth that lies beside a trial, None if there is none."""
    if not (trial / TRUTH).is_file():
        return None
    from kinefuse.formats.netcdf import read_motion

    return read_motion(trial / TRUTH)


def prepare(
    recording: Recording,
    *,
    refine_cameras: bool,
    detector: str,
    progress: Progress,
    mattes: bool = False,
    sensors_will_do: bool = False,
) -> Prepared:
    """Detect the person in videos, and measure joint centres, where the recording does not have them yet.

    Sensors whose start is unknown are then put on the clock of the joint centres.

    Parameters
    ----------
    recording
    refine_cameras, detector, progress
        As in `run_trial`.
    mattes
        Whether the estimator looks at silhouettes.
    sensors_will_do
        Whether to go on without the cameras if fewer than two of them show a person and there are inertial sensors.

    Raises
    ------
    KinefuseError
        If a video cannot be read or fits no calibration, nobody is in view, or fewer than two cameras see the person
        and sensors will not do or there are none.
    """
    from kinefuse.inertial.checks import check_imus

    findings = [*check_imus(recording.imus), *check_held_poses(recording)]
    if recording.joint_centers is not None or len(seeing_views(recording)) < 2:
        return _as_it_is(recording, findings, detector, progress, mattes)
    try:
        return _measured(recording, findings, detector, progress, mattes, refine_cameras)
    except NobodySeenError as error:
        if not (sensors_will_do and recording.imus):
            raise
        told = Finding("warning", "cameras", f"{error} The inertial sensors are used alone.")
        return Prepared(recording=replace(recording, views=()), findings=[told, *findings])


def check_held_poses(recording: Recording) -> list[Finding]:
    """Say which poses tell nothing, where sensors and poses are on one clock; without points, that is the sensors'."""
    from kinefuse.inertial.checks import check_poses

    alone = recording.joint_centers is None and not recording.views
    on_clock = alone or all(imu.start_is_known for imu in recording.imus)
    return check_poses(recording.poses, recording.imus) if on_clock else []


def _as_it_is(
    recording: Recording, findings: list[Finding], detector: str, progress: Progress, mattes: bool
) -> Prepared:
    """Prepare a recording in which nothing is to be measured by cameras."""
    from kinefuse.inertial.clocks import put_on_clock

    if mattes and _must_look(recording):
        recording, detected = _detect(recording, detector, progress, mattes)
        findings = [*detected, *findings]
    elif mattes:
        recording = with_rates(recording)
    require_human_size(recording.joint_centers, "the file's header")
    recording, worn = put_on_clock(recording)
    return Prepared(recording=recording, findings=[*worn, *([] if mattes else _left_out(recording)), *findings])


def _measured(
    recording: Recording, findings: list[Finding], detector: str, progress: Progress, mattes: bool, refine: bool
) -> Prepared:
    """Prepare a recording whose joint centres its cameras have to measure."""
    from kinefuse.inertial.clocks import put_on_clock
    from kinefuse.vision.preparation import measure_joint_centers

    recording, detected = _detect(recording, detector, progress, mattes)
    progress("measuring joint centres", 0, 0)
    measured = measure_joint_centers(recording, refine=refine)
    require_human_size(measured.recording.joint_centers, "calibration.toml")
    recording, worn = put_on_clock(measured.recording)
    findings = [*measured.findings, *worn, *detected, *findings]
    return Prepared(recording=recording, findings=findings, measured=measured.quality)


def require_two_views(recording: Recording) -> None:
    """Raise a `KinefuseError` if a single camera is all there is: it measures nothing in 3-D."""
    showing = [view for view in recording.views if _sees(view) or view.silhouettes is not None]
    if len(showing) == 1 and recording.joint_centers is None and not recording.imus:
        raise KinefuseError(
            f"Only camera {showing[0].camera} has a video, keypoints or silhouettes, but measuring in 3-D takes at "
            "least two calibrated cameras; add another one, IMUs or joint centres."
        )


def require_human_size(points: JointCenters | None, where: str) -> None:
    """Raise a `KinefuseError` if the points are too close together or too far apart for a human body.

    A body can be fitted to such points, and everything but its size then looks right.

    Parameters
    ----------
    points
        None passes.
    where
        The place that tells the unit.
    """
    extent = float("nan") if points is None else _extent_m(points)
    if np.isfinite(extent) and not SMALLEST_BODY_M < extent < LARGEST_BODY_M:
        raise KinefuseError(
            f"The points of one frame span {extent:.3g} m, which is no human body; check the unit in {where}."
        )


def _extent_m(points: JointCenters) -> float:
    """Return the median, over frames with at least half of the points, of the largest extent along an axis; metres."""
    enough = np.isfinite(points.positions[..., 0]).mean(axis=1) >= 0.5
    if not enough.any():
        return float("nan")
    frames = points.positions[enough]
    return float(np.median((np.nanmax(frames, axis=1) - np.nanmin(frames, axis=1)).max(axis=-1)))


def seeing_views(recording: Recording) -> list[View]:
    """Return the views that have a video or keypoints."""
    return [view for view in recording.views if _sees(view)]


def _sees(view: View) -> bool:
    return view.video is not None or view.keypoints is not None


def _must_look(recording: Recording) -> bool:
    """Return whether a trial's videos tell something beside its silhouettes: a single one does not."""
    seeing = seeing_views(recording)
    return len(seeing) >= 2 or any(view.video is not None and view.silhouettes is None for view in seeing)


def _left_out(recording: Recording) -> list[Finding]:
    """Say which cameras were not looked at, and why."""
    if not seeing_views(recording):
        return []
    if recording.joint_centers is not None:
        text = (
            "The trial holds measured joint centres, so its cameras were not looked at; remove them to use the cameras."
        )
        return [Finding("info", "cameras", text)]
    return [Finding("info", "cameras", "A single camera measures nothing in 3-D, so it was not looked at.")]


def _detect(recording: Recording, detector: str, progress: Progress, mattes: bool) -> tuple[Recording, list[Finding]]:
    looked_at = [view for view in recording.views if view.video is not None]
    if not any(view.keypoints is None or (mattes and view.silhouettes is None) for view in looked_at):
        return with_rates(recording), []
    from kinefuse.vision.detection import detect_recording

    recording, findings = detect_recording(
        recording,
        detector=detector,
        mattes=mattes,
        progress=lambda camera, done, total: progress(f"looking at {camera}", done, total),
    )
    return with_rates(recording), findings


def with_rates(recording: Recording) -> Recording:
    """Return the recording with the frame rates that only its videos tell, for views that have keypoints already.

    Raises
    ------
    KinefuseError
        If a video cannot be read.
    """
    return replace(recording, views=tuple(_with_rate(view) for view in recording.views))


def _with_rate(view: View) -> View:
    if view.rate_hz is not None or view.video is None:
        return view
    from kinefuse.formats.videos import probe_video

    return replace(view, rate_hz=probe_video(view.video, count=False).rate_hz)


def _write(
    out: Path, motion: Motion, truth: Motion | None, prepared: Prepared, made: tuple[str, str, int], overwrite: bool
) -> None:
    """Judge the motion and write everything at once, so that a stop on the way leaves an earlier result as it was."""
    from kinefuse.body.models import load_anny
    from kinefuse.cli.plausibility import height_against_points, implausible
    from kinefuse.cli.quality import make_quality
    from kinefuse.cli.truth import compare_if_possible
    from kinefuse.estimators.registry import WITHOUT_PLACE, base_name
    from kinefuse.formats.results import write_result
    from kinefuse.metrics.strides import stride_table, strides_of
    from kinefuse.report.page import render_report

    body = load_anny() if motion.body_name == load_anny().name else None
    name, reason, seed = made
    no_place = base_name(name) in WITHOUT_PLACE
    seen = replace(prepared.recording, views=(), joint_centers=None) if no_place else prepared.recording
    compared, apart = compare_if_possible(motion, truth, align_heading=no_place)
    quality = make_quality(
        motion,
        seen,
        estimator=name,
        reason=reason,
        seed=seed,
        findings=[*prepared.findings, *apart, *height_against_points(seen), *implausible(motion)],
        measured=prepared.measured,
        body=body,
        truth=compared,
    )
    told = {key: value for key, value in quality.items() if key not in {"motion", "truth", "walking"}}  # it has its own
    page = render_report(
        motion, told, recording=seen, body=body, truth=truth if compared else None, align_heading=no_place
    )
    refined = prepared.recording.cameras if "refinement" in prepared.measured else ()
    walking = strides_of(motion)
    table = stride_table(walking) if walking.strides else None
    write_result(out, motion, quality, overwrite=overwrite, report=page, cameras=refined, strides=table)
