"""Real recordings that no network has seen: videos, inertial sensors, markers; every method that applies to each.

Writes ``docs/results/real_recordings.md``, its figures in ``docs/images``, and for the study's page a table in
``docs/results/beside``.

Usage: python tools/results_real.py [--weights DIR]     (reads ``real`` in the folder given by KINEFUSE_DATA)
"""

import argparse
import datetime
import tempfile
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import torch
from scipy.signal import find_peaks

from kinefuse.body.angles import joint_angles
from kinefuse.body.models import load_anny
from kinefuse.conventions import COORDINATES, JOINT_INDEX, SEGMENT_INDEX
from kinefuse.estimators.networks import ImuNetEstimator, VideoNetEstimator
from kinefuse.estimators.registry import make_estimator
from kinefuse.formats.pose2sim import import_pose2sim
from kinefuse.formats.segments import motion_of_angles
from kinefuse.formats.storage import Table, read_mot
from kinefuse.formats.trial import read_trial
from kinefuse.metrics.compare import Row
from kinefuse.metrics.tables import TableDifference, compare_to_mot
from kinefuse.models.weights import load_network
from kinefuse.motion import Motion
from kinefuse.recordings import Recording
from kinefuse.rotations import matrix_from_euler, nearest_yaw, yaw_matrix
from kinefuse.study.tables import csv_text
from kinefuse.vision.detection import detect_recording
from kinefuse.vision.preparation import measure_joint_centers
from real_figures import draw_balancing, draw_knees, draw_opensense, draw_timeline
from real_table import LEGS, Recorded, estimates, marker_recordings, table_line, table_rows
from real_table import sitting_rows as rows_of_sitting
from real_trials import REAL, off_main_axis, opensense_trial, qmt_trial, tilt_by_gravity, without_pose
from results_balancing import ANGLES, REFERENCES, Result, draw_overlay

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "results" / "real_recordings.md"
BESIDE = ROOT / "docs" / "results" / "beside"
IMAGES = ROOT / "docs" / "images"

BALANCING = REAL / "pose2sim_balancing"
OPENSENSE_MOT = REAL / "opensense_walking" / "reference" / "ik_MT_012005D6_009-001_orientations.mot"
OPENSENSE_WALK: Final = (7.0, 24.0)
OPENSENSE_ANGLES: Final = (
    *(f"{angle}_{side}" for angle in ANGLES[:5] for side in "rl"),
    *(f"lumbar_{axis}" for axis in ("extension", "bending", "rotation")),
    *(f"pelvis_{axis}" for axis in ("tilt", "list", "rotation")),
)

STANDING: Final = ((40.3, 43.7),)
SITTING: Final = ((54.0, 77.0),)
WALKING: Final = ((97.0, 113.0), (118.0, 136.0))
TURNING: Final = ("thigh", "shank", "foot", "forearm")
"""Segments that turn about one axis mainly in walking."""

TIMELINE_ANGLES: Final = (
    "pelvis_tilt", "lumbar_extension", "neck_flexion",
    *(f"{a}_{s}" for a in (*ANGLES[:5], "arm_flex", "arm_add", "elbow_flex") for s in "rl"),
)  # fmt: skip


@dataclass(frozen=True)
class Fit:
    """One source of 2-D points of the man on a beam: what both estimators make of it."""

    source: str
    network: Result
    smplify: Motion


@dataclass(frozen=True)
class Strides:
    """One knee while walking, cut at its greatest flexion; degrees and seconds."""

    curves: np.ndarray
    duration_s: float
    peak: float
    least: float
    second_peak: float


def balancing_fits(videonet: VideoNetEstimator, folder: Path) -> list[Fit]:
    """The trial from its videos and from OpenPose's detections, cameras refined."""
    fits = []
    for source, detections in (("videos", "none"), ("OpenPose detections", "associated")):
        import_pose2sim(BALANCING, folder / detections, detections=detections)
        recording = read_trial(folder / detections)
        if detections == "none":
            recording = detect_recording(recording)[0]
        prepared = measure_joint_centers(recording, refine=True)
        motion = videonet.estimate(prepared.recording)
        smplify = make_estimator("smplify3d").estimate(prepared.recording)
        fits.append(Fit(source, Result(source, prepared, motion), smplify))
    return fits


def balancing_references(start_s: float) -> dict[str, Table]:
    """Both of OpenSim's results, with their clocks brought to the trial's."""
    tables = {label: read_mot(BALANCING / "reference" / name) for label, name in REFERENCES.items()}
    return {label: replace(table, time=table.time - table.time[0] + start_s) for label, table in tables.items()}


def by_coordinate(motion: Motion, table: Table, coordinates: tuple[str, ...]) -> dict[str, TableDifference]:
    return {row.coordinate: row for row in compare_to_mot(motion, table, coordinates)}


def degrees(values: tuple[float, ...] | list[float], signs: str = "") -> list[str]:
    """Radians as cells in degrees; `signs` names the cells (by number) that get a sign."""
    return [f"{np.degrees(v):{'+' if str(i) in signs else ''}.1f}" for i, v in enumerate(values)]


def balancing_rows(fit: Fit, tables: dict[str, Table]) -> list[str]:
    """VideoNet against both references, smplify3d beside it, and the references against each other."""
    names = tuple(f"{angle}_{side}" for angle in ANGLES for side in "rl")
    ours = [by_coordinate(fit.network.motion, table, names) for table in tables.values()]
    fitted = [by_coordinate(fit.smplify, table, names) for table in tables.values()]
    cells = {
        n: [v for found in ours for v in (found[n].rmse, found[n].median_offset, found[n].rmse_no_offset)]
        for n in names
    }
    beside = {n: [v for found in fitted for v in (found[n].rmse, found[n].rmse_no_offset)] for n in names}
    apart = {n: reference_spread(tables, n) for n in names}
    rows = [
        f"| {n} | " + " | ".join(degrees(cells[n], "14") + degrees(beside[n]) + degrees(apart[n])) + " |" for n in names
    ]
    mean = [np.mean([part[n] for n in names], axis=0) for part in (cells, beside, apart)]
    mean[0][[1, 4]] = np.nan
    text = [cell for part in mean for cell in degrees(list(part))]
    return [*rows, "| **mean** | " + " | ".join("" if cell == "nan" else cell for cell in text) + " |"]


def reference_spread(tables: dict[str, Table], name: str) -> list[float]:
    """RMS difference of the two references, and after its median is removed, radians."""
    first, second = (table.column(name) for table in tables.values())
    apart = second - first
    return [float(np.sqrt(np.mean(apart**2))), float(np.sqrt(np.mean((apart - np.median(apart)) ** 2)))]


def facing_as(motion: Motion, table: Table) -> Motion:
    """The motion turned to the reference's heading: sensors alone know none, and tilt and list mix with it."""
    index = [np.abs(motion.time - t).argmin() for t in table.time]
    theirs = matrix_from_euler("ZXY", np.stack([table.column(f"pelvis_{a}") for a in ("tilt", "list", "rotation")], -1))
    product = (theirs @ np.swapaxes(motion.R_world_segment[index, 0], 1, 2)).sum(0)
    turn = yaw_matrix(nearest_yaw(product))
    R, positions = turn @ motion.R_world_segment, motion.positions @ turn.T
    return replace(motion, R_world_segment=R, positions=positions, angles=joint_angles(R, positions[:, 0]))


def opensense_rows(posed: Motion, bare: Motion, table: Table) -> list[str]:
    """IMUNet against OpenSim's inverse kinematics, with and without the held pose."""
    found, without = (by_coordinate(motion, table, OPENSENSE_ANGLES) for motion in (posed, bare))
    rows = []
    for name in OPENSENSE_ANGLES:
        row, other = found[name], without[name]
        cells = degrees([float(np.ptp(table.column(name))), row.rmse, row.median_offset, row.rmse_no_offset], "2")
        cells += [f"{row.correlation:.2f}", *degrees([other.rmse, other.rmse_no_offset])]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows


def leg_means(motion: Motion, table: Table) -> str:
    """Mean RMSE of hips, knees and ankles in the sagittal plane, and after removing offsets."""
    rows = compare_to_mot(motion, table, LEGS)
    rms, rest = (np.degrees(np.mean([getattr(row, kind) for row in rows])) for kind in ("rmse", "rmse_no_offset"))
    return f"{rms:.1f}° ({rest:.1f}° after removing each coordinate's offset)"


def during(motion: Motion, name: str, spans: tuple[tuple[float, float], ...]) -> np.ndarray:
    """An angle within stretches of time, degrees."""
    inside = np.any([(motion.time >= a) & (motion.time <= b) for a, b in spans], axis=0)
    return np.degrees(motion.angle(name)[inside])


def timeline_rows(posed: Motion, bare: Motion) -> list[str]:
    """Medians while standing and sitting, and what 90 % of walking lies between."""
    rows = []
    for name in TIMELINE_ANGLES:
        cells = [f"{np.median(during(posed, name, span)):.0f}" for span in (STANDING, SITTING)]
        low, high = np.percentile(during(posed, name, WALKING), (5, 95))
        cells += [f"{low:.0f} to {high:.0f}"]
        cells += [f"{np.median(during(bare, name, span)):.0f}" for span in (STANDING, SITTING)]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows


def sitting_rows(motion: Motion) -> list[str]:
    """What sitting changes from standing: by the network, and by gravity in the sensors alone."""
    tilt = tilt_by_gravity(qmt_trial(), *SITTING[0])
    rows = []
    for side in "rl":
        chain = ("pelvis", f"thigh_{side}", f"shank_{side}", f"foot_{side}")
        pelvis, thigh, shank, foot = (tilt[segment] for segment in chain)
        by_gravity = {"hip_flexion": thigh - pelvis, "knee_angle": thigh - shank, "ankle_angle": foot - shank}
        for angle, told in by_gravity.items():
            rows.append(f"| {angle}_{side} | {change(motion, f'{angle}_{side}'):.0f} | {told:.0f} |")
    return [*rows, f"| pelvis_tilt | {change(motion, 'pelvis_tilt'):.0f} | {tilt['pelvis']:.0f} |"]


def change(motion: Motion, name: str) -> float:
    """The median while sitting minus that while standing, degrees."""
    return float(np.median(during(motion, name, SITTING)) - np.median(during(motion, name, STANDING)))


def body_row(fit: Fit) -> str:
    """How tall each estimator takes the man to be, and how far its joints are from the points, medians in mm."""
    centers = fit.network.prepared.recording.joint_centers
    assert centers is not None
    cells = []
    for motion in (fit.network.motion, fit.smplify):
        assert motion.shape is not None
        cells.append(f"{load_anny().stature(motion.shape):.2f}")
        for joint in ("hip", "knee", "ankle"):
            points = [centers.positions[:, centers.names.index(f"{joint}_{s}")] for s in "lr"]
            joints = [motion.positions[:, JOINT_INDEX[f"{joint}_{s}"]] for s in "lr"]
            apart = np.linalg.norm(np.subtract(points, joints), axis=-1)
            cells.append(f"{1000 * np.nanmedian(apart):.0f}")
    return f"| {fit.source} | " + " | ".join(cells) + " |"


def strides(motion: Motion, name: str) -> Strides:
    """Cut a knee's walking into strides, each resampled to 101 points from one greatest flexion to the next."""
    curves, durations = [], []
    for span in WALKING:
        angle = during(motion, name, (span,))
        tops = find_peaks(angle, height=0.7 * angle.max(), distance=round(0.6 * motion.rate_hz))[0]
        for a, b in pairwise(tops):
            curves.append(np.interp(np.linspace(a, b, 101), np.arange(len(angle)), angle))
            durations.append((b - a) / motion.rate_hz)
    usual = np.median(durations)
    kept = np.array([c for c, d in zip(curves, durations, strict=True) if abs(d - usual) < 0.25 * usual])
    mean = kept.mean(0)
    # After the swing's peak: the knee straightens, bends a little under load, and straightens again before push-off.
    low = int(mean[:50].argmin())
    later = low + int(mean[low:75].argmin()) if low < 25 else low
    bump = find_peaks(mean[15:80])[0]
    second = float(mean[15 + bump[mean[15 + bump].argmax()]]) if len(bump) else np.nan
    return Strides(kept, float(usual), float(mean.max()), float(mean[[low, later]].min()), second)


def stride_row(name: str, found: Strides) -> str:
    second = "none" if np.isnan(found.second_peak) else f"{found.second_peak:.0f}"
    cells = [f"{len(found.curves)}", f"{found.duration_s:.2f}", f"{found.peak:.0f}", f"{found.least:.0f}", second]
    cells += [f"{found.curves.std(0).mean():.1f}"]
    return f"| {name} | " + " | ".join(cells) + " |"


def mounting_rows() -> list[str]:
    """How far the mountings of both sets of sensors are from what walking shows, degrees."""
    found = [off_main_axis(opensense_trial(), *OPENSENSE_WALK), off_main_axis(qmt_trial(), *WALKING[0])]
    return [
        f"| {s} | " + " | ".join(f"{part[s]:.0f}" if s in part else "–" for part in found) + " |"
        for s in SEGMENT_INDEX
        if s.startswith(TURNING)
    ]


def all_rows(fits: list[Fit], tables: dict[str, Table]) -> list[Row]:
    """Every method on every recording with a reference, but for those of inertial sensors."""
    rows = []
    for fit in fits:
        recording = fit.network.prepared.recording
        done = {"videonet": fit.network.motion, "smplify3d": fit.smplify}
        motions = estimates(recording, done)
        (first, table), (second, other) = tables.items()
        beside = motion_of_angles(other.time, {n: other.column(n) for n in other.names if n in COORDINATES}, second)
        trial = Recorded(
            name=f"pose2sim_balancing: {fit.source}",
            recording=recording,
            reference=f"OpenSim, {first}",
            table=table,
            coordinates=tuple(f"{angle}_{side}" for angle in ANGLES for side in "rl"),
            others={f"OpenSim, {second}": beside},
        )
        rows += table_rows(trial, motions)
    for trial in marker_recordings():
        rows += table_rows(trial, estimates(trial.recording))
    return rows


def sensor_rows(walk: Recording, table: Table, imunet: ImuNetEstimator) -> list[Row]:
    """Every method on the walk with eight sensors, with its held pose and without."""
    rows = []
    for told, recording in (("with the held pose", walk), ("without", without_pose(walk))):
        trial = Recorded(
            name=f"opensense_walking, {told}",
            recording=recording,
            reference="OpenSim, sensors",
            table=table,
            coordinates=tuple(name for name in OPENSENSE_ANGLES if not name.startswith("pelvis")),
            others={},
        )
        rows += table_rows(trial, estimates(recording, {"imunet": imunet.estimate(recording)}))
    return rows


def load(weights: Path | None) -> tuple[VideoNetEstimator, ImuNetEstimator]:
    """The two unimodal networks, from a folder or as shipped."""
    video, imu = (
        load_network(name, weights / f"{name}.safetensors" if weights else None) for name in ("videonet", "imunet")
    )
    return VideoNetEstimator(network=video), ImuNetEstimator(network=imu)  # type: ignore[arg-type]


def main(weights: Path | None) -> None:
    """Make the page and its figures from weights in a folder, None for the shipped ones."""
    torch.manual_seed(0)
    videonet, imunet = load(weights)
    with tempfile.TemporaryDirectory() as folder:
        fits = balancing_fits(videonet, Path(folder))
        draw_overlay(fits[0].network, IMAGES / "real_balancing_overlay.jpg")
    tables = balancing_references(float(fits[0].network.motion.time[0]))
    draw_balancing(IMAGES / "real_balancing.png", fits[0].network.motion, fits[0].smplify, tables)

    walk, table = opensense_trial(), read_mot(OPENSENSE_MOT)
    posed, bare = (facing_as(imunet.estimate(trial), table) for trial in (walk, without_pose(walk)))
    draw_opensense(IMAGES / "real_opensense.png", posed, table)

    day = qmt_trial()
    whole, unposed = imunet.estimate(day), imunet.estimate(without_pose(day))
    knees = {name: strides(whole, name) for name in ("knee_angle_r", "knee_angle_l")}
    draw_timeline(IMAGES / "real_qmt_timeline.png", whole)
    draw_knees(IMAGES / "real_qmt_knees.png", {name: found.curves for name, found in knees.items()})

    methods = all_rows(fits, tables) + sensor_rows(walk, table, imunet)
    BESIDE.mkdir(parents=True, exist_ok=True)
    (BESIDE / "real_recordings.csv").write_text(csv_text(methods), encoding="utf-8")
    template = Path(__file__).with_name("results_real.md.txt").read_text(encoding="utf-8")
    OUT.write_text(
        template.format(
            date=datetime.date.today(),
            option=" --weights DIR" if weights else "",
            weights="weights of an intermediate state of training" if weights else "the shipped weights",
            videos="\n".join(balancing_rows(fits[0], tables)),
            bodies="\n".join(body_row(fit) for fit in fits),
            openpose="\n".join(balancing_rows(fits[1], tables)),
            opensense="\n".join(opensense_rows(posed, bare, table)),
            legs=leg_means(posed, table),
            legs_bare=leg_means(bare, table),
            timeline="\n".join(timeline_rows(whole, unposed)),
            sitting="\n".join(sitting_rows(whole)),
            strides="\n".join(stride_row(name, found) for name, found in knees.items()),
            mountings="\n".join(mounting_rows()),
            all_methods="\n".join(map(table_line, methods)),
            sitting_methods="\n".join(rows_of_sitting(estimates(day, {"imunet": whole}), STANDING[0], SITTING[0])),
        ),
        encoding="utf-8",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The networks on real recordings: docs/results/real_recordings.md")
    parser.add_argument(
        "--weights", type=Path, default=None, help="folder with videonet.safetensors, imunet.safetensors"
    )
    main(parser.parse_args().weights)
