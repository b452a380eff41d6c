"""ASF/AMC: a two-bone arm whose joints are known, units, orders, and nonsense."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.asf_amc import read_asf_amc
from kinefuse.rotations import matrix_from_euler

ASF = """# an arm
:version 1.10
:name arm
:units
  mass 1.0
  length 0.5
  angle deg
:root
  order TX TY TZ RX RY RZ
  axis XYZ
  position 0 0 0
  orientation 0 0 0
:bonedata
  begin
    id 1
    name upper
    direction 2 0 0
    length 3
    axis 0 0 0 XYZ
    dof rz
    limits (-160.0 20.0)
  end
  begin
    id 2
    name lower
    direction 1 0 0
    length 1
    axis 0 0 90 XYZ
    dof rx ry
    limits (-90 90)
           (-90 90)
  end
:hierarchy
  begin
    root upper
    upper lower
  end
"""
AMC = """#!OML:ASF arm.asf
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 0 0
upper 0
lower 0 0
2
root 1 2 3 0 90 0
upper 90
lower 30 0
"""


def files(folder: Path, asf: str = ASF, amc: str = AMC) -> tuple[Path, Path]:
    (folder / "arm.asf").write_text(asf)
    (folder / "arm.amc").write_text(amc)
    return folder / "arm.asf", folder / "arm.amc"


def test_known_positions(tmp_path: Path) -> None:
    clip = read_asf_amc(*files(tmp_path), rate_hz=100.0, unit_m=0.1)
    assert clip.names == ("root", "upper", "lower")
    assert clip.parents == (-1, 0, 1)
    np.testing.assert_allclose(clip.time, [0.0, 0.01])
    positions, rotations = clip.forward_kinematics()
    # One unit of the file is 0.1 m / 0.5. The upper bone starts at the root, the lower one three units further.
    np.testing.assert_allclose(positions[0], [[0.2, 0.4, 0.6], [0.2, 0.4, 0.6], [0.8, 0.4, 0.6]])
    np.testing.assert_allclose(clip.end_sites[2], [0.2, 0, 0])
    # Raised by 90° about Z, then turned with the root about Y, the upper bone points up.
    np.testing.assert_allclose(positions[1, 2], [0.2, 1.0, 0.6], atol=1e-12)
    # The lower bone's axes are turned by 90° about Z: its x axis is Y of the zero pose.
    local = np.swapaxes(rotations[1, 1], -1, -2) @ rotations[1, 2]
    np.testing.assert_allclose(local, matrix_from_euler("Y", np.deg2rad([30.0])), atol=1e-12)


def test_turns_about_fixed_axes_in_the_written_order(tmp_path: Path) -> None:
    amc = AMC.replace("root 1 2 3 0 90 0", "root 1 2 3 10 20 30")
    clip = read_asf_amc(*files(tmp_path, amc=amc))
    expected = matrix_from_euler("ZYX", np.deg2rad([30.0, 20.0, 10.0]))  # body-fixed, the other way round
    np.testing.assert_allclose(clip.rotations[1, 0], expected, atol=1e-12)
    other = ASF.replace("order TX TY TZ RX RY RZ", "order RZ RX RY TX TY TZ")
    clip = read_asf_amc(*files(tmp_path, other, AMC.replace("root 1 2 3 0 90 0", "root 30 10 20 1 2 3")))
    np.testing.assert_allclose(
        clip.rotations[1, 0], matrix_from_euler("YXZ", np.deg2rad([20.0, 10.0, 30.0])), atol=1e-12
    )


def test_radians_give_the_same(tmp_path: Path) -> None:
    wanted = read_asf_amc(*files(tmp_path))
    asf = ASF.replace("angle deg", "angle rad").replace("axis 0 0 90 XYZ", f"axis 0 0 {np.pi / 2} XYZ")
    amc = AMC.replace(":DEGREES\n", "").replace(" 90", f" {np.pi / 2}").replace("lower 30", f"lower {np.pi / 6}")
    np.testing.assert_allclose(read_asf_amc(*files(tmp_path, asf, amc)).rotations, wanted.rotations, atol=1e-12)


@pytest.mark.parametrize(
    "old, new, message",
    [
        (":bonedata", ":bones", "bonedata is missing"),
        ("length 3", "length nan", "finite numbers"),
        ("length 0.5", "length 0", "positive length"),
        ("angle deg", "angle turns", "angle rad"),
        ("dof rz", "dof rw", "degrees of freedom"),
        ("axis 0 0 90 XYZ", "axis 0 0 90 XYY", "order of axes"),
        ("upper lower", "elbow lower", "known parent"),
        ("    upper lower\n", "", "lacks the bones lower"),
        ("name lower", "name upper", "same name"),
    ],
)
def test_skeletons_that_are_broken(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_asf_amc(*files(tmp_path, asf=ASF.replace(old, new, 1)))


@pytest.mark.parametrize(
    "amc, message",
    [
        ("", "no frame"),
        (AMC.replace("lower 30 0\n", ""), "frame 2 of 2 has no values for bone 'lower'"),
        (AMC.replace("lower 30 0", "lower 30"), "2 finite numbers"),
        (AMC.replace("upper 90", "thumb 90"), "bone of the skeleton"),
        (AMC.replace("upper 90", "upper inf"), "finite numbers"),
    ],
)
def test_motions_that_are_broken(tmp_path: Path, amc: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_asf_amc(*files(tmp_path, amc=amc))


def test_mistakes_of_the_caller(tmp_path: Path) -> None:
    asf, amc = files(tmp_path)
    with pytest.raises(KinefuseError, match="rate_hz must be a positive number"):
        read_asf_amc(asf, amc, rate_hz=0.0)
    with pytest.raises(KinefuseError, match="no such file"):
        read_asf_amc(asf, tmp_path / "none.amc")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_nonsense_ends_in_one_sentence(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    texts = [ASF, AMC]
    which = data.draw(st.integers(0, 1))
    words = texts[which].split(" ")
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(words) - 1))
        words[place] = data.draw(st.sampled_from(["", "nan", "1e400", "-3", ":root", "begin\n", "end\n", "root"]))
    texts[which] = " ".join(words)[: data.draw(st.integers(0, len(texts[which])))]
    with contextlib.suppress(KinefuseError):
        clip = read_asf_amc(*files(folder, *texts))
        assert np.isfinite(clip.joint_positions()).all()
