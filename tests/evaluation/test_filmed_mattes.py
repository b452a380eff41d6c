"""Silhouettes filmed of a true motion, and errors frame by frame."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_examples import a_clip

from kinefuse.conventions import JOINT_INDEX
from kinefuse.evaluation.filmed_mattes import FilmedMattes, filmed_mattes
from kinefuse.evaluation.judging import given_to
from kinefuse.evaluation.matte_scores import frame_errors, joint_rows, summary
from kinefuse.evaluation.recordings import Conditions, make_recording
from kinefuse.metrics.compare import motion_at
from kinefuse.motion import Motion
from kinefuse.vision.cameras import project
from kinefuse.vision.mattes import person_mattes
from kinefuse.vision.performer import find_performer
from kinefuse.vision.volumes import VoxelTable

CLIP = a_clip()


@pytest.fixture(scope="module")
def seen() -> FilmedMattes:
    return filmed_mattes(CLIP, 0, cameras=5)


def test_the_person_is_where_the_truth_says(seen: FilmedMattes) -> None:
    """Joints are imaged onto the mattes of cameras that see them; faults take a little away."""
    truth = motion_at(CLIP.truth, seen.time)
    trunk = [JOINT_INDEX[name] for name in ("root", "spine", "chest", "knee_l", "knee_r")]
    hits = []
    for camera, mattes in zip(seen.cameras, seen.mattes, strict=True):
        pixels = project(camera, truth.positions[:, trunk])
        inside = ((pixels > 0) & (pixels < np.array(camera.size) - 1)).all(-1)
        hits += [mattes.at(t, p[i]) for t, (p, i) in enumerate(zip(pixels, inside, strict=True))]
    assert np.concatenate(hits).mean() > 0.9
    centres = find_performer(VoxelTable(seen.cameras, seen.mattes), seen.mattes)
    assert np.nanmedian(np.linalg.norm(centres - truth.positions[:, 0], axis=1)) < 0.3


def test_frames_are_25_a_second_and_few_seconds(seen: FilmedMattes) -> None:
    assert np.allclose(np.diff(seen.time), 0.04)
    short = filmed_mattes(CLIP, 0, cameras=4, longest_s=0.4)
    assert np.ptp(short.time) == pytest.approx(0.4, abs=0.041)
    assert len(short.mattes[0]) == len(short.time) == len(short.partial)
    assert CLIP.truth.time[0] <= short.time[0]


def test_the_same_seed_films_the_same(seen: FilmedMattes, tmp_path: Path) -> None:
    again, other = filmed_mattes(CLIP, 0, cameras=5), filmed_mattes(CLIP, 1, cameras=5)
    assert all(np.array_equal(a.packed, b.packed) for a, b in zip(seen.mattes, again.mattes, strict=True))
    assert not np.allclose(seen.cameras[0].translation, other.cameras[0].translation)
    views = seen.stored(tmp_path)
    for camera, view, mattes in zip(seen.cameras, views, seen.mattes, strict=True):
        kept = person_mattes(camera, view)
        assert kept.size == mattes.size
        assert np.array_equal(kept.packed, mattes.packed)


def off_by(motion: Motion, metres: float, time: np.ndarray) -> Motion:
    there = motion_at(motion, time)
    return replace(there, positions=there.positions + np.array([metres, 0.0, 0.0]))


def test_errors_by_frame_have_known_sizes(seen: FilmedMattes) -> None:
    """A motion 10 mm beside the truth is 10 mm off as it is, and right once the roots are together."""
    half = len(seen.time) // 2
    told = replace(seen, partial=np.arange(len(seen.time)) < half)
    score = frame_errors(off_by(CLIP.truth, 0.01, seen.time[half - 2 :]), CLIP, told, "beside")
    row = summary([score])
    assert row["mpjpe_mm"] == pytest.approx(10.0)
    assert row["mpjpe_root_mm"] == pytest.approx(0.0, abs=1e-6)
    assert row["mpjpe_pa_mm"] == pytest.approx(0.0, abs=1e-6)
    assert row["missing_frames"] == half - 2
    assert summary([score], "partial")["frames"] == half
    assert summary([score], "full")["missing_frames"] == 0
    assert [row["mpjpe_mm"] for row in joint_rows([score])] == pytest.approx([10.0] * 22)


def test_people_count_equally(seen: FilmedMattes) -> None:
    scores = [
        frame_errors(off_by(CLIP.truth, size, seen.time[:n]), replace(CLIP, subject=who), seen, "x")
        for who, size, n in (("anna", 0.01, 20), ("anna", 0.01, 20), ("ben", 0.03, 5))
    ]
    row = summary(scores)
    assert row["mpjpe_mm"] == pytest.approx(20.0)
    assert row["mpjpe_mm_sd"] == pytest.approx(np.sqrt(200.0))


def test_all_are_judged_on_the_frames_that_were_filmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """In `evaluate`, those who look at points get the whole clip and are judged where mattes were filmed."""
    from kinefuse.evaluation import filmed_mattes as module
    from kinefuse.evaluation import judging

    class Still:
        name = "deepfuse"

        def estimate(self, recording):  # type: ignore[no-untyped-def]
            assert len(recording.views) == 8
            assert len(recording.imus) == 13
            assert recording.joint_centers is None  # made from the truth
            assert all(view.silhouettes.is_file() for view in recording.views)
            return CLIP.truth

    real = judging.estimator_called
    monkeypatch.setattr(judging, "estimator_called", lambda name: Still() if name == "deepfuse" else real(name))
    monkeypatch.setattr(module, "filmed_mattes", lambda clip, seed: filmed_mattes(clip, seed, longest_s=0.4))
    scores, failures = judging.evaluate([CLIP], [Conditions()], ["deepfuse"], 1, lambda *_: None)
    assert not failures
    frames = {score.estimator: score.frames for score in scores}
    assert frames["deepfuse"] < len(CLIP.truth.time)
    assert scores[0].rows[0]["mpjpe_mm"] == pytest.approx(0.0, abs=1e-6)


def test_only_made_joint_centres_are_kept_from_those_who_look_at_silhouettes() -> None:
    made = make_recording(CLIP, Conditions())
    for name in ("deepfuse", "deepfuse-vision", "deepfuse=mine.safetensors"):
        assert given_to(name, made, Conditions()).joint_centers is None
        assert given_to(name, made, Conditions()).imus == made.imus
        assert given_to(name, made, None) is made  # recorded: what was measured is no truth
    assert given_to("fusionnet", made, Conditions()) is made
