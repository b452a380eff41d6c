"""Frames a second of detection in the four full-HD videos of the balancing trial, all cameras together.

Run as ``KINEFUSE_DATA=<folder> python benchmarks/bench_detection.py``. Decoding, the network's start and the check of
the cameras against each other are included; nothing is taken from a cache.
"""

import os
import sys
import time
from pathlib import Path

from kinefuse.formats.calibration import read_calibration
from kinefuse.formats.videos import probe_video
from kinefuse.recordings import Recording, View
from kinefuse.vision.detection import detect_recording

WORKERS = 2


def read_trial(folder: Path) -> Recording:
    """Return the calibrated cameras with their videos; the first two are letter-boxed."""
    cameras = read_calibration(folder / "calibration" / "Calib_qualisys.toml")
    videos = sorted((folder / "videos").glob("cam*.mp4"))
    views = tuple(View(camera=camera.name, video=video) for camera, video in zip(cameras, videos, strict=True))
    return Recording(cameras=cameras, views=views)


def frames_per_second(recording: Recording, frames: int, mattes: bool) -> float:
    """Return the speed of one detection from scratch."""
    start = time.perf_counter()
    detect_recording(recording, mattes=mattes, use_cache=False, workers=WORKERS)
    return frames / (time.perf_counter() - start)


def main() -> int:
    """Print the table of detection."""
    folder = Path(os.environ.get("KINEFUSE_DATA", "")) / "real" / "pose2sim_balancing"
    if not (folder / "videos").is_dir():
        print("bench_detection: skipped, KINEFUSE_DATA/real/pose2sim_balancing/videos is not there")
        return 0
    recording = read_trial(folder)
    frames = sum(probe_video(view.video).frames for view in recording.views if view.video is not None)
    print(f"## Detection: {frames} frames of {len(recording.views)} full-HD cameras, {WORKERS} workers\n")
    print("| job | frames/s in all |\n|---|---:|")
    for mattes in (False, True):
        speed = frames_per_second(recording, frames, mattes)
        print(f"| {'keypoints and mattes' if mattes else 'keypoints'} | {speed:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
