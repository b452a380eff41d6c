"""What clinicians read off a walk: how fast it is, how long and wide its steps are, and for how long each foot stands.

A foot leaves the ground about when its ball is farthest behind the pelvis, the mirror image of how a touchdown is found
(Zeni, Richards and Higginson 2008); in a real walk within 10 ms of what the force plates told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.conventions import INFERRED, JOINT_INDEX, SEGMENT_INDEX
from kinefuse.metrics.angles import LONGEST_STEP, interpolate_values
from kinefuse.metrics.gait_cycles import SIDES, Cycle, forward_of, heels_of, stretch, walking_cycles
from kinefuse.metrics.standing_feet import carried_by_feet, place_is_known, stays, walks_on_lowest_foot
from kinefuse.motion import Motion

MOSTLY: Final = 0.5
"""Share of a stride's frames in which feet may be inferred."""

STRAIGHT_RAD: Final = float(np.deg2rad(20.0))
"""By more than this in a stride somebody turns round: the inner foot's steps are shorter then."""

PLACE: Final = "measured"
BELT: Final = "treadmill"
LEGS: Final = "legs"
"""What lengths are against: a measured place; the belt under somebody who stays in place; where no place is known, what
the legs of the body reach."""


@dataclass(frozen=True, kw_only=True)
class Stride:
    """A stride of walking, from one touchdown of a foot to its next.

    Attributes
    ----------
    side : ``"l"`` or ``"r"``, of the foot
    start, end : seconds, of its touchdowns
    opposite_off, opposite_touchdown, foot_off : seconds, in this order, of what lies between them
    length : metres, from where the heel touched down to where it does again, in the direction of walking
    step_length : metres, by how much the heel is in front of the other one's touchdown at the end
    step_width : metres, by how much the left heel is to the left of the right one then
    turn : radians, by which the body turns in the stride, positive to the left
    """

    side: str
    start: float
    end: float
    opposite_off: float
    opposite_touchdown: float
    foot_off: float
    length: float
    step_length: float
    step_width: float
    turn: float

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.end - self.start

    @property
    def speed(self) -> float:
        """m/s."""
        return self.length / self.duration

    @property
    def cadence(self) -> float:
        """Steps per minute."""
        return 2 * 60.0 / self.duration

    @property
    def step_time(self) -> float:
        """Seconds from the other foot's touchdown."""
        return self.end - self.opposite_touchdown

    @property
    def stance(self) -> float:
        """Share of the stride in which the foot stands."""
        return (self.foot_off - self.start) / self.duration

    @property
    def double_support(self) -> float:
        """Share of the stride in which both feet stand."""
        return (self.opposite_off - self.start + self.foot_off - self.opposite_touchdown) / self.duration


@dataclass(frozen=True)
class Walking:
    """The strides of a motion in order of time, how many more feet were not known well enough for, and against what."""

    strides: tuple[Stride, ...]
    left_out: int
    place: str

    @property
    def straight(self) -> list[Stride]:
        """Those in which the body hardly turns, of which means are told; all if there is none of them."""
        found = [stride for stride in self.strides if abs(stride.turn) <= STRAIGHT_RAD]
        return found or list(self.strides)


def strides_of(motion: Motion) -> Walking:
    """Return the strides of walking; none where nobody walks.

    A stride without a time on both feet is one of running, and is none. Left out is one in which a foot is inferred in
    most frames or unknown at a moment that matters. Of a motion without a place, as inertial sensors alone tell it, and
    of somebody who stays in place while the feet go backwards, the body is moved over the standing foot.
    """
    place = PLACE if place_is_known(motion) else LEGS
    cycles = walking_cycles(motion) if place == PLACE else []
    if not cycles:
        carried = carried_by_feet(motion)
        cycles = [c for c in walking_cycles(carried) if walks_on_lowest_foot(carried, c) and stays(motion, c)]
        motion, place = carried, BELT if cycles and place == PLACE else place
    if not cycles:
        return Walking((), 0, place)
    columns = {name: [JOINT_INDEX[f"{name}_{side}"] for side in SIDES] for name in ("ankle", "mtp")}
    ankles, balls = (motion.positions[:, of_both] for of_both in columns.values())
    heels = heels_of(ankles, motion.R_world_segment).reshape(len(motion.time), 6)
    forward = forward_of(motion.R_world_segment[:, SEGMENT_INDEX["pelvis"]])
    behind = np.einsum("tsi,ti->ts", motion.positions[:, :1] - balls, forward)
    feet = np.concatenate([heels, behind, forward], axis=1)
    known = [cycle for cycle in cycles if _is_known(motion, cycle)]
    found = [stride for stride in (_stride(motion.time, feet, cycle) for cycle in known) if stride is not None]
    whole = tuple(stride for stride in found if np.isfinite([getattr(stride, name) for name in COLUMNS.values()]).all())
    return Walking(whole, len(cycles) - len(known) + len(found) - len(whole), place)


def _is_known(motion: Motion, cycle: Cycle) -> bool:
    feet = motion.provenance[stretch(motion.time, cycle.start, cycle.end)]
    inferred = feet[:, [SEGMENT_INDEX[f"foot_{side}"] for side in SIDES]] == INFERRED
    return bool(inferred.mean(axis=0).max() <= MOSTLY)


def _stride(time: np.ndarray, feet: np.ndarray, cycle: Cycle) -> Stride | None:
    """Return a stride; None if it is one of running; NaN in it for what is not known.

    Parameters
    ----------
    time : (T,) seconds
    feet : (T, 11): heels, left and right, how far their balls are behind the pelvis, and where that faces; metres
    """
    near = stretch(time, cycle.start, cycle.end, beyond=3)
    time, heels, behind, forward = time[near], feet[near, :6], feet[near, 6:8], feet[near, 8:]
    own = SIDES.index(cycle.side)
    opposite_off = foot_off(time, behind[:, 1 - own], cycle.start, cycle.opposite)
    own_off = foot_off(time, behind[:, own], cycle.opposite, cycle.end)
    if opposite_off is None or own_off is None:
        return None
    at = interpolate_values(time, heels, np.array([cycle.start, cycle.opposite, cycle.end]))
    first, other, last = at[0, own * 3 :][:3], at[1, (1 - own) * 3 :][:3], at[2, own * 3 :][:3]
    way = (last - first) * np.array([1.0, 0.0, 1.0])
    length = float(np.linalg.norm(way))
    ahead, step = way / length, last - other
    to_left = np.array([ahead[2], 0.0, -ahead[0]])
    faced = interpolate_values(time, forward, np.array([cycle.start, cycle.end]))
    return Stride(
        side=cycle.side,
        start=cycle.start,
        end=cycle.end,
        opposite_off=opposite_off,
        opposite_touchdown=cycle.opposite,
        foot_off=own_off,
        length=length,
        step_length=float(step @ ahead),
        step_width=float(step @ to_left) * (1.0 if cycle.side == "l" else -1.0),
        turn=float(np.arctan2(np.cross(faced[0], faced[1])[1], faced[0] @ faced[1])),
    )


def foot_off(time: np.ndarray, behind: np.ndarray, start: float, end: float) -> float | None:
    """Return when a foot leaves the ground, seconds; NaN if that is not known, None if it does not do so in this time.

    Parameters
    ----------
    time : (T,) seconds
    behind : (T,) metres, of the ball of the foot behind the pelvis; NaN where unknown
    start, end : the other foot's touchdown, and this one's next
    """
    inside = stretch(time, start, end)
    if inside.start == inside.stop or not np.isfinite(behind[inside]).all():
        return float("nan")
    top = inside.start + int(behind[inside].argmax())
    if not 0 < top < len(time) - 1 or not np.isfinite(behind[top - 1 : top + 2]).all():
        return float("nan")
    before, highest, after = behind[top - 1 : top + 2]
    if max(before, after) > highest:
        return None
    if max(time[top] - time[top - 1], time[top + 1] - time[top]) > LONGEST_STEP * np.median(np.diff(time)):
        return float("nan")
    bend = before - 2 * highest + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(time[top] + shift * (time[top + 1] - time[top]))


@dataclass(frozen=True)
class Quantity:
    """What is told of strides: in plain words, with its unit, and how many of it are one of `Stride`'s."""

    title: str
    unit: str
    scale: float = 1.0
    digits: int = 2
    sided: bool = True


QUANTITIES: Final = {
    "speed": Quantity("Walking speed", "m/s", sided=False),
    "cadence": Quantity("Cadence", "steps/min", digits=0, sided=False),
    "length": Quantity("Stride length", "cm", 100.0, 1),
    "step_length": Quantity("Step length", "cm", 100.0, 1),
    "step_width": Quantity("Step width", "cm", 100.0, 1, sided=False),
    "duration": Quantity("Stride time", "s", digits=3),
    "step_time": Quantity("Step time", "s", digits=3),
    "stance": Quantity("Stance", "% of the stride", 100.0, 1),
    "double_support": Quantity("On both feet", "% of the stride", 100.0, 1, sided=False),
}
"""By attribute of `Stride`."""


def mean_and_sd(strides: Sequence[Stride], quantity: str) -> tuple[float, float]:
    """Return mean and standard deviation over strides of one of `QUANTITIES`, in its unit; NaN for too few strides.

    Both feet count alike, and each foot's strides vary about its own mean: around a bend one foot's steps are wider.
    """
    scale = QUANTITIES[quantity].scale
    sides = [np.array([getattr(s, quantity) for s in strides if s.side == side]) for side in SIDES]
    sides = [scale * values for values in sides if len(values)]
    mean = float(np.mean([values.mean() for values in sides])) if sides else float("nan")
    freedom = sum(len(values) - 1 for values in sides)
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in sides)
    return mean, (squares / freedom) ** 0.5 if freedom else float("nan")


COLUMNS: Final = {
    "start_s": "start",
    "opposite_off_s": "opposite_off",
    "opposite_touchdown_s": "opposite_touchdown",
    "foot_off_s": "foot_off",
    "end_s": "end",
    "stride_time_s": "duration",
    "step_time_s": "step_time",
    "stance_fraction": "stance",
    "double_support_fraction": "double_support",
    "stride_length_m": "length",
    "step_length_m": "step_length",
    "step_width_m": "step_width",
    "speed_m_per_s": "speed",
    "cadence_steps_per_min": "cadence",
    "turn_rad": "turn",
}
"""Of the table: what each is called there, with its unit, and the attribute of `Stride`."""


def stride_table(walking: Walking) -> str:
    """Return the strides as comma-separated text, a row each: ``side`` (l or r), `COLUMNS`, and ``place``."""
    rows = [
        ",".join([s.side, *(f"{getattr(s, name):.4f}" for name in COLUMNS.values()), walking.place])
        for s in walking.strides
    ]
    return "\n".join([",".join(("side", *COLUMNS, "place")), *rows]) + "\n"
