"""Spellings of other tools."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinefuse.conventions import JOINTS, KEYPOINTS
from kinefuse.formats.point_names import canonical_point_name, canonical_point_names

PAIRED = ("Eye", "Ear", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "BigToe", "SmallToe", "Heel")
BODY_25B = ["Nose", "Neck", "Head", *(side + part for part in PAIRED for side in "LR")]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("RHip", "hip_r"),
        ("LBigToe", "big_toe_l"),
        ("RSmallToe", "small_toe_r"),
        ("MidHip", "mid_hip"),
        ("Head", "head_top"),
        ("left_foot_index", "big_toe_l"),
        ("RIGHT_ANKLE", "ankle_r"),
        ("Left Knee", "knee_l"),
        ("small_toe_left", "small_toe_l"),
        ("right_small_toe", "small_toe_r"),
    ],
)
def test_known_spellings(theirs: str, ours: str) -> None:
    assert canonical_point_name(theirs) == ours


@pytest.mark.parametrize("name", ["R_knee", "r.ASIS_study", "L_Shoulder", "RKNE", "LHand", "head", "C7", "", "left_"])
def test_markers_and_unknown_names_stay(name: str) -> None:
    assert canonical_point_name(name) == name


def test_all_points_of_a_detector_find_a_place() -> None:
    assert {canonical_point_name(name) for name in BODY_25B} == set(KEYPOINTS) - {"mid_hip"}


def test_own_names_stay() -> None:
    assert [canonical_point_name(name) for name in (*KEYPOINTS, *JOINTS)] == [*KEYPOINTS, *JOINTS]


def test_a_taken_name_is_not_given_twice() -> None:
    assert canonical_point_names(["Neck", "neck", "RHip", "right_hip"]) == ("Neck", "neck", "hip_r", "right_hip")


@given(st.lists(st.sampled_from([*BODY_25B, *KEYPOINTS, "R_knee", "left hip", "x"]), unique=True, max_size=12))
def test_different_names_stay_different(names: list[str]) -> None:
    assert len(set(canonical_point_names(names))) == len(names)
