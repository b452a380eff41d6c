"""The orientation filter against optical truth, and virtual sensors against the real one, on a BROAD recording.

Writes ``docs/results/orientation_filter.md``, and for the study's page tables in ``docs/results/beside``.

Usage: python tools/results_orientation.py     (reads ``real`` in the folder given by KINEFUSE_DATA)
"""

import datetime
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from scipy.io import loadmat

from kinefuse.conventions import COORDINATES, SEGMENTS
from kinefuse.inertial.orientation import estimate_orientation, least_turn_about_up
from kinefuse.metrics.compare import Row
from kinefuse.motion import Motion
from kinefuse.recordings import Imu
from kinefuse.rotations import matrix_from_quaternion, quaternion_from_matrix
from kinefuse.study.tables import csv_text
from kinefuse.synthesis.imus import REF_FROM_WORLD, ideal_imu, valid_runs

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "results" / "orientation_filter.md"
BESIDE = ROOT / "docs" / "results" / "beside"
DATA = Path(os.environ.get("KINEFUSE_DATA", ROOT.parent / "shared" / "data")) / "real" / "broad_06_fast_rotation"
TRIAL: Final = "06_undisturbed_fast_rotation_A"
CUTOFFS: Final = (10.0, 20.0, 40.0, None)
EDGE_S: Final = 0.5
"""What is left out next to a gap of the optical data, where a low-pass and a spline see one side only."""

ALIGNED_S: Final = 2.0
DRAWN_S: Final = 2.0
DRAWN_HZ: Final = 95
SHOWN_CUTOFF: Final = 20.0


@dataclass(frozen=True)
class Trial:
    """One rigid sensor: its readings, the optical truth (Z up, NaN where unseen), and when it moved, (T,)."""

    imu: Imu
    R_ref_sensor: np.ndarray
    position: np.ndarray
    moving: np.ndarray


@dataclass(frozen=True)
class FilterErrors:
    """Root mean squares over the movement, degrees; `before` is the heading that was taken out."""

    total: float
    heading: float
    inclination: float
    last_heading: float
    before: float


def read_trial() -> Trial:
    """Read the recording."""
    stored = loadmat(DATA / f"{TRIAL}.mat", squeeze_me=True)
    stamps = np.arange(len(stored["imu_gyr"])) / float(stored["sampling_rate"])
    imu = Imu(
        name="broad",
        segment="pelvis",
        time=stamps,
        specific_force=stored["imu_acc"],
        angular_rate=stored["imu_gyr"],
        magnetic_field=stored["imu_mag"],
    )
    return Trial(imu, matrix_from_quaternion(stored["opt_quat"]), stored["opt_pos"], stored["movement"].astype(bool))


def heading_and_inclination(error: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Total angle, turn about the vertical, and tilt, each (T,), of rotations (T, 3, 3) from truth to estimate, Z up.

    The decomposition of Laidig et al. (BROAD, 2021): the turn about Z that leaves the least angle, and that angle.
    """
    w, x, y, z = quaternion_from_matrix(error).T
    return (
        2 * np.arctan2(np.sqrt(x**2 + y**2 + z**2), np.abs(w)),
        2 * np.arctan2(np.abs(z), np.abs(w)),
        2 * np.arctan2(np.hypot(x, y), np.hypot(w, z)),
    )


def filter_errors(trial: Trial, R_ref_sensor: np.ndarray, aligned: bool) -> FilterErrors:
    """Errors of an estimate (T, 3, 3); `aligned` turns it to the truth's heading while it rests before the movement."""
    start = int(np.flatnonzero(trial.moving)[0])
    stamps = trial.imu.time
    resting = (stamps < stamps[start]) & (stamps >= stamps[start] - ALIGNED_S)
    truth = trial.R_ref_sensor
    product = np.nansum(truth[resting] @ np.swapaxes(R_ref_sensor[resting], 1, 2), axis=0)
    turn = least_turn_about_up(product, np.eye(3))
    error = (turn if aligned else np.eye(3)) @ R_ref_sensor @ np.swapaxes(truth, 1, 2)
    parts = [part[trial.moving] for part in heading_and_inclination(error)]
    total, heading, inclination = (float(np.degrees(np.sqrt(np.nanmean(part**2)))) for part in parts)
    last = parts[1][np.isfinite(parts[1])][-100:]
    before = float(np.degrees(np.arctan2(turn[1, 0], turn[0, 0])))
    return FilterErrors(total, heading, inclination, float(np.degrees(np.median(last))), before)


def filter_rows(trial: Trial) -> list[Row]:
    """One row for each form of the filter."""
    rows: list[Row] = []
    for label, magnetometer, aligned in (
        ("6D (gyroscope, accelerometer)", False, True),
        ("9D (with magnetometer)", True, True),
        ("9D, frames as they are", True, False),
    ):
        began = time.process_time()
        R = estimate_orientation(trial.imu, magnetometer)
        took = time.process_time() - began
        e = filter_errors(trial, R, aligned)
        row: Row = {"filter": label, "total_deg": e.total, "heading_deg": e.heading, "inclination_deg": e.inclination}
        rows.append(row | {"last_heading_deg": e.last_heading, "before_deg": e.before, "cpu_s": took})
    return rows


def as_motion(trial: Trial) -> Motion:
    """The truth as a motion of which only the pelvis is known, in a world with Y up."""
    frames = len(trial.imu.time)
    R = np.full((frames, len(SEGMENTS), 3, 3), np.nan)
    positions = np.full((frames, len(SEGMENTS), 3), np.nan)
    R[:, 0], positions[:, 0] = REF_FROM_WORLD.T @ trial.R_ref_sensor, trial.position @ REF_FROM_WORLD
    return Motion(
        time=trial.imu.time,
        R_world_segment=R,
        positions=positions,
        angles=np.full((frames, len(COORDINATES)), np.nan),
        provenance=np.zeros((frames, len(SEGMENTS)), np.uint8),
        shape=np.zeros(10),
        rest_positions=np.zeros((len(SEGMENTS), 3)),
    )


def compared(trial: Trial) -> np.ndarray:
    """(T,) true where the sensor moves and the truth is known for half a second on either side."""
    inside = np.zeros(len(trial.moving), dtype=bool)
    edge = round(EDGE_S / float(np.median(np.diff(trial.imu.time))))
    known = np.isfinite(trial.R_ref_sensor).all((1, 2)) & np.isfinite(trial.position).all(1)
    for run in valid_runs(known):
        inside[run.start + edge : max(run.start + edge, run.stop - edge)] = True
    return inside & trial.moving


def lever_arm(trial: Trial, motion: Motion, use: np.ndarray) -> np.ndarray:
    """Where the accelerometer sits in the rigid body, (3,) metres from the optical origin, by least squares over `use`.

    The reading is linear in that place, so three virtual sensors a metre away along the axes tell the design.
    """
    origin = ideal_imu(motion, "pelvis", np.zeros(3), np.eye(3), trial.imu.time, 20.0).specific_force
    columns = [
        ideal_imu(motion, "pelvis", axis, np.eye(3), trial.imu.time, 20.0).specific_force - origin for axis in np.eye(3)
    ]
    design = np.stack(columns, axis=-1)[use].reshape(-1, 3)
    return np.linalg.lstsq(design, (trial.imu.specific_force - origin)[use].ravel(), rcond=None)[0]


def deviation(real: np.ndarray, virtual: np.ndarray) -> tuple[float, float]:
    """RMS deviation over samples and axes, and the mean over axes of RMS deviation over range (maximum - minimum)."""
    by_axis = np.sqrt(((real - virtual) ** 2).mean(0))
    return float(np.sqrt((by_axis**2).mean())), float((by_axis / np.ptp(real, axis=0)).mean())


def halves(trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """(T,) true in the first half of what is compared, to which the place is fitted, and in the second."""
    use = compared(trial)
    half = use & (np.cumsum(use) <= use.sum() // 2)
    return half, use & ~half


def synthetic_rows(trial: Trial, motion: Motion, arm: np.ndarray) -> list[Row]:
    """Virtual against real readings in the second half of the movement."""
    _, judged = halves(trial)
    rows: list[Row] = []
    for cutoff in CUTOFFS:
        cells = []
        for place in (np.zeros(3), arm):
            imu = ideal_imu(motion, "pelvis", place, np.eye(3), trial.imu.time, cutoff)
            rate = deviation(trial.imu.angular_rate[judged], imu.angular_rate[judged])
            force = deviation(trial.imu.specific_force[judged], imu.specific_force[judged])
            cells.append((np.degrees(rate[0]), 100 * rate[1], force[0], 100 * force[1]))
        bare, placed = cells
        row: Row = {"low_pass": "none" if cutoff is None else f"{cutoff:g} Hz"}
        row |= {"rate_dps": bare[0], "rate_percent": bare[1], "force_mps2": bare[2], "force_percent": bare[3]}
        rows.append(row | {"force_placed_mps2": placed[2], "force_placed_percent": placed[3]})
    return rows


def signal_rows(trial: Trial, motion: Motion, arm: np.ndarray) -> list[Row]:
    """Real and virtual readings of one axis, `DRAWN_S` long, from the fastest turning of the judged half on."""
    _, judged = halves(trial)
    size = np.where(judged, np.linalg.norm(trial.imu.angular_rate, axis=1), 0.0)
    begin = int(size.argmax()) - DRAWN_HZ // 2
    shown = slice(begin, begin + round(DRAWN_S * 286), 286 // DRAWN_HZ)
    virtual = ideal_imu(motion, "pelvis", arm, np.eye(3), trial.imu.time, SHOWN_CUTOFF)
    time_s = trial.imu.time[shown] - trial.imu.time[begin]
    columns = {
        "time_s": time_s,
        "real_rate": np.degrees(trial.imu.angular_rate[shown, 0]),
        "virtual_rate": np.degrees(virtual.angular_rate[shown, 0]),
        "real_force": trial.imu.specific_force[shown, 0],
        "virtual_force": virtual.specific_force[shown, 0],
    }
    return [{name: round(float(values[i]), 3) for name, values in columns.items()} for i in range(len(time_s))]


def markdown(rows: list[Row], formats: tuple[str, ...]) -> str:
    """Rows as lines of a table, one format a column."""
    return "\n".join(
        "| " + " | ".join(format(value, form) for value, form in zip(row.values(), formats, strict=True)) + " |"
        for row in rows
    )


def turning(trial: Trial) -> float:
    """RMS of the real angular rate's size during the movement, degrees a second."""
    return float(np.degrees(np.sqrt((trial.imu.angular_rate[trial.moving] ** 2).sum(1).mean())))


def main() -> None:
    """Make the page."""
    trial = read_trial()
    motion = as_motion(trial)
    arm = lever_arm(trial, motion, halves(trial)[0])
    filters, synthetic = filter_rows(trial), synthetic_rows(trial, motion, arm)
    tables = {"orientation_filter": filters, "virtual_sensors": synthetic}
    BESIDE.mkdir(parents=True, exist_ok=True)
    for name, rows in (tables | {"virtual_signals": signal_rows(trial, motion, arm)}).items():
        (BESIDE / f"{name}.csv").write_text(csv_text(rows), encoding="utf-8")
    template = Path(__file__).with_name("results_orientation.md.txt").read_text(encoding="utf-8")
    OUT.write_text(
        template.format(
            date=datetime.date.today(),
            seconds=f"{trial.imu.time[-1]:.0f}",
            moving=f"{trial.moving.mean() * trial.imu.time[-1]:.0f}",
            rate=f"{turning(trial):.0f}",
            filters=markdown(filters, ("", ".2f", ".2f", ".2f", ".2f", "+.1f", ".1f")),
            synthetic=markdown(synthetic, ("", ".1f", ".1f", ".2f", ".1f", ".2f", ".1f")),
            arm=", ".join(f"{1000 * a:.0f}" for a in arm),
        ),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
