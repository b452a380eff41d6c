import pytest

from kinefuse.conventions import SEGMENTS
from kinefuse.errors import KinefuseError, check_known, hint, nearest


def test_a_mistyped_word_gets_the_one_that_was_meant() -> None:
    assert nearest("rate_hertz", ["rate_hz", "name"]) == " (did you mean 'rate_hz'?)"
    assert nearest("zzz", ["rate_hz", "name"]) == ""
    assert hint("zzz", ["rate_hz", "name"]) == " (known: rate_hz, name)"


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("Thigh_L", "thigh_l"),
        ("LeftThigh", "thigh_l"),
        ("l_shank", "shank_l"),
        ("lfoot", "foot_l"),
        ("FOOTL", "foot_l"),
        ("UpperArm_L", "upper_arm_l"),
        ("rightForearm", "forearm_r"),
        ("thigh_right", "thigh_r"),
        ("pelvs", "pelvis"),
    ],
)
def test_left_is_never_offered_for_right(word: str, meant: str) -> None:
    assert nearest(word, SEGMENTS) == f" (did you mean {meant!r}?)"


def test_an_unknown_name_is_told_with_the_nearest_and_all_there_are() -> None:
    check_known("preset", "paper", {"paper": 1})
    with pytest.raises(KinefuseError) as told:
        check_known("preset", "papr", ("default", "paper"))
    assert str(told.value) == "No preset is called 'papr' (did you mean 'paper'?); there are default, paper."
    with pytest.raises(KinefuseError) as told:
        check_known("preset", "zzz", ["paper"])
    assert str(told.value) == "No preset is called 'zzz'; there are paper."
