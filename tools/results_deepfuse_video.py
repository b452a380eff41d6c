"""Make ``docs/results/deepfuse_video.md``: DeepFuse on a real man in four videos, beside keypoints of the same videos.

Usage: python tools/results_deepfuse_video.py [--weights FILE]
           (reads ``real/pose2sim_balancing`` in the folder given by KINEFUSE_DATA)
"""

import argparse
import tempfile
from datetime import date
from pathlib import Path
from typing import Final

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from draw_deepfuse import draw_skeleton
from kinefuse.cli.pipeline import prepare
from kinefuse.conventions import JOINTS
from kinefuse.estimators.registry import make_estimator
from kinefuse.estimators.silhouettes import silhouettes_of
from kinefuse.formats.pose2sim import import_pose2sim
from kinefuse.formats.trial import read_trial
from kinefuse.metrics.compare import motion_at
from kinefuse.motion import Motion
from kinefuse.recordings import Recording
from results_balancing import ROOT, SOURCE
from results_deepfuse import table

OUT: Final = ROOT / "docs" / "results" / "deepfuse_video.md"
FIGURE: Final = ROOT / "docs" / "images" / "deepfuse_video.png"
FRAMES: Final = (10, 50, 90)


def recorded(folder: Path, refine: bool) -> Recording:
    """Return the trial from its videos, with keypoints, their triangulation and mattes."""
    import_pose2sim(SOURCE, folder, detections="none")
    trial = read_trial(folder)
    return prepare(trial, refine_cameras=refine, detector="auto", progress=lambda *_: None, mattes=True).recording


def joint_differences(motion: Motion, recording: Recording) -> dict[str, np.ndarray]:
    """Return the distances (T,) metres of joints from the triangulated keypoints of the same name."""
    points = recording.joint_centers
    assert points is not None
    inside = (points.time >= motion.time[0]) & (points.time <= motion.time[-1])
    positions = motion_at(motion, points.time[inside]).positions
    shared = [name for name in JOINTS if name in points.names]
    return {
        name: np.linalg.norm(
            positions[:, JOINTS.index(name)] - points.positions[inside, points.names.index(name)], axis=-1
        )
        for name in shared
    }


def line(name: str, columns: list[np.ndarray]) -> list[str]:
    """Return a line of the table: median and 95th percentile of each column, millimetres."""
    return [name, *(f"{1000 * np.nanmedian(d):.0f} ({1000 * np.nanpercentile(d, 95):.0f})" for d in columns)]


def draw(recording: Recording, motion: Motion) -> None:
    """Draw the joints over the mattes of all cameras in some frames."""
    seen = silhouettes_of(recording, "deepfuse")
    figure, axes = plt.subplots(len(FRAMES), len(seen.cameras), figsize=(11, 9), layout="constrained")
    for row, frame in zip(axes, FRAMES, strict=True):
        joints = motion_at(motion, seen.time[frame : frame + 1]).positions[0]
        for panel, camera, mattes, at in zip(row, seen.cameras, seen.mattes, seen.rows[frame], strict=True):
            matte = mattes.frames(int(at), int(at) + 1)[0]
            draw_skeleton(panel, camera, matte, joints, "C0", mattes.from_calibrated)
            panel.set_title(f"{camera.name}, frame {frame}", fontsize=8)
    figure.savefig(FIGURE, dpi=80)


def main() -> None:
    """Run it with the given and with the refined cameras, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--weights", type=Path, help="instead of the shipped ones")
    options = parser.parse_args()
    estimator = make_estimator(f"deepfuse={options.weights}" if options.weights else "deepfuse")
    columns = []
    for refine in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            recording = recorded(Path(folder) / "trial", refine)
            motion = estimator.estimate(recording)
            columns.append(joint_differences(motion, recording))
            if refine:
                draw(recording, motion)
    lines = [line(name, [column[name] for column in columns]) for name in columns[0]]
    lines.append(line("all", [np.concatenate(list(column.values())) for column in columns]))
    OUT.write_text(PAGE.format(date=date.today(), table=table(("joint", "given cameras", "refined"), lines)), "utf-8")


PAGE: Final = """# DeepFuse on a real man in four videos

`pose2sim_balancing`: four full-HD cameras, 100 frames of a man on a beam, from the MP4 files alone: mattes by the
embedded segmentation, no sensors. Distance of DeepFuse's joints from the triangulated keypoints of the same name,
millimetres: median, and 95th percentile in brackets. Keypoints are no truth: their own error here is some 20 to 30 mm,
and the given calibration is off by centimetres ([pose2sim_balancing.md](pose2sim_balancing.md)). Made by
`python tools/results_deepfuse_video.py`, {date}.

{table}
![Joints over the mattes](../images/deepfuse_video.png)

Rendered silhouettes are all that the network was trained on. Without sensors, left and right have to be told from the
silhouettes' shape alone, which it has not learned yet ([model card](../models/deepfuse.md)): limbs are drawn to the
middle between both sides.
"""

if __name__ == "__main__":
    main()
