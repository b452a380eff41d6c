"""Which method is best under a setting, where methods may have been run on different windows.

Of two methods the better one is told on the windows that both have, so a method with few windows costs the others
none of theirs. The mean that stands beside a method is of all its own windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinefuse.metrics.angles import mean_of_valid
from kinefuse.study.means import Results, mean_movement_errors
from kinefuse.study.naming import title
from kinefuse.study.pairs import pair_of


@dataclass(frozen=True)
class Ranked:
    """A method with its place among others.

    Attributes
    ----------
    method
    error_deg : mean over joint movements on its own windows
    windows : how many these are
    is_partial : whether another method of the setting has windows that this one has not
    """

    method: str
    error_deg: float
    windows: int
    is_partial: bool

    @property
    def told(self) -> str:
        """``"FusionNet 4.8°"``; the windows are counted where they are not all."""
        counted = f" ({self.windows} window{'s' * (self.windows != 1)})" if self.is_partial else ""
        return f"{title(self.method)} {self.error_deg:.1f}°{counted}"


def mean_error(results: Results, setting: str, method: str, windows: Sequence[str] | None = None) -> float:
    """Return a method's mean error over joint movements, degrees, on the given windows or all its own; NaN without."""
    return float(mean_of_valid(mean_movement_errors(results.cells(setting, method, windows))))


def all_windows(results: Results, setting: str) -> set[str]:
    """Return the windows of which any method has a result."""
    return {window for name in results.estimators(setting) for window in results.windows(setting, name)}


def ranking(results: Results, setting: str, methods: Sequence[str] | None = None) -> list[Ranked]:
    """Return the methods with a result, the best first: those that fewest others beat, then those of least error.

    Parameters
    ----------
    results
    setting : name
    methods : among these only; all of the setting if None
    """
    among = [name for name in results.estimators(setting) if methods is None or name in methods]
    errors = {name: mean_error(results, setting, name) for name in among}
    known = [name for name in among if np.isfinite(errors[name])]
    everything = all_windows(results, setting)
    lost = {name: sum(is_better(results, setting, other, name) for other in known if other != name) for name in known}
    order = sorted(known, key=lambda name: (lost[name], errors[name]))
    counts = {name: len(results.windows(setting, name)) for name in known}
    return [Ranked(name, errors[name], counts[name], counts[name] < len(everything)) for name in order]


def is_better(results: Results, setting: str, first: str, second: str) -> bool:
    """Return whether the first method's mean error is less on the windows that both have; false without any."""
    pair = pair_of(results, setting, first, second)
    return pair is not None and bool(pair.ratio < 1.0)
