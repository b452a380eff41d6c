"""What clinicians read off a walk: how fast it is, how long and wide its steps are, and for how long each foot stands.

A foot leaves the ground about when its ball is farthest behind the pelvis, the mirror image of how a touchdown is found
(Zeni, Richards and Higginson 2008); in a real walk within 10 ms of what the force plates told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kinefuse.conventions import INFERRED, JOINT_INDEX, SEGMENT_INDEX
from kinefuse.metrics.angles import interpolate_values
from kinefuse.metrics.gait_cycles import SIDES, Cycle, forward_of, heels_of, walking_cycles
from kinefuse.metrics.standing_feet import carried_by_feet, place_is_known
from kinefuse.motion import Motion

MOSTLY: Final = 0.5
"""Share of a stride's frames in which feet may be inferred."""


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


def strides_of(motion: Motion) -> tuple[list[Stride], int]:
    """Return the strides of walking in order of time, and how many are left out since a foot was mostly inferred.

    A stride without a time on both feet is one of running. There is none where nobody walks. Of a motion without a
    place, as inertial sensors alone tell it, lengths and speed are those of the body's legs (`carried_by_feet`).
    """
    motion = motion if place_is_known(motion) else carried_by_feet(motion)
    cycles = walking_cycles(motion)
    known = [cycle for cycle in cycles if _is_known(motion, cycle)]
    if not known:
        return [], len(cycles)
    columns = {bone: [JOINT_INDEX[f"{bone}_{side}"] for side in SIDES] for bone in ("ankle", "mtp")}
    heels = heels_of(motion.positions[:, columns["ankle"]], motion.R_world_segment).reshape(len(motion.time), 6)
    forward = forward_of(motion.R_world_segment[:, SEGMENT_INDEX["pelvis"]])
    behind = np.einsum("tsi,ti->ts", motion.positions[:, :1] - motion.positions[:, columns["mtp"]], forward)
    found = (_stride(motion.time, heels, behind, cycle) for cycle in known)
    return [stride for stride in found if stride is not None], len(cycles) - len(known)


def _is_known(motion: Motion, cycle: Cycle) -> bool:
    inside = (motion.time >= cycle.start) & (motion.time <= cycle.end)
    feet = motion.provenance[inside][:, [SEGMENT_INDEX[f"foot_{side}"] for side in SIDES]]
    return bool((feet == INFERRED).mean(axis=0).max() <= MOSTLY)


def _stride(time: np.ndarray, heels: np.ndarray, behind: np.ndarray, cycle: Cycle) -> Stride | None:
    """Read a stride off heels (T, 6), left and right, and balls of feet behind the pelvis (T, 2), metres."""
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
    )


def foot_off(time: np.ndarray, behind: np.ndarray, start: float, end: float) -> float | None:
    """Return when a foot leaves the ground, seconds; None if it does not do so in this time.

    Parameters
    ----------
    time : (T,) seconds
    behind : (T,) metres, of the ball of the foot behind the pelvis; NaN where unknown
    start, end : the other foot's touchdown, and this one's next
    """
    inside = np.flatnonzero((time >= start) & (time <= end))
    values = behind[inside]
    if len(inside) < 3 or not np.isfinite(values).all():
        return None
    top = int(values.argmax())
    if top in (0, len(values) - 1):
        return None
    before, highest, after = values[top - 1 : top + 2]
    bend = before - 2 * highest + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(time[inside[top]] + shift * (time[inside[top] + 1] - time[inside[top]]))


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
    """Return mean and standard deviation over strides of one of `QUANTITIES`, in its unit; NaN for too few strides."""
    values = QUANTITIES[quantity].scale * np.array([getattr(stride, quantity) for stride in strides])
    mean = float(values.mean()) if len(values) else float("nan")
    return mean, float(values.std(ddof=1)) if len(values) > 1 else float("nan")


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
}
"""Of the table: what each is called there, with its unit, and the attribute of `Stride`."""


def stride_table(strides: Sequence[Stride]) -> str:
    """Return the strides as comma-separated text, a row each: ``side`` (l or r), then `COLUMNS`."""
    rows = [",".join([s.side, *(f"{getattr(s, name):.4f}" for name in COLUMNS.values())]) for s in strides]
    return "\n".join([",".join(("side", *COLUMNS)), *rows]) + "\n"
