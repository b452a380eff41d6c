"""``kinefuse check``: what is in a trial, what is wrong with it, and what limits it."""

from pathlib import Path
from typing import Annotated

import typer


def check(
    trial: Annotated[Path, typer.Argument(help="Folder of the trial, with trial.toml in it.")],
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress while videos are read.")] = False,
) -> int:
    """Say what a trial holds, what is wrong, and what limits it."""
    from kinefuse.cli.failures import SUCCESS, USERS_MISTAKE
    from kinefuse.cli.inspection import inspect_trial
    from kinefuse.cli.output import print_findings, print_lines
    from kinefuse.cli.progress import ProgressBars

    with ProgressBars(quiet) as progress:
        inspection = inspect_trial(trial, progress)
    print_lines(inspection.contents)
    print_findings(inspection.findings)
    if inspection.obstacle is None:
        print_lines([f"This trial can be run: {inspection.reason}"])
        return SUCCESS
    typer.echo(f"kinefuse: this trial cannot be run: {inspection.obstacle}", err=True)
    return USERS_MISTAKE
