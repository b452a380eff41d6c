"""A made person in the CMU database's skeleton, as the files that people have: BVH, ASF with AMC, AMASS."""

from pathlib import Path

import numpy as np

from kinefuse.body.models import BODY_FROM_SMPL, load_anny
from kinefuse.formats.bvh import CMU_UNIT
from kinefuse.synthesis.skeletons import ASF_NAMES

_LEG = {"UpLeg": (0.09, -0.05, 0.0), "Leg": (0.0, -0.42, 0.0), "Foot": (0.0, -0.42, 0.0), "ToeBase": (0, -0.06, 0.14)}
_TRUNK = {"LowerBack": 0, "Spine": 0.11, "Spine1": 0.11, "Neck": 0.12, "Neck1": 0.08, "Head": 0.08}
_ARM = {"Arm": 0.17, "ForeArm": 0.28, "Hand": 0.17, "FingerBase": 0.085, "HandIndex1": 0.06}
SQUAT = {"UpLeg": -40.0, "Leg": 80.0, "Foot": -40.0}
"""Degrees about X at the lowest point; the foot stays level."""


def _skeleton() -> dict[str, tuple[str, tuple[float, float, float]]]:
    """Joint to its parent and its offset in metres, parents first; Y up, Z forward, X left."""
    tree: dict[str, tuple[str, tuple[float, float, float]]] = {"Hips": ("", (0, 0, 0))}
    for side, word in ((1, "Left"), (-1, "Right")):
        tree[f"{word[0]}HipJoint"] = ("Hips", (0, 0, 0))
        above = f"{word[0]}HipJoint"
        for name, (x, y, z) in _LEG.items():
            tree[word + name] = (above, (side * x, y, z))
            above = word + name
    above = "Hips"
    for name, length in {
        "LowerBack": 0,
        "Spine": 0.11,
        "Spine1": 0.11,
        "Neck": 0.12,
        "Neck1": 0.08,
        "Head": 0.08,
    }.items():
        tree[name] = (above, (0, length, 0))
        above = name
    for side, word in ((1, "Left"), (-1, "Right")):
        tree[f"{word}Shoulder"] = ("Spine1", (0, 0.12, 0))
        above = f"{word}Shoulder"
        for name, length in _ARM.items():
            tree[word + name] = (above, (side * length, 0, 0))
            above = word + name
        tree[f"{word[0]}Thumb"] = (f"{word}Hand", (side * 0.085, 0, 0))
    return tree


TREE = _skeleton()
ENDS = {"LeftToeBase": (0, 0, 0.06), "RightToeBase": (0, 0, 0.06), "Head": (0, 0.1, 0)} | {
    f"{name}": (side * 0.05, 0, 0.02)
    for side, word in ((1, "Left"), (-1, "Right"))
    for name in (f"{word}HandIndex1", f"{word[0]}Thumb")
}


def turns(frames: int) -> dict[str, np.ndarray]:
    """Degrees about X, Y, Z (T, 3) of each joint that turns: stand with hanging arms, then squat and rise."""
    depth = np.clip(np.sin(np.linspace(-0.4 * np.pi, 1.2 * np.pi, frames)), 0, None)
    out: dict[str, np.ndarray] = {}
    for side, word in ((1, "Left"), (-1, "Right")):
        out |= {word + name: np.outer(depth, [degrees, 0, 0]) for name, degrees in SQUAT.items()}
        out[f"{word}Arm"] = np.tile([0.0, 0, -80.0 * side], (frames, 1))
        out[f"{word}ForeArm"] = np.outer(depth, [0, -70.0 * side, 0])
    return out


def height(frames: int) -> np.ndarray:
    """Height of the hips (T,) metres, with the feet on the ground."""
    flexion = np.deg2rad(-turns(frames)["LeftUpLeg"][:, 0])
    return 0.05 + 0.06 + 0.84 * np.cos(flexion)


def _joint(name: str, unit_m: float, lost: tuple[str, ...], indent: str = "") -> str:
    parent, offset = TREE[name]
    scaled = np.zeros(3) if name in lost else np.array(offset) / unit_m
    channels = "Zrotation Yrotation Xrotation"
    channels = f"3 {channels}" if parent else f"6 Xposition Yposition Zposition {channels}"
    text = f"{indent}{'JOINT' if parent else 'ROOT'} {name}\n{indent}{{\n"
    text += f"{indent} OFFSET {scaled[0]} {scaled[1]} {scaled[2]}\n{indent} CHANNELS {channels}\n"
    text += "".join(_joint(child, unit_m, lost, indent + " ") for child in _depth_first(name, deep=False))
    if name in ENDS:
        x, y, z = np.array(ENDS[name]) / unit_m
        text += f"{indent} End Site\n{indent} {{\n{indent}  OFFSET {x} {y} {z}\n{indent} }}\n"
    return text + f"{indent}}}\n"


def _depth_first(name: str, deep: bool = True) -> list[str]:
    children = [child for child, (parent, _) in TREE.items() if parent == name]
    return [name, *(n for child in children for n in _depth_first(child))] if deep else children


def write_bvh_clip(
    path: Path, frames: int = 90, unit_m: float = CMU_UNIT, frame_time: float = 1 / 60, lost: tuple[str, ...] = ()
) -> Path:
    """Write a squat as BVH; the joints `lost` have no offset, as in the public conversion of the CMU database."""
    turning = turns(frames)
    columns = [np.stack([np.zeros(frames), height(frames) / unit_m, np.zeros(frames)], axis=1)]
    columns += [turning.get(name, np.zeros((frames, 3)))[:, ::-1] for name in _depth_first("Hips")]
    rows = "\n".join(" ".join(f"{value:.5f}" for value in row) for row in np.concatenate(columns, axis=1))
    head = f"MOTION\nFrames: {frames}\nFrame Time: {frame_time:.8f}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("HIERARCHY\n" + _joint("Hips", unit_m, lost) + head + rows + "\n")
    return path


def write_asf_amc(asf: Path, amc: Path, frames: int = 90) -> None:
    """Write the same squat as the CMU database does: inches divided by 0.45, a bone for each joint but the root."""
    names = {theirs: name for name, theirs in ASF_NAMES.items()}
    unit_m = 0.0254 / 0.45
    text = ":units\n length 0.45\n angle deg\n:root\n order TX TY TZ RX RY RZ\n axis XYZ\n position 0 0 0\n"
    text += " orientation 0 0 0\n:bonedata\n"
    links = [f" begin\n root {' '.join(names[c] for c in _depth_first('Hips', deep=False))}"]
    for joint in list(TREE)[1:]:
        children = _depth_first(joint, deep=False)
        tip = np.array(TREE[children[0]][1] if children else ENDS[joint], dtype=float)
        length = np.linalg.norm(tip)
        x, y, z = tip / length if length else np.array([0.0, 1, 0])
        text += f" begin\n name {names[joint]}\n direction {x} {y} {z}\n length {length / unit_m}\n"
        text += " axis 0 0 0 XYZ\n dof rx ry rz\n end\n"
        links += [f" {names[joint]} {' '.join(names[child] for child in children)}"] if children else []
    asf.write_text(text + ":hierarchy\n" + "\n".join(links) + "\n end\n")
    lines = [":FULLY-SPECIFIED", ":DEGREES"]
    turning, hips = turns(frames), height(frames) / unit_m
    for frame in range(frames):
        lines += [str(frame + 1), f"root 0 {hips[frame]} 0 0 0 0"]
        lines += [
            f"{names[joint]} {' '.join(map(str, turning[joint][frame])) if joint in turning else '0 0 0'}"
            for joint in list(TREE)[1:]
        ]
    amc.write_text("\n".join(lines) + "\n")


def write_person_smpl(path: Path) -> Path:
    """Write a model of SMPL's form with the joints of our own mean body: each is the mean of two vertices there."""
    joints = np.concatenate([load_anny().joints_mean, load_anny().joints_mean[-2:]]) @ BODY_FROM_SMPL
    template = np.repeat(joints, 2, axis=0) + np.tile([[0.01, 0, 0], [-0.01, 0, 0]], (24, 1))
    regressor = np.repeat(np.eye(24), 2, axis=1) / 2
    directions = np.zeros((48, 3, 10))
    directions[..., 0] = 0.03 * template
    arrays = {
        "v_template": template, "shapedirs": directions, "J_regressor": regressor,
        "weights": np.repeat(np.eye(24), 2, axis=0), "f": np.array([[0, 1, 2]]),
    }  # fmt: skip
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def write_amass_clip(path: Path, frames: int = 90) -> Path:
    """Write the squat as AMASS does: SMPL's rotation vectors, Z up, the person facing along X."""
    poses = np.zeros((frames, 52, 3))
    poses[:, 0] = [2 * np.pi / 3 / np.sqrt(3)] * 3  # SMPL's Y up and Z forward become Z up and X forward
    turning = turns(frames)
    for side, first, arm in (("Left", 1, 16), ("Right", 2, 17)):
        for name, joint in (("UpLeg", first), ("Leg", first + 3), ("Foot", first + 6)):
            poses[:, joint] = np.deg2rad(turning[side + name])
        poses[:, arm] = np.deg2rad(turning[f"{side}Arm"])
        poses[:, arm + 2] = np.deg2rad(turning[f"{side}ForeArm"])
    trans = np.stack([np.zeros(frames), np.zeros(frames), height(frames)], axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"poses": poses.reshape(frames, -1), "trans": trans, "betas": np.zeros(16), "mocap_framerate": 60.0}
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path
