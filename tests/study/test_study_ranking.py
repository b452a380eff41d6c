"""Which method is best where methods have different windows: by comparisons of two, told with their windows."""

from dataclasses import replace

import numpy as np
import pytest
from study_made_up import SETTINGS, cell, study

from kinefuse.study.cells import Cell
from kinefuse.study.conclusions import conclusions
from kinefuse.study.levels import find
from kinefuse.study.means import Results
from kinefuse.study.ranking import all_windows, mean_error, ranking

REFERENCE = find(SETTINGS, 0.0, 52.6)
SETTING = REFERENCE.name if REFERENCE is not None else ""


def hard_and_easy() -> list[Cell]:
    """Window 0 is easy, the others hard; ``smplify3d`` has the easy one only, and is worse than ``videonet`` there."""
    hard = [cell(SETTING, "videonet", window, 10.0) for window in range(1, 5)]
    return [cell(SETTING, "videonet", 0, 2.0), *hard, cell(SETTING, "smplify3d", 0, 3.0)]


def test_an_easy_window_makes_nobody_best() -> None:
    results = Results(hard_and_easy())
    assert mean_error(results, SETTING, "smplify3d") < mean_error(results, SETTING, "videonet")
    best, other = ranking(results, SETTING)
    assert (best.method, best.windows, best.is_partial) == ("videonet", 5, False)
    assert (other.method, other.windows, other.is_partial) == ("smplify3d", 1, True)
    assert other.told == f"SMPLify3D (tuned) {other.error_deg:.1f}° (1 window)"
    assert "window" not in best.told


def test_on_the_same_windows_the_order_is_that_of_the_means() -> None:
    found = ranking(Results(study()), SETTING)
    errors = [one.error_deg for one in found]
    assert errors == sorted(errors)
    assert found[0].method == "fusion-optimisation"
    assert not any(one.is_partial for one in found)


def test_methods_without_a_common_window_stand_by_their_means() -> None:
    results = Results([cell(SETTING, "videonet", 0, 2.0), cell(SETTING, "smplify3d", 1, 1.0)])
    assert [one.method for one in ranking(results, SETTING)] == ["smplify3d", "videonet"]
    assert len(all_windows(results, SETTING)) == 2


def test_only_methods_that_are_asked_for_and_have_a_result() -> None:
    results = Results(study())
    assert [one.method for one in ranking(results, SETTING, ["imunet", "videonet", "nobody"])] == ["videonet", "imunet"]
    assert ranking(results, "nowhere") == []


def test_the_conclusion_counts_windows_and_says_how_it_was_ordered() -> None:
    results = Results(hard_and_easy())
    said = next(one for one in conclusions(results, SETTINGS, []) if "has the least error" in one.heading)
    assert said.heading.endswith("VideoNet has the least error")
    assert "(1 window)" in said.text
    assert "on the windows that both have" in said.text
    whole = Results([replace(c) for c in study()])
    assert (
        "both have"
        not in next(one for one in conclusions(whole, SETTINGS, []) if "has the least error" in one.heading).text
    )


def test_a_lead_is_told_with_how_sure_it_is() -> None:
    cells = study({"videonet": 4.0, "imunet": 6.0}, SETTINGS[:1])
    said = next(one for one in conclusions(Results(cells), SETTINGS, []) if "has the least error" in one.heading)
    assert "VideoNet is ahead of IMUNet by 2.0° (p < 0.001 over 3 people)." in said.text
    chance = [*study({"videonet": 4.0}, SETTINGS[:1])]
    rng = np.random.default_rng(0)
    chance += [
        replace(c, estimator="imunet", coordinate_rmse=c.coordinate_rmse * rng.uniform(0.5, 1.5)) for c in chance[:9]
    ]
    said = next(one for one in conclusions(Results(chance), SETTINGS, []) if "has the least error" in one.heading)
    assert "may be chance" in said.text


def test_who_is_best_when_something_goes_wrong() -> None:
    said = {one.heading: one for one in conclusions(Results(study(), SETTINGS), SETTINGS, [])}
    best = said["When something goes wrong: fusion by optimisation (tuned) throughout"]
    assert len(best.details) == 2  # both clock offsets


def test_parts_of_a_method_are_no_rivals_but_tell_what_it_gains() -> None:
    """On the one window of the part the tuned method is at 3°; its others do not count."""
    tuned = [cell(SETTING, "fusion-optimisation", window, error) for window, error in ((0, 3.0), (1, 9.0))]
    part = cell(SETTING, "fusion-optimisation:calibrated", 0, 6.0)
    results = Results([*tuned, part, cell(SETTING, "fusionnet", 0, 8.0)])
    said = {one.heading: one.text for one in conclusions(results, SETTINGS, [])}
    gains = said["What fusion by optimisation (tuned) gains by its parts"]
    assert "3.0° instead of 6.1° with sensors well mounted, points 52.6 mm off." in gains
    assert not any("(calibrated)" in text for heading, text in said.items() if "gains by its parts" not in heading)


def test_what_noise_costs_is_of_the_same_windows() -> None:
    """IMUNet has an easy window more under the greatest noise: that must not make it gain by noise."""
    names = [found.name for found in (find(SETTINGS, sigma, 52.6) for sigma in (0.0, 18.8)) if found is not None]
    cells = [
        cell(name, method, 0, error)
        for name, error in zip(names, (6.0, 8.0), strict=True)
        for method in ("imunet", "fusionnet")
    ]
    cells.append(cell(names[1], "imunet", 1, 1.0))
    said = next(one for one in conclusions(Results(cells), SETTINGS, []) if "Mounting errors cost" in one.heading)
    before, after = (mean_error(Results(cells), name, "imunet", [cells[0].window]) for name in names)
    assert after / before == pytest.approx(8 / 6)
    assert f"IMUNet {before:.1f}° to {after:.1f}°" in said.text
