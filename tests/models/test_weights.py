"""Weights on disk: what is written comes back, and every other file is refused in one sentence."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from network_samples import random_signals, shaken
from safetensors.torch import load_file, save_file
from torch import nn

from kinefuse.errors import FormatError, KinefuseError
from kinefuse.models.weights import NETWORKS, PRESETS, load_network, save_network

MAX_BYTES = 12_000_000
OF_WINDOWS = ("videonet", "imunet", "fusionnet")


def tiny(name: str) -> nn.Module:
    torch.manual_seed(0)
    return shaken(NETWORKS[name](PRESETS[name]["tiny"]), size=0.02)


def refused(name: str, path: Path) -> str:
    with pytest.raises(FormatError) as caught:
        load_network(name, path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.endswith(".")
    assert len(message.splitlines()) == 1
    return message


def rewritten(path: Path, **metadata: str) -> None:
    """Write the same weights with other metadata."""
    save_file(load_file(path), path, metadata=metadata)


@pytest.mark.parametrize("name", OF_WINDOWS)
def test_round_trip_within_half_precision(name: str, tmp_path: Path) -> None:
    network = tiny(name)
    save_network(tmp_path / "net.safetensors", name, network)
    back = load_network(name, tmp_path / "net.safetensors")
    assert back.config == network.config
    assert not back.training
    for key, value in network.state_dict().items():
        found = back.state_dict()[key]
        assert found.dtype == value.dtype
        assert torch.allclose(found, value, rtol=1e-3, atol=1e-6)
    signals = random_signals(24)
    with torch.no_grad():
        apart = network(signals).R_world_segment - back(signals).R_world_segment
    assert float(apart.abs().mean()) < 0.005


@pytest.mark.parametrize("name", OF_WINDOWS)
@pytest.mark.parametrize("preset", ["default", "paper"])
def test_every_configuration_comes_back(name: str, preset: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name](PRESETS[name][preset])
    save_network(tmp_path / "net.safetensors", name, network)
    assert load_network(name, tmp_path / "net.safetensors").config == network.config


@pytest.mark.parametrize("name", OF_WINDOWS)
def test_shipped_networks_are_small_and_load(name: str) -> None:
    shipped = Path(str(files("kinefuse.models") / f"{name}.safetensors"))
    if not shipped.exists():
        pytest.skip("not shipped")
    assert shipped.stat().st_size <= MAX_BYTES
    network = load_network(name)
    assert network.config == PRESETS[name]["default"]
    assert all(bool(value.isfinite().all()) for value in network.state_dict().values())


def test_a_missing_file(tmp_path: Path) -> None:
    assert "expected the weights of videonet" in refused("videonet", tmp_path / "none.safetensors")
    assert "expected the weights of videonet" in refused("videonet", tmp_path)


def test_a_damaged_file(tmp_path: Path) -> None:
    save_network(tmp_path / "net.safetensors", "imunet", tiny("imunet"))
    content = (tmp_path / "net.safetensors").read_bytes()
    for name, part in (("cut", content[: len(content) // 2]), ("short", content[:5]), ("text", b"{}" * 50)):
        (tmp_path / name).write_bytes(part)
        assert "expected the weights of imunet" in refused("imunet", tmp_path / name)


def test_another_networks_file(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_network(path, "imunet", tiny("imunet"))
    assert "got those of imunet" in refused("videonet", path)
    save_file({"w": torch.zeros(2)}, path)
    assert "got those of something else" in refused("videonet", path)


def test_another_configuration(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    network = tiny("videonet")
    save_network(path, "videonet", network)
    for config in (
        json.dumps({"window": 30}),
        "not JSON",
        "[]",
        json.dumps({"trunk": {"width": 96}, "points": [0, 1]}),
    ):
        rewritten(path, network="videonet", config=config)
        assert "do not fit its configuration" in refused("videonet", path)
    rewritten(path, network="videonet")
    assert "do not fit its configuration" in refused("videonet", path)


def test_an_unknown_network(tmp_path: Path) -> None:
    with pytest.raises(KinefuseError, match="there are videonet, imunet, fusionnet"):
        load_network("videonett", tmp_path / "net.safetensors")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KinefuseError, match="choose a folder"):
        save_network(tmp_path / "none" / "net.safetensors", "imunet", tiny("imunet"))
