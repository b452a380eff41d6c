"""Results that no person can have are told, whatever the data fitted."""

from dataclasses import replace

import numpy as np
from cli_samples import walk

from kinefuse.cli.plausibility import height_against_points, implausible
from kinefuse.conventions import COORDINATE_INDEX, INFERRED, JOINTS, SEGMENT_INDEX
from kinefuse.recordings import JointCenters, Recording, Subject
from kinefuse.rotations import matrix_from_rotvec


def test_a_walk_is_plausible() -> None:
    assert implausible(walk().truth) == []


def test_knees_that_bend_backwards_are_told() -> None:
    truth = walk().truth
    angles = truth.angles.copy()
    angles[:, COORDINATE_INDEX["knee_angle_l"]] *= -1.0
    (told,) = implausible(replace(truth, angles=angles))
    assert told.level == "warning"
    assert "knee_angle_l in" in told.text
    assert "knee_angle_r" not in told.text
    provenance = truth.provenance.copy()
    provenance[:, SEGMENT_INDEX["shank_l"]] = INFERRED
    assert implausible(replace(truth, angles=angles, provenance=provenance)) == []


def test_a_world_on_its_side_is_told() -> None:
    truth = walk().truth
    turned = matrix_from_rotvec(np.array([np.pi / 2, 0.0, 0.0])) @ truth.R_world_segment
    (told,) = implausible(replace(truth, R_world_segment=turned))
    assert "check up in calibration.toml" in told.text
    half = turned.copy()
    half[: len(half) // 2] = truth.R_world_segment[: len(half) // 2]  # somebody who lies down
    assert implausible(replace(truth, R_world_segment=half)) == []


def test_a_height_that_the_points_deny_is_told() -> None:
    truth = walk().truth
    centers = JointCenters(names=JOINTS, time=truth.time, positions=truth.positions)

    def told(height_m: float | None) -> list[str]:
        recording = Recording(subject=Subject(id="anna", height_m=height_m), joint_centers=centers)
        return [finding.text for finding in height_against_points(recording)]

    assert told(None) == told(1.76) == told(1.65) == []
    assert "The subject is 1.3 m tall by trial.toml" in told(1.30)[0]
    assert "somebody of about 1.8 m" in told(2.3)[0] or "somebody of about 1.7 m" in told(2.3)[0]
    few = Recording(subject=Subject(id="anna", height_m=1.3), joint_centers=centers.select(("knee_l",)))
    assert height_against_points(few) == []
