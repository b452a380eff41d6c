"""Every estimator that applies to a real recording, and other tools' results, in one table against its reference."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.conventions import COORDINATES
from kinefuse.errors import KinefuseError
from kinefuse.estimators.registry import ESTIMATORS, make_estimator
from kinefuse.formats.angle_tables import read_angles
from kinefuse.formats.storage import Table, read_mot
from kinefuse.formats.trc import read_trc
from kinefuse.metrics.compare import Row
from kinefuse.metrics.tables import compare_to_mot
from kinefuse.motion import Motion
from kinefuse.recordings import Recording
from kinefuse.study.plan import IF_ASKED
from real_trials import REAL

CELLS: Final = (("angles", ""), ("rms_deg", ".1f"), ("after_deg", ".1f"), ("r", ".2f"))
"""Of each group of angles: name in a row, and how a document shows it."""

LEGS: Final = tuple(f"{angle}_{side}" for angle in ("hip_flexion", "knee_angle", "ankle_angle") for side in "rl")
MOVING: Final = np.deg2rad(5.0)
"""As in `metrics.compare`: what the reference moves less is left out of the mean over all angles."""

JOINTS: Final = tuple(name for name in COORDINATES if not name.startswith(("pelvis", "mtp")))
"""Angles between two segments; toes carry neither markers nor sensors in any of these recordings."""

SAGITTAL: Final = ("hip_flexion_r", "knee_angle_r", "hip_flexion_l", "knee_angle_l")


@dataclass(frozen=True)
class Recorded:
    """A recording with its reference, and what is compared with it beside our estimators.

    Attributes
    ----------
    name : of the recording, with what of it is given
    recording
    reference : what made `table`
    table : joint angles, on the recording's clock
    coordinates : angles that the reference has measured and counts as we do
    others : other tools' angles by name, on that clock too
    """

    name: str
    recording: Recording
    reference: str
    table: Table
    coordinates: tuple[str, ...]
    others: Mapping[str, Motion]


def marker_recordings() -> list[Recorded]:
    """Walking and a drop jump with optical markers, beside OpenSim's and AddBiomechanics's inverse kinematics."""
    folder = REAL / "opencap_markers_walk2_dj1"
    return [
        Recorded(
            name=f"opencap {trial}: markers",
            recording=Recording(joint_centers=read_trc(folder / f"{trial}.trc", canonical=False)),
            reference="OpenSim",
            table=read_mot(folder / "reference" / f"{trial}_ik_opensim46.mot"),
            coordinates=JOINTS,
            others={"AddBiomechanics": read_angles(folder / "reference" / f"{trial}_ik_addbiomechanics.mot")},
        )
        for trial in ("walking2", "DJ1")
    ]


def estimates(recording: Recording, done: Mapping[str, Motion] | None = None) -> dict[str, Motion]:
    """Return the motion of every estimator that can use a recording, by name.

    Parameters
    ----------
    recording
    done : motions that are there already, by the estimator's name
    """
    motions = {}
    for name in (name for name in ESTIMATORS if name not in IF_ASKED):
        with suppress(KinefuseError):  # it cannot use this recording
            motions[name] = (done or {}).get(name) or make_estimator(name).estimate(recording)
    return motions


def table_rows(recorded: Recorded, motions: Mapping[str, Motion]) -> list[Row]:
    """Return a row for each estimator and each other tool, which is not `ours`."""
    rows = []
    for name, motion in (*motions.items(), *recorded.others.items()):
        row: Row = {"recording": recorded.name, "reference": recorded.reference, "method": name}
        row["ours"] = int(name in motions)
        for group, names in (("legs", LEGS), ("all", _moving(recorded, motion))):
            row |= _means(motion, recorded.table, names, group)
        rows.append(row)
    return rows


def table_line(row: Row) -> str:
    """Return a row of `table_rows` as a line of Markdown; other tools are in italics."""
    told = f"`{row['method']}`" if row["ours"] else f"*{row['method']}*"
    cells = [" | ".join(format(row[f"{group}_{what}"], form) for what, form in CELLS) for group in ("legs", "all")]
    return f"| {row['recording']} | {row['reference']} | {told} | " + " | ".join(cells) + " |"


def _moving(recorded: Recorded, motion: Motion) -> tuple[str, ...]:
    """Return the angles that move in the reference, and that the motion has."""
    table = recorded.table
    return tuple(
        name
        for name in recorded.coordinates
        if name in table.names and np.ptp(table.column(name)) > MOVING and np.isfinite(motion.angle(name)).any()
    )


def _means(motion: Motion, table: Table, names: Iterable[str], group: str) -> Row:
    """Return the means of RMS difference, of that without each angle's offset, and of correlation."""
    rows = compare_to_mot(motion, table, tuple(names))
    rms, after = (np.degrees(np.mean([getattr(row, kind) for row in rows])) for kind in ("rmse", "rmse_no_offset"))
    r = float(np.nanmean([row.correlation for row in rows]))
    return {
        f"{group}_angles": len(rows),
        f"{group}_rms_deg": float(rms),
        f"{group}_after_deg": float(after),
        f"{group}_r": r,
    }


def sitting_rows(
    motions: Mapping[str, Motion], standing: tuple[float, float], sitting: tuple[float, float]
) -> list[str]:
    """Return medians of hips and knees while standing and while sitting, and their difference, one line a method."""
    rows = []
    for name, motion in motions.items():
        medians = [
            [np.degrees(np.nanmedian(motion.angle(angle)[_within(motion, span)])) for angle in SAGITTAL]
            for span in (standing, sitting)
        ]
        rows.append(f"| `{name}` | " + " | ".join(str(round(value)) for part in medians for value in part) + " |")
    return rows


def _within(motion: Motion, span: tuple[float, float]) -> np.ndarray:
    return (motion.time >= span[0]) & (motion.time <= span[1])
