"""The errors that reach a user, as opposed to faults of the library."""


class KinefuseError(Exception):
    """A mistake in what was given, told in one sentence.

    The message says what was expected, what came, and how to mend it. The command line prints it alone,
    without a traceback, and exits with status 2.
    """


class FormatError(KinefuseError):
    """A file that cannot be read as what its name or header says it is."""


class MissingDependencyError(KinefuseError):
    """An optional package that the asked-for job needs is not installed."""
