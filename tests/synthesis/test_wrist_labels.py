"""Wrist markers that bear each other's names are found by a bent elbow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinefuse.recordings import JointCenters
from kinefuse.rotations import matrix_from_rotvec
from kinefuse.synthesis.wrist_labels import with_wrists_named

NAMES = tuple(f"{side}{marker}" for side in "LR" for marker in ("SHO", "ELB", "WRA", "WRB"))


def arms(bend_deg: float, pronation_deg: float = 0.0, frames: int = 12) -> JointCenters:
    """Arms that hang, elbows bent forward (X); with no pronation the thumbs (A) point up, towards the shoulders."""
    bend, roll = np.deg2rad(bend_deg), np.deg2rad(pronation_deg)
    forearm = np.array([np.sin(bend), -np.cos(bend), 0.0])
    thumb = np.array([np.cos(bend), np.sin(bend), 0.0])
    points = []
    for inwards in (1.0, -1.0):
        aside = np.array([0.0, 0.0, inwards])
        elbow, across = np.array([0.0, 1.1, -0.2 * inwards]), np.cos(roll) * thumb + np.sin(roll) * aside
        wrist = elbow + 0.25 * forearm
        points += [elbow + np.array([0.0, 0.3, 0.0]), elbow, wrist + 0.03 * across, wrist - 0.03 * across]
    return JointCenters(names=NAMES, time=np.arange(frames) / 100, positions=np.tile(points, (frames, 1, 1)))


def exchanged(clip: JointCenters, side: str) -> JointCenters:
    names = list(clip.names)
    a, b = names.index(f"{side}WRA"), names.index(f"{side}WRB")
    positions = clip.positions.copy()
    positions[:, [a, b]] = positions[:, [b, a]]
    return JointCenters(names=clip.names, time=clip.time, positions=positions)


@given(bend=st.floats(31, 140), pronation=st.floats(-60, 60), turn=st.floats(-3, 3), side=st.sampled_from("LR"))
def test_whichever_way_the_person_stands_and_turns_the_hand(
    bend: float, pronation: float, turn: float, side: str
) -> None:
    right = arms(bend, pronation)
    turned = right.positions @ matrix_from_rotvec(np.array([0.3, turn, 0.2])).T
    right = JointCenters(names=NAMES, time=right.time, positions=turned)
    same, sides = with_wrists_named([right], ["a"])
    assert sides == [()]
    assert same[0] is right
    mended, sides = with_wrists_named([exchanged(right, side)], ["a"])
    assert sides == [(side,)]
    np.testing.assert_array_equal(mended[0].positions, right.positions)


def test_each_session_by_itself() -> None:
    clips = [arms(60), exchanged(arms(60), "R"), exchanged(arms(1), "R")]
    mended, sides = with_wrists_named(clips, ["a", "b", "b"])
    assert sides == [(), ("R",), ("R",)]
    np.testing.assert_array_equal(mended[2].positions, arms(1).positions)
    assert with_wrists_named(clips[2:], ["b"])[1] == [()]  # a straight elbow does not tell


@pytest.mark.parametrize("lost", ["RWRA", "RSHO"])
def test_without_the_markers_nothing_is_changed(lost: str) -> None:
    clip = exchanged(arms(60), "R")
    clip = clip.select(tuple(name for name in NAMES if name != lost))
    assert with_wrists_named([clip], ["a"])[1] == [()]


def test_gaps_are_left_out() -> None:
    clip = exchanged(arms(60), "L")
    clip.positions[3:9, NAMES.index("LWRB")] = np.nan
    assert with_wrists_named([clip], ["a"])[1] == [("L",)]
    clip.positions[:, NAMES.index("LELB")] = np.nan
    assert with_wrists_named([clip], ["a"])[1] == [()]
