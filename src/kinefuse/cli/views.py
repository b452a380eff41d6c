"""What one camera recorded, and whether the cameras go together: for `kinefuse check`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from kinefuse.errors import KinefuseError
from kinefuse.recordings import Camera, Finding, Recording, View

SMALLEST_ANGLE_DEG = 15.0
"""Two cameras that look along more similar directions measure depth badly."""

SMALLEST_ROOM_M, LARGEST_ROOM_M = 0.05, 200.0
"""The widest distance between cameras: from two of one phone to a stadium's."""

SAME_RATE = 1e-3
LENGTH_TOLERANCE_S = 0.1
FEW_FRAMES = 10
SELDOM_SEEN = 0.3


@dataclass(frozen=True, kw_only=True)
class ViewFacts:
    """What one camera recorded.

    Attributes
    ----------
    camera : its name
    told : one line about it
    rate_hz, frames : None where unknown
    findings : what is wrong with it
    """

    camera: str
    told: str
    rate_hz: float | None
    frames: int | None
    findings: list[Finding] = field(default_factory=list)


def inspect_view(camera: Camera, view: View) -> ViewFacts:
    """Look at the video and the keypoints of one camera.

    Parameters
    ----------
    camera, view
        Of the same name.
    """
    findings: list[Finding] = []
    parts = [f"calibrated at {camera.size[0]}×{camera.size[1]}"]
    rate, frames = view.rate_hz, None
    if view.video is not None:
        part, video_rate, frames = _inspect_video(camera, view, findings)
        parts.append(part)
        rate = rate or video_rate
        if view.rate_hz is not None and video_rate is not None:
            findings += _rate_contradiction(view, video_rate)
    if view.keypoints is not None:
        parts.append(_inspect_keypoints(view, frames, findings))
        frames = len(view.keypoints.pixels) if frames is None else frames
    if view.silhouettes is not None:
        parts.append(f"silhouettes {view.silhouettes.name}")
    if rate is not None and view.video is None:
        parts.append(f"{rate:.4g} Hz")
    parts.append("start unknown" if view.start_s is None else f"starts at {view.start_s:g} s")
    if rate is None and not any(finding.level == "error" for finding in findings):
        text = "Its frame rate is unknown; add rate_hz to its [[camera]] table in trial.toml."
        findings.append(_say(view, "error", text))
    return ViewFacts(camera=view.camera, told=", ".join(parts), rate_hz=rate, frames=frames, findings=findings)


def _inspect_video(camera: Camera, view: View, findings: list[Finding]) -> tuple[str, float | None, int | None]:
    """Return a few words on the video, its rate and its frames; append what is wrong."""
    from kinefuse.formats.image_mapping import map_image
    from kinefuse.formats.videos import probe_video, read_first_frame

    if view.video is None:
        return "no video", None, None
    try:
        video = probe_video(view.video)
    except KinefuseError as error:
        findings.append(_say(view, "error", str(error)))
        return f"video {view.video.name} (unreadable)", None, None
    findings += video.findings(view.camera)
    try:
        findings += map_image(camera, view, video.size, read_first_frame(view.video))[1]
    except KinefuseError as error:
        findings.append(_say(view, "error", str(error)))
    if video.frames < FEW_FRAMES:
        findings.append(_say(view, "warning", f"Its video has only {video.frames} frames; check that it is whole."))
    rate = "unknown rate" if video.rate_hz is None else f"{video.rate_hz:.4g} Hz"
    told = f"video {view.video.name} {video.size[0]}×{video.size[1]}, {rate}, {video.frames} frames"
    return told, video.rate_hz, video.frames


def _rate_contradiction(view: View, video_rate_hz: float) -> list[Finding]:
    if view.rate_hz is None or abs(view.rate_hz / video_rate_hz - 1.0) < 0.01:
        return []
    text = (
        f"trial.toml says {view.rate_hz:g} Hz and its video {video_rate_hz:.4g} Hz; trial.toml is believed, which is "
        "right for slow-motion videos only."
    )
    return [_say(view, "warning", text)]


def _inspect_keypoints(view: View, video_frames: int | None, findings: list[Finding]) -> str:
    if view.keypoints is None:
        return "no keypoints"
    confidence = view.keypoints.confidence
    frames, people = confidence.shape[:2]
    seen = (confidence > 0).any(axis=(1, 2))
    if not seen.any():
        findings.append(_say(view, "warning", "Its keypoints show nobody; check that the files belong to this trial."))
    elif seen.mean() < SELDOM_SEEN:
        findings.append(_say(view, "warning", f"Somebody is seen in only {100 * seen.mean():.0f} % of its frames."))
    if video_frames is not None and abs(frames - video_frames) > 1:
        text = f"Its keypoints have {frames} frames and its video {video_frames}; check that they belong together."
        findings.append(_say(view, "warning", text))
    several = f", up to {people} people" if people > 1 else ""
    return f"keypoints of {frames} frames, {len(view.keypoints.names)} points{several}"


def compare_views(facts: Sequence[ViewFacts], recording: Recording) -> list[Finding]:
    """Say where cameras do not go together: rates, lengths, starts, directions.

    Parameters
    ----------
    facts
        One for each view of `recording`, in their order.
    recording
    """
    timed = [fact for fact in facts if fact.rate_hz is not None and fact.frames]
    findings = _compare_rates(timed)
    starts = [view.start_s for view in recording.views]
    if len(starts) > 1 and any(start is None for start in starts):
        names = ", ".join(view.camera for view in recording.views if view.start_s is None)
        text = f"The start of {names} is unknown (no start_s), so it is estimated from the movement."
        findings.append(Finding("info", "cameras", text))
    findings += _compare_spans(timed, recording)
    return findings + _compare_places(recording) + _compare_directions(recording)


def _compare_rates(facts: Sequence[ViewFacts]) -> list[Finding]:
    rates = {fact.camera: fact.rate_hz or 0.0 for fact in facts}
    if not rates or max(rates.values()) / min(rates.values()) - 1.0 < SAME_RATE:
        return []
    told = ", ".join(f"{name} {rate:.4g} Hz" for name, rate in rates.items())
    text = f"Frame rates differ ({told}); slower cameras are interpolated to the fastest one."
    return [Finding("warning", "cameras", text)]


def _compare_spans(facts: Sequence[ViewFacts], recording: Recording) -> list[Finding]:
    """Say where lengths differ, and where the common time of cameras with known starts is short or empty."""
    length = {fact.camera: (fact.frames or 0) / (fact.rate_hz or 1.0) for fact in facts}
    findings = []
    if length and max(length.values()) - min(length.values()) > LENGTH_TOLERANCE_S:
        told = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in length.items())
        text = f"Recordings differ in length ({told}); only the time in which at least two cameras run is measured."
        findings.append(Finding("warning", "cameras", text))
    spans = [
        (view.camera, view.start_s, view.start_s + length[view.camera])
        for view in recording.views
        if view.start_s is not None and view.camera in length
    ]
    for (first, start_1, end_1), (second, start_2, end_2) in combinations(spans, 2):
        if start_1 >= end_2 or start_2 >= end_1:
            text = f"Cameras {first} and {second} never run at the same time; check start_s of both."
            findings.append(Finding("warning", "cameras", text))
    return findings


def _compare_places(recording: Recording) -> list[Finding]:
    """Say where cameras stand so near or so far apart that the unit of the calibration must be wrong."""
    places = [recording.camera(view.camera).centre for view in recording.views]
    widest = max((float(np.linalg.norm(a - b)) for a, b in combinations(places, 2)), default=1.0)
    if SMALLEST_ROOM_M <= widest <= LARGEST_ROOM_M:
        return []
    text = f"The cameras stand {widest:.3g} m apart at most; check the unit in calibration.toml."
    return [Finding("warning", "cameras", text)]


def _compare_directions(recording: Recording) -> list[Finding]:
    """Say where all cameras look along nearly the same line."""
    axes = {view.camera: recording.camera(view.camera).R_camera_world[2] for view in recording.views}
    if len(axes) < 2:
        return []
    cosines = [float(abs(a @ b)) for a, b in combinations(axes.values(), 2)]
    widest = float(np.degrees(np.arccos(np.clip(min(cosines), 0.0, 1.0))))
    if widest >= SMALLEST_ANGLE_DEG:
        return []
    text = f"All cameras look along nearly the same line (at most {widest:.0f}° apart); depth will be measured badly."
    return [Finding("warning", "cameras", text)]


def _say(view: View, level: str, text: str) -> Finding:
    return Finding(level, f"camera {view.camera}", text)
