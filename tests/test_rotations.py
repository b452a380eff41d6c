import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kinefuse.rotations import (
    geodesic_angle,
    is_unit_quaternion,
    matrix_from_euler,
    matrix_from_quaternion,
    matrix_from_rotvec,
    nearest_yaw,
    quaternion_from_matrix,
    rotvec_from_matrix,
    slerp_matrices,
    yaw_matrix,
)

ROTVECS = hnp.arrays(float, (4, 3), elements=st.floats(-1.8, 1.8))  # at most 3.12 rad long
ANGLES = st.floats(-3.1, 3.1)


# ---- known answers


def test_a_quarter_turn_about_up_takes_z_to_x() -> None:
    quarter = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    half = np.sqrt(0.5)
    assert np.allclose(yaw_matrix(np.pi / 2), quarter)
    assert np.allclose(matrix_from_rotvec(np.array([0.0, np.pi / 2, 0.0])), quarter)
    assert np.allclose(matrix_from_quaternion(np.array([half, 0.0, half, 0.0])), quarter)
    assert np.allclose(matrix_from_euler("ZXY", np.array([0.0, 0.0, np.pi / 2])), quarter)


def test_euler_angles_turn_with_the_body() -> None:
    """First a quarter turn about Z, then one about the X axis that was carried along: Y ends where Z was."""
    matrix = matrix_from_euler("ZXY", np.array([np.pi / 2, np.pi / 2, 0.0]))
    assert np.allclose(matrix[:, 1], [0.0, 0.0, 1.0])
    assert np.allclose(matrix[:, 0], [0.0, 1.0, 0.0])


@pytest.mark.parametrize("angle", [0.0, 1e-9, 0.3, np.pi - 1e-9, np.pi])
def test_geodesic_angle_is_exact_at_both_ends(angle: float) -> None:
    turn = matrix_from_rotvec(angle * np.array([0.6, 0.0, 0.8]))
    assert geodesic_angle(np.eye(3), turn) == pytest.approx(angle, abs=1e-12)


def test_slerp_is_halfway_at_half_time_and_nothing_outside() -> None:
    ends = yaw_matrix(np.array([0.2, 1.0]))
    found = slerp_matrices(np.array([1.0, 3.0]), ends, np.array([0.9, 1.0, 2.0, 3.0, 3.1]))
    assert np.allclose(found[1:4], yaw_matrix(np.array([0.2, 0.6, 1.0])))
    assert np.isnan(found[[0, 4]]).all()


def test_what_is_no_rotation_is_nan() -> None:
    some = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [np.nan, 0.0, 0.0, 1.0]])
    found = matrix_from_quaternion(some)
    assert np.allclose(found[0], np.eye(3))
    assert np.isnan(found[1:]).all()
    assert np.isnan(quaternion_from_matrix(found)[1:]).all()
    assert is_unit_quaternion(1.04 * some).tolist() == [True, False, False]
    assert not is_unit_quaternion(1.06 * some[0])


def test_the_nearest_yaw_leaves_out_tilt() -> None:
    """A lean about the axis that the body faces along, or across it, turns nobody round."""
    for lean in ([0.4, 0.0, 0.0], [0.0, 0.0, -0.7]):
        assert nearest_yaw(yaw_matrix(2.0) @ matrix_from_rotvec(np.array(lean))) == pytest.approx(2.0)


# ---- properties


@settings(deadline=None)
@given(rotvecs=ROTVECS)
def test_every_form_goes_round(rotvecs: np.ndarray) -> None:
    matrices = matrix_from_rotvec(rotvecs)
    assert np.allclose(np.swapaxes(matrices, 1, 2) @ matrices, np.eye(3), atol=1e-12)
    assert np.allclose(rotvec_from_matrix(matrices), rotvecs, atol=1e-6)
    quaternions = quaternion_from_matrix(matrices)
    assert (quaternions[:, 0] >= 0).all()
    for sign in (1.0, -1.0):
        assert np.allclose(matrix_from_quaternion(sign * quaternions), matrices, atol=1e-9)


@settings(deadline=None)
@given(rotvecs=ROTVECS, more=ROTVECS)
def test_geodesic_angle_is_a_distance(rotvecs: np.ndarray, more: np.ndarray) -> None:
    a, b = matrix_from_rotvec(rotvecs), matrix_from_rotvec(more)
    apart = geodesic_angle(a, b)
    assert np.allclose(apart, geodesic_angle(b, a), atol=1e-7)
    assert np.allclose(apart, geodesic_angle(a[:1] @ a, a[:1] @ b), atol=1e-7)
    assert (apart <= geodesic_angle(a, b[::-1]) + geodesic_angle(b[::-1], b) + 1e-7).all()


@settings(deadline=None)
@given(angle=ANGLES, turns=st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=6))
def test_the_nearest_yaw_of_a_sum_is_as_near_as_any(angle: float, turns: list[float]) -> None:
    rotations = yaw_matrix(angle + np.array(turns))
    best = nearest_yaw(rotations.sum(0))

    def distance(yaw: float) -> float:
        return float(((rotations - yaw_matrix(yaw)) ** 2).sum())

    assert all(distance(best) <= distance(best + step) + 1e-9 for step in (-0.5, -0.01, 0.01, 0.5, np.pi))
