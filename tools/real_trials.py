"""Two published recordings of inertial sensors as trials, for `results_real`: what is known of them, no more."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from scipy.io import loadmat

from kinefuse.inertial.mounting import lid_axis, mount_by_pose, mounting_by_face, segment_in_pose, vertical
from kinefuse.inertial.sampling import single_step
from kinefuse.recordings import HeldPose, Imu, Recording
from kinefuse.rotations import rotvec_from_matrix

REAL = Path(os.environ.get("KINEFUSE_DATA", Path(__file__).parents[2] / "shared" / "data")) / "real"
OPENSENSE_HZ: Final = 100.0
OPENSENSE: Final = {
    "00B42268": "thorax", "00B42279": "pelvis", "00B4227C": "thigh_r", "00B4227D": "shank_r", "00B421EF": "foot_r",
    "00B421EE": "thigh_l", "00B421ED": "shank_l", "00B421E6": "foot_l",
}  # fmt: skip
OPENSENSE_POSE: Final = HeldPose(kind="n", start_s=0.0, end_s=1.0)
"""Its first sample is the standing pose in which OpenSim places the sensors on its model."""

QMT: Final = {"hip": "pelvis", "upper_back": "thorax", "head": "head"} | {
    f"{part}_{side}": f"{segment}_{side[0]}"
    for side in ("left", "right")
    for part, segment in (
        ("upper_leg", "thigh"),
        ("lower_leg", "shank"),
        ("foot", "foot"),
        ("upper_arm", "upper_arm"),
        ("forearm", "forearm"),
    )
}
QMT_POSE: Final = HeldPose(kind="n", start_s=40.3, end_s=43.7)
BACK: Final = np.array([-1.0, 0.0, 0.0])


def opensense_trial() -> Recording:
    """Eight Xsens MTw with specific force and orientation, no gyroscope; OpenSim's standing pose at the start."""
    imus = []
    for path in sorted((REAL / "opensense_walking" / "IMUData").glob("*.txt")):
        rows = [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("//")]
        column = {name: i for i, name in enumerate(rows[0])}
        force = np.array([[float(row[column[f"Acc_{axis}"]]) for axis in "XYZ"] for row in rows[1:]])
        names = [f"Mat[{i}][{j}]" for i in "123" for j in "123"]
        R = np.array([[float(row[column[name]]) for name in names] for row in rows[1:]]).reshape(-1, 3, 3)
        site, time = OPENSENSE[path.stem[-8:]], np.arange(len(force)) / OPENSENSE_HZ
        none = np.full_like(force, np.nan)
        imus.append(Imu(name=site, segment=site, time=time, specific_force=force, angular_rate=none, R_ref_sensor=R))
    return Recording(imus=tuple(imus), poses=(OPENSENSE_POSE,))


def qmt_trial() -> Recording:
    """Thirteen raw sensors (those on lower back and hands are left out), standing still at the start.

    Only the thorax sensor's mounting is given, because it is on the back, where the held pose takes it to be in front.
    """
    stored = loadmat(REAL / "qmt_fullbody_imu" / "full_body_example_data.mat", squeeze_me=True, struct_as_record=False)
    imus = tuple(
        Imu(
            name=name,
            segment=segment,
            time=stored["t"],
            specific_force=stored[name].acc,
            angular_rate=stored[name].gyr,
        )
        for name, segment in QMT.items()
    )
    return Recording(imus=tuple(_on_the_back(imu) for imu in imus), poses=(QMT_POSE,))


def _on_the_back(imu: Imu) -> Imu:
    up = vertical(imu, QMT_POSE) if imu.segment == "thorax" else None
    return imu if up is None else replace(imu, R_segment_sensor=mounting_by_face(up, lid_axis([], {}), BACK))


def without_pose(recording: Recording) -> Recording:
    """The same without anything known of how the sensors are mounted."""
    bare = tuple(replace(imu, R_segment_sensor=None) for imu in recording.imus)
    return replace(recording, imus=bare, poses=())


def tilt_by_gravity(recording: Recording, start_s: float, end_s: float) -> dict[str, float]:
    """How far segments are tilted in the sagittal plane while they rest, by their accelerometers and the held pose.

    Returns
    -------
    By segment, degrees from the held pose about the transverse axis: positive is a thigh raised, a pelvis leaning back.
    """
    pose = recording.poses[0]
    tilts = {}
    for imu in mount_by_pose(recording.imus, pose).imus:
        assert imu.R_segment_sensor is not None
        inside = (imu.time > start_s) & (imu.time < end_s)
        up = imu.R_segment_sensor @ np.median(imu.specific_force[inside], axis=0)
        tilts[imu.segment] = float(np.degrees(np.arctan2(up[0], up[1])))
    return tilts


def off_main_axis(recording: Recording, start_s: float, end_s: float) -> dict[str, float]:
    """How far each sensor's transverse axis, as the held pose tells it, is from the axis it turns about in walking.

    That axis is the horizontal one (horizontal in the held pose) with the most turning, up to its sign. It uses the
    motion and no reference, so it judges the rule from outside; it is no truth, since segments do not turn about one
    axis only.

    Returns
    -------
    By segment, degrees, 0 to 90.
    """
    pose = recording.poses[0]
    return {imu.segment: _off_main_axis(imu, pose, start_s, end_s) for imu in mount_by_pose(recording.imus, pose).imus}


def _off_main_axis(imu: Imu, pose: HeldPose, start_s: float, end_s: float) -> float:
    assert imu.R_segment_sensor is not None
    time, rate = _rates(imu)
    in_body = rate @ (segment_in_pose(imu.segment, pose.kind) @ imu.R_segment_sensor).T
    level = in_body[(time > start_s) & (time < end_s)][:, [0, 2]]
    along_x, along_z = np.linalg.eigh(level.T @ level)[1][:, -1]
    return float(np.degrees(np.arctan2(abs(along_x), abs(along_z))))


def _rates(imu: Imu) -> tuple[np.ndarray, np.ndarray]:
    """Return times (T,) and angular rate (T, 3): the measured one, else that between orientations."""
    if imu.R_ref_sensor is None:
        return imu.time, imu.angular_rate
    turned = rotvec_from_matrix(np.swapaxes(imu.R_ref_sensor[:-1], 1, 2) @ imu.R_ref_sensor[1:])
    return imu.time[1:], turned / single_step(np.diff(imu.time))
