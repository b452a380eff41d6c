"""What the report says of a walk: sides apart, few strides told, nothing where nobody walks."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from report_examples import striding

from kinefuse.conventions import COORDINATE_INDEX, INFERRED, SEGMENT_INDEX
from kinefuse.metrics.strides import Walking, strides_of
from kinefuse.report.walking import SHOWN, walking_parts
from kinefuse.synthesis.gait import Walk
from kinefuse.synthesis.gait import walk as synthetic_walk
from kinefuse.synthesis.person import demo_person

KNEE = COORDINATE_INDEX["knee_angle_r"]
walk = cache(striding)


def knees(bent_deg: float = 0.0) -> dict[str, dict]:
    """Return the curves of both knees by side, the right one bent by so much more."""
    angles = walk().angles.copy()
    angles[:, KNEE] += np.deg2rad(bent_deg)
    plots = walking_parts(replace(walk(), angles=angles))[1]["plots"]
    return {curve["side"]: curve for curve in next(p for p in plots if p["key"] == "knee_angle")["curves"]}


def test_the_curves_are_those_of_the_walk() -> None:
    assert tuple(plot["key"] for plot in walking_parts(walk())[1]["plots"]) == SHOWN
    right, motion = knees()["r"], walk()
    starts = [stride.start for stride in strides_of(motion).strides if stride.side == "r"]
    expected = np.rad2deg(np.interp(starts, motion.time, motion.angles[:, KNEE])).mean()
    assert right["mean"][0] == pytest.approx(expected, abs=0.1)
    assert len(right["mean"]) == len(right["sd"]) == 101
    assert 58 < right["off"] < 68


def test_sides_that_differ_are_told_apart() -> None:
    plain, bent = knees(), knees(5.0)
    assert np.array(bent["r"]["mean"]) - plain["r"]["mean"] == pytest.approx(5.0, abs=0.02)
    assert bent["l"] == plain["l"]
    assert "+0.01" not in walking_parts(walk())[0]


def test_few_strides_and_those_left_out_are_told() -> None:
    motion = walk()
    assert "Fewer than 3 strides" not in walking_parts(motion)[0]
    strides = strides_of(motion).strides
    few = motion.frames(motion.time <= strides[2].end + 0.1)
    assert "Fewer than 3 strides" in walking_parts(few)[0]
    provenance = motion.provenance.copy()
    provenance[motion.time < strides[0].start + 0.7 * strides[0].duration, SEGMENT_INDEX["foot_r"]] = INFERRED
    some, none = replace(motion, provenance=provenance), replace(motion, provenance=np.full_like(provenance, INFERRED))
    assert "Left out: 1 stride in which a foot was mostly inferred" in walking_parts(some)[0]
    html, data = walking_parts(none)
    assert f"Left out: {len(strides)} strides" in html
    assert data == {"plots": []}


def test_angles_that_were_inferred_are_not_drawn() -> None:
    provenance = walk().provenance.copy()
    provenance[:, [SEGMENT_INDEX["thigh_l"], SEGMENT_INDEX["thorax"]]] = INFERRED
    strides = [s for s in strides_of(walk()).strides if s.side == "r"]
    provenance[walk().time < strides[-1].start, SEGMENT_INDEX["foot_r"]] = INFERRED
    html, data = walking_parts(replace(walk(), provenance=provenance))
    curves = {plot["key"]: {curve["side"]: curve for curve in plot["curves"]} for plot in data["plots"]}
    assert set(curves["hip_flexion"]) == {"r"}
    assert "lumbar_rotation" not in curves
    assert 'data-cycle="lumbar_rotation"' not in html
    assert curves["ankle_angle"]["r"]["strides"] == 1
    assert curves["ankle_angle"]["r"]["sd"] == []


def test_strides_of_turning_round_are_not_among_the_means() -> None:
    straight = strides_of(walk()).strides
    turning = [replace(stride, turn=0.6) for stride in straight[2:]]
    assert Walking((*straight[:2], *turning), 0, "measured").straight == list(straight[:2])
    assert Walking(tuple(turning), 0, "measured").straight == turning
    tight = synthetic_walk(demo_person(), Walk(rate_hz=60.0, duration_s=10.0, turn_rad=4.0))
    assert "In all of them" in walking_parts(tight)[0] or "in which the body turned" in walking_parts(tight)[0]
    assert "turned by more" not in walking_parts(walk())[0]


def test_there_is_nothing_where_nobody_walks() -> None:
    still = walk().frames(walk().time < 1.0)
    assert walking_parts(still) == ("", {"plots": []})


def test_that_no_place_was_measured_is_told() -> None:
    placeless = replace(walk(), positions=walk().positions - walk().positions[:, :1])
    assert "No place was measured" in walking_parts(placeless)[0]
    assert "No place was measured" not in walking_parts(walk())[0]
