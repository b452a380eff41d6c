"""motion.nc: nothing is lost, other programs can read it, damage is noticed."""

import dataclasses
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st
from motion_examples import make_motion

from kinefuse.conventions import COORDINATES, JOINTS, SEGMENTS
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.netcdf import dataset_to_motion, motion_to_dataset, read_motion, write_motion
from kinefuse.motion import Motion


def with_gaps_and_deviations() -> Motion:
    motion = make_motion(frames=12)
    rotations, positions, angles = motion.R_world_segment.copy(), motion.positions.copy(), motion.angles.copy()
    rotations[3, 4], positions[2, 5], angles[1, 7] = np.nan, np.nan, np.nan
    return replace(
        motion,
        R_world_segment=rotations,
        positions=positions,
        angles=angles,
        orientation_sd=np.full((12, 22), 0.1),
        angle_sd=np.abs(angles),
    )


def assert_same(a: Motion, b: Motion) -> None:
    for field in dataclasses.fields(Motion):
        mine, other = getattr(a, field.name), getattr(b, field.name)
        if isinstance(mine, np.ndarray):
            np.testing.assert_allclose(other, mine, atol=1e-12, err_msg=field.name)
        else:
            assert mine == other, field.name


@pytest.mark.parametrize("motion", [make_motion(frames=5), with_gaps_and_deviations(), make_motion(frames=1)])
def test_written_motion_comes_back(tmp_path: Path, motion: Motion) -> None:
    write_motion(tmp_path / "motion.nc", motion)
    assert_same(motion, read_motion(tmp_path / "motion.nc"))
    assert [path.name for path in tmp_path.iterdir()] == ["motion.nc"]


ON_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from kinefuse.errors import KinefuseError
from kinefuse.formats.netcdf import read_motion, write_motion
motion = read_motion(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_motion(Path(sys.argv[2]), motion)
except KinefuseError as error:
    sys.exit(str(error))
"""


def test_a_full_disk_is_told(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "motion.nc").write_bytes(written)
    (tmp_path / "full").mkdir()
    arguments = [sys.executable, "-c", ON_A_FULL_DISK, f"{tmp_path}/motion.nc", f"{tmp_path}/full/motion.nc"]
    ended = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "cannot be written" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list((tmp_path / "full").iterdir()) == []


def test_labels_and_units(tmp_path: Path) -> None:
    motion = make_motion(frames=5)
    write_motion(tmp_path / "motion.nc", motion)
    with xarray.open_dataset(tmp_path / "motion.nc") as dataset:
        assert dataset.orientation.dims == ("time", "segment", "quaternion")
        assert tuple(dataset.segment.values) == SEGMENTS
        assert tuple(dataset.joint.values) == JOINTS
        assert tuple(dataset.coordinate.values) == COORDINATES
        assert dataset.position.attrs["units"] == "m"
        knee = dataset.angle.sel(coordinate="knee_angle_r")
        np.testing.assert_allclose(knee, np.rad2deg(motion.angle("knee_angle_r")))
        assert str(knee.coordinate_unit.values) == "degree"
        np.testing.assert_allclose(dataset.angle.sel(coordinate="pelvis_ty"), motion.angle("pelvis_ty"))
        assert dataset.provenance.attrs["flag_meanings"] == "measured interpolated inferred"
        np.testing.assert_array_equal(dataset.provenance.attrs["flag_values"], [0, 1, 2])
        assert json.loads(dataset.attrs["notes"]) == list(motion.notes)
        assert dataset.attrs["format"] == 1


def test_the_order_of_labels_does_not_matter() -> None:
    motion = with_gaps_and_deviations()
    dataset = motion_to_dataset(motion)
    shuffled = dataset.isel(segment=slice(None, None, -1), coordinate=slice(None, None, -1), quaternion=[3, 0, 1, 2])
    assert_same(motion, dataset_to_motion(shuffled.transpose("joint", ...)))


def test_a_file_that_another_program_changed_is_read(tmp_path: Path) -> None:
    path = tmp_path / "motion.nc"
    write_motion(path, make_motion(frames=5))
    with h5py.File(path, "r+") as file:
        file["position"][0, 0, 0] = 42.0
        file.create_dataset("mine", data=np.zeros(3))
    assert read_motion(path).positions[0, 0, 0] == 42.0


def test_incomplete_datasets_are_named(tmp_path: Path) -> None:
    dataset = motion_to_dataset(make_motion(frames=5))
    cases = {
        "variable 'position'": dataset.drop_vars("position"),
        "lacks the label hand_r": dataset.isel(segment=slice(0, 21)),
        "no numbers": dataset.assign(shape=("component", ["a"] * 10)),
        "format is 9": dataset.assign_attrs(format=9),
        "attribute 'format'": xarray.Dataset(),
        "JSON list": dataset.assign_attrs(notes="{"),
        "provenance must": dataset.assign(provenance=dataset.provenance + 7),
        "must increase": dataset.assign_coords(time=np.zeros(5)),
    }
    for words, broken in cases.items():
        broken.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
        with pytest.raises(FormatError, match=words):
            read_motion(tmp_path / "a.nc")


def test_what_is_no_such_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.nc").write_text("hello")
    with pytest.raises(FormatError, match="NetCDF"):
        read_motion(tmp_path / "a.nc")
    with pytest.raises(KinefuseError, match="no such file"):
        read_motion(tmp_path / "b.nc")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("nc") / "motion.nc"
    write_motion(path, make_motion(frames=5))
    return path.read_bytes()


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_damage_is_noticed(written: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(written)
    place = data.draw(st.integers(8, len(content) - 120))
    content[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "fuzz.nc"
    path.write_bytes(bytes(content))
    with pytest.raises(FormatError, match="damaged"):
        read_motion(path)


@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_a_cut_file_is_noticed(written: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.nc"
    path.write_bytes(written[: data.draw(st.integers(0, len(written) - 200))])
    with pytest.raises(FormatError):
        read_motion(path)


def test_a_lost_checksum_line_is_no_damage(written: bytes, tmp_path: Path) -> None:
    content, mark, _ = written.rpartition(b"\nkinefuse content")
    assert mark
    (tmp_path / "a.nc").write_bytes(content)
    assert read_motion(tmp_path / "a.nc").estimator == "made up"
