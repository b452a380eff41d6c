"""Rendered mattes on disk."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from training_samples import PEOPLE, write_motion_file

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.training import matte_cache
from kinefuse.training.matte_cache import MatteCache, read_cache, render_cache
from kinefuse.vision.cameras import project


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> MatteCache:
    folder = tmp_path_factory.mktemp("mattes")
    motion = write_motion_file(folder / "motion.npz")
    render_cache(motion, folder / "mattes.npz", split="train", frames=20, seed=1)
    return read_cache(folder / "mattes.npz")


def test_mattes_show_the_person_where_the_cameras_see_the_joints(cache: MatteCache) -> None:
    assert len(cache) == 20
    assert len(cache.counts) == 3
    hits = []
    for frame in range(20):
        cameras = cache.cameras(int(cache.rig[frame]))
        for view, camera in enumerate(cameras):
            crop = cache.crop(frame, view)
            assert crop.column + crop.cells.shape[1] <= camera.size[0] + 7
            if cache.seen[frame, view] < 100:
                continue
            column, row = np.rint(project(camera, cache.joints[frame, :13])).astype(int).T
            hits.append(crop.cells[row - crop.row, column - crop.column].mean())
    assert len(hits) > 30
    assert np.mean(hits) > 0.98


def test_the_middle_is_in_the_trunk_and_people_stand_on_the_floor(cache: MatteCache) -> None:
    assert np.linalg.norm(cache.middle - cache.joints[:, 0], axis=1).max() < 0.3
    assert (np.abs(cache.joints[:, 0]) <= [3.0, 1.3, 2.0]).all()


def test_partial_frames_are_those_that_some_camera_does_not_see_whole(cache: MatteCache) -> None:
    partial = cache.partial()
    assert 0 < partial.sum() < 20
    for frame in range(20):
        seen = cache.seen[frame, : cache.counts[cache.rig[frame]]]
        assert partial[frame] == (seen.min() < 98)


def test_processes_make_the_same_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    motion = write_motion_file(tmp_path / "motion.npz", {"anna": "train", "dora": "validation"})
    for jobs in (1, 2):
        render_cache(motion, tmp_path / f"{jobs}.npz", split="validation", frames=130, jobs=jobs)
    one, two = read_cache(tmp_path / "1.npz"), read_cache(tmp_path / "2.npz")
    for field in fields(MatteCache):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(two, field.name), err_msg=field.name)
    assert one.split == "validation"
    assert one.rig[-1] == 16


def test_only_people_of_a_set_are_rendered(tmp_path: Path) -> None:
    motion = write_motion_file(tmp_path / "motion.npz", dict.fromkeys(PEOPLE, "test"))
    with pytest.raises(KinefuseError, match="train or validation or test"):
        render_cache(motion, tmp_path / "out.npz", split="other-laboratory", frames=1)
    with pytest.raises(KinefuseError, match="no clip of this set"):
        render_cache(motion, tmp_path / "out.npz", split="train", frames=1)
    assert not (tmp_path / "out.npz").exists()


def test_rigs_have_as_many_cameras_as_asked_for(tmp_path: Path) -> None:
    motion = write_motion_file(tmp_path / "motion.npz")
    render_cache(motion, tmp_path / "out.npz", split="train", frames=9, cameras=4)
    assert read_cache(tmp_path / "out.npz").counts.tolist() == [4, 4]


def test_progress_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matte_cache, "PART", 2)
    told: list[int] = []
    motion = write_motion_file(tmp_path / "motion.npz")
    render_cache(motion, tmp_path / "out.npz", split="train", frames=5, progress=told.append)
    assert told == [2, 4, 5]


def test_damaged_caches_are_one_sentence(tmp_path: Path) -> None:
    motion = write_motion_file(tmp_path / "motion.npz")
    with pytest.raises(FormatError, match="make it again"):
        read_cache(motion)
    with pytest.raises(FormatError, match="make it again"):
        read_cache(tmp_path / "none.npz")
    render_cache(motion, tmp_path / "out.npz", split="train", frames=2)
    with np.load(tmp_path / "out.npz") as stored:
        data = dict(stored)
    np.savez(tmp_path / "cut.npz", **(data | {"bits": data["bits"][:-1]}))
    with pytest.raises(FormatError, match="belong together"):
        read_cache(tmp_path / "cut.npz")
