"""The errors that reach a user, as opposed to faults of the library."""

import difflib
from collections.abc import Iterable


class KinefuseError(Exception):
    """A mistake in what was given, told in one sentence.

    The message says what was expected, what came, and how to mend it. The command line prints it alone,
    without a traceback, and exits with status 2.
    """


class FormatError(KinefuseError):
    """A file that cannot be read as what its name or header says it is."""


class MissingDependencyError(KinefuseError):
    """An optional package that the asked-for job needs is not installed."""


def unknown_name(what: str, name: str, names: Iterable[str]) -> KinefuseError:
    """Return the error that nothing of a kind has such a name; it says which may have been meant, and all there are."""
    names = list(names)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.3)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    return KinefuseError(f"No {what} is called {name!r}{meant}; there are {', '.join(names)}.")
