"""Body models: plausible people, alike on both sides, and SMPL from a file of its form."""

from pathlib import Path

import numpy as np
import pytest

from kinefuse.body.models import load_anny, load_smpl
from kinefuse.conventions import JOINT_INDEX, JOINTS, KEYPOINTS, SEGMENTS, mirror_permutation
from kinefuse.errors import FormatError, KinefuseError

ANNY = load_anny()


def length(a: str, b: str, shape: np.ndarray | None = None) -> float:
    rest = ANNY.rest_positions(np.zeros(10) if shape is None else shape)
    return float(np.linalg.norm(rest[JOINT_INDEX[a]] - rest[JOINT_INDEX[b]]))


def test_average_proportions_are_human() -> None:
    """Segment lengths as shares of stature, against Drillis and Contini (1966) and Bell et al. (1990)."""
    stature = ANNY.stature(np.zeros(10))
    assert 1.65 < stature < 1.75
    shares = {("hip_r", "knee_r"): 0.245, ("knee_r", "ankle_r"): 0.246, ("hip_l", "hip_r"): 0.105}
    shares |= {("shoulder_r", "elbow_r"): 0.162, ("elbow_r", "wrist_r"): 0.146}
    for (a, b), share in shares.items():
        assert length(a, b) / stature == pytest.approx(share, abs=0.012), (a, b)


def test_rest_pose_is_the_t_pose() -> None:
    rest = ANNY.rest_positions(np.zeros(10))
    assert rest[JOINT_INDEX["wrist_r"], 2] > 0.6  # the right is +Z
    assert rest[JOINT_INDEX["mtp_r"], 0] > 0.1  # forward is +X
    assert np.ptp(rest[[JOINT_INDEX[f"{j}_r"] for j in ("shoulder", "elbow", "wrist")], 1]) < 1e-3
    assert rest[0] == pytest.approx(np.zeros(3), abs=1e-6)


def test_left_and_right_are_alike() -> None:
    shape = np.random.default_rng(0).normal(size=10)
    flip = np.array([1.0, 1.0, -1.0])
    rest = ANNY.rest_positions(shape)
    assert np.allclose(rest[mirror_permutation(JOINTS)] * flip, rest, atol=1e-6)
    points = ANNY.rest_points(KEYPOINTS, shape)
    assert np.allclose(points[mirror_permutation(KEYPOINTS)] * flip, points, atol=1e-6)


def test_first_component_is_size() -> None:
    grown = np.eye(10)[0]
    assert ANNY.stature(grown) > ANNY.stature(np.zeros(10)) + 0.05
    assert length("hip_r", "knee_r", grown) > length("hip_r", "knee_r")


def test_surface_encloses_the_joints_and_is_whole() -> None:
    surface = ANNY.surface
    assert surface is not None
    vertices = surface.rest_vertices(np.zeros(10))
    assert vertices[:, 1].max() - vertices[:, 1].min() == pytest.approx(ANNY.stature_mean, abs=0.03)
    assert surface.skin_weight.sum(1) == pytest.approx(np.ones(len(vertices)), abs=1e-6)
    assert surface.faces.max() < len(vertices)
    assert surface.skin_segment.max() < len(SEGMENTS)
    assert load_anny(light_surface=False).surface.mean.shape == (13718, 3)  # type: ignore[union-attr]


def test_unknown_point_is_named() -> None:
    with pytest.raises(KinefuseError, match="no point called 'tail'"):
        ANNY.point_index(("tail",))


def tiny_smpl(path: Path, leave_out: str = "", joints: int = 24) -> Path:
    """A file of SMPL's form with 60 vertices: each of the first joints is the mean of two of them."""
    rng = np.random.default_rng(0)
    template = rng.normal(size=(60, 3)) * 0.3
    regressor = np.zeros((joints, 60))
    for j in range(24):
        regressor[j, [2 * j, 2 * j + 1]] = 0.5
    weights = np.zeros((60, joints))
    weights[np.arange(60), np.arange(60) % joints] = 1
    arrays = {
        "v_template": template,
        "shapedirs": rng.normal(size=(60, 3, 12)) * 0.01,
        "J_regressor": regressor,
        "weights": weights,
        "f": np.array([[0, 1, 2], [2, 3, 4]], np.uint32),
    }
    arrays.pop(leave_out, None)
    np.savez(path, **arrays)
    return path


def test_smpl_form(tmp_path: Path) -> None:
    body = load_smpl(tiny_smpl(tmp_path / "smpl.npz"))
    with np.load(tmp_path / "smpl.npz") as stored:
        joints = stored["J_regressor"][:22] @ stored["v_template"]
    expected = (joints - joints[0])[:, [2, 1, 0]] * np.array([1, 1, -1])  # X forward is SMPL's Z, right is -X
    assert body.rest_positions(np.zeros(10)) == pytest.approx(expected)
    assert body.n_shape == 10
    assert np.isfinite(body.rest_points(("knee_l", "mid_hip"), np.zeros(10))).all()
    assert np.isnan(body.rest_points(("nose",), np.zeros(10))).all()
    assert body.surface is not None
    assert body.surface.skin_segment.max() < 22


@pytest.mark.parametrize("joints", [24, 52])
def test_hands_of_smpl_move_with_their_own_side(tmp_path: Path, joints: int) -> None:
    """Joints beyond the 22 segments come left hand first: one each in SMPL, fifteen fingers each in SMPL-H."""
    surface = load_smpl(tiny_smpl(tmp_path / "smpl.npz", joints=joints)).surface
    assert surface is not None
    joint = np.arange(60) % joints
    left, right = SEGMENTS.index("hand_l"), SEGMENTS.index("hand_r")
    expected = np.where(joint < 22, joint, np.where(joint < 22 + (joints - 22) // 2, left, right))
    np.testing.assert_array_equal(surface.skin_segment[:, 0], expected)


def test_smpl_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="55 joints"):
        load_smpl(tiny_smpl(tmp_path / "smplx.npz", joints=55))
    with pytest.raises(FormatError, match="lacks weights"):
        load_smpl(tiny_smpl(tmp_path / "smpl.npz", leave_out="weights"))
    with pytest.raises(FormatError, match=r"\.npz"):
        load_smpl(tmp_path / "model.pkl")
    np.savez(tmp_path / "objects.npz", v_template=np.array([{}], dtype=object))
    with pytest.raises(FormatError):
        load_smpl(tmp_path / "objects.npz")


def test_a_damaged_smpl_file_ends_in_one_sentence(tmp_path: Path) -> None:
    path = tiny_smpl(tmp_path / "smpl.npz")
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(FormatError, match="damaged or incomplete"):
            load_smpl(path)


@pytest.mark.parametrize("key", ["v_template", "shapedirs", "J_regressor", "f"])
def test_smpl_arrays_that_do_not_belong_together_are_named(tmp_path: Path, key: str) -> None:
    path = tiny_smpl(tmp_path / "smpl.npz")
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored}
    for wrong in (arrays[key][..., :-1] if key != "shapedirs" else arrays[key][:-1], arrays[key][0]):
        np.savez(path, **{**arrays, key: wrong})
        with pytest.raises(FormatError, match=f"{key} has the shape"):
            load_smpl(path)
