"""Bone lengths as components of their own: one bone grows, what hangs on it moves on."""

import numpy as np
import pytest

from kinefuse.body.models import load_anny
from kinefuse.body.proportions import BONES, LENGTH_SD, with_bone_lengths
from kinefuse.conventions import JOINT_INDEX


@pytest.mark.parametrize("bone, joint, parent", [("forearm", "wrist_l", "elbow_l"), ("thigh", "knee_r", "hip_r")])
def test_one_bone_grows_along_itself(bone: str, joint: str, parent: str) -> None:
    plain = load_anny()
    body = with_bone_lengths(plain)
    shape = np.zeros(body.n_shape)
    shape[plain.n_shape + list(BONES).index(bone)] = 1.0
    grown, rest = body.rest_positions(shape), plain.rest_positions(np.zeros(plain.n_shape))
    a, b = JOINT_INDEX[parent], JOINT_INDEX[joint]
    np.testing.assert_allclose(grown[b] - grown[a], (1 + LENGTH_SD) * (rest[b] - rest[a]), atol=1e-9)
    np.testing.assert_allclose(grown[a], rest[a])
    if bone == "thigh":
        ankle = JOINT_INDEX["ankle_r"]
        np.testing.assert_allclose(grown[ankle] - grown[b], rest[ankle] - rest[b], atol=1e-9)


def test_points_follow_and_sides_stay_alike() -> None:
    plain = load_anny()
    body = with_bone_lengths(plain)
    shape = np.random.default_rng(0).normal(size=body.n_shape)
    shape[: plain.n_shape] = 0
    left, right = body.rest_points(("wrist_l",), shape)[0], body.rest_points(("wrist_r",), shape)[0]
    np.testing.assert_allclose(left * [1, 1, -1], right, atol=1e-6)
    np.testing.assert_allclose(right, body.rest_positions(shape)[JOINT_INDEX["wrist_r"]], atol=1e-9)
