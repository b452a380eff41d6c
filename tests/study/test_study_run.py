"""The run: cells are whole, are not computed twice, and are the same in whatever order they come."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_examples import a_clip

from kinefuse.conventions import COORDINATE_INDEX
from kinefuse.errors import KinefuseError
from kinefuse.evaluation.floor import MeanPose
from kinefuse.evaluation.judging import estimator_called
from kinefuse.evaluation.material import Clip
from kinefuse.motion import Motion
from kinefuse.recordings import Recording
from kinefuse.study import run as module
from kinefuse.study.archive import by_key, read_archive, write_archive
from kinefuse.study.cells import REPEATED, read_cell
from kinefuse.study.keys import digest_of_motion, digest_of_weights, key_of, window_of
from kinefuse.study.plan import FULL
from kinefuse.study.run import Study, estimator_folder, jobs_of, known_results, read_cells, run_study

SETTINGS = tuple(s for s in FULL if s.name in ("points-clean", "points-52.6", "mounting-18.8", "cameras-1"))


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return [replace(a_clip(seed=seed, frames=101), name=f"anna-sport-0{seed}") for seed in (0, 1)]


def study(folder: Path, estimators: tuple[str, ...] = ("mean-pose", "imunet"), **changes: object) -> Study:
    usual = {"settings": SETTINGS, "repetitions": 2, "optimised_repetitions": 1, "seed": 0}
    return Study(folder=folder, estimators=estimators, **(usual | changes))  # type: ignore[arg-type]


class Counting:
    """Counts how often something is computed, and sees what estimators are given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.given: list[tuple[str, Recording]] = []
        real = estimator_called

        def watched(name: str) -> object:
            estimator = real(name)
            outer = self

            class Watched:
                def estimate(self, recording: Recording) -> Motion:
                    outer.given.append((name, recording))
                    return estimator.estimate(recording)

            return Watched()

        monkeypatch.setattr(module, "estimator_called", watched)

    def count(self, name: str) -> int:
        """How often this estimator was asked, since the last time."""
        number = sum(asked == name for asked, _ in self.given)
        self.given = [one for one in self.given if one[0] != name]
        return number


def silent(stage: str, done: int, total: int) -> None:
    """Nobody watches."""


def test_cells_of_all_settings_with_each_sight_computed_once(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(monkeypatch)
    told: list[tuple[int, int]] = []
    cells = run_study(study(tmp_path), clips, 1, lambda _, done, total: told.append((done, total)))
    assert len(cells) == 4 * 2 * 2
    # mean-pose sees clean, 52.6 mm, and no points; without any its first repetition tells already that it fails.
    assert counting.count("mean-pose") == 2 * (2 + 2 + 1)
    # imunet sees mountings of 0, 9.4 and 18.8 degrees.
    assert counting.count("imunet") == 2 * 2 * 3
    assert told[-1] == (16, 16)
    by = {(cell.setting, cell.estimator, cell.window): cell for cell in cells}
    alike_ = [by[name, "imunet", clips[0].name] for name in ("points-clean", "points-52.6")]
    np.testing.assert_array_equal(alike_[0].geodesic, alike_[1].geodesic)
    other = by["mounting-18.8", "imunet", clips[0].name]
    assert np.abs(other.geodesic - alike_[0].geodesic).max() > 0


def test_one_camera_fails_with_its_reason(tmp_path: Path, clips: list[Clip]) -> None:
    cells = run_study(study(tmp_path, ("mean-pose", "imunet")), clips[:1], 1, silent)
    failures = {cell.estimator: cell.failure for cell in cells if cell.setting == "cameras-1"}
    assert "needs joint centres" in failures["mean-pose"]
    assert not failures["imunet"]


def test_what_is_there_is_not_computed_again(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = study(tmp_path, ("imunet",))
    first = run_study(asked, clips, 1, silent)
    counting = Counting(monkeypatch)
    again = run_study(asked, clips, 1, silent)
    assert counting.count("imunet") == 0
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.joint_error, b.joint_error)
    asked.path(SETTINGS[0], "imunet", clips[1].name).unlink()
    asked.path(SETTINGS[1], "imunet", clips[1].name).unlink()
    assert jobs_of(asked, clips[0]) == []
    run_study(asked, clips, 1, silent)
    assert counting.count("imunet") == 2  # one window under the settings that are alike
    run_study(replace(asked, seed=1), clips, 1, silent)
    assert counting.count("imunet") == 12
    run_study(replace(asked, seed=1, repetitions=1), clips, 1, silent)
    assert counting.count("imunet") == 0  # two are there
    run_study(replace(asked, seed=1, repetitions=1), clips, 1, silent, overwrite=True)
    assert counting.count("imunet") == 6


def test_a_cell_of_an_alike_setting_is_taken(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    """IMUNet sees no points: what it said under the usual mounting is what it says under an occluded limb."""
    usual, hidden = (tuple(s for s in FULL if s.name == name) for name in ("mounting-9.4", "occluded-limb-2"))
    (first,) = run_study(study(tmp_path, ("imunet",), settings=usual), clips[:1], 1, silent)
    counting = Counting(monkeypatch)
    (taken,) = run_study(study(tmp_path, ("imunet",), settings=hidden), clips[:1], 1, silent)
    assert counting.count("imunet") == 0
    assert taken.setting == "occluded-limb-2"
    np.testing.assert_array_equal(taken.geodesic, first.geodesic)
    run_study(study(tmp_path, ("imunet",), settings=hidden, seed=1), clips[:1], 1, silent)
    assert counting.count("imunet") == 2


def test_what_is_known_is_not_computed(tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("mean-pose", "imunet")
    usual, hidden = (tuple(s for s in FULL if s.name == name) for name in ("mounting-9.4", "occluded-limb-2"))
    elsewhere = run_study(study(tmp_path / "a", names, settings=(*usual, SETTINGS[-1])), clips[:1], 1, silent)
    write_archive(tmp_path / "results.npz", elsewhere)
    known = by_key(read_archive(tmp_path / "results.npz"))
    counting = Counting(monkeypatch)
    here = study(tmp_path / "b", names, settings=(*hidden, SETTINGS[-1]))
    computed = run_study(here, clips[:1], 1, silent, known=known)
    assert [(cell.setting, cell.estimator) for cell in computed] == [("occluded-limb-2", "mean-pose")]
    assert counting.count("imunet") == 0  # it sees no points, and none fails with one camera
    taken = {(result.setting, result.estimator) for result in known_results(here, clips[:1], known)}
    assert taken == {("occluded-limb-2", "imunet"), ("cameras-1", "mean-pose")}  # both are alike for imunet
    # Another seed, another window or more repetitions are not known.
    for asked, own in ((replace(here, seed=1), clips[:1]), (here, clips[1:])):
        assert known_results(asked, own, known) == []
    run_study(replace(here, repetitions=3), clips[:1], 1, silent, known=known)
    assert counting.count("imunet") == 3


def test_a_motion_is_known_again_though_its_last_digits_differ(clips: list[Clip]) -> None:
    motion = clips[0].truth
    digest = digest_of_motion(motion)
    noise = np.random.default_rng(0).normal(0, 1e-9, motion.positions.shape)
    assert digest_of_motion(replace(motion, positions=motion.positions + noise)) == digest
    assert digest_of_motion(replace(motion, positions=motion.positions + 0.003)) != digest
    assert digest_of_motion(motion.frames(np.arange(len(motion.time)) > 0)) != digest
    assert digest_of_motion(clips[1].truth) != digest


def test_keys_change_with_all_that_a_cell_depends_on(tmp_path: Path, clips: list[Clip]) -> None:
    usual = study(tmp_path)
    weights = tmp_path / "mine.safetensors"
    weights.write_bytes(b"one")

    def key(asked: Study = usual, clip: Clip = clips[0], estimator: str = "imunet", setting: int = 0) -> str:
        digest_of_weights.cache_clear()
        return key_of(asked.seed, window_of(clip), estimator, SETTINGS[setting])

    keys = [
        key(),
        key(replace(usual, seed=1)),
        key(clip=clips[1]),
        key(clip=replace(clips[0], name="another")),
        key(estimator="videonet"),
        key(setting=1),
        key(estimator=f"imunet={weights}"),
    ]
    weights.write_bytes(b"two")
    keys.append(key(estimator=f"imunet={weights}"))
    assert len(set(keys)) == len(keys)
    assert key() == key(replace(usual, folder=tmp_path / "other", repetitions=3, optimised_repetitions=9))


def test_repetitions_do_not_depend_on_how_many_there_are(tmp_path: Path, clips: list[Clip]) -> None:
    two, one = (
        run_study(study(tmp_path / str(n), ("imunet",), repetitions=n, settings=SETTINGS[:1]), clips[:1], 1, silent)[0]
        for n in (2, 1)
    )
    np.testing.assert_array_equal(two.geodesic[0], one.geodesic[0])
    assert np.abs(two.geodesic[1] - two.geodesic[0]).max() > 0


def test_more_repetitions_are_added_to_those_that_are_there(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("mean-pose", "imunet")
    at_once = run_study(study(tmp_path / "once", names, repetitions=3), clips[:1], 1, silent)
    run_study(study(tmp_path / "grown", names, repetitions=1, settings=SETTINGS[:2]), clips[:1], 1, silent)
    counting = Counting(monkeypatch)
    grown = run_study(study(tmp_path / "grown", names, repetitions=3), clips[:1], 1, silent)
    # Two more where there was one, for mean-pose under either setting and for imunet once for both; three where
    # there was none; and one that fails.
    assert counting.count("mean-pose") == 2 * 2 + 1
    assert counting.count("imunet") == 2 + 2 * 3
    assert len(at_once) == len(grown) == 8
    for a, b in zip(at_once, grown, strict=True):
        assert (a.setting, a.estimator, a.failure) == (b.setting, b.estimator, b.failure)
        for name in (*REPEATED, "coordinate_range", "time", "estimate", "truth"):
            if name != "seconds":
                np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_a_fault_of_ours_keeps_the_repetitions_that_are_there(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = study(tmp_path, ("imunet",), repetitions=1, settings=SETTINGS[:1])
    (before,) = run_study(asked, clips[:1], 1, silent)

    class Broken:
        def estimate(self, recording: Recording) -> Motion:
            raise MemoryError

    monkeypatch.setattr(module, "estimator_called", lambda _: Broken())
    (kept,) = run_study(replace(asked, repetitions=3), clips[:1], 1, silent)
    assert not kept.failure
    np.testing.assert_array_equal(kept.geodesic, before.geodesic)
    monkeypatch.undo()
    (grown,) = run_study(replace(asked, repetitions=3), clips[:1], 1, silent)
    assert grown.repetitions == 3


def test_what_no_recording_can_be_made_of_fails_by_itself(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module._recordings

    def sometimes(maker: object, *others: object) -> dict[str, Recording]:
        if maker.clip.name == clips[0].name:  # type: ignore[attr-defined]
            raise KinefuseError("No points can be placed.")
        return real(maker, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_recordings", sometimes)
    cells = run_study(study(tmp_path, ("mean-pose",), settings=SETTINGS[:1]), clips, 1, silent)
    assert [cell.failure for cell in cells] == ["No points can be placed.", ""]


def test_a_cell_that_changes_meanwhile_is_told(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = study(tmp_path, ("mean-pose",), repetitions=1, settings=SETTINGS[:1])
    run_study(asked, clips[:1], 1, silent)
    (job,) = jobs_of(replace(asked, repetitions=2), clips[0])
    asked.path(SETTINGS[0], "mean-pose", clips[0].name).unlink()
    with pytest.raises(KinefuseError, match="was changed while the study went on"):
        module.do(job)


def test_everybody_gets_the_same_recording(tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch)
    names = ("mean-pose", "imunet", "fusionnet", "imu-kinematics")
    run_study(study(tmp_path, names, settings=SETTINGS[1:2], repetitions=1), clips[:1], 1, silent)
    given = dict(counting.given)
    both = given["fusionnet"]
    assert both.joint_centers is not None
    assert given["mean-pose"].joint_centers is not None
    np.testing.assert_array_equal(both.joint_centers.positions, given["mean-pose"].joint_centers.positions)
    for a, b in zip(both.imus, given["imunet"].imus, strict=True):
        np.testing.assert_array_equal(a.specific_force, b.specific_force)
    assert given["imu-kinematics"].poses
    assert not both.poses


def test_a_fault_that_is_not_seen_is_not_there(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(monkeypatch)
    late = tuple(s for s in FULL if s.name == "clock-offset-500")
    run_study(study(tmp_path, ("imunet", "fusionnet"), settings=late, repetitions=1), clips[:1], 1, silent)
    given = dict(counting.given)
    alone, both = (given[name].imus[0].time for name in ("imunet", "fusionnet"))
    assert alone[0] < 0.05
    assert abs(alone[-1] - both[-1]) > 0.4


def test_a_fault_of_ours_does_not_end_the_study(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def estimate(self, recording: Recording) -> Motion:
            raise ZeroDivisionError("no reason")

    real = estimator_called
    monkeypatch.setattr(module, "estimator_called", lambda name: Broken() if name == "imunet" else real(name))
    cells = run_study(study(tmp_path, settings=SETTINGS[:1]), clips[:1], 1, silent)
    failures = {cell.estimator: cell.failure for cell in cells}
    assert failures == {"mean-pose": "", "imunet": "A fault of kinefuse (ZeroDivisionError: no reason)."}
    monkeypatch.undo()
    mended = run_study(study(tmp_path, settings=SETTINGS[:1]), clips[:1], 1, silent)
    assert [cell.failure for cell in mended] == ["", ""]


class AlmostTruth:
    """Answers with a constant error, to know what a cell must hold."""

    name = "almost"

    def __init__(self, truth: Motion) -> None:
        angles = truth.angles.copy()
        angles[:, COORDINATE_INDEX["knee_angle_r"]] += 0.1
        self.motion = replace(truth, angles=angles, positions=truth.positions + np.array([0.0, 0.02, 0.0]))

    def estimate(self, recording: Recording) -> Motion:
        """Return it, whatever was recorded."""
        return self.motion


def test_a_cell_holds_the_errors_and_the_curves(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "estimator_called", lambda _: AlmostTruth(clips[0].truth))
    (cell,) = run_study(study(tmp_path, ("mean-pose",), settings=SETTINGS[:1]), clips[:1], 1, silent)
    knee = COORDINATE_INDEX["knee_angle_r"]
    assert cell.repetitions == 2
    np.testing.assert_allclose(cell.coordinate_rmse[:, knee], 0.1, rtol=1e-5)
    np.testing.assert_allclose(np.delete(cell.coordinate_rmse, knee, axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(cell.root_error, 0.02, rtol=1e-4)
    np.testing.assert_allclose(cell.acceleration_error, 0, atol=1e-4)
    np.testing.assert_allclose(np.diff(cell.time), 0.04, atol=1e-9)
    np.testing.assert_allclose(cell.estimate[:, knee] - cell.truth[:, knee], 0.1, atol=1e-5)
    assert len(cell.truth) == len(cell.time) == 51


def test_an_interrupted_run_leaves_whole_cells(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = MeanPose(), 0

    class Interrupted:
        def estimate(self, recording: Recording) -> Motion:
            nonlocal asked
            asked += 1
            if asked > 5:
                raise KeyboardInterrupt
            return real.estimate(recording)

    monkeypatch.setattr(module, "estimator_called", lambda _: Interrupted())
    stopped = study(tmp_path, ("mean-pose",))
    with pytest.raises(KeyboardInterrupt):
        run_study(stopped, clips, 1, silent)
    left = list(tmp_path.rglob("*"))
    files = [path for path in left if path.is_file()]
    assert files
    assert all(path.suffix == ".npz" and read_cell(path) is not None for path in files)
    assert len(read_cells(stopped, clips)) == len(files) < 8


@pytest.mark.slow
def test_processes_give_the_same(tmp_path: Path, clips: list[Clip]) -> None:
    one, two = (
        run_study(study(tmp_path / str(jobs), ("mean-pose",), repetitions=1), clips, jobs, silent) for jobs in (1, 2)
    )
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.joint_error, b.joint_error)


def test_folders_of_estimators() -> None:
    assert estimator_folder("smplify3d:paper") == "smplify3d-paper"
    mine, other = estimator_folder("imunet=/a/b.safetensors"), estimator_folder("imunet=/a/c.safetensors")
    assert mine != other
    assert mine.startswith("imunet-")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, clips: list[Clip]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KinefuseError, match="cannot be written"):
        run_study(study(tmp_path / "file", ("mean-pose",)), clips[:1], 1, silent)
