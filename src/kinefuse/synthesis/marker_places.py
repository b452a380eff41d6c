"""Markers that were placed anew between sessions of one person.

Markers on thigh, shank, upper arm and forearm lie anywhere on the segment. Where they were taken off and put on again,
one place for all sessions turns the segments by as much as the marker moved. Then the body is found from the markers on
bone alone, and the others get a place of their own in each session, from how those move.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch

from kinefuse.body.fitting import Body
from kinefuse.body.markers import with_markers
from kinefuse.body.models import load_anny
from kinefuse.body.proportions import with_bone_lengths
from kinefuse.motion import Motion
from kinefuse.recordings import JointCenters
from kinefuse.synthesis.capture import VAGUE_PLACE_SD, CapturedBody, fit_captured_body, fit_clip

ANEW_M: Final = 0.03
TELLING: Final = ("thigh_l", "thigh_r", "shank_l", "shank_r")
"""A marker of the legs whose places in two sessions lie closer has moved with the skin only, 1 to 2 cm in
UI-PRMD. Over the humerus and the shoulder blade, skin moves as far as a marker that was put on anew."""

LOOKS: Final = 3
"""Clips of a session that tell where its markers are."""


def bodies_by_session(clips: Sequence[JointCenters], sessions: Sequence[str]) -> dict[str, CapturedBody]:
    """Fit one person's body to all clips, and return it for each session with the places of that session's markers.

    Parameters
    ----------
    clips : points with the same names
    sessions : of each clip; markers stay where they are within one

    Raises
    ------
    KinefuseError
        As `capture.fit_captured_body`.
    """
    captured = fit_captured_body(clips)
    by_session = {name: _spread([c for c, s in zip(clips, sessions, strict=True) if s == name]) for name in sessions}
    vague = captured.points.offset_sd >= VAGUE_PLACE_SD
    if len(by_session) < 2 or not _placed_anew(captured, vague, by_session):
        return dict.fromkeys(by_session, captured)
    sure = tuple(name for name, is_vague in zip(captured.points.names, vague, strict=True) if not is_vague)
    bones = fit_captured_body([clip.select(sure) for clip in clips])
    return {name: _with_places(bones, captured, looks) for name, looks in by_session.items()}


def _spread(clips: list[JointCenters]) -> list[JointCenters]:
    return [clips[i] for i in np.unique(np.linspace(0, len(clips) - 1, LOOKS).round().astype(int))]


def _placed_anew(captured: CapturedBody, vague: np.ndarray, by_session: dict[str, list[JointCenters]]) -> bool:
    """Return whether a marker of the legs lies somewhere else in one session than in another."""
    tell = vague & np.array([captured.markers[name].segment in TELLING for name in captured.points.names])
    if not tell.any():
        return False
    looks = [(clips[0], fit_clip(clips[0], captured)) for clips in by_session.values()]
    shift = np.stack([_shift(captured, [look]) for look in looks])[:, tell]
    apart = np.linalg.norm(shift[:, None] - shift[None], axis=-1)
    return bool((np.nan_to_num(apart) > ANEW_M).any())


def _shift(captured: CapturedBody, looks: Sequence[tuple[JointCenters, Motion]]) -> np.ndarray:
    """Return how far each point lies from its place, (K, 3) metres in its segment's axes; NaN if it was never seen."""
    body = captured.body
    segment = body.model.point_segment[body.model.point_index(body.names)]
    rest = (body.rest_points - body.joints[torch.as_tensor(segment)]).numpy()
    gaps = []
    for clip, motion in looks:
        R, origin = motion.R_world_segment[:, segment], motion.positions[:, segment]
        measured = clip.select(captured.points.names).positions - origin
        gaps.append((np.swapaxes(R, -1, -2) @ measured[..., None])[..., 0] - rest)
    gap = np.concatenate(gaps)
    never = ~np.isfinite(gap).any(axis=0)
    return np.where(never, np.nan, np.nanmedian(np.where(never, 0.0, gap), axis=0))


def _with_places(bones: CapturedBody, captured: CapturedBody, clips: Sequence[JointCenters]) -> CapturedBody:
    """Return the body known from the markers on bone, with all markers, the others where these clips show them."""
    names = captured.points.names
    model = with_markers(with_bone_lengths(load_anny()), captured.markers)
    offsets = torch.zeros(len(names), 3, dtype=torch.float64)
    known = [names.index(name) for name in bones.points.names]
    offsets[known] = bones.body.offsets
    whole = replace(captured, body=Body(model, names, bones.body.shape, offsets))
    shift = _shift(whole, [(clip, fit_clip(clip, bones)) for clip in clips])
    shift[known] = 0.0
    moved = offsets + torch.as_tensor(np.nan_to_num(shift))
    return replace(whole, body=replace(whole.body, offsets=moved))
