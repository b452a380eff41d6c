"""Where sensors sit on the body, and how askew they are put on."""

from functools import cache
from typing import Final

import numpy as np

from kinefuse.body.models import load_anny
from kinefuse.conventions import IMU_SITES, JOINT_INDEX, SEGMENT_INDEX
from kinefuse.errors import KinefuseError
from kinefuse.rotations import matrix_from_rotvec

# Where a sensor sits: the joint that its segment leads to, how far along, and metres off that line in body axes, with
# the third number to the outside of the body.
_SITES: Final = {
    "pelvis": ("lumbar", 0.7, (-0.075, 0.0, 0.0)),
    "thigh": ("knee", 0.55, (0.01, 0.0, 0.075)),
    "shank": ("ankle", 0.35, (0.035, 0.0, -0.02)),
    "foot": ("mtp", 0.55, (0.0, 0.035, 0.0)),
    "thorax": ("neck_base", 0.45, (0.12, 0.0, 0.0)),
    "head": (None, 0.0, (-0.085, 0.06, 0.0)),
    "upper_arm": ("elbow", 0.55, (0.0, 0.045, 0.0)),
    "forearm": ("wrist", 0.85, (0.0, 0.03, 0.0)),
}

PAPER_SD_RAD: Final = float(np.deg2rad(13.5))
"""Misplacement in training by Shin et al., as their paper says."""

AUTHORS_SD_RAD: Final = 0.15
"""The same in their published code, times three for turns of a limb's sensor about the bone, and for all turns of
those on upper arms and feet."""

_AROUND_BONE: Final = {
    "thigh": (1, 3, 1),
    "shank": (1, 3, 1),
    "forearm": (1, 1, 3),
    "upper_arm": (3, 3, 3),
    "foot": (3, 3, 3),
}
MOUNTINGS: Final = ("paper", "authors")


def site_offsets(rest_positions: np.ndarray) -> dict[str, np.ndarray]:
    """Return where on its segment each standard IMU sits, for a body of which only the joints are known.

    On the embedded body of average shape that is within 2 cm of its surface; a stout one needs `surface_offsets`.

    Parameters
    ----------
    rest_positions : (22, 3) joints in the rest pose, metres

    Returns
    -------
    For each name of `conventions.IMU_SITES`, (3,) metres from the segment's joint, in segment axes.
    """
    return {segment: _site_offset(segment, rest_positions) for segment in IMU_SITES}


def _site_offset(segment: str, rest_positions: np.ndarray) -> np.ndarray:
    part, side = _part_and_side(segment)
    end, share, _ = _SITES[part]
    bone = np.zeros(3)
    if end is not None:
        end_joint = JOINT_INDEX[f"{end}_{side}" if side else end]
        bone = rest_positions[end_joint] - rest_positions[SEGMENT_INDEX[segment]]
    return share * bone + _off_bone(segment)


def surface_offsets(shape: np.ndarray) -> dict[str, np.ndarray]:
    """Return where on its segment each standard IMU sits on the skin of the embedded body; linear in its shape.

    A site is the vertex that lies nearest to that of `site_offsets` on the average body.

    Parameters
    ----------
    shape : (10,) in standard deviations

    Returns
    -------
    For each name of `conventions.IMU_SITES`, (3,) metres from the segment's joint, in segment axes.
    """
    mean, basis = surface_sites()
    return dict(zip(IMU_SITES, mean + np.tensordot(shape, basis, axes=1), strict=True))


@cache
def surface_sites() -> tuple[np.ndarray, np.ndarray]:
    """Return the sites of `surface_offsets` for the average shape, (13, 3), and per unit of shape, (10, 13, 3)."""
    body = load_anny(light_surface=False)
    if body.surface is None:
        raise KinefuseError("The embedded body has no surface; install kinefuse again.")
    joints = [SEGMENT_INDEX[site] for site in IMU_SITES]
    wanted = body.joints_mean[joints] + np.array(list(site_offsets(body.joints_mean).values()))
    nearest = np.linalg.norm(body.surface.mean[None] - wanted[:, None], axis=-1).argmin(axis=1)
    mean = body.surface.mean[nearest] - body.joints_mean[joints]
    return mean, body.surface.basis[:, nearest] - body.joints_basis[:, joints]


def outward(segment: str) -> np.ndarray:
    """Return the direction (3,) that leaves the skin where a site's sensor sits, in segment axes."""
    off = _off_bone(segment)
    return off / np.linalg.norm(off)


def _off_bone(segment: str) -> np.ndarray:
    """From the bone's line to the sensor, (3,) metres in segment axes."""
    part, side = _part_and_side(segment)
    return np.array(_SITES[part][2]) * np.array([1.0, 1.0, -1.0 if side == "l" else 1.0])


def _part_and_side(segment: str) -> tuple[str, str]:
    part, _, side = segment.rpartition("_")
    return (part, side) if side in {"l", "r"} else (segment, "")


def mounting_sd(profile: float | str) -> np.ndarray:
    """Return the standard deviations (13, 3), rad, of the rotation vectors by which sensors are put on askew.

    Parameters
    ----------
    profile : a name of `MOUNTINGS`, or one number for all sites and axes, rad

    Returns
    -------
    In the order of `conventions.IMU_SITES`, about the segment's axes.

    Raises
    ------
    KinefuseError
        If no profile is called that.
    """
    if isinstance(profile, str) and profile not in MOUNTINGS:
        raise KinefuseError(f"A mounting of {', '.join(MOUNTINGS)} or a number of radians was expected, not {profile}.")
    if profile == "authors":
        factors = [_AROUND_BONE.get(_part_and_side(site)[0], (1, 1, 1)) for site in IMU_SITES]
        return AUTHORS_SD_RAD * np.array(factors)
    return np.full((len(IMU_SITES), 3), PAPER_SD_RAD if isinstance(profile, str) else profile)


def careless_mounting(rng: np.random.Generator, sd_rad: float | np.ndarray) -> np.ndarray:
    """Return a random rotation (3, 3): a rotation vector whose components are normal with `sd_rad`, one or (3,)."""
    return matrix_from_rotvec(rng.normal(0.0, sd_rad, 3))
