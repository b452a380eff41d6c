"""Other people's skeletons as points on ours: joint centres, ends of bones, and points that carry a joint's turn.

Rest poses and zeros differ between sources, so no rotation is copied. A point is a joint or an end of the source, or
lies at a fixed place in the frame of one of its joints, such as 8 cm beside the knee in the frame of the thigh. The
fit knows roughly where that is on our body, and finds the exact place, one for each subject, from the motion: the point
beside the knee ends where the plane in which the knee bends says.

All of these sources have a zero pose with Y up, Z forward and X to the left.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.body.markers import Marker
from kinefuse.conventions import JOINTS, SEGMENT_PARENTS, SEGMENTS
from kinefuse.errors import KinefuseError
from kinefuse.formats.bvh import Bvh
from kinefuse.recordings import JointCenters

JOINT_SD, LIMB_SD, TRUNK_SD, TURN_SD = 0.02, 0.015, 0.04, 0.06
"""How far a point may lie from its nominal place, metres: hips and shoulders, other limb joints, trunk, and points that
carry a turn."""


@dataclass(frozen=True)
class SourcePoint:
    """A point of a source's skeleton and its nominal place on our body.

    Attributes
    ----------
    joint : the source's joint that it starts from
    marker : place on our body
    frame : the source's joint in whose frame `arm` is given; None is `joint`
    arm : (3,) metres in that frame; None is the end of the bone (the end site), without which the point is left out
    """

    joint: str
    marker: Marker
    frame: str | None = None
    arm: tuple[float, float, float] | None = (0.0, 0.0, 0.0)


LEFT, RIGHT = "l", "r"
_Table = dict[str, SourcePoint]


def _beside(name: str, point: SourcePoint, side: str) -> tuple[str, SourcePoint]:
    """Return the point, which describes the right side, for `side`: our names and both places mirrored."""
    if side == RIGHT:
        return f"{name}_r", point
    marker = point.marker
    x, y, z = marker.offset
    ours = [s[:-2] + "_l" if s.endswith("_r") else s for s in (marker.segment, marker.joint)]
    arm = point.arm if point.arm is None else (-point.arm[0], point.arm[1], point.arm[2])
    return f"{name}_l", SourcePoint(point.joint, Marker(ours[0], ours[1], (x, y, -z), marker.sd), point.frame, arm)


def _limbs(side: str, joints: dict[str, str]) -> _Table:
    """Points of one leg and one arm.

    Parameters
    ----------
    joints : source's names of ``hip knee ankle toe shoulder elbow wrist`` and of the joint ``forearm`` that carries
        the turn of the forearm; ``toe_end`` and ``hand_end`` are joints whose bones end at the tips
    """
    at = Marker
    knee_side = at("thigh_r", "knee_r", (0, 0, 0.08), TURN_SD)
    elbow_up = at("upper_arm_r", "elbow_r", (0, 0.08, 0), TURN_SD)
    wrist_front = at("forearm_r", "wrist_r", (0.06, 0, 0), TURN_SD)
    points: list[tuple[str, SourcePoint]] = [
        ("hip", SourcePoint(joints["hip"], at("pelvis", "hip_r", (0, 0, 0), JOINT_SD))),
        ("knee", SourcePoint(joints["knee"], at("thigh_r", "knee_r", (0, 0, 0), LIMB_SD))),
        ("knee_side", SourcePoint(joints["knee"], knee_side, joints["hip"], (-0.08, 0, 0))),
        ("ankle", SourcePoint(joints["ankle"], at("shank_r", "ankle_r", (0, 0, 0), LIMB_SD))),
        ("shoulder", SourcePoint(joints["shoulder"], at("clavicle_r", "shoulder_r", (0, 0, 0), JOINT_SD))),
        ("elbow", SourcePoint(joints["elbow"], at("upper_arm_r", "elbow_r", (0, 0, 0), LIMB_SD))),
        ("elbow_up", SourcePoint(joints["elbow"], elbow_up, joints["shoulder"], (0, 0.08, 0))),
        ("wrist", SourcePoint(joints["wrist"], at("forearm_r", "wrist_r", (0, 0, 0), LIMB_SD))),
        ("wrist_front", SourcePoint(joints["wrist"], wrist_front, joints["forearm"], (0, 0, 0.06))),
        ("hand_end", SourcePoint(joints["hand_end"], at("hand_r", "wrist_r", (0, 0, 0.08), 0.03), None, None)),
    ]  # fmt: skip
    if "toe" in joints:
        foot_side = at("foot_r", "mtp_r", (0, 0, 0.06), TURN_SD)
        points.append(("toe", SourcePoint(joints["toe"], at("foot_r", "mtp_r", (0, 0, 0), 0.03))))
        points.append(("foot_side", SourcePoint(joints["toe"], foot_side, joints["ankle"], (-0.06, 0, 0))))
        points.append(("toe_end", SourcePoint(joints["toe"], at("toes_r", "mtp_r", (0.06, 0, 0), 0.03), None, None)))
    else:
        foot_side = at("foot_r", "ankle_r", (0, 0, 0.06), TURN_SD)
        points.append(("toe", SourcePoint(joints["ankle"], at("foot_r", "mtp_r", (0, 0, 0), 0.03), None, None)))
        points.append(("foot_side", SourcePoint(joints["ankle"], foot_side, None, (-0.06, 0, 0))))
    return dict(_beside(name, point, side) for name, point in points)


def _cmu() -> _Table:
    """The CMU database's skeleton in cgspeed's names, also used by HDM05."""
    table = {
        "root": SourcePoint("Hips", Marker("pelvis", "root", (-0.05, 0.10, 0), TRUNK_SD)),
        "spine": SourcePoint("Spine", Marker("lumbar", "spine", (-0.02, -0.02, 0), TRUNK_SD)),
        "chest": SourcePoint("Spine1", Marker("abdomen", "chest", (-0.02, -0.02, 0), TRUNK_SD)),
        "chest_front": SourcePoint("Spine1", Marker("thorax", "chest", (0.12, 0, 0), TURN_SD), None, (0, 0, 0.12)),
        "thorax_top": SourcePoint("Neck", Marker("thorax", "neck_base", (-0.02, -0.08, 0), TRUNK_SD)),
        "neck": SourcePoint("Neck1", Marker("neck", "neck_base", (-0.01, 0, 0), TRUNK_SD)),
        "head": SourcePoint("Head", Marker("neck", "head", (0, -0.01, 0), TRUNK_SD)),
        "head_end": SourcePoint("Head", Marker("head", "head", (0, 0.09, 0), TRUNK_SD), None, None),
        "head_front": SourcePoint("Head", Marker("head", "head", (0.1, 0, 0), TURN_SD), None, (0, 0, 0.1)),
    }
    for side, word in ((LEFT, "Left"), (RIGHT, "Right")):
        theirs = {
            "hip": "UpLeg", "knee": "Leg", "ankle": "Foot", "toe": "ToeBase", "shoulder": "Arm", "elbow": "ForeArm",
            "wrist": "FingerBase", "forearm": "Hand", "hand_end": "HandIndex1",
        }  # fmt: skip
        table |= _limbs(side, {ours: word + name for ours, name in theirs.items()})
    return table


def _daz() -> _Table:
    """The one body onto which some CMU subjects were retargeted for DAZ Studio."""
    table = {
        "root": SourcePoint("hip", Marker("pelvis", "root", (0, -0.03, 0), TRUNK_SD)),
        "root_up": SourcePoint("hip", Marker("pelvis", "root", (0, 0.09, 0), TURN_SD), None, (0, 0.12, 0)),
        "spine": SourcePoint("abdomen", Marker("lumbar", "spine", (0, -0.07, 0), 0.06)),
        "chest": SourcePoint("chest", Marker("abdomen", "chest", (0, -0.08, 0), 0.06)),
        "chest_front": SourcePoint("chest", Marker("thorax", "chest", (0.12, -0.08, 0), TURN_SD), None, (0, 0, 0.12)),
        "neck": SourcePoint("neck", Marker("thorax", "neck_base", (-0.02, -0.03, 0), TRUNK_SD)),
        "head": SourcePoint("head", Marker("neck", "head", (0, -0.05, 0), TRUNK_SD)),
        "head_up": SourcePoint("head", Marker("head", "head", (0, 0.05, 0), TURN_SD), None, (0, 0.1, 0)),
        "head_front": SourcePoint("head", Marker("head", "head", (0.1, -0.05, 0), TURN_SD), None, (0, 0, 0.1)),
    }
    for side in (LEFT, RIGHT):
        theirs = {
            "hip": "Thigh", "knee": "Shin", "ankle": "Foot", "shoulder": "Shldr", "elbow": "ForeArm", "wrist": "Hand",
            "forearm": "ForeArm", "hand_end": "Mid2",
        }  # fmt: skip
        table |= _limbs(side, {ours: side + name for ours, name in theirs.items()})
    return table


def _smpl() -> _Table:
    """SMPL's joints, whose names are ours (`formats.amass`)."""
    trunk = {"root", "lumbar", "spine", "chest", "neck_base", "head"}
    table: _Table = {}
    for s, joint in enumerate(JOINTS):
        kind = joint.removesuffix("_l").removesuffix("_r")
        if kind in trunk | {"sternoclavicular"}:
            carrier = SEGMENTS[max(SEGMENT_PARENTS[s], 0)]
            table[joint] = SourcePoint(joint, Marker(carrier, joint, (0, 0, 0), 0.01 if kind == "root" else 0.06))
    for joint, segment in (("root", "pelvis"), ("chest", "thorax"), ("head", "head")):
        table[f"{joint}_up"] = SourcePoint(joint, Marker(segment, joint, (0, 0.1, 0), TURN_SD), None, (0, 0.1, 0))
        table[f"{joint}_front"] = SourcePoint(joint, Marker(segment, joint, (0.1, 0, 0), TURN_SD), None, (0, 0, 0.1))
    for side in (LEFT, RIGHT):
        ours = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
        names = {name: f"{name}_{side}" for name in ours}
        more = {"toe": f"mtp_{side}", "forearm": f"elbow_{side}", "hand_end": f"wrist_{side}"}
        table |= _limbs(side, names | more)
    return table


def _labelled(skeleton: str, table: _Table) -> _Table:
    """Put the skeleton's name before each label, since our body has points of its own that are called ``hip_l``."""
    return {f"{skeleton}.{name}": point for name, point in table.items()}


SKELETONS: Final[dict[str, _Table]] = {
    name: _labelled(name, table) for name, table in (("cmu", _cmu()), ("daz", _daz()), ("smpl", _smpl()))
}
"""Skeletons by name; label of a point, such as ``cmu.hip_l``, to what it is."""

ASF_NAMES: Final = {
    "root": "Hips", "lhipjoint": "LHipJoint", "lfemur": "LeftUpLeg", "ltibia": "LeftLeg", "lfoot": "LeftFoot",
    "ltoes": "LeftToeBase", "rhipjoint": "RHipJoint", "rfemur": "RightUpLeg", "rtibia": "RightLeg",
    "rfoot": "RightFoot", "rtoes": "RightToeBase", "lowerback": "LowerBack", "upperback": "Spine", "thorax": "Spine1",
    "lowerneck": "Neck", "upperneck": "Neck1", "head": "Head", "lclavicle": "LeftShoulder", "lhumerus": "LeftArm",
    "lradius": "LeftForeArm", "lwrist": "LeftHand", "lhand": "LeftFingerBase", "lfingers": "LeftHandIndex1",
    "lthumb": "LThumb", "rclavicle": "RightShoulder", "rhumerus": "RightArm", "rradius": "RightForeArm",
    "rwrist": "RightHand", "rhand": "RightFingerBase", "rfingers": "RightHandIndex1", "rthumb": "RThumb",
}  # fmt: skip
"""Bones of the CMU and HDM05 ASF files to the names of the same joints in cgspeed's BVH files."""


def recognise_skeleton(names: tuple[str, ...]) -> str:
    """Return the name of the skeleton that has these joints, in `SKELETONS`.

    Raises
    ------
    KinefuseError
        If none has.
    """
    known = set(_common_names(names))
    lacking = {key: {p.joint for p in table.values()} - known for key, table in SKELETONS.items()}
    best = min(lacking, key=lambda key: len(lacking[key]))
    if lacking[best]:
        raise KinefuseError(
            f"This skeleton is none of {', '.join(SKELETONS)}; the nearest, {best}, has joints that it lacks: "
            f"{', '.join(sorted(lacking[best])[:6])}. Rename the joints, or convert it to one of these."
        )
    return best


def _common_names(names: tuple[str, ...]) -> list[str]:
    """Joints by cgspeed's names, where they are an ASF file's."""
    return [ASF_NAMES.get(name, name) for name in names] if "lfemur" in names else list(names)


def leg_length(clip: Bvh, skeleton: str) -> float:
    """Return the length of thigh and shank together, in the clip's unit, mean of both legs; see `SKELETONS`."""
    names = _common_names(clip.names)
    ends = [SKELETONS[skeleton][f"{skeleton}.{end}_{side}"].joint for end in ("knee", "ankle") for side in "lr"]
    return float(sum(np.linalg.norm(clip.offsets[names.index(end)]) for end in ends)) / 2


def source_points(clip: Bvh, skeleton: str | None = None) -> JointCenters:
    """Return the points of a clip that our body is fitted to; each is named by its label in `SKELETONS`.

    Parameters
    ----------
    clip : a skeleton and its motion
    skeleton : a key of `SKELETONS`; None recognises it by its names
    """
    table = SKELETONS[skeleton or recognise_skeleton(clip.names)]
    names = _common_names(clip.names)
    positions, rotations = clip.forward_kinematics()
    labels, found = [], []
    for label, point in table.items():
        joint = names.index(point.joint)
        arm = clip.end_sites.get(joint) if point.arm is None else np.array(point.arm)
        if arm is not None and (point.arm is not None or np.linalg.norm(arm) > 0.005):
            labels.append(label)
            found.append(positions[:, joint] + rotations[:, names.index(point.frame or point.joint)] @ arm)
    return JointCenters(names=tuple(labels), time=clip.time, positions=np.stack(found, axis=1))
