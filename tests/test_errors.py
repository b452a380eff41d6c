from kinefuse.errors import KinefuseError, unknown_name


def test_an_unknown_name_is_told_with_the_nearest_and_all_there_are() -> None:
    error = unknown_name("preset", "papr", ("default", "paper"))
    assert isinstance(error, KinefuseError)
    assert str(error) == "No preset is called 'papr' (did you mean 'paper'?); there are default, paper."


def test_nothing_is_suggested_for_what_is_like_none() -> None:
    assert str(unknown_name("preset", "zzz", ["paper"])) == "No preset is called 'zzz'; there are paper."
