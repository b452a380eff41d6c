"""What no person is or does: it shows mistakes in a trial that everything else can be fitted to."""

from typing import Final

import numpy as np

from kinefuse.conventions import COORDINATE_INDEX, INFERRED, SEGMENT_INDEX
from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.recordings import Finding, Recording

HINGES: Final = {f"{joint}_{side}": f"{segment}_{side}" for joint, segment in
                 (("knee_angle", "shank"), ("elbow_flex", "forearm")) for side in "lr"}  # fmt: skip
"""Angles that hardly go below zero, and the segment that must have been measured."""

BACKWARDS_RAD: Final = float(np.deg2rad(-20.0))
"""Joints overstretch by 10°, and an estimate is off by some degrees."""

ANOTHER_HEIGHT: Final = 0.15
"""Difference of heights, as a share, that neither noise nor a person's build explains."""

OFTEN: Final = 0.1
LYING_RAD: Final = float(np.deg2rad(60.0))
NEARLY_ALWAYS: Final = 0.9


def implausible(motion: Motion) -> list[Finding]:
    """Return warnings about joints that bend backwards, and about a person who never stands, sits or kneels."""
    return [*_bent_backwards(motion), *_never_upright(motion)]


def height_against_points(recording: Recording) -> list[Finding]:
    """Return a warning if distances between the measured points are those of somebody of quite another height."""
    from kinefuse.body.fit_points import stature_of_points
    from kinefuse.body.markers import recognise_markers
    from kinefuse.body.models import load_anny
    from kinefuse.estimators.smplify3d import select_points

    height_m, centers = recording.subject.height_m, recording.joint_centers
    if height_m is None or centers is None or recognise_markers(centers.names) is not None:
        return []
    try:
        shown_m = stature_of_points(select_points(centers, load_anny())[0], load_anny())
    except KinefuseError:  # too few points, which the estimator tells
        return []
    if abs(shown_m / height_m - 1.0) < ANOTHER_HEIGHT:
        return []
    text = (
        f"The subject is {height_m:g} m tall by trial.toml, but distances between the measured points are those of "
        f"somebody of about {shown_m:.1f} m; check height_m, and the unit of the points or of the calibration."
    )
    return [Finding("warning", "subject", text)]


def _bent_backwards(motion: Motion) -> list[Finding]:
    wrong = {}
    for name, segment in HINGES.items():
        measured = motion.provenance[:, SEGMENT_INDEX[segment]] != INFERRED
        angle = motion.angles[measured, COORDINATE_INDEX[name]]
        angle = angle[np.isfinite(angle)]
        share = float((angle < BACKWARDS_RAD).mean()) if angle.size else 0.0
        if share > OFTEN:
            wrong[name] = f"{name} in {100 * share:.0f} % of the frames, down to {np.rad2deg(angle.min()):.0f}°"
    if not wrong:
        return []
    text = (
        f"Joints are bent backwards as no person can: {'; '.join(wrong.values())}. Sensors or sides may be exchanged, "
        "their mounting wrong, or the points mirrored."
    )
    return [Finding("warning", "result", text)]


def _never_upright(motion: Motion) -> list[Finding]:
    up = motion.R_world_segment[:, SEGMENT_INDEX["pelvis"], 1, 1]
    up = up[np.isfinite(up)]
    if not up.size or (up < np.cos(LYING_RAD)).mean() < NEARLY_ALWAYS:
        return []
    text = (
        f"The pelvis leans by more than {np.rad2deg(LYING_RAD):.0f}° throughout. If the person did not lie, the world "
        "is another one than was said: check up in calibration.toml, and the axes of the points (Y up, right-handed)."
    )
    return [Finding("warning", "result", text)]
