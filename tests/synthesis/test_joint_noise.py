"""Noise of joint centres: the statistics that the papers state, levels, and what bias and peaks look like."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.conventions import KEYPOINT_INDEX, KEYPOINTS
from kinefuse.errors import KinefuseError
from kinefuse.synthesis.joint_noise import NOISE_PROFILES, JointNoise, add_noise, draw

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
        ("papers", (1, 2, 26, 3), None, "No noise profile is called 'papers'; there are clean, paper, authors, camera"),
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
