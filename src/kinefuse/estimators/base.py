"""What every estimator is: built from its parameters, with one verb."""

from typing import Protocol

from kinefuse.motion import Motion
from kinefuse.recordings import Recording


class Estimator(Protocol):
    """Turns a recording into a motion. Learned or optimised, all of them pass the same contract tests.

    An estimator holds parameters only: it does not remember recordings, never changes its input, and gives the same
    result for the same recording and seed.
    """

    @property
    def name(self) -> str:
        """What it is called in tables and files."""
        ...

    def estimate(self, recording: Recording) -> Motion:
        """Return the motion that explains `recording`.

        Raises
        ------
        KinefuseError
            If the recording does not hold what this estimator needs; the sentence says what that is.
        """
        ...
