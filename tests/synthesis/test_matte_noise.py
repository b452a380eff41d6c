"""Each fault by itself."""

import numpy as np
import pytest

from kinefuse.conventions import JOINT_INDEX
from kinefuse.synthesis.matte_noise import MatteFaults, spoil

NONE = MatteFaults(clean=0.0, ragged=0.0, holes=0.0, limb=0.0, spots=0.0, empty=0.0)
SCALE = 50.0


def spoiled(faults: MatteFaults, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A box of 60 x 30 cells with joints in its middle, before and after."""
    matte = np.zeros((120, 100), dtype=bool)
    matte[30:90, 35:65] = True
    joints = np.tile([50.0, 60.0], (22, 1))
    joints[JOINT_INDEX["knee_l"]] = [50.0, 70.0]
    before = matte.copy()
    spoil([matte], [joints], [SCALE], np.random.default_rng(seed), faults)
    return before, matte


@pytest.mark.parametrize("faults", [NONE, MatteFaults(clean=1.0)])
def test_no_faults_change_nothing(faults: MatteFaults) -> None:
    before, after = spoiled(faults)
    np.testing.assert_array_equal(before, after)


def test_ragged_edges_keep_the_inside_and_the_outside() -> None:
    before, after = spoiled(MatteFaults(clean=0.0, ragged=1.0, holes=0.0, limb=0.0, spots=0.0, empty=0.0))
    assert 20 < (before != after).sum() < 400
    assert after[35:85, 40:60].all()
    assert not after[:25].any()
    assert not after[:, :30].any()


def test_holes_are_within_and_spots_anywhere() -> None:
    for seed in range(10):
        before, after = spoiled(MatteFaults(clean=0.0, ragged=0.0, holes=1.0, limb=0.0, spots=0.0, empty=0.0), seed)
        assert (before & ~after).any()
        assert not (after & ~before).any()
        before, after = spoiled(MatteFaults(clean=0.0, ragged=0.0, holes=0.0, limb=0.0, spots=1.0, empty=0.0), seed)
        assert not (before & ~after).any()
    changed = [
        spoiled(MatteFaults(clean=0.0, ragged=0.0, holes=0.0, limb=0.0, spots=1.0, empty=0.0), s) for s in range(9)
    ]
    assert any((after & ~before).sum() > 20 for before, after in changed)


def test_a_limb_is_lost_near_its_joints_only() -> None:
    for seed in range(10):
        before, after = spoiled(MatteFaults(clean=0.0, ragged=0.0, holes=0.0, limb=1.0, spots=0.0, empty=0.0), seed)
        lost = np.argwhere(before & ~after)
        assert len(lost) > 50
        assert np.hypot(*(lost - [60, 50]).T).max() < 10 + (0.25 + 0.13) * SCALE + 1


def test_an_empty_matte_and_bad_joints() -> None:
    _, after = spoiled(MatteFaults(clean=0.0, empty=1.0))
    assert not after.any()
    matte = np.ones((20, 20), dtype=bool)
    all_faults = MatteFaults(clean=0.0, ragged=1.0, holes=1.0, limb=1.0, spots=1.0, empty=0.0)
    spoil([matte], [np.full((22, 2), np.nan)], [SCALE], np.random.default_rng(0), all_faults)
    empty = np.zeros((20, 20), dtype=bool)
    spoil([empty], [np.full((22, 2), np.nan)], [SCALE], np.random.default_rng(0), MatteFaults(clean=0.0, spots=0.0))
    assert not empty.any()
