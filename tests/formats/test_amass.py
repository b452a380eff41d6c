"""AMASS clips: a tiny body of SMPL's form, made here, and what happens without one."""

from pathlib import Path

import numpy as np
import pytest

from kinefuse.conventions import JOINTS
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.amass import read_amass

VERTICES = 60


def tiny_smpl(path: Path) -> Path:
    """A model of SMPL's form: each joint is the mean of two vertices at a known place, X left, Y up, Z forward."""
    rng = np.random.default_rng(0)
    template = rng.normal(size=(VERTICES, 3))
    regressor = np.zeros((24, VERTICES))
    regressor[np.arange(24), 2 * np.arange(24)] = regressor[np.arange(24), 2 * np.arange(24) + 1] = 0.5
    weights = np.zeros((VERTICES, 24))
    weights[np.arange(VERTICES), np.arange(VERTICES) % 24] = 1.0
    arrays = {
        "v_template": template, "shapedirs": 0.01 * rng.normal(size=(VERTICES, 3, 10)), "J_regressor": regressor,
        "weights": weights, "f": np.array([[0, 1, 2]]),
    }  # fmt: skip
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def clip(folder: Path, **changes: object) -> Path:
    """Three frames in which the root turns about SMPL's up, which AMASS has along Z, and the left hip bends."""
    poses = np.zeros((3, 156))
    poses[:, 3] = [0.0, -0.5, -1.0]
    content: dict[str, object] = {
        "poses": poses, "trans": np.array([[1.0, 2, 3]] * 3), "betas": np.zeros(16), "mocap_framerate": np.array(120.0),
    }  # fmt: skip
    content |= changes
    np.savez(folder / "clip.npz", **{k: v for k, v in content.items() if v is not None})  # type: ignore[arg-type]
    return folder / "clip.npz"


def test_joints_are_those_of_the_users_model(tmp_path: Path) -> None:
    smpl = tiny_smpl(tmp_path / "smpl.npz")
    motion = read_amass(clip(tmp_path), smpl)
    with np.load(smpl) as stored:
        joints = stored["J_regressor"] @ stored["v_template"]
    positions, _ = motion.forward_kinematics()
    assert motion.names == JOINTS
    np.testing.assert_allclose(motion.time, np.arange(3) / 120)
    np.testing.assert_allclose(positions[:, 0], [[2, 3, 1]] * 3)  # Z up becomes Y up
    # In the first frame nothing is turned, so SMPL's x, y, z are AMASS's x, y, z: ours are y, z, x.
    wanted = (joints[:22] - joints[0])[:, [1, 2, 0]] + [2, 3, 1]
    np.testing.assert_allclose(positions[0], wanted, atol=1e-12)
    thigh = np.linalg.norm(joints[4] - joints[1])
    np.testing.assert_allclose(np.linalg.norm(positions[:, 4] - positions[:, 1], axis=-1), thigh)
    assert not np.allclose(positions[2, 4], positions[0, 4])


@pytest.mark.parametrize("numbers", [72, 156, 165])
def test_any_of_the_models(tmp_path: Path, numbers: int) -> None:
    still = {"poses": np.zeros((2, numbers)), "trans": np.zeros((2, 3))}
    path = clip(tmp_path, **still, mocap_framerate=None, mocap_frame_rate=60)
    assert read_amass(path, tiny_smpl(tmp_path / "smpl.npz")).frame_time == pytest.approx(1 / 60)


def test_without_a_model_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(KinefuseError, match="your own licensed SMPL model"):
        read_amass(clip(tmp_path), None)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"poses": None}, "lacks poses"),
        ({"mocap_framerate": None}, "mocap_framerate or mocap_frame_rate"),
        ({"mocap_framerate": 0}, "positive frame rate"),
        ({"poses": np.zeros((3, 100))}, "156 for SMPL-H"),
        ({"poses": np.full((3, 156), np.nan)}, "finite"),
        ({"trans": np.zeros((2, 3))}, "trans"),
        ({"betas": np.zeros((2, 2))}, "betas"),
        ({"betas": np.array([None])}, "AMASS"),
    ],
)
def test_files_that_are_none(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_amass(clip(tmp_path, **changes), tiny_smpl(tmp_path / "smpl.npz"))


def test_a_cut_file(tmp_path: Path) -> None:
    content = clip(tmp_path).read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(FormatError, match="download it again"):
        read_amass(tmp_path / "cut.npz", None)
