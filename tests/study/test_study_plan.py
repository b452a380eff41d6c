"""Settings, what each estimator sees of them, and which are alike for it."""

import numpy as np
import pytest

from kinefuse.errors import KinefuseError
from kinefuse.estimators.registry import ESTIMATORS, NEEDS_SILHOUETTES
from kinefuse.study.faults import _FAULTS, FEWER, LIMBS
from kinefuse.study.naming import INPUTS, TITLES
from kinefuse.study.plan import (
    BOTH,
    CALIBRATED_BOTH,
    FAMILIES,
    FAULTS,
    FULL,
    IF_ASKED,
    PRESETS,
    SHARED,
    SIGHT,
    alike,
    is_optimiser,
    sees,
    settings_of,
)


def named(name: str) -> tuple[str, ...]:
    """The group of a setting for an estimator, as names."""
    estimator, setting = name.split(" ")
    return next(tuple(s.name for s in group) for group in alike(FULL, estimator) if setting in {s.name for s in group})


def test_settings_are_the_issues() -> None:
    faultless = {(round(float(np.rad2deg(s.mounting_sd_rad)), 1), s.level_m) for s in FULL if not s.fault}
    points = {(0.0, None), (0.0, 0.0526), (0.0, 0.0705), (0.0, 0.1011)}
    assert faultless == points | {(9.4, 0.0526), (14.1, 0.0526), (18.8, 0.0526), (9.4, 0.0705)}
    amounts = {fault: [s.amount for s in FULL if s.fault == fault] for fault in FAULTS}
    assert amounts["clock offset"] == [50, 100, 200, 500]
    assert amounts["packet loss"] == [1, 5, 20, 50]
    assert amounts["sensors"] == list(FEWER) == [13, 6, 3]
    assert amounts["cameras"] == [8, 4, 2, 1]
    assert all(amounts.values())


def test_names_are_unique_and_folders() -> None:
    names = [setting.name for setting in FULL]
    assert len(set(names)) == len(names)
    assert all(name == name.strip() and not set(name) & set(" /\\:") for name in names)


def test_every_fault_is_made_somewhere() -> None:
    assert set(_FAULTS) | {"soft tissue", "cameras", "lost camera"} == set(FAULTS)
    assert len(LIMBS) == 4


def test_estimators_of_the_study_are_known_or_to_come() -> None:
    # Its recordings have no silhouettes.
    assert set(ESTIMATORS) - NEEDS_SILHOUETTES <= set(SIGHT)


def test_presets_that_take_the_method_apart_see_what_they_are_about() -> None:
    assert sees("fusion-optimisation:calibrated") == CALIBRATED_BOTH
    assert sees("fusion-optimisation:frames") == BOTH
    assert set(SIGHT) >= set(IF_ASKED)
    assert all(is_optimiser(name) and name in TITLES and name in INPUTS for name in IF_ASKED)


def test_what_is_not_seen_is_computed_once() -> None:
    sensors = len(alike(FULL, "imunet"))
    assert {s.name for s in FULL if s.family == "points"} <= set(named("imunet points-clean"))
    assert {s.name for s in FULL if s.family == "mounting"} <= set(named("videonet points-52.6"))
    assert "clock-offset-500" in named("videonet points-52.6")
    assert "clock-offset-500" in named("imunet mounting-9.4")
    assert "cameras-2" in named("imunet mounting-9.4")
    assert "packet-loss-50" in named("smplify3d:paper points-52.6")
    assert sensors < len(FULL)


def test_who_sees_both_sees_every_setting() -> None:
    groups = alike(FULL, "fusionnet")
    assert [len(group) for group in groups if len(group) > 1] == [2]  # all 13 sensors are no fault
    assert named("fusionnet sensors-13") == ("mounting-9.4", "sensors-13")


def test_every_setting_is_in_one_group() -> None:
    for estimator in SIGHT:
        assert sorted(s.name for group in alike(FULL, estimator) for s in group) == sorted(s.name for s in FULL)


def test_weights_of_ones_own_see_what_the_network_sees() -> None:
    assert alike(FULL, "imunet=mine.safetensors") == alike(FULL, "imunet")
    assert not is_optimiser("imunet=mine.safetensors")
    assert is_optimiser("smplify3d:paper")


def test_families() -> None:
    assert settings_of(PRESETS["full"], []) == FULL
    mounting = settings_of(PRESETS["full"], ["mounting"])
    assert "mounting-9.4" in {setting.name for setting in settings_of(PRESETS["full"], ["faults"])}
    assert SHARED in mounting
    assert {setting.family for setting in mounting} == {"points", "mounting"}
    assert len(mounting) == 4
    with pytest.raises(KinefuseError, match="did you mean 'mounting'"):
        settings_of(PRESETS["full"], ["mountings"])
    with pytest.raises(KinefuseError, match="no settings of cameras"):
        settings_of(PRESETS["quick"], ["cameras"])
    assert FAMILIES == ("points", "mounting", "both", "faults", "cameras")
