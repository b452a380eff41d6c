"""The stretches of motion that the study is made on: all of one length, spread over people and what they do.

Much motion capture comes in clips of two or three seconds. Clips of one person and activity follow each other, in the
order of their names, until a window is full; between them lies a smooth way of `WAY_S` (`study.joining`), which is
truth like all the rest: a virtual sensor only needs to know how the body moved.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final

import numpy as np

from kinefuse.errors import KinefuseError
from kinefuse.evaluation.material import Clip, require_our_body, require_whole, stable_rng
from kinefuse.motion import Motion
from kinefuse.study.joining import joined, led_on

LENGTH_S: Final = 8.0
WAY_S: Final = 0.6
GOLDEN_SECTION: Final = (5**0.5 - 1) / 2
SHORTEST_S: Final = 2.0
"""A person whose clips of an activity do not fill a window gives one that is shorter, but no shorter than this."""


@dataclass(frozen=True)
class Stretch:
    """One window before it is made: clips that follow each other, and where in the first of them it begins."""

    clips: tuple[Clip, ...]
    start_s: float
    length_s: float


def choose_windows(clips: Sequence[Clip], count: int, seed: int) -> list[Clip]:
    """Return at most `count` windows of `LENGTH_S`, as evenly over people, their activities and clips as can be.

    Of the same clips, more windows are these and others, so that a study that grows keeps what it has computed.

    Parameters
    ----------
    clips : with truth; recordings of trials are left aside, since the study makes its own
    count
    seed : of where the choice begins in each activity's list

    Returns
    -------
    Clips whose time begins at 0, with names ``PERSON-ACTIVITY-NUMBER``; NUMBER is the stretch's place in its list.

    Raises
    ------
    KinefuseError
        If no clip is long enough, or one is of another body than ours.
    """
    for clip in clips:
        require_our_body(clip)
    lists = _stretches(clips)
    if not lists:
        raise KinefuseError(
            f"The study needs at least one person with {SHORTEST_S:g} s of an activity; none of the {len(clips)} clips "
            "is long enough."
        )
    chosen = []
    for (subject, activity), wanted in shares({key: len(found) for key, found in lists.items()}, count).items():
        found = lists[subject, activity]
        begin = stable_rng(seed, "windows", subject, activity).uniform()
        for place in spread_places(len(found), begin)[:wanted]:
            name = f"{subject}-{activity or 'motion'}-{place:02d}".replace(" ", "_")
            chosen.append(Clip(subject=subject, name=name, activity=activity, truth=made(found[place])))
    for clip in chosen:
        require_whole(clip)
    return sorted(chosen, key=lambda clip: clip.name)


def shares(available: dict[tuple[str, str], int], count: int) -> dict[tuple[str, str], int]:
    """Return how many windows each person and activity gives.

    In turn each person gives one more, of the activity from which fewest were taken, until there are `count` or none
    is left.
    """
    taken = dict.fromkeys(available, 0)
    people = sorted({subject for subject, _ in available})
    while sum(taken.values()) < count and taken != available:
        for person in people:
            open_ = sorted((taken[key], key) for key in available if key[0] == person and taken[key] < available[key])
            if open_ and sum(taken.values()) < count:
                taken[open_[0][1]] += 1
    return {key: number for key, number in taken.items() if number}


def spread_places(count: int, begin: float) -> list[int]:
    """Return the places of a list of so many, in an order of which every beginning is spread evenly over the list.

    Steps of the golden section never come near one another (Weyl 1916; Knuth 1973, section 6.4).

    Parameters
    ----------
    count : of places
    begin : where the first lies, from 0 up to 1
    """
    order: dict[int, None] = {}
    step = 0
    while len(order) < count:
        order[int((begin + step * GOLDEN_SECTION) % 1.0 * count)] = None
        step += 1
    return list(order)


def _stretches(clips: Sequence[Clip]) -> dict[tuple[str, str], list[Stretch]]:
    """Return all stretches of each person and activity."""
    lists: dict[tuple[str, str], list[Clip]] = {}
    for clip in sorted(clips, key=lambda c: (c.subject, c.activity, c.name)):
        lists.setdefault((clip.subject, clip.activity), []).append(clip)
    found = {key: list(_cut(own)) for key, own in lists.items()}
    return {key: stretches for key, stretches in found.items() if stretches}


def _cut(clips: Sequence[Clip]) -> Iterator[Stretch]:
    """Cut one person's clips of an activity into stretches: long clips by themselves, short ones one after another."""
    full, rest = 0, None
    for group in _alike(clips):
        gathered: list[Clip] = []
        for clip in group:
            length = _length(clip.truth)
            if length >= LENGTH_S:
                for part in range(int(length // LENGTH_S)):
                    full += 1
                    yield Stretch((clip,), part * LENGTH_S, LENGTH_S)
                continue
            gathered.append(clip)
            if _total(gathered) >= LENGTH_S:
                full += 1
                yield Stretch(tuple(gathered), 0.0, LENGTH_S)
                gathered = []
        if gathered and (rest is None or _total(gathered) > _total(rest)):
            rest = gathered
    if not full and rest is not None and _total(rest) >= SHORTEST_S:
        yield Stretch(tuple(rest), 0.0, _total(rest))


def _alike(clips: Sequence[Clip]) -> list[list[Clip]]:
    """Clips that can follow each other: of one rate and one body."""
    groups: list[list[Clip]] = []
    for clip in clips:
        own = next((group for group in groups if _fit(group[0].truth, clip.truth)), None)
        if own is None:
            groups.append([clip])
        else:
            own.append(clip)
    return groups


def _fit(a: Motion, b: Motion) -> bool:
    same_body = a.shape.shape == b.shape.shape and np.allclose(a.rest_positions, b.rest_positions, atol=1e-3)
    return same_body and abs(a.rate_hz / b.rate_hz - 1.0) < 1e-3


def _length(motion: Motion) -> float:
    return float(motion.time[-1] - motion.time[0])


def _total(clips: Sequence[Clip]) -> float:
    return sum(_length(clip.truth) for clip in clips) + WAY_S * (len(clips) - 1)


def made(stretch: Stretch) -> Motion:
    """Return the motion of a stretch, its time from 0."""
    motion = stretch.clips[0].truth
    for clip in stretch.clips[1:]:
        motion = joined(motion, led_on(motion, clip.truth, WAY_S), WAY_S)
    begin = motion.time[0] + stretch.start_s
    inside = (motion.time >= begin - 1e-9) & (motion.time <= begin + stretch.length_s + 1e-9)
    window = motion.frames(inside)
    return replace(window, time=window.time - window.time[0])


def interleaved(windows: Sequence[Clip]) -> list[Clip]:
    """Return windows so that people take turns: what is finished early shows everybody."""
    by_person: dict[str, list[Clip]] = {}
    for window in windows:
        by_person.setdefault(window.subject, []).append(window)
    return [window for turn in zip_longest(*by_person.values()) for window in turn if window is not None]
