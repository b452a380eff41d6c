"""The prepared file: what is written comes back, small and exact enough."""

from pathlib import Path

import numpy as np
import pytest

from kinefuse.conventions import SEGMENT_PARENTS
from kinefuse.errors import FormatError
from kinefuse.motion import Motion
from kinefuse.rotations import geodesic_angle
from kinefuse.synthesis.gait import walk
from kinefuse.synthesis.person import demo_person
from kinefuse.synthesis.prepared import PreparedClip, prepare, read_prepared, write_prepared


@pytest.fixture(scope="module")
def motion() -> Motion:
    return walk(demo_person()).frames(slice(0, 400))


def clips(motion: Motion) -> list[PreparedClip]:
    labels = {"split": "train", "activity": "walking"}
    halves = [motion.frames(slice(0, 150)), motion.frames(slice(150, 400))]
    return [prepare(half, subject="a", clip=f"clip {i}", n_shape=0, **labels) for i, half in enumerate(halves)]


def test_round_trip(motion: Motion, tmp_path: Path) -> None:
    write_prepared(tmp_path / "motion.npz", clips(motion))
    first, second = read_prepared(tmp_path / "motion.npz")
    assert (second.subject, second.clip, second.split, second.activity) == ("a", "clip 1", "train", "walking")
    assert second.rate_hz == pytest.approx(motion.rate_hz)
    assert len(first.root) == 150
    local = second.local_matrices()
    world = local.copy()
    for segment, parent in enumerate(SEGMENT_PARENTS):
        if parent >= 0:
            world[:, segment] = world[:, parent] @ local[:, segment]
    assert np.rad2deg(geodesic_angle(world, motion.R_world_segment[150:])).max() < 0.02
    np.testing.assert_allclose(second.root, motion.positions[150:, 0], atol=1e-6)
    np.testing.assert_allclose(second.rest_positions, motion.rest_positions, atol=1e-6)


def test_it_is_small(motion: Motion, tmp_path: Path) -> None:
    write_prepared(tmp_path / "motion.npz", clips(motion))
    assert (tmp_path / "motion.npz").stat().st_size < 120 * len(motion.time) + 10_000


def test_damage_is_told(motion: Motion, tmp_path: Path) -> None:
    write_prepared(tmp_path / "motion.npz", clips(motion))
    content = (tmp_path / "motion.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    np.savez(tmp_path / "other.npz", format=7)
    for name in ("cut.npz", "other.npz", "none.npz"):
        with pytest.raises(FormatError, match="make it again"):
            read_prepared(tmp_path / name)
