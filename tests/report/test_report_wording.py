import numpy as np
import pytest
from report_examples import walking

from kinefuse.body.angles import joint_angles, orientations_from_angles
from kinefuse.conventions import COORDINATE_INDEX, COORDINATES, SEGMENTS, TRANSLATIONS
from kinefuse.motion import Motion
from kinefuse.report.wording import GROUPS, near_singular, plain_angle_sd, plain_angles, segment_shares, spoken_segment

MOVEMENTS = [movement for _, movements in GROUPS for movement in movements]


def posed(**degrees: float) -> Motion:
    """Return one frame in which the named coordinates have these values."""
    angles = np.zeros((1, len(COORDINATES)))
    for name, value in degrees.items():
        angles[0, COORDINATE_INDEX[name]] = np.deg2rad(value)
    orientations = orientations_from_angles(angles)
    return Motion(
        time=np.zeros(1), R_world_segment=orientations, positions=np.zeros((1, 22, 3)),
        angles=joint_angles(orientations, np.zeros((1, 3))), provenance=np.zeros((1, 22), int), shape=np.zeros(10),
        rest_positions=np.zeros((22, 3)),
    )  # fmt: skip


def test_every_angle_coordinate_is_shown_once() -> None:
    shown = [name for movement in MOVEMENTS for _, name in movement.names()]
    assert len(shown) == len(set(shown))
    derived = {"pelvis_heading", "shoulder_elevation_l", "shoulder_elevation_r"}
    assert set(shown) - derived == set(COORDINATES) - set(TRANSLATIONS) - {"pelvis_rotation"}


def test_every_movement_has_a_segment_on_each_of_its_sides() -> None:
    for movement in MOVEMENTS:
        for side, name in movement.names():
            segment = f"{movement.segment}_{side}" if movement.sided else movement.segment
            assert segment in SEGMENTS
            assert segment.endswith("_" + side) == movement.sided, name


def test_degrees_of_a_known_pose() -> None:
    angles = plain_angles(posed(knee_angle_l=60.0, hip_flexion_r=-10.0))
    assert angles["knee_angle_l"][0] == pytest.approx(60.0)
    assert angles["hip_flexion_r"][0] == pytest.approx(-10.0)


def test_tilt_does_not_mix_with_heading() -> None:
    for heading in (0.0, 90.0):
        motion = posed()
        turned = plain_angles(posed(pelvis_rotation=heading))
        assert turned["pelvis_heading"][0] == pytest.approx(heading, abs=1e-6)
        assert turned["pelvis_tilt"][0] == pytest.approx(plain_angles(motion)["pelvis_tilt"][0], abs=1e-6)


def test_turning_left_is_a_positive_heading() -> None:
    motion = posed(pelvis_rotation=30.0)
    forward = motion.R_world_segment[0, 0] @ np.array([1.0, 0.0, 0.0])
    assert forward[2] < 0  # Z is to the right
    assert plain_angles(motion)["pelvis_heading"][0] == pytest.approx(30.0)


def test_an_arm_raised_sideways_is_elevated_and_its_flexion_not_readable() -> None:
    motion = posed(arm_add_r=-90.0)
    assert plain_angles(motion)["shoulder_elevation_r"][0] == pytest.approx(90.0)
    assert near_singular(motion, "arm_flex_r").all()
    assert not near_singular(motion, "arm_flex_l").any()
    assert not near_singular(motion, "shoulder_elevation_r").any()


def test_standard_deviations_leave_the_pelvis_out() -> None:
    motion = walking(frames=4)
    assert plain_angle_sd(motion) == {}
    from dataclasses import replace

    sds = plain_angle_sd(replace(motion, angle_sd=np.full(motion.angles.shape, np.deg2rad(2.0))))
    assert sds["knee_angle_r"][0] == pytest.approx(2.0)
    assert not any(name.startswith("pelvis") for name in sds)


def test_names_as_one_says_them() -> None:
    assert spoken_segment("upper_arm_l") == "left upper arm"
    assert spoken_segment("pelvis") == "pelvis"


def test_shares_of_each_kind() -> None:
    provenance = np.zeros((4, 22), int)
    provenance[:2, 3], provenance[3, 3] = 1, 2
    assert segment_shares(provenance, (0, 1, 2))[3].tolist() == [0.25, 0.5, 0.25]
    assert np.isnan(segment_shares(np.zeros((0, 22), int), (0, 1, 2))).all()
