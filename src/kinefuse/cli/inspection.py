"""What `kinefuse check` finds in a trial, without estimating anything."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kinefuse.cli.pipeline import TRUTH, check_held_poses, require_human_size, require_two_views, seeing_views
from kinefuse.cli.progress import Progress, silent
from kinefuse.cli.views import ViewFacts, compare_views, inspect_view
from kinefuse.errors import KinefuseError, NobodySeenError
from kinefuse.inertial.checks import check_imus
from kinefuse.inertial.clocks import put_on_clock
from kinefuse.inertial.sampling import measure_sampling
from kinefuse.recordings import Finding, Imu, JointCenters, Recording

SPARSE = 0.3
"""Share of missing values above which measured joint centres are remarkable."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was found.

    Attributes
    ----------
    contents : lines that say what is in the trial
    findings : what is wrong, and what limits the result
    obstacle : why the trial cannot be run, or None
    reason : which estimator would run, and why; empty with an obstacle
    """

    contents: list[str]
    findings: list[Finding]
    obstacle: str | None
    reason: str


def inspect_trial(folder: Path | str, progress: Progress | None = None) -> Inspection:
    """Look at everything in a trial.

    Parameters
    ----------
    folder
        A trial's folder.
    progress
        Called as ``progress(stage, done, total)`` while videos are read.

    Raises
    ------
    KinefuseError
        If the trial cannot be read at all.
    """
    from kinefuse.formats.trial import read_trial

    folder, tell = Path(folder), progress or silent
    recording = read_trial(folder)
    facts = []
    for index, view in enumerate(recording.views):
        facts.append(inspect_view(recording.camera(view.camera), view))
        tell("reading videos", index + 1, len(recording.views))
    findings = [finding for fact in facts for finding in fact.findings]
    findings += compare_views(facts, recording)
    findings += [*_check_points(recording.joint_centers), *check_imus(recording.imus)]
    findings += [*check_held_poses(recording), *_limits(recording)]
    placed, told = put_on_clock(recording)
    findings += told
    obstacle, reason = _runnable(placed, findings)
    return Inspection(contents=_contents(folder, recording, facts), findings=findings, obstacle=obstacle, reason=reason)


def _runnable(recording: Recording, findings: list[Finding]) -> tuple[str | None, str]:
    """Return why the recording cannot be run, or None, and which estimator would run and why."""
    from kinefuse.estimators.registry import choose_estimator

    try:
        require_two_views(recording)
        recording = _without_blind_cameras(recording, findings)
        name, reason = choose_estimator(recording)
        _require_usable(recording, name)
    except KinefuseError as error:
        return str(error), ""
    broken = [f for f in findings if f.level == "error" and f.about.startswith("camera")]
    broken = [] if recording.joint_centers is not None else broken
    return (f"{broken[0].about}: {broken[0].text}", "") if broken else (None, reason)


def _without_blind_cameras(recording: Recording, findings: list[Finding]) -> Recording:
    """Return the recording without cameras if their keypoints show nobody and there are sensors, and tell so."""
    from kinefuse.vision.preparation import require_seen

    seeing = seeing_views(recording)
    if recording.joint_centers is not None or len(seeing) < 2 or any(view.keypoints is None for view in seeing):
        return recording
    try:
        require_seen(seeing)
    except NobodySeenError as error:
        if not recording.imus:
            raise
        findings.append(Finding("warning", "cameras", f"{error} The inertial sensors would be used alone."))
        return replace(recording, views=())
    return recording


def _require_usable(recording: Recording, estimator: str) -> None:
    """Raise the `KinefuseError` with which an estimator would end, as far as the files alone tell it."""
    from kinefuse.body.fit_points import require_trunk
    from kinefuse.body.markers import recognise_markers
    from kinefuse.body.models import load_anny
    from kinefuse.estimators.registry import FOR_POINTS, WITHOUT_PLACE
    from kinefuse.estimators.sensors import common_times, usable_sensors
    from kinefuse.estimators.smplify3d import select_points

    if estimator in WITHOUT_PLACE:
        common_times(usable_sensors(recording.imus, estimator).sensors, estimator)
    points = recording.joint_centers
    require_human_size(points, "the file's header")
    if points is not None and recognise_markers(points.names) is None:
        known, _ = select_points(points, load_anny())
        if estimator == FOR_POINTS:
            require_trunk(known, load_anny())


# ---- what is in it


def _contents(folder: Path, recording: Recording, facts: list[ViewFacts]) -> list[str]:
    lines = [f"trial {folder}", _subject_line(recording)]
    lines += [f"  camera {fact.camera}: {fact.told}" for fact in facts]
    idle = [camera.name for camera in recording.cameras if camera.name not in {fact.camera for fact in facts}]
    lines += [f"  calibrated, but without data: {', '.join(idle)}"] if idle else []
    lines += [_points_line(recording.joint_centers)] if recording.joint_centers is not None else []
    lines += [_imu_line(imu) for imu in recording.imus]
    lines += [f"  held pose {pose.kind}: {pose.start_s:g} to {pose.end_s:g} s" for pose in recording.poses]
    lines += [f"  movement of {m.joint}: {m.start_s:g} to {m.end_s:g} s" for m in recording.movements]
    lines += ["  reference: motion.nc (truth, only compared with)"] if (folder / TRUTH).is_file() else []
    return lines


def _subject_line(recording: Recording) -> str:
    known = {
        "id": recording.subject.id,
        "height": None if recording.subject.height_m is None else f"{recording.subject.height_m:g} m",
        "mass": None if recording.subject.mass_kg is None else f"{recording.subject.mass_kg:g} kg",
        "sex": recording.subject.sex,
        "age": None if recording.subject.age_years is None else f"{recording.subject.age_years:g} years",
    }
    told = ", ".join(f"{key} {value}" for key, value in known.items() if value is not None)
    return f"  subject: {told or 'unknown'}"


def _points_line(points: JointCenters) -> str:
    missing = float(np.isnan(points.positions).any(axis=-1).mean())
    rate = measure_sampling(points.time).rate_hz
    return (
        f"  joint centres: {len(points.names)} points, {len(points.time)} frames at {rate:.4g} Hz, "
        f"{100 * missing:.1f} % missing"
    )


def _imu_line(imu: Imu) -> str:
    sampling = measure_sampling(imu.time)
    start = f"starts at {imu.time[0]:.3f} s" if imu.start_is_known else "start unknown"
    channels = ["accelerometer", "gyroscope"] if np.isfinite(imu.angular_rate).any() else ["accelerometer"]
    channels += ["magnetometer"] if imu.magnetic_field is not None else []
    channels += ["orientation"] if imu.R_ref_sensor is not None else []
    return (
        f"  sensor {imu.name} on {imu.segment}: {sampling.rate_hz:.4g} Hz for {sampling.duration_s:.2f} s, "
        f"{sampling.lost} packets lost, {start}; {', '.join(channels)}"
    )


# ---- what is wrong with it, and what limits it


def _check_points(points: JointCenters | None) -> list[Finding]:
    if points is None:
        return []
    missing = np.isnan(points.positions).any(axis=-1).mean(axis=0)
    findings = []
    never = [name for name, share in zip(points.names, missing, strict=True) if share == 1.0]
    if never:
        findings.append(Finding("warning", "joint centres", f"Never seen: {', '.join(never)}."))
    seldom = [name for name, share in zip(points.names, missing, strict=True) if SPARSE < share < 1.0]
    if seldom:
        text = f"Missing in more than {100 * SPARSE:.0f} % of the frames: {', '.join(seldom)}."
        findings.append(Finding("warning", "joint centres", text))
    return findings


def _limits(recording: Recording) -> list[Finding]:
    """Say what the trial does not hold that would make the result better."""
    findings = []
    seeing = seeing_views(recording)
    if len(seeing) == 2 and recording.joint_centers is None:
        text = "Two cameras measure a point only while both see it; a third one fills many gaps."
        findings.append(Finding("info", "cameras", text))
    if recording.subject.height_m is None:
        text = "The subject's height is unknown; height_m in [subject] of trial.toml makes the body's size surer."
        findings.append(Finding("info", "subject", text))
    loose = [imu.name for imu in recording.imus if imu.R_segment_sensor is None]
    if loose and not recording.poses:
        text = (
            "Neither a held pose ([[pose]] in trial.toml) nor q_segment_sensor tells how sensors are mounted, so that "
            f"must be estimated: {', '.join(loose)}."
        )
        findings.append(Finding("info", "sensors", text))
    return findings
