"""Rigs around the floor."""

import numpy as np
import pytest

from kinefuse.synthesis.rigs import COUNTS, FLOOR, random_place, random_rig
from kinefuse.vision.cameras import project


@pytest.mark.parametrize("count", [None, 4, 8])
def test_cameras_stand_around_the_floor_and_see_its_middle(count: int | None) -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        rig = random_rig(rng, count)
        assert len(rig) in (COUNTS if count is None else (count,))
        azimuths = []
        for camera in rig:
            x, height, z = camera.centre
            assert 0.79 < height < 3.01
            assert np.hypot(2 * x / FLOOR[0], 2 * z / FLOOR[1]) > 1.1
            pixel = project(camera, np.array([0.0, 1.0, 0.0]))
            assert (pixel > 0).all()
            assert (pixel < camera.size).all()
            azimuths.append(np.arctan2(z, x))
        gaps = np.diff(np.sort(azimuths), append=np.sort(azimuths)[0] + 2 * np.pi)
        assert gaps.max() < 2 * np.pi / len(rig) * 1.9


def test_places_are_all_over_the_floor_but_not_in_a_camera() -> None:
    rng = np.random.default_rng(1)
    rig = random_rig(rng, 8)
    places = np.array([random_place(rig, rng) for _ in range(500)])
    assert (places[:, 1] == 0).all()
    assert (np.abs(places).max(0) <= [3.0, 0.0, 2.0]).all()
    assert (np.abs(places).max(0) > [2.5, -1.0, 1.5]).all()
    centres = np.array([camera.centre for camera in rig])
    assert np.hypot(*(places[:, None] - centres)[..., [0, 2]].transpose(2, 0, 1)).min() >= 1.5
