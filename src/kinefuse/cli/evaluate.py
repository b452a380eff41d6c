"""``kinefuse evaluate``: estimators against known motions."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from kinefuse.evaluation.judging import Failure
    from kinefuse.evaluation.scores import ClipScore

OPTIMISED: Final = ("smplify3d:paper", "smplify3d")
"""These and the networks that are shipped are compared if none is named, without those that look at silhouettes: to
make these takes long."""


def evaluate(
    material: Annotated[
        list[Path],
        typer.Argument(
            metavar="MOTION_OR_TRIAL...",
            help="Prepared file, motion capture, results (motion.nc), or trials with their truth.",
        ),
    ],
    estimator: Annotated[
        list[str] | None,
        typer.Option("--estimator", help="An estimator, or NETWORK=FILE with weights of your own; several times."),
    ] = None,
    noise: Annotated[
        list[str] | None,
        typer.Option("--noise", help="Noise of the joint centres, authors if left out; may be given several times."),
    ] = None,
    level_mm: Annotated[
        list[float] | None,
        typer.Option("--level-mm", help="Mean error of the joint centres instead of the profile's own; several times."),
    ] = None,
    mounting_deg: Annotated[
        float, typer.Option("--mounting-deg", help="Standard deviation per axis of how IMUs are put on askew.")
    ] = 13.5,
    points: Annotated[str, typer.Option("--points", help="Keypoints: halpe (26) or coco (17).")] = "halpe",
    chosen_set: Annotated[
        str, typer.Option("--split", help="Of a prepared file: test, validation, train or other-laboratory.")
    ] = "test",
    clips: Annotated[int, typer.Option("--clips", min=1, help="At most so many clips of each person.")] = 8,
    smpl: Annotated[Path | None, typer.Option("--smpl", help="Your own SMPL model (.npz), for AMASS clips.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the choice of clips and of all errors.")] = 0,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Processes.")] = 1,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            "--compare",
            metavar="[NAME=]FILE",
            help="Another tool's result of the trial: .mot, .sto, .mvnx, Theia3D's .c3d, motion.nc; several times.",
        ),
    ] = None,
    flip: Annotated[
        list[str] | None,
        typer.Option(
            "--flip",
            metavar="[NAME:]COORDINATE",
            help="An angle that a compared .mot or .sto counts the other way, such as knee_angle; several times.",
        ),
    ] = None,
    shift: Annotated[
        list[str] | None,
        typer.Option(
            "--shift", metavar="[NAME:]SECONDS", help="Seconds to add to the time of a compared result; several times."
        ),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for all numbers.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier file.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Compare estimators on motions that are known."""
    import numpy as np

    from kinefuse.cli.evaluation_tables import print_tables
    from kinefuse.cli.output import print_findings, print_lines
    from kinefuse.cli.progress import ProgressBars
    from kinefuse.cli.target import check_file
    from kinefuse.evaluation.judging import evaluate as run_evaluation
    from kinefuse.evaluation.judging import require_estimators
    from kinefuse.evaluation.material import Choice, load_clips
    from kinefuse.evaluation.others import read_others
    from kinefuse.evaluation.recordings import all_conditions
    from kinefuse.evaluation.scores import activity_rows, summary_rows

    names = tuple(estimator or _default_estimators())
    require_estimators(names)
    choice = Choice(chosen_set=chosen_set, per_subject=clips, seed=seed, smpl=smpl)
    levels = [level / 1000.0 for level in level_mm or []]
    conditions = all_conditions(noise or ["authors"], levels, float(np.deg2rad(mounting_deg)), points, seed)
    if json_file is not None:
        check_file(json_file, overwrite)
    with ProgressBars(quiet) as progress:
        found, findings = load_clips(material, choice, progress)
        others, remarks = read_others(compare or [], flip or [], shift or [], found, names)
        scores, failures = run_evaluation(found, conditions, names, jobs, progress, others)
    rows, activities = summary_rows(scores), activity_rows(scores)
    print_tables(rows, activities)
    print_findings([*remarks, *findings])
    print_lines(_failure_lines(failures))
    if json_file is None:
        return
    settings = {"set": chosen_set, "clips_per_person": clips, "mounting_sd_deg": mounting_deg, "points": points}
    _write(json_file, rows, scores, failures, {"seed": seed, "settings": settings})
    print_lines([f"written to {json_file}"])


def _default_estimators() -> list[str]:
    from kinefuse.estimators.network_answers import is_shipped
    from kinefuse.estimators.registry import NEEDS_SILHOUETTES
    from kinefuse.models.weights import NETWORKS

    from_points = [name for name in NETWORKS if name not in NEEDS_SILHOUETTES]
    return [*OPTIMISED, *(name for name in from_points if is_shipped(name))]


def _failure_lines(failures: "Sequence[Failure]") -> list[str]:
    """Say which clips were left out, for all estimators alike; the first few by name."""
    if not failures:
        return []
    count = len({(failure.subject, failure.clip, failure.noise) for failure in failures})
    lines = [f"left out: {count} recordings that not every estimator could use"]
    lines += [f"  {f.subject} {f.clip}, {f.noise}: {f.estimator}: {f.reason}" for f in failures[:5]]
    return lines + (["  ..."] if len(failures) > 5 else [])


def _write(
    path: Path,
    rows: Sequence[dict],
    scores: "Sequence[ClipScore]",
    failures: "Sequence[Failure]",
    told: dict[str, Any],
) -> None:
    from dataclasses import asdict

    from kinefuse.cli.quality import versions
    from kinefuse.evaluation.scores import activity_rows, clip_rows, subject_rows
    from kinefuse.formats.table_text import write_text

    content = {
        "rows": list(rows),
        **told,
        "versions": versions(),
        "activities": activity_rows(scores),
        "people": subject_rows(scores),
        "clips": clip_rows(scores),
        "failures": [asdict(failure) for failure in failures],
    }
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
