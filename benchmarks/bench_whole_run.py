"""Seconds of `kinefuse run` on the real balancing trial, as a user waits for them: a new process, from MP4s to report.

Run as ``KINEFUSE_DATA=<folder> python benchmarks/bench_whole_run.py``.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kinefuse.formats.pose2sim import import_pose2sim

KINEFUSE = (sys.executable, "-m", "kinefuse", "run")


def seconds(trial: Path, *options: str) -> float:
    """Return the wall time of one run."""
    start = time.perf_counter()
    subprocess.run([*KINEFUSE, str(trial), "--quiet", "--overwrite", *options], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> int:
    """Print the table of a whole run."""
    source = Path(os.environ.get("KINEFUSE_DATA", "")) / "real" / "pose2sim_balancing"
    if not source.is_dir():
        print("bench_whole_run: skipped, KINEFUSE_DATA/real/pose2sim_balancing is not there")
        return 0
    print("## `kinefuse run`: four videos of 100 frames, 1080 x 1920\n\n| run | seconds |\n|---|---:|")
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "trial"
        import_pose2sim(source, trial)
        print(f"| from the videos, refined cameras | {seconds(trial, '--refine-cameras'):.1f} |")
        print(f"| again, detections cached, refined cameras | {seconds(trial, '--refine-cameras'):.1f} |")
        print(f"| again, detections cached, given cameras | {seconds(trial):.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
