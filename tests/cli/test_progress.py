import io
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from kinefuse.cli.progress import ProgressBars


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work(bars: ProgressBars) -> None:
    with bars as progress:
        progress("reading", 0, 0)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda n: progress(f"camera {n % 2}", n // 2 + 1, 5), range(10)))
        progress("writing", 0, 0)
        progress("writing", 1, 0)


@pytest.mark.parametrize(("quiet", "terminal"), [(True, True), (False, False), (True, False)])
def test_silence(monkeypatch: pytest.MonkeyPatch, quiet: bool, terminal: bool) -> None:
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    work(ProgressBars(quiet))
    assert stream.getvalue() == ""


def test_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    work(ProgressBars())
    assert "camera 1" in stream.getvalue()
    assert "5/5" in stream.getvalue()


def test_reports_outside_of_the_context_are_ignored(capsys: pytest.CaptureFixture[str]) -> None:
    ProgressBars()("late", 1, 2)
    assert capsys.readouterr() == ("", "")
