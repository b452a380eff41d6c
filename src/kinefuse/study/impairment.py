"""Whether an estimator sees that a movement is done wrongly: changes of range of motion, estimated against true.

People do an exercise correctly, and then incorrectly as a patient would. A pair is one person and one exercise, all
repetitions of either kind averaged first. Of each pair and coordinate there is the true change of the range of motion
(incorrect minus correct) and the one that an estimator finds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.conventions import COORDINATES
from kinefuse.metrics.angles import mean_of_valid
from kinefuse.metrics.compare import Row
from kinefuse.metrics.differences import range_errors, ranges
from kinefuse.metrics.groups import COORDINATE_GROUPS, group_of, joint_of
from kinefuse.metrics.statistics import ALPHA, PairedTest, paired_t
from kinefuse.study.scored import Scored

INCORRECT: Final = ", incorrect"
"""End of an activity's name; without it the activity is the correct one."""

COLUMNS: Final = COORDINATE_GROUPS["all"]
COMPARED: Final = tuple(COORDINATES[column] for column in COLUMNS)
"""Coordinates of hips, knees, ankles, shoulders, elbows and neck."""

CLEAR_DEG: Final = 5.0
"""A true change that an estimator should get the direction of."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Ranges of motion of P pairs in the coordinates `COMPARED`, degrees; index 0 is correct, 1 incorrect.

    Attributes
    ----------
    pairs : (person, exercise), sorted
    truth, estimate : (P, 2, C)
    error : (P, 2) mean RMSE of these coordinates over time
    """

    pairs: tuple[tuple[str, str], ...]
    truth: np.ndarray
    estimate: np.ndarray
    error: np.ndarray

    @property
    def true_change(self) -> np.ndarray:
        """(P, C) incorrect minus correct."""
        return self.truth[:, 1] - self.truth[:, 0]

    @property
    def estimated_change(self) -> np.ndarray:
        """(P, C) incorrect minus correct."""
        return self.estimate[:, 1] - self.estimate[:, 0]


def changes_of(results: Sequence[Scored]) -> Changes:
    """Return the changes that one estimator finds, of the pairs with repetitions of both kinds.

    Parameters
    ----------
    results : of one estimator under one setting; activities as in `INCORRECT`
    """
    by_kind: dict[tuple[str, str], tuple[list[Scored], list[Scored]]] = {}
    for result in results:
        key = result.subject, result.activity.removesuffix(INCORRECT)
        by_kind.setdefault(key, ([], []))[result.activity.endswith(INCORRECT)].append(result)
    pairs = tuple(sorted(key for key, kinds in by_kind.items() if all(kinds)))
    values = np.array([[_mean_ranges(kind) for kind in by_kind[key]] for key in pairs])
    values = values.reshape(len(pairs), 2, 3, len(COLUMNS))
    return Changes(
        pairs=pairs, truth=values[:, :, 0], estimate=values[:, :, 1], error=mean_of_valid(values[:, :, 2], 2)
    )


def _mean_ranges(results: Sequence[Scored]) -> np.ndarray:
    """Return (3, C) true and estimated range of motion and RMSE, degrees, mean over repetitions.

    Both ranges are of the frames that are compared, those in which neither is near a singularity: else the truth's
    would hold movement of which the estimate was not asked.
    """
    each = []
    for r in results:
        true = ranges(r.truth)
        each.append((true, true + range_errors(r.estimate - r.truth, r.truth), r.coordinates["rmse"]))
    return np.rad2deg(mean_of_valid(np.array(each)[:, :, COLUMNS], 0))


def coordinate_tests(changes: Changes) -> tuple[list[PairedTest], list[PairedTest]]:
    """Return the paired t tests of incorrect against correct range, a coordinate each, of truth and of estimate.

    Corrected after Bonferroni for the number of coordinates.
    """
    many = len(COLUMNS)
    return (
        [paired_t(changes.truth[:, 1, i], changes.truth[:, 0, i], many) for i in range(many)],
        [paired_t(changes.estimate[:, 1, i], changes.estimate[:, 0, i], many) for i in range(many)],
    )


def correlation_and_slope(true: np.ndarray, estimated: np.ndarray) -> tuple[float, float]:
    """Return Pearson's r of two arrays, and the slope of the estimate over the truth; NaN without variance.

    A slope below one: changes are seen smaller than they are.
    """
    known = np.isfinite(true) & np.isfinite(estimated)
    if known.sum() < 3 or np.ptp(true[known]) == 0 or np.ptp(estimated[known]) == 0:
        return float("nan"), float("nan")
    covariance = np.cov(true[known], estimated[known])
    r = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    return float(r), float(covariance[0, 1] / covariance[0, 0])


def coordinate_rows(by_estimator: Mapping[str, Changes]) -> list[Row]:
    """Return a row for each estimator and coordinate: changes, their tests, and how truth and estimate go together."""
    rows = []
    for estimator, changes in by_estimator.items():
        for i, (true, found) in enumerate(zip(*coordinate_tests(changes), strict=True)):
            r, slope = correlation_and_slope(changes.true_change[:, i], changes.estimated_change[:, i])
            name = COMPARED[i]
            row: Row = {"estimator": estimator, "coordinate": name, "joint": joint_of(name), "group": group_of(name)}
            row |= {"pairs": true.n, "true_deg": true.difference, "true_p": true.p_corrected}
            row |= {"estimated_deg": found.difference, "estimated_p": found.p_corrected, "r": r, "slope": slope}
            rows.append(row | {"warning": found.warning})
    return rows


def summary_rows(by_estimator: Mapping[str, Changes]) -> list[Row]:
    """Return a row for each estimator: how much of the true changes it sees, and whether it is worse on wrong movement.

    ``found`` of ``differing`` coordinates: significant in the estimate too, and with the right sign; ``claimed`` are
    significant in the estimate alone.
    """
    return [_summary(name, changes) for name, changes in by_estimator.items()]


def _summary(estimator: str, changes: Changes) -> Row:
    true, estimated = changes.true_change, changes.estimated_change
    r, slope = correlation_and_slope(true.ravel(), estimated.ravel())
    clear = (np.abs(true) > CLEAR_DEG) & np.isfinite(estimated)
    right = np.sign(true[clear]) == np.sign(estimated[clear])
    error = paired_t(changes.error[:, 1], changes.error[:, 0])
    people = len({person for person, _ in changes.pairs})
    return {
        "estimator": estimator,
        "people": people,
        "pairs": len(changes.pairs),
        **_agreement(*coordinate_tests(changes)),
        "r": r,
        "slope": slope,
        "mean_true_change_deg": float(mean_of_valid(np.abs(true).ravel())),
        "mean_error_of_change_deg": float(mean_of_valid(np.abs(estimated - true).ravel())),
        "clear": int(clear.sum()),
        "right_direction_percent": 100 * float(right.mean()) if right.size else None,
        "correct_rmse_deg": float(mean_of_valid(changes.error[:, 0])),
        "incorrect_rmse_deg": float(mean_of_valid(changes.error[:, 1])),
        "rmse_p": error.p,
    }


def _agreement(truth: Sequence[PairedTest], estimate: Sequence[PairedTest]) -> Row:
    """Return in how many coordinates the truth differs, and what the estimate finds of it."""
    differing = [test.p_corrected < ALPHA for test in truth]
    found = [test.p_corrected < ALPHA for test in estimate]
    same = [bool(t.difference * e.difference > 0) for t, e in zip(truth, estimate, strict=True)]
    return {
        "coordinates": len(truth),
        "differing": sum(differing),
        "found": sum(d and f and s for d, f, s in zip(differing, found, same, strict=True)),
        "claimed": sum(f and not d for d, f in zip(differing, found, strict=True)),
    }


def change_rows(by_estimator: Mapping[str, Changes]) -> list[Row]:
    """Return a row for each pair and coordinate: the true change and that of each estimator, degrees."""
    if not by_estimator:
        return []
    first = next(iter(by_estimator.values()))
    places = {name: {pair: i for i, pair in enumerate(c.pairs)} for name, c in by_estimator.items()}
    rows = []
    for p, pair in enumerate(first.pairs):
        for i, coordinate in enumerate(COMPARED):
            row: Row = {"subject": pair[0], "exercise": pair[1], "coordinate": coordinate}
            row["true_deg"] = round(float(first.true_change[p, i]), 2)
            for name, changes in by_estimator.items():
                at = places[name].get(pair)
                row[f"{name}_deg"] = None if at is None else round(float(changes.estimated_change[at, i]), 2)
            rows.append(row)
    return rows
