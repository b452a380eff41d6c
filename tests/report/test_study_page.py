"""The study's page and its Markdown: numbers from the cells, nothing unescaped, and drawn in a real browser."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from study_made_up import SETTINGS, WINDOWS, cell, study, walking

from kinefuse.errors import KinefuseError
from kinefuse.report.study_curves import cycles_figure, explained, parity_figure
from kinefuse.report.study_figures import faults_figure, gain_figure, methods_figure, sensitivity_figure
from kinefuse.report.study_markdown import cell as plain_cell
from kinefuse.report.study_markdown import markdown_table, write_markdown
from kinefuse.report.study_page import made_of, render_page, write_page
from kinefuse.study.cells import REPEATED, Cell, failed_cell
from kinefuse.study.conclusions import BAD, GOOD, conclusions
from kinefuse.study.means import Results
from kinefuse.study.plan import FULL
from kinefuse.study.relations import relations

EVIL = "<script>alert('x')</script>|&"


@pytest.fixture(scope="module")
def cells() -> list[Cell]:
    made = [walking(c) if c.activity == "walking" else c for c in study(windows=3)]
    evil = failed_cell(SETTINGS[0].name, "imu-kinematics", WINDOWS[4][0], EVIL, EVIL, EVIL)
    return [*made, evil]


@pytest.fixture(scope="module")
def page(cells: list[Cell], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "study.html"
    write_page(cells, SETTINGS, path, {"seed": 7, "versions": {"numpy": "1.26"}, "remark": EVIL})
    return path


def body_of(html: str) -> str:
    """What stands before the scripts."""
    return html.partition('<script type="application/json"')[0]


def test_it_opens_with_conclusions_and_numbers(page: Path) -> None:
    body = body_of(page.read_text(encoding="utf-8"))
    assert body.index("What to conclude") < body.index("Figures</h2>") < body.index("Relations of the paper")
    assert "IMUNet against IMU kinematics: holds in 3 of 3 cases" in body
    assert "The error of IMUNet is 0.50 times that of IMU kinematics (calibrated) on 3 windows." in body
    assert "FusionNet against fusion by optimisation, tuned: holds in none of 7 cases" in body
    assert "<dt>seed</dt><dd>7</dd>" in body
    assert "numpy 1.26" in body


def test_a_network_of_ones_own_is_among_its_rivals() -> None:
    mine = "fusionnet=mine.safetensors"
    found = study({mine: 2.0, "fusionnet": 4.0, "fusion-optimisation": 3.5})
    (told,) = [c for c in conclusions(Results(found), SETTINGS, []) if c.heading.startswith("With points and sensors")]
    assert "mine" in told.heading


def test_repetitions_are_those_that_there_are(cells: list[Cell]) -> None:
    one = next(c for c in cells if c.estimator == "imunet")
    fewer = replace(one, window="z", **{name: getattr(one, name)[:1] for name in REPEATED})
    asked = {"repetitions": {"imunet": 30}}
    assert (
        made_of(Results([one, fewer]), SETTINGS, asked)["repetitions"]
        == f"imunet 1 (1 results) and {one.repetitions} (1)"
    )
    assert made_of(Results([one]), SETTINGS, asked)["repetitions"] == f"imunet {one.repetitions}"
    assert made_of(Results([]), SETTINGS, asked)["repetitions"] == "none"


def test_what_users_wrote_is_escaped(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in body_of(html)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    assert data is not None
    assert "<" not in data.group(1)
    assert len(json.loads(data.group(1))["panels"]) >= 12


def test_it_is_not_heavy_and_asks_no_network(page: Path) -> None:
    assert page.stat().st_size < 8e6
    body = body_of(page.read_text(encoding="utf-8"))
    assert "http" not in body.replace("http-equiv", "")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, cells: list[Cell]) -> None:
    with pytest.raises(KinefuseError, match="cannot be written"):
        write_page(cells[:3], SETTINGS, tmp_path / "none" / "study.html", {})


def test_nothing_measured_says_so() -> None:
    html = body_of(render_page([], FULL, {}))
    assert "Nothing was measured" in html
    assert "holds in" not in html
    assert "nan" not in html.lower()


def test_bars_are_the_means() -> None:
    results = Results(study())
    panel = methods_figure(results, SETTINGS).panels[0]
    lengths = {trace["meta"]: trace["x"][0] for trace in panel.traces}
    assert lengths["imunet"] == pytest.approx(6.0, abs=0.1)
    assert lengths["imunet"] / lengths["imu-kinematics"] == pytest.approx(0.5, abs=1e-3)
    assert "9 windows of 3 people" in panel.title


def test_few_windows_are_told_and_cost_the_others_none() -> None:
    setting = SETTINGS[0].name
    few = [c for c in study(windows=9) if c.estimator != "imunet" or c.window == WINDOWS[0][0]]
    panel = methods_figure(Results(few), SETTINGS).panels[0]
    labels = {trace["meta"]: trace["y"][0] for trace in panel.traces}
    assert "(1 window)" in labels["imunet"]
    assert "window" not in labels["videonet"]
    assert "9 windows of 3 people" in panel.title
    walked = [walking(c) for c in few if c.setting == setting]
    cycles = cycles_figure(Results(walked), SETTINGS)
    assert "Without methods that have fewer curves: IMUNet." in cycles.caption
    assert "IMUNet" not in {trace.get("name") for trace in cycles.panels[0].traces}


def test_lines_of_sensitivity_go_through_the_levels() -> None:
    mounting, points = sensitivity_figure(Results(study()), SETTINGS).panels
    assert mounting.traces[0]["x"] == [0.0, 9.4, 14.1, 18.8]
    assert points.traces[0]["x"] == [0.0, 52.6, 70.5, 101.1]
    grown = mounting.traces[0]["y"]
    assert grown[3] / grown[0] == pytest.approx(1.15, abs=1e-3)


def test_gain_is_the_better_modality_minus_fusion() -> None:
    (panel,) = gain_figure(Results(study()), SETTINGS).panels
    gains = np.array(panel.traces[0]["z"])
    assert gains.shape == (18, 8)
    column = panel.traces[0]["x"].index("σ 0.0°<br>52.6 mm")
    assert gains[:, column] == pytest.approx(1.0, abs=0.15)  # videonet 5, fusionnet 4


def test_cycles_are_found_where_somebody_walks() -> None:
    walked = [
        walking(cell(SETTINGS[0].name, name, 0, 4.0), error) for name, error in (("fusionnet", 0.0), ("imunet", 5.0))
    ]
    figure = cycles_figure(Results(walked), SETTINGS)
    assert [panel.title.split(" (")[0] for panel in figure.panels] == [
        "Hip flexion",
        "Knee flexion",
        "Ankle dorsiflexion",
    ]
    lines = {trace["name"]: np.array(trace["y"]) for trace in figure.panels[1].traces if "name" in trace}
    assert lines["truth"].shape == (101,)
    assert lines["truth"].max() == pytest.approx(55.0, abs=0.7)
    assert lines["FusionNet"] == pytest.approx(lines["truth"], abs=0.05)
    still = [cell(SETTINGS[0].name, "fusionnet", 0, 4.0)]
    assert cycles_figure(Results(still), SETTINGS).panels == []


def test_parity_tells_r2_of_all_and_draws_some() -> None:
    both = next(s for s in SETTINGS if s.family == "both").name
    perfect = walking(cell(both, "fusionnet", 0, 4.0), 0.0)
    holed = replace(perfect, estimate=np.where(np.arange(200)[:, None] < 100, np.nan, perfect.estimate))
    (panel,) = parity_figure(Results([holed]), SETTINGS).panels
    assert panel.title == "FusionNet: R² = 1.00"
    assert len(panel.traces[1]["x"]) == 200  # both legs in the half that is known
    assert explained(np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])) == pytest.approx(0.0)
    assert np.isnan(explained(np.ones((3, 2))))


def test_a_fault_begins_at_nothing_wrong_on_the_same_windows() -> None:
    """The usual noise has an easy window more than the faults: it must not make the fault look dear."""
    usual = next(s for s in SETTINGS if s.family == "mounting" and 9.0 < np.rad2deg(s.mounting_sd_rad) < 10.0)
    faults = [s for s in SETTINGS if s.fault == "clock offset"]
    made = [cell(usual.name, "fusionnet", 0, 4.0), cell(usual.name, "fusionnet", 1, 1.0)]
    made += [cell(fault.name, "fusionnet", 0, error) for fault, error in zip(faults, (5.0, 8.0), strict=True)]
    (panel,) = faults_figure(Results(made), SETTINGS).panels
    assert panel.layout["xaxis"]["ticktext"] == ["0", "100", "500"]
    (line,) = panel.traces
    assert line["y"] == pytest.approx([4.0, 5.0, 8.0], rel=0.02)


def test_conclusions_are_honest_both_ways(cells: list[Cell]) -> None:
    results = Results(cells, SETTINGS)
    said = conclusions(results, SETTINGS, relations(results, SETTINGS))
    tones = {one.heading.partition(":")[0]: one.tone for one in said}
    assert tones["IMUNet against IMU kinematics"] == GOOD
    assert tones["FusionNet against fusion by optimisation, tuned"] == BAD
    assert said[0].heading.startswith("Only 1 person: a trial run")
    assert "3 windows of 1 person" in said[0].text
    missing = next(one for one in said if "could not work" in one.heading)
    assert EVIL in missing.details[0]


def test_markdown_has_the_same_numbers(cells: list[Cell], tmp_path: Path) -> None:
    write_markdown(cells, SETTINGS, tmp_path / "study.md", {"seed": 7, "remark": EVIL})
    text = (tmp_path / "study.md").read_text(encoding="utf-8")
    assert "seed: 7" in text
    assert "holds in 3 of 3 cases" in text
    assert "<script" not in text
    rows = [line for line in text.splitlines() if line.startswith("| m0-p52.6 | `imunet` |")]
    assert len(rows) == 1
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert plain_cell("a|b\n<c>") == "a\\|b &lt;c>"
    assert markdown_table(("a",), []) == ""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("needs Chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as player:
        started = player.chromium.launch(
            executable_path=executable, headless=True, args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        yield started
        started.close()


def opened(browser: Any, path: Path, width: int) -> tuple[Any, list[str], list[str]]:
    """Return the page scrolled through, what went wrong on it, and what it asked the network for."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    wrong: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "trace") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri(), timeout=120_000)
    for _ in range(100):
        page.evaluate("window.scrollBy(0, 600)")
        page.wait_for_timeout(60)
        if page.evaluate("study.drawn === study.total"):
            break
    return page, wrong, asked


def test_every_panel_is_drawn_without_errors(browser: Any, page: Path) -> None:
    shown, wrong, asked = opened(browser, page, 1200)
    assert shown.evaluate("[study.drawn, study.total]") == [shown.evaluate("study.total")] * 2
    assert shown.evaluate("document.querySelectorAll('.plot-area .main-svg').length") > 0
    assert wrong == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [page.as_uri()]
    bars = "document.querySelectorAll('#figure-methods .plot-area .bars .point').length"
    assert shown.evaluate(bars) >= 8


def test_a_method_can_be_hidden_and_shown(browser: Any, page: Path) -> None:
    shown, wrong, _ = opened(browser, page, 1200)
    lines = "document.querySelectorAll('#figure-sensitivity .scatterlayer .trace').length"
    before = shown.evaluate(lines)
    button = shown.locator('.methods button[data-method="videonet"]')
    button.click()
    shown.wait_for_timeout(300)
    assert shown.evaluate(lines) == before - 2
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    shown.wait_for_timeout(300)
    assert shown.evaluate(lines) == before
    assert wrong == []


def test_on_a_phone_nothing_overflows(browser: Any, page: Path) -> None:
    shown, wrong, _ = opened(browser, page, 390)
    shown.set_viewport_size({"width": 380, "height": 800})
    shown.wait_for_timeout(500)
    assert shown.evaluate("document.documentElement.scrollWidth") <= 380
    assert wrong == []
