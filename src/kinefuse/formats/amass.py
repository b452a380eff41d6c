"""AMASS (Mahmood et al. 2019): motion capture as poses of the SMPL body, one ``.npz`` file for each clip.

The files hold rotations and shape numbers only. Where the joints are follows from the SMPL model, whose licence keeps
it from being shipped: the user's own file is needed.
"""

from pathlib import Path
from typing import Final

import numpy as np

from kinefuse.body.models import BODY_FROM_SMPL, BodyModel, load_smpl
from kinefuse.conventions import JOINTS, SEGMENT_PARENTS
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.bvh import Bvh
from kinefuse.formats.skeleton import tip_offsets
from kinefuse.rotations import matrix_from_rotvec

JOINT_COUNTS: Final = {24: "SMPL", 52: "SMPL-H", 55: "SMPL-X"}
"""Joints in ``poses``, three numbers each; the first 22 are the same in all of these models."""

RATE_NAMES: Final = ("mocap_framerate", "mocap_frame_rate")
Y_UP: Final = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
"""Z up to Y up: (x, y, z) becomes (y, z, x)."""


def read_amass(path: Path, smpl: Path | BodyModel | None) -> Bvh:
    """Read a clip as a skeleton with its rotations, like a BVH file's.

    Parameters
    ----------
    path : the ``.npz`` file
    smpl : the user's SMPL model (`kinefuse.body.models.load_smpl`) or its file

    Returns
    -------
    Joints named as in `conventions.JOINTS`; metres, Y up. Where SMPL's origin lies in the pelvis is left out, so the
    whole motion is shifted by a constant of about 0.2 m.

    Raises
    ------
    KinefuseError
        If the file cannot be opened, or there is no SMPL model.
    FormatError
        If the file is no AMASS clip.
    """
    data = _load(Path(path))
    if smpl is None:
        raise KinefuseError(
            f"{path}: an AMASS clip holds rotations of SMPL and no positions; give your own licensed SMPL model file, "
            f"as .npz, to find the joints of its {len(data['poses'])} frames."
        )
    model = smpl if isinstance(smpl, BodyModel) else load_smpl(Path(smpl))
    poses = _poses(data["poses"], path)
    trans = _finite("trans", data["trans"], (len(poses), 3), path)
    return _assemble(poses, trans, _rest(model, data["betas"], path), 1.0 / _rate(data, path))


def _load(path: Path) -> dict[str, np.ndarray]:
    wanted = {"poses", "trans", "betas", *RATE_NAMES}
    try:
        with np.load(path, allow_pickle=False) as stored:
            data = {key: np.asarray(stored[key]) for key in wanted & set(stored.files)}
    except FileNotFoundError:
        raise KinefuseError(f"{path}: there is no such file; check the name.") from None
    except Exception as error:  # whatever a damaged archive makes NumPy, zipfile or zlib raise
        raise FormatError(f"{path}: expected an AMASS .npz file ({error}); download it again.") from error
    missing = {"poses", "trans", "betas"} - data.keys()
    if missing or not set(RATE_NAMES) & data.keys():
        lacking = ", ".join(sorted(missing)) or " or ".join(RATE_NAMES)
        raise FormatError(f"{path}: expected an AMASS clip, but it lacks {lacking}; check which file it is.")
    return data


def _finite(name: str, values: np.ndarray, shape: tuple[int, ...], path: Path | str) -> np.ndarray:
    if values.shape != shape or values.dtype.kind not in "fiu" or not (np.abs(values) < 1e6).all():
        raise FormatError(f"{path}: expected {name} to be finite numbers of shape {shape}, got shape {values.shape}.")
    return values.astype(float)


def _poses(values: np.ndarray, path: Path | str) -> np.ndarray:
    """Return the rotation vectors (T, 22, 3)."""
    joints = values.shape[1] // 3 if values.ndim == 2 and values.shape[1] % 3 == 0 else 0
    if joints not in JOINT_COUNTS or not len(values):
        known = ", ".join(f"{3 * count} for {name}" for count, name in JOINT_COUNTS.items())
        raise FormatError(f"{path}: expected poses of shape (frames, numbers), numbers {known}; got {values.shape}.")
    return _finite("poses", values, values.shape, path).reshape(len(values), -1, 3)[:, : len(JOINTS)]


def _rate(data: dict[str, np.ndarray], path: Path | str) -> float:
    values = next(data[name] for name in RATE_NAMES if name in data)
    rate = float(values) if values.size == 1 and values.dtype.kind in "fiu" else float("nan")
    if not (np.isfinite(rate) and rate > 0):
        raise FormatError(f"{path}: expected a positive frame rate, got {values}; correct mocap_framerate.")
    return rate


def _rest(model: BodyModel, betas: np.ndarray, path: Path | str) -> np.ndarray:
    """Return the joints at rest (22, 3), metres, SMPL's axes, root at the origin."""
    if betas.ndim != 1 or not len(betas):
        raise FormatError(f"{path}: expected betas to be a list of shape numbers, got shape {betas.shape}.")
    known = _finite("betas", betas, betas.shape, path)[: model.n_shape]
    shape = np.concatenate([known, np.zeros(model.n_shape - len(known))])
    return np.asarray(model.rest_positions(shape) @ BODY_FROM_SMPL)


def _assemble(poses: np.ndarray, trans: np.ndarray, rest: np.ndarray, frame_time: float) -> Bvh:
    rotations = matrix_from_rotvec(poses)
    rotations[:, 0] = Y_UP @ rotations[:, 0]
    offsets = np.array([rest[j] - rest[parent] if parent >= 0 else rest[j] for j, parent in enumerate(SEGMENT_PARENTS)])
    translations = np.tile(offsets, (len(poses), 1, 1))
    translations[:, 0] = trans @ Y_UP.T
    tips = tip_offsets(rest @ BODY_FROM_SMPL.T)
    return Bvh(
        names=JOINTS,
        parents=SEGMENT_PARENTS,
        offsets=offsets,
        channels=tuple(("Zrotation", "Yrotation", "Xrotation") for _ in JOINTS),
        end_sites={joint: tip @ BODY_FROM_SMPL for joint, tip in tips.items()},
        frame_time=frame_time,
        rotations=rotations,
        translations=translations,
    )
