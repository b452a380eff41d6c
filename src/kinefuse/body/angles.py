"""Joint angles, both ways: segment orientations to ISB/OpenSim coordinates and back.

Every joint is described by three body-fixed rotations, flexion about Z, adduction about X, rotation about Y (the
joint coordinate systems of Wu et al. 2002 and 2005), between anatomical frames ``A[s] = R[s] @ C[s]``. The constant
``C[s]`` is the identity for trunk and legs; for the arms it undoes the turn from hanging with palms forward, the
anatomical zero, to the T-pose. Names and signs are those of OpenSim's Rajagopal2016 model. ``ankle_angle``,
``subtalar_angle`` and ``mtp_angle`` are our Z-X-Y components, not turns about that model's oblique axes.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.conventions import COORDINATE_INDEX, COORDINATES, SEGMENT_INDEX, SEGMENTS, TRANSLATIONS
from kinefuse.rotations import matrix_from_euler, matrix_from_rotvec, rotvec_from_matrix

SINGULAR_MARGIN: Final = np.deg2rad(15.0)
"""Frames whose middle angle is this close to singular are left out of comparisons of angles."""


JUMP: Final = np.deg2rad(90.0)
"""Sum of the changes of three angles from one frame to the next beyond which they do not continue each other."""


@dataclass(frozen=True)
class JointAngles:
    """Three angles between two segments.

    Attributes
    ----------
    parent, child : segment names
    coordinates : names of flexion (Z), adduction (X) and rotation (Y)
    signs : +1 or -1 for each, from the right-handed turn to the clinical sign
    """

    parent: str
    child: str
    coordinates: tuple[str, str, str]
    signs: tuple[int, int, int]


def _limb(parent: str, child: str, names: tuple[str, str, str], flexion_sign: int = 1) -> tuple[JointAngles, ...]:
    """The same joint on both sides: adduction and rotation turn the other way round on the left."""
    return tuple(
        JointAngles(
            parent if parent in SEGMENTS else f"{parent}_{side}",
            f"{child}_{side}",
            (f"{names[0]}_{side}", f"{names[1]}_{side}", f"{names[2]}_{side}"),
            (flexion_sign, mirror, mirror),
        )
        for side, mirror in (("r", 1), ("l", -1))
    )


JOINT_ANGLES: Final = (
    *_limb("pelvis", "thigh", ("hip_flexion", "hip_adduction", "hip_rotation")),
    *_limb("thigh", "shank", ("knee_angle", "knee_adduction", "knee_rotation"), flexion_sign=-1),
    *_limb("shank", "foot", ("ankle_angle", "subtalar_angle", "ankle_rotation")),
    *_limb("foot", "toes", ("mtp_angle", "mtp_adduction", "mtp_rotation"), flexion_sign=-1),
    JointAngles("pelvis", "thorax", ("lumbar_extension", "lumbar_bending", "lumbar_rotation"), (1, 1, 1)),
    JointAngles("thorax", "head", ("neck_flexion", "neck_bending", "neck_rotation"), (-1, 1, 1)),
    *_limb("thorax", "upper_arm", ("arm_flex", "arm_add", "arm_rot")),
    *_limb("upper_arm", "forearm", ("elbow_flex", "elbow_adduction", "pro_sup")),
    *_limb("forearm", "hand", ("wrist_flex", "wrist_dev", "wrist_rotation")),
)
"""Every joint, parents before children."""

PELVIS: Final = ("pelvis_tilt", "pelvis_list", "pelvis_rotation")


def _anatomical_offsets() -> np.ndarray:
    """The constants C, (22, 3, 3).

    The right arm turns from the T-pose by +90° about X to hang with the palm towards the thigh; forearm and hand
    then turn by -90° about Y until the palm faces forward.
    """
    offsets = np.tile(np.eye(3), (len(SEGMENTS), 1, 1))
    for side, mirror in (("r", 1), ("l", -1)):
        hang = matrix_from_euler("X", np.array([mirror * np.pi / 2]))
        supine = matrix_from_euler("Y", np.array([-mirror * np.pi / 2])) @ hang
        offsets[SEGMENT_INDEX[f"upper_arm_{side}"]] = hang.T
        offsets[SEGMENT_INDEX[f"forearm_{side}"]] = supine.T
        offsets[SEGMENT_INDEX[f"hand_{side}"]] = supine.T
    return offsets


ANATOMICAL_OFFSETS: Final = _anatomical_offsets()
"""``A[s] = R[s] @ ANATOMICAL_OFFSETS[s]``."""


def zxy_angles(matrix: np.ndarray) -> np.ndarray:
    """Return (flexion Z, adduction X, rotation Y), (..., 3) radians, with |X| <= π/2, for matrices (..., 3, 3)."""
    z = np.arctan2(-matrix[..., 0, 1], matrix[..., 1, 1])
    x = np.arcsin(np.clip(matrix[..., 2, 1], -1.0, 1.0))
    y = np.arctan2(-matrix[..., 2, 0], matrix[..., 2, 2])
    return np.stack([z, x, y], axis=-1)


def yxz_angles(matrix: np.ndarray) -> np.ndarray:
    """Return (heading Y, list X, tilt Z), (..., 3) radians, heading first: the pelvis order that reports use."""
    y = np.arctan2(matrix[..., 0, 2], matrix[..., 2, 2])
    x = -np.arcsin(np.clip(matrix[..., 1, 2], -1.0, 1.0))
    z = np.arctan2(matrix[..., 1, 0], matrix[..., 1, 1])
    return np.stack([y, x, z], axis=-1)


def yxy_angles(matrix: np.ndarray) -> np.ndarray:
    """Return (plane of elevation Y, elevation X, axial rotation Y), (..., 3) radians, elevation in [-π, 0].

    The ISB's order for the shoulder; on the right, raising the arm sideways is a negative turn about X.
    """
    x = -np.arccos(np.clip(matrix[..., 1, 1], -1.0, 1.0))
    y1 = np.arctan2(-matrix[..., 0, 1], -matrix[..., 2, 1])
    y2 = np.arctan2(-matrix[..., 1, 0], matrix[..., 1, 2])
    return np.stack([y1, x, y2], axis=-1)


def continuous_in_time(angles: np.ndarray, middle_flip: str = "reflect") -> np.ndarray:
    """Choose, frame by frame, the equivalent angles that continue those before, and unwrap them.

    Three angles ``(a, b, c)`` and ``(a + π, π - b, c + π)`` are the same rotation (for a first axis that is repeated,
    as in Y-X-Y, ``(a + π, -b, c + π)``: ``middle_flip="negate"``). Whether to switch between two neighbouring frames
    does not depend on the branch one is on, so all frames are decided at once. After a jump a new stretch begins.

    Parameters
    ----------
    angles : (T, 3) radians, on the principal branch; NaN frames are passed over

    Returns
    -------
    (T, 3) radians
    """
    valid = np.isfinite(angles).all(-1)
    if not valid.any():
        return angles
    principal = angles[valid]
    flipped_middle = np.pi - principal[:, 1] if middle_flip == "reflect" else -principal[:, 1]
    other = np.stack([principal[:, 0] + np.pi, flipped_middle, principal[:, 2] + np.pi], axis=-1)
    stay = np.abs(wrap(principal[1:] - principal[:-1])).sum(-1)
    switch = np.abs(wrap(other[1:] - principal[:-1])).sum(-1)
    on_other = np.concatenate([[False], np.cumsum(switch < stay) % 2 == 1])
    # Across a jump, or a gap, continuity tells nothing; one wrong frame would put all that follow on the other branch.
    stretch = np.concatenate([[0], np.cumsum(np.minimum(stay, switch) > JUMP)])
    share = np.bincount(stretch, on_other) / np.bincount(stretch)
    on_other ^= share[stretch] > 0.5  # most of a stretch on the principal branch
    chosen = np.unwrap(np.where(on_other[:, None], other, principal), axis=0)
    chosen -= 2 * np.pi * np.round(np.median(chosen, axis=0) / (2 * np.pi))
    out = np.full_like(angles, np.nan)
    out[valid] = chosen
    return out


def wrap(angle: np.ndarray | float) -> np.ndarray:
    """Return angles of any shape, radians, brought to [-π, π)."""
    return (np.asarray(angle, dtype=float) + np.pi) % (2 * np.pi) - np.pi


def anatomical_frames(R_world_segment: np.ndarray) -> np.ndarray:
    """Return A, (..., 22, 3, 3), for segment orientations (..., 22, 3, 3)."""
    return R_world_segment @ ANATOMICAL_OFFSETS


def relative_rotation(frames: np.ndarray, parent: str, child: str) -> np.ndarray:
    """Return the rotation (..., 3, 3) from frame `parent` to frame `child` of `frames` (..., 22, 3, 3)."""
    return np.swapaxes(frames[..., SEGMENT_INDEX[parent], :, :], -1, -2) @ frames[..., SEGMENT_INDEX[child], :, :]


def joint_angles(R_world_segment: np.ndarray, root_position: np.ndarray) -> np.ndarray:
    """Return all coordinates over time.

    Parameters
    ----------
    R_world_segment : (T, 22, 3, 3) segment to world
    root_position : (T, 3) metres

    Returns
    -------
    (T, C) in the order of `conventions.COORDINATES`, radians and metres; NaN where a segment is unknown
    """
    out = np.full((len(R_world_segment), len(COORDINATES)), np.nan)
    frames = anatomical_frames(R_world_segment)
    for joint in JOINT_ANGLES:
        angles = continuous_in_time(zxy_angles(relative_rotation(frames, joint.parent, joint.child)))
        out[:, [COORDINATE_INDEX[c] for c in joint.coordinates]] = angles * np.array(joint.signs)
    pelvis = continuous_in_time(zxy_angles(frames[:, SEGMENT_INDEX["pelvis"]]))
    out[:, [COORDINATE_INDEX[c] for c in PELVIS]] = pelvis
    out[:, [COORDINATE_INDEX[c] for c in TRANSLATIONS]] = root_position
    return out


def orientations_from_angles(angles: np.ndarray) -> np.ndarray:
    """Return segment orientations (T, 22, 3, 3) for coordinates (T, C); the inverse of `joint_angles`.

    Segments between the ends of a joint share its rotation equally: lumbar and abdomen that of ``lumbar_*``, the
    neck that of ``neck_*``. The clavicles stay with the thorax.
    """
    frames = np.tile(np.eye(3), (len(angles), len(SEGMENTS), 1, 1))
    index = SEGMENT_INDEX
    frames[:, index["pelvis"]] = matrix_from_euler("ZXY", angles[:, [COORDINATE_INDEX[c] for c in PELVIS]])
    for joint in JOINT_ANGLES:
        turn = angles[:, [COORDINATE_INDEX[c] for c in joint.coordinates]] * np.array(joint.signs)
        relative = matrix_from_euler("ZXY", turn)
        frames[:, index[joint.child]] = frames[:, index[joint.parent]] @ relative
        if joint.child == "thorax":
            step = rotvec_from_matrix(relative) / 3
            frames[:, index["lumbar"]] = frames[:, index["pelvis"]] @ matrix_from_rotvec(step)
            frames[:, index["abdomen"]] = frames[:, index["pelvis"]] @ matrix_from_rotvec(2 * step)
            for side in "lr":
                frames[:, index[f"clavicle_{side}"]] = frames[:, index["thorax"]]
        if joint.child == "head":
            half = matrix_from_rotvec(rotvec_from_matrix(relative) / 2)
            frames[:, index["neck"]] = frames[:, index["thorax"]] @ half
    return frames @ np.swapaxes(ANATOMICAL_OFFSETS, -1, -2)


def shoulder_elevation(R_world_segment: np.ndarray, side: str) -> np.ndarray:
    """Return (plane of elevation, elevation, axial rotation) of one shoulder, (T, 3) radians, ISB Y-X-Y.

    Elevation is positive. The plane is 0 for abduction and +π/2 for flexion; singular with hanging arms.

    Parameters
    ----------
    R_world_segment : (T, 22, 3, 3)
    side : ``"l"`` or ``"r"``
    """
    matrix = relative_rotation(anatomical_frames(R_world_segment), "thorax", f"upper_arm_{side}")
    if side == "l":  # mirrored through the sagittal plane, a left arm is a right one
        flip = np.diag([1.0, 1.0, -1.0])
        matrix = flip @ matrix @ flip
    return continuous_in_time(yxy_angles(matrix), middle_flip="negate") * np.array([1, -1, 1])


def heading_list_tilt(R_world_segment: np.ndarray) -> np.ndarray:
    """Return the pelvis's heading, list and tilt, (T, 3) radians, heading first so that tilt does not mix with it."""
    return continuous_in_time(yxz_angles(R_world_segment[:, SEGMENT_INDEX["pelvis"]]))


def is_near_singular(angles: np.ndarray, joint: JointAngles) -> np.ndarray:
    """Return (T,), true where `joint`'s middle angle is within 15° of ±90°, for coordinates (T, C)."""
    middle = angles[:, COORDINATE_INDEX[joint.coordinates[1]]]
    return np.asarray(np.abs(np.abs(wrap(middle)) - np.pi / 2) < SINGULAR_MARGIN)
