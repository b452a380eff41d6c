"""Processes begin as told, end with their parent, and say when one was killed."""

import operator
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kinefuse.errors import KinefuseError
from kinefuse.processes import processes

PARENT = """
import os, signal
from kinefuse.processes import processes
if __name__ == "__main__":
    with processes(1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_work_comes_back_in_its_order_from_processes_that_were_prepared(tmp_path: Path) -> None:
    with processes(2, os.chdir, tmp_path) as pool:
        assert list(pool.map(operator.neg, range(6))) == [0, -1, -2, -3, -4, -5]
        assert pool.submit(os.getcwd).result() == str(tmp_path)
        assert pool.submit(os.getpid).result() != os.getpid()


def test_one_that_was_killed_is_told() -> None:
    with pytest.raises(KinefuseError, match="ended from outside"), processes(1) as pool:
        pool.submit(os.kill, pool.submit(os.getpid).result(), signal.SIGKILL).result()


def test_what_goes_wrong_at_the_beginning_is_raised(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"), processes(1, os.chdir, tmp_path / "nowhere") as pool:
        pool.submit(os.getcwd).result()


def test_what_goes_wrong_within_is_raised() -> None:
    with pytest.raises(ZeroDivisionError), processes(1) as pool:
        pool.submit(operator.truediv, 1, 0).result()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see processes")
def test_they_end_with_their_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    child = int(done.stdout)
    for _ in range(200):
        if not is_alive(child):
            break
        time.sleep(0.1)
    assert not is_alive(child)


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that ended but was never asked for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
