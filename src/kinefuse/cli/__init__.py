"""The command line: one file a command, and nothing heavy imported before a command runs."""

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``kinefuse`` and return its exit status: 0 success, 2 a user's mistake, 1 a fault of ours, 130 Ctrl-C.

    Parameters
    ----------
    arguments
        What follows the command's name; None takes that of this process.
    """
    from kinefuse.cli.app import app
    from kinefuse.cli.failures import guarded

    given = None if arguments is None else list(arguments)
    return guarded(lambda: app(args=given, prog_name="kinefuse", standalone_mode=False))
