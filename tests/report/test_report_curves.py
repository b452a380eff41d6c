import base64
from dataclasses import replace

import numpy as np
import pytest
from report_examples import flawed, walking

from kinefuse.conventions import COORDINATE_INDEX, INFERRED, SEGMENT_INDEX
from kinefuse.report.curves import MAX_FRAMES, curve_data, curves_section, whole_turns


def floats(packed: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed), "<f4")


def curve_of(data: dict, key: str, side: str) -> dict:
    plot = next(plot for plot in data["plots"] if plot["key"] == key)
    return next(curve for curve in plot["curves"] if curve["side"] == side)


def test_curves_hold_degrees_of_both_sides() -> None:
    motion = walking(frames=30)
    data = curve_data(motion)
    expected = np.rad2deg(motion.angles[:, COORDINATE_INDEX["knee_angle_r"]])
    np.testing.assert_allclose(floats(curve_of(data, "knee_angle", "r")["values"]), expected, atol=0.006)
    np.testing.assert_allclose(floats(data["time"]), motion.time, atol=1e-6)


def test_gaps_bands_and_spans_are_kept() -> None:
    motion = flawed(walking(frames=100))
    data = curve_data(motion)
    elbow = curve_of(data, "elbow_flex", "r")
    assert np.flatnonzero(np.isnan(floats(elbow["values"]))).tolist() == list(range(50, 60))
    assert floats(elbow["sd"])[0] == pytest.approx(2.5)
    knee = next(plot for plot in data["plots"] if plot["key"] == "knee_angle")
    assert knee["spans"] == [[pytest.approx(19.5 / 60), pytest.approx(24.5 / 60), 1.0]]
    wrist = next(plot for plot in data["plots"] if plot["key"] == "wrist_flex")
    assert [span[2] for span in wrist["spans"]] == [2.0]


def test_an_angle_is_no_better_known_than_the_segment_that_it_is_measured_from() -> None:
    motion = walking(frames=30)
    provenance = motion.provenance.copy()
    provenance[:, SEGMENT_INDEX["thorax"]] = INFERRED
    data = curve_data(replace(motion, provenance=provenance))
    told = {plot["key"]: [span[2] for span in plot["spans"]] for plot in data["plots"]}
    inferred = {"lumbar_extension", "neck_flexion", "shoulder_elevation", "arm_flex"}
    assert all(told[key] == [INFERRED] for key in inferred)
    assert told["elbow_flex"] == told["hip_flexion"] == []


def test_an_angle_that_the_estimator_hardly_knows_is_inferred() -> None:
    motion = walking(frames=30)
    sd = np.full_like(motion.angles, np.deg2rad(3.0))
    sd[:, [COORDINATE_INDEX["pro_sup_l"], COORDINATE_INDEX["pro_sup_r"]]] = np.deg2rad(40.0)
    data = curve_data(replace(motion, angle_sd=sd))
    told = {plot["key"]: [span[2] for span in plot["spans"]] for plot in data["plots"]}
    assert told["pro_sup"] == [INFERRED]
    assert told["elbow_flex"] == []


def test_truth_has_its_own_time_and_the_same_turn() -> None:
    motion, truth = walking(frames=40), walking(frames=20, rate_hz=30.0)
    column = COORDINATE_INDEX["hip_rotation_l"]
    angles = truth.angles.copy()
    angles[:, column] += 2 * np.pi
    data = curve_data(motion, replace(truth, angles=angles))
    assert len(floats(data["truthTime"])) == 20
    assert floats(curve_of(data, "hip_rotation", "l")["truth"]) == pytest.approx(0.0, abs=0.01)


def test_whole_turns() -> None:
    time = np.arange(5.0)
    assert whole_turns(time, np.full(5, -170.0), time, np.full(5, 185.0)) == -360.0
    assert whole_turns(time, np.full(5, 10.0), time, np.full(5, 60.0)) == 0.0
    assert whole_turns(time, np.full(5, np.nan), time, np.zeros(5)) == 0.0


def test_long_trials_are_thinned_and_say_so() -> None:
    motion = walking(frames=3 * MAX_FRAMES + 10)
    assert len(floats(curve_data(motion)["time"])) <= MAX_FRAMES
    assert f"of {len(motion.time)} frames" in curves_section(motion)


def test_signs_are_told_in_words() -> None:
    page = curves_section(walking(frames=10))
    assert "<b>+</b> dorsiflexion" in page
    assert "<b>−</b> plantarflexion" in page


def test_legend_names_only_what_is_there() -> None:
    plain, full = curves_section(walking(frames=20)), curves_section(flawed(walking(frames=20)), walking(frames=20))
    for words in ("reference", "standard deviation", "filled over", "inferred, not measured"):
        assert words not in plain
        assert words in full


def test_angles_that_the_result_does_not_have_are_named_not_drawn() -> None:
    motion = walking(frames=10)
    angles = motion.angles.copy()
    for side in "lr":
        angles[:, COORDINATE_INDEX[f"wrist_flex_{side}"]] = np.nan
    page = curves_section(replace(motion, angles=angles))
    assert 'data-key="wrist_flex"' not in page
    assert "Not told by this result: wrist flexion." in page
