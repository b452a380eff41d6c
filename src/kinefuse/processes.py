"""Work spread over processes, which end with the one that began them."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any

from kinefuse.errors import KinefuseError

_problem: BaseException | None = None
"""What went wrong in this process while it was prepared."""


class _Pool(ProcessPoolExecutor):
    """Processes of which a task raises what went wrong when its process was prepared."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return super().submit(_do, fn, *args, **kwargs)


@contextmanager
def processes(count: int, begin: Callable[..., None] | None = None, *given: Any) -> Iterator[ProcessPoolExecutor]:
    """Open `count` processes of one thread each, as threads of several processes get in each other's way.

    Parameters
    ----------
    count : how many
    begin, given : called once in each of them; what it raises, tasks raise

    Raises
    ------
    KinefuseError
        If one is ended from outside.
    """
    with _Pool(count, get_context("spawn"), initializer=_begin, initargs=(begin, given)) as pool:
        try:
            yield pool
        except BrokenProcessPool as broken:
            raise KinefuseError(
                "A process was ended from outside, perhaps for want of memory; give the same command again, with fewer "
                "--jobs."
            ) from broken
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin(begin: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    global _problem
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)
    # Without its parent, which may be killed, a process would wait for work for ever.
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        if begin is not None:
            begin(*given)
    except Exception as problem:
        _problem = problem


def _do(work: Callable[..., Any], *given: Any, **more: Any) -> Any:
    if _problem is not None:
        raise _problem
    return work(*given, **more)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
