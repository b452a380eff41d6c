"""Make ``docs/results/networks.md``: shipped networks and their peers on people whom nobody trained on.

Usage: python tools/results_networks.py [--data build/motion.npz] [--clips 3] [--only peers|networks]

Each run of `kinefuse evaluate` is kept as JSON beside the data and made again only if it is removed, so the command may
be interrupted; peers do not change when weights do.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
OUT: Final = ROOT / "docs" / "results" / "networks.md"
ESTIMATORS: Final = {
    "peers": ("mean-pose", "smplify3d:paper", "smplify3d"),
    "networks": ("videonet", "imunet", "fusionnet"),
}
LEVELS: Final = ("--level-mm", "52.6", "--level-mm", "70.5", "--level-mm", "101.1")
RUNS: Final = {
    "own": ("--noise", "clean", "--noise", "paper", "--noise", "authors", "--noise", "camera"),
    "levels": ("--noise", "paper", *LEVELS),
    "coco-levels": ("--points", "coco", "--noise", "paper", *LEVELS),
    "elsewhere": ("--split", "other-laboratory"),
    "coco": ("--points", "coco"),
}
Row = dict[str, Any]


def evaluated(run: str, peers: str, data: Path, clips: int) -> dict[str, Any]:
    """Return what `kinefuse evaluate` says, from its file if it was run before."""
    kept = data.parent / "results" / f"{run}-{peers}.json"
    kept.parent.mkdir(exist_ok=True)
    if not kept.exists():
        names = [part for name in ESTIMATORS[peers] for part in ("--estimator", name)]
        command = [sys.executable, "-m", "kinefuse", "evaluate", str(data), *names, *RUNS[run]]
        subprocess.run([*command, "--clips", str(clips), "--json", str(kept), "--quiet"], check=True)
    return json.loads(kept.read_text(encoding="utf-8"))


def both(run: str, data: Path, clips: int, key: str) -> list[Row]:
    """Return one kind of rows of all estimators; the mean pose stands in every file, and counts once."""
    return [
        row
        for peers, names in ESTIMATORS.items()
        for row in evaluated(run, peers, data, clips)[key]
        if row["estimator"] in names
    ]


def table(header: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table, the first column to the left."""
    head = list(header)
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines)) + "\n"


def value(row: Row, key: str, spread: bool = False) -> str:
    """Return a number with one decimal, with its standard deviation over people if asked."""
    if row.get(key) is None:
        return "–"
    text = f"{row[key]:.1f}"
    other = row.get(f"{key}_sd")
    return f"{text} ± {other:.1f}" if spread and other is not None else text


def noise_name(row: Row) -> str:
    """Return the noise as the tables call it."""
    return row["noise"] if row["level_mm"] is None else f"{row['noise']} {row['level_mm']:g} mm"


def group_table(rows: list[Row], first: str = "noise") -> str:
    """Return errors of groups of joints: one line for each noise and estimator."""
    whole = [row for row in rows if not row.get("joint") and not row.get("coordinate")]
    lines = []
    for row in (row for row in whole if row["group"] == "all"):
        same = [r for r in whole if (r["estimator"], noise_name(r)) == (row["estimator"], noise_name(row))]
        by = {r["group"]: r for r in same}
        lines.append(
            [
                noise_name(row),
                f"`{row['estimator']}`",
                *(value(by[group], "angle_rmse_moving_deg", spread=True) for group in ("lower", "upper", "all")),
                *(value(by[group], "angle_rmse_deg") for group in ("lower", "upper", "all")),
                value(row, "geodesic_deg"),
                value(row, "mpjpe_root_mm"),
            ]
        )
    lines.sort(key=lambda line: [noise_name(r) for r in whole].index(line[0]))
    header = (first, "estimator", "lower, moving", "upper, moving", "all, moving")
    return table((*header, "lower", "upper", "all", "geodesic", "MPJPE mm"), lines)


def joint_table(rows: list[Row]) -> str:
    """Return errors by joint: one line for each estimator."""
    joints = ("hip", "knee", "ankle", "shoulder", "elbow", "neck", "lumbar")
    chosen = [r for r in rows if r["noise"] == "authors" and r.get("joint") in joints and not r.get("coordinate")]
    names = dict.fromkeys(row["estimator"] for row in chosen)
    by = {(row["estimator"], row["joint"]): row for row in chosen}
    lines = ([f"`{name}`", *(value(by[name, joint], "angle_rmse_deg") for joint in joints)] for name in names)
    return table(("estimator", *joints), lines)


def part_table(rows: list[Row], key: str, noise: str = "authors") -> str:
    """Return the error of all moving angles by person or activity: one line for each, one column an estimator."""
    chosen = [row for row in rows if row["noise"] == noise and row["group"] == "all" and not row.get("joint")]
    names, parts = (dict.fromkeys(row[k] for row in chosen) for k in ("estimator", key))
    by = {(row["estimator"], row[key]): row for row in chosen}
    lines = [
        [part, *(value(by[name, part], "angle_rmse_moving_deg") if (name, part) in by else "–" for name in names)]
        for part in parts
    ]
    return table((key, *(f"`{name}`" for name in names)), lines)


def worst_table(clips: list[Row], name: str, count: int = 5) -> str:
    """Return the clips in which an estimator is worst."""
    chosen = [c for c in clips if (c["estimator"], c["noise"], c["group"]) == (name, "authors", "all")]
    chosen.sort(key=lambda clip: -clip["angle_rmse_moving_deg"])
    lines = [[c["subject"], c["clip"], c["activity"], value(c, "angle_rmse_moving_deg")] for c in chosen[:count]]
    return table(("person", "clip", "activity", f"`{name}`, all, moving"), lines)


def page(data: Path, clips: int) -> str:
    """Return the page."""
    own, coco = both("own", data, clips, "rows"), both("coco", data, clips, "rows")
    count = next(row for row in own if row["group"] == "all")
    text = (Path(__file__).parent / "results_networks.txt").read_text(encoding="utf-8")
    parts = {
        "date": date.today().isoformat(),
        "clips": str(clips),
        "sizes": f"{count['subjects']} people, {count['clips']} clips, {count['frames']} frames",
        "own": group_table(own),
        "levels": group_table(both("levels", data, clips, "rows")),
        "joints": joint_table(own),
        "activities": part_table(both("own", data, clips, "activities"), "activity"),
        "people": part_table(both("own", data, clips, "people"), "subject"),
        "elsewhere": group_table(both("elsewhere", data, clips, "rows")),
        "actions": part_table(both("elsewhere", data, clips, "activities"), "activity"),
        "coco": group_table(coco + both("coco-levels", data, clips, "rows")),
        "worst": "\n".join(worst_table(both("own", data, clips, "clips"), n) for n in ESTIMATORS["networks"]),
    }
    for name, part in parts.items():
        text = text.replace(f"<{name}>", part.rstrip("\n"))
    return text


def main() -> None:
    """Run what has not been run, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=ROOT / "build" / "motion.npz")
    parser.add_argument("--clips", type=int, default=3)
    parser.add_argument("--only", choices=ESTIMATORS)
    options = parser.parse_args()
    for run in RUNS:
        for peers in [options.only] if options.only else ESTIMATORS:
            evaluated(run, peers, options.data, options.clips)
    if not options.only:
        OUT.write_text(page(options.data, options.clips), encoding="utf-8")


if __name__ == "__main__":
    main()
