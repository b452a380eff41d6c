"""Points of somebody who walks, to fit a body to."""

import numpy as np
import torch

from kinefuse.body.fit_points import PointSet
from kinefuse.body.fitting import Body
from kinefuse.body.models import load_anny
from kinefuse.body.point_terms import Pose
from kinefuse.body.priors import exp_rotation, resting_pose
from kinefuse.conventions import KEYPOINTS, SEGMENT_INDEX
from kinefuse.recordings import JointCenters

ANNY = load_anny()
LITERAL = PointSet(KEYPOINTS, np.zeros(26), np.full(26, 0.002))


def a_walk(frames: int = 30) -> tuple[Pose, torch.Tensor]:
    """Slowly swinging limbs, and the joints and keypoints of the average body in it."""
    time = torch.arange(frames).double() / 60
    turns = torch.zeros(frames, 22, 3, dtype=torch.float64)
    for s, sign in (("l", 1.0), ("r", -1.0)):
        swing = sign * torch.sin(2 * np.pi * time)
        turns[:, SEGMENT_INDEX[f"thigh_{s}"], 2] = 0.4 * swing + 0.2
        turns[:, SEGMENT_INDEX[f"shank_{s}"], 2] = -0.35 + 0.3 * swing
        turns[:, SEGMENT_INDEX[f"upper_arm_{s}"], 1] = 0.3 * swing
    turns[:, 0, 1] = 0.3 + 0.2 * time
    pose = Pose(resting_pose() @ exp_rotation(turns), torch.stack([time, 1 + 0 * time, 0 * time], -1))
    body = Body(ANNY, KEYPOINTS, torch.zeros(10).double(), torch.zeros(26, 3).double())
    return pose, body.place(pose, torch.as_tensor(ANNY.point_segment[:26])).points


def centers_of(points: torch.Tensor) -> JointCenters:
    return JointCenters(names=KEYPOINTS, time=np.arange(len(points)) / 60, positions=points.numpy())
