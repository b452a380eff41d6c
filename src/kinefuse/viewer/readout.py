"""Joint angles of one moment as a small table."""

import numpy as np

from kinefuse.report.wording import GROUPS

GROUP_TITLES = tuple(title for title, _ in GROUPS)


def angle_table(angles: dict[str, np.ndarray], group: str, frame: int) -> str:
    """Return the angles of one group of joints in one frame as a Markdown table, degrees.

    Parameters
    ----------
    angles : by name, (T,) degrees, as `kinefuse.report.wording.plain_angles` gives them
    group : one of `GROUP_TITLES`
    frame
    """
    rows = ["| | left | right |", "|:--|--:|--:|"]
    for movement in next(movements for title, movements in GROUPS if title == group):
        cells = [_degrees(angles[name][frame]) for _, name in movement.names()]
        cells = cells if movement.sided else [*cells, ""]
        rows.append(f"| {movement.title} (+ {movement.positive}) | {' | '.join(cells)} |")
    return "\n".join(rows)


def _degrees(value: float) -> str:
    return f"{value:.0f}°".replace("-0°", "0°").replace("-", "−") if np.isfinite(value) else "–"
