"""How sensors turned: by the device, by the filter, and by both where the device tells its orientation seldom."""

from dataclasses import replace

import numpy as np
import pytest

from kinefuse.conventions import GRAVITY, INFERRED, INTERPOLATED, MEASURED
from kinefuse.errors import KinefuseError
from kinefuse.estimators.sensor_turns import WORLD_FROM_REF, by_stretches, turns_of
from kinefuse.recordings import Imu
from kinefuse.rotations import geodesic_angle, matrix_from_rotvec

TIME = np.arange(0, 10, 0.01)
SWING = 0.4 * np.sin(2 * np.pi * TIME)
"""Radians, once a second, about the sensor's horizontal X axis."""

R_REF_SENSOR = matrix_from_rotvec(np.array([0.0, 0.0, 0.7])) @ matrix_from_rotvec(SWING[:, None] * np.eye(3)[0])
WORLD = WORLD_FROM_REF @ R_REF_SENSOR


def swinging(told: np.ndarray | None) -> Imu:
    """A perfect sensor that swings about itself, with an orientation in some rows (T,), in none if None."""
    rate = np.gradient(SWING, TIME)[:, None] * np.eye(3)[0]
    return Imu(
        name="shank_r",
        segment="shank_r",
        time=TIME,
        specific_force=np.swapaxes(R_REF_SENSOR, 1, 2) @ np.array([0.0, 0.0, GRAVITY]),
        angular_rate=rate,
        R_ref_sensor=None if told is None else np.where(told[:, None, None], R_REF_SENSOR, np.nan),
    )


def off_deg(R: np.ndarray) -> float:
    """Largest angle to how it swung, degrees."""
    return float(np.rad2deg(geodesic_angle(R, WORLD).max()))


def test_the_device_is_believed() -> None:
    turns = turns_of([swinging(np.full(len(TIME), True))], TIME, "x")
    assert off_deg(turns.R_own_sensor[:, 0]) < 1e-4
    assert (turns.provenance == MEASURED).all()


ROWS = np.arange(len(TIME))


@pytest.mark.parametrize(
    "told",
    [ROWS % 2 == 0, ROWS % 100 == 0, ROWS < 300, ROWS > 700, (ROWS < 200) | (ROWS > 600)],
    ids=["every second row", "once a second", "stops", "comes late", "pauses"],
)
def test_what_the_gyroscope_read_fills_the_gaps_of_the_device(told: np.ndarray) -> None:
    turns = turns_of([swinging(told)], TIME, "x")
    assert off_deg(turns.R_own_sensor[:, 0]) < 2.0
    assert (turns.provenance == MEASURED).mean() > 0.95


def test_without_readings_a_gap_stays_one() -> None:
    imu = swinging((ROWS < 200) | (ROWS > 600))
    silent = np.where((ROWS >= 200) & (ROWS <= 600), np.nan, 1.0)[:, None]
    turns = turns_of([replace(imu, angular_rate=imu.angular_rate * silent)], TIME, "x")
    assert (turns.provenance[220:580] == INFERRED).all()


@pytest.mark.parametrize("every", [20, 100, 400])
def test_between_orientations_told_seldom_nothing_was_measured(every: int) -> None:
    imu = replace(swinging(ROWS % every == 0), angular_rate=np.full((len(TIME), 3), np.nan))
    turns = turns_of([imu], TIME, "x")
    between = (ROWS % every > 5) & (ROWS % every < every - 5)
    assert (turns.provenance[between & (ROWS < 800)] == (INTERPOLATED if every == 20 else INFERRED)).all()
    assert (turns.provenance[::every] == MEASURED).all()


def test_a_pause_begins_a_new_heading_unless_the_device_tells_it() -> None:
    paused = swinging(None)
    kept = (ROWS < 400) | (ROWS >= 500)
    paused = replace(
        paused, time=TIME[kept], specific_force=paused.specific_force[kept], angular_rate=paused.angular_rate[kept]
    )
    first, second = by_stretches([paused])
    assert (first.time[-1], second.time[0]) == (TIME[399], TIME[500])
    assert first.segment == second.segment == "shank_r"
    told = replace(paused, R_ref_sensor=R_REF_SENSOR[kept])
    assert by_stretches([told]) == (told,)
    whole = swinging(None)
    assert by_stretches([whole]) == (whole,)
    silent = np.where((ROWS >= 400) & (ROWS < 500), np.nan, 1.0)[:, None]
    assert len(by_stretches([replace(whole, specific_force=whole.specific_force * silent)])) == 2


def test_without_an_orientation_no_heading_is_known() -> None:
    """What turns a device's global frame into the world tells nothing if the device told no orientation in it."""
    given = replace(swinging(None), R_world_ref=WORLD_FROM_REF)
    turns = turns_of([given], TIME, "x")
    assert turns.sensors[0].R_world_ref is None
    assert (
        turns_of([replace(swinging(ROWS >= 0), R_world_ref=WORLD_FROM_REF)], TIME, "x").sensors[0].R_world_ref
        is not None
    )


def test_a_sensor_that_read_nothing_is_refused() -> None:
    imu = swinging(None)
    with pytest.raises(KinefuseError, match="shank_r"):
        turns_of([replace(imu, angular_rate=np.full_like(imu.angular_rate, np.nan))], TIME, "x")
