"""MVNX of known motions, the forms that files have, and nonsense."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from evaluation_examples import swinging
from hypothesis import given, settings
from hypothesis import strategies as st
from other_tools import mvnx_text, write_mvnx

from kinefuse.conventions import COORDINATE_INDEX, IS_LENGTH, JOINT_INDEX, SEGMENT_INDEX
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.mvnx import MVN_SEGMENTS, STANDARD_ORDER, read_mvnx
from kinefuse.motion import Motion


@pytest.fixture(scope="module")
def motion() -> Motion:
    return swinging(12)


def read_text(folder: Path, text: str) -> Motion:
    file = folder / "take.mvnx"
    file.write_text(text, encoding="utf-8")
    return read_mvnx(file)


def test_a_known_motion(motion: Motion, tmp_path: Path) -> None:
    read = read_mvnx(write_mvnx(tmp_path / "take.mvnx", motion))
    ours = [SEGMENT_INDEX[segment] for segment in MVN_SEGMENTS]
    assert len(ours) == 22
    np.testing.assert_allclose(read.time, motion.time, atol=1e-12)
    np.testing.assert_allclose(read.R_world_segment, motion.R_world_segment, atol=1e-7)
    np.testing.assert_allclose(read.positions, motion.positions, atol=1e-8)
    np.testing.assert_allclose(read.angles[:, ~IS_LENGTH], motion.angles[:, ~IS_LENGTH], atol=1e-6)
    np.testing.assert_allclose(
        read.rest_positions - read.rest_positions[0], motion.rest_positions - motion.rest_positions[0], atol=1e-7
    )
    assert read.estimator == "Xsens MVN"


def test_a_bent_knee_by_hand(tmp_path: Path) -> None:
    """Facing global X, everything as in the T-pose but the right shank, turned by +90° about Y (left): heel back."""
    turns = ["1 0 0 0"] * 23
    turns[STANDARD_ORDER.index("RightLowerLeg")] = "0.7071067811865476 0 0.7071067811865476 0"
    places = ["0 0 1"] * 23
    places[STANDARD_ORDER.index("RightHand")] = "0.1 -0.7 1.4"
    frame = f"<orientation>{' '.join(turns)}</orientation><position>{' '.join(places)}</position>"
    read = read_text(tmp_path, f'<frames><frame type="normal" time="40">{frame}</frame></frames>')
    assert np.rad2deg(read.angle("knee_angle_r")) == pytest.approx(90.0)
    assert np.rad2deg(read.angle("arm_add_r")) == pytest.approx(-90.0)
    assert np.rad2deg(read.angle("pro_sup_l")) == pytest.approx(90.0)
    assert np.rad2deg(read.angle("hip_flexion_r")) == pytest.approx(0.0, abs=1e-9)
    assert read.time == pytest.approx(0.04)
    np.testing.assert_allclose(read.positions[0, JOINT_INDEX["wrist_r"]], [-0.7, 1.4, 0.1])


def test_quaternions_that_are_not_of_length_one_are_refused(tmp_path: Path) -> None:
    turns = ["1 0 0 0"] * 23
    turns[STANDARD_ORDER.index("Head")] = "1.1 0 0 0"
    frame = f"<orientation>{' '.join(turns)}</orientation><position>{' '.join(['0 0 1'] * 23)}</position>"
    with pytest.raises(FormatError, match=r"frame 1: the quaternion of Head has the length 1\.1 instead of one"):
        read_text(tmp_path, f'<frames><frame type="normal" time="40">{frame}</frame></frames>')


def test_half_a_body(motion: Motion, tmp_path: Path) -> None:
    legs = [label for label in STANDARD_ORDER if label == "Pelvis" or label.endswith(("Leg", "Foot", "Toe"))]
    read = read_text(tmp_path, mvnx_text(motion, legs))
    assert np.isnan(read.R_world_segment[:, SEGMENT_INDEX["thorax"]]).all()
    np.testing.assert_allclose(read.angle("hip_flexion_l"), motion.angle("hip_flexion_l"), atol=1e-6)
    assert np.isnan(read.angle("arm_flex_l")).all()
    with pytest.raises(FormatError, match="does not name its 9 segments"):
        read_text(tmp_path, mvnx_text(motion, legs, named=False))


def test_labels_may_be_left_out_of_a_whole_body(motion: Motion, tmp_path: Path) -> None:
    read = read_text(tmp_path, mvnx_text(motion, named=False))
    np.testing.assert_allclose(read.angle("elbow_flex_r"), motion.angle("elbow_flex_r"), atol=1e-6)


def test_the_reference_to_a_dtd_is_not_followed(motion: Motion, tmp_path: Path) -> None:
    named = '<!DOCTYPE mvnx SYSTEM "http://www.xsens.com/mvn/mvnx/schema.dtd">'
    assert len(read_text(tmp_path, mvnx_text(motion, before=named)).time) == 12


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE mvnx [<!ENTITY a "0 "><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE mvnx [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE mvnx [<!ENTITY % a SYSTEM "http://localhost/x.dtd"> %a;]>',
    ],
)
def test_entities_are_refused(motion: Motion, tmp_path: Path, doctype: str) -> None:
    with pytest.raises(FormatError, match="entities"):
        read_text(tmp_path, mvnx_text(motion, before=doctype))


def test_time_is_of_indices_or_milliseconds(motion: Motion, tmp_path: Path) -> None:
    read = read_text(tmp_path, mvnx_text(motion, rate='frameRate="100"', first_index=7))
    np.testing.assert_allclose(read.time, np.arange(12) / 100)
    read = read_text(tmp_path, mvnx_text(motion, rate=""))
    np.testing.assert_allclose(read.time, np.arange(12) / 50)
    with pytest.raises(FormatError, match="increasing"):
        read_text(tmp_path, mvnx_text(motion).replace('index="4"', 'index="3"'))


def test_missing_values_are_nan(motion: Motion, tmp_path: Path) -> None:
    text = mvnx_text(motion, knees=False)
    start = text.index("<orientation>", text.index('index="5"')) + len("<orientation>")
    first = text[start:].split(" ", 4)
    read = read_text(tmp_path, text[:start] + "nan nan nan nan " + first[4])
    assert np.isnan(read.R_world_segment[5, 0]).all()
    assert np.isfinite(read.R_world_segment[4, 0]).all()


def test_other_axes_are_noticed(motion: Motion, tmp_path: Path) -> None:
    turns = ["1 0 0 0"] * 22 + ["0 1 0 0"]
    pose = f'<frame type="tpose"><orientation>{" ".join(turns)}</orientation></frame>'
    with pytest.raises(FormatError, match="LeftToe and the pelvis are 180° apart"):
        read_text(tmp_path, mvnx_text(motion, extra_frames=pose))
    with pytest.raises(FormatError, match="jRightKnee and the flexion"):
        read_text(tmp_path, mvnx_text(motion).replace("<jointAngle>0.000000000 0.000000000 ", "<jointAngle>0 0 -9"))


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "not whole XML"),
        ("<mvnx>", "not whole XML"),
        ("<opensim/>", "expected an MVNX file, got XML of 'opensim'"),
        ("<mvnx><subject/><subject/></mvnx>", "several people"),
        ("<mvnx><subject/></mvnx>", "it holds none"),
        ("<frames><frame><orientation>a</orientation></frame></frames>", "must hold numbers"),
        ("<frames><frame><orientation>1 0 0 0</orientation></frame></frames>", "does not name its 1 segments"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(KinefuseError, match=said):
        read_text(tmp_path, text)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(KinefuseError, match=r"none\.mvnx"):
        read_mvnx(tmp_path / "none.mvnx")
    with pytest.raises(KinefuseError, match="cannot be read"):
        read_mvnx(tmp_path)


TEXT = mvnx_text(swinging(3)).encode()


@settings(max_examples=150, deadline=2000)
@given(
    st.lists(st.tuples(st.integers(0, len(TEXT) - 1), st.integers(0, 255)), max_size=8), st.integers(0, 3 * len(TEXT))
)
def test_damage_ends_in_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], cut: int
) -> None:
    content = bytearray(TEXT)
    for place, value in changes:
        content[place] = value
    file = tmp_path_factory.mktemp("damaged") / "take.mvnx"
    file.write_bytes(bytes(content[:cut]))
    with contextlib.suppress(KinefuseError):
        read = read_mvnx(file)
        assert len(read.time) <= 4
        assert read.angles[:, COORDINATE_INDEX["knee_angle_r"]].shape == read.time.shape
