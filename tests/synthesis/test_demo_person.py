"""The demo person has the proportions of the tables that it is made from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.body.models import load_anny
from kinefuse.conventions import JOINT_INDEX, JOINTS, KEYPOINTS, SEGMENT_PARENTS, SEGMENTS, mirrored_name
from kinefuse.errors import KinefuseError
from kinefuse.synthesis.person import demo_person, sole_points

NO_SHAPE = np.zeros(0)


def length(rest: np.ndarray, start: str, end: str) -> float:
    return float(np.linalg.norm(rest[JOINT_INDEX[start]] - rest[JOINT_INDEX[end]]))


def test_segment_lengths_are_those_of_drillis_and_contini() -> None:
    rest = demo_person(1.76).rest_positions(NO_SHAPE)
    assert length(rest, "hip_r", "knee_r") == pytest.approx(0.245 * 1.76)
    assert length(rest, "knee_r", "ankle_r") == pytest.approx(0.246 * 1.76)
    assert length(rest, "shoulder_r", "elbow_r") == pytest.approx(0.186 * 1.76)
    assert length(rest, "elbow_r", "wrist_r") == pytest.approx(0.146 * 1.76)
    assert 0.16 < length(rest, "hip_l", "hip_r") < 0.19  # Bell et al. 1989


def test_stature_is_reached_from_sole_to_crown() -> None:
    person = demo_person(1.76)
    top = person.rest_points(("head_top",), NO_SHAPE)[0, 1]
    soles, _ = sole_points(person.rest_positions(NO_SHAPE))
    assert top - soles[3:, 1].mean() == pytest.approx(1.76, abs=0.01)


def test_root_is_the_middle_of_the_hips_at_the_origin() -> None:
    person = demo_person()
    rest = person.rest_positions(NO_SHAPE)
    assert np.allclose(rest[0], 0.0)
    assert np.allclose(person.rest_points(("mid_hip",), NO_SHAPE), rest[[1, 2]].mean(0))


def test_axes_are_those_of_the_t_pose() -> None:
    rest = demo_person().rest_positions(NO_SHAPE)
    assert rest[JOINT_INDEX["wrist_r"], 2] > 0.6  # Z to the right
    assert rest[JOINT_INDEX["wrist_l"], 2] < -0.6
    assert rest[JOINT_INDEX["mtp_r"], 0] > 0.1  # X forward
    assert rest[JOINT_INDEX["head"], 1] > 0.5  # Y up


def test_left_and_right_differ_by_millimetres_only() -> None:
    rest = demo_person().rest_positions(NO_SHAPE)
    mirrored = rest[[JOINTS.index(mirrored_name(name)) for name in JOINTS]] * np.array([1, 1, -1])
    difference = np.linalg.norm(rest - mirrored, axis=1)
    assert 0.001 < difference.max() < 0.006


def test_every_keypoint_moves_with_a_segment_that_reaches_it() -> None:
    person = demo_person()
    names = dict(zip(person.point_names, (SEGMENTS[s] for s in person.point_segment), strict=True))
    assert names["big_toe_l"] == "toes_l"
    assert names["heel_r"] == "foot_r"
    assert names["ear_l"] == "head"
    rest = person.rest_positions(NO_SHAPE)
    places = person.rest_points(KEYPOINTS, NO_SHAPE)
    reach = np.linalg.norm(places - rest[person.point_segment[: len(KEYPOINTS)]], axis=1)
    assert reach.max() < 0.25


def test_it_is_not_the_fitters_own_body() -> None:
    anny = load_anny()
    ours, theirs = demo_person().rest_positions(NO_SHAPE), anny.rest_positions(np.zeros(anny.n_shape))
    bones = [np.linalg.norm(r[1:] - r[list(SEGMENT_PARENTS[1:])], axis=1) for r in (ours, theirs)]
    ratio = bones[0] / bones[1]
    assert np.ptp(ratio) > 0.15  # no mere scaling of it


@pytest.mark.parametrize("stature", [0.2, 176.0, np.nan])
def test_a_stature_in_other_units_is_refused(stature: float) -> None:
    with pytest.raises(KinefuseError, match="metres"):
        demo_person(stature)


@settings(max_examples=15, deadline=None)
@given(st.floats(1.4, 2.1))
def test_limbs_grow_with_stature(stature: float) -> None:
    rest, twin = demo_person(stature).rest_positions(NO_SHAPE), demo_person(1.76).rest_positions(NO_SHAPE)
    assert length(rest, "hip_r", "ankle_r") / stature == pytest.approx(length(twin, "hip_r", "ankle_r") / 1.76)
    soles, _ = sole_points(rest)
    assert np.allclose(soles[3:, 1], rest[JOINT_INDEX["ankle_r"], 1] - 0.039 * stature)
