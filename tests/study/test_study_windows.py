"""Windows: 8 s, spread over people and activities, and always the same."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from evaluation_examples import swinging
from hypothesis import given
from hypothesis import strategies as st

from kinefuse.errors import KinefuseError
from kinefuse.evaluation.material import Clip
from kinefuse.study.windows import LENGTH_S, choose_windows, interleaved, shares, spread_places


def clip(subject: str, activity: str, name: str, seconds: float) -> Clip:
    motion = swinging(round(50 * seconds) + 1, seed=0)
    return Clip(subject=subject, name=name, activity=activity, truth=motion)


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    walks = [clip("anna", "walking", f"w{i}", 3.0) for i in range(9)]
    sports = [clip("ben", "sport", f"s{i}", 25.0) for i in range(2)]
    return [
        *walks,
        *sports,
        clip("ben", "walking", "w", 9.0),
        clip("carl", "dance", "d", 2.5),
        clip("dora", "a", "b", 1.0),
    ]


def test_all_are_eight_seconds_but_those_of_whom_there_is_less(clips: list[Clip]) -> None:
    windows = choose_windows(clips, 20, seed=0)
    lengths = {w.name: float(w.truth.time[-1]) for w in windows}
    assert lengths.pop("carl-dance-00") == pytest.approx(2.5)
    np.testing.assert_allclose(list(lengths.values()), LENGTH_S, atol=1e-6)
    assert all(w.truth.time[0] == 0 for w in windows)
    assert {w.subject for w in windows} == {"anna", "ben", "carl"}
    assert len(windows) == 3 + 7 + 1  # three clips with two ways fill one; two clips give three each, one gives one


def test_people_and_activities_share_evenly(clips: list[Clip]) -> None:
    windows = choose_windows(clips, 5, seed=0)
    count = {name: sum(w.subject == name for w in windows) for name in ("anna", "ben", "carl")}
    assert count == {"anna": 2, "ben": 2, "carl": 1}
    assert {w.activity for w in windows if w.subject == "ben"} == {"sport", "walking"}


def test_shares_give_what_is_left_to_the_others() -> None:
    available = {("a", "x"): 1, ("b", "x"): 10, ("b", "y"): 2}
    assert shares(available, 8) == {("a", "x"): 1, ("b", "x"): 5, ("b", "y"): 2}
    assert shares(available, 99) == available
    assert shares(available, 1) == {("a", "x"): 1}


def test_the_same_seed_chooses_the_same(clips: list[Clip]) -> None:
    once, again = (choose_windows(order, 6, seed=3) for order in (clips, clips[::-1]))
    assert [w.name for w in once] == [w.name for w in again]
    for a, b in zip(once, again, strict=True):
        np.testing.assert_array_equal(a.truth.positions, b.truth.positions)
    others = {tuple(w.name for w in choose_windows(clips, 6, seed=seed)) for seed in range(12)}
    assert len(others) > 1


def test_more_windows_are_these_and_others(clips: list[Clip]) -> None:
    chosen = [{window.name for window in choose_windows(clips, count, seed=1)} for count in (3, 5, 8, 11)]
    assert [len(names) for names in chosen] == [3, 5, 8, 11]
    assert all(fewer < more for fewer, more in pairwise(chosen))


@given(count=st.integers(1, 60), begin=st.floats(0, 1, exclude_max=True))
def test_every_beginning_of_the_places_is_spread(count: int, begin: float) -> None:
    places = spread_places(count, begin)
    assert sorted(places) == list(range(count))
    for taken in range(2, count):
        holes = np.diff(np.sort(places[:taken]), prepend=-1, append=count)
        assert holes.max() <= 2.7 * count / taken + 1


def test_a_window_of_a_long_clip_is_that_clip(clips: list[Clip]) -> None:
    window = next(w for w in choose_windows(clips, 20, seed=0) if w.name == "ben-sport-01")
    source = next(c for c in clips if c.name == "s0")
    np.testing.assert_array_equal(window.truth.positions, source.truth.positions[400:801])


def test_another_body_does_not_go_on(clips: list[Clip]) -> None:
    own = clip("anna", "walking", "w00", 3.0)
    other = replace(own, name="x", truth=replace(own.truth, rest_positions=1.1 * own.truth.rest_positions))
    (window,) = choose_windows([own, other], 5, seed=0)
    assert window.truth.time[-1] == pytest.approx(3.0)


def test_motion_of_a_body_that_is_not_ours_is_refused_before_any_work(clips: list[Clip]) -> None:
    other = replace(clips[0], truth=replace(clips[0].truth, shape=np.zeros(0), body_name="demo person"))
    with pytest.raises(KinefuseError, match=f"Clip {other.name} of .* is of the body 'demo person'"):
        choose_windows([*clips[1:], other], 5, seed=0)


def test_nothing_long_enough_is_told() -> None:
    with pytest.raises(KinefuseError, match="none of the 1 clips is long enough"):
        choose_windows([clip("anna", "walking", "w", 1.0)], 5, seed=0)


def test_people_take_turns(clips: list[Clip]) -> None:
    order = [w.subject for w in interleaved(choose_windows(clips, 20, seed=0))]
    assert order[:3] == ["anna", "ben", "carl"]
    assert len(order) == 11
