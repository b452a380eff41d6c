"""Volumes per second from mattes of 480 x 270 cells, and how well mattes alone centre them; fixed input, one thread.

A person of ellipsoids walks on a circle of 1 m in a ring of cameras 5 m away. Wall time is what a user waits;
processor time says what the work costs on a machine that has other work too.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "vision"))
from geometry_scenes import BENT, camera_ring
from volume_scenes import person_mattes, person_middle, turned

from kinefuse.vision.performer import find_performer
from kinefuse.vision.volumes import VoxelTable, build_volumes, probabilistic_hull

FRAMES, RATE_HZ, SPEED_M_S = 32, 60.0, 1.2
REPEATS = 5
CENTRED_FRAMES = 16


def timed(job: Callable[[], object], repeats: int = REPEATS) -> tuple[float, float]:
    """Return the shortest wall and processor time of several runs, seconds."""
    times = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        job()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(wall for wall, _ in times), min(cpu for _, cpu in times)


def walk(frames: int, step_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return places (T, 3) metres and headings (T,) radians of somebody who walks on a circle of 1 m."""
    angle = SPEED_M_S * step_s * np.arange(frames)
    return np.stack([np.sin(angle), np.zeros(frames), np.cos(angle)], axis=1), angle


def speed(count: int) -> list[str]:
    """Return the rows of the table of speed for a rig of `count` cameras."""
    cameras = camera_ring(count, BENT, radius=5.0)
    places, headings = walk(FRAMES, 1.0 / RATE_HZ)
    mattes = person_mattes(cameras, places, headings, side_px=480)
    centres = places + np.array([0.0, 1.0, 0.0])
    table = VoxelTable(cameras, mattes)
    first = timed(lambda: build_volumes(table, mattes, centres), 1)
    volumes = build_volumes(table, mattes, centres)
    jobs = {
        "volumes": timed(lambda: build_volumes(table, mattes, centres)),
        "centre of the performer": timed(lambda: find_performer(table, mattes)),
        "one probabilistic hull of the channels": timed(lambda: probabilistic_hull(volumes.channels)),
    }
    rows = [f"| {count} | first pass: table of {table.nbytes / 1e6:.0f} MB, and volumes | {rates(first)} |"]
    return rows + [f"| {count} | {name} | {rates(times)} |" for name, times in jobs.items()]


def rates(times: tuple[float, float]) -> str:
    """Return frames per second of wall and of processor time as two cells."""
    return " | ".join(f"{FRAMES / seconds:,.0f}" for seconds in times)


def centring(count: int) -> str:
    """Return the row of the table of centring for a rig of `count` cameras."""
    cameras = camera_ring(count, BENT, radius=5.0)
    places, headings = walk(CENTRED_FRAMES, 5.2 / CENTRED_FRAMES)
    mattes = person_mattes(cameras, places, headings)
    truth = places + np.array([turned(angle) @ person_middle() for angle in headings])
    errors = 1e3 * (find_performer(VoxelTable(cameras, mattes), mattes) - truth)
    mean, spread = errors.mean(axis=0), errors.std(axis=0)
    cells = " | ".join(f"{m:+.0f} ± {s:.0f}" for m, s in zip(mean, spread, strict=True))
    return f"| {count} | {cells} | {np.linalg.norm(errors, axis=1).max():.0f} |"


def main() -> int:
    """Print both tables."""
    with threadpool_limits(1):
        print("## Volumes: 64³ voxels of 35 mm a camera, one thread\n")
        print("| cameras | job | frames/s | frames per s of processor time |\n|---:|---|---:|---:|")
        for count in (4, 8):
            print("\n".join(speed(count)))
        print(f"\nCentre from the mattes against the middle of the body, {CENTRED_FRAMES} frames, mm:\n")
        print("| cameras | x | y | z | largest distance |\n|---:|---:|---:|---:|---:|")
        for count in (2, 3, 4, 8):
            print(centring(count))
    return 0


if __name__ == "__main__":
    sys.exit(main())
