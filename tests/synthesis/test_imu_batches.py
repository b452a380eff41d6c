"""Sensors on whole batches, beside the sensors that recordings are made with and what is known by hand."""

from dataclasses import replace

import numpy as np
import pytest
import roma
import torch
from evaluation_examples import RATE_HZ as SWING_HZ
from evaluation_examples import swinging

from kinefuse.body.models import load_anny
from kinefuse.conventions import GRAVITY, IMU_SITES, KEYPOINTS, SITE_SEGMENT
from kinefuse.motion import Motion
from kinefuse.synthesis.imu_batches import MARGIN, STEP, WearConfig, _mountings, _smooth, readings
from kinefuse.synthesis.imus import ImuFaults, ideal_imu
from kinefuse.synthesis.sites import surface_offsets
from kinefuse.synthesis.variety import MotionWindows

RATE_HZ = 50.0
FRAMES = 60
NO_FAULTS = ImuFaults(
    mounting_sd_rad=0.0,
    place_sd_m=0.0,
    tissue=0.0,
    gyro_noise=0.0,
    gyro_bias_sd=0.0,
    acc_noise=0.0,
    acc_bias_sd=0.0,
)
PERFECT = WearConfig(mounting_sd_rad=0.0, any_mounting=0.0, some_missing=0.0, faults=NO_FAULTS)


def windows_of(motion: Motion, count: int = 1) -> MotionWindows:
    """`count` times the whole of a motion, as one window."""

    def batch(values: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(values, dtype=torch.float32)[None].expand(count, *values.shape)

    return MotionWindows(
        R_world_segment=batch(motion.R_world_segment),
        positions=batch(motion.positions),
        inside=torch.ones(count, len(motion.time), dtype=torch.bool),
        rest_positions=batch(motion.rest_positions),
        rest_points=batch(load_anny().rest_points(KEYPOINTS, motion.shape)),
        shape=batch(motion.shape),
    )


def moving(R: torch.Tensor, positions: torch.Tensor | None = None, count: int = 1) -> MotionWindows:
    """All segments turn alike by (n, 3, 3); joints lie at the origin, or at (n, 3)."""
    n, body = len(R), load_anny()
    place = torch.zeros(n, 3) if positions is None else positions
    return MotionWindows(
        R_world_segment=R[None, :, None].expand(count, n, 22, 3, 3),
        positions=place[None, :, None].expand(count, n, 22, 3),
        inside=torch.ones(count, n, dtype=torch.bool),
        rest_positions=torch.as_tensor(body.joints_mean, dtype=torch.float32)[None].expand(count, -1, -1),
        rest_points=torch.zeros(count, 26, 3),
        shape=torch.zeros(count, 10),
    )


N_DENSE = STEP * FRAMES + 2 * MARGIN
STILL = torch.eye(3).expand(N_DENSE, 3, 3)


def read(motion: MotionWindows, wear: WearConfig = PERFECT, seed: int = 0) -> tuple[torch.Tensor, ...]:
    return readings(motion, RATE_HZ, wear, torch.Generator().manual_seed(seed))


def test_beside_the_sensors_of_recordings() -> None:
    """A swinging person: limbs turn at up to 5 rad/s and feel up to 40 m/s². The low-pass takes 1 to 3 % of it."""
    assert SWING_HZ == RATE_HZ
    motion = swinging(N_DENSE)
    rate, force, _ = read(windows_of(motion))
    times = motion.time[MARGIN : MARGIN + STEP * FRAMES : STEP]
    offsets = surface_offsets(motion.shape)
    assert rate.shape == force.shape == (1, FRAMES, 13, 3)
    for number, site in enumerate(IMU_SITES):
        ideal = ideal_imu(motion, site, offsets[site], np.eye(3), times)
        rate_error = np.linalg.norm(rate[0, :, number].numpy() - ideal.angular_rate, axis=-1)
        force_error = np.linalg.norm(force[0, :, number].numpy() - ideal.specific_force, axis=-1)
        moved = np.linalg.norm(ideal.specific_force, axis=-1) - GRAVITY
        assert rate_error.max() < 0.04 * np.abs(ideal.angular_rate).max() + 0.01, site
        assert force_error.max() < 0.06 * np.abs(moved).max() + 0.1, site


def test_a_resting_sensor_reads_gravity_upwards() -> None:
    rate, force, _ = read(moving(STILL))
    assert float(rate.abs().max()) < 1e-5
    assert force[0, 7, 3] == pytest.approx(torch.tensor([0.0, GRAVITY, 0.0]), abs=1e-3)


def test_a_resting_sensor_on_soft_tissue_does_so_too() -> None:
    soft = replace(PERFECT, faults=replace(NO_FAULTS, tissue=1.0))
    _, force, _ = read(moving(STILL), soft)
    assert force[0, 7, 3] == pytest.approx(torch.tensor([0.0, GRAVITY, 0.0]), abs=1e-3)


def test_soft_tissue_tilts_a_moving_sensor_a_little() -> None:
    soft = replace(PERFECT, faults=replace(NO_FAULTS, tissue=1.0))
    window = windows_of(swinging(N_DENSE), count=8)
    firm, loose = read(window)[1], read(window, soft)[1]
    angle = torch.rad2deg(torch.arccos(torch.cosine_similarity(firm, loose, dim=-1).clamp(-1, 1)))
    assert 0.2 < float(angle.mean()) < 8


def test_a_constant_spin_reads_its_rate() -> None:
    time = torch.arange(N_DENSE) / RATE_HZ
    spin = torch.tensor([1.0, -2.0, 2.0])
    rate, _, _ = read(moving(roma.rotvec_to_rotmat(time[:, None] * spin)))
    assert torch.allclose(rate[0, 5:-5], spin.expand(FRAMES - 10, 13, 3), atol=2e-3)


def test_a_falling_sensor_reads_nothing() -> None:
    time = torch.arange(N_DENSE) / RATE_HZ
    place = torch.stack([0 * time, 3.0 - 0.5 * GRAVITY * time**2, 0 * time], -1)
    _, force, _ = read(moving(STILL, place))
    assert float(force[:, 4:-4].abs().max()) < 0.05


def test_forces_are_in_the_sensors_axes() -> None:
    turned = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, np.pi / 2])).float()
    _, force, _ = read(moving(turned.expand(N_DENSE, 3, 3)))
    assert force[0, 5, 0] == pytest.approx(torch.tensor([GRAVITY, 0.0, 0.0]), abs=1e-3)


def test_one_heading_for_all_changes_nothing() -> None:
    """Sensors do not know where north is."""
    window = windows_of(swinging(N_DENSE))
    turn = roma.rotvec_to_rotmat(torch.tensor([0.0, 1.1, 0.0]))
    other = replace(window, R_world_segment=turn @ window.R_world_segment, positions=window.positions @ turn.T)
    for a, b in zip(read(window), read(other), strict=True):
        assert torch.allclose(a, b, atol=0.03)


def test_mountings_are_as_askew_as_they_say() -> None:
    wear = WearConfig(mounting_sd_rad=float(np.deg2rad(13.5)), any_mounting=0.0)
    askew = roma.rotmat_to_rotvec(_mountings(3000, wear, torch.Generator().manual_seed(0)))
    assert torch.rad2deg(askew.std((0, 1))) == pytest.approx(torch.full((3,), 13.5), rel=0.03)
    assert float(torch.rad2deg(askew.norm(dim=-1)).mean()) == pytest.approx(13.5 * np.sqrt(8 / np.pi), rel=0.03)
    whole = replace(wear, any_mounting=1.0)
    size = roma.rotmat_to_rotvec(_mountings(3000, whole, torch.Generator().manual_seed(0))).square().mean((1, 2)).sqrt()
    assert float(size.min()) < np.deg2rad(1.0)
    assert np.deg2rad(19) < float(size.max()) < np.deg2rad(32)


def test_a_mounting_turns_readings_of_a_window_by_one_rotation() -> None:
    askew = replace(PERFECT, mounting_sd_rad=0.3)
    window = windows_of(swinging(N_DENSE))
    plain, turned = read(window), read(window, askew)
    for site in (0, 5, 12):
        both = [torch.cat([part[0][0, :, site], 0.3 * part[1][0, :, site]]) for part in (plain, turned)]
        R = roma.rigid_vectors_registration(both[0], both[1])
        assert float(torch.rad2deg(roma.rotmat_to_rotvec(R).norm())) > 2
        assert float((both[0] @ R.T - both[1]).abs().max()) < 0.15


def test_noise_and_bias_are_as_large_as_they_say() -> None:
    faults = ImuFaults(place_sd_m=0.0, tissue=0.0)
    noisy = replace(PERFECT, faults=faults)
    rate, force, _ = read(moving(STILL, count=60), noisy)
    force = force - torch.tensor([0.0, GRAVITY, 0.0])
    for signal, bias, noise in (
        (rate, faults.gyro_bias_sd, faults.gyro_noise),
        (force, faults.acc_bias_sd, faults.acc_noise),
    ):
        assert float(signal.mean(1).std()) == pytest.approx(bias, rel=0.1)
        assert float((signal - signal.mean(1, keepdim=True)).std()) == pytest.approx(noise / 2, rel=0.05)


def test_what_is_worn() -> None:
    worn = read(moving(STILL, count=100))[2]
    assert worn.shape == (100, FRAMES, 13)
    gaps = FRAMES - worn.sum(1)
    assert float(gaps.max()) <= 5
    assert 0.02 < float((gaps > 0).float().mean()) < 0.09
    some = read(moving(STILL, count=100), replace(PERFECT, some_missing=1.0))[2]
    gone = (some.sum(1) == 0).float().mean(1)
    assert 0.4 < float(gone.mean()) < 0.6
    assert float(gone.max()) > 0.9


def test_beyond_a_clip_no_sensor_is_worn() -> None:
    window = moving(STILL)
    inside = window.inside.clone()
    inside[:, -MARGIN - 2 * STEP * 5 :] = False
    worn = read(replace(window, inside=inside))[2]
    assert bool((worn[:, -10:] == 0).all())
    assert float(worn[:, :-10].mean()) > 0.9


def test_the_same_seed_reads_the_same() -> None:
    window = windows_of(swinging(N_DENSE))
    first, again, other = (read(window, WearConfig(), seed)[1] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_low_pass_is_where_it_says() -> None:
    time = torch.arange(400, dtype=torch.float32)
    wave = torch.sin(2 * np.pi * 0.1325 * time)[None, :, None, None]
    out = _smooth(wave, 1.0)[0, 50:-50, 0, 0]
    assert float(out.square().mean() / 0.5) == pytest.approx(0.5, abs=0.01)
    assert torch.allclose(_smooth(torch.full((1, 9, 1, 1), 3.0), 0.6), torch.tensor(3.0))


def test_sites_are_in_order() -> None:
    assert len(SITE_SEGMENT) == len(IMU_SITES) == 13
