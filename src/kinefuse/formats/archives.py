"""Files within zip archives, read without trusting the archive.

A member's name may not lead out of the archive, and nothing is unpacked that is too large or damaged.
"""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.table_text import MAX_BYTES


def list_members(archive: Path, suffixes: Sequence[str]) -> list[str]:
    """Return the members of a zip archive that end in one of the suffixes (small letters), in its order.

    Raises
    ------
    KinefuseError
        If it is no readable zip archive, or a member's name leads out of it.
    """
    archive = Path(archive)
    with _open_zip(archive) as opened:
        names = [name for name in opened.namelist() if name.lower().endswith(tuple(suffixes))]
    for name in names:
        _check_member(archive, name)
    return names


def read_member(archive: Path, member: str) -> bytes:
    """Return the content of one member.

    Raises
    ------
    KinefuseError
        If it is no readable zip archive, has no such member, or the member is damaged, too large, or leads out of it.
    """
    archive = Path(archive)
    _check_member(archive, member)
    with _open_zip(archive) as opened:
        try:
            if opened.getinfo(member).file_size > MAX_BYTES:
                raise FormatError(f"{archive}: its member {member} is larger than {MAX_BYTES // 10**9} GB unpacked.")
            return opened.read(member)
        except KeyError:
            raise KinefuseError(f"{archive}: the archive has no member {member!r}; check the name.") from None
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
            raise FormatError(f"{archive}: its member {member} cannot be unpacked ({error}); get it again.") from error
        except Exception as error:
            if type(error).__module__ in {"zlib", "lzma", "_lzma"}:
                raise FormatError(f"{archive}: its member {member} is damaged ({error}); get it again.") from error
            raise


@contextmanager
def unpacked(archive: Path, members: Sequence[str]) -> Iterator[list[Path]]:
    """Give some members as files, by their own names, as long as the block lasts.

    An error raised within names the archive and its member, not the passing place of the file.
    """
    with TemporaryDirectory(prefix="kinefuse-") as folder:
        paths = [Path(folder) / PurePosixPath(member.replace("\\", "/")).name for member in members]
        for path, member in zip(paths, members, strict=True):
            path.write_bytes(read_member(archive, member))
        try:
            yield paths
        except KinefuseError as error:
            raise type(error)(_renamed(str(error), paths, archive, members)) from error


def _renamed(message: str, paths: Sequence[Path], archive: Path, members: Sequence[str]) -> str:
    for path, member in zip(paths, members, strict=True):
        message = message.replace(str(path), f"{archive}/{member}")
    return message


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise KinefuseError(f"{path}: there is no such file; check the name.") from None
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise FormatError(f"{path}: expected a zip archive ({error}); download or pack it again.") from error


def _check_member(archive: Path, name: str) -> None:
    pure = PurePosixPath(name.replace("\\", "/"))
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or ":" in pure.parts[0]:
        raise FormatError(f"{archive}: its member {name!r} leads out of the archive; do not use this archive.")
