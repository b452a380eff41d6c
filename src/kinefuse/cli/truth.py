"""A result against the truth that lies beside its trial."""

from typing import Any

from kinefuse.errors import KinefuseError
from kinefuse.metrics.compare import compare_motions
from kinefuse.metrics.groups import GROUPS
from kinefuse.motion import Motion
from kinefuse.recordings import Finding


def compare_if_possible(
    motion: Motion, truth: Motion | None, *, align_heading: bool = False
) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Return what `compare_with_truth` does; None without a truth, and with one that does not fit, which is told.

    The motion is worth as much without it.
    """
    if truth is None:
        return None, []
    try:
        return compare_with_truth(motion, truth, align_heading=align_heading), []
    except KinefuseError as error:
        return None, [Finding("warning", "truth", f"The result was not compared with reference/motion.nc: {error}")]


def compare_with_truth(motion: Motion, truth: Motion, *, align_heading: bool = False) -> dict[str, Any]:
    """Return errors for ``quality.json``, by groups of joints, by joint and by coordinate.

    Parameters
    ----------
    motion, truth
    align_heading : take one heading and one place from the truth, for a motion that has none of its own

    Returns
    -------
    ``frames`` compared; ``aligned`` to the truth's heading or to none; ``groups`` with one row each for ``lower``,
    ``upper`` and ``all``; ``rows`` with all that `kinefuse.metrics.compare.Comparison.rows` tells. Degrees and
    millimetres.

    Raises
    ------
    KinefuseError
        If the two have no time in common.
    """
    comparison = compare_motions(motion, truth, align_heading=align_heading)
    return {
        "frames": comparison.frames,
        "aligned": "heading" if align_heading else "none",
        "groups": {group: comparison.summary(group) for group in GROUPS},
        "rows": comparison.rows(),
    }
