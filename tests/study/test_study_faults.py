"""Each fault does what it says, to nothing else, and leaves its input alone."""

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest

from kinefuse.conventions import IMU_SITES, KEYPOINTS
from kinefuse.errors import KinefuseError
from kinefuse.recordings import HeldPose, Imu, JointCenters, Recording
from kinefuse.rotations import matrix_from_rotvec, rotvec_from_matrix
from kinefuse.study.faults import (
    LIMBS,
    clock_offset,
    fewer_sensors,
    kept_cameras,
    lost_sensor,
    occluded_limb,
    packet_loss,
    sliding_strap,
    swapped_sides,
    with_fault,
)

END_S = 8.0


def sensor(site: str) -> Imu:
    time = np.arange(-5.5, END_S, 0.01)
    mark = float(IMU_SITES.index(site))
    return Imu(
        name=site,
        segment=site,
        time=time,
        specific_force=np.tile([mark, 9.81, 0.0], (len(time), 1)),
        angular_rate=np.zeros((len(time), 3)),
        magnetic_field=np.tile([30.0, 0.0, 0.0], (len(time), 1)),
        R_ref_sensor=np.tile(np.eye(3), (len(time), 1, 1)),
    )


@pytest.fixture
def recording() -> Recording:
    time = np.arange(0.0, END_S, 0.02)
    return Recording(
        joint_centers=JointCenters(names=KEYPOINTS, time=time, positions=np.ones((len(time), 26, 3))),
        imus=tuple(sensor(site) for site in IMU_SITES),
        poses=(HeldPose(kind="n", start_s=-5.0, end_s=-2.0),),
    )


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


FAULTS: dict[str, Callable[[Recording], Recording]] = {
    "occlusion": lambda r: occluded_limb(r, rng(), 2.0),
    "strap": lambda r: sliding_strap(r, rng(), 0.5, END_S),
    "lost": lambda r: lost_sensor(r, rng()),
    "swapped": lambda r: swapped_sides(r, rng()),
    "clock": lambda r: clock_offset(r, rng(), 0.2),
    "packets": lambda r: packet_loss(r, rng(), 0.2),
    "fewer": lambda r: fewer_sensors(r, 6),
}


def same_arrays(a: object, b: object) -> bool:
    return all(np.array_equal(x, y, equal_nan=True) for x, y in zip(arrays(a), arrays(b), strict=True))


def arrays(thing: object) -> list[np.ndarray]:
    values = [getattr(thing, field.name) for field in fields(thing)]  # type: ignore[arg-type]
    return [value for value in values if isinstance(value, np.ndarray)]


@pytest.mark.parametrize("name", FAULTS)
def test_the_input_is_left_alone_and_the_same_seed_gives_the_same(name: str, recording: Recording) -> None:
    before = [array.copy() for imu in recording.imus for array in arrays(imu)]
    points = recording.joint_centers
    assert points is not None
    positions = points.positions.copy()
    once, again = FAULTS[name](recording), FAULTS[name](recording)
    after = [array for imu in recording.imus for array in arrays(imu)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    np.testing.assert_array_equal(positions, points.positions)
    assert all(same_arrays(a, b) for a, b in zip(once.imus, again.imus, strict=True))
    assert once is not recording


@pytest.mark.parametrize("seed", range(6))
def test_one_limb_is_unseen_for_two_seconds(seed: int, recording: Recording) -> None:
    points = occluded_limb(recording, rng(seed), 2.0).joint_centers
    assert points is not None
    gone = np.isnan(points.positions).any(-1)
    limb = tuple(name for name, column in zip(points.names, gone.T, strict=True) if column.any())
    assert set(limb) in [set(names) for names in LIMBS.values()]
    rows = np.flatnonzero(gone.any(1))
    assert 0.02 * len(rows) == pytest.approx(2.0, abs=0.05)
    assert (np.diff(rows) == 1).all()
    assert gone[rows][:, [points.names.index(name) for name in limb]].all()


def test_a_strap_slides_by_its_angle_within_the_window(recording: Recording) -> None:
    slid = sliding_strap(recording, rng(), np.deg2rad(30), END_S)
    changed = [(a, b) for a, b in zip(recording.imus, slid.imus, strict=True) if not same_arrays(a, b)]
    ((old, new),) = changed
    assert new.R_ref_sensor is not None
    before = new.time <= 0
    np.testing.assert_array_equal(new.specific_force[before], old.specific_force[before])
    turn = np.rad2deg(np.linalg.norm(rotvec_from_matrix(new.R_ref_sensor), axis=1))
    assert turn[-1] == pytest.approx(30.0, abs=0.05)
    assert (np.diff(turn) > -1e-9).all()
    np.testing.assert_allclose(np.linalg.norm(new.specific_force, axis=1), np.linalg.norm(old.specific_force, axis=1))
    total = matrix_from_rotvec(new.angular_rate.sum(0) * 0.01)  # about one axis, so that rates add up
    np.testing.assert_allclose(total, new.R_ref_sensor[-1], atol=2e-3)


def test_lost_sensors_are_gone(recording: Recording) -> None:
    lost = [set(IMU_SITES) - {imu.segment for imu in lost_sensor(recording, rng(seed)).imus} for seed in range(30)]
    assert all(len(one) == 1 for one in lost)
    assert len(set.union(*lost)) > 6


def test_left_is_taken_for_right(recording: Recording) -> None:
    swapped = {imu.segment: imu.specific_force[0, 0] for imu in swapped_sides(recording, rng()).imus}
    for site in IMU_SITES:
        of = site[:-1] + "rl"[site.endswith("_r")] if site.startswith(("thigh", "shank")) else site
        assert swapped[site] == IMU_SITES.index(of)
    assert tuple(swapped) == IMU_SITES


def test_sensors_are_late_or_early_and_points_are_not(recording: Recording) -> None:
    shifts = set()
    for seed in range(8):
        late = clock_offset(recording, rng(seed), 0.2)
        assert late.joint_centers is recording.joint_centers
        shift = late.imus[0].time[0] - recording.imus[0].time[0]
        assert abs(shift) == pytest.approx(0.2)
        assert all(np.allclose(b.time - a.time, shift) for a, b in zip(recording.imus, late.imus, strict=True))
        assert late.poses[0].start_s == pytest.approx(-5.0 + shift)
        shifts.add(round(shift, 6))
    assert shifts == {0.2, -0.2}


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.5])
def test_the_share_of_lost_packets_is_what_was_asked_for(share: float, recording: Recording) -> None:
    left = packet_loss(recording, rng(), share)
    kept = np.array([len(imu.time) for imu in left.imus]) / len(recording.imus[0].time)
    assert 1.0 - kept.mean() == pytest.approx(share, rel=0.15)
    assert len({tuple(imu.time[:200]) for imu in left.imus}) > 1
    for imu in left.imus:
        assert imu.magnetic_field is not None
        assert imu.R_ref_sensor is not None
        assert len(imu.magnetic_field) == len(imu.R_ref_sensor) == len(imu.time)


@pytest.mark.parametrize("count", [13, 6, 3])
def test_so_many_sensors_are_left(count: int, recording: Recording) -> None:
    assert len(fewer_sensors(recording, count).imus) == count


def test_a_set_that_is_none(recording: Recording) -> None:
    with pytest.raises(KinefuseError, match="sets of 13, 6, 3 sensors, none of 5"):
        fewer_sensors(recording, 5)


def test_cameras_are_spread_over_the_ring() -> None:
    assert tuple(kept_cameras(8, 8)) == tuple(range(8))
    assert tuple(kept_cameras(4, 8)) == (0, 2, 4, 6)
    assert tuple(kept_cameras(2, 8)) == (0, 2)


def test_amounts_are_in_the_units_of_the_plan(recording: Recording) -> None:
    late = with_fault(recording, "clock offset", 200, rng(), END_S)
    assert abs(late.imus[0].time[0] - recording.imus[0].time[0]) == pytest.approx(0.2)
    lost = with_fault(recording, "packet loss", 50, rng(), END_S)
    assert len(lost.imus[0].time) / len(recording.imus[0].time) == pytest.approx(0.5, abs=0.1)
    assert with_fault(recording, "soft tissue", 2, rng(), END_S) is recording
    assert with_fault(recording, "", 0, rng(), END_S) is recording
