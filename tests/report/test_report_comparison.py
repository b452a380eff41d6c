import pytest
from report_examples import walking

from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.report.comparison import comparison_of


def row(motion: Motion, truth: Motion, title: str) -> dict:
    return next(r for r in comparison_of(motion, truth)["rows"] if r["title"] == title)


def test_a_constant_error_of_one_knee_is_found_there_alone() -> None:
    truth = walking(frames=60)
    motion = walking(frames=60, offset_deg=5.0)
    knee = row(motion, truth, "Knee flexion")
    assert knee["right"] == pytest.approx(5.0, abs=0.01)
    assert knee["left"] == pytest.approx(0.0, abs=0.01)
    assert row(motion, truth, "Pelvic tilt")["middle"] == pytest.approx(0.0, abs=0.01)


def test_a_motion_agrees_with_itself() -> None:
    motion = walking(frames=30)
    summary = dict(comparison_of(motion, motion)["summary"])
    assert summary["segment orientation"] == "0.0°"
    assert summary["joint centres, roots together"] == "0 mm"


def test_partial_overlap_is_told() -> None:
    notes = comparison_of(walking(frames=60), walking(frames=30))["notes"]
    assert any("30 of 60 frames" in note for note in notes)


def test_no_overlap_is_an_error() -> None:
    from dataclasses import replace

    motion = walking(frames=10)
    with pytest.raises(KinefuseError):
        comparison_of(replace(motion, time=motion.time + 100.0), motion)
