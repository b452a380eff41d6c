"""`Motion`: how a body moved, the one result type of every estimator and every motion capture reader."""

from dataclasses import dataclass, field, replace

import numpy as np

from kinefuse.conventions import COORDINATES, JOINTS, SEGMENTS
from kinefuse.errors import KinefuseError


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Orientation of 22 segments, position of 22 joints and the joint angles over time.

    Attributes
    ----------
    time : (T,) seconds
    R_world_segment : (T, 22, 3, 3) segment to world; NaN where nothing is known
    positions : (T, 22, 3) joint centres in the world, metres
    angles : (T, C) in the order of `conventions.COORDINATES`; radians, ``pelvis_t*`` metres; NaN where the source
        has none
    provenance : (T, 22) of `conventions.PROVENANCE`, per segment
    shape : (S,) body shape, in standard deviations of the body model's components
    rest_positions : (22, 3) joints in the rest pose, metres
    orientation_sd : (T, 22) radians, or None
    angle_sd : (T, C) radians or metres, or None
    body_name : the body model that `shape` belongs to
    estimator : name of what made this motion
    notes : sentences for the user about what was done to the data
    """

    time: np.ndarray
    R_world_segment: np.ndarray
    positions: np.ndarray
    angles: np.ndarray
    provenance: np.ndarray
    shape: np.ndarray
    rest_positions: np.ndarray
    orientation_sd: np.ndarray | None = None
    angle_sd: np.ndarray | None = None
    body_name: str = "anny"
    estimator: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        frames = len(self.time)
        expected = {
            "time": (frames,),
            "R_world_segment": (frames, len(SEGMENTS), 3, 3),
            "positions": (frames, len(JOINTS), 3),
            "angles": (frames, len(COORDINATES)),
            "provenance": (frames, len(SEGMENTS)),
            "rest_positions": (len(JOINTS), 3),
            "orientation_sd": (frames, len(SEGMENTS)),
            "angle_sd": (frames, len(COORDINATES)),
        }
        for name, shape in expected.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise KinefuseError(f"Motion.{name}: expected an array of shape {shape}, got {array.shape}.")
        if frames > 1 and not (np.diff(self.time) > 0).all():
            raise KinefuseError("Motion.time: time stamps must increase.")

    @property
    def rate_hz(self) -> float:
        """Median frame rate, hertz; NaN for a single frame."""
        return float(1.0 / np.median(np.diff(self.time))) if len(self.time) > 1 else float("nan")

    def angle(self, coordinate: str) -> np.ndarray:
        """Return one coordinate over time, (T,); radians, or metres for ``pelvis_t*``."""
        if coordinate not in COORDINATES:
            raise KinefuseError(f"No coordinate is called {coordinate!r}.")
        return self.angles[:, COORDINATES.index(coordinate)]

    def frames(self, index: np.ndarray | slice) -> "Motion":
        """Return some of the frames: indices or a mask (T,), in time order, or a slice."""
        return replace(
            self,
            time=self.time[index],
            R_world_segment=self.R_world_segment[index],
            positions=self.positions[index],
            angles=self.angles[index],
            provenance=self.provenance[index],
            orientation_sd=None if self.orientation_sd is None else self.orientation_sd[index],
            angle_sd=None if self.angle_sd is None else self.angle_sd[index],
        )

    def with_notes(self, *notes: str) -> "Motion":
        """Return a copy with more notes."""
        return replace(self, notes=(*self.notes, *notes))
