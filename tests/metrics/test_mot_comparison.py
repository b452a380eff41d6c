"""Comparison with other tools' tables, made up and real."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinefuse.body.angles import wrap
from kinefuse.conventions import COORDINATES
from kinefuse.errors import KinefuseError
from kinefuse.formats.storage import Table, read_mot, write_mot
from kinefuse.metrics.tables import compare_to_mot
from kinefuse.motion import Motion
from kinefuse.synthesis.gait import Walk, walk
from kinefuse.synthesis.person import demo_person


@pytest.fixture(scope="module")
def motion() -> Motion:
    return walk(demo_person(), Walk(rate_hz=100.0, duration_s=3.0))


def table_of(motion: Motion, names: list[str], offset_deg: float = 0.0, shift_s: float = 0.0) -> Table:
    values = np.stack([motion.angle(name) for name in names], axis=1) + np.deg2rad(offset_deg)
    return Table(names=tuple(names), time=motion.time + shift_s, values=values, in_degrees=True)


def test_a_constant_5_degrees(motion: Motion) -> None:
    (knee,) = compare_to_mot(motion, table_of(motion, ["knee_angle_r"], -5.0))
    assert np.rad2deg(knee.rmse) == pytest.approx(5.0)
    assert np.rad2deg(knee.median_offset) == pytest.approx(5.0)
    assert knee.rmse_no_offset == pytest.approx(0.0, abs=1e-9)
    assert knee.correlation == pytest.approx(1.0)
    assert knee.frames == len(motion.time)


def test_a_turn_past_half_a_turn_correlates(motion: Motion) -> None:
    """One tool's column is wrapped and the other's is not; the movement is the same."""
    index = COORDINATES.index("pelvis_rotation")
    turning = replace(motion, angles=motion.angles.copy())
    turning.angles[:, index] = np.linspace(2.0, 5.0, len(motion.time))
    table = table_of(turning, ["pelvis_rotation"], 3.0)
    turning.angles[:, index] = wrap(turning.angles[:, index])
    assert compare_to_mot(turning, table)[0].correlation == pytest.approx(1.0)


def test_the_other_sign_of_the_knee(motion: Motion) -> None:
    table = table_of(motion, ["knee_angle_r"])
    opposite = Table(names=table.names, time=table.time, values=-table.values)
    assert compare_to_mot(motion, opposite)[0].rmse > 0.3
    assert compare_to_mot(motion, opposite, signs={"knee_angle_r": -1})[0].rmse == pytest.approx(0.0)


def test_clocks_can_be_brought_together(motion: Motion) -> None:
    late = table_of(motion, ["hip_flexion_l"], shift_s=10.0)
    with pytest.raises(KinefuseError, match="overlap"):
        compare_to_mot(motion, late)
    assert compare_to_mot(motion, late, shift_s=-10.0)[0].rmse == pytest.approx(0.0, abs=1e-9)


def test_missing_values_are_left_out(motion: Motion) -> None:
    table = table_of(motion, ["hip_flexion_l"])
    table.values[:100] = np.nan
    (hip,) = compare_to_mot(motion, table)
    assert hip.frames == len(motion.time) - 100
    assert hip.rmse == 0.0


def test_names_must_be_known(motion: Motion) -> None:
    with pytest.raises(KinefuseError, match="coordinates"):
        compare_to_mot(motion, Table(names=("flux",), time=motion.time, values=np.zeros((len(motion.time), 1))))
    with pytest.raises(KinefuseError, match="flux"):
        compare_to_mot(motion, table_of(motion, ["hip_flexion_l"]), ["flux"])


def test_a_written_file_compares_to_nothing(motion: Motion, tmp_path: Path) -> None:
    write_mot(tmp_path / "a.mot", motion)
    results = compare_to_mot(motion, read_mot(tmp_path / "a.mot"))
    assert [result.coordinate for result in results] == list(COORDINATES)
    assert max(result.rmse for result in results) < 1e-8


def test_two_tools_results_for_one_recording_differ_as_its_readme_says(data: Path, motion: Motion) -> None:
    """OpenSim's and AddBiomechanics's inverse kinematics of the same markers: 0.6 to 2.9° apart, the ankle 4.6°."""
    folder = data / "real" / "opencap_markers_walk2_dj1" / "reference"
    one = read_mot(folder / "walking2_ik_opensim46.mot")
    other = read_mot(folder / "walking2_ik_addbiomechanics.mot")
    names = ["hip_flexion_r", "knee_angle_r", "ankle_angle_r", "hip_adduction_l"]
    angles = np.full((len(one.time), len(COORDINATES)), np.nan)
    for name in names:
        angles[:, COORDINATES.index(name)] = one.column(name)
    frames = len(one.time)
    made = Motion(
        time=one.time,
        R_world_segment=np.full((frames, 22, 3, 3), np.nan),
        positions=np.full((frames, 22, 3), np.nan),
        angles=angles,
        provenance=np.zeros((frames, 22), dtype=int),
        shape=np.zeros(0),
        rest_positions=motion.rest_positions,
    )
    errors = {r.coordinate: np.rad2deg(r.rmse) for r in compare_to_mot(made, other, names)}
    assert all(0.2 < error < 5.0 for error in errors.values())
    assert all(r.correlation > 0.95 for r in compare_to_mot(made, other, names[:3]))
