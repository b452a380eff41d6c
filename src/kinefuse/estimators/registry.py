"""Estimators by name, and the choice among them."""

import difflib
from collections.abc import Callable

from kinefuse.body.markers import recognise_markers
from kinefuse.errors import KinefuseError
from kinefuse.estimators.base import Estimator
from kinefuse.estimators.smplify3d import SmplifyThreeD, paper_preset
from kinefuse.recordings import Recording

ESTIMATORS: dict[str, Callable[[], Estimator]] = {
    "smplify3d": SmplifyThreeD,
    "smplify3d:paper": paper_preset,
}
"""Name, or ``name:preset``, to what builds the estimator."""


def make_estimator(name: str) -> Estimator:
    """Return the estimator called `name`.

    Raises
    ------
    KinefuseError
        If there is none; the sentence names the nearest.
    """
    if name not in ESTIMATORS:
        near = difflib.get_close_matches(name, ESTIMATORS, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise KinefuseError(f"No estimator is called {name!r}; {hint}There are: {', '.join(ESTIMATORS)}.")
    return ESTIMATORS[name]()


def choose_estimator(recording: Recording) -> tuple[str, str]:
    """Return the name of the best estimator for what `recording` holds, and the reason in one sentence.

    Raises
    ------
    KinefuseError
        If no estimator can use it.
    """
    n_views = sum(view.keypoints is not None or view.video is not None for view in recording.views)
    unused = f" The {len(recording.imus)} inertial sensors are not used by it." if recording.imus else ""
    if recording.joint_centers is not None:
        what = "optical markers" if recognise_markers(recording.joint_centers.names) else "measured joint centres"
        return "smplify3d", f"smplify3d, because the trial has {what}.{unused}"
    if n_views >= 2:
        return "smplify3d", f"smplify3d, because the trial has {n_views} calibrated camera views.{unused}"
    if recording.imus:
        raise KinefuseError(
            "This trial has inertial sensors only, and no estimator of this version works from those alone; "
            "add joint centres or at least two calibrated cameras."
        )
    raise KinefuseError("This trial needs joint centres or at least two calibrated cameras; it has neither.")
