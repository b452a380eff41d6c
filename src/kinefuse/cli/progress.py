"""Progress of long work: what the pipeline reports, and bars that show it."""

import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

Progress = Callable[[str, int, int], None]
"""Called as ``progress(stage, done, total)``; `total` is 0 where it is unknown. From any thread."""


def silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


class ProgressBars:
    """Bars on stderr, one a stage; nothing if `quiet` or if stderr is no terminal.

    A context manager; the object itself is a `Progress`. A stage of unknown length moves until it is reported done
    (``done >= 1``) or the next one of unknown length begins.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._shown = not quiet and sys.stderr.isatty()
        self._bars: RichProgress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()
        self._open_ended: str | None = None

    def __enter__(self) -> Self:
        if self._shown:
            self._bars = _rich_progress()
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self._bars is None:
            return
        with self._lock:
            if total == 0:
                self._pulse(stage, done)
                return
            task = self._task(stage, total)
            self._bars.update(task, completed=done, total=total)

    def _pulse(self, stage: str, done: int) -> None:
        if self._open_ended is not None and (done or self._open_ended != stage):
            self._complete(self._open_ended)
        self._open_ended = None if done else stage
        if not done:
            self._task(stage, None)

    def _task(self, stage: str, total: int | None) -> "TaskID":
        if self._bars is None:
            raise RuntimeError("Progress is reported outside of its context.")
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total)
        return self._tasks[stage]

    def _complete(self, stage: str) -> None:
        if self._bars is not None and stage in self._tasks:
            self._bars.update(self._tasks[stage], completed=1, total=1)


def _rich_progress() -> "RichProgress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    done = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    columns = (*done, TextColumn("left"), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
