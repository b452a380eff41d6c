"""How the study's figures look: one colour, one symbol and one dash a method, also told apart without colours."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

Trace = dict[str, Any]

COLOURS: Final = {
    "fusionnet": "#0072b2",
    "videonet": "#009e73",
    "imunet": "#d55e00",
    "fusion-optimisation": "#56b4e9",
    "fusion-optimisation:paper": "#56b4e9",
    "fusion-optimisation:calibrated": "#3f6fb0",
    "fusion-optimisation:frames": "#a9c7e8",
    "smplify3d": "#6fbf9f",
    "smplify3d:paper": "#6fbf9f",
    "imu-kinematics": "#e69f00",
    "mean-pose": "#8a949e",
}
"""Of Okabe and Ito's palette; a network and the methods of the same inputs are of one family."""

_SYMBOLS: Final = {
    "fusionnet": "circle",
    "videonet": "square",
    "imunet": "diamond",
    "fusion-optimisation": "circle-open",
    "fusion-optimisation:paper": "circle-x-open",
    "fusion-optimisation:calibrated": "triangle-up-open",
    "fusion-optimisation:frames": "triangle-down-open",
    "smplify3d": "square-open",
    "smplify3d:paper": "square-x-open",
    "imu-kinematics": "diamond-open",
    "mean-pose": "x-thin-open",
}

_DASHES: Final = {
    "fusion-optimisation": "dash",
    "fusion-optimisation:paper": "dot",
    "fusion-optimisation:calibrated": "dashdot",
    "fusion-optimisation:frames": "longdashdot",
    "smplify3d": "dash",
    "smplify3d:paper": "dot",
    "imu-kinematics": "dash",
    "mean-pose": "longdash",
}

_PATTERNS: Final = {
    "fusion-optimisation": "/",
    "fusion-optimisation:paper": "x",
    "fusion-optimisation:calibrated": "\\",
    "fusion-optimisation:frames": "-",
    "smplify3d": "/",
    "smplify3d:paper": "x",
    "imu-kinematics": "/",
    "mean-pose": ".",
}

UNKNOWN_COLOUR: Final = "#cc79a7"
"""Of a method that has no colour of its own."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One plot: what Plotly draws, and what stands above it.

    Attributes
    ----------
    title : plain text
    traces : Plotly's; ``meta`` of a trace names its method, by which the page's legend shows and hides it
    layout : what differs from the page's own
    height : pixels
    """

    title: str
    traces: list[Trace]
    layout: dict[str, Any] = field(default_factory=dict)
    height: int = 300


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Panels that belong together.

    Attributes
    ----------
    key : unique
    title, caption : plain text; the caption says what is seen
    size : ``"wide"`` for panels of the whole width, ``"three"`` and ``"small"`` for three or four in a
        row, else two
    """

    key: str
    title: str
    caption: str
    panels: list[Panel]
    size: str = ""


def colour(method: str) -> str:
    """Return a method's colour."""
    return COLOURS.get(method, UNKNOWN_COLOUR)


def translucent(method: str, share: float) -> str:
    """Return a method's colour, let through by `share`."""
    red, green, blue = (int(colour(method)[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share:g})"


HATCH: Final = {"fillmode": "overlay", "fgcolor": "#ffffff", "fgopacity": 0.9, "size": 7, "solidity": 0.22}
"""White lines on a bar's own colour."""


def bar_marker(method: str) -> dict[str, Any]:
    """Return how a method's bar is filled: networks plain, others hatched."""
    marker: dict[str, Any] = {"color": colour(method), "line": {"width": 0}}
    if method in _PATTERNS:
        marker["pattern"] = HATCH | {"shape": _PATTERNS[method]}
    return marker


def line(method: str) -> dict[str, Any]:
    """Return how a method's line is drawn."""
    return {"color": colour(method), "width": 2, "dash": _DASHES.get(method, "solid")}


def point_marker(method: str) -> dict[str, Any]:
    """Return how a method's points are drawn."""
    return {"color": colour(method), "symbol": _SYMBOLS.get(method, "star"), "size": 8}


def plain(values: np.ndarray, digits: int = 3) -> list[float | None]:
    """Return numbers for JSON, rounded; None where they are unknown."""
    return [round(float(v), digits) if np.isfinite(v) else None for v in np.asarray(values, dtype=float).ravel()]
