import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from viewer_examples import room, waving

from kinefuse.errors import KinefuseError, MissingDependencyError
from kinefuse.formats.results import write_result
from kinefuse.viewer.app import ResultViewer, import_viser, view_result


@pytest.fixture
def viewer() -> Any:
    pytest.importorskip("viser")
    motion = waving(60)
    running = ResultViewer(motion, recording=room(motion), port=8491, title="waving")
    yield running
    running.stop()


def test_time_passes(viewer: ResultViewer) -> None:
    viewer.step(0.5)
    assert viewer.playback.frame == 30
    assert "**0.50 s**" in viewer._readout.content
    viewer.set_playing(False)
    viewer.step(0.5)
    assert viewer.playback.frame == 30


def test_a_frame_can_be_chosen(viewer: ResultViewer) -> None:
    viewer.show(12)
    assert viewer.playback.frame == 12
    assert "**0.20 s**" in viewer._readout.content


def test_only_this_machine_can_look(viewer: ResultViewer) -> None:
    assert viewer.server.get_host() == "127.0.0.1"
    assert viewer.url.startswith("http://localhost:")


def test_a_taken_port_is_not_the_end(viewer: ResultViewer) -> None:
    second = ResultViewer(waving(2), port=viewer.server.get_port())
    try:
        assert second.server.get_port() != viewer.server.get_port()
    finally:
        second.stop()


def test_without_viser_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "viser", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "kinefuse\[viewer\]"'):
        import_viser()


def test_mistakes_are_told() -> None:
    motion = waving(1)
    none = {
        name: getattr(motion, name)[:0] for name in ("time", "R_world_segment", "positions", "angles", "provenance")
    }
    from dataclasses import replace

    with pytest.raises(KinefuseError, match="no frames"):
        ResultViewer(replace(motion, **none))
    with pytest.raises(KinefuseError, match="port"):
        ResultViewer(motion, port=0)


def test_a_folder_that_is_no_result_is_told(tmp_path: Path) -> None:
    with pytest.raises(KinefuseError):
        view_result(tmp_path, open_browser=False)


def test_a_result_is_shown_until_it_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("viser")
    write_result(tmp_path / "result", waving(5), {})
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)

    def interrupted(self: ResultViewer, seconds: float = 0.0) -> None:
        self.step(0.03)
        raise KeyboardInterrupt

    monkeypatch.setattr(ResultViewer, "run", interrupted)
    view_result(tmp_path / "result", port=8511)
    assert len(opened) == 1
    assert opened[0].startswith("http://localhost:85")


def test_the_page_opens_and_shows_the_body(viewer: ResultViewer) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    cv2 = pytest.importorskip("cv2")
    playing = threading.Thread(target=viewer.run, args=(240.0,), daemon=True)
    playing.start()
    flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
    flags += ["--disable-component-update", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    wrong: list[str] = []
    foreign: list[str] = []
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium, headless=True, args=flags)
        page = browser.new_page(viewport={"width": 900, "height": 600})
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: foreign.append(request.url) if "://localhost" not in request.url else None)
        page.goto(viewer.url)
        page.get_by_text("Hip flexion").wait_for(timeout=60_000)
        share = 0.0
        for _ in range(40):  # the scene comes a little after the controls
            page.wait_for_timeout(500)
            image = cv2.imdecode(np.frombuffer(page.screenshot(timeout=120_000), np.uint8), cv2.IMREAD_COLOR)
            middle = image[150:500, 300:560].astype(int)
            share = float(((middle.max(axis=2) < 225) & (middle[..., 0] > middle[..., 2] + 4)).mean())
            if share > 0.02:  # bluish skin
                break
        browser.close()
    viewer.stopped = True
    playing.join()
    assert wrong == []
    assert [url for url in foreign if not url.startswith(("data:", "blob:"))] == []
    assert share > 0.02
