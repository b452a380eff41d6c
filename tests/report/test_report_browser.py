"""The page in a real browser: it opens offline, plays, turns, fits a phone and prints."""

import base64
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from report_examples import flawed, laboratory, quality, striding, walking

from kinefuse.body.kinematics import skin_vertices
from kinefuse.body.models import load_anny
from kinefuse.report.page import write_report

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    motion = walking(frames=60)
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, flawed(motion), quality(), recording=laboratory(motion), body=load_anny(), truth=motion)
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Starts Chromium with the flags it is given."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("needs Chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as player:
        yield lambda flags: player.chromium.launch(executable_path=executable, headless=True, args=flags)


@pytest.fixture(scope="module")
def browser(chromium: Any) -> Iterator[Any]:
    started = chromium(FLAGS)
    yield started
    started.close()


def opened(browser: Any, report: Path, width: int, height: int, **more: Any) -> tuple[Any, list[str], list[str]]:
    """Return the page, what went wrong on it, and what it asked the network for."""
    page = browser.new_context(viewport={"width": width, "height": height}, **more).new_page()
    wrong: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    for _ in range(100):  # the page forbids eval, and with it Playwright's own waiting for a condition
        if page.evaluate("Boolean(window.kinefuse && kinefuse.replay && kinefuse.replay.drawn)") or wrong:
            break
        page.wait_for_timeout(50)
    return page, wrong, asked


@pytest.fixture(scope="module")
def desktop(browser: Any, report: Path) -> tuple[Any, list[str], list[str]]:
    return opened(browser, report, 1280, 900)


def scrolled_through(page: Any) -> None:
    height = page.evaluate("document.documentElement.scrollHeight")
    for y in range(0, height, 1200):
        page.evaluate(f"window.scrollTo(0, {y})")
        page.wait_for_timeout(60)


def test_it_opens_without_errors_or_network(desktop: tuple[Any, list[str], list[str]], report: Path) -> None:
    page, wrong, asked = desktop
    scrolled_through(page)
    assert wrong == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [report.as_uri()]


def test_the_slider_moves_the_body_and_the_clock(desktop: tuple[Any, list[str], list[str]]) -> None:
    page, _, _ = desktop
    page.evaluate("document.getElementById('scene').scrollIntoView()")
    pictures = []
    for frame in (0, 45):
        page.locator("#slider").fill(str(frame))
        page.wait_for_timeout(150)
        pictures.append(page.locator("#scene").screenshot())
        assert page.evaluate("kinefuse.replay.frame()") == frame
    assert page.locator("#clock").inner_text() == "0.75 s"
    assert difference(*pictures) > 0.005


def test_angles_are_drawn_over_the_gait_cycle_of_a_walk(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "walk.html"
    write_report(path, striding(), {})
    page, wrong, _ = opened(browser, path, 1280, 900)
    lines = ".cycle[data-cycle=knee_angle] .scatterlayer .js-line"
    page.locator("#walking").scroll_into_view_if_needed()
    page.locator(lines).first.wait_for(state="attached")
    assert page.locator(lines).count() >= 2
    assert page.locator(".cycle .main-svg").count() >= 9
    assert wrong == []


def difference(first: bytes, second: bytes) -> float:
    """Return the share of pixels in which two PNG images differ."""
    cv2 = pytest.importorskip("cv2")
    images = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).astype(int) for data in (first, second)]
    return float((np.abs(images[0] - images[1]).max(axis=2) > 12).mean())


def test_the_page_skins_the_body_as_the_library_does(desktop: tuple[Any, list[str], list[str]]) -> None:
    page, _, _ = desktop
    page.locator("#slider").fill("17")
    page.wait_for_timeout(200)
    rows = np.array(page.evaluate("Array.from(kinefuse.replay.pose.rows)")).reshape(22, 3, 4)
    motion, body = walking(frames=60), load_anny()
    assert body.surface is not None
    rest = body.surface.rest_vertices(motion.shape)
    moved = np.einsum(
        "vwij,vj->vwi", rows[body.surface.skin_segment], np.pad(rest, ((0, 0), (0, 1)), constant_values=1)
    )
    ours = np.einsum("vw,vwi->vi", body.surface.skin_weight, moved)
    theirs = skin_vertices(
        torch.tensor(motion.R_world_segment[17]), torch.tensor(motion.positions[17]),
        torch.tensor(motion.rest_positions), torch.tensor(rest), torch.tensor(body.surface.skin_segment),
        torch.tensor(body.surface.skin_weight),
    )  # fmt: skip
    assert np.abs(ours - theirs.numpy()).max() < 0.001


def test_it_plays_and_stops(desktop: tuple[Any, list[str], list[str]]) -> None:
    page, _, _ = desktop
    page.locator("#slider").fill("0")
    before = page.evaluate("kinefuse.replay.drawn")
    page.locator("#play").click()
    page.wait_for_timeout(700)
    page.locator("#play").click()
    assert page.evaluate("kinefuse.replay.drawn") - before >= 4
    frame = page.evaluate("kinefuse.replay.frame()")
    page.wait_for_timeout(150)
    assert page.evaluate("kinefuse.replay.frame()") == frame


def test_unknown_parts_are_marked_for_the_surface(desktop: tuple[Any, list[str], list[str]]) -> None:
    page, _, _ = desktop
    page.locator("#slider").fill("32")  # within the gap of the right forearm
    page.wait_for_timeout(200)
    states = page.evaluate("Array.from(kinefuse.replay.pose.states)")
    assert states[19] == 3
    assert states[20] == 2
    assert states[0] == 0


def test_a_curve_moves_the_body_there(desktop: tuple[Any, list[str], list[str]]) -> None:
    page, _, _ = desktop
    plot = page.locator('[data-key="hip_flexion"] .canvas')
    plot.scroll_into_view_if_needed()
    page.wait_for_selector('[data-key="hip_flexion"] .nsewdrag')
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 80)
    page.wait_for_timeout(300)
    page.mouse.move(box["x"] + box["width"] * 0.82, box["y"] + 80)
    page.wait_for_timeout(300)
    time = page.evaluate("kinefuse.time")
    assert 0.6 < time < 0.95
    assert abs(page.evaluate("kinefuse.replay.frame()") / 60 - time) < 0.02


def test_gaps_of_a_curve_stay_gaps(desktop: tuple[Any, list[str], list[str]]) -> None:
    page, _, _ = desktop
    page.locator('[data-key="elbow_flex"]').scroll_into_view_if_needed()
    page.wait_for_selector('[data-key="elbow_flex"] .nsewdrag')
    script = "document.querySelector('[data-key=elbow_flex] .canvas').data.filter(t => t.name === 'right')[0].y"
    values = page.evaluate(script)
    assert [i for i, value in enumerate(values) if value is None] == list(range(30, 36))


def test_on_a_phone_nothing_overflows(browser: Any, report: Path) -> None:
    page, wrong, _ = opened(browser, report, 390, 844, has_touch=True, is_mobile=True)
    scrolled_through(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = "e => e.getBoundingClientRect().right > 391 && !e.closest('.scroll, svg, pre, .js-plotly-plot')"
    assert (
        page.evaluate(f"[...document.querySelectorAll('main *')].filter({wide}).map(e => e.outerHTML.slice(0, 80))")
        == []
    )
    assert page.locator("#play").bounding_box()["height"] >= 40
    assert wrong == []


def test_paper_has_every_curve_and_a_film_strip(desktop: tuple[Any, list[str], list[str]]) -> None:
    page, wrong, _ = desktop
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 12
    count = (
        "[...document.querySelectorAll('.plot')].filter(p => !p.closest('details')).every(p => p.querySelector('svg'))"
    )
    assert page.evaluate(count)
    strip = page.evaluate("document.querySelector('#filmstrip img').src")
    image = base64.b64decode(strip.split(",")[1])
    assert len(image) > 20_000
    assert wrong == []


def test_a_skeleton_without_graphics_acceleration(chromium: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, walking(frames=45), {})
    browser = chromium([*FLAGS, "--disable-3d-apis"])
    page, wrong, _ = opened(browser, path, 700, 600)
    assert page.evaluate("kinefuse.replay.show.skeleton")
    page.evaluate("document.getElementById('scene').scrollIntoView()")
    first = page.locator("#scene").screenshot()
    page.locator("#slider").fill("40")
    page.wait_for_timeout(200)
    assert difference(first, page.locator("#scene").screenshot()) > 0.001
    assert wrong == []
    browser.close()
