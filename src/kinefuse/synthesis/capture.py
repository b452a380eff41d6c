"""Motion capture of any source as motion of our own body, by one geometric definition for all.

A person's body, its shape and where each of the source's points lies on it, is fitted once to frames from all clips,
then every clip with that body. Rotations of the source are never copied: see `skeletons` and `upright`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch

from kinefuse.body.fit_points import PointSet, fit_body_to_points, fit_poses_to_points
from kinefuse.body.fitting import CHUNK, Body, FitConfig
from kinefuse.body.kinematics import points_on_segments
from kinefuse.body.markers import MARKER_SETS, Marker, recognise_markers, with_markers
from kinefuse.body.models import BodyModel, load_anny
from kinefuse.body.proportions import with_bone_lengths
from kinefuse.errors import KinefuseError
from kinefuse.motion import Motion
from kinefuse.recordings import JointCenters
from kinefuse.synthesis.skeletons import SKELETONS
from kinefuse.synthesis.upright import LevelPrior, Stance, find_stance, joined

CAPTURE_FIT: Final = FitConfig(
    angular_acceleration_sd=400.0,
    acceleration_sd=50.0,
    robust_sd=60.0,
    limit_sd=float(np.deg2rad(10.0)),
    tolerance=2e-3,
)
"""Clean motion capture: hardly smoothed, and a point has to be 30 cm off before it is doubted."""

BODY_FRAMES: Final = 180
ROUGH_FIT: Final = replace(CAPTURE_FIT, body_frames=BODY_FRAMES, iterations=15, tolerance=1e-3)
BODY_FIT: Final = replace(CAPTURE_FIT, body_frames=BODY_FRAMES, iterations=60, tolerance=1e-5)
ROUGH_SD, ROUGH_SHARE = 0.03, 0.3
"""Of the first fit: metres that a point may be off, and the part of its usual freedom of place."""

SAMPLE_LOOK_S: Final = 5.0
"""The sample's frames lie a second apart: five count as one independent look at the body (`PointSet.correlation_s`)."""

NOISE_SD, VAGUE_NOISE_SD, VAGUE_PLACE_SD = 0.003, 0.01, 0.05
"""Metres from frame to frame; more for points without a known place: a source knows the turn of a straight limb about
itself badly, and skin over muscle moves."""

FLOOR_SD: Final = 0.004
LEVEL_SHARE: Final = 0.5
"""Of the frames that determine the body, at most this share is chosen for its upright stance."""


@dataclass(frozen=True)
class CapturedBody:
    """One person's body, for all clips of one source.

    Attributes
    ----------
    body : shape, and the place of each of the source's points
    points : how well the points are known
    markers : nominal places, by name
    """

    body: Body
    points: PointSet
    markers: dict[str, Marker]


def markers_for(names: tuple[str, ...]) -> dict[str, Marker]:
    """Return nominal places on our body for points of `skeletons.source_points` or of a known marker set.

    Points that nothing is known of are left out.

    Raises
    ------
    KinefuseError
        If these are points of neither.
    """
    source = source_of(names)
    if source in SKELETONS:
        return {name: SKELETONS[source][name].marker for name in names if name in SKELETONS[source]}
    return {name: MARKER_SETS[source][name] for name in names if name in MARKER_SETS[source]}


def source_of(names: tuple[str, ...]) -> str:
    """Return the skeleton (`skeletons.SKELETONS`) or marker set (`body.markers.MARKER_SETS`) of points.

    Raises
    ------
    KinefuseError
        If these are points of neither.
    """
    for skeleton, table in SKELETONS.items():
        if names and names[0] in table:
            return skeleton
    marker_set = recognise_markers(names)
    if marker_set is None:
        raise KinefuseError(
            f"Expected a known skeleton ({', '.join(SKELETONS)}) or marker set ({', '.join(MARKER_SETS)}), got points "
            f"named {', '.join(names[:6])}; rename them."
        )
    return marker_set


def fit_captured_body(
    clips: Sequence[JointCenters], model: BodyModel | None = None, *, stature_m: float | None = None
) -> CapturedBody:
    """Fit one person's body to frames spread over all clips.

    Parameters
    ----------
    clips : points of one source and one person, with the same names
    model : None is the embedded body
    stature_m : height, where it is known

    Raises
    ------
    KinefuseError
        If there is no clip, or the points are of no known source.
    """
    if not clips:
        raise KinefuseError("A body is fitted to at least one clip; there is none.")
    markers = markers_for(clips[0].names)
    names = tuple(markers)
    chosen = [clip.select(names) for clip in clips]
    sample, stance = _sample(chosen, [find_stance(clip, markers) for clip in chosen])
    place_sd = np.array([markers[name].sd for name in names])
    noise_sd = np.where(place_sd >= VAGUE_PLACE_SD, VAGUE_NOISE_SD, NOISE_SD)
    points = PointSet(names, place_sd, noise_sd, SAMPLE_LOOK_S)
    dressed = with_markers(with_bone_lengths(model or load_anny()), markers)
    level = LevelPrior(stance)
    # First the size alone, with every point where it nominally is; with free places too, a far start can go astray.
    rigid = replace(points, offset_sd=ROUGH_SHARE * points.offset_sd)
    first = fit_body_to_points(sample, dressed, rigid, ROUGH_FIT, floor_sd=ROUGH_SD, stature_m=stature_m, extra=level)
    body = fit_body_to_points(
        sample, dressed, points, BODY_FIT, floor_sd=FLOOR_SD, stature_m=stature_m, extra=level, start=first
    )
    return CapturedBody(body, points, markers)


def _sample(clips: Sequence[JointCenters], stances: list[Stance]) -> tuple[JointCenters, Stance]:
    """Frames for the body: some of upright stance, the others spread evenly, one second apart from each other."""
    positions, stance = np.concatenate([clip.positions for clip in clips]), joined(stances)
    complete = np.isfinite(positions).all(-1).mean(-1) > 0.9
    open_limbs = complete & ~stance.folded  # a folded knee may flip as long as its bones are not known
    if open_limbs.sum() > BODY_FRAMES // 4:
        complete = open_limbs
    level = np.flatnonzero((stance.flat_l | stance.flat_r | stance.upright) & complete)
    usable = np.flatnonzero(complete)
    if not len(usable):
        raise KinefuseError("In no frame were most of the points seen; there is nothing to fit a body to.")
    wanted = min(BODY_FRAMES, CHUNK)
    some = _spread(level, int(wanted * LEVEL_SHARE))
    index = np.unique(np.concatenate([some, _spread(usable, wanted - len(some))]))
    sample = JointCenters(names=clips[0].names, time=np.arange(len(index), dtype=float), positions=positions[index])
    return sample, stance.frames(index)


def _spread(index: np.ndarray, wanted: int) -> np.ndarray:
    return index[np.linspace(0, len(index) - 1, min(wanted, len(index))).round().astype(int)]


def fit_clip(clip: JointCenters, captured: CapturedBody) -> Motion:
    """Return the motion of one clip of a person whose body is known."""
    return fit_poses_to_points(
        clip.select(captured.points.names),
        captured.body,
        captured.points,
        CAPTURE_FIT,
        floor_sd=FLOOR_SD,
        estimator="motion capture",
    )


def residuals(clip: JointCenters, motion: Motion, captured: CapturedBody, *, joints: bool = False) -> np.ndarray:
    """Return the distance of each point from where the body has it, (T, K) metres.

    Parameters
    ----------
    joints : measure from the nominal place instead of the place found for this person: for a joint centre, the distance
        between the source's joint and ours
    """
    body = captured.body
    index = body.model.point_index(body.names)
    segment = torch.as_tensor(body.model.point_segment[index])
    rest = body.rest_points - body.offsets if joints else body.rest_points
    placed = points_on_segments(
        torch.as_tensor(motion.R_world_segment), torch.as_tensor(motion.positions), body.joints, rest, segment
    )
    return np.linalg.norm(placed.numpy() - clip.select(captured.points.names).positions, axis=-1)
