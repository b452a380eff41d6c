"""How sure a fitted motion is, and which segments the points determine."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from walk_samples import ANNY, LITERAL, a_walk, centers_of

from kinefuse.body.certainty import bridged
from kinefuse.body.fit_points import fit_points
from kinefuse.body.fitting import FitConfig
from kinefuse.conventions import COORDINATE_INDEX, INFERRED, INTERPOLATED, KEYPOINTS, MEASURED, SEGMENT_INDEX


def test_certainty_follows_the_points() -> None:
    _, points = a_walk()
    sharp = fit_points(centers_of(points), ANNY, LITERAL, FitConfig())
    blurred = fit_points(centers_of(points), ANNY, replace(LITERAL, noise_sd=np.full(26, 0.03)), FitConfig())
    knee, rotation = COORDINATE_INDEX["knee_angle_r"], COORDINATE_INDEX["hip_rotation_r"]
    assert sharp.angle_sd is not None
    assert blurred.angle_sd is not None
    assert blurred.angle_sd[:, knee].mean() > 1.5 * sharp.angle_sd[:, knee].mean()
    assert sharp.angle_sd[:, rotation].mean() > sharp.angle_sd[:, knee].mean()  # a straight leg hides its twist


def test_nothing_is_less_certain_than_anything() -> None:
    """Frames without points know nothing by themselves: a million degrees would be no standard deviation."""
    _, points = a_walk()
    points[12:16] = torch.nan
    motion = fit_points(centers_of(points), ANNY, LITERAL, FitConfig())
    assert motion.angle_sd is not None
    assert motion.orientation_sd is not None
    assert motion.angle_sd[13, COORDINATE_INDEX["pelvis_rotation"]] == pytest.approx(np.pi / np.sqrt(3))
    turns = Rotation.random(20000, random_state=0).magnitude()
    assert motion.orientation_sd[13, 0] == pytest.approx(np.sqrt(np.mean(turns**2)), rel=0.02)
    assert motion.orientation_sd[5, 0] < 0.2


def test_provenance_names_what_no_point_tells() -> None:
    _, points = a_walk(8)
    motion = fit_points(centers_of(points), ANNY, LITERAL, FitConfig())
    assert (motion.provenance[:, SEGMENT_INDEX["hand_r"]] == INFERRED).all()
    assert (motion.provenance[:, SEGMENT_INDEX["abdomen"]] == INFERRED).all()
    assert (motion.provenance[:, SEGMENT_INDEX["shank_r"]] == MEASURED).all()


def test_provenance_of_a_limb_hidden_for_long_is_inferred() -> None:
    _, points = a_walk(90)
    hidden = [KEYPOINTS.index(name) for name in ("elbow_r", "wrist_r")]
    points[10:20, hidden] = torch.nan
    points[40:80, hidden] = torch.nan
    motion = fit_points(centers_of(points), ANNY, LITERAL, FitConfig())
    arm = motion.provenance[:, SEGMENT_INDEX["upper_arm_r"]]
    assert (arm[10:20] == INTERPOLATED).all()
    assert (arm[40:80] == INFERRED).all()
    assert (np.delete(arm, np.r_[10:20, 40:80]) == MEASURED).all()


def test_only_a_short_gap_with_both_ends_is_bridged() -> None:
    seen = np.array([False, True, False, False, True, False, True, False])
    time = np.array([0.0, 0.1, 0.2, 0.5, 0.6, 1.0, 1.2, 1.3])
    assert bridged(seen, time).tolist() == [False, True, True, True, True, False, True, False]


def test_shoulders_tell_the_thorax() -> None:
    """Without a point at the neck the trunk still turns with the shoulders, whose clavicles move little."""
    _, points = a_walk(8)
    centers = centers_of(points)
    hidden = centers.positions.copy()
    hidden[:, KEYPOINTS.index("neck")] = np.nan
    motion = fit_points(replace(centers, positions=hidden), ANNY, LITERAL, FitConfig())
    assert (motion.provenance[:, SEGMENT_INDEX["thorax"]] == MEASURED).all()
