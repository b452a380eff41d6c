"""The tables that ``kinefuse evaluate`` prints."""

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from kinefuse.cli.output import number
from kinefuse.metrics.compare import Row
from kinefuse.metrics.groups import GROUPS

LEAST_WIDTH: Final = 150
"""Characters; a file or a pipe has no width of its own."""

MOVING_COLUMNS: Final = tuple((f"{group}\nmoving", group, "angle_rmse_moving_deg") for group in GROUPS)
PLAIN_COLUMNS: Final = (
    *((f"{group}\nangles", group, "angle_rmse_deg") for group in GROUPS),
    ("all\ngeodesic", "all", "geodesic_deg"),
    ("MPJPE\nmm", "all", "mpjpe_mm"),
    ("rooted\nmm", "all", "mpjpe_root_mm"),
)

Lines = dict[tuple[str, str, str], list[Row]]


def print_tables(rows: Sequence[Row], activities: Sequence[Row]) -> None:
    """Print the errors by group of joints, by joint, and by activity where there are several."""
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, emoji=False, width=max(console.width, LEAST_WIDTH))
    console.print(group_table([row for row in rows if "joint" not in row]))
    console.print(joint_table([row for row in rows if "joint" in row and row.get("coordinate") is None]))
    if len({row["activity"] for row in activities}) > 1:
        console.print(activity_table([row for row in activities if row["group"] == "all"]))
    console.print(
        "Means over people ± standard deviation. Moving: only degrees of freedom whose true range in the clip exceeds "
        "5°. Rooted: joint centres after the roots were moved together. Aligned to heading: one constant heading and "
        "root position of each clip were taken from the truth.",
        soft_wrap=True,
    )


def _table(title: str, names: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("noise", "estimator"):
        table.add_column(name, no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _noise(row: Row) -> str:
    """The name of the noise, with its mean error as it really was."""
    error = row.get("point_error_mm")
    return f"{row['noise']} {error:.0f} mm" if isinstance(error, float) and error > 0 else str(row["noise"])


def _lines(rows: Sequence[Row]) -> Lines:
    lines: Lines = {}
    for row in rows:
        lines.setdefault((_noise(row), str(row["level_mm"]), str(row["estimator"])), []).append(row)
    return lines


def _mean(row: Row | None, metric: str, spread: bool = False) -> str:
    if row is None:
        return "?"
    form = ".0f" if metric.endswith("_mm") else ".1f"
    mean, sd = row.get(metric), row.get(f"{metric}_sd")
    text = number(mean if isinstance(mean, float) else None, form)
    return f"{text} ± {sd:{form}}" if spread and isinstance(sd, float) else text


def group_table(rows: Sequence[Row]) -> Table:
    """Return the table of errors by group of joints: one line for each noise and estimator."""
    names = [name for name, _, _ in (*MOVING_COLUMNS, *PLAIN_COLUMNS)]
    table = _table("Errors, °", [*names, "people", "clips", "aligned"])
    for (noise, _, estimator), line in _lines(rows).items():
        group = {row["group"]: row for row in line}
        cells = [_mean(group.get(name), metric, spread=True) for _, name, metric in MOVING_COLUMNS]
        cells += [_mean(group.get(name), metric) for _, name, metric in PLAIN_COLUMNS]
        whole = group["all"]
        table.add_row(noise, estimator, *cells, str(whole["subjects"]), str(whole["clips"]), str(whole["aligned"]))
    return table


def joint_table(rows: Sequence[Row]) -> Table:
    """Return the table of the errors of joints, both sides together, mean over three angles."""
    joints = [str(joint) for joint in dict.fromkeys(row["joint"] for row in rows)]
    table = _table("Angles by joint, °: mean over three angles of both sides", joints)
    for (noise, _, estimator), line in _lines(rows).items():
        found = {row["joint"]: row for row in line}
        table.add_row(noise, estimator, *(_mean(found.get(joint), "angle_rmse_deg") for joint in joints))
    return table


def activity_table(rows: Sequence[Row]) -> Table:
    """Return the table of errors by activity."""
    activities = [str(activity) for activity in dict.fromkeys(row["activity"] for row in rows)]
    table = _table("Angles of all joints by activity, °: moving degrees of freedom", sorted(activities))
    merged: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:  # the points' error differs between activities, so it cannot name the line
        key = (str(row["noise"]), str(row["level_mm"]), str(row["estimator"]))
        merged.setdefault(key, {})[str(row["activity"])] = row
    for (noise, level, estimator), found in merged.items():
        named = noise if level == "None" else f"{noise} {float(level):g} mm"
        cells = (_mean(found.get(activity), "angle_rmse_moving_deg") for activity in sorted(activities))
        table.add_row(named, estimator, *cells)
    return table
