"""The table of commands. Each lives in a file of its own and imports what it needs when it runs."""

from typing import Annotated

import typer

from kinefuse.cli.check import check
from kinefuse.cli.demo import demo
from kinefuse.cli.evaluate import evaluate
from kinefuse.cli.export import export
from kinefuse.cli.import_ import import_trial
from kinefuse.cli.prepare import prepare
from kinefuse.cli.run import run
from kinefuse.cli.study import study
from kinefuse.cli.synthesize import synthesize
from kinefuse.cli.train import train
from kinefuse.cli.view import view

app = typer.Typer(
    name="kinefuse",
    help="Human movement from calibrated cameras, body-worn inertial sensors, or both.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command("demo")(demo)
app.command("run")(run)
app.command("check")(check)
app.command("import")(import_trial)
app.command("export")(export)
app.command("view")(view)
app.command("prepare")(prepare)
app.command("train")(train)
app.command("synthesize")(synthesize)
app.command("evaluate")(evaluate)
app.command("study")(study)


def _print_version(wanted: bool) -> None:
    if wanted:
        from kinefuse import __version__

        typer.echo(f"kinefuse {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Human movement from calibrated cameras, body-worn inertial sensors, or both."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
