"""The public CMU files' defects, made anew in a sound file, and found and repaired."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinefuse.formats.bvh import CMU_UNIT, Bvh, list_bvh, read_bvh
from kinefuse.formats.cmu_bvh import THORAX_CHILDREN, WRIST_CHILDREN, repair_cmu

LOST = [*THORAX_CHILDREN, *(name for _, *names in WRIST_CHILDREN for name in names)]


@pytest.fixture(scope="module")
def sound(data: Path) -> Bvh:
    """A clip whose offsets come from the original ASF file."""
    archive = data / "mocap" / "cmu_007.zip"
    return read_bvh(archive, CMU_UNIT, list_bvh(archive)[0])


def without_offsets(clip: Bvh) -> Bvh:
    offsets, translations = clip.offsets.copy(), clip.translations.copy()
    for name in LOST:
        offsets[clip.names.index(name)] = 0
        translations[:, clip.names.index(name)] = 0
    return replace(clip, offsets=offsets, translations=translations)


def with_t_pose(clip: Bvh) -> Bvh:
    rotations = np.concatenate([np.tile(np.eye(3), (1, len(clip.names), 1, 1)), clip.rotations])
    return replace(clip, rotations=rotations, translations=np.concatenate([clip.translations[:1], clip.translations]))


def test_a_sound_file_stays_as_it_is(sound: Bvh) -> None:
    repaired, findings = repair_cmu(sound, "07_01.bvh")
    assert repaired is sound
    assert findings == ()


def test_zero_offsets_are_restored(sound: Bvh) -> None:
    repaired, findings = repair_cmu(without_offsets(sound), "07_01.bvh")
    assert [f.level for f in findings] == ["warning"]
    assert "LeftFingerBase" in findings[0].text
    gap = np.linalg.norm(repaired.joint_positions() - sound.joint_positions(), axis=-1)
    assert gap.max() < 0.015


def test_the_artificial_t_pose_is_left_out(sound: Bvh) -> None:
    repaired, findings = repair_cmu(with_t_pose(sound), "07_01.bvh")
    assert "T-pose" in findings[0].text
    np.testing.assert_array_equal(repaired.rotations, sound.rotations)


@pytest.mark.parametrize(
    "name, rate, corrected", [("60_01.bvh", 120, True), ("60_01.bvh", 60, False), ("07_01.bvh", 120, False)]
)
def test_wrong_rate_of_two_subjects(sound: Bvh, name: str, rate: float, corrected: bool) -> None:
    repaired, findings = repair_cmu(replace(sound, frame_time=1 / rate), name)
    assert repaired.frame_time == pytest.approx((2 if corrected else 1) / rate)
    assert bool(findings) == corrected


def test_all_at_once_are_three_findings(sound: Bvh) -> None:
    broken = replace(with_t_pose(without_offsets(sound)), frame_time=1 / 120)
    _, findings = repair_cmu(broken, "folder/61_03.bvh")
    assert len(findings) == 3
