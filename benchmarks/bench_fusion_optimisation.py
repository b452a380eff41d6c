"""Seconds that `fusion-optimisation` takes for noisy keypoints and 13 sensors: 5 s and a minute at 60 Hz."""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from kinefuse.estimators.registry import make_estimator
from kinefuse.recordings import Recording
from kinefuse.synthesis.joint_noise import noisy_joint_centers

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "estimators"))
from examples import RATE_HZ as EXAMPLE_HZ
from examples import sensor_recording, swinging_motion

RATE_HZ: Final = 60.0
PROFILE: Final = "paper"
LEVEL_M: Final = 0.0526
"""Mean error of the points: that of the study's well-mounted setting."""

WARMING: Final = 60
LENGTHS: Final = (WARMING, 300, 3600)
"""Frames; the first ones load the body and are not told."""


def recording_of(frames: int) -> Recording:
    """Return noisy points at `RATE_HZ` of so many frames, and perfect sensors at 100 Hz of the same time.

    The example swings as smoothly at its own rate; here it is as if it swung a fifth faster.
    """
    truth = swinging_motion(frames)
    truth = replace(truth, time=truth.time * EXAMPLE_HZ / RATE_HZ)
    points = noisy_joint_centers(truth, PROFILE, seed=0, level_m=LEVEL_M)
    return replace(sensor_recording(truth), joint_centers=points)


def main() -> int:
    """Print the table of fitting points and sensors; processor time tells more where the machine is busy."""
    print(f"## Points and sensors, {torch.get_num_threads()} threads\n")
    print(f"26 keypoints at {RATE_HZ:g} Hz, {1000 * LEVEL_M:g} mm off (profile {PROFILE}), and 13 sensors at 100 Hz.\n")
    print("| estimator | frames | of | seconds | processor seconds | frames/s |\n|---|---:|---:|---:|---:|---:|")
    recordings = {frames: recording_of(frames) for frames in LENGTHS}
    for name in ("fusion-optimisation", "fusion-optimisation:paper"):
        estimator = make_estimator(name)
        for frames, recording in recordings.items():
            start, started = time.perf_counter(), time.process_time()
            estimator.estimate(recording)
            seconds, used = time.perf_counter() - start, time.process_time() - started
            if frames > WARMING:
                told = f"{seconds:.1f} | {used:.1f} | {frames / seconds:.0f}"
                print(f"| {name} | {frames} | {frames / RATE_HZ:g} s | {told} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
