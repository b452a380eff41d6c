"""``kinefuse view``: a result in the browser."""

from pathlib import Path
from typing import Annotated

import typer


def view(
    result: Annotated[Path, typer.Argument(help="Folder of a result, with motion.nc in it.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the page.")] = 8080,
    trial: Annotated[Path | None, typer.Option(help="Its trial, to show cameras and measured points too.")] = None,
) -> None:
    """Show a result in the browser, until Ctrl-C."""
    from kinefuse.formats.trial import read_trial
    from kinefuse.viewer.app import view_result

    view_result(result, port=port, recording=None if trial is None else read_trial(trial))
