"""How well a finished motion agrees with the points that the cameras saw."""

import numpy as np

from kinefuse.body.models import BodyModel
from kinefuse.conventions import JOINTS, KEYPOINTS
from kinefuse.motion import Motion
from kinefuse.recordings import Recording, View
from kinefuse.vision.cameras import project


def body_points(motion: Motion, body: BodyModel | None) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names of keypoints on the body and their places, (T, K, 3) metres in the world.

    Parameters
    ----------
    motion
    body
        The motion's body; its points move rigidly with their segments. Without it, or if it is another body, only
        the keypoints that are joints are returned.
    """
    fits = body is not None and body.name == motion.body_name and motion.shape.shape == (body.n_shape,)
    if body is None or not fits:
        names = tuple(name for name in KEYPOINTS if name in JOINTS)
        return names, motion.positions[:, [JOINTS.index(name) for name in names]]
    import torch  # the viewer imports this module and needs no PyTorch

    from kinefuse.body.kinematics import points_on_segments

    rows = body.point_index(KEYPOINTS)
    rest, segment = body.rest_points(KEYPOINTS, motion.shape), body.point_segment[rows]
    arrays = (motion.R_world_segment, motion.positions, body.rest_positions(motion.shape), rest, segment)
    return KEYPOINTS, points_on_segments(*map(torch.as_tensor, arrays)).numpy()


def nearest_frames(time: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the index of the frame nearest to each wanted time, -1 where none is within one frame."""
    if not len(time):
        return np.full(len(wanted), -1)
    right = np.clip(np.searchsorted(time, wanted), 0, len(time) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(time[left] - wanted) <= np.abs(time[right] - wanted), left, right)
    step = float(np.median(np.diff(time))) if len(time) > 1 else 0.02
    return np.where(np.abs(time[nearest] - wanted) <= step, nearest, -1)


def view_times(view: View) -> np.ndarray | None:
    """Return the times of a view's keypoint frames on the trial's clock, seconds; None where a file tells neither."""
    if view.keypoints is None or view.rate_hz is None or view.start_s is None:
        return None
    return view.start_s + np.arange(len(view.keypoints.pixels)) / view.rate_hz


def reprojection_errors(
    motion: Motion, recording: Recording, body: BodyModel | None
) -> dict[str, dict[str, np.ndarray]]:
    """Return the distances between the points a camera saw and the same points of the estimated body.

    Returns
    -------
    By camera, by keypoint: (N,) pixels of the calibrated image, of the frames in which both are known. Where
    several people were seen, the one nearest to the estimate counts.
    """
    names, places = body_points(motion, body)
    errors: dict[str, dict[str, np.ndarray]] = {}
    for view in recording.views:
        times, keypoints = view_times(view), view.keypoints
        if times is None or keypoints is None:
            continue
        frames = nearest_frames(motion.time, times)
        common = [name for name in names if name in keypoints.names]
        expected = project(recording.camera(view.camera), places[frames][:, [names.index(name) for name in common]])
        expected[frames < 0] = np.nan
        seen = keypoints.pixels[:, :, [keypoints.names.index(name) for name in common]]
        distance = np.linalg.norm(seen - expected[:, None], axis=-1)
        of_one = _of_nearest_person(distance)
        errors[view.camera] = {name: of_one[np.isfinite(of_one[:, k]), k] for k, name in enumerate(common)}
    return errors


def _of_nearest_person(distance: np.ndarray) -> np.ndarray:
    """Return (T, K) of (T, P, K): for each frame the person whose points lie nearest on average."""
    if distance.shape[1] == 0:
        return np.full((distance.shape[0], distance.shape[2]), np.nan)
    known = np.isfinite(distance)
    mean = np.where(known, distance, 0.0).sum(axis=2) / np.maximum(known.sum(axis=2), 1)
    person = np.where(known.any(axis=2), mean, np.inf).argmin(axis=1)
    return distance[np.arange(len(distance)), person]


def median_px(values: list[np.ndarray]) -> float | None:
    """Return the median of all values together, None if there is none."""
    together = np.concatenate(values) if values else np.zeros(0)
    return float(np.median(together)) if together.size else None
