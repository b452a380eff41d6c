"""Work spread over processes, which end with the one that began them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any

from kinefuse.errors import KinefuseError


@contextmanager
def processes(count: int, begin: Callable[..., None] | None = None, *given: Any) -> Iterator[ProcessPoolExecutor]:
    """Open `count` processes of one thread each, as threads of several processes get in each other's way.

    Parameters
    ----------
    count : how many
    begin, given : called once in each of them

    Raises
    ------
    KinefuseError
        If one is ended from outside.
    """
    with ProcessPoolExecutor(count, get_context("spawn"), initializer=_begin, initargs=(begin, given)) as pool:
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
    import torch

    torch.set_num_threads(1)
    # Without its parent, which may be killed, a process would wait for work for ever.
    Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin(*given)


def _end_with_parent() -> None:
    import os

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
