"""Weights on disk: safetensors in half precision, with the network's configuration beside them."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from kinefuse.errors import FormatError, check_known
from kinefuse.models.deepfuse import DEEPFUSE_PRESETS, DeepFuse, config_from
from kinefuse.models.fusionnet import FUSIONNET_PRESETS, FusionNet, FusionNetConfig
from kinefuse.models.imunet import IMUNET_PRESETS, ImuNet, ImuNetConfig
from kinefuse.models.layers import TrunkConfig
from kinefuse.models.videonet import VIDEONET_PRESETS, VideoNet, VideoNetConfig

FUSED: Final = "deepfuse"
VISION: Final = "deepfuse-vision"
"""DeepFuse with and without the layer for orientations."""

NETWORKS: Final[dict[str, Callable[[Any], nn.Module]]] = {
    "videonet": VideoNet,
    "imunet": ImuNet,
    "fusionnet": FusionNet,
    FUSED: DeepFuse,
    VISION: DeepFuse,
}
PRESETS: Final[dict[str, dict[str, Any]]] = {
    "videonet": VIDEONET_PRESETS,
    "imunet": IMUNET_PRESETS,
    "fusionnet": FUSIONNET_PRESETS,
    FUSED: DEEPFUSE_PRESETS,
    VISION: {name: replace(shape, refinement="vision") for name, shape in DEEPFUSE_PRESETS.items()},
}


def save_network(path: Path, name: str, network: nn.Module) -> None:
    """Write a network's weights and configuration, atomically.

    Parameters
    ----------
    path : a ``.safetensors`` file
    name : key of `NETWORKS`
    network : of that kind
    """
    from safetensors.torch import save_file

    from kinefuse.formats.table_text import write_atomically

    weights = {key: _halved(value).contiguous() for key, value in network.state_dict().items()}
    about = {"network": name, "config": json.dumps(asdict(network.config))}  # type: ignore[call-overload]
    write_atomically(Path(path), lambda partial: save_file(weights, partial, metadata=about), suffix=".safetensors")


def _halved(value: torch.Tensor) -> torch.Tensor:
    return value.half() if value.is_floating_point() else value


def load_network(name: str, path: Path | None = None) -> nn.Module:
    """Return a trained network, ready to use, in single precision.

    Parameters
    ----------
    name : key of `NETWORKS`
    path : a file that `save_network` wrote; None takes the one that is shipped

    Raises
    ------
    FormatError
        If the file is missing, damaged, of another network, or of a configuration that this version does not know.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(str(files("kinefuse.models") / f"{name}.safetensors")) if path is None else Path(path)
    check_known("network", name, NETWORKS)
    try:
        with safe_open(path, framework="pt") as stored:
            about = stored.metadata() or {}
            weights = {key: _single(stored.get_tensor(key)) for key in stored.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise FormatError(
            f"{path}: expected the weights of {name} ({error}); train it or name another file."
        ) from error
    # DeepFuse with and without orientations is one network: its configuration says which.
    if NETWORKS.get(about.get("network", "")) is not NETWORKS[name]:
        raise FormatError(
            f"{path}: expected the weights of {name}, got those of {about.get('network', 'something else')}."
        )
    try:
        network = NETWORKS[name](_config(name, json.loads(about["config"])))
        network.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise FormatError(f"{path}: its weights do not fit its configuration; train it with this version.") from error
    return network.eval()


def _single(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.is_floating_point() else value


def _config(name: str, stored: dict[str, Any]) -> Any:
    """Build the configuration that a file states."""
    if NETWORKS[name] is DeepFuse:
        return config_from(stored)
    if name == "fusionnet":
        parts = {"video": _config("videonet", stored["video"]), "imu": _config("imunet", stored["imu"])}
        return FusionNetConfig(**{**stored, **parts, "trunk": TrunkConfig(**stored["trunk"])})
    trunk = TrunkConfig(**stored["trunk"])
    if name == "videonet":
        return VideoNetConfig(**{**stored, "trunk": trunk, "points": tuple(stored["points"])})
    return ImuNetConfig(**{**stored, "trunk": trunk})
