"""Views of a true motion: a ring of virtual cameras around where the person went."""

from dataclasses import replace

import numpy as np

from kinefuse.body.models import BodyModel, load_anny
from kinefuse.errors import KinefuseError
from kinefuse.evaluation.material import Clip, stable_rng
from kinefuse.motion import Motion
from kinefuse.recordings import Camera, View
from kinefuse.synthesis.cameras import camera_ring, film

ROOM_M = (6.0, 5.2)
"""Half axes of the ring for somebody who stays where they are; it grows with the way that is walked."""

RATE_HZ = 60.0
MOST_CAMERAS = 32


def person_of(motion: Motion) -> BodyModel:
    """Return the embedded body with the motion's own bone lengths and shape, and no shape component left.

    Points keep their place beside the joint of their segment, as in `body.proportions`.
    """
    body = load_anny()
    shape = motion.shape[: body.n_shape] if motion.body_name == body.name else np.zeros(0)
    shape = np.pad(shape, (0, body.n_shape - len(shape)))
    moved = motion.rest_positions - body.rest_positions(shape)
    points = body.rest_points(body.point_names, shape) + moved[body.point_segment]
    return replace(
        body,
        joints_mean=motion.rest_positions,
        joints_basis=np.zeros((0, *motion.rest_positions.shape)),
        points_mean=points,
        points_basis=np.zeros((0, *points.shape)),
        stature_mean=body.stature(shape),
        stature_basis=np.zeros(0),
        surface=None,
    )


def require_cameras(count: int) -> None:
    """Raise a `KinefuseError` if a number of cameras is neither zero, for none, nor enough to measure in 3-D."""
    if count and not 2 <= count <= MOST_CAMERAS:
        raise KinefuseError(f"Measuring in 3-D takes 2 to {MOST_CAMERAS} cameras, got {count}.")


def filmed(clip: Clip, count: int, seed: int) -> tuple[tuple[Camera, ...], tuple[View, ...]]:
    """Return cameras around the person and what a detector finds in their images.

    Parameters
    ----------
    clip
    count : cameras
    seed : of the cameras' places and the detector's errors, with the clip's name
    """
    rng = stable_rng(seed, "cameras", clip.subject, clip.name)
    root = clip.truth.positions[:, 0]
    low, high = root.min(0), root.max(0)
    middle, half_way = (low + high) / 2, (high - low)[[0, 2]].max() / 2
    radii = (ROOM_M[0] + half_way, ROOM_M[1] + half_way)
    centre = (float(middle[0]), float(middle[1]), float(middle[2]))
    cameras = camera_ring(count, centre, radii, seed=int(rng.integers(2**31)))
    rate = min(RATE_HZ, clip.truth.rate_hz)
    return cameras, film(clip.truth, person_of(clip.truth), np.zeros(0), cameras, rng, rate)
