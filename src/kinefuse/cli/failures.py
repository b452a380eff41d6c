"""How a command ends: every failure becomes one sentence on stderr and an exit status."""

import errno
import os
import sys
import traceback
from collections.abc import Callable
from typing import Final

from kinefuse.errors import KinefuseError

SUCCESS: Final = 0
OUR_FAULT: Final = 1
USERS_MISTAKE: Final = 2
INTERRUPTED: Final = 130

STOPPED: Final = "Interrupted before the work was finished."

TRACEBACK: Final = "KINEFUSE_TRACEBACK"
"""Environment variable: 1 prints the traceback of a fault of ours."""

_ADVICE: Final = {
    errno.EACCES: "check the rights of the file or folder, or name another one.",
    errno.EPERM: "check the rights of the file or folder, or name another one.",
    errno.EROFS: "the place is read-only; name another one.",
    errno.ENOSPC: "the disk is full; free some space or name another place.",
    errno.EDQUOT: "the disk quota is used up; free some space or name another place.",
    errno.ENOENT: "check the spelling of the path.",
    errno.ENOTDIR: "a part of the path is a file; name a folder.",
    errno.EISDIR: "it is a folder; name a file.",
    errno.EEXIST: "it is there already; name another one.",
}


def guarded(command: Callable[[], object]) -> int:
    """Run a command and return the exit status; what went wrong is told on stderr.

    A `KinefuseError`, a wrong option or an error of the operating system is the user's to mend: one sentence, status
    2. Anything else is a fault of ours: status 1, and a traceback if ``KINEFUSE_TRACEBACK`` is 1.
    """
    try:
        status = _status(command())
    except KeyboardInterrupt:
        return _end(STOPPED, INTERRUPTED)
    except KinefuseError as error:
        return _end(str(error), USERS_MISTAKE)
    except OSError as error:
        return _end(os_sentence(error), USERS_MISTAKE)
    except Exception as error:
        return _unexpected(error)
    return _end(STOPPED, INTERRUPTED) if status == INTERRUPTED else status


def _unexpected(error: Exception) -> int:
    """Tell typer's own exceptions from faults of ours.

    Some versions of typer bring their own copy of click and some depend on it, so its errors are known by their form.
    """
    if type(error).__name__ == "Abort":
        return _end(STOPPED, INTERRUPTED)
    if hasattr(error, "format_message"):
        return _end(_usage_sentence(error), USERS_MISTAKE)
    if os.environ.get(TRACEBACK) == "1":
        traceback.print_exception(error, file=sys.stderr)
    what = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    advice = f"please report it with the output of this command repeated under {TRACEBACK}=1."
    return _end(f"A fault of kinefuse, not of yours ({what}); {advice}", OUR_FAULT)


def _usage_sentence(error: Exception) -> str:
    """Return a wrong option or argument in one line, with where to read about it."""
    message = " ".join(str(error.format_message()).split()).rstrip(".")  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", None) or "kinefuse"
    return f"{message}; see {path} --help."


def os_sentence(error: OSError) -> str:
    """Return an error of the operating system in one sentence: the path, what happened, how to mend it."""
    what = (error.strerror or str(error) or type(error).__name__).rstrip(".")
    where = f"{error.filename}: " if error.filename is not None else ""
    advice = _ADVICE.get(error.errno or 0, "try again, or name another place.")
    return f"{where}{what}; {advice}"


def _status(value: object) -> int:
    """Return what a command returned as an exit status; typer hands `typer.Exit` and Ctrl-C back as a number."""
    return value if isinstance(value, int) else SUCCESS


def _end(message: str, status: int) -> int:
    print(f"kinefuse: {message}", file=sys.stderr)
    return status
