from dataclasses import replace

import numpy as np
from report_examples import flawed, laboratory, quality, walking

from kinefuse.recordings import Finding, Subject
from kinefuse.report.sections import (
    describe_subject,
    findings_list,
    header,
    made_section,
    recorded_section,
    sensor_table,
    summary,
)


def test_summary_tells_who_how_long_and_from_what() -> None:
    motion = walking(frames=100)
    told = summary(flawed(motion), quality(), laboratory(motion))
    assert "male, 41 years, 1.78 m, 74 kg" in told
    assert "1.65 s of movement (100 frames at 60 a second), recorded with 3 cameras and 2 body-worn sensors" in told
    assert "91 % measured, &lt; 1 % interpolated" in told or "91 % measured, < 1 % interpolated" in told
    assert "1 part of the recording cannot be used and 1 point to take care of" in told


def test_summary_without_anything() -> None:
    told = summary(walking(frames=1), {}, None)
    assert "1 frame)" in told
    assert "nothing wrong" in told
    noted = summary(walking(frames=1), {"findings": [{"level": "info", "about": "cameras", "text": "Refined."}]}, None)
    assert "nothing wrong" not in noted
    assert "no warning, but notes" in noted


def test_unknown_subjects_have_a_heading_all_the_same() -> None:
    assert "Unnamed subject" in header(walking(frames=2), {}, None)
    assert describe_subject(Subject()) == ""
    assert describe_subject(Subject(age_years=7.5)) == "7.5 years"


def test_links_lead_to_sections_that_are_there() -> None:
    page = header(walking(frames=2), {}, None, ["recorded", "made"])
    assert 'href="#recorded"' in page
    assert 'href="#overlay"' not in page


def test_the_gravest_findings_come_first() -> None:
    page = findings_list(quality()["findings"])
    assert page.index("reads no gravity") < page.index("disagrees") < page.index("one clock")


def test_findings_of_an_unknown_level_are_not_lost() -> None:
    assert "Odd." in findings_list([{"level": "hint", "text": "Odd."}])


def test_many_findings_are_folded_but_all_there() -> None:
    page = findings_list([{"level": "info", "about": "trial", "text": f"Number {i}."} for i in range(9)])
    assert "6 more of this kind" in page
    assert all(f"Number {i}." in page for i in range(9))


def test_finding_objects_count_like_mappings() -> None:
    found = {"findings": [Finding("warning", "trial", "Take heed.")]}
    assert "Take heed." in recorded_section(walking(frames=2), found, None, None)
    assert "1 point to take care of" in summary(walking(frames=2), found, None)


def test_cameras_have_their_numbers() -> None:
    motion = walking(frames=20)
    page = recorded_section(motion, quality(), laboratory(motion), None)
    row = page[page.index("cam_2</td>") :].split("</tr>")[0]
    assert "29 %" in row
    assert "14.1" in row
    assert "estimated" in row


def test_sensors_are_checked_even_if_the_quality_file_does_not_tell() -> None:
    page = sensor_table({}, laboratory(walking(frames=100)))
    row = page[page.index("shank_l</td>") :].split("</tr>")[0]
    assert "left shank" in row
    assert "100 Hz" in row
    assert "6 %" in row
    assert "unknown" in row
    assert "110 ms" in row


def test_no_sensors_no_table() -> None:
    assert sensor_table({}, None) == ""


def test_unknown_orientations_are_told() -> None:
    motion = walking(frames=10)
    orientations = motion.R_world_segment.copy()
    orientations[:5, 20] = np.nan
    page = made_section(replace(motion, R_world_segment=orientations), {"seed": 3, "other": {"x": 1}})
    assert "50 %" in page[page.index("left hand") :].split("</tr>")[0]
    assert "<dd>3</dd>" in page
    assert "&quot;x&quot;: 1" in page
