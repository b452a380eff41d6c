"""The demo person: a skeleton from anthropometric tables, made without the body model that estimators fit.

Segment lengths are fractions of stature after Drillis and Contini (1966), as printed in Winter, *Biomechanics and
Motor Control of Human Movement* (2009, figure 4.1). Hip centres lie 36 % of the pelvis's width off the middle (Bell et
al. 1989). Spine, head and the points on the surface are rounded measurements of adults. Left and right differ by a
few millimetres, as in people.
"""

from typing import Final

import numpy as np

from kinefuse.body.models import BodyModel
from kinefuse.conventions import JOINT_INDEX, JOINTS, KEYPOINTS, SEGMENT_INDEX
from kinefuse.errors import KinefuseError

STATURE_M: Final = 1.76
THIGH: Final = 0.245
SHANK: Final = 0.246
ANKLE_HEIGHT: Final = 0.039
UPPER_ARM: Final = 0.186
FOREARM: Final = 0.146
HALF_HIPS: Final = 0.36 * 0.140  # Bell's fraction of the distance between the iliac spines, itself 14 % of stature
HALF_SHOULDERS: Final = 0.106  # to the centre of the humeral head, inside of the acromion at 12.9 %
SHOULDER_ABOVE_HIP: Final = 0.280

LEFT_DIFFERENCE: Final = {"thigh": -0.003, "shank": 0.002, "upper_arm": -0.004, "forearm": 0.002, "foot": 0.002}
"""By how much a left segment is longer than the right one, metres."""

# Joints of the trunk in fractions of stature from the middle of the hips, X anterior and Y superior.
_TRUNK: Final = {
    "root": (0.0, 0.0, 0.0),
    "lumbar": (-0.020, 0.055, 0.0),
    "spine": (-0.016, 0.130, 0.0),
    "chest": (-0.022, 0.205, 0.0),
    "neck_base": (-0.012, 0.317, 0.0),
    "head": (0.006, 0.377, 0.0),
}
_SOLE: Final = {"heel": (-0.026, 0.0), "ball": (0.082, 0.0), "toe": (0.112, 0.0)}
"""Where the sole carries weight: fractions of stature forward of the ankle, and sideways from it."""


def demo_person(stature_m: float = STATURE_M) -> BodyModel:
    """Return the demo person's skeleton as a body model without shape components and without a surface.

    Parameters
    ----------
    stature_m : standing height, metres

    Returns
    -------
    `BodyModel` with ``n_shape == 0``: ask it with a shape of ``np.zeros(0)``. Rest pose, body axes and the root
    (middle of the hips) are those of `conventions`.

    Raises
    ------
    KinefuseError
        If the stature is not that of a human, 0.5 to 2.5 m.
    """
    if not 0.5 <= stature_m <= 2.5:
        raise KinefuseError(f"A stature of 0.5 to 2.5 m was expected, got {stature_m:g}; give it in metres.")
    joints = _joints(stature_m)
    keypoints, segments = _keypoints(joints, stature_m)
    extra = [j for j, name in enumerate(JOINTS) if name not in KEYPOINTS]
    points = np.concatenate([keypoints, joints[extra]])
    return BodyModel(
        name="demo person",
        joints_mean=joints,
        joints_basis=np.zeros((0, *joints.shape)),
        point_names=KEYPOINTS + tuple(JOINTS[j] for j in extra),
        point_segment=np.concatenate([segments, extra]).astype(int),
        points_mean=points,
        points_basis=np.zeros((0, *points.shape)),
        stature_mean=stature_m,
        stature_basis=np.zeros(0),
    )


def sole_points(rest_positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of both soles that carry weight, and the segments that they move with.

    Parameters
    ----------
    rest_positions : (22, 3) joints in the rest pose, metres

    Returns
    -------
    points : (6, 3) metres, rest pose: heel, ball and toe of the left foot, then of the right
    segments : (6,) indices of `conventions.SEGMENTS`
    """
    points, segments = [], []
    for side in "lr":
        ankle = rest_positions[JOINT_INDEX[f"ankle_{side}"]]
        mtp = rest_positions[JOINT_INDEX[f"mtp_{side}"]]
        scale = (mtp[0] - ankle[0]) / 0.075  # stature, told by the foot
        for name, (forward, outward) in _SOLE.items():
            floor = ankle[1] - ANKLE_HEIGHT * scale
            points.append([ankle[0] + forward * scale, floor, mtp[2] + outward * scale])
            segments.append(SEGMENT_INDEX[f"toes_{side}" if name == "toe" else f"foot_{side}"])
    return np.array(points), np.array(segments)


def _joints(stature: float) -> np.ndarray:
    joints = np.zeros((len(JOINTS), 3))
    for name, fractions in _TRUNK.items():
        joints[JOINT_INDEX[name]] = np.array(fractions) * stature
    for side, outward in (("l", -1.0), ("r", 1.0)):
        longer = LEFT_DIFFERENCE if side == "l" else dict.fromkeys(LEFT_DIFFERENCE, 0.0)
        for name, place in _limbs(stature, outward, longer).items():
            joints[JOINT_INDEX[f"{name}_{side}"]] = place
    return joints


def _limbs(stature: float, outward: float, longer: dict[str, float]) -> dict[str, np.ndarray]:
    """Joints of one side, metres; legs hang down along -Y, arms reach out along ±Z."""
    down, aside = np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, outward])
    hip = aside * HALF_HIPS * stature
    knee = hip + down * (THIGH * stature + longer["thigh"])
    ankle = knee + down * (SHANK * stature + longer["shank"])
    mtp = ankle + np.array([0.075 * stature + longer["foot"], -0.026 * stature, 0.004 * stature * outward])
    shoulder = np.array([-0.004, SHOULDER_ABOVE_HIP, HALF_SHOULDERS * outward]) * stature
    elbow = shoulder + aside * (UPPER_ARM * stature + longer["upper_arm"])
    wrist = elbow + aside * (FOREARM * stature + longer["forearm"])
    clavicle = np.array([0.020, 0.283, 0.014 * outward]) * stature
    return {
        "hip": hip, "knee": knee, "ankle": ankle, "mtp": mtp,
        "sternoclavicular": clavicle, "shoulder": shoulder, "elbow": elbow, "wrist": wrist,
    }  # fmt: skip


def _keypoints(joints: np.ndarray, stature: float) -> tuple[np.ndarray, np.ndarray]:
    """The 26 keypoints in the rest pose, (26, 3) metres, and their segments, (26,)."""
    surface = _surface_points(joints, stature)
    places, segments = [], []
    for name in KEYPOINTS:
        if name in JOINTS:  # a joint is a point of the segment that starts there
            places.append(joints[JOINT_INDEX[name]])
            segments.append(JOINT_INDEX[name])
        else:
            place, segment = surface[name]
            places.append(place)
            segments.append(SEGMENT_INDEX[segment])
    return np.array(places), np.array(segments)


def _surface_points(joints: np.ndarray, stature: float) -> dict[str, tuple[np.ndarray, str]]:
    """Keypoints that are no joints: places in the rest pose, metres, and names of their segments."""

    def beyond(joint: str, x: float, y: float, z: float) -> np.ndarray:
        return joints[JOINT_INDEX[joint]] + stature * np.array([x, y, z])

    between = (joints[JOINT_INDEX["shoulder_l"]] + joints[JOINT_INDEX["shoulder_r"]]) / 2
    points = {
        "nose": (beyond("head", 0.063, 0.005, 0.0), "head"),
        "head_top": (beyond("head", 0.004, 0.092, 0.0), "head"),
        "neck": (between, "thorax"),
        "mid_hip": (joints[JOINT_INDEX["root"]], "pelvis"),
    }
    for side, out in (("l", -1.0), ("r", 1.0)):
        points[f"eye_{side}"] = (beyond("head", 0.050, 0.024, 0.018 * out), "head")
        points[f"ear_{side}"] = (beyond("head", 0.002, 0.014, 0.043 * out), "head")
        ground = -ANKLE_HEIGHT + 0.006
        points[f"heel_{side}"] = (beyond(f"ankle_{side}", -0.032, ground + 0.008, -0.002 * out), f"foot_{side}")
        reach = joints[JOINT_INDEX[f"mtp_{side}"], 0] - joints[JOINT_INDEX[f"ankle_{side}"], 0]
        toes = reach / stature
        points[f"big_toe_{side}"] = (beyond(f"ankle_{side}", toes + 0.036, ground, -0.012 * out), f"toes_{side}")
        points[f"small_toe_{side}"] = (beyond(f"ankle_{side}", toes + 0.014, ground, 0.024 * out), f"toes_{side}")
    return points
