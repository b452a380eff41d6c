"""The words of the report: who and what was recorded, what is wrong with it, and how the result was made."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from kinefuse.body.models import BodyModel
from kinefuse.conventions import PROVENANCE
from kinefuse.inertial.checks import summarize_imu
from kinefuse.motion import Motion
from kinefuse.recordings import Finding, Recording, Subject
from kinefuse.report.agreement import median_px, reprojection_errors
from kinefuse.report.markup import UNKNOWN, counted, number, percent, section, table, text
from kinefuse.report.tables import provenance_table
from kinefuse.report.wording import spoken_segment

LEVELS: Final = {"error": "Cannot be used", "warning": "Take care", "info": "For information"}
SHOWN: Final = {"error": 20, "warning": 8, "info": 3}
"""More sentences of one level than this are folded away behind the first ones."""
CONTENTS: Final = {
    "recorded": "Recording",
    "replay": "Replay",
    "angles": "Angles",
    "walking": "Walking",
    "overlay": "Video",
    "ranges": "Ranges",
    "comparison": "Reference",
    "made": "How made",
}
"""The sections in their order, and what the links to them are called."""
TOLD: Final = {
    "findings",
    "cameras",
    "keypoints",
    "imus",
    "versions",
    "seed",
    "estimator",
    "notes",
}
"""Keys of the quality file that have a place of their own in the report."""


# ---- title and summary


def header(
    motion: Motion, quality: Mapping[str, Any], recording: Recording | None, contents: Iterable[str] = CONTENTS
) -> str:
    """Return the title, the subject, a summary of one paragraph, and links to the sections that `contents` names."""
    subject = recording.subject if recording is not None else Subject()
    name = text(subject.id) if subject.id else "Unnamed subject"
    links = "".join(f'<a href="#{key}">{title}</a>' for key, title in CONTENTS.items() if key in contents)
    return (
        f'<header><p class="brand">kinefuse movement report</p><h1>{name}</h1>'
        f'<p class="lead">{summary(motion, quality, recording)}</p><nav>{links}</nav></header>'
    )


def summary(motion: Motion, quality: Mapping[str, Any], recording: Recording | None) -> str:
    """Return one paragraph, HTML: who, how long, from what, how, how much of it was measured."""
    frames, rate = len(motion.time), motion.rate_hz
    span = float(motion.time[-1] - motion.time[0]) if frames > 1 else 0.0
    told = number(span, 2 if span < 10 else 0, " s") + f" of movement ({counted(frames, 'frame')}"
    told += f" at {number(rate, 0)} a second)" if np.isfinite(rate) else ")"
    sentences = [told + _sources(recording) + "."]
    person = describe_subject(recording.subject) if recording is not None else ""
    if person:
        sentences.insert(0, f"Subject: {person}.")
    if motion.estimator:
        sentences.append(f"Estimated with {text(motion.estimator)}.")
    sentences.append(_measured_part(motion.provenance))
    sentences.append(_count_findings(quality))
    return " ".join(sentence for sentence in sentences if sentence)


def describe_subject(subject: Subject) -> str:
    """Return what is known of a subject, HTML; empty if nothing but the name is."""
    known = [
        text(subject.sex) if subject.sex else "",
        f"{subject.age_years:g} years" if subject.age_years is not None else "",
        f"{subject.height_m:.2f} m" if subject.height_m is not None else "",
        f"{subject.mass_kg:.0f} kg" if subject.mass_kg is not None else "",
    ]
    return ", ".join(item for item in known if item)


def _sources(recording: Recording | None) -> str:
    if recording is None:
        return ""
    sources = []
    if recording.views:
        sources.append(counted(len(recording.views), "camera"))
    if recording.imus:
        sources.append(counted(len(recording.imus), "body-worn sensor"))
    if recording.joint_centers is not None and not recording.views:
        sources.append("measured points")
    return ", recorded with " + " and ".join(sources) if sources else ""


def _measured_part(provenance: np.ndarray) -> str:
    if not provenance.size:
        return ""
    parts = [f"{percent(float((provenance == kind).mean()))} {name}" for kind, name in PROVENANCE.items()]
    return "Of all segment poses " + ", ".join(parts) + "."


def _count_findings(quality: Mapping[str, Any]) -> str:
    levels = [str(finding.get("level", "info")) for finding in _findings(quality)]
    errors, warnings = levels.count("error"), levels.count("warning")
    if errors + warnings == 0:
        return "The checks gave no warning, but notes, told first." if levels else "The checks found nothing wrong."
    parts = [counted(errors, "part") + " of the recording cannot be used"] if errors else []
    parts += [counted(warnings, "point") + " to take care of"] if warnings else []
    return '<a href="#recorded">' + " and ".join(parts) + "</a>; read what it is before the results."


def _findings(quality: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the findings as mappings, whether they come from a file or are `Finding` objects still."""
    found = quality.get("findings") or []
    plain = [asdict(finding) if isinstance(finding, Finding) else finding for finding in found]
    return [finding for finding in plain if isinstance(finding, Mapping)]


# ---- what was recorded


def recorded_section(
    motion: Motion, quality: Mapping[str, Any], recording: Recording | None, body: BodyModel | None
) -> str:
    """Return what was recorded and what is wrong with it: findings, cameras, points, sensors."""
    parts = [findings_list(_findings(quality))]
    of_result = reprojection_errors(motion, recording, body) if recording is not None else {}
    parts.append(camera_table(quality.get("cameras") or {}, of_result, recording))
    parts.append(keypoint_table(quality.get("keypoints") or {}, of_result))
    parts.append(sensor_table(quality.get("imus") or {}, recording))
    return section("recorded", "What was recorded, and what limits it", "".join(parts))


def findings_list(findings: Iterable[Mapping[str, Any]]) -> str:
    """Return the findings as sentences, the gravest first; long lists of one level are folded."""
    parts = []
    everything = list(findings)
    for level, title in LEVELS.items():
        items = [_finding(f, level, title) for f in everything if _level(f) == level]
        parts.append(f'<ul class="findings">{"".join(items[: SHOWN[level]])}</ul>' if items else "")
        if len(items) > SHOWN[level]:
            rest = f'<ul class="findings">{"".join(items[SHOWN[level] :])}</ul>'
            parts.append(f"<details><summary>{len(items) - SHOWN[level]} more of this kind</summary>{rest}</details>")
    return "".join(parts) or "<p>The checks found nothing to report.</p>"


def _level(finding: Mapping[str, Any]) -> str:
    level = str(finding.get("level", "info"))
    return level if level in LEVELS else "info"


def _finding(finding: Mapping[str, Any], level: str, title: str) -> str:
    about = str(finding.get("about", ""))
    subject = f" · {text(about)}" if about and about != "trial" else ""
    return f'<li class="{level}"><b>{title}{subject}</b> {text(finding.get("text", ""))}</li>'


def camera_table(
    measured: Mapping[str, Any], of_result: Mapping[str, Mapping[str, np.ndarray]], recording: Recording | None
) -> str:
    """Return one row a camera: how much it saw, how far it is from the others and from the result, when it starts."""
    views = {view.camera: view for view in recording.views} if recording is not None else {}
    rows = []
    for name in dict.fromkeys([*views, *measured]):
        numbers = _mapping(measured.get(name))
        view = views.get(name)
        start = numbers.get("start_s", view.start_s if view is not None else None)
        estimated = "<br><em>estimated</em>" if numbers.get("start_estimated") else ""
        rows.append(
            [
                text(name),
                percent(_missing(numbers, view)),
                number(_px(numbers), 1),
                number(median_px(list(of_result.get(name, {}).values())), 1),
                number(start, 3, " s") + estimated,
            ]
        )
    if not rows:
        return ""
    head = ["Camera", "Person not seen", "Against other cameras, px", "Against result, px", "Start"]
    note = (
        '<p class="note">Pixels tell how far, in the middle, a point of the body that was seen in an image lies from '
        "where the other cameras, and where this result, put it in that image.</p>"
    )
    return "<h3>Cameras</h3>" + table(head, rows) + note


def _missing(numbers: Mapping[str, Any], view: Any) -> float | None:
    if isinstance(numbers.get("seen_fraction"), int | float):
        return 1.0 - float(numbers["seen_fraction"])
    if view is None or view.keypoints is None or not len(view.keypoints.pixels):
        return None
    return 1.0 - float(np.isfinite(view.keypoints.pixels).any(axis=(1, 2, 3)).mean())


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _px(numbers: Mapping[str, Any]) -> Any:
    for key in ("median_reprojection_seen_px", "median_reprojection_px"):
        if numbers.get(key) is not None:
            return numbers[key]
    return None


def keypoint_table(measured: Mapping[str, Any], of_result: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    """Return one row a keypoint, folded: how often it is missing, and its reprojection errors."""
    names = list(dict.fromkeys([*measured, *(name for errors in of_result.values() for name in errors)]))
    rows = []
    for name in names:
        numbers = _mapping(measured.get(name))
        errors = [errors[name] for errors in of_result.values() if name in errors]
        missing = percent(numbers.get("missing_fraction"))
        rows.append([text(spoken_segment(name)), missing, number(_px(numbers), 1), number(median_px(errors), 1)])
    if not rows:
        return ""
    head = ["Point on the body", "Missing", "Against other cameras, px", "Against result, px"]
    return f'<details class="screen"><summary>Points on the body ({len(rows)})</summary>{table(head, rows)}</details>'


def sensor_table(measured: Mapping[str, Any], recording: Recording | None) -> str:
    """Return one row a sensor: where it is worn, its rate, what was lost, whether its clock is known."""
    imus = recording.imus if recording is not None else ()
    if not imus and not measured:
        return ""
    rows = [_sensor_row(imu.name, _mapping(measured.get(imu.name)) or summarize_imu(imu)) for imu in imus]
    worn = {imu.name for imu in imus}
    rows += [_sensor_row(name, _mapping(numbers)) for name, numbers in measured.items() if name not in worn]
    head = ["Sensor", "Worn on", "Rate", "Lost", "Longest gap", "At rest", "Start"]
    note = (
        '<p class="note">At rest an accelerometer should read 9.81 m/s²; a dash there means that the sensor never '
        "rested.</p>"
    )
    return "<h3>Body-worn sensors</h3>" + table(head, rows) + note


def _sensor_row(name: str, numbers: Mapping[str, Any]) -> list[str]:
    start = numbers.get("start_s")
    rest = numbers.get("resting_specific_force") if numbers.get("is_ever_at_rest", True) else None
    gap = numbers.get("longest_gap_s")
    return [
        text(name),
        text(spoken_segment(str(numbers.get("segment", UNKNOWN)))),
        number(numbers.get("rate_hz"), 0, " Hz"),
        percent(numbers.get("lost_fraction")),
        number(1000 * gap, 0, " ms") if isinstance(gap, int | float) else UNKNOWN,
        number(rest, 2),
        number(start, 3, " s") if start is not None else "unknown",
    ]


# ---- how it was made


def made_section(motion: Motion, quality: Mapping[str, Any]) -> str:
    """Return estimator, versions, seed, notes, and where each segment's values come from."""
    facts = [("Estimator", motion.estimator or quality.get("estimator")), ("Body model", motion.body_name)]
    facts += [("Why this one", quality.get("estimator_reason")), ("Seed", quality.get("seed"))]
    versions = quality.get("versions")
    if isinstance(versions, Mapping):
        facts.append(("Versions", ", ".join(f"{name} {version}" for name, version in versions.items())))
    shown = "".join(f"<dt>{what}</dt><dd>{text(value)}</dd>" for what, value in facts if value not in (None, ""))
    notes = "".join(f"<li>{text(note)}</li>" for note in motion.notes)
    body = f"<dl>{shown}</dl>" + (f"<h3>What was done to the data</h3><ul>{notes}</ul>" if notes else "")
    body += "<h3>Where the values come from</h3>" + provenance_table(motion)
    return section("made", "How this result was made", body + _everything_else(quality))


def _everything_else(quality: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in quality.items() if key not in TOLD}
    if not rest:
        return ""
    shown = text(json.dumps(rest, indent=1, default=str, ensure_ascii=False))
    return f'<details class="screen"><summary>Further numbers</summary><pre>{shown}</pre></details>'
