"""When a sensor sampled: its rate, the packets it lost, and how even its time stamps are.

A lost packet is a missing row, so equal lengths prove nothing; only the time stamps tell.
"""

from dataclasses import dataclass

import numpy as np

MOST_STEPS = 3.0
"""Packets from one row to the next, in the median, up to which the shortest steps are those between packets. Where rows
come late and the next right behind them, the short steps tell nothing."""

JITTER_SHARE = 0.2
"""Share of a step by which time stamps may deviate from whole steps before they count as uneven."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a sensor sampled.

    Attributes
    ----------
    samples : number of rows
    duration_s : from the first to the last row, seconds
    rate_hz : of the packets that were sent, lost ones included; NaN for a single row
    lost : packets that are missing between the first and the last row
    gaps : how many stretches of lost packets there are
    longest_gap_s : longest time between two neighbouring rows, seconds; 0 for a single row
    jitter_s : 95th percentile of the deviation from whole steps, seconds
    """

    samples: int
    duration_s: float
    rate_hz: float
    lost: int
    gaps: int
    longest_gap_s: float
    jitter_s: float

    @property
    def lost_fraction(self) -> float:
        """Lost packets as a share of those that were sent."""
        return self.lost / (self.samples + self.lost)

    @property
    def is_even(self) -> bool:
        """False if time stamps scatter too much for lost packets to be counted."""
        return not self.jitter_s > JITTER_SHARE / self.rate_hz


def measure_sampling(time: np.ndarray) -> Sampling:
    """Find the rate of a sensor and the packets that it lost.

    Parameters
    ----------
    time : (T,) seconds, increasing, T >= 1

    Returns
    -------
    Sampling. Where time stamps are too uneven to count steps, nothing counts as lost but the gaps of more than
    1.5 median steps.
    """
    steps = np.diff(time)
    if steps.size == 0:
        return Sampling(
            samples=len(time), duration_s=0.0, rate_hz=np.nan, lost=0, gaps=0, longest_gap_s=0.0, jitter_s=0.0
        )
    step = single_step(steps)
    counts = np.maximum(np.rint(steps / step), 1.0)
    return Sampling(
        samples=len(time),
        duration_s=float(time[-1] - time[0]),
        rate_hz=float(1.0 / step),
        lost=int((counts - 1.0).sum()),
        gaps=int((counts > 1.0).sum()),
        longest_gap_s=float(steps.max()),
        jitter_s=float(np.percentile(np.abs(steps - counts * step), 95)),
    )


def single_step(steps: np.ndarray) -> float:
    """Return the time between two packets, seconds, from the times between rows (T - 1,), some of them multiples.

    The short steps tell it, so it holds even where half of the packets were lost; where they scatter without being
    multiples of anything, the median is returned.
    """
    short = float(np.percentile(steps, 10))
    counts = np.maximum(np.rint(steps / short), 1.0)
    step = float(np.median(steps / counts))
    if np.median(counts) > MOST_STEPS:
        return float(np.median(steps))
    uneven = np.percentile(np.abs(steps - np.maximum(np.rint(steps / step), 1.0) * step), 95) > JITTER_SHARE * step
    return float(np.median(steps)) if uneven else step
