"""People with clothes, posed, for the tests of mattes."""

from functools import cache

import numpy as np
import torch
from evaluation_examples import prepared_clips

from kinefuse.synthesis.dressed import draw_garments, dress, pose_vertices, rest_vertices
from kinefuse.synthesis.variety import MotionStore, MotionWindows, VarietyConfig


@cache
def motion_of(count: int, seed: int = 0) -> MotionWindows:
    """Return windows of one frame."""
    store = MotionStore(prepared_clips({"anna": "train", "ben": "train"}), VarietyConfig())
    return store.draw(count, 1, 50.0, torch.Generator().manual_seed(seed))


@cache
def dressed_people(count: int, seed: int = 0) -> np.ndarray:
    """Return surfaces (B, V, 3) metres of people who stand about the world's vertical axis."""
    motion, rng = motion_of(count, seed), torch.Generator().manual_seed(seed)
    naked = rest_vertices(motion.shape, motion.rest_positions)
    clothed = dress(naked, draw_garments(count, rng), rng)
    place = motion.positions[:, 0] - motion.positions[:, 0, :1] * torch.tensor([1.0, 0.0, 1.0])
    posed = pose_vertices(clothed, motion.rest_positions, motion.R_world_segment[:, 0], place)
    return posed.numpy().astype(float)
