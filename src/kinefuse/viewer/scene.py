"""What a viewer draws: body, skeleton, cameras, measured points; and how a frame poses it."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from kinefuse.body.models import BodyModel
from kinefuse.conventions import SEGMENT_PARENTS, SEGMENTS
from kinefuse.motion import Motion
from kinefuse.recordings import Camera, Recording
from kinefuse.report.replay import floor_height, points_at, surface_is_usable
from kinefuse.rotations import quaternion_from_matrix

LEFT, RIGHT, MIDDLE = (0, 114, 178), (213, 94, 0), (59, 70, 82)
SKIN: Final = (178, 192, 208)
POINT: Final = (240, 190, 0)
CHILDREN: Final = tuple(s for s, parent in enumerate(SEGMENT_PARENTS) if parent >= 0)
PARENTS: Final = tuple(SEGMENT_PARENTS[s] for s in CHILDREN)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The things in a viewer's scene that move, and the numbers that move them.

    Attributes
    ----------
    motion
    quaternions : (T, 22, 4) scalar first, segment to world, NaN where unknown
    points : (T, K, 3) measured points at the motion's times, metres, or None
    surface, skeleton, joints, measured : handles of viser; None for what this result does not have
    """

    motion: Motion
    quaternions: np.ndarray
    points: np.ndarray | None
    surface: Any
    skeleton: Any
    joints: Any
    measured: Any


def build_scene(server: Any, motion: Motion, body: BodyModel | None, recording: Recording | None) -> Scene:
    """Put a result's body, cameras and points into the scene of a viser server.

    Parameters
    ----------
    server : ``viser.ViserServer``
    motion
    body
        Its surface is drawn if it is the motion's body; else only a skeleton is.
    recording
        For cameras and measured points.
    """
    server.scene.set_up_direction("+y")
    server.scene.add_grid(
        "/floor",
        width=12.0,
        height=12.0,
        plane="xz",
        cell_size=0.5,
        position=(0.0, floor_height(motion.positions), 0.0),
    )
    for camera in recording.cameras if recording is not None else ():
        _add_camera(server, camera)
    centers = recording.joint_centers if recording is not None else None
    points = points_at(centers, motion.time) if centers is not None else None
    return Scene(
        motion=motion,
        quaternions=quaternion_from_matrix(motion.R_world_segment),
        points=points,
        surface=_add_surface(server, motion, body),
        skeleton=server.scene.add_line_segments(
            "/body/skeleton", np.zeros((len(CHILDREN), 2, 3)), _bone_colours(), thickness=0.014
        ),
        joints=server.scene.add_point_cloud(
            "/body/joints", np.zeros((len(SEGMENTS), 3)), MIDDLE, point_size=0.025, point_shape="circle"
        ),
        measured=None
        if points is None
        else server.scene.add_point_cloud(
            "/measured", np.zeros((points.shape[1], 3)), POINT, point_size=0.03, point_shape="circle"
        ),
    )


def _add_surface(server: Any, motion: Motion, body: BodyModel | None) -> Any:
    if body is None or body.surface is None or not surface_is_usable(motion, body):
        return None
    surface = body.surface
    weights = np.zeros((len(surface.mean), len(SEGMENTS)))
    rows = np.arange(len(weights))[:, None]
    np.add.at(weights, (rows, surface.skin_segment), surface.skin_weight)  # a segment may be named twice
    return server.scene.add_mesh_skinned(
        "/body/surface",
        surface.rest_vertices(motion.shape),
        surface.faces,
        bone_wxyzs=np.tile([1.0, 0.0, 0.0, 0.0], (len(SEGMENTS), 1)),
        bone_positions=motion.rest_positions,
        skin_weights=weights,
        color=SKIN,
    )


def _add_camera(server: Any, camera: Camera) -> None:
    width, height = camera.size
    rotation = quaternion_from_matrix(camera.R_camera_world.T)
    server.scene.add_camera_frustum(
        f"/cameras/{camera.name}",
        fov=float(2 * np.arctan2(height / 2, camera.matrix[1, 1])),
        aspect=width / height,
        scale=0.25,
        wxyz=rotation,
        position=camera.centre,
    )
    server.scene.add_label(f"/cameras/{camera.name}/name", camera.name)


def _bone_colours() -> np.ndarray:
    """Return (B, 2, 3) colours of both ends of each bone: left blue, right orange."""
    colours = {"_l": LEFT, "_r": RIGHT}
    return np.array([[colours.get(SEGMENTS[s][-2:], MIDDLE)] * 2 for s in CHILDREN], dtype=np.uint8)


def bones_at(motion: Motion, frame: int) -> np.ndarray:
    """Return both ends (B, 2, 3) of each bone; a bone with an unknown end has no length and is not seen."""
    joints = motion.positions[frame]
    ends = np.stack([joints[list(PARENTS)], joints[list(CHILDREN)]], axis=1)
    return np.where(np.isfinite(ends).all(axis=(1, 2))[:, None, None], ends, _somewhere(joints))


def _somewhere(points: np.ndarray) -> np.ndarray:
    """Return a known point (3,) to hide unknown ones in, or the origin."""
    known = points[np.isfinite(points).all(axis=-1)]
    return known[0] if len(known) else np.zeros(3)


def show_frame(scene: Scene, frame: int, surface: bool, skeleton: bool, measured: bool) -> None:
    """Pose everything as in one frame.

    The surface is hidden in frames in which a segment is unknown, and the bones that are known are shown instead.

    Parameters
    ----------
    scene
    frame
    surface, skeleton, measured : what the user wants to see
    """
    joints = scene.motion.positions[frame]
    whole = bool(np.isfinite(scene.quaternions[frame]).all() and np.isfinite(joints).all())
    if scene.surface is not None:
        scene.surface.visible = surface and whole
        if surface and whole:
            for bone, quaternion, place in zip(scene.surface.bones, scene.quaternions[frame], joints, strict=True):
                bone.wxyz, bone.position = quaternion, place
    bones = skeleton or scene.surface is None or not whole
    scene.skeleton.visible = scene.joints.visible = bones
    if bones:
        scene.skeleton.points = bones_at(scene.motion, frame).astype(np.float32)
        scene.joints.points = _hidden_if_unknown(joints)
    if scene.measured is not None and scene.points is not None:
        scene.measured.visible = measured and bool(np.isfinite(scene.points[frame]).any())
        scene.measured.points = _hidden_if_unknown(scene.points[frame])


def _hidden_if_unknown(points: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(points).all(axis=-1, keepdims=True), points, _somewhere(points)).astype(np.float32)
