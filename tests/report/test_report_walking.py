"""What the report says of a walk: sides apart, few strides told, nothing where nobody walks."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from report_examples import striding

from kinefuse.conventions import COORDINATE_INDEX, INFERRED, SEGMENT_INDEX
from kinefuse.metrics.strides import strides_of
from kinefuse.report.walking import SHOWN, walking_data, walking_section

KNEE = COORDINATE_INDEX["knee_angle_r"]
walk = cache(striding)


def knees(bent_deg: float = 0.0) -> dict[str, dict]:
    """Return the curves of both knees by side, the right one bent by so much more."""
    angles = walk().angles.copy()
    angles[:, KNEE] += np.deg2rad(bent_deg)
    plots = walking_data(replace(walk(), angles=angles))["plots"]
    return {curve["side"]: curve for curve in next(p for p in plots if p["key"] == "knee_angle")["curves"]}


def test_the_curves_are_those_of_the_walk() -> None:
    assert tuple(plot["key"] for plot in walking_data(walk())["plots"]) == SHOWN
    right, motion = knees()["r"], walk()
    starts = [stride.start for stride in strides_of(motion)[0] if stride.side == "r"]
    expected = np.rad2deg(np.interp(starts, motion.time, motion.angles[:, KNEE])).mean()
    assert right["mean"][0] == pytest.approx(expected, abs=0.1)
    assert len(right["mean"]) == len(right["sd"]) == 101
    assert 58 < right["off"] < 68


def test_sides_that_differ_are_told_apart() -> None:
    plain, bent = knees(), knees(5.0)
    assert np.array(bent["r"]["mean"]) - plain["r"]["mean"] == pytest.approx(5.0, abs=0.02)
    assert bent["l"] == plain["l"]
    assert "+0.01" not in walking_section(walk())


def test_few_strides_and_those_left_out_are_told() -> None:
    motion = walk()
    assert "Fewer than 3 strides" not in walking_section(motion)
    strides = strides_of(motion)[0]
    few = motion.frames(motion.time <= strides[2].end + 0.1)
    assert "Fewer than 3 strides" in walking_section(few)
    provenance = motion.provenance.copy()
    provenance[motion.time < strides[0].start + 0.7 * strides[0].duration, SEGMENT_INDEX["foot_r"]] = INFERRED
    assert "Left out: 1 stride in which a foot was mostly inferred." in walking_section(
        replace(motion, provenance=provenance)
    )


def test_there_is_nothing_where_nobody_walks() -> None:
    still = walk().frames(walk().time < 1.0)
    assert walking_section(still) == ""
    assert walking_data(still) == {"plots": []}


def test_that_no_place_was_measured_is_told() -> None:
    placeless = replace(walk(), positions=walk().positions - walk().positions[:, :1])
    assert "No place was measured" in walking_section(placeless)
    assert "No place was measured" not in walking_section(walk())
