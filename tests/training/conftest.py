"""Fixtures of the training tests: a prepared file, and one tiny training on it."""

from pathlib import Path

import pytest
from training_samples import tiny_run, write_motion_file

from kinefuse.training.run import train_network


@pytest.fixture(scope="session")
def motion_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared file of four people."""
    return write_motion_file(tmp_path_factory.mktemp("motion") / "motion.npz")


@pytest.fixture(scope="session")
def trained(motion_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run of VideoNet: 20 steps, a checkpoint every 5."""
    out = tmp_path_factory.mktemp("trained") / "videonet"
    train_network(tiny_run("videonet", out, 20, validate_every=5), motion_file)
    return out
