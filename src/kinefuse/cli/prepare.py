"""``kinefuse prepare``: motion capture files to the one file that training reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from kinefuse.recordings import Finding
    from kinefuse.synthesis.preparing import Preparation


MOST_FINDINGS: Final = 10


def prepare(
    motion: Annotated[
        list[Path],
        typer.Argument(help="BVH, AMC beside its ASF, C3D, TRC, AMASS .npz, motion.nc, or zips or folders of them."),
    ],
    out: Annotated[Path, typer.Option(help="The file to write, .npz.")] = Path("motion.npz"),
    smpl: Annotated[Path | None, typer.Option(help="Your SMPL model, an .npz file, which AMASS needs.")] = None,
    validation_share: Annotated[
        float, typer.Option(help="Part of the people kept for validation; people of known databases have their set.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of people for validation.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes, each of which fits one person at a time.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier file.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but the file's name.")] = False,
) -> None:
    """Fit the body to motion capture, leave out bad clips, and write the file that training reads."""
    from kinefuse.cli.progress import ProgressBars
    from kinefuse.synthesis.preparing import prepare_file

    _check_output(out, overwrite)
    with ProgressBars(quiet) as progress:
        made = prepare_file(
            motion,
            out,
            smpl=smpl,
            validation_share=validation_share,
            seed=seed,
            jobs=jobs,
            progress=progress,
        )
    told = out.with_suffix(".findings.txt")
    _write_findings(told, made.findings)
    if quiet:
        typer.echo(str(out))
    else:
        _print(made, out, told)


def _check_output(out: Path, overwrite: bool) -> None:
    from kinefuse.errors import KinefuseError

    if out.suffix.lower() != ".npz":
        raise KinefuseError(f"{out}: expected a name that ends in .npz for the prepared file.")
    if out.exists() and not overwrite:
        raise KinefuseError(f"{out}: it exists already; add --overwrite to replace it, or name another file.")


def _write_findings(path: Path, findings: "Sequence[Finding]") -> None:
    from kinefuse.cli.output import sentence
    from kinefuse.formats.table_text import write_text

    write_text(path, "".join(f"{finding.level}: {sentence(finding)}\n" for finding in findings))


def _print(made: "Preparation", out: Path, told: Path) -> None:
    from kinefuse.cli.output import by_gravity, print_findings, print_lines
    from kinefuse.synthesis.preparing import contents

    print_lines([*made.people, *contents(made.clips)])
    print_findings(by_gravity(made.findings)[:MOST_FINDINGS])
    print_lines([f"{len(made.findings)} findings: {told}", f"prepared: {out}, {out.stat().st_size / 1e6:.1f} MB"])
