"""Aggregation with known answers: frames weigh within a person, and each person counts once."""

import json
from dataclasses import replace

import numpy as np
import pytest

from kinefuse.evaluation.scores import (
    ClipScore,
    activity_rows,
    clip_rows,
    mean_rows,
    person_means,
    subject_rows,
    summary_rows,
)
from kinefuse.metrics.compare import Row


def a_score(
    subject: str, error: float | None, frames: int = 100, activity: str = "walking", estimator: str = "mine"
) -> ClipScore:
    rows: tuple[Row, ...] = (
        {"estimator": "x", "group": "all", "angle_rmse_deg": error, "frames": frames},
        {"estimator": "x", "group": "lower", "joint": "hip", "coordinate": None, "angle_rmse_deg": 1.0, "frames": 7},
    )
    return ClipScore(
        subject=subject,
        clip=f"{subject} {error}",
        activity=activity,
        estimator=estimator,
        noise="authors",
        level_mm=None,
        point_error_mm=40.0,
        aligned="none",
        rows=rows,
    )


def test_clips_are_weighted_by_frames_and_people_count_equally() -> None:
    scores = [a_score("anna", 2.0, 100), a_score("anna", 8.0, 200), a_score("ben", 10.0, 1)]
    whole, hip = mean_rows(scores)
    assert whole["angle_rmse_deg"] == pytest.approx((6.0 + 10.0) / 2)
    assert whole["angle_rmse_deg_sd"] == pytest.approx(np.std([6.0, 10.0], ddof=1))
    assert (whole["subjects"], whole["clips"], whole["frames"]) == (2, 3, 301)
    assert (whole["estimator"], whole["noise"], whole["point_error_mm"]) == ("mine", "authors", 40.0)
    assert (hip["joint"], hip["frames"], hip["angle_rmse_deg"]) == ("hip", 21, 1.0)


def test_a_mean_of_aligned_and_not_aligned_clips_is_called_both() -> None:
    one, two = a_score("anna", 2.0), a_score("ben", 3.0)
    assert mean_rows([one, two])[0]["aligned"] == "none"
    free = replace(two, aligned="heading")
    assert {mean_rows(order)[0]["aligned"] for order in ([one, free], [free, one])} == {"heading and none"}


def test_what_is_unknown_is_left_out_and_never_zero() -> None:
    whole, _ = mean_rows([a_score("anna", None), a_score("ben", 4.0)])
    assert whole["angle_rmse_deg"] == 4.0
    assert whole["angle_rmse_deg_sd"] is None
    assert mean_rows([a_score("anna", None)])[0]["angle_rmse_deg"] is None


def test_every_metric_is_averaged() -> None:
    scores = []
    for subject, share in (("anna", 1.0), ("ben", 3.0)):
        names = ("r2", "root_mm", "acceleration_error_mps2", "rom_error_deg")
        row: Row = {"group": "all", "frames": 10, **{name: share * place for place, name in enumerate(names, 1)}}
        scores.append(replace(a_score(subject, 0.0), rows=(row,)))
    (mean,) = mean_rows(scores)
    assert (mean["r2"], mean["root_mm"], mean["acceleration_error_mps2"], mean["rom_error_deg"]) == (2, 4, 6, 8)
    assert mean["r2_sd"] == pytest.approx(np.sqrt(2.0))
    assert mean["acceleration_error_mps2_sd"] == pytest.approx(3 * np.sqrt(2.0))


def test_person_means_of_nobody() -> None:
    assert person_means(np.array([np.nan]), np.array([3.0]), np.array([0])).size == 0


def test_rows_by_activity_person_and_clip() -> None:
    scores = [a_score("anna", 1.0), a_score("anna", 3.0, activity="dance"), a_score("ben", 5.0, estimator="other")]
    assert {(r["estimator"], r["activity"]): r["angle_rmse_deg"] for r in activity_rows(scores)} == {
        ("mine", "dance"): 3.0,
        ("mine", "walking"): 1.0,
        ("other", "walking"): 5.0,
    }
    assert [(r["subject"], r["angle_rmse_deg"]) for r in subject_rows(scores)] == [("anna", 2.0), ("ben", 5.0)]
    assert [(r["clip"], r["estimator"]) for r in clip_rows(scores)] == [
        ("anna 1.0", "mine"),
        ("anna 3.0", "mine"),
        ("ben 5.0", "other"),
    ]
    assert [(r["estimator"], r["group"]) for r in summary_rows(scores)] == [
        ("mine", "all"),
        ("mine", "lower"),
        ("other", "all"),
        ("other", "lower"),
    ]
    json.dumps(summary_rows(scores), allow_nan=False)
