"""Results that no person can have are told, whatever the data fitted."""

from dataclasses import replace

import numpy as np
from cli_samples import walk

from kinefuse.cli.plausibility import implausible
from kinefuse.conventions import COORDINATE_INDEX, INFERRED, SEGMENT_INDEX
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
