"""A prepared file small enough to train on within a test, and runs on it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from evaluation_examples import prepared_clips

from kinefuse.synthesis.prepared import write_prepared
from kinefuse.training.run import RunConfig, run_config

PEOPLE = {"anna": "train", "ben": "train", "carl": "train", "dora": "validation"}


def write_motion_file(path: Path, people: dict[str, str] | None = None) -> Path:
    """Write two clips of 3 s of each person: all swing arms and legs, each in their own way."""
    write_prepared(path, prepared_clips(people or PEOPLE, frames=150))
    return path


def tiny_run(network: str, out: Path, steps: int, **others: Any) -> RunConfig:
    """A run of the `tiny` preset without a progress bar, judged by few windows."""
    config = run_config(network, "tiny", out, steps=steps, batch=others.pop("batch", None), progress=False)
    return replace(config, validation_windows=32, **others)
