"""The errors that reach a user, as opposed to faults of the library."""

import difflib
import re
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
    """Return ``" (did you mean 'x'?)"`` for the most similar of `words`, or an empty string.

    Case does not count, and left is never offered for right: ``"LeftThigh"`` is ``"thigh_l"``.
    """
    spelled = {name.lower(): name for name in words}
    side, plain = _side_apart(word)
    for name in spelled:  # "lfoot", "FOOTL"
        own, bare = _side_apart(name)
        if own and not side and word.lower() in (f"{own}{bare}", f"{bare}{own}"):
            return f" (did you mean {spelled[name]!r}?)"
    likely = [name for name in spelled if not side or _side_apart(name)[0] in (side, "")]
    close = difflib.get_close_matches(f"{plain}_{side}" if side else word.lower(), likely, n=1)
    return f" (did you mean {spelled[close[0]]!r}?)" if close else ""


def _side_apart(word: str) -> tuple[str, str]:
    """Return ``"l"``, ``"r"`` or nothing, and the word without its side: of ``"L_UpperArm"`` ``"upper_arm"``."""
    parts = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", word)
    sides = [part[0].lower() for part in parts if part.lower() in ("l", "r", "left", "right")]
    rest = [part.lower() for part in parts if part.lower() not in ("l", "r", "left", "right")]
    return sides[0] if len(set(sides)) == 1 else "", "_".join(rest)


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
