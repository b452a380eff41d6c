"""OpenSim's side of ``make opensim-check``; runs in `.venv-opensim`, without kinefuse.

It reads the files that kinefuse wrote, runs inverse kinematics on them, and asks OpenSim's models for joint centres and
for what each of their coordinates does. Verdicts go to the terminal, numbers for our side to ``build/opensim``.

Usage: opensim_check.py BUILD [DATA]
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import opensim as osim

TRIALS = ("walking2", "DJ1")
TURN_DEG = 20.0
TOLERANCE_M = 1e-6
TOLERANCE_DEG = 1e-6

CENTRES = {
    **{f"hip_{s}": f"hip_{s}" for s in "lr"},
    **{f"knee_{s}": f"walker_knee_{s}" for s in "lr"},
    **{f"ankle_{s}": f"ankle_{s}" for s in "lr"},
    **{f"mtp_{s}": f"mtp_{s}" for s in "lr"},
    "lumbar": "back",
    **{f"shoulder_{s}": f"acromial_{s}" for s in "lr"},
    **{f"elbow_{s}": f"elbow_{s}" for s in "lr"},
    **{f"wrist_{s}": f"radius_hand_{s}" for s in "lr"},
}
"""Our joints and the model's joints with the same centre; its calcaneus has its origin where we have no joint."""

LIMBS = ("femur", "tibia", "talus", "calcn", "toes", "humerus", "ulna", "radius", "hand")
BODIES = ("pelvis", "torso", "head", *(f"{limb}_{side}" for side in "lr" for limb in LIMBS))
BALL_JOINTS = (
    ("hip_flexion_r", "hip_adduction_r", "hip_rotation_r"),
    ("hip_flexion_l", "hip_adduction_l", "hip_rotation_l"),
    ("lumbar_extension", "lumbar_bending", "lumbar_rotation"),
    ("arm_flex_r", "arm_add_r", "arm_rot_r"),
    ("arm_flex_l", "arm_add_l", "arm_rot_l"),
    ("pelvis_tilt", "pelvis_list", "pelvis_rotation"),
)
BALL_TURN_DEG = (30.0, -20.0, 15.0)
"""All three at once tell the order of the turns."""

failures: list[str] = []


def verdict(passed: bool, text: str) -> None:
    """Print one line; remember a failure."""
    print(f"{'PASS' if passed else 'FAIL'}  {text}", flush=True)
    if not passed:
        failures.append(text)


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the largest difference; infinite where shapes differ or a value is missing on one side only."""
    if ours.shape != theirs.shape or (np.isnan(ours) != np.isnan(theirs)).any():
        return float("inf")
    return float(np.nanmax(np.abs(ours - theirs)))


def vector(vec3: osim.Vec3) -> list[float]:
    """Return a Vec3 as a list."""
    return [vec3.get(i) for i in range(3)]


def rotation(frame: osim.Frame, state: osim.State) -> np.ndarray:
    """Return a frame's orientation in the ground, (3, 3)."""
    transform = frame.getTransformInGround(state)
    matrix = transform.R()
    return np.array([[matrix.get(i, j) for j in range(3)] for i in range(3)])


def check_trc(path: Path, expected: dict[str, np.ndarray]) -> None:
    """OpenSim's two readers of TRC get our joint centres, missing ones as NaN."""
    names, missing = list(expected["joints"]), int(np.isnan(expected["positions"]).any(-1).sum())
    data = osim.MarkerData(str(path))
    data.convertToUnits(osim.Units("m"))
    labels = [data.getMarkerNames().get(i) for i in range(data.getNumMarkers())]
    order = [labels.index(name) for name in names]
    frames = [data.getFrame(i) for i in range(data.getNumFrames())]
    old = np.array([[vector(frame.getMarker(i)) for i in order] for frame in frames])
    worst = difference(expected["positions"], old)
    verdict(
        worst < TOLERANCE_M, f"MarkerData reads {path.name}: max |difference| {worst:.1e} m, {missing} missing points"
    )
    table = osim.TimeSeriesTableVec3(str(path))
    columns = [
        [vector(column[i]) for i in range(table.getNumRows())] for column in map(table.getDependentColumn, names)
    ]
    worst = difference(expected["positions"], np.array(columns).swapaxes(0, 1))
    verdict(worst < TOLERANCE_M, f"TimeSeriesTableVec3 reads {path.name}: max |difference| {worst:.1e} m")
    worst = difference(expected["time"], np.array(table.getIndependentColumn()))
    verdict(worst < 1e-9, f"TimeSeriesTableVec3 reads the times of {path.name}: max |difference| {worst:.1e} s")


def check_table(path: Path, expected: dict[str, np.ndarray]) -> None:
    """OpenSim's two readers of MOT and STO get our coordinates."""
    names = list(expected["coordinates"])
    table = osim.TimeSeriesTable(str(path))
    values = np.array([table.getDependentColumn(name).to_numpy() for name in names]).T
    degrees = table.getTableMetaDataString("inDegrees") == "yes"
    worst = difference(expected["angles"], values)
    verdict(
        degrees and worst < TOLERANCE_DEG, f"TimeSeriesTable reads {path.name}: max |difference| {worst:.1e} deg or m"
    )
    storage = osim.Storage(str(path))
    worst = difference(expected["angles"], np.array([storage_column(storage, name) for name in names]).T)
    passed = storage.isInDegrees() and worst < TOLERANCE_DEG
    verdict(passed, f"Storage reads {path.name}: max |difference| {worst:.1e} deg or m")


def storage_column(storage: osim.Storage, name: str) -> list[float]:
    """Return one column of a Storage."""
    array = osim.ArrayDouble()
    storage.getDataColumn(name, array)
    return [array.get(i) for i in range(array.getSize())]


def check_gap(path: Path, expected: dict[str, np.ndarray]) -> None:
    """OpenSim's newer reader gets a missing angle as NaN; the older one ends at it, which is only told here."""
    names, column = list(expected["coordinates"]), str(expected["gap_coordinate"])
    angles = expected["angles"].copy()
    angles[expected["gap_frames"], names.index(column)] = np.nan
    table = osim.TimeSeriesTable(str(path))
    values = np.array([table.getDependentColumn(name).to_numpy() for name in names]).T
    worst = difference(angles, values)
    verdict(
        worst < TOLERANCE_DEG, f"TimeSeriesTable reads {path.name}, with a gap: max |difference| {worst:.1e} deg or m"
    )
    rows = osim.Storage(str(path)).getSize()
    print(f"NOTE  Storage reads {rows} of its {len(angles)} rows: OpenSim's older reader ends at the first nan")


def check_quaternions(path: Path, expected: dict[str, np.ndarray]) -> None:
    """OpenSim's reader of orientations gets ours (a quaternion and its negative are the same)."""
    table = osim.TimeSeriesTableQuaternion(str(path)).flatten()
    columns = [[f"{imu}_{i}" for i in (1, 2, 3, 4)] for imu in expected["imus"]]
    read = [[[table.getDependentColumn(c)[row] for c in four] for four in columns] for row in range(table.getNumRows())]
    ours, theirs = expected["quaternions"], np.array(read)
    same_sign = np.where((ours * theirs).sum(-1, keepdims=True) < 0, -1.0, 1.0)
    worst, missing = difference(ours, theirs * same_sign), int(np.isnan(ours).any(-1).sum())
    verdict(
        worst < 1e-7, f"TimeSeriesTableQuaternion reads {path.name}: max |difference| {worst:.1e}, {missing} missing"
    )


def joint_frame(model: osim.Model, joint: str) -> osim.Frame:
    """Return the frame of `joint` on its parent, which stays put on that bone."""
    return model.getJointSet().get(joint).getParentFrame()


def coordinates(model: osim.Model) -> Iterator[osim.Coordinate]:
    """Yield the coordinates of a model."""
    for i in range(model.getCoordinateSet().getSize()):
        yield model.getCoordinateSet().get(i)


def model_on_joints(source: Path, target: Path) -> None:
    """Write `source` with the joint centres, by our names, as its only markers."""
    model = osim.Model(str(source))
    model.initSystem()
    model.updMarkerSet().clearAndDestroy()
    for name, joint in CENTRES.items():
        frame = joint_frame(model, joint)
        bone = osim.PhysicalFrame.safeDownCast(frame.findBaseFrame())
        place = frame.findTransformInBaseFrame()  # named: p() points into it
        model.addMarker(osim.Marker(name, bone, osim.Vec3(place.p())))
    model.finalizeConnections()
    model.printToXML(str(target))


def check_inverse_kinematics(build: Path, data: Path, expected: dict[str, np.ndarray]) -> None:
    """OpenSim's inverse kinematics runs on our joint centres and agrees about the knees."""
    model_path, motion = build / "model_on_joints.osim", build / "ik_on_our_centres.mot"
    model_on_joints(data / "final.osim", model_path)
    tool = osim.InverseKinematicsTool()
    model = osim.Model(str(model_path))  # named, since the tool only borrows it
    tool.setModel(model)
    tool.setMarkerDataFileName(str(build / "result" / "joint_centers.trc"))
    tool.setStartTime(float(expected["time"][0]))
    tool.setEndTime(float(expected["time"][-1]))
    tool.setOutputMotionFileName(str(motion))
    tool.setResultsDir(str(build))
    ran = tool.run()
    table = osim.TimeSeriesTable(str(motion))
    values = table.getMatrix().to_numpy()
    finite = bool(np.isfinite(values).all()) and len(values) == len(expected["time"])
    verdict(
        ran and finite, f"InverseKinematicsTool on our joint_centers.trc: {len(values)} frames, all finite: {finite}"
    )
    for name in ("knee_angle_r", "knee_angle_l"):
        ours = expected["angles"][:, list(expected["coordinates"]).index(name)]
        gap = table.getDependentColumn(name).to_numpy() - ours
        text = f"offset {gap.mean():.2f}, RMS after it {gap.std():.2f} deg"
        verdict(gap.std() < 4.0, f"{name} of OpenSim's IK on our joint centres minus ours: {text}")


def orientations(model: osim.Model, state: osim.State) -> np.ndarray:
    """Return orientations in the ground of `BODIES`, (body, 3, 3); NaN where the model does not have one."""
    there = {model.getBodySet().get(i).getName() for i in range(model.getBodySet().getSize())}
    nowhere = np.full((3, 3), np.nan)
    return np.array([rotation(model.getBodySet().get(b), state) if b in there else nowhere for b in BODIES])


def write_trial(build: Path, data: Path, trial: str) -> None:
    """Write the model's joint centres (TRC) and orientations over a trial, posed by OpenSim's inverse kinematics."""
    model = osim.Model(str(data / "final.osim"))
    state = model.initSystem()
    motion = osim.TimeSeriesTable(str(data / "reference" / f"{trial}_ik_opensim46.mot"))
    labels, values = list(motion.getColumnLabels()), motion.getMatrix().to_numpy()
    table = osim.TimeSeriesTableVec3()
    table.setColumnLabels(list(CENTRES))
    centres, turned = [], []
    for time, row in zip(motion.getIndependentColumn(), values, strict=True):
        for coordinate in coordinates(model):
            value = row[labels.index(coordinate.getName())]
            is_turn = coordinate.getMotionType() != osim.Coordinate.Translational
            coordinate.setValue(state, float(np.deg2rad(value) if is_turn else value), False)
        model.realizePosition(state)
        places = [joint_frame(model, joint).getPositionInGround(state) for joint in CENTRES.values()]
        table.appendRow(time, osim.RowVectorVec3(places))
        centres.append([vector(place) for place in places])
        turned.append(orientations(model, state))
    rate = 1.0 / float(np.median(np.diff(motion.getIndependentColumn())))
    for key, text in (("DataRate", f"{rate:.6g}"), ("Units", "m")):
        table.addTableMetaDataString(key, text)
    osim.TRCFileAdapter.write(table, str(build / f"{trial}_centres.trc"))
    neutral = poses(model, [{}])[0]
    np.savez(build / f"{trial}_orientations.npz", matrices=np.array(turned), neutral=neutral, bodies=BODIES)
    back = osim.TimeSeriesTableVec3(str(build / f"{trial}_centres.trc"))
    finite = bool(np.isfinite(centres).all()) and back.getNumRows() == len(values)
    verdict(finite, f"joint centres of final.osim over {trial}: {len(values)} frames in {trial}_centres.trc")


def poses(model: osim.Model, turns: list[dict[str, float]]) -> np.ndarray:
    """Return orientations (N, body, 3, 3) of `BODIES` for coordinates in degrees; those not named are zero."""
    state = model.initSystem()
    out = []
    for turn in turns:
        for coordinate in coordinates(model):
            coordinate.setLocked(state, False)
            coordinate.setValue(state, float(np.deg2rad(turn.get(coordinate.getName(), 0.0))), False)
        model.realizePosition(state)
        out.append(orientations(model, state))
    return np.array(out)


def write_turns(build: Path, name: str, path: Path) -> None:
    """Write what +20 degrees of every rotational coordinate do to the orientation of the bodies."""
    model = osim.Model(str(path))
    model.initSystem()
    turning = [c.getName() for c in coordinates(model) if c.getMotionType() == osim.Coordinate.Rotational]
    singles: list[dict[str, float]] = [{}] + [{name: TURN_DEG} for name in turning]
    triples = [t for t in BALL_JOINTS if set(t) <= set(turning)]
    combined = [dict(zip(t, BALL_TURN_DEG, strict=True)) for t in triples]
    matrices = poses(model, singles + combined)
    np.savez(build / f"turns_{name}.npz", matrices=matrices, coordinates=turning, bodies=BODIES, triples=triples,
             turn_deg=TURN_DEG, triple_deg=BALL_TURN_DEG)  # fmt: skip
    verdict(np.isfinite(matrices[:, 0]).all(), f"{path.name}: {len(turning)} coordinates turned by +{TURN_DEG:.0f} deg")


def main(build: Path, data: Path | None) -> int:
    """Run every check; return the number of failures."""
    osim.Logger.setLevelString("Error")
    print(f"OpenSim {osim.GetVersion()}, NumPy {np.__version__}, Python {sys.version.split()[0]}")
    (build / "opensim_version.txt").write_text(f"{osim.GetVersion()}\n")
    with np.load(build / "expected.npz") as stored:
        expected = dict(stored)
    result = build / "result"
    check_trc(result / "joint_centers.trc", expected)
    check_table(result / "joint_angles.mot", expected)
    check_table(build / "joint_angles.sto", expected)
    check_gap(build / "angles_with_gap.mot", expected)
    check_quaternions(result / "orientations.sto", expected)
    if data is None:
        print("SKIP  inverse kinematics, joint centres and signs: set KINEFUSE_DATA to the folder of real recordings")
        return len(failures)
    opencap, pose2sim = data / "real" / "opencap_markers_walk2_dj1", data / "real" / "pose2sim_balancing" / "reference"
    check_inverse_kinematics(build, opencap, expected)
    for trial in TRIALS:
        write_trial(build, opencap, trial)
    write_turns(build, "final", opencap / "final.osim")
    for name in ("LSTM", "body25b"):
        write_turns(build, name, pose2sim / f"Model_Pose2Sim_{name}_scaled.osim")
    return len(failures)


if __name__ == "__main__":
    raise SystemExit(1 if main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None) else 0)
