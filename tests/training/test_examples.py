"""Batches: what they depend on, how noisy they are, and that signals and truth are of the same moments."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from evaluation_examples import prepared_clips

from kinefuse.conventions import SITE_SEGMENT
from kinefuse.models.signals import COCO
from kinefuse.synthesis.imu_batches import WearConfig
from kinefuse.synthesis.imus import ImuFaults
from kinefuse.synthesis.joint_noise import NOISE_PROFILES, JointNoise
from kinefuse.synthesis.prepared import PreparedClip
from kinefuse.synthesis.variety import AS_RECORDED, MotionStore, VarietyConfig
from kinefuse.training.examples import EVALUATION, Difficulty, Example, ExampleMaker


@pytest.fixture(scope="module")
def clips() -> list[PreparedClip]:
    return prepared_clips({"anna": "train", "ben": "train"}, frames=150)


def maker(
    clips: list[PreparedClip],
    difficulty: Difficulty | None = None,
    variety: VarietyConfig | None = None,
    seed: int = 0,
    video: bool = True,
    imu: bool = True,
) -> ExampleMaker:
    store = MotionStore(clips, variety or VarietyConfig())
    return ExampleMaker(store, 24, video=video, imu=imu, difficulty=difficulty or Difficulty(), seed=seed)


def parts(example: Example) -> list[torch.Tensor]:
    s = example.signals
    each = (s.points, s.confidence, s.angular_rate, s.specific_force, s.worn, s.stature)
    assert all(part is not None for part in each)
    return [part.nan_to_num(-1.0) for part in (*each, example.R_world_segment, example.shape) if part is not None]


def same(a: Example, b: Example) -> bool:
    return all(torch.equal(x, y) for x, y in zip(parts(a), parts(b), strict=True))


def test_a_batch_depends_on_seed_and_number_only(clips: list[PreparedClip]) -> None:
    one, other = maker(clips), maker(clips)
    other.batch(0, 4)
    torch.manual_seed(99)
    assert same(one.batch(7, 4), other.batch(7, 4))
    assert not same(one.batch(7, 4), one.batch(8, 4))
    assert not same(one.batch(7, 4), maker(clips, seed=1).batch(7, 4))


def test_shapes(clips: list[PreparedClip]) -> None:
    example = maker(clips).batch(0, 5)
    s = example.signals
    assert s.points is not None
    assert s.angular_rate is not None
    assert s.points.shape == (5, 24, 26, 3)
    assert s.angular_rate.shape == (5, 24, 13, 3)
    assert example.R_world_segment.shape == (5, 24, 22, 3, 3)
    assert example.positions.shape == (5, 24, 22, 3)
    assert example.inside.shape == (5, 24)
    assert example.to(torch.device("cpu")).signals.points is not None


def test_only_what_a_network_sees_is_made(clips: list[PreparedClip]) -> None:
    assert maker(clips, imu=False).batch(0, 2).signals.angular_rate is None
    assert maker(clips, video=False).batch(0, 2).signals.points is None


@pytest.mark.parametrize("profile", ["authors", "paper"])
def test_the_noise_is_at_its_profiles_level(clips: list[PreparedClip], profile: str) -> None:
    """Points beside those of the same windows without noise: 40.7 and 41 mm on average."""
    noisy, clean = (
        maker(clips, replace(EVALUATION, profiles={name: 1.0}), AS_RECORDED, imu=False).batch(0, 64).signals.points
        for name in (profile, "clean")
    )
    assert noisy is not None
    assert clean is not None
    settings = NOISE_PROFILES[profile]
    assert isinstance(settings, JointNoise)
    assert float((noisy - clean).norm(dim=-1).mean()) == pytest.approx(settings.level_m, rel=0.05)


def test_levels_vary_from_window_to_window(clips: list[PreparedClip]) -> None:
    easy = Difficulty(profiles={"authors": 1.0}, coco_only=0.0, some_missing=0.0)
    none = replace(easy, profiles={"clean": 1.0})
    noisy, clean = (maker(clips, d, imu=False).batch(0, 200).signals.points for d in (easy, none))
    assert noisy is not None
    assert clean is not None
    level = (noisy - clean).norm(dim=-1).mean((1, 2)) / 0.0407
    assert 0.2 < float(level.min()) < 0.5
    assert 2.0 < float(level.max()) < 3.2


def test_points_are_missing_as_often_as_asked(clips: list[PreparedClip]) -> None:
    some = Difficulty(profiles={"clean": 1.0}, coco_only=0.3, some_missing=0.0)
    confidence = maker(clips, some, imu=False).batch(0, 300).signals.confidence
    assert confidence is not None
    bare = (confidence[:, 0, len(COCO) :] == 0).all(-1)
    assert 0.2 < float(bare.float().mean()) < 0.4
    assert float(confidence[:, :, : len(COCO)].mean()) == 1.0
    more = replace(some, coco_only=0.0, some_missing=1.0)
    confidence = maker(clips, more, imu=False).batch(0, 300).signals.confidence
    assert confidence is not None
    assert float((confidence == 0).float().mean()) == pytest.approx(0.2, abs=0.03)


def test_validation_is_never_short_of_points_or_sensors(clips: list[PreparedClip]) -> None:
    signals = maker(clips, EVALUATION, AS_RECORDED).batch(0, 64).signals
    assert signals.confidence is not None
    assert signals.worn is not None
    assert float(signals.confidence.min()) == 1.0
    assert float(signals.worn.mean()) > 0.98


def test_signals_and_truth_are_of_the_same_moments(clips: list[PreparedClip]) -> None:
    """The rate of perfect sensors is the change of the true orientation around the same frame."""
    none = ImuFaults(place_sd_m=0.0, tissue=0.0, gyro_noise=0.0, gyro_bias_sd=0.0, acc_noise=0.0, acc_bias_sd=0.0)
    perfect = replace(EVALUATION, wear=WearConfig(mounting_sd_rad=0.0, any_mounting=0.0, some_missing=0.0, faults=none))
    example = maker(clips, perfect, AS_RECORDED).batch(0, 8)
    rate = example.signals.angular_rate
    assert rate is not None
    R = example.R_world_segment[:, :, list(SITE_SEGMENT)]
    change = R[:, :-2].transpose(-1, -2) @ R[:, 2:]
    skew = (change - change.transpose(-1, -2)) / 2
    from_truth = torch.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], -1) * 25 / 2

    def apart(shift: int) -> float:
        middle = rate[:, 1 + shift : len(rate[0]) - 1 + shift]
        return float((middle - from_truth[:, : middle.shape[1]]).square().mean().sqrt())

    assert apart(0) < 0.15 * float(from_truth.square().mean().sqrt())
    assert apart(0) < 0.5 * apart(1)


def test_statures_are_known_for_half_and_within_centimetres(clips: list[PreparedClip]) -> None:
    examples = maker(clips, imu=False)
    example = examples.batch(0, 400)
    stature = example.signals.stature
    assert stature is not None
    known = stature.isfinite()
    assert 0.4 < float(known.float().mean()) < 0.6
    off = (stature - examples.stature_mean - example.shape @ examples.stature_basis)[known]
    assert float(off.std()) == pytest.approx(0.01, rel=0.15)
    assert 1.3 < float(stature[known].min()) < float(stature[known].max()) < 2.2


def test_beyond_a_clip_there_is_neither_signal_nor_truth() -> None:
    short = prepared_clips({"anna": "train"}, each=1, frames=30)
    example = maker(short).batch(0, 8)
    outside = example.inside == 0
    assert 0.2 < float(outside.float().mean()) < 0.7
    assert example.signals.confidence is not None
    assert example.signals.worn is not None
    assert float(example.signals.confidence[outside].max()) == 0.0
    assert float(example.signals.worn[outside].max()) == 0.0
    assert all(np.isfinite(part.numpy()).all() for part in parts(example))
