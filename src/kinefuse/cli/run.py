"""``kinefuse run``: a recording to motion, files and a report."""

from pathlib import Path
from typing import Annotated

import typer


def run(
    trial: Annotated[Path, typer.Argument(help="Folder of the trial, with trial.toml in it.")],
    estimator: Annotated[str, typer.Option(help="Name of an estimator, or auto.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Folder for the result; TRIAL/result if left out.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result.")] = False,
    refine_cameras: Annotated[
        bool, typer.Option("--refine-cameras", help="Fit the cameras' poses to the movement first.")
    ] = False,
    detector: Annotated[str, typer.Option(help="Who finds people in videos: auto, mediapipe or rtmlib.")] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but the result's folder.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of whatever is random.")] = 0,
) -> None:
    """Estimate the motion of a trial; write files and a report."""
    from kinefuse.cli.pipeline import run_trial
    from kinefuse.cli.progress import ProgressBars

    with ProgressBars(quiet) as progress:
        result = run_trial(
            trial,
            estimator=estimator,
            out=out,
            overwrite=overwrite,
            refine_cameras=refine_cameras,
            detector=detector,
            seed=seed,
            progress=progress,
        )
    print_result(result, quiet)


def print_result(result: Path, quiet: bool = False) -> None:
    """Print what a result folder holds: files, numbers, findings and where the report is."""
    import json

    from kinefuse.cli.output import print_findings, print_lines, result_lines
    from kinefuse.recordings import Finding

    if quiet:
        typer.echo(str(result))
        return
    quality = json.loads((result / "quality.json").read_text(encoding="utf-8"))
    print_lines(result_lines(quality))
    print_findings([Finding(**finding) for finding in quality["findings"]], most=6)
    files = ", ".join(sorted(path.name for path in result.iterdir() if path.is_file() and path.name != "report.html"))
    print_lines([f"written to {result}: {files}", f"report: {result / 'report.html'}"])
