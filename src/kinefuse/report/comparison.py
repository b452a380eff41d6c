"""Errors against a reference motion, as the report shows them."""

from typing import Any

import numpy as np

from kinefuse.motion import Motion
from kinefuse.report.agreement import nearest_frames
from kinefuse.report.curves import shown_movements
from kinefuse.report.wording import near_singular, plain_angles
from kinefuse.rotations import geodesic_angle


def comparison_of(motion: Motion, truth: Motion) -> dict[str, Any]:
    """Return the root mean square errors of `motion` against `truth` as `comparison_section` shows them."""
    at = nearest_frames(truth.time, motion.time)
    common = at >= 0
    ours, theirs = plain_angles(motion), plain_angles(truth)
    rows = []
    for movement in shown_movements(ours):
        row: dict[str, Any] = {"title": movement.title}
        for side, name in movement.names():
            good = common & ~near_singular(motion, name)
            good[common] &= ~near_singular(truth, name)[at[common]]
            error = (ours[name][good] - theirs[name][at[good]] + 180) % 360 - 180
            error = error[np.isfinite(error)]
            key = {"l": "left", "r": "right", "c": "middle"}[side]
            row[key] = float(np.sqrt(np.mean(error**2))) if len(error) else None
        rows.append(row)
    geodesic = np.rad2deg(geodesic_angle(motion.R_world_segment[common], truth.R_world_segment[at[common]]))
    return {"rows": rows, "summary": [("mean orientation error", f"{np.nanmean(geodesic):.1f}°")], "notes": []}
