"""Optical markers as points on the body: where each marker of a known set nominally sits, and the fit to them.

A marker is tied to a segment, near one of its joints. The place is ordinary surface anatomy (for the pelvis: hip joint
centres from the spines after Bell et al. 1990); how far it may really be is its spread, small on bone that one can feel
and large for clusters on soft tissue, whose places the fit finds for itself.
"""

from dataclasses import dataclass, replace

import numpy as np

from kinefuse.body.fit_points import PointSet, fit_points
from kinefuse.body.fitting import FitConfig
from kinefuse.body.models import BodyModel
from kinefuse.conventions import JOINT_INDEX, SEGMENT_INDEX, mirrored_name
from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.recordings import JointCenters

BONE, VAGUE, CLUSTER = 0.01, 0.02, 0.06
"""Standard deviations of a marker's place, metres: felt bone, less certain, anywhere on the segment."""


@dataclass(frozen=True)
class Marker:
    """Nominal place of a marker on an adult.

    Attributes
    ----------
    segment : the segment that it moves with
    joint : the joint that it is measured from
    offset : metres from that joint in the rest pose, body axes (X forward, Y up, Z right)
    sd : metres, how far the real place may differ
    """

    segment: str
    joint: str
    offset: tuple[float, float, float]
    sd: float


def _pair(left: str, right: str, marker: Marker) -> dict[str, Marker]:
    """The same marker on both sides; `marker` describes the right one, with ``_r`` names where there are sides."""
    x, y, z = marker.offset
    mirrored = Marker(mirrored_name(marker.segment), mirrored_name(marker.joint), (x, y, -z), marker.sd)
    return {left: mirrored, right: marker}


def _opencap() -> dict[str, Marker]:
    """The marker set of the OpenCap laboratory (Uhlrich et al. 2023), by the names of its files."""
    pelvis, thigh, shank, foot = "pelvis", "thigh_r", "shank_r", "foot_r"
    table = {"C7": Marker("thorax", "neck_base", (-0.06, -0.02, 0.0), VAGUE)}
    pairs: list[tuple[str, str, Marker]] = [
        ("L.ASIS", "r.ASIS", Marker(pelvis, "root", (0.060, 0.072, 0.122), BONE)),
        ("L.PSIS", "r.PSIS", Marker(pelvis, "root", (-0.115, 0.105, 0.045), BONE)),
        ("L_HJC", "R_HJC", Marker(pelvis, "hip_r", (0.0, 0.0, 0.0), BONE)),
        ("L_HJC_reg", "R_HJC_reg", Marker(pelvis, "hip_r", (0.0, 0.0, 0.0), BONE)),
        ("L_knee", "r_knee", Marker(thigh, "knee_r", (0.0, 0.0, 0.057), BONE)),
        ("L_mknee", "r_mknee", Marker(thigh, "knee_r", (0.0, 0.0, -0.057), BONE)),
        ("L_ankle", "r_ankle", Marker(shank, "ankle_r", (0.0, 0.0, 0.042), BONE)),
        ("L_mankle", "r_mankle", Marker(shank, "ankle_r", (0.01, 0.01, -0.042), BONE)),
        ("L_calc", "r_calc", Marker(foot, "ankle_r", (-0.055, -0.035, 0.0), BONE)),
        ("L_toe", "r_toe", Marker(foot, "mtp_r", (0.02, 0.015, 0.0), VAGUE)),
        ("L_5meta", "r_5meta", Marker(foot, "mtp_r", (-0.01, -0.005, 0.055), VAGUE)),
        ("L_Shoulder", "R_Shoulder", Marker("clavicle_r", "shoulder_r", (0.0, 0.045, 0.0), VAGUE)),
        ("L_Sternum", "R_Sternum", Marker("thorax", "sternoclavicular_r", (0.06, 0.01, 0.0), VAGUE)),
        ("L_elbow_lat", "R_elbow_lat", Marker("upper_arm_r", "elbow_r", (0.0, 0.038, 0.0), BONE)),
        ("L_elbow_med", "R_elbow_med", Marker("upper_arm_r", "elbow_r", (0.0, -0.038, 0.0), BONE)),
        ("L_wrist_radius", "R_wrist_radius", Marker("forearm_r", "wrist_r", (0.03, 0.0, 0.0), BONE)),
        ("L_wrist_ulna", "R_wrist_ulna", Marker("forearm_r", "wrist_r", (-0.03, 0.0, 0.0), BONE)),
        ("L_humerus", "R_humerus", Marker("upper_arm_r", "elbow_r", (0.0, 0.04, -0.12), CLUSTER)),
        ("L_forearm", "R_forearm", Marker("forearm_r", "wrist_r", (0.0, 0.03, -0.1), CLUSTER)),
        ("L_shank_antsup", "r_shank_antsup", Marker(shank, "knee_r", (0.04, -0.12, 0.03), CLUSTER)),
    ]
    pairs += [(f"L_thigh{i}", f"r_thigh{i}", Marker(thigh, "knee_r", (0.06, 0.15, 0.06), CLUSTER)) for i in range(1, 6)]
    pairs += [(f"L_sh{i}", f"r_sh{i}", Marker(shank, "knee_r", (0.01, -0.18, 0.06), CLUSTER)) for i in range(1, 5)]
    for left, right, marker in pairs:
        table |= _pair(left, right, marker)
    return table


def _plug_in_gait() -> dict[str, Marker]:
    """The 39 markers of Plug-in Gait's full body (Vicon; Davis et al. 1991).

    Markers on thigh, shank, upper arm and forearm are wands or skin at no exact place; elbow and wrist markers lie on
    bone, but their height above it is unknown.
    """
    pelvis, thigh, shank, foot, head = "pelvis", "thigh_r", "shank_r", "foot_r", "head"
    table = {
        "C7": Marker("thorax", "neck_base", (-0.075, -0.035, 0.0), VAGUE),
        "T10": Marker("thorax", "chest", (-0.11, -0.02, 0.0), 0.03),
        "CLAV": Marker("thorax", "sternoclavicular_r", (0.045, 0.0, -0.023), VAGUE),
        "STRN": Marker("thorax", "chest", (0.125, -0.03, 0.0), 0.03),
        "RBAK": Marker("thorax", "chest", (-0.11, 0.06, 0.08), CLUSTER),
    }
    pairs: list[tuple[str, str, Marker]] = [
        ("LFHD", "RFHD", Marker(head, "head", (0.10, 0.09, 0.065), 0.03)),
        ("LBHD", "RBHD", Marker(head, "head", (-0.07, 0.08, 0.065), 0.03)),
        ("LSHO", "RSHO", Marker("clavicle_r", "shoulder_r", (0.0, 0.045, -0.015), VAGUE)),
        ("LUPA", "RUPA", Marker("upper_arm_r", "elbow_r", (0.0, 0.05, -0.15), CLUSTER)),
        ("LELB", "RELB", Marker("upper_arm_r", "elbow_r", (0.0, 0.04, 0.0), 0.015)),
        ("LFRM", "RFRM", Marker("forearm_r", "wrist_r", (0.0, 0.045, -0.12), CLUSTER)),
        ("LWRA", "RWRA", Marker("forearm_r", "wrist_r", (0.035, 0.01, -0.01), 0.015)),
        ("LWRB", "RWRB", Marker("forearm_r", "wrist_r", (-0.035, 0.01, -0.01), 0.015)),
        ("LFIN", "RFIN", Marker("hand_r", "wrist_r", (0.01, 0.015, 0.075), VAGUE)),
        ("LASI", "RASI", Marker(pelvis, "root", (0.060, 0.072, 0.122), VAGUE)),
        ("LPSI", "RPSI", Marker(pelvis, "root", (-0.115, 0.105, 0.045), VAGUE)),
        ("LTHI", "RTHI", Marker(thigh, "knee_r", (0.0, 0.16, 0.085), CLUSTER)),
        ("LKNE", "RKNE", Marker(thigh, "knee_r", (0.0, 0.0, 0.06), 0.015)),
        ("LTIB", "RTIB", Marker(shank, "knee_r", (0.0, -0.18, 0.07), CLUSTER)),
        ("LANK", "RANK", Marker(shank, "ankle_r", (0.0, 0.0, 0.045), BONE)),
        ("LHEE", "RHEE", Marker(foot, "ankle_r", (-0.065, -0.03, 0.0), VAGUE)),
        ("LTOE", "RTOE", Marker(foot, "mtp_r", (-0.01, 0.03, 0.0), VAGUE)),
    ]
    for left, right, marker in pairs:
        table |= _pair(left, right, marker)
    return table


MARKER_SETS = {"opencap": _opencap(), "plug-in-gait": _plug_in_gait()}
"""Marker sets by name."""

ENOUGH = 0.6
"""Share of the points of a file that must belong to a marker set for the file to be taken as one."""


def recognise_markers(names: tuple[str, ...]) -> str | None:
    """Return the name of the marker set that most of `names` belong to, or None."""
    share = {key: sum(name in table for name in names) / max(1, len(names)) for key, table in MARKER_SETS.items()}
    best = max(share, key=lambda key: share[key])
    return best if share[best] >= ENOUGH else None


def with_markers(model: BodyModel, markers: dict[str, Marker]) -> BodyModel:
    """Return the body model with more points: the markers, moving with their joints as the shape changes."""
    joints = [JOINT_INDEX[marker.joint] for marker in markers.values()]
    offsets = np.array([marker.offset for marker in markers.values()])
    segments = np.array([SEGMENT_INDEX[marker.segment] for marker in markers.values()])
    return replace(
        model,
        point_names=model.point_names + tuple(markers),
        point_segment=np.concatenate([model.point_segment, segments]),
        points_mean=np.concatenate([model.points_mean, model.joints_mean[joints] + offsets]),
        points_basis=np.concatenate([model.points_basis, model.joints_basis[:, joints]], axis=1),
    )


# Markers follow bone to a few millimetres and may be trusted through jumps, so the pose is hardly smoothed.
MARKER_FIT = FitConfig(angular_acceleration_sd=250.0, acceleration_sd=30.0, robust_sd=6.0)
MARKER_NOISE_SD = 0.004
MARKER_FLOOR_SD = 0.005
MARKER_CORRELATION_S = 0.1


def fit_markers(
    centers: JointCenters,
    model: BodyModel,
    marker_set: str,
    stature_m: float | None = None,
    config: FitConfig = MARKER_FIT,
    estimator: str = "markers",
) -> Motion:
    """Fit the body to optical markers: its shape, every marker's place on it, and all poses.

    Parameters
    ----------
    centers : marker trajectories, metres
    marker_set : a key of `MARKER_SETS`
    stature_m : height of the subject, where it is known

    Returns
    -------
    Motion; points that the set does not know are named in its notes and not used

    Raises
    ------
    KinefuseError
        If fewer than ten markers of the set were seen.
    """
    table = MARKER_SETS[marker_set]
    seen = np.isfinite(centers.positions).all(-1).any(0)
    used = tuple(name for name, ok in zip(centers.names, seen, strict=True) if ok and name in table)
    if len(used) < 10:
        raise KinefuseError(f"Expected at least 10 markers of the set {marker_set!r}, got {len(used)}.")
    chosen = replace(centers.select(used), covariance=None)
    points = PointSet(
        names=used,
        offset_sd=np.array([table[name].sd for name in used]),
        noise_sd=np.full(len(used), MARKER_NOISE_SD),
        correlation_s=MARKER_CORRELATION_S,
    )
    body = with_markers(model, {name: table[name] for name in used})
    motion = fit_points(
        chosen, body, points, config, floor_sd=MARKER_FLOOR_SD, stature_m=stature_m, estimator=estimator
    )
    ignored = [name for name in centers.names if name not in used]
    if not ignored:
        return motion
    return motion.with_notes(f"Points that are no marker of the set were ignored: {', '.join(ignored)}.")
