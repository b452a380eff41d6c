"""What fixes the zero of pelvis, trunk, head and feet: in upright stance they are level, whatever the source says.

Points alone leave some constants of a person open, such as how far the pelvis is tilted when its three points are hip
joints and an arbitrary third. Here one rule for all sources closes them: over the frames in which a person stands or
walks upright, the axes of pelvis, thorax and head point upwards on average, and a foot that stands flat is level.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from kinefuse.body.kinematics import world_from_local
from kinefuse.body.markers import Marker
from kinefuse.body.point_terms import N_POSE, Pose
from kinefuse.body.priors import skew
from kinefuse.conventions import SEGMENT_INDEX, SEGMENT_PARENTS
from kinefuse.recordings import JointCenters

UPRIGHT_SD, FLAT_SD = float(np.deg2rad(6.0)), float(np.deg2rad(3.0))
"""Standard deviations of one frame; many frames together fix the mean."""

LEAN = float(np.deg2rad(12.0))
STRAIGHT = float(np.deg2rad(25.0))
FOOT_SPEED_M_S, FOOT_HEIGHT_M = 0.25, 0.025
FOLDED = float(np.deg2rad(120.0))
NAMES: Final = ("upright", "flat_l", "flat_r", "folded")
UPRIGHT_SEGMENTS: Final = ("pelvis", "thorax", "head")


@dataclass(frozen=True)
class Stance:
    """Frames by what they show: upright (T,), a foot, left or right, flat on the ground; a knee or elbow folded."""

    upright: np.ndarray
    flat_l: np.ndarray
    flat_r: np.ndarray
    folded: np.ndarray

    def frames(self, index: np.ndarray) -> "Stance":
        """Return some of the frames."""
        return Stance(self.upright[index], self.flat_l[index], self.flat_r[index], self.folded[index])


def joined(stances: list[Stance]) -> Stance:
    """Return the frames of several clips as one."""
    return Stance(*(np.concatenate([getattr(s, name) for s in stances]) for name in NAMES))


def find_stance(centers: JointCenters, markers: dict[str, Marker]) -> Stance:
    """Tell from the points alone in which frames a person stands or walks upright, and which foot is flat.

    Upright: the line from the hips to the shoulders leans by less than 12° and at least one knee is bent by less than
    25°. Flat: ankle and toes are near the lowest place where each is in the clip, and slow. Folded: a knee or elbow
    bends by more than 120°.
    """
    names = ("hip", "knee", "ankle", "mtp", "shoulder", "elbow", "wrist")
    place = {name: _mean_of(centers, markers, name) for name in names}
    trunk = place["shoulder"].mean(axis=1) - place["hip"].mean(axis=1)
    lean = np.arccos(np.clip(trunk[:, 1] / np.linalg.norm(trunk, axis=-1), -1, 1))
    bend = _angle(place["knee"] - place["hip"], place["ankle"] - place["knee"])
    with np.errstate(invalid="ignore"):
        upright = (lean < LEAN) & (np.nan_to_num(bend, nan=9.0).min(axis=1) < STRAIGHT)
    step = float(np.median(np.diff(centers.time))) if len(centers.time) > 1 else 1.0
    flat = _is_low_and_slow(place["ankle"], step) & _is_low_and_slow(place["mtp"], step)
    elbow = _angle(place["elbow"] - place["shoulder"], place["wrist"] - place["elbow"])
    with np.errstate(invalid="ignore"):
        folded = (np.concatenate([bend, elbow], axis=1) > FOLDED).any(axis=1)
    return Stance(upright, flat[:, 0] & upright, flat[:, 1] & upright, folded)


def _mean_of(centers: JointCenters, markers: dict[str, Marker], joint: str) -> np.ndarray:
    """Mean of the points nearest to a joint, (T, 2, 3) for left and right; markers on both sides of it cancel."""
    out = np.full((len(centers.time), 2, 3), np.nan)
    for i, side in enumerate("lr"):
        own = [k for k, name in enumerate(centers.names) if markers[name].joint == f"{joint}_{side}"]
        if joint == "hip" and not own:  # markers of the pelvis
            own = [k for k, name in enumerate(centers.names) if markers[name].segment == "pelvis"]
        if own:
            far = np.array([np.linalg.norm(markers[centers.names[k]].offset) for k in own])
            near = [k for k, d in zip(own, far, strict=True) if joint == "hip" or d <= far.min() + 0.005]
            out[:, i] = centers.positions[:, near].mean(axis=1)
    return out


def _angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))
    return np.arccos(np.clip(cosine, -1, 1))


def _is_low_and_slow(points: np.ndarray, step_s: float) -> np.ndarray:
    """(T, 2) for points (T, 2, 3)."""
    if len(points) < 2:
        return np.zeros(points.shape[:2], bool)
    speed = np.linalg.norm(np.gradient(points, step_s, axis=0), axis=-1)
    height = points[..., 1]
    lowest = np.nanpercentile(height, 5) if np.isfinite(height).any() else np.nan
    with np.errstate(invalid="ignore"):
        return np.asarray((speed < FOOT_SPEED_M_S) & (height < lowest + FOOT_HEIGHT_M))


class LevelPrior:
    """Residuals that pull the axes of pelvis, thorax, head and flat feet upright, in the frames of a `Stance`."""

    def __init__(self, stance: Stance) -> None:
        groups = [(stance.upright, name, UPRIGHT_SD) for name in UPRIGHT_SEGMENTS]
        groups += [(stance.flat_l, "foot_l", FLAT_SD), (stance.flat_r, "foot_r", FLAT_SD)]
        self.segments = [SEGMENT_INDEX[name] for _, name, _ in groups]
        self.weights = torch.as_tensor(np.stack([where / sd for where, _, sd in groups], axis=1))

    def __call__(self, pose: Pose) -> tuple[torch.Tensor, torch.Tensor]:
        """Return residuals (T, 10) and their derivative (T, 10, 69)."""
        world = world_from_local(pose.R_parent_segment)
        axes = world[:, self.segments, :, 1]  # (T, G, 3), the segments' own vertical
        horizontal = [0, 2]
        residual = axes[..., horizontal] * self.weights[..., None]
        derivative = torch.zeros(*residual.shape, N_POSE, dtype=residual.dtype)
        turned = derivative[..., 3:].unflatten(-1, (-1, 3))
        across = -skew(axes)  # a turn w of the world moves an axis u by w × u
        for g, segment in enumerate(self.segments):
            ancestor = segment
            while ancestor >= 0:
                turned[:, g, :, ancestor] = (across[:, g] @ world[:, ancestor])[:, horizontal]
                ancestor = SEGMENT_PARENTS[ancestor]
        derivative = derivative * self.weights[..., None, None]
        return residual.flatten(1), derivative.flatten(1, 2)
