"""The replay in three dimensions: what the page's script needs to pose a body in every frame.

The script skins the surface itself (linear blend skinning on the graphics processor), so that a frame costs 22
quaternions and 22 points instead of 2000 vertices.
"""

from typing import Any, Final

import numpy as np

from kinefuse.body.models import BodyModel
from kinefuse.conventions import JOINTS, SEGMENT_PARENTS, SEGMENTS
from kinefuse.motion import Motion
from kinefuse.recordings import Camera, JointCenters, Recording
from kinefuse.report.agreement import nearest_frames
from kinefuse.report.markup import section
from kinefuse.report.packing import base64_text, pack_floats, pack_points, pack_rotations, thin_frames
from kinefuse.rotations import quaternion_from_matrix

MAX_RATE_HZ: Final = 60.0
MAX_FRAMES: Final = 1500
FRUSTUM_DEPTH_M: Final = 0.45
FEET: Final = tuple(JOINTS.index(name) for name in ("ankle_l", "ankle_r", "mtp_l", "mtp_r"))


def replay_data(motion: Motion, recording: Recording | None, body: BodyModel | None) -> dict[str, Any]:
    """Return the packed replay: time, orientations, joints, provenance, surface, cameras and measured points.

    Parameters
    ----------
    motion
        Thinned out to at most `MAX_RATE_HZ` and `MAX_FRAMES`.
    recording
        For its cameras and joint centres.
    body
        For its surface; without it, or if it is not the motion's body, a skeleton is shown.
    """
    kept = thin_frames(motion.time, MAX_RATE_HZ, MAX_FRAMES)
    data: dict[str, Any] = {
        "frames": len(kept),
        "time": pack_floats(motion.time[kept]),
        "rotations": pack_rotations(quaternion_from_matrix(motion.R_world_segment[kept])),
        "joints": pack_points(motion.positions[kept]),
        "provenance": base64_text(motion.provenance[kept].astype(np.uint8)),
        "parents": list(SEGMENT_PARENTS),
        "sides": ["l" if name.endswith("_l") else "r" if name.endswith("_r") else "c" for name in SEGMENTS],
        "rest": np.nan_to_num(motion.rest_positions).round(4).tolist(),
        "floor": floor_height(motion.positions),
        "cameras": [frustum(camera) for camera in recording.cameras] if recording is not None else [],
    }
    if surface_is_usable(motion, body) and body is not None and body.surface is not None:
        data["surface"] = _surface(body, motion.shape)
    if recording is not None and recording.joint_centers is not None:
        data["points"] = pack_points(points_at(recording.joint_centers, motion.time[kept]))
        data["points"]["count"] = len(recording.joint_centers.names)
    return data


def surface_is_usable(motion: Motion, body: BodyModel | None) -> bool:
    """Return whether `body` has a surface and is the body that the motion's shape belongs to."""
    return (
        body is not None
        and body.surface is not None
        and body.name == motion.body_name
        and motion.shape.shape == (body.n_shape,)
        and bool(np.isfinite(motion.shape).all() and np.isfinite(motion.rest_positions).all())
    )


def _surface(body: BodyModel, shape: np.ndarray) -> dict[str, Any]:
    surface = body.surface
    if surface is None:
        return {}
    weights = np.zeros((len(surface.mean), 4))
    segments = np.zeros((len(surface.mean), 4), dtype=np.uint8)
    order = np.argsort(-surface.skin_weight, axis=1)[:, :4]
    width = order.shape[1]
    weights[:, :width] = np.take_along_axis(surface.skin_weight, order, axis=1)
    segments[:, :width] = np.take_along_axis(surface.skin_segment, order, axis=1)
    weights /= weights.sum(axis=1, keepdims=True)
    return {
        "vertices": pack_floats(surface.rest_vertices(shape)),
        "faces": base64_text(surface.faces.astype(np.uint16)),
        "segments": base64_text(segments),
        "weights": pack_floats(weights),
    }


def floor_height(positions: np.ndarray) -> float:
    """Return the height of the floor to draw, metres: zero if the feet come near it, else just below the lowest foot.

    A world without a known floor, such as one from cameras that were calibrated on a table, has the body elsewhere.
    """
    feet = positions[:, FEET, 1]
    if not np.isfinite(feet).any():
        return 0.0
    lowest = float(np.nanpercentile(feet, 2))
    return 0.0 if -0.05 < lowest < 0.2 else lowest - 0.04


def frustum(camera: Camera) -> dict[str, Any]:
    """Return a camera's name, centre and the four corners of its image at a fixed depth, metres in the world."""
    width, height = camera.size
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], dtype=float)
    rays = np.linalg.solve(camera.matrix, corners.T).T
    # Long lenses would give needles: the picture is scaled to one size instead of one depth.
    rays *= FRUSTUM_DEPTH_M / max(float(np.linalg.norm(rays[0] - rays[2])), 1e-6)
    world = (rays - camera.translation) @ camera.R_camera_world
    return {
        "name": camera.name,
        "centre": camera.centre.round(4).tolist(),
        "corners": world.round(4).tolist(),
    }


def points_at(points: JointCenters, time: np.ndarray) -> np.ndarray:
    """Return the measured points (N, K, 3) nearest to each time (N,), NaN where none is within one sample."""
    if not len(points.time):
        return np.full((len(time), len(points.names), 3), np.nan)
    frames = nearest_frames(points.time, time)
    out = points.positions[frames]
    out[frames < 0] = np.nan
    return out


CONTROLS: Final = """<div id="filmstrip" class="only-print"></div>
<div id="replay-box">
<div id="scene"><canvas id="gl"></canvas><canvas id="ink"></canvas>
<div class="views"><button type="button" data-view="front">Front</button>
<button type="button" data-view="side">Side</button>
<button type="button" data-view="top">Top</button><button type="button" data-view="room">Room</button>
<button type="button" data-zoom="0.8" aria-label="closer">+</button>
<button type="button" data-zoom="1.25" aria-label="farther">−</button></div></div>
<div class="bar"><button type="button" id="play" aria-label="play or pause">▶</button>
<input type="range" id="slider" min="0" value="0" step="1" aria-label="moment in the trial">
<output id="clock" for="slider"></output>
<select id="speed" aria-label="speed"><option value="1">1×</option><option value="0.5">½×</option>
<option value="0.25">¼×</option><option value="0.1">1⁄10×</option></select></div>
<div class="toggles"><label data-needs="surface"><input type="checkbox" data-show="body" checked> body</label>
<label><input type="checkbox" data-show="skeleton"> skeleton</label>
<label data-needs="points"><input type="checkbox" data-show="points"> measured points</label>
<label data-needs="cameras"><input type="checkbox" data-show="cameras" checked> cameras</label>
<label><input type="checkbox" data-show="floor" checked> floor</label></div>
</div>
"""


def replay_section(motion: Motion, recording: Recording | None, body: BodyModel | None) -> str:
    """Return the section with the canvas and its controls."""
    kept = thin_frames(motion.time, MAX_RATE_HZ, MAX_FRAMES)
    if not len(kept) or not np.isfinite(motion.positions[kept]).all(axis=-1).any():
        return section("replay", "Replay", "<p>No frame of this result has a position to show.</p>")
    notes = []
    if len(kept) < len(motion.time):
        rate = (len(kept) - 1) / max(float(motion.time[kept[-1]] - motion.time[kept[0]]), 1e-9)
        notes.append(f"The replay shows {len(kept)} of {len(motion.time)} frames ({rate:.0f} a second).")
    if not surface_is_usable(motion, body):
        notes.append("A skeleton is shown, since this result has no body surface.")
    notes.append("Parts that were inferred and not measured are drawn see-through, interpolated ones in yellow.")
    notes.append('<span class="screen">Drag to turn.</span> The left side of the skeleton is blue, the right orange.')
    if floor_height(motion.positions) != 0.0:
        notes.append("The floor is drawn under the feet, because the world of this trial has none at height zero.")
    return section("replay", "Replay", CONTROLS + f'<p class="note">{" ".join(notes)}</p>')
