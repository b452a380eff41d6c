"""`write_report`: the whole page, in the order in which a clinician reads it."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from kinefuse.body.models import BodyModel
from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.recordings import Recording
from kinefuse.report.comparison import comparison_of
from kinefuse.report.curves import curve_data, curves_section
from kinefuse.report.markup import json_for_script, text
from kinefuse.report.overlay import overlay_section
from kinefuse.report.replay import replay_data, replay_section
from kinefuse.report.sections import header, made_section, recorded_section
from kinefuse.report.tables import comparison_section, ranges_section
from kinefuse.report.walking import walking_parts

POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
"""The browser itself is told to fetch nothing."""


def write_report(
    path: Path | str,
    motion: Motion,
    quality: Mapping[str, Any],
    *,
    recording: Recording | None = None,
    body: BodyModel | None = None,
    truth: Motion | None = None,
    align_heading: bool = False,
) -> None:
    """Write ``report.html``: one file that needs no network and opens on a phone, a desktop and in print.

    Parameters
    ----------
    path
        The file to write; replaced if it exists.
    motion
        The result.
    quality
        What ``quality.json`` holds. Used where present: ``findings`` (list of ``level``, ``about``, ``text``),
        ``cameras`` and ``keypoints`` as `kinefuse.vision.preparation` tells them, ``imus`` by name, ``versions``,
        ``seed``, ``estimator``. Other keys are listed at the end.
    recording
        What the result was estimated from: subject, cameras, videos, points and sensors.
    body
        The body of `motion`, for its surface and its points; without it the replay shows a skeleton.
    truth
        A reference motion, drawn with the curves and compared in a table.
    align_heading
        Take one heading and one place from it for the table, for a motion that has none of its own.

    Raises
    ------
    KinefuseError
        If the file cannot be written.
    """
    page = render_report(motion, quality, recording=recording, body=body, truth=truth, align_heading=align_heading)
    try:
        Path(path).write_text(page, encoding="utf-8")
    except OSError as error:
        raise KinefuseError(
            f"{path}: cannot be written ({error.strerror}); choose another place for the report."
        ) from error


def render_report(
    motion: Motion,
    quality: Mapping[str, Any],
    *,
    recording: Recording | None = None,
    body: BodyModel | None = None,
    truth: Motion | None = None,
    align_heading: bool = False,
) -> str:
    """Return the page that `write_report` writes; the parameters are the same."""
    walking, cycles = walking_parts(motion)
    sections = {
        "recorded": recorded_section(motion, quality, recording, body),
        "replay": replay_section(motion, recording, body),
        "angles": curves_section(motion, truth),
        "walking": walking,
        "overlay": overlay_section(motion, recording, body),
        "ranges": ranges_section(motion),
        "comparison": _comparison(motion, truth, align_heading) if truth is not None else "",
        "made": made_section(motion, quality),
    }
    present = {key: body_html for key, body_html in sections.items() if body_html}
    content = header(motion, quality, recording, present) + "".join(present.values())
    data = {
        "replay": replay_data(motion, recording, body),
        "curves": curve_data(motion, truth),
        "walking": cycles,
    }
    subject = recording.subject.id if recording is not None and recording.subject.id else "movement report"
    return _document(subject, content, data)


def _comparison(motion: Motion, truth: Motion, align_heading: bool) -> str:
    """Return the comparison, or the sentence why there is none: the rest of the report is worth having without it."""
    try:
        return comparison_section(comparison_of(motion, truth, align_heading))
    except KinefuseError as error:
        return comparison_section({"notes": [str(error)]})


def _document(title: str, body: str, data: Mapping[str, Any]) -> str:
    from plotly.offline import get_plotlyjs

    scripts = [get_plotlyjs(), *(_template(name) for name in ("curves.js", "walking.js", "scene.js", "replay.js"))]
    code = "\n".join(f"<script>{script}</script>" for script in scripts)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)} – kinefuse</title>\n<style>{_template('report.css')}</style></head>\n"
        f"<body>\n<main>\n{body}</main>\n"
        '<noscript><p class="note">The replay and the curves need JavaScript; the tables do not.</p></noscript>\n'
        f'<script type="application/json" id="data">{json_for_script(data)}</script>\n{code}\n</body></html>\n'
    )


def _template(name: str) -> str:
    return (files("kinefuse.report") / "templates" / name).read_text(encoding="utf-8")
