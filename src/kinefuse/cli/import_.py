"""``kinefuse import``: other tools' folders to a trial."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from kinefuse.recordings import Finding


def _pose2sim(source: Path, trial: Path, overwrite: bool, detections: str) -> list[Finding]:
    from kinefuse.formats.pose2sim import import_pose2sim

    return import_pose2sim(source, trial, overwrite=overwrite, detections=detections)


IMPORTERS: Final[dict[str, Callable[[Path, Path, bool, str], list[Finding]]]] = {"pose2sim": _pose2sim}
"""Name, as given to ``--from``, to what makes a trial of such a folder."""


def import_trial(
    source: Annotated[Path, typer.Argument(help="Folder of another tool.")],
    trial: Annotated[Path, typer.Argument(help="New folder for the trial.")],
    from_: Annotated[str, typer.Option("--from", help=f"Whose folder it is: {', '.join(IMPORTERS)}.")],
    detections: Annotated[
        str,
        typer.Option(
            help="2-D points of the source to bring: none, detections, associated, or auto (none with videos)."
        ),
    ] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the trial in that folder.")] = False,
) -> None:
    """Make a trial of another tool's folder."""
    from kinefuse.cli.output import print_findings, print_lines
    from kinefuse.errors import KinefuseError, hint

    name = from_.strip().lower()
    if name not in IMPORTERS:
        raise KinefuseError(f"Cannot import from {from_!r}{hint(name, IMPORTERS)}.")
    findings = IMPORTERS[name](source, trial, overwrite, detections)
    print_findings(findings)
    print_lines([f"trial: {trial}", f"next: kinefuse check {trial}, then kinefuse run {trial}"])
