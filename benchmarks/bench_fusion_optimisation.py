"""Seconds that `fusion-optimisation` takes for 26 noisy keypoints and 13 sensors, a short and a long trial."""

import sys
import time
from dataclasses import replace
from pathlib import Path

from kinefuse.estimators.registry import make_estimator

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "estimators"))
from examples import joint_center_recording, sensor_recording, swinging_motion


def main() -> int:
    """Print the table of fitting points and sensors; processor time tells more where the machine is busy."""
    print("## Points and sensors: 26 keypoints, 13 sensors at 100 Hz, one thread\n")
    print("| estimator | frames | seconds | processor seconds | frames/s |\n|---|---:|---:|---:|---:|")
    for name in ("fusion-optimisation", "fusion-optimisation:paper"):
        estimator = make_estimator(name)
        for frames in (20, 300, 3600):
            truth = swinging_motion(frames)
            recording = replace(joint_center_recording(truth), imus=sensor_recording(truth).imus)
            start, started = time.perf_counter(), time.process_time()
            estimator.estimate(recording)
            seconds, used = time.perf_counter() - start, time.process_time() - started
            if frames > 20:  # the first one loads the body
                print(f"| {name} | {frames} | {seconds:.1f} | {used:.1f} | {frames / seconds:.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
