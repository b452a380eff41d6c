"""UI-PRMD archives: units, axes and missing markers of a made one, a real one, and what is none."""

from pathlib import Path

import numpy as np
import pytest

from kinefuse.body.markers import recognise_markers
from kinefuse.errors import FormatError, KinefuseError
from kinefuse.formats.uiprmd import list_uiprmd, read_uiprmd


def archive(folder: Path, **more: np.ndarray) -> Path:
    """An archive of two markers and one repetition."""
    markers = np.array([[[1000, 2000, 3000], [-32768, -32768, -32768]]] * 2, np.int16)
    content = {"marker_names": np.array(["LASI", "RASI"]), "m01_e01": markers} | more
    np.savez(folder / "person.npz", **content)  # type: ignore[arg-type]
    return folder / "person.npz"


def test_units_axes_and_missing(tmp_path: Path) -> None:
    centers = read_uiprmd(archive(tmp_path), "m01_e01")
    assert centers.names == ("LASI", "RASI")
    np.testing.assert_allclose(centers.time, [0, 0.01])
    np.testing.assert_allclose(centers.positions[0, 0], [0.2, 0.3, 0.1])  # Z, which is up, becomes Y
    assert np.isnan(centers.positions[:, 1]).all()


def test_only_repetitions_are_listed(tmp_path: Path) -> None:
    assert list_uiprmd(archive(tmp_path, notes=np.zeros(2))) == ["m01_e01"]


def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(KinefuseError, match="no repetition 'm02_e01'"):
        read_uiprmd(archive(tmp_path), "m02_e01")
    with pytest.raises(FormatError, match="16-bit integers"):
        read_uiprmd(archive(tmp_path, m01_e01=np.zeros((2, 2, 3))), "m01_e01")
    with pytest.raises(FormatError, match="different names"):
        read_uiprmd(archive(tmp_path, marker_names=np.array(["A", "A"])), "m01_e01")
    with pytest.raises(FormatError, match="cannot be read"):
        read_uiprmd(archive(tmp_path, marker_names=np.array(["A", None], object)), "m01_e01")
    with pytest.raises(KinefuseError, match="no such file"):
        list_uiprmd(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(FormatError, match="UI-PRMD"):
        list_uiprmd(tmp_path / "text.npz")
    content = archive(tmp_path).read_bytes()
    for length in range(0, len(content), 97):
        (tmp_path / "cut.npz").write_bytes(content[:length])
        with pytest.raises(KinefuseError):
            read_uiprmd(tmp_path / "cut.npz", "m01_e01")


def test_real_person_stands_upright(data: Path) -> None:
    path = data / "mocap" / "uiprmd_s06.npz"
    names = list_uiprmd(path)
    assert len(names) > 90
    centers = read_uiprmd(path, names[0])
    assert recognise_markers(centers.names) == "plug-in-gait"
    height = centers.positions[0, :, 1]
    assert 1.4 < height[centers.names.index("LFHD")] < 1.9
    assert height[centers.names.index("LTOE")] < 0.15
