import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kinefuse.cli import main
from kinefuse.cli.failures import guarded, os_sentence
from kinefuse.errors import KinefuseError


def raising(error: BaseException) -> int:
    def command() -> None:
        raise error

    return guarded(command)


def test_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(lambda: None) == 0
    assert guarded(lambda: 2) == 2
    assert raising(KinefuseError("This is wrong; mend it.")) == 2
    assert capsys.readouterr().err == "kinefuse: This is wrong; mend it.\n"
    assert raising(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "kinefuse: Interrupted before the work was finished.\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENOENT, errno.EIO])
def test_errors_of_the_operating_system_are_one_sentence(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(OSError(number, os.strerror(number), "some/file")) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"kinefuse: some/file: {os.strerror(number)}; ")
    assert len(err.splitlines()) == 1


def test_an_error_without_a_number_still_speaks() -> None:
    assert os_sentence(OSError()) == "OSError; try again, or name another place."


def test_our_fault_asks_for_a_report(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KINEFUSE_TRACEBACK", raising=False)
    assert raising(ZeroDivisionError("division by zero")) == 1
    err = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in err
    assert "KINEFUSE_TRACEBACK=1" in err
    assert "Traceback" not in err
    monkeypatch.setenv("KINEFUSE_TRACEBACK", "1")
    assert raising(ZeroDivisionError("division by zero")) == 1
    assert "Traceback" in capsys.readouterr().err


def test_help_is_light() -> None:
    heavy = {"torch", "mediapipe", "cv2", "scipy.optimize", "plotly", "viser", "xarray", "pandas", "h5py", "ezc3d"}
    code = f"import sys; from kinefuse.cli import main; main(['--help']); print(sorted({heavy!r} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert main([]) == 0
    assert capsys.readouterr().out.strip() == text.strip()
    for command in ("demo", "run", "check", "import", "export", "view"):
        assert f"  {command} " in text
        assert main([command, "--help"]) == 0
        assert "Usage: kinefuse" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("kinefuse 0.")


def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    command = f"{sys.executable} -m kinefuse --help | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stderr == ""
