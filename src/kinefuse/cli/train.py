"""``kinefuse train``: motion capture to the weights of a network."""

from pathlib import Path
from typing import Annotated, Any

import typer

VOLUME_NETWORKS = ("deepfuse", "deepfuse-vision")


def train(
    network: Annotated[str, typer.Argument(help="videonet, imunet, fusionnet, deepfuse or deepfuse-vision.")],
    data: Annotated[Path, typer.Option(help="The file of motion that `kinefuse prepare` made.")] = Path("motion.npz"),
    preset: Annotated[
        str | None,
        typer.Option(help="default, paper, authors or tiny; of DeepFuse: compact, the default, paper or tiny."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for weights, checkpoints and logs; ./NETWORK.")] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            help="Folder with weights to begin with; fusionnet takes its two parts, deepfuse-vision what deepfuse sees."
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Batches to learn from; the preset's if left out.")] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Windows, or frames, in a batch; the preset's if left out.")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Rate of learning; the preset's if left out.")] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="A variation to leave out: shape, mirror, time_warp, compose, amplitude, turns or yaw."),
    ] = None,
    validate_every: Annotated[int, typer.Option(min=1, help="Steps between validations and checkpoints.")] = 500,
    frames: Annotated[
        int | None, typer.Option(min=16, help="Frames to be rendered for DeepFuse to learn from; 16384 if left out.")
    ] = None,
    rendered: Annotated[
        Path | None, typer.Option(help="Folder of what is rendered for DeepFuse, which runs may share; OUT/rendered.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that render for DeepFuse.")] = 2,
    workers: Annotated[int, typer.Option(min=0, help="Processes that make examples while a GPU learns.")] = 0,
    devices: Annotated[int, typer.Option(min=1, help="Processes, one for each GPU.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines that train together.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier training in the folder.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but the name of the weights.")] = False,
) -> None:
    """Train a network on motion capture; write its weights, checkpoints and logs."""
    _check_extra()
    from lightning.pytorch.utilities import rank_zero_only

    given: dict[str, Any] = {
        "steps": steps, "batch": batch, "rate": rate, "seed": seed, "start": start, "devices": devices, "nodes": nodes,
        "workers": workers,
        "validate_every": validate_every, "progress": not quiet,
    }  # fmt: skip
    folder = out or Path(network)
    if network in VOLUME_NETWORKS:
        _refuse({"--without": without}, "is for the other networks")
        from kinefuse.training.volume_run import run_preset, train_deepfuse, volume_run

        run = run_preset(network, preset or "compact", folder, **given)
        volumes = volume_run(run, rendered=rendered, frames=frames, jobs=jobs)
        weights = train_deepfuse(volumes, data, resume=resume, overwrite=overwrite)
    else:
        _refuse({"--frames": frames, "--rendered": rendered}, "is for deepfuse")
        from kinefuse.synthesis.variety import without as all_but
        from kinefuse.training.run import run_config, train_network

        config = run_config(network, preset or "default", folder, variety=all_but(without or []), **given)
        weights = train_network(config, data, resume=resume, overwrite=overwrite)
    told = str(weights) if quiet else f"weights: {weights}; log: {folder / 'log' / 'metrics.csv'}"
    rank_zero_only(typer.echo)(told)


def _refuse(options: dict[str, Any], why: str) -> None:
    from kinefuse.errors import KinefuseError

    for name, value in options.items():
        if value:
            raise KinefuseError(f"{name} {why}; leave it out.")


def _check_extra() -> None:
    from importlib.util import find_spec

    from kinefuse.errors import MissingDependencyError

    if find_spec("lightning") is None:
        raise MissingDependencyError("Training needs Lightning; install it with: pip install 'kinefuse[train]'.")
