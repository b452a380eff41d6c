import base64
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kinefuse.report.packing import MISSING, pack_floats, pack_points, pack_rotations, runs, thin_frames


def unpacked(packed: dict[str, Any]) -> np.ndarray:
    """Read packed points as the page's script does."""
    raw = np.frombuffer(base64.b64decode(packed["data"]), "<i2").reshape(-1, 3).astype(float)
    return np.where(raw == MISSING, np.nan, np.array(packed["origin"]) + packed["unit"] * raw)


def test_a_short_trial_is_kept_whole() -> None:
    assert len(thin_frames(np.arange(100) / 60.0, 60.0, 1500)) == 100


def test_a_fast_trial_is_thinned_to_the_rate() -> None:
    time = np.arange(1000) / 100.0
    kept = thin_frames(time, 60.0, 1500)
    assert kept[0] == 0
    assert 1.0 / np.median(np.diff(time[kept])) == pytest.approx(50.0)


@given(st.integers(2, 50_000), st.floats(10.0, 1000.0))
@settings(max_examples=30, deadline=None)
def test_never_more_frames_or_a_faster_rate_than_asked(frames: int, rate: float) -> None:
    time = np.arange(frames) / rate
    kept = thin_frames(time, 60.0, 1500)
    assert len(kept) <= 1500
    assert len(kept) < 2 or 1.0 / np.median(np.diff(time[kept])) < 61.0


@given(arrays(float, (7, 3), elements=st.floats(-20, 20)))
@settings(max_examples=30, deadline=None)
def test_points_come_back_within_a_unit(points: np.ndarray) -> None:
    packed: Any = pack_points(points)
    assert packed["unit"] < 0.001
    np.testing.assert_allclose(unpacked(packed), points, atol=0.51 * packed["unit"] + 1e-9)


def test_missing_points_come_back_missing() -> None:
    points = np.array([[0.0, 1.0, 2.0], [np.nan, np.nan, np.nan]])
    assert np.isnan(unpacked(pack_points(points))).all(axis=1).tolist() == [False, True]
    assert np.isnan(unpacked(pack_points(points[1:]))).all()


def test_rotations_are_exact_to_a_hundredth_of_a_degree() -> None:
    quaternion = np.array([0.5, -0.5, 0.5, 0.5])
    raw = np.frombuffer(base64.b64decode(pack_rotations(quaternion)), "<i2")
    np.testing.assert_allclose(raw / 32767.0, quaternion, atol=np.deg2rad(0.01) / 2)


def test_floats_keep_their_gaps() -> None:
    back = np.frombuffer(base64.b64decode(pack_floats(np.array([1.5, np.nan]))), "<f4")
    assert back[0] == 1.5
    assert np.isnan(back[1])


def test_runs() -> None:
    assert runs(np.array([True, True, False, True])) == [(0, 2), (3, 4)]
    assert runs(np.zeros(3, bool)) == []
