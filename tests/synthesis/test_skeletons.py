"""Other skeletons: recognised by their joints, sides not swapped, ASF and BVH names alike."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinefuse.conventions import mirrored_name
from kinefuse.errors import KinefuseError
from kinefuse.formats.bvh import CENTIMETRE, CMU_UNIT, Bvh, list_bvh, read_bvh
from kinefuse.synthesis.skeletons import ASF_NAMES, SKELETONS, recognise_skeleton, source_points


def first_clip(data: Path, name: str, unit: float = CMU_UNIT) -> Bvh:
    archive = data / "mocap" / name
    return read_bvh(archive, unit, list_bvh(archive)[0])


@pytest.mark.parametrize("table", SKELETONS.values(), ids=SKELETONS.keys())
def test_both_sides_mirror_each_other(table: dict) -> None:
    for name, point in table.items():
        if not name.endswith("_r"):
            continue
        other = table[mirrored_name(name)]
        assert other.marker.segment == mirrored_name(point.marker.segment)
        assert other.marker.offset == pytest.approx(np.array(point.marker.offset) * [1, 1, -1])
        if point.arm is not None:  # in the source's frame the side is along X
            assert other.arm == pytest.approx(np.array(point.arm) * [-1, 1, 1])


def test_sources_are_recognised(data: Path) -> None:
    assert recognise_skeleton(first_clip(data, "cmu_007.zip").names) == "cmu"
    assert recognise_skeleton(first_clip(data, "hdm05_tr.zip").names) == "cmu"
    assert recognise_skeleton(first_clip(data, "cmu_011_daz.zip", CENTIMETRE).names) == "daz"
    with pytest.raises(KinefuseError, match="none of cmu, daz, smpl"):
        recognise_skeleton(("Hips", "Spine"))


def test_asf_names_give_the_same_points(data: Path) -> None:
    clip = first_clip(data, "cmu_007.zip")
    back = {theirs: ours for ours, theirs in ASF_NAMES.items()}
    renamed = replace(clip, names=tuple(back[name] for name in clip.names))
    a, b = source_points(clip), source_points(renamed)
    assert a.names == b.names
    np.testing.assert_array_equal(a.positions, b.positions)


def test_left_is_left_and_ends_are_ends(data: Path) -> None:
    clip = first_clip(data, "cmu_007.zip")
    points = dict(zip((c := source_points(clip)).names, np.swapaxes(c.positions, 0, 1), strict=True))
    forward = points["cmu.chest_front"] - points["cmu.chest"]
    to_left = points["cmu.hip_l"] - points["cmu.hip_r"]
    up = np.cross(forward, -to_left)  # forward × right is down, so forward × left is up: X × -Z = Y
    assert (np.cross(-to_left, forward)[:, 1] > 0).all()
    assert up.shape == (len(clip.time), 3)
    assert (points["cmu.head_end"][:, 1] > points["cmu.head"][:, 1]).all()
    assert np.linalg.norm(points["cmu.knee_side_r"] - points["cmu.knee_r"], axis=-1) == pytest.approx(0.08)
