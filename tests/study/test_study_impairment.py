"""Changes of range of motion: known changes are found, shares become slopes, and what is missing is left out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from study_impaired import EXERCISES, PEOPLE, knee, some_changes, true_ranges

from kinefuse.metrics.statistics import paired_t
from kinefuse.study.impairment import (
    COLUMNS,
    COMPARED,
    Changes,
    change_rows,
    changes_of,
    coordinate_rows,
    coordinate_tests,
    correlation_and_slope,
    summary_rows,
)


def summaries(by_estimator: Mapping[str, Changes]) -> list[dict[str, Any]]:
    """The summary with values of any type, as tests compare them."""
    return [dict(row) for row in summary_rows(by_estimator)]


def test_repetitions_are_averaged_and_pairs_are_people_and_exercises() -> None:
    changes = changes_of(some_changes("videonet", 1.0))
    assert changes.pairs == tuple((person, exercise) for person in PEOPLE for exercise in sorted(EXERCISES))
    expected = true_ranges()[0, EXERCISES.index("squat")][:, COLUMNS]
    squat = changes.pairs.index(("s1", "squat"))
    assert changes.truth[squat] == pytest.approx(expected, abs=1e-5)
    assert changes.true_change[squat] == pytest.approx(expected[1] - expected[0], abs=1e-5)
    assert changes.estimated_change == pytest.approx(changes.true_change)
    assert changes.error == pytest.approx(np.rad2deg(0.1), rel=0.1)


def test_frames_in_which_the_estimate_cannot_be_read_count_for_neither_range() -> None:
    """Nothing of the truth's movement in frames that are not compared may be taken for what an estimator saw."""
    results = [
        replace(r, truth=np.where(hidden, np.nan, r.truth), estimate=np.where(hidden, np.nan, 0.0 * r.estimate))
        for r in some_changes("a", 1.0)
        for hidden in [np.arange(len(r.truth))[:, None] >= 25]
    ]
    changes, whole = changes_of(results), changes_of(some_changes("a", 1.0))
    assert np.allclose(changes.estimate, 0.0)
    assert np.allclose(changes.truth, whole.truth * 24 / 49)


def test_a_pair_without_one_kind_is_left_out() -> None:
    results = [r for r in some_changes("videonet", 1.0) if not (r.subject == "s2" and r.activity == "lunge")]
    changes = changes_of(results)
    assert ("s2", "lunge") not in changes.pairs
    assert len(changes.pairs) == 11
    assert changes_of([]).true_change.shape == (0, len(COLUMNS))


def test_who_sees_all_finds_all_and_who_sees_half_has_a_slope_of_half() -> None:
    by_estimator = {name: changes_of(some_changes(name, share)) for name, share in (("a", 1.0), ("b", 0.5))}
    whole, half = summaries(by_estimator)
    assert (whole["r"], whole["slope"]) == pytest.approx((1.0, 1.0))
    assert (half["r"], half["slope"]) == pytest.approx((1.0, 0.5))
    assert whole["mean_error_of_change_deg"] == pytest.approx(0.0, abs=1e-5)
    assert half["mean_error_of_change_deg"] == pytest.approx(0.5 * half["mean_true_change_deg"])
    assert whole["found"] == whole["differing"] == half["found"]
    assert whole["differing"] >= 1
    assert whole["claimed"] == half["claimed"] == 0
    assert whole["right_direction_percent"] == 100.0
    assert (whole["people"], whole["pairs"], whole["coordinates"]) == (4, 12, len(COLUMNS))


def test_a_mirrored_estimate_finds_nothing() -> None:
    (row,) = summaries({"a": changes_of(some_changes("a", -1.0))})
    assert row["r"] == pytest.approx(-1.0)
    assert row["found"] == 0
    assert row["right_direction_percent"] == 0.0


def test_the_knee_is_found_with_a_corrected_p() -> None:
    truth, estimate = coordinate_tests(changes_of(some_changes("a", 0.8)))
    ranges = true_ranges()[:, :, :, COLUMNS[knee()]].reshape(-1, 2)
    alone = paired_t(ranges[:, 1], ranges[:, 0])
    assert truth[knee()].difference == pytest.approx(-10.0, abs=1.0)
    assert truth[knee()].p_corrected == pytest.approx(min(1.0, len(COLUMNS) * alone.p), rel=1e-3)
    assert estimate[knee()].difference == pytest.approx(0.8 * truth[knee()].difference)
    assert truth[knee()].p_corrected < 1e-6


def test_a_claim_without_truth_is_counted() -> None:
    results = some_changes("a", 1.0)
    claimed = [
        replace(
            r,
            estimate=r.estimate + np.linspace(0, 1, len(r.estimate))[:, None] * ("incorrect" in r.activity),
        )
        for r in results
    ]
    (honest,), (row,) = summaries({"a": changes_of(results)}), summaries({"a": changes_of(claimed)})
    assert honest["claimed"] == 0
    assert row["claimed"] == len(COLUMNS) - row["differing"]


def test_an_error_that_grows_on_incorrect_movement_is_told() -> None:
    rng = np.random.default_rng(0)
    results = [
        replace(
            r,
            coordinates={
                **r.coordinates,
                "rmse": np.deg2rad(rng.uniform(4, 5) + 3.0 * ("incorrect" in r.activity)) + 0 * r.coordinates["rmse"],
            },
        )
        for r in some_changes("a", 1.0)
    ]
    (row,) = summaries({"a": changes_of(results)})
    assert row["incorrect_rmse_deg"] - row["correct_rmse_deg"] == pytest.approx(3.0, abs=0.3)
    assert row["rmse_p"] < 1e-6


def test_unknown_coordinates_stay_unknown() -> None:
    hidden = COLUMNS[knee()]
    results = []
    for r in some_changes("a", 1.0):
        holed = r.estimate.copy()
        holed[:, hidden] = np.nan
        results.append(replace(r, estimate=holed))
    changes = {"a": changes_of(results)}
    row: dict[str, Any] = dict(coordinate_rows(changes)[knee()])
    assert row["coordinate"] == "knee_angle_r"
    assert np.isnan(row["r"])
    assert np.isnan(row["estimated_deg"])
    assert row["true_deg"] == pytest.approx(-10.0, abs=1.0)
    (summary,) = summaries(changes)
    assert np.isfinite(summary["r"])


def test_rows_of_changes_have_a_column_an_estimator() -> None:
    changes = {"a": changes_of(some_changes("a", 1.0)), "b": changes_of(some_changes("b", 0.5)[:-4])}
    rows = change_rows(changes)
    assert len(rows) == 12 * len(COMPARED)
    assert list(rows[0]) == ["subject", "exercise", "coordinate", "true_deg", "a_deg", "b_deg"]
    assert rows[0]["a_deg"] == pytest.approx(rows[0]["true_deg"])
    missing = [row["b_deg"] for row in rows if row["subject"] == "s4" and row["exercise"] == EXERCISES[-1]]
    assert missing == [None] * len(COMPARED)
    assert change_rows({}) == []


@pytest.mark.parametrize("true, found", [([1.0, 2.0], [1.0, 2.0]), ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])])
def test_without_spread_nothing_goes_together(true: list[float], found: list[float]) -> None:
    assert np.isnan(correlation_and_slope(np.array(true), np.array(found))).all()
