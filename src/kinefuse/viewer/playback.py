"""The clock of a player: which frame to show, whatever draws it."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Playback:
    """The state of a player.

    Attributes
    ----------
    time : (T,) seconds, increasing
    now_s : the moment that is shown, between the first and the last time
    speed : seconds of the trial per second of the clock on the wall
    playing
    """

    time: np.ndarray
    now_s: float = field(default=0.0)
    speed: float = 1.0
    playing: bool = True

    def __post_init__(self) -> None:
        self.now_s = float(self.time[0]) if len(self.time) else 0.0

    @property
    def frame(self) -> int:
        """Index of the frame nearest to the present moment."""
        right = int(np.clip(np.searchsorted(self.time, self.now_s), 0, len(self.time) - 1))
        left = max(right - 1, 0)
        return left if self.now_s - self.time[left] <= self.time[right] - self.now_s else right

    def advance(self, elapsed_s: float) -> int:
        """Let `elapsed_s` seconds pass on the wall and return the frame to show; starts over after the end."""
        if self.playing and len(self.time) > 1:
            start, end = float(self.time[0]), float(self.time[-1])
            later = self.now_s + self.speed * elapsed_s
            self.now_s = later if later <= end else start + (later - start) % (end - start)
        return self.frame

    def show(self, frame: int) -> None:
        """Go to a frame."""
        self.now_s = float(self.time[int(np.clip(frame, 0, len(self.time) - 1))])
