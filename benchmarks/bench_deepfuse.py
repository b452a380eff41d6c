"""Frames a second and peak memory of a DeepFuse network: fused, one frame at a time, and a training step.

Usage: python benchmarks/bench_deepfuse.py [--preset compact] [--device cpu|cuda]

Each row is a process of its own, so that its memory is its own; weights and inputs come from a fixed seed. Wall time is
the median; time on the processor counts all threads and hardly knows of other work on the machine. On a GPU the memory
is what PyTorch allocates there.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import torch

from kinefuse.estimators.volume_answers import BothWays
from kinefuse.models.deepfuse import (
    DEEPFUSE_PRESETS,
    N_JOINTS,
    N_SITES,
    VOLUME,
    DeepFuse,
    DeepFuseConfig,
    deepfuse_loss,
    for_inference,
)

REPEATS, TRAINING_REPEATS = 20, 4
FORWARD, BOTH_WAYS, TRAINING = "forward", "scene and mirror, as `deepfuse` does", "training step"

ON_CPU = ((FORWARD, 1), (FORWARD, 2), (BOTH_WAYS, 1), (BOTH_WAYS, 2), (TRAINING, 2))
ON_GPU = ((FORWARD, 1), (BOTH_WAYS, 1), (TRAINING, 1))


def inputs(config: DeepFuseConfig, batch: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Volumes in cubes of eight voxels, orientations and joints."""
    coarse = torch.rand(batch, config.channels, *[VOLUME // 8] * 3) > 0.75
    volumes = coarse.repeat_interleave(8, 2).repeat_interleave(8, 3).repeat_interleave(8, 4)
    joints = torch.rand(batch, N_JOINTS, 3) - 0.5
    return volumes.to(device), torch.eye(3, device=device).expand(batch, N_SITES, 3, 3), joints.to(device)


def forward(config: DeepFuseConfig, device: torch.device, both_ways: bool) -> tuple[Callable[[], object], int]:
    """Return one frame's estimate, by one look at it or by two, as the estimators do, and its frames."""
    fast = for_inference(DeepFuse(config)).to(device)
    network = BothWays(fast) if both_ways else fast
    volumes, R, _ = inputs(config, 1, device)

    def run() -> object:
        with torch.inference_mode():
            return network(volumes, R)

    return run, 1


def training(config: DeepFuseConfig, device: torch.device) -> tuple[Callable[[], object], int]:
    """Return one step of training with the preset's batch, and its frames."""
    network = DeepFuse(config).to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    network.trunk_in_bfloat16 = True
    optimiser = torch.optim.RMSprop(network.parameters(), 1e-5)
    volumes, R, joints = inputs(config, config.batch, device)

    def run() -> object:
        optimiser.zero_grad()
        deepfuse_loss(config, network(volumes, R), joints).backward()
        return optimiser.step()

    return run, config.batch


def finish(device: torch.device) -> None:
    """Wait until a GPU has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_mb(device: torch.device) -> float:
    """Return the most memory that was in use: of the GPU what PyTorch allocated, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(preset: str, device: torch.device, task: str, threads: int) -> None:
    """Print one row of the table."""
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    config = DEEPFUSE_PRESETS[preset]
    run, frames = training(config, device) if task == TRAINING else forward(config, device, task == BOTH_WAYS)
    run()
    finish(device)
    walls, busy = [], []
    for _ in range(TRAINING_REPEATS if task == TRAINING else REPEATS):
        wall, processor = time.perf_counter(), time.process_time()
        run()
        finish(device)
        walls.append(time.perf_counter() - wall)
        busy.append(time.process_time() - processor)
    wall, processor = sorted(walls)[len(walls) // 2], sorted(busy)[len(busy) // 2]
    per_frame, peak = 1000 * processor / frames, peak_mb(device)
    print(f"| {task} | {frames} | {threads} | {frames / wall:.1f} | {per_frame:.0f} | {peak:.0f} |")


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--preset", choices=tuple(DEEPFUSE_PRESETS), default="compact")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--row", nargs=2, metavar=("TASK", "THREADS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = torch.device(options.device)
    if options.row:
        measure(options.preset, device, options.row[0], int(options.row[1]))
        return 0
    network = options.preset + (f" on {torch.cuda.get_device_name(device)}" if device.type == "cuda" else "")
    print(f"## DeepFuse, {network}: volumes of 8 × 64³ voxels with 13 orientations to 22 joints, bfloat16\n")
    print("| | frames at once | threads | frames/s | ms of processor a frame | peak memory, MB |")
    print("|---|---:|---:|---:|---:|---:|", flush=True)
    same = [sys.executable, __file__, "--preset", options.preset, "--device", options.device]
    for task, threads in ON_GPU if device.type == "cuda" else ON_CPU:
        subprocess.run([*same, "--row", task, str(threads)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
