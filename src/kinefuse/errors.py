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


class NobodySeenError(KinefuseError):
    """Too few cameras show a person to measure anything in 3-D. What needs no cameras can still be done."""


def nearest(word: str, words: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the most similar of `words`, or an empty string."""
    close = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def hint(word: str, words: Iterable[str]) -> str:
    """Return `nearest`, or all of `words` in brackets where none is similar."""
    words = list(words)
    return nearest(word, words) or f" (known: {', '.join(words)})"


def check_known(what: str, name: str, names: Iterable[str]) -> None:
    """Refuse a name that is not one of `names`; the sentence tells the most similar one and all there are.

    Raises
    ------
    KinefuseError
        If it is not.
    """
    names = list(names)
    if name not in names:
        raise KinefuseError(f"No {what} is called {name!r}{nearest(name, names)}; there are {', '.join(names)}.")
