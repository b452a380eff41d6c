"""Networks that are no networks: what they answer is known exactly, so that all around them can be checked."""

from types import SimpleNamespace

import numpy as np
import torch

from kinefuse.conventions import KEYPOINT_INDEX, SEGMENTS
from kinefuse.models.signals import Prediction, Signals, rotations_from_6d, yaw_rotation

CODED = (KEYPOINT_INDEX["nose"], KEYPOINT_INDEX["eye_l"], KEYPOINT_INDEX["mid_hip"])
"""Keypoints whose places hold the two columns of a rotation, and the root."""


class ReadingNetwork:
    """Reads one rotation for all segments, and the root, from three points that hold them.

    Attributes
    ----------
    window_errors : radians about X by which window after window is off
    free_heading : take away the heading that the middle frame of each window has, as IMUNet does
    """

    def __init__(self, window: int = 20, window_errors: tuple[float, ...] = (0.0,), free_heading: bool = False) -> None:
        self.config = SimpleNamespace(window=window)
        self.window_errors, self.free_heading = window_errors, free_heading

    def __call__(self, signals: Signals) -> Prediction:
        assert signals.points is not None
        assert signals.confidence is not None
        first, second, root = (signals.points[:, :, k] for k in CODED)
        R = rotations_from_6d(torch.cat([first - root, second - root], -1))
        R = self._errors(len(R)) @ torch.where(torch.isfinite(R), R, torch.eye(3))
        if self.free_heading:
            middle = R[:, R.shape[1] // 2]
            R = yaw_rotation(-torch.atan2(middle[:, 0, 2], middle[:, 2, 2]))[:, None] @ R
        rotations = R[:, :, None].expand(-1, -1, len(SEGMENTS), -1, -1)
        shape = torch.zeros(len(R), 10) + signals.confidence.mean((1, 2))[:, None]
        return Prediction(rotations, shape, root, rotations.flatten(2))

    def _errors(self, windows: int) -> torch.Tensor:
        angle = torch.tensor(
            [self.window_errors[i % len(self.window_errors)] for i in range(windows)], dtype=torch.float32
        )
        c, s, one, zero = angle.cos(), angle.sin(), torch.ones(windows), torch.zeros(windows)
        return torch.stack([one, zero, zero, zero, c, -s, zero, s, c], -1).reshape(windows, 1, 3, 3)


def coded_points(rotations: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Return keypoints (T, 26, 3) that hold rotations (T, 3, 3) and roots (T, 3) for `ReadingNetwork`."""
    points = np.repeat(root[:, None], 26, axis=1)
    points[:, CODED[0]] += rotations[..., 0]
    points[:, CODED[1]] += rotations[..., 1]
    return points


class StandingNetwork:
    """Answers the same standing body whatever it sees."""

    def __init__(self, window: int = 20) -> None:
        self.config = SimpleNamespace(window=window)

    def __call__(self, signals: Signals) -> Prediction:
        some = signals.points if signals.points is not None else signals.angular_rate
        assert some is not None
        rotations = torch.eye(3).expand(*some.shape[:2], len(SEGMENTS), 3, 3)
        return Prediction(rotations, torch.zeros(len(some), 10), torch.zeros(*some.shape[:2], 3), rotations.flatten(2))
