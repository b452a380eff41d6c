"""Result folders: complete or not at all, nothing of the user's is touched, strict JSON."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motion_examples import make_motion

from kinefuse.conventions import COORDINATES, JOINTS
from kinefuse.errors import KinefuseError
from kinefuse.formats.bvh import read_bvh
from kinefuse.formats.calibration import read_calibration
from kinefuse.formats.registry import read_points
from kinefuse.formats.results import EXPORTS, check_target, export, quality_text, read_result, write_result
from kinefuse.formats.storage import read_mot, read_orientations
from kinefuse.motion import Motion
from kinefuse.recordings import Camera, Finding

STANDARD = {"motion.nc", "joint_angles.mot", "joint_angles.csv", "joint_centers.trc", "quality.json"}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def motion() -> Motion:
    return make_motion(frames=8)


def test_a_result_is_complete_and_comes_back(tmp_path: Path, motion: Motion) -> None:
    folder = tmp_path / "deep" / "result"
    write_result(folder, motion, {"seed": 3, "rms": np.nan})
    assert names(folder) == STANDARD
    assert names(folder.parent) == {"result"}
    again, quality = read_result(folder)
    np.testing.assert_allclose(again.R_world_segment, motion.R_world_segment, atol=1e-12)
    assert quality == {"seed": 3, "rms": None}
    centers = read_points(folder / "joint_centers.trc")
    assert centers.names == JOINTS
    np.testing.assert_allclose(centers.positions, motion.positions, atol=1e-7)
    angles = read_mot(folder / "joint_angles.mot")
    assert angles.names == COORDINATES
    np.testing.assert_allclose(angles.values, motion.angles, atol=1e-8)


def test_an_empty_folder_is_used(tmp_path: Path, motion: Motion) -> None:
    write_result(tmp_path, motion, {}, also=["c3d", "bvh"])
    assert names(tmp_path) == STANDARD | {"joint_centers.c3d", "motion.bvh"}


def test_a_full_folder_is_refused_before_anything_is_written(tmp_path: Path, motion: Motion) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(KinefuseError, match="not empty"):
        write_result(tmp_path, motion, {})
    assert names(tmp_path) == {"thesis.txt"}


def test_overwriting_replaces_only_our_own_files(tmp_path: Path, motion: Motion) -> None:
    write_result(tmp_path, motion, {"run": 1}, also=["bvh"])
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / "report.html").write_text("of the first run")
    write_result(tmp_path, make_motion(frames=3), {"run": 2}, overwrite=True)
    assert names(tmp_path) == STANDARD | {"thesis.txt"}
    again, quality = read_result(tmp_path)
    assert (len(again.time), quality) == (3, {"run": 2})


def test_a_folder_with_files_of_our_names_but_no_motion_is_no_result(tmp_path: Path, motion: Motion) -> None:
    (tmp_path / "calibration.toml").write_text("of the laboratory")
    with pytest.raises(KinefuseError, match=r"holds calibration\.toml, which a result would replace"):
        write_result(tmp_path, motion, {}, overwrite=True)
    assert (tmp_path / "calibration.toml").read_text() == "of the laboratory"
    assert names(tmp_path) == {"calibration.toml"}


def test_a_failing_write_leaves_the_old_result(tmp_path: Path, motion: Motion) -> None:
    write_result(tmp_path, motion, {"run": 1})
    empty = replace(motion, rest_positions=np.full((22, 3), np.nan))
    with pytest.raises(KinefuseError, match="rest pose"):
        write_result(tmp_path, empty, {"run": 2}, overwrite=True, also=["bvh"])
    with pytest.raises(KinefuseError, match="cannot hold"):
        write_result(tmp_path, motion, {"run": object()}, overwrite=True)
    assert names(tmp_path) == STANDARD
    assert read_result(tmp_path)[1] == {"run": 1}


def test_targets_that_cannot_be_written(tmp_path: Path, motion: Motion) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for target in (file, file / "below"):
        with pytest.raises(KinefuseError, match="file"):
            write_result(target, motion, {}, overwrite=True)
    (tmp_path / "r" / "motion.nc").mkdir(parents=True)
    with pytest.raises(KinefuseError, match=r"motion\.nc"):
        check_target(tmp_path / "r", overwrite=True)
    assert file.read_text() == "mine"


def test_what_is_no_result_is_named(tmp_path: Path, motion: Motion) -> None:
    with pytest.raises(KinefuseError, match="kinefuse run"):
        read_result(tmp_path)
    write_result(tmp_path, motion, {})
    for text in ("{", '{"a": NaN}', "[1]", "\xff"):
        (tmp_path / "quality.json").write_bytes(text.encode("latin-1"))
        with pytest.raises(KinefuseError, match="JSON"):
            read_result(tmp_path)


def test_quality_is_strict_and_in_a_fixed_order() -> None:
    quality = {
        "b": [np.float32(0.5), np.array([1, 2]), float("inf"), True, None],
        "a": {"z": Path("x"), "y": (Finding(level="info", about="trial", text="é"),), 3: {"q", "p"}},
    }
    text = quality_text(quality)
    assert text == quality_text(dict(reversed(quality.items())))
    assert json.loads(text) == {
        "a": {"3": ["p", "q"], "y": [{"about": "trial", "level": "info", "text": "é"}], "z": "x"},
        "b": [0.5, [1, 2], None, True, None],
    }


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_quality_is_json(value: object) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert "x" in json.loads(quality_text({"x": value}), parse_constant=refuse)


def test_every_kind_is_exported(tmp_path: Path, motion: Motion) -> None:
    write_result(tmp_path / "result", motion, {})
    paths, findings = export(tmp_path / "result", EXPORTS, tmp_path / "out")
    assert {path.name for path in paths} == {name for name, _ in EXPORTS.values()} == names(tmp_path / "out")
    assert findings == []
    np.testing.assert_allclose(
        read_points(tmp_path / "out" / "joint_centers.c3d").positions, motion.positions, atol=1e-6
    )
    assert len(read_bvh(tmp_path / "out" / "motion.bvh").rotations) == 8
    assert len(read_orientations(tmp_path / "out" / "orientations.sto").time) == 8


def test_exports_never_replace_without_being_asked(tmp_path: Path, motion: Motion) -> None:
    write_result(tmp_path, motion, {})
    before = (tmp_path / "joint_centers.trc").read_bytes()
    with pytest.raises(KinefuseError, match="already there"):
        export(tmp_path, ["bvh", "trc"])
    assert names(tmp_path) == STANDARD
    export(tmp_path, ["bvh", "trc"], overwrite=True)
    assert names(tmp_path) == STANDARD | {"motion.bvh"}
    assert (tmp_path / "joint_centers.trc").read_bytes() == before
    with pytest.raises(KinefuseError, match="choose among trc, mot"):
        export(tmp_path, ["docx"])


def test_exports_tell_what_they_could_not_keep(tmp_path: Path, motion: Motion) -> None:
    rotations = motion.R_world_segment.copy()
    rotations[1:4, 15] = np.nan
    write_result(tmp_path / "result", replace(motion, R_world_segment=rotations), {})
    _, findings = export(tmp_path / "result", ["bvh"], tmp_path / "out")
    assert [finding.text for finding in findings] == ["the orientation of head is missing in 3 of 8 frames."]
    assert export(tmp_path / "result", ["trc"], tmp_path / "out")[1] == []


def test_a_pause_in_the_motion_is_told_of_bvh_and_refused_by_c3d(tmp_path: Path, motion: Motion) -> None:
    paused = replace(motion, time=motion.time + 2.0 * (np.arange(len(motion.time)) > 1))
    write_result(tmp_path / "result", paused, {})
    _, findings = export(tmp_path / "result", ["bvh"], tmp_path / "out")
    (told,) = [finding.text for finding in findings if finding.about == "BVH"]
    assert "apart: the file lasts" in told
    assert export(tmp_path / "result", ["csv"], tmp_path / "csv")[1] == []
    with pytest.raises(KinefuseError, match="evenly spaced") as refused:
        export(tmp_path / "result", ["c3d"], tmp_path / "c3d")
    assert str(tmp_path / "c3d" / "joint_centers.c3d") in str(refused.value)


def test_refined_cameras_can_be_used_again(tmp_path: Path, motion: Motion) -> None:
    camera = Camera(
        name="cam_1",
        size=(640, 480),
        matrix=np.diag([500.0, 500.0, 1.0]),
        distortions=np.zeros(4),
        R_camera_world=np.eye(3),
        translation=np.array([0.0, 1.0, 4.0]),
    )
    write_result(tmp_path / "result", motion, {}, cameras=[camera])
    (again,) = read_calibration(tmp_path / "result" / "calibration.toml")
    np.testing.assert_allclose(again.translation, camera.translation, atol=1e-9)
    write_result(tmp_path / "result", motion, {}, overwrite=True)
    assert "calibration.toml" not in names(tmp_path / "result")  # the new result refined nothing
