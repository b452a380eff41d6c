"""Frames a second of `smplify3d` on 26 noisy keypoints of a swinging body, a short and a long trial, fixed seed."""

import sys
import time
from pathlib import Path

from kinefuse.estimators.registry import make_estimator

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "estimators"))
from examples import joint_center_recording, swinging_motion


def main() -> int:
    """Print the table of fitting."""
    print("## Fitting: 26 keypoints, one thread\n")
    print("| estimator | frames | seconds | frames/s |\n|---|---:|---:|---:|")
    for name in ("smplify3d", "smplify3d:paper"):
        estimator = make_estimator(name)
        estimator.estimate(joint_center_recording(swinging_motion(20)))  # loads the body
        for frames in (300, 3600):
            recording = joint_center_recording(swinging_motion(frames))
            start = time.perf_counter()
            estimator.estimate(recording)
            seconds = time.perf_counter() - start
            print(f"| {name} | {frames} | {seconds:.1f} | {frames / seconds:.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
