"""Marker sets: what is recognised, a body dressed in markers, and real trials beside OpenSim's inverse kinematics."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kinefuse.body.angles import joint_angles, orientations_from_angles
from kinefuse.body.kinematics import joint_positions
from kinefuse.body.markers import MARKER_FIT, MARKER_SETS, fit_markers, recognise_markers, with_markers
from kinefuse.body.models import load_anny
from kinefuse.conventions import (
    COORDINATE_INDEX,
    COORDINATES,
    INFERRED,
    JOINT_INDEX,
    MEASURED,
    SEGMENT_INDEX,
    mirrored_name,
)
from kinefuse.errors import KinefuseError
from kinefuse.formats.storage import read_mot
from kinefuse.formats.trc import read_trc
from kinefuse.formats.uiprmd import read_uiprmd
from kinefuse.motion import Motion
from kinefuse.recordings import JointCenters

TABLE = MARKER_SETS["opencap"]
QUICK = replace(MARKER_FIT, body_frames=30)


def swinging(frames: int = 25) -> np.ndarray:
    """Return coordinates (T, C) of one swing of the right leg and arm."""
    angles = np.zeros((frames, len(COORDINATES)))
    wave = np.sin(np.linspace(0, np.pi, frames))
    swings = {"hip_flexion_r": 0.6, "knee_angle_r": 0.9, "ankle_angle_r": 0.2, "arm_flex_r": -0.4, "elbow_flex_r": 0.5}
    for name, amplitude in swings.items():
        angles[:, COORDINATE_INDEX[name]] = amplitude * wave
    for side in "lr":
        angles[:, COORDINATE_INDEX[f"arm_add_{side}"]] = -0.3
        angles[:, COORDINATE_INDEX[f"pro_sup_{side}"]] = 1.2
    return angles


def markers_of(angles: np.ndarray, names: tuple[str, ...]) -> JointCenters:
    """Return the markers that the mean body shows in these poses, at 50 Hz."""
    body = with_markers(load_anny(), {name: TABLE[name] for name in names})
    shape = np.zeros(body.n_shape)
    R, rest = orientations_from_angles(angles), body.rest_positions(shape)
    segment = body.point_segment[body.point_index(names)]
    tensors = (torch.as_tensor(R), torch.zeros(len(R), 3).double(), torch.as_tensor(rest))
    joints = joint_positions(*tensors).numpy()
    offset = body.rest_points(names, shape) - rest[segment]
    places = joints[:, segment] + (R[:, segment] @ offset[..., None])[..., 0]
    return JointCenters(names=names, time=np.arange(len(R)) / 50.0, positions=places)


def test_both_sides_mirror_each_other() -> None:
    body = with_markers(load_anny(), TABLE)
    places = dict(zip(TABLE, body.rest_points(tuple(TABLE), np.zeros(body.n_shape)), strict=True))
    pairs = [("L.ASIS", "r.ASIS"), ("L_knee", "r_knee"), ("L_elbow_med", "R_elbow_med"), ("L_5meta", "r_5meta")]
    for left, right in pairs:
        assert TABLE[right].segment == mirrored_name(TABLE[left].segment)
        np.testing.assert_allclose(places[left] * [1, 1, -1], places[right], atol=1e-6)
    assert places["r_knee"][2] > places["r_mknee"][2]  # lateral lies further right on the right


def test_markers_move_with_the_shape_of_their_joint() -> None:
    body = with_markers(load_anny(), {"r_knee": TABLE["r_knee"]})
    taller = np.zeros(body.n_shape)
    taller[0] = 1.5
    growth = body.rest_points(("r_knee",), taller) - body.rest_points(("r_knee",), 0 * taller)
    knee = body.rest_positions(taller) - body.rest_positions(0 * taller)
    np.testing.assert_allclose(growth[0], knee[SEGMENT_INDEX["shank_r"]])


def test_sets_are_recognised_by_most_of_their_names() -> None:
    assert recognise_markers((*list(TABLE)[:12], "a", "b")) == "opencap"
    assert recognise_markers(("hip_l", "hip_r", "knee_l", "knee_r", "ankle_l", "ankle_r")) is None
    assert recognise_markers(()) is None


def test_finds_the_movement_that_markers_were_made_from() -> None:
    wanted = swinging()
    motion = fit_markers(markers_of(wanted, tuple(TABLE)), load_anny(), "opencap", config=QUICK)
    names = [f"{n}_r" for n in ("hip_flexion", "hip_adduction", "knee_angle", "ankle_angle", "arm_flex", "elbow_flex")]
    for name in (*names, "lumbar_extension"):
        gap = np.rad2deg(motion.angle(name) - wanted[:, COORDINATE_INDEX[name]])
        assert np.sqrt((gap**2).mean()) < 2.0, name
    assert (motion.provenance[:, SEGMENT_INDEX["shank_r"]] == MEASURED).all()
    assert (motion.provenance[:, SEGMENT_INDEX["head"]] == INFERRED).all()


def test_a_stray_point_is_named_and_not_used() -> None:
    centers = markers_of(swinging(8), tuple(TABLE))
    stray = np.full((8, 1, 3), 7.0)
    more = replace(
        centers, names=(*centers.names, "wand"), positions=np.concatenate([centers.positions, stray], axis=1)
    )
    motion = fit_markers(more, load_anny(), "opencap", config=QUICK)
    assert any("wand" in note for note in motion.notes)
    assert np.abs(motion.positions).max() < 2.0


def test_too_few_markers_are_refused() -> None:
    centers = markers_of(swinging(5), tuple(TABLE))
    hidden = centers.positions.copy()
    hidden[:, 6:] = np.nan
    with pytest.raises(KinefuseError, match="at least 10 markers"):
        fit_markers(replace(centers, positions=hidden), load_anny(), "opencap")


def fitted(folder: Path, trial: str) -> tuple[Motion, dict[str, np.ndarray]]:
    """Return our fit to every second frame of a trial, and OpenSim's angles there."""
    whole = read_trc(folder / f"{trial}.trc", canonical=False)
    half = replace(whole, time=whole.time[::2], positions=whole.positions[::2])
    table = read_mot(folder / "reference" / f"{trial}_ik_opensim46.mot")
    angles = {name: table.column(name)[::2] for name in table.names}
    return fit_markers(half, load_anny(), "opencap", config=replace(MARKER_FIT, body_frames=60)), angles


@pytest.mark.parametrize("trial", ["walking2", "DJ1"])
def test_agrees_with_opensim_on_real_trials(data: Path, trial: str) -> None:
    motion, reference = fitted(data / "real" / "opencap_markers_walk2_dj1", trial)
    limits = {"hip_flexion": 4.0, "knee_angle": 4.0, "ankle_angle": 4.0, "hip_adduction": 6.0}
    for name, limit in limits.items():
        for side in "lr":
            gap = np.rad2deg(motion.angle(f"{name}_{side}") - reference[f"{name}_{side}"])
            assert gap.std() < limit, f"{name}_{side}: {gap.std():.2f} deg after offset"
            assert abs(gap.mean()) < 8.0, f"{name}_{side}: offset {gap.mean():.2f} deg"
    coordinates = joint_angles(motion.R_world_segment, motion.positions[:, 0])
    np.testing.assert_allclose(coordinates, motion.angles, atol=1e-9)


def test_plug_in_gait_fits_a_real_squat(data: Path) -> None:
    whole = read_uiprmd(data / "mocap" / "uiprmd_s06.npz", "m01_e01")
    assert recognise_markers(whole.names) == "plug-in-gait"
    third = replace(whole, time=whole.time[::3], positions=whole.positions[::3])
    motion = fit_markers(third, load_anny(), "plug-in-gait", config=QUICK)
    for side in "lr":
        knee, hip = np.rad2deg(motion.angle(f"knee_angle_{side}")), np.rad2deg(motion.angle(f"hip_flexion_{side}"))
        assert -10 < knee.min() < 15
        assert 100 < knee.max() < 145
        assert 90 < hip.max() < 135
        assert np.corrcoef(knee, hip)[0, 1] > 0.95
    ankles = motion.positions[:, [JOINT_INDEX["ankle_l"], JOINT_INDEX["ankle_r"]]]
    assert np.ptp(ankles[..., 1], axis=0).max() < 0.05  # the feet stay on the ground
