"""What the measured points tell of a fitted motion: how sure its angles are, and which segments they determine."""

from typing import Final

import numpy as np
import torch

from kinefuse.body.angles import JOINT_ANGLES
from kinefuse.body.fitting import Body
from kinefuse.body.point_terms import Targets
from kinefuse.body.priors import OFFSETS, zxy_with_jacobian
from kinefuse.conventions import (
    COORDINATE_INDEX,
    COORDINATES,
    INFERRED,
    INTERPOLATED,
    MEASURED,
    SEGMENT_INDEX,
    SEGMENT_PARENTS,
    SEGMENTS,
)
from kinefuse.recordings import JointCenters

LONGEST_BRIDGE_S: Final = 0.5
"""Movement is told between two sightings at most this far apart: about half a step of walking."""

ANY_ANGLE_SD: Final = float(np.pi / np.sqrt(3))
"""Standard deviation of an angle that may be anything: nothing is less certain than that."""

ANY_ROTATION_SD: Final = float(np.sqrt(np.pi**2 / 3 + 2))
"""Root mean square angle between an orientation and one that may be anything (uniform on SO(3))."""

CLAVICLES: Final = (SEGMENT_INDEX["clavicle_l"], SEGMENT_INDEX["clavicle_r"])


def is_seen(targets: Targets) -> torch.Tensor:
    """(T, K) true where a point was measured."""
    return targets.whitening.diagonal(dim1=-2, dim2=-1).sum(-1) > 0


def bridged(seen: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return (T,) true for frames in which something was seen (T,), or shortly before as well as shortly after."""
    before = np.maximum.accumulate(np.where(seen, time, -np.inf))
    after = np.minimum.accumulate(np.where(seen, time, np.inf)[::-1])[::-1]
    return after - before <= LONGEST_BRIDGE_S


def angle_sd(R_world_segment: torch.Tensor, covariance: torch.Tensor) -> np.ndarray:
    """Return standard deviations of the coordinates, (T, C) radians, as each frame's own points tell them.

    NaN for the pelvis's translations; at most that of an angle which may be anything.

    Parameters
    ----------
    R_world_segment : (T, 22, 3, 3)
    covariance : (T, 66, 66) of the segments' small turns in the world, rad²
    """
    out = np.full((len(R_world_segment), len(COORDINATES)), np.nan)
    blocks = covariance.reshape(len(covariance), len(SEGMENTS), 3, len(SEGMENTS), 3)
    frames = R_world_segment @ OFFSETS
    for joint in JOINT_ANGLES:
        p, c = SEGMENT_INDEX[joint.parent], SEGMENT_INDEX[joint.child]
        relative = blocks[:, c, :, c] + blocks[:, p, :, p] - blocks[:, c, :, p] - blocks[:, p, :, c]
        rates = zxy_with_jacobian(frames[:, p].transpose(-1, -2) @ frames[:, c])[1] @ frames[:, c].transpose(-1, -2)
        variance = (rates @ relative @ rates.transpose(-1, -2)).diagonal(dim1=-2, dim2=-1)
        out[:, [COORDINATE_INDEX[name] for name in joint.coordinates]] = variance.clamp(min=0).sqrt().numpy()
    rates = zxy_with_jacobian(frames[:, 0])[1] @ frames[:, 0].transpose(-1, -2)
    pelvis = (rates @ blocks[:, 0, :, 0] @ rates.transpose(-1, -2)).diagonal(dim1=-2, dim2=-1)
    names = ("pelvis_tilt", "pelvis_list", "pelvis_rotation")
    out[:, [COORDINATE_INDEX[name] for name in names]] = pelvis.clamp(min=0).sqrt().numpy()
    return np.minimum(out, ANY_ANGLE_SD)


def provenance(centers: JointCenters, targets: Targets, body: Body) -> np.ndarray:
    """Return (T, 22): which segments the points themselves determine.

    A segment is measured in a frame if a point that it carries, or one at the joint at its far end, was seen there;
    interpolated if that point was filled over a gap, or was seen shortly before and shortly after; else inferred.
    """
    seen = is_seen(targets).numpy()
    filled = np.zeros_like(seen) if centers.interpolated is None else centers.interpolated
    rest, joints = body.rest_points.numpy(), body.joints.numpy()
    out = np.full((len(seen), len(SEGMENTS)), INFERRED, np.uint8)
    for s in range(len(SEGMENTS)):
        tells = _tells(s, targets.segment.numpy(), rest, joints)
        out[bridged(seen[:, tells].any(1), centers.time), s] = INTERPOLATED
        out[(seen & ~filled)[:, tells].any(1), s] = MEASURED
    return out


def _tells(s: int, segment: np.ndarray, rest: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Points (K,) that move when segment `s` turns about its own joint and nothing else does.

    The shoulders tell the thorax too: a clavicle turns little on it.
    """
    tells = (segment == s) & (np.linalg.norm(rest - joints[s], axis=-1) > 0.04)
    carriers = [s, *(c for c in CLAVICLES if SEGMENT_PARENTS[c] == s)]
    for child, parent in enumerate(SEGMENT_PARENTS):
        if parent in carriers:
            tells |= (segment == child) & (np.linalg.norm(rest - joints[child], axis=-1) <= 0.08)
    return tells
