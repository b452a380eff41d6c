"""From measured signals to a network's answer, and from the answer to a `Motion`.

What was measured is brought to the networks' 25 frames a second by the one resampler, answered in overlapping windows,
and interpolated to the recording's own time stamps. Joints follow by forward kinematics of the embedded body in the
shape that the network says.
"""

from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Final, Protocol

import numpy as np
import torch

from kinefuse.body.angles import joint_angles
from kinefuse.body.certainty import LONGEST_BRIDGE_S, bridged
from kinefuse.body.kinematics import joint_positions
from kinefuse.body.models import load_anny
from kinefuse.conventions import INTERPOLATED, MEASURED
from kinefuse.estimators.network_proportions import fitted_proportions
from kinefuse.estimators.points import nearest_index, points_on_grid
from kinefuse.estimators.sensors import SensorGrid
from kinefuse.estimators.windows import Blended, answer_in_windows, interpolated
from kinefuse.inertial.resampling import even_grid
from kinefuse.models.signals import RATE_HZ, Prediction, Signals
from kinefuse.motion import Motion
from kinefuse.recordings import JointCenters, Subject

SHARPLY_FASTER: Final = 1.1
"""A recording this much faster than the networks gets a sentence about the frames between theirs."""


class Network(Protocol):
    """A trained network: windows of `config.window` frames in, `Prediction` out."""

    config: Any

    def __call__(self, signals: Signals) -> Prediction:
        """Return what it says of B windows."""
        ...


@dataclass(frozen=True)
class Told:
    """What the measurements themselves say of T output frames.

    Attributes
    ----------
    time : (T,) seconds
    provenance : (T, 22) of `conventions.PROVENANCE`
    seen : (T,) true where anything was measured
    """

    time: np.ndarray
    provenance: np.ndarray
    seen: np.ndarray


@cache
def shipped(name: str) -> Network:
    """Return the network that comes with the package; it is loaded once, when it is first needed.

    Raises
    ------
    KinefuseError
        If its weights are missing.
    """
    from kinefuse.models.weights import load_network

    return load_network(name)


def is_shipped(name: str) -> bool:
    """Return true if this installation has the weights of a network."""
    return (files("kinefuse.models") / f"{name}.safetensors").is_file()


def network_grid(time: np.ndarray, network: Network) -> np.ndarray:
    """Return the times (N,) of a network's frames for a recording's times (T,), one window at least."""
    grid = even_grid(float(time[0]), float(time[-1]), RATE_HZ)
    lacking = max(0, int(network.config.window) - len(grid))
    return grid[0] + np.arange(-(lacking // 2), len(grid) + lacking - lacking // 2) / RATE_HZ


def answer_recording(
    network: Network,
    grid: np.ndarray,
    subject: Subject,
    *,
    centers: JointCenters | None = None,
    sensors: SensorGrid | None = None,
) -> Blended:
    """Return what a network says of a recording at times (N,).

    Points are seen from their common middle, so that single precision is enough anywhere in the world.
    """
    signals = Signals(stature=torch.tensor([subject.height_m or np.nan], dtype=torch.float32))
    middle = np.zeros(3)
    if centers is not None:
        middle = np.nanmean(centers.positions, axis=(0, 1))
        points, confidence = points_on_grid(replace(centers, positions=centers.positions - middle), grid)
        signals = replace(signals, points=_one(points), confidence=_one(confidence))
    if sensors is not None:
        rate, force, worn = _one(sensors.angular_rate), _one(sensors.specific_force), _one(sensors.worn)
        signals = replace(signals, angular_rate=rate, specific_force=force, worn=worn)
    answer = answer_in_windows(network, int(network.config.window), signals, free_heading=centers is None)
    if centers is not None:
        shape, root = fitted_proportions(answer.R_world_segment, answer.root, answer.shape, points, confidence)
        answer = replace(answer, shape=shape, root=root)
    return replace(answer, root=answer.root + middle)


def _one(values: np.ndarray) -> torch.Tensor:
    """Return a batch of one."""
    return torch.as_tensor(values, dtype=torch.float32)[None]


def told_shape(shape: np.ndarray, height_m: float | None) -> np.ndarray:
    """Return the shape (10,) nearest to the network's whose body is as tall as the subject, where that is known."""
    if height_m is None:
        return shape
    body = load_anny()
    lacking = height_m - body.stature(shape)
    return shape + lacking * body.stature_basis / (body.stature_basis @ body.stature_basis)


def with_root_where_seen(answer: Blended, grid: np.ndarray, seen_time: np.ndarray) -> Blended:
    """Return an answer whose root is interpolated between the times (M,) at which points were seen.

    Sensors tell how the segments turn while no point is seen, but not where the body is.
    """
    near = np.abs(grid - seen_time[nearest_index(seen_time, grid)]) < 1 / RATE_HZ
    use = near & np.isfinite(answer.root).all(1)
    if not use.any():
        return answer
    root = np.stack([np.interp(grid, grid[use], column[use]) for column in answer.root.T], axis=1)
    return replace(answer, root=root)


def to_motion(answer: Blended, grid: np.ndarray, shape: np.ndarray, told: Told, estimator: str) -> Motion:
    """Return the motion of the embedded body at the times of `told`.

    Frames that nothing was measured in, nor shortly before and after, are NaN. Between the network's frames a measured
    segment counts as interpolated.
    """
    rotations, root = interpolated(grid, answer, told.time)
    known = bridged(told.seen, told.time)
    rotations[~known], root[~known] = np.nan, np.nan
    rest = load_anny().rest_positions(shape)
    positions = joint_positions(torch.as_tensor(rotations), torch.as_tensor(root), torch.as_tensor(rest)).numpy()
    provenance = told.provenance.copy()
    between = _between_frames(grid, told.time)
    provenance[between[:, None] & (provenance == MEASURED)] = INTERPOLATED
    motion = Motion(
        time=told.time,
        R_world_segment=rotations,
        positions=positions,
        angles=joint_angles(rotations, root),
        provenance=provenance,
        shape=shape,
        rest_positions=rest,
        estimator=estimator,
    )
    return motion.with_notes(*_notes(motion.rate_hz, known))


def _between_frames(grid: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return (T,) true for times that are not the nearest ones to any of the network's frames."""
    between = np.ones(len(time), dtype=bool)
    between[nearest_index(time, grid)] = False
    return between


def _notes(rate_hz: float, known: np.ndarray) -> list[str]:
    notes = []
    if rate_hz > SHARPLY_FASTER * RATE_HZ:
        notes.append(
            f"The network works at {RATE_HZ:g} frames a second; those between, up to {rate_hz:.3g} a second, are "
            "interpolated."
        )
    if not known.all():
        notes.append(
            f"Nothing was measured for longer than {LONGEST_BRIDGE_S:g} s, or at the start or end, in "
            f"{int((~known).sum())} of {len(known)} frames; they are empty."
        )
    return notes
