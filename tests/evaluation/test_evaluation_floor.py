"""The mean pose: a constant, turned and placed by the points alone."""

from dataclasses import replace

import numpy as np
import pytest
from evaluation_examples import a_clip, prepared_clips, swinging

from kinefuse.errors import KinefuseError
from kinefuse.evaluation.floor import MeanPose, heading, mean_pose, mean_pose_of
from kinefuse.evaluation.recordings import Conditions, at_points_rate, make_recording
from kinefuse.metrics.compare import compare_motions
from kinefuse.recordings import JointCenters, Recording
from kinefuse.rotations import geodesic_angle
from kinefuse.synthesis.prepared import prepare


def clean_points() -> JointCenters:
    points = make_recording(a_clip(), Conditions(noise="clean")).joint_centers
    assert points is not None
    return points


def test_it_follows_heading_and_place_and_keeps_its_angles() -> None:
    truth = at_points_rate(a_clip().truth)
    motion = MeanPose().estimate(Recording(joint_centers=clean_points()))
    assert np.ptp(np.unwrap(motion.angle("knee_angle_r"))) < 1e-9
    facing = truth.angle("pelvis_rotation")
    assert np.abs(motion.angle("pelvis_rotation") - facing).max() < np.deg2rad(3.0)
    # The middle of the hips lies near the root.
    assert np.linalg.norm(motion.positions[:, 0] - truth.positions[:, 0], axis=-1).max() < 0.05
    assert compare_motions(motion, truth).summary()["angle_rmse_deg"] > 5.0  # type: ignore[operator]


def test_gaps_are_bridged_by_their_neighbours() -> None:
    points = clean_points()
    holey = points.positions.copy()
    holey[5:9] = np.nan
    holey[0] = np.nan
    gaps = replace(points, positions=holey)
    whole, bridged = heading(points), heading(gaps)
    assert np.abs(bridged - whole).max() < np.deg2rad(2.0)
    assert np.isfinite(MeanPose().estimate(Recording(joint_centers=gaps)).positions).all()
    nowhere = replace(points, positions=np.full_like(holey, np.nan))
    assert (heading(nowhere) == 0).all()


def test_without_points_it_faces_x_at_the_origin() -> None:
    imus = make_recording(a_clip(), Conditions()).imus
    motion = MeanPose().estimate(Recording(imus=imus))
    assert (motion.positions[:, 0] == 0).all()
    with pytest.raises(KinefuseError, match="time stamps"):
        MeanPose().estimate(Recording())


def test_points_need_not_be_keypoints_of_the_hips() -> None:
    points = clean_points().select(("shoulder_l", "shoulder_r", "knee_l"))
    assert np.isfinite(MeanPose().estimate(Recording(joint_centers=points)).angles).all()


def test_the_mean_of_one_pose_is_that_pose_without_its_heading() -> None:
    frame = swinging().frames(slice(7, 9))
    (mean,) = [mean_pose_of([prepare(frame, subject="a", clip="b", split="train", activity="c")])]
    assert np.abs(np.arctan2(mean[0, 0, 2], mean[0, 2, 2])) < 1e-3
    knee = frame.angle("knee_angle_r").mean()
    assert np.arccos((np.trace(mean[5]) - 1) / 2) == pytest.approx(knee, abs=0.02)


def test_people_count_equally() -> None:
    anna, ben = prepared_clips({"anna": "train", "ben": "train"}, each=1)
    once, often = mean_pose_of([anna, ben]), mean_pose_of([anna, ben, ben, ben])
    assert geodesic_angle(once, often).max() < 1e-9
    with pytest.raises(KinefuseError, match="at least one"):
        mean_pose_of([])


def test_the_shipped_pose_is_a_person_who_stands() -> None:
    pose = mean_pose()
    assert pose.shape == (22, 3, 3)
    np.testing.assert_allclose(pose @ np.swapaxes(pose, 1, 2), np.tile(np.eye(3), (22, 1, 1)), atol=1e-9)
    motion = MeanPose().estimate(Recording(joint_centers=clean_points()))
    assert 5 < np.rad2deg(motion.angle("knee_angle_r")[0]) < 60
    assert 5 < np.rad2deg(motion.angle("elbow_flex_l")[0]) < 90
