"""Short clips of people who swing arms and legs, as a prepared file holds them."""

from pathlib import Path

import numpy as np
import torch

from kinefuse.body.angles import joint_angles, orientations_from_angles
from kinefuse.body.kinematics import joint_positions
from kinefuse.body.models import load_anny
from kinefuse.conventions import COORDINATE_INDEX, COORDINATES, SEGMENTS
from kinefuse.evaluation.material import Clip
from kinefuse.motion import Motion
from kinefuse.synthesis.prepared import PreparedClip, prepare, write_prepared

RATE_HZ = 50.0


def swinging(frames: int = 40, seed: int = 0) -> Motion:
    """A person of the embedded body who walks along X and swings; no joint comes near a singularity."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / RATE_HZ
    angles = np.zeros((frames, len(COORDINATES)))
    swing = {"hip_flexion": (20, 25), "knee_angle": (40, 25), "elbow_flex": (60, 30), "arm_flex": (10, 30)}
    for name, (centre, amplitude) in (swing | {"arm_add": (-15, 5)}).items():
        for side in "lr":
            wave = np.sin(2 * np.pi * 1.5 * time + rng.uniform(0, 2 * np.pi))
            angles[:, COORDINATE_INDEX[f"{name}_{side}"]] = np.deg2rad(centre + amplitude * wave)
    angles[:, COORDINATE_INDEX["pelvis_rotation"]] = 0.7 + 0.3 * time
    R = orientations_from_angles(angles)
    shape = rng.normal(0.0, 0.5, 10)
    rest = load_anny().rest_positions(shape)
    root = np.stack([0.8 * time, 0.9 + 0.0 * time, 0.1 * time], axis=-1)
    return Motion(
        time=time,
        R_world_segment=R,
        positions=joint_positions(torch.tensor(R), torch.tensor(root), torch.tensor(rest)).numpy(),
        angles=joint_angles(R, root),
        provenance=np.zeros((frames, len(SEGMENTS)), int),
        shape=shape,
        rest_positions=rest,
    )


def a_clip(seed: int = 0, frames: int = 40, subject: str = "anna") -> Clip:
    return Clip(subject=subject, name=f"swing {seed}", activity="sport", truth=swinging(frames, seed))


def prepared_clips(people: dict[str, str], each: int = 2, frames: int = 40) -> list[PreparedClip]:
    """`each` clips of every person, whose set `people` tells; activities take turns."""
    kinds = ("walking", "sport")
    return [
        prepare(
            swinging(frames, seed=10 * number + index),
            subject=person,
            clip=f"clip {index}",
            split=chosen_set,
            activity=kinds[index % 2],
        )
        for number, (person, chosen_set) in enumerate(people.items())
        for index in range(each)
    ]


def write_example(path: Path, each: int = 2) -> Path:
    """Write a prepared file with two people for test, one for training, and one of another laboratory."""
    people = {"anna": "test", "ben": "test", "carl": "train", "hdm05_xx": "test"}
    write_prepared(path, prepared_clips(people, each))
    return path
