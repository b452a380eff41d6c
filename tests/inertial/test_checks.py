from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from imu_examples import swinging_imu

from kinefuse.conventions import GRAVITY
from kinefuse.inertial.checks import (
    check_imu,
    check_imus,
    check_orientation,
    check_poses,
    clipped_samples,
    summarize_imu,
)
from kinefuse.recordings import HeldPose, Imu
from kinefuse.rotations import matrix_from_rotvec


def errors(imu: Imu) -> list[str]:
    return [finding.text for finding in check_imu(imu) if finding.level == "error"]


def scaled(imu: Imu, force: float = 1.0, rate: float = 1.0) -> Imu:
    return replace(imu, specific_force=force * imu.specific_force, angular_rate=rate * imu.angular_rate)


def test_a_good_sensor_has_no_findings() -> None:
    assert check_imu(swinging_imu()) == []


@pytest.mark.parametrize(
    ("force", "rate", "word"),
    [
        (1 / GRAVITY, 1.0, "looks like g;"),
        (1000 / GRAVITY, 1.0, "milli-g"),
        (100.0, 1.0, "cm/s²"),
        (0.5, 1.0, "unit is unknown"),
        (1.0, 180 / np.pi, "deg/s"),
        (1.0, -1.0, "turns against"),
        (-1.0, 1.0, "upside down"),
    ],
)
def test_wrong_units_and_signs(force: float, rate: float, word: str) -> None:
    told = errors(scaled(swinging_imu(), force, rate))
    assert len(told) == 1
    assert word in told[0]


def test_removed_gravity() -> None:
    imu = swinging_imu()
    assert imu.R_ref_sensor is not None
    free = imu.specific_force - GRAVITY * imu.R_ref_sensor[:, 2, :]
    assert "gravity seems to have been removed" in errors(replace(imu, specific_force=free))[0]


def test_conjugated_orientation() -> None:
    imu = swinging_imu(seconds=1.5)
    assert imu.R_ref_sensor is not None
    turned = replace(imu, R_ref_sensor=np.swapaxes(imu.R_ref_sensor, 1, 2))
    assert any("not sensor-to-world" in text for text in errors(turned))


def test_lost_packets_and_missing_values() -> None:
    imu = swinging_imu()
    kept = np.r_[:300, 330:800]
    force = imu.specific_force[kept].copy()
    force[100:120] = np.nan
    lossy = replace(
        imu, time=imu.time[kept], specific_force=force, angular_rate=imu.angular_rate[kept], R_ref_sensor=None
    )
    texts = {finding.level: finding.text for finding in check_imu(lossy)}
    all_texts = " ".join(finding.text for finding in check_imu(lossy))
    assert "Lost 30 of 800 packets (3.8 %) in 1 gap, the longest 0.310 s" in all_texts
    assert "accelerometer lacks values in 2.6 %" in all_texts
    assert set(texts) == {"warning"}


def test_stuck_axis_clipping_and_no_gyroscope() -> None:
    imu = swinging_imu()
    force = imu.specific_force.copy()
    force[:, 0] = 0.0
    assert "never changes on x" in errors(replace(imu, specific_force=force))[0]
    clipped = np.clip(imu.specific_force, None, 9.0)
    told = check_imu(replace(imu, specific_force=clipped, R_ref_sensor=None))
    assert any("is clipped in" in finding.text for finding in told)
    none = replace(imu, angular_rate=np.full_like(imu.angular_rate, np.nan))
    assert [finding.text for finding in check_imu(none)] == ["Its gyroscope has no values at all."]


def test_clipped_samples_are_counted() -> None:
    values = np.random.default_rng(0).normal(size=(100, 3))
    assert clipped_samples(values) == 0
    values[10:15, 1] = 50.0
    values[30, 1] = 50.0
    assert clipped_samples(values) == 5


def test_bias_at_rest() -> None:
    imu = swinging_imu()
    biased = replace(imu, angular_rate=imu.angular_rate + np.array([0.0, 0.0, 0.3]))
    assert any("remove the gyroscope's bias" in finding.text for finding in check_imu(biased))


def test_unknown_start_is_told() -> None:
    known, unknown = swinging_imu(), replace(swinging_imu(), name="late", segment="head", start_is_known=False)
    (told,) = check_imus([unknown])
    assert told.level == "info"
    assert "all sensors" in told.text
    assert any("start of late" in finding.text for finding in check_imus([known, unknown]))
    assert not any("start" in finding.text for finding in check_imus([known]))
    assert summarize_imu(unknown)["start_s"] is None


def test_sensors_that_do_not_go_together() -> None:
    imu = swinging_imu()
    later = replace(imu, name="two", time=imu.time + 100.0)
    findings = check_imus([imu, later])
    assert [finding.level for finding in findings] == ["warning", "error"]
    assert "Several sensors" in findings[0].text
    assert "ends before" in findings[1].text


def test_sensors_that_recorded_little_together_are_told() -> None:
    whole = swinging_imu()
    short = replace(
        whole,
        name="pelvis",
        segment="pelvis",
        time=whole.time[:50],
        specific_force=whole.specific_force[:50],
        angular_rate=whole.angular_rate[:50],
        R_ref_sensor=None,
    )
    (told,) = [finding for finding in check_imus([whole, short]) if "recorded together" in finding.text]
    assert told.level == "warning"
    assert "only (pelvis ending early)" in told.text
    unknown = [replace(imu, start_is_known=False) for imu in (whole, replace(short, time=short.time + 1e3))]
    assert any("ends before sensor pelvis starts" in finding.text for finding in check_imus(unknown))


def test_poses_outside_of_the_recording_are_told() -> None:
    imu = swinging_imu()
    outside = HeldPose(kind="n", start_s=imu.time[-1] + 1.0, end_s=imu.time[-1] + 3.0)
    brief = HeldPose(kind="t", start_s=imu.time[0], end_s=imu.time[0] + 0.01)
    good = HeldPose(kind="t", start_s=imu.time[0], end_s=imu.time[0] + 1.0)
    texts = [finding.text for finding in check_poses([outside, brief, good], [imu])]
    assert len(texts) == 2
    assert "lies outside of what the sensors recorded" in texts[0]
    assert "is too short" in texts[1]
    assert check_poses([outside], []) == []


def test_summary_holds_plain_numbers() -> None:
    summary = summarize_imu(swinging_imu())
    assert summary["rate_hz"] == pytest.approx(100.0)
    assert summary["is_ever_at_rest"] is True
    assert all(value is None or isinstance(value, str | int | float) for value in summary.values())


@given(
    values=arrays(float, (40, 6), elements=st.one_of(st.just(np.nan), st.floats(-1e3, 1e3))),
    steps=arrays(float, 40, elements=st.floats(1e-3, 0.5)),
)
@settings(max_examples=40, deadline=None)
def test_no_data_makes_the_checks_fail(values: np.ndarray, steps: np.ndarray) -> None:
    imu = Imu(
        name="any",
        segment="pelvis",
        time=np.cumsum(steps),
        specific_force=values[:, :3],
        angular_rate=values[:, 3:],
        R_ref_sensor=matrix_from_rotvec(values[:, 3:]),
    )
    assert all(finding.level in {"info", "warning", "error"} and finding.text for finding in check_imus([imu]))
    assert summarize_imu(imu)["samples"] == 40


@pytest.mark.parametrize("change", [lambda imu: imu.time[:1], lambda imu: imu.time[:3]])
def test_very_short_sensors_do_not_fail(change: Callable[[Imu], np.ndarray]) -> None:
    imu = swinging_imu()
    time = change(imu)
    rows = slice(0, len(time))
    short = replace(
        imu,
        time=time,
        specific_force=imu.specific_force[rows],
        angular_rate=imu.angular_rate[rows],
        R_ref_sensor=None,
    )
    assert all(finding.level in {"info", "warning", "error"} for finding in check_imu(short))


def test_gaps_in_the_orientation_are_told() -> None:
    imu = swinging_imu()
    assert imu.R_ref_sensor is not None
    gaps = imu.R_ref_sensor.copy()
    gaps[: len(gaps) // 10] = np.nan
    (finding,) = check_orientation(replace(imu, R_ref_sensor=gaps))
    assert finding.level == "warning"
    assert "Its orientation is missing, or no unit quaternion, in 10.0 % of the samples." in finding.text


def test_fast_movement_is_no_wrong_orientation() -> None:
    imu = swinging_imu()
    assert imu.R_ref_sensor is not None
    shaken = np.zeros((len(imu.time), 3))
    shaken[:, 0] = 12.0 * np.sin(2 * np.pi * 2.0 * imu.time)  # to and fro, so that gravity is all that its mean has
    force = imu.specific_force + np.einsum("tji,tj->ti", imu.R_ref_sensor, shaken)
    assert np.median(np.linalg.norm(force, axis=1)) > 12.0
    assert check_orientation(replace(imu, specific_force=force)) == []
    wrong = matrix_from_rotvec(np.array([1.6, 0.0, 0.0])) @ imu.R_ref_sensor
    assert check_orientation(replace(imu, specific_force=force, R_ref_sensor=wrong))
