"""New files are complete in a folder of their own before they take the place of old ones, and old ones come back."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kinefuse.formats.table_text import current_umask


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yield an empty folder, removed afterwards: within `folder`, or beside it if it does not exist.

    Either is on the file system of `folder`, also where that is a link or another disk, so moving is renaming.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    place = folder if folder.is_dir() else folder.parent
    place.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".kinefuse-", dir=place))
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def become(stage: Path, folder: Path) -> None:
    """Make a staged folder the one called `folder`, which must not exist, readable for whom new folders are."""
    stage.chmod(0o777 & ~current_umask())
    stage.rename(folder)


def exchange(stage: Path, folder: Path, names: Iterable[str]) -> None:
    """Move all that is staged into `folder`, in place of what is called by `names` there; all of it or nothing.

    Raises
    ------
    OSError
        If something cannot be moved; all is where it was before then. What cannot even be moved back stays in a folder
        ``.kinefuse-…`` within `folder`.
    """
    aside = Path(tempfile.mkdtemp(prefix=".kinefuse-", dir=folder))
    moved: list[tuple[Path, Path]] = []
    try:
        for old in [folder / name for name in names if (folder / name).exists() or (folder / name).is_symlink()]:
            old.rename(aside / old.name)
            moved.append((old, aside / old.name))
        for new in list(stage.iterdir()):
            new.rename(folder / new.name)
            moved.append((new, folder / new.name))
    except OSError:
        for before, now in reversed(moved):
            now.rename(before)
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)
