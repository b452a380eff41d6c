"""Where virtual sensors sit, and how askew."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.body.models import load_anny
from kinefuse.conventions import IMU_SITES, SEGMENT_INDEX
from kinefuse.errors import KinefuseError
from kinefuse.synthesis.person import demo_person
from kinefuse.synthesis.sites import careless_mounting, mounting_sd, outward, site_offsets, surface_offsets


def test_sites_mirror_and_lie_off_the_bones() -> None:
    offsets = site_offsets(demo_person().rest_positions(np.zeros(0)))
    assert set(offsets) == set(IMU_SITES)
    for left, right in (("thigh_l", "thigh_r"), ("forearm_l", "forearm_r"), ("shank_l", "shank_r")):
        assert np.allclose(offsets[left], offsets[right] * np.array([1, 1, -1]), atol=0.005)
    assert offsets["thigh_r"][2] > 0.06  # outside of the thigh
    assert offsets["pelvis"][0] < -0.07  # on the sacrum
    assert all(0.02 < np.linalg.norm(offset) < 0.35 for offset in offsets.values())


def test_off_the_bones_is_near_the_surface_of_the_average_body() -> None:
    body = load_anny(light_surface=False)
    assert body.surface is not None
    for site, offset in site_offsets(body.joints_mean).items():
        place = body.joints_mean[SEGMENT_INDEX[site]] + offset
        assert np.linalg.norm(body.surface.mean - place, axis=1).min() < 0.02, site


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=10, max_size=10))
def test_surface_sites_lie_on_the_surface_of_every_body(shape: list[float]) -> None:
    body = load_anny(light_surface=False)
    assert body.surface is not None
    vertices, joints = body.surface.rest_vertices(np.array(shape)), body.rest_positions(np.array(shape))
    offsets = surface_offsets(np.array(shape))
    for site, offset in offsets.items():
        place = joints[SEGMENT_INDEX[site]] + offset
        assert np.linalg.norm(vertices - place, axis=1).min() < 1e-6, site
    for left, right in (("thigh_l", "thigh_r"), ("foot_l", "foot_r"), ("upper_arm_l", "upper_arm_r")):
        assert np.allclose(offsets[left], offsets[right] * np.array([1, 1, -1]), atol=0.006)


def test_a_site_moves_with_its_own_segment() -> None:
    """The skin there belongs to the segment, not to its neighbour."""
    surface = load_anny(light_surface=False).surface
    assert surface is not None
    body = load_anny(light_surface=False)
    for site, offset in surface_offsets(np.zeros(10)).items():
        place = body.joints_mean[SEGMENT_INDEX[site]] + offset
        vertex = np.linalg.norm(surface.mean - place, axis=1).argmin()
        own = surface.skin_weight[vertex][surface.skin_segment[vertex] == SEGMENT_INDEX[site]].sum()
        assert own > 0.5, site


def test_outward_leaves_the_skin() -> None:
    assert np.allclose(outward("pelvis"), [-1, 0, 0])
    assert outward("thigh_l")[2] < -0.9
    assert outward("thigh_r")[2] > 0.9
    assert np.allclose(outward("forearm_r"), [0, 1, 0])


def test_mountings_of_the_paper_and_its_code() -> None:
    assert np.allclose(np.rad2deg(mounting_sd("paper")), 13.5)
    assert np.allclose(mounting_sd(0.2), 0.2)
    authors = dict(zip(IMU_SITES, mounting_sd("authors") / 0.15, strict=True))
    for site in ("pelvis", "head", "thorax"):
        assert np.allclose(authors[site], 1)
    assert np.allclose([authors["thigh_l"], authors["shank_r"]], [1, 3, 1])  # legs hang along Y
    assert np.allclose(authors["forearm_l"], [1, 1, 3])  # arms reach out along Z
    assert np.allclose([authors["foot_r"], authors["upper_arm_l"]], 3)
    with pytest.raises(KinefuseError, match="paper, authors"):
        mounting_sd("nobody")


def test_misplacement_as_large_as_the_paper_says() -> None:
    """A standard deviation of 9.4 degrees an axis turns a sensor by 15.0 ± 6.3 degrees."""
    rng = np.random.default_rng(0)
    turns = [np.rad2deg(np.arccos((np.trace(careless_mounting(rng, np.deg2rad(9.4))) - 1) / 2)) for _ in range(3000)]
    assert np.mean(turns) == pytest.approx(15.0, rel=0.02)
    assert np.std(turns) == pytest.approx(6.3, rel=0.04)
