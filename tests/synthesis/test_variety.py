"""Windows with variety: the clip itself when nothing is varied, a person that could be one when all is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from evaluation_examples import prepared_clips, swinging
from scipy.spatial.transform import Rotation, Slerp

from kinefuse.body.models import load_anny
from kinefuse.conventions import KEYPOINT_INDEX, KEYPOINTS, SEGMENT_INDEX, SEGMENT_PARENTS, SEGMENTS, mirror_permutation
from kinefuse.errors import KinefuseError
from kinefuse.rotations import geodesic_angle
from kinefuse.synthesis.joint_noise import keypoints_of
from kinefuse.synthesis.prepared import PreparedClip, prepare
from kinefuse.synthesis.variety import AS_RECORDED as OFF
from kinefuse.synthesis.variety import (
    TURN_SD_DEG,
    UPPER,
    MotionStore,
    MotionWindows,
    VarietyConfig,
    _random_turns,
    segment_of_points,
    without,
)

SWITCHES = {
    "shape": True,
    "mirror": True,
    "time_warp": 0.25,
    "compose": 1.0,
    "amplitude": 0.25,
    "turns": 1.0,
    "yaw": True,
}


def only(name: str) -> VarietyConfig:
    """One switch on, all others off."""
    return replace(OFF, **{name: SWITCHES[name]})  # type: ignore[arg-type]


def a_clip(frames: int = 121, seed: int = 0) -> PreparedClip:
    return prepare(swinging(frames, seed), subject="a", clip=str(seed), split="train", activity="walking")


def drawn(
    variety: VarietyConfig, clips: list[PreparedClip], count: int = 8, frames: int = 40, seed: int = 3
) -> MotionWindows:
    return MotionStore(clips, variety).draw(count, frames, 25.0, torch.Generator().manual_seed(seed))


def chained(local: np.ndarray) -> np.ndarray:
    """World rotations of local ones (T, 22, 3, 3), by a plain loop."""
    world = local.copy()
    for segment, parent in enumerate(SEGMENT_PARENTS):
        if parent >= 0:
            world[:, segment] = world[:, parent] @ local[:, segment]
    return world


@pytest.mark.parametrize("rate_hz", [30.0, 60.0, 100.0])
def test_with_all_off_a_window_is_the_clip_at_25_hz(rate_hz: float) -> None:
    """A window as long as the clip, against spherical interpolation of the clip's own rotations."""
    clip = replace(a_clip(), rate_hz=rate_hz)
    frames = round(120 / rate_hz * 25) + 1
    window = drawn(OFF, [clip], count=2, frames=frames)
    at, have = np.arange(frames) / 25, np.arange(121) / rate_hz
    local = clip.local_matrices()
    slerps = [Slerp(have, Rotation.from_matrix(local[:, s]))(at.clip(0, have[-1])) for s in range(len(SEGMENTS))]
    expected = chained(np.stack([turn.as_matrix() for turn in slerps], axis=1))
    apart = geodesic_angle(window.R_world_segment[0].double().numpy(), expected)
    assert np.rad2deg(apart).max() < 0.2
    root = np.stack([np.interp(at, have, clip.root[:, axis]) for axis in range(3)], axis=-1)
    np.testing.assert_allclose(window.positions[0, :, 0].numpy(), root, atol=1e-4)
    assert bool(window.inside.all())
    np.testing.assert_allclose(window.rest_positions[0].numpy(), clip.rest_positions, atol=1e-6)
    np.testing.assert_allclose(window.shape[0].numpy(), clip.shape, atol=1e-6)


def test_keypoints_are_those_of_the_motion() -> None:
    motion = swinging(121)
    window = drawn(OFF, [a_clip()], count=1, frames=61)
    expected, _ = keypoints_of(motion, load_anny())
    np.testing.assert_allclose(window.keypoints()[0].numpy(), expected[::2], atol=2e-3)


def test_joints_follow_from_orientations_and_bones() -> None:
    window = drawn(VarietyConfig(), prepared_clips({"a": "train", "b": "train"}, frames=121))
    for segment, parent in enumerate(SEGMENT_PARENTS):
        if parent < 0:
            continue
        bone = window.rest_positions[:, segment] - window.rest_positions[:, parent]
        turned = (window.R_world_segment[:, :, parent] @ bone[:, None, :, None])[..., 0]
        apart = window.positions[:, :, segment] - window.positions[:, :, parent] - turned
        assert float(apart.abs().max()) < 1e-4
    R = window.R_world_segment
    assert torch.allclose(R @ R.transpose(-1, -2), torch.eye(3).expand_as(R), atol=1e-5)


def test_mirrored_windows_are_mirror_images() -> None:
    """Against R' = S R S of the other side's segment, S the mirror in the plane Z = 0; half of the windows are so."""
    plain, maybe = (drawn(variety, [a_clip()], count=60, frames=61) for variety in (OFF, only("mirror")))
    S = torch.diag(torch.tensor([1.0, 1.0, -1.0]))
    image = S @ plain.R_world_segment[:, :, mirror_permutation(SEGMENTS)] @ S
    same, flipped = (
        (maybe.R_world_segment - expected).abs().amax((1, 2, 3, 4)) < 1e-4
        for expected in (plain.R_world_segment, image)
    )
    assert bool((same ^ flipped).all())
    assert 15 < int(flipped.sum()) < 45
    root = plain.positions[flipped, :, 0] * torch.tensor([1.0, 1.0, -1.0])
    assert torch.allclose(maybe.positions[flipped, :, 0], root, atol=1e-5)


def test_a_mirror_image_of_a_mirror_image_is_the_motion() -> None:
    from kinefuse.synthesis.variety import _mirrored

    q = torch.nn.functional.normalize(torch.randn(4, 22, 4, generator=torch.Generator().manual_seed(0)), dim=-1)
    assert torch.equal(_mirrored(_mirrored(q)), q)
    assert not torch.equal(_mirrored(q), q)


def test_random_bodies_are_people() -> None:
    window = drawn(only("shape"), [a_clip()], count=500, frames=4)
    crown, heel = KEYPOINT_INDEX["head_top"], KEYPOINT_INDEX["heel_l"]
    height = window.rest_points[:, crown, 1] - window.rest_points[:, heel, 1]
    assert 1.3 < float(height.min()) < 1.6
    assert 1.75 < float(height.max()) < 2.2
    assert 0.05 < float(height.std()) < 0.13
    assert float(window.shape.std()) == pytest.approx(1.0, abs=0.05)
    knee, ankle = SEGMENT_INDEX["shank_l"], SEGMENT_INDEX["foot_l"]
    shank = (window.rest_positions[:, knee] - window.rest_positions[:, ankle]).norm(dim=-1)
    assert 0.28 < float(shank.min()) < float(shank.max()) < 0.6


def test_windows_beyond_the_end_of_a_clip_are_marked_and_held() -> None:
    window = drawn(OFF, [a_clip(frames=31)], count=20, frames=40)
    assert (window.inside.sum(1) - 15).abs().max() <= 1
    before = window.inside.float().cumsum(1) == 0
    behind = window.inside.flip(1).float().cumsum(1).flip(1) == 0
    assert bool(before.any())
    assert bool(behind.any())
    held = (window.R_world_segment[:, 1:] - window.R_world_segment[:, :-1]).abs().amax((2, 3, 4))
    assert float(held[before[:, 1:]].max()) < 1e-5
    assert float(held[behind[:, :-1]].max()) < 1e-5


def test_a_clip_of_one_frame_is_a_still_person() -> None:
    window = drawn(
        OFF, [a_clip(frames=31), replace(a_clip(), rotations=a_clip().rotations[:1], root=a_clip().root[:1])]
    )
    assert bool(window.R_world_segment.isfinite().all())


@pytest.mark.parametrize("name", SWITCHES)
def test_each_switch_changes_something(name: str) -> None:
    clips = prepared_clips({"a": "train", "b": "train"}, frames=121)
    plain, varied = drawn(OFF, clips), drawn(only(name), clips)
    assert not torch.allclose(plain.positions, varied.positions, atol=1e-3)


def test_the_same_seed_draws_the_same_windows() -> None:
    clips = prepared_clips({"a": "train", "b": "train"}, frames=121)
    first, again, other = (drawn(VarietyConfig(), clips, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first.positions, again.positions)
    assert torch.equal(first.rest_points, again.rest_points)
    assert not torch.equal(first.positions, other.positions)


def test_drawing_leaves_the_store_as_it_is() -> None:
    store = MotionStore(prepared_clips({"a": "train"}, frames=121), VarietyConfig())
    before = store.quaternions.clone(), store.root.clone()
    store.draw(8, 30, 25.0, torch.Generator().manual_seed(0))
    assert torch.equal(before[0], store.quaternions)
    assert torch.equal(before[1], store.root)


def test_a_warped_window_is_up_to_a_quarter_faster_or_slower() -> None:
    """The person of these clips walks along X at 0.8 m/s."""
    window = drawn(only("time_warp"), [a_clip(frames=200)], count=200, frames=40)
    speed = (window.positions[:, -1, 0, 0] - window.positions[:, 0, 0, 0]) / (39 / 25)
    assert float(speed.min()) > 0.75 * 0.8 - 0.01
    assert float(speed.max()) < 1.25 * 0.8 + 0.01
    assert float(speed.std()) > 0.08


def test_windows_head_anywhere_and_stay_the_same_motion() -> None:
    plain, turned = (drawn(variety, [a_clip()], count=200, frames=20) for variety in (OFF, only("yaw")))
    turn = turned.R_world_segment[:, :1, :1] @ plain.R_world_segment[:, :1, :1].transpose(-1, -2)
    assert torch.allclose(turn @ plain.R_world_segment, turned.R_world_segment, atol=1e-5)
    assert torch.allclose((turn @ plain.positions[..., None])[..., 0], turned.positions, atol=1e-5)
    assert torch.allclose(turn[:, 0, 0, 1, 1], torch.ones(200), atol=1e-6)
    yaw = torch.atan2(turn[:, 0, 0, 0, 2], turn[:, 0, 0, 0, 0])
    assert torch.histc(yaw, 4, -torch.pi, torch.pi).min() > 25


def test_a_composed_window_has_anothers_upper_body_on_its_own_legs() -> None:
    clips = prepared_clips({"a": "train", "b": "train"}, frames=121)
    plain, composed = drawn(OFF, clips), drawn(only("compose"), clips)
    legs = [s for s in range(len(SEGMENTS)) if s not in UPPER]
    assert torch.allclose(plain.R_world_segment[:, :, legs], composed.R_world_segment[:, :, legs], atol=1e-6)
    arm = SEGMENT_INDEX["forearm_r"]
    pelvis_arm = plain.R_world_segment[:, :, [0]].transpose(-1, -2) @ plain.R_world_segment[:, :, [arm]]
    lent = composed.R_world_segment[:, :, [0]].transpose(-1, -2) @ composed.R_world_segment[:, :, [arm]]
    assert torch.allclose(lent, pelvis_arm.roll(1, 0), atol=1e-5)


def test_amplitudes_are_up_to_a_quarter_larger_or_smaller() -> None:
    """The angle between the most and the least bent elbow, beside that of the clip."""
    clip = a_clip(frames=200)
    plain, varied = (drawn(variety, [clip], count=100, frames=80) for variety in (OFF, only("amplitude")))
    upper_arm, forearm = SEGMENT_INDEX["upper_arm_r"], SEGMENT_INDEX["forearm_r"]

    def reach(window: MotionWindows) -> torch.Tensor:
        R = window.R_world_segment
        bend = torch.rad2deg(torch.arccos((R[:, :, upper_arm, :, 1] * R[:, :, forearm, :, 1]).sum(-1).clamp(-1, 1)))
        return bend.amax(1) - bend.amin(1)

    ratio = reach(varied) / reach(plain)
    assert 0.7 < float(ratio.min()) < 0.85
    assert 1.15 < float(ratio.max()) < 1.3


def test_random_turns_are_as_large_as_they_say_and_smooth() -> None:
    import roma

    turns = _random_turns(400, 50, 25.0, 1.0, torch.Generator().manual_seed(0))
    sd = torch.rad2deg(roma.rotmat_to_rotvec(turns).double().square().mean((0, 1)).sqrt())
    for segment, name in enumerate(SEGMENTS):
        stated = torch.tensor(TURN_SD_DEG[name.removesuffix("_l").removesuffix("_r")], dtype=torch.float64)
        ratio = sd[segment] / stated
        assert 0.75 < float(ratio.min()) < float(ratio.max()) < 1.1, name
    speed = torch.rad2deg(roma.rotmat_geodesic_distance(turns[:, 1:], turns[:, :-1])) * 25
    assert float(speed.mean()) < 40


def test_activities_are_drawn_more_alike_than_they_are_long() -> None:
    clips = [replace(a_clip(), activity="walking")] * 9 + [replace(a_clip(), activity="sport")]
    weights = MotionStore(clips, OFF).weights
    assert float(weights[9] / weights[:9].sum()) == pytest.approx(1 / 3, rel=1e-6)


def test_every_other_frame() -> None:
    window = drawn(OFF, [a_clip()], frames=20)
    part = window.every(2, 3, 5)
    assert torch.equal(part.positions, window.positions[:, [3, 5, 7, 9, 11]])
    assert part.inside.shape == (8, 5)
    assert torch.equal(part.shape, window.shape)


def test_the_stature_grows_as_the_body_says() -> None:
    mean, per_shape = MotionStore([a_clip()], OFF).stature()
    assert 1.5 < mean < 1.8
    assert per_shape.shape == (10,)


def test_no_clip_is_told() -> None:
    with pytest.raises(KinefuseError, match="no clip of this set"):
        MotionStore([], OFF)


def test_what_is_left_out_is_off() -> None:
    left = without(["turns", "shape"])
    assert (left.turns, left.shape, left.mirror) == (0.0, False, True)
    with pytest.raises(KinefuseError, match="No variation is called 'twist'"):
        without(["twist"])


def test_points_are_on_the_segments_that_they_name() -> None:
    names = dict(zip(KEYPOINTS, (SEGMENTS[i] for i in segment_of_points()), strict=True))
    assert names["nose"] == "head"
    assert names["knee_l"] in {"shank_l", "thigh_l"}
    assert names["big_toe_r"] in {"foot_r", "toes_r"}
    assert len(load_anny().point_segment) >= len(names)
