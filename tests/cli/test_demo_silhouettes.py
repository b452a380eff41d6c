"""The demo with silhouettes: ``kinefuse run`` estimates from them by the shipped weights of DeepFuse."""

from dataclasses import replace
from pathlib import Path

import pytest
from cli_samples import cut, walk

from kinefuse.cli import main
from kinefuse.formats.results import read_result
from kinefuse.formats.trial import read_trial
from kinefuse.synthesis import demo
from kinefuse.synthesis.demo import CAMERA_RATE_HZ, Demo

FIRST, FRAMES = 120, 12


def short_walk(first: int = FIRST, frames: int = FRAMES) -> Demo:
    """A fifth of a second of the demo's walk in all four cameras, and its sensors from the held pose on."""
    made, start_s = walk(), first / CAMERA_RATE_HZ
    views = tuple(
        replace(cut(view, first - round((view.start_s or 0.0) * CAMERA_RATE_HZ), frames), start_s=start_s)
        for view in made.recording.views
    )
    times = made.truth.time
    during = (times > start_s - 1e-6) & (times < start_s + (frames - 1) / CAMERA_RATE_HZ + 1e-6)
    return Demo(recording=replace(made.recording, views=views), truth=made.truth.frames(during))


def test_deepfuse_runs_on_the_demo_with_silhouettes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "demo_recording", lambda seed: short_walk())
    assert main(["demo", "--silhouettes", "--out", str(tmp_path / "demo"), "--quiet"]) == 0
    trial, out = tmp_path / "demo" / "trial", tmp_path / "deepfuse"
    views = read_trial(trial).views
    assert [len(list(view.silhouettes.glob("*.png"))) for view in views if view.silhouettes] == [FRAMES] * 4
    assert read_result(tmp_path / "demo" / "result")[1]["estimator"] == "fusion-optimisation"  # as without them
    assert main(["run", str(trial), "--estimator", "deepfuse", "--out", str(out), "--quiet"]) == 0
    motion, quality = read_result(out)
    assert len(motion.time) == FRAMES
    assert quality["truth"]["groups"]["all"]["mpjpe_mm"] < 100.0


def test_silhouettes_change_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "demo_recording", lambda seed: short_walk(frames=2))
    plain, more = demo.make_demo(tmp_path / "plain"), demo.make_demo(tmp_path / "more", silhouettes=True)
    files = {path.relative_to(plain) for path in plain.rglob("*") if path.is_file()}
    added = {path.relative_to(more) for path in more.rglob("*") if path.is_file()} - files
    assert added == {Path("silhouettes", f"cam_{n}", f"{frame:06d}.png") for n in range(1, 5) for frame in range(2)}
    for file in files - {Path("reference", "motion.nc")}:  # which has dates
        assert (plain / file).read_bytes() == (more / file).read_bytes()
