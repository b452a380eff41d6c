"""Frames per second of triangulation: 26 keypoints in 4 cameras, one fixed synthetic input for every tool.

Run by ``benchmarks/run.sh``, in the project's environment. Pose2Sim and aniposelib run on the same input in a second
environment, whose Python ``BENCH_PYTHON`` names; without it only kinefuse is measured. Prints a Markdown table.

Two jobs: ``plain`` takes undistorted pixels to points by the linear method, nothing else; ``full`` starts at pixels of
lenses with distortion, with noise of 2 px and 3 % outliers of some 80 px, and each tool undistorts and rejects
outliers in its own way.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SEED = 7
FRAMES = 5000
KEYPOINTS = 26
CAMERAS = 4
NOISE_PX = 2.0
OUTLIERS = 0.03
LENS = np.array([-0.2, 0.06, 0.001, -0.0005, 0.002])
INTRINSICS = np.array([[1200.0, 0.0, 960.0], [0.0, 1210.0, 540.0], [0.0, 0.0, 1.0]])


def camera_poses() -> tuple[np.ndarray, np.ndarray]:
    """Return rotations (V, 3, 3) and translations (V, 3) of cameras 4 m around a person, world (Y up) to camera."""
    rotations, translations = [], []
    for angle in 2.0 * np.pi * np.arange(CAMERAS) / CAMERAS + 0.3:
        centre = np.array([4.0 * np.cos(angle), 1.6, 4.0 * np.sin(angle)])
        forward = np.array([0.0, 1.0, 0.0]) - centre
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        rotations.append(np.stack([right, np.cross(forward, right), forward]))
        translations.append(-rotations[-1] @ centre)
    return np.array(rotations), np.array(translations)


def make_scene(path: Path) -> None:
    """Save the input of all tools: poses, true points (T, K, 3), plain and full pixels (T, V, K, 2)."""
    from kinefuse.vision.cameras import distort, to_pixels

    rng = np.random.default_rng(SEED)
    rotations, translations = camera_poses()
    truth = rng.uniform([-0.6, 0.0, -0.6], [0.6, 1.8, 0.6], (FRAMES, KEYPOINTS, 3))
    inside = np.einsum("vij,tkj->tvki", rotations, truth) + translations[None, :, None]
    x, y = inside[..., 0] / inside[..., 2], inside[..., 1] / inside[..., 2]
    plain = to_pixels(x, y, INTRINSICS)
    full = to_pixels(*distort(x, y, LENS), INTRINSICS)
    noise = rng.normal(0.0, NOISE_PX, plain.shape)
    full = full + noise
    wrong = rng.random(full.shape[:3]) < OUTLIERS
    full[wrong] += rng.normal(0.0, 80.0, (int(wrong.sum()), 2))
    np.savez(path, rotations=rotations, translations=translations, truth=truth, plain=plain + noise, full=full)


def best_time(job: Callable[[], np.ndarray], repeats: int) -> tuple[float, np.ndarray]:
    """Return the shortest time of several runs after a first one that does not count, and the result."""
    result = job()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = job()
        times.append(time.perf_counter() - start)
    return min(times), result


def measured(tool: str, job: str, call: Callable[[], np.ndarray], truth: np.ndarray, repeats: int) -> dict[str, Any]:
    """Return one row of the table; `truth` (T, K, 3) are the frames that `call` works on."""
    seconds, points = best_time(call, repeats)
    error = 1e3 * np.linalg.norm(points.reshape(truth.shape) - truth, axis=-1)
    return {
        "tool": tool,
        "job": job,
        "frames": len(truth),
        "frames_per_s": len(truth) / seconds,
        "median_mm": float(np.nanmedian(error)),
        "p95_mm": float(np.nanpercentile(error, 95)),
        "missing": float(np.isnan(error).mean()),
    }


def run_kinefuse(scene: Any) -> list[dict[str, Any]]:
    """Measure this library."""
    from kinefuse.recordings import Camera
    from kinefuse.vision.triangulation import triangulate, triangulate_plain

    cameras = [
        Camera(
            name=str(v), size=(1920, 1080), matrix=INTRINSICS, distortions=LENS, R_camera_world=rotation, translation=t
        )
        for v, (rotation, t) in enumerate(zip(scene["rotations"], scene["translations"], strict=True))
    ]
    truth, plain, full = scene["truth"], scene["plain"], scene["full"]
    trust = np.ones(plain.shape[:3])
    return [
        measured("kinefuse", "plain", lambda: triangulate_plain(cameras, plain, trust), truth, 5),
        measured("kinefuse", "full", lambda: triangulate(cameras, full, trust).positions, truth, 5),
    ]


def run_pose2sim(scene: Any) -> list[dict[str, Any]]:
    """Measure Pose2Sim's functions for one point, over points and frames as its own loop does."""
    import cv2
    from Pose2Sim.common import weighted_triangulation
    from Pose2Sim.triangulation import triangulation_from_best_cameras

    poses = np.concatenate([scene["rotations"], scene["translations"][:, :, None]], axis=2)
    projections = list(INTRINSICS @ poses)
    trust, nothing = np.ones(CAMERAS), np.full(CAMERAS, np.nan)
    frames = 40

    def plain() -> np.ndarray:
        rows = scene["plain"][:frames].transpose(0, 2, 1, 3).reshape(-1, CAMERAS, 2)
        return np.array([weighted_triangulation(projections, row[:, 0], row[:, 1], trust)[:3] for row in rows])

    def full() -> np.ndarray:
        """Pixels through the lens and the choice of cameras, as Pose2Sim does it."""
        pixels = scene["full"][:frames].transpose(0, 2, 1, 3).reshape(-1, 1, 2)
        rows = cv2.undistortPoints(pixels, INTRINSICS, LENS, P=INTRINSICS).reshape(-1, CAMERAS, 2)
        swapped = (nothing, nothing, nothing)
        return np.array(
            [
                triangulation_from_best_cameras({}, (row[:, 0], row[:, 1], trust), swapped, projections, {})[0]
                for row in rows
            ]
        )

    truth = scene["truth"][:frames]
    return [measured("Pose2Sim", "plain", plain, truth, 2), measured("Pose2Sim", "full", full, truth, 2)]


def run_aniposelib(scene: Any) -> list[dict[str, Any]]:
    """Measure aniposelib's batched triangulation, and its RANSAC over views."""
    import cv2
    from aniposelib.cameras import Camera, CameraGroup

    def group(distortions: np.ndarray) -> Any:
        return CameraGroup(
            [
                Camera(matrix=INTRINSICS, dist=distortions, rvec=cv2.Rodrigues(r)[0].ravel(), tvec=t, name=str(v))
                for v, (r, t) in enumerate(zip(scene["rotations"], scene["translations"], strict=True))
            ]
        )

    def by_camera(pixels: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(pixels.transpose(1, 0, 2, 3)).reshape(CAMERAS, -1, 2)

    frames = 10
    straight, bent = group(np.zeros(5)), group(LENS)
    plain_pixels, full_pixels = by_camera(scene["plain"]), by_camera(scene["full"][:frames])
    return [
        measured("aniposelib", "plain", lambda: straight.triangulate(plain_pixels), scene["truth"], 3),
        measured("aniposelib", "full", lambda: bent.triangulate_ransac(full_pixels)[0], scene["truth"][:frames], 1),
    ]


PEERS = {"pose2sim": run_pose2sim, "aniposelib": run_aniposelib}


def run_peer(name: str, scene: Path) -> list[dict[str, Any]]:
    """Run one peer in its own environment and return its rows; a message on the error stream where it fails."""
    python = os.environ.get("BENCH_PYTHON")
    if not python:
        return []
    command = [python, __file__, "--peer", name, "--scene", str(scene)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(f"{name} could not be measured:\n{done.stderr[-2000:]}\n")
        return []
    rows: list[dict[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| tool | job | frames timed | frames/s | median error, mm | 95th percentile, mm | missing |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda r: (r["job"] != "plain", -r["frames_per_s"])):
        numbers = f"{row['frames_per_s']:,.0f} | {row['median_mm']:.1f} | {row['p95_mm']:.1f} | {row['missing']:.2%}"
        lines.append(f"| {row['tool']} | {row['job']} | {row['frames']} | {numbers} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, or, with ``--peer``, one peer's rows as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", choices=sorted(PEERS))
    parser.add_argument("--scene", type=Path)
    options = parser.parse_args()
    if options.peer:
        with np.load(options.scene) as scene:
            print(json.dumps(PEERS[options.peer](dict(scene))))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.npz"
        make_scene(path)
        with np.load(path) as scene:
            rows = run_kinefuse(dict(scene))
        for peer in PEERS:
            rows += run_peer(peer, path)
    print(f"## Triangulation: {KEYPOINTS} keypoints, {CAMERAS} cameras\n")
    print(table(rows))


if __name__ == "__main__":
    main()
