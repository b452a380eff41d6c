from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from viewer_examples import room, waving

from kinefuse.body.models import load_anny
from kinefuse.conventions import JOINT_INDEX
from kinefuse.report.wording import plain_angles
from kinefuse.viewer.readout import GROUP_TITLES, angle_table
from kinefuse.viewer.scene import CHILDREN, bones_at, build_scene, show_frame


@pytest.fixture
def server() -> Any:
    viser = pytest.importorskip("viser")
    running = viser.ViserServer(host="127.0.0.1", port=8471, verbose=False)
    yield running
    running.stop()


def test_bones_end_in_their_joints() -> None:
    motion = waving(3)
    bones = bones_at(motion, 1)
    elbow = CHILDREN.index(JOINT_INDEX["elbow_r"])
    np.testing.assert_array_equal(bones[elbow, 0], motion.positions[1, JOINT_INDEX["shoulder_r"]])
    np.testing.assert_array_equal(bones[elbow, 1], motion.positions[1, JOINT_INDEX["elbow_r"]])


def test_unknown_bones_have_no_length() -> None:
    motion = waving(2)
    positions = motion.positions.copy()
    positions[0, JOINT_INDEX["wrist_l"]] = np.nan
    bones = bones_at(replace(motion, positions=positions), 0)
    length = np.linalg.norm(bones[:, 1] - bones[:, 0], axis=1)
    assert length[CHILDREN.index(JOINT_INDEX["wrist_l"])] == 0.0
    assert (length > 0).sum() == len(CHILDREN) - 1
    assert np.isfinite(bones_at(replace(motion, positions=np.full_like(positions, np.nan)), 0)).all()


def test_the_surface_follows_the_motion(server: Any) -> None:
    motion = waving(10)
    scene = build_scene(server, motion, load_anny(), room(motion))
    show_frame(scene, 7, surface=True, skeleton=False, measured=True)
    places = np.array([bone.position for bone in scene.surface.bones])
    np.testing.assert_allclose(places, motion.positions[7], atol=1e-6)
    assert scene.surface.visible
    assert not scene.skeleton.visible
    np.testing.assert_allclose(scene.measured.points, motion.positions[7, [20]], atol=1e-3)


def test_a_half_known_frame_shows_what_is_known_as_bones(server: Any) -> None:
    motion = waving(4)
    orientations = motion.R_world_segment.copy()
    orientations[2, 5] = np.nan
    scene = build_scene(server, replace(motion, R_world_segment=orientations), load_anny(), None)
    show_frame(scene, 2, surface=True, skeleton=False, measured=False)
    assert not scene.surface.visible
    assert scene.skeleton.visible
    show_frame(scene, 3, surface=True, skeleton=False, measured=False)
    assert scene.surface.visible


def test_another_body_is_a_skeleton(server: Any) -> None:
    scene = build_scene(server, replace(waving(2), body_name="smpl"), load_anny(), None)
    assert scene.surface is None
    show_frame(scene, 0, surface=True, skeleton=False, measured=True)
    assert scene.skeleton.visible


def test_readout_of_a_known_frame() -> None:
    motion = waving(2)
    table = angle_table(plain_angles(motion), "Elbow and forearm", 0)
    assert "| Elbow flexion (+ flexion) | 0° | 30° |" in table
    for title in GROUP_TITLES:
        assert angle_table(plain_angles(motion), title, 1).startswith("| | left | right |")


def test_unknown_angles_are_dashes() -> None:
    angles = {name: np.full_like(values, np.nan) for name, values in plain_angles(waving(1)).items()}
    assert "| – | – |" in angle_table(angles, "Knee", 0)
