"""Left taken for right is found from the other cameras and from the movement."""

import numpy as np
import pytest
from geometry_scenes import camera_ring, observe
from hypothesis import given, settings
from hypothesis import strategies as st
from people_scenes import walker

from kinefuse.conventions import KEYPOINT_INDEX, KEYPOINTS
from kinefuse.vision.sides import (
    HALVES,
    MIRROR,
    best_states,
    exchange,
    exchanged_sides,
)

FRAMES = 60


def scene(views: int, noise_px: float = 6.0, seed: int = 0) -> tuple[list, np.ndarray, np.ndarray]:
    """Return cameras, and pixels and confidence of somebody who walks, as a detector sees them."""
    cameras = camera_ring(views)
    pixels = observe(cameras, walker(FRAMES))
    pixels += np.random.default_rng(seed).normal(0, noise_px, pixels.shape)
    return cameras, pixels, np.full(pixels.shape[:3], 0.9)


def swapped(pixels: np.ndarray, truth: np.ndarray, half: tuple[int, ...]) -> np.ndarray:
    out = pixels.copy()
    for v in range(pixels.shape[1]):
        out[:, v] = exchange(pixels[:, v], half, truth[:, v])
    return out


def harm_px(mended: np.ndarray, truth: np.ndarray) -> float:
    """Return by how much the worst frame of any view is off: 0 if every side is right, little if sides overlap."""
    return float(np.nan_to_num(np.linalg.norm(mended - truth, axis=-1)).mean(axis=2).max())


def test_halves_hold_pairs() -> None:
    for half in HALVES.values():
        assert set(MIRROR[list(half)]) == set(half)
        assert {KEYPOINTS[k][-2:] for k in half} == {"_l", "_r"}


@pytest.mark.parametrize("views", [2, 3, 4, 9])
def test_one_view_exchanged_for_a_while(views: int) -> None:
    cameras, pixels, confidence = scene(views)
    truth = np.zeros((FRAMES, views), dtype=bool)
    truth[20:45, 1] = True
    truth[50, 0] = True
    for half in HALVES.values():
        seen = swapped(pixels, truth, half)
        found = exchanged_sides(cameras, seen, confidence, half)
        assert harm_px(swapped(seen, found, half), pixels) < 20
        assert (found != truth).mean() < 0.01


def test_nothing_is_exchanged_without_need() -> None:
    cameras, pixels, confidence = scene(4, noise_px=10.0)
    pixels[10:20, 2] = np.nan
    confidence[10:20, 2] = 0.0
    for half in HALVES.values():
        found = exchanged_sides(cameras, pixels, confidence, half)
        assert harm_px(swapped(pixels, found, half), pixels) < 20
        assert found.mean() < 0.01


def test_the_majority_decides_when_all_could_be_mirrored() -> None:
    cameras, pixels, confidence = scene(4)
    truth = np.zeros((FRAMES, 4), dtype=bool)
    truth[:, 3] = True
    found = exchanged_sides(cameras, swapped(pixels, truth, HALVES["lower body"]), confidence, HALVES["lower body"])
    np.testing.assert_array_equal(found, truth)


def test_one_side_alone_is_never_exchanged() -> None:
    """With no point of the right side in view, nothing can be compared with an exchanged view: no merit of it."""
    cameras, pixels, confidence = scene(2, noise_px=10.0)
    right = [k for k, name in enumerate(KEYPOINTS) if name.endswith("_r")]
    pixels[:, :, right], confidence[:, :, right] = np.nan, 0.0
    for half in HALVES.values():
        assert not exchanged_sides(cameras, pixels, confidence, half).any()


def test_a_single_view_is_left_alone() -> None:
    cameras, pixels, confidence = scene(1)
    assert not exchanged_sides(cameras, pixels, confidence, HALVES["upper body"]).any()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_exchanging_twice_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, where = rng.normal(size=(5, 26, 2)), rng.random(5) > 0.5
    half = HALVES["upper body"]
    once = exchange(values, half, where)
    np.testing.assert_array_equal(exchange(once, half, where), values)
    np.testing.assert_array_equal(once[:, KEYPOINT_INDEX["knee_l"]], values[:, KEYPOINT_INDEX["knee_l"]])
    if where.any():
        assert not np.array_equal(once, values)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 2), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_best_states_equal_a_search_of_all(views: int, frames: int, seed: int) -> None:
    """Dynamic programming finds the same minimum as trying every sequence."""
    rng = np.random.default_rng(seed)
    states = 2**views
    cost, keep, flip = rng.random((frames, states)), rng.random((frames - 1, views)), rng.random((frames - 1, views))

    def price(path: tuple[int, ...]) -> float:
        total = sum(cost[g, s] for g, s in enumerate(path))
        for g in range(frames - 1):
            changed = [(path[g] ^ path[g + 1]) >> v & 1 for v in range(views)]
            total += sum(flip[g, v] if c else keep[g, v] for v, c in enumerate(changed))
        return float(total)

    paths = np.stack(np.meshgrid(*[range(states)] * frames, indexing="ij"), axis=-1).reshape(-1, frames)
    least = min(price(tuple(int(s) for s in path)) for path in paths)
    bits = best_states(cost, keep, flip)
    assert price(tuple(int(b @ (1 << np.arange(views))) for b in bits)) == pytest.approx(least)
