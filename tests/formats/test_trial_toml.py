import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trial_samples import camera

from kinefuse.conventions import KEYPOINTS, SEGMENTS
from kinefuse.errors import FormatError
from kinefuse.formats.calibration import read_calibration
from kinefuse.formats.imu_csv import read_imu_csv
from kinefuse.formats.keypoint_csv import read_keypoints_csv
from kinefuse.formats.keypoint_layouts import LAYOUTS
from kinefuse.formats.trial_toml import is_file_name, parse_trial_toml, trial_toml_text
from kinefuse.recordings import HeldPose, HingeMovement, Recording, Subject, View


def problems_of(text: str) -> list[str]:
    return parse_trial_toml(tomllib.loads(text))[1]


def test_an_empty_file_says_nothing() -> None:
    parsed, problems = parse_trial_toml({})
    assert problems == []
    assert parsed.cameras is None
    assert parsed.imus is None
    assert parsed.subject == Subject()


def test_every_key_is_understood() -> None:
    parsed, problems = parse_trial_toml(
        tomllib.loads(
            'format = 1\n[subject]\nid = "S"\nheight_m = 1.8\nmass_kg = 70\nsex = "female"\nage_years = 41\n'
            '[[camera]]\nname = "c"\nvideo = "v.mp4"\nrate_hz = 60\nstart_s = -0.5\nkeypoint_layout = "body25b"\n'
            "image_scale = 0.5\nimage_offset_px = [1, 2.0]\n"
            '[[imu]]\nname = "thigh_r"\nstart_s = 0\nq_segment_sensor = [1, 0, 0, 0]\nq_world_ref = [0, 1, 0, 0]\n'
            '[[pose]]\nkind = "t"\nstart_s = 1\nend_s = 2\n'
            '[[movement]]\njoint = "knee_r"\nstart_s = 3\nend_s = 8.5\n[joint_centers]\nfile = "a.trc"\n'
        )
    )
    assert problems == []
    assert parsed.subject.height_m == 1.8
    assert parsed.cameras is not None
    assert parsed.cameras[0].image_offset_px == [1, 2.0]
    assert parsed.imus is not None
    assert (parsed.imus[0].segment, parsed.imus[0].file) == ("thigh_r", "imu/thigh_r.csv")
    assert parsed.poses == (HeldPose(kind="t", start_s=1, end_s=2),)
    assert parsed.movements == (HingeMovement(joint="knee_r", start_s=3, end_s=8.5),)
    assert parsed.joint_centers == "a.trc"


@pytest.mark.parametrize(
    "text, words",
    [
        ("format = 2", "format must be 1, got 2"),
        ("camera = 1", "camera must be written as [[camera]]"),
        ('[camera]\nname = "c"', "camera must be written as [[camera]]"),
        ("subject = []", "subject must be written as [subject]"),
        ('[[camera]]\nname = "c"\nrate = 60', "[[camera]] c has an unknown key 'rate' (did you mean 'rate_hz'?)"),
        ('[[camera]]\nname = "c"\nrate_hz = 0', "[[camera]] c: rate_hz must be a positive number, got 0"),
        ('[[camera]]\nname = "c"\nrate_hz = "60"', "rate_hz must be a positive number, got '60'"),
        ('[[camera]]\nname = "c"\nstart_s = true', "start_s must be a finite number, got True"),
        ('[[camera]]\nname = "c"\nimage_offset_px = [1]', "image_offset_px must be a list of two numbers"),
        ('[[camera]]\nname = "c"\nkeypoint_layout = "coco"', "one of halpe26, coco17, coco18"),
        ('[[camera]]\nname = "c"\n[[camera]]\nname = "c"', "[[camera]] c appears twice"),
        ("[[camera]]\nrate_hz = 1", "[[camera]] 1 lacks name"),
        ('[[imu]]\nname = "thigh_r"\nq_world_ref = [0, 0, 0, 0]', "must be a unit quaternion [w, x, y, z]"),
        ('[[imu]]\nname = "a"\nsegment = "leg"', "segment must be one of pelvis"),
        ('[[pose]]\nkind = "n"\nstart_s = 2\nend_s = 1', "[[pose]] 1: end_s must be later than start_s"),
        (
            '[[movement]]\njoint = "hip_r"\nstart_s = 1\nend_s = 2',
            "joint must be one of knee_l, knee_r, elbow_l, elbow_r",
        ),
        ('[[movement]]\njoint = "knee_r"\nend_s = 2', "[[movement]] 1 lacks start_s"),
        ('[[movement]]\njoint = "knee_r"\nstart_s = 2\nend_s = 2', "[[movement]] 1: end_s must be later than start_s"),
        (2 * '[[movement]]\njoint = "knee_r"\nstart_s = 1\nend_s = 2\n', "[[movement]] knee_r appears twice"),
        ("[movement]", "movement must be written as [[movement]]"),
        ("[subject]\nheight_m = 178", "height_m must be a height in metres, 0.3 to 3, got 178"),
        ("[joint_centers]", "[joint_centers] lacks file"),
        ("wizard = 1", "unknown key 'wizard' (known: format, subject, camera, imu, pose, movement, joint_centers)"),
    ],
)
def test_mistakes_are_named(text: str, words: str) -> None:
    found = problems_of(text)
    assert any(words in problem for problem in found), found


def test_whole_numbers_become_floats_however_great() -> None:
    parsed, problems = parse_trial_toml({"camera": [{"name": "c", "rate_hz": 10**20, "start_s": 0}]})
    assert problems == []
    assert parsed.cameras is not None
    assert (parsed.cameras[0].rate_hz, parsed.cameras[0].start_s) == (1e20, 0.0)
    assert isinstance(parsed.cameras[0].rate_hz, float)


@pytest.mark.parametrize("name", ["cam_1", "links 2", "é", "a.b"])
def test_names_that_can_name_a_file(name: str) -> None:
    assert is_file_name(name)


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", ".hidden", "a\n", "a\0", "x" * 300, 3, None])
def test_names_that_cannot(name: Any) -> None:
    assert not is_file_name(name)


def test_text_is_read_back_and_needs_finite_numbers() -> None:
    recording = Recording(
        subject=Subject(height_m=float(np.float64(1.7))),
        poses=(HeldPose(kind="n", start_s=0, end_s=1),),
        movements=(HingeMovement(joint="elbow_l", start_s=2, end_s=4),),
    )
    parsed, problems = parse_trial_toml(tomllib.loads(trial_toml_text(recording, {}, "joint_centers.trc")))
    assert problems == []
    assert (parsed.subject, parsed.poses, parsed.movements) == (recording.subject, recording.poses, recording.movements)
    assert parsed.joint_centers == "joint_centers.trc"
    broken = Recording(subject=Subject(height_m=float("nan")))
    with pytest.raises(FormatError, match=r"\[subject\] height_m: expected finite numbers"):
        trial_toml_text(broken, {}, None)
    assert "rate_hz" not in trial_toml_text(Recording(views=()), {}, None)


def test_a_view_without_knowledge_is_its_name_only() -> None:
    recording = Recording(cameras=(camera("c"),), views=(View(camera="c"),))
    assert tomllib.loads(trial_toml_text(recording, {}, None)) == {"format": 1, "camera": [{"name": "c"}]}


def test_the_examples_of_the_documentation_are_right(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "trial-format.md").read_text(encoding="utf-8")
    trial, cameras = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    parsed, problems = parse_trial_toml(tomllib.loads(trial))
    assert problems == []
    assert parsed.cameras is not None
    assert parsed.cameras[0].keypoint_layout == "body25b"
    points, sensor = re.findall(r"```csv\n(.*?)```", text, re.DOTALL)
    for name, content in (("c.toml", cameras), ("k.csv", points), ("i.csv", sensor)):
        (tmp_path / name).write_text(content)
    assert read_calibration(tmp_path / "c.toml")[0].name == "cam_1"
    assert np.isfinite(read_keypoints_csv(tmp_path / "k.csv").pixels).sum() == 4
    assert np.isnan(read_imu_csv(tmp_path / "i.csv", "thigh_r").angular_rate).sum() == 1
    for names in (SEGMENTS, KEYPOINTS, LAYOUTS):
        assert all(f"`{name}`" in text for name in names)
