"""Noise of joint centres: the statistics that the papers state, levels, and what bias and peaks look like."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.conventions import JOINT_INDEX, KEYPOINT_INDEX, KEYPOINTS
from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.synthesis.cameras import keypoint_positions
from kinefuse.synthesis.gait import Walk, walk
from kinefuse.synthesis.joint_noise import (
    NOISE_PROFILES,
    JointNoise,
    add_noise,
    draw,
    interpolate_noise,
    keypoints_of,
    noisy_joint_centers,
)
from kinefuse.synthesis.person import demo_person

PERSON = demo_person()
STATED = {"paper": (0.041, 0.030), "authors": (0.0407, 0.0245)}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def errors(profile: str, windows: int = 1500, level_m: float | torch.Tensor | None = None) -> torch.Tensor:
    noisy, _ = add_noise(profile, torch.zeros(windows, 50, 26, 3), seeded(), level_m=level_m)
    return noisy.norm(dim=-1)


@pytest.mark.parametrize("profile", STATED)
def test_mean_and_spread_are_as_stated(profile: str) -> None:
    mean, spread = STATED[profile]
    error = errors(profile)
    assert float(error.mean()) == pytest.approx(mean, rel=0.02)
    assert float(error.std()) == pytest.approx(spread, rel=0.04)


@pytest.mark.parametrize("profile", STATED)
@pytest.mark.parametrize("level", [0.0526, 0.0705, 0.1011])
def test_a_level_is_reached(profile: str, level: float) -> None:
    assert float(errors(profile, level_m=level).mean()) == pytest.approx(level, rel=0.02)


def test_each_window_has_its_own_level() -> None:
    error = errors("paper", 1000, torch.tensor([0.02, 0.10]).repeat(500))
    assert float(error[0::2].mean()) == pytest.approx(0.02, rel=0.03)
    assert float(error[1::2].mean()) == pytest.approx(0.10, rel=0.03)


def test_clean_changes_nothing() -> None:
    points = torch.randn(2, 5, 26, 3, generator=seeded())
    noisy, confidence = add_noise("clean", points, seeded())
    assert torch.equal(noisy, points)
    assert bool((confidence == 1).all())


@pytest.mark.parametrize("profile", ["clean", *STATED])
def test_missing_is_zero_without_confidence(profile: str) -> None:
    points = torch.ones(1, 4, 26, 3)
    points[0, 1, 3] = torch.nan
    noisy, confidence = add_noise(profile, points, seeded())
    assert float(confidence[0, 1, 3]) == 0.0
    assert float(confidence.sum()) == 4 * 26 - 1
    assert bool((noisy[0, 1, 3] == 0).all())
    assert bool(noisy.isfinite().all())


def test_bias_turns_with_the_body() -> None:
    half_turn = torch.diag(torch.tensor([-1.0, 1.0, -1.0]))
    turns = torch.eye(3).repeat(300, 40, 26, 1, 1)
    turns[:, 20:] = half_turn
    noisy, _ = add_noise("authors", torch.zeros(300, 40, 26, 3), seeded(), R_world_segment=turns)
    before, after = noisy[:, :20].mean(1), noisy[:, 20:].mean(1)
    apart = (after - before @ half_turn).norm(dim=-1).median()
    assert float(apart) < 0.2 * float(before.norm(dim=-1).median())


def test_uncertain_joints_and_distal_joints_differ() -> None:
    paper = NOISE_PROFILES["paper"]
    assert isinstance(paper, JointNoise)
    bias, moving = draw(paper, 2000, 25, seeded())
    at = KEYPOINT_INDEX
    assert float(bias[:, :, at["hip_l"]].std()) > 1.3 * float(bias[:, :, at["elbow_l"]].std())
    jitter = moving.abs().median(dim=0).values.median(dim=0).values.mean(dim=-1)
    assert float(jitter[at["knee_r"]]) > 1.3 * float(jitter[at["shoulder_r"]])
    peaks = moving.abs().flatten(0, 1).quantile(0.99, dim=0).mean(dim=-1)
    assert float(peaks[at["wrist_l"]]) > 1.3 * float(peaks[at["elbow_l"]])
    assert float(peaks[at["ankle_l"]]) > 1.3 * float(peaks[at["knee_l"]])


def test_peaks_of_the_paper_last_and_bias_stays() -> None:
    paper = NOISE_PROFILES["paper"]
    assert isinstance(paper, JointNoise)
    bias, moving = draw(paper, 400, 100, seeded())
    assert bias.shape == (400, 1, len(KEYPOINTS), 3)
    x = moving[..., 0] - moving[..., 0].mean()

    def correlation(lag: int) -> float:
        return float((x[:, lag:] * x[:, :-lag]).mean() / (x * x).mean())

    assert correlation(1) > 0.5 * correlation(2) > 0.05
    assert correlation(paper.peak_frames) == pytest.approx(0.0, abs=0.01)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(sorted(STATED)), st.floats(0.0, 0.2))
def test_the_error_scales_with_the_level(seed: int, profile: str, level: float) -> None:
    points = torch.randn(2, 7, 26, 3, generator=seeded(seed), dtype=torch.float64)
    once = add_noise(profile, points, seeded(seed), level_m=level)[0] - points
    twice = add_noise(profile, points, seeded(seed), level_m=2 * level)[0] - points
    np.testing.assert_allclose(twice, 2 * once, atol=1e-12)


def test_same_seed_same_noise() -> None:
    points = torch.zeros(2, 6, 26, 3)
    first, again, other = (add_noise("paper", points, seeded(seed))[0] for seed in (4, 4, 5))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("profile", "shape", "level", "says"),
    [
        (
            "papers",
            (1, 2, 26, 3),
            None,
            r"No noise profile is called 'papers' .*'paper'.*; there are clean, paper, authors, camera",
        ),
        ("paper", (2, 26, 3), None, "Expected points of shape"),
        ("paper", (1, 2, 17, 3), None, "Expected points of shape"),
        ("clean", (1, 2, 26, 3), 0.05, "has no level to ask for"),
        ("camera", (1, 2, 26, 3), 0.05, "has no level to ask for"),
        ("paper", (1, 2, 26, 3), -0.05, "Expected one noise level of 0 m or more"),
    ],
)
def test_a_mistake_is_told(profile: str, shape: tuple[int, ...], level: float | None, says: str) -> None:
    with pytest.raises(KinefuseError, match=says):
        add_noise(profile, torch.zeros(shape), seeded(), level_m=level)


@pytest.fixture(scope="module")
def motion() -> Motion:
    return walk(PERSON, Walk(rate_hz=60.0))


def trial_error(motion: Motion, profile: str, seed: int, level_m: float | None = None) -> np.ndarray:
    noisy = noisy_joint_centers(motion, profile, seed, level_m=level_m, person=PERSON)
    return noisy.positions - noisy_joint_centers(motion, "clean", 0, person=PERSON).positions


def test_clean_centres_of_a_trial_are_the_true_keypoints(motion: Motion) -> None:
    clean = noisy_joint_centers(motion, "clean", 0, person=PERSON)
    np.testing.assert_allclose(clean.positions, keypoint_positions(motion, PERSON, motion.shape), atol=1e-9)
    assert clean.names == KEYPOINTS
    assert clean.covariance is None


def test_keypoints_follow_the_motions_own_bones(motion: Motion) -> None:
    longer = replace(motion, rest_positions=1.2 * motion.rest_positions, positions=1.2 * motion.positions)
    points, turns = keypoints_of(longer, PERSON)
    for joint in ("knee_l", "wrist_r"):
        np.testing.assert_allclose(points[:, KEYPOINT_INDEX[joint]], longer.positions[:, JOINT_INDEX[joint]], atol=1e-9)
    assert turns.shape == (len(motion.time), 26, 3, 3)


@pytest.mark.parametrize("profile", STATED)
@pytest.mark.parametrize("rate", [25.0, 60.0])
def test_a_trial_of_any_rate_has_the_level(motion: Motion, profile: str, rate: float) -> None:
    motion = motion.frames(slice(0, 30)) if rate == 60.0 else walk(PERSON, Walk(rate_hz=rate)).frames(slice(0, 30))
    error = np.stack([np.linalg.norm(trial_error(motion, profile, seed, 0.0705), axis=-1) for seed in range(150)])
    assert error.mean() == pytest.approx(0.0705, rel=0.02)


def test_bias_of_a_trial_is_constant_in_the_body(motion: Motion) -> None:
    error = trial_error(motion, "authors", 3)
    _, turns = keypoints_of(motion, PERSON)
    on_the_body = np.einsum("tkji,tkj->tki", turns, error)
    hip = on_the_body[:, KEYPOINT_INDEX["hip_r"]]
    assert np.linalg.norm(np.median(hip, axis=0)) > 1.5 * np.median(np.abs(hip - np.median(hip, axis=0)))


def test_noise_between_samples_keeps_size_and_time() -> None:
    samples = np.random.default_rng(0).normal(size=(20_000, 2))
    at_25 = interpolate_noise(samples, np.arange(10.0, 19_900.0))
    np.testing.assert_allclose(at_25, samples[10:19_900], atol=1e-12)
    at_100 = interpolate_noise(samples, np.arange(10.0, 19_900.0, 0.25))
    assert at_100.std() == pytest.approx(1.0, rel=0.01)
    assert np.mean(at_100[2:] * at_100[:-2]) == pytest.approx(2 / np.pi, abs=0.03)  # a sinc's, half a sample apart


def test_cameras_film_a_trial_at_its_own_rate(motion: Motion) -> None:
    seen = noisy_joint_centers(motion, "camera", 1, person=PERSON)
    assert seen.covariance is not None
    known = np.isfinite(seen.positions[..., 0])
    assert known.mean() > 0.7
    assert (np.isfinite(seen.covariance[..., 0, 0]) == known).all()
    error = np.linalg.norm(trial_error(motion, "camera", 1), axis=-1)
    assert 0.003 < np.nanmedian(error) < 0.06


def test_a_trial_of_another_body_is_told(motion: Motion) -> None:
    with pytest.raises(KinefuseError, match="shape components"):
        noisy_joint_centers(replace(motion, shape=np.zeros(3)), "clean", 0)
