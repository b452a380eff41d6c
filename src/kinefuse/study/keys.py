"""Digests of what a result depends on: by them a result is known again, in a folder or in another laboratory's file."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np

from kinefuse import __version__
from kinefuse.evaluation.material import Clip
from kinefuse.motion import Motion
from kinefuse.study.plan import FULL, Setting, kind_of, seen_of, sees

FORMAT: Final = 1
"""Of a cell's making: one more whenever the recordings are made otherwise."""

DIGEST_FRAMES: Final = 5


@dataclass(frozen=True)
class Window:
    """A window by its name, after which its noise is drawn, and the digest of its truth."""

    name: str
    digest: str


def window_of(clip: Clip) -> Window:
    """Return what a window is known by."""
    return Window(clip.name, digest_of_motion(clip.truth))


def key_of(seed: int, window: Window, estimator: str, setting: Setting) -> str:
    """Return the digest of all that a repetition depends on: version, seed, window, setting, estimator, weights.

    How many there are does not change any of them.
    """
    told = {
        "format": FORMAT,
        "kinefuse": __version__,
        "seed": seed,
        "window": asdict(window),
        "setting": asdict(setting),
        "estimator": kind_of(estimator),
        "weights": digest_of_weights(estimator),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def same_for(estimator: str, settings: Sequence[Setting]) -> tuple[Setting, ...]:
    """Return settings that are alike for an estimator, and all others of the study that are one with them for it.

    Parameters
    ----------
    settings : at least one, see `plan.alike`
    """
    sight = sees(estimator)
    seen = seen_of(settings[0], sight)
    return tuple(dict.fromkeys((*settings, *(setting for setting in FULL if seen_of(setting, sight) == seen))))


def digest_of_motion(motion: Motion) -> str:
    """Return a digest of a motion, the same wherever it was prepared.

    Processors differ in the last digits of a fit, and of many rounded numbers one would lie on the edge. So it is made
    of few: the joints in `DIGEST_FRAMES` frames and on average, millimetres, and how the segments are turned on average
    and how much that varies, hundredths.
    """
    frames = np.linspace(0, len(motion.time) - 1, DIGEST_FRAMES).round().astype(int)
    places = np.concatenate([motion.positions[frames], [motion.positions.mean(0), motion.rest_positions]])
    turns = np.stack([motion.R_world_segment.mean(0), motion.R_world_segment.std(0)])
    numbers = (1e3 * places, 1e2 * turns, np.array([len(motion.time), 1e2 * motion.rate_hz]))
    return hashlib.sha256(b"".join(np.round(each).astype(np.int64).tobytes() for each in numbers)).hexdigest()


@lru_cache
def digest_of_weights(estimator: str) -> str:
    """Return that of the file with a network's weights; empty for what has none."""
    kind, given, file = estimator.partition("=")
    path = Path(file) if given else Path(str(files("kinefuse.models") / f"{kind}.safetensors"))
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
