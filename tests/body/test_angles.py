"""Names and signs of joint angles, checked by where the distal parts of the body go; and the algebra around them."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kinefuse.body.angles import (
    JOINT_ANGLES,
    continuous_in_time,
    heading_list_tilt,
    is_near_singular,
    joint_angles,
    orientations_from_angles,
    shoulder_elevation,
    yxy_angles,
    zxy_angles,
)
from kinefuse.body.kinematics import joint_positions
from kinefuse.body.models import load_anny
from kinefuse.conventions import (
    COORDINATE_INDEX,
    COORDINATES,
    JOINT_INDEX,
    SEGMENT_INDEX,
    SEGMENTS,
    TRANSLATIONS,
    mirror_permutation,
    mirrored_name,
)
from kinefuse.rotations import geodesic_angle, matrix_from_euler, matrix_from_rotvec, yaw_matrix

BODY = load_anny()
REST = BODY.rest_positions(np.zeros(BODY.n_shape))
FORWARD, UP, RIGHT = np.eye(3)
TURNING = [c for c in COORDINATES if c not in TRANSLATIONS]
MIDDLE = {joint.coordinates[1] for joint in JOINT_ANGLES} | {"pelvis_list"}
MIRROR = np.diag([1.0, 1.0, -1.0])
SWAPPED = mirror_permutation(SEGMENTS)
CHANGES_SIGN = {"pelvis_list", "pelvis_rotation", "lumbar_bending", "lumbar_rotation", "neck_bending", "neck_rotation"}
properties = settings(max_examples=30, deadline=None)


def posed(**degrees: float) -> np.ndarray:
    """Return orientations (22, 3, 3) for coordinates in degrees."""
    angles = np.zeros((1, len(COORDINATES)))
    for name, value in degrees.items():
        angles[0, COORDINATE_INDEX[name]] = np.deg2rad(value)
    return orientations_from_angles(angles)[0]


def joints_of(R: np.ndarray) -> np.ndarray:
    """Return joints (22, 3) of the mean body with its root at the origin."""
    tensors = (torch.as_tensor(R), torch.zeros(3, dtype=torch.float64), torch.as_tensor(REST))
    return joint_positions(*tensors).numpy()


def moved(joint: str, **degrees: float) -> np.ndarray:
    """Return how far a joint is from where it is with all angles zero, (3,) metres."""
    return joints_of(posed(**degrees))[JOINT_INDEX[joint]] - joints_of(posed())[JOINT_INDEX[joint]]


def axis(segment: str, direction: np.ndarray, **degrees: float) -> np.ndarray:
    """Return where a direction of the segment's T-pose frame points in the world."""
    return posed(**degrees)[SEGMENT_INDEX[segment]] @ direction


def angles_of(R: np.ndarray) -> dict[str, float]:
    """Return the coordinates of one pose, degrees."""
    row = np.rad2deg(joint_angles(R[None], np.zeros((1, 3)))[0])
    return dict(zip(COORDINATES, row, strict=True))


# --- the zero position and the T-pose ---------------------------------------------------------------------------------


def test_at_zero_arms_hang_and_palms_face_forward() -> None:
    joints = joints_of(posed())
    for side in "lr":
        arm = joints[JOINT_INDEX[f"wrist_{side}"]] - joints[JOINT_INDEX[f"shoulder_{side}"]]
        np.testing.assert_allclose(arm / np.linalg.norm(arm), -UP, atol=0.02)
        np.testing.assert_allclose(axis(f"hand_{side}", -UP), FORWARD, atol=1e-12)  # palms are down in the T-pose
        np.testing.assert_allclose(axis(f"upper_arm_{side}", FORWARD), FORWARD, atol=1e-12)


def test_t_pose_is_abduction_by_ninety_degrees_with_palms_down() -> None:
    t_pose = np.tile(np.eye(3), (len(SEGMENTS), 1, 1))
    coordinates = angles_of(t_pose)
    expected = {f"arm_add_{s}": -90.0 for s in "lr"} | {f"pro_sup_{s}": 90.0 for s in "lr"}
    for name in TURNING:
        assert coordinates[name] == pytest.approx(expected.get(name, 0.0), abs=1e-6), name
    from_angles = posed(**expected)
    np.testing.assert_allclose(from_angles, t_pose, atol=1e-12)


# --- signs, by where things go ----------------------------------------------------------------------------------------


def test_a_squat_flexes_hips_and_knees() -> None:
    angles = {
        f"{name}_{s}": v for s in "lr" for name, v in (("hip_flexion", 60), ("knee_angle", 90), ("ankle_angle", 25))
    }
    R = posed(**angles)
    joints = joints_of(R)
    for side in "lr":
        hip, knee, ankle = (joints[JOINT_INDEX[f"{name}_{side}"]] for name in ("hip", "knee", "ankle"))
        assert (knee - hip) @ FORWARD > 0.2
        assert (ankle - knee) @ FORWARD < -0.1
        assert hip @ UP - ankle @ UP < 0.7 * (REST[JOINT_INDEX["hip_r"]] - REST[JOINT_INDEX["ankle_r"]]) @ UP
    found = angles_of(R)
    assert all(found[name] == pytest.approx(value) for name, value in angles.items())


LATERAL = {"r": RIGHT, "l": -RIGHT}


@pytest.mark.parametrize("side", ["r", "l"])
@pytest.mark.parametrize(
    ("coordinate", "degrees", "joint", "direction"),
    [
        ("hip_flexion", 30, "knee", FORWARD),
        ("hip_adduction", 20, "knee", "medial"),
        ("knee_angle", 40, "ankle", -FORWARD),
        ("knee_adduction", 10, "ankle", "medial"),
        ("ankle_angle", 20, "mtp", UP),
        ("ankle_rotation", 15, "mtp", "medial"),
        ("arm_flex", 40, "elbow", FORWARD),
        ("arm_add", 20, "elbow", "medial"),
        ("arm_add", -60, "elbow", "lateral"),
        ("elbow_flex", 60, "wrist", FORWARD),
    ],
)
def test_positive_angles_move_the_next_joint(
    side: str, coordinate: str, degrees: float, joint: str, direction: np.ndarray | str
) -> None:
    lateral = LATERAL[side]
    towards = {"medial": -lateral, "lateral": lateral}[direction] if isinstance(direction, str) else direction
    shift = moved(f"{joint}_{side}", **{f"{coordinate}_{side}": degrees})
    assert shift @ towards > 0.9 * np.linalg.norm(shift) * np.cos(np.deg2rad(abs(degrees) / 2 + 5))
    assert np.linalg.norm(shift) > 0.02


@pytest.mark.parametrize("side", ["r", "l"])
@pytest.mark.parametrize(
    ("coordinate", "segment", "in_t_pose", "towards"),
    [
        ("hip_rotation", "thigh", FORWARD, "medial"),  # the kneecap turns inwards
        ("knee_rotation", "shank", FORWARD, "medial"),
        ("subtalar_angle", "foot", -UP, "medial"),  # the sole turns inwards
        ("arm_rot", "upper_arm", FORWARD, "medial"),
        ("pro_sup", "hand", -UP, "medial"),  # the palm turns inwards
        ("wrist_flex", "hand", "fingers", FORWARD),  # towards the palm
        ("wrist_dev", "hand", "fingers", "medial"),  # towards the little finger
    ],
)
def test_positive_angles_turn_the_segment(
    side: str, coordinate: str, segment: str, in_t_pose: np.ndarray | str, towards: np.ndarray | str
) -> None:
    direction = LATERAL[side] if isinstance(in_t_pose, str) else in_t_pose
    goal = -LATERAL[side] if isinstance(towards, str) else towards
    turned = axis(f"{segment}_{side}", direction, **{f"{coordinate}_{side}": 30.0})
    assert turned @ goal == pytest.approx(np.sin(np.deg2rad(30.0)), abs=1e-9)


@pytest.mark.parametrize(
    ("coordinate", "joint", "towards"),
    [
        ("pelvis_tilt", "neck_base", -FORWARD),
        ("pelvis_list", "neck_base", RIGHT),
        ("pelvis_rotation", "hip_r", FORWARD),
        ("lumbar_extension", "head", -FORWARD),
        ("lumbar_bending", "head", RIGHT),
        ("lumbar_rotation", "shoulder_r", FORWARD),
    ],
)
def test_trunk_signs(coordinate: str, joint: str, towards: np.ndarray) -> None:
    shift = moved(joint, **{coordinate: 25.0})
    assert shift @ towards > 0.8 * np.linalg.norm(shift) > 0.02


@pytest.mark.parametrize(
    ("coordinate", "in_t_pose", "towards"),
    [("neck_flexion", UP, FORWARD), ("neck_bending", UP, RIGHT), ("neck_rotation", FORWARD, -RIGHT)],
)
def test_neck_signs(coordinate: str, in_t_pose: np.ndarray, towards: np.ndarray) -> None:
    assert axis("head", in_t_pose, **{coordinate: 30.0}) @ towards == pytest.approx(0.5, abs=1e-9)


def test_shoulder_plane_and_elevation() -> None:
    for side in "lr":
        abducted = shoulder_elevation(posed(**{f"arm_add_{side}": -50.0})[None], side)[0]
        np.testing.assert_allclose(np.rad2deg(abducted[:2]), [0.0, 50.0], atol=1e-6)
        flexed = shoulder_elevation(posed(**{f"arm_flex_{side}": 70.0})[None], side)[0]
        np.testing.assert_allclose(np.rad2deg(flexed[:2]), [90.0, 70.0], atol=1e-6)


# --- properties -------------------------------------------------------------------------------------------------------


@st.composite
def some_angles(draw: st.DrawFn) -> np.ndarray:
    """Coordinates (1, C) of a pose away from every singularity; the pelvis's place too."""
    wide = st.floats(-3.0, 3.0, allow_nan=False)
    narrow = st.floats(-1.2, 1.2, allow_nan=False)
    return np.array([[draw(narrow if name in MIDDLE else wide) for name in COORDINATES]])


@properties
@given(some_angles())
def test_angles_survive_the_way_through_orientations(angles: np.ndarray) -> None:
    back = joint_angles(orientations_from_angles(angles), angles[:, [COORDINATE_INDEX[t] for t in TRANSLATIONS]])
    np.testing.assert_allclose(back, angles, atol=1e-9)


@properties
@given(some_angles(), st.floats(-3.0, 3.0), st.tuples(*[st.floats(-5, 5)] * 3))
def test_where_one_stands_and_looks_changes_the_pelvis_only(
    angles: np.ndarray, yaw: float, shift: tuple[float, float, float]
) -> None:
    R = orientations_from_angles(angles)
    before, after = joint_angles(R, np.zeros((1, 3))), joint_angles(yaw_matrix(yaw) @ R, np.array([shift]))
    others = [i for i, name in enumerate(COORDINATES) if not name.startswith("pelvis")]
    np.testing.assert_allclose(after[:, others], before[:, others], atol=1e-9)
    np.testing.assert_allclose(after[0, [COORDINATE_INDEX[t] for t in TRANSLATIONS]], shift)


@properties
@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(-1.4, 1.4))
def test_tilt_and_list_do_not_mix_with_heading(tilt: float, roll: float, yaw: float) -> None:
    R = np.tile(matrix_from_euler("YXZ", np.array([yaw, roll, tilt])), (1, len(SEGMENTS), 1, 1))
    np.testing.assert_allclose(heading_list_tilt(R)[0], [yaw, roll, tilt], atol=1e-9)


@properties
@given(some_angles())
def test_mirroring_swaps_sides(angles: np.ndarray) -> None:
    R = orientations_from_angles(angles)
    there = joint_angles(R, np.zeros((1, 3)))[0]
    here = joint_angles((MIRROR @ R @ MIRROR)[:, SWAPPED], np.zeros((1, 3)))[0]
    for name in TURNING:
        sign = -1.0 if name in CHANGES_SIGN else 1.0
        assert here[COORDINATE_INDEX[mirrored_name(name)]] == pytest.approx(sign * there[COORDINATE_INDEX[name]]), name


@properties
@given(st.tuples(*[st.floats(-3.1, 3.1)] * 3))
def test_other_orders_describe_the_same_rotation(angles: tuple[float, float, float]) -> None:
    R = matrix_from_euler("ZXY", np.array(angles))
    assume(abs(R[2, 1]) < 0.9999 and abs(R[1, 1]) < 0.9999)  # not where one of them is singular
    np.testing.assert_allclose(matrix_from_euler("ZXY", zxy_angles(R)), R, atol=1e-7)
    np.testing.assert_allclose(matrix_from_euler("YXY", yxy_angles(R)), R, atol=1e-7)


def test_segments_between_share_a_joint() -> None:
    R = posed(lumbar_extension=30.0, lumbar_bending=12.0, neck_flexion=20.0)
    spine = R[[SEGMENT_INDEX[s] for s in ("pelvis", "lumbar", "abdomen", "thorax")]]
    steps = np.rad2deg(geodesic_angle(spine[:-1], spine[1:]))
    np.testing.assert_allclose(steps, steps[0], atol=1e-9)
    neck = R[[SEGMENT_INDEX[s] for s in ("thorax", "neck", "head")]]
    np.testing.assert_allclose(np.rad2deg(geodesic_angle(neck[:-1], neck[1:])), 10.0, atol=1e-9)


# --- over time --------------------------------------------------------------------------------------------------------


def test_abduction_goes_smoothly_through_ninety_degrees() -> None:
    wanted = np.zeros((200, len(COORDINATES)))
    wanted[:, COORDINATE_INDEX["arm_add_r"]] = np.deg2rad(np.linspace(-10, -150, 200))
    wanted[:, COORDINATE_INDEX["arm_flex_r"]] = np.deg2rad(5.0)
    found = joint_angles(orientations_from_angles(wanted), np.zeros((200, 3)))
    arm = [COORDINATE_INDEX[f"arm_{name}_r"] for name in ("flex", "add", "rot")]
    assert np.rad2deg(np.abs(np.diff(found[:, arm], axis=0))).max() < 1.0
    np.testing.assert_allclose(found[:, arm], wanted[:, arm], atol=1e-9)
    shoulder = next(joint for joint in JOINT_ANGLES if joint.child == "upper_arm_r")
    near = is_near_singular(found, shoulder)
    np.testing.assert_array_equal(near, np.abs(np.rad2deg(wanted[:, arm[1]]) + 90) < 15)


def test_turning_round_and_round_does_not_jump_at_180_degrees() -> None:
    wanted = np.zeros((300, len(COORDINATES)))
    wanted[:, COORDINATE_INDEX["pelvis_rotation"]] = np.deg2rad(np.linspace(-250, 290, 300))
    found = joint_angles(orientations_from_angles(wanted), np.zeros((300, 3)))
    np.testing.assert_allclose(found[:, COORDINATE_INDEX["pelvis_rotation"]], np.deg2rad(np.linspace(-250, 290, 300)))


def test_missing_frames_stay_missing_and_disturb_nothing() -> None:
    wanted = np.zeros((50, len(COORDINATES)))
    wanted[:, COORDINATE_INDEX["hip_flexion_r"]] = np.linspace(-0.5, 1.0, 50)
    R = orientations_from_angles(wanted)
    R[10:20, SEGMENT_INDEX["thigh_r"]] = np.nan
    found = joint_angles(R, np.zeros((50, 3)))
    hip, knee, left = (found[:, COORDINATE_INDEX[n]] for n in ("hip_flexion_r", "knee_angle_r", "hip_flexion_l"))
    assert np.isnan(hip[10:20]).all()
    assert np.isnan(knee[10:20]).all()
    np.testing.assert_allclose(hip[20:], np.linspace(-0.5, 1.0, 50)[20:], atol=1e-12)
    assert np.isfinite(left).all()


def test_continuous_in_time_keeps_rotations() -> None:
    generator = np.random.default_rng(3)
    path = np.cumsum(generator.normal(0, 0.15, (400, 3)), axis=0)
    R = matrix_from_rotvec(path)
    for angles, order, flip in ((zxy_angles(R), "ZXY", "reflect"), (yxy_angles(R), "YXY", "negate")):
        chosen = continuous_in_time(angles, middle_flip=flip)
        np.testing.assert_allclose(matrix_from_euler(order, chosen), R, atol=1e-7)
        assert np.abs(np.diff(chosen, axis=0)).sum() <= np.abs(np.diff(np.unwrap(angles, axis=0), axis=0)).sum() + 1e-9


def test_one_wrong_frame_does_not_change_the_branch_of_those_that_follow() -> None:
    """A foot that is turned round in a few frames: before and after it, an ankle has no 180° of inversion."""
    angles = np.tile([0.1, 0.05, 0.0], (60, 1)) + 0.05 * np.sin(np.arange(60) / 5)[:, None]
    angles[20] = [1.4, 1.5, 1.3]
    angles[21] = [2.8, 0.9, 2.9]
    chosen = continuous_in_time(zxy_angles(matrix_from_euler("ZXY", angles)))
    assert np.abs(np.delete(chosen, [20, 21], axis=0) - np.delete(angles, [20, 21], axis=0)).max() < 1e-9
