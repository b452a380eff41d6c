"""Other tools' results of a trial beside our estimators."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_examples import a_clip
from other_tools import write_mvnx, write_theia

from kinefuse.body.angles import joint_angles
from kinefuse.body.markers import fit_markers
from kinefuse.body.models import load_anny
from kinefuse.conventions import COORDINATES
from kinefuse.errors import KinefuseError
from kinefuse.evaluation.judging import evaluate
from kinefuse.evaluation.material import Clip
from kinefuse.evaluation.others import common_span, read_others
from kinefuse.evaluation.recordings import Conditions, make_recording
from kinefuse.evaluation.scores import ClipScore, summary_rows
from kinefuse.formats.netcdf import write_motion
from kinefuse.formats.storage import write_mot
from kinefuse.formats.trc import read_trc
from kinefuse.metrics.compare import Row
from kinefuse.motion import Motion
from kinefuse.rotations import yaw_matrix


@pytest.fixture(scope="module")
def trial() -> Clip:
    clip = a_clip()
    return replace(clip, recording=make_recording(clip, Conditions(noise="clean")))


def judged(trial: Clip, *given: str, **options: list[str]) -> dict[str, ClipScore]:
    others, _ = read_others(given, options.get("flips", []), options.get("shifts", []), [trial], [])
    scores, failures = evaluate([trial], [], ["mean-pose"], 1, lambda *_: None, others)
    assert not failures
    return {score.estimator: score for score in scores}


def whole(score: ClipScore) -> Row:
    return next(row for row in score.rows if row["group"] == "all" and "joint" not in row)


def value(row: Row, key: str) -> float:
    number = row[key]
    assert isinstance(number, float)
    return number


def turned_away(motion: Motion) -> Motion:
    """The same movement, facing elsewhere and in another place, as sensors alone would have it."""
    turn = yaw_matrix(2.0)
    R, positions = turn @ motion.R_world_segment, motion.positions @ turn.T + [3.0, 0.2, -1.0]
    return replace(motion, R_world_segment=R, positions=positions, angles=joint_angles(R, positions[:, 0]))


def test_perfect_results_have_no_error(trial: Clip, tmp_path: Path) -> None:
    write_motion(tmp_path / "ours.nc", trial.truth)
    write_mot(tmp_path / "ik.mot", trial.truth)
    write_mvnx(tmp_path / "suit.mvnx", turned_away(trial.truth))
    write_theia(tmp_path / "theia.c3d", trial.truth)
    files = [f"{tmp_path}/{name}" for name in ("ours.nc", "ik.mot", "suit.mvnx", "theia.c3d")]
    found = judged(trial, *files)
    assert list(found) == ["mean-pose", "ours", "ik", "suit", "theia"]
    for name in ("ours", "ik", "suit", "theia"):
        row = whole(found[name])
        assert value(row, "angle_rmse_deg") < 1e-3, name
        assert row["frames"] == 40, name
    for name in ("ours", "suit", "theia"):
        assert value(whole(found[name]), "geodesic_deg") < 1e-2, name
        # the middle between the hips is not quite our root
        assert value(whole(found[name]), "mpjpe_mm") < 1.0 if name != "theia" else True
    assert whole(found["ik"])["geodesic_deg"] is None
    assert whole(found["ik"])["mpjpe_mm"] is None
    assert [found[name].aligned for name in ("ours", "ik", "suit", "theia")] == ["none", "none", "heading", "none"]
    rows = summary_rows(list(found.values()))
    assert {row["estimator"] for row in rows} == set(found)
    assert {row["geodesic_deg"] for row in rows if row["estimator"] == "ik" and "joint" not in row} == {None}


def test_a_known_error(trial: Clip, tmp_path: Path) -> None:
    angles = trial.truth.angles.copy()
    angles[:, COORDINATES.index("knee_angle_r")] += np.deg2rad(9.0)
    write_mot(tmp_path / "ik.mot", replace(trial.truth, angles=angles))
    rows = judged(trial, f"other={tmp_path / 'ik.mot'}")["other"].rows
    knee = next(row for row in rows if row.get("coordinate") == "knee_angle_r")
    assert knee["angle_rmse_deg"] == pytest.approx(9.0, abs=1e-4)
    assert knee["median_offset_deg"] == pytest.approx(9.0, abs=1e-4)
    everything = next(row for row in rows if row["group"] == "lower" and "joint" not in row)
    assert everything["angle_rmse_deg"] == pytest.approx(9.0 / 18, abs=1e-4)


def test_signs_and_clocks(trial: Clip, tmp_path: Path) -> None:
    angles = trial.truth.angles.copy()
    for name in ("knee_angle_r", "knee_angle_l", "neck_flexion"):
        angles[:, COORDINATES.index(name)] *= -1
    write_mot(tmp_path / "a.mot", replace(trial.truth, angles=angles, time=trial.truth.time + 100.0))
    write_mot(tmp_path / "b.mot", trial.truth)
    a, b = f"{tmp_path}/a.mot", f"{tmp_path}/b.mot"
    with pytest.raises(KinefuseError, match="--flip knee_angle"):
        judged(trial, a)
    with pytest.raises(KinefuseError, match=r"no time in common: a 100\.00.*the truth 0\.00.*--shift"):
        judged(trial, a, flips=["knee_angle"])
    found = judged(trial, a, b, flips=["a:knee_angle", "a:neck_flexion"], shifts=["a:-100"])
    assert value(whole(found["a"]), "angle_rmse_deg") < 1e-4
    assert value(whole(found["b"]), "angle_rmse_deg") < 1e-4


def test_all_are_judged_over_the_time_of_all(trial: Clip, tmp_path: Path) -> None:
    write_mot(tmp_path / "late.mot", trial.truth.frames(slice(10, None)))
    write_mot(tmp_path / "early.mot", trial.truth.frames(slice(0, 31)))
    found = judged(trial, f"{tmp_path}/late.mot", f"{tmp_path}/early.mot")
    frames = {name: whole(score)["frames"] for name, score in found.items()}
    assert frames == {"mean-pose": 11, "late": 21, "early": 21}  # points come at 25 Hz, the tables at 50 Hz
    assert common_span([]) == (-np.inf, np.inf)
    _, remarks = read_others([f"{tmp_path}/late.mot"], [], [], [trial], [])
    assert [remark.text for remark in remarks] == [
        "All are judged from 0.20 to 0.78 s, which every result covers; the truth goes from 0.00 to 0.78 s."
    ]


@pytest.mark.parametrize(
    "given, options, said",
    [
        (["ik.fbx"], {}, r"is read from \.mot, \.sto, \.mvnx, \.c3d, \.nc"),
        (["none.mot"], {}, "no such file"),
        (["ik.mot", "ik.mot"], {}, "NAME=FILE"),
        (["mean-pose=ik.mot"], {}, "'mean-pose'"),
        (["ik.mot"], {"flips": ["knee"]}, "No joint angle is called 'knee'"),
        (["ik.mot"], {"flips": ["ki:knee_angle"]}, r"no result is called 'ki' \(known: ik\)"),
        (["take.nc"], {"flips": ["knee_angle"]}, "only angles of a table"),
        (["ik.mot"], {"shifts": ["soon"]}, "--shift takes one number"),
        (["ik.mot"], {"shifts": ["1", "2"]}, "--shift takes one number"),
        (["ik.mot"], {"shifts": ["inf"]}, "--shift takes one number"),
        ([], {"shifts": ["1"]}, "given by --compare"),
    ],
)
def test_mistakes(
    trial: Clip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: list[str],
    options: dict[str, list[str]],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_mot(tmp_path / "ik.mot", trial.truth)
    write_motion(tmp_path / "take.nc", trial.truth)
    with pytest.raises(KinefuseError, match=said):
        judged(trial, *given, **options)


def test_only_one_recorded_trial(trial: Clip, tmp_path: Path) -> None:
    write_mot(tmp_path / "ik.mot", trial.truth)
    for clips in ([a_clip()], [trial, trial], []):
        with pytest.raises(KinefuseError, match="name one trial"):
            read_others([f"{tmp_path}/ik.mot"], [], [], clips, [])


def documented_rms() -> dict[str, float]:
    """RMS of each coordinate, degrees, as the page on OpenSim tells it."""
    page = (Path(__file__).parents[2] / "docs" / "results" / "opensim.md").read_text(encoding="utf-8")
    table = page.split("### walking2, optical markers")[1].split("###")[0]
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]
    return {row[1]: float(row[2]) for row in rows if len(row) > 8 and row[-2].isdigit()}


@pytest.mark.slow
def test_opensims_own_result_against_our_marker_fit_is_what_the_documents_say(data: Path) -> None:
    folder = data / "real" / "opencap_markers_walk2_dj1"
    markers = read_trc(folder / "walking2.trc", canonical=False)
    clip = a_clip()
    fitted = fit_markers(markers, load_anny(), "opencap")
    trial = replace(clip, truth=fitted, recording=make_recording(clip, Conditions(noise="clean")))
    others, findings = read_others([f"OpenSim={folder}/reference/walking2_ik_opensim46.mot"], [], [], [trial], [])
    assert "knee_angle_r_beta" in findings[0].text
    scores, _ = evaluate([trial], [], [], 1, lambda *_: None, others)
    rows = {row["coordinate"]: row for row in scores[-1].rows if row.get("coordinate")}
    told = documented_rms()
    assert len(told) > 20
    for name, rms in told.items():
        assert value(rows[name], "angle_rmse_deg") == pytest.approx(rms, abs=0.3), name
