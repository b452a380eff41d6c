"""``kinefuse synthesize``: motion capture to noisy trials with truth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kinefuse.evaluation.material import Clip


def synthesize(
    material: Annotated[
        list[Path],
        typer.Argument(metavar="MOTION...", help="Motion capture, results (motion.nc), or a prepared file."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the trials, one folder each.")],
    noise: Annotated[str, typer.Option("--noise", help="Noise of the joint centres.")] = "authors",
    level_mm: Annotated[
        float | None, typer.Option("--level-mm", help="Mean error of the joint centres instead of the profile's own.")
    ] = None,
    mounting_deg: Annotated[
        float, typer.Option("--mounting-deg", help="Standard deviation per axis of how IMUs are put on askew.")
    ] = 13.5,
    cameras: Annotated[
        int, typer.Option("--cameras", help="Film with so many virtual cameras instead of giving joint centres.")
    ] = 0,
    silhouettes: Annotated[
        int, typer.Option("--silhouettes", help="Give the person's silhouettes in so many virtual cameras instead.")
    ] = 0,
    chosen_set: Annotated[
        str, typer.Option("--split", help="Of a prepared file: test, validation, train or other-laboratory.")
    ] = "test",
    clips: Annotated[int, typer.Option("--clips", min=1, help="At most so many clips of each person.")] = 8,
    smpl: Annotated[Path | None, typer.Option("--smpl", help="Your own SMPL model (.npz), for AMASS clips.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the choice of clips and of all errors.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace trials of the same names.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but the trials' folders.")] = False,
) -> None:
    """Make trials with known truth from motion capture."""
    import numpy as np

    from kinefuse.cli.output import print_findings, print_lines
    from kinefuse.cli.progress import ProgressBars
    from kinefuse.errors import KinefuseError
    from kinefuse.evaluation.filming import require_cameras
    from kinefuse.evaluation.material import Choice, load_clips
    from kinefuse.evaluation.recordings import Conditions
    from kinefuse.evaluation.trials import check_folder, folders_of, write_made_trial

    conditions = Conditions(
        noise=noise,
        level_m=None if level_mm is None else level_mm / 1000.0,
        mounting_sd_rad=float(np.deg2rad(mounting_deg)),
        seed=seed,
    )
    for count in (cameras, silhouettes):
        require_cameras(count)
    if cameras and silhouettes:
        raise KinefuseError("--cameras and --silhouettes each film with cameras of their own; ask for one of them.")
    choice = Choice(chosen_set=chosen_set, per_subject=clips, seed=seed, smpl=smpl)
    check_folder(out, overwrite)
    with ProgressBars(quiet) as progress:
        found, findings = load_clips(material, choice, progress)
        folders = folders_of(out, found)
        for number, (clip, folder) in enumerate(zip(found, folders, strict=True), 1):
            write_made_trial(folder, clip, conditions, cameras, overwrite, silhouettes)
            progress("making trials", number, len(found))
    if not quiet:
        print_findings(findings)
    print_lines(map(str, folders) if quiet else _lines(out, found, folders))


def _lines(out: Path, clips: "list[Clip]", folders: list[Path]) -> list[str]:
    seconds = sum(float(clip.truth.time[-1] - clip.truth.time[0]) for clip in clips)
    people = len({clip.subject for clip in clips})
    return [
        f"{len(folders)} trials of {people} people, {seconds:.0f} s, written to {out}",
        f"next: kinefuse run {folders[0]}, which compares its result with the truth in reference/",
    ]
