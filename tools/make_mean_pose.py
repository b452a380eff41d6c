"""Make the mean pose of the training subjects, which every estimator must beat (`kinefuse.evaluation.floor`).

Usage: python tools/make_mean_pose.py [PREPARED]
"""

import sys
from pathlib import Path

import numpy as np

from kinefuse.conventions import SEGMENTS
from kinefuse.evaluation.floor import mean_pose_of
from kinefuse.rotations import rotvec_from_matrix
from kinefuse.synthesis.prepared import read_prepared

ROOT = Path(__file__).parents[1]
OUT = ROOT / "src" / "kinefuse" / "evaluation" / "mean_pose.csv"


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "motion.npz"
    clips = [clip for clip in read_prepared(source) if clip.split == "train"]
    turns = np.rad2deg(rotvec_from_matrix(mean_pose_of(clips)))
    rows = [f"{name},{x:.2f},{y:.2f},{z:.2f}" for name, (x, y, z) in zip(SEGMENTS, turns, strict=True)]
    OUT.write_text("\n".join(["segment,x_deg,y_deg,z_deg", *rows]) + "\n")
    print(f"{OUT}: mean of {len({clip.subject for clip in clips})} people, {len(clips)} clips")


if __name__ == "__main__":
    main()
