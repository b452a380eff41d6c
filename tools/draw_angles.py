"""Draws the figures of docs/joint-angles.md: the embedded body with one coordinate at +40 degrees each.

Usage: draw_angles.py [FOLDER]
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb

from kinefuse.body.angles import orientations_from_angles
from kinefuse.body.kinematics import joint_positions, skin_vertices
from kinefuse.body.models import Surface, load_anny
from kinefuse.conventions import COORDINATE_INDEX, COORDINATES, SEGMENT_INDEX, SEGMENTS

matplotlib.use("Agg")
import matplotlib.pyplot as plt

TURN_DEG = 40.0
LIGHT = np.array([0.3, 0.5, 0.8])
VIEWS = {
    "right side": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "front": ((0, 0, -1), (0, 1, 0), (1, 0, 0)),
    "above": ((0, 0, 1), (1, 0, 0), (0, 1, 0)),
}
"""Name of a view to the world's directions that point right, up and towards the viewer in the picture."""

PARTS: dict[str, set[str]] = {
    "body": set(SEGMENTS),
    "foot": {"shank_r", "foot_r", "toes_r"},
    "head": {"head", "neck", "thorax", "clavicle_r", "clavicle_l"},
    "hand": {"forearm_r", "hand_r"},
}
"""What is drawn, so that small or hidden movements can be seen."""


@dataclass(frozen=True)
class Panel:
    """One picture: the coordinate, from where, of which part, and what else is turned (degrees) to make it visible."""

    coordinate: str
    view: str
    part: str = "body"
    others: Mapping[str, float] = field(default_factory=dict)


FIGURES = {
    "lower": (
        Panel("pelvis_tilt", "right side"),
        Panel("pelvis_list", "front"),
        Panel("pelvis_rotation", "above"),
        Panel("hip_flexion_r", "right side"),
        Panel("hip_adduction_r", "front"),
        Panel("hip_rotation_r", "front", others={"knee_angle_r": 60}),
        Panel("knee_angle_r", "right side"),
        Panel("knee_adduction_r", "front"),
        Panel("knee_rotation_r", "above", "foot"),
        Panel("ankle_angle_r", "right side", "foot"),
        Panel("subtalar_angle_r", "front", "foot"),
        Panel("ankle_rotation_r", "above", "foot"),
        Panel("mtp_angle_r", "right side", "foot"),
    ),
    "trunk": (
        Panel("lumbar_extension", "right side"),
        Panel("lumbar_bending", "front"),
        Panel("lumbar_rotation", "above"),
        Panel("neck_flexion", "right side", "head"),
        Panel("neck_bending", "front", "head"),
        Panel("neck_rotation", "above", "head"),
    ),
    "arm": (
        Panel("arm_flex_r", "right side"),
        Panel("arm_add_r", "front", others={"arm_add_r": -60}),
        Panel("arm_rot_r", "front", others={"elbow_flex_r": 60}),
        Panel("elbow_flex_r", "right side"),
        Panel("pro_sup_r", "front", "hand"),
        Panel("wrist_flex_r", "right side", "hand"),
        Panel("wrist_dev_r", "front", "hand"),
    ),
}


def body_surface() -> Surface:
    """Return the embedded body's surface."""
    surface = load_anny(light_surface=False).surface
    if surface is None:
        raise SystemExit("The body model has no surface to draw.")
    return surface


def vertices_of(turned: dict[str, float]) -> np.ndarray:
    """Return the surface (V, 3) for coordinates in degrees; those not named are zero, save that arms are a bit out."""
    body = load_anny(light_surface=False)
    angles = np.zeros((1, len(COORDINATES)))
    for name, degrees in {"arm_add_r": -12.0, "arm_add_l": -12.0, **turned}.items():
        angles[0, COORDINATE_INDEX[name]] = np.deg2rad(degrees)
    R = torch.as_tensor(orientations_from_angles(angles))
    shape = np.zeros(body.n_shape)
    rest = torch.as_tensor(body.rest_positions(shape))
    surface = body_surface()
    skin = (torch.as_tensor(surface.skin_segment), torch.as_tensor(surface.skin_weight))
    positions = joint_positions(R, torch.zeros(1, 3).double(), rest)
    return skin_vertices(R, positions, rest, torch.as_tensor(surface.rest_vertices(shape)), *skin)[0].numpy()


def faces_of(part: str) -> np.ndarray:
    """Return the faces (F, 3) of a part of the body."""
    surface = body_surface()
    main = surface.skin_segment[np.arange(len(surface.mean)), surface.skin_weight.argmax(1)]
    wanted = np.isin(main, [SEGMENT_INDEX[name] for name in PARTS[part]])
    return surface.faces[wanted[surface.faces].any(1)]


def draw(axes: Axes, vertices: np.ndarray, faces: np.ndarray, view: str, colour: str, alpha: float) -> None:
    """Draw a shaded surface, nearest faces last."""
    directions = np.array(VIEWS[view], float)
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    towards = normal @ directions.T
    order = np.argsort((corners @ directions[2]).mean(1))
    order = order[towards[order, 2] > 0]
    shade = 0.45 + 0.55 * np.clip(towards[order] @ LIGHT, 0, 1)
    colours = np.clip(np.array(to_rgb(colour)) * shade[:, None], 0, 1)
    flat = (corners @ directions[:2].T)[order]
    edges = colours if alpha == 1.0 else "none"
    axes.add_collection(PolyCollection(flat, facecolors=colours, edgecolors=edges, linewidths=0.3, alpha=alpha))


def draw_panel(axes: Axes, panel: Panel) -> None:
    """Draw one coordinate at +40 degrees, and the pose it started from in grey behind."""
    before = vertices_of({**panel.others})
    start = panel.others.get(panel.coordinate, 0.0)
    after = vertices_of({**panel.others, panel.coordinate: start + TURN_DEG})
    faces = faces_of(panel.part)
    draw(axes, before, faces, panel.view, "#cccccc", 0.45)
    draw(axes, after, faces, panel.view, "#e0b090", 1.0)
    axes.set_aspect("equal")
    axes.autoscale_view()
    change = "+40°" if start == 0.0 else f"{start:.0f}° + 40°"
    axes.set_title(f"{panel.coordinate}\n{change}, {panel.view}", fontsize=9)


def draw_figure(panels: tuple[Panel, ...], path: Path) -> None:
    """Draw panels side by side."""
    columns = 5 if len(panels) > 8 else 4
    rows = -(-len(panels) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(2.2 * columns, 2.8 * rows), squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    for axes, panel in zip(grid.ravel(), panels, strict=False):
        draw_panel(axes, panel)
    figure.tight_layout()
    figure.savefig(path, dpi=72)
    plt.close(figure)


def main(folder: Path) -> None:
    """Draw all figures into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, panels in FIGURES.items():
        draw_figure(panels, folder / f"angles_{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "images")
