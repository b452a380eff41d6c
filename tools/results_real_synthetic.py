"""The same movement read by real and by virtual sensors and cameras: how much worse is a method on the real ones?

The paper's Table II, on the two real recordings with a reference whose joint angles all our methods can be held to.
The reference's joint angles are put on a body; virtual sensors, or virtual detections in the images of the trial's own
cameras, read it; every method answers both; all are compared with that reference.

Writes ``docs/results/real_against_synthetic.md`` and, for the study's page, a table in ``docs/results/beside``.

Usage: python tools/results_real_synthetic.py [--draws 5]     (reads ``real`` in the folder given by KINEFUSE_DATA)
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import torch

from kinefuse.body.angles import joint_angles, orientations_from_angles
from kinefuse.body.kinematics import joint_positions
from kinefuse.conventions import COORDINATES, SEGMENT_INDEX, TRANSLATIONS
from kinefuse.estimators.registry import make_estimator
from kinefuse.evaluation.filming import person_of
from kinefuse.formats.pose2sim import import_pose2sim
from kinefuse.formats.storage import Table, read_mot
from kinefuse.formats.trial import read_trial
from kinefuse.inertial.mounting import mount_by_pose
from kinefuse.metrics.compare import Row, motion_at
from kinefuse.motion import Motion
from kinefuse.recordings import HeldPose, Recording
from kinefuse.rotations import nearest_yaw, yaw_matrix
from kinefuse.study.signals import SENSOR_HZ, during, ideal_signals, turned, with_device_orientation, worn_sensors
from kinefuse.study.tables import csv_text
from kinefuse.synthesis.cameras import film
from kinefuse.synthesis.gait import root_from_feet
from kinefuse.synthesis.imus import ImuFaults, smoothed
from kinefuse.vision.preparation import measure_joint_centers
from real_table import Recorded, table_rows
from real_trials import OPENSENSE_POSE, opensense_trial
from results_balancing import ANGLES
from results_real import BALANCING, BESIDE, OPENSENSE_ANGLES, OPENSENSE_MOT, ROOT, balancing_references

STANDING: Final = HeldPose(kind="n", start_s=-3.0, end_s=-1.0)
"""Virtual people stand still in the reference's first frame, OpenSim's standing pose, before it begins: its own first
second trembles by half a degree from frame to frame, which no person does."""

OUT: Final = ROOT / "docs" / "results" / "real_against_synthetic.md"
BALANCING_RATE_HZ: Final = 60.0
MEASURES: Final = ("legs_rms_deg", "legs_after_deg", "all_rms_deg", "all_after_deg")
SETTLING_S: Final = 10.0
"""Real devices had been running before the recording begins; the filters of virtual ones need that time to settle."""

ROOT_HZ: Final = 2.0
"""Low-pass of the way that the feet tell, which jerks where one sole takes over from the other. With it the virtual
pelvis feels at most 16 m/s², the real one 19."""


def oriented(table: Table) -> np.ndarray:
    """Return the segments' orientations (T, 22, 3, 3) of a reference's joint angles; those that it lacks are zero."""
    angles = np.zeros((len(table.time), len(COORDINATES)))
    for number, name in enumerate(COORDINATES):
        if name in table.names and name not in TRANSLATIONS:
            angles[:, number] = table.column(name)
    return orientations_from_angles(angles)


def walked(table: Table, like: Motion) -> Motion:
    """Return a reference's movement on the body of a motion, going where the soles on the floor do not slide."""
    R = oriented(table)
    way = root_from_feet(R, like.rest_positions, table.time, np.ones((len(R), 6)))
    return embodied(like, table.time, R, smoothed(way, SENSOR_HZ, ROOT_HZ).copy())


def in_place_of(motion: Motion, table: Table) -> Motion:
    """Return a reference's movement on the body of a motion, at its place and turned to its mean heading."""
    there, R, pelvis = motion_at(motion, table.time), oriented(table), SEGMENT_INDEX["pelvis"]
    turn = nearest_yaw((there.R_world_segment[:, pelvis] @ np.swapaxes(R[:, pelvis], 1, 2)).sum(0))
    return embodied(motion, table.time, yaw_matrix(turn) @ R, there.positions[:, 0])


def after_standing(table: Table) -> Table:
    """Return a reference that begins `SETTLING_S` earlier, with its first frame held until then."""
    earlier = np.arange(-round(SETTLING_S * SENSOR_HZ), 0) / SENSOR_HZ
    values = np.concatenate([np.repeat(table.values[:1], len(earlier), axis=0), table.values])
    return replace(table, time=np.concatenate([table.time[0] + earlier, table.time]), values=values)


def embodied(like: Motion, time: np.ndarray, R: np.ndarray, root: np.ndarray) -> Motion:
    """Return orientations (T, 22, 3, 3) and a root (T, 3) as a motion of the body of another one."""
    arrays = (R, root, like.rest_positions)
    return replace(
        like,
        time=time,
        R_world_segment=R,
        positions=joint_positions(*(torch.as_tensor(array) for array in arrays)).numpy(),
        angles=joint_angles(R, root),
        provenance=np.broadcast_to(like.provenance[:1], (len(time), like.provenance.shape[1])).copy(),
        orientation_sd=None,
        angle_sd=None,
    )


def worn(truth: Motion, real: Recording, rng: np.random.Generator) -> Recording:
    """Return virtual sensors in the place of real ones: the same sites, mounting and rate, and no gyroscope either."""
    like = {imu.segment: imu for imu in mount_by_pose(real.imus, OPENSENSE_POSE).imus}
    imus = []
    for imu in worn_sensors(ideal_signals(truth), rng, ImuFaults()):
        if imu.segment in like:
            mounting = like[imu.segment].R_segment_sensor
            assert mounting is not None
            told = during(turned(with_device_orientation(imu), mounting, -SETTLING_S), STANDING.start_s, np.inf)
            imus.append(replace(told, angular_rate=np.full_like(told.angular_rate, np.nan), magnetic_field=None))
    return Recording(imus=tuple(imus), poses=(STANDING,))


def filmed(truth: Motion, real: Recording, rng: np.random.Generator) -> Recording:
    """Return points that are measured from virtual detections in the images of a trial's own cameras."""
    views = film(truth, person_of(truth), np.zeros(0), real.cameras, rng, BALANCING_RATE_HZ)
    return measure_joint_centers(Recording(cameras=real.cameras, views=views), refine=True).recording


def walk(draws: int) -> Iterator[tuple[str, Recorded, Mapping[str, Motion]]]:
    """Every method on the walk with eight sensors, real and virtual."""
    real, table = opensense_trial(), read_mot(OPENSENSE_MOT)
    methods = ("imunet", "imu-kinematics")
    answers = {name: make_estimator(name).estimate(real) for name in methods}
    coordinates = tuple(name for name in OPENSENSE_ANGLES if not name.startswith("pelvis"))
    recorded = Recorded("opensense_walking", real, "OpenSim, sensors", table, coordinates, {})
    yield "real", recorded, answers
    truth = walked(after_standing(table), answers["imunet"])
    for draw in range(draws):
        virtual = worn(truth, real, np.random.default_rng(draw))
        yield "virtual", recorded, {name: make_estimator(name).estimate(virtual) for name in methods}


def balance(draws: int) -> Iterator[tuple[str, Recorded, Mapping[str, Motion]]]:
    """Every method on the man on a beam, from OpenPose's detections and from virtual ones."""
    methods = ("videonet", "smplify3d", "smplify3d:paper")
    with tempfile.TemporaryDirectory() as folder:
        import_pose2sim(BALANCING, Path(folder) / "trial", detections="associated")
        real = measure_joint_centers(read_trial(Path(folder) / "trial"), refine=True).recording
    answers = {name: make_estimator(name).estimate(real) for name in methods}
    start_s = float(answers["smplify3d"].time[0])
    label, table = next(iter(balancing_references(start_s).items()))
    coordinates = tuple(f"{angle}_{side}" for angle in ANGLES for side in "rl")
    recorded = Recorded("pose2sim_balancing", real, f"OpenSim, {label}", table, coordinates, {})
    yield "real", recorded, answers
    truth = in_place_of(answers["smplify3d"], table)
    for draw in range(draws):
        virtual = filmed(truth, real, np.random.default_rng(draw))
        yield "virtual", recorded, {name: make_estimator(name).estimate(virtual) for name in methods}


def means(found: Sequence[tuple[str, Recorded, Mapping[str, Motion]]]) -> list[Row]:
    """Return a row for each recording and method: its errors on real and on virtual input, mean and spread of draws."""
    every: dict[tuple[str, str, str], dict[str, list[Row]]] = {}
    for kind, recorded, answers in found:
        for row in table_rows(recorded, answers):
            key = str(row["recording"]), str(row["reference"]), str(row["method"])
            every.setdefault(key, {}).setdefault(kind, []).append(row)
    return [_mean(key, by_kind["real"][0], by_kind["virtual"]) for key, by_kind in every.items()]


def _mean(key: tuple[str, str, str], real: Row, virtual: Sequence[Row]) -> Row:
    row: Row = dict(zip(("recording", "reference", "method"), key, strict=True)) | {"draws": len(virtual)}
    for measure in MEASURES:
        drawn = np.array([one[measure] for one in virtual], dtype=float)
        spread = float(drawn.std(ddof=1)) if len(drawn) > 1 else float("nan")
        row |= {f"{measure}_real": real[measure], f"{measure}_virtual": float(drawn.mean())}
        row[f"{measure}_virtual_sd"] = spread
    return row


def line(row: Row) -> str:
    """Return a row of `means` as a line of Markdown."""
    cells = [f"| {row['recording']} | {row['reference']} | `{row['method']}` |"]
    for measure in MEASURES:
        real, virtual, spread = (row[f"{measure}_{part}"] for part in ("real", "virtual", "virtual_sd"))
        cells.append(f" {real:.1f} | {virtual:.1f} ± {spread:.1f} |")
    return "".join(cells)


def main() -> None:
    """Compute everything and write the page and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=5, help="how often the virtual noise is drawn")
    draws = parser.parse_args().draws
    torch.manual_seed(0)
    rows = means([*walk(draws), *balance(draws)])
    BESIDE.mkdir(parents=True, exist_ok=True)
    (BESIDE / "real_against_synthetic.csv").write_text(csv_text(rows), encoding="utf-8")
    template = Path(__file__).with_name("results_real_synthetic.md.txt").read_text(encoding="utf-8")
    OUT.write_text(
        template.format(date=date.today(), draws=draws, last=draws - 1, rows="\n".join(map(line, rows))),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
