"""Motions made up for the tests of this folder."""

import numpy as np

from kinefuse.conventions import COORDINATES, JOINTS, SEGMENT_PARENTS, SEGMENTS, TRANSLATIONS
from kinefuse.motion import Motion
from kinefuse.rotations import matrix_from_rotvec

_BONES = {
    "hip": (0.0, -0.08, 0.09),
    "knee": (0.0, -0.42, 0.01),
    "ankle": (0.0, -0.40, 0.0),
    "mtp": (0.14, -0.05, 0.01),
    "lumbar": (-0.02, 0.10, 0.0),
    "spine": (0.01, 0.13, 0.0),
    "chest": (0.02, 0.06, 0.0),
    "neck_base": (-0.03, 0.21, 0.0),
    "sternoclavicular": (0.0, 0.11, 0.07),
    "head": (0.03, 0.09, 0.0),
    "shoulder": (-0.02, 0.04, 0.12),
    "elbow": (0.0, 0.0, 0.27),
    "wrist": (0.0, 0.0, 0.25),
}


def rest_positions() -> np.ndarray:
    """Return the joints of a plausible person in T-pose, (22, 3) metres."""
    rest = np.zeros((len(JOINTS), 3))
    for index, (joint, parent) in enumerate(zip(JOINTS, SEGMENT_PARENTS, strict=True)):
        if parent >= 0:
            mirror = [1.0, 1.0, -1.0 if joint.endswith("_l") else 1.0]
            rest[index] = rest[parent] + np.array(_BONES[joint.removesuffix("_l").removesuffix("_r")]) * mirror
    return rest


def make_motion(frames: int = 30, seed: int = 0, size: float = 0.6, rate_hz: float = 60.0) -> Motion:
    """Return a smooth random motion that obeys its skeleton; joints turn by about `size` radians."""
    random = np.random.default_rng(seed)
    time = np.arange(frames) / rate_hz
    phase, speed = random.uniform(0, 6, (22, 3)), random.uniform(1, 5, (22, 3))
    local = matrix_from_rotvec(size * random.normal(size=(22, 3)) * np.sin(phase + speed * time[:, None, None]))
    world, rest = local.copy(), rest_positions()
    positions = np.zeros((frames, 22, 3))
    positions[:, 0] = np.array([0.3, 0.95, -0.2]) + time[:, None] * np.array([1.0, 0.02, 0.1])
    for segment, parent in enumerate(SEGMENT_PARENTS):
        if parent >= 0:
            world[:, segment] = world[:, parent] @ local[:, segment]
            positions[:, segment] = positions[:, parent] + world[:, parent] @ (rest[segment] - rest[parent])
    angles = random.normal(size=(frames, len(COORDINATES)))
    angles[:, [COORDINATES.index(name) for name in TRANSLATIONS]] = positions[:, 0]
    return Motion(
        time=time,
        R_world_segment=world,
        positions=positions,
        angles=angles,
        provenance=random.integers(0, 3, (frames, len(SEGMENTS))),
        shape=random.normal(size=10),
        rest_positions=rest,
        estimator="made up",
        notes=("first note", "second\nnote"),
    )
