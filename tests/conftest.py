"""Fixtures that every test folder shares."""

import os
from pathlib import Path

import pytest

# Tests run in several processes: threads of their own would only get in each other's way.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


def data_root() -> Path | None:
    """Return the folder of real recordings: ``KINEFUSE_DATA``, or the one that lies beside the checkout."""
    named = os.environ.get("KINEFUSE_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def data() -> Path:
    """The real recordings; the test is skipped where they are not at hand."""
    folder = data_root()
    if folder is None:
        pytest.skip("needs the real recordings: set KINEFUSE_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def balancing(data: Path) -> Path:
    """Four calibrated videos of a man on a beam, with detections and other tools' results."""
    return data / "real" / "pose2sim_balancing"
