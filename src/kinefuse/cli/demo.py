"""``kinefuse demo``: the main job on a recording that the package makes itself, ending with a report."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the demo's trial and its result.")] = Path("demo"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier demo.")] = False,
    silhouettes: Annotated[
        bool, typer.Option("--silhouettes", help="Give the person's silhouettes too, which deepfuse looks at.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but the result's folder.")] = False,
) -> None:
    """Run everything on a made-up walk, and report its errors."""
    from kinefuse.cli.pipeline import run_trial
    from kinefuse.cli.progress import ProgressBars
    from kinefuse.cli.run import print_result
    from kinefuse.cli.target import check_demo_folder
    from kinefuse.synthesis.demo import make_demo

    check_demo_folder(out, overwrite)
    with ProgressBars(quiet) as progress:
        progress("making the demo's recording", 0, 0)
        make_demo(out / "trial", overwrite=overwrite, silhouettes=silhouettes)
        result = run_trial(out / "trial", out=out / "result", overwrite=overwrite, progress=progress)
    print_result(result, quiet)
