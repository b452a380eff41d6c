"""What joint angles are called in plain words, and what their signs mean."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.body.angles import JOINT_ANGLES, JointAngles, heading_list_tilt, is_near_singular, shoulder_elevation
from kinefuse.conventions import COORDINATE_INDEX, COORDINATES, INFERRED, SEGMENT_INDEX, SEGMENTS
from kinefuse.motion import Motion

HEADING_LIST_TILT: Final = ("pelvis_heading", "pelvis_list", "pelvis_tilt")
"""The pelvis in reports: heading first, unlike the coordinates of the same names in files."""

HARDLY_KNOWN: Final = np.deg2rad(25.0)
"""Standard deviation of an angle above which its value is that of any person rather than of this one."""


@dataclass(frozen=True)
class Movement:
    """One plot: an angle, on both sides of the body where it has sides.

    Attributes
    ----------
    key : name without side, a coordinate of `conventions.COORDINATES` or one that `plain_angles` derives
    title : in plain words
    positive, negative : what the two signs mean
    segment : the segment that moves, without side
    sided : whether there is a left and a right
    minor : degrees of freedom that are small or that skin, cameras and sensors tell poorly
    """

    key: str
    title: str
    positive: str
    negative: str
    segment: str
    sided: bool = True
    minor: bool = False

    def names(self) -> tuple[tuple[str, str], ...]:
        """Return (side, angle name) pairs; the side of an unpaired angle is ``"c"``."""
        return (("l", f"{self.key}_l"), ("r", f"{self.key}_r")) if self.sided else (("c", self.key),)

    def provenance(self, motion: Motion, side: str) -> np.ndarray:
        """Return where the angle comes from, (T,): the worse of the two segments that it lies between.

        An angle that the estimator itself hardly knows is inferred, even if its segments were seen: without points on
        the hand nothing tells how a forearm is turned about its length.
        """
        child = f"{self.segment}_{side}" if self.sided else self.segment
        parents = [joint.parent for joint in JOINT_ANGLES if joint.child == child]
        worse = motion.provenance[:, [SEGMENT_INDEX[name] for name in (child, *parents)]].max(axis=1)
        name = dict(self.names())[side]
        if motion.angle_sd is None or name not in COORDINATE_INDEX:
            return worse
        return np.where(motion.angle_sd[:, COORDINATE_INDEX[name]] > HARDLY_KNOWN, INFERRED, worse)


GROUPS: Final[tuple[tuple[str, tuple[Movement, ...]], ...]] = (
    (
        "Hip",
        (
            Movement("hip_flexion", "Hip flexion", "flexion", "extension", "thigh"),
            Movement("hip_adduction", "Hip adduction", "adduction", "abduction", "thigh"),
            Movement("hip_rotation", "Hip rotation", "internal", "external", "thigh"),
        ),
    ),
    (
        "Knee",
        (
            Movement("knee_angle", "Knee flexion", "flexion", "extension", "shank"),
            Movement("knee_adduction", "Knee adduction", "varus", "valgus", "shank", minor=True),
            Movement("knee_rotation", "Knee rotation", "internal", "external", "shank", minor=True),
        ),
    ),
    (
        "Ankle and foot",
        (
            Movement("ankle_angle", "Ankle flexion", "dorsiflexion", "plantarflexion", "foot"),
            Movement("subtalar_angle", "Ankle inversion", "inversion", "eversion", "foot"),
            Movement("ankle_rotation", "Ankle rotation", "toes in", "toes out", "foot", minor=True),
            Movement("mtp_angle", "Toe flexion", "flexion", "extension", "toes", minor=True),
            Movement("mtp_adduction", "Toe inversion", "inversion", "eversion", "toes", minor=True),
            Movement("mtp_rotation", "Toe rotation", "toes in", "toes out", "toes", minor=True),
        ),
    ),
    (
        "Pelvis",
        (
            Movement("pelvis_tilt", "Pelvic tilt", "posterior", "anterior", "pelvis", False),
            Movement("pelvis_list", "Pelvic list", "leans right", "leans left", "pelvis", False),
            Movement("pelvis_heading", "Pelvic heading", "turned left", "turned right", "pelvis", False),
        ),
    ),
    (
        "Trunk (thorax against pelvis)",
        (
            Movement("lumbar_extension", "Trunk extension", "extension", "flexion", "thorax", False),
            Movement("lumbar_bending", "Trunk side bending", "to the right", "to the left", "thorax", False),
            Movement("lumbar_rotation", "Trunk rotation", "to the left", "to the right", "thorax", False),
        ),
    ),
    (
        "Neck (head against thorax)",
        (
            Movement("neck_flexion", "Neck flexion", "flexion", "extension", "head", False),
            Movement("neck_bending", "Neck side bending", "to the right", "to the left", "head", False),
            Movement("neck_rotation", "Neck rotation", "to the left", "to the right", "head", False),
        ),
    ),
    (
        "Shoulder (upper arm against thorax)",
        (
            Movement("shoulder_elevation", "Shoulder elevation", "raised, in any plane", "", "upper_arm"),
            Movement("arm_flex", "Shoulder flexion", "flexion", "extension", "upper_arm"),
            Movement("arm_add", "Shoulder adduction", "adduction", "abduction", "upper_arm"),
            Movement("arm_rot", "Shoulder rotation", "internal", "external", "upper_arm", minor=True),
        ),
    ),
    (
        "Elbow and forearm",
        (
            Movement("elbow_flex", "Elbow flexion", "flexion", "extension", "forearm"),
            Movement("pro_sup", "Forearm pronation", "pronation", "supination", "forearm"),
            Movement("elbow_adduction", "Elbow adduction", "adduction", "abduction", "forearm", minor=True),
        ),
    ),
    (
        "Wrist",
        (
            Movement("wrist_flex", "Wrist flexion", "flexion", "extension", "hand"),
            Movement("wrist_dev", "Wrist deviation", "ulnar", "radial", "hand"),
            Movement("wrist_rotation", "Wrist rotation", "internal", "external", "hand", minor=True),
        ),
    ),
)
"""All plots, in the order in which a report shows them."""


def plain_angles(motion: Motion) -> dict[str, np.ndarray]:
    """Return every angle that a report shows, by name, (T,) degrees.

    The coordinates of the motion, but the pelvis as heading, list and tilt in that order, which do not mix when the
    subject turns, and the elevation of the shoulders.
    """
    angles = {name: np.rad2deg(motion.angles[:, i]) for name, i in COORDINATE_INDEX.items()}
    pelvis = np.rad2deg(heading_list_tilt(motion.R_world_segment))
    angles |= {name: pelvis[:, i] for i, name in enumerate(HEADING_LIST_TILT)}
    for side in "lr":
        angles[f"shoulder_elevation_{side}"] = np.rad2deg(shoulder_elevation(motion.R_world_segment, side)[:, 1])
    return angles


def plain_angle_sd(motion: Motion) -> dict[str, np.ndarray]:
    """Return standard deviations by name, (T,) degrees, for those angles of `plain_angles` that have one.

    The pelvis has none: the motion's are about the axes of another order.
    """
    if motion.angle_sd is None:
        return {}
    joints = {name: np.rad2deg(motion.angle_sd[:, i]) for name, i in COORDINATE_INDEX.items()}
    return {name: sd for name, sd in joints.items() if not name.startswith("pelvis_") and np.isfinite(sd).any()}


def joint_of(name: str) -> JointAngles | None:
    """Return the joint that a coordinate belongs to; None for the pelvis and derived angles."""
    return next((joint for joint in JOINT_ANGLES if name in joint.coordinates), None)


def near_singular(motion: Motion, name: str) -> np.ndarray:
    """Return (T,), true where this angle cannot be read because its joint is near the singular position.

    The first and the last angle of a joint cannot be told apart there; the middle one can be read.
    """
    joint = joint_of(name)
    if joint is None or name not in COORDINATES or name == joint.coordinates[1]:
        return np.zeros(len(motion.time), dtype=bool)
    return is_near_singular(motion.angles, joint)


def spoken_segment(name: str) -> str:
    """Return a segment, joint, or keypoint name as one reads it: ``"left upper arm"`` for ``"upper_arm_l"``."""
    sides = {"_l": "left ", "_r": "right "}
    side = sides.get(name[-2:], "")
    return side + (name[:-2] if side else name).replace("_", " ")


def segment_shares(provenance: np.ndarray, kinds: tuple[int, ...]) -> np.ndarray:
    """Return the share of frames (22, len(kinds)) in which each segment is of each kind of provenance."""
    if not len(provenance):
        return np.full((len(SEGMENTS), len(kinds)), np.nan)
    return np.stack([(provenance == kind).mean(axis=0) for kind in kinds], axis=1)
