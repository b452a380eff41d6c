"""Tables of joint angles as OpenSim, OpenCap and Pose2Sim write them."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefuse.conventions import COORDINATE_INDEX
from kinefuse.errors import KinefuseError
from kinefuse.formats.angle_tables import coordinates_called, read_angles
from kinefuse.metrics.compare import compare_motions


def table(folder: Path, names: list[str], rows: list[list[float]], unit: str = "inDegrees=yes\n") -> Path:
    file = folder / "ik.mot"
    body = "\n".join("\t".join(map(str, [0.1 * i, *row])) for i, row in enumerate(rows))
    file.write_text(f"Coordinates\nversion=1\n{unit}endheader\n" + "\t".join(["time", *names]) + "\n" + body + "\n")
    return file


def test_degrees_and_metres(tmp_path: Path) -> None:
    names = ["pelvis_tx", "knee_angle_r", "knee_angle_r_beta", "knee_angle_l"]
    motion = read_angles(table(tmp_path, names, [[1.5, 60.0, 7.0, 10.0], [1.6, 50.0, 7.0, 20.0]]))
    assert np.rad2deg(motion.angle("knee_angle_r")) == pytest.approx([60.0, 50.0])
    assert motion.angle("pelvis_tx") == pytest.approx([1.5, 1.6])
    assert np.isnan(motion.angle("hip_flexion_r")).all()
    assert np.isnan(motion.R_world_segment).all()
    assert np.isnan(motion.positions).all()
    assert motion.notes == ("Columns that are no coordinate here: knee_angle_r_beta.",)


def test_opensims_paths(tmp_path: Path) -> None:
    names = [f"/jointset/knee_r/knee_angle_r/{kind}" for kind in ("value", "speed")]
    motion = read_angles(table(tmp_path, names, [[0.5, 3.0]], "inDegrees=no\n"))
    assert motion.angle("knee_angle_r") == pytest.approx(0.5)


def test_signs_are_changed_only_as_told(tmp_path: Path) -> None:
    file = table(tmp_path, ["knee_angle_r", "hip_flexion_r"], [[-5.0, 30.0], [-70.0, 20.0], [-20.0, 10.0]])
    with pytest.raises(KinefuseError, match=r"knee_angle_r bends to -70°.*--flip knee_angle"):
        read_angles(file)
    motion = read_angles(file, ["knee_angle_r"])
    assert np.rad2deg(motion.angle("knee_angle_r")) == pytest.approx([5.0, 70.0, 20.0])
    assert np.rad2deg(motion.angle("hip_flexion_r")) == pytest.approx([30.0, 20.0, 10.0])
    with pytest.raises(KinefuseError, match="has no neck_flexion"):
        read_angles(file, ["knee_angle_r", "neck_flexion"])


def test_names() -> None:
    assert coordinates_called("knee_angle") == ("knee_angle_r", "knee_angle_l")
    assert coordinates_called("neck_flexion") == ("neck_flexion",)
    for name in ("knee", "pelvis_tx", ""):
        with pytest.raises(KinefuseError, match="No joint angle"):
            coordinates_called(name)


@pytest.mark.parametrize(
    "names, unit, said",
    [
        (["flux"], "inDegrees=yes\n", "none of the joint angles"),
        (["knee_angle_r"], "", "does not say its unit"),
        (["knee_angle_r", "/a/knee_angle_r/value"], "inDegrees=no\n", "knee_angle_r twice"),
    ],
)
def test_mistakes(tmp_path: Path, names: list[str], unit: str, said: str) -> None:
    with pytest.raises(KinefuseError, match=said):
        read_angles(table(tmp_path, names, [[0.1] * len(names)], unit))


TEXT = (
    b"Coordinates\nversion=1\nnRows=2\nnColumns=3\ninDegrees=yes\nendheader\n"
    b"time\tknee_angle_r\tpelvis_tx\n0.0\t10.5\t1.0\n0.1\t11.5\t1.1\n"
)


@settings(max_examples=150, deadline=2000)
@given(st.lists(st.tuples(st.integers(0, len(TEXT) - 1), st.integers(0, 255)), max_size=6), st.integers(0, 200))
def test_damage_ends_in_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], cut: int
) -> None:
    content = bytearray(TEXT)
    for place, value in changes:
        content[place] = value
    file = tmp_path_factory.mktemp("damaged") / "ik.mot"
    file.write_bytes(bytes(content[:cut]))
    with contextlib.suppress(KinefuseError):
        motion = read_angles(file)
        assert compare_motions(motion, motion).frames == len(motion.time)


def test_results_of_opensim_opencap_and_pose2sim(data: Path) -> None:
    real = data / "real"
    walking = real / "opencap_markers_walk2_dj1" / "reference"
    made = [
        walking / "walking2_ik_opensim46.mot",
        walking / "walking2_ik_addbiomechanics.mot",
        real / "pose2sim_balancing" / "reference" / "opensim_ik_LSTM.mot",
        real / "opensense_walking" / "reference" / "ik_MT_012005D6_009-001_orientations.mot",
    ]
    for file in made:
        motion = read_angles(file)
        knee = np.rad2deg(motion.angles[:, COORDINATE_INDEX["knee_angle_r"]])
        assert -10 < knee.min() < 20 < 50 < knee.max() < 90, file
