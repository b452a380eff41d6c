"""kinefuse's side of ``make opensim-check``: makes what OpenSim is to read, then compares with what OpenSim says.

Usage: opensim_check_ours.py prepare BUILD [DATA]
       opensim_check_ours.py compare BUILD DATA
"""

import datetime
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from kinefuse.body.angles import (
    ANATOMICAL_OFFSETS,
    JOINT_ANGLES,
    PELVIS,
    JointAngles,
    is_near_singular,
    joint_angles,
    orientations_from_angles,
)
from kinefuse.body.models import load_anny
from kinefuse.conventions import COORDINATE_INDEX, COORDINATES, JOINT_INDEX, SEGMENT_INDEX, SEGMENTS
from kinefuse.estimators.registry import make_estimator
from kinefuse.formats.results import read_result, write_result
from kinefuse.formats.storage import OPENSIM_BODIES, angles_in_degrees, read_mot, segment_orientations, write_mot
from kinefuse.formats.tables import motion_centers
from kinefuse.formats.trc import read_trc
from kinefuse.motion import Motion
from kinefuse.recordings import Recording
from kinefuse.rotations import quaternion_from_matrix

ROOT = Path(__file__).parents[1]
TRIALS = ("walking2", "DJ1")
HIDDEN = slice(20, 30)
"""Frames in which one wrist is made missing, to see what OpenSim reads in its place."""
GAP_COORDINATE = "wrist_flex_l"

REQUIRED_DEG = {"hip_flexion": 4.0, "knee_angle": 4.0, "ankle_angle": 4.0, "hip_adduction": 6.0}
"""Largest RMS difference after removing one constant offset per coordinate."""
EXPLAINED_ABOVE_DEG = 10.0
PELVIS_JOINT = JointAngles("pelvis", "pelvis", PELVIS, (1, 1, 1))
NOT_MEASURED = "mtp_"
"""There is no marker on the toes."""
EXPLAINED = ("lumbar_extension", "arm_flex", "elbow_flex", "subtalar_angle", "pro_sup")
"""Coordinates whose large offsets docs/results/opensim.md explains."""

EXACT = ("hip_", "lumbar_", "arm_", "pelvis_", "neck_", "wrist_")
"""Coordinates that the models define as ours are: +20 degrees there are +20 here."""
EXACT_DEG, OBLIQUE_DEG = 0.01, 6.0
OTHER_SIGN = {"neck_flexion"}
"""Coordinates that Pose2Sim's models count the other way round; Rajagopal2016, whose signs are ours, has no neck."""

failures: list[str] = []


def verdict(passed: bool, text: str) -> None:
    """Print one line; remember a failure."""
    print(f"{'PASS' if passed else 'FAIL'}  {text}", flush=True)
    if not passed:
        failures.append(text)


# --- what OpenSim is to read ------------------------------------------------------------------------------------------


def opencap(data: Path) -> Path:
    """Return the folder of the two optical trials."""
    return data / "real" / "opencap_markers_walk2_dj1"


def fit_trial_markers(data: Path, trial: str) -> Motion:
    """Return our fit to the optical markers of a trial."""
    markers = read_trc(opencap(data) / f"{trial}.trc", canonical=False)
    return make_estimator("smplify3d").estimate(Recording(joint_centers=markers))


def invented_motion() -> Motion:
    """Return one second of every joint swinging, for where no real recording is at hand."""
    time, body = np.arange(0, 1, 0.01), load_anny()
    swing = 0.3 * np.sin(2 * np.pi * time[:, None] + np.arange(len(COORDINATES)))
    R, rest = orientations_from_angles(swing), body.rest_positions(np.zeros(body.n_shape))
    positions = np.einsum("tij,kj->tki", R[:, 0], rest) + np.array([0.0, 1.0, 0.0])
    return Motion(
        time=time,
        R_world_segment=R,
        positions=positions,
        angles=joint_angles(R, positions[:, 0]),
        provenance=np.zeros((len(time), len(SEGMENTS)), np.uint8),
        shape=np.zeros(body.n_shape),
        rest_positions=rest,
        estimator="invented",
    )


def with_missing_wrist(motion: Motion) -> Motion:
    """Return the motion with one wrist and its hand missing over some frames."""
    positions, R = motion.positions.copy(), motion.R_world_segment.copy()
    positions[HIDDEN, JOINT_INDEX["wrist_l"]] = np.nan
    R[HIDDEN, SEGMENT_INDEX["hand_l"]] = np.nan
    return replace(motion, positions=positions, R_world_segment=R)


def with_missing_angle(motion: Motion) -> Motion:
    """Return the motion with one angle missing over some frames."""
    angles = motion.angles.copy()
    angles[HIDDEN, COORDINATE_INDEX[GAP_COORDINATE]] = np.nan
    return replace(motion, angles=angles)


def prepare(build: Path, data: Path | None) -> None:
    """Write a result folder and two tables, and the numbers that they were written from."""
    motion = with_missing_wrist(invented_motion() if data is None else fit_trial_markers(data, TRIALS[0]))
    write_result(build / "result", motion, {}, overwrite=True, also=("sto",))
    write_mot(build / "joint_angles.sto", motion)
    write_mot(build / "angles_with_gap.mot", with_missing_angle(motion))
    centers, imus = motion_centers(motion), segment_orientations(motion)
    np.savez(
        build / "expected.npz",
        time=motion.time,
        joints=centers.names,
        positions=centers.positions,
        coordinates=COORDINATES,
        angles=angles_in_degrees(motion),
        imus=imus.names,
        quaternions=quaternion_from_matrix(imus.matrices),
        gap_coordinate=GAP_COORDINATE,
        gap_frames=np.arange(len(motion.time))[HIDDEN],
    )


# --- angles of the same movement --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Agreement:
    """Ours minus OpenSim's for one coordinate of one trial, degrees.

    Attributes
    ----------
    rms, offset, after : RMS, mean, and RMS after removing the mean
    by_definition_offset, by_definition_after : the same two for our coordinate of OpenSim's own pose, which is the
        part that the definitions of the coordinate differ by
    sd : mean of what the fit says about its own certainty
    other_tool : RMS after offset of AddBiomechanics's angles for the same markers and the same model
    frames : how many frames were compared; those near the joint's singularity are left out
    """

    coordinate: str
    rms: float
    offset: float
    after: float
    by_definition_offset: float
    by_definition_after: float
    sd: float
    other_tool: float
    frames: int


def wrapped_deg(radians: np.ndarray) -> np.ndarray:
    """Return differences of angles in degrees, in [-180, 180)."""
    return np.rad2deg((radians + np.pi) % (2 * np.pi) - np.pi)


def segments_from_bodies(bodies: Iterable[str], matrices: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """Return segment orientations (T, 22, 3, 3) from those of the model's bodies, aligned in its neutral pose.

    Our anatomical zero is taken to be the model's pose with all coordinates zero. A head that it lacks stays with the
    thorax.
    """
    columns = {str(body): i for i, body in enumerate(bodies)}
    frames = np.tile(np.eye(3), (len(matrices), len(SEGMENTS), 1, 1))
    for segment, body in OPENSIM_BODIES.items():
        turn = matrices[:, columns[body]] @ neutral[columns[body]].T
        known = bool(np.isfinite(turn).all())
        frames[:, SEGMENT_INDEX[segment]] = turn if known else frames[:, SEGMENT_INDEX["thorax"]]
    return frames @ np.swapaxes(ANATOMICAL_OFFSETS, -1, -2)


def angles_of_bodies(path: Path) -> np.ndarray:
    """Return our coordinates (T, C) of a trial as OpenSim posed it."""
    with np.load(path) as stored:
        R = segments_from_bodies(stored["bodies"], stored["matrices"], stored["neutral"])
    return joint_angles(R, np.zeros((len(R), 3)))


def agreements(motion: Motion, build: Path, data: Path, trial: str) -> list[Agreement]:
    """Return how far a motion's angles are from OpenSim's, coordinate by coordinate."""
    table = read_mot(opencap(data) / "reference" / f"{trial}_ik_opensim46.mot")
    other = read_mot(opencap(data) / "reference" / f"{trial}_ik_addbiomechanics.mot")
    same_pose = angles_of_bodies(build / f"{trial}_orientations.npz")
    assert motion.angle_sd is not None
    out = []
    for joint in (PELVIS_JOINT, *JOINT_ANGLES):
        regular = ~is_near_singular(motion.angles, joint) & ~is_near_singular(same_pose, joint)
        for name in (n for n in joint.coordinates if n in table.names and not n.startswith(NOT_MEASURED)):
            column = COORDINATE_INDEX[name]
            gap = wrapped_deg(motion.angles[:, column] - table.column(name))[regular]
            defined = wrapped_deg(same_pose[:, column] - table.column(name))[regular]
            between = wrapped_deg(other.column(name) - table.column(name))[regular]
            sd = float(np.rad2deg(motion.angle_sd[regular, column].mean()))
            out.append(
                Agreement(
                    coordinate=name,
                    rms=float(np.sqrt((gap**2).mean())),
                    offset=float(gap.mean()),
                    after=float(gap.std()),
                    by_definition_offset=float(defined.mean()),
                    by_definition_after=float(defined.std()),
                    sd=sd,
                    other_tool=float(between.std()),
                    frames=int(regular.sum()),
                )
            )
    return out


def judge(label: str, found: list[Agreement]) -> None:
    """Hold the required coordinates against their limits, and every large offset against its explanation."""
    for a in found:
        limit = REQUIRED_DEG.get(a.coordinate[:-2])
        if limit is not None:
            verdict(a.after <= limit, f"{label}: {a.coordinate} RMS after offset {a.after:.2f} deg (limit {limit:.0f})")
        if abs(a.offset) > EXPLAINED_ABOVE_DEG:
            known = a.coordinate.removesuffix("_l").removesuffix("_r") in EXPLAINED
            verdict(known, f"{label}: {a.coordinate} offset {a.offset:.1f} deg is explained")


# --- what each coordinate does ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Response:
    """What our coordinates say when one of a model's is turned.

    Attributes
    ----------
    coordinate : of the model
    own : our coordinate of the same name, degrees
    others : the largest of our other coordinates, degrees, by name
    """

    coordinate: str
    own: float
    others: dict[str, float]


def responses(path: Path) -> tuple[list[Response], dict[tuple[str, ...], float]]:
    """Return our response to each of a model's coordinates that has one of ours, and the error where three turn."""
    with np.load(path) as stored:
        given = {key: stored[key] for key in stored}
    R = segments_from_bodies(given["bodies"], given["matrices"], given["matrices"][0])
    angles = np.rad2deg(np.concatenate([joint_angles(one[None], np.zeros((1, 3))) for one in R]))
    singles = [response(str(name), row) for name, row in zip(given["coordinates"], angles[1:], strict=False)]
    triples = {}
    for names, row in zip(given["triples"], angles[1 + len(given["coordinates"]) :], strict=True):
        gap = row[[COORDINATE_INDEX[name] for name in names]] - given["triple_deg"]
        triples[tuple(map(str, names))] = float(np.abs(gap).max())
    return [r for r in singles if r is not None], triples


def response(name: str, row: np.ndarray) -> Response | None:
    """Return what a row (C,) of our coordinates says about a turn about the model's coordinate `name`."""
    if name not in COORDINATES:
        return None
    others = {c: float(row[i]) for i, c in enumerate(COORDINATES) if c != name and abs(row[i]) >= 0.5}
    return Response(name, float(row[COORDINATE_INDEX[name]]), others)


def judge_signs(name: str, path: Path) -> list[Response]:
    """Hold every coordinate of a model that has ours against it."""
    singles, triples = responses(path)
    for r in singles:
        limit = EXACT_DEG if r.coordinate.startswith(EXACT) else OBLIQUE_DEG
        expected = -20.0 if r.coordinate in OTHER_SIGN else 20.0
        verdict(abs(r.own - expected) <= limit, f"{name}: {r.coordinate} +20.00 deg is {r.own:+.2f} deg here")
    for names, gap in triples.items():
        verdict(gap <= EXACT_DEG, f"{name}: {', '.join(names)} turned together agree to {gap:.1e} deg")
    return singles


# --- the two pages ----------------------------------------------------------------------------------------------------


def agreement_table(found: list[Agreement]) -> str:
    """Return a Markdown table, degrees."""
    head = (
        "| coordinate | RMS | offset | RMS after offset | of which definition: offset, RMS after | angle_sd "
        "| AddBiomechanics, RMS after offset | frames |"
    )
    rows = [
        f"| {a.coordinate} | {a.rms:.1f} | {signed(a.offset)} | {a.after:.1f} "
        f"| {signed(a.by_definition_offset)}, {a.by_definition_after:.1f} "
        f"| {a.sd:.1f} | {a.other_tool:.1f} | {a.frames} |"
        for a in found
    ]
    return "\n".join([head, "|---|---|---|---|---|---|---|---|", *rows])


def signed(value: float) -> str:
    """Return a number with its sign to one place; nothing is 0.0 without one."""
    rounded = round(value, 1)
    return f"{rounded:+.1f}" if rounded else "0.0"


def response_table(singles: list[Response]) -> str:
    """Return a Markdown table of what +20 degrees of the right side's coordinates are here."""
    rows = []
    for r in singles:
        if not r.coordinate.endswith("_l"):
            others = ", ".join(f"{c} {v:+.1f}" for c, v in sorted(r.others.items(), key=lambda item: -abs(item[1])))
            rows.append(f"| {r.coordinate} | {r.own:+.2f} | {others or '–'} |")
    return "\n".join(["| OpenSim's coordinate at +20° | ours, ° | our other coordinates, ° |", "|---|---|---|", *rows])


def replace_between(path: Path, tag: str, text: str) -> None:
    """Replace what stands in a page between ``<!-- tag -->`` and ``<!-- /tag -->``."""
    before, found, rest = path.read_text().partition(f"<!-- {tag} -->\n")
    _, closed, after = rest.partition(f"<!-- /{tag} -->")
    if not found or not closed:
        raise SystemExit(f"{path}: the comments <!-- {tag} --> and <!-- /{tag} --> are missing.")
    path.write_text(before + found + text + "\n" + closed + after)


def heading(build: Path) -> str:
    """Return when, with what, and how the page was made."""
    versions = f"OpenSim {(build / 'opensim_version.txt').read_text().strip()}, kinefuse {version('kinefuse')}"
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return f"Made by `make opensim-check` on {today} with {versions}, NumPy {np.__version__}, torch {version('torch')}."


def compare(build: Path, data: Path) -> None:
    """Compare angles and signs with OpenSim's, and write both pages."""
    sections = []
    for trial in TRIALS:
        markers = read_result(build / "result")[0] if trial == TRIALS[0] else fit_trial_markers(data, trial)
        centres = Recording(joint_centers=read_trc(build / f"{trial}_centres.trc"))
        fits = {
            f"{trial}, optical markers": markers,
            f"{trial}, joint centres of OpenSim's model": make_estimator("smplify3d").estimate(centres),
        }
        for label, motion in fits.items():
            found = agreements(motion, build, data, trial)
            judge(label, found)
            sections.append(f"### {label}\n\n{agreement_table(found)}")
    replace_between(ROOT / "docs" / "results" / "opensim.md", "made", heading(build))
    replace_between(ROOT / "docs" / "results" / "opensim.md", "angles", "\n\n".join(sections))
    tables = {name: judge_signs(name, build / f"turns_{name}.npz") for name in ("final", "LSTM", "body25b")}
    known = {r.coordinate for r in tables["final"]}
    more = [r for r in tables["body25b"] if r.coordinate not in known]
    replace_between(ROOT / "docs" / "joint-angles.md", "turns", response_table(tables["final"] + more))


def main(arguments: list[str]) -> int:
    """Run one half of the check; return the exit status."""
    build, data = Path(arguments[1]), Path(arguments[2]) if len(arguments) > 2 else None
    if arguments[0] == "prepare":
        prepare(build, data)
    elif data is not None:
        compare(build, data)
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
