"""Relations between methods: known ratios, both ways of ending, and what is missing."""

from dataclasses import replace

import numpy as np
import pytest
from study_made_up import ERRORS_DEG, SETTINGS, WINDOWS, cell, study

from kinefuse.study.cells import Cell, failed_cell
from kinefuse.study.conclusions import conclusions
from kinefuse.study.levels import find, in_words, noise_in_words, with_fault
from kinefuse.study.means import Results
from kinefuse.study.pairs import pair_of
from kinefuse.study.plan import FULL
from kinefuse.study.relation import Relation, p_in_words, relation_rows
from kinefuse.study.relations import BELIEVED, NOISY, Claim, claims, measured, relations

REFERENCE = find(SETTINGS, 0.0, 52.6)
HALF = Claim("kind", "imunet", "imu-kinematics", 0.0, 52.6, 0.5)


def scattered(estimators: dict[str, float], setting: str, windows: int = 9) -> list[Cell]:
    """Cells whose errors scatter by themselves from method to method, so that tests have something to do."""
    rng = np.random.default_rng(1)
    cells = []
    for name, error in estimators.items():
        for window in range(windows):
            made = cell(setting, name, window, error)
            cells.append(
                replace(made, coordinate_rmse=made.coordinate_rmse * rng.uniform(0.9, 1.1, made.coordinate_rmse.shape))
            )
    return cells


def test_a_ratio_of_exactly_one_half() -> None:
    assert REFERENCE is not None
    pair = pair_of(Results(study()), REFERENCE.name, "imunet", "imu-kinematics")
    assert pair is not None
    assert pair.ratio == pytest.approx(0.5, abs=1e-12)
    assert pair.windows == 9
    assert pair.movements.shape == (18, 2)
    assert pair.people.shape == (3, 2)


@pytest.mark.parametrize("other_deg, holds", [(12.0, True), (11.9, False)])
def test_holds_up_to_its_limit_and_not_beyond(other_deg: float, holds: bool) -> None:
    cells = study({"imunet": 6.0, "imu-kinematics": other_deg})
    relation = measured(Results(cells), SETTINGS, replace(HALF, limit=0.5 + 1e-9))
    assert relation.holds is holds
    assert relation.verdict == ("holds" if holds else "does not hold")
    assert ("does not hold" in relation.sentence) is not holds
    assert "6.0°" in relation.sentence
    assert f"{other_deg:.1f}°" in relation.sentence
    assert relation.ratio == pytest.approx(6.0 / other_deg)
    assert (relation.n, relation.people, relation.windows) == (18, 3, 9)
    numbers = relation.numbers
    assert numbers["difference_deg"] == pytest.approx(6.0 - other_deg, rel=1e-3)
    assert numbers["ci_low_deg"] <= numbers["difference_deg"] <= numbers["ci_high_deg"]
    assert numbers["d_z"] < 0
    assert numbers["difference_deg_people"] == pytest.approx(6.0 - other_deg, rel=1e-3)
    assert relation.warning_people.startswith("Only 3 pairs")


def test_what_was_not_run_never_holds() -> None:
    errors = {name: error for name, error in ERRORS_DEG.items() if name not in ("imu-kinematics", "smplify3d:paper")}
    found = relations(Results(study(errors)), SETTINGS)
    missing = [r for r in found if "imu-kinematics" in r.name or "smplify3d:paper" in r.name]
    assert len(missing) == 6
    assert all(r.holds is None and r.verdict == "not measured" and np.isnan(r.ratio) for r in missing)
    assert any(r.holds for r in found)


def test_a_setting_that_was_not_run_is_not_measured() -> None:
    found = relations(Results(study(settings=SETTINGS[:2])), SETTINGS[:2])
    measured_at = {r.name.rpartition("@")[2] for r in found if "@" in r.name and r.holds is not None}
    assert measured_at == {"0deg-52.6mm", "9.4deg-52.6mm"}


def test_nothing_at_all_measures_nothing() -> None:
    found = relations(Results([]), FULL)
    assert found
    assert all(relation.holds is None for relation in found)


def test_only_windows_that_both_could_use_count() -> None:
    assert REFERENCE is not None
    cells = study({"imunet": 6.0, "imu-kinematics": 12.0}, SETTINGS[:1])
    spoiled = cell(REFERENCE.name, "imunet", 0, 90.0)
    cells = [spoiled if (c.window, c.estimator) == (spoiled.window, "imunet") else c for c in cells]
    cells = [c for c in cells if (c.window, c.estimator) != (spoiled.window, "imu-kinematics")]
    cells.append(failed_cell(REFERENCE.name, "imu-kinematics", *WINDOWS[0], "the pose was not held"))
    relation = measured(Results(cells), SETTINGS, HALF)
    assert relation.ratio == pytest.approx(0.5, abs=1e-9)
    assert relation.windows == 8


def test_better_must_be_significant() -> None:
    assert REFERENCE is not None
    claim = Claim("kind", "fusionnet", "videonet", 0.0, 52.6, 1.0, significant=True)
    clear = measured(Results(scattered({"fusionnet": 4.0, "videonet": 5.0}, REFERENCE.name)), SETTINGS, claim)
    level = measured(Results(scattered({"fusionnet": 4.999, "videonet": 5.0}, REFERENCE.name)), SETTINGS, claim)
    worse = measured(Results(scattered({"fusionnet": 6.0, "videonet": 5.0}, REFERENCE.name)), SETTINGS, claim)
    assert clear.holds is True
    assert clear.p < 1e-3
    assert level.holds is False
    assert level.p > 0.013
    assert worse.holds is False
    assert worse.p < 1e-3


def test_a_failing_assumption_is_told() -> None:
    """A constant difference has no variance, so no test: the warning says so, and nothing significant is claimed."""
    assert REFERENCE is not None
    cells = [
        replace(made, coordinate_rmse=np.full_like(made.coordinate_rmse, np.deg2rad(error)))
        for name, error in (("fusionnet", 4.0), ("videonet", 5.0))
        for made in (cell(REFERENCE.name, name, window, error) for window in range(9))
    ]
    claim = Claim("kind", "fusionnet", "videonet", 0.0, 52.6, 1.0, significant=True)
    relation = measured(Results(cells), SETTINGS, claim)
    assert "without variance" in relation.warning
    assert relation.holds is False
    assert "p unknown" in relation.sentence


def test_why_a_rival_is_strong_is_told_where_a_relation_fails_only() -> None:
    for error, told in ((6.0, True), (3.0, False)):
        results = Results(study({"fusionnet": error, "fusion-optimisation": 5.0}))
        said = conclusions(results, SETTINGS, relations(results, SETTINGS))
        kind = next(one for one in said if one.heading.startswith("FusionNet against fusion by optimisation, tuned"))
        assert ("as is believed, not tested" in kind.text) is told
    assert set(BELIEVED) <= {claim.kind for claim in claims()}


def test_all_sensors_and_all_cameras_are_no_fault() -> None:
    names = {setting.name for setting in with_fault(FULL)}
    assert not {"sensors-13", "cameras-8", "points-52.6"} & names
    assert {"sensors-6", "cameras-4", "clock-offset-50"} <= names


def test_missing_movements_are_left_out_on_both_sides() -> None:
    assert REFERENCE is not None
    cells = study({"imunet": 6.0, "imu-kinematics": 12.0}, SETTINGS[:1])
    holed = [
        replace(c, coordinate_rmse=np.where(np.arange(c.coordinate_rmse.shape[1]) == 33, np.nan, c.coordinate_rmse))
        if c.estimator == "imunet"
        else c
        for c in cells
    ]
    relation = measured(Results(holed), SETTINGS, HALF)
    assert relation.n == 17
    assert relation.ratio == pytest.approx(0.5, abs=1e-9)


def test_every_claim_of_the_paper_is_there_once() -> None:
    names = [claim.name for claim in claims()]
    assert len(set(names)) == len(names)
    assert {(c.first, c.second, c.sigma_deg, c.limit) for c in claims() if c.first == "imunet"} == {
        ("imunet", "imu-kinematics", 0.0, 1.1),
        ("imunet", "imu-kinematics", 9.4, 0.62),
        ("imunet", "imu-kinematics", 18.8, 0.50),
    }
    assert all(find(FULL, *place) is not None for place in NOISY)
    assert len([c for c in claims() if c.second == "fusion-optimisation:paper" and c.limit == 0.55]) == len(NOISY)


def test_analyses_say_what_they_found() -> None:
    found = {relation.name: relation for relation in relations(Results(study()), SETTINGS)}
    noise = found["method-by-noise-of-sensors"]
    assert noise.holds is True  # errors grow in proportion, so by more degrees where they are larger
    assert "method × noise F(6, 102)" in noise.sentence
    assert (noise.people, noise.n) == (3, 18)
    assert np.isfinite(noise.p_people)
    assert found["lower/upper-imunet"].holds is False  # made up alike
    assert np.isfinite(found["lower/upper-imunet"].p_people)
    assert found["lower/upper-imunet"].ratio == pytest.approx(1.0, abs=0.05)
    assert "walking" in found["activities-fusionnet"].sentence


def test_legs_that_are_better_are_found() -> None:
    cells = []
    for made in study({"videonet": 5.0}, SETTINGS[:1]):
        better = made.coordinate_rmse.copy()
        better[:, :33] *= 0.5
        cells.append(replace(made, coordinate_rmse=better))
    relation = {r.name: r for r in relations(Results(cells), SETTINGS)}["lower/upper-videonet"]
    assert relation.holds is True
    assert relation.ratio == pytest.approx(0.5, abs=0.02)


def test_alike_settings_are_filled_in() -> None:
    """VideoNet is run once for all mounting errors; the other settings get its cells."""
    mountings = [s for s in FULL if s.family == "mounting"]
    cells = [cell("points-52.6", "videonet", 0, 5.0), cell("points-52.6", "imunet", 0, 5.0)]
    results = Results([*cells, failed_cell("mounting-18.8", "videonet", *WINDOWS[1], "no points")], FULL)
    where = {s.name for s in FULL if results.cells(s.name, "videonet")}
    assert {"points-52.6", *(s.name for s in mountings), "clock-offset-500"} <= where
    assert "points-clean" not in where  # another input
    told = {cell.setting for cell in results.failures}
    assert told == where  # of another window, wherever VideoNet sees the same
    assert results.windows("points-clean", "imunet") == (WINDOWS[0][0],)
    assert results.cells("mounting-9.4", "videonet")[0].setting == "mounting-9.4"


def test_rows_and_words() -> None:
    (row,) = relation_rows([Relation(name="a/b", kind="k", claim="c", holds=True, numbers={"first_deg": 4.0})])
    assert row["verdict"] == "holds"
    assert row["first_deg"] == 4.0
    assert p_in_words(0.0004) == "p < 0.001"
    assert p_in_words(float("nan")) == "p unknown"
    assert noise_in_words(9.4, None) == "mountings 9.4° askew per axis, points clean"
    words = {setting.name: in_words(setting) for setting in FULL}
    assert words["clock-offset-100"] == "clock offset 100 ms"
    assert words["sensors-6"] == "6 sensors"
    assert words["cameras-1"] == "1 camera"
    assert words["lost-sensor-1"] == "lost sensor"
    assert words["sliding-strap-30"] == "sliding strap 30°"
    assert len(set(words.values())) == len(words)
