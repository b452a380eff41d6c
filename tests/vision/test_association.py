"""Choosing the person who is recorded among all people in the images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from geometry_scenes import BENT, camera_ring

from kinefuse.conventions import KEYPOINTS
from kinefuse.formats.calibration import read_calibration
from kinefuse.formats.openpose import read_openpose_folder
from kinefuse.recordings import Camera, Keypoints, Recording, View
from kinefuse.vision.association import choose_person, link_people, person_size
from kinefuse.vision.cameras import project

FRAMES = 90


def body(seed: int, place: tuple[float, float, float] | np.ndarray = (0.0, 0.0, 0.0)) -> np.ndarray:
    """Return a body-like set of points (T, 26, 3) that sways about a place (3,)."""
    rng = np.random.default_rng(seed)
    shape = rng.uniform([-0.25, 0.0, -0.2], [0.25, 1.75, 0.2], (len(KEYPOINTS), 3))
    phase = rng.uniform(0, 6, (len(KEYPOINTS), 3)) + 2.0 * np.pi * np.arange(FRAMES)[:, None, None] / 60.0
    return np.asarray(place) + shape + 0.05 * np.sin(phase)


def view_of(camera: Camera, people: list[np.ndarray | None], seed: int = 0, noise: float = 2.0) -> View:
    """Return a view of people (T, 26, 3), or None for an empty place, in a random order that changes every frame."""
    rng = np.random.default_rng(seed)
    images = [project(camera, p) if p is not None else np.full((FRAMES, len(KEYPOINTS), 2), np.nan) for p in people]
    stacked = np.stack(images, axis=1)
    stacked = stacked + rng.normal(0.0, noise, stacked.shape)
    stacked = np.stack([frame[rng.permutation(len(people))] for frame in stacked])
    confidence = np.where(np.isfinite(stacked[..., 0]), 0.8, 0.0)
    return View(
        camera=camera.name,
        rate_hz=60.0,
        start_s=0.0,
        keypoints=Keypoints(names=KEYPOINTS, pixels=stacked, confidence=confidence),
    )


def distance_px(view: View, camera: Camera, truth: np.ndarray) -> np.ndarray:
    """Return the median distance (T,) of the kept person from the true one; NaN where nobody was kept."""
    assert view.keypoints is not None
    assert view.keypoints.pixels.shape[1] == 1
    off = np.linalg.norm(view.keypoints.pixels[:, 0] - project(camera, truth), axis=-1)
    return np.array([np.median(row[np.isfinite(row)]) if np.isfinite(row).any() else np.nan for row in off])


def test_size_is_the_diagonal_of_the_box() -> None:
    points = np.array([[0.0, 0.0], [3.0, 1.0], [1.0, 4.0], [np.nan, np.nan]])
    assert person_size(points) == pytest.approx(5.0)
    assert np.isnan(person_size(np.full((4, 2), np.nan)))


def test_people_are_linked_over_time_and_short_breaks() -> None:
    camera = camera_ring(1)[0]
    first, second = body(0), body(1, (0.8, 0.0, 0.0))
    view = view_of(camera, [first, second])
    assert view.keypoints is not None
    pixels, confidence = view.keypoints.pixels.copy(), view.keypoints.confidence.copy()
    pixels[40:45], confidence[40:45] = np.nan, 0.0
    identity = link_people(pixels, confidence)
    assert set(identity.ravel()) == {-1, 0, 1}
    assert (identity[40:45] == -1).all()
    nearest = np.linalg.norm(pixels.mean(axis=2) - project(camera, first).mean(axis=1)[:, None], axis=-1)
    mine = identity[np.arange(FRAMES), np.nan_to_num(nearest, nan=1e9).argmin(axis=1)]
    assert len(set(mine) - {-1}) == 1


@pytest.mark.parametrize("where", [(0,), (0, 1), (2, 3)])
def test_a_bystander_in_some_views_does_not_win(where: tuple[int, ...]) -> None:
    cameras = camera_ring(4, BENT)
    subject = body(0)
    # Nearer to those cameras, therefore larger in their images.
    stand = 0.5 * np.mean([cameras[v].centre * [1.0, 0.0, 1.0] for v in where], axis=0)
    bystander = body(1, stand)
    views = [view_of(c, [subject, bystander if v in where else None], seed=v) for v, c in enumerate(cameras)]
    kept = choose_person(Recording(cameras=tuple(cameras), views=tuple(views)))
    for camera, view in zip(cameras, kept.views, strict=True):
        assert distance_px(view, camera, subject).max() < 6.0


def test_only_the_bystander_in_a_view_leaves_it_empty() -> None:
    cameras = camera_ring(4, BENT)
    subject, bystander = body(0), body(1, (1.4, 0.0, 0.3))
    views = [view_of(c, [subject, None], seed=v) for v, c in enumerate(cameras)]
    views[1] = view_of(cameras[1], [bystander, None])
    kept = choose_person(Recording(cameras=tuple(cameras), views=tuple(views)))
    assert np.isnan(distance_px(kept.views[1], cameras[1], subject)).all()
    assert distance_px(kept.views[0], cameras[0], subject).max() < 6.0
    points = kept.views[1].keypoints
    assert points is not None
    assert not points.confidence.any()


def test_a_broken_and_an_exchanged_track_are_mended() -> None:
    cameras = camera_ring(4, BENT)
    subject, other = body(0), body(1, (0.9, 0.0, 0.0))
    views = [view_of(c, [subject, other if v < 2 else None], seed=v) for v, c in enumerate(cameras)]
    points = views[2].keypoints
    assert points is not None
    points.pixels[30:60], points.confidence[30:60] = np.nan, 0.0  # longer than a track survives
    kept = choose_person(Recording(cameras=tuple(cameras), views=tuple(views)))
    seen = distance_px(kept.views[2], cameras[2], subject)
    np.testing.assert_array_equal(np.isnan(seen), (np.arange(FRAMES) >= 30) & (np.arange(FRAMES) < 60))
    assert np.nanmax(seen) < 6.0


def test_two_people_in_all_views_are_told() -> None:
    cameras = camera_ring(3, BENT)
    people: list[np.ndarray | None] = [body(0), body(1, (1.0, 0.0, 0.2))]
    views = [view_of(c, people, seed=v) for v, c in enumerate(cameras)]
    choice = choose_person(Recording(cameras=tuple(cameras), views=tuple(views)))
    assert [finding.level for finding in choice.findings] == ["warning"]
    assert "second person" in choice.findings[0].text
    errors = [
        [np.nanmax(distance_px(view, camera, person)) for person in people if person is not None]
        for camera, view in zip(cameras, choice.views, strict=True)
    ]
    assert len({int(np.argmin(row)) for row in errors}) == 1  # the same one everywhere
    assert np.min(errors, axis=1).max() < 6.0


def test_nobody_in_common_is_told() -> None:
    cameras = camera_ring(2, BENT)
    here, there = body(0), body(1, (1.5, 0.0, 1.5))
    views = [view_of(cameras[0], [here, None]), view_of(cameras[1], [there, None])]
    choice = choose_person(Recording(cameras=tuple(cameras), views=tuple(views)))
    assert "No two cameras agree on where a person is" in choice.findings[0].text
    assert distance_px(choice.views[0], cameras[0], here).max() < 6.0


def test_one_person_is_left_alone_and_views_without_keypoints_too() -> None:
    cameras = camera_ring(3)
    views = (view_of(cameras[0], [body(0)]), view_of(cameras[1], [body(0)]), View(camera=cameras[2].name))
    recording = Recording(cameras=tuple(cameras), views=views)
    assert choose_person(recording).views == views
    crowded = replace(recording, views=(view_of(cameras[0], [body(0), None]), *views[1:]))
    assert choose_person(crowded).views[2] is views[2]


def test_real_bystanders_are_left_out(balancing: Path) -> None:
    cameras = read_calibration(balancing / "calibration" / "Calib_qualisys.toml")

    def views(kind: str) -> tuple[View, ...]:
        folders = sorted((balancing / "pose" / kind).iterdir())
        points = [read_openpose_folder(folder, "body25b", first_number=0) for folder in folders]
        pairs = zip(cameras, points, strict=True)
        return tuple(View(camera=c.name, rate_hz=60.0, start_s=0.0, keypoints=p) for c, p in pairs)

    kept = choose_person(Recording(cameras=cameras, views=views("detections"))).views
    for own, expected in zip(kept, views("associated"), strict=True):
        assert own.keypoints is not None
        assert expected.keypoints is not None
        off = np.linalg.norm(own.keypoints.pixels - expected.keypoints.pixels, axis=-1)[:, 0]
        known = np.isfinite(off).any(axis=1)
        typical = np.array([np.median(row[np.isfinite(row)]) for row in off[known]])
        assert known.sum() >= 98
        assert (typical > 5.0).sum() <= 2
