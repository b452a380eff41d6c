import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from report_examples import flawed, laboratory, quality, striding, walking

from kinefuse.body.models import load_anny
from kinefuse.errors import KinefuseError
from kinefuse.recordings import Subject
from kinefuse.report.page import POLICY, render_report, write_report

EVIL = "</script><script>alert('x')</script><img src=x onerror=alert(1)>\"' ü"


class Tags(HTMLParser):
    """Collects the elements of a page and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    reader = Tags()
    reader.feed(page)
    return reader.found


def test_a_report_is_one_small_file(tmp_path: Path) -> None:
    motion = walking(frames=100)
    path = tmp_path / "report.html"
    write_report(path, flawed(motion), quality(), recording=laboratory(motion), body=load_anny(), truth=motion)
    page = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 7e6
    assert "Jürgen Groß" in page
    sources = [value for _, attributes in tags(page) for key, value in attributes.items() if key in {"src", "href"}]
    assert sources
    assert all(value is not None and value.startswith(("#", "data:")) for value in sources)
    assert POLICY.startswith("default-src 'none'")
    assert POLICY in page


def test_sections_come_in_a_clinicians_order() -> None:
    motion = walking(frames=10)
    page = render_report(motion, quality(), recording=laboratory(motion), body=load_anny(), truth=motion)
    order = [attributes["id"] for tag, attributes in tags(page) if tag == "section"]
    assert order == ["recorded", "replay", "angles", "ranges", "comparison", "made"]


def test_a_walk_has_a_section_of_its_own() -> None:
    page = render_report(striding(), {})
    order = [attributes["id"] for tag, attributes in tags(page) if tag == "section"]
    assert order == ["recorded", "replay", "angles", "walking", "ranges", "made"]
    assert '<a href="#walking">Walking</a>' in page


def test_nothing_that_a_user_wrote_becomes_code() -> None:
    motion = walking(frames=5)
    recording = laboratory(motion, Subject(id=EVIL, sex=EVIL))
    first = recording.cameras[0]
    recording = replace(
        recording,
        cameras=(replace(first, name=EVIL), *recording.cameras[1:]),
        views=(replace(recording.views[0], camera=EVIL), *recording.views[1:]),
        imus=(replace(recording.imus[0], name=EVIL),),
    )
    told = {
        "findings": [{"level": EVIL, "about": EVIL, "text": EVIL}],
        "cameras": {EVIL: {"start_s": EVIL}},
        "keypoints": {EVIL: {}},
        "imus": {EVIL: {"segment": EVIL}},
        "versions": {EVIL: EVIL},
        "estimator_reason": EVIL,
        EVIL: EVIL,
    }
    named = replace(motion, estimator=EVIL, notes=(EVIL,), body_name=EVIL)
    plain = render_report(motion, {}, recording=laboratory(motion))
    page = render_report(named, told, recording=recording)
    elements = tags(page)
    assert sum(tag == "script" for tag, _ in elements) == sum(tag == "script" for tag, _ in tags(plain))
    assert not [attributes for _, attributes in elements if any(key.startswith("on") for key in attributes)]
    assert not [tag for tag, _ in elements if tag == "img"]


def test_the_data_can_be_read_back() -> None:
    page = render_report(walking(frames=5), {})
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert found is not None
    data = json.loads(found.group(1))
    assert data["replay"]["frames"] == 5
    assert data["curves"]["plots"][0]["key"] == "hip_flexion"


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_the_shortest_motions(frames: int) -> None:
    motion = walking(frames=max(frames, 1))
    if frames == 0:
        none = {name: getattr(motion, name)[:0] for name in ("time", "R_world_segment", "positions", "angles")}
        motion = replace(motion, **none, provenance=motion.provenance[:0])
    page = render_report(motion, {}, body=load_anny())
    assert "How this result was made" in page


def test_a_motion_of_which_nothing_is_known() -> None:
    motion = walking(frames=4)
    empty = replace(
        motion,
        R_world_segment=np.full_like(motion.R_world_segment, np.nan),
        positions=np.full_like(motion.positions, np.nan),
        angles=np.full_like(motion.angles, np.nan),
        provenance=np.full_like(motion.provenance, 2),
    )
    page = render_report(empty, {}, body=load_anny())
    assert "holds no joint angles" in page
    assert "100 % inferred" in page


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(KinefuseError, match="cannot be written"):
        write_report(tmp_path / "missing" / "report.html", walking(frames=2), {})


def test_a_reference_of_another_time_does_not_spoil_the_report() -> None:
    motion = walking(frames=5)
    page = render_report(motion, {}, truth=replace(motion, time=motion.time + 100.0))
    comparison = page[page.index('<section id="comparison"') :].split("</section>")[0]
    assert "overlap" in comparison or "within" in comparison
