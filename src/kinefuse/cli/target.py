"""Where a result may be written. Asked before any long work, so that nothing is lost after it."""

import tempfile
from pathlib import Path
from typing import Final

from kinefuse.errors import KinefuseError
from kinefuse.formats.results import check_target
from kinefuse.formats.text_files import read_toml

DEMO_ID: Final = "demo"
"""Of the demo's subject."""

INPUTS: Final = ("videos", "keypoints", "silhouettes", "imu", "reference")
"""Folders of a trial that hold what was recorded, or the truth."""


def check_output(out: Path, trial: Path, overwrite: bool) -> None:
    """Refuse a folder that the result of a trial must not or cannot be written to.

    Parameters
    ----------
    out
        The folder for the result; it need not exist.
    trial
        The trial's folder; its own files are never overwritten.
    overwrite
        Whether an earlier result may be replaced.

    Raises
    ------
    KinefuseError
        If `out` holds something and `overwrite` is false, is a trial or a part of one, is a file, or cannot be
        written.
    """
    if (out / "trial.toml").exists() or out.resolve() in {(trial / name).resolve() for name in ("", *INPUTS)}:
        raise KinefuseError(f"{out}: holds a trial's own files; name another folder for the result with --out.")
    check_target(out, overwrite)
    _check_writable(out)


def _check_writable(out: Path) -> None:
    """Try to write a file where the result will be, or where its folder will be made."""
    place = out
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise KinefuseError(f"{out}: cannot be made, because {place} is a file; name another folder with --out.")
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise KinefuseError(
            f"{out}: cannot be written ({error.strerror or error}); name another folder with --out."
        ) from error


def check_demo_folder(out: Path, overwrite: bool) -> None:
    """Refuse a folder that the demo must not or cannot be written to.

    Raises
    ------
    KinefuseError
        If `out` holds something and `overwrite` is false, or what it would replace is no demo, or it cannot be
        written.
    """
    from kinefuse.formats import trial

    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise KinefuseError(f"{out}: holds files already; name another folder with --out, or ask for --overwrite.")
    trial.check_target(out / "trial", overwrite)
    settings = out / "trial" / "trial.toml"
    if settings.exists() and read_toml(settings).get("subject", {}).get("id") != DEMO_ID:
        raise KinefuseError(f"{out / 'trial'}: is a trial, but not the demo's; name another folder with --out.")
    check_output(out / "result", out / "trial", overwrite)


def check_file(path: Path, overwrite: bool) -> None:
    """Refuse a file that must not or cannot be written.

    Raises
    ------
    KinefuseError
        If it exists and `overwrite` is false, is a folder, or its folder does not exist or cannot be written.
    """
    if path.is_dir():
        raise KinefuseError(f"{path}: is a folder; name a file.")
    if path.exists() and not overwrite:
        raise KinefuseError(f"{path}: exists already; name another file, or ask for --overwrite.")
    if not path.absolute().parent.is_dir():
        raise KinefuseError(f"{path}: its folder does not exist; make it, or name another.")
    _check_writable(path.absolute().parent)
