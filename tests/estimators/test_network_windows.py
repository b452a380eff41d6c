"""Windows: nothing is lost, nothing shows where one ends, and headings go on."""

import numpy as np
import pytest
import torch
from stub_networks import ReadingNetwork, coded_points

from kinefuse.estimators.windows import (
    Blended,
    answer_in_windows,
    interpolated,
    nearest_rotations,
    raised_cosine,
    window_starts,
)
from kinefuse.models.signals import Signals
from kinefuse.rotations import geodesic_angle, matrix_from_euler, matrix_from_rotvec, yaw_matrix

WINDOW = 20


def turning(time: np.ndarray) -> np.ndarray:
    """Rotations (T, 3, 3) that never stop: a slow turn of heading and a swing."""
    swing = np.deg2rad(30) * np.sin(2 * np.pi * 1.5 * time)
    return yaw_matrix(0.7 * time) @ matrix_from_euler("ZXY", np.stack([swing, 0.5 * swing, 0.2 * swing], -1))


def place(time: np.ndarray) -> np.ndarray:
    return np.stack([time, 0.9 + 0.02 * np.sin(6 * time), -0.3 * time], -1)


def signals_of(points: np.ndarray) -> Signals:
    seen = np.isfinite(points).all(-1)
    return Signals(
        points=torch.tensor(np.nan_to_num(points), dtype=torch.float32)[None],
        confidence=torch.tensor(seen, dtype=torch.float32)[None],
        stature=torch.tensor([1.7]),
    )


def recording(frames: int) -> tuple[np.ndarray, Signals]:
    time = np.arange(frames) / 25.0
    return time, signals_of(coded_points(turning(time), place(time)))


@pytest.mark.parametrize("frames", [20, 21, 25, 30, 39, 99, 100, 1500])
def test_windows_cover_every_frame_and_overlap_by_half(frames: int) -> None:
    starts = window_starts(frames, WINDOW)
    assert starts[0] == 0
    assert starts[-1] == frames - WINDOW
    assert (np.diff(starts) <= WINDOW // 2).all()
    assert (np.diff(starts) > 0).all()


def test_weights_fade_in_and_out() -> None:
    weight = raised_cosine(50)
    assert weight[0] == pytest.approx(weight[-1])
    assert weight[0] < 0.002
    assert np.allclose(weight[:25] + weight[25:], 1.0)


@pytest.mark.parametrize("frames", [20, 33, 200, 1700])
def test_exact_answers_stay_exact(frames: int) -> None:
    """More frames than one batch of windows holds, too."""
    time, signals = recording(frames)
    answer = answer_in_windows(ReadingNetwork(WINDOW), WINDOW, signals)
    assert geodesic_angle(answer.R_world_segment, turning(time)[:, None]).max() < 1e-5
    assert np.abs(answer.root - place(time)).max() < 1e-5
    assert np.allclose(answer.shape, 1.0)


def test_the_edge_of_a_window_does_not_show() -> None:
    """Windows that are off by five degrees this way and that: what comes out is off by a smooth curve.

    Its second derivative is nowhere larger than that of a raised cosine of the same height.
    """
    error = np.deg2rad(5)
    time, signals = recording(410)
    answer = answer_in_windows(ReadingNetwork(WINDOW, (error, -error)), WINDOW, signals)
    off = answer.R_world_segment[:, 0] @ np.swapaxes(turning(time), -1, -2)
    angle = np.arctan2(off[:, 2, 1], off[:, 1, 1])
    steepest = error * np.pi / (WINDOW // 2)
    assert np.abs(np.diff(angle)).max() < 1.1 * steepest
    assert np.abs(np.diff(angle, n=2)).max() < 1.2 * steepest * np.pi / (WINDOW // 2)


def test_headings_go_on_from_window_to_window() -> None:
    """Each window has a heading of its own; what is left is one constant turn."""
    time, signals = recording(500)
    answer = answer_in_windows(ReadingNetwork(WINDOW, free_heading=True), WINDOW, signals, free_heading=True)
    left = answer.R_world_segment[:, 0] @ np.swapaxes(turning(time), -1, -2)
    assert np.allclose(left, left[0], atol=1e-5)
    assert np.allclose(left[0, 1], [0, 1, 0], atol=1e-5)


def test_windows_that_saw_nothing_say_nothing() -> None:
    time, _ = recording(200)
    points = coded_points(turning(time), place(time))
    points[60:140] = np.nan
    answer = answer_in_windows(ReadingNetwork(WINDOW), WINDOW, signals_of(points))
    assert np.isnan(answer.R_world_segment[80:120]).all()
    assert np.isfinite(answer.R_world_segment[:60]).all()
    assert np.isfinite(answer.root[140:]).all()


def test_answers_that_are_no_numbers_are_left_out() -> None:
    class Failing(ReadingNetwork):
        def __call__(self, signals: Signals):  # type: ignore[no-untyped-def]
            said = super().__call__(signals)
            said.root[3] = torch.nan
            return said

    time, signals = recording(100)
    answer = answer_in_windows(Failing(WINDOW), WINDOW, signals)
    assert geodesic_angle(answer.R_world_segment, turning(time)[:, None]).max() < 1e-5
    assert np.isfinite(answer.root).all()


def test_nearest_rotation_of_a_scaled_one() -> None:
    R = torch.tensor(matrix_from_rotvec(np.random.default_rng(0).normal(size=(50, 3))))
    assert torch.allclose(nearest_rotations(0.3 * R), R)
    assert torch.allclose(torch.linalg.det(nearest_rotations(torch.randn(50, 3, 3))), torch.ones(50))


def test_between_frames_movement_is_round() -> None:
    """30° at 1.5 Hz: arcs between frames would cut the turning points by half a degree."""
    grid, time = np.arange(100) / 25.0, np.arange(20, 360) / 97.0
    answer = Blended(np.repeat(turning(grid)[:, None], 22, 1), place(grid), np.zeros(10))
    rotations, root = interpolated(grid, answer, time)
    assert np.degrees(geodesic_angle(rotations[:, 0], turning(time))).max() < 0.05
    assert np.abs(root - place(time)).max() < 1e-4
