"""Seconds and peak memory of the networks on a minute at 60 Hz with 26 keypoints and 13 sensors, fixed seed."""

import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

from kinefuse.estimators.network_answers import is_shipped
from kinefuse.estimators.registry import make_estimator
from kinefuse.motion import Motion
from kinefuse.recordings import Recording

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "estimators"))
from examples import joint_center_recording, sensor_recording, swinging_motion

SECONDS, RATE_HZ, ROWS_HZ = 60, 60.0, 50.0


def minute() -> Recording:
    """A minute of a swinging body, its points at 60 Hz, its sensors at 100 Hz."""
    motion = at_rate(swinging_motion(int(SECONDS * RATE_HZ)))
    return replace(joint_center_recording(motion), imus=sensor_recording(motion).imus)


def at_rate(motion: Motion) -> Motion:
    """The same frames, a little faster: the example's 50 Hz become 60 Hz."""
    return replace(motion, time=motion.time * ROWS_HZ / RATE_HZ)


def main() -> int:
    """Print the table of the networks."""
    print("## Networks: a minute at 60 Hz, 26 keypoints and 13 sensors, all threads\n")
    print("| estimator | seconds | frames/s | peak memory of the process, MB |\n|---|---:|---:|---:|")
    recording = minute()
    for name in filter(is_shipped, ("videonet", "imunet", "fusionnet")):
        estimator = make_estimator(name)
        estimator.estimate(recording)  # loads the weights
        start = time.perf_counter()
        motion = estimator.estimate(recording)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| {name} | {seconds:.1f} | {len(motion.time) / seconds:.0f} | {peak:.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
