"""``kinefuse study``: the study of noise against accuracy."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from kinefuse.evaluation.material import Clip
    from kinefuse.study.archive import Result
    from kinefuse.study.plan import Setting
    from kinefuse.study.run import Study

MATERIAL: Final = Path("motion.npz")


def study(
    preset: Annotated[str, typer.Argument(metavar="PRESET", help="quick, minutes, or full, two days of one core.")],
    material: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[MOTION_OR_TRIAL...]", help="As for evaluate; motion.npz if left out."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for cells, tables and the page.")] = Path("study"),
    estimator: Annotated[
        list[str] | None,
        typer.Option("--estimator", help="An estimator, or NETWORK=FILE with weights of your own; several times."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="A family of settings, such as mounting; several times.")
    ] = None,
    windows: Annotated[
        int | None, typer.Option("--windows", min=1, help="Stretches of 8 s, instead of the preset's.")
    ] = None,
    repetitions: Annotated[
        int | None, typer.Option("--repetitions", min=1, help="How often noise is drawn, instead of the preset's.")
    ] = None,
    optimised_repetitions: Annotated[
        int | None, typer.Option("--optimised-repetitions", min=1, help="The same for estimators that optimise.")
    ] = None,
    chosen_set: Annotated[
        str, typer.Option("--split", help="Of a prepared file: test, validation, train or other-laboratory.")
    ] = "test",
    smpl: Annotated[Path | None, typer.Option("--smpl", help="Your own SMPL model (.npz), for AMASS clips.")] = None,
    known: Annotated[
        Path | None,
        typer.Option("--known", help="results.npz of another study of this motion; what it holds is not computed."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Processes; as many as there are cores if left out.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the windows and of all errors.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Compute all anew instead of going on.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Measure how accurate every method is under every kind of noise."""
    from kinefuse.cli.output import print_findings, print_lines
    from kinefuse.cli.progress import ProgressBars
    from kinefuse.evaluation.material import Choice, load_clips
    from kinefuse.study.archive import by_key, read_archive
    from kinefuse.study.plan import preset_called, settings_of
    from kinefuse.study.run import Study, known_results, run_study
    from kinefuse.study.windows import choose_windows

    _require_statistics()
    plan = preset_called(preset)
    names, left_out = _estimators(estimator)
    asked = Study(
        folder=out / "cells",
        settings=settings_of(plan, only or []),
        estimators=names,
        repetitions=repetitions or plan.repetitions,
        optimised_repetitions=optimised_repetitions or min(plan.optimised_repetitions, repetitions or 1000),
        seed=seed,
    )
    _check_out(out, known)
    others = by_key(read_archive(known)) if known is not None else {}
    choice = Choice(chosen_set=chosen_set, per_subject=EVERY_CLIP, seed=seed, smpl=smpl)
    if not quiet:
        print_lines(left_out)
    with ProgressBars(quiet) as progress:
        clips, findings = load_clips(material or [MATERIAL], choice, progress)
        chosen = choose_windows(clips, windows or plan.windows, seed)
        cells = run_study(asked, chosen, jobs or _cores(), progress, overwrite, others)
    if not quiet:
        print_findings(findings)
    results = [*cells, *known_results(asked, chosen, others)]
    written = _write_results(out, asked, results, _told(preset, asked, chosen, chosen_set))
    print_lines([*_failure_lines(results, asked.settings), *(f"written to {path}" for path in written)])


EVERY_CLIP: Final = 10**6


def _require_statistics() -> None:
    """Refuse to begin what would end, hours later, for want of a package."""
    from importlib.util import find_spec

    from kinefuse.errors import MissingDependencyError

    if find_spec("pingouin") is None:
        raise MissingDependencyError('The tests of the study need pingouin: pip install "kinefuse[study]".')


def _estimators(asked: Sequence[str] | None) -> tuple[tuple[str, ...], list[str]]:
    """Return the names to compare, and lines about those that this installation does not have."""
    from kinefuse.errors import KinefuseError
    from kinefuse.estimators.registry import NEEDS_SILHOUETTES, base_name
    from kinefuse.evaluation.judging import require_estimators
    from kinefuse.study.plan import IF_ASKED, SIGHT

    if asked:
        require_estimators(asked)
        blind = [name for name in asked if base_name(name) in NEEDS_SILHOUETTES]
        if blind:
            raise KinefuseError(
                f"The study's recordings have no silhouettes, which {blind[0]} needs; take `kinefuse evaluate`."
            )
        return tuple(dict.fromkeys(asked)), []
    there, lines = [], []
    for name in (name for name in SIGHT if name not in IF_ASKED):
        try:
            require_estimators([name])
            there.append(name)
        except KinefuseError:
            lines.append(f"left out: {name}, which this installation does not have")
    return tuple(there), lines


def _cores() -> int:
    """Return how many cores this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_out(out: Path, known: Path | None) -> None:
    from kinefuse.errors import KinefuseError

    if known is not None and known.resolve() == (out / "results.npz").resolve():
        raise KinefuseError(f"{known}: would be replaced by this study's own results; name another folder with --out.")

    if out.exists() and not out.is_dir():
        raise KinefuseError(f"{out}: is a file; name a folder with --out.")


def _told(preset: str, asked: "Study", windows: "Sequence[Clip]", chosen_set: str) -> dict[str, Any]:
    """Return how the study was made, for the page and for ``study.json``."""
    from kinefuse.cli.quality import versions

    return {
        "preset": preset,
        "set": chosen_set,
        "seed": asked.seed,
        "repetitions": {name: asked.times(name) for name in asked.estimators},
        "settings": [setting.name for setting in asked.settings],
        "windows": [
            {
                "window": clip.name,
                "subject": clip.subject,
                "activity": clip.activity,
                "seconds": round(float(clip.truth.time[-1]), 2),
            }
            for clip in windows
        ],
        "versions": versions(),
    }


def _write_results(out: Path, asked: "Study", results: "Sequence[Result]", told: dict[str, Any]) -> list[Path]:
    import json

    from kinefuse.formats.table_text import write_text
    from kinefuse.report.study_markdown import write_markdown
    from kinefuse.report.study_page import write_page
    from kinefuse.study.archive import write_archive
    from kinefuse.study.tables import write_tables

    write_archive(out / "results.npz", results)  # it makes the folder
    write_text(out / "study.json", json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    write_tables(results, asked.settings, out / "tables")
    write_markdown(results, asked.settings, out / "study.md", told)
    write_page(results, asked.settings, out / "study.html", told)
    return [out / "results.npz", out / "tables", out / "study.md", out / "study.html"]


def _failure_lines(results: "Sequence[Result]", settings: "Sequence[Setting]") -> list[str]:
    """Say which estimators could not use what, once for each reason."""
    from kinefuse.study.means import Results

    reasons: dict[tuple[str, str, str], int] = {}
    for cell in Results(results, settings).failures:
        key = (cell.estimator, cell.setting, cell.failure)
        reasons[key] = reasons.get(key, 0) + 1
    return [f"{name} under {setting}, {count} windows: {reason}" for (name, setting, reason), count in reasons.items()]
