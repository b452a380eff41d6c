"""``kinefuse export``: a result in other tools' formats."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    result: Annotated[Path, typer.Argument(help="Folder of a result, with motion.nc in it.")],
    to: Annotated[str, typer.Option("--to", help="Kinds, with commas: trc,mot,sto,c3d,bvh,csv,glb.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the files; RESULT if left out.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of the same names.")] = False,
) -> None:
    """Write a result in other tools' formats."""
    from kinefuse.cli.output import print_findings, print_lines
    from kinefuse.errors import KinefuseError
    from kinefuse.formats.results import EXPORTS
    from kinefuse.formats.results import export as export_files

    kinds = [kind.strip().lower() for kind in to.split(",") if kind.strip()]
    if not kinds:
        raise KinefuseError(f"--to names no format; expected one or more of {', '.join(EXPORTS)}, with commas.")
    paths, findings = export_files(result, kinds, out, overwrite)
    print_findings(findings)
    print_lines([str(path) for path in paths])
