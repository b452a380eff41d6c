"""Frames a second and peak memory of DeepFuse's compact network: fused, one frame at a time, and a training step.

Each row is a process of its own, so that its memory is its own; weights and inputs come from a fixed seed. Wall time is
the median; time on the processor counts all threads and hardly knows of other work on the machine.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable

import torch

from kinefuse.estimators.volume_answers import ready
from kinefuse.models.deepfuse import DEEPFUSE_PRESETS, N_JOINTS, N_SITES, VOLUME, DeepFuse, deepfuse_loss, for_inference

REPEATS, TRAINING_REPEATS = 20, 4
FORWARD, BOTH_WAYS, TRAINING = "forward", "scene and mirror, as `deepfuse` does", "training step"


def inputs(batch: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Volumes in cubes of eight voxels, orientations and joints."""
    channels = DEEPFUSE_PRESETS["compact"].channels
    coarse = torch.rand(batch, channels, *[VOLUME // 8] * 3) > 0.75
    volumes = coarse.repeat_interleave(8, 2).repeat_interleave(8, 3).repeat_interleave(8, 4)
    return volumes, torch.eye(3).expand(batch, N_SITES, 3, 3), torch.rand(batch, N_JOINTS, 3) - 0.5


def forward(both_ways: bool) -> tuple[Callable[[], object], int]:
    """Return one frame's estimate, by one look at it or by two, as the estimators do, and its frames."""
    compact = DeepFuse(DEEPFUSE_PRESETS["compact"])
    network = ready(compact) if both_ways else for_inference(compact)
    volumes, R, _ = inputs(1)

    def run() -> object:
        with torch.inference_mode():
            return network(volumes, R)

    return run, 1


def training() -> tuple[Callable[[], object], int]:
    """Return one step of training with the preset's batch, and its frames."""
    config = DEEPFUSE_PRESETS["compact"]
    network = DeepFuse(config).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    network.trunk_in_bfloat16 = True
    optimiser = torch.optim.RMSprop(network.parameters(), 1e-5)
    volumes, R, joints = inputs(config.batch)

    def run() -> object:
        optimiser.zero_grad()
        deepfuse_loss(config, network(volumes, R), joints).backward()
        return optimiser.step()

    return run, config.batch


def measure(task: str, threads: int) -> None:
    """Print one row of the table."""
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    run, frames = training() if task == TRAINING else forward(task == BOTH_WAYS)
    run()
    walls, busy = [], []
    for _ in range(TRAINING_REPEATS if task == TRAINING else REPEATS):
        wall, processor = time.perf_counter(), time.process_time()
        run()
        walls.append(time.perf_counter() - wall)
        busy.append(time.process_time() - processor)
    wall, processor = sorted(walls)[len(walls) // 2], sorted(busy)[len(busy) // 2]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {task} | {frames} | {threads} | {frames / wall:.1f} | {1000 * processor / frames:.0f} | {peak:.0f} |")


def main() -> int:
    """Print the table."""
    if len(sys.argv) == 3:
        measure(sys.argv[1], int(sys.argv[2]))
        return 0
    print("## DeepFuse, compact: volumes of 8 × 64³ voxels with 13 orientations to 22 joints, bfloat16\n")
    print("| | frames at once | threads | frames/s | ms of processor a frame | peak memory, MB |")
    print("|---|---:|---:|---:|---:|---:|", flush=True)
    for task, threads in ((FORWARD, 1), (FORWARD, 2), (BOTH_WAYS, 1), (BOTH_WAYS, 2), (TRAINING, 2)):
        subprocess.run([sys.executable, __file__, task, str(threads)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
