from dataclasses import replace

import numpy as np
import pytest
from report_examples import walking

from kinefuse.body.angles import joint_angles
from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.report.comparison import comparison_of
from kinefuse.rotations import yaw_matrix


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


def test_a_heading_that_cannot_be_known_is_no_error() -> None:
    truth = walking(frames=60)
    turn = yaw_matrix(1.5)
    R, positions = turn @ truth.R_world_segment, truth.positions @ turn.T + np.array([3.0, 0.0, 1.0])
    motion = replace(truth, R_world_segment=R, positions=positions, angles=joint_angles(R, positions[:, 0]))
    assert dict(comparison_of(motion, truth)["summary"])["segment orientation"] == "85.9°"
    aligned = comparison_of(motion, truth, align_heading=True)
    assert dict(aligned["summary"])["segment orientation"] == "0.0°"
    assert "taken from the reference" in aligned["notes"][0]


def test_partial_overlap_is_told() -> None:
    notes = comparison_of(walking(frames=60), walking(frames=30))["notes"]
    assert any("30 of 60 frames" in note for note in notes)


def test_no_overlap_is_an_error() -> None:
    motion = walking(frames=10)
    with pytest.raises(KinefuseError):
        comparison_of(replace(motion, time=motion.time + 100.0), motion)
