"""Make ``docs/results/study.md``, and beside it the page and the tables, of all cells in a folder of the study.

Usage: python tools/results_study.py STUDY [--known FILE] [--without ESTIMATOR ...] [--name study]

STUDY is the ``--out`` of `kinefuse study`. Where several commands filled it, for instance with faults for some
estimators only, this shows them together, with the results of another study that ``--known`` names. Methods are
compared two at a time, on the windows that both have; ``--without`` leaves methods out.
"""

import argparse
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from kinefuse.cli.quality import versions
from kinefuse.report.study_markdown import write_markdown
from kinefuse.report.study_page import write_page
from kinefuse.study.archive import Result, read_archive, write_archive
from kinefuse.study.cells import read_cell
from kinefuse.study.plan import FULL, is_optimiser
from kinefuse.study.tables import write_tables

ROOT: Final = Path(__file__).parents[1]
OUT: Final = ROOT / "docs" / "results"
BESIDE: Final = OUT / "beside"
"""Tables of results_orientation, results_real, results_real_synthetic and results_impaired; the page shows them too."""


def repetitions(results: Sequence[Result]) -> dict[str, int]:
    """Return how often each estimator's noise was drawn at most."""
    times: dict[str, int] = {}
    for cell in results:
        times[cell.estimator] = max(times.get(cell.estimator, 0), cell.repetitions)
    return times


def last_run(folder: Path) -> dict[str, Any]:
    """Return what the last command that filled a folder told of itself; nothing if it told nothing."""
    path = folder / "study.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def command(windows: int, times: dict[str, int]) -> str:
    """Return the command whose cells these are; several of its kind, for some settings each, filled the folder."""
    optimised = max((count for name, count in times.items() if is_optimiser(name)), default=1)
    others = max((count for name, count in times.items() if not is_optimiser(name)), default=1)
    return (
        f"kinefuse study full --windows {windows} --repetitions {others} --optimised-repetitions {optimised}, "
        "some results on fewer windows or with fewer repetitions, shown together by tools/results_study.py"
    )


def main() -> None:
    """Read the cells and write everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--known", type=Path)
    parser.add_argument("--without", nargs="*", default=[])
    parser.add_argument("--name", default="study")
    asked = parser.parse_args()
    paths = sorted((asked.folder / "cells").glob("*/*/*.npz"))
    found: list[Result] = [cell for cell in map(read_cell, paths) if cell is not None]
    found += read_archive(asked.known) if asked.known else []
    results = [result for result in found if result.estimator not in asked.without]
    if not results:
        parser.error(f"{asked.folder}: no cells; run kinefuse study first.")
    there = {result.setting for result in results}
    settings = [setting for setting in FULL if setting.name in there]
    told = {
        "date": date.today().isoformat(),
        "command": command(len({result.window for result in results}), repetitions(results)),
        "seed": last_run(asked.folder).get("seed", "unknown"),
        "versions": last_run(asked.folder).get("versions", versions()),
    }
    write_archive(OUT / asked.name / "results.npz", results)
    write_markdown(results, settings, OUT / f"{asked.name}.md", told)
    write_tables(results, settings, OUT / asked.name)
    write_page(results, settings, OUT / asked.name / "study.html", told, BESIDE)


if __name__ == "__main__":
    main()
