"""Comparisons with known answers: what was added to the truth is what is found."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.body.angles import joint_angles, orientations_from_angles
from kinefuse.conventions import COORDINATE_INDEX, COORDINATES, JOINT_INDEX, SEGMENT_INDEX
from kinefuse.errors import KinefuseError
from kinefuse.metrics.compare import (
    Comparison,
    compare_motions,
    compared_angles,
    on_common_time,
    with_heading_of,
)
from kinefuse.metrics.differences import angle_differences
from kinefuse.metrics.groups import COORDINATE_GROUPS, group_of, joint_of
from kinefuse.metrics.points import procrustes_aligned
from kinefuse.motion import Motion
from kinefuse.rotations import geodesic_angle, matrix_from_rotvec, yaw_matrix
from kinefuse.synthesis.gait import Walk, walk
from kinefuse.synthesis.person import demo_person


@pytest.fixture(scope="module")
def truth() -> Motion:
    return walk(demo_person(), Walk(rate_hz=100.0, duration_s=4.0))


def with_angles(motion: Motion, changes: dict[str, float]) -> Motion:
    """Return the motion with degrees added to some of its coordinates, and nothing else changed."""
    angles = motion.angles.copy()
    for name, degrees in changes.items():
        angles[:, COORDINATE_INDEX[name]] += np.deg2rad(degrees)
    return replace(motion, angles=angles)


def degrees_of(comparison: Comparison, coordinate: str) -> float:
    return float(np.rad2deg(comparison.angle_rmse(coordinate)))


# ---- angles


def test_the_truth_has_no_error(truth: Motion) -> None:
    summary = compare_motions(truth, truth).summary()
    assert summary["angle_rmse_deg"] == 0.0
    assert summary["geodesic_deg"] == pytest.approx(0.0, abs=1e-9)
    assert summary["mpjpe_mm"] == 0.0
    assert summary["frames"] == len(truth.time)


def test_a_constant_5_degrees_is_an_rmse_of_5_and_an_offset(truth: Motion) -> None:
    comparison = compare_motions(with_angles(truth, {"knee_angle_r": 5.0}), truth)
    knee = COORDINATE_INDEX["knee_angle_r"]
    assert degrees_of(comparison, "knee_angle_r") == pytest.approx(5.0)
    assert np.rad2deg(comparison.coordinate_offset[knee]) == pytest.approx(5.0)
    assert comparison.coordinate_rmse_no_offset[knee] == pytest.approx(0.0, abs=1e-9)
    assert degrees_of(comparison, "knee_angle_l") == 0.0


def test_group_means_are_over_hips_knees_and_ankles_or_shoulders_elbows_and_neck(truth: Motion) -> None:
    assert {group: len(index) for group, index in COORDINATE_GROUPS.items()} == {"lower": 18, "upper": 15, "all": 33}
    comparison = compare_motions(with_angles(truth, {"knee_angle_r": 5.0, "wrist_flex_r": 9.0}), truth)
    assert comparison.summary("lower")["angle_rmse_deg"] == pytest.approx(5.0 / 18)
    assert comparison.summary("upper")["angle_rmse_deg"] == pytest.approx(0.0)
    assert comparison.summary("all")["angle_rmse_deg"] == pytest.approx(5.0 / 33)
    rows = {row["joint"]: row for row in comparison.rows() if row.get("joint") and row["coordinate"] is None}
    assert rows["knee"]["angle_rmse_deg"] == pytest.approx(5.0 / 6)
    assert rows["wrist"]["angle_rmse_deg"] == pytest.approx(9.0 / 6)


def test_179_against_minus_179_is_2_degrees(truth: Motion) -> None:
    angles = np.zeros((3, len(COORDINATES)))
    other = angles.copy()
    column = COORDINATE_INDEX["pelvis_rotation"]
    angles[:, column], other[:, column] = np.deg2rad(179), np.deg2rad(-179)
    difference, _ = angle_differences(angles, other)
    assert np.rad2deg(difference[:, column]) == pytest.approx([-2.0] * 3)


def test_two_ways_to_write_one_rotation_do_not_differ() -> None:
    angles = np.zeros((4, len(COORDINATES)))
    columns = [COORDINATE_INDEX[name] for name in ("arm_flex_l", "arm_add_l", "arm_rot_l")]
    signs = np.array([1, -1, -1])
    angles[:, columns] = np.array([0.4, 0.9, -0.3]) * signs
    other = angles.copy()
    other[:, columns] = np.array([0.4 + np.pi, np.pi - 0.9, -0.3 + np.pi]) * signs
    assert np.allclose(orientations_from_angles(angles), orientations_from_angles(other))
    difference, _ = angle_differences(other, angles)
    assert np.abs(difference).max() < 1e-9


def test_frames_near_the_singularity_are_left_out_and_counted(truth: Motion) -> None:
    angles = truth.angles.copy()
    angles[:100, COORDINATE_INDEX["arm_add_r"]] = np.deg2rad(-80.0)
    comparison = compare_motions(replace(truth, angles=angles), truth)
    row = next(row for row in comparison.rows() if row.get("coordinate") == "arm_flex_r")
    assert row["frames_singular"] == 100
    assert row["frames"] == len(truth.time) - 100
    assert row["angle_rmse_deg"] == 0.0
    swapped = compare_motions(truth, replace(truth, angles=angles))
    assert swapped.coordinate_singular[COORDINATE_INDEX["arm_rot_r"]] == 100
    assert comparison.geodesic_frames.min() == len(truth.time)


def test_missing_angles_are_not_counted(truth: Motion) -> None:
    angles = truth.angles.copy()
    angles[:50, COORDINATE_INDEX["hip_flexion_l"]] = np.nan
    angles[:, COORDINATE_INDEX["knee_angle_l"]] = np.nan
    comparison = compare_motions(replace(truth, angles=angles), truth)
    assert comparison.coordinate_frames[COORDINATE_INDEX["hip_flexion_l"]] == len(truth.time) - 50
    row = next(row for row in comparison.rows() if row.get("coordinate") == "knee_angle_l")
    assert row["angle_rmse_deg"] is None
    assert row["frames"] == 0
    json.dumps(comparison.rows(), allow_nan=False)


# ---- orientations and points


def test_a_turned_segment_is_found_by_its_geodesic_error(truth: Motion) -> None:
    turned = truth.R_world_segment.copy()
    turned[:, SEGMENT_INDEX["shank_l"]] @= matrix_from_rotvec(np.deg2rad([0.0, 12.0, 0.0]))
    comparison = compare_motions(replace(truth, R_world_segment=turned), truth)
    assert np.rad2deg(comparison.geodesic[SEGMENT_INDEX["shank_l"]]) == pytest.approx(12.0)
    assert comparison.summary("lower")["geodesic_deg"] == pytest.approx(2.0)
    assert comparison.summary("all")["geodesic_deg"] == pytest.approx(12.0 / 22)


def test_a_shift_is_an_error_only_before_alignment(truth: Motion) -> None:
    comparison = compare_motions(replace(truth, positions=truth.positions + np.array([0.03, 0.0, 0.04])), truth)
    summary = comparison.summary()
    assert summary["mpjpe_mm"] == pytest.approx(50.0)
    assert summary["mpjpe_root_mm"] == pytest.approx(0.0, abs=1e-6)
    assert summary["mpjpe_pa_mm"] == pytest.approx(0.0, abs=1e-6)


def test_one_displaced_joint_among_22(truth: Motion) -> None:
    positions = truth.positions.copy()
    positions[:, JOINT_INDEX["knee_r"], 1] += 0.022
    summary = compare_motions(replace(truth, positions=positions), truth).summary()
    assert summary["mpjpe_mm"] == pytest.approx(1.0)
    assert summary["mpjpe_root_mm"] == pytest.approx(1.0)


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.floats(-3, 3)] * 3), st.tuples(*[st.floats(-2, 2)] * 3), st.floats(0.5, 2.0), st.integers(0, 1000)
)
def test_procrustes_undoes_any_similarity(
    turn: tuple[float, float, float], shift: tuple[float, float, float], scale: float, seed: int
) -> None:
    points = np.random.default_rng(seed).normal(size=(3, 8, 3))
    moved = scale * points @ matrix_from_rotvec(np.array(turn)).T + np.array(shift)
    assert np.allclose(procrustes_aligned(moved, points), points, atol=1e-6)


def test_procrustes_does_not_mirror() -> None:
    points = np.random.default_rng(0).normal(size=(1, 8, 3))
    mirrored = points * np.array([-1.0, 1.0, 1.0])
    assert np.linalg.norm(procrustes_aligned(mirrored, points) - points) > 0.5


def test_procrustes_passes_over_missing_points() -> None:
    points = np.random.default_rng(0).normal(size=(2, 6, 3))
    holey = 2.0 * points + 1.0
    holey[0, 2] = np.nan
    holey[1, :4] = np.nan
    aligned = procrustes_aligned(holey, points)
    assert np.allclose(aligned[0, [0, 1, 3, 4, 5]], points[0, [0, 1, 3, 4, 5]])
    assert np.isnan(aligned[0, 2]).all()
    assert np.isnan(aligned[1]).all()  # two points do not determine it


# ---- time


def test_truth_is_interpolated_to_the_estimates_stamps(truth: Motion) -> None:
    fine = walk(demo_person(), Walk(rate_hz=400.0, duration_s=4.0))
    later = slice(3, None, 8)  # 50 Hz, between the truth's stamps
    estimate = replace(
        fine,
        time=fine.time[later],
        R_world_segment=fine.R_world_segment[later],
        positions=fine.positions[later] - fine.positions[0, 0] + truth.positions[0, 0],
        angles=fine.angles[later],
        provenance=fine.provenance[later],
    )
    summary = compare_motions(estimate, truth).summary()
    assert summary["angle_rmse_deg"] < 0.1  # type: ignore[operator]
    assert summary["geodesic_deg"] < 0.1  # type: ignore[operator]
    assert summary["mpjpe_mm"] < 3.0  # type: ignore[operator]


def test_only_the_overlap_counts(truth: Motion) -> None:
    comparison = compare_motions(replace(truth, time=truth.time + 3.0), truth)
    assert comparison.frames == 101
    with pytest.raises(KinefuseError, match="overlap"):
        compare_motions(replace(truth, time=truth.time + 30.0), truth)


def test_holes_in_the_truth_stay_holes(truth: Motion) -> None:
    holey = truth.R_world_segment.copy()
    holey[100:110, 3] = np.nan
    estimate, other = on_common_time(replace(truth, time=truth.time + 0.004), replace(truth, R_world_segment=holey))
    assert np.isnan(other.R_world_segment[99:110, 3]).all()
    assert np.isfinite(other.R_world_segment[111:, 3]).all()
    assert len(estimate.time) == len(other.time) == len(truth.time) - 1


def test_a_single_frame_can_be_compared(truth: Motion) -> None:
    one = replace(
        truth,
        time=truth.time[:1],
        R_world_segment=truth.R_world_segment[:1],
        positions=truth.positions[:1],
        angles=truth.angles[:1],
        provenance=truth.provenance[:1],
    )
    assert compare_motions(one, one).frames == 1
    assert compare_motions(truth, one).frames == 1


# ---- heading


@settings(max_examples=10, deadline=None)
@given(st.floats(-3.1, 3.1))
def test_heading_can_be_aligned(angle: float) -> None:
    motion = walk(demo_person(), Walk(rate_hz=30.0, duration_s=3.0))
    turned_orientations = yaw_matrix(angle) @ motion.R_world_segment
    turned_positions = (motion.positions - motion.positions[0, 0]) @ yaw_matrix(angle).T + motion.positions[0, 0]
    turned = replace(
        motion,
        R_world_segment=turned_orientations,
        positions=turned_positions,
        angles=joint_angles(turned_orientations, turned_positions[:, 0]),
    )
    back = with_heading_of(turned, motion)
    assert geodesic_angle(back.R_world_segment, motion.R_world_segment).max() < 1e-6
    assert np.allclose(back.positions, motion.positions, atol=1e-6)
    plain, aligned = compare_motions(turned, motion), compare_motions(turned, motion, align_heading=True)
    assert aligned.geodesic.max() < 1e-6
    assert plain.geodesic[0] == pytest.approx(abs(angle), abs=1e-6)


def test_without_a_known_heading_the_root_is_judged_up_to_one_shift(truth: Motion) -> None:
    far = replace(truth, positions=truth.positions + np.array([3.0, -1.0, 2.0]))
    still = replace(truth, positions=truth.positions - truth.positions[:, :1])
    assert compare_motions(far, truth, align_heading=True).summary()["mpjpe_mm"] == pytest.approx(0.0, abs=1e-6)
    summary = compare_motions(still, truth, align_heading=True).summary()
    assert summary["mpjpe_mm"] > 300.0  # type: ignore[operator]
    assert summary["mpjpe_root_mm"] == pytest.approx(0.0, abs=1e-6)


# ---- joints that move


def test_joints_that_rest_are_left_out_of_the_headline() -> None:
    angles = np.zeros((50, len(COORDINATES)))
    angles[:, COORDINATE_INDEX["knee_angle_r"]] = np.deg2rad(np.linspace(0.0, 60.0, 50))
    angles[:, COORDINATE_INDEX["hip_flexion_r"]] = np.deg2rad(np.linspace(0.0, 4.9, 50))
    R = orientations_from_angles(angles)
    motion = Motion(
        time=np.arange(50) / 50.0,
        R_world_segment=R,
        positions=np.zeros((50, 22, 3)),
        angles=joint_angles(R, np.zeros((50, 3))),
        provenance=np.zeros((50, 22), int),
        shape=np.zeros(10),
        rest_positions=np.zeros((22, 3)),
    )
    comparison = compare_motions(with_angles(motion, {"knee_angle_r": 6.0, "hip_flexion_r": 12.0}), motion)
    lower = comparison.summary("lower")
    assert lower["angle_rmse_moving_deg"] == pytest.approx(6.0)
    assert lower["angle_rmse_deg"] == pytest.approx(1.0)
    assert comparison.summary("upper")["angle_rmse_moving_deg"] is None
    rows = {row["coordinate"]: row for row in comparison.rows() if row.get("coordinate")}
    assert rows["hip_flexion_r"]["angle_rmse_moving_deg"] is None
    assert "angle_rmse_moving_deg" not in rows["pelvis_tx"]


def test_a_range_near_the_singularity_is_no_movement(truth: Motion) -> None:
    angles = truth.angles.copy()
    columns = [COORDINATE_INDEX[name] for name in ("arm_flex_r", "arm_add_r", "arm_rot_r")]
    angles[:, columns] = 0.0
    angles[:100, columns[1]] = np.deg2rad(-80.0)
    angles[:100, columns[0]] = np.linspace(0.0, 3.0, 100)
    still = replace(truth, angles=angles)
    assert compare_motions(still, still).coordinate_range[columns] == pytest.approx([0.0, 0.0, 0.0])


# ---- how well the movement is told


def test_r2_of_the_truth_its_mean_and_its_mirror(truth: Motion) -> None:
    knee = COORDINATE_INDEX["knee_angle_r"]
    angles = truth.angles.copy()
    angles[:, knee] = truth.angles[:, knee].mean()
    assert compare_motions(truth, truth).coordinate_r2[knee] == 1.0
    assert compare_motions(replace(truth, angles=angles), truth).coordinate_r2[knee] == pytest.approx(0.0)
    angles[:, knee] = 2 * truth.angles[:, knee].mean() - truth.angles[:, knee]
    comparison = compare_motions(replace(truth, angles=angles), truth)
    assert comparison.coordinate_r2[knee] == pytest.approx(-3.0)
    row = next(row for row in comparison.rows() if row.get("coordinate") == "knee_angle_r")
    assert row["r2"] == pytest.approx(-3.0)
    assert row["rom_error_deg"] == pytest.approx(0.0, abs=1e-9)


def test_a_joint_that_rests_has_no_r2(truth: Motion) -> None:
    angles = truth.angles.copy()
    angles[:, COORDINATE_INDEX["hip_flexion_r"]] = 0.3
    still = replace(truth, angles=angles)
    comparison = compare_motions(truth, still)
    assert np.isnan(comparison.coordinate_r2[COORDINATE_INDEX["hip_flexion_r"]])
    row = next(row for row in comparison.rows() if row.get("coordinate") == "hip_flexion_r")
    assert row["r2"] is None
    assert row["rom_error_deg"] == pytest.approx(np.rad2deg(np.ptp(truth.angle("hip_flexion_r"))))


def test_a_group_has_the_r2_of_what_moves_and_the_mean_size_of_range_errors(truth: Motion) -> None:
    scaled = truth.angles.copy()
    for name, share in (("knee_angle_r", 1.1), ("knee_angle_l", 0.9)):
        scaled[:, COORDINATE_INDEX[name]] *= share
    comparison = compare_motions(replace(truth, angles=scaled), truth)
    knees = [COORDINATE_INDEX[f"knee_angle_{side}"] for side in "rl"]
    lost = 0.1 * np.rad2deg(comparison.coordinate_range[knees])
    assert np.rad2deg(comparison.coordinate_rom_error[knees]) == pytest.approx([lost[0], -lost[1]])
    lower = comparison.summary("lower")
    assert lower["rom_error_deg"] == pytest.approx(lost.sum() / 18)
    moving = COORDINATE_GROUPS["lower"][np.rad2deg(comparison.coordinate_range[COORDINATE_GROUPS["lower"]]) > 5.0]
    assert set(knees) <= set(moving)
    assert lower["r2"] == pytest.approx(comparison.coordinate_r2[moving].mean())


def test_a_shift_is_an_error_of_the_root_unless_the_place_came_from_the_truth(truth: Motion) -> None:
    moved = replace(truth, positions=truth.positions + np.array([0.03, 0.0, 0.04]))
    assert compare_motions(moved, truth).summary("lower")["root_mm"] == pytest.approx(50.0)
    aligned = compare_motions(moved, truth, align_heading=True)
    assert aligned.summary()["root_mm"] is None
    assert np.isnan(aligned.acceleration_error[0])
    assert np.isfinite(aligned.acceleration_error[1:]).all()


def test_a_trembling_wrist_is_an_error_of_acceleration(truth: Motion) -> None:
    positions = truth.positions.copy()
    wave = np.cos(2 * np.pi * 6.25 * truth.time)  # four steps of 0.04 s: its second difference is twice itself
    positions[:, JOINT_INDEX["wrist_r"], 1] += 0.001 * wave
    comparison = compare_motions(replace(truth, positions=positions), truth)
    expected = 2 * 0.001 / 0.04**2 * np.abs(wave).mean()
    assert comparison.acceleration_error[JOINT_INDEX["wrist_r"]] == pytest.approx(expected, rel=0.02)
    assert comparison.acceleration_error[JOINT_INDEX["wrist_l"]] == pytest.approx(0.0, abs=1e-6)
    assert comparison.summary()["acceleration_error_mps2"] == pytest.approx(expected / 21, rel=0.02)
    assert comparison.summary("lower")["acceleration_error_mps2"] == pytest.approx(0.0, abs=1e-6)


def test_the_angles_that_are_compared_can_be_drawn(truth: Motion) -> None:
    columns = [COORDINATE_INDEX[name] for name in ("arm_flex_l", "arm_add_l", "arm_rot_l")]
    turned = truth.angles.copy()
    turned[:, columns] += np.array([1.0, 0.0, -1.0]) * np.pi
    turned[:, columns[1]] = -np.pi - turned[:, columns[1]]  # the other way to write the same arm
    turned[:, COORDINATE_INDEX["pelvis_rotation"]] += 4 * np.pi
    turned[:7, COORDINATE_INDEX["knee_angle_r"]] = np.nan
    time, estimate, other = compared_angles(replace(truth, angles=turned, time=truth.time + 1.0), truth)
    assert time[0] == 1.0
    assert len(time) == len(estimate) == len(other) == len(truth.time) - 100
    time, estimate, other = compared_angles(replace(truth, angles=turned), truth)
    assert np.allclose(estimate, other, equal_nan=True)
    assert np.isnan(estimate[:7, COORDINATE_INDEX["knee_angle_r"]]).all()
    assert np.allclose(other[7:], truth.angles[7:])


# ---- names


def test_rows_have_the_shape_that_evaluate_writes(truth: Motion) -> None:
    rows = compare_motions(truth, truth).rows()
    assert [row["group"] for row in rows[:3]] == ["lower", "upper", "all"]
    wanted = {"estimator", "group", "angle_rmse_deg", "geodesic_deg", "mpjpe_mm", "frames"}
    wanted |= {"r2", "root_mm", "acceleration_error_mps2", "rom_error_deg"}
    assert all(wanted <= row.keys() for row in rows[:3])
    named = {row["coordinate"]: row for row in rows if row.get("coordinate")}
    assert set(named) == set(COORDINATES)
    assert named["hip_flexion_r"]["joint"] == "hip_r"
    assert named["pelvis_tx"]["rmse_mm"] == 0.0


def test_an_unknown_group_is_refused(truth: Motion) -> None:
    with pytest.raises(KinefuseError, match="lower"):
        compare_motions(truth, truth).summary("legs")


@pytest.mark.parametrize(
    "coordinate, joint, group",
    [
        ("subtalar_angle_l", "ankle_l", "lower"),
        ("pro_sup_r", "elbow_r", "upper"),
        ("neck_rotation", "neck", "upper"),
        ("lumbar_bending", "lumbar", "other"),
        ("pelvis_list", "root", "other"),
        ("mtp_angle_l", "mtp_l", "other"),
    ],
)
def test_coordinates_belong_to_joints_and_groups(coordinate: str, joint: str, group: str) -> None:
    assert joint_of(coordinate) == joint
    assert group_of(coordinate) == group
