"""Faults put into a sound walk, each found and named."""

from dataclasses import replace

import numpy as np
import pytest

from kinefuse.conventions import JOINT_INDEX, SEGMENT_INDEX
from kinefuse.motion import Motion
from kinefuse.rotations import matrix_from_rotvec
from kinefuse.synthesis.gait import walk
from kinefuse.synthesis.person import demo_person
from kinefuse.synthesis.screening import screen

GOOD_FIT = np.full((1, 1), 0.002)


@pytest.fixture(scope="module")
def sound() -> Motion:
    return walk(demo_person()).frames(slice(600, 1200))


def verdict_on(motion: Motion, residual: np.ndarray = GOOD_FIT) -> tuple[tuple[slice, ...], str]:
    verdict = screen("clip", motion, np.broadcast_to(residual, (len(motion.time), 1)))
    return verdict.parts, "; ".join(verdict.reasons)


def test_a_sound_clip_is_kept_whole(sound: Motion) -> None:
    assert verdict_on(sound) == ((slice(0, len(sound.time)),), "")


def test_a_jump_is_cut_out(sound: Motion) -> None:
    positions = sound.positions.copy()
    positions[300, JOINT_INDEX["wrist_r"]] += 0.5
    parts, reason = verdict_on(replace(sound, positions=positions))
    assert "wrist_r" in reason
    assert len(parts) == 2
    assert parts[0].stop < 299
    assert parts[1].start > 301


def test_a_flip_is_cut_out(sound: Motion) -> None:
    R = sound.R_world_segment.copy()
    R[300:, SEGMENT_INDEX["hand_l"]] = R[300:, SEGMENT_INDEX["hand_l"]] @ matrix_from_rotvec(np.array([0, 0, 3.0]))
    parts, reason = verdict_on(replace(sound, R_world_segment=R))
    assert "flip: hand_l" in reason
    assert len(parts) == 2


def test_a_frozen_limb_spoils_the_clip(sound: Motion) -> None:
    R = sound.R_world_segment.copy()
    upper, lower = SEGMENT_INDEX["thigh_r"], SEGMENT_INDEX["shank_r"]
    R[300:540, lower] = R[300:540, upper] @ R[300, upper].T @ R[300, lower]
    parts, reason = verdict_on(replace(sound, R_world_segment=R))
    assert "frozen: the joint of shank_r" in reason
    assert parts == ()


def test_a_bad_fit_and_gaps_spoil_the_clip(sound: Motion) -> None:
    assert "misfit" in verdict_on(sound, np.full((1, 1), 0.03))[1]
    worst = np.full((len(sound.time), 1), 0.002)
    worst[:30] = 0.2
    assert "worst 2 %" in verdict_on(sound, worst)[1]
    unmeasured = np.full((len(sound.time), 1), 0.03)
    unmeasured[50:53] = np.nan  # a short gap, which is bridged
    assert "misfit: the points lie 30 mm" in verdict_on(sound, unmeasured)[1]
    assert "no point was measured" in verdict_on(sound, np.full((1, 1), np.nan))[1]
    gap = sound.R_world_segment.copy()
    gap[10] = np.nan
    assert "no points" in verdict_on(replace(sound, R_world_segment=gap))[1]
    assert "2 frames" in verdict_on(sound.frames(slice(0, 2)))[1]
