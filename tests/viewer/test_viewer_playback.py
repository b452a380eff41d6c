import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.viewer.playback import Playback


def test_a_second_on_the_wall_is_a_second_of_the_trial() -> None:
    player = Playback(np.arange(101) / 50.0)
    assert player.advance(1.0) == 50
    player.speed = 0.5
    assert player.advance(1.0) == 75


def test_it_starts_over_after_the_end() -> None:
    player = Playback(np.arange(101) / 50.0)
    player.advance(2.5)
    assert player.now_s == pytest.approx(0.5)


def test_a_pause_stands_still() -> None:
    player = Playback(5.0 + np.arange(10) / 10.0, playing=False)
    assert player.advance(0.5) == 0
    assert player.now_s == 5.0


def test_a_single_frame_can_be_played() -> None:
    player = Playback(np.array([3.0]))
    assert player.advance(1.0) == 0
    player.show(7)
    assert player.frame == 0


@given(st.lists(st.floats(0.0, 3.0), max_size=20), st.floats(0.1, 2.0))
@settings(max_examples=50, deadline=None)
def test_the_moment_never_leaves_the_trial(steps: list[float], speed: float) -> None:
    time = np.cumsum([1.0, 0.1, 0.3, 0.05, 0.7])
    player = Playback(time, speed=speed)
    for step in steps:
        frame = player.advance(step)
        assert time[0] <= player.now_s <= time[-1]
        assert np.abs(time - player.now_s).min() == pytest.approx(abs(time[frame] - player.now_s))
